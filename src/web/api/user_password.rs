//! Passwords of others: giving somebody one, in one of three ways, and sending the link for the first one again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::input::Body;
use super::person::{self, UserBody};
use super::problem::Problem;
use super::register::{credential, mode};
use super::tag;
use super::user_edit::{after, before, its_own, place};
use super::words::ReceiptBody;
use super::write::{self, Written};
use crate::app::App;
use crate::domain::change::Receipt;
use crate::domain::people::user::{AccessType, UserState};
use crate::flows::give_password::{Credential, prepare, send_link_again};
use crate::store::users;

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Org("users.write").fresh(), routes!(set_password))
        .route(Needs::Org("users.write").fresh(), routes!(reset_password))
        .route(Needs::Org("users.invite").people_only(), routes!(resend))
}

/// A password for somebody.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    /// The password.
    password: String,
    /// Whether it must be changed at the next sign-in; true if nothing is given.
    must_change: Option<bool>,
}

/// How somebody gets a new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reset {
    /// `link` (a mailed link with which the person sets one), `generated` (answered this once) or `set`.
    kind: String,
    /// The password, for `set`.
    password: Option<String>,
    /// Whether a password that is generated or set must be changed at the next sign-in; true if nothing is given.
    must_change: Option<bool>,
}

/// What became of a reset.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResetDone {
    /// The person.
    pub object: Option<UserBody>,
    /// The password that was generated: shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// What the change did.
    pub receipt: ReceiptBody,
}

/// Sets somebody's password: every session of the account ends. An account that waited for a password is active then.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/users/{user}/password", tag = "users", request_body = NewPassword,
    responses((status = 200, description = "The person.", body = Written<UserBody>)))]
async fn set_password(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(new): Body<NewPassword>,
) -> Result<Response, Problem> {
    let (org, member) = place(&asked)?;
    let credential = credential("kind", Some("set"), Some(&new.password))?.unwrap_or(Credential::Nothing);
    let (receipt, _) = give(&app, &asked, &how, &credential, new.must_change).await?;
    after(&app, (&org, &member), &receipt).await
}

/// Gives somebody a new password in one of three ways. One that is generated or set ends every session of the account
/// at once, and a link when it is used. To an account that waits for its first password the link for that is sent
/// again.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/users/{user}/reset-password", tag = "users", request_body = Reset,
    responses((status = 200, description = "The person.", body = ResetDone)))]
async fn reset_password(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(body): Body<Reset>,
) -> Result<Json<ResetDone>, Problem> {
    let (org, member) = place(&asked)?;
    let credential = credential("kind", Some(&body.kind), body.password.as_deref())?.unwrap_or(Credential::Nothing);
    let (receipt, password) = give(&app, &asked, &how, &credential, body.must_change).await?;
    let object = person::shown(&mut app.db.read().await?, &org, &member).await?;
    Ok(Json(ResetDone { object, password, receipt: ReceiptBody::of(&receipt) }))
}

/// What the change did, and the password that was made.
async fn give(
    app: &App,
    asked: &Asked,
    how: &How,
    credential: &Credential,
    must_change: Option<bool>,
) -> Result<(Receipt, Option<String>), Problem> {
    let (org, member) = place(asked)?;
    let mut conn = app.db.read().await?;
    let (person, tag) = before(&mut conn, &org, &member).await?;
    its_own(&person)?;
    let user = users::find(&mut conn, &person.user).await?.ok_or_else(|| Problem::not_found("The user"))?;
    drop(conn);
    if matches!(credential, Credential::Link) {
        if person.access_type == AccessType::Key {
            let detail = "An account for tools has no password.";
            return Err(Problem::new(StatusCode::CONFLICT, "conflict", detail));
        }
        if user.state == UserState::Pending {
            tag::check(how.if_match.as_deref(), &tag)?;
            let receipt = send_link_again(app, &asked.actor, &asked.origin, &org, &member, mode(how)).await?;
            return Ok((receipt, None));
        }
    }
    let (ready, password) = prepare(app, &user, credential).await?;
    let must_change = must_change.unwrap_or(true);
    let receipt = write::edit(app, asked, how, |conn| {
        let (org, member, ready) = (org.clone(), member.clone(), ready.clone());
        Box::pin(async move {
            let (person, tag) = before(conn, &org, &member).await?;
            its_own(&person)?;
            Ok((tag, ready.changes(&person.user, person.user_state, must_change)))
        })
    })
    .await?;
    let password = password.filter(|_| !how.dry_run).map(|password| password.expose().to_owned());
    Ok((receipt, password))
}

/// Sends the link for the first password again, to an account that waits for it: seven new days, and the link before is
/// dead. A minute apart, five times a day.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/users/{user}/resend", tag = "users",
    responses((status = 200, description = "The person.", body = Written<UserBody>)))]
async fn resend(State(app): State<App>, asked: Asked, how: How) -> Result<Response, Problem> {
    let (org, member) = place(&asked)?;
    let mut conn = app.db.read().await?;
    let (person, tag) = before(&mut conn, &org, &member).await?;
    drop(conn);
    its_own(&person)?;
    tag::check(how.if_match.as_deref(), &tag)?;
    let receipt = send_link_again(&app, &asked.actor, &asked.origin, &org, &member, mode(&how)).await?;
    after(&app, (&org, &member), &receipt).await
}
