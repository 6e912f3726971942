//! Accounts that stand in the way of ones that a connection pushes, until somebody decides what becomes of them.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::input::{Body, Query};
use super::lookup;
use super::managed_by::ConnectionName;
use super::paging::{self, Page};
use super::problem::Problem;
use super::tag;
use super::words;
use super::write::Written;
use crate::app::App;
use crate::domain::change::{AdoptionDecision, Mode};
use crate::domain::people::user::UserState;
use crate::domain::scim::{Object, derive};
use crate::flows::scim::adopt;
use crate::kernel::id::{AdoptionId, OrgId};
use crate::store::connections::{self, Connection};
use crate::store::db::Conn;
use crate::store::scim::adoptions::{self, Adoption, State as AdoptionState};
use crate::store::{memberships, users};

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Org("connections.read"), routes!(list))
        .route(Needs::Org("connections.read"), routes!(get))
        .route(Needs::Org("connections.write").fresh(), routes!(decide))
}

/// The account that stands in the way.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AccountInTheWay {
    /// The account's id.
    pub user_id: String,
    /// Its membership.
    pub membership_id: Option<String>,
    /// The user name.
    pub user_name: String,
    /// What people see.
    pub name: String,
    /// E-mail address.
    pub email: Option<String>,
    /// Where it comes from.
    pub source: String,
}

/// What was pushed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Pushed {
    /// `userName`.
    pub user_name: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The primary e-mail address, else that of work, else the first.
    pub email: Option<String>,
    /// `externalId`.
    pub external_id: Option<String>,
    /// Whether the connection says that the person is active.
    pub active: bool,
}

/// An account that stands in a connection's way.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Adoption)]
pub struct AdoptionBody {
    /// Its id.
    pub id: String,
    /// The connection.
    pub connection: ConnectionName,
    /// `waiting`, `adopted`, `kept_apart` or `rejected`.
    pub state: &'static str,
    /// The account; null when it is gone.
    pub user: Option<AccountInTheWay>,
    /// What was pushed last.
    pub pushed: Pushed,
    /// When it was pushed first (RFC 3339).
    pub created_at: String,
    /// When it was pushed last (RFC 3339).
    pub asked_at: String,
    /// When it was decided (RFC 3339).
    pub decided_at: Option<String>,
    /// Who decided.
    pub decided_by: Option<String>,
}

/// Which of them.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// `waiting`, `adopted`, `kept_apart` or `rejected`.
    state: Option<String>,
    /// How many rows at most: 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// What becomes of an account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AdoptionDecision)]
pub struct DecisionBody {
    /// `adopt`: the connection takes it over, with its roles and groups; its password goes and its sessions end.
    /// `keep_apart`: it stays as it is, and is not asked for again. `reject`: it stays, and the next push asks again.
    decision: String,
}

fn decision(word: &str) -> Result<AdoptionDecision, Problem> {
    match word {
        "adopt" => Ok(AdoptionDecision::Adopt),
        "keep_apart" => Ok(AdoptionDecision::KeepApart),
        "reject" => Ok(AdoptionDecision::Reject),
        _ => Err(Problem::invalid("decision", "Use adopt, keep_apart or reject.")),
    }
}

fn pushed(resource: &str) -> Pushed {
    let object: Object = serde_json::from_str(resource).unwrap_or_default();
    let text = |name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
    let formatted = object.get("name").and_then(|name| name.get("formatted")).and_then(Value::as_str);
    Pushed {
        user_name: text("userName"),
        name: text("displayName").or_else(|| formatted.map(str::to_owned)),
        email: derive::main_email(&object).map(str::to_owned),
        external_id: text("externalId"),
        active: object.get("active").and_then(Value::as_bool).unwrap_or(true),
    }
}

async fn show(conn: &mut Conn, known: &[Connection], row: Adoption) -> Result<AdoptionBody, Problem> {
    let account = users::find(conn, &row.user).await?.filter(|user| user.state != UserState::Deleted);
    let member = memberships::of_user(conn, &row.org, &row.user).await?;
    let connection = known.iter().find(|one| one.id == row.connection).map(ConnectionName::from);
    Ok(AdoptionBody {
        connection: connection
            .unwrap_or_else(|| ConnectionName { id: row.connection.to_string(), name: row.connection.to_string() }),
        user: account.map(|user| AccountInTheWay {
            user_id: user.id.into_string(),
            membership_id: member.map(|member| member.id.into_string()),
            user_name: user.user_name,
            name: user.name,
            email: user.profile.email,
            source: user.source.to_string(),
        }),
        id: row.id.into_string(),
        state: row.state.as_str(),
        pushed: pushed(&row.resource),
        created_at: words::moment(row.created_at),
        asked_at: words::moment(row.asked_at),
        decided_at: row.decided_at.map(words::moment),
        decided_by: row.decided_by,
    })
}

async fn found(conn: &mut Conn, org: &OrgId, id: &str) -> Result<AdoptionBody, Problem> {
    let missing = || Problem::not_found("The adoption");
    let id: AdoptionId = id.parse().map_err(|_| missing())?;
    let row = adoptions::find(conn, org, &id).await?.ok_or_else(missing)?;
    let known = connections::of_org(conn, org).await?;
    show(conn, &known, row).await
}

/// The accounts that stand in connections' ways, those that were asked for first first.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/adoptions", tag = "adoptions", params(ListQuery),
    responses((status = 200, description = "A page of them.", body = Page<AdoptionBody>)))]
async fn list(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<Page<AdoptionBody>>, Problem> {
    let org = &asked.room()?.id;
    let (limit, after) = (paging::limit(query.limit)?, lookup::after::<AdoptionId>(query.cursor.as_deref())?);
    let most = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let unknown = |_| Problem::invalid("state", "Use waiting, adopted, kept_apart or rejected.");
    let state = query.state.as_deref().map(str::parse::<AdoptionState>).transpose().map_err(unknown)?;
    let mut conn = app.db.read().await?;
    let known = connections::of_org(&mut conn, org).await?;
    let rows = adoptions::page(&mut conn, org, state, after.as_ref(), most).await?;
    let page = Page::of(rows, limit, |row| paging::cursor(&[row.id.as_str()]), |row| row);
    let mut items = Vec::with_capacity(page.items.len());
    for row in page.items {
        items.push(show(&mut conn, &known, row).await?);
    }
    Ok(axum::Json(Page { items, next: page.next }))
}

/// One account that stands in a connection's way, and what was pushed.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/adoptions/{adoption}", tag = "adoptions",
    responses((status = 200, description = "The account and what was pushed.", body = AdoptionBody)))]
async fn get(
    State(app): State<App>,
    asked: Asked,
    Path((_, adoption)): Path<(String, String)>,
) -> Result<axum::Json<AdoptionBody>, Problem> {
    let mut conn = app.db.read().await?;
    Ok(axum::Json(found(&mut conn, &asked.room()?.id, &adoption).await?))
}

/// Decides what becomes of an account that stands in a connection's way. What was not adopted can be decided anew.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/adoptions/{adoption}/decide", tag = "adoptions",
    request_body = DecisionBody,
    responses((status = 200, description = "What was decided, and what ended.", body = Written<AdoptionBody>)))]
async fn decide(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, adoption)): Path<(String, String)>,
    Body(body): Body<DecisionBody>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let decision = decision(&body.decision)?;
    let mut conn = app.db.read().await?;
    let before = found(&mut conn, &org, &adoption).await?;
    drop(conn);
    tag::check(how.if_match.as_deref(), &tag::of(&before))?;
    let id = AdoptionId::trusted(before.id);
    let mode = if how.dry_run { Mode::DryRun } else { Mode::Act };
    let receipt = adopt::decide(&app, &asked.actor, &asked.origin, &org, (&id, decision), mode).await?;
    let mut conn = app.db.read().await?;
    Ok(Written::ok(Some(found(&mut conn, &org, &adoption).await?), &receipt))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pushed_is_shown_in_a_few_words_whatever_stands_in_it() {
        let text = r#"{"userName":"ana@acme.example","externalId":"7","active":false,
            "name":{"formatted":"Ana Kim"},"emails":[{"type":"work","value":"ana@acme.example"}]}"#;
        let shown = pushed(text);
        assert_eq!((shown.user_name.as_deref(), shown.active), (Some("ana@acme.example"), false));
        assert_eq!((shown.name.as_deref(), shown.external_id.as_deref()), (Some("Ana Kim"), Some("7")));
        assert_eq!(shown.email.as_deref(), Some("ana@acme.example"));
        assert!(pushed("[]").user_name.is_none() && pushed("").active);
        assert!(decision("adopt").is_ok() && decision("adopted").is_err());
    }
}
