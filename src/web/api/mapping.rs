//! The mapping of a connection: the rules by which its people come into groups, and trying them out before they count.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::input::Body;
use super::named;
use super::problem::Problem;
use super::sign_in_body::unfit;
use super::sign_in_settings::found;
use super::tag;
use super::words::ScopeBody;
use super::write::{self, Written};
use crate::app::App;
use crate::domain::access::reach::Reach;
use crate::domain::access::{Role, Scope};
use crate::domain::change::Change;
use crate::domain::federation::Mapping;
use crate::domain::federation::mapping::{Condition, GroupRule, Rule};
use crate::flows::federation::mapping_trial::{self, NotTried, PlaceIn, Placement, RoleOn, Whom};
use crate::kernel::id::GroupId;

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Org("connections.read"), routes!(get))
        .route(Needs::Org("connections.write").fresh(), routes!(put))
        .route(Needs::Org("connections.write").people_only(), routes!(try_out))
}

/// The rules by which a connection's people come into groups.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = Mapping)]
pub struct MappingBody {
    /// Whether it is on. Off, it gives nothing, and what it gave is taken away.
    on: bool,
    /// For how many hours a place in a group lasts after a sign-in: 1 to 720; usually 12.
    life_hours: u32,
    /// Whether somebody whom nothing puts anywhere is refused.
    require_match: bool,
    /// Rules: at most 200.
    rules: Vec<RuleBody>,
    /// Groups of the provider: at most 2,000.
    groups: Vec<GroupRuleBody>,
}

/// A rule: where all conditions hold, the person is in the groups.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MappingRule)]
pub struct RuleBody {
    /// What people call it: 1 to 100 characters, unique in the mapping.
    name: String,
    /// All of them must hold: 1 to 10.
    conditions: Vec<ConditionBody>,
    /// The ids of groups of the organisation's own: 1 to 20.
    groups: Vec<String>,
}

/// A condition on a claim.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MappingCondition)]
pub struct ConditionBody {
    /// The claim; a dot leads into an object.
    claim: String,
    /// `equals`, `not_equals`, `equals_ignore_case`, `not_equals_ignore_case`, `in` or `contains`. Of a list it holds when
    /// it does for one of its values, and the negative ones when it does for none.
    op: String,
    /// With what: one text, but for `in`, which takes up to 100.
    values: Vec<String>,
}

/// A group of the provider, and the group here that its people are in.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MappingGroup)]
pub struct GroupRuleBody {
    /// The group as it stands in the groups claim: its immutable id, if the provider sends that.
    external_id: String,
    /// What people call it there; for reading alone.
    #[serde(default)]
    label: String,
    /// The id of a group of the organisation's own.
    group: String,
}

/// Of whom a mapping is tried out: give `claims` or `identity`.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MappingTry {
    /// What the provider would say of somebody: an ID token's claims, pasted. They are kept nowhere.
    #[schema(value_type = Option<Object>)]
    claims: Option<Map<String, Value>>,
    /// Somebody who came through before, by the identity's id; what was said then is asked again.
    identity: Option<String>,
    /// The mapping to try; without it the saved one.
    mapping: Option<MappingBody>,
}

/// A group that somebody is in.
#[derive(Debug, Serialize, ToSchema)]
pub struct TriedGroup {
    /// Its id.
    id: String,
    /// Its name.
    name: String,
    /// Whether the mapping gives it; else an administrator or SCIM does.
    mapped: bool,
    /// The rules and the provider's groups that it comes from.
    why: Vec<String>,
}

/// A role that somebody holds, as it was given.
#[derive(Debug, Serialize, ToSchema)]
pub struct TriedRole {
    /// The role.
    role: String,
    /// On what.
    scope: ScopeBody,
    /// The names of the groups through which it comes.
    through: Vec<String>,
    /// Whether it is held without a group, too.
    direct: bool,
}

/// Where somebody is, and what that gives.
#[derive(Debug, Serialize, ToSchema)]
pub struct TriedPlacement {
    /// The groups.
    groups: Vec<TriedGroup>,
    /// The roles, without what they imply.
    roles: Vec<TriedRole>,
}

/// What a mapping gives.
#[derive(Debug, Serialize, ToSchema)]
pub struct MappingTried {
    /// Now: of an identity what its person has, of pasted claims what the saved mapping gives.
    before: TriedPlacement,
    /// With the mapping that was tried.
    after: TriedPlacement,
    /// What stands in the way, or may surprise: sentences.
    problems: Vec<String>,
}

impl Default for MappingBody {
    fn default() -> Self {
        Self::from(&Mapping::default())
    }
}

impl From<&Mapping> for MappingBody {
    fn from(mapping: &Mapping) -> Self {
        let condition = |one: &Condition| ConditionBody {
            claim: one.claim.clone(),
            op: one.op.as_str().to_owned(),
            values: one.values.clone(),
        };
        let rule = |one: &Rule| RuleBody {
            name: one.name.clone(),
            conditions: one.conditions.iter().map(condition).collect(),
            groups: one.groups.iter().map(ToString::to_string).collect(),
        };
        let group = |one: &GroupRule| GroupRuleBody {
            external_id: one.external_id.clone(),
            label: one.label.clone(),
            group: one.group.to_string(),
        };
        Self {
            on: mapping.on,
            life_hours: mapping.life_hours,
            require_match: mapping.require_match,
            rules: mapping.rules.iter().map(rule).collect(),
            groups: mapping.groups.iter().map(group).collect(),
        }
    }
}

impl MappingBody {
    /// The mapping that is meant. Whether its groups are there, the door looks.
    fn read(&self) -> Result<Mapping, Problem> {
        let rules = self.rules.iter().enumerate().map(|(row, rule)| rule.read(row));
        let groups = self.groups.iter().enumerate().map(|(row, rule)| rule.read(row));
        let mapping = Mapping {
            on: self.on,
            life_hours: self.life_hours,
            require_match: self.require_match,
            rules: rules.collect::<Result<_, _>>()?,
            groups: groups.collect::<Result<_, _>>()?,
        };
        mapping.check().map_err(unfit)?;
        Ok(mapping)
    }
}

impl RuleBody {
    fn read(&self, row: usize) -> Result<Rule, Problem> {
        let conditions = self.conditions.iter().enumerate().map(|(number, condition)| {
            let op = condition.op.parse().map_err(|_| {
                let words = "equals, not_equals, equals_ignore_case, not_equals_ignore_case, in or contains";
                Problem::invalid(format!("rules.{row}.conditions.{number}.op"), format!("Use {words}."))
            })?;
            Ok(Condition { claim: condition.claim.clone(), op, values: condition.values.clone() })
        });
        Ok(Rule {
            name: self.name.clone(),
            conditions: conditions.collect::<Result<_, Problem>>()?,
            groups: named::groups(&format!("rules.{row}.groups"), &self.groups)?,
        })
    }
}

impl GroupRuleBody {
    fn read(&self, row: usize) -> Result<GroupRule, Problem> {
        let wrong = |_| Problem::invalid(format!("groups.{row}.group"), "Give the id of a group (grp_…).");
        let group: GroupId = self.group.parse().map_err(wrong)?;
        Ok(GroupRule { external_id: self.external_id.clone(), label: self.label.clone(), group })
    }
}

impl From<PlaceIn> for TriedGroup {
    fn from(PlaceIn { group, name, mapped, why }: PlaceIn) -> Self {
        Self { id: group.into_string(), name, mapped, why }
    }
}

impl From<RoleOn> for TriedRole {
    fn from(RoleOn { role, scope, through, direct }: RoleOn) -> Self {
        Self { role: role.to_string(), scope: (&scope).into(), through, direct }
    }
}

impl From<Placement> for TriedPlacement {
    fn from(placement: Placement) -> Self {
        Self {
            groups: placement.groups.into_iter().map(Into::into).collect(),
            roles: placement.roles.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<NotTried> for Problem {
    fn from(why: NotTried) -> Self {
        match why {
            NotTried::Missing(what) => Self::not_found(what),
            NotTried::Unfit(why) => unfit(why),
            NotTried::Store(error) => error.into(),
        }
    }
}

/// The rules by which a connection's people come into groups.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/connections/{connection}/mapping", tag = "mapping",
    responses((status = 200, description = "The mapping.", body = MappingBody)))]
async fn get(
    State(app): State<App>,
    asked: Asked,
    Path((_, connection)): Path<(String, String)>,
) -> Result<Json<MappingBody>, Problem> {
    let mut conn = app.db.read().await?;
    let found = found(&mut conn, &asked.room()?.id, &connection).await?;
    Ok(Json(MappingBody::from(&found.mapping)))
}

/// Replaces the rules. Everybody who came through for as long as a place lasts is where they put them at once: who loses
/// and gains what, the receipt says. What is absent is as usual: off, twelve hours, no rules.
#[utoipa::path(put, path = "/api/v1/orgs/{org}/connections/{connection}/mapping", tag = "mapping",
    request_body = MappingBody,
    responses((status = 200, description = "The mapping.", body = Written<MappingBody>)))]
async fn put(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, connection)): Path<(String, String)>,
    Body(body): Body<MappingBody>,
) -> Result<Response, Problem> {
    let (org, wanted) = (asked.room()?.id.clone(), body.read()?);
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, connection, wanted) = (org.clone(), connection.clone(), wanted.clone());
        Box::pin(async move {
            let before = found(conn, &org, &connection).await?;
            let (tag, connection) = (tag::of(&MappingBody::from(&before.mapping)), before.connection.id);
            Ok((tag, vec![Change::SetMapping { org, connection, mapping: Box::new(wanted) }]))
        })
    })
    .await?;
    let after = found(&mut app.db.read().await?, &org, &connection).await?;
    Ok(Written::ok(Some(MappingBody::from(&after.mapping)), &receipt))
}

/// Says what a mapping gives somebody, and why: by pasted claims, or by what was said of somebody who came through before.
/// Nothing is written. As setting the mapping does, it takes an `org.admin`.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/connections/{connection}/mapping/try", tag = "mapping",
    request_body = MappingTry,
    responses((status = 200, description = "The groups and roles of now, and those with the mapping.", body = MappingTried)))]
async fn try_out(
    State(app): State<App>,
    asked: Asked,
    Path((_, connection)): Path<(String, String)>,
    Body(body): Body<MappingTry>,
) -> Result<Json<MappingTried>, Problem> {
    let room = asked.room()?;
    if !administers(&room.reach) {
        return Err(Problem::denied("connections.write and org.admin"));
    }
    let draft = body.mapping.as_ref().map(MappingBody::read).transpose()?;
    let whom = whom(body.claims, body.identity.as_deref())?;
    let connection = found(&mut app.db.read().await?, &room.id, &connection).await?.connection.id;
    let tried = mapping_trial::try_out(&app, (&room.id, &connection), whom, draft).await?;
    Ok(Json(MappingTried { before: tried.before.into(), after: tried.after.into(), problems: tried.problems }))
}

/// Whether whoever asks may give everything: what was said of somebody shows in what rules make of it.
fn administers(reach: &Reach) -> bool {
    match reach {
        Reach::Whole => true,
        Reach::Member { grants, .. } => grants.holds(&Role::OrgAdmin, &Scope::Org),
    }
}

fn whom(claims: Option<Map<String, Value>>, identity: Option<&str>) -> Result<Whom, Problem> {
    match (claims, identity) {
        (Some(claims), None) => Ok(Whom::Claims(claims)),
        (None, Some(id)) => id.parse().map(Whom::Identity).map_err(|_| Problem::not_found("The identity")),
        (None, None) => Err(Problem::invalid("claims", "Give claims, or the id of an identity.")),
        (Some(_), Some(_)) => {
            let detail = "Something in the request can't be meant so.";
            let problem = Problem::new(StatusCode::BAD_REQUEST, "invalid", detail);
            Err(problem.with("identity", "Give claims or an identity, not both."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_that_was_read_can_be_sent_back_as_it_is() {
        let group = GroupId::from_u128(1);
        let text = format!(
            r#"{{"on": true, "rules": [{{"name": "Staff", "conditions": [{{"claim": "department", "op": "in", "values": ["a"]}}],
                 "groups": ["{group}"]}}], "groups": [{{"external_id": "g-1", "group": "{group}"}}]}}"#
        );
        let body: MappingBody = serde_json::from_str(&text).unwrap();
        let mapping = body.read().unwrap();
        assert_eq!((mapping.life_hours, mapping.require_match, mapping.groups[0].label.as_str()), (12, false, ""));
        let again = serde_json::to_string(&MappingBody::from(&mapping)).unwrap();
        assert_eq!(serde_json::from_str::<MappingBody>(&again).unwrap().read().unwrap(), mapping);
        assert_eq!(serde_json::from_str::<MappingBody>("{}").unwrap().read().unwrap(), Mapping::default());
    }

    #[test]
    fn a_rule_that_cannot_be_meant_so_is_named_by_its_place() {
        let refused = |text: &str| {
            let problem = serde_json::from_str::<MappingBody>(text).unwrap().read().unwrap_err();
            serde_json::to_value(&*problem).unwrap()["invalid_parameters"][0]["field"].as_str().unwrap().to_owned()
        };
        let rule = |op: &str, group: &str| {
            format!(
                r#"{{"rules": [{{"name": "a", "conditions": [{{"claim": "b", "op": "{op}", "values": ["c"]}}],
                     "groups": ["{group}"]}}]}}"#
            )
        };
        assert_eq!(refused(&rule("like", "grp_1")), "rules.0.conditions.0.op");
        assert_eq!(refused(&rule("equals", "Devs")), "rules.0.groups.0");
        assert_eq!(refused(r#"{"groups": [{"external_id": "1", "group": "Devs"}]}"#), "groups.0.group");
        assert_eq!(refused(r#"{"life_hours": 0}"#), "life_hours");
    }

    #[test]
    fn it_is_tried_out_of_one_person_at_a_time() {
        assert!(whom(None, None).is_err() && whom(Some(Map::new()), Some("idn_1")).is_err());
        assert!(whom(None, Some("ana")).is_err() && matches!(whom(Some(Map::new()), None), Ok(Whom::Claims(_))));
    }
}
