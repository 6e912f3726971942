//! Recovery codes: shown once, as a page and as a file, and made anew.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::domain::change::Origin;
use crate::flows::factors::recovery;
use crate::kernel::time::{MINUTE, UnixMillis};
use crate::store::cookies::Facts;
use crate::web::extract::browser::Browser;
use crate::web::pages::me::{Posted, enter};
use crate::web::pages::password_change::private;
use crate::web::pages::view::my_security::{AskPage, CodesPage};
use crate::web::pages::{error, factor, page};

const PAGE: &str = "/me/security/codes";
const PURPOSE: &str = "my.codes";
/// How long codes can be downloaded, in milliseconds.
const LIFE: i64 = 10 * MINUTE;

/// Codes on their way through the browser as a file.
#[derive(Serialize, Deserialize)]
struct File {
    made: UnixMillis,
    text: String,
}

/// `GET /me/security/codes`: the question before codes are made anew.
pub async fn get(State(app): State<App>, browser: Browser) -> Response {
    let facts = match enter(&app, &browser).await {
        Ok(facts) => facts,
        Err(response) => return response,
    };
    if let Some(response) = factor::may_keep(&app, &browser, &facts, PAGE).await {
        return response;
    }
    let view = AskPage {
        csrf: browser.csrf(),
        title: "Make new recovery codes?".to_owned(),
        text: "You get ten new ones, and those that you have don't work any more.".to_owned(),
        act: "codes",
        which: String::new(),
        button: "Make new codes",
    };
    browser.answer(page(StatusCode::OK, &view))
}

/// `POST /me/security/codes/download`: the codes as a file, kept by nobody on the way.
pub async fn download(State(app): State<App>, posted: Posted) -> Response {
    let Posted { browser, form, .. } = posted;
    if let Err(response) = enter(&app, &browser).await {
        return response;
    }
    let opened = browser.open(PURPOSE, form.get("file").unwrap_or_default());
    let file: Option<File> = opened.and_then(|text| serde_json::from_str(&text).ok());
    let Some(file) = file.filter(|file| app.now().since(file.made) < LIFE) else {
        return browser.answer(error::expired());
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"recovery-codes.txt\"")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    browser.answer((StatusCode::OK, headers, file.text).into_response())
}

/// Makes them anew.
pub(super) async fn renew(app: &App, browser: &Browser, facts: &Facts, origin: &Origin) -> Response {
    match recovery::renew(app, facts, origin).await {
        Ok((_, codes)) => browser.answer(shown_once(app, browser, codes, "")),
        Err(why) => super::again(app, browser, facts, why, "").await,
    }
}

/// The page that shows codes, this once.
pub(super) fn shown_once(app: &App, browser: &Browser, codes: Vec<String>, done: &'static str) -> Response {
    let text = format!("Recovery codes for {}\n\n{}\n", app.issuer(), codes.join("\n"));
    let file = serde_json::to_string(&File { made: app.now(), text }).unwrap_or_default();
    let view = CodesPage { csrf: browser.csrf(), done, codes, file: browser.seal(PURPOSE, &file) };
    private(page(StatusCode::OK, &view))
}
