//! What a connection's client asks by SCIM: who it is, what it reads and what it writes.
//!
//! HTTP stays in `web/scim`, and what a message means in `domain/scim`. Every write goes through the one door with the
//! connection as its actor; a connection sees what it owns and nothing else.

pub mod adopt;
pub mod authenticate;
pub mod bulk;
mod candidates;
mod cursor;
pub mod expiring;
pub mod guard;
pub mod held;
pub mod log;
pub mod read;
pub mod refused;
mod shown;
mod wanted_members;
pub mod write;

use crate::app::App;
use crate::domain::change::{Actor, Origin};
use crate::domain::connection::ScimProfile;
use crate::kernel::id::ScimCredentialId;
use crate::store::connections::Connection;

/// Where the SCIM endpoints stand, below the issuer.
pub const PATH: &str = "/scim/v2";

/// Who asks: a connection, by one of its credentials, from somewhere.
#[derive(Clone, Debug)]
pub struct Asking {
    /// The connection.
    pub connection: Connection,
    /// What its client showed.
    pub credential: ScimCredentialId,
    /// Where the request came from.
    pub origin: Origin,
}

impl Asking {
    /// The connection as the door knows it.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::Connection { org: self.connection.org.clone(), connection: self.connection.id.clone() }
    }

    /// The address that locations begin with.
    #[must_use]
    pub fn base(&self, app: &App) -> String {
        app.url(PATH)
    }

    /// How the connection's client speaks.
    #[must_use]
    pub const fn profile(&self) -> ScimProfile {
        self.connection.profile
    }
}
