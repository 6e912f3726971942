//! Alerts: rules that say whom to tell of which events. A webhook's signing secret is answered once, when it is made.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::input::{Body, Query};
use super::paging::{Page, PageQuery};
use super::problem::Problem;
use super::tag;
use super::words::{self, ReceiptBody};
use super::write::{self, Written};
use crate::app::App;
use crate::domain::alert::{Channel, Filter, Rule};
use crate::domain::change::{Change, NewAlert};
use crate::flows::webhook;
use crate::kernel::id::{AlertId, OrgId};
use crate::kernel::secret::Secret;
use crate::store::alerts::{self, Alert};
use crate::store::db::Conn;

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Org("alerts.write"), routes!(list))
        .route(Needs::Org("alerts.write").fresh(), routes!(create))
        .route(Needs::Org("alerts.write"), routes!(get))
        .route(Needs::Org("alerts.write").fresh(), routes!(change))
        .route(Needs::Org("alerts.write"), routes!(delete))
        .route(Needs::Org("alerts.write").fresh(), routes!(new_secret))
}

/// Which events: those that fit every part that is given. An absent part fits all.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertFilter {
    /// The machine's words, such as `group.delete`; `group.*` stands for all that begin so.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// `accepted` or `denied`.
    pub outcome: Option<String>,
    /// Who, as audit rows name them, such as `user:usr_…`.
    pub actor: Option<String>,
    /// An id that the act must concern.
    pub target: Option<String>,
}

/// How an alert is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum AlertChannel {
    /// By mail.
    Mail {
        /// The addresses; none stands for everyone who holds `alert.admin`.
        #[serde(default)]
        to: Vec<String>,
    },
    /// By a signed POST (Standard Webhooks).
    Webhook {
        /// An https URL.
        url: String,
    },
}

/// A rule of alerts.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Alert)]
pub struct AlertBody {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// `active` or `disabled`.
    pub state: AlertState,
    /// Which events.
    pub filter: AlertFilter,
    /// How they are told.
    pub channel: AlertChannel,
    /// Who made it.
    pub created_by: String,
    /// When it was made (RFC 3339).
    pub created_at: String,
}

/// Whether a rule tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// It does.
    Active,
    /// It doesn't.
    Disabled,
}

/// What a new rule of alerts is made of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAlertRule {
    /// 1 to 100 characters.
    name: String,
    /// Which events; all if none is given.
    #[serde(default)]
    filter: AlertFilter,
    /// How they are told.
    channel: AlertChannel,
}

/// What changes in a rule of alerts; what is absent stays. A filter or a channel that is given replaces the whole one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertPatch {
    /// 1 to 100 characters.
    name: Option<String>,
    /// `active` or `disabled`.
    state: Option<AlertState>,
    /// Which events.
    filter: Option<AlertFilter>,
    /// How they are told. What becomes a webhook, or moves to another address, gets a new secret.
    channel: Option<AlertChannel>,
}

/// A rule of alerts, with the signing secret of its webhook: it is shown this once, and kept sealed.
#[derive(Serialize, ToSchema)]
pub struct AlertMade {
    /// The rule; null in a dry run of making it.
    object: Option<AlertBody>,
    /// The webhook's secret (`whsec_…`); null for mail, in a dry run, and when the answer is repeated.
    secret: Option<String>,
    /// What the change did.
    receipt: ReceiptBody,
}

impl From<AlertFilter> for Filter {
    fn from(filter: AlertFilter) -> Self {
        let AlertFilter { kinds, outcome, actor, target } = filter;
        Self { kinds, outcome, actor, target }
    }
}

impl From<AlertChannel> for Channel {
    fn from(channel: AlertChannel) -> Self {
        match channel {
            AlertChannel::Mail { to } => Self::Mail { to },
            AlertChannel::Webhook { url } => Self::Webhook { url },
        }
    }
}

fn show(alert: Alert) -> AlertBody {
    let Rule { filter: Filter { kinds, outcome, actor, target }, channel } = alert.rule;
    AlertBody {
        id: alert.id.into_string(),
        name: alert.name,
        state: if alert.active { AlertState::Active } else { AlertState::Disabled },
        filter: AlertFilter { kinds, outcome, actor, target },
        channel: match channel {
            Channel::Mail { to } => AlertChannel::Mail { to },
            Channel::Webhook { url } => AlertChannel::Webhook { url },
        },
        created_by: alert.created_by,
        created_at: words::moment(alert.created_at),
    }
}

async fn found(conn: &mut Conn, org: &OrgId, id: &str) -> Result<Alert, Problem> {
    let missing = || Problem::not_found("The alert");
    let id: AlertId = id.parse().map_err(|_| missing())?;
    alerts::find(conn, org, &id).await?.ok_or_else(missing)
}

const fn is_webhook(channel: &Channel) -> bool {
    matches!(channel, Channel::Webhook { .. })
}

/// The rules of alerts of an organisation, the oldest first.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/alerts", tag = "alerts", params(PageQuery),
    responses((status = 200, description = "A page of rules.", body = Page<AlertBody>)))]
async fn list(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<Page<AlertBody>>, Problem> {
    let mut conn = app.db.read().await?;
    let all = alerts::of_org(&mut conn, &asked.room()?.id).await?;
    Ok(axum::Json(Page::cut(all, &query, |alert| alert.id.to_string(), show)?))
}

/// Makes a rule of alerts. For a webhook the answer has the signing secret, this once.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/alerts", tag = "alerts", request_body = NewAlertRule,
    responses((status = 201, description = "The rule, and its webhook's secret.", body = AlertMade),
              (status = 200, description = "A dry run: nothing was made.", body = AlertMade)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(new): Body<NewAlertRule>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let id = AlertId::fresh();
    let rule = Rule { filter: new.filter.into(), channel: new.channel.into() };
    let minted = is_webhook(&rule.channel).then(|| webhook::mint(&app, &id));
    let (secret, sealed) = minted.unzip();
    let alert = NewAlert { id: id.clone(), name: new.name, active: true, rule, sealed };
    let changes = vec![Change::PutAlert { org: org.clone(), alert: Box::new(alert) }];
    let receipt = write::send(&app, &asked, &how, changes).await?;
    let mut conn = app.db.read().await?;
    let object = alerts::find(&mut conn, &org, &id).await?.map(show);
    let status = if receipt.dry_run { StatusCode::OK } else { StatusCode::CREATED };
    let secret = secret.filter(|_| !receipt.dry_run).map(|secret| secret.expose().to_owned());
    let made = AlertMade { object, secret, receipt: ReceiptBody::of(&receipt) };
    Ok((status, axum::Json(made)).into_response())
}

/// One rule of alerts.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/alerts/{alert}", tag = "alerts",
    responses((status = 200, description = "The rule.", body = AlertBody)))]
async fn get(
    State(app): State<App>,
    asked: Asked,
    Path((_, alert)): Path<(String, String)>,
) -> Result<axum::Json<AlertBody>, Problem> {
    let mut conn = app.db.read().await?;
    Ok(axum::Json(show(found(&mut conn, &asked.room()?.id, &alert).await?)))
}

/// Changes a rule of alerts: its name, whether it tells, which events, and how.
#[utoipa::path(patch, path = "/api/v1/orgs/{org}/alerts/{alert}", tag = "alerts", request_body = AlertPatch,
    responses((status = 200, description = "The rule, and a new webhook's secret.", body = AlertMade)))]
async fn change(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, alert)): Path<(String, String)>,
    Body(patch): Body<AlertPatch>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    // What becomes a webhook, or moves to another address, needs a secret that the receiver before it does not know.
    let moves = match patch.channel.clone().map(Channel::from) {
        Some(to) if is_webhook(&to) => {
            let mut conn = app.db.read().await?;
            found(&mut conn, &org, &alert).await?.rule.channel != to
        }
        _ => false,
    };
    put(&app, &asked, &how, &alert, &patch, moves).await
}

/// Gives a rule's webhook a new signing secret: the one before is no longer used. The answer has it, this once.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/alerts/{alert}/secret", tag = "alerts",
    responses((status = 200, description = "The rule and the new secret.", body = AlertMade)))]
async fn new_secret(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, alert)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    let before = found(&mut conn, &asked.room()?.id, &alert).await?;
    drop(conn);
    if !is_webhook(&before.rule.channel) {
        return Err(Problem::invalid("channel", "Only a webhook has a signing secret."));
    }
    let nothing = AlertPatch { name: None, state: None, filter: None, channel: None };
    put(&app, &asked, &how, &alert, &nothing, true).await
}

/// Puts a rule as it is to be, with a new secret or the one that is there.
async fn put(
    app: &App,
    asked: &Asked,
    how: &How,
    alert: &str,
    patch: &AlertPatch,
    renew: bool,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let id: AlertId = alert.parse().map_err(|_| Problem::not_found("The alert"))?;
    let (secret, sealed): (Option<Secret>, Option<Vec<u8>>) = renew.then(|| webhook::mint(app, &id)).unzip();
    let receipt = write::edit(app, asked, how, |conn| {
        let (org, alert, name, sealed) = (org.clone(), alert.to_owned(), patch.name.clone(), sealed.clone());
        let (state, filter, channel) = (patch.state, patch.filter.clone(), patch.channel.clone());
        Box::pin(async move {
            let before = found(conn, &org, &alert).await?;
            let rule = Rule {
                filter: filter.map_or_else(|| before.rule.filter.clone(), Into::into),
                channel: channel.map_or_else(|| before.rule.channel.clone(), Into::into),
            };
            let active = state.map_or(before.active, |state| state == AlertState::Active);
            let name = name.unwrap_or_else(|| before.name.clone());
            let alert = NewAlert { id: before.id.clone(), name, active, rule, sealed };
            let tag = tag::of(&show(before));
            Ok((tag, vec![Change::PutAlert { org, alert: Box::new(alert) }]))
        })
    })
    .await?;
    let mut conn = app.db.read().await?;
    let object = alerts::find(&mut conn, &org, &id).await?.map(show);
    let secret = secret.filter(|_| !receipt.dry_run).map(|secret| secret.expose().to_owned());
    Ok(axum::Json(AlertMade { object, secret, receipt: ReceiptBody::of(&receipt) }).into_response())
}

/// Removes a rule of alerts.
#[utoipa::path(delete, path = "/api/v1/orgs/{org}/alerts/{alert}", tag = "alerts",
    responses((status = 200, description = "It is gone.", body = Written<AlertBody>)))]
async fn delete(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, alert)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, alert) = (org.clone(), alert.clone());
        Box::pin(async move {
            let before = found(conn, &org, &alert).await?;
            let id = before.id.clone();
            let tag = tag::of(&show(before));
            Ok((tag, vec![Change::RemoveAlert { org, alert: id }]))
        })
    })
    .await?;
    Ok(Written::<AlertBody>::ok(None, &receipt))
}
