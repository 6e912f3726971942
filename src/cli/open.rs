//! From the settings to an [`App`]: the data folder, the instance key, the database at the right schema.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};

use crate::app::{App, Parts};
use crate::config::Config;
use crate::flows::bootstrap;
use crate::outside::chance::SystemChance;
use crate::outside::clock::SystemClock;
use crate::outside::instance_key;
use crate::store::db::Database;
use crate::store::member_list;
use crate::store::migrate;

/// What may be done to the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// It is brought to this build's.
    Migrate,
    /// SQLite's is brought to this build's; a PostgreSQL server, which other nodes may use, must have it already.
    EmbeddedOnly,
}

/// Everything that commands work with.
pub async fn app(config: Config, schema: Schema) -> anyhow::Result<App> {
    folder(&config.data_dir)?;
    let instance_key = instance_key(&config)?;
    let db = database(&config, schema).await?;
    let parts = Parts { db, instance_key, clock: Arc::new(SystemClock), chance: Arc::new(SystemChance) };
    let app = App::new(config, parts)?;
    bootstrap::check_instance_key(&app).await?;
    Ok(app)
}

/// The database, open and at this build's schema.
pub async fn database(config: &Config, schema: Schema) -> anyhow::Result<Database> {
    folder(&config.data_dir)?;
    let db = Database::open(config).await.with_context(|| format!("{} can't be opened", place(config)))?;
    if !migrate::is_current(&db).await.with_context(|| format!("{} does not answer", place(config)))? {
        match (&db, schema) {
            (Database::Postgres { .. }, Schema::EmbeddedOnly) => bail!(
                "{} has another schema than this build. Run `muster migrate` once, or start with `muster serve --migrate`; \
                 if a newer Muster has migrated it, start that one",
                place(config)
            ),
            (Database::Postgres { .. }, Schema::Migrate)
            | (Database::Sqlite { .. }, Schema::Migrate | Schema::EmbeddedOnly) => {
                migrate::run(&db).await.with_context(|| format!("{} can't be migrated", place(config)))?;
            }
        }
    }
    member_list::fill(&db).await.with_context(|| format!("{} can't be prepared", place(config)))?;
    Ok(db)
}

/// The key from the variable or the file; the file is made at the first start.
pub fn instance_key(config: &Config) -> anyhow::Result<[u8; 32]> {
    match &config.keys.instance_key {
        Some(text) => instance_key::from_text(text.expose()).context("keys.instance_key"),
        None => instance_key::load_or_create(&config.instance_key_file()).context("the instance key can't be used"),
    }
}

/// How messages name the database: never with its address, which may hold a password.
pub fn place(config: &Config) -> String {
    match config.database.url {
        Some(_) => "the PostgreSQL database of database.url".to_owned(),
        None => format!("the database {}", config.data_dir.join("muster.db").display()),
    }
}

/// Makes the data folder for its owner alone; one that is there stays as it is.
fn folder(path: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("the data folder {} can't be made", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_data_folder_that_is_made_belongs_to_its_owner_alone() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        folder(&path).unwrap();
        folder(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
