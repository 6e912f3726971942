//! Roles and bindings, as an access edit writes them.

use std::collections::BTreeSet;

use super::{AccessEdit, Written};
use crate::domain::access::{Binding, Cause, Scope, Subject};
use crate::kernel::id::{BindingId, MembershipId, OrgId, RoleId};
use crate::store::db::{Result, corrupt};
use crate::store::picture::bindings_where;
use crate::store::picture::{BindingRow, Count};
use crate::store::{bindings, groups};

impl AccessEdit<'_> {
    /// Makes a role of the organisation's own; `Taken` when it has one with that key.
    ///
    /// # Errors
    /// The database's.
    pub async fn create_role(
        &mut self,
        org: &OrgId,
        role: &RoleId,
        key: &str,
        name: &str,
        permissions: &BTreeSet<String>,
    ) -> Result<Written> {
        let rows = self
            .tx
            .query(
                "INSERT INTO roles (id, org_id, role_key, name, permissions, created_at) VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT DO NOTHING",
            )
            .bind(role.as_str().to_owned())
            .bind(org.as_str().to_owned())
            .bind(key.to_owned())
            .bind(name.to_owned())
            .bind(json(permissions))
            .bind(self.at.0)
            .execute()
            .await?;
        if rows > 0
            && let Some(facts) = self.orgs.get_mut(org)
        {
            self.deleted_roles.remove(&(org.clone(), key.to_owned()));
            facts.own_roles.insert(key.to_owned(), permissions.clone());
        }
        Ok(Written::from_rows(rows, Written::Taken))
    }

    /// Replaces what an own role is made of. Whom it is bound to keeps the role; what it opens here is asked at use.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_role(
        &mut self,
        org: &OrgId,
        role: &RoleId,
        name: &str,
        permissions: &BTreeSet<String>,
    ) -> Result<Written> {
        let Some(found) = bindings::own_role(self.tx, org, role).await? else {
            return Ok(Written::Missing);
        };
        if found.name == name && found.permissions == *permissions {
            return Ok(Written::Already);
        }
        self.tx
            .query("UPDATE roles SET name = $3, permissions = $4 WHERE org_id = $1 AND id = $2")
            .bind(org.as_str().to_owned())
            .bind(role.as_str().to_owned())
            .bind(name.to_owned())
            .bind(json(permissions))
            .execute()
            .await?;
        if let Some(facts) = self.orgs.get_mut(org) {
            facts.own_roles.insert(found.key, permissions.clone());
        }
        Ok(Written::Done)
    }

    /// Deletes an own role with its bindings.
    ///
    /// # Errors
    /// The database's.
    pub async fn delete_role(&mut self, org: &OrgId, role: &RoleId) -> Result<Written> {
        let Some(found) = bindings::own_role(self.tx, org, role).await? else {
            return Ok(Written::Missing);
        };
        for binding in bindings::of_role(self.tx, org, &found.key).await? {
            self.take(org, &binding, Cause::RoleRemoved, Count::Live).await?;
        }
        self.tx
            .query("DELETE FROM roles WHERE org_id = $1 AND id = $2")
            .bind(org.as_str().to_owned())
            .bind(role.as_str().to_owned())
            .execute()
            .await?;
        // What it was made of stays known to this edit: it says how its loss is judged.
        self.deleted_roles.insert((org.clone(), found.key));
        Ok(Written::Done)
    }

    /// Gives a role; `Already` when the same role on the same scope for the same subject and window is bound,
    /// `Missing` when its project, subject or own role is not of this organisation.
    ///
    /// # Errors
    /// The database's.
    pub async fn bind(&mut self, org: &OrgId, binding: &Binding) -> Result<Written> {
        let Some(facts) = self.orgs.get(org) else {
            return Ok(Written::Missing);
        };
        let role_known = match &binding.role {
            crate::domain::access::Role::Own(key) => {
                facts.own_roles.contains_key(key) && !self.deleted_roles.contains(&(org.clone(), key.clone()))
            }
            _ => true,
        };
        let project_known = match &binding.scope {
            Scope::Project(id) => facts.projects.iter().any(|project| project.id == *id),
            Scope::Org | Scope::AllProjects => true,
        };
        let Some(members) = self.subject_members(org, &binding.subject).await? else {
            return Ok(Written::Missing);
        };
        if !role_known || !project_known {
            return Ok(Written::Missing);
        }
        if bindings::same(self.tx, org, binding).await? {
            return Ok(Written::Already);
        }
        self.touch_bindings(org, &members, Cause::Added, Count::Live).await?;
        let author = self.author().to_owned();
        bindings::insert(self.tx, org, binding, self.at, &author).await?;
        Ok(Written::Done)
    }

    /// Takes a role.
    ///
    /// # Errors
    /// The database's.
    pub async fn unbind(&mut self, org: &OrgId, binding: &BindingId) -> Result<Written> {
        let Some(found) = bindings::find(self.tx, org, binding).await? else {
            return Ok(Written::Missing);
        };
        self.take(org, &found, Cause::RoleRemoved, Count::Live).await?;
        Ok(Written::Done)
    }

    /// Says whether windows were over: opening the edit has ended them.
    #[must_use]
    pub fn end_windows(&self, org: &OrgId) -> Written {
        if self.swept.contains(org) { Written::Done } else { Written::Already }
    }

    /// Ends the bindings whose windows are over, and the places in groups that are; the picture before counts them as
    /// live.
    pub(super) async fn sweep(&mut self, org: &OrgId) -> Result<()> {
        let due = bindings::due(self.tx, org, self.at).await?;
        // All pictures first: a member may lose several at once.
        for binding in &due {
            let members = self.subject_members(org, &binding.subject).await?.unwrap_or_default();
            self.touch_bindings(org, &members, Cause::RoleRemoved, Count::LiveAndDue).await?;
        }
        let over = self.touch_places_over(org).await?;
        if due.is_empty() && over.is_empty() {
            return Ok(());
        }
        self.swept.insert(org.clone());
        for binding in &due {
            bindings::delete(self.tx, &binding.id).await?;
        }
        self.delete_places_over(&over).await
    }

    pub(super) async fn take(&mut self, org: &OrgId, binding: &Binding, cause: Cause, count: Count) -> Result<()> {
        let members = self.subject_members(org, &binding.subject).await?.unwrap_or_default();
        self.touch_bindings(org, &members, cause, count).await?;
        bindings::delete(self.tx, &binding.id).await
    }

    /// The members whom a subject stands for; `None` when it is not of this organisation.
    async fn subject_members(&mut self, org: &OrgId, subject: &Subject) -> Result<Option<Vec<MembershipId>>> {
        Ok(match subject {
            Subject::Member(id) => {
                crate::store::memberships::find(self.tx, org, id).await?.map(|member| vec![member.id])
            }
            Subject::Group(id) => match groups::find(self.tx, org, id).await? {
                Some(_) => Some(groups::member_ids(self.tx, id).await?),
                None => None,
            },
        })
    }

    /// Everyone who holds something on all projects, directly or through a group.
    pub(super) async fn holders_on_all_projects(&mut self, org: &OrgId) -> Result<Vec<MembershipId>> {
        let rows: Vec<BindingRow> = self
            .tx
            .query(bindings_where!("WHERE org_id = $1 AND scope = 'all_projects'"))
            .bind(org.as_str().to_owned())
            .all()
            .await?;
        let mut members = BTreeSet::new();
        for BindingRow(binding) in rows {
            members.extend(self.subject_members(org, &binding.subject).await?.unwrap_or_default());
        }
        Ok(members.into_iter().collect())
    }
}

fn json(permissions: &BTreeSet<String>) -> String {
    serde_json::to_string(permissions).unwrap_or_else(|_| corrupt("permissions").to_string())
}
