//! Follows the feed: as a stream of events where that comes through, else by long polls. It never gives up.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use reqwest::StatusCode;
use url::Url;

use crate::connection::{self, ConnectionError, Places};
use crate::revocations::Broken;
use crate::sse::{Events, Unreadable};
use crate::verifier::{Shared, Unusable};

/// How long keys and addresses are used before they are read again.
const SET_UP_AGAIN: Duration = Duration::from_mins(5);
/// How long long polls are used after a stream did not come through.
const POLL_FOR: Duration = Duration::from_mins(10);
/// The server says something at least this often on a stream, and a little more.
const HEARTBEAT: Duration = Duration::from_secs(11);
/// Below this silence a stream's heartbeats are too far apart.
const STREAM_FROM: Duration = Duration::from_secs(10);
const STREAM: &str = "text/event-stream";
const MESSAGE: &str = "application/jwt";

#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Unusable(#[from] Unusable),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("the feed does not come as a stream of events")]
    NoStream,
    #[error("the feed's answer is of another type")]
    Type,
}

struct Followed {
    shared: Arc<Shared>,
    places: Option<(Places, Instant)>,
    token: Option<(String, Instant)>,
    poll_until: Option<Instant>,
    gaps: u32,
}

/// Follows the feed for ever.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut followed = Followed { shared, places: None, token: None, poll_until: None, gaps: 0 };
    let mut failures = 0_u32;
    loop {
        match followed.round().await {
            Ok(()) => failures = 0,
            Err(error) => {
                let text = told(&error);
                tracing::warn!(error = text, failures, "the revocation feed is interrupted");
                followed.shared.note(&text);
                followed.draw_lessons(&error);
                tokio::time::sleep(pause(failures)).await;
                failures = failures.saturating_add(1);
            }
        }
    }
}

/// An error with what caused it.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Longer from try to try, up to two seconds, and not the same for all that were cut off at once.
fn pause(failures: u32) -> Duration {
    let longest = 100_u64 << failures.min(5);
    let chance = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::from(since.subsec_micros()));
    Duration::from_millis((longest / 2 + chance % (longest / 2 + 1)).min(2000))
}

impl Followed {
    /// One connection, or one long poll.
    async fn round(&mut self) -> Result<(), FollowError> {
        let places = self.places().await?;
        let token = self.token(&places).await?;
        let silence = self.shared.options.max_silence;
        let polls = silence < STREAM_FROM || self.poll_until.is_some_and(|until| Instant::now() < until);
        if polls { self.poll(&places, &token, silence).await } else { self.stream(&places, &token, silence).await }
    }

    async fn places(&mut self) -> Result<Places, FollowError> {
        if let Some((places, read)) = &self.places
            && read.elapsed() < SET_UP_AGAIN
        {
            return Ok(places.clone());
        }
        let places = self.shared.set_up().await?;
        self.places = Some((places.clone(), Instant::now()));
        Ok(places)
    }

    async fn token(&mut self, places: &Places) -> Result<String, FollowError> {
        if let Some((token, until)) = &self.token
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let (token, until) = self.shared.connection.token(&self.shared.options.credentials, &places.token).await?;
        self.token = Some((token.clone(), until));
        Ok(token)
    }

    /// The feed's address, from where we are.
    fn address(&self, places: &Places, wait: Option<u64>) -> Url {
        let mut url = places.feed.clone();
        let mut query = url.query_pairs_mut();
        if let Some((position, generation)) = self.shared.position() {
            query.append_pair("after", &position.to_string()).append_pair("generation", &generation);
        }
        if let Some(wait) = wait {
            query.append_pair("wait", &wait.to_string());
        }
        drop(query);
        url
    }

    async fn stream(&mut self, places: &Places, token: &str, silence: Duration) -> Result<(), FollowError> {
        let patience = (silence * 2 / 3).min(HEARTBEAT);
        let opened = Instant::now();
        let url = self.address(places, None);
        let mut response = self.shared.connection.open(url, token, STREAM, patience).await?;
        if !connection::is_of_type(&response, STREAM) {
            return Err(FollowError::NoStream);
        }
        let (mut events, mut heard) = (Events::default(), false);
        while opened.elapsed() < SET_UP_AGAIN {
            let piece = match connection::piece(&mut response, patience).await {
                // Somebody on the way keeps the stream back.
                Err(ConnectionError::Late) if !heard => return Err(FollowError::NoStream),
                piece => piece?,
            };
            let Some(bytes) = piece else {
                tokio::time::sleep(pause(0)).await;
                break;
            };
            for message in events.push(&bytes)? {
                self.shared.take_in(&message).await?;
                (heard, self.gaps) = (true, 0);
            }
        }
        Ok(())
    }

    async fn poll(&mut self, places: &Places, token: &str, silence: Duration) -> Result<(), FollowError> {
        // Without a position, and as long as there is more, the answer comes at once anyway.
        let wait = (silence / 3).as_secs().clamp(1, 30);
        let patience = Duration::from_secs(wait) + (silence / 3).min(Duration::from_secs(5));
        let (asked, before) = (Instant::now(), self.shared.position());
        let url = self.address(places, Some(wait));
        let response = self.shared.connection.open(url, token, MESSAGE, patience).await?;
        if !connection::is_of_type(&response, MESSAGE) {
            return Err(FollowError::Type);
        }
        let message = connection::body(response, "the feed", patience).await?;
        self.shared.take_in(&message).await?;
        self.gaps = 0;
        if self.shared.position() == before && asked.elapsed() < Duration::from_millis(250) {
            // It does not wait, so we do.
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        Ok(())
    }

    /// What is to be done otherwise next time.
    fn draw_lessons(&mut self, error: &FollowError) {
        match error {
            FollowError::NoStream | FollowError::Connection(ConnectionError::Status(_, StatusCode::NOT_ACCEPTABLE)) => {
                self.poll_until = Some(Instant::now() + POLL_FOR);
            }
            FollowError::Connection(ConnectionError::Status(_, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)) => {
                self.token = None;
            }
            FollowError::Unusable(Unusable::Broken(Broken::Generation)) => self.shared.begin_anew(),
            FollowError::Unusable(Unusable::Broken(Broken::Gap)) => {
                // Once, the server may mend it: it is asked to go on from where we are.
                self.gaps += 1;
                if self.gaps > 1 {
                    self.shared.begin_anew();
                }
            }
            FollowError::Connection(_) | FollowError::Unusable(_) | FollowError::Unreadable(_) | FollowError::Type => {}
        }
    }
}
