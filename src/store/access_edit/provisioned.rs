//! What connections own, as an access edit writes it: the rows beside accounts and groups, and their versions.

use std::collections::BTreeSet;

use super::{AccessEdit, Written};
use crate::domain::access::Cause;
use crate::domain::change::{GroupResource, Provisioned, UserResource};
use crate::domain::people::user::{MembershipState, UserState};
use crate::domain::source::Source;
use crate::domain::ssf::caep::{ChangeType, Credential};
use crate::kernel::fold;
use crate::kernel::id::{ConnectionId, GroupId, MembershipId, OrgId, UserId};
use crate::store::db::Result;
use crate::store::{groups, links, memberships, users};

/// Where the row beside an account or a group stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// Its version.
    pub version: i64,
    /// What upstream says of an account; `true` for a group.
    pub active: bool,
    /// The attributes, as JSON.
    pub attributes: String,
}

impl AccessEdit<'_> {
    /// Where the row beside an account of a connection stands.
    ///
    /// # Errors
    /// The database's.
    pub async fn beside_user(&mut self, connection: &ConnectionId, user: &UserId) -> Result<Option<Beside>> {
        let row: Option<(i64, bool, String)> = self
            .tx
            .query("SELECT version, active, resource FROM scim_users WHERE user_id = $1 AND connection_id = $2")
            .bind(user.as_str().to_owned())
            .bind(connection.as_str().to_owned())
            .optional()
            .await?;
        Ok(row.map(|(version, active, attributes)| Beside { version, active, attributes }))
    }

    /// Where the row beside a group of a connection stands.
    ///
    /// # Errors
    /// The database's.
    pub async fn beside_group(&mut self, connection: &ConnectionId, group: &GroupId) -> Result<Option<Beside>> {
        let row: Option<(i64, String)> = self
            .tx
            .query("SELECT version, resource FROM scim_groups WHERE group_id = $1 AND connection_id = $2")
            .bind(group.as_str().to_owned())
            .bind(connection.as_str().to_owned())
            .optional()
            .await?;
        Ok(row.map(|(version, attributes)| Beside { version, active: true, attributes }))
    }

    /// Writes the row beside a new account of a connection; `Taken` when another of it has the user name.
    ///
    /// # Errors
    /// The database's.
    pub async fn put_beside_user(
        &mut self,
        connection: &ConnectionId,
        (user, member): (&UserId, &MembershipId),
        resource: &UserResource,
    ) -> Result<Written> {
        let rows = self
            .tx
            .query(
                "INSERT INTO scim_users (user_id, connection_id, membership_id, external_id, user_name_key, active, resource,
                   version, created_at, modified_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $8) ON CONFLICT DO NOTHING",
            )
            .bind(user.as_str().to_owned())
            .bind(connection.as_str().to_owned())
            .bind(member.as_str().to_owned())
            .bind(resource.external_id.clone())
            .bind(resource.user_name_key.clone())
            .bind(resource.active)
            .bind(resource.attributes.clone())
            .bind(self.at.0)
            .execute()
            .await?;
        if rows == 0 {
            return Ok(Written::Taken);
        }
        self.put_emails(connection, user, &resource.emails).await?;
        self.tx
            .query("UPDATE connections SET user_count = user_count + 1 WHERE id = $1")
            .bind(connection.as_str().to_owned())
            .execute()
            .await?;
        Ok(Written::Done)
    }

    async fn put_emails(
        &mut self,
        connection: &ConnectionId,
        user: &UserId,
        emails: &BTreeSet<(String, String)>,
    ) -> Result<()> {
        for (kind, value) in emails {
            self.tx
                .query(
                    "INSERT INTO scim_emails (connection_id, user_id, type_key, value_key) VALUES ($1, $2, $3, $4)
                     ON CONFLICT DO NOTHING",
                )
                .bind(connection.as_str().to_owned())
                .bind(user.as_str().to_owned())
                .bind(kind.clone())
                .bind(value.clone())
                .execute()
                .await?;
        }
        Ok(())
    }

    /// Replaces the row beside an account of a connection; its version rises.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_beside_user(
        &mut self,
        connection: &ConnectionId,
        user: &UserId,
        resource: &UserResource,
    ) -> Result<Written> {
        // A name that another has is not written: there is nothing to be undone.
        let rows = self
            .tx
            .query(
                "UPDATE scim_users SET external_id = $3, user_name_key = $4, active = $5, resource = $6,
                   version = version + 1, modified_at = $7
                 WHERE user_id = $1 AND connection_id = $2 AND NOT EXISTS (SELECT 1 FROM scim_users o
                   WHERE o.connection_id = $2 AND o.user_name_key = $4 AND o.user_id <> $1)",
            )
            .bind(user.as_str().to_owned())
            .bind(connection.as_str().to_owned())
            .bind(resource.external_id.clone())
            .bind(resource.user_name_key.clone())
            .bind(resource.active)
            .bind(resource.attributes.clone())
            .bind(self.at.0)
            .execute()
            .await?;
        if rows == 0 {
            return Ok(Written::Taken);
        }
        self.tx.query("DELETE FROM scim_emails WHERE user_id = $1").bind(user.as_str().to_owned()).execute().await?;
        self.put_emails(connection, user, &resource.emails).await?;
        Ok(Written::Done)
    }

    /// Forgets what a connection says of an account: one that it deletes, or that it no longer owns.
    ///
    /// # Errors
    /// The database's.
    pub async fn drop_beside_user(&mut self, connection: &ConnectionId, user: &UserId) -> Result<Written> {
        for sql in ["DELETE FROM scim_emails WHERE user_id = $1", "DELETE FROM scim_adoptions WHERE user_id = $1"] {
            self.tx.query(sql).bind(user.as_str().to_owned()).execute().await?;
        }
        let rows = self
            .tx
            .query("DELETE FROM scim_users WHERE user_id = $1 AND connection_id = $2")
            .bind(user.as_str().to_owned())
            .bind(connection.as_str().to_owned())
            .execute()
            .await?;
        if rows > 0 {
            self.tx
                .query("UPDATE connections SET user_count = user_count - 1 WHERE id = $1")
                .bind(connection.as_str().to_owned())
                .execute()
                .await?;
        }
        Ok(Written::from_rows(rows, Written::Missing))
    }

    /// Sets what upstream says of an account: whether it is active. A local suspension stands on the membership, so that
    /// neither lifts the other's.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_upstream_active(&mut self, user: &UserId, active: bool) -> Result<Written> {
        let Some(found) = users::find(self.tx, user).await? else {
            return Ok(Written::Missing);
        };
        match (found.state, active) {
            (UserState::Deactivated, true) => self.set_user_state(user, UserState::Active).await,
            (UserState::Active | UserState::Pending | UserState::Suspended, false) => {
                self.set_user_state(user, UserState::Deactivated).await
            }
            (UserState::Deactivated, false) | (UserState::Active | UserState::Pending | UserState::Suspended, true) => {
                Ok(Written::Already)
            }
            (UserState::Deleted, _) => Ok(Written::Missing),
        }
    }

    /// Hands an account and its membership over to a connection: it has no password any more, and what was open ends.
    ///
    /// # Errors
    /// The database's.
    pub async fn hand_over(&mut self, org: &OrgId, user: &UserId, member: &MembershipId, to: &Source) -> Result<()> {
        self.touch(org, std::slice::from_ref(member), Cause::Barred).await?;
        if let Some(found) = users::find(self.tx, user).await? {
            if found.source.connection().is_none() {
                // Whoever made the account may have made its keys, too.
                self.delete_keys_of_member(member).await?;
            }
            if found.state == UserState::Suspended {
                self.set_member_state(org, member, MembershipState::Suspended).await?;
            }
            if found.state != UserState::Active {
                self.set_user_state(user, UserState::Active).await?;
            }
        }
        // Whoever could sign in before the connection looked after the account can't any more.
        self.forget_factors(user).await?;
        if users::password_facts(self.tx, user).await?.is_some_and(|facts| facts.password.is_some()) {
            self.note_credential(user, Credential::Password, ChangeType::Delete);
        }
        for sql in [
            "UPDATE users SET password = NULL, must_change = $3, access_type = 'password', source = $2 WHERE id = $1",
            "UPDATE memberships SET source = $2, break_glass = FALSE WHERE user_id = $1",
        ] {
            let mut query = self.tx.query(sql).bind(user.as_str().to_owned()).bind(to.to_string());
            if sql.contains("$3") {
                query = query.bind(false);
            }
            query.execute().await?;
        }
        for sql in ["DELETE FROM password_history WHERE user_id = $1", "DELETE FROM known_browsers WHERE user_id = $1"]
        {
            self.tx.query(sql).bind(user.as_str().to_owned()).execute().await?;
        }
        let (at, by) = (self.at, self.author().to_owned());
        if let Some(connection) = to.connection() {
            self.tx
                .query(
                    "UPDATE scim_adoptions SET state = 'adopted', decided_at = $3, decided_by = $4
                     WHERE connection_id = $1 AND user_id = $2 AND state <> 'adopted'",
                )
                .bind(connection.to_owned())
                .bind(user.as_str().to_owned())
                .bind(at.0)
                .bind(by)
                .execute()
                .await?;
        }
        links::end_of_user(self.tx, user, "withdrawn", at).await
    }

    /// Writes the row beside a new group of a connection.
    ///
    /// # Errors
    /// The database's.
    pub async fn put_beside_group(
        &mut self,
        connection: &ConnectionId,
        group: &GroupId,
        resource: &GroupResource,
    ) -> Result<Written> {
        let rows = self
            .tx
            .query(
                "INSERT INTO scim_groups (group_id, connection_id, external_id, name_key, resource, version, created_at,
                   modified_at)
                 VALUES ($1, $2, $3, $4, $5, 1, $6, $6) ON CONFLICT DO NOTHING",
            )
            .bind(group.as_str().to_owned())
            .bind(connection.as_str().to_owned())
            .bind(resource.external_id.clone())
            .bind(fold::key(&resource.name))
            .bind(resource.attributes.clone())
            .bind(self.at.0)
            .execute()
            .await?;
        if rows == 0 {
            return Ok(Written::Taken);
        }
        self.tx
            .query("UPDATE connections SET group_count = group_count + 1 WHERE id = $1")
            .bind(connection.as_str().to_owned())
            .execute()
            .await?;
        Ok(Written::Done)
    }

    /// Replaces the row beside a group of a connection; its version rises.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_beside_group(
        &mut self,
        connection: &ConnectionId,
        group: &GroupId,
        resource: &GroupResource,
    ) -> Result<Written> {
        let rows = self
            .tx
            .query(
                "UPDATE scim_groups SET external_id = $3, name_key = $4, resource = $5, version = version + 1,
                   modified_at = $6 WHERE group_id = $1 AND connection_id = $2",
            )
            .bind(group.as_str().to_owned())
            .bind(connection.as_str().to_owned())
            .bind(resource.external_id.clone())
            .bind(fold::key(&resource.name))
            .bind(resource.attributes.clone())
            .bind(self.at.0)
            .execute()
            .await?;
        Ok(Written::from_rows(rows, Written::Missing))
    }

    /// Notes that the members of a group changed, if a connection owns it: its version rises.
    pub(super) async fn note_members(&mut self, group: &GroupId) -> Result<()> {
        self.tx
            .query("UPDATE scim_groups SET version = version + 1, modified_at = $2 WHERE group_id = $1")
            .bind(group.as_str().to_owned())
            .bind(self.at.0)
            .execute()
            .await
            .map(|_| ())
    }

    /// Notes that a member leaves every group: the versions of those that a connection owns rise.
    pub(super) async fn note_groups_of(&mut self, member: &MembershipId) -> Result<()> {
        self.tx
            .query(
                "UPDATE scim_groups SET version = version + 1, modified_at = $2
                 WHERE group_id IN (SELECT e.group_id FROM group_members e WHERE e.membership_id = $1)",
            )
            .bind(member.as_str().to_owned())
            .bind(self.at.0)
            .execute()
            .await
            .map(|_| ())
    }

    /// Deletes a group of a connection with its bindings.
    ///
    /// # Errors
    /// The database's.
    pub async fn delete_provisioned_group(
        &mut self,
        org: &OrgId,
        connection: &ConnectionId,
        group: &GroupId,
    ) -> Result<Written> {
        let rows = self
            .tx
            .query("DELETE FROM scim_groups WHERE group_id = $1 AND connection_id = $2")
            .bind(group.as_str().to_owned())
            .bind(connection.as_str().to_owned())
            .execute()
            .await?;
        if rows == 0 {
            return Ok(Written::Missing);
        }
        self.tx
            .query("UPDATE connections SET group_count = group_count - 1 WHERE id = $1")
            .bind(connection.as_str().to_owned())
            .execute()
            .await?;
        self.delete_group(org, group).await
    }

    /// Puts exactly these members into a group; only the difference is written.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_group_members(
        &mut self,
        org: &OrgId,
        group: &GroupId,
        wanted: &BTreeSet<MembershipId>,
        source: &Source,
    ) -> Result<Written> {
        let held: BTreeSet<MembershipId> = groups::member_ids(self.tx, group).await?.into_iter().collect();
        let gone: Vec<MembershipId> = held.difference(wanted).cloned().collect();
        let new: Vec<MembershipId> = wanted.difference(&held).cloned().collect();
        let mut written = Written::Already;
        if !gone.is_empty() {
            written = self.remove_from_group(org, group, &gone).await?;
        }
        if !new.is_empty() && written != Written::Missing {
            written = self.add_to_group(org, group, &new, source).await?;
        }
        Ok(written)
    }

    /// Notes whether an organisation's owner can act; `true` when this was news.
    ///
    /// # Errors
    /// The database's.
    pub async fn note_owner_barred(&mut self, org: &OrgId, barred: bool) -> Result<bool> {
        let rows = if barred {
            self.tx
                .query("UPDATE orgs SET owner_barred_at = $2 WHERE id = $1 AND owner_barred_at IS NULL")
                .bind(org.as_str().to_owned())
                .bind(self.at.0)
                .execute()
                .await?
        } else {
            self.tx
                .query("UPDATE orgs SET owner_barred_at = NULL WHERE id = $1 AND owner_barred_at IS NOT NULL")
                .bind(org.as_str().to_owned())
                .execute()
                .await?
        };
        Ok(rows > 0)
    }

    /// Leaves an organisation without an owner: a connection deletes the account that owned it.
    ///
    /// # Errors
    /// The database's.
    pub async fn orphan(&mut self, org: &OrgId) -> Result<()> {
        self.tx
            .query("UPDATE orgs SET owner_id = NULL WHERE id = $1")
            .bind(org.as_str().to_owned())
            .execute()
            .await
            .map(|_| ())
    }

    /// The membership of an account in the organisation that it belongs to.
    ///
    /// # Errors
    /// The database's.
    pub async fn membership_of(&mut self, org: &OrgId, user: &UserId) -> Result<Option<MembershipId>> {
        Ok(memberships::of_user(self.tx, org, user).await?.map(|member| member.id))
    }

    /// Writes a provisioned account's names and claims where they differ.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_provisioned_profile(&mut self, user: &UserId, new: &Provisioned) -> Result<Written> {
        self.set_profile(user, &new.user_name, &new.profile).await
    }
}
