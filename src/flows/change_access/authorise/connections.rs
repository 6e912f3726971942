//! What a connection's client may ask for, and who may set connections up.

use super::super::Refusal;
use super::Asker;
use super::rules::{admin_only, denied, of_account, on_org};
use crate::domain::change::Change;
use crate::domain::connection::ConnectionState;
use crate::domain::source::Source;
use crate::kernel::id::{ConnectionId, GroupId, OrgId, UserId};
use crate::store::access_edit::AccessEdit;
use crate::store::{connections, groups, users};

/// A connection writes to what it owns, in its own organisation, and to nothing else; what is not its own is not there.
pub(super) async fn check(
    edit: &mut AccessEdit<'_>,
    by: (&OrgId, &ConnectionId),
    change: &Change,
) -> Result<(), Refusal> {
    let its_own = |org: &OrgId, connection: &ConnectionId| -> Result<(), Refusal> {
        if (org, connection) == by { Ok(()) } else { Err(Refusal::NotFound("The connection".to_owned())) }
    };
    match change {
        Change::ProvisionUser { org, connection, .. }
        | Change::AdoptUser { org, connection, .. }
        | Change::ProvisionGroup { org, connection, .. } => its_own(org, connection),
        Change::SetProvisionedUser { org, connection, user, .. }
        | Change::DeprovisionUser { org, connection, user, .. } => {
            its_own(org, connection)?;
            works(edit, by, change).await?;
            its_user(edit, connection, user).await
        }
        Change::SetProvisionedGroup { org, connection, group, .. }
        | Change::DeprovisionGroup { org, connection, group, .. }
        | Change::ExpectGroup { org, connection, group, .. } => {
            its_own(org, connection)?;
            works(edit, by, change).await?;
            its_group(edit, (org, connection), group).await
        }
        Change::AddToGroup { org, group, .. }
        | Change::RemoveFromGroup { org, group, .. }
        | Change::SetGroupMembers { org, group, .. } => {
            its_own(org, by.1)?;
            works(edit, by, change).await?;
            its_group(edit, by, group).await
        }
        // Whether the sign-in is still open is judged when it is carried out.
        Change::SignInThrough(came) => its_own(&came.org, &came.connection),
        // A provider is heard of what is over as long as the connection works, whether it is open to people or not.
        Change::EndUpstream { org, connection, .. } | Change::SetUpstreamAccount { org, connection, .. } => {
            its_own(org, connection)?;
            works(edit, by, change).await
        }
        _ => Err(denied(change, "an administrator: a connection writes only to what it owns")),
    }
}

/// Its client was let in before; a request of many operations takes its time. What is made, is looked at there.
async fn works(
    edit: &mut AccessEdit<'_>,
    (org, connection): (&OrgId, &ConnectionId),
    change: &Change,
) -> Result<(), Refusal> {
    match connections::find(edit.conn(), org, connection).await? {
        Some(found) if found.state == ConnectionState::Active => Ok(()),
        Some(_) | None => Err(denied(change, "a connection that works")),
    }
}

async fn its_user(edit: &mut AccessEdit<'_>, connection: &ConnectionId, user: &UserId) -> Result<(), Refusal> {
    let source = Source::Scim(connection.to_string());
    match users::find(edit.conn(), user).await? {
        Some(found) if found.source == source => Ok(()),
        Some(_) | None => Err(Refusal::NotFound("The user".to_owned())),
    }
}

async fn its_group(
    edit: &mut AccessEdit<'_>,
    (org, connection): (&OrgId, &ConnectionId),
    group: &GroupId,
) -> Result<(), Refusal> {
    let source = Source::Scim(connection.to_string());
    match groups::find(edit.conn(), org, group).await? {
        Some(found) if found.source == source => Ok(()),
        Some(_) | None => Err(Refusal::NotFound("The group".to_owned())),
    }
}

/// Whoever holds a connection's credential puts people into groups that give whatever was bound to them: only those who
/// may give everything set one up. Disabling takes access to a connection away, and domains decide who is adopted.
pub(super) async fn by_person(edit: &mut AccessEdit<'_>, by: &Asker<'_>, change: &Change) -> Result<(), Refusal> {
    match change {
        Change::PutConnection(new) => whole(edit, by, &new.org, change).await,
        Change::SetConnectionState { org, .. }
        | Change::ReleaseConnection { org, .. }
        | Change::AddScimCredential { org, .. }
        | Change::RemoveScimCredential { org, .. }
        | Change::DecideAdoption { org, .. } => whole(edit, by, org, change).await,
        Change::AdoptUser { org, user, .. } => {
            whole(edit, by, org, change).await?;
            of_account(edit, by, user, "users.write", change).await
        }
        Change::AddDomain { org, .. } | Change::VerifyDomain { org, .. } | Change::RemoveDomain { org, .. } => {
            on_org(edit, by, org, "domains.write", change).await
        }
        _ => Err(denied(change, "nobody")),
    }
}

/// The permission, and everything: a connection's credential is worth what its groups hold.
pub(super) async fn whole(
    edit: &mut AccessEdit<'_>,
    by: &Asker<'_>,
    org: &OrgId,
    change: &Change,
) -> Result<(), Refusal> {
    on_org(edit, by, org, "connections.write", change).await?;
    admin_only(edit, by, org, change).await
}
