//! The only place that reads the system's time.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::kernel::time::{Clock, UnixMillis};

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads it")]
    fn now(&self) -> UnixMillis {
        // A clock before 1970 shows the beginning of time: nothing is valid then, which is the safe side.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_stands_after_this_line_was_written() {
        assert!(SystemClock.now() > UnixMillis::from_seconds(1_700_000_000));
    }
}
