//! From exec to the first 200 of discovery (G8), polled twice a millisecond.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde::Serialize;

use crate::ground::{Backend, Ground};
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
}

impl Starts {
    /// Starts the server on this ground and on empty databases of the same kind.
    ///
    /// # Errors
    /// It does not start.
    pub fn measure(ground: &Ground) -> Result<Self> {
        let mut warm = Vec::new();
        for _ in 0..5 {
            let address = free_address()?;
            warm.push(first_answer(ground.serve(address), address)?.0);
        }
        let mut empty = Vec::new();
        for number in 0..3 {
            let address = free_address()?;
            empty.push(first_answer(ground.serve_empty(number, address)?, address)?.0);
        }
        let [warm_ms, empty_ms] = [warm, empty].map(median_ms);
        Ok(Self { database: ground.backend, users: ground.users, warm_ms, empty_ms })
    }
}

fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}
