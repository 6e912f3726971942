//! Who may open the pages of groups and of access keys, and who may post their forms.
//!
//! Whoever may see groups may ask for a role to be given or taken: how far that reaches is for the door to say.

use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::response::Response;

use super::{Asked, Desk};
use crate::app::App;
use crate::web::pages::admin::form::Form;

/// The permission to see groups.
const READ: &str = "groups.read";
/// The permission to change them.
const WRITE: &str = "groups.write";

entrances! {
    pages {
        /// Somebody who may see groups.
        Seeing = READ, "see groups";
        /// Somebody who may change groups.
        Keeping = WRITE, "change groups";
    }
    forms {
        /// A form that was posted from one of our pages by somebody who may change groups.
        Posted = by WRITE, "change groups";
        /// The same, of somebody who has just proven who they are: with a group people get its roles, and lose them.
        Moving = freshly_by WRITE, "change groups";
        /// A form that was posted from one of our pages by somebody who may see groups, and asks to give or to take roles.
        Giving = freshly_by READ, "see groups";
    }
}

/// Somebody who may see every access key of the organisation.
pub struct SeeingKeys(pub Desk);

/// Whether somebody may see every access key: readers may where the organisation says so.
#[must_use]
pub fn sees_keys(desk: &Desk) -> bool {
    desk.may("keys.read") || (desk.settings.readers_see_keys && desk.may("org.read"))
}

impl<S> FromRequestParts<S> for SeeingKeys
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let desk = Desk::from_request_parts(parts, state).await?;
        if !sees_keys(&desk) {
            desk.needs("keys.read", "see the access keys of others", &Asked::of(parts)).await?;
        }
        Ok(Self(desk))
    }
}
