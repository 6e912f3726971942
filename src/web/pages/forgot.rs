//! Asking for a new password. The answer is the same whoever is meant, and whether there is an account or not.

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::password_change::origin;
use super::view::passwords::{ForgotDonePage, ForgotPage};
use super::{error, page};
use crate::app::App;
use crate::domain::oauth::params::Params;
use crate::flows::forgotten::{Asked, By, ask};
use crate::flows::{Fault, sign_in};
use crate::web::extract::browser::Browser;
use crate::web::extract::caller;
use crate::web::layers::RequestId;

/// `GET /forgot`: `organization` says where the account is, `via=sms` that the link is to come by a text message.
pub async fn get(browser: Browser, RawQuery(query): RawQuery) -> Response {
    match Params::from_query(query.as_deref().unwrap_or_default()) {
        Ok(asked) => browser.answer(show(&browser, &asked, None)),
        Err(bad) => browser.answer(error::request(&bad.to_string())),
    }
}

fn show(browser: &Browser, typed: &Params, fault: Option<&str>) -> Response {
    let text = |name: &str| typed.get(name).unwrap_or_default().to_owned();
    let status = if fault.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let form = ForgotPage {
        csrf: browser.csrf(),
        sms: typed.get("via") == Some("sms"),
        identifier: text("username"),
        organisation_slug: text("organization"),
        error: fault.map(str::to_owned),
    };
    page(status, &form)
}

/// `POST /forgot`. A parameter that is there twice is refused before anything is looked at (E4).
pub async fn post(
    State(app): State<App>,
    browser: Browser,
    id: RequestId,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = match caller::form(&headers, &body) {
        Ok(form) => form,
        Err(bad) => return error::request(&bad.description),
    };
    if !browser.posted_here(&headers, &form) {
        return error::forbidden();
    }
    let identifier = form.get("username").unwrap_or_default().trim();
    if identifier.is_empty() {
        return browser.answer(show(&browser, &form, Some("Enter your username, e-mail or phone number.")));
    }
    if identifier.len() > 320 || identifier.contains(char::is_control) {
        let fault = "This is no username, e-mail or phone number.";
        return browser.answer(show(&browser, &Params::default(), Some(fault)));
    }
    match send(&app, &browser, id, identifier, &form).await {
        Ok(Asked::Done) => {
            let life = minutes(app.config.passwords.reset_minutes);
            browser.answer(page(StatusCode::OK, &ForgotDonePage { life }))
        }
        Ok(Asked::Paused { seconds }) => browser.answer(error::too_many(seconds)),
        Err(fault) => browser.answer(error::of_fault(fault)),
    }
}

async fn send(app: &App, browser: &Browser, id: RequestId, identifier: &str, form: &Params) -> Result<Asked, Fault> {
    let typed = form.get("organization").unwrap_or_default();
    let context = sign_in::context(&mut app.db.read().await?, typed).await?;
    let by = if form.get("via") == Some("sms") { By::Sms } else { By::Mail };
    ask(app, identifier, context, by, &origin(browser, id)).await
}

/// A length of time in words.
fn minutes(many: i64) -> String {
    match (many / 60, many % 60) {
        (1, 0) => "an hour".to_owned(),
        (hours, 0) => format!("{hours} hours"),
        _ => format!("{many} minutes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_told_in_the_unit_that_fits() {
        let told = [15, 30, 60, 90, 1440].map(minutes);
        assert_eq!(told, ["15 minutes", "30 minutes", "an hour", "90 minutes", "24 hours"]);
    }
}
