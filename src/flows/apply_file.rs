//! Makes the database say what an apply file says: reads what is there, plans the fewest changes, and sends them
//! through the door as one.
//!
//! Nothing here writes. A plan of a file that was applied already is empty.

mod applications;
mod bindings;
mod draft;
mod found;
mod people;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::change_access::{Refusal, change_access};
use crate::app::App;
use crate::domain::apply_file::{ApplyFile, FileFault, OrganisationTable};
use crate::domain::change::{Actor, Change, Mode, Receipt};
use crate::kernel::id::OrgId;
use crate::kernel::secret::Secret;
use crate::kernel::time::UnixMillis;
use crate::outside::hasher::Busy;
use crate::store::db::Conn;
use draft::Draft;
use found::Found;

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
    plan_for(app, file, env, Mode::Act).await
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
    let planned = plan_for(app, file, env, mode).await?;
    let receipt = change_access(app, &Actor::CommandLine, planned.changes, mode).await?;
    Ok((receipt, planned.printed))
}

async fn plan_for(
    app: &App,
    file: &ApplyFile,
    env: &dyn Fn(&str) -> Option<String>,
    mode: Mode,
) -> Result<Planned, PlanError> {
    let mut planner = Planner {
        app,
        conn: app.db.read().await?,
        now: app.now(),
        mode,
        variables: variables(file, env)?,
        several_orgs: file.organisations.len() > 1,
        printed: Vec::new(),
    };
    let mut changes = Vec::new();
    let mut orgs = BTreeMap::new();
    for table in &file.organisations {
        let (org, planned) = organisation(&mut planner, table).await?;
        orgs.insert(table.slug.as_str(), org);
        changes.extend(planned);
    }
    for table in &file.applications {
        changes.extend(applications::plan(&mut planner, table, &orgs).await?);
    }
    Ok(Planned { changes, printed: planner.printed })
}

async fn organisation(planner: &mut Planner<'_>, table: &OrganisationTable) -> Result<(OrgId, Vec<Change>), PlanError> {
    let found = Found::load(&mut planner.conn, table).await?;
    let mut draft = Draft::new(table, &found)?;
    draft.projects();
    draft.roles();
    people::plan(planner, &mut draft).await?;
    draft.groups()?;
    bindings::plan(&mut draft, planner.now)?;
    Ok((draft.org, draft.steps.in_order()))
}

/// Every variable that the file names, read before anything else: one that is missing stops the whole.
fn variables(file: &ApplyFile, env: &dyn Fn(&str) -> Option<String>) -> Result<BTreeMap<String, Secret>, PlanError> {
    let mut named = Vec::new();
    for table in &file.organisations {
        for person in &table.people {
            named.extend(person.password_env.as_ref().map(|name| (name, table.label_of("person", &person.user_name))));
        }
    }
    for table in &file.applications {
        named.extend(table.secret_env.as_ref().map(|name| (name, table.label())));
    }
    let mut values = BTreeMap::new();
    for (name, needed_by) in named {
        let Some(value) = env(name).filter(|value| !value.is_empty()) else {
            return Err(PlanError::Variable { name: name.clone(), needed_by });
        };
        values.insert(name.clone(), Secret::presented(value));
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
    printed: Vec<(String, Secret)>,
}

impl Planner<'_> {
    fn variable(&self, name: &str) -> Secret {
        self.variables.get(name).cloned().expect("every variable that the file names was read first")
    }

    async fn hash(&self, password: Secret) -> Result<String, Busy> {
        self.app.hasher.hash(password).await
    }

    /// 16 characters of base64url: 96 random bits.
    fn made_up_password(&self) -> Secret {
        let mut bytes = [0; 12];
        self.app.chance.fill(&mut bytes);
        Secret::presented(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Remembers a secret that was made for the one who applies. What a dry run makes is good for nothing.
    fn print(&mut self, label: String, secret: Secret) {
        if self.mode == Mode::Act {
            self.printed.push((label, secret));
        }
    }
}
