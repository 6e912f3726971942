//! Connections: an organisation's own identity providers, how their clients speak, and how far they are trusted.
//!
//! What a connection does meanwhile (how many it keeps, when it was last heard of) is no part of the connection itself, so
//! that its tag stays the same while people are pushed.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::input::{Body, ConfirmQuery, Query};
use super::paging::{Page, PageQuery, SearchQuery};
use super::patch::Given;
use super::problem::Problem;
use super::sign_in_body::SignInRow;
use super::sign_in_settings;
use super::tag;
use super::words;
use super::write::{self, Written};
use crate::app::App;
use crate::domain::change::Change;
use crate::domain::connection::{ConnectionSettings, ConnectionState, Guard, NewConnection, OnTimeout, ScimProfile};
use crate::flows::scim::PATH;
use crate::kernel::fold;
use crate::kernel::id::{ConnectionId, OrgId};
use crate::store::connections::{self, Connection};
use crate::store::db::Conn;

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Org("connections.read"), routes!(list))
        .route(Needs::Org("connections.write").fresh(), routes!(create))
        .route(Needs::Org("connections.read"), routes!(get))
        .route(Needs::Org("connections.write").fresh(), routes!(change))
        .route(Needs::Org("connections.write").fresh(), routes!(delete))
        .route(Needs::Org("connections.write").fresh(), routes!(release))
}

/// When a change that takes access from very many is told of, and whether it waits.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Guard)]
pub struct GuardBody {
    /// More than so many per cent of the organisation's members …
    pub share: u8,
    /// … and no fewer people than this.
    pub least: u32,
    /// Whether such a request waits for an administrator.
    pub hold: bool,
    /// How long, in minutes.
    pub hold_minutes: u32,
    /// What happens then: `release` carries it out, `reject` drops it.
    pub on_timeout: &'static str,
}

/// A connection.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Connection)]
pub struct ConnectionBody {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// `active`; `disabled`: its requests are refused; `deleted`: it is gone, but what it kept was not released yet.
    pub state: &'static str,
    /// How its client speaks: `auto`, `entra`, `okta` or `rfc-strict`.
    pub profile: &'static str,
    /// Whether its people may be put into local groups and be given roles directly.
    pub local_grants: bool,
    /// The guard against mass changes.
    pub guard: GuardBody,
    /// Whether a PATCH answers with the resource, or with 204; null: 200 for users, 204 for groups.
    pub patch_answers_body: Option<bool>,
    /// Where its administrators change things.
    pub admin_url: Option<String>,
    /// What its client is given as base URL, or tenant URL.
    pub scim_url: String,
    /// What its provider is given as redirect address, for people who sign in there.
    pub redirect_uri: String,
    /// When it was made (RFC 3339).
    pub created_at: String,
}

/// A connection in a list, with what it keeps and when it was last heard of.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ConnectionRow {
    /// The connection.
    #[serde(flatten)]
    pub connection: ConnectionBody,
    /// How many users it keeps.
    pub users: i64,
    /// How many groups it keeps.
    pub groups: i64,
    /// The last request that was carried out (RFC 3339).
    pub last_sync_at: Option<String>,
    /// The last one that was not (RFC 3339).
    pub last_error_at: Option<String>,
    /// How its sign-in stands; null where there is none.
    pub sign_in: Option<SignInRow>,
}

/// How the guard is set; what is absent stays, or is the usual.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GuardPatch {
    /// More than so many per cent of the organisation's members: 1 to 100; usually 50.
    share: Option<u8>,
    /// But no fewer people than this: 1 to 100,000; usually 10.
    least: Option<u32>,
    /// Whether such a request waits for an administrator; usually not.
    hold: Option<bool>,
    /// How long, in minutes: 5 to 10,080; usually a day.
    hold_minutes: Option<u32>,
    /// What happens then: `release` (usually) or `reject`.
    on_timeout: Option<String>,
}

/// What a new connection is made of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewConnection)]
pub struct NewConnectionBody {
    /// 1 to 100 characters, unique in the organisation without regard to case.
    name: String,
    /// `auto`, `entra`, `okta` or `rfc-strict`; `auto` if none is given.
    profile: Option<String>,
    /// Whether its people may be put into local groups and be given roles directly; no if nothing is said.
    #[serde(default)]
    local_grants: bool,
    /// The guard against mass changes.
    #[serde(default)]
    guard: GuardPatch,
    /// Whether a PATCH answers with the resource, or with 204.
    patch_answers_body: Option<bool>,
    /// Where its administrators change things upstream: an https address.
    admin_url: Option<String>,
}

/// What changes in a connection; what is absent stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionPatch {
    /// 1 to 100 characters, unique in the organisation without regard to case.
    name: Option<String>,
    /// `auto`, `entra`, `okta` or `rfc-strict`.
    profile: Option<String>,
    /// `active` or `disabled`. The requests of a disabled one are refused; what it keeps stays.
    state: Option<String>,
    /// Whether its people may be put into local groups and be given roles directly.
    local_grants: Option<bool>,
    /// The guard against mass changes.
    guard: Option<GuardPatch>,
    /// Whether a PATCH answers with the resource, or with 204; null leaves it to the kind of resource.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    patch_answers_body: Given<bool>,
    /// Where its administrators change things upstream: an https address; null clears it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    admin_url: Given<String>,
}

impl GuardPatch {
    fn over(&self, before: Guard) -> Result<Guard, Problem> {
        let on_timeout = match &self.on_timeout {
            None => before.on_timeout,
            Some(word) => {
                word.parse::<OnTimeout>().map_err(|_| Problem::invalid("guard.on_timeout", "Use release or reject."))?
            }
        };
        Ok(Guard {
            share: self.share.unwrap_or(before.share),
            least: self.least.unwrap_or(before.least),
            hold: self.hold.unwrap_or(before.hold),
            hold_minutes: self.hold_minutes.unwrap_or(before.hold_minutes),
            on_timeout,
        })
    }
}

impl ConnectionPatch {
    /// Whether it says anything but a state.
    const fn sets(&self) -> bool {
        self.name.is_some()
            || self.profile.is_some()
            || self.local_grants.is_some()
            || self.guard.is_some()
            || !matches!(self.patch_answers_body, Given::Absent)
            || !matches!(self.admin_url, Given::Absent)
    }

    /// The changes that make a connection what the patch says.
    fn changes(self, org: OrgId, before: &Connection) -> Result<Vec<Change>, Problem> {
        let mut changes = Vec::new();
        let state = self.state.as_deref().map(state).transpose()?;
        if self.sets() {
            let settings = ConnectionSettings {
                guard: self.guard.unwrap_or_default().over(before.settings.guard)?,
                patch_answers_body: self.patch_answers_body.over(before.settings.patch_answers_body),
                admin_url: self.admin_url.over(before.settings.admin_url.clone()),
            };
            changes.push(Change::PutConnection(Box::new(NewConnection {
                id: before.id.clone(),
                org: org.clone(),
                name: self.name.unwrap_or_else(|| before.name.clone()),
                profile: self.profile.as_deref().map_or(Ok(before.profile), profile)?,
                local_grants: self.local_grants.unwrap_or(before.local_grants),
                settings,
            })));
        }
        if let Some(state) = state {
            changes.push(Change::SetConnectionState { org, connection: before.id.clone(), state });
        }
        Ok(changes)
    }
}

fn profile(word: &str) -> Result<ScimProfile, Problem> {
    word.parse().map_err(|_| Problem::invalid("profile", "Use auto, entra, okta or rfc-strict."))
}

/// A state that a connection can be set to; deleting is another call.
fn state(word: &str) -> Result<ConnectionState, Problem> {
    match word.parse() {
        Ok(state @ (ConnectionState::Active | ConnectionState::Disabled)) => Ok(state),
        Ok(ConnectionState::Deleted) | Err(_) => Err(Problem::invalid("state", "Use active or disabled.")),
    }
}

/// What the SCIM clients of an instance are given as base URL.
#[must_use]
pub fn scim_url(issuer: &str) -> String {
    format!("{issuer}{PATH}")
}

fn show(connection: &Connection, issuer: &str) -> ConnectionBody {
    let Guard { share, least, hold, hold_minutes, on_timeout } = connection.settings.guard;
    ConnectionBody {
        id: connection.id.to_string(),
        name: connection.name.clone(),
        state: connection.state.as_str(),
        profile: connection.profile.as_str(),
        local_grants: connection.local_grants,
        guard: GuardBody { share, least, hold, hold_minutes, on_timeout: on_timeout.as_str() },
        patch_answers_body: connection.settings.patch_answers_body,
        admin_url: connection.settings.admin_url.clone(),
        scim_url: scim_url(issuer),
        redirect_uri: format!("{issuer}/upstream/{}/callback", connection.id),
        created_at: words::moment(connection.created_at),
    }
}

fn row(connection: &Connection, issuer: &str, sign_in: Option<SignInRow>) -> ConnectionRow {
    ConnectionRow {
        connection: show(connection, issuer),
        users: connection.users,
        groups: connection.groups,
        last_sync_at: connection.last_sync_at.map(words::moment),
        last_error_at: connection.last_error_at.map(words::moment),
        sign_in,
    }
}

/// A connection that was deleted is there for as long as it keeps something that can be released.
fn is_there(connection: &Connection) -> bool {
    connection.state != ConnectionState::Deleted || connection.users > 0 || connection.groups > 0
}

/// A connection of the organisation, one that was deleted and not released included.
///
/// # Errors
/// 404.
pub async fn found(conn: &mut Conn, org: &OrgId, id: &str) -> Result<Connection, Problem> {
    let missing = || Problem::not_found("The connection");
    let id: ConnectionId = id.parse().map_err(|_| missing())?;
    connections::find(conn, org, &id).await?.filter(is_there).ok_or_else(missing)
}

/// A connection of the organisation that was not deleted.
///
/// # Errors
/// 404.
pub async fn standing(conn: &mut Conn, org: &OrgId, id: &str) -> Result<Connection, Problem> {
    let found = found(conn, org, id).await?;
    if found.state == ConnectionState::Deleted {
        return Err(Problem::not_found("The connection"));
    }
    Ok(found)
}

/// The connections of an organisation, with what they keep and when they were last heard of.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/connections", tag = "connections", params(SearchQuery),
    responses((status = 200, description = "A page of connections.", body = Page<ConnectionRow>)))]
async fn list(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<SearchQuery>,
) -> Result<axum::Json<Page<ConnectionRow>>, Problem> {
    let mut conn = app.db.read().await?;
    let mut all = connections::of_org(&mut conn, &asked.room()?.id).await?;
    all.retain(is_there);
    if let Some(search) = &query.search {
        let wanted = fold::key(search);
        all.retain(|connection| fold::key(&connection.name).contains(&wanted));
    }
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let mut sign_ins = BTreeMap::new();
    for connection in &all {
        let state = sign_in_settings::state_of(&mut conn, &connection.id).await?;
        sign_ins.extend(state.map(|state| (connection.id.clone(), state)));
    }
    let show = |connection: Connection| row(&connection, app.issuer(), sign_ins.get(&connection.id).cloned());
    Ok(axum::Json(Page::cut(all, &page, |connection| connection.id.to_string(), show)?))
}

/// Makes a connection. Its client needs a credential besides.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/connections", tag = "connections", request_body = NewConnectionBody,
    responses((status = 201, description = "The connection.", body = Written<ConnectionBody>),
              (status = 200, description = "A dry run: nothing was made.", body = Written<ConnectionBody>)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(new): Body<NewConnectionBody>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let id = ConnectionId::fresh();
    let connection = NewConnection {
        id: id.clone(),
        org: org.clone(),
        name: new.name,
        profile: new.profile.as_deref().map_or(Ok(ScimProfile::default()), profile)?,
        local_grants: new.local_grants,
        settings: ConnectionSettings {
            guard: new.guard.over(Guard::default())?,
            patch_answers_body: new.patch_answers_body,
            admin_url: new.admin_url,
        },
    };
    let receipt = write::send(&app, &asked, &how, vec![Change::PutConnection(Box::new(connection))]).await?;
    let mut conn = app.db.read().await?;
    let object = connections::find(&mut conn, &org, &id).await?.map(|made| show(&made, app.issuer()));
    Ok(Written::created(object, &receipt))
}

/// One connection. What it does is told by `…/health` and `…/requests`.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/connections/{connection}", tag = "connections",
    responses((status = 200, description = "The connection.", body = ConnectionBody)))]
async fn get(
    State(app): State<App>,
    asked: Asked,
    Path((_, connection)): Path<(String, String)>,
) -> Result<axum::Json<ConnectionBody>, Problem> {
    let mut conn = app.db.read().await?;
    let found = found(&mut conn, &asked.room()?.id, &connection).await?;
    Ok(axum::Json(show(&found, app.issuer())))
}

/// Changes a connection, disables it (`"state": "disabled"`) or enables it again (`"active"`). The requests of
/// a disabled one are refused; what it keeps stays as it is, and read-only.
#[utoipa::path(patch, path = "/api/v1/orgs/{org}/connections/{connection}", tag = "connections",
    request_body = ConnectionPatch,
    responses((status = 200, description = "The connection.", body = Written<ConnectionBody>)))]
async fn change(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, connection)): Path<(String, String)>,
    Body(patch): Body<ConnectionPatch>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let issuer = app.issuer().to_owned();
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, connection, patch, issuer) = (org.clone(), connection.clone(), patch.clone(), issuer.clone());
        Box::pin(async move {
            let before = standing(conn, &org, &connection).await?;
            Ok((tag::of(&show(&before, &issuer)), patch.changes(org, &before)?))
        })
    })
    .await?;
    let mut conn = app.db.read().await?;
    let after = found(&mut conn, &org, &connection).await?;
    Ok(Written::ok(Some(show(&after, app.issuer())), &receipt))
}

/// Deletes a connection with its credentials. What it kept stays as it is, and read-only, until it is released. The name
/// must be typed again in `confirm`.
#[utoipa::path(delete, path = "/api/v1/orgs/{org}/connections/{connection}", tag = "connections", params(ConfirmQuery),
    responses((status = 200, description = "What ended.", body = Written<ConnectionBody>)))]
async fn delete(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, connection)): Path<(String, String)>,
    Query(query): Query<ConfirmQuery>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let issuer = app.issuer().to_owned();
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, connection) = (org.clone(), connection.clone());
        let (confirm, issuer) = (query.confirm.clone(), issuer.clone());
        Box::pin(async move {
            let before = standing(conn, &org, &connection).await?;
            if confirm.as_deref() != Some(before.name.as_str()) {
                return Err(Problem::invalid("confirm", "Type the connection's name, exactly, to delete it."));
            }
            let tag = tag::of(&show(&before, &issuer));
            let (connection, state) = (before.id, ConnectionState::Deleted);
            Ok((tag, vec![Change::SetConnectionState { org, connection, state }]))
        })
    })
    .await?;
    Ok(Written::<ConnectionBody>::ok(None, &receipt))
}

/// Makes what a disabled or deleted connection kept the organisation's own: its people and groups can be changed here from
/// then on. Its people have no password until somebody gives them one.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/connections/{connection}/release", tag = "connections",
    responses((status = 200, description = "The connection, if it is still there.", body = Written<ConnectionBody>)))]
async fn release(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, connection)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let issuer = app.issuer().to_owned();
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, connection, issuer) = (org.clone(), connection.clone(), issuer.clone());
        Box::pin(async move {
            let before = found(conn, &org, &connection).await?;
            let tag = tag::of(&show(&before, &issuer));
            Ok((tag, vec![Change::ReleaseConnection { org, connection: before.id }]))
        })
    })
    .await?;
    let id = ConnectionId::trusted(connection);
    let mut conn = app.db.read().await?;
    let after = connections::find(&mut conn, &org, &id).await?.filter(is_there);
    Ok(Written::ok(after.map(|after| show(&after, app.issuer())), &receipt))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_is_changed_part_by_part_and_deleting_is_no_state_to_be_set() {
        let patch: GuardPatch = serde_json::from_str(r#"{"hold": true, "on_timeout": "reject"}"#).unwrap();
        let guard = patch.over(Guard::default()).unwrap();
        assert_eq!(guard, Guard { hold: true, on_timeout: OnTimeout::Reject, ..Guard::default() });
        let wrong: GuardPatch = serde_json::from_str(r#"{"on_timeout": "wait"}"#).unwrap();
        assert!(wrong.over(Guard::default()).is_err());
        assert!(state("deleted").is_err() && state("disabled").is_ok() && profile("entra").is_ok());
    }
}
