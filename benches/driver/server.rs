//! Processes under load: the server and the yardstick, started by the driver and stopped by it.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};

use crate::process::signal;

/// How long a process may take until it listens.
const START: Duration = Duration::from_secs(60);
/// How long a process may take to end.
const STOP: Duration = Duration::from_secs(20);

/// A port of the loopback that nobody listens on.
///
/// # Errors
/// There is none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// An address of the loopback that nobody listens on.
///
/// # Errors
/// There is none.
pub fn free_address() -> Result<SocketAddr> {
    Ok(SocketAddr::from(([127, 0, 0, 1], free_port()?)))
}

/// `muster` with this environment, and no other setting of Muster's.
pub fn muster(program: &Path, environment: &[(String, String)]) -> Command {
    let mut command = Command::new(program);
    let inherited = std::env::vars_os().map(|(name, _)| name);
    for name in inherited.filter(|name| name.to_string_lossy().starts_with("MUSTER_")) {
        command.env_remove(name);
    }
    command.envs(environment.iter().cloned()).stdin(Stdio::null());
    command
}

/// A process that listens; it ends when this is dropped.
pub struct Running {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Running {
    /// Starts a process whose standard output says `listening on http://…`; its errors go to a file.
    ///
    /// # Errors
    /// It ends, or says nothing within a minute.
    pub fn start(mut command: Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let mut child = command.stdout(Stdio::piped()).stderr(file).spawn()?;
        let output = child.stdout.take().context("standard output is piped")?;
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            // To the end, so that the process never waits for a reader.
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(address) = line.strip_prefix("listening on http://") {
                    let _ = tell.send(address.trim_end_matches('/').to_owned());
                }
            }
        });
        let mut running = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let address = told.recv_timeout(START).map_err(|_| anyhow!("it does not listen; see {}", log.display()))?;
        running.address = address.parse().with_context(|| format!("it listens on {address}"))?;
        Ok(running)
    }

    /// A process that is already known to listen there.
    pub const fn known(child: Child, address: SocketAddr) -> Self {
        Self { child, address }
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        signal("TERM", self.child.id());
        let begin = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if begin.elapsed() > STOP {
                eprintln!("process {} did not end when asked to", self.child.id());
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}
