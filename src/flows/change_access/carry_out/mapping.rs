//! A connection's mapping: which groups it may name, where everybody is as soon as it changes, and that nobody else takes
//! the places which it gives.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Refusal;
use super::checks::invalid;
use super::federation::unfit;
use crate::domain::access::{Binding, Subject};
use crate::domain::federation::{Mapping, SignInSettings};
use crate::domain::source::Source;
use crate::flows::end_sessions::Aside;
use crate::kernel::id::{ConnectionId, GroupId, MembershipId, OrgId};
use crate::store::access_edit::mapped::Wanted;
use crate::store::access_edit::{AccessEdit, Written};
use crate::store::federation::{identities, mapped_among, mapped_places, upstreams};
use crate::store::{connections, groups};

/// So many people's claims are read at a time.
const PAGE: i64 = 200;

/// Replaces the mapping, and has everybody who came through within its life be where it puts them from now on: each until
/// the end that follows from when they came, for nobody has come again.
pub(super) async fn set(
    edit: &mut AccessEdit<'_>,
    (org, connection): (&OrgId, &ConnectionId),
    mapping: &Mapping,
) -> Result<Written, Refusal> {
    let Some(sign_in) = upstreams::find(edit.conn(), org, connection).await? else { return Ok(Written::Missing) };
    mapping.check().map_err(unfit)?;
    check_groups(edit, org, mapping).await?;
    let written = edit.set_mapping(org, connection, mapping).await?;
    if written == Written::Done {
        let wanted = wanted(edit, connection, (mapping, &sign_in.settings)).await?;
        edit.place_all(org, connection, &wanted, mapping.life()).await?;
    }
    Ok(written)
}

/// The groups are the organisation's own: into a connection's only its own people come, and it says who.
async fn check_groups(edit: &mut AccessEdit<'_>, org: &OrgId, mapping: &Mapping) -> Result<(), Refusal> {
    let named = mapping.group_ids();
    if named.is_empty() {
        return Ok(());
    }
    let all = groups::of_org(edit.conn(), org).await?;
    let known: BTreeMap<&GroupId, &Source> = all.iter().map(|found| (&found.id, &found.source)).collect();
    for group in &named {
        match known.get(group) {
            Some(Source::Local | Source::System) => {}
            Some(Source::Scim(_) | Source::Oidc(_) | Source::Invitation(_)) => {
                return Err(invalid(
                    "groups",
                    format!("{group} is a connection's group; name one of the organisation's."),
                ));
            }
            None => return Err(Refusal::NotFound(format!("group {group}"))),
        }
    }
    Ok(())
}

/// Where everybody is to be who came through a connection while a place would still last. What was said by the provider
/// of a set-up before puts nobody anywhere.
async fn wanted(
    edit: &mut AccessEdit<'_>,
    connection: &ConnectionId,
    (mapping, settings): (&Mapping, &SignInSettings),
) -> Result<Wanted, Refusal> {
    let (mut wanted, mut after) = (Wanted::new(), String::new());
    if !mapping.on {
        return Ok(wanted);
    }
    let since = edit.at().minus(mapping.life());
    loop {
        let page = identities::recent(edit.conn(), connection, since, &after, PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(wanted) };
        after = last.id.to_string();
        for (identity, claims) in page {
            if identity.upstream.issuer != settings.core.issuer {
                continue;
            }
            let groups = mapping.evaluate(&claims, &settings.claims).groups;
            if let Some(came) = identity.last_sign_in_at.filter(|_| !groups.is_empty()) {
                wanted.insert(identity.member, (groups, came.plus(mapping.life())));
            }
        }
    }
}

/// Refuses to take members out of a group whom a mapping put there: they would be back at their next sign-in. A connection
/// writes to its own groups alone, in which there are none.
pub(super) async fn spare_places(
    edit: &mut AccessEdit<'_>,
    aside: &Aside,
    group: &GroupId,
    members: &[MembershipId],
) -> Result<(), Refusal> {
    if aside.connection.is_some() {
        return Ok(());
    }
    match mapped_among(edit.conn(), group, members).await?.first() {
        Some(place) => of_its_connection(edit, &place.connection).await,
        None => Ok(()),
    }
}

/// As [`spare_places`], for all places of a member in other groups than these.
pub(super) async fn spare_places_of(
    edit: &mut AccessEdit<'_>,
    member: &MembershipId,
    wanted: &BTreeSet<GroupId>,
) -> Result<(), Refusal> {
    let places = mapped_places(edit.conn(), member).await?;
    match places.iter().find(|place| !wanted.contains(&place.group)) {
        Some(place) => of_its_connection(edit, &place.connection).await,
        None => Ok(()),
    }
}

/// Refuses to have a member leave a role that a place gives into which a mapping put them: named is the connection, for
/// whoever took the person out of the group would be refused.
pub(super) async fn not_by_a_place(
    edit: &mut AccessEdit<'_>,
    (org, member): (&OrgId, &MembershipId),
    binding: &Binding,
) -> Result<(), Refusal> {
    let Subject::Group(id) = &binding.subject else { return Ok(()) };
    let places = mapped_among(edit.conn(), id, std::slice::from_ref(member)).await?;
    let Some(place) = places.first() else { return Ok(()) };
    let Some(group) = groups::find(edit.conn(), org, id).await? else { return Ok(()) };
    let name = connections::name_of(edit.conn(), place.connection.as_str()).await?;
    let name = name.unwrap_or_else(|| place.connection.to_string());
    Err(Refusal::Blocked {
        reason: format!(
            "The member has a role here through the group \"{}\", into which the mapping of the connection \"{name}\" \
             puts them; take the role from the group, or change the mapping.",
            group.name
        ),
        object: place.connection.to_string(),
        clear: format!("DELETE /api/v1/orgs/{org}/bindings/{}", binding.id),
    })
}

async fn of_its_connection(edit: &mut AccessEdit<'_>, connection: &ConnectionId) -> Result<(), Refusal> {
    super::not_from_a_connection(edit, &Source::Oidc(connection.to_string())).await
}
