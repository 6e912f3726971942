//! A write: plan the changes from what is there now, send them through the door, answer with the receipt.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::{Asked, How};
use super::problem::Problem;
use super::tag;
use super::words::ReceiptBody;
use crate::app::App;
use crate::domain::change::{Change, Mode, Receipt};
use crate::flows::change_access::{Refusal, change_access_from};
use crate::store::db::Conn;
use crate::store::orgs;

/// What a write answers: the object as it is now (null when it is gone, or in a dry run of making it), and the receipt.
#[derive(Debug, Serialize, ToSchema)]
pub struct Written<T> {
    /// The object.
    pub object: Option<T>,
    /// What the change did.
    pub receipt: ReceiptBody,
}

impl<T: Serialize> Written<T> {
    /// 201 for something new, 200 for a dry run.
    pub fn created(object: Option<T>, receipt: &Receipt) -> Response {
        let status = if receipt.dry_run { StatusCode::OK } else { StatusCode::CREATED };
        (status, Json(Self { object, receipt: ReceiptBody::of(receipt) })).into_response()
    }

    /// 200.
    pub fn ok(object: Option<T>, receipt: &Receipt) -> Response {
        Json(Self { object, receipt: ReceiptBody::of(receipt) }).into_response()
    }
}

/// Sends changes through the door, as the caller and from where they asked.
///
/// # Errors
/// The door's refusal.
pub async fn send(app: &App, asked: &Asked, how: &How, changes: Vec<Change>) -> Result<Receipt, Problem> {
    let mode = if how.dry_run { Mode::DryRun } else { Mode::Act };
    Ok(change_access_from(app, &asked.actor, &asked.origin, changes, mode).await?)
}

/// What a plan found: the tag of the object as it is now, and the changes to ask for.
pub type Plan = (String, Vec<Change>);

/// Plans and sends; with an `If-Match`, only if the object has that tag. The door refuses when anything in the organisation
/// was edited between the reading and its lock, and then the plan is made anew: what was read and is written back whole
/// must not undo what somebody else did meanwhile.
///
/// # Errors
/// The plan's problem, 412, or the door's refusal.
pub async fn edit<P>(app: &App, asked: &Asked, how: &How, plan: P) -> Result<Receipt, Problem>
where
    P: for<'c> Fn(&'c mut Conn) -> BoxFuture<'c, Result<Plan, Problem>> + Send + Sync,
{
    const TRIES: usize = 20;
    let org = &asked.room()?.id;
    for _ in 0..TRIES {
        let mut conn = app.db.read().await?;
        // The version is read first: whatever is read after it and was edited meanwhile is found out under the lock.
        let version = orgs::access_version(&mut conn, org).await?.unwrap_or_default();
        let (now, mut changes) = plan(&mut conn).await?;
        drop(conn);
        tag::check(how.if_match.as_deref(), &now)?;
        // What only shuts out must not wait until nobody writes: a client that never stops would be beyond reach.
        if how.if_match.is_some() || changes.is_empty() || !changes.iter().all(shuts_out) {
            changes.insert(0, Change::ExpectVersion { org: org.clone(), version });
        }
        let mode = if how.dry_run { Mode::DryRun } else { Mode::Act };
        match change_access_from(app, &asked.actor, &asked.origin, changes, mode).await {
            Err(Refusal::Stale) => {}
            outcome => return Ok(outcome?),
        }
    }
    Err(Refusal::Stale.into())
}

/// Whether a change says all of what it writes, and nothing of it was read before.
const fn shuts_out(change: &Change) -> bool {
    matches!(change, Change::SetConnectionState { .. } | Change::RemoveScimCredential { .. })
}
