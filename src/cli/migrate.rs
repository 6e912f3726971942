//! `muster migrate`: brings the database to this build's schema. Several nodes may ask at once; one does it.

use std::process::ExitCode;

use super::open::{self, Schema, place};
use super::say;
use crate::config::Config;

/// Runs the command.
pub async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let db = open::database(&config, Schema::Migrate).await?;
    db.close().await;
    say(format_args!("{} has the schema of Muster {}", place(&config), env!("CARGO_PKG_VERSION")));
    Ok(ExitCode::SUCCESS)
}
