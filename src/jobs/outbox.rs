//! Delivers the outbox: leased rows, many receivers at once, retried with growing delay for a day.
//!
//! Rows of one receiver wait in a line of their own (`lines.rs`), eight of them under way at once, in no order: each logout
//! token and each webhook speaks for itself. The events of a stream have an order: they go one at a time, the oldest
//! first, and while one is tried again the later ones wait. A receiver that can't be reached is left alone, longer and
//! longer, and nothing of it is leased meanwhile; one that has much waiting can't fill the hand. So a dead receiver, or a
//! slow one, holds up nobody else. Messages to people go through one mail server and one gateway, each a line too, and are
//! leased apart. What came of attempts is written many at a time (`notes.rs`).

mod calls;
mod events;
mod lines;
mod notes;
mod people;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::lines::{Admission, InHand, Line, Lines};
use self::notes::Notes;
use crate::app::App;
use crate::domain::mail::Address;
use crate::kernel::time::{DAY, HOUR, MINUTE, SECOND, UnixMillis};
use crate::store::outbox::{self, Claim, Leased, Message, Note, Outcome, Which};

/// So many rows are leased at once …
const BATCH: usize = 512;
/// … while no more deliveries than so many are in hand …
const IN_HAND: usize = 2048;
/// … of which so many rows may be one receiver's.
const OF_ONE: usize = 256;
const HALF: usize = OF_ONE / 2;
/// So many events are leased at once.
const EVENTS: usize = 256;
/// So many messages to people are in hand at once.
const MESSAGES_IN_HAND: usize = 128;
/// A lease, in milliseconds; nothing is begun in its last ten seconds, for another node may take the row then.
const LEASE: i64 = 60 * SECOND;
const LEASE_MARGIN: i64 = 10 * SECOND;
/// A mail server may take up to a minute for a message, and what is noted afterwards some seconds.
const MESSAGE_LEASE: i64 = 3 * MINUTE;
const MESSAGE_LEASE_MARGIN: i64 = 75 * SECOND;
/// A receiver that takes so many milliseconds for one message is left alone for a moment.
const SLOW: i64 = 2 * SECOND;
/// So long may the one delivery take that is tried after a rest.
const TRIAL: i64 = 6 * SECOND;
/// What is noted of those that wait behind.
const PUT_OFF: &str = "put off: the receiver does not answer";
/// Other nodes' rows, and those whose bell was missed, are looked for this often.
const LOOK: Duration = Duration::from_secs(2);

/// What deliveries share.
#[derive(Clone)]
struct Work {
    app: App,
    lines: Lines,
    notes: Notes,
    /// Rung when there is room again.
    freed: Arc<Notify>,
}

/// What is under way.
#[derive(Default)]
struct UnderWay {
    calls: TaskTracker,
    messages: TaskTracker,
}

/// Works until `stop`; what is under way is finished, and noted.
pub async fn run(app: App, stop: CancellationToken) {
    let freed: Arc<Notify> = Arc::default();
    let (notes, writer) = notes::start(&app, Arc::clone(&freed));
    let work = Work { app, lines: Lines::default(), notes, freed };
    let counter = tokio::spawn(notes::count(work.app.clone(), work.lines.clone(), stop.clone()));
    let under_way = UnderWay::default();
    while !stop.is_cancelled() {
        let (rung, freed) = (work.app.outbox_bell.notified(), work.freed.notified());
        let pause = match work.round(&under_way).await {
            Ok(Pause::None) => continue,
            Ok(Pause::AtMost(time)) => time,
            Err(error) => {
                tracing::error!(%error, "the outbox can't be read");
                LOOK
            }
        };
        tokio::select! {
            () = rung => {}
            () = freed => {}
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => {}
        }
    }
    under_way.calls.close();
    under_way.messages.close();
    under_way.calls.wait().await;
    under_way.messages.wait().await;
    drop(work);
    for ended in [writer.await, counter.await] {
        if let Err(error) = ended {
            tracing::error!(%error, "a part of the outbox's worker failed");
        }
    }
}

/// What follows a round.
enum Pause {
    /// The next one: there may be more.
    None,
    /// A rest, unless something wakes the worker before.
    AtMost(Duration),
}

impl Work {
    /// Leases what is due and sets it off. A look first, for most of the time nothing is.
    async fn round(&self, under_way: &UnderWay) -> Result<Pause, sqlx::Error> {
        let now = self.app.now();
        let due = outbox::next_due(&mut self.app.db.read().await?).await?;
        let is_due = |at: Option<UnixMillis>| at.is_some_and(|at| at <= now);
        let (calls, messages) = (&under_way.calls, &under_way.messages);
        let mut set_off = 0;
        let (mut wake, room) = (None, BATCH.min(IN_HAND.saturating_sub(calls.len())));
        if is_due(due.calls) && room > 0 {
            let shut = self.lines.shut(now, OF_ONE);
            wake = shut.until;
            let rows = self.lease(Which::Calls, room, shut.receivers, now).await?;
            set_off += rows.len();
            self.begin_calls(calls, rows, now);
        }
        if is_due(due.events) && room > 0 {
            let shut = self.lines.shut(now, 1);
            wake = wake.or(shut.until);
            let rows = self.lease(Which::Events, EVENTS.min(room), shut.receivers, now).await?;
            set_off += rows.len();
            self.begin_events(calls, rows, now);
        }
        let room = MESSAGES_IN_HAND.saturating_sub(messages.len());
        if is_due(due.mail) && room > 0 {
            let rows = self.lease(Which::Mail, room, Vec::new(), now).await?;
            set_off += rows.len();
            for row in rows {
                let line = self.lines.of_messages(server_of(&row));
                messages.spawn(deliver_message(self.clone(), line, row));
            }
        }
        if set_off > 0 {
            return Ok(Pause::None);
        }
        let ahead = [due.calls, due.events, due.mail, wake].into_iter().flatten().filter(|at| *at > now);
        Ok(Pause::AtMost(pause(ahead.min(), now)))
    }

    async fn lease(
        &self,
        which: Which,
        count: usize,
        without: Vec<String>,
        now: UnixMillis,
    ) -> Result<Vec<Leased>, sqlx::Error> {
        let until = now.plus(if which == Which::Mail { MESSAGE_LEASE } else { LEASE });
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        outbox::lease(&self.app.db, Claim { which, count, without, until }, now).await
    }

    /// Sets calls off: all of a receiver's, or the one with which it is tried after a rest.
    fn begin_calls(&self, tasks: &TaskTracker, rows: Vec<Leased>, now: UnixMillis) {
        for (receiver, rows) in by_receiver(rows) {
            let line = self.lines.of(&receiver);
            let admitted = match line.admit(now) {
                Admission::Free => rows.len(),
                Admission::One => 1,
                Admission::Shut => 0,
            };
            for (number, row) in rows.into_iter().enumerate() {
                if number < admitted {
                    tasks.spawn(deliver_call(self.clone(), Arc::clone(&line), line.take(1), row));
                } else {
                    self.put_off(row, now.plus(TRIAL).max(line.rests_until(now)), now);
                }
            }
        }
    }

    /// Sets the events of streams off, each stream's in a run of its own. A run tries its first event first, so that after
    /// a rest it needs nothing more.
    fn begin_events(&self, tasks: &TaskTracker, rows: Vec<Leased>, now: UnixMillis) {
        for (stream, rows) in by_receiver(rows) {
            let line = self.lines.of(&stream);
            if line.admit(now) == Admission::Shut {
                let at = now.plus(TRIAL).max(line.rests_until(now));
                for row in rows {
                    self.put_back(row, at);
                }
            } else {
                let hand = line.take(rows.len());
                tasks.spawn(deliver_run(self.clone(), line, hand, rows));
            }
        }
    }

    fn note(&self, row: Leased, outcome: Outcome, begun: Option<UnixMillis>) {
        self.notes.put(Note { row, outcome, begun, ended: self.app.now() });
    }

    /// Gives a row back untried.
    fn put_back(&self, row: Leased, at: UnixMillis) {
        self.note(row, Outcome::Untried(at), None);
    }

    /// As [`Work::put_back`], unless the row has waited for a day: then its receiver is gone for longer than we wait.
    fn put_off(&self, row: Leased, at: UnixMillis, now: UnixMillis) {
        if now.since(row.created_at) > DAY {
            self.note(row, Outcome::GivenUp(PUT_OFF.to_owned()), None);
        } else {
            self.put_back(row, at);
        }
    }
}

/// How long to rest before something that lies ahead.
fn pause(ahead: Option<UnixMillis>, now: UnixMillis) -> Duration {
    let left = ahead.and_then(|at| u64::try_from(at.since(now)).ok());
    left.map_or(LOOK, |millis| Duration::from_millis(millis).min(LOOK))
}

/// Each receiver's rows, in their order.
fn by_receiver(rows: Vec<Leased>) -> BTreeMap<String, Vec<Leased>> {
    let mut all: BTreeMap<String, Vec<Leased>> = BTreeMap::new();
    for row in rows {
        all.entry(row.receiver.clone()).or_default().push(row);
    }
    all
}

/// Through what a message goes.
fn server_of(row: &Leased) -> &'static str {
    match &row.message {
        Message::Mail(mail) if matches!(mail.to, Address::Phone(_)) => "sms",
        Message::Mail(_)
        | Message::BackchannelLogout { .. }
        | Message::Webhook { .. }
        | Message::SecurityEvent(_)
        | Message::Unknown => "mail",
    }
}

async fn deliver_call(work: Work, line: Arc<Line>, hand: InHand, row: Leased) {
    let Ok(place) = line.places.acquire().await else {
        return;
    };
    let now = work.app.now();
    if now > row.leased_at.plus(LEASE - LEASE_MARGIN) {
        line.undecided();
        work.put_back(row, now); // the lease runs out
    } else if line.rests(now) {
        work.put_off(row, line.rests_until(now), now); // since it was admitted the receiver was found to be dead
    } else {
        let outcome = calls::attempt(&work.app, &line, &row).await;
        learn(&work.app, &line, &outcome, now);
        work.note(row, outcome, Some(now));
    }
    drop((place, hand));
    // A look costs a write where much is due: it is worth one when the line is half empty, and when it is empty.
    if matches!(line.in_hand(), 0 | HALF) {
        work.freed.notify_one();
    }
}

/// The events of a stream, one after the other. What can't be told now keeps the later ones back.
async fn deliver_run(work: Work, line: Arc<Line>, hand: InHand, rows: Vec<Leased>) {
    let mut again = None;
    for row in rows {
        let now = work.app.now();
        if again.is_none() && (now > row.leased_at.plus(LEASE - LEASE_MARGIN) || line.rests(now)) {
            line.undecided();
            again = Some(line.rests_until(now));
        }
        if let Some(at) = again {
            work.put_back(row, at);
            continue;
        }
        let outcome = match &row.message {
            Message::SecurityEvent(event) => events::attempt(&work.app, &line, &row, event).await,
            Message::BackchannelLogout { .. } | Message::Webhook { .. } | Message::Mail(_) | Message::Unknown => {
                later(&work.app, &row, NOT_UNDERSTOOD)
            }
        };
        learn(&work.app, &line, &outcome, now);
        let tried = !matches!(outcome, Outcome::Untried(_));
        if let Outcome::Later(at, _) | Outcome::Untried(at) = &outcome {
            again = Some(*at);
        }
        work.note(row, outcome, tried.then_some(now));
    }
    drop(hand);
    work.freed.notify_one();
}

async fn deliver_message(work: Work, line: Arc<Line>, row: Leased) {
    let Ok(place) = line.places.acquire().await else {
        return;
    };
    let now = work.app.now();
    if now > row.leased_at.plus(MESSAGE_LEASE - MESSAGE_LEASE_MARGIN) {
        return; // the lease runs out; somebody takes it up again
    }
    let outcome = match &row.message {
        Message::Mail(mail) => people::attempt(&work.app, &line, &row, mail).await,
        Message::BackchannelLogout { .. } | Message::Webhook { .. } | Message::SecurityEvent(_) | Message::Unknown => {
            Some(later(&work.app, &row, NOT_UNDERSTOOD))
        }
    };
    // Where it was not noted at its invitation it is noted nowhere: when the lease runs out it is sent once more.
    if let Some(outcome) = outcome {
        if matches!(outcome, Outcome::Sent(_)) {
            line.took();
        }
        let put_off = matches!(&outcome, Outcome::Later(_, answer) if answer == PUT_OFF);
        work.note(row, outcome, (!put_off).then_some(now));
    }
    drop(place);
    work.freed.notify_one();
}

/// What an attempt tells about the receiver.
fn learn(app: &App, line: &Line, outcome: &Outcome, begun: UnixMillis) {
    let now = app.now();
    match outcome {
        // Those behind a slow one must not fill the hand.
        Outcome::Sent(_) if now.since(begun) >= SLOW => line.breathe(now),
        Outcome::Sent(_) => line.took(),
        // What is held was not tried.
        Outcome::Later(UnixMillis::MAX, _) | Outcome::GivenUp(_) | Outcome::Untried(_) => line.undecided(),
        Outcome::Later(..) => line.failed(now),
    }
}

/// What is noted of a row that a newer build has written.
const NOT_UNDERSTOOD: &str = "this node does not understand it";

/// An attempt that is made again, or the last one.
fn later(app: &App, row: &Leased, answer: &str) -> Outcome {
    let now = app.now();
    // Somebody waits for a message; and one server is asked, not one for each application.
    let longest = if matches!(row.message, Message::Mail(_)) { 10 * MINUTE } else { HOUR };
    // The day begins with the first attempt: what was held before was not the receiver's fault.
    let since = match row.first_sent_at {
        Some(at) => at,
        None if answer == PUT_OFF => row.created_at,
        None => now,
    };
    match next_attempt(row.attempts, since, now, longest) {
        Some(at) => Outcome::Later(now.plus(spread(at.since(now), app.chance.bytes32()[0])), answer.to_owned()),
        None => Outcome::GivenUp(answer.to_owned()),
    }
}

/// 5 s, 10 s, 20 s … up to the longest, for a day.
fn next_attempt(attempts: i64, since: UnixMillis, now: UnixMillis, longest: i64) -> Option<UnixMillis> {
    let doublings = u32::try_from(attempts.saturating_sub(1).clamp(0, 20)).unwrap_or(0);
    let delay = (5 * SECOND).saturating_mul(1_i64 << doublings).min(longest);
    let at = now.plus(delay);
    (at.since(since) <= DAY).then_some(at)
}

/// A delay, shorter by up to a fifth: what failed together is not tried again in the same moment.
fn spread(delay: i64, chance: u8) -> i64 {
    delay - delay / 5 * i64::from(chance) / 255
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

    #[test]
    fn what_failed_together_comes_again_within_a_fifth_of_its_delay() {
        assert_eq!((spread(HOUR, 0), spread(HOUR, 255)), (HOUR, HOUR * 4 / 5));
        assert!((1..255).all(|chance| (4 * SECOND..5 * SECOND).contains(&spread(5 * SECOND, chance))));
    }

    #[test]
    fn the_worker_sleeps_until_something_is_due_and_never_long() {
        let now = UnixMillis(1_000);
        assert_eq!(pause(Some(UnixMillis(1_300)), now), Duration::from_millis(300));
        assert_eq!((pause(Some(UnixMillis::MAX), now), pause(None, now)), (LOOK, LOOK));
    }
}
