//! Which organisations a change concerns: whose rows the edit locks.

use std::collections::BTreeSet;

use crate::domain::change::Change;
use crate::kernel::id::OrgId;
use crate::store::db::{Conn, Result};
use crate::store::{memberships, users};

/// The organisation that a change names.
#[expect(clippy::too_many_lines, reason = "one table: an arm for each change")]
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
        | Change::ResendInvitation { org, .. }
        | Change::CancelInvitation { org, .. }
        | Change::DeclineInvitation { org, .. }
        | Change::AcceptInvitation { org, .. }
        | Change::SetConnectionState { org, .. }
        | Change::ReleaseConnection { org, .. }
        | Change::AddScimCredential { org, .. }
        | Change::RemoveScimCredential { org, .. }
        | Change::ProvisionUser { org, .. }
        | Change::SetProvisionedUser { org, .. }
        | Change::DeprovisionUser { org, .. }
        | Change::AdoptUser { org, .. }
        | Change::DecideAdoption { org, .. }
        | Change::ProvisionGroup { org, .. }
        | Change::SetProvisionedGroup { org, .. }
        | Change::DeprovisionGroup { org, .. }
        | Change::ExpectGroup { org, .. }
        | Change::SetGroupMembers { org, .. }
        | Change::AddDomain { org, .. }
        | Change::VerifyDomain { org, .. }
        | Change::RemoveDomain { org, .. }
        | Change::SetDomainConnection { org, .. }
        | Change::SetSignInStage { org, .. }
        | Change::PassSignInTest { org, .. }
        | Change::RemoveSignIn { org, .. }
        | Change::SetMapping { org, .. }
        | Change::LinkIdentity { org, .. }
        | Change::UnlinkIdentity { org, .. }
        | Change::EndUpstream { org, .. }
        | Change::SetUpstreamAccount { org, .. }
        | Change::SetBreakGlass { org, .. }
        | Change::EndWindows { org } => Some(org),
        Change::PutConnection(new) => Some(&new.org),
        Change::PutSignIn(new) => Some(&new.org),
        Change::SignInThrough(came) => Some(&came.org),
        Change::Invite(new) => Some(&new.org),
        Change::PutApplication(application) => application.org.as_ref(),
        Change::CreateUser(user) => user.kind.org(),
        Change::SetProfile { .. }
        | Change::SetUserState { .. }
        | Change::SetAccessType { .. }
        | Change::ResetPassword { .. }
        | Change::SendLink { .. }
        | Change::SetPasswordByLink { .. }
        | Change::ChangePassword { .. }
        | Change::ConfirmEmail { .. }
        | Change::SelfRegister { .. }
        | Change::SendRegistrationLink { .. }
        | Change::RemoveApplication { .. }
        | Change::PutFactor { .. }
        | Change::RenamePasskey { .. }
        | Change::ReplaceFactor { .. }
        | Change::RemoveFactor { .. }
        | Change::ResetFactors { .. }
        | Change::SetRecoveryCodes { .. }
        | Change::Unlock { .. }
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
            | Change::ResetPassword { user, .. }
            | Change::SetPasswordByLink { user, .. }
            | Change::ChangePassword { user, .. }
            | Change::ConfirmEmail { user, .. }
            | Change::PutFactor { user, .. }
            | Change::RemoveFactor { user, .. }
            | Change::ResetFactors { user } => {
                orgs.extend(memberships::all_of_user(conn, user).await?.into_iter().map(|(org, _)| org));
            }
            // These alter nobody's access: the organisation that the account belongs to judges who may ask for them, and
            // keeps the record.
            Change::SendLink { user, .. }
            | Change::ReplaceFactor { user, .. }
            | Change::RenamePasskey { user, .. }
            | Change::SetRecoveryCodes { user, .. }
            | Change::Unlock { user } => {
                orgs.extend(users::find(conn, user).await?.and_then(|found| found.kind.org().cloned()));
            }
            _ => {}
        }
    }
    Ok(orgs)
}
