//! Groups and their members, as an access edit writes them. Memberships change row by row, never as a list.

use super::{AccessEdit, Written};
use crate::domain::access::Cause;
use crate::domain::source::Source;
use crate::kernel::fold;
use crate::kernel::id::{GroupId, MembershipId, OrgId};
use crate::store::db::{LIST, Result};
use crate::store::groups;

impl AccessEdit<'_> {
    /// Makes a group; `Taken` when the organisation has one with that name, without regard to case.
    ///
    /// # Errors
    /// The database's.
    pub async fn create_group(
        &mut self,
        org: &OrgId,
        group: &GroupId,
        name: &str,
        description: &str,
    ) -> Result<Written> {
        let rows = self
            .tx
            .query(
                "INSERT INTO groups (id, org_id, name, name_key, description, source, created_at)
                 VALUES ($1, $2, $3, $4, $5, 'local', $6) ON CONFLICT DO NOTHING",
            )
            .bind(group.as_str().to_owned())
            .bind(org.as_str().to_owned())
            .bind(name.trim().to_owned())
            .bind(fold::key(name))
            .bind(description.to_owned())
            .bind(self.at.0)
            .execute()
            .await?;
        Ok(Written::from_rows(rows, Written::Taken))
    }

    /// Renames a group or describes it anew.
    ///
    /// # Errors
    /// The database's.
    pub async fn rename_group(
        &mut self,
        org: &OrgId,
        group: &GroupId,
        name: &str,
        description: &str,
    ) -> Result<Written> {
        let Some(found) = groups::find(self.tx, org, group).await? else {
            return Ok(Written::Missing);
        };
        if found.name == name.trim() && found.description == description {
            return Ok(Written::Already);
        }
        let key = fold::key(name);
        let rows = self
            .tx
            .query(
                "UPDATE groups SET name = $3, name_key = $4, description = $5 WHERE org_id = $1 AND id = $2
                 AND NOT EXISTS (SELECT 1 FROM groups o WHERE o.org_id = $1 AND o.name_key = $4 AND o.id <> $2)",
            )
            .bind(org.as_str().to_owned())
            .bind(group.as_str().to_owned())
            .bind(name.trim().to_owned())
            .bind(key)
            .bind(description.to_owned())
            .execute()
            .await?;
        Ok(Written::from_rows(rows, Written::Taken))
    }

    /// Deletes a group with its bindings.
    ///
    /// # Errors
    /// The database's.
    pub async fn delete_group(&mut self, org: &OrgId, group: &GroupId) -> Result<Written> {
        if groups::find(self.tx, org, group).await?.is_none() {
            return Ok(Written::Missing);
        }
        let members = groups::member_ids(self.tx, group).await?;
        self.touch(org, &members, Cause::GroupDeleted).await?;
        for sql in [
            "DELETE FROM bindings WHERE group_id = $1",
            "DELETE FROM group_members WHERE group_id = $1",
            "DELETE FROM groups WHERE id = $1",
        ] {
            self.tx.query(sql).bind(group.as_str().to_owned()).execute().await?;
        }
        Ok(Written::Done)
    }

    /// Puts members into a group. `Missing` when the group or one of them is not of this organisation.
    ///
    /// # Errors
    /// The database's.
    pub async fn add_to_group(
        &mut self,
        org: &OrgId,
        group: &GroupId,
        members: &[MembershipId],
        source: &Source,
    ) -> Result<Written> {
        if groups::find(self.tx, org, group).await?.is_none() || !self.all_of_org(org, members).await? {
            return Ok(Written::Missing);
        }
        let inside = groups::member_ids(self.tx, group).await?;
        let inside: std::collections::BTreeSet<&MembershipId> = inside.iter().collect();
        let mut new: Vec<MembershipId> = members.iter().filter(|id| !inside.contains(id)).cloned().collect();
        new.sort();
        new.dedup();
        if new.is_empty() {
            return Ok(Written::Already);
        }
        self.touch(org, &new, Cause::Added).await?;
        for member in new {
            self.tx
                .query(
                    "INSERT INTO group_members (group_id, membership_id, source, created_at) VALUES ($1, $2, $3, $4)
                     ON CONFLICT DO NOTHING",
                )
                .bind(group.as_str().to_owned())
                .bind(member.into_string())
                .bind(source.to_string())
                .bind(self.at.0)
                .execute()
                .await?;
        }
        Ok(Written::Done)
    }

    /// Takes members out of a group. `Missing` when the group or one of them is not of this organisation; `Already` when
    /// none of them is in it.
    ///
    /// # Errors
    /// The database's.
    pub async fn remove_from_group(
        &mut self,
        org: &OrgId,
        group: &GroupId,
        members: &[MembershipId],
    ) -> Result<Written> {
        if groups::find(self.tx, org, group).await?.is_none() || !self.all_of_org(org, members).await? {
            return Ok(Written::Missing);
        }
        let inside = groups::member_ids(self.tx, group).await?;
        let inside: std::collections::BTreeSet<&MembershipId> = inside.iter().collect();
        let gone: Vec<MembershipId> = members.iter().filter(|id| inside.contains(id)).cloned().collect();
        if gone.is_empty() {
            return Ok(Written::Already);
        }
        self.touch(org, &gone, Cause::RemovedFromGroup).await?;
        for chunk in gone.chunks(LIST) {
            let ids: Vec<String> = chunk.iter().map(|id| id.as_str().to_owned()).collect();
            self.tx
                .query_in("DELETE FROM group_members WHERE membership_id IN (@) AND group_id = $$1", &ids)
                .bind(group.as_str().to_owned())
                .execute()
                .await?;
        }
        Ok(Written::Done)
    }

    async fn all_of_org(&mut self, org: &OrgId, members: &[MembershipId]) -> Result<bool> {
        let distinct: std::collections::BTreeSet<&MembershipId> = members.iter().collect();
        let ids: Vec<String> = distinct.iter().map(|id| id.as_str().to_owned()).collect();
        let mut found = 0;
        for chunk in ids.chunks(LIST) {
            let (count,): (i64,) = self
                .tx
                .query_in("SELECT COUNT(*) FROM memberships WHERE id IN (@) AND org_id = $$1", chunk)
                .bind(org.as_str().to_owned())
                .one()
                .await?;
            found += count;
        }
        Ok(usize::try_from(found).is_ok_and(|found| found == ids.len()))
    }
}
