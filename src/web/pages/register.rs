//! `/register` and `/register/{secret}`: people make an own account, where the operator allows it. Elsewhere there is
//! no such page.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::email::gone;
use super::me::Posted;
use super::password_change::private;
use super::view::account::{DonePage, RegisterFinishPage, RegisterPage};
use super::{error, page};
use crate::app::App;
use crate::domain::people::identifier;
use crate::flows::forgotten::Asked;
use crate::flows::self_register::{self, NotMade};
use crate::kernel::secret::Secret;
use crate::web::extract::browser::Browser;

/// `GET /register`.
pub async fn get(State(app): State<App>, browser: Browser) -> Response {
    if !self_register::is_open(&app) {
        return browser.answer(error::not_found().await);
    }
    let view = RegisterPage { csrf: browser.csrf(), email: String::new(), error: None };
    browser.answer(page(StatusCode::OK, &view))
}

/// `POST /register`: one answer, whether the address has an account or not.
pub async fn post(State(app): State<App>, posted: Posted) -> Response {
    let Posted { browser, form, origin } = posted;
    if !self_register::is_open(&app) {
        return browser.answer(error::not_found().await);
    }
    let email = form.get("email").unwrap_or_default().trim().to_owned();
    if let Err(reason) = identifier::check_email(&email) {
        let view = RegisterPage { csrf: browser.csrf(), email, error: Some(reason.to_owned()) };
        return browser.answer(page(StatusCode::BAD_REQUEST, &view));
    }
    browser.answer(match self_register::ask(&app, &email, &origin).await {
        Ok(Asked::Done) => {
            let message = "We sent a mail to the address that you typed. It says how to go on.".to_owned();
            page(StatusCode::OK, &DonePage { title: "Look into your mail".to_owned(), message, to: None })
        }
        Ok(Asked::Paused { seconds }) => error::too_many(seconds),
        Err(fault) => error::of_fault(fault),
    })
}

/// `GET /register/{secret}`.
pub async fn get_link(State(app): State<App>, browser: Browser, Path(link): Path<String>) -> Response {
    show(&app, &browser, &link, "", (StatusCode::OK, Vec::new())).await
}

/// `POST /register/{secret}`.
pub async fn post_link(State(app): State<App>, Path(link): Path<String>, posted: Posted) -> Response {
    let Posted { browser, form, origin } = posted;
    let name = form.get("name").unwrap_or_default();
    let password = form.sent("password").unwrap_or_default();
    if form.sent("password_again").unwrap_or_default() != password {
        let fault = vec!["The two passwords are not the same.".to_owned()];
        return show(&app, &browser, &link, name, (StatusCode::BAD_REQUEST, fault)).await;
    }
    let (secret, password) = (Secret::presented(link.as_str()), Secret::presented(password));
    let faults = match self_register::make(&app, &secret, name, password, &origin).await {
        Ok(_) => {
            let done = DonePage {
                title: "Your account is ready".to_owned(),
                message: "Sign in with your e-mail address and the password that you chose.".to_owned(),
                to: Some(("Sign in".to_owned(), "/login".to_owned())),
            };
            return browser.answer(private(page(StatusCode::OK, &done)));
        }
        Err(NotMade::Dead(dead)) => return browser.answer(private(gone(&dead, "Begin again."))),
        Err(NotMade::Name(reason)) => vec![reason.to_owned()],
        Err(NotMade::Short(found)) => found.iter().map(ToString::to_string).collect(),
        Err(NotMade::Fault(fault)) => return browser.answer(private(error::of_fault(fault))),
    };
    show(&app, &browser, &link, name, (StatusCode::BAD_REQUEST, faults)).await
}

async fn show(app: &App, browser: &Browser, link: &str, name: &str, told: (StatusCode, Vec<String>)) -> Response {
    let (status, faults) = told;
    let response = match self_register::seen(app, &Secret::presented(link)).await {
        Ok(Ok((email, rules))) => {
            let (csrf, link, name) = (browser.csrf(), link.to_owned(), name.to_owned());
            let view = RegisterFinishPage { csrf, link, email, name, rules: rules.sentences(), error: faults };
            page(status, &view)
        }
        Ok(Err(dead)) => gone(&dead, "Begin again."),
        Err(fault) => error::of_fault(fault),
    };
    browser.answer(private(response))
}
