//! Messages as files: written for their owner alone, under a name that was free, on the disk before success is told.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Writes a file into a folder, which is made if it isn't there.
///
/// # Errors
/// The system's; a name that is taken is one.
pub async fn write(folder: PathBuf, name: String, bytes: Vec<u8>) -> io::Result<()> {
    tokio::task::spawn_blocking(move || write_now(&folder, &name, &bytes))
        .await
        .unwrap_or_else(|_| Err(io::Error::other("it was interrupted")))
}

fn write_now(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // Whoever looks into the folder never sees half a message under its name.
    let draft = folder.join(format!(".{name}.part"));
    let written = draft_of(&draft, bytes).and_then(|()| std::fs::hard_link(&draft, folder.join(name)));
    let _ = std::fs::remove_file(&draft);
    written.and_then(|()| File::open(folder)?.sync_all())
}

fn draft_of(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // What a start that was cut off has left behind is nobody's.
    let _ = std::fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_is_taken_keeps_what_it_has() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("sms");
        let put = |text: &str| write(folder.clone(), "a.txt".to_owned(), text.as_bytes().to_vec());
        put("one").await.unwrap();
        assert_eq!(put("two").await.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(folder.join("a.txt")).unwrap(), "one");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    }
}
