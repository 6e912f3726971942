//! `[database]`: where the rows are kept (the two kinds: docs/architecture.md).

use std::fmt;

use serde::Deserialize;

use super::error::Faults;

/// Which database, and how many connections to it.
#[derive(Clone, Deserialize)]
#[serde(default)]
pub struct Database {
    /// `postgres://…`; without it the rows are in `muster.db` under the data directory.
    pub url: Option<String>,
    /// How many connections the pool may hold.
    pub max_connections: u32,
}

impl Default for Database {
    fn default() -> Self {
        Self { url: None, max_connections: 16 }
    }
}

/// The address may hold a password, so it is not printed.
impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("url", &self.url.as_ref().map(|_| "…"))
            .field("max_connections", &self.max_connections)
            .finish()
    }
}

impl Database {
    pub(super) fn check(&self, faults: &mut Faults) {
        if self.url.as_deref().is_some_and(|url| !url.starts_with("postgres://") && !url.starts_with("postgresql://")) {
            faults.add("database.url", "must begin with postgres:// (leave it out for SQLite)");
        }
        faults.within("database.max_connections", self.max_connections, 1..=1000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_the_database_is_never_printed() {
        let database = Database { url: Some("postgres://muster:hunter2@db/muster".into()), max_connections: 0 };
        assert!(!format!("{database:?}").contains("hunter2"));
        let mut faults = Faults::default();
        database.check(&mut faults);
        let error = faults.finish().unwrap_err().to_string();
        assert_eq!(error, "database.max_connections: 0 is outside 1–1000");
    }

    #[test]
    fn another_kind_of_database_is_refused_without_its_address() {
        let mut faults = Faults::default();
        Database { url: Some("mysql://u:hunter2@db/x".into()), ..Database::default() }.check(&mut faults);
        let error = faults.finish().unwrap_err().to_string();
        assert!(error.starts_with("database.url: ") && !error.contains("hunter2"));
    }
}
