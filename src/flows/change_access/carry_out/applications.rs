//! Applications: their registration is checked whole, then written.

use super::super::Refusal;
use super::checks::unknown;
use super::tools::may_answer_for_it;
use crate::domain::change::Change;
use crate::flows::end_sessions::Aside;
use crate::kernel::id::{ApplicationId, MembershipId, OrgId, UserId};
use crate::store::access_edit::AccessEdit;
use crate::store::{application_list, applications, consents, memberships};

/// Makes a person of the organisation answer for one of its applications.
async fn set_owner(
    edit: &mut AccessEdit<'_>,
    org: &OrgId,
    application: &ApplicationId,
    owner: &MembershipId,
) -> Result<bool, Refusal> {
    let found = application_list::find(edit.conn(), Some(org), application.as_str()).await?;
    let found = found.ok_or_else(|| Refusal::NotFound(format!("application {application}")))?;
    may_answer_for_it(edit, org, owner).await?;
    if found.owner.as_ref() == Some(owner) {
        return Ok(false);
    }
    applications::set_owner(edit.tx(), application, Some(owner)).await?;
    Ok(true)
}

pub(super) async fn application(
    edit: &mut AccessEdit<'_>,
    change: &Change,
    aside: &mut Aside,
) -> Result<bool, Refusal> {
    let at = edit.at();
    match change {
        Change::PutApplication(application) => {
            application.validate().map_err(|faults| {
                let fault = faults.into_iter().next();
                fault.map_or_else(unknown, |fault| Refusal::Invalid { field: fault.field, reason: fault.reason })
            })?;
            let before = applications::by_client_id(edit.conn(), &application.client_id).await?;
            let is_new = before.is_none();
            let goes_elsewhere = before
                .as_ref()
                .is_some_and(|known| application.redirect_uris.iter().any(|uri| !known.redirect_uris.contains(uri)));
            match before {
                Some(other) if other.id != application.id => {
                    return Err(Refusal::Conflict("An application with this client_id already exists".to_owned()));
                }
                Some(same) if same == **application => return Ok(false),
                _ => {}
            }
            if application.resource.is_some() {
                // No organisation's lock keeps another's registration from coming between the look and the writing.
                applications::take_turns(edit.tx()).await?;
            }
            if let Some(resource) = &application.resource
                && applications::all(edit.conn())
                    .await?
                    .iter()
                    .any(|other| other.id != application.id && other.resource.as_ref() == Some(resource))
            {
                return Err(Refusal::Conflict(
                    "Another application has this resource: its tokens would be open to both".to_owned(),
                ));
            }
            if application.state == crate::domain::oauth::application::ApplicationState::Disabled {
                aside.applications.insert(application.id.clone());
            }
            applications::put(edit.tx(), application, at).await?;
            if goes_elsewhere {
                // People allowed what stood there before.
                consents::forget(edit.tx(), &application.id).await?;
            }
            let maker = edit.author().strip_prefix("user:").map(|id| UserId::trusted(id.to_owned()));
            if is_new
                && let (Some(org), Some(user)) = (&application.org, maker)
                && let Some(member) = memberships::of_user(edit.conn(), org, &user).await?
            {
                applications::set_owner(edit.tx(), &application.id, Some(&member.id)).await?;
            }
            Ok(true)
        }
        Change::SetApplicationOwner { org, application, owner } => set_owner(edit, org, application, owner).await,
        Change::RemoveApplication { application } => {
            if applications::find(edit.conn(), application).await?.is_none() {
                return Err(Refusal::NotFound(format!("application {application}")));
            }
            applications::remove(edit.tx(), application, at).await?;
            Ok(true)
        }
        _ => Err(unknown()),
    }
}
