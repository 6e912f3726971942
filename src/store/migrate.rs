//! The schema's history: one set of files for both databases, embedded.

use std::borrow::Cow;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use super::db::{Database, corrupt};

/// Number, name and text of every migration, in order. A released one is never edited.
const HISTORY: &[(i64, &str, &str)] = &[
    (1, "spine", include_str!("../../migrations/0001_spine.sql")),
    (2, "administration", include_str!("../../migrations/0002_administration.sql")),
    (3, "people", include_str!("../../migrations/0003_people.sql")),
    (4, "console", include_str!("../../migrations/0004_console.sql")),
    (5, "scim", include_str!("../../migrations/0005_scim.sql")),
    (6, "federation", include_str!("../../migrations/0006_federation.sql")),
    (7, "streams", include_str!("../../migrations/0007_streams.sql")),
    (8, "feed", include_str!("../../migrations/0008_feed.sql")),
    (9, "outbox", include_str!("../../migrations/0009_outbox.sql")),
    (10, "factors", include_str!("../../migrations/0010_factors.sql")),
    (11, "guard", include_str!("../../migrations/0011_guard.sql")),
    (12, "nobodies", include_str!("../../migrations/0012_nobodies.sql")),
];

fn migrator() -> Migrator {
    let migrations = HISTORY.iter().map(|(version, name, sql)| {
        Migration::new(*version, Cow::Borrowed(*name), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}

/// Brings the database to the newest schema. On PostgreSQL a lock keeps several nodes from doing so at once.
///
/// # Errors
/// A migration failed (it was rolled back), or the database was migrated by a newer Muster.
pub async fn run(db: &Database) -> Result<(), sqlx::Error> {
    let outcome = match db {
        Database::Sqlite { writer, .. } => migrator().run(writer.pool()).await,
        Database::Postgres { writers, .. } => migrator().run(writers.pool()).await,
    };
    outcome.map_err(|error| corrupt(&format!("migration: {error}")))
}

/// Whether the database has every migration of this build, and none that it doesn't know.
///
/// # Errors
/// The database's.
pub async fn is_current(db: &Database) -> Result<bool, sqlx::Error> {
    let mut conn = db.read().await?;
    let newest: Option<(i64,)> =
        match conn.query("SELECT version FROM _sqlx_migrations ORDER BY version DESC LIMIT 1").optional().await {
            Ok(newest) => newest,
            Err(sqlx::Error::Database(_)) => None, // there is no such table yet
            Err(other) => return Err(other),
        };
    Ok(newest.map(|(version,)| version) == HISTORY.last().map(|(version, _, _)| *version))
}
