//! `/me/…`: what somebody who is signed in sees and does of their own account, each page an address of its own.
//!
//! Whatever is done is checked again by the flow that does it. What lets somebody in (a new key, a new factor) asks for a
//! proof that is at most ten minutes old; what only shuts out doesn't.

pub mod access;
pub mod activity;
pub mod applications;
pub mod keys;
pub mod organisations;
pub mod security;
pub mod sessions;

use axum::http::StatusCode;
use axum::response::Response;

use super::{error, factor, page};
use crate::app::App;
use crate::domain::oauth::params::Params;
use crate::domain::people::assurance::Level;
use crate::flows::{Fault, factors};
use crate::store::cookies::Facts;
use crate::web::extract::browser::Browser;
use crate::web::oidc::reply;
use crate::web::pages::view::Page;

/// What a page says besides what it shows.
#[derive(Default)]
pub(super) struct Told {
    /// With which status it goes out.
    pub status: StatusCode,
    /// What was done.
    pub done: Option<String>,
    /// What went wrong.
    pub fault: Option<String>,
}

impl Told {
    /// Something went wrong.
    pub fn fault(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, fault: Some(text.into()), ..Self::default() }
    }

    /// What was done, by its word in the address.
    pub fn done(query: Option<&str>, words: &[(&str, &str)]) -> Self {
        let asked = asked(query, "done");
        let found = words.iter().find(|(word, _)| asked.as_deref() == Some(*word));
        Self { done: found.map(|(_, text)| (*text).to_owned()), ..Self::default() }
    }
}

/// A parameter of an address.
pub(super) fn asked(query: Option<&str>, name: &str) -> Option<String> {
    Params::from_query(query.unwrap_or_default()).unwrap_or_default().get(name).map(str::to_owned)
}

/// What stands before something that asks for the password anyway: whoever has more than a password must have shown it
/// lately, too. `None` for whoever did, and for whoever has none.
pub(super) async fn stronger(app: &App, browser: &Browser, facts: &Facts, back: &str) -> Option<Response> {
    let needs = match app.db.read().await {
        Ok(mut conn) => factors::needs(&mut conn, &facts.user).await,
        Err(fault) => Err(fault),
    };
    match needs {
        Ok(Level::Password) => None,
        Ok(_) => factor::fresh(app, browser, facts, back).await,
        Err(fault) => Some(browser.answer(error::of_fault(fault.into()))),
    }
}

/// A page that was read, or what stands in its place: `None` is somebody who isn't there any more.
pub(super) fn shown<P: Page>(browser: &Browser, status: StatusCode, view: Result<Option<P>, Fault>) -> Response {
    browser.answer(match view {
        Ok(Some(view)) => page(status, &view),
        Ok(None) => reply::see_other("/login"),
        Err(fault) => error::of_fault(fault),
    })
}
