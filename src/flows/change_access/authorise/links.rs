//! What somebody may ask for who is not signed in: who wants a mailed link, holds one, or has just proven a password that
//! must be changed. What the link or the proof is worth is judged when the change is carried out.

use super::super::Refusal;
use super::rules::denied;
use crate::domain::change::{Change, Presented};
use crate::domain::mail::Purpose;
use crate::domain::people::user::Kind;
use crate::store::access_edit::AccessEdit;
use crate::store::invitations;

/// Refuses what a link is no answer to. Everything that is not named is refused.
pub(super) async fn check(edit: &mut AccessEdit<'_>, change: &Change) -> Result<(), Refusal> {
    match change {
        Change::SendLink { link, .. } => match link.purpose {
            Purpose::SetPassword | Purpose::ResetPassword => Ok(()),
            Purpose::ConfirmEmail | Purpose::Invitation | Purpose::ConfirmAccount => Err(not_by_link(change)),
        },
        Change::SendRegistrationLink { .. }
        | Change::SetPasswordByLink { .. }
        | Change::ChangePassword { .. }
        | Change::ConfirmEmail { .. }
        | Change::SelfRegister { .. }
        // Which of them are asked for in the middle of a sign-in, and which by no link, was judged before.
        | Change::PutFactor { .. }
        | Change::SetRecoveryCodes { .. }
        | Change::AcceptInvitation { by: Presented::Link(_), .. }
        | Change::DeclineInvitation { by: Presented::Link(_), .. } => Ok(()),
        // Together with an acceptance; see `check_together`.
        Change::CreateUser(new) if new.kind == Kind::Own => Ok(()),
        // While it lives, whoever holds an old link may have a new one sent to the same address.
        Change::ResendInvitation { org, invitation, .. } => {
            let at = edit.at();
            let found = invitations::find(edit.conn(), org, invitation).await?;
            if found.is_some_and(|found| found.state_at(at).is_open()) {
                return Ok(());
            }
            Err(Refusal::NotFound("The invitation".to_owned()))
        }
        _ => Err(not_by_link(change)),
    }
}

fn not_by_link(change: &Change) -> Refusal {
    denied(change, "somebody who is signed in")
}
