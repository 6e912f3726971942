//! What holds where people must come through a connection: who may still come in with a password, and which addresses
//! nobody is registered with here.

use std::collections::BTreeSet;

use super::super::Refusal;
use super::checks::invalid;
use crate::domain::access::reach::Reach;
use crate::domain::access::{Role, Scope};
use crate::domain::change::{Change, NewUser};
use crate::domain::federation::Stage;
use crate::domain::people::domain_name::DomainName;
use crate::domain::people::user::{AccessType, Kind, MembershipState, UserState};
use crate::flows::end_sessions::Aside;
use crate::kernel::id::{ConnectionId, MembershipId, OrgId, UserId};
use crate::store::access_edit::{AccessEdit, Written};
use crate::store::federation::{self, upstreams};
use crate::store::{memberships, users};

/// The accounts that some changes make together with a break-glass membership.
pub fn made_break_glass(changes: &[Change]) -> BTreeSet<UserId> {
    let made = |member: &MembershipId| {
        changes.iter().find_map(|change| match change {
            Change::AddMember { member: new, user, .. } if new == member => Some(user.clone()),
            _ => None,
        })
    };
    let marked = |change: &Change| match change {
        Change::SetBreakGlass { member, on: true, .. } => made(member),
        _ => None,
    };
    changes.iter().filter_map(marked).collect()
}

/// Refuses an account of an organisation whose address leads to a connection that is enforced: it is made by coming
/// through. One that the same request makes break-glass is not.
pub(super) async fn may_be_registered(edit: &mut AccessEdit<'_>, aside: &Aside, new: &NewUser) -> Result<(), Refusal> {
    let Kind::Managed(org) = &new.kind else { return Ok(()) };
    if new.source.connection().is_some() || aside.break_glass.contains(&new.id) {
        return Ok(());
    }
    for text in [Some(new.user_name.as_str()), new.profile.email.as_deref()].into_iter().flatten() {
        not_led_away(edit, org, text).await?;
    }
    Ok(())
}

/// Refuses an address of an organisation that leads to a connection which is enforced.
pub(super) async fn not_led_away(edit: &mut AccessEdit<'_>, org: &OrgId, address: &str) -> Result<(), Refusal> {
    let Some(domain) = DomainName::of_email(address) else { return Ok(()) };
    match upstreams::for_domain(edit.conn(), domain.as_str()).await? {
        Some((of, _, offer)) if of == *org && offer.stage == Stage::Enforced => {
            Err(Refusal::ManagedByIdp { connection: offer.name })
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether a connection may be enforced: no other is, and somebody who administers the organisation can come in without
/// it.
pub(super) async fn may_be(edit: &mut AccessEdit<'_>, org: &OrgId, connection: &ConnectionId) -> Result<(), Refusal> {
    if upstreams::another_is_enforced(edit.conn(), org, connection).await? {
        let text = "Another connection of the organisation is enforced, or would be if it worked; take it back first";
        return Err(Refusal::Conflict(text.to_owned()));
    }
    for member in federation::break_glass_of(edit.conn(), org).await? {
        if let Some(found) = memberships::find(edit.conn(), org, &member).await?
            && administers(edit, org, &found.user).await?
        {
            return Ok(());
        }
    }
    Err(Refusal::Blocked {
        reason: "Make an administrator with a password break-glass first: if the provider fails, somebody must get in."
            .to_owned(),
        object: connection.to_string(),
        clear: format!("PUT /api/v1/orgs/{org}/users/USER/break-glass"),
    })
}

/// Whether somebody is the organisation's administrator, or its owner.
async fn administers(edit: &mut AccessEdit<'_>, org: &OrgId, user: &UserId) -> Result<bool, Refusal> {
    Ok(match edit.reach_of(org, user).await? {
        Reach::Whole => true,
        Reach::Member { grants, .. } => grants.holds(&Role::OrgAdmin, &Scope::Org),
    })
}

/// Marks a member as one who may come in with a password, or no longer. Where a connection is enforced the last of them
/// stays, and of one who is none any more what did not come through ends.
pub(super) async fn set_break_glass(
    edit: &mut AccessEdit<'_>,
    aside: &mut Aside,
    (org, member): (&OrgId, &MembershipId),
    on: bool,
) -> Result<Written, Refusal> {
    let Some(found) = memberships::find(edit.conn(), org, member).await? else { return Ok(Written::Missing) };
    if on {
        if found.state != MembershipState::Active {
            return Err(invalid("member", "This member is not active."));
        }
        super::not_from_a_connection(edit, &found.source).await?;
        can_come_in_alone(edit, org, &found.user).await?;
        return Ok(edit.set_break_glass(org, member, true).await?);
    }
    let enforced = upstreams::enforced_of(edit.conn(), org).await?;
    if enforced.is_some() {
        let left = federation::break_glass_of(edit.conn(), org).await?;
        if left.contains(member) && left.len() == 1 {
            return Err(Refusal::Blocked {
                reason:
                    "Make another administrator break-glass first: as long as a connection is enforced, there is one."
                        .to_owned(),
                object: member.to_string(),
                clear: format!("PUT /api/v1/orgs/{org}/users/USER/break-glass"),
            });
        }
    }
    let written = edit.set_break_glass(org, member, false).await?;
    if let Some(offer) = enforced.filter(|_| written == Written::Done) {
        aside.enforced.insert(org.clone(), offer.connection);
    }
    Ok(written)
}

/// An active account of a person that no connection owns, with a password, who administers the organisation.
async fn can_come_in_alone(edit: &mut AccessEdit<'_>, org: &OrgId, user: &UserId) -> Result<(), Refusal> {
    let not_found = || Refusal::NotFound("The user".to_owned());
    let account = users::find(edit.conn(), user).await?.ok_or_else(not_found)?;
    super::not_from_a_connection(edit, &account.source).await?;
    let person = match account.kind {
        Kind::Own | Kind::Managed(_) => true,
        Kind::Service(..) | Kind::Operator => false,
    };
    let by_password = users::access_type(edit.conn(), user).await? == Some(AccessType::Password);
    let has_one = users::password_facts(edit.conn(), user).await?.is_some_and(|facts| facts.password.is_some());
    if !person || account.state != UserState::Active || !by_password || !has_one {
        return Err(invalid("member", "Choose a person who can sign in with a password."));
    }
    if administers(edit, org, user).await? {
        return Ok(());
    }
    Err(invalid("member", "Choose an administrator of the organisation, or its owner."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::source::Source;

    // K05
    #[test]
    fn only_whoever_is_made_break_glass_in_the_same_request_is_excepted() {
        let (org, member, user) = (OrgId::from_u128(1), MembershipId::from_u128(2), UserId::from_u128(3));
        let add = Change::AddMember {
            org: org.clone(),
            member: member.clone(),
            user: user.clone(),
            state: MembershipState::Active,
            source: Source::Local,
        };
        let mark =
            |member: &MembershipId, on: bool| Change::SetBreakGlass { org: org.clone(), member: member.clone(), on };
        assert_eq!(made_break_glass(&[add.clone(), mark(&member, true)]), BTreeSet::from([user]));
        assert!(made_break_glass(&[add.clone(), mark(&member, false)]).is_empty());
        assert!(made_break_glass(&[add, mark(&MembershipId::from_u128(9), true)]).is_empty());
    }
}
