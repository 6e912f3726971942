//! The sign-in of a connection: who the provider is, what of its claims means what here, and how far it is open to people.
//!
//! Secrets come in and never go out: an answer says that there is one. What the provider does meanwhile is no part of the
//! set-up, so that its tag stays the same while people sign in; it stands in the list of connections and in their health.
//!
//! # Why
//! An issuer that is new is read before it is kept, and only after the door has said that it would take the rest: nobody
//! can have this server call an address who may not set a connection up.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::{Asked, How};
use super::connections::standing;
use super::declare::{Needs, Routes, routes};
use super::input::Body;
use super::problem::Problem;
use super::sign_in_body::{SignInBody, SignInPut, SignInRow, row, show};
use super::tag;
use super::words::moment;
use super::write::{self, Plan, Written};
use crate::app::App;
use crate::domain::change::{Change, Receipt};
use crate::domain::connection::ConnectionState;
use crate::domain::federation::Stage;
use crate::flows::federation::set_up::{SetUp, read_issuer};
use crate::flows::federation::trial;
use crate::kernel::id::{ConnectionId, OrgId};
use crate::store::db::Conn;
use crate::store::federation::upstreams::{self, SignIn};

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Org("connections.read"), routes!(get))
        .route(Needs::Org("connections.write").fresh(), routes!(put))
        .route(Needs::Org("connections.write").fresh(), routes!(set_stage))
        .route(Needs::Org("connections.write").fresh(), routes!(remove))
        .route(Needs::Org("connections.write").people_only(), routes!(test))
}

/// How far a sign-in is open.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInPatch {
    /// `draft` or `tested` close it; `optional` opens it beside passwords, `enforced` instead of them.
    stage: String,
}

/// A trial that may be begun.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrialOffered {
    /// Where: open it in a browser and sign in at the provider. Null in a dry run.
    url: Option<String>,
    /// Until when it can be begun (RFC 3339).
    expires_at: Option<String>,
}

/// The sign-in of a connection that was not deleted.
///
/// # Errors
/// 404.
pub async fn found(conn: &mut Conn, org: &OrgId, connection: &str) -> Result<SignIn, Problem> {
    let connection = standing(conn, org, connection).await?.id;
    upstreams::find(conn, org, &connection).await?.ok_or_else(|| Problem::not_found("The sign-in"))
}

/// How the sign-in of a connection stands, if it has one and was not deleted.
///
/// # Errors
/// The database's.
pub async fn state_of(conn: &mut Conn, connection: &ConnectionId) -> Result<Option<SignInRow>, Problem> {
    let found = upstreams::by_id(conn, connection).await?;
    Ok(found.filter(|found| found.connection.state != ConnectionState::Deleted).map(|found| row(&found)))
}

/// The sign-in of a connection, without its secrets.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/connections/{connection}/sign-in", tag = "sign in",
    responses((status = 200, description = "The sign-in.", body = SignInBody)))]
async fn get(
    State(app): State<App>,
    asked: Asked,
    Path((_, connection)): Path<(String, String)>,
) -> Result<Json<SignInBody>, Problem> {
    let mut conn = app.db.read().await?;
    let found = found(&mut conn, &asked.room()?.id, &connection).await?;
    Ok(Json(show(&app, &found)))
}

/// A set-up that is to be kept.
struct Put {
    app: App,
    org: OrgId,
    connection: ConnectionId,
    set_up: SetUp,
}

impl Put {
    fn of(app: &App, org: OrgId, connection: ConnectionId, body: &SignInPut) -> Result<Self, Problem> {
        let settings = body.settings()?;
        let secrets = body.secrets(&settings)?;
        let set_up = SetUp::of(app, (org.clone(), connection.clone()), settings, secrets);
        Ok(Self { app: app.clone(), org, connection, set_up })
    }

    async fn plan(&self, conn: &mut Conn) -> Result<Plan, Problem> {
        standing(conn, &self.org, self.connection.as_str()).await?;
        let before = upstreams::find(conn, &self.org, &self.connection).await?;
        let tag = before.as_ref().map(|before| tag::of(&show(&self.app, before))).unwrap_or_default();
        Ok((tag, vec![self.set_up.change(before.as_ref())]))
    }
}

async fn send(app: &App, asked: &Asked, how: &How, put: &Arc<Put>) -> Result<Receipt, Problem> {
    write::edit(app, asked, how, |conn| {
        let put = Arc::clone(put);
        Box::pin(async move { put.plan(conn).await })
    })
    .await
}

/// Sets a connection's sign-in up, or anew: the whole of it. An issuer that is new is read first, and refused if it can't
/// be, or says that it is another one; a dry run asks nobody. Another issuer, client id or way to authenticate needs a
/// trial of its own; another issuer ends what came through the one before. `private_key_jwt` has Muster make a key, once.
#[utoipa::path(put, path = "/api/v1/orgs/{org}/connections/{connection}/sign-in", tag = "sign in", request_body = SignInPut,
    responses((status = 200, description = "The sign-in.", body = Written<SignInBody>)))]
async fn put(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, connection)): Path<(String, String)>,
    Body(body): Body<SignInPut>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let mut conn = app.db.read().await?;
    let connection = standing(&mut conn, &org, &connection).await?.id;
    let before = upstreams::find(&mut conn, &org, &connection).await?;
    drop(conn);
    let put = Arc::new(Put::of(&app, org.clone(), connection.clone(), &body)?);
    let issuer = put.set_up.issuer();
    if !how.dry_run && before.is_none_or(|before| before.settings.core.issuer != issuer) {
        let rehearsal = How { dry_run: true, ..how.clone() };
        // What the door refuses, it refuses and records below.
        if send(&app, &asked, &rehearsal, &put).await.is_ok() {
            read_issuer(&app, issuer).await.map_err(|reason| Problem::invalid("issuer", reason))?;
        }
    }
    let receipt = send(&app, &asked, &how, &put).await?;
    let after = upstreams::find(&mut app.db.read().await?, &org, &connection).await?;
    Ok(Written::ok(after.map(|after| show(&app, &after)), &receipt))
}

/// Opens a connection's sign-in to people, or closes it. It opens once somebody came through in a trial; to be enforced it
/// needs a break-glass member besides. Enforcing ends what is open in the organisation and did not come through it.
#[utoipa::path(patch, path = "/api/v1/orgs/{org}/connections/{connection}/sign-in", tag = "sign in",
    request_body = SignInPatch,
    responses((status = 200, description = "The sign-in.", body = Written<SignInBody>)))]
async fn set_stage(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, connection)): Path<(String, String)>,
    Body(patch): Body<SignInPatch>,
) -> Result<Response, Problem> {
    let stage: Stage =
        patch.stage.parse().map_err(|_| Problem::invalid("stage", "Use draft, tested, optional or enforced."))?;
    let org = asked.room()?.id.clone();
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (app, org, connection) = (app.clone(), org.clone(), connection.clone());
        Box::pin(async move {
            let before = found(conn, &org, &connection).await?;
            let (tag, connection) = (tag::of(&show(&app, &before)), before.connection.id);
            Ok((tag, vec![Change::SetSignInStage { org, connection, stage }]))
        })
    })
    .await?;
    let after = found(&mut app.db.read().await?, &org, &connection).await?;
    Ok(Written::ok(Some(show(&app, &after)), &receipt))
}

/// Takes a connection's sign-in away, with its secrets and its mapping. What came through it ends, and what the mapping
/// gave goes; its people stay, and who they are upstream stays known.
#[utoipa::path(delete, path = "/api/v1/orgs/{org}/connections/{connection}/sign-in", tag = "sign in",
    responses((status = 200, description = "What ended.", body = Written<SignInBody>)))]
async fn remove(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, connection)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (app, org, connection) = (app.clone(), org.clone(), connection.clone());
        Box::pin(async move {
            let before = found(conn, &org, &connection).await?;
            let (tag, connection) = (tag::of(&show(&app, &before)), before.connection.id);
            Ok((tag, vec![Change::RemoveSignIn { org, connection }]))
        })
    })
    .await?;
    Ok(Written::<SignInBody>::ok(None, &receipt))
}

/// Offers a trial of the sign-in: an address, good for fifteen minutes, at which somebody signs in at the provider and
/// sees what would follow. Nobody is signed in by it and nothing is written but that the set-up was tested.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/connections/{connection}/sign-in/test", tag = "sign in",
    responses((status = 200, description = "Where the trial begins.", body = TrialOffered)))]
async fn test(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, connection)): Path<(String, String)>,
) -> Result<Json<TrialOffered>, Problem> {
    let org = &asked.room()?.id;
    let found = found(&mut app.db.read().await?, org, &connection).await?;
    tag::check(how.if_match.as_deref(), &tag::of(&show(&app, &found)))?;
    let (url, until) = trial::offer(&app, &asked.actor, org, &found.connection.id).await?;
    let offered = (!how.dry_run).then_some((url, moment(until)));
    let (url, expires_at) = offered.unzip();
    Ok(Json(TrialOffered { url, expires_at }))
}
