//! `GET /authorize` and `POST /authorize` (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1), and the way on from each page.

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::reply;
use crate::app::App;
use crate::domain::oauth::application::Application;
use crate::domain::oauth::authorization_request::{Refusal, check};
use crate::domain::oauth::params::{BadParams, Params};
use crate::flows::authorize::{Pending, Step, step, with_project_scope};
use crate::flows::{Fault, find_application};
use crate::web::extract::browser::Browser;
use crate::web::extract::caller;
use crate::web::layers::FormAction;
use crate::web::pages::sealed::Sealed;
use crate::web::pages::{consent, device, error, factor, select_org, sign_in, upstream};

/// `GET /authorize`.
pub async fn get(State(app): State<App>, browser: Browser, RawQuery(query): RawQuery) -> Response {
    begin(&app, browser, Params::from_query(query.as_deref().unwrap_or_default())).await
}

/// `POST /authorize`. A POST from another site carries no session cookie (`SameSite=Lax`): it is sent round as a GET,
/// which does, unless it is too long for an address.
pub async fn post(State(app): State<App>, browser: Browser, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(error) = caller::form(&headers, &body) {
        return browser.answer(error::request(&error.description));
    }
    if browser.facts.is_none()
        && body.len() < 6_000
        && let Ok(query) = std::str::from_utf8(&body)
    {
        return reply::see_other(&format!("/authorize?{query}"));
    }
    begin(&app, browser, Params::parse(&body)).await
}

async fn begin(app: &App, browser: Browser, params: Result<Params, BadParams>) -> Response {
    let params = match params {
        Ok(params) => params,
        Err(fault) => return browser.answer(error::request(&fault.to_string())),
    };
    let application = match find(app, params.get("client_id")).await {
        Ok(application) => application,
        Err(fault) => return browser.answer(error::of_fault(fault)),
    };
    match check(&params, application.as_deref()) {
        Ok(request) => {
            let request = match &application {
                Some(application) => with_project_scope(request, application),
                None => request,
            };
            let pending = Pending { request, started: app.now(), org: None, consented: false, device: None };
            proceed(app, browser, pending).await
        }
        Err(refusal) => match *refusal {
            Refusal::Page(reason) => browser.answer(error::request(reason)),
            Refusal::Redirect { redirect, response_mode, state, error } => {
                browser.answer(reply::refusal(app, (&redirect, response_mode), &error, state.as_deref()))
            }
        },
    }
}

async fn find(app: &App, client_id: Option<&str>) -> Result<Option<std::sync::Arc<Application>>, Fault> {
    let Some(client_id) = client_id else {
        return Ok(None);
    };
    let mut conn = app.db.read().await?;
    Ok(find_application::active(app, &mut conn, client_id).await?)
}

/// Goes on with a request: every page comes back to here.
pub async fn proceed(app: &App, browser: Browser, pending: Pending) -> Response {
    let application = match find(app, Some(&pending.request.client_id)).await {
        Ok(Some(application)) => application,
        Ok(None) => {
            return browser.answer(error::request("The application is not known any more."));
        }
        Err(fault) => return browser.answer(error::of_fault(fault)),
    };
    let next = match step(app, &pending, &application, browser.facts.as_ref(), &browser.address).await {
        Ok(next) => next,
        Err(fault) => return browser.answer(error::of_fault(fault)),
    };
    let request = &pending.request;
    let mut response = match next {
        Step::Done(code) => reply::success(app, request, &code),
        Step::Allowed => device::allowed(&application),
        Step::Refuse(error) if pending.device.is_some() => device::refused(&error),
        Step::Refuse(error) => {
            reply::refusal(app, (&request.redirect, request.response_mode), &error, request.state.as_deref())
        }
        Step::SignIn => {
            sign_in::show(app, &browser, &Sealed::Authorize(Box::new(pending.clone())), Some(&application), None).await
        }
        Step::Upstream(connection) => {
            let content = Sealed::Authorize(Box::new(pending.clone()));
            upstream::go(app, &browser, &content, &connection, request.login_hint.as_deref()).await
        }
        Step::Factor(ask) => {
            let content = Sealed::Authorize(Box::new(pending.clone()));
            factor::of_session(app, &browser, content, ask).await
        }
        Step::SelectOrg(choices) => select_org::show(&browser, &pending, &application, choices),
        Step::Consent(asked) if pending.device.is_some() => device::confirm(&browser, &pending, &application, *asked),
        Step::Consent(asked) => consent::show(&browser, &pending, &application, *asked),
    };
    if response.status() != StatusCode::SEE_OTHER {
        response.extensions_mut().insert(FormAction(request.redirect.form_action()));
    }
    browser.answer(response)
}
