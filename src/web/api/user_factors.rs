//! How somebody's account is guarded: which second factors it has, whether it is locked; taking the factors away from whoever
//! lost them, and lifting a lock. No answer holds anything that a factor could be made from.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::person;
use super::problem::Problem;
use super::tag;
use super::user_edit::{its_own, place};
use super::words::moment;
use super::write::{self, Written};
use crate::app::App;
use crate::domain::change::Change;
use crate::domain::people::lockout::FOREVER;
use crate::kernel::id::UserId;
use crate::kernel::time::UnixMillis;
use crate::store::db::Conn;
use crate::store::people_read::Person;
use crate::store::{factors, passkeys, recovery_codes, users};

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Org("users.read"), routes!(get))
        .route(Needs::Org("users.write").fresh(), routes!(reset))
        .route(Needs::Org("users.write").people_only(), routes!(unlock))
}

/// A second factor of somebody.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FactorOfUser {
    /// `totp`, `passkey`, `email` or `sms`.
    pub kind: &'static str,
    /// Since when (RFC 3339).
    pub created_at: String,
    /// When it was shown last (RFC 3339).
    pub last_used_at: Option<String>,
}

/// How somebody's account is guarded.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FactorsOfUser {
    /// The second factors, passkeys among them.
    pub factors: Vec<FactorOfUser>,
    /// How many recovery codes are left.
    pub recovery_codes_left: i64,
    /// Whether sign-in is stopped after too many failures. Passkeys, and browsers that the account knows, get in all the
    /// same.
    pub locked: bool,
    /// Until when (RFC 3339); null while it is locked: until a new password is set with a link, or an administrator opens
    /// it.
    pub locked_until: Option<String>,
    /// Failures in a row since the last success.
    pub failures_in_a_row: i64,
}

async fn read(conn: &mut Conn, user: &UserId, now: UnixMillis) -> Result<FactorsOfUser, Problem> {
    let candidate = users::candidate(conn, user).await?.ok_or_else(|| Problem::not_found("The user"))?;
    let of_kinds = factors::of_user(conn, user).await?.into_iter().map(|stored| FactorOfUser {
        kind: stored.kind.as_str(),
        created_at: moment(stored.created_at),
        last_used_at: stored.last_used_at.map(moment),
    });
    let mut all: Vec<FactorOfUser> = of_kinds.collect();
    all.extend(passkeys::of_user(conn, user).await?.into_iter().map(|listed| FactorOfUser {
        kind: "passkey",
        created_at: moment(listed.created_at),
        last_used_at: listed.last_used_at.map(moment),
    }));
    let (counter, locked) = (candidate.counter, candidate.counter.locked(now));
    let until = Some(counter.locked_until).filter(|until| locked && *until != FOREVER);
    Ok(FactorsOfUser {
        factors: all,
        recovery_codes_left: recovery_codes::left(conn, user).await?,
        locked,
        locked_until: until.map(moment),
        failures_in_a_row: counter.in_a_row,
    })
}

/// The person whom the path names.
async fn found(conn: &mut Conn, asked: &Asked) -> Result<Person, Problem> {
    let (org, member) = place(asked)?;
    person::found(conn, &org, &member).await
}

/// Which second factors somebody has, and whether the account is locked.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/users/{user}/factors", tag = "users",
    responses((status = 200, description = "How the account is guarded.", body = FactorsOfUser)))]
async fn get(State(app): State<App>, asked: Asked) -> Result<Json<FactorsOfUser>, Problem> {
    let mut conn = app.db.read().await?;
    let person = found(&mut conn, &asked).await?;
    Ok(Json(read(&mut conn, &person.user, app.now()).await?))
}

/// Takes every second factor, passkey and recovery code away from somebody who lost them. All sessions of the account end,
/// everywhere, browsers that it knew are strangers again, and the person is told by mail. Only another administrator may, of
/// an account of the organisation, after a sign-in within the last ten minutes.
#[utoipa::path(delete, path = "/api/v1/orgs/{org}/users/{user}/factors", tag = "users",
    responses((status = 200, description = "How the account is guarded.", body = Written<FactorsOfUser>)))]
async fn reset(State(app): State<App>, asked: Asked, how: How) -> Result<Response, Problem> {
    act(&app, &asked, &how, |user| Change::ResetFactors { user }).await
}

/// Lifts the lock of somebody's account, and its counter of failures begins anew.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/users/{user}/unlock", tag = "users",
    responses((status = 200, description = "How the account is guarded.", body = Written<FactorsOfUser>)))]
async fn unlock(State(app): State<App>, asked: Asked, how: How) -> Result<Response, Problem> {
    act(&app, &asked, &how, |user| Change::Unlock { user }).await
}

async fn act(app: &App, asked: &Asked, how: &How, change: fn(UserId) -> Change) -> Result<Response, Problem> {
    let now = app.now();
    let person = {
        let mut conn = app.db.read().await?;
        let person = found(&mut conn, asked).await?;
        its_own(&person)?;
        tag::check(how.if_match.as_deref(), &tag::of(&read(&mut conn, &person.user, now).await?))?;
        person
    };
    let receipt = write::send(app, asked, how, vec![change(person.user.clone())]).await?;
    let mut conn = app.db.read().await?;
    Ok(Written::ok(Some(read(&mut conn, &person.user, now).await?), &receipt))
}
