//! How soon applications are told: one change takes a role from many people, and each application of each of their
//! sessions gets a logout token. `muster-bench tell` starts a server, signs everybody in, makes the change through the API,
//! and measures until the tokens are at the receivers.
//!
//! The commit itself can't be seen from outside. So two times are printed of each token: since the moment on the receipt,
//! which lies before the commit (the limit is held against this one), and since the answer, which comes after it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use clap::{Args, ValueEnum};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::net::TcpListener;

use crate::flows::{Client, ONLINE};
use crate::ground::Backend;
use crate::stage::{Boss, Cast, ROLE, Stage, Told, distribution, person, quantile};

/// The applications that can be told.
const NAMES: [&str; 20] = [
    "app-0", "app-1", "app-2", "app-3", "app-4", "app-5", "app-6", "app-7", "app-8", "app-9", "app-10", "app-11",
    "app-12", "app-13", "app-14", "app-15", "app-16", "app-17", "app-18", "app-19",
];
/// Within this time, in milliseconds, 99 of 100 tokens must be on the wire: 1,000 by ES256 or EdDSA, 100 by RS256.
const LIMIT: f64 = 250.0;
const PATIENCE: Duration = Duration::from_secs(120);

/// What logout tokens are signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Alg {
    Es256,
    Eddsa,
    Rs256,
}

impl Alg {
    const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Eddsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }
}

/// How many are told of how many.
#[derive(Args)]
pub struct Request {
    /// How many people lose the role.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    people: u16,
    /// How many applications each of them is signed in to.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=20))]
    applications: u16,
    /// How often it is done.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// What the tokens are signed with.
    #[arg(long, value_enum, default_value_t = Alg::Es256)]
    alg: Alg,
    /// On which database.
    #[arg(long, value_enum, default_value_t = Backend::Sqlite)]
    database: Backend,
    /// The server's program; the one beside this program, if not named.
    #[arg(long)]
    server: Option<PathBuf>,
}

/// When tokens came, in milliseconds since 1970, with fractions.
type Arrivals = Arc<Mutex<Vec<f64>>>;

fn now() -> f64 {
    UNIX_EPOCH.elapsed().map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

async fn take(State(arrivals): State<Arrivals>, _token: String) {
    let at = now();
    arrivals.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(at);
}

/// A receiver on a free port; where logout tokens go.
async fn receiver(arrivals: &Arrivals) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/backchannel-logout", listener.local_addr()?);
    let routes = Router::new().route("/backchannel-logout", post(take)).with_state(Arc::clone(arrivals));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(url)
}

/// Measures on a stage of its own.
///
/// # Errors
/// The server does not start, refuses, or tokens don't come.
pub async fn measure(request: &Request) -> Result<()> {
    let arrivals = Arrivals::default();
    let mut applications = Vec::new();
    for client_id in NAMES.into_iter().take(usize::from(request.applications)) {
        let logout = Some(receiver(&arrivals).await?);
        applications.push(Told { client_id, alg: request.alg.name(), logout });
    }
    let people = usize::from(request.people);
    let clients_of = |stage: &Stage| applications.iter().map(|told| stage.client(told.client_id)).collect::<Vec<_>>();
    let cast = Cast { people, in_group: true, applications: applications.clone() };
    let stage = Stage::set(request.server.as_deref(), request.database, 1, &cast)?;
    let _serving = stage.serve_all()?;
    stage.await_key(request.alg.name()).await?;
    let clients = clients_of(&stage);
    let expected = people * clients.len();
    println!("{expected} logout tokens by {} on {}", request.alg.name(), request.database);
    let (mut all, mut boss) = ([Vec::new(), Vec::new()], stage.boss(0).await?);
    let group = group(&mut boss).await?;
    for round in 0..request.rounds {
        if round > 0 {
            boss = stage.boss(0).await?;
            boss.call("POST", "/bindings", Some(&json!({ "group": group, "role": ROLE }))).await?;
        }
        sign_in(&stage, &clients, people).await?;
        let times = change(&mut boss, &arrivals, expected).await?;
        for (kept, times) in all.iter_mut().zip(times) {
            kept.extend(times);
        }
    }
    let [since_receipt, since_answer] = &mut all;
    distribution("since the moment on the receipt", since_receipt);
    distribution("since the answer", since_answer);
    let p99 = quantile(since_receipt, 0.99);
    println!("{}: p99 {p99:.0} ms of at most {LIMIT:.0}", if p99 <= LIMIT { "pass" } else { "SHORT" });
    Ok(())
}

async fn group(boss: &mut Boss) -> Result<String> {
    let found = boss.call("GET", "/groups", None).await?.json()?;
    let rows = found["items"].as_array().cloned().unwrap_or_default();
    let row = rows.iter().find(|row| row["name"] == "Crew").context("there is a group")?;
    Ok(row["id"].as_str().context("a group has an id")?.to_owned())
}

/// Signs everybody in to every application, a few people at once.
async fn sign_in(stage: &Stage, clients: &[Client], people: usize) -> Result<()> {
    let begin = Instant::now();
    for first in (0..people).step_by(8) {
        let names: Vec<String> = (first..people.min(first + 8)).map(person).collect();
        let each = names.iter().map(|name| stage.sign_in(name, clients, ONLINE));
        futures_util::future::try_join_all(each).await?;
    }
    eprintln!("{people} people signed in within {:.1} s", begin.elapsed().as_secs_f64());
    Ok(())
}

/// Takes the role; of each token the times since the receipt's moment and since the answer.
async fn change(boss: &mut Boss, arrivals: &Arrivals, expected: usize) -> Result<[Vec<f64>; 2]> {
    let lock = || arrivals.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    lock().clear();
    let binding = boss.binding_of_group("Crew", ROLE).await?;
    let asked = Instant::now();
    let answer = boss.call("DELETE", &format!("/bindings/{binding}"), None).await?.json()?;
    let (answered, took) = (now(), asked.elapsed());
    let receipt = &answer["receipt"];
    let told: u64 =
        receipt["told"].as_array().into_iter().flatten().filter_map(|one| one["logout_tokens"].as_u64()).sum();
    ensure!(usize::try_from(told)? == expected, "{told} of {expected} logout tokens stand on the receipt");
    let moment = OffsetDateTime::parse(receipt["at"].as_str().unwrap_or_default(), &Rfc3339)?;
    let moment = moment.unix_timestamp_nanos() as f64 / 1e6;
    while lock().len() < expected {
        ensure!(asked.elapsed() < PATIENCE, "{} of {expected} logout tokens came", lock().len());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("  the change was answered after {:.0} ms", took.as_secs_f64() * 1e3);
    let came = lock().clone();
    // What came before the answer was not late for it.
    let since = |from: f64| came.iter().map(|at| (at - from).max(0.0)).collect();
    Ok([since(moment), since(answered)])
}
