//! What somebody is given, and through what: each role with its scope and its source, each place in a group with its own.
//!
//! It is what the bindings say, so that it can be taken here too while the person may not sign in.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::access::reach::Reach;
use crate::domain::access::{Binding, Role, Scope, Subject};
use crate::domain::source::Source;
use crate::kernel::id::{GroupId, ProjectId};
use crate::kernel::time::UnixMillis;
use crate::store::access_read::{self, Given};
use crate::store::bindings::{self, OwnRole};
use crate::store::db::{Conn, Result};
use crate::store::orgs::{self, Project};
use crate::store::people_read::{self, GroupName, Person};
use crate::web::pages::admin::people;
use crate::web::pages::admin::shell::Desk;
use crate::web::pages::me::date;
use crate::web::pages::view::person::{GivenRow, PlaceRow};

/// What roles and scopes of an organisation are called.
pub struct Names {
    projects: Vec<Project>,
    own: Vec<OwnRole>,
}

impl Names {
    /// Reads them.
    ///
    /// # Errors
    /// The database's.
    pub async fn read(conn: &mut Conn, desk: &Desk) -> Result<Self> {
        let mut projects = orgs::projects(conn, &desk.org).await?;
        projects.retain(|project| sees(&desk.reach, &project.id));
        Ok(Self { projects, own: bindings::own_roles(conn, &desk.org).await? })
    }

    /// The organisation's projects that the reader may know of, by key.
    #[must_use]
    pub fn projects(&self) -> &[Project] {
        &self.projects
    }

    /// A role.
    #[must_use]
    pub fn role(&self, role: &Role) -> String {
        match role {
            Role::Own(key) => self.own.iter().find(|own| own.key == *key).map_or(key, |own| &own.name).clone(),
            built_in => built_in.title().to_owned(),
        }
    }

    /// A scope. A project that is gone meanwhile, or that the reader doesn't know of, is called by its id.
    #[must_use]
    pub fn scope(&self, scope: &Scope) -> String {
        match scope {
            Scope::Org => "Organisation".to_owned(),
            Scope::AllProjects => "All projects".to_owned(),
            Scope::Project(id) => {
                let found = self.projects.iter().find(|project| project.id == *id);
                found.map_or_else(|| id.to_string(), |project| project.key.clone())
            }
        }
    }

    /// A role on a scope.
    #[must_use]
    pub fn line(&self, role: &Role, scope: &Scope) -> String {
        match scope {
            Scope::Org => self.role(role),
            Scope::AllProjects => format!("{} on all projects", self.role(role)),
            Scope::Project(_) => format!("{} on {}", self.role(role), self.scope(scope)),
        }
    }
}

/// Whether somebody may know that a project is there, as the API has it: by a permission on the organisation, or a role on
/// the project.
pub fn sees(reach: &Reach, project: &ProjectId) -> bool {
    match reach {
        Reach::Whole => true,
        Reach::Member { grants, .. } => {
            reach.allows("projects.read")
                || grants.iter().any(|((_, scope), _)| matches!(scope, Scope::Project(id) if id == project))
        }
    }
}

/// Everything that somebody is given.
pub struct Picture {
    /// What things are called.
    pub names: Names,
    /// The places in groups, by name.
    pub places: Vec<GroupName>,
    given: Vec<Given>,
    groups: BTreeMap<GroupId, String>,
    keepers: BTreeMap<String, String>,
    owner: bool,
    now: UnixMillis,
}

impl Picture {
    /// Reads it.
    ///
    /// # Errors
    /// The database's.
    pub async fn read(conn: &mut Conn, desk: &Desk, person: &Person) -> Result<Self> {
        let names = Names::read(conn, desk).await?;
        let mut given = access_read::reaching(conn, &person.member).await?;
        given.sort_by(|one, other| one.binding.id.cmp(&other.binding.id));
        let through: BTreeSet<GroupId> = given.iter().filter_map(|given| group(&given.binding)).cloned().collect();
        let groups = access_read::group_names(conn, &through).await?;
        let one = std::slice::from_ref(&person.member);
        let places = people_read::groups_of(conn, one).await?.remove(&person.member).unwrap_or_default();
        let mut keepers = BTreeMap::new();
        for id in places.iter().filter_map(|place| place.source.connection()) {
            people::keeper(conn, &mut keepers, id).await?;
        }
        Ok(Self { names, places, given, groups, keepers, owner: person.owner, now: desk.app.now() })
    }

    /// The roles on scopes that `on` chooses; those that are held directly, and that `desk` may take, can be ticked.
    #[must_use]
    pub fn rows(&self, desk: &Desk, on: impl Fn(&Scope) -> bool) -> Vec<GivenRow> {
        let chosen = self.given.iter().filter(|given| on(&given.binding.scope));
        let mut rows: Vec<GivenRow> = chosen.map(|given| self.row(desk, &given.binding)).collect();
        if self.owner && on(&Scope::Org) {
            rows.insert(0, self.ownership());
        }
        rows
    }

    fn row(&self, desk: &Desk, binding: &Binding) -> GivenRow {
        let Binding { id, role, scope, subject, .. } = binding;
        let (source, is_direct) = match subject {
            Subject::Member(_) => ("Direct".to_owned(), true),
            Subject::Group(id) => (self.through(id), false),
        };
        let may_take = is_direct && desk.reach.may_bind(role, scope);
        GivenRow {
            binding: if may_take { id.to_string() } else { String::new() },
            role: self.names.role(role),
            implied: role.implies().iter().map(Role::title).collect(),
            scope: self.names.scope(scope),
            source,
            window: self.window(binding),
        }
    }

    /// What the owner holds by owning.
    fn ownership(&self) -> GivenRow {
        GivenRow {
            binding: String::new(),
            role: self.names.role(&Role::OrgOwner),
            implied: Role::OrgOwner.implies().iter().map(Role::title).collect(),
            scope: self.names.scope(&Scope::Org),
            source: "Ownership".to_owned(),
            window: String::new(),
        }
    }

    /// A group, and by what the person is in it.
    fn through(&self, id: &GroupId) -> String {
        let name = self.groups.get(id).map_or(id.as_str(), String::as_str);
        let place = self.places.iter().find(|place| place.id == *id);
        match place.map(|place| &place.source) {
            Some(Source::Oidc(by)) => format!("Group {name}, mapped by {}", self.keeper(by)),
            Some(Source::Scim(by)) => format!("Group {name}, provisioned by {}", self.keeper(by)),
            Some(Source::Invitation(_)) => format!("Group {name}, by invitation"),
            Some(Source::Local | Source::System) | None => format!("Group {name}"),
        }
    }

    fn keeper<'a>(&'a self, id: &'a str) -> &'a str {
        self.keepers.get(id).map_or(id, String::as_str)
    }

    fn window(&self, binding: &Binding) -> String {
        let window = &binding.window;
        if self.now < window.not_before {
            format!("From {}", date(window.not_before))
        } else if window.not_after == UnixMillis::MAX {
            String::new()
        } else if window.not_after <= self.now {
            format!("Ended {}", date(window.not_after))
        } else {
            format!("Until {}", date(window.not_after))
        }
    }

    /// The places that `which` chooses, each with what its group reaches.
    #[must_use]
    pub fn places(&self, which: impl Fn(&GroupName) -> bool) -> Vec<PlaceRow> {
        let chosen = self.places.iter().filter(|place| which(place));
        chosen.map(|place| self.place(place)).collect()
    }

    fn place(&self, place: &GroupName) -> PlaceRow {
        let of_it = self.given.iter().filter(|given| group(&given.binding) == Some(&place.id));
        let scopes: BTreeSet<String> = of_it.map(|given| self.names.scope(&given.binding.scope)).collect();
        let scopes: Vec<String> = scopes.into_iter().collect();
        let source = match &place.source {
            Source::Oidc(by) => format!("Mapped by {}", self.keeper(by)),
            Source::Scim(by) => format!("Provisioned by {}", self.keeper(by)),
            Source::Invitation(_) => "Invitation".to_owned(),
            Source::Local | Source::System => "Direct".to_owned(),
        };
        PlaceRow {
            name: place.name.clone(),
            scope: if scopes.is_empty() { "No role yet".to_owned() } else { scopes.join(", ") },
            source: match place.expires_at {
                Some(at) => format!("{source}, until {}", date(at)),
                None => source,
            },
        }
    }

    /// Whether the person holds a role on a project directly.
    #[must_use]
    pub fn is_direct_on(&self, scope: &Scope) -> bool {
        self.given.iter().any(|given| given.binding.scope == *scope && group(&given.binding).is_none())
    }
}

const fn group(binding: &Binding) -> Option<&GroupId> {
    match &binding.subject {
        Subject::Group(id) => Some(id),
        Subject::Member(_) => None,
    }
}
