//! From exec to the first 200 of discovery (G8), polled twice a millisecond.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde::Serialize;
use sqlx::{Connection as _, PgConnection};

use crate::ground::{Backend, Ground};
use crate::http::{self, Connection};
use crate::measure;
use crate::server::{Running, free_address};

const POLL: Duration = Duration::from_micros(500);
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts the server and waits for its first good answer; returns how long that took, and the running server.
///
/// # Errors
/// It ends, or gives no good answer within a minute.
fn first_answer(mut command: Command, address: SocketAddr) -> Result<(Duration, Running)> {
    let begin = Instant::now();
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let mut running = Running::known(child, address);
    while begin.elapsed() < PATIENCE {
        if answers(address) {
            return Ok((begin.elapsed(), running));
        }
        if running.has_ended() {
            bail!("the server ended while it started");
        }
        sleep(POLL);
    }
    bail!("the server gave no 200 within {} s", PATIENCE.as_secs());
}

/// Whether discovery answers 200 now.
fn answers(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return false;
    };
    let request =
        format!("GET /.well-known/openid-configuration HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let mut start = [0; 12];
    let read = stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .and_then(|()| stream.write_all(request.as_bytes()))
        .and_then(|()| stream.read_exact(&mut start));
    read.is_ok() && start == *b"HTTP/1.1 200"
}

/// How long starts took, in milliseconds: medians.
#[derive(Clone, Debug, Serialize)]
pub struct Starts {
    /// The database.
    pub database: Backend,
    /// The people in it at a warm start.
    pub users: u64,
    /// On a database that has its tables and keys.
    pub warm_ms: f64,
    /// On an empty one: tables and keys are made.
    pub empty_ms: f64,
    /// What the program's own loading takes: `--version`, which opens nothing.
    pub load_ms: f64,
    /// SQL statements of a warm start.
    pub warm_statements: Option<f64>,
    /// SQL statements of a start on an empty database.
    pub empty_statements: Option<f64>,
    /// What connecting to the database's server once takes, where there is one.
    pub connect_ms: Option<f64>,
}

impl Starts {
    /// Starts the server on this ground and on empty databases of the same kind.
    ///
    /// # Errors
    /// It does not start.
    pub async fn measure(ground: &Ground) -> Result<Self> {
        let (mut warm, mut empty, mut load, mut connect) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut warm_statements, mut empty_statements) = (None, None);
        for _ in 0..5 {
            let address = free_address()?;
            let (time, _running) = first_answer(ground.serve(address), address)?;
            warm.push(time);
            warm_statements = statements(address).await;
            load.push(loading(ground)?);
            if let Some(cluster) = &ground.cluster {
                connect.push(connecting(&cluster.url()).await?);
            }
        }
        for number in 0..3 {
            let address = free_address()?;
            let (time, _running) = first_answer(ground.serve_empty(number, address)?, address)?;
            empty.push(time);
            empty_statements = statements(address).await;
        }
        let connect_ms = (!connect.is_empty()).then(|| median_ms(connect));
        let [warm_ms, empty_ms, load_ms] = [warm, empty, load].map(median_ms);
        let (database, users) = (ground.backend, ground.users);
        Ok(Self { database, users, warm_ms, empty_ms, load_ms, warm_statements, empty_statements, connect_ms })
    }
}

/// The statements that a server has sent since its start, if it tells.
async fn statements(address: SocketAddr) -> Option<f64> {
    let request = http::get(&address.to_string(), "/metrics", &[]);
    let answer = Connection::to(address).send(&request).await.ok()?;
    (answer.status == 200).then(|| measure::counter(&answer.text(), measure::STATEMENTS)).flatten()
}

fn loading(ground: &Ground) -> Result<Duration> {
    let begin = Instant::now();
    ensure!(ground.program().arg("--version").stdout(Stdio::null()).status()?.success(), "--version failed");
    Ok(begin.elapsed())
}

async fn connecting(url: &str) -> Result<Duration> {
    let begin = Instant::now();
    let mut connection = PgConnection::connect(url).await?;
    connection.ping().await?;
    let time = begin.elapsed();
    connection.close().await?;
    Ok(time)
}

fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}
