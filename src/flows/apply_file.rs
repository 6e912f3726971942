//! Makes the database say what an apply file says: reads what is there, plans the fewest changes, and sends them
//! through the door as one.
//!
//! Nothing here writes. A plan of a file that was applied already is empty.

mod applications;
mod besides;
mod bindings;
mod draft;
pub(super) mod found;
mod invitations;
mod people;

use std::collections::{BTreeMap, BTreeSet};

use super::change_access::{Refusal, change_access, change_access_from};
use crate::app::App;
use crate::domain::apply_file::{ApplyFile, FileFault, OrganisationTable};
use crate::domain::change::{Actor, Change, Mode, Origin, Receipt};
use crate::domain::people::password;
use crate::kernel::id::{ApplicationId, OrgId};
use crate::kernel::secret::Secret;
use crate::kernel::time::UnixMillis;
use crate::outside::hasher::Busy;
use crate::store::db::Conn;
use crate::store::{applications as registered, orgs};
use draft::{Draft, Names};
use found::Found;

/// So often a plan is made anew when somebody edits the organisation meanwhile.
const TRIES: usize = 5;

/// What a file asks for.
#[derive(Debug)]
pub struct Planned {
    /// The changes, in an order that works; empty when nothing differs.
    pub changes: Vec<Change>,
    /// Secrets that were made because the file names none, each with its label: to be shown once, and kept nowhere.
    pub printed: Vec<(String, Secret)>,
}

/// Why a file was not planned or not applied. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The file names something that is neither in it nor in the database.
    #[error(transparent)]
    File(#[from] FileFault),
    /// A variable that the file names has no value.
    #[error("{needed_by}: the variable {name} is not set")]
    Variable {
        /// The variable.
        name: String,
        /// The table that names it.
        needed_by: String,
    },
    /// The door refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The hash pool is full.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The database failed.
    #[error("the database failed: {0}")]
    Store(#[from] sqlx::Error),
}

/// What would have to change, for an act: secrets that the file leaves open are made.
///
/// # Errors
/// See [`PlanError`].
pub async fn plan(app: &App, file: &ApplyFile, env: &dyn Fn(&str) -> Option<String>) -> Result<Planned, PlanError> {
    let variables = variables(file, env)?;
    plan_for(app, file, variables, Mode::Act, None).await
}

/// Plans and carries out, all or nothing. A dry run prints no secret, for none of them is kept.
///
/// # Errors
/// See [`PlanError`].
pub async fn run(
    app: &App,
    file: &ApplyFile,
    env: &dyn Fn(&str) -> Option<String>,
    mode: Mode,
) -> Result<(Receipt, Vec<(String, Secret)>), PlanError> {
    let variables = variables(file, env)?;
    let planned = plan_for(app, file, variables, mode, None).await?;
    let receipt = change_access(app, &Actor::CommandLine, planned.changes, mode).await?;
    Ok((receipt, planned.printed))
}

/// Who applies a file through the API, and to which organisation.
#[derive(Clone, Copy, Debug)]
pub struct Applicant<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// From where.
    pub origin: &'a Origin,
    /// To which.
    pub org: &'a OrgId,
}

/// Plans and carries out as somebody, who may do no more by a file than without one: it speaks of one organisation and
/// of its applications, names no other owner, and leaves the passwords of those who are there alone. What is made to be
/// shown once comes with its label; after a dry run with the label only.
///
/// # Errors
/// See [`PlanError`].
pub async fn run_as(
    app: &App,
    applicant: Applicant<'_>,
    file: &ApplyFile,
    given: &BTreeMap<String, Secret>,
    mode: Mode,
) -> Result<(Receipt, Vec<(String, Option<Secret>)>), PlanError> {
    let variables = variables(file, &|name: &str| given.get(name).map(|value| value.expose().to_owned()))?;
    let org = applicant.org;
    for _ in 0..TRIES {
        let version = orgs::access_version(&mut app.db.read().await?, org).await?.unwrap_or_default();
        // What is printed is what an act would print.
        let Planned { mut changes, printed } = plan_for(app, file, variables.clone(), Mode::Act, Some(org)).await?;
        if !changes.is_empty() {
            changes.insert(0, Change::ExpectVersion { org: org.clone(), version });
        }
        match change_access_from(app, applicant.actor, applicant.origin, changes, mode).await {
            Err(Refusal::Stale) => {}
            outcome => {
                let shown = |(label, secret)| (label, (mode == Mode::Act).then_some(secret));
                return Ok((outcome?, printed.into_iter().map(shown).collect()));
            }
        }
    }
    Err(Refusal::Stale.into())
}

async fn plan_for(
    app: &App,
    file: &ApplyFile,
    variables: BTreeMap<String, Secret>,
    mode: Mode,
    within: Option<&OrgId>,
) -> Result<Planned, PlanError> {
    let mut planner = Planner {
        app,
        conn: app.db.read().await?,
        now: app.now(),
        mode,
        variables,
        several_orgs: file.organisations.len() > 1,
        within: within.cloned(),
        applications: BTreeMap::new(),
        printed: Vec::new(),
    };
    if let Some(org) = within {
        speaks_of(&mut planner.conn, file, org).await?;
    }
    applications::name_all(&mut planner, &file.applications).await?;
    let (mut changes, mut after_applications) = (Vec::new(), Vec::new());
    let mut orgs = BTreeMap::new();
    for table in &file.organisations {
        let Organisation { id, names, before, after } = organisation(&mut planner, table).await?;
        orgs.insert(table.slug.as_str(), (id, names));
        changes.extend(before);
        after_applications.extend(after);
    }
    for table in &file.applications {
        changes.extend(applications::plan(&mut planner, table, &orgs).await?);
    }
    changes.extend(after_applications);
    Ok(Planned { changes, printed: planner.printed })
}

/// An organisation's plan: the changes before those of applications, and after.
struct Organisation {
    id: OrgId,
    names: Names,
    before: Vec<Change>,
    after: Vec<Change>,
}

async fn organisation(planner: &mut Planner<'_>, table: &OrganisationTable) -> Result<Organisation, PlanError> {
    let found = Found::load(&mut planner.conn, table).await?;
    let mut draft = Draft::new(table, &found)?;
    draft.projects();
    draft.settings()?;
    draft.roles();
    besides::bundles(&mut draft)?;
    people::plan(planner, &mut draft).await?;
    draft.groups()?;
    besides::service_accounts(&mut draft)?;
    besides::alerts(planner, &mut draft);
    bindings::plan(&mut draft, planner.now)?;
    invitations::plan(planner, &mut draft)?;
    let (before, after) = draft.steps.in_order();
    Ok(Organisation { id: draft.org, names: draft.names, before, after })
}

/// Refuses a file that speaks of more than one organisation and its applications.
async fn speaks_of(conn: &mut Conn, file: &ApplyFile, org: &OrgId) -> Result<(), PlanError> {
    let slug = orgs::find(conn, org).await?.map(|found| found.slug).unwrap_or_default();
    if file.organisations.len() != 1 || file.organisations.iter().any(|table| table.slug != slug) {
        let reason = format!("the file speaks of the organisation \"{slug}\" and of no other");
        return Err(FileFault { table: "organisation".to_owned(), reason }.into());
    }
    match file.applications.iter().find(|table| table.organisation.as_ref() != Some(&slug)) {
        Some(table) => {
            let reason = format!("organisation: it must be \"{slug}\"");
            Err(FileFault { table: table.label(), reason }.into())
        }
        None => Ok(()),
    }
}

/// Every variable that the file names, read before anything else: one that is missing stops the whole.
fn variables(file: &ApplyFile, env: &dyn Fn(&str) -> Option<String>) -> Result<BTreeMap<String, Secret>, PlanError> {
    let mut values = BTreeMap::new();
    for (name, needed_by) in file.variables() {
        let Some(value) = env(name).filter(|value| !value.is_empty()) else {
            return Err(PlanError::Variable { name: name.to_owned(), needed_by });
        };
        values.insert(name.to_owned(), Secret::presented(value));
    }
    Ok(values)
}

/// What planning works with.
struct Planner<'a> {
    app: &'a App,
    conn: Conn,
    now: UnixMillis,
    mode: Mode,
    variables: BTreeMap<String, Secret>,
    several_orgs: bool,
    /// The one organisation that the file may speak of, when it came through the API.
    within: Option<OrgId>,
    /// The applications of the file, by client id.
    applications: BTreeMap<String, ApplicationId>,
    printed: Vec<(String, Secret)>,
}

impl Planner<'_> {
    /// The id of an application of the file.
    fn id_of(&self, client_id: &str) -> ApplicationId {
        self.applications.get(client_id).cloned().unwrap_or_else(ApplicationId::fresh)
    }

    /// An application that an organisation's people may use: one of the file, of the organisation, or of the instance.
    async fn application(&mut self, client_id: &str, org: &OrgId) -> Result<Option<ApplicationId>, sqlx::Error> {
        if let Some(id) = self.applications.get(client_id) {
            return Ok(Some(id.clone()));
        }
        let found = registered::by_client_id(&mut self.conn, client_id).await?;
        Ok(found.filter(|found| found.org.as_ref().is_none_or(|of| of == org)).map(|found| found.id))
    }

    /// A restriction without the applications that are gone: a file can't name them.
    async fn still_there(
        &mut self,
        list: BTreeSet<ApplicationId>,
        wanted: Option<&BTreeSet<ApplicationId>>,
    ) -> Result<BTreeSet<ApplicationId>, sqlx::Error> {
        let mut left = BTreeSet::new();
        for id in list {
            let named = wanted.is_some_and(|wanted| wanted.contains(&id));
            if named || registered::find(&mut self.conn, &id).await?.is_some() {
                left.insert(id);
            }
        }
        Ok(left)
    }

    fn variable(&self, name: &str) -> Secret {
        self.variables.get(name).cloned().expect("every variable that the file names was read first")
    }

    /// The hash of a password in its one spelling.
    async fn hash(&self, password: &Secret) -> Result<String, Busy> {
        self.app.hasher.hash(Secret::presented(password::normalise(password.expose()))).await
    }

    /// Remembers a secret that was made for the one who applies. What a dry run makes is good for nothing.
    fn print(&mut self, label: String, secret: Secret) {
        if self.mode == Mode::Act {
            self.printed.push((label, secret));
        }
    }
}
