//! The command line: words in, an exit code out. Facts go to stdout, reasons to stderr.
//!
//! Commands on this machine read the settings first; those over the API (`remote`, `login`) don't. What a command does to access goes through the one door, as any page does;
//! `plan` and `apply` ask for changes, `dev` too, and nothing here writes access by itself.

mod account;
mod apply;
mod audit;
mod backup;
mod credentials;
mod dev;
mod doctor;
mod export;
mod keys;
mod login;
mod mail;
mod migrate;
mod names;
mod open;
mod outbox;
mod remote;
mod restored;
mod scim;
mod serve;
mod telemetry;
mod words;

use std::fmt::Display;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _, Parser, Subcommand};

use self::telemetry::Traces;
use crate::config::{Config, ConfigError, Overrides};
use crate::flows::restored::Keys;

/// Muster, an identity provider: access is exactly what the bindings say, now.
#[derive(Parser)]
#[command(name = "muster", version, propagate_version = true)]
struct Line {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes; each wins over the file and the environment.
#[derive(Clone, Default, Args)]
struct Globals {
    /// The settings, a TOML file
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the database and the instance key live (`MUSTER_DATA_DIR`)
    #[arg(long, global = true, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// The address and port to listen on (`MUSTER_LISTEN`)
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// The https address that browsers use (`MUSTER_ISSUER`)
    #[arg(long, global = true, value_name = "URL")]
    issuer: Option<String>,
    /// A PostgreSQL server; the variable keeps its password out of the process list (`MUSTER_DATABASE_URL`)
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer requests until SIGTERM or SIGINT
    Serve {
        /// Bring a PostgreSQL database to this build's schema first (SQLite does so by itself)
        #[arg(long)]
        migrate: bool,
    },
    /// Bring the database to this build's schema
    Migrate,
    /// See and rotate the keys that sign tokens
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Try out how mail is sent
    Mail {
        #[command(subcommand)]
        command: MailCommand,
    },
    /// See what is still to be told to applications and people, and try it again
    Outbox {
        #[command(subcommand)]
        command: outbox::OutboxCommand,
    },
    /// Help somebody who can't sign in any more and whom no administrator can help
    Account {
        #[command(subcommand)]
        command: account::AccountCommand,
    },
    /// Check what an operator would check; exit code 1 if something must be mended
    Doctor,
    /// Copy the embedded database into a file, whole and of one moment, while a server goes on
    Backup {
        /// The file, which must not be there yet
        file: PathBuf,
    },
    /// End everything that is open in a database that was brought back from a backup, before it serves
    Restored {
        /// End access keys and SCIM tokens too
        #[arg(long)]
        end_keys: bool,
        /// Don't look whether a node serves the database
        #[arg(long)]
        anyway: bool,
    },
    /// Look after the audit record
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Set up what an identity provider's SCIM client needs
    Scim {
        #[command(subcommand)]
        command: ScimCommand,
    },
    /// Say what `apply` would change, and whose access would end
    Plan {
        /// The wanted state, a TOML file
        file: PathBuf,
        #[command(flatten)]
        server: remote::state::Server,
    },
    /// Make organisations, people, groups, roles and applications what a file says
    Apply {
        /// The wanted state, a TOML file
        file: PathBuf,
        #[command(flatten)]
        server: remote::state::Server,
    },
    /// Print what there is as a file for `apply`: no password, secret or key is in it
    Export {
        /// One organisation alone, by its slug
        #[arg(long, value_name = "SLUG")]
        org: Option<String>,
        #[command(flatten)]
        server: remote::state::Server,
    },
    /// Run a demo on this machine: Muster, an organisation with people, and a shop that signs them in
    Dev {
        /// The port to listen on, instead of the first free one from 8080
        #[arg(long)]
        port: Option<u16>,
    },
    /// Sign in to a server, allowing it in a browser
    Login {
        #[command(flatten)]
        place: login::Place,
    },
    /// Sign out, and forget what was kept
    Logout {
        #[command(flatten)]
        place: login::Place,
    },
    /// Say who is signed in, and what they may
    Whoami {
        #[command(flatten)]
        place: login::Place,
        /// How it is printed
        #[arg(long, short, value_parser = ["table", "json"], default_value = "table")]
        output: String,
    },
    /// Print what a shell completes commands with
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    #[command(flatten)]
    Remote(remote::Call),
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Say whether every organisation's record is as it was written; exit code 1 if one is not
    Verify {
        /// One organisation alone, by its slug
        #[arg(long)]
        org: Option<String>,
    },
    #[command(flatten)]
    Remote(remote::OfAudit),
}

#[derive(Debug, Subcommand)]
enum ScimCommand {
    /// Give a connection's client a token, shown once
    Token(scim::Token),
}

#[derive(Debug, Subcommand)]
enum MailCommand {
    /// Send one message, and say what the mail server answered
    Test {
        /// The address that it goes to
        #[arg(long, value_name = "ADDRESS")]
        to: String,
    },
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Show the keys whose signatures hold
    List,
    /// Make new keys; the old ones hold until the last token that they signed has run out
    Rotate,
}

/// Runs the command that the process was started with.
#[must_use]
pub fn run() -> ExitCode {
    let line = Line::parse();
    match in_runtime(line) {
        Ok(code) => code,
        Err(error) => {
            reason(format_args!("muster: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn in_runtime(line: Line) -> anyhow::Result<ExitCode> {
    // It fails only where one is installed already, and that one is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the runtime can't start")?;
    let outcome = runtime.block_on(Box::pin(carry_out(line)));
    // A key that is still being made must not hold the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

async fn carry_out(line: Line) -> anyhow::Result<ExitCode> {
    let Line { globals, command } = line;
    match command {
        Command::Doctor => doctor::run(globals.load()).await,
        Command::Dev { port } => dev::run(globals, port).await,
        Command::Serve { migrate } => {
            let (config, traces) = globals.ready_to_serve()?;
            let served = serve::run(config, migrate).await;
            traces.stop().await;
            served
        }
        Command::Migrate => migrate::run(globals.ready()?).await,
        Command::Backup { file } => backup::run(&globals.ready()?, &file).await,
        Command::Restored { end_keys, anyway } => {
            let keys = if end_keys { Keys::End } else { Keys::Stay };
            restored::run(globals.ready()?, keys, anyway).await
        }
        Command::Keys { command: KeysCommand::List } => keys::list(globals.ready()?).await,
        Command::Keys { command: KeysCommand::Rotate } => keys::rotate(globals.ready()?).await,
        Command::Mail { command: MailCommand::Test { to } } => mail::test(globals.ready()?, &to).await,
        Command::Outbox { command } => outbox::run(globals.ready()?, command).await,
        Command::Account { command } => account::run(globals.ready()?, command).await,
        Command::Audit { command: AuditCommand::Verify { org } } => {
            audit::verify(globals.ready()?, org.as_deref()).await
        }
        Command::Audit { command: AuditCommand::Remote(remote::OfAudit(call)) } => {
            Ok(remote::ended(remote::run(call).await))
        }
        Command::Scim { command: ScimCommand::Token(asked) } => scim::token(globals.ready()?, &asked).await,
        Command::Login { place } => Ok(remote::ended(login::login(place).await)),
        Command::Logout { place } => Ok(remote::ended(login::logout(place).await)),
        Command::Whoami { place, output } => Ok(remote::ended(login::whoami(&place, output == "json").await)),
        Command::Completion { shell } => {
            completion(shell);
            Ok(ExitCode::SUCCESS)
        }
        Command::Remote(call) => Ok(remote::ended(remote::run(call).await)),
        Command::Plan { file, server } if server.is_named() => {
            Ok(remote::ended(remote::state::plan(&server, &file).await))
        }
        Command::Plan { file, .. } => apply::plan(globals.ready()?, &file).await,
        Command::Apply { file, server } if server.is_named() => {
            Ok(remote::ended(remote::state::apply(&server, &file).await))
        }
        Command::Apply { file, .. } => apply::apply(globals.ready()?, &file).await,
        Command::Export { org, server } if server.is_named() => {
            Ok(remote::ended(remote::state::export(&server, org).await))
        }
        Command::Export { org, .. } => export::run(globals.ready()?, org.as_deref()).await,
    }
}

/// The script is put together first: whoever closes the pipe early must not make it panic.
fn completion(shell: clap_complete::Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Line::command(), "muster", &mut script);
    say(String::from_utf8_lossy(&script));
}

impl Globals {
    fn load(self) -> Result<Config, ConfigError> {
        let (file, flags) = self.split();
        Config::load(file.as_deref(), variables(), flags)
    }

    fn split(self) -> (Option<PathBuf>, Overrides) {
        let Self { config, data_dir, listen, issuer, database_url } = self;
        (config, Overrides { data_dir, listen, issuer, database_url, ..Overrides::default() })
    }

    /// The settings, with the log started as they say.
    fn ready(self) -> anyhow::Result<Config> {
        let config = self.load().map_err(|error| unusable(&error))?;
        telemetry::start_log(&config.log)?;
        Ok(config)
    }

    /// The same for a server, whose requests may be traced.
    fn ready_to_serve(self) -> anyhow::Result<(Config, Traces)> {
        let config = self.load().map_err(|error| unusable(&error))?;
        let traces = telemetry::start(&config)?;
        Ok((config, traces))
    }
}

/// What is wrong with the settings, a line each.
fn unusable(error: &ConfigError) -> anyhow::Error {
    let lines: Vec<String> =
        error.faults().iter().map(|fault| format!("\n  {}: {}", fault.key, fault.reason)).collect();
    anyhow::anyhow!("the settings can't be used:{}", lines.concat())
}

/// The environment, as far as it is text.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)))
}

/// A fact, to stdout, at once. Whoever closed the pipe doesn't want it any more.
fn say(fact: impl Display) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{fact}").and_then(|()| out.flush());
}

/// A reason, to stderr.
fn reason(reason: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{reason}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_put_together_without_contradictions() {
        Line::command().debug_assert();
    }

    #[test]
    fn a_flag_is_understood_before_and_after_the_command() {
        for words in
            [["muster", "--data-dir", "d", "serve", "--migrate"], ["muster", "serve", "--migrate", "--data-dir", "d"]]
        {
            let line = Line::try_parse_from(words).unwrap();
            assert_eq!(line.globals.data_dir, Some(PathBuf::from("d")));
            assert!(matches!(line.command, Command::Serve { migrate: true }));
        }
        assert!(Line::try_parse_from(["muster"]).is_err());
        assert!(Line::try_parse_from(["muster", "plan"]).is_err());
        assert!(Line::try_parse_from(["muster", "--listen", "8080", "serve"]).is_err());
    }

    #[test]
    fn flags_win_over_the_file_and_a_fault_is_told_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("muster.toml");
        std::fs::write(&file, "issuer = \"https://one.test\"").unwrap();
        let flags = |issuer: &str| Globals {
            config: Some(file.clone()),
            issuer: Some(issuer.to_owned()),
            ..Globals::default()
        };
        assert_eq!(flags("https://two.test").load().unwrap().issuer, "https://two.test");
        let told = unusable(&flags("http://two.test").load().unwrap_err()).to_string();
        assert!(told.starts_with("the settings can't be used:\n  issuer: "), "{told}");
    }
}
