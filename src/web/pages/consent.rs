//! The consent page: what the application would learn, in plain words.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::sealed::{self, Sealed};
use super::view::{ConsentPage, ScopeLine};
use super::{error, page, sign_in};
use crate::app::App;
use crate::domain::oauth::application::Application;
use crate::domain::oauth::error::{ErrorCode, OAuthError};
use crate::domain::oauth::scope;
use crate::flows::authorize::{Asked, Pending};
use crate::web::extract::browser::Browser;
use crate::web::extract::caller;
use crate::web::oidc::{authorize, reply};

/// The page.
pub fn show(browser: &Browser, pending: &Pending, application: &Application, asked: Asked) -> Response {
    let form = ConsentPage {
        request: sealed::seal(browser, &Sealed::Authorize(Box::new(pending.clone()))),
        csrf: browser.csrf(),
        application: sign_in::view_of(application),
        organisation: asked.org,
        user: asked.user_name,
        scopes: pending.request.scope.iter().map(line).collect(),
        roles: asked.roles,
    };
    page(StatusCode::OK, &form)
}

pub(super) fn line(word: &str) -> ScopeLine {
    let text = match word {
        scope::OPENID => "Know who you are".to_owned(),
        scope::PROFILE => "See your name and profile".to_owned(),
        scope::EMAIL => "See your e-mail address".to_owned(),
        scope::PHONE => "See your phone number".to_owned(),
        scope::ADDRESS => "See your postal address".to_owned(),
        scope::OFFLINE_ACCESS => "Stay signed in when you are away".to_owned(),
        scope::ROLES => "See your roles in the organisation and its projects".to_owned(),
        scope::GROUPS => "See the groups you are in".to_owned(),
        scope::ADMIN => {
            "Do in Muster, in your name, whatever your roles allow: change people, groups and access".to_owned()
        }
        other => match scope::project_key(other) {
            Some(key) => format!("See your roles in the project {key}"),
            None => format!("Use its own permission \"{other}\""),
        },
    };
    ScopeLine { name: word.to_owned(), text }
}

/// `POST /consent`.
pub async fn post(State(app): State<App>, browser: Browser, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(form) = caller::form(&headers, &body) else {
        return error::forbidden();
    };
    if !browser.posted_here(&headers, &form) {
        return error::forbidden();
    }
    let Some(Sealed::Authorize(mut pending)) = sealed::open(&app, &browser, form.get("request").unwrap_or_default())
    else {
        return browser.answer(error::expired());
    };
    if form.get("act") != Some("allow") {
        let request = &pending.request;
        let denied = OAuthError::new(ErrorCode::AccessDenied, "the person did not allow it");
        let to = (&request.redirect, request.response_mode);
        return browser.answer(reply::refusal(&app, to, &denied, request.state.as_deref()));
    }
    pending.consented = true;
    authorize::proceed(&app, browser, *pending).await
}
