//! `GET /end_session` and `POST /end_session` (RP-Initiated Logout 1.0): with a good hint of the signed-in person at
//! once, else after a question; to a registered address only, and only with a good hint. Applications that ask for it are
//! told by the browser itself (Front-Channel Logout 1.0), in frames of the last page.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::reply;
use crate::app::App;
use crate::domain::oauth::application::Application;
use crate::domain::oauth::params::Params;
use crate::domain::oidc::{frontchannel_logout, id_token};
use crate::flows::accept_token::text;
use crate::flows::{find_application, sign_out};
use crate::outside::keyring::TokenError;
use crate::web::extract::browser::Browser;
use crate::web::extract::caller;
use crate::web::layers::{FormAction, Frames};
use crate::web::pages::view::{SignOutPage, SignedOutPage};
use crate::web::pages::{error, page};

const PURPOSE: &str = "end_session";

/// `GET /end_session`.
pub async fn get(State(app): State<App>, browser: Browser, RawQuery(query): RawQuery) -> Response {
    match Params::from_query(query.as_deref().unwrap_or_default()) {
        Ok(params) => begin(&app, browser, &params).await,
        Err(fault) => browser.answer(error::request(&fault.to_string())),
    }
}

/// `POST /end_session`. As at authorize: a POST from another site has no session cookie and is sent round as a GET.
pub async fn post(State(app): State<App>, browser: Browser, headers: HeaderMap, body: Bytes) -> Response {
    let params = match caller::form(&headers, &body) {
        Ok(params) => params,
        Err(error) => return browser.answer(error::request(&error.description)),
    };
    if browser.facts.is_none()
        && body.len() < 6_000
        && let Ok(query) = std::str::from_utf8(&body)
    {
        return reply::see_other(&format!("/end_session?{query}"));
    }
    begin(&app, browser, &params).await
}

/// What was asked, after the checks: travels sealed to the question and back.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Asked {
    application: Option<String>,
    return_to: Option<String>,
}

/// A hint that we signed, whether or not it has expired.
struct Hint {
    sub: String,
    application: Arc<Application>,
}

async fn begin(app: &App, browser: Browser, params: &Params) -> Response {
    let hint = match read_hint(app, params).await {
        Ok(hint) => hint,
        Err(response) => return browser.answer(response),
    };
    let return_to = match return_to(params, hint.as_ref()) {
        Ok(return_to) => return_to,
        Err(reason) => return browser.answer(error::request(reason)),
    };
    let asked = Asked { application: hint.as_ref().map(|hint| hint.application.name.clone()), return_to };
    let user = browser.facts.as_ref().map(|facts| facts.user.as_str().to_owned());
    match (user, hint) {
        (None, _) => done(&browser, &asked, Vec::new()),
        (Some(user), Some(hint)) if hint.sub == user => act(app, browser, &asked).await,
        (Some(_), _) => question(&browser, &asked),
    }
}

async fn read_hint(app: &App, params: &Params) -> Result<Option<Hint>, Response> {
    let Some(token) = params.get("id_token_hint") else {
        return Ok(None);
    };
    let bad = || error::request("The id_token_hint is not a token of this provider.");
    let claims = match app.keyring.verify(token, &[id_token::TYP], app.now()) {
        Ok(claims) => claims,
        // Perhaps signed by a key that was retired long ago: then the person is asked, as without a hint.
        Err(TokenError::UnknownKey) => return Ok(None),
        Err(_) => return Err(bad()),
    };
    let (Some(sub), Some(client_id)) = (text(&claims, "sub"), text(&claims, "aud")) else {
        return Err(bad());
    };
    if params.get("client_id").is_some_and(|given| given != client_id) || text(&claims, "iss") != Some(app.issuer()) {
        return Err(error::request("The id_token_hint was not made for this application."));
    }
    let mut conn = app.db.read().await.map_err(|e| error::of_fault(e.into()))?;
    let application =
        find_application::active(app, &mut conn, client_id).await.map_err(|e| error::of_fault(e.into()))?;
    Ok(Some(Hint { sub: sub.to_owned(), application: application.ok_or_else(bad)? }))
}

/// The address to go to afterwards, with `state` and nothing else; exact bytes, registered, and only with a hint.
fn return_to(params: &Params, hint: Option<&Hint>) -> Result<Option<String>, &'static str> {
    let Some(uri) = params.get("post_logout_redirect_uri") else {
        return Ok(None);
    };
    let Some(hint) = hint else {
        return Err("post_logout_redirect_uri needs an id_token_hint.");
    };
    if !hint.application.post_logout_redirect_uris.iter().any(|registered| registered == uri) {
        return Err("The post_logout_redirect_uri is not registered for this application.");
    }
    let mut to = uri.to_owned();
    if let Some(state) = params.get("state") {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("state", state).finish();
        to.push(if uri.contains('?') { '&' } else { '?' });
        to.push_str(&query);
    }
    Ok(Some(to))
}

fn question(browser: &Browser, asked: &Asked) -> Response {
    let json = serde_json::to_string(asked).unwrap_or_default();
    let form = SignOutPage {
        csrf: browser.csrf(),
        request: browser.seal(PURPOSE, &json),
        user: None,
        application: asked.application.clone(),
    };
    let mut response = page(StatusCode::OK, &form);
    if let Some(origin) = asked.return_to.as_deref().and_then(|to| url::Url::parse(to).ok()) {
        response.extensions_mut().insert(FormAction(origin.origin().ascii_serialization()));
    }
    browser.answer(response)
}

/// `POST /end_session/confirm`: the answer to the question.
pub async fn confirm(State(app): State<App>, browser: Browser, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(form) = caller::form(&headers, &body) else {
        return error::forbidden();
    };
    if !browser.posted_here(&headers, &form) {
        return error::forbidden();
    }
    let sealed = form.get("request").unwrap_or_default();
    let asked = browser.open(PURPOSE, sealed).and_then(|json| serde_json::from_str::<Asked>(&json).ok());
    match asked {
        Some(asked) => act(&app, browser, &asked).await,
        None => browser.answer(error::expired()),
    }
}

async fn act(app: &App, mut browser: Browser, asked: &Asked) -> Response {
    let mut frames = Vec::new();
    if let Some(facts) = &browser.facts {
        match sign_out::here(app, &facts.id).await {
            Ok(done) => frames = done.frames,
            Err(error) => return browser.answer(error::of_fault(error.into())),
        }
    }
    browser.forget().await;
    done(&browser, asked, frames)
}

/// Where it ends. What the browser has to load it loads on our page, and goes on from there.
fn done(browser: &Browser, asked: &Asked, frames: Vec<String>) -> Response {
    if frames.is_empty()
        && let Some(to) = &asked.return_to
    {
        return browser.answer(reply::see_other(to));
    }
    let origins = Frames(frames.iter().filter_map(|frame| frontchannel_logout::origin(frame)).collect());
    let return_to = asked.return_to.clone().map(|to| (host_of(&to), to));
    let mut response = page(StatusCode::OK, &SignedOutPage { return_to, refresh: asked.return_to.clone(), frames });
    response.extensions_mut().insert(origins);
    browser.answer(response)
}

/// How people call the place that an address leads to.
fn host_of(to: &str) -> String {
    let host = url::Url::parse(to).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.unwrap_or_else(|| "the application".to_owned())
}
