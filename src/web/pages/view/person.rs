//! What the pages of one person show in the console: the frame with its tabs, and what stands under each of them.

use askama::Template;

use super::admin::{Badge, Choice, GroupChoice, MailLine, Moment, RoleChoice, Shell};

/// A tab: an address of its own.
#[derive(Clone, Debug)]
pub struct TabLink {
    /// Its id on the page.
    pub id: &'static str,
    /// What it is called.
    pub word: &'static str,
    /// Where it is.
    pub href: String,
    /// Whether it is the one that is shown.
    pub here: bool,
}

/// The connection that keeps an account.
#[derive(Clone, Debug)]
pub struct Keeper {
    /// Its name.
    pub name: String,
    /// Where its administrators change things, if that is said and is a web page.
    pub admin_url: Option<String>,
    /// The page of its mapping, for whoever may open it.
    pub mapping: Option<String>,
    /// When it was heard of last.
    pub last_sync: Option<Moment>,
}

/// What stands around every tab.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The membership.
    pub member: String,
    /// What people see; the user name where there is no name.
    pub name: String,
    /// The word of the page.
    pub word: &'static str,
    /// The tabs that may be opened.
    pub tabs: Vec<TabLink>,
    /// The state.
    pub badge: Badge,
    /// Who keeps the account, if a connection does.
    pub keeper: Option<Keeper>,
    /// What was done just now; empty for nothing.
    pub notice: &'static str,
    /// What went wrong just now; empty for nothing.
    pub alert: String,
}

/// A fact and its value.
#[derive(Clone, Debug)]
pub struct Fact {
    /// What it is.
    pub name: &'static str,
    /// Its value.
    pub value: String,
}

/// How an account is guarded.
#[derive(Clone, Debug)]
pub struct Guarded {
    /// Its second factors, and whether it is locked.
    pub facts: Vec<Fact>,
    /// Whether the lock may be lifted here.
    pub may_unlock: bool,
    /// Whether the second factors may be taken away here.
    pub may_reset: bool,
}

/// The tab "Account".
#[derive(Template)]
#[template(path = "person_account.html")]
pub struct AccountPage {
    /// The frame of the console.
    pub shell: Shell,
    /// The frame of the person.
    pub frame: Frame,
    /// The profile.
    pub profile: Vec<Fact>,
    /// How the account stands.
    pub facts: Vec<Fact>,
    /// What was mailed for the first password.
    pub mail: Option<MailLine>,
    /// Whether the link may be sent again.
    pub may_send: bool,
    /// How the account is guarded; `None` of one that nobody signs in with.
    pub guarded: Option<Guarded>,
}

/// A role that is given, and through what.
#[derive(Clone, Debug)]
pub struct GivenRow {
    /// The binding; empty where it isn't to be taken here.
    pub binding: String,
    /// What people call the role.
    pub role: String,
    /// The roles that it implies.
    pub implied: Vec<&'static str>,
    /// On what.
    pub scope: String,
    /// Through what: `Direct`, or a group, and by what the person is in it.
    pub source: String,
    /// When it ends, or begins.
    pub window: String,
}

/// A place in a group.
#[derive(Clone, Debug)]
pub struct PlaceRow {
    /// The group.
    pub name: String,
    /// What the group reaches: the scopes of its roles.
    pub scope: String,
    /// Where the place comes from.
    pub source: String,
}

/// Roles to give.
#[derive(Clone, Debug, Default)]
pub struct GiveForm {
    /// Roles on the organisation.
    pub roles: Vec<RoleChoice>,
    /// Projects.
    pub projects: Vec<Choice>,
    /// Roles on the chosen project.
    pub project_roles: Vec<Choice>,
}

impl GiveForm {
    /// Whether there is nothing to give.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.projects.is_empty()
    }
}

/// The tab "Roles and groups".
#[derive(Template)]
#[template(path = "person_roles.html")]
pub struct RolesPage {
    /// The frame of the console.
    pub shell: Shell,
    /// The frame of the person.
    pub frame: Frame,
    /// The state that the page shows, for finding out whether it still is so.
    pub seen: String,
    /// Whether nothing of it counts because the person may not sign in.
    pub idle: bool,
    /// Roles on the organisation.
    pub org_roles: Vec<GivenRow>,
    /// Roles on projects.
    pub project_roles: Vec<GivenRow>,
    /// Groups.
    pub places: Vec<PlaceRow>,
    /// Whether any role may be taken here.
    pub may_take: bool,
    /// Whether the groups may be changed.
    pub may_group: bool,
    /// What may be given.
    pub give: GiveForm,
}

/// The checklist of groups.
#[derive(Template)]
#[template(path = "person_groups.html")]
pub struct GroupsPage {
    /// The frame of the console.
    pub shell: Shell,
    /// The frame of the person.
    pub frame: Frame,
    /// The state that the page shows, for finding out whether it still is so.
    pub seen: String,
    /// The groups to tick.
    pub groups: Vec<GroupChoice>,
    /// Whether more exist than are listed.
    pub more: bool,
    /// The groups that stay as they are, whatever is ticked.
    pub fixed: Vec<PlaceRow>,
}

/// A project, and what the person holds on it.
#[derive(Clone, Debug)]
pub struct ProjectCard {
    /// Its id.
    pub id: String,
    /// Its key.
    pub key: String,
    /// Its name.
    pub name: String,
    /// The roles.
    pub roles: Vec<GivenRow>,
    /// Whether the person may be taken out of it here.
    pub may_leave: bool,
}

/// The tab "Projects".
#[derive(Template)]
#[template(path = "person_projects.html")]
pub struct ProjectsPage {
    /// The frame of the console.
    pub shell: Shell,
    /// The frame of the person.
    pub frame: Frame,
    /// The state that the page shows, for finding out whether it still is so.
    pub seen: String,
    /// The projects with any role.
    pub projects: Vec<ProjectCard>,
}

/// An application, and what the person has to do with it.
#[derive(Clone, Debug)]
pub struct ApplicationRow {
    /// Its name.
    pub name: String,
    /// Its client id.
    pub client_id: String,
    /// Whether the person may use it.
    pub badge: Badge,
    /// The last sign-in to it that is on record.
    pub last: Option<Moment>,
}

/// The tab "Applications".
#[derive(Template)]
#[template(path = "person_applications.html")]
pub struct ApplicationsPage {
    /// The frame of the console.
    pub shell: Shell,
    /// The frame of the person.
    pub frame: Frame,
    /// Whether the person is restricted to some applications.
    pub restricted: bool,
    /// Those that were used, and those that the person is restricted to.
    pub rows: Vec<ApplicationRow>,
}

/// An access key, without anything secret.
#[derive(Clone, Debug)]
pub struct KeyRow {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The project's key.
    pub project: String,
    /// When it ends.
    pub expires: Moment,
    /// How it stands.
    pub badge: Badge,
}

/// The tab "Access keys".
#[derive(Template)]
#[template(path = "person_keys.html")]
pub struct KeysPage {
    /// The frame of the console.
    pub shell: Shell,
    /// The frame of the person.
    pub frame: Frame,
    /// The keys.
    pub rows: Vec<KeyRow>,
}

/// A session.
#[derive(Clone, Debug)]
pub struct SessionRow {
    /// Its id.
    pub id: String,
    /// The browser, as it named itself.
    pub device: String,
    /// The address that it began at.
    pub address: String,
    /// When the person signed in.
    pub signed_in: Moment,
    /// When it was used last.
    pub last_used: Moment,
    /// The client ids of the applications.
    pub applications: Vec<String>,
}

/// The tab "Sessions".
#[derive(Template)]
#[template(path = "person_sessions.html")]
pub struct SessionsPage {
    /// The frame of the console.
    pub shell: Shell,
    /// The frame of the person.
    pub frame: Frame,
    /// The sessions, the newest first.
    pub rows: Vec<SessionRow>,
    /// Whether they may be ended.
    pub may_end: bool,
}

/// Whether to do what takes something away.
#[derive(Template)]
#[template(path = "person_confirm.html")]
pub struct ConfirmPage {
    /// The frame of the console.
    pub shell: Shell,
    /// The question.
    pub title: String,
    /// What ends, in a sentence.
    pub impact: String,
    /// What the person no longer holds, a line each.
    pub lost: Vec<String>,
    /// What the person holds from then on, a line each.
    pub gained: Vec<String>,
    /// Where the form goes, and where the way back leads.
    pub action: String,
    /// The form's fields.
    pub fields: Vec<(String, String)>,
    /// What the button says.
    pub button: &'static str,
}

#[cfg(test)]
mod tests;
