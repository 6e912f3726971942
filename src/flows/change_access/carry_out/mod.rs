//! One change, after the actor was found to be allowed: source and invariants, then the rows.

mod applications;
mod came_through;
mod checks;
mod connections;
mod enforced;
mod factors;
mod federation;
mod invitations;
mod links;
mod mapping;
mod notices;
mod orgs;
mod people;
mod provisioning;
mod roles;
mod tools;

pub use came_through::is_for_want_of_a_group;
pub use enforced::made_break_glass;

use super::Refusal;
use crate::domain::change::Change;
use crate::domain::source::Source;
use crate::flows::end_sessions::Aside;
use crate::store::access_edit::{AccessEdit, Written};

/// Carries one change out; whether it changed anything.
#[expect(clippy::too_many_lines, reason = "one table: an arm for each change")]
pub async fn one(edit: &mut AccessEdit<'_>, change: &Change, aside: &mut Aside) -> Result<bool, Refusal> {
    let (written, what) = match change {
        Change::CreateOrg { .. }
        | Change::RenameOrg { .. }
        | Change::SetPolicy { .. }
        | Change::SetSessionLimits { .. }
        | Change::SetOrgSettings { .. }
        | Change::SetOrgState { .. }
        | Change::TransferOwnership { .. }
        | Change::ExpectVersion { .. }
        | Change::CreateProject { .. }
        | Change::RenameProject { .. }
        | Change::DeleteProject { .. }
        | Change::UseSetupLink { .. } => orgs::carry_out(edit, change).await?,
        Change::PutApplication(_) | Change::SetApplicationOwner { .. } | Change::RemoveApplication { .. } => {
            return applications::application(edit, change, aside).await;
        }
        Change::CreateGroup { .. }
        | Change::RenameGroup { .. }
        | Change::DeleteGroup { .. }
        | Change::AddToGroup { .. }
        | Change::RemoveFromGroup { .. }
        | Change::SetGroupMembers { .. } => roles::group(edit, change, aside).await?,
        Change::CreateRole { .. }
        | Change::SetRole { .. }
        | Change::DeleteRole { .. }
        | Change::Bind { .. }
        | Change::Unbind { .. }
        | Change::EndWindows { .. } => roles::role(edit, change).await?,
        Change::PutConnection(_)
        | Change::SetConnectionState { .. }
        | Change::ReleaseConnection { .. }
        | Change::AddScimCredential { .. }
        | Change::RemoveScimCredential { .. }
        | Change::DecideAdoption { .. }
        | Change::AddDomain { .. }
        | Change::VerifyDomain { .. }
        | Change::RemoveDomain { .. } => connections::carry_out(edit, change, aside).await?,
        Change::SetDomainConnection { .. }
        | Change::PutSignIn(_)
        | Change::SetSignInStage { .. }
        | Change::PassSignInTest { .. }
        | Change::RemoveSignIn { .. }
        | Change::SetMapping { .. }
        | Change::SignInThrough(_)
        | Change::LinkIdentity { .. }
        | Change::UnlinkIdentity { .. }
        | Change::EndUpstream { .. }
        | Change::SetUpstreamAccount { .. }
        | Change::SetBreakGlass { .. } => federation::carry_out(edit, change, aside).await?,
        Change::ProvisionUser { .. }
        | Change::SetProvisionedUser { .. }
        | Change::DeprovisionUser { .. }
        | Change::AdoptUser { .. }
        | Change::ProvisionGroup { .. }
        | Change::SetProvisionedGroup { .. }
        | Change::DeprovisionGroup { .. }
        | Change::ExpectGroup { .. } => provisioning::carry_out(edit, change, aside).await?,
        Change::CreateUser(_)
        | Change::SetProfile { .. }
        | Change::SetUserState { .. }
        | Change::SetAccessType { .. }
        | Change::ResetPassword { .. }
        | Change::AddMember { .. }
        | Change::SetMemberState { .. }
        | Change::RestrictMember { .. }
        | Change::ReplaceIdentity { .. }
        | Change::LeaveProject { .. }
        | Change::SetGroupsOf { .. }
        | Change::Reassign { .. }
        | Change::EndSession { .. }
        | Change::EndSessions { .. }
        | Change::RemoveMember { .. } => people::person(edit, change, aside).await?,
        Change::SendLink { .. }
        | Change::SendRegistrationLink { .. }
        | Change::SetPasswordByLink { .. }
        | Change::ChangePassword { .. }
        | Change::ConfirmEmail { .. }
        | Change::SelfRegister { .. } => links::carry_out(edit, change, aside).await?,
        Change::PutFactor { .. }
        | Change::ReplaceFactor { .. }
        | Change::RenamePasskey { .. }
        | Change::RemoveFactor { .. }
        | Change::ResetFactors { .. }
        | Change::SetRecoveryCodes { .. }
        | Change::Unlock { .. } => factors::carry_out(edit, change, aside).await?,
        Change::Invite(_)
        | Change::ResendInvitation { .. }
        | Change::CancelInvitation { .. }
        | Change::DeclineInvitation { .. }
        | Change::AcceptInvitation { .. } => invitations::carry_out(edit, change, aside).await?,
        Change::CreateServiceAccount { .. }
        | Change::SetServiceAccount { .. }
        | Change::SetServiceAccountOwner { .. }
        | Change::RemoveServiceAccount { .. }
        | Change::CreateAccessKey { .. }
        | Change::SetAccessKey { .. }
        | Change::RemoveAccessKey { .. } => tools::carry_out(edit, change).await?,
        Change::PutBundle { .. }
        | Change::RemoveBundle { .. }
        | Change::PutAlert { .. }
        | Change::RemoveAlert { .. } => notices::carry_out(edit, change).await?,
    };
    judged(written, what)
}

fn judged(written: Written, what: &str) -> Result<bool, Refusal> {
    match written {
        Written::Done => Ok(true),
        Written::Already => Ok(false),
        Written::Missing => Err(Refusal::NotFound(what.to_owned())),
        Written::Taken => Err(Refusal::Conflict(format!("{what} already exists"))),
    }
}

/// What a connection owns is changed upstream.
async fn not_from_a_connection(edit: &mut AccessEdit<'_>, source: &Source) -> Result<(), Refusal> {
    super::not_managed(edit.conn(), source).await
}
