//! State as code: an organisation as an apply file, what applying one would change, and applying it.
//!
//! A file gives nobody more than the other routes do: the door judges each of its changes as the caller's own. A
//! file gives roles as they do, so that people need a fresh sign-in to apply one; another owner is no file's to make here.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::input::Body;
use super::problem::Problem;
use super::words::ReceiptBody;
use crate::app::App;
use crate::domain::apply_file::{ApplyFile, FileError};
use crate::domain::change::Mode;
use crate::flows::apply_file::{self, Applicant, PlanError};
use crate::flows::export;
use crate::kernel::secret::Secret;

/// A file tells everything of an organisation, and so does what it would change: whoever asks sees all of it anyway.
const SEES: [&str; 9] = [
    "org.read",
    "users.read",
    "groups.read",
    "roles.read",
    "bindings.read",
    "projects.read",
    "service_accounts.read",
    "applications.read",
    "alerts.write",
];

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Org("org.write").sensitive(), routes!(get))
        .route(Needs::Org("org.write"), routes!(plan))
        .route(Needs::Org("org.write").sensitive(), routes!(apply))
}

/// An organisation as a file.
#[derive(Debug, Serialize, ToSchema)]
pub struct StateFile {
    /// The file, TOML. It holds no password, secret or key.
    file: String,
}

/// A file that says what an organisation is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WantedState {
    /// The file, TOML: this organisation and its applications.
    file: String,
    /// The values of the variables that the file names; they are neither kept nor logged.
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

/// Something that was made and is shown this once.
#[derive(Serialize, ToSchema)]
pub struct StateSecret {
    /// What it is.
    label: String,
    /// The secret; null where nothing was done, and when the answer is repeated.
    secret: Option<String>,
}

/// What applying a file did, or would do.
#[derive(Serialize, ToSchema)]
pub struct AppliedState {
    /// What was made and is shown this once: passwords and secrets that the file leaves open.
    secrets: Vec<StateSecret>,
    /// What the change did.
    receipt: ReceiptBody,
}

/// Refuses whoever does not see all that a file tells.
fn sees_all(asked: &Asked) -> Result<(), Problem> {
    let reach = &asked.room()?.reach;
    match SEES.iter().find(|word| !reach.allows(word)) {
        Some(word) => Err(Problem::denied(word)),
        None => Ok(()),
    }
}

fn read(text: &str) -> Result<ApplyFile, Problem> {
    ApplyFile::parse(text).map_err(|error| match error {
        FileError::Syntax(error) => {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            // The message alone: the line itself may hold a hash.
            Problem::invalid("file", format!("Line {line}: {}.", error.message()))
        }
        FileError::Faults(faults) => {
            let mut faults = faults.iter().map(ToString::to_string);
            let first = Problem::invalid("file", faults.next().unwrap_or_default());
            faults.fold(first, |problem, fault| problem.with("file", fault))
        }
    })
}

fn refused(error: PlanError) -> Problem {
    match error {
        PlanError::File(fault) => Problem::invalid("file", fault.to_string()),
        PlanError::Variable { name, needed_by } => {
            Problem::invalid(format!("variables.{name}"), format!("{needed_by} needs this variable's value."))
        }
        PlanError::Refused(refusal) => refusal.into(),
        PlanError::Busy(busy) => Problem::new(StatusCode::TOO_MANY_REQUESTS, "busy", format!("{busy}.")),
        PlanError::Store(error) => error.into(),
    }
}

async fn carry_out(app: &App, asked: &Asked, wanted: WantedState, mode: Mode) -> Result<Json<AppliedState>, Problem> {
    sees_all(asked)?;
    let file = read(&wanted.file)?;
    let given: BTreeMap<String, Secret> =
        wanted.variables.into_iter().map(|(name, value)| (name, Secret::presented(value))).collect();
    let applicant = Applicant { actor: &asked.actor, origin: &asked.origin, org: &asked.room()?.id };
    let (receipt, made) = apply_file::run_as(app, applicant, &file, &given, mode).await.map_err(refused)?;
    let secrets = made
        .into_iter()
        .map(|(label, secret)| StateSecret { label, secret: secret.map(|secret| secret.expose().to_owned()) })
        .collect();
    Ok(Json(AppliedState { secrets, receipt: ReceiptBody::of(&receipt) }))
}

/// The organisation as an apply file: settings, projects, roles, bundles, people, groups, bindings, service accounts,
/// alerts and applications. No password, secret or access key is in it. Whoever asks must see all of that without it.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/state", tag = "state",
    responses((status = 200, description = "The file.", body = StateFile)))]
async fn get(State(app): State<App>, asked: Asked) -> Result<Json<StateFile>, Problem> {
    sees_all(&asked)?;
    let file = export::organisation(&app, &asked.room()?.id).await?;
    let file = file.ok_or_else(|| Problem::not_found("The organisation"))?;
    Ok(Json(StateFile { file: file.to_text() }))
}

/// What applying a file would change, and what would be made; nothing is.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/state/plan", tag = "state", request_body = WantedState,
    responses((status = 200, description = "What would happen.", body = AppliedState)))]
async fn plan(
    State(app): State<App>,
    asked: Asked,
    Body(wanted): Body<WantedState>,
) -> Result<Json<AppliedState>, Problem> {
    carry_out(&app, &asked, wanted, Mode::DryRun).await
}

/// Makes the organisation what a file says, all of it or nothing. Each change must be one that the caller may make;
/// passwords of people who are there already stay, and another owner needs `POST …/transfer`.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/state/apply", tag = "state", request_body = WantedState,
    responses((status = 200, description = "What happened.", body = AppliedState)))]
async fn apply(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(wanted): Body<WantedState>,
) -> Result<Json<AppliedState>, Problem> {
    let mode = if how.dry_run { Mode::DryRun } else { Mode::Act };
    carry_out(&app, &asked, wanted, mode).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_can_not_be_read_is_counted_and_not_repeated() {
        let text = "[[organisation]]\nslug = \"a\"\npassword_hash = \"$argon2id$x\"\n";
        let problem = read(text).map(|_| ()).unwrap_err();
        let told = serde_json::to_string(&*problem).unwrap();
        assert!(told.contains("Line 3") && !told.contains("argon2id"), "{told}");
    }

    #[test]
    fn every_fault_of_a_file_is_told() {
        let head = "[[organisation]]\nslug = \"a\"\nname = \"A\"\nowner = \"x\"\n";
        let text = format!("{head}[[organisation.bundle]]\nname = \"b\"\n");
        let problem = read(&text).map(|_| ()).unwrap_err();
        let told = serde_json::to_value(&*problem).unwrap();
        assert_eq!(told["invalid_parameters"].as_array().map(Vec::len), Some(2), "{told}");
    }
}
