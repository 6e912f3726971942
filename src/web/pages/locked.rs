//! That sign-in to an account is paused: shown to whoever knew its password, and where the mail about it leads.

use axum::http::StatusCode;
use axum::response::Response;

use super::view::factors::LockedPage;
use super::{me, page};
use crate::domain::people::lockout::FOREVER;
use crate::kernel::time::UnixMillis;
use crate::web::extract::browser::Browser;

/// The page, with the moment until when, unless it is for somebody to open.
#[must_use]
pub fn show(until: UnixMillis) -> Response {
    let until = (until < FOREVER).then(|| me::date(until));
    page(StatusCode::FORBIDDEN, &LockedPage { until })
}

/// `GET /login/locked`: what it means. It says nothing of any account.
pub async fn get(browser: Browser) -> Response {
    browser.answer(page(StatusCode::OK, &LockedPage { until: None }))
}
