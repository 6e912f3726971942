//! A copy of the embedded database as a file: whole, and of one moment, while others read and write.

use super::db::{Conn, Database, Result};

/// Writes the database into a file, which must not be there yet or be empty; false for a server's database, which has
/// tools of its own for that.
///
/// # Why
/// `VACUUM INTO` reads in one transaction: what others write meanwhile is in it whole or not at all, and nobody waits.
/// It writes, if not to this database, so it needs the connection that may.
///
/// # Errors
/// The database's, or the file can't be written.
pub async fn into_file(db: &Database, file: &str) -> Result<bool> {
    match db {
        Database::Sqlite { writer, .. } => {
            let mut conn = Conn::Sqlite(writer.take().await?);
            conn.query("VACUUM INTO $1").bind(file.to_owned()).execute().await?;
            Ok(true)
        }
        Database::Postgres { .. } => Ok(false),
    }
}
