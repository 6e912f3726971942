//! What one did, and what was done to one's account, in every organisation.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::Asked;
use super::declare::{Needs, Routes, routes};
use super::input::Query;
use super::lookup::no_cursor;
use super::paging::{self, Page, PageQuery};
use super::problem::Problem;
use super::words::moment;
use crate::app::App;
use crate::flows::activity::{self, Line, Place};
use crate::kernel::id::OrgId;

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes.route(Needs::Caller.people_only(), routes!(list))
}

/// Something that happened.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ActivityBody {
    /// When (RFC 3339).
    pub at: String,
    /// The machine's words for it, such as `sign_in.accepted`.
    pub kinds: Vec<String>,
    /// The same for people.
    pub text: String,
    /// Who did it: `you`, `administrator`, `provider` or `muster`.
    pub by: &'static str,
    /// The organisation that it concerned.
    pub org_id: Option<String>,
    /// That organisation's name.
    pub org_name: Option<String>,
    /// The name of the application that it concerned.
    pub application: Option<String>,
    /// The address that it came from, where it was one's own doing.
    pub address: Option<String>,
    /// Where that is, if the operator has a file that says so.
    pub place: Option<String>,
    /// Browser and system, if they were written down.
    pub device: Option<String>,
}

fn show(line: Line) -> ActivityBody {
    ActivityBody {
        at: moment(line.at),
        kinds: line.kinds,
        text: line.text,
        by: line.by.as_str(),
        org_id: line.org.map(OrgId::into_string),
        org_name: line.org_name,
        application: line.application,
        address: Some(line.address).filter(|address| !address.is_empty()),
        place: line.place,
        device: line.device,
    }
}

/// What one did, and what was done to one's account, the newest first.
#[utoipa::path(get, path = "/api/v1/me/activity", tag = "me", params(PageQuery),
    responses((status = 200, description = "A page of the list.", body = Page<ActivityBody>)))]
async fn list(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<ActivityBody>>, Problem> {
    let limit = paging::limit(query.limit)?;
    let place = match paging::after(query.cursor.as_deref(), 3)? {
        Some(parts) => Place::read(&parts).ok_or_else(no_cursor)?,
        None => Place::default(),
    };
    let page = activity::page(&app, &mut app.db.read().await?, &asked.user, place, limit).await?;
    let next = page.next.map(|place| paging::cursor(&place.parts().each_ref().map(String::as_str)));
    Ok(Json(Page { items: page.lines.into_iter().map(show).collect(), next }))
}
