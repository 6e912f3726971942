//! What somebody holds in each of their organisations, and through what, as they see it themselves.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::App;
use crate::domain::access::{Binding, Bindings, Holder, Role, Scope, Subject, Via, effective};
use crate::kernel::id::{GroupId, ProjectId, UserId};
use crate::kernel::time::UnixMillis;
use crate::store::access_read::{self, Given};
use crate::store::bindings::{self, OwnRole};
use crate::store::db::Conn;
use crate::store::memberships::Entrance;
use crate::store::orgs::{self, Project};

/// A way by which a role comes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    /// The group through which it comes; `None` when it is direct.
    pub group: Option<String>,
    /// Whether it comes with owning the organisation.
    pub owned: bool,
    /// What the role is called that brings it along; `None` when it is given itself.
    pub implied_by: Option<String>,
    /// Whether it is given on all projects.
    pub on_all: bool,
    /// Since when it is given.
    pub since: Option<UnixMillis>,
    /// Until when; `None` is without an end.
    pub until: Option<UnixMillis>,
}

/// A role that is held on something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The role's text.
    pub role: String,
    /// What people call it.
    pub title: String,
    /// The key of the project that it is held on; `None` for the organisation and for all projects.
    pub project: Option<String>,
    /// Whether it is held on all projects, later ones included.
    pub on_all: bool,
    /// Every way by which it comes.
    pub ways: Vec<Way>,
}

impl Held {
    /// Whether it is held only because another role brings it along.
    #[must_use]
    pub fn is_implied(&self) -> bool {
        self.ways.iter().all(|way| way.implied_by.is_some() || way.on_all && !self.on_all)
    }
}

/// What the names in an organisation are.
struct Names {
    projects: Vec<Project>,
    own: Vec<OwnRole>,
    groups: BTreeMap<GroupId, String>,
}

impl Names {
    fn role(&self, role: &Role) -> String {
        match role {
            Role::Own(key) => self.own.iter().find(|own| own.key == *key).map_or(key, |own| &own.name).clone(),
            built_in => built_in.title().to_owned(),
        }
    }

    fn project(&self, id: &ProjectId) -> String {
        let found = self.projects.iter().find(|project| project.id == *id);
        found.map_or_else(|| id.to_string(), |project| project.key.clone())
    }

    fn way(&self, via: &Via, given: &[Given]) -> Way {
        let from = given.iter().find(|given| via.binding.as_ref() == Some(&given.binding.id));
        let end = from.map(|given| given.binding.window.not_after);
        Way {
            group: via.group.as_ref().map(|id| self.groups.get(id).cloned().unwrap_or_else(|| id.to_string())),
            owned: via.binding.is_none(),
            implied_by: via.implied_by.as_ref().map(|role| self.role(role)),
            on_all: via.covered_by.is_some(),
            since: from.map(|given| given.since),
            until: end.filter(|end| *end != UnixMillis::MAX),
        }
    }
}

/// What somebody holds at this moment in an organisation that they can enter: each role on each scope. Five statements.
///
/// # Errors
/// The database's.
pub async fn of(app: &App, conn: &mut Conn, user: &UserId, entrance: &Entrance) -> Result<Vec<Held>, sqlx::Error> {
    let given = access_read::reaching(conn, &entrance.member).await?;
    let through: BTreeSet<GroupId> = given.iter().filter_map(|given| group(&given.binding)).cloned().collect();
    let names = Names {
        projects: orgs::projects(conn, &entrance.org).await?,
        own: bindings::own_roles(conn, &entrance.org).await?,
        groups: access_read::group_names(conn, &through).await?,
    };
    let holder = Holder {
        id: entrance.member.clone(),
        user: user.clone(),
        active: true,
        owner: entrance.owner,
        groups: through,
    };
    let projects: Vec<ProjectId> = names.projects.iter().map(|project| project.id.clone()).collect();
    let bindings = Bindings::new(given.iter().map(|given| given.binding.clone()));
    let grants = effective(&holder, &bindings, &projects, app.now());
    let show = |((role, scope), ways): (&(Role, Scope), &BTreeSet<Via>)| {
        let ways: BTreeSet<Way> = ways.iter().map(|via| names.way(via, &given)).collect();
        Held {
            role: role.to_string(),
            title: names.role(role),
            project: match scope {
                Scope::Project(id) => Some(names.project(id)),
                Scope::Org | Scope::AllProjects => None,
            },
            on_all: *scope == Scope::AllProjects,
            ways: ways.into_iter().collect(),
        }
    };
    Ok(grants.iter().map(show).collect())
}

/// The projects on which somebody may have access keys: those on which they hold a role, by key.
///
/// # Errors
/// The database's.
pub async fn projects_for_keys(
    app: &App,
    conn: &mut Conn,
    user: &UserId,
    entrance: &Entrance,
) -> Result<Vec<Project>, sqlx::Error> {
    let held: BTreeSet<String> =
        of(app, conn, user, entrance).await?.into_iter().filter_map(|held| held.project).collect();
    let mut projects = orgs::projects(conn, &entrance.org).await?;
    projects.retain(|project| held.contains(&project.key));
    Ok(projects)
}

const fn group(binding: &Binding) -> Option<&GroupId> {
    match &binding.subject {
        Subject::Group(id) => Some(id),
        Subject::Member(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(implied_by: Option<&str>, on_all: bool) -> Way {
        let implied_by = implied_by.map(str::to_owned);
        Way { group: None, owned: false, implied_by, on_all, since: None, until: None }
    }

    fn held(ways: Vec<Way>) -> Held {
        let text = || "project.reader".to_owned();
        Held { role: text(), title: text(), project: Some("web".to_owned()), on_all: false, ways }
    }

    #[test]
    fn a_role_is_implied_when_no_way_gives_it_itself() {
        assert!(held(vec![way(Some("Project Admin"), false)]).is_implied());
        assert!(held(vec![way(None, true)]).is_implied(), "it stands once, on all projects");
        assert!(!held(vec![way(Some("Project Admin"), false), way(None, false)]).is_implied());
        assert!(!Held { on_all: true, ..held(vec![way(None, false)]) }.is_implied());
    }
}
