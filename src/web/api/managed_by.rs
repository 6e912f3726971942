//! Which connection keeps a person or a group, as the answers of several resources show it.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use crate::domain::people::user::UserState;
use crate::domain::source::Source;
use crate::kernel::id::ConnectionId;
use crate::store::connections::{self, Connection};
use crate::store::db::Conn;
use crate::store::federation::upstreams;

/// The connection that keeps something: it alone changes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ManagedBy {
    /// The connection's id.
    pub connection_id: String,
    /// Its name.
    pub name: String,
    /// Where its administrators change things, if the organisation said so.
    pub admin_url: Option<String>,
    /// Where the rules stand by which its people come into groups, if there are any: a path of this API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<String>,
}

/// A connection by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ConnectionName {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
}

impl From<&Connection> for ConnectionName {
    fn from(connection: &Connection) -> Self {
        Self { id: connection.id.to_string(), name: connection.name.clone() }
    }
}

/// Who keeps what: the connections that some things come from.
#[derive(Debug, Default)]
pub struct Keepers(BTreeMap<String, ManagedBy>);

impl Keepers {
    /// Looks the connections up, each once.
    ///
    /// # Errors
    /// The database's.
    pub async fn of(conn: &mut Conn, sources: &[&Source]) -> Result<Self, Problem> {
        let mut found = BTreeMap::new();
        for id in sources.iter().filter_map(|source| source.connection()) {
            if found.contains_key(id) {
                continue;
            }
            let connection_id = ConnectionId::trusted(id.to_owned());
            let connection = connections::by_id(conn, &connection_id).await?;
            let sign_in = upstreams::by_id(conn, &connection_id).await?.filter(|found| found.mapping.on);
            let mapping =
                sign_in.map(|found| format!("/api/v1/orgs/{}/connections/{id}/mapping", found.connection.org));
            let (name, admin_url) = match connection {
                Some(connection) => (connection.name, connection.settings.admin_url),
                None => (id.to_owned(), None),
            };
            found.insert(id.to_owned(), ManagedBy { connection_id: id.to_owned(), name, admin_url, mapping });
        }
        Ok(Self(found))
    }

    /// Who keeps what comes from this source; nobody where it is kept here.
    #[must_use]
    pub fn keeper(&self, source: &Source) -> Option<ManagedBy> {
        self.0.get(source.connection()?).cloned()
    }
}

/// Whether a connection says that an account is active; `None` for an account that none keeps. A suspension of the
/// organisation's own stands beside it, on the membership.
#[must_use]
pub const fn upstream_active(source: &Source, state: UserState) -> Option<bool> {
    match source {
        Source::Scim(_) | Source::Oidc(_) => Some(!matches!(state, UserState::Deactivated)),
        Source::Local | Source::System | Source::Invitation(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // K11
    #[test]
    fn only_a_connections_account_has_an_upstream_flag_and_only_upstream_clears_it() {
        let okta = Source::Scim("con_1".to_owned());
        assert_eq!(upstream_active(&okta, UserState::Deactivated), Some(false));
        assert_eq!(upstream_active(&okta, UserState::Active), Some(true));
        assert_eq!(upstream_active(&Source::Oidc("con_1".to_owned()), UserState::Deactivated), Some(false));
        assert_eq!(upstream_active(&Source::Local, UserState::Active), None);
    }
}
