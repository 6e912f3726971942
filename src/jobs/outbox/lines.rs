//! A line for each receiver: how many of its rows are in hand and under way, and how long it is left alone.
//!
//! A receiver that can't be reached, or fails three times in a row, is left alone: for five seconds, then twice as long
//! each time, up to five minutes. After each rest one delivery is tried alone; only if that is answered do the others
//! follow. What waits for a receiver that is left alone is not even leased. The state is this node's own: each node finds
//! out for itself.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use crate::domain::oauth::application::Application;
use crate::kernel::time::{MINUTE, SECOND, UnixMillis};

/// So many rows of one receiver are under way at once.
const AT_ONCE: usize = 8;
/// The first rest, in milliseconds …
const LEFT_ALONE: i64 = 5 * SECOND;
/// … and the longest.
const LONGEST: i64 = 5 * MINUTE;
/// So many failures in a row, though the receiver answers, are followed by a rest.
const FAILURES: u32 = 3;
/// So many lines are kept, those aside that are in use.
const LINES: usize = 10_000;

/// One receiver's line.
#[derive(Debug)]
pub struct Line {
    pub(super) places: Semaphore,
    in_hand: AtomicUsize,
    longest: i64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rests_until: UnixMillis,
    /// How many rests followed one another.
    rests: u32,
    failures: u32,
    /// Whether the one delivery that is tried after a rest is under way.
    probing: bool,
    /// The application, as it was read at that moment.
    known: Option<(UnixMillis, Option<Arc<Application>>)>,
}

impl State {
    fn rest(&mut self, now: UnixMillis, longest: i64) {
        if now < self.rests_until {
            return; // others of the same moment have found the same
        }
        let rest = (LEFT_ALONE << self.rests.min(16)).min(longest);
        self.rests_until = now.plus(rest);
        self.rests = self.rests.saturating_add(1);
        (self.failures, self.probing) = (0, false);
    }
}

/// Whether a receiver may be told something now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is left alone, or one delivery is tried alone.
    Shut,
    /// One delivery may be tried.
    One,
    /// All that there is.
    Free,
}

impl Line {
    fn new(longest: i64) -> Self {
        Self {
            places: Semaphore::new(AT_ONCE),
            in_hand: AtomicUsize::new(0),
            longest,
            state: Mutex::new(State::default()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the receiver is left alone now.
    pub fn rests(&self, now: UnixMillis) -> bool {
        now < self.state().rests_until
    }

    /// Until when it is left alone; now when it isn't.
    pub(super) fn rests_until(&self, now: UnixMillis) -> UnixMillis {
        self.state().rests_until.max(now)
    }

    /// Leaves the receiver alone: it can't be reached. The more often in a row, the longer.
    pub fn rest(&self, now: UnixMillis) {
        let longest = self.longest;
        self.state().rest(now, longest);
    }

    /// Leaves a receiver alone for a moment that answers, but slowly: those behind must not fill the hand.
    pub(super) fn breathe(&self, now: UnixMillis) {
        let mut state = self.state();
        *state = State {
            rests_until: now.plus(LEFT_ALONE).max(state.rests_until),
            known: state.known.take(),
            ..State::default()
        };
    }

    /// It took something: whatever was before is over.
    pub(super) fn took(&self) {
        let mut state = self.state();
        (state.rests_until, state.rests, state.failures, state.probing) = (UnixMillis::MIN, 0, 0, false);
    }

    /// It answered with an error, or nothing came of an attempt.
    pub(super) fn failed(&self, now: UnixMillis) {
        let longest = self.longest;
        let mut state = self.state();
        state.failures += 1;
        if state.rests > 0 || state.failures >= FAILURES {
            state.rest(now, longest);
        }
        state.probing = false;
    }

    /// Nothing was found out about the receiver.
    pub(super) fn undecided(&self) {
        self.state().probing = false;
    }

    /// Whether it may be told something now. Whoever is admitted as the one must say what came of it.
    pub(super) fn admit(&self, now: UnixMillis) -> Admission {
        let mut state = self.state();
        if now < state.rests_until || state.probing {
            Admission::Shut
        } else if state.rests > 0 {
            state.probing = true;
            Admission::One
        } else {
            Admission::Free
        }
    }

    /// What is known of the application, if it was read since a row was leased: then it is as it was when the row was
    /// written, or later.
    pub(super) fn known(&self, leased_at: UnixMillis) -> Option<Found> {
        let state = self.state();
        state.known.as_ref().filter(|(read_at, _)| *read_at >= leased_at).map(|(_, known)| Found(known.clone()))
    }

    /// Remembers the application as it was read.
    pub(super) fn know(&self, read_at: UnixMillis, application: Option<Arc<Application>>) {
        self.state().known = Some((read_at, application));
    }

    /// How many of its rows are in hand.
    pub(super) fn in_hand(&self) -> usize {
        self.in_hand.load(Ordering::Relaxed)
    }

    /// Takes rows into the hand; they leave it when what is given back is dropped.
    pub(super) fn take(self: &Arc<Self>, rows: usize) -> InHand {
        self.in_hand.fetch_add(rows, Ordering::Relaxed);
        InHand { line: Arc::clone(self), rows }
    }
}

/// The application that was found, if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found(pub(super) Option<Arc<Application>>);

/// Rows of a line that are in hand, until this is dropped.
#[derive(Debug)]
pub(super) struct InHand {
    line: Arc<Line>,
    rows: usize,
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.line.in_hand.fetch_sub(self.rows, Ordering::Relaxed);
    }
}

/// The receivers of whom nothing is wanted now, and when the first of them may be told something again.
#[derive(Debug, Default)]
pub(super) struct Shut {
    pub receivers: Vec<String>,
    pub until: Option<UnixMillis>,
}

/// The lines, by receiver.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(Arc<Mutex<HashMap<String, Arc<Line>>>>);

impl Lines {
    /// A receiver's line.
    pub fn of(&self, receiver: &str) -> Arc<Line> {
        self.with(receiver, LONGEST)
    }

    /// The line of a server or gateway through which messages go. Somebody waits for each of them: its rests don't grow.
    pub fn of_messages(&self, server: &'static str) -> Arc<Line> {
        self.with(server, LEFT_ALONE)
    }

    fn with(&self, name: &str, longest: i64) -> Arc<Line> {
        let mut lines = self.all();
        if lines.len() > LINES {
            lines.retain(|_, line| Arc::strong_count(line) > 1 || line.state().rests > 0);
        }
        if let Some(line) = lines.get(name) {
            return Arc::clone(line);
        }
        let line = Arc::new(Line::new(longest));
        lines.insert(name.to_owned(), Arc::clone(&line));
        line
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<Line>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The receivers that are left alone, and those of whom so many rows are in hand.
    pub fn shut(&self, now: UnixMillis, most_in_hand: usize) -> Shut {
        let mut shut = Shut::default();
        for (receiver, line) in &*self.all() {
            let state = line.state();
            let rests = now < state.rests_until;
            if rests {
                shut.until = Some(shut.until.map_or(state.rests_until, |until| until.min(state.rests_until)));
            }
            if rests || state.probing || line.in_hand() >= most_in_hand {
                shut.receivers.push(receiver.clone());
            }
        }
        shut
    }

    /// How many receivers are left alone, or tried out after a rest.
    pub fn open_breakers(&self) -> usize {
        self.all().values().filter(|line| line.state().rests > 0).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: UnixMillis = UnixMillis(1_000_000);

    #[test]
    fn the_rests_of_a_dead_receiver_grow_to_five_minutes_and_one_delivery_tries_it_after_each() {
        let line = Arc::new(Line::new(LONGEST));
        let mut now = START;
        for seconds in [5, 10, 20, 40, 80, 160, 300, 300] {
            line.rest(now);
            line.rest(now);
            assert_eq!(line.rests_until(now), now.plus(seconds * SECOND));
            assert_eq!(line.admit(now), Admission::Shut);
            now = line.rests_until(now);
            assert_eq!((line.admit(now), line.admit(now)), (Admission::One, Admission::Shut));
        }
        line.took();
        assert_eq!((line.admit(now), line.admit(now)), (Admission::Free, Admission::Free));
        line.rest(now);
        assert_eq!(line.rests_until(now), now.plus(LEFT_ALONE), "it begins anew");
    }

    #[test]
    fn three_failures_in_a_row_are_a_rest_and_after_it_one_is_enough() {
        let line = Line::new(LONGEST);
        line.failed(START);
        line.failed(START);
        line.took();
        line.failed(START);
        line.failed(START);
        assert_eq!(line.admit(START), Admission::Free);
        line.failed(START);
        let now = line.rests_until(START);
        assert!(line.rests(START) && line.admit(now) == Admission::One);
        line.failed(now);
        assert_eq!(line.rests_until(now), now.plus(2 * LEFT_ALONE));
    }

    #[test]
    fn one_that_is_slow_has_its_breath_and_no_more() {
        let line = Line::new(LONGEST);
        for _ in 0..3 {
            line.breathe(START);
        }
        assert_eq!(line.admit(START), Admission::Shut);
        assert_eq!(line.admit(START.plus(LEFT_ALONE)), Admission::Free);
    }

    #[test]
    fn who_is_shut_is_named_with_the_first_moment_at_which_it_changes() {
        let lines = Lines::default();
        let (dead, busy) = (lines.of("dead"), lines.of("busy"));
        lines.of("well");
        dead.rest(START);
        let held = busy.take(2);
        let mut shut = lines.shut(START, 2);
        shut.receivers.sort();
        assert_eq!(
            (shut.receivers.as_slice(), shut.until),
            (&["busy", "dead"].map(str::to_owned)[..], Some(START.plus(LEFT_ALONE)))
        );
        drop(held);
        assert_eq!(lines.shut(START, 2).receivers, ["dead"]);
        assert_eq!(lines.open_breakers(), 1);
    }

    #[test]
    fn what_was_read_before_the_lease_is_read_again() {
        let line = Line::new(LONGEST);
        line.know(START, None);
        assert_eq!(line.known(START), Some(Found(None)));
        assert_eq!(line.known(START.plus(1)), None);
    }
}
