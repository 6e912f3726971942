//! The page that asks in which organisation to go on.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::sealed::{self, Sealed};
use super::view::{OrgChoice, SelectOrgPage};
use super::{error, page};
use crate::app::App;
use crate::domain::oauth::application::Application;
use crate::flows::authorize::{Choice, Pending};
use crate::kernel::id::OrgId;
use crate::web::extract::browser::Browser;
use crate::web::extract::caller;
use crate::web::oidc::authorize;

/// The page.
#[must_use]
pub fn show(browser: &Browser, pending: &Pending, application: &Application, choices: Vec<Choice>) -> Response {
    let organisations = choices
        .into_iter()
        .map(|Choice { id, name, slug, roles }| OrgChoice { id: id.into_string(), name, slug, roles })
        .collect();
    let form = SelectOrgPage {
        request: sealed::seal(browser, &Sealed::Authorize(Box::new(pending.clone()))),
        csrf: browser.csrf(),
        application_name: Some(application.name.clone()),
        organisations,
    };
    page(StatusCode::OK, &form)
}

/// `POST /select-org`. That the person is a member is judged where the request goes on.
pub async fn post(State(app): State<App>, browser: Browser, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(form) = caller::form(&headers, &body) else {
        return error::forbidden();
    };
    if !browser.posted_here(&headers, &form) {
        return error::forbidden();
    }
    let content = sealed::open(&app, &browser, form.get("request").unwrap_or_default());
    let (Some(Sealed::Authorize(mut pending)), Some(Ok(org))) = (content, form.get("org").map(str::parse::<OrgId>))
    else {
        return browser.answer(error::expired());
    };
    pending.org = Some(org);
    authorize::proceed(&app, browser, *pending).await
}
