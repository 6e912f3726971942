//! Places in groups that mappings give, as an access edit writes them: each has an end, and is renewed or taken away.
//!
//! # Why
//! A place that somebody else gave stays theirs, though the mapping would give it too: neither takes what is the other's.
//! A renewal is no change: nobody's grants differ by it, so nobody is touched.

use std::collections::{BTreeMap, BTreeSet};

use super::{AccessEdit, Written};
use crate::domain::access::Cause;
use crate::domain::federation::Mapping;
use crate::domain::source::Source;
use crate::kernel::id::{ConnectionId, GroupId, MembershipId, OrgId};
use crate::kernel::time::UnixMillis;
use crate::store::db::{LIST, Result, Tx, corrupt};
use crate::store::picture::Count;

/// Where members are to be, each until when.
pub type Wanted = BTreeMap<MembershipId, (BTreeSet<GroupId>, UnixMillis)>;

/// What became of the places that a mapping gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placing {
    /// Places that are new.
    pub added: BTreeSet<(MembershipId, GroupId)>,
    /// Places that are gone.
    pub removed: BTreeSet<(MembershipId, GroupId)>,
    /// How many places have another end.
    pub renewed: usize,
}

impl Placing {
    /// Whether somebody's place is another: a renewal is no change.
    #[must_use]
    pub fn is_change(&self) -> bool {
        !self.added.is_empty() || !self.removed.is_empty()
    }
}

/// The places that a mapping gave, each with its end.
type Held = BTreeMap<(MembershipId, GroupId), UnixMillis>;

/// What is to be written, from what is there and what is wanted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    added: BTreeMap<(MembershipId, GroupId), UnixMillis>,
    removed: BTreeSet<(MembershipId, GroupId)>,
    renewed: BTreeMap<(MembershipId, GroupId), UnixMillis>,
}

/// Those held and not wanted go, those wanted and not held come, unless they are there by other hands or unknown groups;
/// the others get their new end.
fn plan(
    held: &Held,
    wanted: &Wanted,
    known: &BTreeSet<GroupId>,
    theirs: &BTreeSet<(MembershipId, GroupId)>,
    at: UnixMillis,
) -> Plan {
    let mut plan = Plan { removed: held.keys().cloned().collect(), ..Plan::default() };
    for (member, (groups, until)) in wanted.iter().filter(|(_, (_, until))| *until > at) {
        for group in groups.iter().filter(|group| known.contains(*group)) {
            let place = (member.clone(), group.clone());
            plan.removed.remove(&place);
            match held.get(&place) {
                Some(end) if end == until => {}
                Some(_) => {
                    plan.renewed.insert(place, *until);
                }
                None if theirs.contains(&place) => {}
                None => {
                    plan.added.insert(place, *until);
                }
            }
        }
    }
    plan
}

impl AccessEdit<'_> {
    /// Puts a member into exactly those groups that a connection's mapping gives, until a moment. Groups that are not the
    /// organisation's own are passed over.
    ///
    /// # Errors
    /// The database's.
    pub async fn place(
        &mut self,
        org: &OrgId,
        connection: &ConnectionId,
        member: &MembershipId,
        wanted: &BTreeSet<GroupId>,
        until: UnixMillis,
    ) -> Result<Placing> {
        let rows: Vec<(String, String, i64)> = self
            .tx
            .query(
                "SELECT membership_id, group_id, expires_at FROM group_members
                 WHERE membership_id = $1 AND source = $2 AND expires_at IS NOT NULL",
            )
            .bind(member.as_str().to_owned())
            .bind(source(connection))
            .all()
            .await?;
        let wanted = Wanted::from([(member.clone(), (wanted.clone(), until))]);
        self.replace((org, connection), &held(rows), &wanted, None).await
    }

    /// Puts everybody into exactly those groups that a connection's mapping gives: whoever is not named is in none. Each
    /// place is to last for `life` from when its member came through last.
    ///
    /// # Errors
    /// The database's.
    pub async fn place_all(
        &mut self,
        org: &OrgId,
        connection: &ConnectionId,
        wanted: &Wanted,
        life: i64,
    ) -> Result<Placing> {
        let held = held_of(self.tx, connection).await?;
        self.replace((org, connection), &held, wanted, Some(life)).await
    }

    /// Takes every place away that a connection's mapping gave; `Already` when there is none.
    ///
    /// # Errors
    /// The database's.
    pub async fn unplace_all(&mut self, org: &OrgId, connection: &ConnectionId) -> Result<Written> {
        let placing = self.place_all(org, connection, &Wanted::new(), 0).await?;
        Ok(if placing.is_change() { Written::Done } else { Written::Already })
    }

    /// Takes every place away that a connection's mapping gave one member.
    pub(super) async fn unplace(
        &mut self,
        org: &OrgId,
        connection: &ConnectionId,
        member: &MembershipId,
    ) -> Result<()> {
        let at = self.at;
        self.place(org, connection, member, &BTreeSet::new(), at).await.map(|_| ())
    }

    async fn replace(
        &mut self,
        (org, connection): (&OrgId, &ConnectionId),
        held: &Held,
        wanted: &Wanted,
        life: Option<i64>,
    ) -> Result<Placing> {
        let known = groups_of(self.tx, org, wanted).await?;
        let theirs = others_places(self.tx, wanted).await?;
        let plan = plan(held, wanted, &known, &theirs, self.at);
        // All pictures first: a member may lose one place and get another.
        let losing: BTreeSet<&MembershipId> = plan.removed.iter().map(|(member, _)| member).collect();
        let losing: Vec<MembershipId> = losing.into_iter().cloned().collect();
        self.touch(org, &losing, Cause::RoleRemoved).await?;
        let gaining: BTreeSet<&MembershipId> = plan.added.keys().map(|(member, _)| member).collect();
        let gaining: Vec<MembershipId> = gaining.into_iter().cloned().collect();
        self.touch(org, &gaining, Cause::Added).await?;
        for (group, members) in by_group(plan.removed.iter()) {
            delete_places(self.tx, &group, &members).await?;
        }
        match life {
            Some(life) => self.write_many(org, connection, &plan, life).await?,
            None => self.write_few(org, connection, &plan).await?,
        }
        let Plan { added, removed, renewed } = plan;
        Ok(Placing { added: added.into_keys().collect(), removed, renewed: renewed.len() })
    }

    /// One statement for each place.
    async fn write_few(&mut self, org: &OrgId, connection: &ConnectionId, plan: &Plan) -> Result<()> {
        for ((member, group), until) in &plan.added {
            self.insert_place(org, connection, (member, group), *until).await?;
        }
        for ((member, group), until) in &plan.renewed {
            self.tx
                .query("UPDATE group_members SET expires_at = $3 WHERE group_id = $1 AND membership_id = $2")
                .bind(group.as_str().to_owned())
                .bind(member.as_str().to_owned())
                .bind(until.0)
                .execute()
                .await?;
        }
        Ok(())
    }

    /// A few statements for each group, however many are in it: each end follows from when its member came through last.
    async fn write_many(&mut self, org: &OrgId, connection: &ConnectionId, plan: &Plan, life: i64) -> Result<()> {
        let author = self.author().to_owned();
        for (group, members) in by_group(plan.added.keys()) {
            for chunk in members.chunks(LIST) {
                self.tx
                    .query_in(
                        "INSERT INTO group_members (group_id, membership_id, source, created_at, created_by, expires_at)
                         SELECT $$1, m.id, $$2, $$3, $$4, i.last_sign_in_at + $$5 FROM memberships m
                         JOIN upstream_identities i ON i.membership_id = m.id AND i.connection_id = $$6
                         WHERE m.id IN (@) AND m.org_id = $$7 AND i.last_sign_in_at IS NOT NULL
                         ON CONFLICT DO NOTHING",
                        chunk,
                    )
                    .bind(group.as_str().to_owned())
                    .bind(source(connection))
                    .bind(self.at.0)
                    .bind(author.clone())
                    .bind(life)
                    .bind(connection.as_str().to_owned())
                    .bind(org.as_str().to_owned())
                    .execute()
                    .await?;
            }
        }
        for (group, members) in by_group(plan.renewed.keys()) {
            for chunk in members.chunks(LIST) {
                self.tx
                    .query_in(
                        "UPDATE group_members SET expires_at = COALESCE((SELECT MAX(i.last_sign_in_at) + $$3
                           FROM upstream_identities i WHERE i.membership_id = group_members.membership_id
                             AND i.connection_id = $$4), expires_at)
                         WHERE membership_id IN (@) AND group_id = $$1 AND source = $$2 AND expires_at IS NOT NULL",
                        chunk,
                    )
                    .bind(group.as_str().to_owned())
                    .bind(source(connection))
                    .bind(life)
                    .bind(connection.as_str().to_owned())
                    .execute()
                    .await?;
            }
        }
        Ok(())
    }

    async fn insert_place(
        &mut self,
        org: &OrgId,
        connection: &ConnectionId,
        (member, group): (&MembershipId, &GroupId),
        until: UnixMillis,
    ) -> Result<()> {
        let author = self.author().to_owned();
        self.tx
            .query(
                "INSERT INTO group_members (group_id, membership_id, source, created_at, created_by, expires_at)
                 SELECT $1, m.id, $3, $4, $5, $6 FROM memberships m WHERE m.id = $2 AND m.org_id = $7
                 ON CONFLICT DO NOTHING",
            )
            .bind(group.as_str().to_owned())
            .bind(member.as_str().to_owned())
            .bind(source(connection))
            .bind(self.at.0)
            .bind(author)
            .bind(until.0)
            .bind(org.as_str().to_owned())
            .execute()
            .await
            .map(|_| ())
    }

    /// The places of an organisation that are over, as members and groups; takes the pictures in which they still count.
    pub(super) async fn touch_places_over(&mut self, org: &OrgId) -> Result<BTreeSet<(MembershipId, GroupId)>> {
        let rows: Vec<(String, String)> = self
            .tx
            .query(
                // Read in this order: from what is over, never from all groups of the organisation.
                "SELECT e.membership_id, e.group_id FROM group_members e CROSS JOIN groups g
                 WHERE e.expires_at <= $2 AND g.id = e.group_id AND g.org_id = $1",
            )
            .bind(org.as_str().to_owned())
            .bind(self.at.0)
            .all()
            .await?;
        let over: BTreeSet<(MembershipId, GroupId)> =
            rows.into_iter().map(|(member, group)| (MembershipId::trusted(member), GroupId::trusted(group))).collect();
        let members: BTreeSet<&MembershipId> = over.iter().map(|(member, _)| member).collect();
        let members: Vec<MembershipId> = members.into_iter().cloned().collect();
        self.touch_bindings(org, &members, Cause::RoleRemoved, Count::LiveAndDue).await?;
        self.moved(&members);
        Ok(over)
    }

    /// Deletes places of which the pictures were taken.
    pub(super) async fn delete_places_over(&mut self, over: &BTreeSet<(MembershipId, GroupId)>) -> Result<()> {
        for (group, members) in by_group(over.iter()) {
            delete_places(self.tx, &group, &members).await?;
        }
        Ok(())
    }

    /// Makes what a connection's mapping gave the organisation's own: it lasts. How many places there are.
    pub(super) async fn release_places(&mut self, connection: &ConnectionId) -> Result<u64> {
        self.tx
            .query(
                "UPDATE group_members SET source = 'local', expires_at = NULL
                 WHERE source = $1 AND expires_at IS NOT NULL",
            )
            .bind(source(connection))
            .execute()
            .await
    }

    /// Takes a group that is deleted out of every mapping of its organisation: rules that are left without a group go.
    pub(super) async fn unmap_group(&mut self, org: &OrgId, group: &GroupId) -> Result<()> {
        let rows: Vec<(String, String)> = self
            .tx
            .query("SELECT connection_id, mapping FROM sign_ins_upstream WHERE org_id = $1")
            .bind(org.as_str().to_owned())
            .all()
            .await?;
        for (connection, text) in rows {
            let before: Mapping =
                serde_json::from_str(&text).map_err(|_| corrupt(&format!("mapping of {connection}")))?;
            let Some(after) = without(&before, group) else { continue };
            self.tx
                .query("UPDATE sign_ins_upstream SET mapping = $2, mapping_version = mapping_version + 1 WHERE connection_id = $1")
                .bind(connection)
                .bind(serde_json::to_string(&after).map_err(|e| corrupt(&e.to_string()))?)
                .execute()
                .await?;
        }
        Ok(())
    }
}

/// A mapping without a group; `None` when it does not name it.
fn without(before: &Mapping, group: &GroupId) -> Option<Mapping> {
    let mut after = before.clone();
    for rule in &mut after.rules {
        rule.groups.remove(group);
    }
    after.rules.retain(|rule| !rule.groups.is_empty());
    after.groups.retain(|rule| rule.group != *group);
    (after != *before).then_some(after)
}

fn source(connection: &ConnectionId) -> String {
    Source::Oidc(connection.to_string()).to_string()
}

fn held(rows: Vec<(String, String, i64)>) -> Held {
    let place = |(member, group, end)| ((MembershipId::trusted(member), GroupId::trusted(group)), UnixMillis(end));
    rows.into_iter().map(place).collect()
}

/// Every place that a connection's mapping gave.
async fn held_of(tx: &mut Tx, connection: &ConnectionId) -> Result<Held> {
    let rows: Vec<(String, String, i64)> = tx
        .query(
            "SELECT membership_id, group_id, expires_at FROM group_members
             WHERE source = $1 AND expires_at IS NOT NULL",
        )
        .bind(source(connection))
        .all()
        .await?;
    Ok(held(rows))
}

/// Which of the groups that are wanted a mapping may name: the organisation's own, and the predefined ones.
async fn groups_of(tx: &mut Tx, org: &OrgId, wanted: &Wanted) -> Result<BTreeSet<GroupId>> {
    let named: BTreeSet<&GroupId> = wanted.values().flat_map(|(groups, _)| groups).collect();
    let ids: Vec<String> = named.into_iter().map(|id| id.as_str().to_owned()).collect();
    let mut known = BTreeSet::new();
    for chunk in ids.chunks(LIST) {
        let rows: Vec<(String,)> = tx
            .query_in("SELECT id FROM groups WHERE id IN (@) AND org_id = $$1 AND source IN ('local', 'system')", chunk)
            .bind(org.as_str().to_owned())
            .all()
            .await?;
        known.extend(rows.into_iter().map(|(id,)| GroupId::trusted(id)));
    }
    Ok(known)
}

/// The places of these members, whoever gave them: of those that are no mapping's own, the others' are what remains.
async fn others_places(tx: &mut Tx, wanted: &Wanted) -> Result<BTreeSet<(MembershipId, GroupId)>> {
    let ids: Vec<String> = wanted.keys().map(|id| id.as_str().to_owned()).collect();
    let mut found = BTreeSet::new();
    for chunk in ids.chunks(LIST) {
        let rows: Vec<(String, String)> = tx
            .query_in("SELECT membership_id, group_id FROM group_members WHERE membership_id IN (@)", chunk)
            .all()
            .await?;
        found.extend(rows.into_iter().map(|(member, group)| (MembershipId::trusted(member), GroupId::trusted(group))));
    }
    Ok(found)
}

fn by_group<'a>(places: impl Iterator<Item = &'a (MembershipId, GroupId)>) -> BTreeMap<GroupId, Vec<String>> {
    let mut groups: BTreeMap<GroupId, Vec<String>> = BTreeMap::new();
    for (member, group) in places {
        groups.entry(group.clone()).or_default().push(member.as_str().to_owned());
    }
    groups
}

/// Deletes mapped places in a group; a place that lasts is never among them.
async fn delete_places(tx: &mut Tx, group: &GroupId, members: &[String]) -> Result<()> {
    for chunk in members.chunks(LIST) {
        tx.query_in(
            "DELETE FROM group_members WHERE membership_id IN (@) AND group_id = $$1 AND expires_at IS NOT NULL",
            chunk,
        )
        .bind(group.as_str().to_owned())
        .execute()
        .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::federation::mapping::{GroupRule, Rule};

    const NOW: UnixMillis = UnixMillis(1_000);
    const UNTIL: UnixMillis = UnixMillis(5_000);

    fn place(member: u128, group: u128) -> (MembershipId, GroupId) {
        (MembershipId::from_u128(member), GroupId::from_u128(group))
    }

    fn planned(held: &[(u128, i64)], wanted: &[u128], theirs: &[u128], until: UnixMillis) -> Plan {
        let held: Held = held.iter().map(|(group, end)| (place(1, *group), UnixMillis(*end))).collect();
        let groups: BTreeSet<GroupId> = wanted.iter().map(|group| GroupId::from_u128(*group)).collect();
        let wanted = Wanted::from([(MembershipId::from_u128(1), (groups, until))]);
        let known = (1..=5).map(GroupId::from_u128).collect();
        let theirs = theirs.iter().map(|group| place(1, *group)).collect();
        plan(&held, &wanted, &known, &theirs, NOW)
    }

    // N09
    #[test]
    fn a_place_that_is_not_wanted_goes_and_one_by_other_hands_is_left_alone() {
        let plan = planned(&[(1, 5_000), (2, 4_000), (3, 4_000)], &[1, 2, 4, 5, 9], &[1, 2, 3, 5], UNTIL);
        assert_eq!(plan.removed, BTreeSet::from([place(1, 3)]));
        assert_eq!(plan.renewed, BTreeMap::from([(place(1, 2), UNTIL)]));
        assert_eq!(plan.added, BTreeMap::from([(place(1, 4), UNTIL)]));
    }

    #[test]
    fn a_place_whose_end_is_past_already_is_not_given() {
        let plan = planned(&[(1, 5_000)], &[1, 2], &[1], NOW);
        assert_eq!(plan.removed, BTreeSet::from([place(1, 1)]));
        assert!(plan.added.is_empty() && plan.renewed.is_empty());
    }

    #[test]
    fn a_group_that_is_deleted_is_in_no_mapping_any_more() {
        let (one, two) = (GroupId::from_u128(1), GroupId::from_u128(2));
        let rule = |name: &str, groups: &[&GroupId]| Rule {
            name: name.to_owned(),
            conditions: Vec::new(),
            groups: groups.iter().map(|id| (*id).clone()).collect(),
        };
        let mapped =
            |group: &GroupId| GroupRule { external_id: "x".to_owned(), label: String::new(), group: group.clone() };
        let before = Mapping {
            rules: vec![rule("a", &[&one]), rule("b", &[&one, &two])],
            groups: vec![mapped(&one), mapped(&two)],
            ..Mapping::default()
        };
        let after = Mapping { rules: vec![rule("b", &[&two])], groups: vec![mapped(&two)], ..Mapping::default() };
        assert_eq!(without(&before, &one), Some(after.clone()));
        assert_eq!(without(&after, &one), None);
    }
}
