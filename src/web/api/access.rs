//! The access of one person: what is held and through what, why, and what applications would be told.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::asked::Asked;
use super::declare::{Needs, Routes, routes};
use super::gate::sees_project;
use super::input::{Body, Query};
use super::named;
use super::problem::Problem;
use super::words::{GrantBody, ScopeBody, moment, until};
use crate::app::App;
use crate::domain::access::explain::{Cut, explain as why};
use crate::domain::access::{Binding, Bindings, Grants, Holder, Role, Scope, Subject, Via, effective};
use crate::domain::oauth::scope;
use crate::domain::people::user::{MembershipState, OrgState, UserState};
use crate::flows::simulate::{self, Deed, Told, Unclear, Wish};
use crate::kernel::id::{BindingId, GroupId, MembershipId, OrgId, ProjectId};
use crate::kernel::time::UnixMillis;
use crate::store::access_read::{self, Given};
use crate::store::db::Conn;
use crate::store::orgs;
use crate::store::people_read::{self, Person};

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::OwnOr("bindings.read"), routes!(get))
        .route(Needs::OwnOr("bindings.read"), routes!(explain))
        .route(Needs::Org("bindings.read"), routes!(simulate_claims))
}

/// A way by which a role comes.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WayBody {
    /// The binding; null for what the owner holds by owning.
    pub binding_id: Option<String>,
    /// The group through which it comes; null when it is direct.
    pub group_id: Option<String>,
    /// That group's name.
    pub group_name: Option<String>,
    /// The role that implies it; null when it is given itself.
    pub implied_by: Option<String>,
    /// `all_projects` when the role is given on all of them; null when it is given on the scope itself.
    pub covered_by: Option<&'static str>,
    /// Who gave the role to the person or the group.
    pub given_by: Option<String>,
    /// Since when (RFC 3339).
    pub since: Option<String>,
}

impl WayBody {
    /// A way, with what is known of its group and its binding.
    #[must_use]
    pub fn of(
        via: &Via,
        names: &BTreeMap<GroupId, String>,
        givers: &BTreeMap<BindingId, (String, UnixMillis)>,
    ) -> Self {
        let given = via.binding.as_ref().and_then(|id| givers.get(id));
        Self {
            binding_id: via.binding.as_ref().map(ToString::to_string),
            group_id: via.group.as_ref().map(ToString::to_string),
            group_name: via.group.as_ref().and_then(|id| names.get(id)).cloned(),
            implied_by: via.implied_by.as_ref().map(ToString::to_string),
            covered_by: via.covered_by.as_ref().map(|_| "all_projects"),
            given_by: given.map(|(by, _)| by.clone()).filter(|by| !by.is_empty()),
            since: given.map(|(_, at)| moment(*at)),
        }
    }
}

/// A way, with the window in which it is open and the person's place in the group.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WayOfAccess {
    /// The way.
    #[serde(flatten)]
    pub way: WayBody,
    /// Until when (RFC 3339); null is without an end.
    pub until: Option<String>,
    /// Who put the person into the group.
    pub joined_by: Option<String>,
    /// When (RFC 3339).
    pub joined_at: Option<String>,
}

/// A role that a person holds.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HeldRole {
    /// The role.
    pub role: String,
    /// On what.
    pub scope: ScopeBody,
    /// Every way by which it comes.
    pub ways: Vec<WayOfAccess>,
}

/// What a person holds at this moment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AccessBody {
    /// The account.
    pub user_id: String,
    /// The membership.
    pub membership_id: String,
    /// Whether the person may sign in here; nothing is held while not.
    pub active: bool,
    /// Every role on every scope.
    pub grants: Vec<HeldRole>,
}

/// Which role on what.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExplainQuery {
    /// The role, by its text.
    role: String,
    /// A project's id or key, or `*` for all projects, later ones included; the organisation if none is given.
    project: Option<String>,
}

/// An act that cuts one or more ways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CutBody {
    /// `leave_group`, `remove_binding` or `transfer_ownership`.
    pub act: &'static str,
    /// The group or the binding.
    pub id: Option<String>,
    /// The call that does it.
    pub call: String,
}

/// Why somebody holds a role, or why not.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExplanationBody {
    /// Whether it is held at this moment.
    pub held: bool,
    /// Every way by which it comes.
    pub ways: Vec<WayOfAccess>,
    /// The fewest acts on this person that take it away: all of them are needed.
    pub cuts: Vec<CutBody>,
    /// Why it is not held, a sentence each.
    pub why_not: Vec<String>,
}

/// What is to be simulated.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulateBody {
    /// The application's client id or id; without one the claims are those of an application without limits.
    application: Option<String>,
    /// The scopes that it asks for; `roles` if none are given.
    #[serde(default)]
    scopes: Vec<String>,
    /// The one project that the token would be for, by id or key.
    project: Option<String>,
    /// Acts that are only described, in their order.
    #[serde(default)]
    changes: Vec<DeedBody>,
}

/// An act that is only described.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DeedBody {
    /// Gives a role to the person.
    Give(GrantBody),
    /// Takes a binding, by its id.
    Take(String),
    /// Puts the person into a group, by its id.
    Join(String),
    /// Takes the person out of a group, by its id.
    Leave(String),
}

/// What an application would be told.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ToldClaims {
    /// The claims; null when no token would be given.
    #[schema(value_type = Option<Object>)]
    pub claims: Option<Map<String, Value>>,
    /// Why no token would be given.
    pub refused: Option<&'static str>,
}

impl From<Told> for ToldClaims {
    fn from(told: Told) -> Self {
        match told {
            Told::Claims(claims) => Self { claims: Some(claims), refused: None },
            Told::Nothing(why) => Self { claims: None, refused: Some(why) },
        }
    }
}

/// What an application would be told now, and after the acts.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SimulationBody {
    /// At this moment.
    pub now: ToldClaims,
    /// After the acts.
    pub then: ToldClaims,
}

/// A person's access as it was read.
struct Picture {
    person: Person,
    org_state: OrgState,
    given: Vec<Given>,
    grants: Grants,
    names: BTreeMap<GroupId, String>,
}

impl Picture {
    fn active(&self) -> bool {
        active(&self.person, self.org_state)
    }

    fn way(&self, via: &Via) -> WayOfAccess {
        let by_id = |given: &&Given| via.binding.as_ref() == Some(&given.binding.id);
        let given = self.given.iter().find(by_id);
        let giver = given.map(|given| (given.binding.id.clone(), (given.by.clone(), given.since)));
        let joined = given.and_then(|given| given.joined.as_ref());
        WayOfAccess {
            way: WayBody::of(via, &self.names, &giver.into_iter().collect()),
            until: given.and_then(|given| until(given.binding.window.not_after)),
            joined_by: joined.map(|(by, _)| by.clone()).filter(|by| !by.is_empty()),
            joined_at: joined.map(|(_, at)| moment(*at)),
        }
    }
}

fn active(person: &Person, org: OrgState) -> bool {
    org == OrgState::Active && person.user_state == UserState::Active && person.member_state == MembershipState::Active
}

async fn picture(conn: &mut Conn, org: &OrgId, member: &MembershipId, at: UnixMillis) -> Result<Picture, Problem> {
    let missing = || Problem::not_found("The user");
    let person = people_read::find(conn, org, member).await?.ok_or_else(missing)?;
    let found = orgs::find(conn, org).await?.ok_or_else(missing)?;
    let projects: Vec<ProjectId> = orgs::projects(conn, org).await?.into_iter().map(|project| project.id).collect();
    let given = access_read::reaching(conn, member).await?;
    let through: BTreeSet<GroupId> = given.iter().filter_map(|given| group(&given.binding)).cloned().collect();
    let names = access_read::group_names(conn, &through).await?;
    let holder = Holder {
        id: person.member.clone(),
        user: person.user.clone(),
        active: active(&person, found.state),
        owner: person.owner,
        groups: through,
    };
    let bindings = Bindings::new(given.iter().map(|given| given.binding.clone()));
    let grants = effective(&holder, &bindings, &projects, at);
    Ok(Picture { person, org_state: found.state, given, grants, names })
}

const fn group(binding: &Binding) -> Option<&GroupId> {
    match &binding.subject {
        Subject::Group(id) => Some(id),
        Subject::Member(_) => None,
    }
}

/// Everything that a person holds at this moment: each role on each scope, and every way by which it comes.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/users/{user}/access", tag = "access",
    responses((status = 200, description = "The access.", body = AccessBody)))]
async fn get(State(app): State<App>, asked: Asked) -> Result<axum::Json<AccessBody>, Problem> {
    let mut conn = app.db.read().await?;
    Ok(axum::Json(of_member(&mut conn, &asked.room()?.id, &asked.member()?.id, app.now()).await?))
}

/// What a member holds at a moment.
///
/// # Errors
/// There is no such member, or the database failed.
pub async fn of_member(
    conn: &mut Conn,
    org: &OrgId,
    member: &MembershipId,
    at: UnixMillis,
) -> Result<AccessBody, Problem> {
    let picture = picture(conn, org, member, at).await?;
    let held = |((role, scope), ways): (&(Role, Scope), &BTreeSet<Via>)| HeldRole {
        role: role.to_string(),
        scope: scope.into(),
        ways: ways.iter().map(|via| picture.way(via)).collect(),
    };
    Ok(AccessBody {
        user_id: picture.person.user.to_string(),
        membership_id: picture.person.member.to_string(),
        active: picture.active(),
        grants: picture.grants.iter().map(held).collect(),
    })
}

/// Why a person holds a role, by every way, and the smallest change that takes it away; or why it isn't held.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/users/{user}/access/explain", tag = "access", params(ExplainQuery),
    responses((status = 200, description = "The explanation.", body = ExplanationBody)))]
async fn explain(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<ExplainQuery>,
) -> Result<axum::Json<ExplanationBody>, Problem> {
    let room = asked.room()?;
    let org = &room.id;
    let no_role = |_| Problem::invalid("role", format!("\"{}\" is no role.", query.role));
    let role: Role = query.role.parse().map_err(no_role)?;
    let mut conn = app.db.read().await?;
    let scope = match query.project.as_deref() {
        None => Scope::Org,
        Some("*") => Scope::AllProjects,
        Some(named) => {
            let found = Some(named::project(&mut conn, org, named).await?.id);
            let seen = found.filter(|id| sees_project(&room.reach, id));
            Scope::Project(seen.ok_or_else(|| Problem::not_found("The project"))?)
        }
    };
    let at = app.now();
    let picture = picture(&mut conn, org, &asked.member()?.id, at).await?;
    let explanation = why(&picture.grants, &role, &scope);
    let held = !explanation.ways.is_empty();
    Ok(axum::Json(ExplanationBody {
        held,
        ways: explanation.ways.iter().map(|via| picture.way(via)).collect(),
        cuts: explanation.cuts.iter().map(|cut| shown_cut(org, cut)).collect(),
        why_not: if held { Vec::new() } else { why_not(&picture, &role, &scope, at) },
    }))
}

fn shown_cut(org: &OrgId, cut: &Cut) -> CutBody {
    let (act, id, call) = match cut {
        Cut::LeaveGroup(id) => ("leave_group", Some(id.to_string()), format!("POST {{}}/groups/{id}/members/remove")),
        Cut::RemoveBinding(id) => ("remove_binding", Some(id.to_string()), format!("DELETE {{}}/bindings/{id}")),
        Cut::TransferOwnership => ("transfer_ownership", None, "POST {}/transfer".to_owned()),
    };
    CutBody { act, id, call: call.replacen("{}", &format!("/api/v1/orgs/{org}"), 1) }
}

/// Why a role is not held: what bars the person, windows that are not open, and else that nothing gives it.
fn why_not(picture: &Picture, role: &Role, scope: &Scope, at: UnixMillis) -> Vec<String> {
    let mut reasons = Vec::new();
    let Person { user_state, member_state, .. } = &picture.person;
    if picture.org_state != OrgState::Active {
        reasons.push(format!("The organisation is {}.", picture.org_state));
    }
    if *user_state != UserState::Active {
        reasons.push(format!("The account is {user_state}."));
    }
    if *member_state != MembershipState::Active {
        reasons.push(format!("The membership is {member_state}."));
    }
    let gives = |given: &&Given| {
        let Binding { role: given_role, scope: on, .. } = &given.binding;
        let covers = on == scope || (*on == Scope::AllProjects && matches!(scope, Scope::Project(_)));
        covers && (given_role == role || given_role.implies().contains(role))
    };
    let giving: Vec<&Given> = picture.given.iter().filter(gives).collect();
    for Given { binding, .. } in &giving {
        if at < binding.window.not_before {
            reasons.push(format!("The binding {} begins at {}.", binding.id, moment(binding.window.not_before)));
        } else if binding.window.not_after <= at {
            reasons.push(format!("The binding {} ended at {}.", binding.id, moment(binding.window.not_after)));
        }
    }
    if giving.is_empty() && !picture.person.owner {
        reasons.push("No binding gives it, neither directly nor through a group.".to_owned());
    } else if reasons.is_empty() {
        reasons.push("Owning the organisation does not give it, and no binding does.".to_owned());
    }
    reasons
}

/// What an application would be told of a person: now, and after acts that are only described. It writes nothing.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/users/{user}/access/simulate", tag = "access",
    request_body = SimulateBody,
    responses((status = 200, description = "The claims, now and then.", body = SimulationBody)))]
async fn simulate_claims(
    State(app): State<App>,
    asked: Asked,
    Body(body): Body<SimulateBody>,
) -> Result<axum::Json<SimulationBody>, Problem> {
    let (org, member) = (&asked.room()?.id, &asked.member()?.id);
    named::short("changes", body.changes.len())?;
    let mut conn = app.db.read().await?;
    let wish = wish(&mut conn, org, &body).await?;
    let read = |(row, deed): (usize, &DeedBody)| deed_of(member, row, deed);
    let deeds: Vec<Deed> = body.changes.iter().enumerate().map(read).collect::<Result<_, _>>()?;
    let simulated = simulate::simulate(&app, &mut conn, (org, member), &wish, &deeds).await.map_err(unclear)?;
    Ok(axum::Json(SimulationBody { now: simulated.now.into(), then: simulated.then.into() }))
}

fn unclear(error: Unclear) -> Problem {
    match error {
        Unclear::Missing(what) => Problem::not_found(what),
        Unclear::Refused(row, why) => Problem::invalid(format!("changes.{row}"), why),
        Unclear::Store(error) => error.into(),
    }
}

async fn wish(conn: &mut Conn, org: &OrgId, body: &SimulateBody) -> Result<Wish, Problem> {
    let application = match &body.application {
        Some(named) => Some(named::application(conn, org, named).await?),
        None => None,
    };
    let project = match &body.project {
        Some(named) => Some(named::project(conn, org, named).await?.key),
        None => body.scopes.iter().find_map(|word| scope::project_key(word)).map(str::to_owned),
    };
    let registered = |word: &str| application.as_ref().is_none_or(|app| app.scopes.iter().any(|known| known == word));
    let asks = |word: &str| body.scopes.iter().any(|asked| asked == word) && registered(word);
    Ok(Wish {
        roles: asks(scope::ROLES) || (body.scopes.is_empty() && registered(scope::ROLES)),
        groups: asks(scope::GROUPS),
        project,
        application,
    })
}

fn deed_of(member: &MembershipId, row: usize, deed: &DeedBody) -> Result<Deed, Problem> {
    let field = format!("changes.{row}");
    let no_id = |name: &str| Problem::invalid(format!("{field}.{name}"), "This is no id of the kind.");
    Ok(match deed {
        DeedBody::Give(grant) => {
            let (role, scope, window) = grant.read(&format!("{field}.give"))?;
            let subject = Subject::Member(member.clone());
            Deed::Give(Binding { id: BindingId::fresh(), role, scope, subject, window })
        }
        DeedBody::Take(id) => Deed::Take(id.parse().map_err(|_| no_id("take"))?),
        DeedBody::Join(id) => Deed::Join(id.parse().map_err(|_| no_id("join"))?),
        DeedBody::Leave(id) => Deed::Leave(id.parse().map_err(|_| no_id("leave"))?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cut_names_the_call_that_does_it() {
        let (org, group) = (OrgId::from_u128(1), GroupId::from_u128(2));
        let cut = shown_cut(&org, &Cut::LeaveGroup(group.clone()));
        assert_eq!(cut.call, format!("POST /api/v1/orgs/{org}/groups/{group}/members/remove"));
        let cut = shown_cut(&org, &Cut::TransferOwnership);
        assert_eq!(cut.call, format!("POST /api/v1/orgs/{org}/transfer"));
    }
}
