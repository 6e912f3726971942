//! What an application would be told of a member: now, and after acts that are only described.
//!
//! Nothing is written. Both answers come from one picture, by the functions that real tokens are made with.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::issue;
use crate::app::App;
use crate::domain::access::claims::Project;
use crate::domain::access::reach::OwnRoles;
use crate::domain::access::{Binding, Bindings, Holder, Role, Scope, Subject, effective};
use crate::domain::oauth::application::{Application, ApplicationState};
use crate::domain::people::user::{MembershipState, OrgState, UserState};
use crate::kernel::id::{BindingId, GroupId, MembershipId, OrgId, ProjectId};
use crate::kernel::time::UnixMillis;
use crate::store::db::Conn;
use crate::store::orgs::{self, Org};
use crate::store::people_read::{self, Person};
use crate::store::{access_read, bindings, groups, picture};

/// For what claims are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// The application that would get them; `None` is one without limits of its own.
    pub application: Option<Application>,
    /// Whether roles are asked for.
    pub roles: bool,
    /// Whether groups are asked for.
    pub groups: bool,
    /// The key of the one project that the token would be for.
    pub project: Option<String>,
}

/// An act that is only described.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Gives the member a role.
    Give(Binding),
    /// Takes a binding away, whoever holds it.
    Take(BindingId),
    /// Puts the member into a group.
    Join(GroupId),
    /// Takes the member out of a group.
    Leave(GroupId),
}

/// What would be told.
#[derive(Clone, Debug)]
pub enum Told {
    /// These claims.
    Claims(Map<String, Value>),
    /// Nothing: no token would be given, and why.
    Nothing(&'static str),
}

/// Both answers.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// At this moment.
    pub now: Told,
    /// After the deeds.
    pub then: Told,
}

/// Why nothing was simulated.
#[derive(Debug, thiserror::Error)]
pub enum Unclear {
    /// Something that is named is not there.
    #[error("{0} was not found")]
    Missing(&'static str),
    /// A deed that the door would refuse, whoever asks: which, and why.
    #[error("changes.{0}: {1}")]
    Refused(usize, &'static str),
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] sqlx::Error),
}

/// What is known of the member and the organisation, besides what is held.
struct Facts {
    org: Org,
    person: Person,
    projects: Vec<Project>,
    own_roles: OwnRoles,
    at: UnixMillis,
}

/// What the member holds, as the deeds change it.
#[derive(Clone)]
struct Holding {
    bindings: Vec<Binding>,
    groups: BTreeSet<GroupId>,
    taken: BTreeSet<BindingId>,
}

/// Says what an application would be told, now and after some deeds.
///
/// # Errors
/// Something that is named is not there, or a deed can't be carried out; the database's.
pub async fn simulate(
    app: &App,
    conn: &mut Conn,
    of: (&OrgId, &MembershipId),
    wish: &Wish,
    deeds: &[Deed],
) -> Result<Simulation, Unclear> {
    let (org, member) = of;
    let person = people_read::find(conn, org, member).await?.ok_or(Unclear::Missing("The user"))?;
    let found = orgs::find(conn, org).await?.ok_or(Unclear::Missing("The organisation"))?;
    let facts = Facts {
        projects: picture::projects(conn, org).await?,
        own_roles: picture::own_roles(conn, org).await?,
        at: app.now(),
        org: found,
        person,
    };
    let before = Holding {
        bindings: access_read::reaching(conn, member).await?.into_iter().map(|given| given.binding).collect(),
        groups: groups::ids_of_member(conn, member).await?,
        taken: BTreeSet::new(),
    };
    let mut after = before.clone();
    for (row, deed) in deeds.iter().enumerate() {
        carry_out(conn, &facts, &mut after, row, deed).await?;
    }
    Ok(Simulation {
        now: told(app, conn, &facts, wish, &before).await?,
        then: told(app, conn, &facts, wish, &after).await?,
    })
}

async fn carry_out(
    conn: &mut Conn,
    facts: &Facts,
    holding: &mut Holding,
    row: usize,
    deed: &Deed,
) -> Result<(), Unclear> {
    let org = &facts.org.id;
    match deed {
        Deed::Give(binding) => {
            if let Some(why) = unfit(facts, binding) {
                return Err(Unclear::Refused(row, why));
            }
            holding.bindings.push(binding.clone());
        }
        Deed::Take(id) => {
            bindings::find(conn, org, id).await?.ok_or(Unclear::Missing("The binding"))?;
            holding.bindings.retain(|binding| binding.id != *id);
            holding.taken.insert(id.clone());
        }
        Deed::Join(group) => {
            groups::find(conn, org, group).await?.ok_or(Unclear::Missing("The group"))?;
            if facts.person.kind.project().is_some() {
                return Err(Unclear::Refused(row, "A service account can't be in a group; give it roles directly."));
            }
            if holding.groups.insert(group.clone()) {
                let given = bindings::of_group(conn, org, group).await?;
                holding.bindings.extend(given.into_iter().filter(|binding| !holding.taken.contains(&binding.id)));
            }
        }
        Deed::Leave(group) => {
            groups::find(conn, org, group).await?.ok_or(Unclear::Missing("The group"))?;
            holding.groups.remove(group);
            holding.bindings.retain(|binding| binding.subject != Subject::Group(group.clone()));
        }
    }
    Ok(())
}

/// Why the door would refuse a binding, whoever asks.
fn unfit(facts: &Facts, binding: &Binding) -> Option<&'static str> {
    let project_known = match &binding.scope {
        Scope::Project(id) => facts.projects.iter().any(|project| project.id == *id),
        Scope::Org | Scope::AllProjects => true,
    };
    match &binding.role {
        Role::OrgOwner => Some("org.owner can't be given; transfer the ownership instead."),
        Role::Own(key) if !facts.own_roles.contains_key(key) => Some("The organisation has no role with this key."),
        role if !binding.scope.fits(role) => Some("This role can't be given on this scope."),
        _ if !project_known => Some("The organisation has no such project."),
        _ if binding.window.not_before >= binding.window.not_after => Some("The end must lie after the beginning."),
        _ => None,
    }
}

/// Why no token would be given, if none would.
fn refusal(facts: &Facts, wish: &Wish) -> Option<&'static str> {
    let Person { user_state, member_state, restricted_to, .. } = &facts.person;
    if facts.org.state != OrgState::Active {
        return Some("The organisation is not active.");
    }
    if *user_state != UserState::Active {
        return Some("The account is not active.");
    }
    if *member_state != MembershipState::Active {
        return Some("The membership is not active.");
    }
    let application = wish.application.as_ref()?;
    if application.state != ApplicationState::Active {
        return Some("The application is disabled.");
    }
    if restricted_to.as_ref().is_some_and(|list| !list.contains(&application.id)) {
        return Some("This account may not use this application.");
    }
    None
}

async fn told(app: &App, conn: &mut Conn, facts: &Facts, wish: &Wish, held: &Holding) -> Result<Told, sqlx::Error> {
    if let Some(why) = refusal(facts, wish) {
        return Ok(Told::Nothing(why));
    }
    let budget = wish.application.as_ref().map_or(usize::MAX, |application| application.claims_budget);
    let mut claims = Map::new();
    claims.insert("org_id".to_owned(), facts.org.id.as_str().into());
    claims.insert("org_slug".to_owned(), facts.org.slug.clone().into());
    if wish.roles || wish.project.is_some() {
        let holder = Holder {
            id: facts.person.member.clone(),
            user: facts.person.user.clone(),
            active: true,
            owner: facts.person.owner,
            groups: held.groups.clone(),
        };
        let projects: Vec<ProjectId> = facts.projects.iter().map(|project| project.id.clone()).collect();
        let grants = effective(&holder, &Bindings::new(held.bindings.clone()), &projects, facts.at);
        let left_out = issue::put_roles(app, &mut claims, &grants, &facts.projects, wish.project.as_deref(), budget);
        issue::put_default_project(conn, &facts.org.id, &mut claims, &facts.projects, left_out).await?;
    }
    if wish.groups {
        // In the order in which tokens have them: by folded name.
        let names = access_read::group_names(conn, &held.groups).await?;
        let mut names: Vec<String> = names.into_values().collect();
        names.sort_by_key(|name| crate::kernel::fold::key(name));
        if !names.is_empty() {
            issue::put_or_point(app, &mut claims, "groups", names.into(), budget);
        }
    }
    Ok(Told::Claims(claims))
}
