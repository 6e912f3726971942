//! The pages of an organisation's administrators, under `/o/{slug}/admin`: people, how they come in, and their invitations.
//!
//! Everything is a link or a form; nothing needs a script. Who is asking and how far they reach is read once, by `shell`;
//! what is done goes through the same flows as the API's calls, and the door decides.

mod access;
pub mod access_keys;
pub mod bulk;
pub mod download;
mod form;
pub mod groups;
pub mod identity_providers;
pub mod invitations;
pub mod invite;
mod invitees;
mod moments;
pub mod people;
pub mod person;
pub mod register;
mod shell;
mod wording;

use axum::response::Response;

use self::shell::Desk;
use crate::web::oidc::reply;

/// `GET /o/{slug}/admin`: to what may be seen first.
pub async fn root(desk: Desk) -> Response {
    let first = if desk.may("users.read") { "people" } else { "people/register" };
    desk.answer(reply::see_other(&desk.path(first)))
}
