//! What an authorization gave: the content of a code and of the token family that comes from it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::oauth::pkce::Challenge;
use super::oauth::scope::Scopes;
use super::oidc::claims::ClaimsRequest;
use super::people::assurance::Method;
use crate::kernel::id::{ApplicationId, EntryId, MembershipId, OrgId, UserId};
use crate::kernel::time::UnixMillis;

/// How and when the person proved who they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authentication {
    /// When.
    pub time: UnixMillis,
    /// The level reached.
    pub acr: String,
    /// By what means (RFC 8176).
    pub amr: Vec<String>,
    /// By what means, in our own words, by which it is judged: one word of `amr` can mean several of them. Empty in what was
    /// given before there were any.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub methods: BTreeSet<Method>,
}

/// What a person allowed an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// Scopes.
    pub scopes: Scopes,
    /// The `claims` parameter.
    pub claims: ClaimsRequest,
    /// The request's nonce, for the ID token.
    pub nonce: Option<String>,
    /// The sign-in.
    pub authentication: Authentication,
    /// The one project that the tokens are for.
    pub project: Option<String>,
    /// The resource that the access tokens are for (RFC 8707).
    pub resource: Option<String>,
}

/// Whose tokens they are, and within what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// The application.
    pub application: ApplicationId,
    /// The person.
    pub user: UserId,
    /// The organisation and the membership in it; `None` for an application that allows people without one.
    pub member: Option<(OrgId, MembershipId)>,
    /// The session entry's id, the `sid` claim.
    pub sid: EntryId,
    /// The membership's epoch when the code was made; 0 without a membership.
    pub epoch: i64,
}

/// An authorization code's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeContent {
    /// Whose.
    pub holding: Holding,
    /// What.
    pub granted: Granted,
    /// Where it was sent, byte for byte.
    pub redirect_uri: String,
    /// The PKCE challenge, if there was one.
    pub challenge: Option<Challenge>,
}
