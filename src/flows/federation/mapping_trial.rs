//! What a mapping would give somebody before it is saved: the groups and roles of now and those of then, with reasons.
//!
//! Nothing is written, and claims that somebody pastes are kept nowhere. Where a draft puts somebody is worked out by the
//! function that puts people there when they sign in.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::App;
use crate::domain::access::{Binding, Bindings, Holder, Role, Scope, Via, effective};
use crate::domain::federation::claims::{self, Groups};
use crate::domain::federation::mapping::Placed;
use crate::domain::federation::settings::Unfit;
use crate::domain::federation::{Claims, Mapping};
use crate::domain::people::user::{MembershipState, UserState};
use crate::domain::source::Source;
use crate::kernel::id::{ConnectionId, GroupId, IdentityId, MembershipId, OrgId, ProjectId, UserId};
use crate::kernel::time::UnixMillis;
use crate::store::db::Conn;
use crate::store::federation::identities::{self, Identity};
use crate::store::federation::upstreams::{self, SignIn};
use crate::store::people_read::{self, GroupName};
use crate::store::{bindings, groups, picture};

/// Of whom is asked.
#[derive(Clone, Debug)]
pub enum Whom {
    /// Somebody of whom this would be said, and who holds nothing yet.
    Claims(Claims),
    /// Somebody who came through before, by what was said then.
    Identity(IdentityId),
}

/// A group that somebody is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceIn {
    /// The group.
    pub group: GroupId,
    /// Its name.
    pub name: String,
    /// Whether the mapping gives it; else an administrator or SCIM does.
    pub mapped: bool,
    /// The rules and the provider's groups that it comes from.
    pub why: Vec<String>,
}

/// A role that somebody holds as it was given, without what it implies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleOn {
    /// The role.
    pub role: Role,
    /// On what.
    pub scope: Scope,
    /// The names of the groups through which it comes.
    pub through: Vec<String>,
    /// Whether it is held without a group, too.
    pub direct: bool,
}

/// Where somebody is, and what that gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// The groups, by id.
    pub groups: Vec<PlaceIn>,
    /// The roles.
    pub roles: Vec<RoleOn>,
}

/// Both answers.
#[derive(Clone, Debug)]
pub struct TriedOut {
    /// Now: of somebody known what they have; of pasted claims what the saved mapping gives.
    pub before: Placement,
    /// With the mapping that was tried.
    pub after: Placement,
    /// What stands in the way, or may surprise: sentences.
    pub problems: Vec<String>,
}

/// Why nothing was tried out.
#[derive(Debug, thiserror::Error)]
pub enum NotTried {
    /// Something that is named is not there.
    #[error("{0} was not found")]
    Missing(&'static str),
    /// The mapping can't be meant so.
    #[error("{}: {}", .0.field, .0.reason)]
    Unfit(Unfit),
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] sqlx::Error),
}

/// Somebody of whom it is tried out.
struct Person {
    claims: Claims,
    holder: Holder,
    /// The groups of now; `None` of somebody who is only described.
    held: Option<Vec<GroupName>>,
    direct: Vec<Binding>,
    problems: Vec<String>,
}

/// What is looked at besides the person.
struct Ground<'a> {
    org: &'a OrgId,
    sign_in: &'a SignIn,
    /// The groups that a mapping may name, with their names.
    own: BTreeMap<GroupId, String>,
    projects: Vec<ProjectId>,
    at: UnixMillis,
}

/// Says what a mapping gives somebody: the saved one, or the draft that is given.
///
/// # Errors
/// The connection has no sign-in, or nobody is known by the identity; the draft can't be meant so; the database's.
pub async fn try_out(
    app: &App,
    (org, connection): (&OrgId, &ConnectionId),
    whom: Whom,
    draft: Option<Mapping>,
) -> Result<TriedOut, NotTried> {
    let mut conn = app.db.read().await?;
    let sign_in = upstreams::find(&mut conn, org, connection).await?.ok_or(NotTried::Missing("The sign-in"))?;
    let draft = draft.unwrap_or_else(|| sign_in.mapping.clone());
    draft.check().map_err(NotTried::Unfit)?;
    let own = groups::of_org(&mut conn, org).await?.into_iter().filter(|group| is_nameable(&group.source));
    let ground = Ground {
        org,
        sign_in: &sign_in,
        own: own.map(|group| (group.id, group.name)).collect(),
        projects: picture::projects(&mut conn, org).await?.into_iter().map(|project| project.id).collect(),
        at: app.now(),
    };
    let mut person = match whom {
        Whom::Claims(said) => described(said),
        Whom::Identity(id) => known(&mut conn, &ground, &id, &draft).await?,
    };
    let (old, new) = (ground.placed(&sign_in.mapping, &person), ground.placed(&draft, &person));
    let (before, after) = ground.places(&person, old, &new);
    let mut problems = std::mem::take(&mut person.problems);
    problems.extend(ground.problems(&draft, &person, &new));
    Ok(TriedOut {
        before: ground.placement(&mut conn, &person, before).await?,
        after: ground.placement(&mut conn, &person, after).await?,
        problems,
    })
}

/// Only its own people come into a connection's group, and it says who.
const fn is_nameable(source: &Source) -> bool {
    match source {
        Source::Local | Source::System => true,
        Source::Scim(_) | Source::Oidc(_) | Source::Invitation(_) => false,
    }
}

/// Somebody who is only described: active, in nothing, with nothing.
fn described(claims: Claims) -> Person {
    let (id, user) = (MembershipId::fresh(), UserId::fresh());
    let holder = Holder { id, user, active: true, owner: false, groups: BTreeSet::new() };
    Person { claims, holder, held: None, direct: Vec::new(), problems: Vec::new() }
}

/// Somebody who came through before, with what they are in and hold now.
async fn known(conn: &mut Conn, ground: &Ground<'_>, id: &IdentityId, draft: &Mapping) -> Result<Person, NotTried> {
    let missing = || NotTried::Missing("The identity");
    let found = identities::by_id(conn, ground.org, id).await?;
    let found = found.filter(|found| found.connection == ground.sign_in.connection.id).ok_or_else(missing)?;
    let claims = identities::claims(conn, id).await?.ok_or_else(missing)?;
    let person = people_read::find(conn, ground.org, &found.member).await?.ok_or_else(missing)?;
    let member = std::slice::from_ref(&found.member);
    let mut held = people_read::groups_of(conn, member).await?.remove(&found.member).unwrap_or_default();
    held.retain(|place| place.expires_at.is_none_or(|end| end > ground.at));
    let active = person.user_state == UserState::Active && person.member_state == MembershipState::Active;
    let mut problems = Vec::new();
    if !active {
        problems.push(
            "The account or its membership is barred: nothing is held, and a sign-in is refused (account_disabled)."
                .to_owned(),
        );
    }
    problems.extend(outlived(&found, draft, ground.at).map(str::to_owned));
    let holder = Holder { id: found.member, user: found.user, active, owner: person.owner, groups: BTreeSet::new() };
    let direct = people_read::direct_of(conn, std::slice::from_ref(&holder.id)).await?;
    Ok(Person { claims, holder, held: Some(held), direct, problems })
}

/// Why somebody is not placed at once when the mapping is saved, if they aren't.
fn outlived(identity: &Identity, draft: &Mapping, at: UnixMillis) -> Option<&'static str> {
    match identity.last_sign_in_at {
        None => Some("The person was linked and never came through: nothing is known to map."),
        Some(last) if last.plus(draft.life()) <= at => {
            Some("The last sign-in is longer ago than a place lasts: the person is placed at the next one.")
        }
        Some(_) => None,
    }
}

impl Ground<'_> {
    /// Where a mapping puts the person, of the groups that it may name. What was kept of a sign-in is taken as it is: it
    /// says itself what it lacks.
    fn placed(&self, mapping: &Mapping, person: &Person) -> Placed {
        let settings = &self.sign_in.settings;
        let names = &settings.claims;
        let mut placed = if person.held.is_some() {
            mapping.evaluate(&person.claims, names)
        } else {
            let said = person.claims.clone();
            mapping.evaluate(&claims::kept(said, names, mapping, settings.scim_claim.as_deref()), names)
        };
        placed.groups.retain(|group| self.own.contains_key(group));
        placed
    }

    /// The places of now and of then. What is there by other hands stays theirs.
    fn places(&self, person: &Person, old: Placed, new: &Placed) -> (Vec<PlaceIn>, Vec<PlaceIn>) {
        let Some(held) = &person.held else {
            return (self.given(&old), self.given(new));
        };
        let source = Source::Oidc(self.sign_in.connection.id.to_string());
        let mut why = old.why;
        let place = |held: &GroupName, mapped: bool, why: Vec<String>| PlaceIn {
            group: held.id.clone(),
            name: held.name.clone(),
            mapped,
            why,
        };
        let (mut before, mut after) = (Vec::new(), BTreeMap::new());
        for held in held {
            let mapped = held.source == source;
            let reasons = if mapped { why.remove(&held.id).unwrap_or_default() } else { Vec::new() };
            before.push(place(held, mapped, reasons));
            if !mapped {
                after.insert(held.id.clone(), place(held, false, Vec::new()));
            }
        }
        for given in self.given(new) {
            after.entry(given.group.clone()).or_insert(given);
        }
        before.sort_by(|one, other| one.group.cmp(&other.group));
        (before, after.into_values().collect())
    }

    fn given(&self, placed: &Placed) -> Vec<PlaceIn> {
        let place = |group: &GroupId| PlaceIn {
            group: group.clone(),
            name: self.own.get(group).cloned().unwrap_or_default(),
            mapped: true,
            why: placed.why.get(group).cloned().unwrap_or_default(),
        };
        placed.groups.iter().map(place).collect()
    }

    /// What those groups give, beside what the person holds directly.
    async fn placement(
        &self,
        conn: &mut Conn,
        person: &Person,
        groups: Vec<PlaceIn>,
    ) -> Result<Placement, sqlx::Error> {
        let mut all = person.direct.clone();
        for place in &groups {
            all.extend(bindings::of_group(conn, self.org, &place.group).await?);
        }
        let holder =
            Holder { groups: groups.iter().map(|place| place.group.clone()).collect(), ..person.holder.clone() };
        let grants = effective(&holder, &Bindings::new(all), &self.projects, self.at);
        let names: BTreeMap<&GroupId, &str> = groups.iter().map(|place| (&place.group, place.name.as_str())).collect();
        let roles = grants.iter().filter_map(|((role, scope), ways)| {
            // As it was given: what another role brings, or a wider scope, is said by that one.
            let given: Vec<&Via> =
                ways.iter().filter(|via| via.implied_by.is_none() && via.covered_by.is_none()).collect();
            let through = given.iter().filter_map(|via| names.get(via.group.as_ref()?)).map(|name| (*name).to_owned());
            (!given.is_empty()).then(|| RoleOn {
                role: role.clone(),
                scope: scope.clone(),
                through: through.collect(),
                direct: given.iter().any(|via| via.group.is_none()),
            })
        });
        let roles = roles.collect();
        Ok(Placement { groups, roles })
    }

    /// What stands in the way of a sign-in, or of saving the mapping.
    fn problems(&self, draft: &Mapping, person: &Person, new: &Placed) -> Vec<String> {
        let mut problems = Vec::new();
        if !draft.on {
            problems.push("The mapping is off: it gives nothing.".to_owned());
        }
        for group in draft.group_ids().iter().filter(|group| !self.own.contains_key(*group)) {
            problems
                .push(format!("{group} is no group of the organisation's own; a mapping that names it isn't saved."));
        }
        let names = &self.sign_in.settings.claims;
        if draft.needs_groups(names) && matches!(claims::groups(&person.claims, names), Groups::Overage) {
            let text =
                "The provider left the groups out, for they are too many: a sign-in is refused (groups_overage).";
            problems.push(text.to_owned());
        } else if draft.on && draft.require_match && new.groups.is_empty() {
            problems.push("The mapping puts the person nowhere: a sign-in is refused (no_group).".to_owned());
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::federation::Upstream;
    use crate::kernel::time::HOUR;

    #[test]
    fn a_mapping_names_the_organisations_own_groups_alone() {
        assert!(is_nameable(&Source::Local) && is_nameable(&Source::System));
        for source in [Source::Scim("con_1".to_owned()), Source::Oidc("con_1".to_owned())] {
            assert!(!is_nameable(&source), "{source}");
        }
    }

    #[test]
    fn whoever_came_longer_ago_than_a_place_lasts_is_placed_at_the_next_sign_in() {
        let came = |last: Option<i64>| Identity {
            id: IdentityId::from_u128(1),
            connection: ConnectionId::from_u128(1),
            org: OrgId::from_u128(1),
            upstream: Upstream { issuer: "https://idp.test".to_owned(), subject: "1".to_owned() },
            user: UserId::from_u128(1),
            member: MembershipId::from_u128(1),
            linked_at: UnixMillis(0),
            linked_by: String::new(),
            last_sign_in_at: last.map(UnixMillis),
        };
        let draft = Mapping { life_hours: 1, ..Mapping::default() };
        let at = UnixMillis(2 * HOUR);
        assert!(outlived(&came(None), &draft, at).is_some_and(|text| text.contains("never came")));
        assert!(outlived(&came(Some(HOUR)), &draft, at).is_some_and(|text| text.contains("longer ago")));
        assert_eq!(outlived(&came(Some(HOUR + 1)), &draft, at), None);
    }
}
