//! Command lines for the tables: what is typed bare, the flags, and the options that every command has.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::connection::Wanted;
use super::nouns;
use super::verb::{Confirm, Field, Kind, Noun, Shows, Verb};

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Table,
    /// For programs: the API's own JSON.
    Json,
}

/// What every command takes.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which server and organisation.
    pub wanted: Wanted,
    /// How the answer is printed.
    pub output: Output,
    /// Whether a write is only tried.
    pub dry_run: bool,
    /// What was typed again beforehand.
    pub confirm: Option<String>,
    /// Whether every page is wanted.
    pub all: bool,
    /// What was typed last of what the path names, before it was looked up.
    pub named: Option<String>,
}

impl Options {
    /// What was typed.
    pub fn of(typed: &ArgMatches) -> Self {
        let json = text(typed, "output").as_deref() == Some("json");
        Self {
            wanted: wanted(typed),
            output: if json { Output::Json } else { Output::Table },
            dry_run: switch(typed, "dry-run"),
            confirm: text(typed, "confirm"),
            all: switch(typed, "all"),
            named: PLACES.iter().rev().find_map(|(name, ..)| text(typed, name)),
        }
    }
}

/// Which server, which organisation, whom to trust.
fn wanted(typed: &ArgMatches) -> Wanted {
    let ca = typed.try_get_one::<PathBuf>("ca").ok().flatten().cloned();
    Wanted { server: text(typed, "server"), org: text(typed, "org"), ca }
}

/// A text that was typed, if there is such a place to type it.
pub fn text(typed: &ArgMatches, name: &str) -> Option<String> {
    typed.try_get_one::<String>(name).ok().flatten().cloned()
}

/// All texts that were typed there.
pub fn texts(typed: &ArgMatches, name: &str) -> Vec<String> {
    typed.try_get_many::<String>(name).ok().flatten().map(|found| found.cloned().collect()).unwrap_or_default()
}

/// Whether a switch was typed.
pub fn switch(typed: &ArgMatches, name: &str) -> bool {
    typed.try_get_one::<bool>(name).ok().flatten().copied().unwrap_or(false)
}

/// What paths name: how it is shown in usage, and what may be typed. What lies within another comes later.
const PLACES: [(&str, &str, &str); 20] = [
    ("project", "PROJECT", "The project's key or id"),
    ("user", "USER", "The person's user name, e-mail or id; `me` for oneself"),
    ("group", "GROUP", "The group's name or id"),
    ("role", "ROLE", "The role's key or id"),
    ("bundle", "BUNDLE", "The bundle's id"),
    ("binding", "BINDING", "The binding's id"),
    ("application", "APP", "The application's client id or id"),
    ("account", "ACCOUNT", "The service account's id"),
    ("key", "KEY", "The access key's id"),
    ("session", "SESSION", "The session's id"),
    ("change", "CHANGE", "The change's id"),
    ("alert", "ALERT", "The alert's id"),
    ("connection", "CONNECTION", "The connection's name or id"),
    ("credential", "CREDENTIAL", "The id of the token or client"),
    ("identity", "IDENTITY", "The id of who somebody is at a provider"),
    ("held", "HELD", "The held request's id"),
    ("adoption", "ADOPTION", "The adoption's id"),
    ("domain", "DOMAIN", "The domain or its id"),
    ("invitation", "INVITATION", "The invitation's id"),
    ("organisation", "ORG", "The slug or id of the organisation that invites"),
];

/// What verbs of two words are about, by the first.
const GATHERED: [(&str, &str); 6] = [
    ("token", "Bearer tokens of a connection's client"),
    ("client", "OAuth clients of a connection"),
    ("sign-in", "Signing in through a connection"),
    ("mapping", "The rules by which a connection's people come into groups"),
    ("held", "Requests that would take access from very many, and wait"),
    ("adoption", "Accounts that stand in a connection's way"),
];

/// A noun. Its verbs are put together when they are asked for: a server's start need not wait for them.
pub fn of_noun(noun: &'static Noun) -> Command {
    let command = Command::new(noun.name).about(noun.about).subcommand_required(true).arg_required_else_help(true);
    command.defer(|command| {
        let verbs = nouns::named(command.get_name()).map_or(&[][..], |noun| noun.verbs);
        verbs.iter().fold(command, with)
    })
}

/// A command with one verb more; one of two words stands under the first of them.
fn with(command: Command, verb: &'static Verb) -> Command {
    let Some((first, rest)) = verb.name.split_once(' ') else {
        return command.subcommand(of_verb(verb));
    };
    let below = of_verb(verb).name(rest);
    if command.find_subcommand(first).is_some() {
        return command.mut_subcommand(first, |gathered| gathered.subcommand(below));
    }
    let about = GATHERED.iter().find(|(name, _)| *name == first).map_or("", |(_, about)| *about);
    let gathered = Command::new(first).about(about).subcommand_required(true).arg_required_else_help(true);
    command.subcommand(gathered.subcommand(below))
}

/// A verb with all that it takes.
pub fn of_verb(verb: &'static Verb) -> Command {
    let mut command = Command::new(verb.name).about(verb.about);
    for name in verb.places() {
        let (label, help) =
            PLACES.iter().find(|(place, ..)| *place == name).map_or((name, ""), |(_, label, help)| (*label, *help));
        command = command.arg(Arg::new(name).required(true).value_name(label).help(help));
    }
    for field in verb.fields.iter().filter(|field| !matches!(field.kind, Kind::Fixed(_))) {
        command = command.arg(of_field(field));
    }
    if verb.has_body() {
        let set = Arg::new("set").long("set").value_name("NAME=VALUE").action(ArgAction::Append);
        command = command
            .arg(set.help("Any field of the body, as the API's reference names it; the value is JSON or a text"));
        let body = Arg::new("body").long("body").value_name("FILE").help("The body as JSON; `-` is standard input");
        command = command.arg(body);
    }
    if let Shows::Page(_) = verb.shows {
        command = command
            .arg(Arg::new("limit").long("limit").value_name("ROWS").help("Rows of a page: 1 to 200"))
            .arg(Arg::new("cursor").long("cursor").value_name("NEXT").help("The `next` of the page before"))
            .arg(Arg::new("all").long("all").action(ArgAction::SetTrue).conflicts_with("cursor").help("Every page"));
    }
    if verb.writes() {
        let dry_run = Arg::new("dry-run").long("dry-run").action(ArgAction::SetTrue);
        command = command.arg(dry_run.help("Say what would happen, and change nothing"));
    }
    if verb.makes_passwords() {
        let file = Arg::new("passwords").long("passwords").value_name("FILE");
        command = command.arg(file.help("A new file, readable by you alone, for passwords that are generated"));
    }
    if !matches!(verb.confirm, Confirm::No) {
        let confirm = Arg::new("confirm").long("confirm").value_name("TEXT");
        command = command.arg(confirm.help("What would have to be typed on a terminal"));
    }
    command.arg(output()).args(server())
}

fn of_field(field: &'static Field) -> Arg {
    let mut arg = Arg::new(field.name).help(field.help).required(field.required);
    if !field.bare {
        arg = arg.long(field.name);
    }
    match field.kind {
        Kind::Secret => return arg.action(ArgAction::SetTrue).required(false),
        Kind::Word(words) => arg = arg.value_parser(words.to_vec()),
        Kind::Number => arg = arg.value_name("NUMBER"),
        Kind::User => arg = arg.value_name("USER"),
        Kind::Group => arg = arg.value_name("GROUP"),
        Kind::Groups => arg = arg.value_name("GROUP,GROUP"),
        Kind::Project => arg = arg.value_name("PROJECT"),
        Kind::Grant => arg = arg.value_name("ROLE[:PROJECT]"),
        Kind::Json => arg = arg.value_name("JSON"),
        Kind::File => arg = arg.value_name("FILE"),
        Kind::Invitee => arg = arg.value_name("NAME <E-MAIL>"),
        Kind::Text | Kind::Fixed(_) => arg = arg.value_name("TEXT"),
    }
    match (field.many, field.bare) {
        (true, true) => arg.num_args(1..),
        (true, false) => arg.action(ArgAction::Append),
        (false, _) => arg,
    }
}

fn output() -> Arg {
    let arg = Arg::new("output").long("output").short('o').value_name("FORMAT");
    arg.value_parser(["table", "json"]).default_value("table").help("A table for people, or the API's own JSON")
}

/// Where to, about which organisation, trusting whom.
fn server() -> [Arg; 3] {
    let arg = |name: &'static str, label: &'static str, variable: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(label).env(variable).help(help)
    };
    [
        arg("server", "URL", "MUSTER_SERVER", "The server's address; else the one that was signed in to last"),
        arg("org", "SLUG", "MUSTER_ORG", "The organisation's slug or id; else the one that was signed in to"),
        arg("ca", "FILE", "MUSTER_CA_FILE", "Certificates (PEM) to trust besides the system's")
            .value_parser(value_parser!(PathBuf)),
    ]
}
