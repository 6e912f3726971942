//! Groups and their members, as an access edit writes them. Memberships change row by row, never as a list.

use std::collections::BTreeSet;

use super::{AccessEdit, Written};
use crate::domain::access::{Cause, Window};
use crate::domain::source::Source;
use crate::kernel::fold;
use crate::kernel::id::{BindingId, GroupId, MembershipId, OrgId};
use crate::store::db::{LIST, Result};
use crate::store::orgs::{Predefined, predefined_groups};
use crate::store::{groups, memberships};

impl AccessEdit<'_> {
    /// Makes the groups that every organisation has, with their roles. Nobody is in them yet, so nobody is touched.
    pub(super) async fn create_predefined_groups(&mut self, org: &OrgId) -> Result<()> {
        for Predefined { id, name, description, role } in predefined_groups(org) {
            self.tx
                .query(
                    "INSERT INTO groups (id, org_id, name, name_key, description, source, created_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7)",
                )
                .bind(id.as_str().to_owned())
                .bind(org.as_str().to_owned())
                .bind(name)
                .bind(fold::key(name))
                .bind(description)
                .bind(Source::System.to_string())
                .bind(self.at.0)
                .execute()
                .await?;
            self.tx
                .query(
                    "INSERT INTO bindings (id, org_id, role, scope, group_id, not_before, not_after, source, created_at)
                     VALUES ($1, $2, $3, 'org', $4, $5, $6, $7, $8)",
                )
                .bind(BindingId::fresh().into_string())
                .bind(org.as_str().to_owned())
                .bind(role.as_str().to_owned())
                .bind(id.into_string())
                .bind(Window::ALWAYS.not_before.0)
                .bind(Window::ALWAYS.not_after.0)
                .bind(Source::System.to_string())
                .bind(self.at.0)
                .execute()
                .await?;
        }
        Ok(())
    }

    /// Makes a group; `Taken` when the organisation has one with that name, without regard to case.
    ///
    /// # Errors
    /// The database's.
    pub async fn create_group(
        &mut self,
        org: &OrgId,
        group: &GroupId,
        (name, description): (&str, &str),
        source: &Source,
    ) -> Result<Written> {
        let rows = self
            .tx
            .query(
                "INSERT INTO groups (id, org_id, name, name_key, description, source, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
            )
            .bind(group.as_str().to_owned())
            .bind(org.as_str().to_owned())
            .bind(name.trim().to_owned())
            .bind(fold::key(name))
            .bind(description.to_owned())
            .bind(source.to_string())
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
        self.unmap_group(org, group).await?;
        for sql in [
            "DELETE FROM bindings WHERE group_id = $1",
            "DELETE FROM group_members WHERE group_id = $1",
            // Whoever is invited into it comes without it.
            "DELETE FROM invitation_groups WHERE group_id = $1",
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
        let inside = groups::members_among(self.tx, group, members).await?;
        let new: BTreeSet<&MembershipId> = members.iter().filter(|id| !inside.contains(*id)).collect();
        let new: Vec<MembershipId> = new.into_iter().cloned().collect();
        if new.is_empty() {
            return Ok(Written::Already);
        }
        self.touch(org, &new, Cause::Added).await?;
        self.insert_members(group, &new, source).await?;
        self.note_members(group).await?;
        Ok(Written::Done)
    }

    /// By one statement for each thousand: a group of a hundred thousand is filled at once.
    async fn insert_members(&mut self, group: &GroupId, members: &[MembershipId], source: &Source) -> Result<()> {
        for chunk in members.chunks(LIST) {
            let ids: Vec<String> = chunk.iter().map(|id| id.as_str().to_owned()).collect();
            let author = self.author().to_owned();
            self.tx
                .query_in(
                    "INSERT INTO group_members (group_id, membership_id, source, created_at, created_by)
                     SELECT $$1, m.id, $$2, $$3, $$4 FROM memberships m WHERE m.id IN (@) ON CONFLICT DO NOTHING",
                    &ids,
                )
                .bind(group.as_str().to_owned())
                .bind(source.to_string())
                .bind(self.at.0)
                .bind(author)
                .execute()
                .await?;
        }
        Ok(())
    }

    /// Puts a member into exactly these groups: only the difference is written. `Missing` when the member or one of the
    /// groups is not of this organisation.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_groups_of(
        &mut self,
        org: &OrgId,
        member: &MembershipId,
        wanted: &BTreeSet<GroupId>,
    ) -> Result<Written> {
        if memberships::find(self.tx, org, member).await?.is_none() {
            return Ok(Written::Missing);
        }
        let held = groups::ids_of_member(self.tx, member).await?;
        for group in wanted.difference(&held) {
            if groups::find(self.tx, org, group).await?.is_none() {
                return Ok(Written::Missing);
            }
        }
        if *wanted == held {
            return Ok(Written::Already);
        }
        let member = std::slice::from_ref(member);
        for group in held.difference(wanted) {
            self.touch(org, member, Cause::RemovedFromGroup).await?;
            self.tx
                .query("DELETE FROM group_members WHERE group_id = $1 AND membership_id = $2")
                .bind(group.as_str().to_owned())
                .bind(member[0].as_str().to_owned())
                .execute()
                .await?;
        }
        for group in wanted.difference(&held) {
            self.touch(org, member, Cause::Added).await?;
            self.insert_members(group, member, &Source::Local).await?;
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
        let gone: Vec<MembershipId> = groups::members_among(self.tx, group, members).await?.into_iter().collect();
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
        self.note_members(group).await?;
        Ok(Written::Done)
    }

    async fn all_of_org(&mut self, org: &OrgId, members: &[MembershipId]) -> Result<bool> {
        let distinct: BTreeSet<&MembershipId> = members.iter().collect();
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
