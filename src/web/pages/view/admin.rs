//! What the pages of an organisation's administrators show: the frame around them, people, forms, and lists of results.

mod frame;

use askama::Template;

pub use self::frame::{Here, Item, Shell};

/// A moment, for people and for machines.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    /// With day, hour and time zone.
    pub words: String,
    /// RFC 3339.
    pub machine: String,
}

/// What is wrong with a field.
#[derive(Clone, Debug)]
pub struct FieldError {
    /// The field's id on the page.
    pub field: String,
    /// What to do.
    pub text: String,
}

/// What is wrong with a form.
#[derive(Clone, Debug, Default)]
pub struct Errors(Vec<FieldError>);

impl Errors {
    /// One thing that is wrong.
    #[must_use]
    pub fn one(field: &str, text: impl Into<String>) -> Self {
        let mut errors = Self::default();
        errors.add(field, text);
        errors
    }

    /// Says one thing more.
    pub fn add(&mut self, field: &str, text: impl Into<String>) {
        self.0.push(FieldError { field: field.to_owned(), text: text.into() });
    }

    /// Whether anything is wrong.
    #[must_use]
    pub fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether something is wrong with a field.
    #[must_use]
    pub fn has(&self, field: &str) -> bool {
        self.of(field).is_some()
    }

    /// What is wrong with a field, the first of it.
    #[must_use]
    pub fn of(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|error| error.field == field).map(|error| error.text.as_str())
    }

    /// Everything that is wrong with a field.
    #[must_use]
    pub fn all(&self, field: &str) -> Vec<&str> {
        self.0.iter().filter(|error| error.field == field).map(|error| error.text.as_str()).collect()
    }

    /// Everything that is wrong.
    #[must_use]
    pub fn list(&self) -> &[FieldError] {
        &self.0
    }
}

/// An entry of a list to choose from.
#[derive(Clone, Debug)]
pub struct Choice {
    /// What is sent.
    pub value: String,
    /// What is shown.
    pub label: String,
    /// Whether it is the one.
    pub chosen: bool,
}

/// A group to tick.
#[derive(Clone, Debug)]
pub struct GroupChoice {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// Whether it is ticked.
    pub chosen: bool,
}

/// A role on the organisation to tick.
#[derive(Clone, Debug)]
pub struct RoleChoice {
    /// Its key.
    pub key: String,
    /// What people call it.
    pub title: String,
    /// What it allows, a sentence each.
    pub allows: Vec<&'static str>,
    /// Whether it is ticked.
    pub chosen: bool,
}

/// A project and a role on it.
#[derive(Clone, Debug)]
pub struct ProjectRow {
    /// The row's number, from 1.
    pub number: usize,
    /// The projects.
    pub projects: Vec<Choice>,
    /// The roles.
    pub roles: Vec<Choice>,
}

/// The part of a form that says what somebody is given.
#[derive(Clone, Debug)]
pub struct AccessForm {
    /// The groups that may be given.
    pub groups: Vec<GroupChoice>,
    /// Whether there are more groups than are listed.
    pub more_groups: bool,
    /// The roles on the organisation that may be given.
    pub roles: Vec<RoleChoice>,
    /// Projects with roles; empty when no project role may be given.
    pub rows: Vec<ProjectRow>,
    /// Whether one row more may be asked for.
    pub may_add: bool,
    /// Bundles that may be given.
    pub bundles: Vec<Choice>,
}

impl AccessForm {
    /// Whether there is nothing to give.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.roles.is_empty() && self.rows.is_empty() && self.bundles.is_empty()
    }
}

/// A state: its word, and the class that gives it shape and colour.
#[derive(Clone, Copy, Debug)]
pub struct Badge {
    /// The word.
    pub word: &'static str,
    /// `good`, `wait` or `off`.
    pub class: &'static str,
}

/// The mails with a link that somebody got.
#[derive(Clone, Debug)]
pub struct MailLine {
    /// How far away the link's end is; empty when it is over.
    pub ends_in: String,
    /// When the link ends or ended.
    pub ends: Moment,
    /// How often one was sent, in words.
    pub sent: String,
    /// When one was sent last.
    pub last_sent: Moment,
}

/// A member in the list.
#[derive(Clone, Debug)]
pub struct PersonRow {
    /// The membership.
    pub member: String,
    /// What people see.
    pub name: String,
    /// The user name.
    pub user_name: String,
    /// The e-mail address; may be empty.
    pub email: String,
    /// The state.
    pub badge: Badge,
    /// What was mailed so that the person sets the first password; `None` for who has one.
    pub mail: Option<MailLine>,
    /// Whether the link may be sent again.
    pub may_send: bool,
    /// Where the account comes from.
    pub source: &'static str,
    /// The connection that keeps the account; empty for an account that is kept here.
    pub keeper: String,
    /// Groups.
    pub groups: Vec<String>,
    /// Roles that are held directly.
    pub roles: Vec<String>,
}

/// An invitation in a list.
#[derive(Clone, Debug)]
pub struct InvitationRow {
    /// Its id.
    pub id: String,
    /// To whom.
    pub email: String,
    /// The person's name.
    pub name: String,
    /// The state.
    pub badge: Badge,
    /// Why, if it is failed or cancelled; may be empty.
    pub reason: String,
    /// What it brings.
    pub access: Vec<String>,
    /// How often it was sent, in words.
    pub sent: String,
    /// When it was sent last.
    pub last_sent: Moment,
    /// How far away its end is; empty when it is over.
    pub ends_in: String,
    /// When it ends or ended.
    pub ends: Moment,
    /// Whether it may be sent again now.
    pub may_resend: bool,
    /// From when on it may be sent again.
    pub resend_from: Option<Moment>,
    /// Whether it may be taken back.
    pub may_cancel: bool,
}

/// `GET …/people`.
#[derive(Template)]
#[template(path = "admin_people.html")]
pub struct PeoplePage {
    /// The frame.
    pub shell: Shell,
    /// What was done just now; empty for nothing.
    pub notice: &'static str,
    /// What went wrong just now; empty for nothing.
    pub alert: String,
    /// Open invitations, the first of them.
    pub rows: Vec<InvitationRow>,
    /// Whether there are more of them.
    pub more_open: bool,
    /// What was searched for.
    pub search: String,
    /// Whether people may be put into groups.
    pub may_group: bool,
    /// The members.
    pub people: Vec<PersonRow>,
    /// The address of the first page.
    pub first: String,
    /// The address of the next page; empty on the last.
    pub next: String,
    /// Whether this is a later page.
    pub later: bool,
}

/// The form for one person.
#[derive(Template)]
#[template(path = "admin_register.html")]
pub struct RegisterPage {
    /// The frame.
    pub shell: Shell,
    /// What is wrong.
    pub errors: Errors,
    /// The user name as typed.
    pub user_name: String,
    /// The first name as typed.
    pub given_name: String,
    /// The surname as typed.
    pub family_name: String,
    /// The e-mail address as typed.
    pub email: String,
    /// The phone number as typed.
    pub phone: String,
    /// The languages of the mail.
    pub languages: Vec<Choice>,
    /// The chosen way to a password: `link`, `generated` or `set`.
    pub link: bool,
    /// As before.
    pub generated: bool,
    /// As before.
    pub set: bool,
    /// Whether a generated password must be changed.
    pub change_generated: bool,
    /// Whether a password that is set here must be changed.
    pub change_set: bool,
    /// How many days a mailed link works.
    pub link_days: u32,
    /// What the person is given.
    pub access: AccessForm,
}

/// Somebody was registered.
#[derive(Template)]
#[template(path = "admin_registered.html")]
pub struct RegisteredPage {
    /// The frame.
    pub shell: Shell,
    /// What people see.
    pub name: String,
    /// The user name.
    pub user_name: String,
    /// The e-mail address; may be empty.
    pub email: String,
    /// Groups.
    pub groups: Vec<String>,
    /// Roles.
    pub roles: Vec<String>,
    /// What happens next.
    pub next_step: String,
    /// The generated password, and itself sealed for the download; shown once.
    pub password: Option<(String, String)>,
}

/// The form for many people.
#[derive(Template)]
#[template(path = "admin_bulk.html")]
pub struct BulkPage {
    /// The frame.
    pub shell: Shell,
    /// What is wrong.
    pub errors: Errors,
    /// The list as typed.
    pub people: String,
    /// Whether each gets a link.
    pub link: bool,
    /// Whether a password is generated for each.
    pub generated: bool,
    /// Whether a generated password must be changed.
    pub change_generated: bool,
    /// Whether nobody is registered unless everybody can be.
    pub whole: bool,
    /// How many days a mailed link works.
    pub link_days: u32,
    /// The most people at once.
    pub most: usize,
    /// What everybody is given.
    pub access: AccessForm,
}

/// A row of a preview or of results.
#[derive(Clone, Debug)]
pub struct ResultRow {
    /// The number by which people count it.
    pub number: usize,
    /// Whom it is about.
    pub label: String,
    /// What becomes of it.
    pub badge: Badge,
    /// What to know or to do.
    pub notes: Vec<String>,
}

/// What a list would do, or did.
#[derive(Template)]
#[template(path = "admin_results.html")]
pub struct ResultsPage {
    /// The frame.
    pub shell: Shell,
    /// The heading.
    pub title: String,
    /// One sentence: how many of what.
    pub summary: String,
    /// What is wrong with the whole; empty for nothing.
    pub alert: String,
    /// The rows.
    pub rows: Vec<ResultRow>,
    /// What goes for all: a line each.
    pub access: Vec<String>,
    /// Where the form behind the button goes; empty when there is no button.
    pub action: String,
    /// What the button says.
    pub button: String,
    /// Where the form back to the list goes; empty when there is none.
    pub back: String,
    /// The sealed list.
    pub sealed: String,
    /// The sealed file with the results; empty before there are any.
    pub file: String,
    /// Whether the file holds passwords.
    pub secret: bool,
}

/// What was typed, while its person proves once more who they are.
#[derive(Template)]
#[template(path = "admin_kept.html")]
pub struct KeptPage {
    /// The frame.
    pub shell: Shell,
    /// Where what was typed goes.
    pub action: String,
    /// Where the person proves who they are.
    pub prove: String,
    /// Whether a password was typed, which is not kept.
    pub loses_password: bool,
    /// What was typed, by the names of the fields.
    pub fields: Vec<(String, String)>,
}

/// The form for invitations.
#[derive(Template)]
#[template(path = "admin_invite.html")]
pub struct InvitePage {
    /// The frame.
    pub shell: Shell,
    /// What is wrong.
    pub errors: Errors,
    /// The people as typed.
    pub people: String,
    /// The languages of the mail.
    pub languages: Vec<Choice>,
    /// The most people at once.
    pub most: usize,
    /// How many days an invitation lives.
    pub days: u32,
    /// What everybody is given.
    pub access: AccessForm,
}

/// A list of invitations under its tab.
#[derive(Template)]
#[template(path = "admin_invitations.html")]
pub struct InvitationsPage {
    /// The frame.
    pub shell: Shell,
    /// What was done just now; empty for nothing.
    pub notice: &'static str,
    /// What went wrong just now; empty for nothing.
    pub alert: String,
    /// The tabs: their word, name, and whether it is this one.
    pub tabs: Vec<Choice>,
    /// The word of this tab.
    pub tab: &'static str,
    /// The invitations.
    pub rows: Vec<InvitationRow>,
    /// The address of the first page.
    pub first: String,
    /// The address of the next page; empty on the last.
    pub next: String,
    /// Whether this is a later page.
    pub later: bool,
}

/// Whether to take an invitation back.
#[derive(Template)]
#[template(path = "admin_cancel.html")]
pub struct CancelPage {
    /// The frame.
    pub shell: Shell,
    /// The invitation.
    pub row: InvitationRow,
}

#[cfg(test)]
mod tests;
