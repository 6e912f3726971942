//! Applications: one registration each, compared as a whole.

use std::collections::BTreeMap;

use super::{PlanError, Planner};
use crate::domain::apply_file::{ApplicationTable, FileFault};
use crate::domain::change::Change;
use crate::domain::oauth::application::{Application, ApplicationState};
use crate::domain::people::user::OrgState;
use crate::kernel::id::{ApplicationId, OrgId};
use crate::kernel::secret::{Digest, Secret};
use crate::store::{applications, orgs};

/// The change that makes the registration what the table says, if it isn't yet.
pub(super) async fn plan(
    planner: &mut Planner<'_>,
    table: &ApplicationTable,
    of_file: &BTreeMap<&str, OrgId>,
) -> Result<Option<Change>, PlanError> {
    let org = match &table.organisation {
        Some(slug) => Some(organisation(planner, table, slug, of_file).await?),
        None => None,
    };
    let before = applications::by_client_id(&mut planner.conn, &table.client_id).await?;
    let secrets = secrets(planner, table, before.as_ref());
    let state = table.state.or(before.as_ref().map(|before| before.state)).unwrap_or(ApplicationState::Active);
    let id = before.as_ref().map_or_else(ApplicationId::fresh, |before| before.id.clone());
    let application = table.registration(id, org, state, secrets);
    Ok((before.as_ref() != Some(&application)).then(|| Change::PutApplication(Box::new(application))))
}

async fn organisation(
    planner: &mut Planner<'_>,
    table: &ApplicationTable,
    slug: &str,
    of_file: &BTreeMap<&str, OrgId>,
) -> Result<OrgId, PlanError> {
    if let Some(org) = of_file.get(slug) {
        return Ok(org.clone());
    }
    match orgs::by_slug(&mut planner.conn, slug).await? {
        Some(found) if found.state != OrgState::Deleted => Ok(found.id),
        _ => {
            let reason = format!("organisation: there is no organisation \"{slug}\"");
            Err(FileFault { table: table.label(), reason }.into())
        }
    }
}

/// The secret that the file names, else those that are there, else a new one that is printed once.
fn secrets(planner: &mut Planner<'_>, table: &ApplicationTable, before: Option<&Application>) -> Vec<Digest> {
    if !table.has_secret() {
        return Vec::new();
    }
    if let Some(name) = &table.secret_env {
        return vec![planner.variable(name).digest()];
    }
    match before {
        Some(before) if !before.secrets.is_empty() => before.secrets.clone(),
        _ => {
            let secret = Secret::mint(&*planner.app.chance, "mst_cs_");
            let digest = secret.digest();
            planner.print(format!("secret of {}", table.client_id), secret);
            vec![digest]
        }
    }
}
