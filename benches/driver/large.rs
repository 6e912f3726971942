//! Large numbers in one process: a change that touches very many members, and lists of very many people.
//!
//! `muster-bench large` fills a database of its own, asks the door and the lists themselves, and prints how long each
//! took. A server's HTTP is not in it; the statements and the rows are what grows.

use std::sync::Arc;
use std::time::{Instant, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use muster::app::{App, Parts};
use muster::config::{Config, Overrides};
use muster::domain::access::{Binding, Policy, Role, Scope, Subject, Window};
use muster::domain::change::{Actor, Change, Mode, Receipt};
use muster::flows::change_access::change_access;
use muster::kernel::id::{BindingId, GroupId, MembershipId, OrgId};
use muster::kernel::time::UnixMillis;
use muster::outside::chance::SystemChance;
use muster::outside::clock::SystemClock;
use muster::store::db::{Database, statements};
use muster::store::member_list::{self, Query};
use muster::store::{memberships, migrate, seed};

/// How many people.
#[derive(Args)]
pub struct Request {
    /// How many are in the group.
    #[arg(long, default_value_t = 100_000)]
    members: u64,
    /// How many are in the organisation.
    #[arg(long, default_value_t = 100_000)]
    people: u64,
}

/// Fills and measures, on the database that the environment names (`MUSTER_DATABASE_URL`), else on SQLite in a new
/// folder.
///
/// # Errors
/// The database fails, or the door refuses.
pub async fn measure(request: &Request) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("muster-large-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let outcome = within(request, &folder).await;
    std::fs::remove_dir_all(&folder)?;
    outcome
}

async fn within(request: &Request, folder: &std::path::Path) -> Result<()> {
    let mut variables: Vec<(String, String)> = std::env::vars().collect();
    variables.push(("MUSTER_DATA_DIR".to_owned(), folder.display().to_string()));
    variables.push(("MUSTER_ISSUER".to_owned(), "http://127.0.0.1:8080".to_owned()));
    variables.push(("MUSTER_HTTP__ALLOW_LOOPBACK_HTTP".to_owned(), "true".to_owned()));
    let config = Config::load(None, variables.into_iter(), Overrides::default())?;
    let db = Database::open(&config).await.context("opening the database")?;
    migrate::run(&db).await?;
    let parts = Parts { db, instance_key: [7; 32], clock: Arc::new(SystemClock), chance: Arc::new(SystemChance) };
    let app = App::new(config, parts)?;
    let org = OrgId::fresh();
    let slug = format!("large-{}", std::process::id());
    ask(&app, vec![Change::CreateOrg { org: org.clone(), slug, name: "Large".to_owned(), policy: Policy::Strict }])
        .await?;
    let now = UnixMillis(i64::try_from(UNIX_EPOCH.elapsed()?.as_millis())?);
    timed("seeding", request.people, seed::people(&app.db, &org, request.people, now)).await?;
    lists(&app, &org, request.people).await?;
    group(&app, &org, usize::try_from(request.members)?).await?;
    app.db.close().await;
    Ok(())
}

/// The first page, one from the middle, and searches that match few, many and all; a second page of each search.
async fn lists(app: &App, org: &OrgId, people: u64) -> Result<()> {
    let mut conn = app.db.read().await?;
    let middle = format!("person-{}", people / 2);
    for search in [None, Some(middle.as_str()), Some("person-7"), Some("p")] {
        let ask = |after| Query { search, after, limit: 50, people_only: true };
        let name = search.map_or_else(|| "everybody".to_owned(), |text| format!("those who begin with {text:?}"));
        let first = timed(&format!("a page of {name}"), 50, member_list::page(&mut conn, org, &ask(None))).await?;
        let after = first.last().map(|row| row.cursor.clone());
        timed("  the next page", 50, member_list::page(&mut conn, org, &ask(after))).await?;
    }
    let after = Some((middle, MembershipId::trusted(String::new())));
    let ask = Query { search: None, after, limit: 50, people_only: true };
    timed("a page from the middle", 50, member_list::page(&mut conn, org, &ask)).await?;
    Ok(())
}

async fn group(app: &App, org: &OrgId, count: usize) -> Result<()> {
    let mut all = memberships::ids_of_org(&mut app.db.read().await?, org).await?;
    all.truncate(count);
    let group = GroupId::fresh();
    let name = "Everybody".to_owned();
    let create = Change::CreateGroup { org: org.clone(), group: group.clone(), name, description: String::new() };
    ask(app, vec![create]).await?;
    let rows = all.len() as u64;
    timed("a binding to an empty group", 1, bind(app, org, &group)).await?;
    let add = |members: Vec<MembershipId>| vec![Change::AddToGroup { org: org.clone(), group: group.clone(), members }];
    timed("adding all members", rows, ask(app, add(all))).await?;
    let second = timed("a second binding", rows, bind(app, org, &group)).await?;
    let taken = timed("taking the second binding", rows, ask(app, vec![take(org, &second)])).await?;
    println!("  {} members on the receipt", taken.members.len());
    let receipt = timed(
        "deleting the group",
        rows,
        ask(app, vec![Change::DeleteGroup { org: org.clone(), group: group.clone() }]),
    )
    .await?;
    println!("  {} members on the receipt", receipt.members.len());
    Ok(())
}

fn take(org: &OrgId, binding: &BindingId) -> Change {
    Change::Unbind { org: org.clone(), binding: binding.clone() }
}

async fn bind(app: &App, org: &OrgId, group: &GroupId) -> Result<BindingId> {
    static ROLES: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let number = ROLES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let role = [Role::OrgReader, Role::BillingViewer][number % 2].clone();
    let subject = Subject::Group(group.clone());
    let binding = Binding { id: BindingId::fresh(), role, scope: Scope::Org, subject, window: Window::ALWAYS };
    let id = binding.id.clone();
    ask(app, vec![Change::Bind { org: org.clone(), binding }]).await?;
    Ok(id)
}

async fn ask(app: &App, changes: Vec<Change>) -> Result<Receipt> {
    change_access(app, &Actor::CommandLine, changes, Mode::Act).await.map_err(|refusal| anyhow!("{refusal}"))
}

/// Does something and prints how long it took, and how many statements.
async fn timed<T, E>(what: &str, rows: u64, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let (begin, before) = (Instant::now(), statements());
    let outcome = work.await;
    let (time, count) = (begin.elapsed(), statements() - before);
    println!("{what}: {:.1} ms, {rows} rows, {count} SQL statements", time.as_secs_f64() * 1e3);
    outcome
}
