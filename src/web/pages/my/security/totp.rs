//! `/me/security/totp`: setting up an app that shows codes: a picture, the same as text, and two codes to be sure.

use axum::extract::State;
use axum::response::Response;

use super::{after, take_over, told};
use crate::app::App;
use crate::flows::factors::totp::{self, Begun};
use crate::flows::factors::{NotDone, Who};
use crate::store::cookies::Facts;
use crate::web::extract::browser::Browser;
use crate::web::pages::me::{Posted, enter};
use crate::web::pages::my::Told;
use crate::web::pages::password_change::private;
use crate::web::pages::view::my_security::TotpPage;
use crate::web::pages::{factor, page};

const PAGE: &str = "/me/security/totp";
/// What is said of codes that are none.
const WRONG: &str = "Those aren't two codes of your app, one after the other. Check that your phone's clock is right, and \
                     type the next two.";

/// `GET /me/security/totp`.
pub async fn get(State(app): State<App>, browser: Browser) -> Response {
    let facts = match enter(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    if let Some(response) = factor::may_keep(&app, &browser, &facts, PAGE).await {
        return response;
    }
    begin(&app, &browser, &facts, Told::default()).await
}

/// `POST /me/security/totp`: binds the app with two codes.
pub async fn post(State(app): State<App>, posted: Posted) -> Response {
    let Posted { mut browser, form, origin } = posted;
    let facts = match enter(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    let begun = form.get("begun").unwrap_or_default();
    let codes = (form.get("code").unwrap_or_default(), form.get("next_code").unwrap_or_default());
    match totp::confirm(&app, Who::SignedIn(&facts), begun, codes, browser.binding(), &origin).await {
        Ok(enrolled) => match take_over(&app, &mut browser, facts, enrolled.method).await {
            Ok(()) => {
                let done = if enrolled.replaced { "moved" } else { "totp" };
                browser.answer(after(&app, &browser, enrolled, done))
            }
            Err(response) => browser.answer(response),
        },
        Err(why) => again(&app, &browser, &facts, why, begun).await,
    }
}

/// The page again: with the same key where that can be, so that what was scanned stays good.
async fn again(app: &App, browser: &Browser, facts: &Facts, why: NotDone, begun: &str) -> Response {
    let told = match told(app, browser, facts, why, (WRONG, PAGE)).await {
        Ok(told) => told,
        Err(response) => return response,
    };
    match totp::reopen(app, &facts.user, begun, browser.binding()) {
        Some(begun) => show(browser, begun, told),
        None => begin(app, browser, facts, told).await,
    }
}

async fn begin(app: &App, browser: &Browser, facts: &Facts, told: Told) -> Response {
    match totp::begin(app, &facts.user, browser.binding()).await {
        Ok(begun) => show(browser, begun, told),
        Err(why) => super::again(app, browser, facts, why, WRONG).await,
    }
}

fn show(browser: &Browser, begun: Begun, told: Told) -> Response {
    let view = TotpPage {
        csrf: browser.csrf(),
        begun: begun.sealed,
        secret: begun.secret,
        uri: begun.uri,
        svg: begun.svg,
        moves: begun.moves,
        error: told.fault,
    };
    browser.answer(private(page(told.status, &view)))
}
