//! Break-glass: which administrators may sign in with a password though a connection is enforced.
//!
//! Who is among them stands with each person, and all of them in the connection's health.

use axum::extract::State;
use axum::response::Response;

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::person::UserBody;
use super::problem::Problem;
use super::user_edit::{after, before, place};
use super::write::{self, Written};
use crate::app::App;
use crate::domain::change::Change;

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes.route(Needs::Owner.fresh(), routes!(put)).route(Needs::Owner.fresh(), routes!(remove))
}

/// Lets an administrator sign in with a password though a connection is enforced. The person must be active, have a
/// password, belong to no connection, and administer the organisation; whoever is none of that any more is let in no
/// longer.
#[utoipa::path(put, path = "/api/v1/orgs/{org}/users/{user}/break-glass", tag = "break glass",
    responses((status = 200, description = "The person.", body = Written<UserBody>)))]
async fn put(State(app): State<App>, asked: Asked, how: How) -> Result<Response, Problem> {
    set(&app, &asked, &how, true).await
}

/// Takes that back. While a connection is enforced there is at least one.
#[utoipa::path(delete, path = "/api/v1/orgs/{org}/users/{user}/break-glass", tag = "break glass",
    responses((status = 200, description = "The person.", body = Written<UserBody>)))]
async fn remove(State(app): State<App>, asked: Asked, how: How) -> Result<Response, Problem> {
    set(&app, &asked, &how, false).await
}

async fn set(app: &App, asked: &Asked, how: &How, on: bool) -> Result<Response, Problem> {
    let (org, member) = place(asked)?;
    let receipt = write::edit(app, asked, how, |conn| {
        let (org, member) = (org.clone(), member.clone());
        Box::pin(async move {
            let (_, tag) = before(conn, &org, &member).await?;
            Ok((tag, vec![Change::SetBreakGlass { org, member, on }]))
        })
    })
    .await?;
    after(app, (&org, &member), &receipt).await
}
