//! One thing that is fetched when it is needed first: those who come meanwhile wait for the same answer, good or bad.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::UpstreamError;

/// Holds a thing once it was fetched.
#[derive(Debug)]
pub(super) struct Shelf<T>(Mutex<Held<T>>);

#[derive(Debug)]
struct Held<T> {
    value: Option<Arc<T>>,
    /// When the last attempt ended badly, and how.
    failed: Option<(Instant, UpstreamError)>,
    /// When it was fetched for the sake of something newer.
    renewed: Option<Instant>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(Mutex::new(Held { value: None, failed: None, renewed: None }))
    }
}

impl<T> Shelf<T> {
    /// What is there, else what is fetched now.
    pub(super) async fn get(
        &self,
        fetching: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<Arc<T>, UpstreamError> {
        let asked = Instant::now();
        let mut held = self.0.lock().await;
        if let Some(value) = &held.value {
            return Ok(Arc::clone(value));
        }
        // Whoever waited while it failed would only wait for the same again.
        if let Some((at, failed)) = &held.failed
            && *at >= asked
        {
            return Err(failed.clone());
        }
        held.fetch(fetching).await
    }

    /// What somebody else put in the place of `seen`, or what is fetched now; `None` where that was done less than
    /// `pause` ago.
    pub(super) async fn newer(
        &self,
        seen: &Arc<T>,
        pause: Duration,
        fetching: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<Option<Arc<T>>, UpstreamError> {
        let mut held = self.0.lock().await;
        if let Some(value) = &held.value
            && !Arc::ptr_eq(value, seen)
        {
            return Ok(Some(Arc::clone(value)));
        }
        if held.renewed.is_some_and(|at| at.elapsed() < pause) {
            return Ok(None);
        }
        held.renewed = Some(Instant::now());
        held.fetch(fetching).await.map(Some)
    }
}

impl<T> Held<T> {
    async fn fetch(
        &mut self,
        fetching: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<Arc<T>, UpstreamError> {
        match fetching.await {
            Ok(value) => {
                let value = Arc::new(value);
                self.value = Some(Arc::clone(&value));
                self.failed = None;
                Ok(value)
            }
            Err(failed) => {
                self.failed = Some((Instant::now(), failed.clone()));
                Err(failed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn those_who_wait_share_a_failure_and_the_next_one_asks_again() {
        let (shelf, asked) = (Shelf::<u8>::default(), AtomicUsize::new(0));
        let failing = || async {
            asked.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            Err(UpstreamError::Unreachable)
        };
        let (one, other) = tokio::join!(shelf.get(failing()), shelf.get(failing()));
        assert_eq!((one, other), (Err(UpstreamError::Unreachable), Err(UpstreamError::Unreachable)));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert_eq!(shelf.get(async { Ok(7) }).await, Ok(Arc::new(7)));
        assert_eq!(shelf.get(failing()).await, Ok(Arc::new(7)));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn something_newer_is_fetched_once_and_then_not_for_a_while() {
        let shelf = Shelf::default();
        let first = shelf.get(async { Ok(1) }).await.unwrap();
        let pause = Duration::from_mins(1);
        let second = shelf.newer(&first, pause, async { Ok(2) }).await.unwrap().unwrap();
        assert_eq!(*second, 2);
        assert_eq!(shelf.newer(&first, pause, async { Ok(3) }).await, Ok(Some(Arc::clone(&second))));
        assert_eq!(shelf.newer(&second, pause, async { Ok(3) }).await, Ok(None));
        assert_eq!(shelf.newer(&second, Duration::ZERO, async { Ok(3) }).await, Ok(Some(Arc::new(3))));
    }
}
