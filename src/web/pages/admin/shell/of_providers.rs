//! Who may open the pages of identity providers, and who may post their forms: as the API has it.
//!
//! A sign-in decides who gets in, and its mapping who holds what. So whoever manages identities only reaches the forms, and
//! the door wants an administrator of the whole organisation besides: such a one alone is shown them.

use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::response::Response;

use super::{Asked, Desk};
use crate::app::App;
use crate::domain::access::reach::Reach;
use crate::domain::access::{Role, Scope};
use crate::web::pages::admin::form::Form;

/// The permission to see connections.
const READ: &str = "connections.read";
/// The permission to set them up.
const WRITE: &str = "connections.write";

entrances! {
    pages {
        /// Somebody who may see connections.
        Seeing = READ, "see identity providers";
    }
    forms {
        /// A form that was posted from one of our pages by somebody who may set connections up.
        Posted = freshly_by WRITE, "set identity providers up";
    }
}

/// Whether somebody may see connections.
#[must_use]
pub fn sees(desk: &Desk) -> bool {
    desk.may(READ)
}

/// Whether the door would let somebody set connections up.
#[must_use]
pub fn sets_up(desk: &Desk) -> bool {
    let administers = match &desk.reach {
        Reach::Whole => true,
        Reach::Member { grants, .. } => grants.holds(&Role::OrgAdmin, &Scope::Org),
    };
    administers && desk.may(WRITE)
}

/// The page of a connection's mapping, for whoever may open it.
#[must_use]
pub fn mapping_page(desk: &Desk, connection: &str) -> Option<String> {
    sees(desk).then(|| desk.path(&format!("identity-providers/{connection}/mapping")))
}
