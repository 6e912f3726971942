//! What a connection pushes: the rules that hold whatever it sends, then the rows.

use super::super::Refusal;
use super::checks::{check_name, check_profile, invalid, unknown};
use super::federation::forget_all;
use super::people::{NAME_TAKEN, end_everywhere, end_links};
use crate::domain::access::role::Role;
use crate::domain::change::{Change, GroupResource, NewUser, Provisioned};
use crate::domain::connection::ConnectionState;
use crate::domain::people::user::{Kind, MembershipState, UserState};
use crate::domain::source::Source;
use crate::flows::end_sessions::Aside;
use crate::kernel::id::{ConnectionId, GroupId, MembershipId, OrgId, UserId};
use crate::store::access_edit::{AccessEdit, Written};
use crate::store::federation::upstreams;
use crate::store::users::User;
use crate::store::{connections, groups, memberships, orgs, users};

const GROUP_TAKEN: &str = "A group with this name";

/// Carries a change of a connection out.
pub(super) async fn carry_out(
    edit: &mut AccessEdit<'_>,
    change: &Change,
    aside: &mut Aside,
) -> Result<(Written, &'static str), Refusal> {
    Ok(match change {
        Change::ProvisionUser { org, connection, user, member, new } => {
            works(edit, org, connection).await?;
            (provision_user(edit, (org, connection), (user, member), new).await?, NAME_TAKEN)
        }
        Change::SetProvisionedUser { connection, user, new, version, .. } => {
            at_version(edit.beside_user(connection, user).await?.map(|row| row.version), *version)?;
            set_user(edit, aside, (connection, user), new).await?
        }
        Change::DeprovisionUser { connection, user, version, .. } => {
            at_version(edit.beside_user(connection, user).await?.map(|row| row.version), *version)?;
            (delete_user(edit, aside, connection, user).await?, "The user")
        }
        Change::AdoptUser { org, connection, user, new } => {
            works(edit, org, connection).await?;
            (adopt(edit, aside, (org, connection), (user, new)).await?, NAME_TAKEN)
        }
        Change::ProvisionGroup { org, connection, group, new } => {
            works(edit, org, connection).await?;
            (provision_group(edit, (org, connection), group, new).await?, GROUP_TAKEN)
        }
        Change::SetProvisionedGroup { org, connection, group, new, version } => {
            at_version(edit.beside_group(connection, group).await?.map(|row| row.version), *version)?;
            set_group(edit, (org, connection), group, new).await?
        }
        Change::DeprovisionGroup { org, connection, group, version } => {
            at_version(edit.beside_group(connection, group).await?.map(|row| row.version), *version)?;
            (edit.delete_provisioned_group(org, connection, group).await?, "The group")
        }
        Change::ExpectGroup { connection, group, version, .. } => {
            at_version(edit.beside_group(connection, group).await?.map(|row| row.version), Some(*version))?;
            (Written::Already, "The group")
        }
        _ => return Err(unknown()),
    })
}

/// A row that somebody else wrote meanwhile is read again.
fn at_version(stands: Option<i64>, expected: Option<i64>) -> Result<(), Refusal> {
    match (stands, expected) {
        (None, _) => Err(Refusal::NotFound("The resource".to_owned())),
        (Some(stands), Some(expected)) if stands != expected => Err(Refusal::Stale),
        (Some(_), _) => Ok(()),
    }
}

async fn works(edit: &mut AccessEdit<'_>, org: &OrgId, connection: &ConnectionId) -> Result<(), Refusal> {
    match connections::find(edit.conn(), org, connection).await? {
        Some(found) if found.state == ConnectionState::Active => Ok(()),
        Some(_) | None => Err(Refusal::NotFound("The connection".to_owned())),
    }
}

/// Names as directories have them: longer than people type here, and with more signs.
fn check(new: &Provisioned) -> Result<(), Refusal> {
    check_name("userName", &new.user_name, 256)?;
    check_profile(&new.profile)
}

async fn provision_user(
    edit: &mut AccessEdit<'_>,
    (org, connection): (&OrgId, &ConnectionId),
    (user, member): (&UserId, &MembershipId),
    new: &Provisioned,
) -> Result<Written, Refusal> {
    check(new)?;
    let source = Source::Scim(connection.to_string());
    let account = NewUser {
        id: user.clone(),
        kind: Kind::Managed(org.clone()),
        user_name: new.user_name.clone(),
        profile: new.profile.clone(),
        state: if new.resource.active { UserState::Active } else { UserState::Deactivated },
        source: source.clone(),
        password: None,
        must_change: false,
    };
    if edit.create_user(&account).await? == Written::Taken {
        return Ok(Written::Taken);
    }
    edit.add_member(org, member, user, MembershipState::Active, &source).await?;
    Ok(edit.put_beside_user(connection, (user, member), &new.resource).await?)
}

async fn set_user(
    edit: &mut AccessEdit<'_>,
    aside: &mut Aside,
    (connection, user): (&ConnectionId, &UserId),
    new: &Provisioned,
) -> Result<(Written, &'static str), Refusal> {
    const WHAT: &str = "The user";
    check(new)?;
    let (Some(before), Some(row)) = (users::find(edit.conn(), user).await?, edit.beside_user(connection, user).await?)
    else {
        return Ok((Written::Missing, WHAT));
    };
    let profile = edit.set_provisioned_profile(user, new).await?;
    if profile == Written::Taken {
        return Ok((Written::Taken, NAME_TAKEN));
    }
    if before.profile.email != new.profile.email {
        end_links(edit, user).await?;
        end_everywhere(edit, aside, user, "email_changed").await?;
    }
    let moved = edit.set_upstream_active(user, new.resource.active).await? == Written::Done;
    if moved {
        if !new.resource.active {
            aside.users.insert(user.clone(), "account_barred");
            end_links(edit, user).await?;
            edit.cancel_invitations_of(user, None).await?;
        }
        note_owner(edit, aside, &before, !new.resource.active).await?;
    }
    if !moved
        && profile == Written::Already
        && row.attributes == new.resource.attributes
        && row.active == new.resource.active
    {
        return Ok((Written::Already, WHAT));
    }
    Ok((edit.set_beside_user(connection, user, &new.resource).await?, NAME_TAKEN))
}

/// Whoever owns the organisation is taken away like everybody; that somebody has to take over is written down.
pub(super) async fn note_owner(
    edit: &mut AccessEdit<'_>,
    aside: &mut Aside,
    user: &User,
    barred: bool,
) -> Result<Option<OrgId>, Refusal> {
    let Some(org) = owned_by(edit, user).await? else { return Ok(None) };
    if edit.note_owner_barred(&org, barred).await? && barred {
        aside.owner_barred.insert(org.clone());
    }
    Ok(Some(org))
}

async fn owned_by(edit: &mut AccessEdit<'_>, user: &User) -> Result<Option<OrgId>, Refusal> {
    let Some(org) = user.kind.org().cloned() else { return Ok(None) };
    let owner = orgs::find(edit.conn(), &org).await?.and_then(|found| found.owner);
    let member = edit.membership_of(&org, &user.id).await?;
    Ok((owner.is_some() && owner == member).then_some(org))
}

async fn delete_user(
    edit: &mut AccessEdit<'_>,
    aside: &mut Aside,
    connection: &ConnectionId,
    user: &UserId,
) -> Result<Written, Refusal> {
    let Some(found) = users::find(edit.conn(), user).await? else {
        return Ok(Written::Missing);
    };
    if let Some(org) = note_owner(edit, aside, &found, true).await? {
        edit.orphan(&org).await?;
    }
    edit.drop_beside_user(connection, user).await?;
    let written = edit.set_user_state(user, UserState::Deleted).await?;
    aside.users.insert(user.clone(), "account_barred");
    end_links(edit, user).await?;
    edit.cancel_invitations_of(user, None).await?;
    Ok(written)
}

/// Only a person's account of this organisation that nobody upstream has yet is handed over, and never the owner's; nor
/// one that administers it, unless a person who may do so says it. Of an account that came by a sign-in of the same
/// connection nothing is asked: it is the connection's already.
async fn adopt(
    edit: &mut AccessEdit<'_>,
    aside: &mut Aside,
    (org, connection): (&OrgId, &ConnectionId),
    (user, new): (&UserId, &Provisioned),
) -> Result<Written, Refusal> {
    check(new)?;
    let found = users::find(edit.conn(), user).await?.filter(|found| found.kind == Kind::Managed(org.clone()));
    let its_own = Source::Oidc(connection.to_string());
    let can_be = |found: &User| found.source.connection().is_none() || found.source == its_own;
    let found = found.filter(|found| found.state != UserState::Deleted && can_be(found));
    let Some(found) = found else {
        return Err(Refusal::Conflict("This account can't be handed over".to_owned()));
    };
    let Some(member) = edit.membership_of(org, user).await? else {
        return Err(Refusal::Conflict("This account is no member any more".to_owned()));
    };
    let local = found.source != its_own;
    if local && owned_by(edit, &found).await?.is_some() {
        return Err(Refusal::Conflict("The organisation's owner is not handed over to a connection".to_owned()));
    }
    if local && aside.connection.is_some() && administers(edit, &member).await? {
        return Err(Refusal::Conflict("An administrator's account is handed over by an administrator only".to_owned()));
    }
    if local {
        // Whoever had it may have linked it to themselves.
        forget_all(edit, aside, (org, user)).await?;
    }
    let source = Source::Scim(connection.to_string());
    edit.hand_over(org, user, &member, &source).await?;
    end_everywhere(edit, aside, user, "account_adopted").await?;
    if edit.set_provisioned_profile(user, new).await? == Written::Taken {
        return Ok(Written::Taken);
    }
    edit.set_upstream_active(user, new.resource.active).await?;
    Ok(edit.put_beside_user(connection, (user, &member), &new.resource).await?)
}

/// Whether any role that reaches a member is an administrator's, or of the organisation's own making.
async fn administers(edit: &mut AccessEdit<'_>, member: &MembershipId) -> Result<bool, Refusal> {
    let bindings = memberships::bindings_reaching(edit.conn(), member).await?;
    Ok(bindings.iter().any(|binding| match &binding.role {
        Role::Own(_) => true,
        built_in => built_in.as_str().rsplit('.').next() == Some("admin"),
    }))
}

fn check_group(new: &GroupResource) -> Result<(), Refusal> {
    check_name("displayName", &new.name, 256)
}

async fn provision_group(
    edit: &mut AccessEdit<'_>,
    (org, connection): (&OrgId, &ConnectionId),
    group: &GroupId,
    new: &GroupResource,
) -> Result<Written, Refusal> {
    check_group(new)?;
    let source = Source::Scim(connection.to_string());
    if edit.create_group(org, group, (&new.name, ""), &source).await? == Written::Taken {
        return Ok(Written::Taken);
    }
    Ok(edit.put_beside_group(connection, group, new).await?)
}

async fn set_group(
    edit: &mut AccessEdit<'_>,
    (org, connection): (&OrgId, &ConnectionId),
    group: &GroupId,
    new: &GroupResource,
) -> Result<(Written, &'static str), Refusal> {
    const WHAT: &str = "The group";
    check_group(new)?;
    let Some(row) = edit.beside_group(connection, group).await? else {
        return Ok((Written::Missing, WHAT));
    };
    let described = groups::find(edit.conn(), org, group).await?.map(|found| found.description).unwrap_or_default();
    match edit.rename_group(org, group, &new.name, &described).await? {
        Written::Taken => return Ok((Written::Taken, GROUP_TAKEN)),
        Written::Missing => return Ok((Written::Missing, WHAT)),
        Written::Already if row.attributes == new.attributes => return Ok((Written::Already, WHAT)),
        Written::Already | Written::Done => {}
    }
    Ok((edit.set_beside_group(connection, group, new).await?, WHAT))
}

/// People of a connection are steered upstream: they get roles directly, or a place in a local group, only where the
/// connection's `local_grants` says so. Those who come by a sign-in alone are steered by its mapping, while it is on.
pub(super) async fn no_local_grants(edit: &mut AccessEdit<'_>, members: &[MembershipId]) -> Result<(), Refusal> {
    for source in memberships::sources_among(edit.conn(), members).await? {
        let id = match &source {
            Source::Local | Source::System | Source::Invitation(_) => continue,
            Source::Scim(id) => id,
            Source::Oidc(id) => {
                let sign_in = upstreams::by_id(edit.conn(), &ConnectionId::trusted(id.clone())).await?;
                if !sign_in.is_some_and(|found| found.mapping.on) {
                    continue;
                }
                id
            }
        };
        match connections::by_id(edit.conn(), &ConnectionId::trusted(id.to_owned())).await? {
            Some(found) if found.local_grants => {}
            Some(found) => return Err(Refusal::ManagedByIdp { connection: found.name }),
            None => return Err(Refusal::ManagedByIdp { connection: id.to_owned() }),
        }
    }
    Ok(())
}

/// Into a group of a connection only its own people come.
pub(super) async fn only_its_own(
    edit: &mut AccessEdit<'_>,
    group: &Source,
    members: &[MembershipId],
) -> Result<(), Refusal> {
    if members.is_empty() || group.connection().is_none() {
        return Ok(());
    }
    match memberships::sources_among(edit.conn(), members).await?.iter().find(|source| *source != group) {
        None => Ok(()),
        Some(_) => Err(invalid("members", "Only people of the same connection can be in its groups.")),
    }
}
