//! `muster doctor`: checks what an operator would, says of each thing whether it is well, and how to mend it.
//!
//! It changes nothing: no folder, key, database or schema is made by looking at them. The one file that it writes, to
//! see that it can, it takes away again. Exit code 1 when something must be mended; a warning alone is 0.

mod files;
mod messages;
mod records;

use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;

use super::{open, say};
use crate::app::{App, Parts};
use crate::config::{Config, ConfigError};
use crate::kernel::time::{Clock as _, UnixMillis};
use crate::outside::chance::SystemChance;
use crate::outside::clock::SystemClock;
use crate::store::db::Database;
use crate::store::migrate;

/// 2025-01-01T00:00:00Z: no clock that is right shows less.
const EARLIEST: UnixMillis = UnixMillis::from_seconds(1_735_689_600);

/// Runs the command. Settings that can't be used are its first finding.
pub async fn run(config: Result<Config, ConfigError>) -> anyhow::Result<ExitCode> {
    let mut report = Report::default();
    match config {
        Ok(config) => examine(&mut report, config).await?,
        Err(error) => {
            for fault in error.faults() {
                report.fail(format_args!("{}: {}", fault.key, fault.reason), "correct the setting");
            }
        }
    }
    say(report.summary());
    Ok(if report.failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn examine(report: &mut Report, config: Config) -> anyhow::Result<()> {
    settings(report, &config);
    clock(report, SystemClock.now());
    let there = files::folder(report, &config);
    let key = files::instance_key(report, &config);
    let Some(db) = database(report, &config, there).await else {
        return Ok(());
    };
    records::people(report, &db, &config).await?;
    records::applications(report, &db).await?;
    records::outbox(report, &db).await?;
    messages::queue(report, &db).await?;
    if let Some(instance_key) = key {
        let parts =
            Parts { db: db.clone(), instance_key, clock: Arc::new(SystemClock), chance: Arc::new(SystemChance) };
        match App::new(config, parts) {
            Ok(app) => {
                messages::way(report, &app);
                records::keys(report, &app).await?;
            }
            Err(error) => report.fail(error, "correct the setting"),
        }
    }
    db.close().await;
    Ok(())
}

fn settings(report: &mut Report, config: &Config) {
    report.ok("the settings can be used");
    if config.is_https() {
        report.ok(format_args!("the issuer is {}", config.issuer));
    } else {
        report.warn(
            format_args!("the issuer is {}: good for development on this machine only", config.issuer),
            "set issuer to the https address that browsers use",
        );
    }
    let listen = config.http.listen;
    if listen.ip().is_loopback() || config.http.tls().is_some() {
        report.ok(format_args!("http.listen is {listen}"));
    } else {
        report.warn(
            format_args!("http.listen is {listen}, beyond this machine, without TLS"),
            "set http.tls_cert and http.tls_key, or let only a proxy that speaks TLS reach it",
        );
    }
}

fn clock(report: &mut Report, now: UnixMillis) {
    if now < EARLIEST {
        report.fail("the clock shows a time before 2025", "set the clock, and keep it with NTP");
    } else {
        report.ok(format_args!("the clock shows {}", super::words::moment(now)));
    }
}

/// The open database, if its records can be read as this build reads them.
async fn database(report: &mut Report, config: &Config, folder_is_there: bool) -> Option<Database> {
    let place = open::place(config);
    let embedded = config.database.url.is_none();
    if embedded && !(folder_is_there && config.data_dir.join("muster.db").exists()) {
        report.warn(format_args!("{place} is not there yet"), "`muster serve` makes it at its first start");
        return None;
    }
    let db = match Database::open(config).await {
        Ok(db) => db,
        Err(error) => {
            let mend = if embedded { "look at the file and its owner" } else { "look at database.url and the server" };
            report.fail(format_args!("{place} can't be opened: {error}"), mend);
            return None;
        }
    };
    match migrate::is_current(&db).await {
        Ok(true) => {
            report.ok(format_args!("{place} answers and has this build's schema"));
            return Some(db);
        }
        Ok(false) if embedded => report.warn(
            format_args!("{place} has another schema than this build"),
            "`muster serve` or `muster migrate` brings it up to date, unless a newer Muster made it",
        ),
        Ok(false) => report.fail(
            format_args!("{place} has another schema than this build"),
            "run `muster migrate`, or start the newer Muster that migrated it",
        ),
        Err(error) => report.fail(format_args!("{place} does not answer: {error}"), "look at the server"),
    }
    db.close().await;
    None
}

/// What was found so far; each finding is printed when it is made.
#[derive(Debug, Default)]
struct Report {
    well: u64,
    warnings: u64,
    failures: u64,
}

impl Report {
    fn ok(&mut self, what: impl fmt::Display) {
        self.well += 1;
        say(format_args!("ok    {what}"));
    }

    fn warn(&mut self, what: impl fmt::Display, mend: impl fmt::Display) {
        self.warnings += 1;
        say(format_args!("warn  {what} ({mend})"));
    }

    fn fail(&mut self, what: impl fmt::Display, mend: impl fmt::Display) {
        self.failures += 1;
        say(format_args!("FAIL  {what} ({mend})"));
    }

    fn summary(&self) -> String {
        match (self.failures, self.warnings) {
            (0, 0) => format!("All is well: {}.", super::words::count(self.well, "check")),
            (0, warnings) => format!("Nothing must be mended; {}.", super::words::count(warnings, "warning")),
            (failures, warnings) => {
                format!(
                    "{} to be mended, {}.",
                    super::words::count(failures, "failure"),
                    super::words::count(warnings, "warning")
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    fn config(listen: &str, issuer: &str) -> Config {
        let flags = Overrides {
            listen: Some(listen.parse().unwrap()),
            issuer: Some(issuer.to_owned()),
            allow_loopback_http: true,
            ..Overrides::default()
        };
        Config::load(None, std::iter::empty(), flags).unwrap()
    }

    fn found(look: impl FnOnce(&mut Report)) -> (u64, u64) {
        let mut report = Report::default();
        look(&mut report);
        (report.failures, report.warnings)
    }

    #[test]
    fn listening_to_the_world_without_tls_and_a_plain_issuer_are_warnings() {
        assert_eq!(found(|report| settings(report, &config("127.0.0.1:1", "https://id.acme.test"))), (0, 0));
        assert_eq!(found(|report| settings(report, &config("0.0.0.0:1", "https://id.acme.test"))), (0, 1));
        assert_eq!(found(|report| settings(report, &config("127.0.0.1:1", "http://127.0.0.1:1"))), (0, 1));
    }

    #[test]
    fn a_clock_that_was_never_set_must_be_mended() {
        assert_eq!(found(|report| clock(report, UnixMillis(0))), (1, 0));
        assert_eq!(found(|report| clock(report, EARLIEST)), (0, 0));
    }

    #[test]
    fn the_last_line_says_whether_anything_must_be_done() {
        assert_eq!(Report { well: 2, ..Report::default() }.summary(), "All is well: 2 checks.");
        assert_eq!(Report { well: 2, warnings: 1, failures: 0 }.summary(), "Nothing must be mended; 1 warning.");
        assert_eq!(Report { well: 2, warnings: 0, failures: 2 }.summary(), "2 failures to be mended, 0 warnings.");
    }
}
