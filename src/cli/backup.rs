//! `muster backup FILE`: the embedded database as one file, of one moment, while a server goes on. A PostgreSQL server
//! has its own tool, whose command is printed.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use super::open::place;
use super::{reason, say};
use crate::config::Config;
use crate::store::backup;
use crate::store::db::Database;

/// That somebody else must do it: the command line was understood, and nothing was written.
const NOT_OURS: u8 = 2;

/// Runs the command.
pub async fn run(config: &Config, file: &Path) -> anyhow::Result<ExitCode> {
    if config.database.url.is_some() {
        say(server_command(file));
        reason("The database is a PostgreSQL server's, and its own tool copies it: run the command above.");
        return Ok(ExitCode::from(NOT_OURS));
    }
    let source = config.data_dir.join("muster.db");
    if !source.exists() {
        bail!("{} is not there", place(config));
    }
    let file = std::path::absolute(file).with_context(|| format!("{} is no path", file.display()))?;
    if file.exists() {
        bail!("{} is there already", file.display());
    }
    let part = part_of(&file);
    new_for_its_owner(&part)?;
    let copied = copy(config, &part).await.and_then(|()| finish(&part, &file));
    if let Err(error) = copied {
        let _ = fs::remove_file(&part);
        return Err(error);
    }
    let bytes = fs::metadata(&file)?.len();
    say(format_args!("{}: {bytes} bytes", file.display()));
    if config.keys.instance_key.is_none() {
        let key = config.instance_key_file();
        reason(format_args!("Without {} it can't be used. Keep a copy of that, too, in another place.", key.display()));
    }
    reason("Brought back, it must forget what was open in it before it serves: `muster restored`.");
    Ok(ExitCode::SUCCESS)
}

/// What copies a server's database. Its address is not printed, for it may hold a password.
fn server_command(file: &Path) -> String {
    let quoted = file.display().to_string().replace('\'', r"'\''");
    format!("pg_dump --format=custom --no-owner --file='{quoted}' \"$MUSTER_DATABASE_URL\"")
}

/// Where the copy grows until it is whole.
fn part_of(file: &Path) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(".part");
    PathBuf::from(name)
}

/// An empty file that nobody else can read: the database holds everything but the instance key.
fn new_for_its_owner(part: &Path) -> anyhow::Result<()> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(part);
    made.map(|_| ()).with_context(|| format!("{} can't be made", part.display()))
}

async fn copy(config: &Config, part: &Path) -> anyhow::Result<()> {
    let name = part.to_str().with_context(|| format!("{} is not written in UTF-8", part.display()))?;
    // Opened as it is: a copy must not bring the schema of a database that another version serves up to date.
    let db = Database::open(config).await.with_context(|| format!("{} can't be opened", place(config)))?;
    let copied = backup::into_file(&db, name).await;
    db.close().await;
    copied.map(|_| ()).with_context(|| format!("{} can't be copied", place(config)))
}

/// Gives the whole copy its name, for good.
fn finish(part: &Path, file: &Path) -> anyhow::Result<()> {
    File::open(part)?.sync_all()?;
    fs::rename(part, file).with_context(|| format!("{} can't be given its name", part.display()))?;
    if let Some(folder) = file.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_with_a_quote_in_its_name_is_one_word_of_the_command() {
        let command = server_command(Path::new("/b/o'clock; rm -rf ~"));
        assert!(command.contains(r"--file='/b/o'\''clock; rm -rf ~' "), "{command}");
    }

    #[test]
    fn a_copy_belongs_to_its_owner_alone_and_takes_no_files_place() {
        let folder = tempfile::tempdir().unwrap();
        let part = part_of(&folder.path().join("muster.db"));
        assert_eq!(part.file_name().unwrap(), "muster.db.part");
        new_for_its_owner(&part).unwrap();
        assert_eq!(fs::metadata(&part).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(new_for_its_owner(&part).is_err());
    }
}
