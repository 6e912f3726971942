//! The words of the tables: a noun has verbs, a verb is a call of the API with what it takes and how its answer is
//! shown.

use crate::outside::api_client::Act;

/// What commands are about: `muster NOUN VERB …`.
#[derive(Debug)]
pub struct Noun {
    /// Its name.
    pub name: &'static str,
    /// A line about it.
    pub about: &'static str,
    /// What can be done.
    pub verbs: &'static [Verb],
}

/// A call of the API.
#[derive(Debug)]
pub struct Verb {
    /// Its name; of two words (`token add`) the first gathers those that are about the same.
    pub name: &'static str,
    /// A line about it.
    pub about: &'static str,
    /// What is done …
    pub act: Act,
    /// … to what, behind `/api/v1/`. What stands in braces is typed in this order; `{org}` is `--org`.
    pub path: &'static str,
    /// What it takes besides.
    pub fields: &'static [Field],
    /// How its answer is shown.
    pub shows: Shows,
    /// What has to be typed again.
    pub confirm: Confirm,
}

/// How an answer is shown.
#[derive(Clone, Copy, Debug)]
pub enum Shows {
    /// A page of a list, as a table.
    Page(&'static [Column]),
    /// One thing, a line a fact.
    Object,
    /// What a write did.
    Receipt,
    /// What became of each row of a list: the member that holds the rows, and their columns.
    Rows(&'static str, &'static [Column]),
    /// As it comes.
    Stream,
}

/// A column: its title, and the members of a row that fill it, the first that is there (`user_id|id`).
#[derive(Clone, Copy, Debug)]
pub struct Column(pub &'static str, pub &'static str);

/// What has to be typed again before something ends for good.
#[derive(Clone, Copy, Debug)]
pub enum Confirm {
    /// Nothing.
    No,
    /// This; the server compares it.
    Sent(&'static str),
    /// The name that was given, once more.
    Here(&'static str),
}

/// Where a field goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Into the query.
    Query,
    /// Into the body.
    Body,
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A text.
    Text,
    /// A whole number.
    Number,
    /// One of some words.
    Word(&'static [&'static str]),
    /// Always this: nothing is typed.
    Fixed(&'static str),
    /// A person, by id, user name or e-mail.
    User,
    /// A group, by id or name.
    Group,
    /// Groups with commas between them.
    Groups,
    /// A project, by id or key.
    Project,
    /// A role, and on what: `org.reader`, `project.admin:web`, `project.reader:*`.
    Grant,
    /// A secret: one line of standard input.
    Secret,
    /// JSON.
    Json,
    /// The text of a file; `-` is standard input.
    File,
    /// Somebody to be invited: `Ana Kim <ana@acme.example>`.
    Invitee,
}

/// What a verb takes.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The flag's name, without dashes.
    pub name: &'static str,
    /// A line about it.
    pub help: &'static str,
    /// Where it goes.
    pub place: Place,
    /// What it holds.
    pub kind: Kind,
    /// The member, with dots for what lies deeper; empty for the flag's name, `*` to spread an object's members.
    pub member: &'static str,
    /// Whether it may be given several times.
    pub many: bool,
    /// Whether it must be given.
    pub required: bool,
    /// Whether it is typed without its name, behind what the path names.
    pub bare: bool,
}

/// A field of the body.
pub const fn field(name: &'static str, kind: Kind, help: &'static str) -> Field {
    Field { name, help, place: Place::Body, kind, member: "", many: false, required: false, bare: false }
}

/// A filter in the query.
pub const fn filter(name: &'static str, kind: Kind, help: &'static str) -> Field {
    Field { place: Place::Query, ..field(name, kind, help) }
}

impl Field {
    /// The same, going elsewhere.
    pub const fn to(self, member: &'static str) -> Self {
        Self { member, ..self }
    }

    /// The same, any number of times.
    pub const fn many(self) -> Self {
        Self { many: true, ..self }
    }

    /// The same, necessary.
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// The same, typed without its name.
    pub const fn bare(self) -> Self {
        Self { bare: true, required: true, ..self }
    }

    /// The member that it fills.
    pub fn filled(&self) -> String {
        if self.member.is_empty() { self.name.replace('-', "_") } else { self.member.to_owned() }
    }
}

impl Verb {
    /// Whether it writes: then it can be tried with `--dry-run`.
    pub const fn writes(&self) -> bool {
        matches!(self.shows, Shows::Receipt | Shows::Rows(..))
    }

    /// Whether it registers many, each perhaps with a password that is shown once.
    pub fn makes_passwords(&self) -> bool {
        matches!(self.shows, Shows::Rows("rows", _))
    }

    /// Whether it has a body.
    pub fn has_body(&self) -> bool {
        self.fields.iter().any(|field| field.place == Place::Body)
    }

    /// What the path names, without the organisation.
    pub fn places(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(placeholder).filter(|name| *name != "org")
    }
}

/// The name in a segment's braces.
pub fn placeholder(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

/// A list.
pub const fn list(
    path: &'static str,
    about: &'static str,
    fields: &'static [Field],
    columns: &'static [Column],
) -> Verb {
    let shows = Shows::Page(columns);
    Verb { name: "list", about, act: Act::Get, path, fields, shows, confirm: Confirm::No }
}

/// One thing.
pub const fn show(path: &'static str, about: &'static str) -> Verb {
    Verb { name: "show", about, act: Act::Get, path, fields: &[], shows: Shows::Object, confirm: Confirm::No }
}

/// A write.
pub const fn write(
    name: &'static str,
    act: Act,
    path: &'static str,
    about: &'static str,
    fields: &'static [Field],
) -> Verb {
    Verb { name, about, act, path, fields, shows: Shows::Receipt, confirm: Confirm::No }
}

impl Verb {
    /// The same under another name.
    pub const fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// The same, with something to be typed again.
    pub const fn after(self, confirm: Confirm) -> Self {
        Self { confirm, ..self }
    }

    /// The same, taking more.
    pub const fn taking(self, fields: &'static [Field]) -> Self {
        Self { fields, ..self }
    }
}
