//! Changes: every accepted act with its receipt, and whom it was told to.
//!
//! A change may have concerned more organisations than one. Each sees its own members and its own applications of it,
//! and nothing of the others.

use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::Asked;
use super::declare::{Needs, Routes, routes};
use super::input::Query;
use super::lookup;
use super::paging::{self, Page, PageQuery};
use super::problem::Problem;
use super::words::{self, EndedBody, MemberBody, ReceiptBody, ToldBody};
use crate::app::App;
use crate::domain::change::{MemberReceipt, Receipt};
use crate::kernel::id::{ChangeId, OrgId};
use crate::store::audit;
use crate::store::change_list::{self, Delivery, Listed, Seen};
use crate::store::db::Conn;

/// So many deliveries stand beside a change; all of them are read page by page.
const BESIDE: i64 = 50;

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Org("audit.read"), routes!(list))
        .route(Needs::Org("audit.read"), routes!(get))
        .route(Needs::Org("audit.read"), routes!(members))
        .route(Needs::Org("audit.read"), routes!(deliveries))
}

/// A change in a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ChangeRow {
    /// Its id.
    pub id: String,
    /// When (RFC 3339).
    pub at: String,
    /// Who.
    pub actor: String,
    /// What was done, in one line.
    pub summary: String,
}

/// A change with what it did in this organisation.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Change)]
pub struct ChangeBody {
    /// Its id.
    pub id: String,
    /// When (RFC 3339).
    pub at: String,
    /// Who.
    pub actor: String,
    /// What was done, a line each.
    pub acts: Vec<String>,
    /// Those for whom something changed: the first thousand.
    pub members: Vec<MemberBody>,
    /// How many they are in all.
    pub members_total: usize,
    /// What ended; null when the change concerned other organisations too.
    pub ended: Option<EndedBody>,
    /// Which applications are told; null when the change concerned other organisations too.
    pub told: Option<Vec<ToldBody>>,
    /// How many deliveries there are, by their state.
    pub delivered: DeliveryCounts,
    /// The first fifty deliveries.
    pub deliveries: Vec<DeliveryBody>,
}

/// How many deliveries there are in each state.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct DeliveryCounts {
    /// To be sent, or to be tried again.
    pub waiting: i64,
    /// Taken by their receivers.
    pub sent: i64,
    /// Not tried again.
    pub given_up: i64,
}

/// What is or was told to somebody.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct DeliveryBody {
    /// Its id.
    pub id: String,
    /// `backchannel_logout`, `webhook` or `mail`.
    pub kind: String,
    /// Who is told: an application's client id, an alert's id, or an address.
    pub receiver: String,
    /// `waiting`, `sent` or `given_up`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i64,
    /// What was answered last.
    pub last_answer: Option<String>,
    /// When it is tried next (RFC 3339), while it waits.
    pub next_at: Option<String>,
    /// When it was written (RFC 3339).
    pub created_at: String,
    /// When it was sent or given up (RFC 3339).
    pub done_at: Option<String>,
}

fn row(change: Listed) -> ChangeRow {
    ChangeRow {
        id: change.id.into_string(),
        at: words::moment(change.at),
        actor: change.actor,
        summary: change.summary,
    }
}

fn delivery(row: Delivery) -> DeliveryBody {
    DeliveryBody {
        next_at: (row.state == "waiting").then(|| words::moment(row.next_at)),
        id: row.id.into_string(),
        kind: row.kind,
        receiver: row.client_id.unwrap_or(row.receiver),
        state: row.state,
        attempts: row.attempts,
        last_answer: row.last_answer,
        created_at: words::moment(row.created_at),
        done_at: row.done_at.map(words::moment),
    }
}

/// A change that concerned the organisation, and whether it concerned no other.
async fn found(conn: &mut Conn, org: &OrgId, id: &str) -> Result<(ChangeId, bool), Problem> {
    let missing = || Problem::not_found("The change");
    let id: ChangeId = id.parse().map_err(|_| missing())?;
    let width = change_list::width(conn, org, &id).await?.ok_or_else(missing)?;
    Ok((id, width == 1))
}

/// The receipt of a change, cut down to the members of one organisation.
async fn receipt(conn: &mut Conn, org: &OrgId, id: &ChangeId) -> Result<Receipt, Problem> {
    let found = audit::receipt(conn, id).await?;
    let mut receipt = found.ok_or_else(|| Problem::not_found("The change"))?;
    receipt.members.retain(|member| member.org == *org);
    Ok(receipt)
}

/// One more than the limit: the extra row tells that there is a next page.
fn most(limit: usize) -> i64 {
    i64::try_from(limit + 1).unwrap_or(i64::MAX)
}

/// The changes of an organisation, the newest first.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/changes", tag = "changes", params(PageQuery),
    responses((status = 200, description = "A page of changes.", body = Page<ChangeRow>)))]
async fn list(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<Page<ChangeRow>>, Problem> {
    let org = &asked.room()?.id;
    let (limit, before) = (paging::limit(query.limit)?, lookup::after(query.cursor.as_deref())?);
    let mut conn = app.db.read().await?;
    let rows = change_list::of_org(&mut conn, org, before.as_ref(), most(limit)).await?;
    Ok(axum::Json(Page::of(rows, limit, |change| paging::cursor(&[change.id.as_str()]), row)))
}

/// One change: what it did, what ended, and what became of telling the applications.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/changes/{change}", tag = "changes",
    responses((status = 200, description = "The change.", body = ChangeBody)))]
async fn get(
    State(app): State<App>,
    asked: Asked,
    Path((_, change)): Path<(String, String)>,
) -> Result<axum::Json<ChangeBody>, Problem> {
    let org = &asked.room()?.id;
    let mut conn = app.db.read().await?;
    let (id, alone) = found(&mut conn, org, &change).await?;
    let seen = Seen { org, change: &id, alone };
    let (waiting, sent, given_up) = change_list::counts(&mut conn, seen).await?;
    let rows = change_list::deliveries(&mut conn, seen, None, BESIDE).await?;
    let shown = ReceiptBody::of(&receipt(&mut conn, org, &id).await?);
    Ok(axum::Json(ChangeBody {
        id: shown.change_id,
        at: shown.at,
        actor: shown.actor,
        acts: shown.acts,
        members: shown.members,
        members_total: shown.members_total,
        ended: alone.then_some(shown.ended),
        told: alone.then_some(shown.told),
        delivered: DeliveryCounts { waiting, sent, given_up },
        deliveries: rows.into_iter().map(delivery).collect(),
    }))
}

/// Those for whom a change did something, with what they lost and gained.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/changes/{change}/members", tag = "changes", params(PageQuery),
    responses((status = 200, description = "A page of members.", body = Page<MemberBody>)))]
async fn members(
    State(app): State<App>,
    asked: Asked,
    Path((_, change)): Path<(String, String)>,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<Page<MemberBody>>, Problem> {
    let org = &asked.room()?.id;
    let mut conn = app.db.read().await?;
    let (id, _) = found(&mut conn, org, &change).await?;
    let receipt = receipt(&mut conn, org, &id).await?;
    let place = |member: &MemberReceipt| member.member.to_string();
    Ok(axum::Json(Page::cut(receipt.members, &query, place, |member| MemberBody::from(&member))?))
}

/// Whom a change was told to, the oldest delivery first.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/changes/{change}/deliveries", tag = "changes", params(PageQuery),
    responses((status = 200, description = "A page of deliveries.", body = Page<DeliveryBody>)))]
async fn deliveries(
    State(app): State<App>,
    asked: Asked,
    Path((_, change)): Path<(String, String)>,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<Page<DeliveryBody>>, Problem> {
    let org = &asked.room()?.id;
    let (limit, after) = (paging::limit(query.limit)?, lookup::after(query.cursor.as_deref())?);
    let mut conn = app.db.read().await?;
    let (id, alone) = found(&mut conn, org, &change).await?;
    let seen = Seen { org, change: &id, alone };
    let rows = change_list::deliveries(&mut conn, seen, after.as_ref(), most(limit)).await?;
    Ok(axum::Json(Page::of(rows, limit, |row| paging::cursor(&[row.id.as_str()]), delivery)))
}
