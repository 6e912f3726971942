//! Who may open the pages on which people are registered and invited, and who may post their forms: somebody who has proven
//! lately who they are, since whoever comes may be given access.

use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::response::Response;

use super::{Desk, Inviting, Posted};
use crate::app::App;
use crate::web::pages::admin::form::Form;
use crate::web::pages::factor;
use crate::web::pages::view::admin::{Here, KeptPage};

entrances! {
    pages {}
    forms {
        /// A form that was posted from a page that opened for [`Bringing`]. Whoever took longer than a proof lasts proves it
        /// again, and loses nothing of what they typed but a password.
        Bring = keeping_by "users.invite", "register and invite people";
    }
}

impl Posted {
    /// As [`Self::freshly_by`]; but the answer to whoever has not proven it lately is a page that keeps what they typed, with
    /// the way to prove it beside it.
    ///
    /// # Errors
    /// As there, with that page.
    pub async fn keeping_by(self, word: &str, to: &str) -> Result<(Desk, Form), Response> {
        let (from, path) = (self.from.clone(), self.asked.path.clone());
        let (desk, form) = self.by(word, to).await?;
        let Some(facts) = desk.browser.facts.as_ref() else {
            return Ok((desk, form));
        };
        match factor::way_to_prove(&desk.app, &desk.browser, facts, &from).await {
            Ok(None) => Ok((desk, form)),
            Ok(Some(way)) => Err(desk.show(StatusCode::FORBIDDEN, &kept(&desk, &form, path, way))),
            Err(fault) => Err(desk.failed(fault)),
        }
    }
}

/// What was typed, to be sent again: without the token, which the page has itself, and without passwords.
fn kept(desk: &Desk, form: &Form, action: String, prove: String) -> KeptPage {
    let is_secret = |name: &str| name.contains("password");
    let stays = |(name, _): &(&str, &str)| *name != "csrf" && !is_secret(name);
    KeptPage {
        shell: desk.shell(Here::People, &[]),
        action,
        prove,
        loses_password: form.pairs().any(|(name, value)| is_secret(name) && !value.is_empty()),
        fields: form.pairs().filter(stays).map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
    }
}

/// Somebody who may register and invite people, and has just proven who they are: whoever comes may be given access.
pub struct Bringing(pub Desk);

impl<S> FromRequestParts<S> for Bringing
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let Inviting(desk) = Inviting::from_request_parts(parts, state).await?;
        let back = parts.uri.path_and_query().map_or_else(|| parts.uri.path(), PathAndQuery::as_str);
        match desk.owes(back).await {
            None => Ok(Self(desk)),
            Some(response) => Err(response),
        }
    }
}
