//! One counter of failures for each account, over every way in: when an account is locked, and for how long.

use crate::kernel::time::UnixMillis;

/// The organisation's (or the instance's) rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// So many failures …
    pub failures: i64,
    /// … within so many milliseconds …
    pub window: i64,
    /// … lock for so many milliseconds.
    pub lock: i64,
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
}

impl Counter {
    /// Whether the account is locked at `now`.
    #[must_use]
    pub fn locked(&self, now: UnixMillis) -> bool {
        now < self.locked_until
    }

    /// The counter after one more failure. While locked it stands still, so that hammering never lengthens a lock.
    #[must_use]
    pub fn failed(self, rule: Rule, now: UnixMillis) -> Self {
        if self.locked(now) {
            return self;
        }
        let stale = self.failures == 0 || now.since(self.since) >= rule.window || now < self.since;
        let (failures, since) = if stale { (1, now) } else { (self.failures + 1, self.since) };
        if failures >= rule.failures {
            return Self { failures: 0, since: now, locked_until: now.plus(rule.lock) };
        }
        Self { failures, since, locked_until: self.locked_until }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::time::MINUTE;

    const RULE: Rule = Rule { failures: 5, window: 15 * MINUTE, lock: 15 * MINUTE };

    #[test]
    fn five_failures_within_the_window_lock_and_hammering_does_not_lengthen_the_lock() {
        let mut counter = Counter::default();
        for n in 0..5 {
            assert!(!counter.locked(UnixMillis(1_000 + n)));
            counter = counter.failed(RULE, UnixMillis(1_000 + n));
        }
        let until = counter.locked_until;
        assert_eq!(until, UnixMillis(1_004 + 15 * MINUTE));
        assert_eq!(counter.failed(RULE, UnixMillis(5_000)).locked_until, until);
        assert!(!counter.locked(until));
    }

    #[test]
    fn failures_far_apart_do_not_add_up() {
        let mut counter = Counter::default();
        for n in 0..20 {
            counter = counter.failed(RULE, UnixMillis(n * 5 * MINUTE));
            assert!(!counter.locked(UnixMillis(n * 5 * MINUTE)));
        }
    }
}
