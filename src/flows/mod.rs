//! The deeds: one file for each, load → decide → write → enqueue. Whatever edge asks, it asks here.

pub mod accept_invitation;
pub mod accept_token;
pub mod access_key;
pub mod activity;
pub mod adoptable;
pub mod alarm;
pub mod apply_file;
pub mod audit;
pub mod authenticate_client;
pub mod authorize;
pub mod bootstrap;
pub mod change_access;
pub mod change_password;
pub mod client_credentials;
pub mod console_entry;
pub mod deliveries;
pub mod device;
pub mod domains;
pub mod end_sessions;
pub mod entering;
pub mod exchange_code;
pub mod expired;
pub mod export;
pub mod factors;
pub mod federation;
pub mod feed;
pub mod find_application;
pub mod forgotten;
pub mod give_password;
pub mod guard;
pub mod halfway;
pub mod invitations;
pub mod invite;
pub mod issue;
pub mod links;
pub mod mailing;
pub mod my_access;
pub mod my_applications;
pub mod my_sessions;
pub mod new_password;
pub mod note_use;
pub mod notices;
pub mod own_account;
pub mod reach;
pub mod record_tokens;
pub mod refresh;
pub mod register;
pub mod repeatable;
pub mod restored;
pub mod revoke;
pub mod rotate_keys;
pub mod scim;
pub mod self_register;
pub mod set_password;
pub mod sign_in;
pub mod sign_out;
pub mod simulate;
pub mod step_up;
pub mod streams;
pub mod tell;
pub mod userinfo;
pub mod webhook;

use crate::domain::oauth::error::{ErrorCode, OAuthError};
use crate::outside::hasher::Busy;
use crate::outside::keyring::KeyError;

/// What the protocol's flows fail with: an answer in the protocol's own words, or something that is ours to mend.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The caller's doing.
    #[error("{}", .0.description)]
    OAuth(OAuthError),
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] sqlx::Error),
    /// No key signs.
    #[error("no key signs: {0}")]
    Keys(#[from] KeyError),
    /// Too many passwords wait to be hashed.
    #[error("try again in {} seconds", .0.retry_after_secs)]
    Busy(Busy),
    /// Too much was tried from there.
    #[error("try again in {seconds} seconds")]
    Paused {
        /// When to come back.
        seconds: i64,
    },
}

impl Fault {
    /// The same, where many ask at once: that no connection came free in time is not the database's failure, but a crowd.
    #[must_use]
    pub fn in_a_crowd(self) -> Self {
        match self {
            Self::Store(sqlx::Error::PoolTimedOut) => Self::Busy(Busy { retry_after_secs: 5 }),
            other => other,
        }
    }
}

impl From<OAuthError> for Fault {
    fn from(error: OAuthError) -> Self {
        Self::OAuth(error)
    }
}
impl From<Busy> for Fault {
    fn from(busy: Busy) -> Self {
        Self::Busy(busy)
    }
}

/// One answer for every grant that is not honoured, whatever the reason.
fn invalid_grant() -> Fault {
    OAuthError::new(ErrorCode::InvalidGrant, "the grant is not valid any more").into()
}
