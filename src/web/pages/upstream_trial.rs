//! A trial of a connection's sign-in: its offer by a one-time link, the way there, and what came of it. Nobody is signed
//! in by it.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::me::Posted;
use super::password_change::private;
use super::upstream::{About, name_of, refused, sent};
use super::view::upstream::{TrialPage, TriedPage};
use super::{error, page};
use crate::app::App;
use crate::flows::federation::finish::Tried;
use crate::flows::federation::{NotThrough, start, trial};
use crate::web::extract::browser::Browser;

/// `GET /upstream/test/{secret}`: looking begins nothing.
pub async fn trial(State(app): State<App>, browser: Browser, Path(link): Path<String>) -> Response {
    let response = match trial::look(&app, &link) {
        Ok(offer) => match name_of(&app, Some(&offer.connection)).await {
            Ok(name) => page(StatusCode::OK, &TrialPage { csrf: browser.csrf(), link, name }),
            Err(fault) => error::of_fault(fault),
        },
        Err(_) => error::dead_link(),
    };
    browser.answer(private(response))
}

/// `POST /upstream/test/{secret}`.
pub async fn begin_trial(State(app): State<App>, Path(link): Path<String>, posted: Posted) -> Response {
    let browser = posted.browser;
    let Ok(offer) = trial::look(&app, &link) else {
        return browser.answer(private(error::dead_link()));
    };
    if let Some(seconds) = start::pause(&app, &browser.address) {
        return browser.answer(private(error::too_many(seconds)));
    }
    let connection = offer.connection;
    let response = match trial::open(&app, &link, browser.binding()).await {
        Ok(to) => sent(&app, &browser, &connection, &to, None).await,
        Err(NotThrough::UnknownFlow) => error::dead_link(),
        Err(why) => refused(&app, &browser, Some(&connection), why, About::Trial).await,
    };
    browser.answer(private(response))
}

/// What came of a trial.
pub(super) fn tried_out(tried: Tried) -> Response {
    let shown = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let view = TriedPage {
        user_name: tried.user_name,
        email: tried.email.unwrap_or_default(),
        account: tried.account,
        groups: tried.groups.into_iter().map(|group| (group.name, group.why.join(", "))).collect(),
        roles: tried.roles,
        problems: tried.problems,
        claims: tried.claims.iter().map(|(name, value)| (name.clone(), shown(value))).collect(),
    };
    page(StatusCode::OK, &view)
}
