//! Somebody's sessions in the organisation: which there are, and ending them.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::problem::Problem;
use super::tag;
use super::words::moment;
use super::write::{self, Written};
use crate::app::App;
use crate::domain::change::Change;
use crate::kernel::id::EntryId;
use crate::store::orgs;
use crate::store::session_list::{self, Listed};

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::OwnOr("users.read"), routes!(list))
        .route(Needs::OwnOr("sessions.write"), routes!(end_all))
        .route(Needs::OwnOr("sessions.write"), routes!(end))
}

/// A session in the organisation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SessionBody {
    /// Its id, the `sid` claim of its tokens.
    pub id: String,
    /// When the person signed in (RFC 3339).
    pub signed_in_at: String,
    /// When the session came to this organisation (RFC 3339).
    pub created_at: String,
    /// When it was used last (RFC 3339).
    pub last_used_at: String,
    /// When it ends at the latest (RFC 3339).
    pub expires_at: String,
    /// The browser, as it named itself.
    pub user_agent: String,
    /// The address that it began at.
    pub address: String,
    /// The client ids of the applications that were signed in through it.
    pub applications: Vec<String>,
}

/// The sessions of somebody.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SessionsBody {
    /// The newest first.
    pub items: Vec<SessionBody>,
}

fn show(entry: Listed) -> SessionBody {
    SessionBody {
        id: entry.id.into_string(),
        signed_in_at: moment(entry.auth_time),
        created_at: moment(entry.created_at),
        last_used_at: moment(entry.last_used_at),
        expires_at: moment(entry.expires_at),
        user_agent: entry.user_agent,
        address: entry.address,
        applications: entry.applications,
    }
}

async fn read(app: &App, asked: &Asked) -> Result<SessionsBody, Problem> {
    let mut conn = app.db.read().await?;
    let org = orgs::find(&mut conn, &asked.room()?.id).await?;
    let idle = org.and_then(|org| org.session_idle).map_or(app.session_idle(), |own| own.min(app.session_idle()));
    let now = app.now();
    let entries = session_list::of_member(&mut conn, &asked.member()?.id, now, now.minus(idle)).await?;
    Ok(SessionsBody { items: entries.into_iter().map(show).collect() })
}

/// The live sessions of somebody in the organisation, the newest first, at most two hundred.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/users/{user}/sessions", tag = "sessions",
    responses((status = 200, description = "The sessions.", body = SessionsBody)))]
async fn list(State(app): State<App>, asked: Asked) -> Result<Json<SessionsBody>, Problem> {
    Ok(Json(read(&app, &asked).await?))
}

/// Ends every session of somebody in the organisation, with all tokens; the applications are told. The access stays.
#[utoipa::path(delete, path = "/api/v1/orgs/{org}/users/{user}/sessions", tag = "sessions",
    responses((status = 200, description = "What ended.", body = Written<SessionsBody>)))]
async fn end_all(State(app): State<App>, asked: Asked, how: How) -> Result<Response, Problem> {
    let (org, member) = (asked.room()?.id.clone(), asked.member()?.id.clone());
    tag::check(how.if_match.as_deref(), &tag::of(&read(&app, &asked).await?))?;
    let receipt = write::send(&app, &asked, &how, vec![Change::EndSessions { org, member }]).await?;
    Ok(Written::<SessionsBody>::ok(None, &receipt))
}

/// Ends one session of somebody in the organisation, with its tokens; the applications are told.
#[utoipa::path(delete, path = "/api/v1/orgs/{org}/users/{user}/sessions/{session}", tag = "sessions",
    responses((status = 200, description = "What ended.", body = Written<SessionBody>)))]
async fn end(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, _, session)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let (org, member) = (asked.room()?.id.clone(), asked.member()?.id.clone());
    let entry: EntryId = session.parse().map_err(|_| Problem::not_found("The session"))?;
    // Nothing is read under this address, so that no tag can be of it.
    tag::check(how.if_match.as_deref(), "")?;
    let receipt = write::send(&app, &asked, &how, vec![Change::EndSession { org, member, entry }]).await?;
    Ok(Written::<SessionBody>::ok(None, &receipt))
}
