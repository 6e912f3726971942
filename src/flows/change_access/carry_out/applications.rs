//! Applications: their registration is checked whole, then written.

use super::super::Refusal;
use super::checks::unknown;
use crate::domain::change::Change;
use crate::flows::end_sessions::Aside;
use crate::store::access_edit::AccessEdit;
use crate::store::applications;

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
            match before {
                Some(other) if other.id != application.id => {
                    return Err(Refusal::Conflict("An application with this client_id already exists".to_owned()));
                }
                Some(same) if same == **application => return Ok(false),
                _ => {}
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
            Ok(true)
        }
        Change::RemoveApplication { application } => {
            if applications::find(edit.conn(), application).await?.is_none() {
                return Err(Refusal::NotFound(format!("application {application}")));
            }
            applications::remove(edit.tx(), application).await?;
            Ok(true)
        }
        _ => Err(unknown()),
    }
}
