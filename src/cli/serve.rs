//! `muster serve`: from the settings to answers, and to a stop in good order.
//!
//! What must be there before the first answer is made first (one signing key); what takes longer is made meanwhile.
//! At the stop readiness goes first, then the listener, then requests in progress end, then the jobs, then the
//! database: within `http.notice_ms` + [`GRACE`] + [`LAST`], 15 seconds as it is set. A second signal cuts it short.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::open::{self, Schema};
use super::say;
use crate::app::App;
use crate::config::Config;
use crate::domain::keys::Alg;
use crate::flows::{bootstrap, rotate_keys};
use crate::web::layers;
use crate::web::listen::{self, Limits, tls_from_pem};
use crate::{jobs, router};

/// How long requests in progress may go on.
const GRACE: Duration = Duration::from_secs(10);
/// How long jobs and the database may take to end.
const LAST: Duration = Duration::from_secs(4);

/// Runs the command.
pub async fn run(config: Config, migrate: bool) -> anyhow::Result<ExitCode> {
    let schema = if migrate { Schema::Migrate } else { Schema::EmbeddedOnly };
    let listen = config.http.listen;
    let app = open::app(config, schema).await?;
    let listener =
        TcpListener::bind(listen).await.with_context(|| format!("http.listen: {listen} can't be listened on"))?;
    answer(&app, listener, &Stops::default(), None).await?;
    Ok(ExitCode::SUCCESS)
}

/// What is told to stop, in this order.
#[derive(Debug, Default)]
pub struct Stops {
    /// Readiness: cancelled, `/readyz` says no.
    pub ready: CancellationToken,
    /// The listeners.
    pub listeners: CancellationToken,
    /// The jobs.
    pub jobs: CancellationToken,
}

/// Answers on `listener` until a signal comes. `after` is printed when answers can be had.
pub async fn answer(app: &App, listener: TcpListener, stops: &Stops, after: Option<&str>) -> anyhow::Result<()> {
    let mut signals = Signals::new().context("signals can't be received")?;
    let address = listener.local_addr()?;
    let tls = app.config.http.tls().map(|(cert, key)| tls_from_pem(cert, key)).transpose()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    rotate_keys::ensure(app, &BTreeSet::from([Alg::Es256])).await.context("there is no key to sign with")?;
    bootstrap::command_line(app).await.context("our own command line can't be registered")?;
    let router = layers::wrap(router::build(app, stops.ready.clone()), &app.config);
    let mut server = tokio::spawn(listen::serve(listener, tls, router, limits(app), stops.listeners.clone()));
    let jobs = jobs::start(app, stops.jobs.clone());
    let other_keys = tokio::spawn(other_keys(app.clone()));
    announce(app, scheme, address, after).await?;
    tokio::select! {
        name = signals.next() => tracing::info!(signal = name, "stopping"),
        ended = &mut server => ended.context("the listener failed")?,
    }
    let in_order = async {
        leave(stops, app.config.http.notice(), server).await;
        other_keys.abort();
        stops.jobs.cancel();
        jobs.close();
        if timeout(LAST, jobs.wait()).await.is_err() {
            tracing::warn!("jobs were cut that did not end in time");
        }
    };
    tokio::select! {
        () = in_order => {}
        name = signals.next() => tracing::warn!(signal = name, "stopped before everything had ended"),
    }
    if timeout(LAST, app.db.close()).await.is_err() {
        tracing::warn!("the database was left before it had closed");
    }
    Ok(())
}

/// Says that Muster is going, waits for others to notice where others may be looking, and ends the listeners.
async fn leave(stops: &Stops, notice: Duration, server: JoinHandle<()>) {
    stops.ready.cancel();
    if !server.is_finished() {
        sleep(notice).await;
    }
    stops.listeners.cancel();
    if !server.is_finished() {
        // It has its own limit, [`GRACE`].
        let _ = server.await;
    }
}

/// What a connection may cost, as the settings say, with the stop's own grace.
pub fn limits(app: &App) -> Limits {
    Limits { grace: GRACE, ..Limits::from(&app.config.http) }
}

/// The keys that nobody waits for: RSA takes a tenth of a second.
async fn other_keys(app: App) {
    let made = match rotate_keys::wanted(&app).await {
        Ok(algs) => rotate_keys::ensure(&app, &algs).await,
        Err(fault) => Err(fault),
    };
    if let Err(error) = made {
        tracing::error!(%error, "not every signing key could be made");
    }
}

async fn announce(app: &App, scheme: &str, address: SocketAddr, after: Option<&str>) -> anyhow::Result<()> {
    say(format_args!("listening on {scheme}://{address}"));
    if let Some(link) = bootstrap::setup_link(app).await? {
        say(format_args!("first operator: {}", app.url(&format!("/setup/{}", link.expose()))));
    }
    if let Some(text) = after {
        say(text);
    }
    Ok(())
}

/// The two signals that ask a process to go.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The name of the next one.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
