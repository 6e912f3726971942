//! Where one is signed in oneself: each browser session, and ending it.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::my_account;
use super::problem::Problem;
use super::tag;
use super::words::moment;
use crate::app::App;
use crate::flows::my_sessions::{self, Seen};
use crate::kernel::id::SessionId;

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Caller.people_only(), routes!(list))
        .route(Needs::Caller.people_only(), routes!(end_others))
        .route(Needs::Caller.people_only(), routes!(end))
}

/// A browser in which one is signed in.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MySession {
    /// Its id.
    pub id: String,
    /// Whether the token came from it.
    pub current: bool,
    /// Browser and system, as far as the browser says.
    pub device: String,
    /// The browser, as it named itself.
    pub user_agent: String,
    /// The address that it began at.
    pub address: String,
    /// Where that is, if the operator has a file that says so.
    pub place: Option<String>,
    /// When it began (RFC 3339).
    pub created_at: String,
    /// When one proved last who one is (RFC 3339).
    pub signed_in_at: String,
    /// The level that was reached: an `acr` value.
    pub acr: String,
    /// When it was used last (RFC 3339).
    pub last_used_at: String,
    /// When it ends at the latest (RFC 3339).
    pub expires_at: String,
    /// The name of the connection that it came through.
    pub connection: Option<String>,
    /// The names of the applications that were used in it.
    pub applications: Vec<String>,
}

/// The browsers in which one is signed in.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MySessions {
    /// The one that was used last first; at most a hundred.
    pub items: Vec<MySession>,
}

/// How many sessions ended.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct SessionsEnded {
    /// How many; in a dry run how many would.
    pub ended: usize,
    /// Whether nothing was done.
    pub dry_run: bool,
}

fn show(seen: Seen, current: Option<&SessionId>) -> MySession {
    MySession {
        current: current == Some(&seen.id),
        id: seen.id.into_string(),
        device: seen.device,
        user_agent: seen.user_agent,
        address: seen.address,
        place: seen.place,
        created_at: moment(seen.created_at),
        signed_in_at: moment(seen.auth_time),
        acr: seen.acr,
        last_used_at: moment(seen.last_used_at),
        expires_at: moment(seen.expires_at),
        connection: seen.connection,
        applications: seen.applications,
    }
}

/// The browsers in which one is signed in, the one that was used last first, at most a hundred.
#[utoipa::path(get, path = "/api/v1/me/sessions", tag = "me",
    responses((status = 200, description = "The sessions.", body = MySessions)))]
async fn list(State(app): State<App>, asked: Asked) -> Result<Json<MySessions>, Problem> {
    let mut conn = app.db.read().await?;
    let current = my_account::session(&mut conn, &asked).await?;
    let all = my_sessions::all(&app, &mut conn, &asked.user).await?;
    Ok(Json(MySessions { items: all.into_iter().map(|seen| show(seen, current.as_ref())).collect() }))
}

/// Signs one out everywhere but in the browser that the token came from, with all that was opened there; the applications
/// are told. A token that came from no browser signs one out everywhere.
#[utoipa::path(delete, path = "/api/v1/me/sessions", tag = "me",
    responses((status = 200, description = "How many ended.", body = SessionsEnded)))]
async fn end_others(State(app): State<App>, asked: Asked, how: How) -> Result<Json<SessionsEnded>, Problem> {
    // Nothing that is read under this address says all of what ends, so that no tag can be of it.
    tag::check(how.if_match.as_deref(), "")?;
    let keep = my_account::session(&mut app.db.read().await?, &asked).await?;
    let ended = if how.dry_run {
        my_sessions::count_others(&app, &asked.user, keep.as_ref()).await?
    } else {
        my_sessions::end_others(&app, &asked.user, keep.as_ref(), None).await?
    };
    Ok(Json(SessionsEnded { ended, dry_run: how.dry_run }))
}

/// Ends one browser session, with all that was opened in it; the applications are told. Somebody else's is not found.
#[utoipa::path(delete, path = "/api/v1/me/sessions/{session}", tag = "me",
    responses((status = 200, description = "That it ended.", body = SessionsEnded)))]
async fn end(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path(session): Path<String>,
) -> Result<Json<SessionsEnded>, Problem> {
    let missing = || Problem::not_found("The session");
    let session: SessionId = session.parse().map_err(|_| missing())?;
    tag::check(how.if_match.as_deref(), "")?;
    let there = if how.dry_run {
        my_sessions::is_there(&app, &asked.user, &session).await?
    } else {
        my_sessions::end(&app, &asked.user, &session).await?
    };
    if there { Ok(Json(SessionsEnded { ended: 1, dry_run: how.dry_run })) } else { Err(missing()) }
}
