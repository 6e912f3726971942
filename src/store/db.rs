//! The only room that knows there are two databases: SQLite (embedded) and PostgreSQL.
//!
//! One SQL text serves both: an enum of native queries behind a typed facade. Reading takes a [`Conn`]; writing is
//! only possible inside [`Database::write`], which hands the job a [`Tx`].
//!
//! # Why
//! `sqlx::Any` can't read a BOOLEAN on SQLite, and generics over the database cost a line for every bound type in
//! every caller. On SQLite all writers share one connection and one commit (group commit): each job runs in its own
//! savepoint, and its caller goes on when the COMMIT has reached the disk. On PostgreSQL each job is a transaction.

mod cells;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions};
use sqlx::query::Query as Native;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Encode, PgConnection, Postgres, Sqlite, SqliteConnection, Type};
use tracing::Instrument as _;

pub use self::cells::{Cell, Cells, Record, corrupt};
use self::cells::{NativeRow, read};
use super::commit_queue::{self, CommitQueue};
use super::shelf::{self, Lease, Shelf};
use crate::config::Config;

/// What a store function can fail with: the database's own error. Nothing of it is ever shown to a caller outside.
pub type Result<T> = std::result::Result<T, sqlx::Error>;

static STATEMENTS: AtomicU64 = AtomicU64::new(0);

/// How many statements this process has sent to its database; the load driver reads the difference.
#[must_use]
pub fn statements() -> u64 {
    STATEMENTS.load(Ordering::Relaxed)
}

/// So many connections read the embedded database.
const SQLITE_READERS: u32 = 4;

/// A value that both drivers can bind.
pub trait Bind<'q>: Encode<'q, Sqlite> + Type<Sqlite> + Encode<'q, Postgres> + Type<Postgres> + 'q {}
impl<'q, T> Bind<'q> for T where T: Encode<'q, Sqlite> + Type<Sqlite> + Encode<'q, Postgres> + Type<Postgres> + 'q {}

/// Whether a transaction of a server was given up, and undone, because it and another waited for each other: then it can be
/// made again.
#[must_use]
pub fn is_deadlock(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.code().as_deref() == Some("40P01"))
}

/// What PostgreSQL needs to pass over rows that another transaction is writing.
const PASS_OVER: &str = "FOR NO KEY UPDATE SKIP LOCKED";

/// One connection, for reading, or the one that a transaction runs on.
pub enum Conn {
    /// Of the embedded database.
    Sqlite(Lease<Sqlite>),
    /// Of a PostgreSQL server.
    Postgres(Lease<Postgres>),
}

impl Conn {
    /// A statement, with `$1`, `$2`… in the order of mention.
    pub fn query(&mut self, sql: &'static str) -> Query<'_> {
        STATEMENTS.fetch_add(1, Ordering::Relaxed);
        match self {
            Self::Sqlite(c) => Query::Sqlite(&mut *c, sqlx::query(sql)),
            Self::Postgres(c) => Query::Postgres(&mut *c, sqlx::query(sql)),
        }
    }

    /// A statement that passes over rows which another transaction is writing, where `[free]` stands in its text: whoever
    /// reads so waits for nobody. The embedded database has one writer.
    pub fn query_free(&mut self, sql: &'static str) -> Query<'_> {
        STATEMENTS.fetch_add(1, Ordering::Relaxed);
        match self {
            Self::Sqlite(c) => Query::Sqlite(&mut *c, sqlx::query(AssertSqlSafe(sql.replace("[free]", "")))),
            Self::Postgres(c) => {
                let text = sql.replace("[free]", PASS_OVER);
                Query::Postgres(&mut *c, sqlx::query(AssertSqlSafe(text)))
            }
        }
    }

    /// A statement with one list: `@` stands for the list, and `$$1`, `$$2`… for the parameters that are bound after it.
    /// `[free]` is as in [`Conn::query_free`].
    ///
    /// Give at most [`LIST`] members at a time; an empty list matches nothing.
    ///
    /// # Why
    /// The list travels as one parameter, an array or a JSON text: a placeholder for each member would be another text for
    /// each length, and the embedded database looks placeholders up one after the other.
    pub fn query_in<'t>(&'t mut self, sql: &'static str, list: &[String]) -> Query<'t> {
        STATEMENTS.fetch_add(1, Ordering::Relaxed);
        let (members, free) = match self {
            Self::Sqlite(_) => ("SELECT value FROM json_each($1)", ""),
            Self::Postgres(_) => ("SELECT unnest($1::text[])", PASS_OVER),
        };
        let mut text = sql.replacen('@', members, 1).replace("[free]", free);
        for other in 1..=9 {
            text = text.replace(&format!("$${other}"), &format!("${}", other + 1));
        }
        // Only what stands above was put into a text that is 'static.
        let text = AssertSqlSafe(text);
        match self {
            Self::Sqlite(c) => {
                let list = serde_json::to_string(list).unwrap_or_default();
                Query::Sqlite(&mut *c, sqlx::query(text).bind(list))
            }
            Self::Postgres(c) => Query::Postgres(&mut *c, sqlx::query(text).bind(list.to_vec())),
        }
    }
}

/// The most members that [`Conn::query_in`] takes at a time.
pub const LIST: usize = 4096;

/// A statement on its way.
#[must_use]
pub enum Query<'t> {
    /// For the embedded database.
    Sqlite(&'t mut SqliteConnection, Native<'t, Sqlite, SqliteArguments>),
    /// For a PostgreSQL server.
    Postgres(&'t mut PgConnection, Native<'t, Postgres, PgArguments>),
}

impl<'t> Query<'t> {
    /// Gives the next parameter.
    pub fn bind<T: Bind<'t>>(self, value: T) -> Self {
        match self {
            Self::Sqlite(c, q) => Self::Sqlite(c, q.bind(value)),
            Self::Postgres(c, q) => Self::Postgres(c, q.bind(value)),
        }
    }

    /// Runs it; the number of rows that were written.
    ///
    /// # Errors
    /// The database's.
    pub async fn execute(self) -> Result<u64> {
        noted(match self {
            Self::Sqlite(c, q) => q.execute(c).await.map(|done| done.rows_affected()),
            Self::Postgres(c, q) => q.execute(c).await.map(|done| done.rows_affected()),
        })
    }

    /// The first row, which must be there.
    ///
    /// # Errors
    /// The database's, or there is no row.
    pub async fn one<T: Record>(self) -> Result<T> {
        self.optional().await?.ok_or(sqlx::Error::RowNotFound)
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// The database's.
    pub async fn optional<T: Record>(self) -> Result<Option<T>> {
        match self {
            Self::Sqlite(c, q) => noted(q.fetch_optional(c).await)?.map(|r| read(NativeRow::Sqlite(&r))).transpose(),
            Self::Postgres(c, q) => {
                noted(q.fetch_optional(c).await)?.map(|r| read(NativeRow::Postgres(&r))).transpose()
            }
        }
    }

    /// All rows.
    ///
    /// # Errors
    /// The database's.
    pub async fn all<T: Record>(self) -> Result<Vec<T>> {
        match self {
            Self::Sqlite(c, q) => noted(q.fetch_all(c).await)?.iter().map(|r| read(NativeRow::Sqlite(r))).collect(),
            Self::Postgres(c, q) => noted(q.fetch_all(c).await)?.iter().map(|r| read(NativeRow::Postgres(r))).collect(),
        }
    }
}

/// Errors of the connection itself are noted, so that those on the shelf are looked at before their next use.
fn noted<T>(outcome: Result<T>) -> Result<T> {
    if let Err(error) = &outcome {
        shelf::note(error);
    }
    outcome
}

/// A connection inside a transaction: the only thing that store functions which write accept.
pub struct Tx {
    pub(super) conn: Conn,
    pub(super) fate: Fate,
}

/// What is to become of the rows that a job wrote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    Keep,
    /// A dry run: undo the rows, hand over the answer.
    Undo,
    /// An access edit was opened and not settled: undo the rows and fail.
    Unsettled,
}

impl Tx {
    pub(super) const fn new(conn: Conn) -> Self {
        Self { conn, fate: Fate::Keep }
    }

    /// Has everything undone that this job writes, though it answers with success: the dry run.
    pub fn undo(&mut self) {
        self.fate = Fate::Undo;
    }

    pub(super) fn set_fate(&mut self, fate: Fate) {
        self.fate = fate;
    }

    /// Writes of a dry run that is being prepared are undone whatever follows.
    pub(super) const fn fate(&self) -> Fate {
        self.fate
    }
}

impl Deref for Tx {
    type Target = Conn;
    fn deref(&self) -> &Conn {
        &self.conn
    }
}
impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

/// A job for [`Database::write`]: `|tx| Box::pin(async move { … })`.
pub trait Job<T, E>: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, std::result::Result<T, E>> + Send + 'static {}
impl<F, T, E> Job<T, E> for F where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, std::result::Result<T, E>> + Send + 'static
{
}

/// The database, whichever it is; cheap to clone.
#[derive(Clone, Debug)]
pub enum Database {
    /// Embedded: a pool of readers and the queue of the one writer.
    Sqlite {
        /// Connections that only read.
        readers: Arc<Shelf<Sqlite>>,
        /// The one connection that writes, while nobody uses it through the queue (migrations).
        writer: Arc<Shelf<Sqlite>>,
        /// The queue before the writer.
        queue: CommitQueue,
    },
    /// A PostgreSQL server. Readers and writers have pools of their own, so that requests which hold a reading
    /// connection while they wait for a writing one can't starve each other.
    Postgres {
        /// Connections that read.
        readers: Arc<Shelf<Postgres>>,
        /// Connections for transactions.
        writers: Arc<Shelf<Postgres>>,
    },
}

impl Database {
    /// Opens the database that the configuration names. Nothing is migrated.
    ///
    /// # Errors
    /// The URL is none of ours, the file can't be opened, or the server does not answer.
    pub async fn open(config: &Config) -> Result<Self> {
        match &config.database.url {
            Some(url) => Self::open_postgres(url, config.database.max_connections).await,
            None => Self::open_sqlite(&config.data_dir.join("muster.db")).await,
        }
    }

    async fn open_sqlite(file: &std::path::Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // Another process writes too: the command line beside a busy server gets its turn.
            .busy_timeout(Duration::from_secs(30))
            .statement_cache_capacity(512)
            .pragma("journal_size_limit", "67108864")
            .pragma("cache_size", "-4096")
            // Pages are read where the system keeps them, not copied: they don't count as the process's own memory.
            .pragma("mmap_size", "1073741824");
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            // A change that touches very many rows is written once, at its end.
            .connect_with(options.clone().pragma("cache_spill", "OFF"))
            .await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(SQLITE_READERS)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.pragma("query_only", "ON"))
            .await?;
        let writer = Shelf::new("write", writer, 1);
        let queue = commit_queue::start(writer.clone());
        Ok(Self::Sqlite { readers: Shelf::new("read", readers, SQLITE_READERS), writer, queue })
    }

    async fn open_postgres(url: &str, max_connections: u32) -> Result<Self> {
        let options: PgConnectOptions = url.parse()?;
        let options = options.statement_cache_capacity(512).application_name("muster");
        let writing = (max_connections / 2).max(1);
        let pool = |most: u32| {
            PgPoolOptions::new()
                .max_connections(most)
                .acquire_timeout(Duration::from_secs(5))
                .test_before_acquire(false)
                .connect_with(options.clone())
        };
        let reading = max_connections.saturating_sub(writing).max(1);
        let (writers, readers) = (pool(writing).await?, pool(reading).await?);
        let (readers, writers) = (Shelf::new("read", readers, reading), Shelf::new("write", writers, writing));
        Ok(Self::Postgres { readers, writers })
    }

    /// A connection to read with.
    ///
    /// # Errors
    /// The pool is exhausted for five seconds, or the server is gone.
    pub async fn read(&self) -> Result<Conn> {
        Ok(match self {
            Self::Sqlite { readers, .. } => Conn::Sqlite(noted(readers.take().await)?),
            Self::Postgres { readers, .. } => Conn::Postgres(noted(readers.take().await)?),
        })
    }

    /// Runs `job` in a transaction and commits it when it answers with `Ok`; the answer is durable when it comes back.
    ///
    /// A job awaits nothing but the database. Dropping the returned future does not stop a job that has begun.
    ///
    /// # Errors
    /// The job's own, or the database's when the commit fails.
    pub async fn write<T, E, F>(&self, job: F) -> std::result::Result<T, E>
    where
        F: Job<T, E>,
        T: Send + 'static,
        E: From<sqlx::Error> + Send + 'static,
    {
        let span = tracing::info_span!(target: "muster::trace", "db.write");
        match self {
            Self::Sqlite { queue, .. } => queue.run(job).instrument(span).await,
            Self::Postgres { writers, .. } => {
                let writers = writers.clone();
                // In a task of its own: a caller that goes away must not leave a transaction half done.
                let task = tokio::spawn(async move { transaction(&writers, job).await }.instrument(span));
                task.await.unwrap_or_else(|_| Err(sqlx::Error::WorkerCrashed.into()))
            }
        }
    }

    /// Whether the database answers at all: what readiness asks.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<()> {
        self.read().await?.query("SELECT 1 FROM instance WHERE name = 'schema'").optional::<(i32,)>().await.map(|_| ())
    }

    /// `sqlite` or `postgres`, for people.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "sqlite",
            Self::Postgres { .. } => "postgres",
        }
    }

    /// Waits for what is on its way and closes every connection.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { readers, writer, queue } => {
                queue.stop().await;
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres { readers, writers } => {
                readers.close().await;
                writers.close().await;
            }
        }
    }
}

/// One job in a transaction of a PostgreSQL server. The connection is given back only when the transaction has ended.
async fn transaction<T, E, F>(writers: &Arc<Shelf<Postgres>>, job: F) -> std::result::Result<T, E>
where
    F: Job<T, E>,
    E: From<sqlx::Error>,
{
    let mut lease = noted(writers.take().await)?;
    lease.set_unfinished(true);
    let begun = Instant::now();
    let mut tx = Tx::new(Conn::Postgres(lease));
    tx.query("BEGIN").execute().await?;
    let outcome = job(&mut tx).await;
    let end = if outcome.is_ok() && tx.fate() == Fate::Keep { "COMMIT" } else { "ROLLBACK" };
    tx.query(end).execute().await?;
    commit_queue::committed(begun);
    if let Conn::Postgres(lease) = &mut tx.conn {
        lease.set_unfinished(false);
    }
    match (outcome, tx.fate()) {
        (Ok(_), Fate::Unsettled) => Err(unsettled().into()),
        (outcome, _) => outcome,
    }
}

/// The error for an access edit that was dropped without being settled, in a job that answered with success.
pub(super) fn unsettled() -> sqlx::Error {
    sqlx::Error::Protocol("an access edit was opened and not settled; its rows were undone".to_owned())
}
