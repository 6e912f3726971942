//! The verifier: what a service calls for each token, and what the follower writes to.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;

use crate::claims::{Claims, Expected};
use crate::connection::{Connection, ConnectionError, Places};
use crate::follow;
use crate::keys::Keys;
use crate::message::{Message, MessageError};
use crate::options::{Options, OptionsError};
use crate::refusal::{Kind, Refusal};
use crate::revocations::{Arrival, Broken, Revocations};

/// The `typ` of an access token (RFC 9068 §2.1).
const ACCESS_TOKEN: &str = "at+jwt";
/// How often the keys may be fetched because of one that isn't known.
const KEYS_AT_MOST: Duration = Duration::from_mins(1);
/// What is kept beyond the life of the last token that it speaks of.
const SLACK: Duration = Duration::from_mins(1);

/// Verifies access tokens and follows the revocation feed. Clones are the same verifier; with the last one it ends.
#[derive(Clone)]
pub struct Verifier {
    shared: Arc<Shared>,
    _follower: Arc<Follower>,
}

struct Follower(JoinHandle<()>);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How it stands with the feed, for health checks and metrics.
#[derive(Clone, Debug)]
pub struct Status {
    /// Whether tokens are judged at all.
    pub fresh: bool,
    /// How long ago the feed was last heard to its end.
    pub silent_for: Option<Duration>,
    /// How many revocations are kept in memory.
    pub entries: usize,
    /// How far the feed was read.
    pub position: Option<u64>,
    /// What went wrong last, until something goes right.
    pub last_error: Option<String>,
}

pub(crate) struct Shared {
    pub options: Options,
    pub connection: Connection,
    keys: RwLock<Arc<Keys>>,
    places: RwLock<Option<Places>>,
    /// When the keys were last fetched.
    fetched: Mutex<Option<Instant>>,
    revocations: RwLock<Revocations>,
    last_error: RwLock<Option<String>>,
    heard: Notify,
}

/// Why a message of the feed was not taken in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("a message of the feed is not to be trusted: {0}")]
    Signature(Kind),
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error(transparent)]
    Broken(#[from] Broken),
}

fn reading<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn writing<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

impl Verifier {
    /// Starts to follow the feed. Until its end was heard, tokens are refused: see [`Verifier::ready`].
    ///
    /// # Errors
    /// A setting that makes no sense.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn start(options: Options) -> Result<Self, OptionsError> {
        let issuer = options.check()?;
        let patience = (options.max_silence / 3).min(Duration::from_secs(5));
        let connection = Connection::new(issuer, &options.issuer, patience)?;
        let shared = Arc::new(Shared {
            options,
            connection,
            keys: RwLock::default(),
            places: RwLock::default(),
            fetched: Mutex::default(),
            revocations: RwLock::default(),
            last_error: RwLock::default(),
            heard: Notify::new(),
        });
        let follower = Arc::new(Follower(tokio::spawn(follow::run(Arc::clone(&shared)))));
        Ok(Self { shared, _follower: follower })
    }

    /// Waits until tokens are judged.
    pub async fn ready(&self) {
        loop {
            let heard = self.shared.heard.notified();
            if self.status().fresh {
                return;
            }
            heard.await;
        }
    }

    /// Judges an access token. Nothing is asked of anybody, but for Muster's keys where one isn't known, at most once a
    /// minute.
    ///
    /// # Errors
    /// Why it is not honoured.
    pub async fn verify(&self, token: &str) -> Result<Claims, Refusal> {
        let claims = self.shared.signed(token, ACCESS_TOKEN).await;
        Ok(self.shared.judge(claims)?)
    }

    /// How it stands with the feed.
    #[must_use]
    pub fn status(&self) -> Status {
        let (at, revocations) = (Instant::now(), reading(&self.shared.revocations));
        Status {
            fresh: revocations.is_fresh(at, self.shared.options.max_silence)
                && !revocations.was_halted(now(), self.shared.longest()),
            silent_for: revocations.silence(at),
            entries: revocations.len(),
            position: revocations.position().map(|(position, _)| position),
            last_error: reading(&self.shared.last_error).clone(),
        }
    }
}

impl Shared {
    /// The claims of a JWT that Muster signed. A key that isn't known is looked for, but not for every passer-by.
    async fn signed(&self, token: &str, typ: &str) -> Result<Map<String, Value>, Kind> {
        let keys = Arc::clone(&reading(&self.keys));
        match keys.verify(token, typ) {
            Err(Kind::UnknownKey) => {
                // What can't be fetched leaves the keys as they are.
                let _ = self.fetch_keys(KEYS_AT_MOST).await;
                let keys = Arc::clone(&reading(&self.keys));
                keys.verify(token, typ)
            }
            verified => verified,
        }
    }

    fn judge(&self, claims: Result<Map<String, Value>, Kind>) -> Result<Claims, Kind> {
        let Some(max_life) = reading(&self.places).as_ref().map(|places| places.max_life) else {
            // Before anything was heard from Muster, nothing can be said of any token.
            return Err(Kind::StaleFeed);
        };
        let (issuer, audience) = (self.options.issuer.as_str(), self.options.audience.as_str());
        let (leeway, max_life, now) = (seconds(self.options.leeway), seconds(max_life), now());
        let claims = Claims::check(claims?, &Expected { issuer, audience, now, leeway, max_life })?;
        let revocations = reading(&self.revocations);
        revocations.judge(&claims, Instant::now(), self.options.max_silence)?;
        if revocations.was_halted(now, self.longest()) { Err(Kind::StaleFeed) } else { Ok(claims) }
    }

    /// The silence by the calendar, whose seconds are whole and which may be set.
    fn longest(&self) -> Duration {
        self.options.max_silence + self.options.leeway + Duration::from_secs(1)
    }

    /// Fetches the keys, unless that was tried less than `at_most` ago.
    async fn fetch_keys(&self, at_most: Duration) -> Result<(), ConnectionError> {
        const NAME: &str = "jwks_uri";
        let mut fetched = self.fetched.lock().await;
        let Some(url) = reading(&self.places).as_ref().map(|places| places.jwks.clone()) else {
            return Ok(());
        };
        if fetched.is_some_and(|at| at.elapsed() < at_most) {
            return Ok(());
        }
        *fetched = Some(Instant::now());
        let set = self.connection.document(NAME, url).await?;
        let keys = Keys::read(&set).ok_or(ConnectionError::Unreadable(NAME))?;
        *writing(&self.keys) = Arc::new(keys);
        Ok(())
    }

    /// Reads where things are, and the keys.
    pub async fn set_up(&self) -> Result<Places, ConnectionError> {
        let places = self.connection.places().await?;
        *writing(&self.places) = Some(places.clone());
        self.fetch_keys(Duration::ZERO).await?;
        Ok(places)
    }

    /// Takes in a message of the feed.
    pub async fn take_in(&self, message: &str) -> Result<(), Unusable> {
        let claims = self.signed(message, crate::message::TYP).await.map_err(Unusable::Signature)?;
        let message = Message::read(&claims, &self.options.issuer, &self.options.credentials.client_id)?;
        let max_life = reading(&self.places).as_ref().map_or(Duration::ZERO, |places| places.max_life);
        let keep = max_life + self.options.leeway + SLACK;
        // Times of signing are whole seconds.
        let leeway = seconds(self.options.leeway) + 1;
        let arrival = Arrival { at: Instant::now(), now: now(), leeway, keep };
        if writing(&self.revocations).apply(message, arrival)? {
            *writing(&self.last_error) = None;
            self.heard.notify_waiters();
        }
        Ok(())
    }

    /// Where to go on from.
    pub fn position(&self) -> Option<(u64, String)> {
        reading(&self.revocations).position().map(|(position, generation)| (position, generation.to_owned()))
    }

    /// Has the feed be read anew.
    pub fn begin_anew(&self) {
        writing(&self.revocations).begin_anew();
    }

    /// Notes what went wrong.
    pub fn note(&self, error: &str) {
        *writing(&self.last_error) = Some(error.to_owned());
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
