//! Filling a database with people whom a directory owns: one of the few places where the driver calls the product's own
//! code.
//!
//! It runs as a process of its own (`muster-bench seed`) under the server's environment, so that it finds the
//! database exactly as the server would.

use std::time::{Instant, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use clap::Args;
use muster::config::{Config, Overrides};
use muster::kernel::id::OrgId;
use muster::kernel::secret::Secret;
use muster::kernel::time::UnixMillis;
use muster::store::db::Database;
use muster::store::seed::directory;

use crate::world;

/// Whom to make, and where.
#[derive(Args)]
pub struct Request {
    /// The slug of the organisation that the people belong to.
    #[arg(long, default_value = world::ORGANISATION)]
    org: String,
    /// How many people to make.
    #[arg(long)]
    users: u64,
}

/// Makes the directory, its people and its groups.
///
/// # Errors
/// The environment names no database, the organisation is not in it, or a write fails.
pub async fn seed(request: &Request) -> Result<()> {
    let config = Config::load(None, std::env::vars(), Overrides::default())?;
    let database = Database::open(&config).await.context("opening the database")?;
    let org = organisation(&database, &request.org).await?;
    let now = UnixMillis(i64::try_from(UNIX_EPOCH.elapsed()?.as_millis())?);
    let started = Instant::now();
    let token = Secret::presented(world::directory_token()).digest();
    let connection = directory::open(&database, &org, token, now).await.context("making the directory")?;
    let ours = (&org, &connection);
    directory::people(&database, ours, request.users, now).await.context("seeding people")?;
    for members in world::GROUPS.into_iter().filter(|members| *members <= request.users) {
        directory::group(&database, ours, &world::group_name(members), members, now).await.context("seeding groups")?;
    }
    database.close().await;
    println!("{} people in {:.1} s", request.users, started.elapsed().as_secs_f64());
    Ok(())
}

/// The id of the organisation with this slug.
async fn organisation(database: &Database, slug: &str) -> Result<OrgId> {
    let mut connection = database.read().await?;
    let (id,): (String,) = connection
        .query("SELECT id FROM orgs WHERE slug = $1")
        .bind(slug.to_owned())
        .one()
        .await
        .with_context(|| format!("looking for the organisation {slug}"))?;
    Ok(OrgId::trusted(id))
}
