//! A PostgreSQL server of the driver's own: made with `initdb`, started on a free port of the loopback, stopped and
//! removed at the end.
//!
//! PostgreSQL refuses to run as root, so then its commands go through `runuser -u postgres`. Settings are the
//! distribution's (`fsync` and `synchronous_commit` on); only sockets and the port are ours.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::process::is_root;
use crate::server::free_port;

/// The user that PostgreSQL runs as when we are root.
const SYSTEM_USER: &str = "postgres";
/// The role and the database of the server under load.
const NAME: &str = "muster";

/// A cluster in a folder, stopped when it is dropped.
pub struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    password: String,
}

/// The folder of the newest installed PostgreSQL's programs.
pub fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let listed: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut packaged: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    packaged.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    let mut folders = packaged.into_iter().map(|(_, folder)| folder).chain(listed);
    folders.find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists())
}

impl Cluster {
    /// Makes a new cluster in `folder`/cluster, starts it, and makes its database.
    ///
    /// # Errors
    /// PostgreSQL is not installed or does not start.
    pub fn create(folder: &Path) -> Result<Self> {
        let mut bytes = [0; 18];
        aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
        let password = URL_SAFE_NO_PAD.encode(bytes);
        let file = folder.join("cluster-password");
        fs::write(&file, &password)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        let data = folder.join("cluster");
        fs::create_dir(&data)?;
        if is_root() {
            let owner = system_user()?;
            chown(&file, Some(owner), None)?;
            chown(&data, Some(owner), None)?;
        }
        let programs = programs().context("PostgreSQL is not installed")?;
        let mut initdb = owned(&programs.join("initdb"), folder);
        initdb.arg("-D").arg(&data).arg("--pwfile").arg(&file);
        initdb.args(["-U", NAME, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C"]);
        finish(&mut initdb)?;
        let cluster = Self::open(folder)?;
        cluster.create_database(NAME)?;
        Ok(cluster)
    }

    /// Starts the cluster that was made in `folder`/cluster.
    ///
    /// # Errors
    /// It does not start.
    pub fn open(folder: &Path) -> Result<Self> {
        let programs = programs().context("PostgreSQL is not installed")?;
        let password = fs::read_to_string(folder.join("cluster-password"))?;
        let cluster = Self { programs, folder: folder.to_owned(), port: free_port()?, password };
        let options = format!("-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''", cluster.port);
        let mut start = cluster.control();
        start.arg("-l").arg(cluster.data().join("server.log")).args(["-w", "-o", &options, "start"]);
        // Not captured: the server would inherit the pipe, and waiting for its end would take for ever.
        let status = start.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        ensure!(status.success(), "PostgreSQL does not start; see {}", cluster.data().join("server.log").display());
        Ok(cluster)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("cluster")
    }

    fn control(&self) -> Command {
        let mut command = owned(&self.programs.join("pg_ctl"), &self.folder);
        command.arg("-D").arg(self.data());
        command
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.args(["-h", "127.0.0.1", "-U", NAME, "-p", &self.port.to_string()]);
        command.env("PGPASSWORD", &self.password);
        command
    }

    /// Makes an empty database.
    ///
    /// # Errors
    /// There is one of this name.
    pub fn create_database(&self, name: &str) -> Result<()> {
        finish(self.client("createdb").arg(name))
    }

    /// Brings the planner's statistics up to date, so that autovacuum does not do it while something is measured.
    ///
    /// # Errors
    /// The server is not there.
    pub fn analyze(&self) -> Result<()> {
        finish(self.client("psql").args(["-q", "-d", NAME, "-c", "VACUUM ANALYZE", "-c", "CHECKPOINT"]))
    }

    /// The URL of the database under load.
    pub fn url(&self) -> String {
        self.url_of(NAME)
    }

    /// The URL of a database.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://{NAME}:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    /// The process that all of the server's processes are children of.
    pub fn pid(&self) -> Option<u32> {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        text.lines().next()?.trim().parse().ok()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut stop = self.control();
        stop.args(["-m", "fast", "-w", "stop"]).stdout(Stdio::null());
        if !stop.status().is_ok_and(|status| status.success()) {
            eprintln!("PostgreSQL in {} may still be running", self.folder.display());
        }
    }
}

/// A command as the user that may run PostgreSQL.
fn owned(program: &Path, folder: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", SYSTEM_USER, "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir(folder).stdin(Stdio::null());
    command
}

fn system_user() -> Result<u32> {
    let output = Command::new("id").args(["-u", SYSTEM_USER]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.trim().parse().with_context(|| format!("there is no user {SYSTEM_USER}"))
}

/// Runs a command to its end.
fn finish(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("running {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!("{}: {}", command.get_program().display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
