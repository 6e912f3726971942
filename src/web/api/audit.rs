//! The audit record: every accepted and refused act, searched, exported and verified. It is only ever read here.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::asked::Asked;
use super::declare::{Needs, Routes, routes};
use super::input::Query;
use super::lookup;
use super::paging::{self, Page};
use super::problem::Problem;
use super::words;
use crate::app::App;
use crate::domain::audit::names_a_kind;
use crate::flows::audit::{Format, export as file_of};
use crate::kernel::id::{AuditId, ChangeId, OrgId};
use crate::store::audit::{self, Filter, Row};
use crate::store::db::Conn;

/// The longest text that a row is searched by.
const LONGEST: usize = 200;

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Org("audit.read"), routes!(list))
        .route(Needs::Org("audit.read").sensitive(), routes!(export))
        .route(Needs::Org("audit.read"), routes!(verify))
        .route(Needs::Operator, routes!(of_instance))
}

/// A row of the audit record.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AuditRow {
    /// Its id.
    pub id: String,
    /// Its place in the organisation's chain; null for the instance's own acts.
    pub seq: Option<i64>,
    /// When (RFC 3339).
    pub at: String,
    /// Who: `user:usr_…`, `key:ack_…:usr_…`, `operator:usr_…`, `command_line`, `system:…`.
    pub actor: String,
    /// What, for people.
    pub action: String,
    /// `accepted` or `denied`.
    pub outcome: String,
    /// The machine's words for what was asked.
    pub kinds: Vec<String>,
    /// The ids of whom and what it concerned.
    pub targets: Vec<String>,
    /// The change that it became, if it was accepted.
    pub change: Option<String>,
    /// Where it was asked from; empty for what begins at Muster itself.
    pub address: String,
    /// The request's id; empty for what begins at Muster itself.
    pub request_id: String,
    /// More: what was before and after, or why it was refused.
    pub detail: serde_json::Value,
    /// Its link in the chain, in hexadecimal.
    pub hash: Option<String>,
}

/// Whether an organisation's chain is whole.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ChainBody {
    /// Whether no row was altered, none is missing, and none is hidden from the search.
    pub whole: bool,
    /// How many rows there are to be.
    pub rows: i64,
    /// The hash of the last row, in hexadecimal: keep it elsewhere, and compare.
    pub head: String,
    /// The first place at which something is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_broken: Option<i64>,
    /// What is wrong there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// Which rows: those that fit every part that is given.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// A word such as `group.delete`; `group.*` stands for all that begin so.
    kind: Option<String>,
    /// `accepted` or `denied`.
    outcome: Option<String>,
    /// Who, as rows name them, such as `user:usr_…`.
    actor: Option<String>,
    /// The id of whom or what it concerned. An account's and its membership's find the same rows.
    target: Option<String>,
    /// The change that it became.
    change: Option<String>,
    /// From this moment on (RFC 3339) …
    from: Option<String>,
    /// … up to this one, not including it.
    to: Option<String>,
    /// How many rows at most: 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Which rows, and as what.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExportQuery {
    /// `csv`, a table with a head (RFC 4180), or `jsonl`, a JSON object a line.
    #[param(default = "csv")]
    format: Option<String>,
    /// A word such as `group.delete`; `group.*` stands for all that begin so.
    kind: Option<String>,
    /// `accepted` or `denied`.
    outcome: Option<String>,
    /// Who, as rows name them, such as `user:usr_…`.
    actor: Option<String>,
    /// The id of whom or what it concerned. An account's and its membership's find the same rows.
    target: Option<String>,
    /// The change that it became.
    change: Option<String>,
    /// From this moment on (RFC 3339) …
    from: Option<String>,
    /// … up to this one, not including it.
    to: Option<String>,
}

impl AuditQuery {
    /// The filter that is meant.
    fn filter(&self) -> Result<Filter, Problem> {
        if self.kind.as_deref().is_some_and(|kind| !names_a_kind(kind)) {
            return Err(Problem::invalid("kind", "Use a word such as group.delete, or group.* for all that begin so."));
        }
        let accepted = match self.outcome.as_deref() {
            None => None,
            Some("accepted") => Some(true),
            Some("denied") => Some(false),
            Some(_) => return Err(Problem::invalid("outcome", "Use accepted or denied.")),
        };
        let moment = |field: &str, text: &Option<String>| {
            text.as_deref().map(|text| words::read_moment(field, text)).transpose()
        };
        let change = |text: &String| {
            text.parse::<ChangeId>().map_err(|_| Problem::invalid("change", "Give a change's id (chg_…)."))
        };
        Ok(Filter {
            kind: self.kind.clone(),
            accepted,
            actor: plain("actor", self.actor.as_ref())?,
            targets: plain("target", self.target.as_ref())?.into_iter().collect(),
            from: moment("from", &self.from)?,
            to: moment("to", &self.to)?,
            change: self.change.as_ref().map(change).transpose()?,
        })
    }
}

impl From<ExportQuery> for AuditQuery {
    fn from(query: ExportQuery) -> Self {
        let ExportQuery { format: _, kind, outcome, actor, target, change, from, to } = query;
        Self { kind, outcome, actor, target, change, from, to, limit: None, cursor: None }
    }
}

/// A text that a row may hold: short, and without control characters.
fn plain(field: &str, text: Option<&String>) -> Result<Option<String>, Problem> {
    match text {
        Some(text) if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) => {
            Err(Problem::invalid(field, format!("Use 1 to {LONGEST} characters, no control characters.")))
        }
        text => Ok(text.cloned()),
    }
}

/// A person is found by their account and by their membership alike.
async fn both_names(conn: &mut Conn, org: &OrgId, filter: &mut Filter) -> Result<(), Problem> {
    let [target] = filter.targets.as_slice() else { return Ok(()) };
    if let Some(member) = lookup::member(conn, org, target).await? {
        filter.targets = vec![member.id.into_string(), member.user.into_string()];
    }
    Ok(())
}

fn show(row: Row) -> AuditRow {
    AuditRow {
        id: row.id.into_string(),
        seq: row.seq,
        at: words::moment(row.at),
        actor: row.actor,
        action: row.action,
        outcome: row.outcome,
        kinds: row.kinds,
        targets: row.targets,
        change: row.change.map(ChangeId::into_string),
        address: row.address,
        request_id: row.request_id,
        detail: row.detail,
        hash: row.hash,
    }
}

/// The audit record of an organisation, the newest row first.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/audit", tag = "audit", params(AuditQuery),
    responses((status = 200, description = "A page of rows.", body = Page<AuditRow>)))]
async fn list(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<AuditQuery>,
) -> Result<axum::Json<Page<AuditRow>>, Problem> {
    let org = &asked.room()?.id;
    let (limit, before) = (paging::limit(query.limit)?, lookup::after(query.cursor.as_deref())?);
    let mut filter = query.filter()?;
    let mut conn = app.db.read().await?;
    both_names(&mut conn, org, &mut filter).await?;
    let rows = audit::page(&mut conn, org, &filter, before, limit + 1).await?;
    let place = |row: &Row| paging::cursor(&[&row.seq.unwrap_or_default().to_string()]);
    Ok(axum::Json(Page::of(rows, limit, place, show)))
}

/// The audit record of an organisation as a file, the newest row first. A cell that a spreadsheet would take for a
/// formula begins with an apostrophe.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/audit/export", tag = "audit", params(ExportQuery),
    responses((status = 200, description = "The rows.",
               content((String = "text/csv"), (String = "application/x-ndjson")))))]
async fn export(State(app): State<App>, asked: Asked, Query(query): Query<ExportQuery>) -> Result<Response, Problem> {
    let org = &asked.room()?.id;
    let (format, name) = match query.format.as_deref() {
        None | Some("csv") => (Format::Csv, "attachment; filename=\"audit.csv\""),
        Some("jsonl") => (Format::JsonLines, "attachment; filename=\"audit.jsonl\""),
        Some(_) => return Err(Problem::invalid("format", "Use csv or jsonl.")),
    };
    let mut filter = AuditQuery::from(query).filter()?;
    let mut conn = app.db.read().await?;
    both_names(&mut conn, org, &mut filter).await?;
    drop(conn);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(format.media_type())),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static(name)),
    ];
    let rows = file_of(&app, org, filter, format).into_stream();
    Ok((headers, axum::body::Body::from_stream(rows)).into_response())
}

/// Looks at an organisation's whole chain of rows: whether one was altered, is missing, or is hidden from the search.
/// For a very long record use `muster audit verify`, which has all the time it needs.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/audit/verify", tag = "audit",
    responses((status = 200, description = "What was found.", body = ChainBody)))]
async fn verify(State(app): State<App>, asked: Asked) -> Result<axum::Json<ChainBody>, Problem> {
    let mut conn = app.db.read().await?;
    let chain = audit::verify(&mut conn, &asked.room()?.id).await?;
    Ok(axum::Json(ChainBody {
        whole: chain.fault.is_none(),
        rows: chain.rows,
        head: chain.head,
        first_broken: chain.fault.map(audit::Fault::seq),
        fault: chain.fault.map(|fault| fault.to_string()),
    }))
}

/// The acts that concerned no organisation, the newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(AuditQuery),
    responses((status = 200, description = "A page of rows.", body = Page<AuditRow>)))]
async fn of_instance(
    State(app): State<App>,
    Query(query): Query<AuditQuery>,
) -> Result<axum::Json<Page<AuditRow>>, Problem> {
    let (limit, before) = (paging::limit(query.limit)?, lookup::after::<AuditId>(query.cursor.as_deref())?);
    let filter = query.filter()?;
    let mut conn = app.db.read().await?;
    let rows = audit::page_of_instance(&mut conn, &filter, before.as_ref(), limit + 1).await?;
    Ok(axum::Json(Page::of(rows, limit, |row| paging::cursor(&[row.id.as_str()]), show)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_nothing_can_fit_is_refused_and_not_answered_with_nothing() {
        let text = |text: &str| Some(text.to_owned());
        let bad = [
            AuditQuery { kind: text("group"), ..AuditQuery::default() },
            AuditQuery { outcome: text("maybe"), ..AuditQuery::default() },
            AuditQuery { actor: text("a\0b"), ..AuditQuery::default() },
            AuditQuery { target: text(""), ..AuditQuery::default() },
            AuditQuery { change: text("grp_1"), ..AuditQuery::default() },
            AuditQuery { from: text("yesterday"), ..AuditQuery::default() },
        ];
        for query in bad {
            assert!(query.filter().is_err(), "{query:?}");
        }
        let good = AuditQuery { kind: text("group.*"), outcome: text("denied"), ..AuditQuery::default() };
        assert_eq!(good.filter().unwrap().accepted, Some(false));
        assert_eq!(AuditQuery::default().filter().unwrap(), Filter::default());
    }
}
