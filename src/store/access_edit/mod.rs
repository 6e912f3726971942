//! The door as a type: the only value that can write memberships, groups, bindings and account states.
//!
//! [`AccessEdit::open`] locks the organisations concerned, in the order of their ids; [`AccessEdit::touch`] takes the
//! picture of members' grants before they are written to, under that lock; [`AccessEdit::settle`] takes the picture
//! after, has the pure core judge the difference, and raises the counters. An edit that is dropped instead has the
//! whole job undone: [`Database::write`](super::db::Database::write) refuses to commit it.
//!
//! # Why
//! Two removals at once, each of one of a user's last two groups, would each still see the other's row under READ
//! COMMITTED, and nobody would end the session. The organisation's row is the lock that makes them take turns.

mod groups;
mod members;
mod orgs;
mod roles;

use std::collections::{BTreeMap, BTreeSet};

use super::db::{Fate, LIST, Result, Tx};
use super::picture::{self, Count, OrgFacts, Pictured};
use crate::domain::access::permission::administers;
use crate::domain::access::reach::Reach;
use crate::domain::access::{Cause, Difference, Grants, Policy, Role, Verdict, diff, verdict};
use crate::kernel::id::{MembershipId, OrgId, UserId};
use crate::kernel::time::UnixMillis;

/// What became of a row that a change named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The row was written.
    Done,
    /// It was so already; nothing was written.
    Already,
    /// There is no such row in this organisation.
    Missing,
    /// Another row has that name or key.
    Taken,
}

impl Written {
    pub(crate) const fn from_rows(rows: u64, otherwise: Self) -> Self {
        if rows == 0 { otherwise } else { Self::Done }
    }
}

struct Touched {
    org: OrgId,
    user: Option<UserId>,
    before: Grants,
    causes: BTreeSet<Cause>,
}

/// An edit of access that is under way.
#[must_use = "settle() or the whole job is undone"]
pub struct AccessEdit<'t> {
    tx: &'t mut Tx,
    at: UnixMillis,
    orgs: BTreeMap<OrgId, OrgFacts>,
    versions: BTreeMap<OrgId, i64>,
    touched: BTreeMap<MembershipId, Touched>,
    /// Organisations in which this edit has ended windows that were over.
    swept: BTreeSet<OrgId>,
    /// Own roles that this edit has deleted.
    deleted_roles: BTreeSet<(OrgId, String)>,
}

/// What an edit did to one member.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The organisation.
    pub org: OrgId,
    /// The membership; it may be gone by now.
    pub member: MembershipId,
    /// The account.
    pub user: UserId,
    /// What was lost and gained.
    pub difference: Difference,
    /// What ends.
    pub verdict: Verdict,
}

impl<'t> AccessEdit<'t> {
    /// Opens an edit of some organisations and locks them, in the order of their ids. Windows that are over are ended
    /// first: so the picture before each change is one that Muster has acted upon, and no loss falls between two.
    ///
    /// Organisations that are not there (yet) are passed over.
    ///
    /// # Errors
    /// The database's.
    pub async fn open(tx: &'t mut Tx, orgs: &BTreeSet<OrgId>, at: UnixMillis) -> Result<Self> {
        tx.set_fate(Fate::Unsettled);
        let mut edit = Self {
            tx,
            at,
            orgs: BTreeMap::new(),
            versions: BTreeMap::new(),
            touched: BTreeMap::new(),
            swept: BTreeSet::new(),
            deleted_roles: BTreeSet::new(),
        };
        for org in orgs {
            edit.lock(org).await?;
        }
        for org in orgs {
            edit.sweep(org).await?;
        }
        Ok(edit)
    }

    /// Locks one more organisation: one that this edit has just made.
    async fn lock(&mut self, org: &OrgId) -> Result<()> {
        let locked: Option<(String, i64)> = self
            .tx
            .query("UPDATE orgs SET access_version = access_version + 1 WHERE id = $1 RETURNING policy, access_version")
            .bind(org.as_str().to_owned())
            .optional()
            .await?;
        let Some((policy, version)) = locked else {
            return Ok(());
        };
        let policy: Policy = policy.parse().map_err(|e: String| super::db::corrupt(&e))?;
        let projects = picture::projects(self.tx, org).await?;
        let own_roles = picture::own_roles(self.tx, org).await?;
        self.orgs.insert(org.clone(), OrgFacts { policy, projects, own_roles });
        self.versions.insert(org.clone(), version - 1);
        Ok(())
    }

    /// The access version at which the organisation stood before this edit; `None` when it is not there.
    #[must_use]
    pub fn version_before(&self, org: &OrgId) -> Option<i64> {
        self.versions.get(org).copied()
    }

    /// The transaction, for reading.
    pub fn conn(&mut self) -> &mut super::db::Conn {
        self.tx
    }

    /// The transaction, for rows that are not access: profiles, applications, credentials.
    pub fn tx(&mut self) -> &mut Tx {
        self.tx
    }

    /// What the edit knows of an organisation; `None` when it is not there.
    #[must_use]
    pub fn org(&self, org: &OrgId) -> Option<&OrgFacts> {
        self.orgs.get(org)
    }

    /// The time of this edit.
    #[must_use]
    pub const fn at(&self) -> UnixMillis {
        self.at
    }

    /// What a person may do in an organisation, as of now and under the lock. Nobody's reach is empty.
    ///
    /// # Errors
    /// The database's.
    pub async fn reach_of(&mut self, org: &OrgId, user: &UserId) -> Result<Reach> {
        let own = self.orgs.get(org).map(|facts| facts.own_roles.clone()).unwrap_or_default();
        let Some(member) = super::memberships::of_user(self.tx, org, user).await? else {
            return Ok(Reach::Member { grants: Grants::default(), own });
        };
        let id = member.id;
        let mut pictured =
            picture::of_members(self.tx, std::slice::from_ref(&id), &self.orgs, self.at, Count::Live).await?;
        Ok(Reach::Member { grants: pictured.remove(&id).map(|p| p.grants).unwrap_or_default(), own })
    }

    /// What a member's bindings give, whatever state the member is in: how far the person reaches once it is active.
    ///
    /// # Errors
    /// The database's.
    pub async fn bound_reach_of(&mut self, org: &OrgId, member: &MembershipId) -> Result<Reach> {
        let own = self.orgs.get(org).map(|facts| facts.own_roles.clone()).unwrap_or_default();
        let grants = picture::bound(self.tx, org, member, self.at).await?;
        Ok(Reach::Member { grants, own })
    }

    /// Takes the picture before of members that are about to be written to, and remembers why.
    ///
    /// # Errors
    /// The database's.
    pub async fn touch(&mut self, org: &OrgId, members: &[MembershipId], cause: Cause) -> Result<()> {
        self.touch_counting(org, members, cause, Count::Live).await
    }

    async fn touch_counting(
        &mut self,
        org: &OrgId,
        members: &[MembershipId],
        cause: Cause,
        count: Count,
    ) -> Result<()> {
        let new: BTreeSet<&MembershipId> = members.iter().filter(|id| !self.touched.contains_key(*id)).collect();
        let new: Vec<MembershipId> = new.into_iter().cloned().collect();
        let mut pictured = picture::of_members(self.tx, &new, &self.orgs, self.at, count).await?;
        for id in new {
            let (user, before) = match pictured.remove(&id) {
                Some(Pictured { user, grants, .. }) => (Some(user), grants),
                None => (None, Grants::default()),
            };
            self.touched.insert(id, Touched { org: org.clone(), user, before, causes: BTreeSet::new() });
        }
        for id in members {
            if let Some(touched) = self.touched.get_mut(id) {
                touched.causes.insert(cause);
            }
        }
        Ok(())
    }

    /// Judges the differences, raises the counters, and hands the transaction back with what became of each member.
    ///
    /// Only members for whom something changed or ends are in the answer, and only their rows are written.
    ///
    /// # Errors
    /// The database's.
    pub async fn settle(self) -> Result<(&'t mut Tx, Vec<Outcome>)> {
        let Self { tx, at, orgs, touched, .. } = self;
        let ids: Vec<MembershipId> = touched.keys().cloned().collect();
        let mut after = picture::of_members(tx, &ids, &orgs, at, Count::Live).await?;
        let mut outcomes = Vec::new();
        for (member, touched) in touched {
            let now = after.remove(&member);
            let user = touched.user.or_else(|| now.as_ref().map(|p| p.user.clone()));
            let Some(user) = user else { continue };
            let grants = now.map(|p| p.grants).unwrap_or_default();
            let difference = diff(&touched.before, &grants);
            let verdict = judge(orgs.get(&touched.org), &touched.causes, &grants, &difference);
            if !difference.is_empty() || verdict != Verdict::Keep {
                outcomes.push(Outcome { org: touched.org, member, user, difference, verdict });
            }
        }
        raise(tx, &outcomes).await?;
        tx.set_fate(Fate::Keep);
        Ok((tx, outcomes))
    }
}

fn judge(facts: Option<&OrgFacts>, causes: &BTreeSet<Cause>, after: &Grants, difference: &Difference) -> Verdict {
    let policy = facts.map(|facts| facts.policy).unwrap_or_default();
    let administering = |role: &Role| match (role, facts) {
        (Role::Own(key), Some(facts)) => {
            facts.own_roles.get(key).is_some_and(|words| administers(words.iter().map(String::as_str)))
        }
        _ => false,
    };
    verdict(policy, causes, after, difference, &administering)
}

/// Raises `acv` of everyone whose grants changed, `acv_least` with it for Narrow and End, and `epoch` for End.
async fn raise(tx: &mut Tx, outcomes: &[Outcome]) -> Result<()> {
    let of = |wanted: Verdict| -> Vec<String> {
        outcomes.iter().filter(|o| o.verdict == wanted).map(|o| o.member.as_str().to_owned()).collect()
    };
    for chunk in of(Verdict::Keep).chunks(LIST) {
        tx.query_in("UPDATE memberships SET acv = acv + 1 WHERE id IN (@)", chunk).execute().await?;
    }
    for chunk in of(Verdict::Narrow).chunks(LIST) {
        tx.query_in("UPDATE memberships SET acv = acv + 1, acv_least = acv + 1 WHERE id IN (@)", chunk)
            .execute()
            .await?;
    }
    for chunk in of(Verdict::End).chunks(LIST) {
        tx.query_in(
            "UPDATE memberships SET acv = acv + 1, acv_least = acv + 1, epoch = epoch + 1 WHERE id IN (@)",
            chunk,
        )
        .execute()
        .await?;
    }
    Ok(())
}
