//! Style sheet, script and pictures, under addresses that change with their content; and the help page.

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::view::HelpPage;
use super::{assets, error, page};

/// `GET /assets/{hash}/{name}`.
pub async fn get(Path((hash, name)): Path<(String, String)>) -> Response {
    match assets::get(&hash, &name) {
        Some((mime, bytes)) => {
            let age = HeaderValue::from_static("public, max-age=31536000, immutable");
            ([(header::CONTENT_TYPE, HeaderValue::from_static(mime)), (header::CACHE_CONTROL, age)], bytes)
                .into_response()
        }
        None => error::not_found().await,
    }
}

/// `GET /help`.
pub async fn help() -> Response {
    page(StatusCode::OK, &HelpPage)
}
