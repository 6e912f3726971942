//! `/me/security/passkey`: adding a passkey. The one page of these that needs a script: only it can ask the browser.

use axum::extract::State;
use axum::response::Response;

use super::{after, take_over, told};
use crate::app::App;
use crate::domain::people::browser::device;
use crate::flows::factors::{PasskeyAnswer, Who, passkey};
use crate::store::cookies::Facts;
use crate::web::extract::browser::Browser;
use crate::web::pages::me::{Posted, enter};
use crate::web::pages::my::Told;
use crate::web::pages::view::my_security::PasskeyPage;
use crate::web::pages::{factor, page};

const PAGE: &str = "/me/security/passkey";
/// What is said of an answer that does not verify.
const WRONG: &str = "Your browser's answer can't be used. Try again, or use another device.";

/// `GET /me/security/passkey`.
pub async fn get(State(app): State<App>, browser: Browser) -> Response {
    let facts = match enter(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    if let Some(response) = factor::may_keep(&app, &browser, &facts, PAGE).await {
        return response;
    }
    let name = device(&browser.user_agent);
    begin(&app, &browser, &facts, (name, Told::default())).await
}

/// `POST /me/security/passkey`: adds what the browser answered.
pub async fn post(State(app): State<App>, posted: Posted) -> Response {
    let Posted { mut browser, form, origin } = posted;
    let facts = match enter(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    let answer = PasskeyAnswer {
        challenge: form.get("challenge").unwrap_or_default(),
        response: form.get("response").unwrap_or_default(),
    };
    let name = form.get("name").unwrap_or_default();
    match passkey::confirm(&app, Who::SignedIn(&facts), answer, name, browser.binding(), &origin).await {
        Ok(enrolled) => match take_over(&app, &mut browser, facts, enrolled.method).await {
            Ok(()) => browser.answer(after(&app, &browser, enrolled, "passkey")),
            Err(response) => browser.answer(response),
        },
        Err(why) => match told(&app, &browser, &facts, why, (WRONG, PAGE)).await {
            Ok(told) => begin(&app, &browser, &facts, (name.to_owned(), told)).await,
            Err(response) => response,
        },
    }
}

/// The page, with a challenge of its own.
async fn begin(app: &App, browser: &Browser, facts: &Facts, (name, told): (String, Told)) -> Response {
    match passkey::begin(app, &facts.user, browser.binding()).await {
        Ok(challenge) => {
            let view = PasskeyPage {
                csrf: browser.csrf(),
                challenge: challenge.id.into_string(),
                options: challenge.options,
                name,
                error: told.fault,
            };
            browser.answer(page(told.status, &view))
        }
        Err(why) => super::again(app, browser, facts, why, WRONG).await,
    }
}
