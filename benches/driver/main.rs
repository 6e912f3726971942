//! `muster-bench`: loads a Muster server over the loopback and says what one request costs it.
//!
//! The driver starts everything that it measures (the server, PostgreSQL and the yardstick), talks to 127.0.0.1
//! alone, and stops all of it at the end. It judges by the server's CPU and instructions a request and by the
//! ratio to a bare axum route measured just before, never by requests a second. How to read what it prints:
//! `benches/README.md`.
//!
//! Telling the applications, revocation (G12, G13) and crashes (G14) have commands of their own. It leaves the comparison
//! with other products (G2; of SCIM `benches/scim_peers`) to others.

#![allow(clippy::pedantic, reason = "a tool that measures; the product's own code is held to more")]

mod browser;
mod cells;
mod cluster;
mod crash;
mod flows;
mod goals;
mod ground;
mod http;
mod large;
mod load;
mod many;
mod measure;
mod micro;
mod perf;
mod process;
mod report;
mod revoke;
mod run;
mod scim;
mod scim_caller;
mod scim_goals;
mod scim_pace;
mod scim_parse;
mod seed;
mod server;
mod stage;
mod startup;
mod summary;
mod tell;
mod why;
mod world;
mod yard;

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

/// Loads a Muster server and says what one request costs it.
#[derive(Parser)]
#[command(name = "muster-bench", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures the cells and judges the goals.
    Run(Box<run::Plan>),
    /// Serves the yardstick: one bare axum route.
    Yard {
        /// Where to listen; port 0 takes a free one.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Fills the database that the environment names with people (the driver calls it by itself).
    Seed(seed::Request),
    /// Measures changes that touch very many members.
    Large(large::Request),
    /// Measures how soon applications are told of sessions that a change ended.
    Tell(tell::Request),
    /// Measures how soon other nodes refuse what one node revoked.
    Revoke(revoke::Request),
    /// Measures a revocation of very many members at once, with others at work.
    Many(many::Request),
    /// Kills a server under load and checks that nothing is lost that it had answered.
    Crash(crash::Request),
    /// Measures signatures, password hashing and the reading of SCIM filters in this process.
    Micro,
}

fn one_thread() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

fn two_threads() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Runs the plan until it ends or somebody presses Ctrl-C; either way every process that was started is stopped.
async fn interruptible(plan: &run::Plan) -> Result<ExitCode> {
    tokio::select! {
        ended = run::run(plan) => ended,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
    }
}

fn main() -> Result<ExitCode> {
    match Arguments::parse().command {
        Command::Run(plan) => return one_thread()?.block_on(interruptible(&plan)),
        Command::Yard { listen } => two_threads()?.block_on(yard::serve(listen))?,
        Command::Seed(request) => two_threads()?.block_on(seed::seed(&request))?,
        Command::Large(request) => two_threads()?.block_on(large::measure(&request))?,
        Command::Tell(request) => two_threads()?.block_on(tell::measure(&request))?,
        Command::Revoke(request) => two_threads()?.block_on(revoke::measure(&request))?,
        Command::Many(request) => two_threads()?.block_on(many::measure(&request))?,
        Command::Crash(request) => two_threads()?.block_on(crash::measure(&request))?,
        Command::Micro => println!("{}\n{}", micro::Costs::measure()?, scim_parse::Parses::measure()?),
    }
    Ok(ExitCode::SUCCESS)
}
