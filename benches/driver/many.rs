//! A revocation of very many at once (goal G12): one binding is taken from a group of 100,000, through the API of a server
//! that others use meanwhile.
//!
//! `muster-bench many` prints how long the answer took and what CPU, how many requests of a sample with old tokens and
//! sessions were honoured after it (none may be), and how long the longest write of somebody else had to wait.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow, ensure};
use clap::Args;
use muster::app::App;
use muster::domain::access::{Binding, Role, Scope, Subject, Window};
use muster::domain::change::{Actor, Change, Mode};
use muster::flows::change_access::change_access;
use muster::kernel::id::{BindingId, GroupId};
use muster::kernel::time::UnixMillis;
use muster::store::{memberships, orgs, seed};
use serde_json::Value;

use crate::flows::{Client, ONLINE};
use crate::ground::Backend;
use crate::http::Connection;
use crate::process;
use crate::stage::{Cast, ORGANISATION, Stage, Told, distribution, person, quantile};

const APPLICATION: &str = "shop";
/// What the group gives. The owner has it anyway, and so loses nothing.
const GIVEN: &str = "billing.viewer";
const GROUP: &str = "Everybody";
/// So many ask at once with what was revoked.
const ASKING: usize = 8;
/// The goals: the answer, and the wait of another write, in milliseconds.
const LIMITS: [f64; 2] = [1_000.0, 100.0];

/// How many are concerned.
#[derive(Args)]
pub struct Request {
    /// How many members the group has.
    #[arg(long, default_value_t = 100_000)]
    members: u64,
    /// How many of them are signed in.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    people: u16,
    /// How many requests with old tokens and sessions are made.
    #[arg(long, default_value_t = 10_000)]
    sample: usize,
    /// On which database.
    #[arg(long, value_enum, default_value_t = Backend::Sqlite)]
    database: Backend,
    /// The server's program; the one beside this program, if not named.
    #[arg(long)]
    server: Option<PathBuf>,
}

/// Measures on a stage of its own.
///
/// # Errors
/// The server does not start or refuses what it must not.
pub async fn measure(request: &Request) -> Result<()> {
    let people = usize::from(request.people);
    let applications = vec![Told { client_id: APPLICATION, alg: "ES256", logout: None }];
    // One more, who is in no group: the writes of others are hers.
    let cast = Cast { people: people + 1, in_group: false, applications };
    let stage = Stage::set(request.server.as_deref(), request.database, 1, &cast)?;
    let app = stage.app().await?;
    let others = gather(&app, request.members, &person(people)).await?;
    app.db.close().await;
    let running = stage.serve(0)?;
    println!("{others} members on {}", request.database);

    let client = stage.client(APPLICATION);
    let mut old = Vec::new();
    for number in 0..people {
        old.extend(stage.sign_in(&person(number), std::slice::from_ref(&client), ONLINE).await?);
    }
    let over = Arc::new(AtomicBool::new(false));
    let hers = stage.sign_in(&person(people), std::slice::from_ref(&client), ONLINE).await?;
    let hers = hers.into_iter().next().and_then(|tokens| tokens.refresh).context("a refresh token")?;
    let writing = tokio::spawn(write(client.clone(), Connection::to(stage.nodes[0]), hers, Arc::clone(&over)));
    let mut boss = stage.boss(0).await?;
    let binding = boss.binding_of_group(GROUP, GIVEN).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;

    let (cpu, begin) = (process::cpu(running.pid()), Instant::now());
    let answer = boss.call("DELETE", &format!("/bindings/{binding}"), None).await?.json()?;
    let (took, cpu) = (begin.elapsed().as_secs_f64() * 1e3, process::cpu(running.pid()) - cpu);
    let (honoured, of, within) = sample(&stage, &client, &old, request.sample).await?;
    over.store(true, Ordering::Relaxed);
    let mut waits = writing.await??;

    let total = answer["receipt"]["members_total"].as_u64().unwrap_or_default();
    println!("  the answer: {took:.0} ms, {} ms of CPU, {total} members on the receipt", cpu / 1000);
    println!("  {honoured} of {of} requests with what was revoked were honoured, asked within {within:.1} s of it");
    distribution("a write of somebody else", &mut waits);
    let longest = quantile(&waits, 1.0);
    let good = took <= LIMITS[0] && longest <= LIMITS[1] && honoured == 0;
    println!(
        "{}: answer {took:.0} ms of at most {:.0}, longest wait {longest:.0} ms of at most {:.0}",
        if good { "pass" } else { "SHORT" },
        LIMITS[0],
        LIMITS[1]
    );
    ensure!(total >= request.members, "{total} members are on the receipt");
    ensure!(honoured == 0, "what was revoked was honoured {honoured} times");
    Ok(())
}

/// Makes the people, the group of all but one, and its binding; how many are in it.
async fn gather(app: &App, members: u64, without: &str) -> Result<usize> {
    let org = orgs::by_slug(&mut app.db.read().await?, ORGANISATION).await?.context("there is no organisation")?.id;
    let now = UnixMillis(i64::try_from(UNIX_EPOCH.elapsed()?.as_millis())?);
    seed::people(&app.db, &org, members, now).await?;
    let all = memberships::of_org(&mut app.db.read().await?, &org).await?;
    let all: Vec<_> = all.into_iter().filter(|(_, name)| name != without).map(|(member, _)| member.id).collect();
    let (count, group, name) = (all.len(), GroupId::fresh(), GROUP.to_owned());
    let role: Role = GIVEN.parse().map_err(|_| anyhow!("{GIVEN} is no role"))?;
    let subject = Subject::Group(group.clone());
    let binding = Binding { id: BindingId::fresh(), role, scope: Scope::Org, subject, window: Window::ALWAYS };
    for change in [
        Change::CreateGroup { org: org.clone(), group: group.clone(), name, description: String::new() },
        Change::AddToGroup { org: org.clone(), group, members: all },
        Change::Bind { org, binding },
    ] {
        change_access(app, &Actor::CommandLine, vec![change], Mode::Act)
            .await
            .map_err(|refusal| anyhow!("{refusal}"))?;
    }
    Ok(count)
}

/// Refreshes without pause; how long each took, in milliseconds.
async fn write(
    client: Client,
    mut connection: Connection,
    mut token: String,
    over: Arc<AtomicBool>,
) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let begin = Instant::now();
        token = client.refresh(&mut connection, &token).await?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}

/// Asks with old tokens: introspection of access and refresh tokens, and refreshing. How many were honoured, of how many, and
/// within which time in seconds.
async fn sample(
    stage: &Stage,
    client: &Client,
    old: &[crate::flows::Tokens],
    count: usize,
) -> Result<(usize, usize, f64)> {
    let mut requests: Vec<Vec<u8>> = Vec::new();
    for tokens in old {
        let refresh = tokens.refresh.as_deref().context("a refresh token")?;
        requests.push(client.request("/introspect", &[("token", &tokens.access)]));
        requests.push(client.request("/introspect", &[("token", refresh)]));
        requests.push(client.request("/token", &[("grant_type", "refresh_token"), ("refresh_token", refresh)]));
    }
    let (requests, begin): (Arc<[Vec<u8>]>, _) = (requests.into(), Instant::now());
    let asking: Vec<_> = (0..ASKING)
        .map(|caller| {
            let (requests, mut connection) = (Arc::clone(&requests), Connection::to(stage.nodes[0]));
            tokio::spawn(async move {
                let mut honoured = 0;
                for number in (caller..count).step_by(ASKING) {
                    let answer = connection.send(&requests[number % requests.len()]).await?;
                    let refused = answer.status == 400 || answer.json()?["active"] == Value::Bool(false);
                    honoured += usize::from(!refused);
                }
                Ok::<usize, anyhow::Error>(honoured)
            })
        })
        .collect();
    let mut honoured = 0;
    for one in asking {
        honoured += one.await??;
    }
    Ok((honoured, count, begin.elapsed().as_secs_f64()))
}
