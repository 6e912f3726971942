//! What `muster login` keeps on this machine: for each server the tokens, in a file that nobody else can read.
//!
//! Refresh tokens rotate, so two commands at once must not use the same one: whoever renews holds the lock, and reads the
//! file again under it.
//!
//! # Why
//! The lock is the system's own (`flock`) on a file beside: it is free again when its holder dies, and never grows stale.
//! The file itself is replaced, never written in place, so a crash leaves the old one or the new one.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

const FILE: &str = "credentials.json";
const LOCK: &str = "credentials.lock";
/// How long a lock is waited for: longer than a renewal can take.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(50);

/// What is kept of one server.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Entry {
    /// The organisation that commands are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<String>,
    /// Certificates that are trusted besides the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The access token.
    pub access_token: String,
    /// When it ends, in seconds since 1970.
    pub expires_at: i64,
    /// The refresh token.
    pub refresh_token: String,
}

/// Everything that is kept.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Kept {
    /// The server that was signed in to last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// By origin.
    #[serde(default)]
    pub servers: BTreeMap<String, Entry>,
}

/// The folder.
#[derive(Clone, Debug)]
pub struct Store(PathBuf);

/// The right to write the file, until it is dropped.
pub struct Held<'a> {
    store: &'a Store,
    _lock: File,
}

impl Store {
    /// The folder of `$MUSTER_CONFIG_DIR`, else `muster` in the person's configuration folder.
    pub fn of_person() -> anyhow::Result<Self> {
        let variable = |name: &str| std::env::var_os(name).filter(|text| !text.is_empty()).map(PathBuf::from);
        let folder = variable("MUSTER_CONFIG_DIR")
            .or_else(|| variable("XDG_CONFIG_HOME").map(|folder| folder.join("muster")))
            .or_else(|| variable("HOME").map(|folder| folder.join(".config").join("muster")));
        folder.map(Self).context("neither MUSTER_CONFIG_DIR nor HOME says where credentials are kept")
    }

    /// What is kept; nothing where nobody has signed in.
    pub fn read(&self) -> anyhow::Result<Kept> {
        let path = self.0.join(FILE);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Kept::default()),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        if file.metadata().with_context(|| path.display().to_string())?.mode() & 0o077 != 0 {
            bail!("{0} can be read by others: close it with `chmod 600 {0}`", path.display());
        }
        let text = std::io::read_to_string(file).with_context(|| path.display().to_string())?;
        serde_json::from_str(&text).with_context(|| format!("{} can't be read", path.display()))
    }

    /// Waits for the lock.
    pub async fn lock(&self) -> anyhow::Result<Held<'_>> {
        let told = || self.0.display().to_string();
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0).with_context(told)?;
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        let lock = options.open(self.0.join(LOCK)).with_context(told)?;
        let mut waited = Duration::ZERO;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Held { store: self, _lock: lock }),
                Err(TryLockError::WouldBlock) if waited < PATIENCE => {
                    tokio::time::sleep(PAUSE).await;
                    waited += PAUSE;
                }
                Err(TryLockError::WouldBlock) => bail!("another command holds {}", self.0.join(LOCK).display()),
                Err(TryLockError::Error(error)) => return Err(error).with_context(told),
            }
        }
    }
}

impl Held<'_> {
    /// Replaces the file.
    pub fn write(&self, kept: &Kept) -> anyhow::Result<()> {
        let (path, new) = (self.store.0.join(FILE), self.store.0.join(format!("{FILE}.new")));
        replace(&new, &path, kept).with_context(|| path.display().to_string())
    }
}

fn replace(new: &Path, path: &Path, kept: &Kept) -> std::io::Result<()> {
    // One that a crash left behind may have any mode.
    match fs::remove_file(new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(new)?;
    file.write_all(&serde_json::to_vec_pretty(kept)?)?;
    file.sync_all()?;
    fs::rename(new, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn kept() -> Kept {
        let entry = Entry { refresh_token: "r".to_owned(), ..Entry::default() };
        Kept { current: Some("https://a".to_owned()), servers: BTreeMap::from([("https://a".to_owned(), entry)]) }
    }

    #[tokio::test]
    async fn what_is_kept_is_read_again_and_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store(folder.path().join("deep").join("muster"));
        assert!(store.read().unwrap().servers.is_empty());
        store.lock().await.unwrap().write(&kept()).unwrap();
        assert_eq!(store.read().unwrap().servers["https://a"].refresh_token, "r");
        let path = store.0.join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&store.0).unwrap().mode() & 0o777, 0o700);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(store.read().err().expect("it is refused").to_string().contains("chmod 600"));
    }

    #[tokio::test]
    async fn two_at_once_take_turns() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store(folder.path().to_owned());
        let first = store.lock().await.unwrap();
        let second = tokio::time::timeout(Duration::from_millis(200), store.lock()).await;
        assert!(second.is_err(), "the lock is held");
        drop(first);
        store.lock().await.unwrap().write(&kept()).unwrap();
    }
}
