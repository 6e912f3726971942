//! How often something happened within the last hour, forgotten minute by minute. Whoever asks gives the time.

use std::collections::VecDeque;

use super::time::{MINUTE, UnixMillis};

/// So many minutes are remembered.
const MINUTES: i64 = 60;

/// A count over the last hour.
#[derive(Clone, Debug, Default)]
pub struct LastHour(VecDeque<(i64, i64)>);

impl LastHour {
    /// Adds so many; how many there are with them.
    pub fn add(&mut self, count: i64, now: UnixMillis) -> i64 {
        self.forget(now);
        let minute = minute_of(now);
        match self.0.back_mut() {
            // A clock that was put back counts on in the newest minute.
            Some((newest, sum)) if *newest >= minute => *sum = sum.saturating_add(count),
            Some(_) | None => self.0.push_back((minute, count)),
        }
        self.0.iter().fold(0, |sum: i64, (_, count)| sum.saturating_add(*count))
    }

    /// Whether nothing happened.
    pub fn is_empty(&mut self, now: UnixMillis) -> bool {
        self.forget(now);
        self.0.is_empty()
    }

    fn forget(&mut self, now: UnixMillis) {
        let oldest = minute_of(now) - MINUTES;
        while self.0.front().is_some_and(|(minute, _)| *minute <= oldest) {
            self.0.pop_front();
        }
    }
}

const fn minute_of(at: UnixMillis) -> i64 {
    at.0.div_euclid(MINUTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_an_hour_ago_is_forgotten_and_a_clock_that_was_put_back_counts_on() {
        let at = |minutes: i64| UnixMillis(1_000 * MINUTE + minutes * MINUTE);
        let mut count = LastHour::default();
        assert!(count.is_empty(at(0)));
        assert_eq!((count.add(3, at(0)), count.add(1, at(0)), count.add(2, at(30))), (3, 4, 6));
        assert_eq!(count.add(1, at(59)), 7);
        assert_eq!(count.add(1, at(60)), 4);
        assert_eq!(count.add(1, at(10)), 5);
        assert!(!count.is_empty(at(119)) && count.is_empty(at(120)));
        assert!(count.0.len() < 61);
    }
}
