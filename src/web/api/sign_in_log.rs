//! What sign-ins through a connection came to: the newest of the last thirty days, without values.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::asked::Asked;
use super::connections::found;
use super::declare::{Needs, Routes, routes};
use super::input::Query;
use super::lookup;
use super::paging::{self, Page, PageQuery};
use super::problem::Problem;
use super::words::moment;
use crate::app::App;
use crate::domain::federation::LoggedSignIn;
use crate::kernel::id::{SignInLogId, UserId};
use crate::store::federation::log;

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes.route(Needs::Org("connections.read"), routes!(list))
}

/// A sign-in through a connection.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = SignInThrough)]
pub struct LoggedBody {
    /// Its id.
    pub id: String,
    /// When (RFC 3339).
    pub at: String,
    /// `accepted`, `tested`, `linked`, or why not: the word that the page shows.
    pub outcome: String,
    /// Whose account it concerned, where that is known.
    pub user_id: Option<String>,
    /// What the provider said: names of claims, groups, numbers and truths; every other text is `…`.
    #[schema(value_type = Object)]
    pub claims: Map<String, Value>,
}

fn show((id, logged): (SignInLogId, LoggedSignIn)) -> LoggedBody {
    LoggedBody {
        id: id.into_string(),
        at: moment(logged.at),
        outcome: logged.outcome,
        user_id: logged.user.map(UserId::into_string),
        claims: logged.claims,
    }
}

/// What sign-ins through a connection came to, the newest first: the last two hundred, for thirty days.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/connections/{connection}/sign-ins", tag = "sign in", params(PageQuery),
    responses((status = 200, description = "A page of sign-ins.", body = Page<LoggedBody>)))]
async fn list(
    State(app): State<App>,
    asked: Asked,
    Path((_, connection)): Path<(String, String)>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<LoggedBody>>, Problem> {
    let (limit, before) = (paging::limit(query.limit)?, lookup::after::<SignInLogId>(query.cursor.as_deref())?);
    let most = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let mut conn = app.db.read().await?;
    let connection = found(&mut conn, &asked.room()?.id, &connection).await?;
    let rows = log::page(&mut conn, &connection.id, before.as_ref(), most).await?;
    Ok(Json(Page::of(rows, limit, |(id, _)| paging::cursor(&[id.as_str()]), show)))
}
