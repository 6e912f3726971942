//! E-mail domains: which an organisation says are its own, the record that shows it, and looking for that record.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::input::{Body, Query};
use super::paging::{Page, PageQuery};
use super::patch::Given;
use super::problem::Problem;
use super::tag;
use super::words::{self, ReceiptBody};
use super::write::{self, Written};
use crate::app::App;
use crate::domain::change::{Change, Mode};
use crate::domain::people::domain_name::{DomainName, record_name, record_value};
use crate::flows::domains::{self, Found};
use crate::kernel::id::{ConnectionId, DomainId, OrgId};
use crate::store::db::Conn;
use crate::store::domains::{self as stored, Domain};

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Org("domains.read"), routes!(list))
        .route(Needs::Org("domains.write").fresh(), routes!(create))
        .route(Needs::Org("domains.read"), routes!(get))
        .route(Needs::Org("domains.write").fresh(), routes!(change))
        .route(Needs::Org("domains.write").fresh(), routes!(verify))
        .route(Needs::Org("domains.write"), routes!(delete))
}

/// The DNS record that shows whose a domain is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RecordToPublish {
    /// `TXT`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What it says.
    pub value: String,
}

/// An e-mail domain.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Domain)]
pub struct DomainBody {
    /// Its id.
    pub id: String,
    /// The domain, in lower case; of other writings the form that the DNS has.
    pub domain: String,
    /// `pending`, or `verified`: its record was found, and is looked for again each day.
    pub state: &'static str,
    /// The record to publish, and to leave there.
    pub record: RecordToPublish,
    /// When it was named (RFC 3339).
    pub created_at: String,
    /// When its record was looked for last (RFC 3339).
    pub checked_at: Option<String>,
    /// When its record was found first (RFC 3339).
    pub verified_at: Option<String>,
    /// Since when the record of a verified one is gone (RFC 3339); after a week it is pending again.
    pub missing_since: Option<String>,
    /// The connection that its people sign in through; null: the organisation's only open one, if there is one.
    pub connection_id: Option<String>,
}

/// A new domain.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewDomain)]
pub struct NewDomainBody {
    /// The domain, such as `acme.com`.
    domain: String,
}

/// Where a domain leads.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DomainPatch {
    /// The id of the connection that its people sign in through; null leaves it to the organisation's only open one.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    connection: Given<String>,
}

impl DomainPatch {
    /// The change that has a domain lead where the patch says.
    fn changes(&self, org: OrgId, domain: DomainId) -> Result<Vec<Change>, Problem> {
        let wrong = |_| Problem::invalid("connection", "Give the id of a connection (con_…).");
        let connection = match &self.connection {
            Given::Absent => return Ok(Vec::new()),
            Given::Null => None,
            Given::Set(id) => Some(id.parse::<ConnectionId>().map_err(wrong)?),
        };
        Ok(vec![Change::SetDomainConnection { org, domain, connection }])
    }
}

/// What came of looking for a domain's record.
#[derive(Serialize, ToSchema)]
pub struct DomainChecked {
    /// The domain as it is now.
    object: DomainBody,
    /// `shown`; `missing`: there is no such record; `unanswered`: nobody could be asked. Null in a dry run, which doesn't ask.
    found: Option<&'static str>,
    /// Why nobody could be asked.
    detail: Option<String>,
    /// What the change did, where the domain is verified by it.
    receipt: Option<ReceiptBody>,
}

fn show(domain: Domain) -> DomainBody {
    DomainBody {
        id: domain.id.into_string(),
        state: domain.state.as_str(),
        record: RecordToPublish { kind: "TXT", name: record_name(&domain.domain), value: record_value(&domain.token) },
        domain: domain.domain,
        created_at: words::moment(domain.created_at),
        checked_at: domain.checked_at.map(words::moment),
        verified_at: domain.verified_at.map(words::moment),
        missing_since: domain.missing_since.map(words::moment),
        connection_id: domain.connection.map(ConnectionId::into_string),
    }
}

/// A domain of the organisation by its id or its name.
async fn found(conn: &mut Conn, org: &OrgId, named: &str) -> Result<Domain, Problem> {
    let name = DomainName::parse(named).ok();
    let is_it = |domain: &Domain| {
        domain.id.as_str() == named || name.as_ref().is_some_and(|name| name.as_str() == domain.domain)
    };
    let all = stored::of_org(conn, org).await?;
    all.into_iter().find(is_it).ok_or_else(|| Problem::not_found("The domain"))
}

/// The domains that an organisation says are its own, by name.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/domains", tag = "domains", params(PageQuery),
    responses((status = 200, description = "A page of domains.", body = Page<DomainBody>)))]
async fn list(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<Page<DomainBody>>, Problem> {
    let mut conn = app.db.read().await?;
    let all = stored::of_org(&mut conn, &asked.room()?.id).await?;
    Ok(axum::Json(Page::cut(all, &query, |domain| domain.id.to_string(), show)?))
}

/// Names an e-mail domain. The answer has the TXT record that shows whose it is: publish it, and have it looked for.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/domains", tag = "domains", request_body = NewDomainBody,
    responses((status = 201, description = "The domain and its record.", body = Written<DomainBody>),
              (status = 200, description = "A dry run: nothing was made.", body = Written<DomainBody>)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(new): Body<NewDomainBody>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let mode = if how.dry_run { Mode::DryRun } else { Mode::Act };
    let (id, receipt) = domains::add(&app, &asked.actor, &asked.origin, &org, &new.domain, mode).await?;
    let mut conn = app.db.read().await?;
    Ok(Written::created(stored::find(&mut conn, &org, &id).await?.map(show), &receipt))
}

/// One domain, with its record.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/domains/{domain}", tag = "domains",
    responses((status = 200, description = "The domain.", body = DomainBody)))]
async fn get(
    State(app): State<App>,
    asked: Asked,
    Path((_, domain)): Path<(String, String)>,
) -> Result<axum::Json<DomainBody>, Problem> {
    let mut conn = app.db.read().await?;
    Ok(axum::Json(show(found(&mut conn, &asked.room()?.id, &domain).await?)))
}

/// Says which connection the people of a verified domain sign in through. Addresses of it are that connection's alone to
/// assert from then on.
#[utoipa::path(patch, path = "/api/v1/orgs/{org}/domains/{domain}", tag = "domains", request_body = DomainPatch,
    responses((status = 200, description = "The domain.", body = Written<DomainBody>)))]
async fn change(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, domain)): Path<(String, String)>,
    Body(patch): Body<DomainPatch>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, domain, patch) = (org.clone(), domain.clone(), patch.clone());
        Box::pin(async move {
            let before = found(conn, &org, &domain).await?;
            let changes = patch.changes(org, before.id.clone())?;
            Ok((tag::of(&show(before)), changes))
        })
    })
    .await?;
    let after = found(&mut app.db.read().await?, &org, &domain).await?;
    Ok(Written::ok(Some(show(after)), &receipt))
}

/// Looks for a domain's record now. One whose record is there is verified, unless another organisation's is already. A dry
/// run asks nobody: it says what would happen if the record were there.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/domains/{domain}/verify", tag = "domains",
    responses((status = 200, description = "What was found.", body = DomainChecked)))]
async fn verify(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, domain)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let mut conn = app.db.read().await?;
    let before = found(&mut conn, &org, &domain).await?;
    drop(conn);
    let id = before.id.clone();
    let object = show(before);
    tag::check(how.if_match.as_deref(), &tag::of(&object))?;
    if how.dry_run {
        let receipt = write::send(&app, &asked, &how, vec![Change::VerifyDomain { org, domain: id }]).await?;
        let receipt = Some(ReceiptBody::of(&receipt));
        return Ok(axum::Json(DomainChecked { object, found: None, detail: None, receipt }).into_response());
    }
    let checked = domains::check(&app, &asked.actor, &asked.origin, &org, &id).await?;
    let (word, detail) = match checked.found {
        Found::Shown => ("shown", None),
        Found::Missing => ("missing", None),
        Found::Unanswered(why) => ("unanswered", Some(why)),
    };
    let receipt = checked.receipt.as_ref().map(ReceiptBody::of);
    let answer = DomainChecked { object: show(checked.domain), found: Some(word), detail, receipt };
    Ok(axum::Json(answer).into_response())
}

/// Removes a domain: nobody is taken over by its addresses any more. Who was stays as they are.
#[utoipa::path(delete, path = "/api/v1/orgs/{org}/domains/{domain}", tag = "domains",
    responses((status = 200, description = "It is gone.", body = Written<DomainBody>)))]
async fn delete(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, domain)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, domain) = (org.clone(), domain.clone());
        Box::pin(async move {
            let before = found(conn, &org, &domain).await?;
            let domain = before.id.clone();
            Ok((tag::of(&show(before)), vec![Change::RemoveDomain { org, domain }]))
        })
    })
    .await?;
    Ok(Written::<DomainBody>::ok(None, &receipt))
}
