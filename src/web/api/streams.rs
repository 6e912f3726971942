//! Streams of security events: what the applications of an organisation have asked to be told, and how that fares. The
//! applications keep their streams themselves.

use axum::extract::State;
use serde::Serialize;
use url::Url;
use utoipa::ToSchema;

use super::asked::Asked;
use super::declare::{Needs, Routes, routes};
use super::input::Query;
use super::lookup;
use super::paging::{self, Page, PageQuery};
use super::problem::Problem;
use super::words;
use crate::app::App;
use crate::domain::ssf::event::{EventType, delivered};
use crate::kernel::id::StreamId;
use crate::store::streams::{self, Listed};

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes.route(Needs::Org("applications.read"), routes!(streams_of_applications))
}

/// A stream of security events.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Stream)]
pub struct StreamBody {
    /// Its id.
    pub id: String,
    /// The application that it tells: its id …
    pub application_id: String,
    /// … and its client id.
    pub client_id: String,
    /// What the application calls it.
    pub description: Option<String>,
    /// What is told: `session-revoked`, `credential-change`, `token-claims-change`.
    pub events: Vec<&'static str>,
    /// `push`: its events are posted; `poll`: the application fetches them.
    pub delivery: &'static str,
    /// The host to which they are posted; null where they are fetched.
    pub endpoint_host: Option<String>,
    /// `enabled`; `paused`: its events are held; `disabled`: it has none.
    pub status: &'static str,
    /// Why, if anybody said so.
    pub reason: Option<String>,
    /// How many of its events wait.
    pub waiting: i64,
    /// When the application took an event last, to the minute (RFC 3339).
    pub last_sent_at: Option<String>,
}

fn show(listed: Listed) -> StreamBody {
    let Listed { stream, client_id, waiting } = listed;
    let events = delivered(&stream.settings.requested);
    let endpoint = stream.settings.endpoint.as_deref().and_then(|url| Url::parse(url).ok());
    StreamBody {
        id: stream.id.into_string(),
        application_id: stream.application.into_string(),
        client_id,
        description: stream.settings.description,
        events: events.into_iter().map(EventType::as_str).collect(),
        delivery: stream.settings.delivery.as_str(),
        endpoint_host: endpoint.and_then(|url| url.host_str().map(str::to_owned)),
        status: stream.status.as_str(),
        reason: stream.reason,
        waiting,
        last_sent_at: stream.last_sent_at.map(words::moment),
    }
}

/// The streams of security events that the organisation's applications have, the oldest first.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/streams", tag = "applications", params(PageQuery),
    responses((status = 200, description = "A page of streams.", body = Page<StreamBody>)))]
async fn streams_of_applications(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<Page<StreamBody>>, Problem> {
    let limit = paging::limit(query.limit)?;
    let after: Option<StreamId> = lookup::after(query.cursor.as_deref())?;
    let most = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let mut conn = app.db.read().await?;
    let after = after.map(StreamId::into_string).unwrap_or_default();
    let rows = streams::of_org(&mut conn, &asked.room()?.id, &after, most).await?;
    Ok(axum::Json(Page::of(rows, limit, |row| paging::cursor(&[row.stream.id.as_str()]), show)))
}
