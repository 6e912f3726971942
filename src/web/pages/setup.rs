//! The first operator's page, behind a one-time link that is printed at the first start. GET never consumes it.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::view::{SetupDonePage, SetupPage};
use super::{error, page};
use crate::app::App;
use crate::domain::oauth::params::Params;
use crate::flows::bootstrap::{FirstOperator, NotMade, first_operator, link_is_good};
use crate::flows::change_access::Refusal;
use crate::kernel::secret::Secret;
use crate::web::extract::browser::Browser;
use crate::web::extract::caller;

/// `GET /setup/{token}`.
pub async fn get(State(app): State<App>, browser: Browser, Path(token): Path<String>) -> Response {
    match link_is_good(&app, &Secret::presented(token.clone())).await {
        Ok(true) => {
            let response = show(StatusCode::OK, &browser, token, &Params::default(), Vec::new());
            browser.answer(response)
        }
        Ok(false) => browser.answer(error::dead_link()),
        Err(fault) => browser.answer(error::of_fault(fault.into())),
    }
}

fn show(status: StatusCode, browser: &Browser, token: String, typed: &Params, faults: Vec<String>) -> Response {
    let text = |name: &str| typed.get(name).unwrap_or_default().to_owned();
    let form = SetupPage {
        csrf: browser.csrf(),
        token,
        error: faults,
        user_name: text("username"),
        email: text("email"),
        name: text("name"),
    };
    page(status, &form)
}

/// `POST /setup/{token}`.
pub async fn post(
    State(app): State<App>,
    browser: Browser,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(form) = caller::form(&headers, &body) else {
        return error::forbidden();
    };
    if !browser.posted_here(&headers, &form) {
        return error::forbidden();
    }
    let text = |name: &str| form.get(name).unwrap_or_default().to_owned();
    let password = form.sent("password").unwrap_or_default();
    if form.sent("password_again").is_some_and(|again| again != password) {
        let fault = vec!["The two passwords are not the same.".to_owned()];
        let response = show(StatusCode::BAD_REQUEST, &browser, token, &form, fault);
        return browser.answer(response);
    }
    let who = FirstOperator {
        name: text("name"),
        user_name: text("username"),
        email: text("email"),
        password: Secret::presented(password),
    };
    let faults = match first_operator(&app, &Secret::presented(token.clone()), who).await {
        Ok(_) => return browser.answer(page(StatusCode::OK, &SetupDonePage)),
        Err(NotMade::Fault(fault)) => return browser.answer(error::of_fault(fault)),
        Err(NotMade::Refused(Refusal::NotFound(_))) => return browser.answer(error::dead_link()),
        Err(NotMade::Refused(Refusal::Store(fault))) => {
            return browser.answer(error::of_fault(fault.into()));
        }
        Err(NotMade::Refused(Refusal::Invalid { reason, .. })) => vec![reason],
        Err(NotMade::Refused(other)) => vec![other.to_string()],
        Err(NotMade::Password(shortfalls)) => shortfalls.iter().map(ToString::to_string).collect(),
    };
    let response = show(StatusCode::BAD_REQUEST, &browser, token, &form, faults);
    browser.answer(response)
}
