//! How soon a revocation is seen: it is answered by one node, and another one is asked without pause (goal G13).
//!
//! `muster-bench revoke` prints when the other node refused for the first time, counted from the answer, and how many
//! requests that were sent after the answer were honoured still: none may be. Nodes judge each token by the database at each
//! request and wait for no notice, so there is nothing that could be lost on the way between them: with and without
//! LISTEN and NOTIFY is the same run.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde_json::{Value, json};

use crate::flows::{Client, ONLINE};
use crate::ground::Backend;
use crate::http::Connection;
use crate::stage::{Boss, Cast, ROLE, Stage, Told, distribution, person, quantile};

/// The application whose tokens are looked at.
const APPLICATION: &str = "shop";
/// So many ask the other node about the same token.
const ASKING: u32 = 3;
/// So often each of them has it honoured before it is revoked.
const BEFORE: u32 = 5;
/// The goals for 99 of 100, in milliseconds: without other load, and with it.
const LIMITS: [f64; 2] = [20.0, 50.0];
const PATIENCE: Duration = Duration::from_secs(10);

/// How it is measured.
#[derive(Args)]
pub struct Request {
    /// How many nodes there are; the revocation is answered by the first, and seen by the last.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    nodes: u8,
    /// How often it is measured.
    #[arg(long, default_value_t = 200)]
    rounds: u32,
    /// How many callers ask every node for tokens meanwhile.
    #[arg(long, default_value_t = 0)]
    load: u16,
    /// The server's program; the one beside this program, if not named.
    #[arg(long)]
    server: Option<PathBuf>,
}

/// What one that asked has seen.
struct Seen {
    /// When the last request was sent that was honoured.
    honoured: Instant,
    /// When the first refusal was there.
    refused: Instant,
}

/// Measures on a stage of its own: on PostgreSQL, or on the embedded database if there is one node.
///
/// # Errors
/// A server does not start or refuses what it must not.
pub async fn measure(request: &Request) -> Result<()> {
    let nodes = usize::from(request.nodes);
    let backend = if nodes == 1 { Backend::Sqlite } else { Backend::Postgres };
    let applications = vec![Told { client_id: APPLICATION, alg: "ES256", logout: None }];
    let cast = Cast { people: 1, in_group: false, applications };
    let stage = Stage::set(request.server.as_deref(), backend, nodes, &cast)?;
    let _serving = stage.serve_all()?;
    println!("{} rounds, {nodes} nodes on {backend}, {} callers besides", request.rounds, request.load);
    let over = Arc::new(AtomicBool::new(false));
    let busy: Vec<_> = (0..request.load)
        .map(|number| stage.nodes[usize::from(number) % nodes])
        .map(|address| tokio::spawn(load(stage.client(APPLICATION), address, Arc::clone(&over))))
        .collect();
    let (mut boss, mut since) = (stage.boss(0).await?, Instant::now());
    let user = boss.user(&person(0)).await?;
    let (mut times, mut stale) = (Vec::new(), 0);
    for _ in 0..request.rounds {
        if since.elapsed() > Duration::from_secs(300) {
            (boss, since) = (stage.boss(0).await?, Instant::now());
        }
        let (answered, seen) = round(&stage, &mut boss, &user).await?;
        stale += seen.iter().filter(|seen| seen.honoured > answered).count();
        times.extend(seen.iter().map(|seen| seen.refused.saturating_duration_since(answered).as_secs_f64() * 1e3));
    }
    over.store(true, Ordering::Relaxed);
    let mut tokens = 0;
    for one in busy {
        tokens += one.await??;
    }
    histogram(&times);
    distribution("the first refusal after the answer", &mut times);
    let (p99, limit) = (quantile(&times, 0.99), LIMITS[usize::from(request.load > 0)]);
    let verdict = if stale == 0 && p99 <= limit { "pass" } else { "SHORT" };
    println!("{verdict}: {stale} requests sent after the answer were honoured; p99 {p99:.1} ms of at most {limit:.0}");
    if request.load > 0 {
        println!("  meanwhile {tokens} tokens were issued to others");
    }
    ensure!(stale == 0, "what was revoked was honoured {stale} times");
    Ok(())
}

/// Gives, signs in, takes away; when the answer was there, and what the others saw.
async fn round(stage: &Stage, boss: &mut Boss, user: &str) -> Result<(Instant, Vec<Seen>)> {
    let given = boss.call("POST", "/bindings", Some(&json!({ "user": user, "role": ROLE }))).await?.json()?;
    let binding = given["object"]["id"].as_str().context("a binding has an id")?.to_owned();
    let client = stage.client(APPLICATION);
    let tokens = stage.sign_in(&person(0), std::slice::from_ref(&client), ONLINE).await?;
    let token: Arc<str> = tokens.first().context("a sign-in brings tokens")?.access.as_str().into();
    let address = *stage.nodes.last().context("there is a node")?;
    let honoured = Arc::new(AtomicU32::new(0));
    let asking: Vec<_> = (0..ASKING)
        .map(|_| tokio::spawn(ask(client.clone(), address, Arc::clone(&token), Arc::clone(&honoured))))
        .collect();
    let begin = Instant::now();
    while honoured.load(Ordering::Relaxed) < ASKING * BEFORE {
        ensure!(begin.elapsed() < PATIENCE, "the other node does not honour the token at all");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    boss.call("DELETE", &format!("/bindings/{binding}"), None).await?;
    let answered = Instant::now();
    let mut seen = Vec::new();
    for one in asking {
        seen.push(one.await??);
    }
    Ok((answered, seen))
}

/// Asks about a token until it is refused.
async fn ask(client: Client, address: SocketAddr, token: Arc<str>, count: Arc<AtomicU32>) -> Result<Seen> {
    let mut connection = Connection::to(address);
    let request = client.request("/introspect", &[("token", &token)]);
    let (begin, mut honoured) = (Instant::now(), Instant::now());
    loop {
        let sent = Instant::now();
        let answer = connection.send(&request).await?;
        ensure!(answer.status == 200, "introspection: {}", answer.summary());
        if answer.json()?["active"] == Value::Bool(false) {
            return Ok(Seen { honoured, refused: Instant::now() });
        }
        honoured = sent;
        count.fetch_add(1, Ordering::Relaxed);
        ensure!(begin.elapsed() < PATIENCE, "what was revoked is honoured for ever");
    }
}

/// Asks for tokens without pause; how many it got.
async fn load(client: Client, address: SocketAddr, over: Arc<AtomicBool>) -> Result<u64> {
    let (mut connection, mut count) = (Connection::to(address), 0);
    while !over.load(Ordering::Relaxed) {
        client.own_token(&mut connection).await?;
        count += 1;
    }
    Ok(count)
}

/// How many first refusals there were in each span of time, as bars.
fn histogram(times: &[f64]) {
    const SPANS: [f64; 9] = [0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 250.0, f64::INFINITY];
    for span in SPANS.windows(2) {
        let count = times.iter().filter(|time| (span[0]..span[1]).contains(*time)).count();
        let bar = "#".repeat((count * 60).div_ceil(times.len().max(1)));
        println!("  {:>5.0} ms {count:>6} {bar}", span[0]);
    }
}
