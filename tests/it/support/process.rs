//! The real program in processes of its own: started, killed and started again over one place.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::http::Address;
use super::world::{Hands, Kind, Place, World, config};

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}

/// An installation: a place, settings by environment, and an issuer on the loopback.
#[derive(Debug)]
pub struct Installation {
    place: Arc<Place>,
    /// Its own: data, log, files.
    folder: PathBuf,
    /// How it is reached.
    pub at: Address,
    listen: String,
    variables: Vec<(String, String)>,
}

/// A server that runs.
#[derive(Debug)]
pub struct Serving {
    child: Child,
    printed: Arc<Mutex<Vec<String>>>,
}

impl Serving {
    /// The rest of the first line that begins so, once it was printed.
    pub async fn said(&self, beginning: &str) -> String {
        for _ in 0..1000 {
            let found =
                self.printed.lock().unwrap().iter().find_map(|line| line.strip_prefix(beginning).map(str::to_owned));
            if let Some(rest) = found {
                return rest;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the server did not say {beginning:?}: {:?}", self.printed.lock().unwrap());
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Asks it to go (SIGTERM) and waits until it has gone, in good order.
    pub async fn stop(mut self) {
        let asked = Command::new("kill").arg("-TERM").arg(self.pid().to_string()).status().await;
        assert!(asked.expect("kill runs").success());
        let ended = timeout(Duration::from_secs(60), self.child.wait()).await.expect("it ends").expect("it ran");
        assert!(ended.success(), "the server stopped with {ended}");
    }

    /// Kills it as a power cut would: SIGKILL.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it runs");
    }
}

impl Installation {
    /// A new installation, or `None` where there is no PostgreSQL and none is required.
    pub async fn fresh(kind: Kind) -> Option<Self> {
        let place = Arc::new(Place::fresh(kind).await?);
        let folder = place.folder().to_owned();
        let listen = format!("127.0.0.1:{}", free_port());
        let at = Address::of(&format!("http://{listen}"));
        Some(Self { place, folder, at, listen, variables: Vec::new() })
    }

    /// One more node over the same database, behind the same issuer: its own port, its own folder, and the variables
    /// that were set so far. The instance key must be among them, for only the folder could bring it otherwise.
    pub fn second_node(&self) -> Self {
        let listen = format!("127.0.0.1:{}", free_port());
        let at = Address { issuer: self.at.issuer.clone(), node: format!("http://{listen}") };
        let folder = self.folder.join("second");
        Self { place: Arc::clone(&self.place), folder, at, listen, variables: self.variables.clone() }
    }

    /// Muster's handles over the same database, beside the server: for what no command has words. What is sealed is
    /// read by both only where the instance key is set to theirs.
    pub async fn world(&self) -> World {
        let config = config(&self.at.issuer, &self.folder.join("data"), self.place.url());
        World::over(Arc::clone(&self.place), config, Hands::running()).await
    }

    /// Where its files are.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The database's URL, if it is a server's.
    pub fn database_url(&self) -> Option<String> {
        self.place.url()
    }

    /// Where what the server logs is written.
    pub fn log(&self) -> PathBuf {
        self.folder.join("serve.log")
    }

    /// Sets a variable for every command that follows.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Writes a file beside the data; its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::write(&path, text).expect("the folder can be written");
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = muster(arguments);
        command.env("MUSTER_DATA_DIR", self.folder.join("data"));
        command.env("MUSTER_ISSUER", &self.at.issuer).env("MUSTER_LISTEN", &self.listen);
        command.env("MUSTER_HTTP__ALLOW_LOOPBACK_HTTP", "true").env("MUSTER_OUTBOUND__ALLOW_HOSTS", "127.0.0.1");
        // Everybody comes from one address here, and operators sign in in passing.
        for limit in ["MINUTE", "HOUR"] {
            command.env(format!("MUSTER_SIGN_IN__ADDRESS_FAILURES_{limit}"), "0");
        }
        command.env("MUSTER_SIGN_IN__OPERATORS_SECOND_FACTOR", "false");
        if let Some(url) = self.place.url() {
            command.env("MUSTER_DATABASE_URL", url);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        std::fs::create_dir_all(self.folder.join("data")).expect("the folder can be made");
        let running = self.command(arguments).output();
        timeout(Duration::from_secs(60), running).await.expect("it ends").expect("it starts")
    }

    /// Runs a command that must succeed; what it printed.
    pub async fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "muster {arguments:?} failed:\n{out}\n{err}");
        out.into_owned()
    }

    /// Starts the server and waits until it says that it listens.
    pub async fn serve(&self) -> Serving {
        std::fs::create_dir_all(self.folder.join("data")).expect("the folder can be made");
        started(self.command(&["serve"]), &self.log()).await
    }
}

/// Starts `muster dev` over a folder that nobody used before, and waits until it says that it listens.
pub async fn dev(folder: &Path) -> Serving {
    let mut command = muster(&["dev"]);
    command.arg("--data-dir").arg(folder.join("data"));
    started(command, &folder.join("dev.log")).await
}

/// The program, with no setting of ours in its environment.
fn muster(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MUSTER_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn started(mut command: Command, log: &Path) -> Serving {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(log).expect("the log can be written");
    let mut child = command.stdout(Stdio::piped()).stderr(file).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines();
    let first =
        timeout(Duration::from_secs(60), lines.next_line()).await.expect("it says something").unwrap_or_default();
    let first = first.unwrap_or_default();
    let told = || std::fs::read_to_string(log).unwrap_or_default();
    assert!(first.starts_with("listening on "), "the server did not start: {first}\n{}", told());
    let printed = Arc::new(Mutex::new(vec![first]));
    let more = Arc::clone(&printed);
    // What it prints later goes on being read, so that it never waits for us.
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            more.lock().unwrap().push(line);
        }
    });
    Serving { child, printed }
}
