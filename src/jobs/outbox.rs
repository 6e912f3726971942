//! Delivers the outbox: leased rows, many receivers at once, retried with growing delay for a day.
//!
//! Rows of one receiver wait in a line of their own, a few of them under way at once; while it does not answer, those
//! behind are put off without being tried. So a dead receiver holds up nobody else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::domain::oauth::application::ApplicationState;
use crate::domain::oidc::logout_token;
use crate::flows::webhook;
use crate::kernel::id::{AlertId, ApplicationId};
use crate::kernel::time::{DAY, HOUR, SECOND, UnixMillis};
use crate::outside::relying_party::SendError;
use crate::store::outbox::{self, Leased, Message, Outcome};
use crate::store::{alerts, applications};

/// So many rows are leased at once …
const BATCH: i64 = 128;
/// … while no more than so many are in hand …
const IN_HAND: usize = 1024;
/// … of which so many of one receiver are under way.
const AT_ONCE: usize = 8;
/// A lease, in milliseconds; nothing is begun in its last ten seconds, for another node may take the row then.
const LEASE: i64 = 60 * SECOND;
const LEASE_MARGIN: i64 = 10 * SECOND;
/// While a receiver doesn't answer, it is left alone for so many milliseconds.
const LEFT_ALONE: i64 = 5 * SECOND;
/// A receiver that takes so many milliseconds for one message is left alone too.
const SLOW: i64 = 2 * SECOND;
/// Other nodes' rows, and those whose bell was missed, are looked for this often.
const LOOK: Duration = Duration::from_secs(2);

/// One receiver's line.
#[derive(Debug)]
struct Line {
    places: Semaphore,
    left_alone_until: Mutex<UnixMillis>,
}

/// The lines, by receiver.
#[derive(Clone, Debug, Default)]
struct Lines(Arc<Mutex<HashMap<String, Arc<Line>>>>);

impl Lines {
    fn of(&self, receiver: &str) -> Arc<Line> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() > 10_000 {
            lines.retain(|_, line| Arc::strong_count(line) > 1);
        }
        let new = || Arc::new(Line { places: Semaphore::new(AT_ONCE), left_alone_until: Mutex::new(UnixMillis::MIN) });
        lines.entry(receiver.to_owned()).or_insert_with(new).clone()
    }
}

/// Works until `stop`; what is under way is finished.
pub async fn run(app: App, stop: CancellationToken) {
    let (lines, tasks) = (Lines::default(), TaskTracker::new());
    while !stop.is_cancelled() {
        let rung = app.outbox_bell.notified();
        match lease(&app).await {
            Ok(rows) if rows.is_empty() => {}
            Ok(rows) => {
                for row in rows {
                    tasks.spawn(deliver(app.clone(), lines.of(&row.receiver), row));
                }
                while tasks.len() > IN_HAND {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                continue;
            }
            Err(error) => tracing::error!(%error, "the outbox can't be read"),
        }
        tokio::select! {
            () = rung => {}
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => {}
        }
    }
    tasks.close();
    tasks.wait().await;
}

/// Leases what is due; a look first, for most of the time nothing is.
async fn lease(app: &App) -> Result<Vec<Leased>, sqlx::Error> {
    let now = app.now();
    if outbox::next_due(&mut app.db.read().await?).await?.is_none_or(|at| at > now) {
        return Ok(Vec::new());
    }
    outbox::lease(&app.db, BATCH, now, now.plus(LEASE)).await
}

async fn deliver(app: App, line: Arc<Line>, row: Leased) {
    let leased_at = app.now();
    let Ok(_place) = line.places.acquire().await else {
        return;
    };
    if app.now() > leased_at.plus(LEASE - LEASE_MARGIN) {
        return; // the lease runs out; somebody takes it up again
    }
    let left_alone = *line.left_alone_until.lock().unwrap_or_else(PoisonError::into_inner);
    let outcome = if app.now() < left_alone {
        later(&app, &row, "put off: the receiver does not answer")
    } else {
        let begun = app.now();
        let outcome = match &row.message {
            Message::BackchannelLogout { user, sid } => logout(&app, &line, &row, (user.as_str(), sid.as_str())).await,
            Message::Webhook { event } => hook(&app, &line, &row, event).await,
            // It is never leased.
            Message::Mail { .. } => later(&app, &row, "mail is not delivered here"),
        };
        // Those behind a slow one are put off like those behind a dead one: they must not fill the hand.
        if app.now().since(begun) >= SLOW {
            let mut until = line.left_alone_until.lock().unwrap_or_else(PoisonError::into_inner);
            *until = app.now().plus(LEFT_ALONE);
        }
        outcome
    };
    if let Err(error) = outbox::settle(&app.db, vec![(row.id, outcome)], app.now()).await {
        tracing::error!(%error, "a delivery was not noted; it will be made again");
    }
}

async fn logout(app: &App, line: &Line, row: &Leased, of: (&str, &str)) -> Outcome {
    let found = match app.db.read().await {
        Ok(mut conn) => applications::find(&mut conn, &ApplicationId::trusted(row.receiver.clone())).await,
        Err(error) => Err(error),
    };
    let application = match found {
        Ok(Some(application)) if application.state == ApplicationState::Active => application,
        Ok(_) => return Outcome::GivenUp("the application is gone or disabled".to_owned()),
        Err(_) => return later(app, row, "the database failed"),
    };
    let Some(uri) = application.backchannel_logout_uri.as_deref() else {
        return Outcome::GivenUp("the application has no back-channel logout address".to_owned());
    };
    let now = app.now();
    // A new `jti` for each attempt: a receiver that took the first one and whose answer was lost may refuse a repeat.
    let jti = format!("{}.{}", row.id, row.attempts);
    let claims = logout_token::claims(app.issuer(), &application.client_id, of.0, of.1, &jti, now);
    let Ok(token) = app.keyring.sign(application.id_token_alg, logout_token::TYP, &claims, now) else {
        return later(app, row, "no key signs");
    };
    let answer = app.relying_party.post_form(uri, &[("logout_token", &token)]).await;
    // Back-Channel Logout 1.0 §2.8: 400 says that the token was not understood; it won't be the next time either.
    judged(app, line, row, answer, 400)
}

async fn hook(app: &App, line: &Line, row: &Leased, event: &Value) -> Outcome {
    let alert = AlertId::trusted(row.receiver.clone());
    let found = match app.db.read().await {
        Ok(mut conn) => alerts::webhook(&mut conn, &alert).await,
        Err(error) => Err(error),
    };
    let target = match found {
        Ok(Some(target)) => target,
        Ok(None) => return Outcome::GivenUp("the rule is gone, disabled, or tells in another way".to_owned()),
        Err(_) => return later(app, row, "the database failed"),
    };
    let body = event.to_string();
    let Some(headers) = webhook::headers(app, &alert, &target.sealed, &row.id, &body) else {
        return Outcome::GivenUp("the signing secret can't be opened".to_owned());
    };
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let answer = app.relying_party.post_json(&target.url, &headers, body).await;
    // 410: nobody listens there any more (Standard Webhooks, "Operational considerations").
    judged(app, line, row, answer, 410)
}

/// What comes of an answer; one status is the receiver's word that trying again is of no use.
fn judged(app: &App, line: &Line, row: &Leased, answer: Result<u16, SendError>, hopeless: u16) -> Outcome {
    match answer {
        Ok(status) if (200..300).contains(&status) => Outcome::Sent(status.to_string()),
        Ok(status) if status == hopeless => Outcome::GivenUp(status.to_string()),
        Ok(status) => later(app, row, &status.to_string()),
        Err(SendError::BadUrl | SendError::Refused) => Outcome::GivenUp("the address may not be called".to_owned()),
        Err(error) => {
            let mut until = line.left_alone_until.lock().unwrap_or_else(PoisonError::into_inner);
            *until = app.now().plus(LEFT_ALONE);
            drop(until);
            later(app, row, &error.to_string())
        }
    }
}

fn later(app: &App, row: &Leased, answer: &str) -> Outcome {
    let now = app.now();
    match next_attempt(row.attempts, row.created_at, now) {
        Some(at) => Outcome::Later(at, answer.to_owned()),
        None => Outcome::GivenUp(answer.to_owned()),
    }
}

/// 5 s, 10 s, 20 s … up to an hour, for a day.
fn next_attempt(attempts: i64, created_at: UnixMillis, now: UnixMillis) -> Option<UnixMillis> {
    let doublings = u32::try_from(attempts.saturating_sub(1).clamp(0, 20)).unwrap_or(0);
    let delay = (5 * SECOND).saturating_mul(1_i64 << doublings).min(HOUR);
    let at = now.plus(delay);
    (at.since(created_at) <= DAY).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_receiver_is_tried_ever_more_rarely_and_given_up_after_a_day() {
        let start = UnixMillis(0);
        assert_eq!(next_attempt(1, start, start), Some(UnixMillis(5 * SECOND)));
        assert_eq!(next_attempt(2, start, start), Some(UnixMillis(10 * SECOND)));
        assert_eq!(next_attempt(60, start, start), Some(UnixMillis(HOUR)));
        assert_eq!(next_attempt(60, start, UnixMillis(DAY)), None);
    }
}
