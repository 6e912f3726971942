//! What people see when something can't go on: what happened and what to do, never what is inside.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::page;
use super::view::ErrorPage;
use crate::flows::Fault;

fn show(status: StatusCode, title: &str, message: &str, code: Option<&str>) -> Response {
    let body = ErrorPage {
        title: title.to_owned(),
        message: message.to_owned(),
        code: code.map(str::to_owned),
        trace: None,
        status: status.as_u16(),
    };
    page(status, &body)
}

/// A request that an application made wrongly; it stays here, for its redirect can't be trusted.
#[must_use]
pub fn request(reason: &str) -> Response {
    show(StatusCode::BAD_REQUEST, "Request error", reason, Some("invalid_request"))
}

/// A form that doesn't come from one of our pages in this browser.
///
/// It sets no cookie: a POST from another site arrives without ours, and a new one would break the pages that stand
/// open here.
#[must_use]
pub fn forbidden() -> Response {
    let text = "This form was not sent from the page that it belongs to. Go back, reload the page and try again.";
    show(StatusCode::FORBIDDEN, "That didn't come from here", text, None)
}

/// A page that stood open too long, or belongs to another browser.
#[must_use]
pub fn expired() -> Response {
    let text = "This page has expired. Go back to the application and start again.";
    show(StatusCode::BAD_REQUEST, "Page expired", text, None)
}

/// A link that is not good (any more).
#[must_use]
pub fn dead_link() -> Response {
    show(StatusCode::NOT_FOUND, "This link doesn't work", "It has expired, was used, or was never valid.", None)
}

/// Too much was asked for; `seconds` until it may be again.
#[must_use]
pub fn too_many(seconds: i64) -> Response {
    let minutes = seconds.div_euclid(60) + i64::from(seconds.rem_euclid(60) > 0);
    let wait = if minutes == 1 { "a minute".to_owned() } else { format!("{minutes} minutes") };
    let text = format!("Too much was asked for from here. Wait {wait}, then try again.");
    let mut response = show(StatusCode::TOO_MANY_REQUESTS, "Try again later", &text, None);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// No such page.
pub async fn not_found() -> Response {
    show(StatusCode::NOT_FOUND, "Page not found", "There is nothing at this address.", None)
}

/// Something of ours is down.
pub fn unavailable() -> Response {
    let text = "Something isn't working on our side. Try again in a moment.";
    let mut response = show(StatusCode::SERVICE_UNAVAILABLE, "Try again in a moment", text, None);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// A flow's fault as a page.
pub fn of_fault(fault: Fault) -> Response {
    match fault {
        Fault::OAuth(error) => request(&error.description),
        Fault::Busy(busy) => {
            let text = "Many people are signing in at the moment. Wait a few seconds and try again.";
            let mut response = show(StatusCode::TOO_MANY_REQUESTS, "Try again in a moment", text, None);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(busy.retry_after_secs));
            response.into_response()
        }
        Fault::Paused { seconds } => too_many(seconds),
        Fault::Store(error) => {
            tracing::error!(%error, "the database failed");
            unavailable()
        }
        Fault::Keys(error) => {
            tracing::error!(%error, "no key signs");
            unavailable()
        }
    }
}
