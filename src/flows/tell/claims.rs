//! What tokens say of somebody from now on (CAEP 1.0 §3.2), told to those applications whose tokens said something else.
//!
//! The values are made by the functions that real tokens are made with, for what each application was given and within
//! its budget. Where both sides come out alike, that application is told nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Desk;
use crate::domain::access::claims::Project;
use crate::domain::access::{Grants, Verdict};
use crate::domain::granted::Granted;
use crate::domain::oauth::application::Application;
use crate::domain::oauth::scope;
use crate::domain::ssf::caep;
use crate::domain::ssf::event::EventType;
use crate::flows::issue;
use crate::kernel::id::{ApplicationId, MembershipId, OrgId, ProjectId};
use crate::store::access_edit::{Outcome, Settled};
use crate::store::concerned::{self, Given};
use crate::store::db::{LIST, Result};
use crate::store::{applications, orgs};

/// Whether a member goes on with other grants than before. Of one whose sessions end, that is told instead.
pub(super) fn go_on(outcome: &Outcome) -> bool {
    match outcome.verdict {
        Verdict::End => false,
        Verdict::Keep | Verdict::Narrow => !outcome.difference.is_empty(),
    }
}

/// Writes the events of members who go on, for the applications of which they have live tokens.
pub(super) async fn tell(desk: &mut Desk<'_>, settled: &Settled) -> Result<()> {
    let outcomes: BTreeMap<&MembershipId, &Outcome> =
        settled.outcomes.iter().filter(|outcome| go_on(outcome)).map(|outcome| (&outcome.member, outcome)).collect();
    if outcomes.is_empty() {
        return Ok(());
    }
    let members: Vec<MembershipId> = outcomes.keys().map(|id| (*id).clone()).collect();
    let applications = concerned::applications_of_members(desk.tx, &members, desk.now).await?;
    desk.look_up(&applications).await?;
    let wanting = desk.wanting(&applications, EventType::TokenClaimsChange);
    if wanting.is_empty() {
        return Ok(());
    }
    let mut said = Said::new(settled);
    for chunk in members.chunks(LIST) {
        let given = concerned::given_by_members(desk.tx, chunk, &wanting, desk.now).await?;
        // However many families a member has at an application, those for the same are told of once.
        let shapes: BTreeSet<(MembershipId, ApplicationId, Shape)> = given.into_iter().filter_map(shaped).collect();
        for (member, application, shape) in &shapes {
            let Some(outcome) = outcomes.get(member) else { continue };
            if let Some(claims) = said.difference(desk, outcome, (application, shape)).await? {
                let sub_id = caep::member(desk.by.app.issuer(), &outcome.user, &outcome.org);
                let event = caep::token_claims_change(sub_id, claims, &desk.by.facts(&outcome.user, desk.now));
                desk.put(application, &outcome.user, event).await?;
            }
        }
    }
    Ok(())
}

/// What of the roles tokens carry: all of them, or the list of the one project that they are for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Shape {
    All,
    One(String),
}

impl Shape {
    /// `None` for tokens that carry no roles.
    fn of(granted: &Granted) -> Option<Self> {
        match &granted.project {
            Some(key) => Some(Self::One(key.clone())),
            None => granted.scopes.contains(scope::ROLES).then_some(Self::All),
        }
    }

    fn project(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::One(key) => Some(key),
        }
    }
}

fn shaped(given: Given) -> Option<(MembershipId, ApplicationId, Shape)> {
    Shape::of(&given.granted).map(|shape| (given.member, given.application, shape))
}

/// For which tokens, and where the pictures before and after lie in memory.
type Case = (ApplicationId, OrgId, Shape, usize, usize);

/// What was said, and is now: worked out once for those who held and hold the same.
struct Said<'s> {
    settled: &'s Settled,
    applications: BTreeMap<ApplicationId, Option<Application>>,
    defaults: BTreeMap<OrgId, Option<ProjectId>>,
    differences: HashMap<Case, Option<Map<String, Value>>>,
}

impl<'s> Said<'s> {
    fn new(settled: &'s Settled) -> Self {
        Self { settled, applications: BTreeMap::new(), defaults: BTreeMap::new(), differences: HashMap::new() }
    }

    /// What an application's tokens for a member say now; `None` where it is what they said before.
    async fn difference(
        &mut self,
        desk: &mut Desk<'_>,
        outcome: &Outcome,
        (application, shape): (&ApplicationId, &Shape),
    ) -> Result<Option<Map<String, Value>>> {
        let places = (Arc::as_ptr(&outcome.before).addr(), Arc::as_ptr(&outcome.after).addr());
        let case = (application.clone(), outcome.org.clone(), shape.clone(), places.0, places.1);
        if let Some(known) = self.differences.get(&case) {
            return Ok(known.clone());
        }
        if !self.applications.contains_key(application) {
            let found = applications::find(desk.tx, application).await?;
            self.applications.insert(application.clone(), found);
        }
        let Some(Some(found)) = self.applications.get(application) else {
            return Ok(None);
        };
        let budget = found.claims_budget;
        let before = self.claims(desk, (&outcome.org, &outcome.before), shape, budget).await?;
        let after = self.claims(desk, (&outcome.org, &outcome.after), shape, budget).await?;
        let difference = (before != after).then(|| whole(after, shape));
        self.differences.insert(case, difference.clone());
        Ok(difference)
    }

    /// The role claims of a token.
    async fn claims(
        &mut self,
        desk: &mut Desk<'_>,
        (org, grants): (&OrgId, &Grants),
        shape: &Shape,
        budget: usize,
    ) -> Result<Map<String, Value>> {
        let projects: &[Project] = self.settled.projects.get(org).map(Vec::as_slice).unwrap_or_default();
        let mut claims = Map::new();
        let mut left_out = issue::put_roles(&desk.by.app, &mut claims, grants, projects, shape.project(), budget);
        if left_out.is_empty() {
            return Ok(claims);
        }
        if !self.defaults.contains_key(org) {
            let default = orgs::settings(desk.tx, org).await?.default_project;
            self.defaults.insert(org.clone(), default);
        }
        let default = self.defaults.get(org).and_then(Option::as_ref);
        let key = default.and_then(|id| projects.iter().find(|project| project.id == *id)).map(|project| &project.key);
        if let Some((key, roles)) = key.and_then(|key| left_out.remove_entry(key)) {
            claims.insert("project_roles".to_owned(), json!({ key: roles }));
        }
        Ok(claims)
    }
}

/// A token leaves an empty list of a project's roles out; an event has to say that it is empty.
fn whole(mut claims: Map<String, Value>, shape: &Shape) -> Map<String, Value> {
    match shape {
        Shape::All => {}
        Shape::One(_) => {
            claims.entry("roles").or_insert_with(|| json!([]));
        }
    }
    claims
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::difference::Held;
    use crate::domain::access::{Difference, Role, Scope};
    use crate::kernel::id::UserId;

    fn outcome(verdict: Verdict, gained: &[Role]) -> Outcome {
        let gained = gained.iter().map(|role| Held { role: role.clone(), scope: Scope::Org }).collect();
        Outcome {
            org: OrgId::from_u128(1),
            member: MembershipId::from_u128(2),
            user: UserId::from_u128(3),
            user_name: "ana".to_owned(),
            difference: Difference { lost: Vec::new(), gained },
            verdict,
            before: Arc::default(),
            after: Arc::default(),
        }
    }

    #[test]
    fn who_goes_on_with_something_else_is_told_of_and_whose_session_ends_is_not() {
        assert!(go_on(&outcome(Verdict::Keep, &[Role::OrgReader])));
        assert!(go_on(&outcome(Verdict::Narrow, &[Role::OrgReader])));
        assert!(!go_on(&outcome(Verdict::End, &[Role::OrgReader])));
        assert!(!go_on(&outcome(Verdict::Keep, &[])));
    }

    #[test]
    fn the_roles_of_a_project_are_said_to_be_none_where_a_token_says_nothing() {
        let one = Shape::One("web".to_owned());
        let bare = Map::from_iter([("project".to_owned(), json!("web"))]);
        assert_eq!(Value::Object(whole(bare, &one)), json!({ "project": "web", "roles": [] }));
        let held = Map::from_iter([("roles".to_owned(), json!(["project.admin"]))]);
        assert_eq!(whole(held.clone(), &one), held);
        assert!(whole(Map::new(), &Shape::All).is_empty());
    }
}
