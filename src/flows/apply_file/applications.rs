//! Applications: one registration each, compared as a whole.

use std::collections::BTreeMap;

use super::draft::Names;
use super::{PlanError, Planner};
use crate::domain::apply_file::{ApplicationTable, FileFault};
use crate::domain::change::Change;
use crate::domain::oauth::application::{Application, ApplicationState};
use crate::domain::people::user::OrgState;
use crate::kernel::id::{ApplicationId, OrgId};
use crate::kernel::secret::{Digest, Secret};
use crate::store::{application_list, applications, orgs};

/// What the file's organisations are, and who is in them.
pub(super) type OfFile<'f> = BTreeMap<&'f str, (OrgId, Names)>;

/// The changes that make the registration what the table says, if it isn't yet.
pub(super) async fn plan(
    planner: &mut Planner<'_>,
    table: &ApplicationTable,
    of_file: &OfFile<'_>,
) -> Result<Vec<Change>, PlanError> {
    let org = match &table.organisation {
        Some(slug) => Some(organisation(planner, table, slug, of_file).await?),
        None => None,
    };
    let before = applications::by_client_id(&mut planner.conn, &table.client_id).await?;
    let secrets = secrets(planner, table, before.as_ref());
    let state = table.state.or(before.as_ref().map(|before| before.state)).unwrap_or(ApplicationState::Active);
    let id = planner.id_of(&table.client_id);
    let application = table.registration(id.clone(), org, state, secrets);
    let mut changes = Vec::new();
    if before.as_ref() != Some(&application) {
        changes.push(Change::PutApplication(Box::new(application)));
    }
    changes.extend(owner(planner, table, &id, of_file).await?);
    Ok(changes)
}

/// Gives every application of the file its id: the one that it has, or a new one.
pub(super) async fn name_all(planner: &mut Planner<'_>, tables: &[ApplicationTable]) -> Result<(), PlanError> {
    for table in tables {
        let before = applications::by_client_id(&mut planner.conn, &table.client_id).await?;
        let foreign = |before: &Application| planner.within.is_some() && before.org != planner.within;
        if before.as_ref().is_some_and(foreign) {
            let reason = "client_id: another application has it".to_owned();
            return Err(FileFault { table: table.label(), reason }.into());
        }
        let id = before.map_or_else(ApplicationId::fresh, |before| before.id);
        planner.applications.insert(table.client_id.clone(), id);
    }
    Ok(())
}

/// The change of who answers for it, when the table names somebody else.
async fn owner(
    planner: &mut Planner<'_>,
    table: &ApplicationTable,
    id: &ApplicationId,
    of_file: &OfFile<'_>,
) -> Result<Option<Change>, PlanError> {
    let Some(user_name) = &table.owner else {
        return Ok(None);
    };
    let fault = |reason: String| FileFault { table: table.label(), reason: format!("owner: {reason}") };
    let Some((org, names)) = table.organisation.as_ref().and_then(|slug| of_file.get(slug.as_str())) else {
        return Err(fault("its organisation must stand in the file too".to_owned()).into());
    };
    let owner = names.person(user_name).map_err(fault)?;
    let before = application_list::find(&mut planner.conn, Some(org), id.as_str()).await?;
    if before.is_some_and(|before| before.owner.as_ref() == Some(&owner)) {
        return Ok(None);
    }
    Ok(Some(Change::SetApplicationOwner { org: org.clone(), application: id.clone(), owner }))
}

async fn organisation(
    planner: &mut Planner<'_>,
    table: &ApplicationTable,
    slug: &str,
    of_file: &OfFile<'_>,
) -> Result<OrgId, PlanError> {
    if let Some((org, _)) = of_file.get(slug) {
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
