//! A bucket of requests: so many at once, and then so many a second. Whoever asks gives the time.
//!
//! # Why
//! It is the generic cell rate algorithm: one number, the moment at which the bucket will be full again, stands for the whole
//! bucket. Nothing has to be filled up by a timer.

use super::time::UnixMillis;

/// A bucket. What is counted in it are microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// After so long there is room for one more.
    one: i64,
    /// So long it takes to fill an empty bucket.
    whole: i64,
    /// When it will be full.
    full_at: i64,
}

impl Bucket {
    /// A full bucket for `burst` at once and `per_second` from then on; both are at least one.
    #[must_use]
    pub fn full(per_second: u32, burst: u32) -> Self {
        let one = (1_000_000 / i64::from(per_second.max(1))).max(1);
        Self { one, whole: one * i64::from(burst.max(1)), full_at: 0 }
    }

    /// Takes one out.
    ///
    /// # Errors
    /// It is empty: the milliseconds until there is one, at least 1.
    pub fn take(&mut self, now: UnixMillis) -> Result<(), i64> {
        let now = now.0.saturating_mul(1_000);
        // A clock that was put back must not lock anybody out for longer than an empty bucket does.
        self.full_at = self.full_at.clamp(now, now.saturating_add(self.whole));
        let then = self.full_at.saturating_add(self.one);
        let wait = then - self.whole - now;
        if wait > 0 {
            return Err((wait + 999) / 1_000);
        }
        self.full_at = then;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `tries` are let through at one moment.
    fn passed(bucket: &mut Bucket, at: i64, tries: usize) -> usize {
        (0..tries).filter(|_| bucket.take(UnixMillis(at)).is_ok()).count()
    }

    #[test]
    fn the_burst_passes_at_once_and_then_as_many_as_the_rate_says() {
        let mut bucket = Bucket::full(200, 400);
        assert_eq!(passed(&mut bucket, 1_000_000, 1_000), 400);
        assert_eq!(bucket.take(UnixMillis(1_000_000)), Err(5));
        assert_eq!(passed(&mut bucket, 1_001_000, 1_000), 200);
        assert_eq!(passed(&mut bucket, 1_001_005, 1_000), 1);
        assert_eq!(passed(&mut bucket, 9_000_000, 1_000), 400);
    }

    #[test]
    fn what_is_refused_takes_nothing() {
        let mut bucket = Bucket::full(1, 1);
        assert_eq!(bucket.take(UnixMillis(0)), Ok(()));
        for _ in 0..100 {
            assert_eq!(bucket.take(UnixMillis(400)), Err(600));
        }
        assert_eq!(bucket.take(UnixMillis(1_000)), Ok(()));
    }

    #[test]
    fn a_clock_that_is_put_back_locks_nobody_out() {
        let mut bucket = Bucket::full(10, 5);
        assert_eq!(passed(&mut bucket, 1_000_000, 9), 5);
        assert_eq!(bucket.take(UnixMillis(0)), Err(100));
        assert_eq!(bucket.take(UnixMillis(100)), Ok(()));
    }

    #[test]
    fn numbers_without_sense_make_a_bucket_for_one() {
        let mut bucket = Bucket::full(0, 0);
        assert_eq!(passed(&mut bucket, 5, 3), 1);
        assert!(Bucket::full(u32::MAX, u32::MAX).take(UnixMillis::MAX).is_ok());
    }
}
