//! The command line over the REST API: `muster user list`, `muster group add-members`, and the rest of the nouns.
//!
//! What there is to call stands in tables ([`nouns`]): a verb is a path with columns or fields. [`line`] makes command lines
//! of them, [`request`] makes a call of what was typed, [`connection`] carries it, [`show`] and [`receipt`] tell the answer.

pub mod connection;
pub mod failed;
mod line;
mod names;
mod nouns;
mod receipt;
mod request;
mod rows;
mod show;
pub mod state;
mod verb;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{ArgMatches, FromArgMatches, Subcommand};
use serde_json::Value;

use self::connection::Connection;
use self::failed::Failed;
use self::line::{Options, Output};
use self::verb::{Confirm, Noun, Shows, Verb};
use super::{reason, say};
use crate::outside::api_client::Ask;

/// A command over the API, as it was typed.
#[derive(Clone, Debug)]
pub struct Call {
    verb: &'static Verb,
    typed: ArgMatches,
}

impl Subcommand for Call {
    fn augment_subcommands(command: clap::Command) -> clap::Command {
        nouns::all().fold(command, |command, noun| command.subcommand(line::of_noun(noun)))
    }

    fn augment_subcommands_for_update(command: clap::Command) -> clap::Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        nouns::named(name).is_some()
    }
}

impl FromArgMatches for Call {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let (name, below) = matches.subcommand().ok_or_else(missing)?;
        Self::of(nouns::named(name).ok_or_else(missing)?, below)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// A command about the audit record over the API; `muster audit verify` beside it needs no server.
#[derive(Clone, Debug)]
pub struct OfAudit(pub Call);

impl Subcommand for OfAudit {
    fn augment_subcommands(command: clap::Command) -> clap::Command {
        nouns::audit().verbs.iter().fold(command, |command, verb| command.subcommand(line::of_verb(verb)))
    }

    fn augment_subcommands_for_update(command: clap::Command) -> clap::Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        nouns::audit().verbs.iter().any(|verb| verb.name == name)
    }
}

impl FromArgMatches for OfAudit {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(Call::of(nouns::audit(), matches)?))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Call {
    fn of(noun: &'static Noun, below: &ArgMatches) -> Result<Self, clap::Error> {
        let (name, typed) = below.subcommand().ok_or_else(missing)?;
        if let Some(verb) = noun.verbs.iter().find(|verb| verb.name == name) {
            return Ok(Self { verb, typed: typed.clone() });
        }
        let (rest, typed) = typed.subcommand().ok_or_else(missing)?;
        let wanted = Some((name, rest));
        let verb = noun.verbs.iter().find(|verb| verb.name.split_once(' ') == wanted).ok_or_else(missing)?;
        Ok(Self { verb, typed: typed.clone() })
    }
}

fn missing() -> clap::Error {
    clap::Error::raw(clap::error::ErrorKind::MissingSubcommand, "a subcommand is required")
}

/// Tells how a command ended.
pub fn ended(outcome: Result<(), Failed>) -> ExitCode {
    let Err(failed) = outcome else { return ExitCode::SUCCESS };
    // What a server says is not obeyed by the terminal.
    for line in failed.to_string().lines() {
        reason(format_args!("muster: {}", plain(line)));
    }
    if let Some(advice) = failed.advice() {
        reason(advice);
    }
    failed.code()
}

/// A text without anything that a terminal would obey.
pub fn plain(text: &str) -> String {
    show::plain(text)
}

/// One thing, a line a fact.
pub fn facts(value: &Value) -> String {
    show::object(value)
}

/// Runs a command over the API.
pub async fn run(call: Call) -> Result<(), Failed> {
    let Call { verb, typed } = call;
    let options = Options::of(&typed);
    let mut connection = Connection::open(&options.wanted).await?;
    let mut ask = request::of(verb, &typed, &mut connection).await?;
    if verb.writes() {
        if options.dry_run {
            ask = ask.with("dry_run", "true");
        }
        confirm(verb, &mut ask, &options)?;
    }
    match verb.shows {
        Shows::Stream => connection.stream(&ask, &mut std::io::stdout()).await,
        Shows::Rows(member, columns) => {
            let kept = line::text(&typed, "passwords").filter(|_| !options.dry_run);
            let mut file = kept.as_deref().map(rows::open).transpose()?;
            let mut answer = connection.call(&ask).await?;
            if let Some(file) = &mut file {
                rows::write_passwords(file, &mut answer[member])?;
            }
            if options.output == Output::Json {
                say(serde_json::to_string_pretty(&answer).unwrap_or_default());
            } else {
                say(show::page(columns, &answer[member]));
            }
            rows::refused(&answer[member])
        }
        Shows::Page(_) if options.all => {
            let items = every_page(&mut connection, ask).await?;
            tell(verb, &options, &mut connection, &items).await
        }
        _ => {
            let answer = connection.call(&ask).await?;
            tell(verb, &options, &mut connection, &answer).await
        }
    }
}

/// All pages of a list as one array.
async fn every_page(connection: &mut Connection, ask: Ask) -> Result<Value, Failed> {
    let (mut items, mut next) = (Vec::new(), ask.clone());
    loop {
        let mut page = connection.call(&next).await?;
        if let Some(rows) = page.get_mut("items").and_then(Value::as_array_mut) {
            items.append(rows);
        }
        match page["next"].as_str() {
            Some(cursor) => next = ask.clone().with("cursor", cursor),
            None => return Ok(Value::Array(items)),
        }
    }
}

async fn tell(verb: &Verb, options: &Options, connection: &mut Connection, answer: &Value) -> Result<(), Failed> {
    if options.output == Output::Json {
        say(serde_json::to_string_pretty(answer).unwrap_or_default());
        return Ok(());
    }
    match verb.shows {
        Shows::Page(columns) => {
            say(show::page(columns, answer));
            if answer["next"].is_string() {
                reason("There are more: use --all, or --limit and --cursor with the `next` of --output json.");
            }
        }
        Shows::Object | Shows::Stream | Shows::Rows(..) => say(show::object(answer)),
        Shows::Receipt => {
            let names = receipt::names(connection, &answer["receipt"]).await;
            if !options.dry_run && !answer["object"].is_null() {
                say(show::object(&answer["object"]));
            }
            for line in receipt::besides(answer) {
                reason(line);
            }
            say(receipt::report(&answer["receipt"], &names));
            if let Some(secret) = receipt::secret(answer) {
                reason("This is shown once; Muster keeps no copy:");
                say(format_args!("secret: {secret}"));
            }
        }
    }
    Ok(())
}

/// Has what can't be undone typed again: on the terminal, or beforehand in `--confirm`.
fn confirm(verb: &Verb, ask: &mut Ask, options: &Options) -> Result<(), Failed> {
    let (what, sent) = match verb.confirm {
        Confirm::No => return Ok(()),
        Confirm::Sent(what) => (what, true),
        Confirm::Here(what) => (what, false),
    };
    if options.dry_run && !sent {
        return Ok(());
    }
    let typed = match &options.confirm {
        Some(text) => text.clone(),
        None if std::io::stdin().is_terminal() => read_line(&format!("To go on, type {what}: "))?,
        None => return Err(Failed::Usage(format!("this can't be undone: give {what} in --confirm"))),
    };
    if sent {
        ask.query.push(("confirm".to_owned(), typed));
    } else if ask.path.last() != Some(&typed) && options.named.as_ref() != Some(&typed) {
        return Err(Failed::Invalid(format!("nothing was changed: that is not {what}")));
    }
    Ok(())
}

fn read_line(prompt: &str) -> Result<String, Failed> {
    let mut out = std::io::stderr().lock();
    let mut typed = String::new();
    write!(out, "{prompt}").and_then(|()| out.flush()).map_err(anyhow::Error::from)?;
    std::io::stdin().read_line(&mut typed).map_err(anyhow::Error::from)?;
    Ok(typed.trim_end_matches(['\r', '\n']).to_owned())
}
