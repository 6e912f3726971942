//! Who may open the pages on which people are registered and invited, and who may post their forms: somebody who has proven
//! lately who they are, since whoever comes may be given access.

use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::response::Response;

use super::{Desk, Inviting};
use crate::app::App;
use crate::domain::people::assurance;
use crate::web::pages::admin::form::Form;

entrances! {
    pages {}
    forms {
        /// A form that was posted from a page that opened for [`Bringing`]; it may take an hour to be filled in.
        Bring = lately_by "users.invite", "register and invite people";
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
        match desk.owes(back, assurance::FRESH).await {
            None => Ok(Self(desk)),
            Some(response) => Err(response),
        }
    }
}
