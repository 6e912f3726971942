//! A lane for each connection's client: how fast and how many at once it may ask, so that one customer's storm is not
//! another's.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::config::scim::Scim;
use crate::kernel::bucket::Bucket;
use crate::kernel::id::ConnectionId;
use crate::kernel::time::{SECOND, UnixMillis};

/// Those who find all places taken wait so long.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// A lane that nobody used for so long is forgotten.
const IDLE: Duration = Duration::from_hours(1);

/// The lanes of this node.
#[derive(Clone, Debug)]
pub struct Lanes {
    limits: Scim,
    known: Cache<ConnectionId, Arc<Lane>>,
}

impl Lanes {
    /// No lane yet; each will be as wide as the settings say.
    #[must_use]
    pub fn new(limits: &Scim) -> Self {
        Self { limits: limits.clone(), known: Cache::builder().max_capacity(100_000).time_to_idle(IDLE).build() }
    }

    /// A connection's lane.
    #[must_use]
    pub fn of(&self, connection: &ConnectionId) -> Arc<Lane> {
        self.known.get_with_by_ref(connection, || Arc::new(Lane::new(&self.limits)))
    }
}

/// One connection's lane.
#[derive(Debug)]
pub struct Lane {
    bucket: Mutex<Bucket>,
    places: Arc<Semaphore>,
    told_at: AtomicI64,
}

/// That a request must come again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttled {
    /// After so many whole seconds, at least one.
    pub retry_after: u64,
    /// Whether it is the first in this second: the others of a storm are not worth a row each.
    pub is_first: bool,
}

impl Lane {
    fn new(limits: &Scim) -> Self {
        let bucket = Mutex::new(Bucket::full(limits.requests_per_second, limits.burst));
        Self { bucket, places: Arc::new(Semaphore::new(limits.in_flight)), told_at: AtomicI64::new(0) }
    }

    /// Waits for a place in the lane; it is given back when the permit is dropped.
    ///
    /// # Errors
    /// There were too many requests in this second, or all places are taken and stay so.
    pub async fn enter(&self, now: UnixMillis) -> Result<OwnedSemaphorePermit, Throttled> {
        let taken = self.bucket.lock().unwrap_or_else(PoisonError::into_inner).take(now);
        if let Err(wait) = taken {
            return Err(self.throttled(now, wait));
        }
        match timeout(PATIENCE, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(self.throttled(now, SECOND)),
        }
    }

    fn throttled(&self, now: UnixMillis, wait: i64) -> Throttled {
        let retry_after = u64::try_from((wait + SECOND - 1) / SECOND).unwrap_or(1).max(1);
        let before = self.told_at.fetch_max(now.seconds(), Ordering::Relaxed);
        Throttled { retry_after, is_first: before < now.seconds() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: UnixMillis = UnixMillis(1_000_000_000);

    fn limits(requests_per_second: u32, burst: u32, in_flight: usize) -> Scim {
        Scim { requests_per_second, burst, in_flight }
    }

    #[tokio::test]
    async fn beyond_the_burst_a_request_is_told_when_to_come_again_and_the_first_of_a_storm_is_marked() {
        let lane = Lane::new(&limits(1, 2, 16));
        assert!(lane.enter(NOON).await.is_ok() && lane.enter(NOON).await.is_ok());
        assert_eq!(lane.enter(NOON).await.err(), Some(Throttled { retry_after: 1, is_first: true }));
        assert_eq!(lane.enter(NOON).await.err(), Some(Throttled { retry_after: 1, is_first: false }));
        assert!(lane.enter(NOON.plus(SECOND)).await.is_ok());
    }

    #[tokio::test]
    async fn whoever_finds_all_places_taken_waits_until_one_is_free() {
        let lane = Lane::new(&limits(100, 100, 1));
        let first = lane.enter(NOON).await.unwrap();
        let second = lane.enter(NOON);
        tokio::pin!(second);
        assert!(timeout(Duration::from_millis(20), &mut second).await.is_err());
        drop(first);
        assert!(second.await.is_ok());
    }

    #[tokio::test]
    async fn each_connection_has_a_lane_of_its_own_as_wide_as_the_settings_say() {
        let (one, other) = (ConnectionId::fresh(), ConnectionId::fresh());
        let lanes = Lanes::new(&limits(1, 1, 1));
        assert!(Arc::ptr_eq(&lanes.of(&one), &lanes.of(&one)));
        assert!(!Arc::ptr_eq(&lanes.of(&one), &lanes.of(&other)));
        assert!(lanes.of(&one).enter(NOON).await.is_ok());
        assert!(lanes.of(&one).enter(NOON).await.is_err());
        assert!(lanes.of(&other).enter(NOON).await.is_ok());
    }
}
