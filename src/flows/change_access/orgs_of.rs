//! Which organisations a change concerns: whose rows the edit locks.

use std::collections::BTreeSet;

use crate::domain::change::Change;
use crate::kernel::id::OrgId;
use crate::store::db::{Conn, Result};
use crate::store::memberships;

/// The organisation that a change names.
pub fn named(change: &Change) -> Option<&OrgId> {
    match change {
        Change::CreateOrg { org, .. }
        | Change::RenameOrg { org, .. }
        | Change::SetPolicy { org, .. }
        | Change::SetSessionLimits { org, .. }
        | Change::SetOrgState { org, .. }
        | Change::TransferOwnership { org, .. }
        | Change::CreateProject { org, .. }
        | Change::RenameProject { org, .. }
        | Change::DeleteProject { org, .. }
        | Change::AddMember { org, .. }
        | Change::SetMemberState { org, .. }
        | Change::EndSessions { org, .. }
        | Change::RemoveMember { org, .. }
        | Change::CreateGroup { org, .. }
        | Change::RenameGroup { org, .. }
        | Change::DeleteGroup { org, .. }
        | Change::AddToGroup { org, .. }
        | Change::RemoveFromGroup { org, .. }
        | Change::CreateRole { org, .. }
        | Change::SetRole { org, .. }
        | Change::DeleteRole { org, .. }
        | Change::Bind { org, .. }
        | Change::Unbind { org, .. }
        | Change::SetOrgSettings { org, .. }
        | Change::ExpectVersion { org, .. }
        | Change::RestrictMember { org, .. }
        | Change::ReplaceIdentity { org, .. }
        | Change::LeaveProject { org, .. }
        | Change::SetGroupsOf { org, .. }
        | Change::Reassign { org, .. }
        | Change::EndSession { org, .. }
        | Change::CreateServiceAccount { org, .. }
        | Change::SetApplicationOwner { org, .. }
        | Change::SetServiceAccount { org, .. }
        | Change::SetServiceAccountOwner { org, .. }
        | Change::RemoveServiceAccount { org, .. }
        | Change::CreateAccessKey { org, .. }
        | Change::SetAccessKey { org, .. }
        | Change::RemoveAccessKey { org, .. }
        | Change::PutBundle { org, .. }
        | Change::RemoveBundle { org, .. }
        | Change::PutAlert { org, .. }
        | Change::RemoveAlert { org, .. }
        | Change::EndWindows { org } => Some(org),
        Change::PutApplication(application) => application.org.as_ref(),
        Change::CreateUser(user) => user.kind.org(),
        Change::SetProfile { .. }
        | Change::SetUserState { .. }
        | Change::SetAccessType { .. }
        | Change::ResetPassword { .. }
        | Change::RemoveApplication { .. }
        | Change::UseSetupLink { .. } => None,
    }
}

/// Every organisation that the changes concern: the named ones, and those of the accounts that they write to.
pub async fn all(conn: &mut Conn, changes: &[Change]) -> Result<BTreeSet<OrgId>> {
    let mut orgs: BTreeSet<OrgId> = changes.iter().filter_map(named).cloned().collect();
    for change in changes {
        match change {
            Change::SetProfile { user, .. }
            | Change::SetUserState { user, .. }
            | Change::SetAccessType { user, .. }
            | Change::ResetPassword { user, .. } => {
                orgs.extend(memberships::all_of_user(conn, user).await?.into_iter().map(|(org, _)| org));
            }
            _ => {}
        }
    }
    Ok(orgs)
}
