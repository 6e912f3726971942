//! Changes: every accepted act with its receipt, and whom it was told to.
//!
//! A change may have concerned more organisations than one. Each sees its own members and its own applications of it,
//! and nothing of the others. An answer about a change can be held until everybody has heard of it (`Prefer: wait`).

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::input::Query;
use super::lookup;
use super::paging::{self, Page, PageQuery};
use super::prefer::Preference;
use super::problem::Problem;
use super::words::{self, EndedBody, MemberBody, ReceiptBody, ToldBody};
use crate::app::App;
use crate::domain::change::{MemberReceipt, Receipt};
use crate::flows::{deliveries as by_hand, reach};
use crate::kernel::id::{ChangeId, OrgId, OutboxId};
use crate::kernel::time::UnixMillis;
use crate::store::audit;
use crate::store::change_list::{self, Delivery, Listed, OfApplication, Seen};
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
        .route(Needs::Org("applications.write"), routes!(retry))
        .route(Needs::Caller, routes!(find))
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
    /// How far each application has been told.
    pub applications: Vec<ApplicationTold>,
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

/// How far an application has been told of a change, by logout tokens and by security events.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ApplicationTold {
    /// Its client id.
    pub client_id: String,
    /// How many went out, once or more often.
    pub sent: i64,
    /// How many it took.
    pub answered: i64,
    /// How many went out, were not taken, and are tried again.
    pub retrying: i64,
    /// How many are not tried again.
    pub given_up: i64,
    /// How many have not gone out yet, or wait to be fetched.
    pub waiting: i64,
    /// When the first went out (RFC 3339).
    pub first_sent_at: Option<String>,
    /// When an attempt was answered last, or the time for an answer was over (RFC 3339).
    pub last_answered_at: Option<String>,
    /// What was answered then.
    pub last_answer: Option<String>,
}

impl From<OfApplication> for ApplicationTold {
    fn from(told: OfApplication) -> Self {
        Self {
            client_id: told.client_id,
            sent: told.sent,
            answered: told.answered,
            retrying: told.retrying,
            given_up: told.given_up,
            waiting: told.waiting,
            first_sent_at: told.first_sent_at.map(words::moment),
            last_answered_at: told.last_answered_at.map(words::moment),
            last_answer: told.last_answer,
        }
    }
}

/// What is or was told to somebody.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct DeliveryBody {
    /// Its id.
    pub id: String,
    /// `backchannel_logout`, `security_event`, `webhook` or `mail`.
    pub kind: String,
    /// Who is told: an application's client id, an alert's id, or an address.
    pub receiver: String,
    /// `waiting`, `sent` or `given_up`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i64,
    /// What was answered last.
    pub last_answer: Option<String>,
    /// When it is tried next (RFC 3339), while it waits; null for what its receiver fetches.
    pub next_at: Option<String>,
    /// When it was written (RFC 3339).
    pub created_at: String,
    /// When it was tried first (RFC 3339).
    pub first_sent_at: Option<String>,
    /// When it was answered last, or the time for an answer was over (RFC 3339).
    pub answered_at: Option<String>,
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
        next_at: (row.state == "waiting" && row.next_at < UnixMillis::MAX).then(|| words::moment(row.next_at)),
        id: row.id.into_string(),
        kind: row.kind,
        receiver: row.client_id.unwrap_or(row.receiver),
        state: row.state,
        attempts: row.attempts,
        last_answer: row.last_answer,
        created_at: words::moment(row.created_at),
        first_sent_at: row.first_sent_at.map(words::moment),
        answered_at: row.answered_at.map(words::moment),
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
) -> Result<Json<Page<ChangeRow>>, Problem> {
    let org = &asked.room()?.id;
    let (limit, before) = (paging::limit(query.limit)?, lookup::after(query.cursor.as_deref())?);
    let mut conn = app.db.read().await?;
    let rows = change_list::of_org(&mut conn, org, before.as_ref(), most(limit)).await?;
    Ok(Json(Page::of(rows, limit, |change| paging::cursor(&[change.id.as_str()]), row)))
}

/// A change as one organisation sees it.
async fn shown(app: &App, org: &OrgId, change: &str) -> Result<ChangeBody, Problem> {
    let mut conn = app.db.read().await?;
    let (id, alone) = found(&mut conn, org, change).await?;
    let seen = Seen { org, change: &id, alone };
    let (waiting, sent, given_up) = change_list::counts(&mut conn, seen).await?;
    let rows = change_list::deliveries(&mut conn, seen, None, BESIDE).await?;
    let told = change_list::applications(&mut conn, seen).await?;
    let shown = ReceiptBody::of(&receipt(&mut conn, org, &id).await?);
    Ok(ChangeBody {
        id: shown.change_id,
        at: shown.at,
        actor: shown.actor,
        acts: shown.acts,
        members: shown.members,
        members_total: shown.members_total,
        ended: alone.then_some(shown.ended),
        told: alone.then_some(shown.told),
        applications: told.into_iter().map(Into::into).collect(),
        delivered: DeliveryCounts { waiting, sent, given_up },
        deliveries: rows.into_iter().map(delivery).collect(),
    })
}

/// The same, once everybody has heard of it, or the caller has waited long enough.
async fn answered(app: &App, org: &OrgId, change: &str, preference: Preference) -> Result<Response, Problem> {
    let (id, _) = found(&mut app.db.read().await?, org, change).await?;
    let held = preference.hold(app, &id).await?;
    let response = Json(shown(app, org, change).await?).into_response();
    Ok(if held { preference.applied(response) } else { response })
}

/// One change: what it did, what ended, and what became of telling the applications.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/changes/{change}", tag = "changes",
    responses((status = 200, description = "The change.", body = ChangeBody)))]
async fn get(
    State(app): State<App>,
    asked: Asked,
    preference: Preference,
    Path((_, change)): Path<(String, String)>,
) -> Result<Response, Problem> {
    answered(&app, &asked.room()?.id, &change, preference).await
}

/// One change, by its id alone: as the organisation sees it that the token is for, if its holder may read the audit
/// record there. The operator sees it as one of those that it concerned.
#[utoipa::path(get, path = "/api/v1/changes/{change}", tag = "changes",
    responses((status = 200, description = "The change.", body = ChangeBody)))]
async fn find(
    State(app): State<App>,
    asked: Asked,
    preference: Preference,
    Path(change): Path<String>,
) -> Result<Response, Problem> {
    let missing = || Problem::not_found("The change");
    let mut conn = app.db.read().await?;
    let org = if asked.is_operator() {
        let id: ChangeId = change.parse().map_err(|_| missing())?;
        change_list::any_org(&mut conn, &id).await?
    } else {
        asked.token_org.clone()
    };
    let org = org.ok_or_else(missing)?;
    let stands = reach::of_actor(&app, &mut conn, &asked.actor, &org).await?;
    drop(conn);
    if !stands.is_some_and(|stands| stands.reach.allows("audit.read")) {
        return Err(missing());
    }
    answered(&app, &org, &change, preference).await
}

/// Those for whom a change did something, with what they lost and gained.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/changes/{change}/members", tag = "changes", params(PageQuery),
    responses((status = 200, description = "A page of members.", body = Page<MemberBody>)))]
async fn members(
    State(app): State<App>,
    asked: Asked,
    Path((_, change)): Path<(String, String)>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<MemberBody>>, Problem> {
    let org = &asked.room()?.id;
    let mut conn = app.db.read().await?;
    let (id, _) = found(&mut conn, org, &change).await?;
    let receipt = receipt(&mut conn, org, &id).await?;
    let place = |member: &MemberReceipt| member.member.to_string();
    Ok(Json(Page::cut(receipt.members, &query, place, |member| MemberBody::from(&member))?))
}

/// Whom a change was told to, the oldest delivery first.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/changes/{change}/deliveries", tag = "changes", params(PageQuery),
    responses((status = 200, description = "A page of deliveries.", body = Page<DeliveryBody>)))]
async fn deliveries(
    State(app): State<App>,
    asked: Asked,
    Path((_, change)): Path<(String, String)>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<DeliveryBody>>, Problem> {
    let org = &asked.room()?.id;
    let (limit, after) = (paging::limit(query.limit)?, lookup::after(query.cursor.as_deref())?);
    let mut conn = app.db.read().await?;
    let (id, alone) = found(&mut conn, org, &change).await?;
    let seen = Seen { org, change: &id, alone };
    let rows = change_list::deliveries(&mut conn, seen, after.as_ref(), most(limit)).await?;
    Ok(Json(Page::of(rows, limit, |row| paging::cursor(&[row.id.as_str()]), delivery)))
}

/// Tries a delivery now that was given up, or that waits for its next attempt. What its receiver fetches, what was taken
/// and a mail that was given up can't be tried again: 409.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/changes/{change}/deliveries/{delivery}/retry", tag = "changes",
    responses((status = 200, description = "The delivery, as it is now.", body = DeliveryBody)))]
async fn retry(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, change, delivery_id)): Path<(String, String, String)>,
) -> Result<Json<DeliveryBody>, Problem> {
    let org = asked.room()?.id.clone();
    let missing = || Problem::not_found("The delivery");
    let id: OutboxId = delivery_id.parse().map_err(|_| missing())?;
    let (change, alone) = found(&mut app.db.read().await?, &org, &change).await?;
    let seen = Seen { org: &org, change: &change, alone };
    let row = change_list::delivery(&mut app.db.read().await?, seen, &id).await?.ok_or_else(missing)?;
    if how.dry_run {
        return Ok(Json(delivery(row)));
    }
    let (actor, origin) = (asked.actor.clone(), asked.origin.clone());
    let by = by_hand::Asked { actor, origin, org: Some(org.clone()), change: Some(change.clone()) };
    if !by_hand::retry(&app, by, &id).await? {
        let detail = "It was taken, is being tried, is fetched by its receiver, or nothing is left of it to send.";
        return Err(Problem::new(StatusCode::CONFLICT, "conflict", detail));
    }
    let row = change_list::delivery(&mut app.db.read().await?, seen, &id).await?.ok_or_else(missing)?;
    Ok(Json(delivery(row)))
}
