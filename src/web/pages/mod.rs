//! Pages for people: server-rendered, every act a link or a form, nothing that needs a script but passkeys.

pub mod admin;
pub mod assets;
pub mod consent;
pub mod device;
pub mod email;
pub mod error;
pub mod factor;
pub mod factor_setup;
pub mod files;
pub mod forgot;
pub mod identities;
pub mod invite;
pub mod locked;
pub mod me;
pub mod my;
pub mod my_invitations;
pub mod my_password;
pub mod my_profile;
pub mod passkey;
pub mod password_change;
pub mod register;
pub mod reset;
pub mod sealed;
pub mod select_org;
pub mod setup;
pub mod sign_in;
pub mod upstream;
pub mod upstream_trial;
pub mod view;
pub mod welcome;

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use view::Page;

/// A page with its status.
pub fn page(status: StatusCode, page: &impl Page) -> Response {
    (status, Html(page.render_page())).into_response()
}
