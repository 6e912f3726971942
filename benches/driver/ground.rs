//! The ground a measurement stands on: a data folder and a database filled with the world and with people.
//!
//! Filling a database is slow, so a filled one is kept, by the hash of everything that shapes it, and each
//! measurement works on a copy that is removed afterwards.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::cluster::Cluster;
use crate::http::{self, Connection};
use crate::server::{Running, free_address, muster};
use crate::world;

/// Raised when the driver fills databases in another way.
const FORM: &str = "2";

/// Which database the server stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// The embedded one.
    Sqlite,
    /// A server of the driver's own.
    Postgres,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        })
    }
}

/// Where the pieces are.
#[derive(Clone, Debug)]
pub struct Places {
    /// The server's program.
    pub server: PathBuf,
    /// The project, for its migrations.
    pub project: PathBuf,
    /// Where filled databases are kept.
    pub kept: PathBuf,
}

/// A working copy of a filled database; it is removed when this is dropped.
pub struct Ground {
    /// Which database it is.
    pub backend: Backend,
    /// How many people were seeded.
    pub users: u64,
    /// The working copy's folder.
    pub folder: PathBuf,
    /// The database server, if there is one.
    pub cluster: Option<Cluster>,
    server: PathBuf,
}

/// The settings of a server.
fn settings(data: &Path, address: SocketAddr, database: Option<String>) -> Vec<(String, String)> {
    let mut settings = vec![
        ("MUSTER_DATA_DIR", data.display().to_string()),
        ("MUSTER_ISSUER", format!("http://{address}")),
        ("MUSTER_LISTEN", address.to_string()),
        ("MUSTER_HTTP__ALLOW_LOOPBACK_HTTP", "true".to_owned()),
        // What is measured is the work, not how soon who asks too much is told to come again later.
        ("MUSTER_SIGN_IN__ADDRESS_FAILURES_MINUTE", "0".to_owned()),
        ("MUSTER_SIGN_IN__ADDRESS_FAILURES_HOUR", "0".to_owned()),
        ("MUSTER_SCIM__REQUESTS_PER_SECOND", "1000000".to_owned()),
        ("MUSTER_SCIM__BURST", "1000000".to_owned()),
        ("MUSTER_SCIM__IN_FLIGHT", "256".to_owned()),
    ];
    settings.extend(database.map(|url| ("MUSTER_DATABASE_URL", url)));
    settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

impl Ground {
    /// A working copy of the database with so many people; it is filled first if none is kept.
    ///
    /// # Errors
    /// A command that fills it fails.
    pub async fn prepare(places: &Places, backend: Backend, users: u64) -> Result<Self> {
        let kept = places.kept.join(format!("{backend}-{users}-{}", hash(places)?).to_lowercase());
        let mut ground = Self {
            backend,
            users,
            folder: working_folder(places, backend)?,
            cluster: None,
            server: places.server.clone(),
        };
        if kept.exists() {
            copy(&kept.join("."), &ground.folder)?;
            ground.open()?;
            return Ok(ground);
        }
        eprintln!("filling {backend} with {users} people");
        ground.fill().await?;
        ground.cluster = None;
        let unfinished = kept.with_extension("unfinished");
        remove(&unfinished);
        copy(&ground.folder, &unfinished)?;
        fs::rename(&unfinished, &kept)?;
        ground.open()?;
        Ok(ground)
    }

    fn open(&mut self) -> Result<()> {
        if self.backend == Backend::Postgres {
            self.cluster = Some(Cluster::open(&self.folder)?);
        }
        Ok(())
    }

    /// The server's settings on this ground.
    pub fn settings(&self, address: SocketAddr) -> Vec<(String, String)> {
        settings(&self.folder.join("data"), address, self.cluster.as_ref().map(Cluster::url))
    }

    /// `muster` with this ground's settings and no argument yet.
    pub fn program(&self) -> Command {
        muster(&self.server, &self.settings(SocketAddr::from(([127, 0, 0, 1], 0))))
    }

    /// `muster serve`, listening there.
    pub fn serve(&self, address: SocketAddr) -> Command {
        let mut command = muster(&self.server, &self.settings(address));
        command.arg("serve");
        command
    }

    /// `muster serve` on an empty database of this kind, listening there; each number is another one.
    ///
    /// # Errors
    /// The database can't be made.
    pub fn serve_empty(&self, number: u32, address: SocketAddr) -> Result<Command> {
        let data = self.folder.join(format!("empty-{number}"));
        fs::create_dir(&data)?;
        let name = format!("empty_{number}");
        let database = self.cluster.as_ref().map(|cluster| cluster.url_of(&name));
        let mut command = muster(&self.server, &settings(&data, address, database));
        command.arg("serve");
        if let Some(cluster) = &self.cluster {
            cluster.create_database(&name)?;
            command.arg("--migrate");
        }
        Ok(command)
    }

    /// The server, started.
    ///
    /// # Errors
    /// It does not listen.
    pub fn start(&self) -> Result<Running> {
        Running::start(self.serve(free_address()?), &self.folder.join("server.log"))
    }

    async fn fill(&mut self) -> Result<()> {
        fs::create_dir(self.folder.join("data"))?;
        if self.backend == Backend::Postgres {
            self.cluster = Some(Cluster::create(&self.folder)?);
        }
        let file = self.folder.join("world.toml");
        fs::write(&file, world::apply_file())?;
        let mut environment = self.settings(free_address()?);
        environment.extend(world::variables());
        run(muster(&self.server, &environment).arg("migrate"))?;
        run(muster(&self.server, &environment).arg("apply").arg(&file))?;
        let seed = ["seed".to_owned(), "--users".to_owned(), self.users.to_string()];
        run(muster(&std::env::current_exe()?, &environment).args(seed))?;
        // Every key stands before the copy is kept, so that a start on it is a warm one.
        await_keys(&self.start()?).await?;
        self.cluster.as_ref().map_or(Ok(()), Cluster::analyze)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        self.cluster = None;
        remove(&self.folder);
    }
}

/// The hash of what shapes a filled database.
fn hash(places: &Places) -> Result<String> {
    let mut files = Vec::new();
    for folder in ["migrations", "src/store/seed"] {
        let entries = fs::read_dir(places.project.join(folder)).into_iter().flatten().flatten();
        files.extend(entries.map(|entry| entry.path()).filter(|path| path.is_file()));
    }
    ensure!(!files.is_empty(), "no migrations in {}; name the project with --project", places.project.display());
    files.extend(Some(places.project.join("src/store/seed.rs")).filter(|path| path.is_file()));
    files.sort();
    let mut hasher = Sha256::new();
    hasher.update(FORM);
    hasher.update(world::apply_file());
    for file in files {
        hasher.update(fs::read(file)?);
    }
    Ok(hasher.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect())
}

/// A new folder to work in: beside the kept ones, so on the same disk; but PostgreSQL's own user may not be able to
/// go there, so its folder stands with the temporary files that outlive a restart, which are on a disk.
fn working_folder(places: &Places, backend: Backend) -> Result<PathBuf> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let lasting = Path::new("/var/tmp");
    let parent = match backend {
        Backend::Sqlite => places.kept.clone(),
        Backend::Postgres if lasting.is_dir() => lasting.to_owned(),
        Backend::Postgres => std::env::temp_dir(),
    };
    fs::create_dir_all(&places.kept)?;
    let folder = parent.join(format!("muster-bench-{}-{number}", std::process::id()));
    fs::create_dir(&folder).with_context(|| format!("creating {}", folder.display()))?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
    Ok(folder.canonicalize()?)
}

/// Copies a folder with owners and modes; where the file system can share blocks, nothing is copied.
fn copy(from: &Path, to: &Path) -> Result<()> {
    run(Command::new("cp").args(["-a", "--reflink=auto"]).arg(from).arg(to))
}

fn remove(folder: &Path) {
    if folder.exists()
        && let Err(error) = fs::remove_dir_all(folder)
    {
        eprintln!("{} stays: {error}", folder.display());
    }
}

/// Runs a command to its end.
fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("running {}", command.get_program().display()))?;
    if !output.status.success() {
        // Not `{command:?}`: that prints the environment too.
        let words: Vec<_> = command.get_args().map(std::ffi::OsStr::to_string_lossy).collect();
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{} {}: {}", command.get_program().display(), words.join(" "), errors.trim());
    }
    Ok(())
}

/// Waits until JWKS shows a key of each kind: RSA is made in the background.
async fn await_keys(running: &Running) -> Result<()> {
    let begin = Instant::now();
    let mut connection = Connection::to(running.address);
    let request = http::get(&running.address.to_string(), "/jwks", &[]);
    let mut seen = String::new();
    while begin.elapsed() < Duration::from_secs(60) {
        let answer = connection.send(&request).await?;
        seen = answer.summary();
        let text = answer.text();
        if ["ES256", "RS256", "EdDSA"].iter().all(|alg| text.contains(alg)) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("no key of each kind within a minute: {seen}")
}
