//! Delivers the outbox: leased rows, many receivers at once, retried with growing delay for a day.
//!
//! Rows of one receiver wait in a line of their own, a few of them under way at once; while it does not answer, those
//! behind are put off without being tried. So a dead receiver holds up nobody else. Messages to people go through one
//! mail server and one gateway, each a line too, and are leased apart: a slow server fills their hand and no other's.

mod calls;
mod people;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::domain::mail::Address;
use crate::kernel::time::{DAY, HOUR, MINUTE, SECOND, UnixMillis};
use crate::store::outbox::{self, Leased, Message, Outcome, Which};

/// So many rows are leased at once …
const BATCH: i64 = 128;
/// … while no more than so many are in hand …
const IN_HAND: usize = 1024;
/// … of which so many of one receiver are under way.
const AT_ONCE: usize = 8;
/// So many messages to people are in hand at once.
const MESSAGES_IN_HAND: usize = 128;
/// A lease, in milliseconds; nothing is begun in its last ten seconds, for another node may take the row then.
const LEASE: i64 = 60 * SECOND;
const LEASE_MARGIN: i64 = 10 * SECOND;
/// A mail server may take up to a minute for a message, and what is noted afterwards some seconds.
const MESSAGE_LEASE: i64 = 3 * MINUTE;
const MESSAGE_LEASE_MARGIN: i64 = 75 * SECOND;
/// While a receiver doesn't answer, it is left alone for so many milliseconds.
const LEFT_ALONE: i64 = 5 * SECOND;
/// A receiver that takes so many milliseconds for one message is left alone too.
const SLOW: i64 = 2 * SECOND;
/// What is noted of those that wait behind.
const PUT_OFF: &str = "put off: the receiver does not answer";
/// Other nodes' rows, and those whose bell was missed, are looked for this often.
const LOOK: Duration = Duration::from_secs(2);

/// One receiver's line.
#[derive(Debug)]
struct Line {
    places: Semaphore,
    left_alone_until: Mutex<UnixMillis>,
}

impl Line {
    /// Whether the receiver is left alone now.
    fn rests(&self, now: UnixMillis) -> bool {
        now < *self.left_alone_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves the receiver alone for a while.
    fn rest(&self, now: UnixMillis) {
        *self.left_alone_until.lock().unwrap_or_else(PoisonError::into_inner) = now.plus(LEFT_ALONE);
    }
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

/// In whose line a row waits: messages to people all in their server's.
fn line_of(row: &Leased) -> &str {
    match &row.message {
        Message::BackchannelLogout { .. } | Message::Webhook { .. } => &row.receiver,
        Message::Mail(mail) => match mail.to {
            Address::Email(_) => "mail",
            Address::Phone(_) => "sms",
        },
    }
}

/// Works until `stop`; what is under way is finished.
pub async fn run(app: App, stop: CancellationToken) {
    let (lines, calls, messages) = (Lines::default(), TaskTracker::new(), TaskTracker::new());
    while !stop.is_cancelled() {
        let rung = app.outbox_bell.notified();
        match round(&app, &lines, &calls, &messages).await {
            Ok(0) => {}
            Ok(_) => {
                while calls.len() > IN_HAND {
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
    calls.close();
    messages.close();
    calls.wait().await;
    messages.wait().await;
}

/// Leases what is due and sets it off; how many rows. A look first, for most of the time nothing is.
async fn round(app: &App, lines: &Lines, calls: &TaskTracker, messages: &TaskTracker) -> Result<usize, sqlx::Error> {
    let now = app.now();
    let due = outbox::next_due(&mut app.db.read().await?).await?;
    let is_due = |at: Option<UnixMillis>| at.is_some_and(|at| at <= now);
    let mut set_off = 0;
    if is_due(due.calls) {
        let rows = outbox::lease(&app.db, Which::Calls, BATCH, now, now.plus(LEASE)).await?;
        set_off += begin(app, lines, calls, rows);
    }
    let room = i64::try_from(MESSAGES_IN_HAND.saturating_sub(messages.len())).unwrap_or(0);
    if is_due(due.mail) && room > 0 {
        let rows = outbox::lease(&app.db, Which::Mail, room, now, now.plus(MESSAGE_LEASE)).await?;
        set_off += begin(app, lines, messages, rows);
    }
    Ok(set_off)
}

fn begin(app: &App, lines: &Lines, tasks: &TaskTracker, rows: Vec<Leased>) -> usize {
    let count = rows.len();
    for row in rows {
        tasks.spawn(deliver(app.clone(), lines.of(line_of(&row)), row));
    }
    count
}

async fn deliver(app: App, line: Arc<Line>, row: Leased) {
    let leased_at = app.now();
    let Ok(_place) = line.places.acquire().await else {
        return;
    };
    let usable = match &row.message {
        Message::BackchannelLogout { .. } | Message::Webhook { .. } => LEASE - LEASE_MARGIN,
        Message::Mail(_) => MESSAGE_LEASE - MESSAGE_LEASE_MARGIN,
    };
    if app.now() > leased_at.plus(usable) {
        return; // the lease runs out; somebody takes it up again
    }
    let outcome = match &row.message {
        Message::BackchannelLogout { .. } | Message::Webhook { .. } => calls::attempt(&app, &line, &row).await,
        Message::Mail(mail) => match people::attempt(&app, &line, &row, mail).await {
            Some(outcome) => outcome,
            None => return, // not noted where it must be: when the lease runs out it is sent once more
        },
    };
    if let Err(error) = outbox::settle(&app.db, vec![(row, outcome)], app.now()).await {
        tracing::error!(%error, "a delivery was not noted; it will be made again");
    }
}

fn later(app: &App, row: &Leased, answer: &str) -> Outcome {
    let now = app.now();
    // Somebody waits for a message; and one server is asked, not one for each application.
    let longest = match row.message {
        Message::BackchannelLogout { .. } | Message::Webhook { .. } => HOUR,
        Message::Mail(_) => 10 * MINUTE,
    };
    match next_attempt(row.attempts, row.created_at, now, longest) {
        Some(at) => Outcome::Later(at, answer.to_owned()),
        None => Outcome::GivenUp(answer.to_owned()),
    }
}

/// 5 s, 10 s, 20 s … up to the longest, for a day.
fn next_attempt(attempts: i64, created_at: UnixMillis, now: UnixMillis, longest: i64) -> Option<UnixMillis> {
    let doublings = u32::try_from(attempts.saturating_sub(1).clamp(0, 20)).unwrap_or(0);
    let delay = (5 * SECOND).saturating_mul(1_i64 << doublings).min(longest);
    let at = now.plus(delay);
    (at.since(created_at) <= DAY).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_receiver_is_tried_ever_more_rarely_and_given_up_after_a_day() {
        let start = UnixMillis(0);
        assert_eq!(next_attempt(1, start, start, HOUR), Some(UnixMillis(5 * SECOND)));
        assert_eq!(next_attempt(2, start, start, HOUR), Some(UnixMillis(10 * SECOND)));
        assert_eq!(next_attempt(60, start, start, HOUR), Some(UnixMillis(HOUR)));
        assert_eq!(next_attempt(60, start, start, 10 * MINUTE), Some(UnixMillis(10 * MINUTE)));
        assert_eq!(next_attempt(60, start, UnixMillis(DAY), HOUR), None);
    }
}
