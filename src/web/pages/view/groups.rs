//! What the console's pages of groups and of access keys show.

use askama::Template;

use super::admin::{AccessForm, Badge, Choice, Errors, Moment, Shell};

/// A group in the list.
#[derive(Clone, Debug)]
pub struct GroupRow {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// `Local`, `SCIM`, `Mapped` or `System`.
    pub source: &'static str,
    /// The connection that keeps it; empty for a group that is kept here.
    pub keeper: String,
    /// How many members it has.
    pub members: i64,
    /// The roles that it gives.
    pub roles: Vec<String>,
}

/// `GET …/groups`.
#[derive(Template)]
#[template(path = "admin_groups.html")]
pub struct GroupsPage {
    /// The frame.
    pub shell: Shell,
    /// What was done just now; empty for nothing.
    pub notice: &'static str,
    /// What went wrong just now; empty for nothing.
    pub alert: String,
    /// What was searched for.
    pub search: String,
    /// The groups.
    pub groups: Vec<GroupRow>,
    /// Whether groups may be changed.
    pub may_change: bool,
    /// The address of the first page.
    pub first: String,
    /// The address of the next page; empty on the last.
    pub next: String,
    /// Whether this is a later page.
    pub later: bool,
}

/// The step of the wizard in which a group is named: the group is there when it is done.
#[derive(Template)]
#[template(path = "admin_group_new.html")]
pub struct NewGroupPage {
    /// The frame.
    pub shell: Shell,
    /// What is wrong.
    pub errors: Errors,
    /// The name as typed.
    pub name: String,
    /// The description as typed.
    pub description: String,
}

/// A later step of the wizard, about a group that is there already.
#[derive(Template)]
#[template(path = "admin_group_roles.html")]
pub struct NewGroupRolesPage {
    /// The frame.
    pub shell: Shell,
    /// What is wrong.
    pub errors: Errors,
    /// The group's id.
    pub group: String,
    /// The group's name.
    pub name: String,
    /// What it gives already.
    pub held: Vec<String>,
    /// What it can give.
    pub access: AccessForm,
}

/// The last step of the wizard.
#[derive(Template)]
#[template(path = "admin_group_people.html")]
pub struct NewGroupMembersPage {
    /// The frame.
    pub shell: Shell,
    /// What is wrong.
    pub errors: Errors,
    /// What was done just now; empty for nothing.
    pub notice: String,
    /// The group's id.
    pub group: String,
    /// The group's name.
    pub name: String,
    /// The people as typed.
    pub people: String,
}

/// The connection that keeps a group.
#[derive(Clone, Debug)]
pub struct Lock {
    /// Its name.
    pub name: String,
    /// Where its administrators change things; empty where nobody said so.
    pub admin_url: String,
    /// The page of its mapping, for whoever may open it.
    pub mapping: Option<String>,
    /// When it was heard last.
    pub last_sync: Option<Moment>,
}

/// What stands above each tab of a group.
#[derive(Clone, Debug)]
pub struct GroupHead {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// Where it comes from.
    pub source: &'static str,
    /// Who keeps it, if it isn't the organisation.
    pub lock: Option<Lock>,
    /// Whether it is predefined: its members change, its name and roles don't.
    pub is_system: bool,
    /// How many members it has.
    pub members: i64,
    /// The tabs: their page under the group's, their word, and whether it is this one.
    pub tabs: Vec<Choice>,
    /// What was done just now; empty for nothing.
    pub notice: String,
    /// What went wrong just now; empty for nothing.
    pub alert: String,
}

/// A member of a group.
#[derive(Clone, Debug)]
pub struct MemberRow {
    /// The membership.
    pub member: String,
    /// What people see.
    pub name: String,
    /// The user name.
    pub user_name: String,
    /// Where the place comes from, in words.
    pub source: String,
    /// Until when the place lasts unless it is renewed.
    pub until: Option<Moment>,
    /// Whether it may be taken here.
    pub may_remove: bool,
}

/// The members of a group.
#[derive(Template)]
#[template(path = "admin_group_members.html")]
pub struct MembersPage {
    /// The frame.
    pub shell: Shell,
    /// What stands above.
    pub head: GroupHead,
    /// What is wrong with what was typed.
    pub errors: Errors,
    /// The people as typed.
    pub people: String,
    /// Whether members may be put in and taken out.
    pub may_change: bool,
    /// The members.
    pub members: Vec<MemberRow>,
    /// The address of the first page.
    pub first: String,
    /// The address of the next page; empty on the last.
    pub next: String,
    /// Whether this is a later page.
    pub later: bool,
}

/// A role that a group gives.
#[derive(Clone, Debug)]
pub struct RoleRow {
    /// The binding.
    pub id: String,
    /// The role, and on what.
    pub title: String,
    /// The time in which it is given; empty for always.
    pub window: String,
    /// Whether the person who looks may take it.
    pub may_take: bool,
}

/// What a group gives.
#[derive(Template)]
#[template(path = "admin_group_permissions.html")]
pub struct PermissionsPage {
    /// The frame.
    pub shell: Shell,
    /// What stands above.
    pub head: GroupHead,
    /// What is wrong with what was chosen.
    pub errors: Errors,
    /// The roles.
    pub roles: Vec<RoleRow>,
    /// Whether any of them may be taken.
    pub may_take: bool,
    /// Whether the person who looks may give any here.
    pub may_give: bool,
    /// What may be given.
    pub access: AccessForm,
}

/// A group's name and description, and its end.
#[derive(Template)]
#[template(path = "admin_group_settings.html")]
pub struct SettingsPage {
    /// The frame.
    pub shell: Shell,
    /// What stands above.
    pub head: GroupHead,
    /// What is wrong with what was typed.
    pub errors: Errors,
    /// The name as typed.
    pub name: String,
    /// The description as typed.
    pub description: String,
    /// Whether it may be changed and deleted.
    pub may_change: bool,
}

/// Somebody for whom something changes.
#[derive(Clone, Debug)]
pub struct ImpactRow {
    /// The membership.
    pub member: String,
    /// The user name.
    pub user_name: String,
    /// What is lost.
    pub lost: Vec<String>,
    /// What is kept, and through what.
    pub kept: Vec<String>,
    /// What ends.
    pub badge: Badge,
}

/// What an act would do, as the door worked it out in a dry run.
#[derive(Clone, Debug, Default)]
pub struct Impact {
    /// The people, the first of them.
    pub rows: Vec<ImpactRow>,
    /// How many more there are.
    pub more: usize,
    /// One sentence: how much ends.
    pub summary: String,
}

/// What is taken from a group, before it is taken: members or roles.
#[derive(Template)]
#[template(path = "admin_group_review.html")]
pub struct ReviewPage {
    /// The frame.
    pub shell: Shell,
    /// The heading.
    pub title: String,
    /// The group's id.
    pub group: String,
    /// Where the form goes, under the group's path.
    pub action: &'static str,
    /// Where the link back goes, under the group's path.
    pub back: &'static str,
    /// The name of the field that carries what is taken.
    pub field: &'static str,
    /// What is taken: what is sent, and what is shown.
    pub taken: Vec<Choice>,
    /// Whether further members can be named; what was typed stands in `people`.
    pub may_add: bool,
    /// The people as typed.
    pub people: String,
    /// What is wrong with what was typed.
    pub errors: Errors,
    /// What the act would do.
    pub impact: Impact,
    /// What the button says.
    pub button: String,
}

/// Whether to delete a group.
#[derive(Template)]
#[template(path = "admin_group_delete.html")]
pub struct DeleteGroupPage {
    /// The frame.
    pub shell: Shell,
    /// What is wrong with what was typed.
    pub errors: Errors,
    /// The group's id.
    pub group: String,
    /// The group's name.
    pub name: String,
    /// What was typed.
    pub typed: String,
    /// The roles that it gives.
    pub roles: Vec<String>,
    /// How many members it has.
    pub members: i64,
    /// What deleting it would do.
    pub impact: Impact,
}

/// An access key in the list.
#[derive(Clone, Debug)]
pub struct KeyRow {
    /// Who made it.
    pub creator: String,
    /// Whose it is, where somebody else made it; may be empty.
    pub holder: String,
    /// What people call it.
    pub name: String,
    /// Its id.
    pub id: String,
    /// The project's key.
    pub project: String,
    /// When it ends.
    pub expires: Moment,
    /// How it stands, unless it simply works.
    pub badge: Option<Badge>,
}

/// A column that the list can be ordered by.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name in the address.
    pub name: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// The address of the list in this order, or in the opposite one.
    pub href: String,
    /// `ascending` or `descending` where the list is ordered by it; else empty.
    pub order: &'static str,
}

/// `GET …/access-keys`.
#[derive(Template)]
#[template(path = "admin_keys.html")]
pub struct KeysPage {
    /// The frame.
    pub shell: Shell,
    /// The columns.
    pub columns: Vec<Column>,
    /// The keys.
    pub keys: Vec<KeyRow>,
    /// How many there are in all.
    pub count: usize,
    /// Whether only those are shown whose time is over.
    pub expired: bool,
    /// The order as the address says it, for the form.
    pub sort: &'static str,
    /// As before.
    pub order: &'static str,
    /// The address of the list of all, or of those whose time is over.
    pub other: String,
    /// The address of the first page.
    pub first: String,
    /// The address of the next page; empty on the last.
    pub next: String,
    /// Whether this is a later page.
    pub later: bool,
}
