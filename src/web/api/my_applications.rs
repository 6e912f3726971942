//! What applications have of oneself: what one allowed them, whether they are signed in, and taking it back.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::problem::Problem;
use super::tag;
use super::words::moment;
use crate::app::App;
use crate::domain::change::Ended;
use crate::flows::my_applications::{self, Mine};
use crate::kernel::id::ApplicationId;

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes.route(Needs::Caller.people_only(), routes!(list)).route(Needs::Caller.people_only(), routes!(withdraw))
}

/// An application that has something of oneself.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MyApplication {
    /// Its id.
    pub id: String,
    /// Its client id.
    pub client_id: String,
    /// Its name.
    pub name: String,
    /// The organisation that it belongs to.
    pub org_id: Option<String>,
    /// The scopes that one allowed it; null where nobody was asked.
    pub scopes: Option<Vec<String>>,
    /// When one allowed them (RFC 3339).
    pub allowed_at: Option<String>,
    /// When it was used last, as far as living sessions and tokens tell (RFC 3339).
    pub last_used_at: Option<String>,
    /// Whether it is signed in.
    pub signed_in: bool,
    /// Whether it may act while one is away.
    pub offline: bool,
}

/// The applications that have something of oneself.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MyApplications {
    /// By name.
    pub items: Vec<MyApplication>,
}

/// What ended with what an application had.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Withdrawn {
    /// In how many sessions it was signed in.
    pub sessions: u64,
    /// How many token families ended.
    pub token_families: u64,
    /// Whether nothing was done; then nothing is counted.
    pub dry_run: bool,
}

fn show(mine: Mine) -> MyApplication {
    let (scopes, at) = mine.allowed.unzip();
    MyApplication {
        id: mine.application.id.into_string(),
        client_id: mine.application.client_id,
        name: mine.application.name,
        org_id: mine.application.org.map(crate::kernel::id::OrgId::into_string),
        scopes,
        allowed_at: at.map(moment),
        last_used_at: mine.used_at.map(moment),
        signed_in: mine.signed_in,
        offline: mine.offline,
    }
}

/// The applications that one uses or has allowed something.
#[utoipa::path(get, path = "/api/v1/me/applications", tag = "me",
    responses((status = 200, description = "The applications.", body = MyApplications)))]
async fn list(State(app): State<App>, asked: Asked) -> Result<Json<MyApplications>, Problem> {
    let all = my_applications::all(&app, &mut app.db.read().await?, &asked.user).await?;
    Ok(Json(MyApplications { items: all.into_iter().map(show).collect() }))
}

/// Takes back what one allowed an application: its tokens die, offline ones too, it is told to sign one out, and must ask
/// again. One that has nothing is not found.
#[utoipa::path(delete, path = "/api/v1/me/applications/{application}", tag = "me",
    responses((status = 200, description = "What ended.", body = Withdrawn)))]
async fn withdraw(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path(application): Path<String>,
) -> Result<Json<Withdrawn>, Problem> {
    let missing = || Problem::not_found("The application");
    let application: ApplicationId = application.parse().map_err(|_| missing())?;
    tag::check(how.if_match.as_deref(), "")?;
    if how.dry_run {
        let all = my_applications::all(&app, &mut app.db.read().await?, &asked.user).await?;
        let there = all.iter().any(|mine| mine.application.id == application);
        let none = Withdrawn { sessions: 0, token_families: 0, dry_run: true };
        return if there { Ok(Json(none)) } else { Err(missing()) };
    }
    let ended = my_applications::withdraw(&app, &asked.user, &application, &asked.origin).await?;
    let Ended { sessions, token_families, .. } = ended.ok_or_else(missing)?;
    Ok(Json(Withdrawn { sessions, token_families, dry_run: false }))
}
