//! One counter of failures for each account, over every way in and every factor: when an account is locked, for how long,
//! and what each failure more costs.
//!
//! Two counts in one. Within a window a few failures lock; and whatever the windows, each failure in a row beyond the free
//! ones costs a pause, twice as long as the one before, until after a hundred only a reset opens the account again.

use serde::{Deserialize, Serialize};

pub use crate::config::passwords::LockMode;
use crate::kernel::time::{MINUTE, SECOND, UnixMillis};

/// Locked until a reset link or an administrator opens it: the last second that a date has four digits of a year for.
pub const FOREVER: UnixMillis = UnixMillis(253_402_300_799_000);
/// The longest pause after a single failure.
pub const LONGEST_PAUSE: i64 = 15 * MINUTE;

/// What an organisation sets otherwise than its instance, for its managed accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How a lock ends.
    pub mode: Option<LockMode>,
    /// After how many failures within the window an account is locked.
    pub failures: Option<u32>,
    /// The window that they are counted in, in minutes.
    pub window_minutes: Option<u32>,
    /// How long a lock lasts, in minutes.
    pub minutes: Option<u32>,
}

impl Settings {
    /// What can't be meant so: the field, and what to do.
    #[must_use]
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let checks = [
            ("lock.failures", self.failures, 3..=10, "Use 3 to 10, or none for the instance's."),
            ("lock.window_minutes", self.window_minutes, 15..=60, "Use 15 to 60 minutes, or none for the instance's."),
            ("lock.minutes", self.minutes, 15..=30, "Use 15 to 30 minutes, or none for the instance's."),
        ];
        let wrong = checks.into_iter().filter(|(_, given, range, _)| given.is_some_and(|n| !range.contains(&n)));
        wrong.map(|(field, _, _, what)| (field, what.to_owned())).collect()
    }
}

/// The organisation's (or the instance's) rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// So many failures …
    pub failures: i64,
    /// … within so many milliseconds …
    pub window: i64,
    /// … lock for so many milliseconds …
    pub lock: i64,
    /// … or until somebody opens it.
    pub mode: LockMode,
    /// So many in a row cost no pause.
    pub free: i64,
    /// So many in a row lock for good.
    pub most: i64,
}

impl Rule {
    /// The same with what an organisation has set.
    #[must_use]
    pub fn with(self, own: &Settings) -> Self {
        Self {
            failures: own.failures.map_or(self.failures, i64::from),
            window: own.window_minutes.map_or(self.window, |minutes| i64::from(minutes) * MINUTE),
            lock: own.minutes.map_or(self.lock, |minutes| i64::from(minutes) * MINUTE),
            mode: own.mode.unwrap_or(self.mode),
            ..self
        }
    }

    /// What the failure costs that is this one in a row, in milliseconds.
    fn pause(&self, in_a_row: i64) -> i64 {
        let beyond = in_a_row.saturating_sub(self.free);
        if beyond < 1 {
            return 0;
        }
        let doublings = u32::try_from(beyond - 1).unwrap_or(u32::MAX).min(20);
        (SECOND << doublings).min(LONGEST_PAUSE)
    }
}

/// What a failure has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing.
    Nothing,
    /// The next try, until then: too short to be told of.
    Pause(UnixMillis),
    /// The account, until then; [`FOREVER`] until somebody opens it.
    Lock(UnixMillis),
}

/// The counter's state, as the account's row has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// Failures since `since`.
    pub failures: i64,
    /// When the first of them happened.
    pub since: UnixMillis,
    /// The account is locked before this moment.
    pub locked_until: UnixMillis,
    /// Failures since the last success, whatever locks lay between them.
    pub in_a_row: i64,
}

impl Counter {
    /// Whether the account is locked at `now`.
    #[must_use]
    pub fn locked(&self, now: UnixMillis) -> bool {
        now < self.locked_until
    }

    /// The counter after one more failure, and what that one has stopped. While locked it stands still, so that hammering
    /// never lengthens a lock.
    #[must_use]
    pub fn failed(self, rule: Rule, now: UnixMillis) -> (Self, Stop) {
        if self.locked(now) {
            return (self, Stop::Nothing);
        }
        let in_a_row = self.in_a_row.saturating_add(1);
        // Guesses that come together are counted in any order: one that began before the first begins no new window.
        let stale = self.failures == 0 || now.since(self.since).abs() >= rule.window;
        let (failures, since) = if stale { (1, now) } else { (self.failures + 1, self.since) };
        let pause = rule.pause(in_a_row);
        if in_a_row >= rule.most || failures >= rule.failures {
            let for_good = in_a_row >= rule.most || rule.mode == LockMode::Reset;
            let until = if for_good { FOREVER } else { now.plus(rule.lock.max(pause)) };
            return (Self { failures: 0, since: now, locked_until: until, in_a_row }, Stop::Lock(until));
        }
        if pause == 0 {
            return (Self { failures, since, in_a_row, ..self }, Stop::Nothing);
        }
        let until = now.plus(pause);
        (Self { failures, since, locked_until: until, in_a_row }, Stop::Pause(until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule =
        Rule { failures: 5, window: 15 * MINUTE, lock: 15 * MINUTE, mode: LockMode::Pause, free: 5, most: 100 };

    /// Fails as soon as it is possible again; when each was, and what it stopped.
    fn hammered(rule: Rule, times: usize) -> (Counter, Vec<(i64, Stop)>) {
        let (mut counter, mut now, mut told) = (Counter::default(), UnixMillis(1_000), Vec::new());
        for _ in 0..times {
            now = now.max(counter.locked_until);
            let stop;
            (counter, stop) = counter.failed(rule, now);
            told.push((now.0, stop));
        }
        (counter, told)
    }

    #[test]
    fn five_failures_within_the_window_lock_and_hammering_does_not_lengthen_the_lock() {
        let mut counter = Counter::default();
        for n in 0..5 {
            assert!(!counter.locked(UnixMillis(1_000 + n)));
            (counter, _) = counter.failed(RULE, UnixMillis(1_000 + n));
        }
        let until = counter.locked_until;
        assert_eq!(until, UnixMillis(1_004 + 15 * MINUTE));
        assert_eq!(counter.failed(RULE, UnixMillis(5_000)), (counter, Stop::Nothing));
        assert!(!counter.locked(until));
    }

    #[test]
    fn guesses_that_come_together_lock_in_whatever_order_they_are_counted() {
        let mut counter = Counter::default();
        for at in [1_400, 1_000, 1_300, 1_100, 1_200] {
            assert!(!counter.locked(UnixMillis(at)));
            (counter, _) = counter.failed(RULE, UnixMillis(at));
        }
        assert_eq!((counter.locked(UnixMillis(1_500)), counter.in_a_row), (true, 5));
    }

    #[test]
    fn failures_far_apart_do_not_lock_but_each_costs_a_pause_that_doubles_up_to_a_quarter_of_an_hour() {
        let mut counter = Counter::default();
        let mut pauses = Vec::new();
        for n in 0..18 {
            let now = UnixMillis(n * 15 * MINUTE);
            assert!(!counter.locked(now), "{n}");
            let stop;
            (counter, stop) = counter.failed(RULE, now);
            match stop {
                Stop::Nothing => pauses.push(0),
                Stop::Pause(until) => pauses.push(until.since(now) / SECOND),
                Stop::Lock(_) => panic!("the {n}th locked"),
            }
        }
        assert_eq!(pauses, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
    }

    #[test]
    fn the_hundredth_in_a_row_locks_until_somebody_opens_it() {
        let (counter, told) = hammered(RULE, 99);
        assert!(counter.locked_until < FOREVER && told.iter().all(|(_, stop)| *stop != Stop::Lock(FOREVER)));
        let (counter, told) = hammered(RULE, 100);
        assert_eq!(told.last().map(|(_, stop)| *stop), Some(Stop::Lock(FOREVER)));
        assert_eq!(counter.locked_until, FOREVER);
        let hours = told.last().map_or(0, |(at, _)| at / (60 * MINUTE));
        assert!(hours >= 12, "a hundred guesses take {hours} hours");
    }

    #[test]
    fn an_organisation_that_asks_for_a_reset_gets_a_lock_without_end() {
        let rule = RULE.with(&Settings { mode: Some(LockMode::Reset), failures: Some(3), ..Settings::default() });
        assert_eq!((rule.window, rule.lock), (RULE.window, RULE.lock));
        let (_, told) = hammered(rule, 3);
        assert_eq!(told.last().map(|(_, stop)| *stop), Some(Stop::Lock(FOREVER)));
    }

    #[test]
    fn without_any_limit_nothing_overflows() {
        let rule = Rule { failures: i64::MAX, free: i64::MAX, most: i64::MAX, ..RULE };
        let (counter, stop) = Counter { in_a_row: i64::MAX - 1, ..Counter::default() }.failed(rule, UnixMillis(1));
        assert!(stop == Stop::Lock(FOREVER) && counter.in_a_row == i64::MAX);
        assert_eq!(Rule { free: 0, ..RULE }.pause(i64::MAX), LONGEST_PAUSE);
    }

    #[test]
    fn an_organisations_numbers_stay_within_the_instances_ranges() {
        let bad = Settings { mode: None, failures: Some(2), window_minutes: Some(61), minutes: Some(0) };
        let fields: Vec<&str> = bad.faults().into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["lock.failures", "lock.window_minutes", "lock.minutes"]);
        assert!(Settings::default().faults().is_empty());
    }
}
