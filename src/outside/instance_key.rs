//! The instance key: 256 bits that seal what the database must give back. It lives in a file that only the product's
//! own account may read, made at the first start, or comes as text from a variable.
//!
//! Looser permissions refuse the start: a key that others could read has to be replaced, not used.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::kernel::secret::Chance;
use crate::outside::chance::SystemChance;

/// Why there is no instance key.
#[derive(Debug, thiserror::Error)]
pub enum InstanceKeyError {
    /// Somebody besides the owner may read or write the file.
    #[error("{path} has mode {mode:o}; only its owner may have access (chmod 600)")]
    LoosePermissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The text is not 32 bytes in base64.
    #[error("the instance key must be 32 bytes in base64 (43 or 44 characters)")]
    NotAKey,
    /// The path is a directory, a socket or the like.
    #[error("{0} is not a file")]
    NotAFile(PathBuf),
    /// The file system refused.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// The key in the file at `path`; if there is no file, a new key is made, written with mode 0600 and synced first.
///
/// # Errors
/// See [`InstanceKeyError`].
pub fn load_or_create(path: &Path) -> Result<[u8; 32], InstanceKeyError> {
    match load(path) {
        Err(InstanceKeyError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            create(path)?;
            // Two processes may start at once: whoever came first has the key, both read it.
            load(path)
        }
        outcome => outcome,
    }
}

/// The key in a text: 32 bytes in base64 or base64url, padded or not.
///
/// # Errors
/// [`InstanceKeyError::NotAKey`].
pub fn from_text(text: &str) -> Result<[u8; 32], InstanceKeyError> {
    let text = text.trim().trim_end_matches('=');
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .or_else(|_| STANDARD_NO_PAD.decode(text))
        .map(Zeroizing::new)
        .map_err(|_| InstanceKeyError::NotAKey)?;
    bytes.as_slice().try_into().map_err(|_| InstanceKeyError::NotAKey)
}

fn load(path: &Path) -> Result<[u8; 32], InstanceKeyError> {
    let failed = |source| InstanceKeyError::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    // Of the open file, not of the path: nobody can change what the path names in between.
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Err(InstanceKeyError::NotAFile(path.to_owned()));
    }
    let mode = about.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(InstanceKeyError::LoosePermissions { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::with_capacity(256));
    file.take(256).read_to_string(&mut text).map_err(failed)?;
    from_text(&text)
}

/// Writes a new key beside `path` and links it there, so that the name never shows half a key and never replaces one.
fn create(path: &Path) -> Result<(), InstanceKeyError> {
    let failed = |source| InstanceKeyError::File { path: path.to_owned(), source };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let draft = folder.join(format!(".instance-key-{}", URL_SAFE_NO_PAD.encode(&SystemChance.bytes32()[..12])));
    let outcome = write(&draft).and_then(|()| match fs::hard_link(&draft, path) {
        Err(other) if other.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    });
    // The draft is of no use either way; one that stays holds the same key under the same mode.
    let _ = fs::remove_file(&draft);
    outcome.and_then(|()| File::open(folder)?.sync_all()).map_err(failed)
}

fn write(draft: &Path) -> io::Result<()> {
    let text = Zeroizing::new(format!("{}\n", URL_SAFE_NO_PAD.encode(SystemChance.bytes32())));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_makes_a_key_that_only_the_owner_may_read_and_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/instance.key");
        let key = load_or_create(&path).unwrap();
        assert_eq!(load_or_create(&path).unwrap(), key);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert_eq!(from_text(&fs::read_to_string(&path).unwrap()).unwrap(), key);
    }

    #[test]
    fn a_key_that_others_could_read_refuses_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("instance.key");
        load_or_create(&path).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = load_or_create(&path).unwrap_err();
            assert!(matches!(refused, InstanceKeyError::LoosePermissions { mode: shown, .. } if shown == mode));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(load_or_create(&path).is_ok());
    }

    #[test]
    fn a_file_that_holds_no_key_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("instance.key");
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
        assert!(matches!(load_or_create(&path), Err(InstanceKeyError::NotAKey)));
        assert_eq!(fs::read(&path).unwrap(), b"");
        assert!(matches!(load_or_create(folder.path()), Err(InstanceKeyError::NotAFile(_))));
    }

    #[test]
    fn two_first_starts_at_once_agree_on_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("instance.key");
        let keys: Vec<[u8; 32]> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| load_or_create(&path).unwrap())).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn a_text_must_be_exactly_32_bytes_in_base64() {
        assert_eq!(from_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n").unwrap(), [0; 32]);
        assert_eq!(from_text("//////////////////////////////////////////8=").unwrap(), [255; 32]);
        assert_eq!(from_text("__________________________________________8").unwrap(), [255; 32]);
        assert!(from_text("").is_err() && from_text("AAAA").is_err());
    }
}
