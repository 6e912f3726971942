//! Connections between uses: kept at hand, the one used last taken first.
//!
//! # Why
//! The driver's pool asks a connection for a sign of life each time it is given back, in a task of its own: one more
//! round trip for every request. Here a connection is asked only after some connection has failed since.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use metrics::histogram;
use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, Pool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::db::Result;

/// How often a connection has failed in this process.
static FAILURES: AtomicU64 = AtomicU64::new(0);

/// Notes an error that says something of the connection and not of the statement.
pub fn note(error: &sqlx::Error) {
    let of_connection = match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        // PostgreSQL's classes "connection exception" and "operator intervention" (a server that stops).
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| code.starts_with("08") || code.starts_with("57P"))
        }
        _ => false,
    };
    if of_connection {
        FAILURES.fetch_add(1, Ordering::Relaxed);
    }
}

/// The shelf of one pool.
#[derive(Debug)]
pub struct Shelf<DB: sqlx::Database> {
    /// What it is called where waiting is counted.
    name: &'static str,
    pool: Pool<DB>,
    most: u32,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<(PoolConnection<DB>, u64)>>,
}

impl<DB: sqlx::Database> Shelf<DB> {
    /// A shelf over a pool of at most `most` connections.
    #[must_use]
    pub fn new(name: &'static str, pool: Pool<DB>, most: u32) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(most as usize));
        Arc::new(Self { name, pool, most, places, idle: Mutex::new(Vec::new()) })
    }

    /// How many connections are in use now.
    #[must_use]
    pub fn busy(&self) -> u32 {
        self.most.saturating_sub(u32::try_from(self.places.available_permits()).unwrap_or(u32::MAX))
    }

    /// The pool itself: what migrations use before anybody takes a connection.
    #[must_use]
    pub const fn pool(&self) -> &Pool<DB> {
        &self.pool
    }

    /// A connection.
    ///
    /// # Errors
    /// None is free for five seconds, or the database is gone.
    pub async fn take(self: &Arc<Self>) -> Result<Lease<DB>> {
        let place = match self.places.clone().try_acquire_owned() {
            Ok(place) => place,
            Err(TryAcquireError::NoPermits) => self.wait().await?,
            Err(TryAcquireError::Closed) => return Err(sqlx::Error::PoolClosed),
        };
        while let Some((mut conn, seen)) = self.pop() {
            if seen == FAILURES.load(Ordering::Relaxed) || conn.ping().await.is_ok() {
                return Ok(self.lease(conn, place));
            }
            conn.close_on_drop();
        }
        Ok(self.lease(self.pool.acquire().await?, place))
    }

    /// Waits until one comes back. Who finds one at once is not counted: that is how it should be.
    async fn wait(&self) -> Result<OwnedSemaphorePermit> {
        let begun = Instant::now();
        let waited = tokio::time::timeout(Duration::from_secs(5), self.places.clone().acquire_owned()).await;
        histogram!("muster_db_wait_seconds", "pool" => self.name).record(begun.elapsed().as_secs_f64());
        waited.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)
    }

    fn pop(&self) -> Option<(PoolConnection<DB>, u64)> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn lease(self: &Arc<Self>, conn: PoolConnection<DB>, place: OwnedSemaphorePermit) -> Lease<DB> {
        let seen = FAILURES.load(Ordering::Relaxed);
        Lease { conn: Some(conn), shelf: self.clone(), seen, unfinished: false, _place: place }
    }

    /// Closes every connection; those in use when they come back.
    pub async fn close(&self) {
        self.places.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.pool.close().await;
    }
}

/// A connection in use; it goes back to the shelf by itself.
pub struct Lease<DB: sqlx::Database> {
    conn: Option<PoolConnection<DB>>,
    shelf: Arc<Shelf<DB>>,
    /// The count of failures when it was taken: one that fails in between, its own or another's, has it looked at.
    seen: u64,
    unfinished: bool,
    _place: OwnedSemaphorePermit,
}

impl<DB: sqlx::Database> Lease<DB> {
    /// Says whether a transaction is open on it: then it is closed instead of given to somebody else.
    pub const fn set_unfinished(&mut self, unfinished: bool) {
        self.unfinished = unfinished;
    }
}

impl<DB: sqlx::Database> Deref for Lease<DB> {
    type Target = DB::Connection;
    fn deref(&self) -> &DB::Connection {
        self.conn.as_ref().expect("it is taken out in drop alone")
    }
}
impl<DB: sqlx::Database> DerefMut for Lease<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        self.conn.as_mut().expect("it is taken out in drop alone")
    }
}

impl<DB: sqlx::Database> Drop for Lease<DB> {
    fn drop(&mut self) {
        let Some(mut conn) = self.conn.take() else { return };
        if self.unfinished || self.shelf.places.is_closed() {
            conn.close_on_drop();
            return;
        }
        self.shelf.idle.lock().unwrap_or_else(PoisonError::into_inner).push((conn, self.seen));
    }
}
