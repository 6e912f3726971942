//! Service accounts and access keys, as an access edit writes them.

use std::collections::{BTreeMap, BTreeSet};

use super::{AccessEdit, Written};
use crate::domain::access::Scope;
use crate::domain::change::NewAccessKey;
use crate::domain::oidc::claims::Profile;
use crate::domain::people::user::MembershipState;
use crate::domain::source::Source;
use crate::kernel::id::{AccessKeyId, MembershipId, OrgId, ProjectId, UserId};
use crate::kernel::time::UnixMillis;
use crate::store::db::{LIST, Result, Tx};
use crate::store::picture::Pictured;
use crate::store::{access_keys, feed, service_accounts, users};

/// A new service account: the account and its membership.
#[derive(Clone, Copy, Debug)]
pub struct NewServiceAccount<'c> {
    /// The organisation.
    pub org: &'c OrgId,
    /// The project that it belongs to.
    pub project: &'c ProjectId,
    /// The account's id, minted by the caller.
    pub user: &'c UserId,
    /// The membership's id, minted by the caller.
    pub member: &'c MembershipId,
    /// Its name.
    pub name: &'c str,
    /// What it is for.
    pub description: &'c str,
    /// The member who answers for it.
    pub owner: Option<&'c MembershipId>,
}

impl AccessEdit<'_> {
    fn knows_project(&self, org: &OrgId, project: &ProjectId) -> bool {
        self.org(org).is_some_and(|facts| facts.projects.iter().any(|known| known.id == *project))
    }

    /// Makes a service account: an account without identifiers and password, and its membership. `Missing` when the
    /// project is not one of the organisation's, `Taken` when it has a service account with this name.
    ///
    /// # Errors
    /// The database's.
    pub async fn create_service_account(&mut self, new: NewServiceAccount<'_>) -> Result<Written> {
        if !self.knows_project(new.org, new.project) {
            return Ok(Written::Missing);
        }
        let rows = self
            .tx
            .query(
                "INSERT INTO users (id, kind, org_id, realm, user_name, name, profile, state, source, must_change, failures,
                   failures_since, locked_until, created_at, updated_at, project_id, description, owner_id, access_type)
                 VALUES ($1, 'managed', $2, $3, $4, $4, $5, 'active', 'local', FALSE, 0, 0, 0, $6, $6, $3, $7, $8, 'key')
                 ON CONFLICT DO NOTHING",
            )
            .bind(new.user.as_str().to_owned())
            .bind(new.org.as_str().to_owned())
            .bind(new.project.as_str().to_owned())
            .bind(new.name.trim().to_owned())
            .bind(users::profile_json(&Profile::default()))
            .bind(self.at.0)
            .bind(new.description.to_owned())
            .bind(new.owner.map(|id| id.as_str().to_owned()))
            .execute()
            .await?;
        if rows == 0 {
            return Ok(Written::Taken);
        }
        self.add_member(new.org, new.member, new.user, MembershipState::Active, &Source::Local).await
    }

    /// Renames a service account or describes it anew; `Taken` when its project has another with this name.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_service_account(
        &mut self,
        org: &OrgId,
        user: &UserId,
        name: &str,
        description: &str,
    ) -> Result<Written> {
        let Some(found) = service_accounts::find(self.tx, org, user).await? else {
            return Ok(Written::Missing);
        };
        let name = name.trim();
        if found.name == name && found.description == description {
            return Ok(Written::Already);
        }
        let rows = self
            .tx
            .query(
                "UPDATE users SET user_name = $2, name = $2, description = $3, updated_at = $4 WHERE id = $1
                 AND NOT EXISTS (SELECT 1 FROM users o WHERE o.project_id = $5 AND o.user_name = $2
                   AND o.state <> 'deleted' AND o.id <> $1)",
            )
            .bind(user.as_str().to_owned())
            .bind(name.to_owned())
            .bind(description.to_owned())
            .bind(self.at.0)
            .bind(found.project.as_str().to_owned())
            .execute()
            .await?;
        Ok(Written::from_rows(rows, Written::Taken))
    }

    /// Makes a member answer for a service account.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_service_account_owner(
        &mut self,
        org: &OrgId,
        user: &UserId,
        owner: &MembershipId,
    ) -> Result<Written> {
        let Some(found) = service_accounts::find(self.tx, org, user).await? else {
            return Ok(Written::Missing);
        };
        if found.owner.as_ref() == Some(owner) {
            return Ok(Written::Already);
        }
        self.tx
            .query("UPDATE users SET owner_id = $2, updated_at = $3 WHERE id = $1")
            .bind(user.as_str().to_owned())
            .bind(owner.as_str().to_owned())
            .bind(self.at.0)
            .execute()
            .await?;
        Ok(Written::Done)
    }

    /// Removes a service account with its membership, bindings and keys. Its id is never used again, its name may be.
    ///
    /// # Errors
    /// The database's.
    pub async fn remove_service_account(&mut self, org: &OrgId, user: &UserId) -> Result<Written> {
        let Some(found) = service_accounts::find(self.tx, org, user).await? else {
            return Ok(Written::Missing);
        };
        self.remove_member(org, &found.member).await?;
        self.tx
            .query("UPDATE users SET state = 'deleted', updated_at = $2 WHERE id = $1")
            .bind(user.as_str().to_owned())
            .bind(self.at.0)
            .execute()
            .await?;
        Ok(Written::Done)
    }

    /// Makes an access key; `Taken` when its id is.
    ///
    /// # Errors
    /// The database's.
    pub async fn create_access_key(&mut self, org: &OrgId, key: &NewAccessKey, user: &UserId) -> Result<Written> {
        let author = self.author().to_owned();
        let rows = self
            .tx
            .query(
                "INSERT INTO access_keys (id, org_id, project_id, membership_id, user_id, name, secret_hash, state,
                   tokens_from, expires_at, created_by, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, 'active', 0, $8, $9, $10) ON CONFLICT DO NOTHING",
            )
            .bind(key.id.as_str().to_owned())
            .bind(org.as_str().to_owned())
            .bind(key.project.as_str().to_owned())
            .bind(key.member.as_str().to_owned())
            .bind(user.as_str().to_owned())
            .bind(key.name.trim().to_owned())
            .bind(key.secret.to_vec())
            .bind(key.expires_at.0)
            .bind(author)
            .bind(self.at.0)
            .execute()
            .await?;
        Ok(Written::from_rows(rows, Written::Taken))
    }

    /// Renames, disables or enables an access key that has not ended. Tokens that were made from it die with either:
    /// enabling it brings none back, not even one that was made while it was being disabled.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_access_key(
        &mut self,
        org: &OrgId,
        key: &AccessKeyId,
        name: &str,
        active: bool,
    ) -> Result<Written> {
        let Some(found) = access_keys::find(self.tx, org, key).await? else {
            return Ok(Written::Missing);
        };
        let (name, state) = (name.trim(), if active { "active" } else { "disabled" });
        if found.name == name && found.state == state {
            return Ok(Written::Already);
        }
        self.tx
            .query(
                "UPDATE access_keys SET name = $3, state = $4, tokens_from = CASE WHEN state = $4 THEN tokens_from ELSE $5 END
                 WHERE org_id = $1 AND id = $2 AND state <> 'ended'",
            )
            .bind(org.as_str().to_owned())
            .bind(key.as_str().to_owned())
            .bind(name.to_owned())
            .bind(state)
            .bind(self.at.0)
            .execute()
            .await?;
        Ok(Written::Done)
    }

    /// Removes an access key, and its tokens with it.
    ///
    /// # Errors
    /// The database's.
    pub async fn remove_access_key(&mut self, org: &OrgId, key: &AccessKeyId) -> Result<Written> {
        let Some(found) = access_keys::find(self.tx, org, key).await? else {
            return Ok(Written::Missing);
        };
        feed::note_key(self.tx, key, self.at).await?;
        self.tx
            .query("DELETE FROM access_keys WHERE org_id = $1 AND id = $2")
            .bind(org.as_str().to_owned())
            .bind(key.as_str().to_owned())
            .execute()
            .await?;
        self.keys_ended += u64::from(found.state != "ended");
        Ok(Written::Done)
    }

    /// Deletes the keys of a membership.
    pub(super) async fn delete_keys_of_member(&mut self, member: &MembershipId) -> Result<()> {
        feed::note_keys_of_member(self.tx, member, self.at).await?;
        self.keys_ended += self
            .tx
            .query("DELETE FROM access_keys WHERE membership_id = $1 AND state <> 'ended'")
            .bind(member.as_str().to_owned())
            .execute()
            .await?;
        self.tx
            .query("DELETE FROM access_keys WHERE membership_id = $1")
            .bind(member.as_str().to_owned())
            .execute()
            .await
            .map(|_| ())
    }

    /// Deletes what tools have of a project that goes: its service accounts and everybody's keys for it.
    pub(super) async fn delete_tools_of_project(&mut self, org: &OrgId, project: &ProjectId) -> Result<()> {
        for account in service_accounts::of_project(self.tx, org, project, None, i64::MAX).await? {
            self.remove_member(org, &account.member).await?;
        }
        self.tx
            .query("UPDATE users SET state = 'deleted', updated_at = $2 WHERE project_id = $1 AND state <> 'deleted'")
            .bind(project.as_str().to_owned())
            .bind(self.at.0)
            .execute()
            .await?;
        feed::note_keys_of_project(self.tx, project, self.at).await?;
        self.keys_ended += self
            .tx
            .query("DELETE FROM access_keys WHERE project_id = $1 AND state <> 'ended'")
            .bind(project.as_str().to_owned())
            .execute()
            .await?;
        self.tx
            .query("DELETE FROM access_keys WHERE project_id = $1")
            .bind(project.as_str().to_owned())
            .execute()
            .await
            .map(|_| ())
    }
}

/// Ends the keys of people who hold nothing on the keys' projects any more, whatever took it; how many.
///
/// Those of a member who may not sign in stay: they stop while that lasts, and are looked at again when it is over.
/// Those of a service account stay too: it belongs to its project, with a role there or without.
pub(super) async fn end_keys_without_a_grant(
    tx: &mut Tx,
    after: &BTreeMap<MembershipId, Pictured>,
    at: UnixMillis,
) -> Result<u64> {
    if after.is_empty() {
        return Ok(0);
    }
    let mut lost = Vec::new();
    for (key, member, project) in keys_of(tx, after).await? {
        let on = Scope::Project(ProjectId::trusted(project));
        let held = after.get(&MembershipId::trusted(member));
        if held.is_some_and(|pictured| pictured.grants.iter().all(|((_, scope), _)| *scope != on)) {
            lost.push(key);
        }
    }
    let mut ended = 0;
    for chunk in lost.chunks(LIST) {
        ended += tx
            .query_in(
                "UPDATE access_keys SET state = 'ended', end_reason = 'access_lost', ended_at = $$1
                 WHERE id IN (@) AND state <> 'ended'",
                chunk,
            )
            .bind(at.0)
            .execute()
            .await?;
    }
    Ok(ended)
}

/// The keys that have not ended of those among some members who are active and people: id, member, project. Where there
/// are very many members their organisations are asked instead, and the answer has others' keys too.
async fn keys_of(tx: &mut Tx, after: &BTreeMap<MembershipId, Pictured>) -> Result<Vec<(String, String, String)>> {
    if after.len() <= LIST {
        let members: Vec<String> = after.keys().map(|id| id.as_str().to_owned()).collect();
        return tx
            .query_in(
                "SELECT k.id, k.membership_id, k.project_id FROM access_keys k
                 JOIN memberships m ON m.id = k.membership_id JOIN users u ON u.id = m.user_id
                 JOIN orgs o ON o.id = m.org_id
                 WHERE k.membership_id IN (@) AND k.state <> 'ended' AND m.state = 'active' AND u.state = 'active'
                   AND o.state = 'active' AND u.project_id IS NULL",
                &members,
            )
            .all()
            .await;
    }
    let orgs: BTreeSet<&OrgId> = after.values().map(|pictured| &pictured.place.org).collect();
    let mut keys = Vec::new();
    for org in orgs {
        let of_org: Vec<(String, String, String)> = tx
            .query(
                "SELECT k.id, k.membership_id, k.project_id FROM access_keys k
                 JOIN memberships m ON m.id = k.membership_id JOIN users u ON u.id = m.user_id
                 JOIN orgs o ON o.id = m.org_id
                 WHERE k.org_id = $1 AND k.state <> 'ended' AND m.state = 'active' AND u.state = 'active'
                   AND o.state = 'active' AND u.project_id IS NULL",
            )
            .bind(org.as_str().to_owned())
            .all()
            .await?;
        keys.extend(of_org);
    }
    Ok(keys)
}
