//! How many people lost access through each connection within the last hour: what the guard against mass changes
//! counts.
//!
//! # Why
//! The count is this node's own and lost at a restart. It raises an alert and stops nothing, and a row for each loss
//! would double the writes of a directory that takes ten thousand people away.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;

use crate::kernel::id::ConnectionId;
use crate::kernel::last_hour::LastHour;
use crate::kernel::time::{HOUR, UnixMillis};

/// A connection that took nothing from anybody for so long is forgotten.
const IDLE: Duration = Duration::from_hours(2);

/// The counts of this node; cheap to clone.
#[derive(Clone, Debug)]
pub struct Losses(Cache<ConnectionId, Arc<Mutex<Count>>>);

#[derive(Debug, Default)]
struct Count {
    last_hour: LastHour,
    members: Option<i64>,
    told_at: Option<UnixMillis>,
}

/// How a connection's count stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// So many lost something within the last hour.
    pub losing: i64,
    /// So many people the organisation had when that began; `None` as long as nobody has counted them.
    pub members: Option<i64>,
}

impl Default for Losses {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(100_000).time_to_idle(IDLE).build())
    }
}

impl Losses {
    /// Counts so many more.
    #[must_use]
    pub fn add(&self, connection: &ConnectionId, losing: i64, now: UnixMillis) -> Counted {
        self.with(connection, |count| {
            if count.last_hour.is_empty(now) {
                count.members = None;
            }
            Counted { losing: count.last_hour.add(losing, now), members: count.members }
        })
    }

    /// Notes how many people the organisation had when the losses began; what was noted first stays.
    #[must_use]
    pub fn of_members(&self, connection: &ConnectionId, members: i64) -> i64 {
        self.with(connection, |count| *count.members.get_or_insert(members))
    }

    /// Whether people are to be told now: once an hour, however often it is asked.
    #[must_use]
    pub fn is_news(&self, connection: &ConnectionId, now: UnixMillis) -> bool {
        self.with(connection, |count| {
            let news = count.told_at.is_none_or(|at| now.since(at) >= HOUR);
            if news {
                count.told_at = Some(now);
            }
            news
        })
    }

    fn with<T>(&self, connection: &ConnectionId, deed: impl FnOnce(&mut Count) -> T) -> T {
        let count = self.0.get_with_by_ref(connection, Arc::default);
        let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
        deed(&mut count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_once_an_hour_and_each_connection_counts_for_itself() {
        let (losses, one, other) = (Losses::default(), ConnectionId::fresh(), ConnectionId::fresh());
        let now = UnixMillis(10 * HOUR);
        assert_eq!(losses.add(&one, 4, now), Counted { losing: 4, members: None });
        assert_eq!((losses.of_members(&one, 20), losses.of_members(&one, 19)), (20, 20));
        assert_eq!(losses.add(&one, 4, now), Counted { losing: 8, members: Some(20) });
        assert_eq!(losses.add(&other, 1, now), Counted { losing: 1, members: None });
        assert!(losses.is_news(&one, now) && !losses.is_news(&one, now.plus(HOUR - 1)));
        assert!(losses.is_news(&one, now.plus(HOUR)));
        assert_eq!(losses.add(&one, 1, now.plus(2 * HOUR)), Counted { losing: 1, members: None });
    }
}
