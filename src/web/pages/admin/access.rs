//! What an administrator may give somebody who comes in: groups, roles on the organisation and on projects, a bundle.
//!
//! Only what lies within the person's own reach is offered, and the owner's role never. What was posted is measured
//! again here, so that the page can say what is wrong; whatever passes is judged by the door.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::form::Form;
use super::shell::Desk;
use crate::domain::access::reach::{OwnRoles, Reach, words};
use crate::domain::access::{Role, Scope, Window, permission};
use crate::domain::people::invitation::{Access, Offered};
use crate::kernel::id::{GroupId, ProjectId};
use crate::store::bindings::OwnRole;
use crate::store::bundles::Bundle;
use crate::store::db::{Conn, Result};
use crate::store::groups::Group;
use crate::store::orgs::Project;
use crate::store::{bindings, bundles, groups, orgs};
use crate::web::pages::view::admin::{AccessForm, Choice, GroupChoice, ProjectRow, RoleChoice};

/// So many groups and bundles are listed; people are put into others afterwards.
const MOST_LISTED: usize = 300;
/// So many projects at once; the rows of the form.
const MOST_ROWS: usize = 20;
const FEWEST_ROWS: usize = 2;
/// What stands for every project in the form.
const ALL: &str = "*";

/// What was chosen, as it was posted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Chosen {
    groups: BTreeSet<String>,
    roles: BTreeSet<String>,
    projects: Vec<(String, String)>,
    /// How many rows for projects the page had.
    rows: usize,
    bundle: String,
}

impl Chosen {
    /// Reads the form's part.
    #[must_use]
    pub fn of(form: &Form) -> Self {
        let texts = |name: &str| form.all(name).filter(|text| !text.is_empty()).map(str::to_owned).collect();
        let pairs = form.all("project").zip(form.all("project_role"));
        let whole = pairs.filter(|(project, role)| !project.is_empty() || !role.is_empty()).take(MOST_ROWS);
        Self {
            groups: texts("group"),
            roles: texts("role"),
            projects: whole.map(|(project, role)| (project.to_owned(), role.to_owned())).collect(),
            rows: form.all("project").count().min(MOST_ROWS),
            bundle: form.text("bundle").to_owned(),
        }
    }

    /// Reads a form that gives roles on the organisation, and several on one project.
    #[must_use]
    pub fn on_one_project(form: &Form) -> Self {
        let project = form.text("project").to_owned();
        let roles = form.all("project_role").map(|role| (project.clone(), role.to_owned()));
        let mut projects: Vec<(String, String)> = roles.collect();
        if projects.is_empty() && !project.is_empty() {
            projects.push((project, String::new()));
        }
        Self { roles: form.all("role").map(str::to_owned).collect(), projects, ..Self::default() }
    }

    /// The choice that makes an access again.
    #[must_use]
    pub fn again(access: &Access) -> Self {
        let mut chosen = Self { groups: access.groups.iter().map(ToString::to_string).collect(), ..Self::default() };
        for Offered { role, scope, .. } in &access.roles {
            match scope {
                Scope::Org => {
                    chosen.roles.insert(role.to_string());
                }
                Scope::Project(id) => chosen.projects.push((id.to_string(), role.to_string())),
                Scope::AllProjects => chosen.projects.push((ALL.to_owned(), role.to_string())),
            }
        }
        chosen
    }
}

/// What may be given.
pub struct Offer {
    groups: Vec<Group>,
    more_groups: bool,
    roles: Vec<(Role, String)>,
    project_roles: Vec<(Role, String)>,
    projects: Vec<Project>,
    all_projects: bool,
    bundles: Vec<Bundle>,
    own: OwnRoles,
}

impl Offer {
    /// Reads what the person at the desk may give.
    ///
    /// # Errors
    /// The database's.
    pub async fn read(conn: &mut Conn, desk: &Desk) -> Result<Self> {
        let (reach, org) = (&desk.reach, &desk.org);
        let own = bindings::own_roles(conn, org).await?;
        let roles = named(reach, &own, &Scope::Org);
        let mut projects = orgs::projects(conn, org).await?;
        let mut project_roles: BTreeMap<Role, String> = BTreeMap::new();
        projects.retain(|project| {
            let found = named(reach, &own, &Scope::Project(project.id.clone()));
            let any = !found.is_empty();
            project_roles.extend(found);
            any
        });
        let on_all = named(reach, &own, &Scope::AllProjects);
        let all_projects = !on_all.is_empty();
        project_roles.extend(on_all);
        let (groups, more_groups) = groups_within(conn, desk).await?;
        let mut offered = bundles::page(conn, org, "", MOST_LISTED).await?;
        offered.retain(|one| !one.grants.is_empty() && one.grants.iter().all(|(role, on)| reach.may_bind(role, on)));
        let own = own.into_iter().map(|role| (role.key, role.permissions)).collect();
        let project_roles = project_roles.into_iter().collect();
        Ok(Self { groups, more_groups, roles, project_roles, projects, all_projects, bundles: offered, own })
    }

    /// The form's part, with what was chosen; `add_row` for one row more than the page had.
    #[must_use]
    pub fn form(&self, chosen: &Chosen, add_row: bool) -> AccessForm {
        let groups = self.groups.iter().map(|group| GroupChoice {
            chosen: chosen.groups.contains(group.id.as_str()),
            id: group.id.to_string(),
            name: group.name.clone(),
            description: group.description.clone(),
        });
        let roles = self.roles.iter().map(|(role, title)| RoleChoice {
            chosen: chosen.roles.contains(role.as_str()),
            key: role.to_string(),
            title: title.clone(),
            allows: allows(role, &self.own),
        });
        let bundle = |one: &Bundle| choice(one.id.as_str(), &one.name, &chosen.bundle);
        let shown = chosen.rows.max(chosen.projects.len());
        let count = (shown + usize::from(add_row)).clamp(FEWEST_ROWS, MOST_ROWS);
        let empty = (String::new(), String::new());
        let rows = (0..count).map(|place| self.row(place + 1, chosen.projects.get(place).unwrap_or(&empty)));
        let any_project = !self.projects.is_empty() || self.all_projects;
        AccessForm {
            groups: groups.collect(),
            more_groups: self.more_groups,
            roles: roles.collect(),
            rows: if any_project { rows.collect() } else { Vec::new() },
            may_add: count < MOST_ROWS,
            bundles: self.bundles.iter().map(bundle).collect(),
        }
    }

    fn row(&self, number: usize, (project, role): &(String, String)) -> ProjectRow {
        let named = self
            .projects
            .iter()
            .map(|found| choice(found.id.as_str(), &format!("{} ({})", found.name, found.key), project));
        let all = self.all_projects.then(|| choice(ALL, "All projects, later ones too", project));
        let roles = self.project_roles.iter().map(|(found, title)| choice(found.as_str(), title, role));
        ProjectRow { number, projects: named.chain(all).collect(), roles: roles.collect() }
    }

    /// The access that was chosen.
    ///
    /// # Errors
    /// What is wrong with it, for the person who chose.
    pub fn chosen(&self, reach: &Reach, chosen: &Chosen) -> std::result::Result<Access, String> {
        let mut access = Access::default();
        for id in &chosen.groups {
            let found = self.groups.iter().find(|group| group.id.as_str() == id);
            access.groups.insert(found.ok_or("One of the groups can't be given (any more). Choose again.")?.id.clone());
        }
        let mut wanted: Vec<(Role, Scope)> = Vec::new();
        for key in &chosen.roles {
            wanted.push((key.parse().map_err(|_| format!("\"{key}\" is no role."))?, Scope::Org));
        }
        for (project, role) in &chosen.projects {
            wanted.push(self.on_project(project, role)?);
        }
        if !chosen.bundle.is_empty() {
            let found = self.bundles.iter().find(|bundle| bundle.id.as_str() == chosen.bundle);
            wanted.extend(found.ok_or("This bundle can't be given (any more). Choose again.")?.grants.iter().cloned());
        }
        for (role, scope) in wanted {
            if !reach.may_bind(&role, &scope) {
                return Err(format!("You can't give {role} there: it reaches further than your own roles."));
            }
            let offered = Offered { role, scope, window: Window::ALWAYS };
            if !access.roles.contains(&offered) {
                access.roles.push(offered);
            }
        }
        Ok(access)
    }

    fn on_project(&self, project: &str, role: &str) -> std::result::Result<(Role, Scope), String> {
        if project.is_empty() || role.is_empty() {
            return Err("Choose a project and a role together: a project role needs its project.".to_owned());
        }
        let role: Role = role.parse().map_err(|_| format!("\"{role}\" is no role."))?;
        if project == ALL {
            return Ok((role, Scope::AllProjects));
        }
        let found = self.projects.iter().find(|found| found.id.as_str() == project);
        let found = found.ok_or("One of the projects can't be given (any more). Choose again.")?;
        Ok((role, Scope::Project(found.id.clone())))
    }

    /// An access in words, a line each: what it brings.
    #[must_use]
    pub fn lines(&self, access: &Access) -> Vec<String> {
        let groups = self.groups.iter().map(|group| (group.id.clone(), group.name.clone())).collect();
        lines(access, &groups, &self.projects)
    }
}

/// The roles that may be given on a scope, with what people call them.
fn named(reach: &Reach, own: &[OwnRole], scope: &Scope) -> Vec<(Role, String)> {
    let built_in = Role::BUILT_IN.iter().map(|role| (role.clone(), role.title().to_owned()));
    let own = own.iter().map(|role| (Role::Own(role.key.clone()), role.name.clone()));
    built_in.chain(own).filter(|(role, _)| reach.may_bind(role, scope)).collect()
}

/// The groups whose every role may be given, and that no connection owns; and whether there are more than are listed.
async fn groups_within(conn: &mut Conn, desk: &Desk) -> Result<(Vec<Group>, bool)> {
    let all = groups::of_org(conn, &desk.org).await?;
    let more = all.len() > MOST_LISTED;
    let everything = desk.reach.may_bind(&Role::OrgAdmin, &Scope::Org);
    let mut found = Vec::new();
    for group in all.into_iter().take(MOST_LISTED).filter(|group| group.source.connection().is_none()) {
        let within = everything || {
            let roles = bindings::of_group(conn, &desk.org, &group.id).await?;
            roles.iter().all(|binding| desk.reach.may_bind(&binding.role, &binding.scope))
        };
        if within {
            found.push(group);
        }
    }
    Ok((found, more))
}

fn choice(value: &str, label: &str, chosen: &str) -> Choice {
    Choice { value: value.to_owned(), label: label.to_owned(), chosen: value == chosen }
}

/// What a role allows, in the catalogue's sentences.
fn allows(role: &Role, own: &OwnRoles) -> Vec<&'static str> {
    let held = words(role, own);
    let all = permission::ORG.iter().chain(permission::PROJECT);
    all.filter(|(word, _)| held.contains(word)).map(|(_, text)| *text).collect()
}

/// An access in words, with the names of its groups and projects; what is gone meanwhile brings nothing.
#[must_use]
pub fn lines(access: &Access, groups: &BTreeMap<GroupId, String>, projects: &[Project]) -> Vec<String> {
    let of_groups = access.groups.iter().filter_map(|id| groups.get(id)).map(|name| format!("Group {name}"));
    let of_roles = access.roles.iter().filter_map(|offered| role_line(&offered.role, &offered.scope, projects));
    of_groups.chain(of_roles).collect()
}

/// A role on a scope, in words; `None` when the project is gone.
#[must_use]
pub fn role_line(role: &Role, scope: &Scope, projects: &[Project]) -> Option<String> {
    let title = match role {
        Role::Own(key) => key.as_str(),
        built_in => built_in.title(),
    };
    let name = |id: &ProjectId| projects.iter().find(|project| project.id == *id).map(|project| project.key.as_str());
    match scope {
        Scope::Org => Some(title.to_owned()),
        Scope::AllProjects => Some(format!("{title} on all projects")),
        Scope::Project(id) => name(id).map(|key| format!("{title} on {key}")),
    }
}
