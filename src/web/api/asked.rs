//! Who asks, where, and how far they reach: what the gate has found out, for the handlers.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::problem::Problem;
use crate::domain::access::reach::Reach;
use crate::domain::change::{Actor, Origin};
use crate::domain::granted::Authentication;
use crate::domain::settings::OrgSettings;
use crate::kernel::id::{EntryId, MembershipId, OrgId, ProjectId, UserId};
use crate::store::memberships::Membership;

/// A request that has passed the gate.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who.
    pub actor: Actor,
    /// The account.
    pub user: UserId,
    /// The organisation of the token; `None` for the operator's.
    pub token_org: Option<OrgId>,
    /// The session entry that the token came from; `None` for a tool.
    pub entry: Option<EntryId>,
    /// How and when the person signed in; `None` for a tool.
    pub authentication: Option<Authentication>,
    /// Where it came from.
    pub origin: Origin,
    /// What the path names.
    pub place: Place,
}

/// What a path names, found and visible to whoever asks.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The organisation, with where the caller stands in it.
    pub org: Option<Room>,
    /// The project.
    pub project: Option<ProjectId>,
    /// The member.
    pub member: Option<Membership>,
}

/// An organisation, and where the caller stands in it.
#[derive(Clone, Debug)]
pub struct Room {
    /// The organisation.
    pub id: OrgId,
    /// How far the caller reaches.
    pub reach: Reach,
    /// The caller's own membership; `None` for the operator.
    pub own: Option<MembershipId>,
    /// The organisation's settings.
    pub settings: OrgSettings,
}

impl Asked {
    /// The organisation of the path.
    ///
    /// # Errors
    /// The route names none.
    pub fn room(&self) -> Result<&Room, Problem> {
        self.place.org.as_ref().ok_or_else(|| Problem::not_found("The organisation"))
    }

    /// The project of the path.
    ///
    /// # Errors
    /// The route names none.
    pub fn project(&self) -> Result<&ProjectId, Problem> {
        self.place.project.as_ref().ok_or_else(|| Problem::not_found("The project"))
    }

    /// The member of the path.
    ///
    /// # Errors
    /// The route names none.
    pub fn member(&self) -> Result<&Membership, Problem> {
        self.place.member.as_ref().ok_or_else(|| Problem::not_found("The user"))
    }

    /// Whether a tool asks.
    #[must_use]
    pub const fn is_tool(&self) -> bool {
        matches!(self.actor, Actor::Tool(_))
    }

    /// Whether the operator asks.
    #[must_use]
    pub const fn is_operator(&self) -> bool {
        matches!(self.actor, Actor::Operator(_))
    }
}

/// Put there by the gate before any handler runs.
impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::not_found("The resource"))
    }
}

/// How a write is to be done.
#[derive(Clone, Debug, Default)]
pub struct How {
    /// The tag that the object must still have.
    pub if_match: Option<String>,
    /// Whether it is only to be told what would happen.
    pub dry_run: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for How {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}
