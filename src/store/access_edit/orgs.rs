//! Organisations and projects, as an access edit writes them.

use super::{AccessEdit, Written};
use crate::domain::access::claims::Project;
use crate::domain::access::{Cause, Policy};
use crate::domain::people::user::OrgState;
use crate::domain::settings::OrgSettings;
use crate::kernel::id::{MembershipId, OrgId, ProjectId};
use crate::store::db::{Result, corrupt};
use crate::store::picture::Count;
use crate::store::{bindings, memberships, orgs};

impl AccessEdit<'_> {
    /// Makes an organisation with its predefined groups and locks it; `Taken` when another has the slug.
    ///
    /// # Errors
    /// The database's.
    pub async fn create_org(&mut self, org: &OrgId, slug: &str, name: &str, policy: Policy) -> Result<Written> {
        let rows = self
            .tx
            .query(
                "INSERT INTO orgs (id, slug, name, state, policy, access_version, audit_seq, audit_hash, tokens_from,
                   created_at)
                 VALUES ($1, $2, $3, 'active', $4, 0, 0, $5, 0, $6) ON CONFLICT DO NOTHING",
            )
            .bind(org.as_str().to_owned())
            .bind(slug.to_owned())
            .bind(name.to_owned())
            .bind(policy.as_str())
            .bind(Vec::<u8>::new())
            .bind(self.at.0)
            .execute()
            .await?;
        if rows == 0 {
            return Ok(Written::Taken);
        }
        self.lock(org).await?;
        self.create_predefined_groups(org).await?;
        Ok(Written::Done)
    }

    /// Renames an organisation.
    ///
    /// # Errors
    /// The database's.
    pub async fn rename_org(&mut self, org: &OrgId, name: &str) -> Result<Written> {
        if !self.orgs.contains_key(org) {
            return Ok(Written::Missing);
        }
        let rows = self
            .tx
            .query("UPDATE orgs SET name = $2 WHERE id = $1 AND name <> $2")
            .bind(org.as_str().to_owned())
            .bind(name.to_owned())
            .execute()
            .await?;
        Ok(Written::from_rows(rows, Written::Already))
    }

    /// Sets the rule for losses; it holds for this very edit from here on.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_policy(&mut self, org: &OrgId, policy: Policy) -> Result<Written> {
        let Some(facts) = self.orgs.get_mut(org) else {
            return Ok(Written::Missing);
        };
        if facts.policy == policy {
            return Ok(Written::Already);
        }
        facts.policy = policy;
        self.tx
            .query("UPDATE orgs SET policy = $2 WHERE id = $1")
            .bind(org.as_str().to_owned())
            .bind(policy.as_str())
            .execute()
            .await?;
        Ok(Written::Done)
    }

    /// Sets how long a browser session counts in the organisation.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_session_limits(
        &mut self,
        org: &OrgId,
        idle: Option<i64>,
        absolute: Option<i64>,
    ) -> Result<Written> {
        let Some(found) = orgs::find(self.tx, org).await? else {
            return Ok(Written::Missing);
        };
        if (found.session_idle, found.session_absolute) == (idle, absolute) {
            return Ok(Written::Already);
        }
        self.tx
            .query("UPDATE orgs SET session_idle_ms = $2, session_absolute_ms = $3 WHERE id = $1")
            .bind(org.as_str().to_owned())
            .bind(idle)
            .bind(absolute)
            .execute()
            .await?;
        Ok(Written::Done)
    }

    /// Replaces an organisation's settings; `Missing` when their default project is not one of its own.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_org_settings(&mut self, org: &OrgId, settings: &OrgSettings) -> Result<Written> {
        let Some(facts) = self.orgs.get(org) else {
            return Ok(Written::Missing);
        };
        if settings.default_project.as_ref().is_some_and(|id| facts.projects.iter().all(|project| project.id != *id)) {
            return Ok(Written::Missing);
        }
        if orgs::settings(self.tx, org).await? == *settings {
            return Ok(Written::Already);
        }
        self.tx
            .query("UPDATE orgs SET settings = $2 WHERE id = $1")
            .bind(org.as_str().to_owned())
            .bind(serde_json::to_string(settings).map_err(|e| corrupt(&e.to_string()))?)
            .execute()
            .await?;
        Ok(Written::Done)
    }

    /// Suspends, deletes or revives an organisation: everybody in it is touched.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_org_state(&mut self, org: &OrgId, state: OrgState) -> Result<Written> {
        let Some(found) = orgs::find(self.tx, org).await? else {
            return Ok(Written::Missing);
        };
        if found.state == state {
            return Ok(Written::Already);
        }
        let cause = if state == OrgState::Active { Cause::Added } else { Cause::Barred };
        let members = memberships::ids_of_org(self.tx, org).await?;
        self.touch(org, &members, cause).await?;
        self.tx
            .query("UPDATE orgs SET state = $2, tokens_from = $3, deleted_at = $4 WHERE id = $1")
            .bind(org.as_str().to_owned())
            .bind(state.as_str())
            .bind(self.at.0)
            .bind((state == OrgState::Deleted).then_some(self.at.0))
            .execute()
            .await?;
        if state != OrgState::Active {
            // Those of its own accounts too that have no entry here: they don't come back with the organisation.
            self.tx
                .query(
                    "UPDATE sessions SET ended_at = $2 WHERE ended_at IS NULL
                       AND user_id IN (SELECT u.id FROM users u WHERE u.org_id = $1)",
                )
                .bind(org.as_str().to_owned())
                .bind(self.at.0)
                .execute()
                .await?;
        }
        Ok(Written::Done)
    }

    /// Makes a member the owner.
    ///
    /// # Errors
    /// The database's.
    pub async fn transfer_ownership(&mut self, org: &OrgId, to: &MembershipId) -> Result<Written> {
        let Some(found) = orgs::find(self.tx, org).await? else {
            return Ok(Written::Missing);
        };
        if memberships::find(self.tx, org, to).await?.is_none() {
            return Ok(Written::Missing);
        }
        if found.owner.as_ref() == Some(to) {
            return Ok(Written::Already);
        }
        if let Some(before) = found.owner {
            self.touch(org, &[before], Cause::RoleRemoved).await?;
        }
        self.touch(org, std::slice::from_ref(to), Cause::Added).await?;
        self.tx
            .query("UPDATE orgs SET owner_id = $2, owner_barred_at = NULL WHERE id = $1")
            .bind(org.as_str().to_owned())
            .bind(to.as_str().to_owned())
            .execute()
            .await?;
        Ok(Written::Done)
    }

    /// Makes a project; whoever holds something on all projects gains it here.
    ///
    /// # Errors
    /// The database's.
    pub async fn create_project(&mut self, org: &OrgId, project: &ProjectId, key: &str, name: &str) -> Result<Written> {
        if !self.orgs.contains_key(org) {
            return Ok(Written::Missing);
        }
        let holders = self.holders_on_all_projects(org).await?;
        self.touch(org, &holders, Cause::Added).await?;
        let rows = self
            .tx
            .query(
                "INSERT INTO projects (id, org_id, project_key, name, created_at) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT DO NOTHING",
            )
            .bind(project.as_str().to_owned())
            .bind(org.as_str().to_owned())
            .bind(key.to_owned())
            .bind(name.to_owned())
            .bind(self.at.0)
            .execute()
            .await?;
        if rows > 0
            && let Some(facts) = self.orgs.get_mut(org)
        {
            facts.projects.push(Project { id: project.clone(), key: key.to_owned() });
        }
        Ok(Written::from_rows(rows, Written::Taken))
    }

    /// Renames a project.
    ///
    /// # Errors
    /// The database's.
    pub async fn rename_project(&mut self, org: &OrgId, project: &ProjectId, name: &str) -> Result<Written> {
        let known = self.orgs.get(org).is_some_and(|facts| facts.projects.iter().any(|p| p.id == *project));
        let rows = self
            .tx
            .query("UPDATE projects SET name = $3 WHERE org_id = $1 AND id = $2 AND name <> $3")
            .bind(org.as_str().to_owned())
            .bind(project.as_str().to_owned())
            .bind(name.to_owned())
            .execute()
            .await?;
        Ok(Written::from_rows(rows, if known { Written::Already } else { Written::Missing }))
    }

    /// Deletes a project with its bindings, its service accounts and everybody's access keys for it.
    ///
    /// # Errors
    /// The database's.
    pub async fn delete_project(&mut self, org: &OrgId, project: &ProjectId) -> Result<Written> {
        let known = self.orgs.get(org).is_some_and(|facts| facts.projects.iter().any(|p| p.id == *project));
        if !known {
            return Ok(Written::Missing);
        }
        let holders = self.holders_on_all_projects(org).await?;
        self.touch(org, &holders, Cause::RoleRemoved).await?;
        self.delete_tools_of_project(org, project).await?;
        for binding in bindings::of_project(self.tx, org, project).await? {
            self.take(org, &binding, Cause::RoleRemoved, Count::Live).await?;
        }
        self.tx
            .query("DELETE FROM projects WHERE org_id = $1 AND id = $2")
            .bind(org.as_str().to_owned())
            .bind(project.as_str().to_owned())
            .execute()
            .await?;
        if let Some(facts) = self.orgs.get_mut(org) {
            let gone = facts.projects.iter().filter(|p| p.id == *project).map(|p| (org.clone(), p.clone()));
            self.deleted_projects.extend(gone);
            facts.projects.retain(|p| p.id != *project);
        }
        let mut settings = orgs::settings(self.tx, org).await?;
        if settings.default_project.as_ref() == Some(project) {
            settings.default_project = None;
            self.set_org_settings(org, &settings).await?;
        }
        Ok(Written::Done)
    }
}
