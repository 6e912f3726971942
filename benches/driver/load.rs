//! The closed loop: so many callers, each waiting for its answer before it asks again, bounded in time and count.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::flows::{Flow, Step};

/// Where a loop ends, whatever happens.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// No operation begins after this time.
    pub duration: Duration,
    /// No more operations than this.
    pub operations: u64,
    /// How long a caller rests between two operations.
    pub pause: Duration,
}

impl Limits {
    /// As many operations as fit into a time; the count is a backstop.
    pub const fn time(duration: Duration) -> Self {
        Self { duration, operations: 50_000_000, pause: Duration::ZERO }
    }
}

/// What a loop did.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Operations that were done as expected.
    pub operations: u64,
    /// The requests that they took.
    pub requests: u64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Microseconds of each operation, sorted.
    latencies: Vec<u32>,
    /// Why the first caller that failed did so.
    pub failure: Option<String>,
}

impl Outcome {
    /// The latency in microseconds that so many thousandths of the operations did not exceed.
    pub fn permille(&self, thousandths: usize) -> u32 {
        permille(&self.latencies, thousandths)
    }
}

/// The nearest rank of a sorted list; 0 for an empty one.
fn permille(sorted: &[u32], thousandths: usize) -> u32 {
    let rank = (sorted.len() * thousandths).div_ceil(1000).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// What one caller did.
#[derive(Default)]
struct Tally {
    requests: u64,
    latencies: Vec<u32>,
    failure: Option<String>,
}

/// Lets the callers work until the limits end it, and gives them back so that they can go on later.
///
/// A caller whose operation fails stops: errors are reported, not hammered.
pub async fn closed_loop(flows: Vec<Flow>, limits: Limits) -> (Outcome, Vec<Flow>) {
    let budget = Arc::new(AtomicU64::new(0));
    let begin = Instant::now();
    let mut callers = JoinSet::new();
    for flow in flows {
        callers.spawn(call(flow, limits, begin, Arc::clone(&budget)));
    }
    let mut outcome = Outcome::default();
    let mut rested = Vec::new();
    while let Some(ended) = callers.join_next().await {
        match ended {
            Ok((flow, mut tally)) => {
                rested.push(flow);
                outcome.requests += tally.requests;
                outcome.latencies.append(&mut tally.latencies);
                outcome.failure = outcome.failure.or(tally.failure);
            }
            Err(panic) => outcome.failure = Some(panic.to_string()),
        }
    }
    outcome.elapsed = begin.elapsed();
    outcome.operations = outcome.latencies.len() as u64;
    outcome.latencies.sort_unstable();
    (outcome, rested)
}

async fn call(mut flow: Flow, limits: Limits, begin: Instant, budget: Arc<AtomicU64>) -> (Flow, Tally) {
    let mut tally = Tally::default();
    while begin.elapsed() < limits.duration && budget.fetch_add(1, Ordering::Relaxed) < limits.operations {
        let started = Instant::now();
        match flow.step().await {
            Ok(Step::Did(requests)) => {
                tally.requests += u64::from(requests);
                tally.latencies.push(u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            Ok(Step::Exhausted) => break,
            Err(error) => {
                tally.failure = Some(format!("{error:#}"));
                break;
            }
        }
        if !limits.pause.is_zero() {
            tokio::time::sleep(limits.pause).await;
        }
    }
    (flow, tally)
}

#[cfg(test)]
mod tests {
    use super::permille;

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let hundred: Vec<u32> = (1..=100).collect();
        assert_eq!([0, 10, 500, 990, 1000].map(|share| permille(&hundred, share)), [1, 1, 50, 99, 100]);
        assert_eq!(permille(&[7], 500), 7);
        assert_eq!(permille(&[], 500), 0);
    }
}
