//! What a connection's client asked and what became of it, and how the connection fares.

use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::asked::Asked;
use super::connection_credentials::{self, CredentialBody};
use super::connections::found;
use super::declare::{Needs, Routes, routes};
use super::input::Query;
use super::lookup;
use super::paging::{self, Page};
use super::problem::Problem;
use super::sign_in_body::SignInRow;
use super::sign_in_settings;
use super::words;
use crate::app::App;
use crate::flows::scim::expiring::AHEAD;
use crate::kernel::id::MembershipId;
use crate::kernel::time::HOUR;
use crate::store::federation;
use crate::store::scim::requests::{self, Logged};
use crate::store::scim::{credentials, health};

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Org("connections.read"), routes!(requests))
        .route(Needs::Org("connections.read"), routes!(fares))
}

/// A request of a connection's client.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ScimRequest)]
pub struct RequestBody {
    /// Its id.
    pub id: String,
    /// When it came (RFC 3339).
    pub at: String,
    /// The method.
    pub method: String,
    /// The path under the base URL, without the values of its query.
    pub path: String,
    /// The status that was answered.
    pub status: i64,
    /// What the client was told when it was not carried out; empty otherwise.
    pub detail: String,
    /// The shape of the body: names and operations, no values.
    pub body: String,
    /// The change that it became, if it became one; its receipt is read under `…/changes/{change}`.
    pub change_id: Option<String>,
    /// How long it took, in microseconds.
    pub took_us: i64,
}

/// Which requests.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LogQuery {
    /// `true`: only those that were not carried out.
    errors: Option<bool>,
    /// How many rows at most: 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// What a connection's client asked within the last hour; of very many the newest ten thousand.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct LastHour {
    /// How many requests there were.
    pub requests: i64,
    /// How many of them were not carried out.
    pub errors: i64,
    /// The share of those, 0 to 1; null where there was none.
    pub error_rate: Option<f64>,
}

/// How a connection fares.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ConnectionHealth)]
pub struct HealthBody {
    /// The connection.
    pub connection_id: String,
    /// `active`, `disabled` or `deleted`.
    pub state: &'static str,
    /// How many users it keeps.
    pub users: i64,
    /// How many groups it keeps.
    pub groups: i64,
    /// The last request that was carried out (RFC 3339).
    pub last_sync_at: Option<String>,
    /// The last one that was not (RFC 3339) …
    pub last_error_at: Option<String>,
    /// … and why.
    pub last_error: Option<String>,
    /// How many of its credentials are in time.
    pub live_credentials: usize,
    /// Those that end within twenty days, and those whose time is over.
    pub credentials_ending: Vec<CredentialBody>,
    /// How many requests wait for an administrator.
    pub held: i64,
    /// How many accounts stand in its way and wait for an administrator.
    pub adoptions: i64,
    /// The last hour.
    pub last_hour: LastHour,
    /// How its sign-in stands and fares; null where there is none.
    pub sign_in: Option<SignInRow>,
    /// The memberships that may sign in with a password though a connection of the organisation is enforced.
    pub break_glass: Vec<String>,
}

fn show(row: Logged) -> RequestBody {
    RequestBody {
        id: row.id.into_string(),
        at: words::moment(row.at),
        method: row.method,
        path: row.path,
        status: row.status,
        detail: row.detail,
        body: row.body,
        change_id: row.change.map(|change| change.to_string()),
        took_us: row.took_us,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share of ten thousand at most")]
fn rate(requests: i64, errors: i64) -> Option<f64> {
    (requests > 0).then(|| errors as f64 / requests as f64)
}

/// What a connection's client asked, the newest first. Rows are kept for thirty days.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/connections/{connection}/requests", tag = "connections",
    params(LogQuery), responses((status = 200, description = "A page of requests.", body = Page<RequestBody>)))]
async fn requests(
    State(app): State<App>,
    asked: Asked,
    Path((_, connection)): Path<(String, String)>,
    Query(query): Query<LogQuery>,
) -> Result<axum::Json<Page<RequestBody>>, Problem> {
    let (limit, before) = (paging::limit(query.limit)?, lookup::after(query.cursor.as_deref())?);
    let most = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let errors = query.errors.unwrap_or(false);
    let mut conn = app.db.read().await?;
    let connection = found(&mut conn, &asked.room()?.id, &connection).await?;
    let rows = requests::page(&mut conn, &connection.id, before.as_ref(), errors, most).await?;
    Ok(axum::Json(Page::of(rows, limit, |row| paging::cursor(&[row.id.as_str()]), show)))
}

/// How a connection fares: what it keeps, when it was last heard of, what of it ends soon, and what waits.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/connections/{connection}/health", tag = "connections",
    responses((status = 200, description = "How it fares.", body = HealthBody)))]
async fn fares(
    State(app): State<App>,
    asked: Asked,
    Path((_, connection)): Path<(String, String)>,
) -> Result<axum::Json<HealthBody>, Problem> {
    let now = app.now();
    let mut conn = app.db.read().await?;
    let connection = found(&mut conn, &asked.room()?.id, &connection).await?;
    let all = credentials::of_connection(&mut conn, &connection.id).await?;
    let live_credentials = all.iter().filter(|one| one.is_live(now)).count();
    let ending = all.into_iter().filter(|one| one.expires_at <= now.plus(AHEAD));
    let break_glass = federation::break_glass_of(&mut conn, &connection.org).await?;
    let (asked_for, failed) = health::requests_since(&mut conn, &connection.id, now.minus(HOUR)).await?;
    Ok(axum::Json(HealthBody {
        state: connection.state.as_str(),
        users: connection.users,
        groups: connection.groups,
        last_sync_at: connection.last_sync_at.map(words::moment),
        last_error_at: connection.last_error_at.map(words::moment),
        last_error: connection.last_error,
        live_credentials,
        credentials_ending: ending.map(|one| connection_credentials::show(one, now)).collect(),
        held: health::held(&mut conn, &connection.id).await?,
        adoptions: health::waiting_adoptions(&mut conn, &connection.id).await?,
        last_hour: LastHour { requests: asked_for, errors: failed, error_rate: rate(asked_for, failed) },
        sign_in: sign_in_settings::state_of(&mut conn, &connection.id).await?,
        break_glass: break_glass.into_iter().map(MembershipId::into_string).collect(),
        connection_id: connection.id.into_string(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_was_not_heard_of_has_no_error_rate() {
        assert_eq!(rate(0, 0), None);
        assert_eq!(rate(8, 2), Some(0.25));
    }
}
