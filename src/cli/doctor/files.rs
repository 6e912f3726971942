//! The doctor's look at files: the data folder, the disk under it, the database's and the instance key's permissions.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::Report;
use crate::config::Config;
use crate::outside::instance_key;

/// What is written to see that the disk takes it.
const PROBE: [u8; 4096] = [0; 4096];

/// Whether the data folder is there; what its permissions are, and whether it can be written to.
pub fn folder(report: &mut Report, config: &Config) -> bool {
    let path = &config.data_dir;
    let shown = path.display();
    let mode = match fs::metadata(path) {
        Ok(about) if about.is_dir() => about.permissions().mode() & 0o777,
        Ok(_) => {
            report.fail(format_args!("the data folder {shown} is no folder"), "set data_dir to another place");
            return false;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            report.warn(
                format_args!("the data folder {shown} is not there yet"),
                "`muster serve` makes it at its first start",
            );
            return false;
        }
        Err(error) => {
            report.fail(format_args!("the data folder {shown}: {error}"), "let Muster's account enter it");
            return false;
        }
    };
    if mode & 0o022 != 0 {
        report.fail(
            format_args!("others may write to the data folder {shown} (mode {mode:o})"),
            format_args!("chmod 700 {shown}"),
        );
    } else if mode & 0o055 != 0 {
        report.warn(
            format_args!("others may look into the data folder {shown} (mode {mode:o})"),
            format_args!("chmod 700 {shown}"),
        );
    } else {
        report.ok(format_args!("the data folder {shown} is its owner's alone"));
    }
    match probe(path) {
        Ok(()) => report.ok("the disk under it can be written to"),
        Err(error) => report.fail(
            format_args!("nothing can be written to {shown}: {error}"),
            "free space, or look at the owner and the mount",
        ),
    }
    true
}

/// Writes a little, to the disk itself, and takes it away again.
fn probe(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".doctor-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    let written = file.write_all(&PROBE).and_then(|()| file.sync_all());
    drop(file);
    fs::remove_file(&path)?;
    written
}

/// The instance key, if there is one that may be used.
pub fn instance_key(report: &mut Report, config: &Config) -> Option<[u8; 32]> {
    let (key, place) = if let Some(text) = &config.keys.instance_key {
        (instance_key::from_text(text.expose()), "keys.instance_key".to_owned())
    } else {
        let path = config.instance_key_file();
        // Looking must not make one.
        if !path.exists() {
            report.warn(
                format_args!("the instance key {} is not there yet", path.display()),
                "`muster serve` makes it at its first start",
            );
            return None;
        }
        (instance_key::load_or_create(&path), path.display().to_string())
    };
    match key {
        Ok(key) => {
            report.ok(format_args!("the instance key {place} can be used and is its owner's alone"));
            Some(key)
        }
        Err(error) => {
            report.fail(
                format_args!("the instance key can't be used: {error}"),
                "correct it, or bring back the key that the database was made with",
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    fn looked(path: &Path) -> (bool, Report) {
        let flags = Overrides {
            data_dir: Some(path.to_owned()),
            issuer: Some("https://id.acme.test".to_owned()),
            ..Overrides::default()
        };
        let config = Config::load(None, std::iter::empty(), flags).unwrap();
        let mut report = Report::default();
        let there = folder(&mut report, &config);
        instance_key(&mut report, &config);
        (there, report)
    }

    #[test]
    fn looking_makes_nothing_and_leaves_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let (there, report) = looked(&path);
        assert!(!there && !path.exists());
        assert_eq!((report.failures, report.warnings), (0, 2));
        let (there, _) = looked(parent.path());
        assert!(there);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_or_a_key_that_others_may_write_to_must_be_mended() {
        let parent = tempfile::tempdir().unwrap();
        let key = parent.path().join("keys/instance.key");
        instance_key::load_or_create(&key).unwrap();
        for (folder, file, expected) in
            [(0o700, 0o600, (0, 0)), (0o755, 0o600, (0, 1)), (0o777, 0o600, (1, 0)), (0o700, 0o640, (1, 0))]
        {
            fs::set_permissions(parent.path(), fs::Permissions::from_mode(folder)).unwrap();
            fs::set_permissions(&key, fs::Permissions::from_mode(file)).unwrap();
            let (_, report) = looked(parent.path());
            assert_eq!((report.failures, report.warnings), expected, "{folder:o} {file:o}");
        }
    }
}
