//! Connections, their clients' credentials, adoptions and domains, as an access edit writes them.

use super::{AccessEdit, Written};
use crate::domain::change::AdoptionDecision;
use crate::domain::connection::{ConnectionState, NewConnection, NewScimCredential};
use crate::domain::source::Source;
use crate::kernel::fold;
use crate::kernel::id::{AdoptionId, ConnectionId, DomainId, OrgId, ScimCredentialId};
use crate::store::connections;
use crate::store::db::{Result, corrupt};

impl AccessEdit<'_> {
    /// Makes a connection or replaces its settings; `Taken` when another of the organisation has the name.
    ///
    /// # Errors
    /// The database's.
    pub async fn put_connection(&mut self, new: &NewConnection) -> Result<Written> {
        if !self.orgs.contains_key(&new.org) {
            return Ok(Written::Missing);
        }
        let before = connections::by_id(self.tx, &new.id).await?;
        if before.as_ref().is_some_and(|before| before.org != new.org || before.state == ConnectionState::Deleted) {
            return Ok(Written::Missing);
        }
        let same = before.as_ref().is_some_and(|before| {
            before.name == new.name.trim()
                && before.profile == new.profile
                && before.local_grants == new.local_grants
                && before.settings == new.settings
        });
        if same {
            return Ok(Written::Already);
        }
        let settings = serde_json::to_string(&new.settings).map_err(|e| corrupt(&e.to_string()))?;
        let sql = if before.is_some() {
            "UPDATE connections SET name = $3, name_key = $4, profile = $5, local_grants = $6, settings = $7
             WHERE id = $1 AND org_id = $2 AND NOT EXISTS (SELECT 1 FROM connections o
               WHERE o.org_id = $2 AND o.name_key = $4 AND o.state <> 'deleted' AND o.id <> $1)"
        } else {
            "INSERT INTO connections (id, org_id, name, name_key, profile, local_grants, settings, state, user_count,
               group_count, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 'active', 0, 0, $8) ON CONFLICT DO NOTHING"
        };
        let at = self.at.0;
        let mut query = self
            .tx
            .query(sql)
            .bind(new.id.as_str().to_owned())
            .bind(new.org.as_str().to_owned())
            .bind(new.name.trim().to_owned())
            .bind(fold::key(&new.name))
            .bind(new.profile.as_str())
            .bind(new.local_grants)
            .bind(settings);
        if before.is_none() {
            query = query.bind(at);
        }
        Ok(Written::from_rows(query.execute().await?, Written::Taken))
    }

    /// Sets a connection's state. One that is deleted has no credentials and no secrets any more, and stays so.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_connection_state(
        &mut self,
        org: &OrgId,
        connection: &ConnectionId,
        state: ConnectionState,
    ) -> Result<Written> {
        match connections::find(self.tx, org, connection).await? {
            None => return Ok(Written::Missing),
            Some(found) if found.state == state => return Ok(Written::Already),
            Some(found) if found.state == ConnectionState::Deleted => return Ok(Written::Missing),
            Some(_) => {}
        }
        self.follow_state(org, connection, state).await?;
        if state == ConnectionState::Deleted {
            self.tx
                .query("DELETE FROM scim_credentials WHERE connection_id = $1")
                .bind(connection.as_str().to_owned())
                .execute()
                .await?;
            self.tx
                .query(
                    "UPDATE scim_held SET state = 'rejected', decided_at = $2, body = ''
                     WHERE connection_id = $1 AND state = 'held'",
                )
                .bind(connection.as_str().to_owned())
                .bind(self.at.0)
                .execute()
                .await?;
        }
        self.tx
            .query("UPDATE connections SET state = $2 WHERE id = $1")
            .bind(connection.as_str().to_owned())
            .bind(state.as_str())
            .execute()
            .await?;
        Ok(Written::Done)
    }

    /// Makes everything that a connection owned the organisation's own. Nobody's access changes by that.
    ///
    /// # Errors
    /// The database's.
    pub async fn release_connection(&mut self, org: &OrgId, connection: &ConnectionId) -> Result<Written> {
        if connections::find(self.tx, org, connection).await?.is_none() {
            return Ok(Written::Missing);
        }
        let mut rows = self.release_places(connection).await?;
        for sql in [
            "UPDATE users SET source = 'local' WHERE org_id = $1 AND source = $2",
            "UPDATE memberships SET source = 'local' WHERE org_id = $1 AND source = $2",
            "UPDATE group_members SET source = 'local' WHERE source = $2 AND group_id IN
               (SELECT g.id FROM groups g WHERE g.org_id = $1 AND g.source = $2)",
            "UPDATE groups SET source = 'local' WHERE org_id = $1 AND source = $2",
        ] {
            for source in [Source::Scim(connection.to_string()), Source::Oidc(connection.to_string())] {
                let query = self.tx.query(sql).bind(org.as_str().to_owned()).bind(source.to_string());
                rows += query.execute().await?;
            }
        }
        for sql in [
            "DELETE FROM scim_emails WHERE connection_id = $1",
            "DELETE FROM scim_users WHERE connection_id = $1",
            "DELETE FROM scim_groups WHERE connection_id = $1",
            "DELETE FROM scim_adoptions WHERE connection_id = $1",
            "DELETE FROM upstream_identities WHERE connection_id = $1",
            "UPDATE connections SET user_count = 0, group_count = 0
             WHERE id = $1 AND (user_count > 0 OR group_count > 0)",
        ] {
            rows += self.tx.query(sql).bind(connection.as_str().to_owned()).execute().await?;
        }
        Ok(Written::from_rows(rows, Written::Already))
    }

    /// Gives a connection's client a credential.
    ///
    /// # Errors
    /// The database's.
    pub async fn add_scim_credential(&mut self, org: &OrgId, new: &NewScimCredential) -> Result<Written> {
        let by = self.author().to_owned();
        let rows = self
            .tx
            .query(
                "INSERT INTO scim_credentials (id, connection_id, org_id, kind, name, secret_hash, created_at, created_by,
                   expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
            )
            .bind(new.id.as_str().to_owned())
            .bind(new.connection.as_str().to_owned())
            .bind(org.as_str().to_owned())
            .bind(new.kind.as_str())
            .bind(new.name.trim().to_owned())
            .bind(new.secret.to_vec())
            .bind(self.at.0)
            .bind(by)
            .bind(new.expires_at.0)
            .execute()
            .await?;
        Ok(Written::from_rows(rows, Written::Taken))
    }

    /// Takes a credential away; what was made from it is refused from then on.
    ///
    /// # Errors
    /// The database's.
    pub async fn remove_scim_credential(&mut self, org: &OrgId, credential: &ScimCredentialId) -> Result<Written> {
        let rows = self
            .tx
            .query("DELETE FROM scim_credentials WHERE id = $1 AND org_id = $2")
            .bind(credential.as_str().to_owned())
            .bind(org.as_str().to_owned())
            .execute()
            .await?;
        Ok(Written::from_rows(rows, Written::Missing))
    }

    /// Notes what was decided of an account that stands in a connection's way.
    ///
    /// # Errors
    /// The database's.
    pub async fn decide_adoption(
        &mut self,
        org: &OrgId,
        adoption: &AdoptionId,
        decision: AdoptionDecision,
    ) -> Result<Written> {
        let state = match decision {
            AdoptionDecision::Adopt => "adopted",
            AdoptionDecision::KeepApart => "kept_apart",
            AdoptionDecision::Reject => "rejected",
        };
        let by = self.author().to_owned();
        let rows = self
            .tx
            .query(
                "UPDATE scim_adoptions SET state = $3, decided_at = $4, decided_by = $5
                 WHERE id = $1 AND org_id = $2 AND state <> 'adopted' AND state <> $3",
            )
            .bind(adoption.as_str().to_owned())
            .bind(org.as_str().to_owned())
            .bind(state)
            .bind(self.at.0)
            .bind(by)
            .execute()
            .await?;
        Ok(Written::from_rows(rows, Written::Missing))
    }

    /// Names a domain that an organisation says is its own; `Taken` when it did so before.
    ///
    /// # Errors
    /// The database's.
    pub async fn add_domain(&mut self, org: &OrgId, id: &DomainId, name: &str, token: &str) -> Result<Written> {
        let rows = self
            .tx
            .query(
                "INSERT INTO org_domains (id, org_id, domain, state, token, created_at)
                 VALUES ($1, $2, $3, 'pending', $4, $5) ON CONFLICT DO NOTHING",
            )
            .bind(id.as_str().to_owned())
            .bind(org.as_str().to_owned())
            .bind(name.to_owned())
            .bind(token.to_owned())
            .bind(self.at.0)
            .execute()
            .await?;
        Ok(Written::from_rows(rows, Written::Taken))
    }

    /// Notes that a domain's record was found; `Taken` when it is another organisation's.
    ///
    /// # Errors
    /// The database's.
    pub async fn verify_domain(&mut self, org: &OrgId, id: &DomainId) -> Result<Written> {
        let before: Option<(String,)> = self
            .tx
            .query("SELECT state FROM org_domains WHERE id = $1 AND org_id = $2")
            .bind(id.as_str().to_owned())
            .bind(org.as_str().to_owned())
            .optional()
            .await?;
        match before {
            None => return Ok(Written::Missing),
            Some((state,)) if state == "verified" => return Ok(Written::Already),
            Some(_) => {}
        }
        let rows = self
            .tx
            .query(
                "UPDATE org_domains SET state = 'verified', verified_at = $3, checked_at = $3, missing_since = NULL
                 WHERE id = $1 AND org_id = $2 AND NOT EXISTS (SELECT 1 FROM org_domains o JOIN org_domains own
                   ON own.domain = o.domain WHERE own.id = $1 AND o.state = 'verified' AND o.id <> $1)",
            )
            .bind(id.as_str().to_owned())
            .bind(org.as_str().to_owned())
            .bind(self.at.0)
            .execute()
            .await?;
        Ok(Written::from_rows(rows, Written::Taken))
    }

    /// Takes a domain away.
    ///
    /// # Errors
    /// The database's.
    pub async fn remove_domain(&mut self, org: &OrgId, id: &DomainId) -> Result<Written> {
        let rows = self
            .tx
            .query("DELETE FROM org_domains WHERE id = $1 AND org_id = $2")
            .bind(id.as_str().to_owned())
            .bind(org.as_str().to_owned())
            .execute()
            .await?;
        Ok(Written::from_rows(rows, Written::Missing))
    }
}
