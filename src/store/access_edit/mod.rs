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

mod connections;
mod factors;
pub mod federation;
mod groups;
mod invitations;
pub mod mapped;
mod members;
mod notices;
mod orgs;
mod passwords;
mod provisioned;
mod roles;
mod tools;
mod upstream_account;

pub use invitations::Renewed;
pub use tools::NewServiceAccount;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::db::{Fate, LIST, Result, Tx};
use super::picture::{self, Count, OrgFacts, Pictured, Place};
use crate::domain::access::claims::Project;
use crate::domain::access::permission::administers;
use crate::domain::access::reach::Reach;
use crate::domain::access::{Cause, Difference, Grants, Policy, Role, Verdict, diff, verdict};
use crate::domain::ssf::caep::{ChangeType, Credential};
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
    /// Where the member stood before; `None` for one that was not there.
    place: Option<Place>,
    before: Arc<Grants>,
    /// Whether this edit writes bindings alone of what the member's grants hang on: then it stands where it stood.
    stays: bool,
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
    /// Organisations in which this edit has ended windows, or places in groups, that were over.
    swept: BTreeSet<OrgId>,
    /// Own roles that this edit has deleted.
    deleted_roles: BTreeSet<(OrgId, String)>,
    /// The label of whoever asks, for the rows that say who made them.
    author: String,
    /// How many access keys this edit has deleted that had not ended before.
    keys_ended: u64,
    /// Projects that this edit has deleted: what was held on them still has a name.
    deleted_projects: Vec<(OrgId, Project)>,
    /// Accounts of which this edit has written a credential, which, and how.
    credentials: BTreeMap<(UserId, Credential), ChangeType>,
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
    /// Its user name.
    pub user_name: String,
    /// What was lost and gained.
    pub difference: Difference,
    /// What ends.
    pub verdict: Verdict,
    /// What was held before.
    pub before: Arc<Grants>,
    /// What is held now.
    pub after: Arc<Grants>,
}

/// What an edit did.
#[derive(Clone, Debug, Default)]
pub struct Settled {
    /// To the members for whom something changed or ends.
    pub outcomes: Vec<Outcome>,
    /// How many access keys ended.
    pub access_keys: u64,
    /// The projects of the organisations concerned, those that were deleted among them.
    pub projects: BTreeMap<OrgId, Vec<Project>>,
    /// Accounts of which a credential was set, changed or taken away.
    pub credentials: BTreeMap<(UserId, Credential), ChangeType>,
}

impl<'t> AccessEdit<'t> {
    /// Opens an edit of some organisations and locks them, in the order of their ids. Windows, and places in groups, that are over
    /// are ended first: so the picture before each change is one that Muster has acted upon, and no loss falls between two.
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
            author: String::new(),
            keys_ended: 0,
            deleted_projects: Vec::new(),
            credentials: BTreeMap::new(),
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

    /// Says who asks, for the rows that tell who made them.
    pub fn set_author(&mut self, label: String) {
        self.author = label;
    }

    /// The label of whoever asks.
    #[must_use]
    pub fn author(&self) -> &str {
        &self.author
    }

    /// Notes that a credential of an account was written. Of several times in one edit the first and the last count.
    fn note_credential(&mut self, user: &UserId, which: Credential, how: ChangeType) {
        let key = (user.clone(), which);
        let made = self.credentials.get(&key) == Some(&ChangeType::Create);
        let how = if made && how == ChangeType::Update { ChangeType::Create } else { how };
        self.credentials.insert(key, how);
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
        let grants = pictured.remove(&id).map(|p| Arc::unwrap_or_clone(p.grants)).unwrap_or_default();
        Ok(Reach::Member { grants, own })
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
        self.touch_bindings(org, members, cause, Count::Live).await?;
        self.moved(members);
        Ok(())
    }

    /// Says of members whose picture was taken that more than bindings is about to be written.
    fn moved(&mut self, members: &[MembershipId]) {
        for id in members {
            if let Some(touched) = self.touched.get_mut(id) {
                touched.stays = false;
            }
        }
    }

    /// As [`AccessEdit::touch`], for members of whom nothing but bindings is about to be written: neither their rows, nor
    /// their accounts', nor their places in groups.
    async fn touch_bindings(
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
            let (place, before) = match pictured.remove(&id) {
                Some(Pictured { place, grants }) => (Some(place), grants),
                None => (None, Arc::default()),
            };
            let touched = Touched { org: org.clone(), place, before, stays: true, causes: BTreeSet::new() };
            self.touched.insert(id, touched);
        }
        for id in members {
            if let Some(touched) = self.touched.get_mut(id) {
                touched.causes.insert(cause);
            }
        }
        Ok(())
    }

    /// Judges the differences, raises the counters, ends the access keys of people who lost their last grant on the
    /// keys' project, and hands the transaction back with what became of each member.
    ///
    /// Only members for whom something changed or ends are in the answer, and only their rows are written.
    ///
    /// # Errors
    /// The database's.
    pub async fn settle(self) -> Result<(&'t mut Tx, Settled)> {
        let Self { tx, at, orgs, mut touched, keys_ended, deleted_projects, credentials, .. } = self;
        let after = picture_after(tx, &mut touched, &orgs, at).await?;
        let access_keys = keys_ended + tools::end_keys_without_a_grant(tx, &after, at).await?;
        let mut judged = Judged::default();
        let mut outcomes = Vec::new();
        // Both stand in the order of their ids, and nobody is in the picture who was not touched.
        let mut after = after.into_iter().peekable();
        for (member, touched) in touched {
            let (place, grants) = match after.next_if(|(id, _)| *id == member).map(|(_, pictured)| pictured) {
                Some(Pictured { place, grants }) => (touched.place.or(Some(place)), grants),
                None => (touched.place, Arc::default()),
            };
            let Some(Place { holder, user_name, .. }) = place else { continue };
            let user = holder.user;
            let (difference, verdict) = judged.of(&orgs, &touched.org, (&touched.before, &grants), &touched.causes);
            if !difference.is_empty() || verdict != Verdict::Keep {
                let (org, before, after) = (touched.org, touched.before, grants);
                outcomes.push(Outcome { org, member, user, user_name, difference, verdict, before, after });
            }
        }
        raise(tx, &outcomes).await?;
        tx.set_fate(Fate::Keep);
        let mut projects: BTreeMap<OrgId, Vec<Project>> =
            orgs.into_iter().map(|(org, facts)| (org, facts.projects)).collect();
        for (org, project) in deleted_projects {
            projects.entry(org).or_default().push(project);
        }
        Ok((tx, Settled { outcomes, access_keys, projects, credentials }))
    }
}

/// The picture after: of those whose bindings alone were written only those are read again.
async fn picture_after(
    tx: &mut Tx,
    touched: &mut BTreeMap<MembershipId, Touched>,
    orgs: &BTreeMap<OrgId, OrgFacts>,
    at: UnixMillis,
) -> Result<BTreeMap<MembershipId, Pictured>> {
    let (mut moved, mut places) = (Vec::new(), Vec::new());
    for (id, touched) in touched {
        match touched.place.take() {
            Some(place) if touched.stays => places.push(place),
            place => {
                touched.place = place;
                moved.push(id.clone());
            }
        }
    }
    let mut after = picture::of_places(tx, places, orgs, at, Count::Live).await?;
    after.extend(picture::of_members(tx, &moved, orgs, at, Count::Live).await?);
    Ok(after)
}

/// What was judged already: members who held and hold the same, for the same causes, are judged once.
#[derive(Default)]
struct Judged(HashMap<Case, (Arc<Grants>, Arc<Grants>, Difference, Verdict)>);

/// The organisation, where the pictures before and after lie in memory, and the causes.
type Case = (OrgId, usize, usize, BTreeSet<Cause>);

impl Judged {
    fn of(
        &mut self,
        orgs: &BTreeMap<OrgId, OrgFacts>,
        org: &OrgId,
        (before, after): (&Arc<Grants>, &Arc<Grants>),
        causes: &BTreeSet<Cause>,
    ) -> (Difference, Verdict) {
        // The pictures are kept beside the answer, so that no other can come to lie at the same address.
        let key = (org.clone(), Arc::as_ptr(before).addr(), Arc::as_ptr(after).addr(), causes.clone());
        let (_, _, difference, verdict) = self.0.entry(key).or_insert_with(|| {
            let difference = diff(before, after);
            let verdict = judge(orgs.get(org), causes, after, &difference);
            (before.clone(), after.clone(), difference, verdict)
        });
        (difference.clone(), *verdict)
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
