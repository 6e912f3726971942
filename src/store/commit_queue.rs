//! Group commit for SQLite: one task owns the writing connection, and the jobs that wait share one COMMIT.
//!
//! Each job runs in a savepoint of a shared `BEGIN IMMEDIATE` (alone, when nobody waits behind it); a job that fails
//! rolls back its own savepoint only.
//! Callers hear of their success after the COMMIT, which with `synchronous=FULL` has reached the disk.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Instant;

use metrics::histogram;
use sqlx::Sqlite;
use tokio::sync::{mpsc, oneshot};

use super::db::{Conn, Fate, Job, Result, Tx, unsettled};
use super::shelf::Shelf;

/// At most so many jobs share one commit.
const BATCH: usize = 256;
/// At most so many jobs wait before the writer; one more waits at the door of the queue.
const WAITING: usize = 1024;

/// Told after the commit; `None` is success.
type Tell = Box<dyn FnOnce(Option<sqlx::Error>) + Send>;
/// What came of a job: keep its savepoint or undo it, and whom to tell.
struct Done {
    keep: bool,
    tell: Tell,
}
type BoxedJob = Box<dyn for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Done> + Send>;

enum Message {
    Job(BoxedJob),
    Stop(oneshot::Sender<()>),
}

/// The door of the queue; cheap to clone.
#[derive(Clone, Debug)]
pub struct CommitQueue(mpsc::Sender<Message>);

/// Starts the task that owns the writing connection.
pub fn start(writer: Arc<Shelf<Sqlite>>) -> CommitQueue {
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(run(writer, receiver));
    CommitQueue(sender)
}

impl CommitQueue {
    /// Runs a job and waits until it is durable.
    ///
    /// # Errors
    /// The job's, or the database's.
    pub async fn run<T, E, F>(&self, job: F) -> std::result::Result<T, E>
    where
        F: Job<T, E>,
        T: Send + 'static,
        E: From<sqlx::Error> + Send + 'static,
    {
        let (answer, told) = oneshot::channel::<std::result::Result<T, E>>();
        let boxed: BoxedJob = Box::new(move |tx: &mut Tx| {
            Box::pin(async move {
                let outcome = AssertUnwindSafe(job(&mut *tx)).catch_unwind().await;
                let (keep, outcome) = match (outcome, tx.fate()) {
                    (Ok(Ok(value)), Fate::Keep) => (true, Ok(value)),
                    (Ok(Ok(value)), Fate::Undo) => (false, Ok(value)),
                    (Ok(Ok(_)), Fate::Unsettled) => (false, Err(unsettled().into())),
                    (Ok(Err(error)), _) => (false, Err(error)),
                    (Err(_), _) => (false, Err(sqlx::Error::WorkerCrashed.into())),
                };
                let tell: Tell = Box::new(move |failure| {
                    let _ = answer.send(match failure {
                        Some(error) => Err(error.into()),
                        None => outcome,
                    });
                });
                Done { keep, tell }
            })
        });
        if self.0.send(Message::Job(boxed)).await.is_err() {
            return Err(sqlx::Error::PoolClosed.into());
        }
        told.await.unwrap_or_else(|_| Err(sqlx::Error::WorkerCrashed.into()))
    }

    /// How many jobs wait at this moment.
    pub fn waiting(&self) -> u64 {
        u64::try_from(self.0.max_capacity().saturating_sub(self.0.capacity())).unwrap_or(u64::MAX)
    }

    /// Finishes what waits, then lets the connection go.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.0.send(Message::Stop(done)).await.is_ok() {
            let _ = stopped.await;
        }
    }
}

async fn run(writer: Arc<Shelf<Sqlite>>, mut jobs: mpsc::Receiver<Message>) {
    let mut kept: Option<Tx> = None;
    while let Some(message) = jobs.recv().await {
        let first = match message {
            Message::Job(job) => job,
            Message::Stop(done) => {
                let _ = done.send(());
                return;
            }
        };
        // Kept from batch to batch; a broken one is replaced.
        let mut tx = match kept.take() {
            Some(tx) => tx,
            None => match writer.take().await {
                Ok(mut lease) => {
                    lease.set_unfinished(true);
                    Tx::new(Conn::Sqlite(lease))
                }
                Err(error) => {
                    tracing::error!(%error, "the database can't be written");
                    drop(first); // its caller hears that the worker is gone
                    continue;
                }
            },
        };
        let begun = Instant::now();
        let ended = if jobs.is_empty() { alone(&mut tx, first).await } else { batch(&mut tx, first, &mut jobs).await };
        committed(begun);
        if ended.whole {
            kept = Some(tx);
        }
        if let Some(done) = ended.stop {
            let _ = done.send(());
            return;
        }
    }
}

/// Counts a transaction from its beginning to its end, whichever that was.
pub fn committed(begun: Instant) {
    histogram!("muster_db_transaction_seconds").record(begun.elapsed().as_secs_f64());
}

/// How a transaction ended.
struct Ended {
    /// Whether the connection can be used again.
    whole: bool,
    /// The sender of a stop that was met on the way.
    stop: Option<oneshot::Sender<()>>,
}

/// A job with nobody behind it: a transaction of its own, without a savepoint.
async fn alone(tx: &mut Tx, job: BoxedJob) -> Ended {
    if let Err(error) = statement(tx, "BEGIN IMMEDIATE").await {
        tracing::error!(%error, "a transaction can't be begun");
        return Ended { whole: false, stop: None };
    }
    tx.set_fate(Fate::Keep);
    let done = job(tx).await;
    let ended = statement(tx, if done.keep { "COMMIT" } else { "ROLLBACK" }).await;
    let whole = ended.is_ok() || statement(tx, "ROLLBACK").await.is_ok();
    // A job that was not to be kept has its own answer, whatever the rollback says.
    (done.tell)(ended.err().filter(|_| done.keep));
    Ended { whole, stop: None }
}

/// One shared transaction.
async fn batch(tx: &mut Tx, first: BoxedJob, jobs: &mut mpsc::Receiver<Message>) -> Ended {
    let mut stop = None;
    let (mut kept, mut undone): (Vec<Tell>, Vec<Tell>) = (Vec::new(), Vec::new());
    if let Err(error) = statement(tx, "BEGIN IMMEDIATE").await {
        tracing::error!(%error, "a transaction can't be begun");
        return Ended { whole: false, stop: None };
    }
    let mut next = Some(first);
    let mut broken = None;
    while let Some(job) = next.take() {
        if let Err(error) = one(tx, job, (&mut kept, &mut undone)).await {
            broken = Some(error);
            break;
        }
        if kept.len() + undone.len() < BATCH {
            next = match jobs.try_recv() {
                Ok(Message::Job(job)) => Some(job),
                Ok(Message::Stop(done)) => {
                    stop = Some(done);
                    None
                }
                Err(_) => None,
            };
        }
    }
    let ended = match broken {
        None => statement(tx, "COMMIT").await,
        Some(error) => Err(error),
    };
    let mut whole = true;
    match ended {
        Ok(()) => {
            for tell in kept {
                tell(None);
            }
        }
        Err(error) => {
            tracing::error!(%error, "a commit failed; nothing of it was kept");
            whole = statement(tx, "ROLLBACK").await.is_ok();
            let text = error.to_string();
            for tell in kept {
                tell(Some(sqlx::Error::Protocol(text.clone())));
            }
        }
    }
    // What they were refused for may be what another job of this transaction wrote: whoever tries again finds it there.
    for tell in undone {
        tell(None);
    }
    Ended { whole, stop }
}

/// One job in its savepoint. An error here is one of the transaction itself, not of the job.
async fn one(tx: &mut Tx, job: BoxedJob, (kept, undone): (&mut Vec<Tell>, &mut Vec<Tell>)) -> Result<()> {
    statement(tx, "SAVEPOINT job").await?;
    tx.set_fate(Fate::Keep);
    let done = job(tx).await;
    if done.keep {
        statement(tx, "RELEASE job").await?;
        kept.push(done.tell);
    } else {
        statement(tx, "ROLLBACK TO job").await?;
        statement(tx, "RELEASE job").await?;
        undone.push(done.tell);
    }
    Ok(())
}

async fn statement(tx: &mut Tx, sql: &'static str) -> Result<()> {
    tx.query(sql).execute().await.map(|_| ())
}
