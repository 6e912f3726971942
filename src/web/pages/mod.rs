//! Pages for people: server-rendered, every act a link or a form, nothing that needs a script.

pub mod assets;
pub mod consent;
pub mod device;
pub mod error;
pub mod files;
pub mod me;
pub mod sealed;
pub mod select_org;
pub mod setup;
pub mod sign_in;
pub mod view;

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use view::Page;

/// A page with its status.
pub fn page(status: StatusCode, page: &impl Page) -> Response {
    (status, Html(page.render_page())).into_response()
}
