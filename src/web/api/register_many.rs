//! Registering up to a hundred people at once, from rows or from text.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::gate::must_be_fresh;
use super::input::Body;
use super::problem::Problem;
use super::register::{access, language, mode};
use super::words::GrantBody;
use crate::app::App;
use crate::domain::language::Language;
use crate::domain::people::invitation::{Access, MOST_AT_ONCE};
use crate::flows::register::{self, Credential, Person, RowFault, RowResult, Shared, TooMany};
use crate::kernel::secret::Secret;

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes.route(Needs::Org("users.invite").people_only(), routes!(bulk))
}

/// People to be registered: either `rows` or `text`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkBody {
    /// Up to 100 people. A row that can't be understood is told; the others are taken.
    #[schema(value_type = Option<Vec<BulkRow>>)]
    rows: Option<Vec<Value>>,
    /// Up to 100 lines: `name, e-mail, groups` with semicolons between groups, or CSV whose first line names its
    /// columns (`user_name`, `name`, `given_name`, `family_name`, `email`, `phone`, `groups`, `language`).
    text: Option<String>,
    /// The first password of everybody: `link` (if nothing is given) or `generated`.
    credential: Option<String>,
    /// Whether a password that was generated or set must be changed at the first sign-in; true if nothing is given.
    must_change: Option<bool>,
    /// The language of mails to those of whom the list says none.
    language: Option<String>,
    /// The ids of the groups that everybody is to be in.
    #[serde(default)]
    groups: Vec<String>,
    /// Roles that everybody is to hold directly.
    #[serde(default)]
    roles: Vec<GrantBody>,
}

/// A row of a list.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkRow {
    /// The user name; the e-mail address if none is given.
    user_name: Option<String>,
    /// The whole name.
    name: Option<String>,
    /// First name.
    given_name: Option<String>,
    /// Surname.
    family_name: Option<String>,
    /// E-mail address.
    email: Option<String>,
    /// Phone number, with its country code.
    phone: Option<String>,
    /// The language of mails.
    language: Option<String>,
    /// The first password, instead of the others' `credential`.
    password: Option<String>,
    /// The ids of groups, besides everybody's.
    #[serde(default)]
    groups: Vec<String>,
    /// Roles, besides everybody's.
    #[serde(default)]
    roles: Vec<GrantBody>,
}

/// What became of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkDone {
    /// What became of each row, in their order.
    pub rows: Vec<BulkRowDone>,
    /// How many were registered, or would be.
    pub taken: usize,
    /// How many were not.
    pub refused: usize,
}

/// What became of a row.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkRowDone {
    /// Which, counted from 1 without the heading; 0 is the heading itself.
    pub row: usize,
    /// Whom it is about, as far as it could be read.
    pub label: String,
    /// `created`, `refused` or, in a trial, `dry_run`.
    pub state: &'static str,
    /// The account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The membership.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub membership_id: Option<String>,
    /// The password that was generated: shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Why it was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<RowProblem>,
}

/// Why a row was not taken.
#[derive(Debug, Serialize, ToSchema)]
pub struct RowProblem {
    /// A word for programs.
    pub code: &'static str,
    /// The field; absent where it is none in particular.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// A sentence for people.
    pub reason: String,
}

impl From<RowFault> for RowProblem {
    fn from(fault: RowFault) -> Self {
        Self { code: fault.code, field: fault.field, reason: fault.reason }
    }
}

/// Registers up to a hundred people, each in a change of their own: rows that can't be taken are named, the others are
/// carried out. A longer list is refused before anything is written.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/users/bulk", tag = "users", request_body = BulkBody,
    responses((status = 200, description = "What became of each row.", body = BulkDone)))]
async fn bulk(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(body): Body<BulkBody>,
) -> Result<Json<BulkDone>, Problem> {
    let org = asked.room()?.id.clone();
    // A list may name groups in any of its lines.
    must_be_fresh(&app, &asked).await?;
    let shared = Shared {
        access: access(&body.groups, &body.roles)?,
        credential: match body.credential.as_deref() {
            None | Some("link") => Credential::Link,
            Some("generated") => Credential::Generated,
            Some(_) => return Err(Problem::invalid("credential", "Use link or generated.")),
        },
        must_change: body.must_change.unwrap_or(true),
        language: language(body.language.as_deref())?,
    };
    if let Some(count) = body.rows.as_ref().map(Vec::len).filter(|count| *count > MOST_AT_ONCE) {
        return Err(Problem::invalid("rows", TooMany { act: "register", count }.to_string()));
    }
    let (field, rows) = match (body.rows, body.text) {
        (Some(rows), None) => ("rows", (1..).zip(rows.into_iter().map(|row| row_of(row, &shared))).collect()),
        (None, Some(text)) => ("text", register::read_list(&app, &org, &text, &shared).await?),
        _ => return Err(Problem::invalid("rows", "Give either rows or text.")),
    };
    if rows.is_empty() {
        return Err(Problem::invalid(field, "Name 1 to 100 people."));
    }
    let done = register::many(&app, &asked.actor, &asked.origin, &org, rows, mode(&how)).await;
    let done = done.map_err(|too_many| Problem::invalid(field, too_many.to_string()))?;
    let rows: Vec<BulkRowDone> = done.into_iter().map(|row| row_done(row, how.dry_run)).collect();
    let refused = rows.iter().filter(|row| row.problem.is_some()).count();
    Ok(Json(BulkDone { taken: rows.len() - refused, refused, rows }))
}

fn row_of(row: Value, shared: &Shared) -> Result<Person, RowFault> {
    let row: BulkRow = serde_json::from_value(row).map_err(|error| RowFault {
        field: String::new(),
        reason: format!("{error}."),
        code: "invalid",
    })?;
    let own = || -> Result<(Access, Option<Language>), Problem> {
        Ok((access(&row.groups, &row.roles)?, language(row.language.as_deref())?))
    };
    let (own, tag) = own().map_err(|problem| problem.as_row_fault())?;
    let mut access = shared.access.clone();
    access.groups.extend(own.groups);
    access.roles.extend(own.roles);
    Ok(Person {
        user_name: row.user_name.or_else(|| row.email.clone()).unwrap_or_default(),
        name: row.name.unwrap_or_default(),
        given_name: row.given_name.unwrap_or_default(),
        family_name: row.family_name.unwrap_or_default(),
        email: row.email,
        phone: row.phone,
        language: tag.or(shared.language),
        access,
        credential: match row.password {
            Some(text) => Credential::Set(Secret::presented(text)),
            None => shared.credential.clone(),
        },
        must_change: shared.must_change,
    })
}

fn row_done(done: RowResult, dry_run: bool) -> BulkRowDone {
    let RowResult { row, label, outcome } = done;
    let refused =
        BulkRowDone { row, label, state: "refused", user_id: None, membership_id: None, password: None, problem: None };
    match outcome {
        Err(fault) => BulkRowDone { problem: Some(fault.into()), ..refused },
        Ok(_) if dry_run => BulkRowDone { state: "dry_run", ..refused },
        Ok(made) => BulkRowDone {
            state: "created",
            user_id: Some(made.user.into_string()),
            membership_id: Some(made.member.into_string()),
            password: made.password.map(|password| password.expose().to_owned()),
            ..refused
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shared() -> Shared {
        let (access, language) = (Access::default(), Some(Language::Ko));
        Shared { access, credential: Credential::Link, must_change: true, language }
    }

    #[test]
    fn a_row_takes_what_everybody_has_and_adds_its_own() {
        let row = json!({ "email": "ana@acme.test", "password": "x", "roles": [{ "role": "org.reader" }] });
        let person = row_of(row, &shared()).unwrap();
        assert_eq!((person.user_name.as_str(), person.language), ("ana@acme.test", Some(Language::Ko)));
        assert!(matches!(person.credential, Credential::Set(_)) && person.access.roles.len() == 1);
    }

    #[test]
    fn a_row_that_cannot_be_understood_says_why() {
        let fault = |row| row_of(row, &shared()).unwrap_err();
        assert!(fault(json!({ "nmae": "Ana" })).reason.contains("nmae"));
        assert_eq!(fault(json!({ "email": "a@b.c", "groups": ["x"] })).field, "groups.0");
        assert_eq!(fault(json!({ "email": "a@b.c", "language": "tlh" })).field, "language");
        assert_eq!(fault(json!(7)).code, "invalid");
    }
}
