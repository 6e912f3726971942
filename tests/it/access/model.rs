//! Organisations as sets and maps: who holds what, found by looking at every binding there is.

use std::collections::{BTreeMap, BTreeSet};

use muster::domain::access::difference::Held;
use muster::domain::access::permission::administers;
use muster::domain::access::{
    Binding, Bindings, Difference, Grants, Holder, Policy, Role, Scope, Subject, Verdict, effective, verdict,
};
use muster::domain::people::user::{MembershipState, UserState};
use muster::kernel::id::{BindingId, GroupId, MembershipId, OrgId, ProjectId, RoleId, UserId};
use muster::kernel::time::UnixMillis;

use super::batch::Touched;

/// Everything there is.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub users: BTreeMap<UserId, Account>,
    pub orgs: BTreeMap<OrgId, Org>,
}

#[derive(Clone, Debug)]
pub struct Account {
    pub name: String,
    pub state: UserState,
}

#[derive(Clone, Debug)]
pub struct Org {
    pub active: bool,
    pub policy: Policy,
    pub owner: Option<MembershipId>,
    /// Their keys.
    pub projects: BTreeMap<ProjectId, String>,
    pub members: BTreeMap<MembershipId, Member>,
    pub groups: BTreeMap<GroupId, Group>,
    pub bindings: BTreeMap<BindingId, Binding>,
    pub roles: BTreeMap<RoleId, OwnRole>,
    /// What own roles are or were made of, by key: a role that is deleted is judged by what it was.
    pub made_of: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Clone, Debug)]
pub struct Member {
    pub user: UserId,
    pub state: MembershipState,
}

#[derive(Clone, Debug)]
pub struct Group {
    pub name: String,
    /// Predefined: its members can change, and nothing else of it.
    pub system: bool,
    pub members: BTreeSet<MembershipId>,
}

#[derive(Clone, Debug)]
pub struct OwnRole {
    pub key: String,
    pub permissions: BTreeSet<String>,
}

/// Whether a binding whose time is over, and that was not swept yet, counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    Over,
    Counts,
}

impl Org {
    /// A new one, without anything in it.
    pub fn new(policy: Policy) -> Self {
        Self {
            active: true,
            policy,
            owner: None,
            projects: BTreeMap::new(),
            members: BTreeMap::new(),
            groups: BTreeMap::new(),
            bindings: BTreeMap::new(),
            roles: BTreeMap::new(),
            made_of: BTreeMap::new(),
        }
    }

    /// Whether a subject is a predefined group.
    pub fn is_predefined(&self, subject: &Subject) -> bool {
        matches!(subject, Subject::Group(id) if self.groups.get(id).is_some_and(|group| group.system))
    }

    /// The members whom a subject stands for.
    pub fn stood_for(&self, subject: &Subject) -> BTreeSet<MembershipId> {
        match subject {
            Subject::Member(id) => self.members.keys().filter(|member| *member == id).cloned().collect(),
            Subject::Group(id) => self.groups.get(id).map(|group| group.members.clone()).unwrap_or_default(),
        }
    }
}

impl Model {
    /// Whether a member may sign in: account, membership and organisation are active.
    pub fn may_sign_in(&self, org: &OrgId, member: &MembershipId) -> bool {
        let Some(of) = self.orgs.get(org) else {
            return false;
        };
        let account =
            |member: &Member| self.users.get(&member.user).is_some_and(|user| user.state == UserState::Active);
        of.active
            && of.members.get(member).is_some_and(|member| member.state == MembershipState::Active && account(member))
    }

    /// A person's membership in each organisation that has one.
    pub fn memberships(&self, user: &UserId) -> BTreeMap<OrgId, MembershipId> {
        let mut found = BTreeMap::new();
        for (org, of) in &self.orgs {
            let members = of.members.iter().filter(|(_, member)| member.user == *user);
            found.extend(members.map(|(id, _)| (org.clone(), id.clone())));
        }
        found
    }

    /// Every role on every scope that a member holds.
    pub fn held(&self, org: &OrgId, member: &MembershipId, at: UnixMillis, due: Due) -> BTreeSet<Held> {
        let mut held = BTreeSet::new();
        if !self.may_sign_in(org, member) {
            return held;
        }
        let of = &self.orgs[org];
        if of.owner.as_ref() == Some(member) {
            for role in with_implied(&Role::OrgOwner) {
                held.insert(Held { role, scope: Scope::Org });
            }
        }
        for binding in of.bindings.values() {
            let begun = binding.window.not_before <= at;
            let over = binding.window.not_after <= at && due == Due::Over;
            if !begun || over || !of.stood_for(&binding.subject).contains(member) {
                continue;
            }
            for role in with_implied(&binding.role) {
                if binding.scope == Scope::AllProjects {
                    held.extend(
                        of.projects.keys().map(|id| Held { role: role.clone(), scope: Scope::Project(id.clone()) }),
                    );
                }
                held.insert(Held { role, scope: binding.scope.clone() });
            }
        }
        held
    }

    /// What the domain says that a change ends for a member, given what this model says was lost.
    pub fn verdict(&self, member: &MembershipId, touched: &Touched, lost: &Difference, at: UnixMillis) -> Verdict {
        let of = &self.orgs[&touched.org];
        let administering = |role: &Role| match role {
            Role::Own(key) => of.made_of.get(key).is_some_and(|words| administers(words.iter().map(String::as_str))),
            _ => false,
        };
        verdict(of.policy, &touched.causes, &self.grants(&touched.org, member, at), lost, &administering)
    }

    fn grants(&self, org: &OrgId, member: &MembershipId, at: UnixMillis) -> Grants {
        let of = &self.orgs[org];
        let Some(found) = of.members.get(member) else {
            return Grants::default();
        };
        let groups = of.groups.iter().filter(|(_, group)| group.members.contains(member)).map(|(id, _)| id.clone());
        let holder = Holder {
            id: member.clone(),
            user: found.user.clone(),
            active: self.may_sign_in(org, member),
            owner: of.owner.as_ref() == Some(member),
            groups: groups.collect(),
        };
        let projects: Vec<ProjectId> = of.projects.keys().cloned().collect();
        effective(&holder, &Bindings::new(of.bindings.values().cloned()), &projects, at)
    }
}

fn with_implied(role: &Role) -> Vec<Role> {
    let billing = [Role::BillingAdmin, Role::BillingManager, Role::BillingViewer];
    match role {
        Role::OrgOwner => [Role::OrgOwner, Role::OrgAdmin].into_iter().chain(billing).collect(),
        Role::BillingAdmin => billing.to_vec(),
        Role::BillingManager => billing[1..].to_vec(),
        other => vec![other.clone()],
    }
}
