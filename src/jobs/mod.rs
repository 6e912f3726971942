//! What runs beside the requests: delivering the outbox, ending windows, pruning, keys, tallies. Each on every node.

mod counts;
mod credentials;
mod domains;
mod feed;
mod held;
mod keys;
mod outbox;
mod reminders;
mod streams;
mod sweep;
pub mod unused;
mod upstream_events;

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::flows::record_tokens;

/// Starts the jobs; the tracker is done when all have stopped after `stop`.
pub fn start(app: &App, stop: CancellationToken) -> TaskTracker {
    let tracker = TaskTracker::new();
    tracker.spawn(outbox::run(app.clone(), stop.clone()));
    tracker.spawn(keys::run(app.clone(), stop.clone()));
    tracker.spawn(domains::run(app.clone(), stop.clone()));
    tracker.spawn(feed::run(app.clone(), stop.clone()));
    tracker.spawn(upstream_events::run(app.clone(), stop.clone()));
    tracker.spawn(counts::sessions(app.clone()));
    tracker.spawn(every(Duration::from_mins(1), stop.clone(), app.clone(), counts::sessions));
    tracker.spawn(every(Duration::from_mins(1), stop.clone(), app.clone(), held::decide));
    tracker.spawn(every(Duration::from_mins(5), stop.clone(), app.clone(), credentials::warn));
    tracker.spawn(every(Duration::from_secs(1), stop.clone(), app.clone(), sweep::windows));
    tracker.spawn(every(Duration::from_mins(5), stop.clone(), app.clone(), sweep::prune));
    tracker.spawn(every(Duration::from_mins(5), stop.clone(), app.clone(), feed::prune));
    tracker.spawn(every(Duration::from_mins(1), stop.clone(), app.clone(), reminders::send));
    tracker.spawn(every(Duration::from_mins(1), stop.clone(), app.clone(), streams::mend));
    tracker.spawn(every(Duration::from_mins(1), stop.clone(), app.clone(), sweep::expired_invitations));
    tracker.spawn(every(Duration::from_mins(1), stop.clone(), app.clone(), sweep::expired_sessions));
    tracker.spawn(every(Duration::from_hours(1), stop.clone(), app.clone(), unused::suspend));
    tracker.spawn(every(Duration::from_secs(1), stop.clone(), app.clone(), crate::flows::scim::log::write));
    tracker.spawn(every(Duration::from_secs(5), stop, app.clone(), record_tokens::write_tally));
    tracker.close();
    tracker
}

/// Does something again and again until `stop`, and once more then.
async fn every<F, D>(period: Duration, stop: CancellationToken, app: App, deed: D)
where
    D: Fn(App) -> F + Send,
    F: Future<Output = ()> + Send,
{
    loop {
        let stopping = stop.run_until_cancelled(tokio::time::sleep(period)).await.is_none();
        deed(app.clone()).await;
        if stopping {
            return;
        }
    }
}
