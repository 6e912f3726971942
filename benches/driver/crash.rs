//! Machines that stop in the middle (goal G14): a server is killed under load again and again, and whatever it had answered
//! must be there when it is back.
//!
//! `muster-bench crash` runs chains of refreshes and a directory's pushes against one server, keeps a journal of what was
//! answered, kills the server with SIGKILL, starts it again, and checks the journal: each chain goes on from the last
//! token that it was given, each person that was made is found, and nobody had to wait longer than the limit.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use muster::kernel::secret::Secret;
use muster::kernel::time::UnixMillis;
use muster::store::orgs;
use muster::store::seed::directory;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::flows::{Client, OFFLINE};
use crate::ground::Backend;
use crate::http::{self, Connection};
use crate::process::signal;
use crate::stage::{Cast, ORGANISATION, Stage, Told, distribution, person};
use crate::world;

const APPLICATION: &str = "shop";
/// So many push people at once.
const PUSHING: u64 = 4;
/// A server must listen again within this time, in milliseconds.
const LIMIT: f64 = 5_000.0;

/// How often, and under which load.
#[derive(Args)]
pub struct Request {
    /// How often the server is killed.
    #[arg(long, default_value_t = 20)]
    kills: u32,
    /// How many chains of refreshes there are.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=200))]
    chains: u16,
    /// How long it runs each time, in milliseconds; a little more or less by chance.
    #[arg(long, default_value_t = 1_500)]
    millis: u64,
    /// On which database.
    #[arg(long, value_enum, default_value_t = Backend::Sqlite)]
    database: Backend,
    /// The server's program; the one beside this program, if not named.
    #[arg(long)]
    server: Option<PathBuf>,
}

/// The journal of one that pushes: the ids that were answered.
type Made = Vec<String>;

/// What the directory's client says who it is with.
fn bearer() -> String {
    format!("Bearer {}", world::directory_token())
}

/// Measures on a stage of its own.
///
/// # Errors
/// The server does not start, or something that was answered is gone.
pub async fn measure(request: &Request) -> Result<()> {
    let applications = vec![Told { client_id: APPLICATION, alg: "ES256", logout: None }];
    let cast = Cast { people: usize::from(request.chains), in_group: false, applications };
    let stage = Stage::set(request.server.as_deref(), request.database, 1, &cast)?;
    let app = stage.app().await?;
    let org = orgs::by_slug(&mut app.db.read().await?, ORGANISATION).await?.context("there is no organisation")?.id;
    let at = UnixMillis(i64::try_from(UNIX_EPOCH.elapsed()?.as_millis())?);
    directory::open(&app.db, &org, Secret::presented(world::directory_token()).digest(), at).await?;
    app.db.close().await;

    let client = stage.client(APPLICATION);
    let mut serving = stage.serve(0)?;
    let mut chains = Vec::new();
    for number in 0..request.chains {
        let name = person(usize::from(number));
        let tokens = stage.sign_in(&name, std::slice::from_ref(&client), OFFLINE).await?;
        chains.push(tokens.into_iter().next().and_then(|tokens| tokens.refresh).context("a refresh token")?);
    }
    let made = Arc::new(AtomicU64::new(0));
    let (mut rotations, mut people, mut back) = (0, 0, Vec::new());
    for kill in 0..request.kills {
        let over = Arc::new(AtomicBool::new(false));
        let refreshing: Vec<JoinHandle<(String, u64)>> = chains
            .drain(..)
            .map(|token| tokio::spawn(chain(client.clone(), stage.nodes[0], token, Arc::clone(&over))))
            .collect();
        let pushing: Vec<JoinHandle<Made>> = (0..PUSHING)
            .map(|_| tokio::spawn(push(stage.host(), stage.nodes[0], Arc::clone(&made), Arc::clone(&over))))
            .collect();
        // So that it is not always the same moment of whatever is going on.
        let more = u64::from(kill) * 37 % 211;
        tokio::time::sleep(Duration::from_millis(request.millis + more)).await;
        signal("KILL", serving.pid());
        over.store(true, Ordering::Relaxed);
        let mut journal = Vec::new();
        for one in refreshing {
            let (token, count) = one.await?;
            rotations += count;
            chains.push(token);
        }
        for one in pushing {
            journal.extend(one.await?);
        }
        drop(serving);
        let begin = Instant::now();
        serving = stage.serve(0)?;
        back.push(begin.elapsed().as_secs_f64() * 1e3);
        people += journal.len();
        kept(&stage, &client, &mut chains, &journal).await.with_context(|| format!("after kill {}", kill + 1))?;
    }
    let (kills, database) = (request.kills, request.database);
    println!("{kills} kills on {database}: {rotations} rotations and {people} people were answered; none is lost");
    ensure!(rotations > 0 && people > 0, "nothing was answered, so nothing is proven");
    distribution("from the start until it listens", &mut back);
    let longest = back.last().copied().unwrap_or_default();
    println!("{}: back within {longest:.0} ms of at most {LIMIT:.0}", if longest <= LIMIT { "pass" } else { "SHORT" });
    Ok(())
}

/// Refreshes until the server is gone; the last token that was answered, and how many were.
async fn chain(client: Client, address: SocketAddr, first: String, over: Arc<AtomicBool>) -> (String, u64) {
    let (mut connection, mut token, mut count) = (Connection::to(address), first, 0);
    while !over.load(Ordering::Relaxed) {
        match client.refresh(&mut connection, &token).await {
            Ok(next) => (token, count) = (next, count + 1),
            Err(_) => break,
        }
    }
    (token, count)
}

/// Makes people until the server is gone; the ids that were answered.
async fn push(host: String, address: SocketAddr, made: Arc<AtomicU64>, over: Arc<AtomicBool>) -> Made {
    let (mut connection, mut ids, bearer) = (Connection::to(address), Vec::new(), bearer());
    while !over.load(Ordering::Relaxed) {
        let name = format!("pushed-{}", made.fetch_add(1, Ordering::Relaxed));
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "externalId": name,
            "userName": name,
            "active": true,
        });
        let request = http::scim("POST", &host, "/scim/v2/Users", &[("Authorization", bearer.as_str())], &body);
        let Ok(answer) = connection.send(&request).await else { break };
        if answer.status != 201 {
            break;
        }
        ids.extend(answer.json().ok().and_then(|user| user["id"].as_str().map(str::to_owned)));
    }
    ids
}

/// Everything that was answered is there. A chain goes on from its last token: if the answer to the next one was lost, the
/// same is given again.
async fn kept(stage: &Stage, client: &Client, chains: &mut [String], journal: &[String]) -> Result<()> {
    let mut connection = Connection::to(stage.nodes[0]);
    for (number, token) in chains.iter_mut().enumerate() {
        match client.refresh(&mut connection, token).await {
            Ok(next) => *token = next,
            Err(error) => bail!("chain {number} does not go on from the last token that was answered: {error:#}"),
        }
    }
    let bearer = bearer();
    for id in journal {
        let target = format!("/scim/v2/Users/{id}");
        let answer = connection.send(&http::get(&stage.host(), &target, &[("Authorization", bearer.as_str())])).await?;
        ensure!(answer.status == 200, "a person that was made is gone: {}", answer.summary());
    }
    Ok(())
}
