//! `muster export`: what the database says, as a file that `muster apply` takes.

use std::process::ExitCode;

use super::open::{self, Schema};
use super::say;
use crate::config::Config;
use crate::flows::export;
use crate::store::orgs;

/// Prints one organisation, or all of the instance.
pub async fn run(config: Config, org: Option<&str>) -> anyhow::Result<ExitCode> {
    let app = open::app(config, Schema::EmbeddedOnly).await?;
    let file = match org {
        None => export::instance(&app).await?,
        Some(slug) => {
            let missing = || anyhow::anyhow!("there is no organisation \"{slug}\"");
            let found = orgs::by_slug(&mut app.db.read().await?, slug).await?.ok_or_else(missing)?;
            export::organisation(&app, &found.id).await?.ok_or_else(missing)?
        }
    };
    say(file.to_text().trim_end());
    app.db.close().await;
    Ok(ExitCode::SUCCESS)
}
