//! Changes that are asked for together, and what each of them does to the model.
//!
//! Every method adds a change, as the door is to be asked for it, and carries it out on the model: which rows, whom it
//! touches and why, or the word with which the whole batch will be refused.

use std::collections::{BTreeMap, BTreeSet};

use muster::domain::access::{Binding, Cause, Difference, Policy, Role, Scope, Subject, Verdict};
use muster::domain::change::{Change, MemberReceipt};
use muster::domain::people::user::{MembershipState, OrgState, UserState};
use muster::domain::source::Source;
use muster::kernel::id::{BindingId, GroupId, MembershipId, OrgId, ProjectId, RoleId, UserId};
use muster::kernel::time::UnixMillis;

use super::model::{Due, Group, Member, Model, Org, OwnRole};

/// Why a member is touched.
#[derive(Clone, Debug)]
pub struct Touched {
    pub org: OrgId,
    pub user: UserId,
    pub causes: BTreeSet<Cause>,
}

/// What is asked for, and what should come of it.
#[derive(Clone, Debug)]
pub struct Batch {
    /// What the door is asked for.
    pub changes: Vec<Change>,
    /// How many of them change something.
    pub acts: usize,
    /// The model before.
    pub start: Model,
    /// The model after, unless the batch is refused.
    pub model: Model,
    pub touched: BTreeMap<MembershipId, Touched>,
    /// The organisations concerned.
    pub orgs: BTreeSet<OrgId>,
    /// Accounts that end everywhere.
    pub barred: BTreeSet<UserId>,
    /// The word with which the batch is refused.
    pub refused: Option<&'static str>,
    now: UnixMillis,
    /// A sweep counts as held what it ends.
    sweep: bool,
}

impl Batch {
    /// A batch of nothing.
    pub fn new(model: &Model, now: UnixMillis) -> Self {
        Self {
            changes: Vec::new(),
            acts: 0,
            start: model.clone(),
            model: model.clone(),
            touched: BTreeMap::new(),
            orgs: BTreeSet::new(),
            barred: BTreeSet::new(),
            refused: None,
            now,
            sweep: false,
        }
    }

    /// The organisation as the batch has left it so far.
    pub fn org(&self, id: &OrgId) -> &Org {
        &self.model.orgs[id]
    }

    /// The lines of the receipt, in its order.
    pub fn outcomes(&self) -> Vec<MemberReceipt> {
        let due = if self.sweep { Due::Counts } else { Due::Over };
        let outcome = |(member, touched): (&MembershipId, &Touched)| {
            let org = &touched.org;
            let before = self.start.held(org, member, self.now, due);
            let after = self.model.held(org, member, self.now, Due::Over);
            let difference = Difference {
                lost: before.difference(&after).cloned().collect(),
                gained: after.difference(&before).cloned().collect(),
            };
            let verdict = self.model.verdict(member, touched, &difference, self.now);
            (!difference.is_empty() || verdict != Verdict::Keep).then(|| MemberReceipt {
                org: org.clone(),
                member: member.clone(),
                user: touched.user.clone(),
                user_name: self.model.users[&touched.user].name.clone(),
                lost: difference.lost,
                gained: difference.gained,
                verdict,
            })
        };
        self.touched.iter().filter_map(outcome).collect()
    }

    fn ask(&mut self, org: &OrgId, change: Change) {
        self.changes.push(change);
        self.orgs.insert(org.clone());
    }

    fn done(&mut self) {
        self.acts += 1;
    }

    fn edit(&mut self, org: &OrgId) -> &mut Org {
        self.model.orgs.get_mut(org).unwrap()
    }

    fn touch(&mut self, org: &OrgId, members: impl IntoIterator<Item = MembershipId>, cause: Cause) {
        for id in members {
            if let Some(touched) = self.touched.get_mut(&id) {
                touched.causes.insert(cause);
            } else if let Some(member) = self.model.orgs[org].members.get(&id) {
                let touched = Touched { org: org.clone(), user: member.user.clone(), causes: BTreeSet::from([cause]) };
                self.touched.insert(id, touched);
            }
        }
    }

    pub fn set_policy(&mut self, org: &OrgId, policy: Policy) {
        self.ask(org, Change::SetPolicy { org: org.clone(), policy });
        if self.org(org).policy != policy {
            self.edit(org).policy = policy;
            self.done();
        }
    }

    pub fn set_org_active(&mut self, org: &OrgId, active: bool) {
        let (state, cause) =
            if active { (OrgState::Active, Cause::Added) } else { (OrgState::Suspended, Cause::Barred) };
        self.ask(org, Change::SetOrgState { org: org.clone(), state });
        if self.org(org).active != active {
            let all: Vec<MembershipId> = self.org(org).members.keys().cloned().collect();
            self.touch(org, all, cause);
            self.edit(org).active = active;
            self.done();
        }
    }

    pub fn transfer_ownership(&mut self, org: &OrgId, to: &MembershipId) {
        self.ask(org, Change::TransferOwnership { org: org.clone(), to: to.clone() });
        let member = &self.org(org).members[to];
        let barred = self.model.users[&member.user].state != UserState::Active;
        if barred || member.state == MembershipState::Suspended {
            self.refused = Some("invalid");
            return;
        }
        let before = self.org(org).owner.clone();
        if before.as_ref() != Some(to) {
            self.touch(org, before, Cause::RoleRemoved);
            self.touch(org, [to.clone()], Cause::Added);
            self.edit(org).owner = Some(to.clone());
            self.done();
        }
    }

    pub fn set_user_active(&mut self, user: &UserId, active: bool) {
        let (state, cause) =
            if active { (UserState::Active, Cause::Added) } else { (UserState::Suspended, Cause::Barred) };
        self.changes.push(Change::SetUserState { user: user.clone(), state });
        self.orgs.extend(self.start.memberships(user).into_keys());
        if self.model.users[user].state != state {
            let owns = |(org, member): (OrgId, MembershipId)| self.model.orgs[&org].owner == Some(member);
            if !active && self.model.memberships(user).into_iter().any(owns) {
                self.refused = Some("blocked");
                return;
            }
            self.touch_everywhere(user, cause);
            self.model.users.get_mut(user).unwrap().state = state;
            if !active {
                self.barred.insert(user.clone());
            }
            self.done();
        }
    }

    pub fn reset_password(&mut self, user: &UserId) {
        let password = "$argon2id$nobody's".to_owned();
        self.changes.push(Change::ResetPassword { user: user.clone(), password, must_change: false });
        self.orgs.extend(self.start.memberships(user).into_keys());
        self.touch_everywhere(user, Cause::Barred);
        self.barred.insert(user.clone());
        self.done();
    }

    fn touch_everywhere(&mut self, user: &UserId, cause: Cause) {
        for (org, member) in self.model.memberships(user) {
            self.touch(&org, [member], cause);
        }
    }

    pub fn add_member(&mut self, org: &OrgId, user: &UserId, state: MembershipState) -> MembershipId {
        let (id, source) = (MembershipId::fresh(), Source::Local);
        let (member, of) = (id.clone(), user.clone());
        self.ask(org, Change::AddMember { org: org.clone(), member, user: of, state, source });
        if !self.org(org).members.values().any(|member| member.user == *user) {
            self.edit(org).members.insert(id.clone(), Member { user: user.clone(), state });
            self.touch(org, [id.clone()], Cause::Added);
            self.done();
        }
        id
    }

    pub fn set_member_state(&mut self, org: &OrgId, member: &MembershipId, state: MembershipState) {
        self.ask(org, Change::SetMemberState { org: org.clone(), member: member.clone(), state });
        if state != MembershipState::Active && self.org(org).owner.as_ref() == Some(member) {
            self.refused = Some("blocked");
            return;
        }
        if self.org(org).members[member].state != state {
            let cause = if state == MembershipState::Active { Cause::Added } else { Cause::Barred };
            self.touch(org, [member.clone()], cause);
            self.edit(org).members.get_mut(member).unwrap().state = state;
            self.done();
        }
    }

    pub fn remove_member(&mut self, org: &OrgId, member: &MembershipId) {
        self.ask(org, Change::RemoveMember { org: org.clone(), member: member.clone() });
        if self.org(org).owner.as_ref() == Some(member) {
            self.refused = Some("blocked");
            return;
        }
        self.touch(org, [member.clone()], Cause::Barred);
        let of = self.edit(org);
        of.groups.values_mut().for_each(|group| {
            group.members.remove(member);
        });
        of.bindings.retain(|_, binding| binding.subject != Subject::Member(member.clone()));
        of.members.remove(member);
        self.done();
    }

    pub fn create_project(&mut self, org: &OrgId, key: &str) -> ProjectId {
        let project = ProjectId::fresh();
        let (id, name) = (project.clone(), key.to_owned());
        self.ask(org, Change::CreateProject { org: org.clone(), project: id, key: key.to_owned(), name });
        if self.org(org).projects.values().any(|taken| taken == key) {
            self.refused = Some("conflict");
            return project;
        }
        let holders = self.bound(org, |binding| binding.scope == Scope::AllProjects);
        self.touch(org, holders, Cause::Added);
        self.edit(org).projects.insert(project.clone(), key.to_owned());
        self.done();
        project
    }

    pub fn delete_project(&mut self, org: &OrgId, project: &ProjectId) {
        self.ask(org, Change::DeleteProject { org: org.clone(), project: project.clone() });
        let on_it = Scope::Project(project.clone());
        let holders = self.bound(org, |binding| binding.scope == Scope::AllProjects || binding.scope == on_it);
        self.touch(org, holders, Cause::RoleRemoved);
        self.edit(org).bindings.retain(|_, binding| binding.scope != on_it);
        self.edit(org).projects.remove(project);
        self.done();
    }

    pub fn create_group(&mut self, org: &OrgId, name: &str) -> GroupId {
        let group = GroupId::fresh();
        let (id, text) = (group.clone(), name.to_owned());
        self.ask(org, Change::CreateGroup { org: org.clone(), group: id, name: text, description: String::new() });
        if self.name_taken(org, name, None) {
            self.refused = Some("conflict");
        } else {
            let new = Group { name: name.to_owned(), system: false, members: BTreeSet::new() };
            self.edit(org).groups.insert(group.clone(), new);
            self.done();
        }
        group
    }

    pub fn rename_group(&mut self, org: &OrgId, group: &GroupId, name: &str) {
        let (id, text) = (group.clone(), name.to_owned());
        self.ask(org, Change::RenameGroup { org: org.clone(), group: id, name: text, description: String::new() });
        if self.org(org).groups[group].system {
            self.refused = Some("invalid");
            return;
        }
        if self.org(org).groups[group].name == name {
            return;
        }
        if self.name_taken(org, name, Some(group)) {
            self.refused = Some("conflict");
        } else {
            self.edit(org).groups.get_mut(group).unwrap().name = name.to_owned();
            self.done();
        }
    }

    fn name_taken(&self, org: &OrgId, name: &str, but: Option<&GroupId>) -> bool {
        let same = |group: &Group| group.name.to_lowercase() == name.to_lowercase();
        self.org(org).groups.iter().any(|(id, group)| Some(id) != but && same(group))
    }

    pub fn delete_group(&mut self, org: &OrgId, group: &GroupId) {
        self.ask(org, Change::DeleteGroup { org: org.clone(), group: group.clone() });
        if self.org(org).groups[group].system {
            self.refused = Some("invalid");
            return;
        }
        let members = self.org(org).groups[group].members.clone();
        self.touch(org, members, Cause::GroupDeleted);
        self.edit(org).bindings.retain(|_, binding| binding.subject != Subject::Group(group.clone()));
        self.edit(org).groups.remove(group);
        self.done();
    }

    /// A group or a member of another organisation is as if it were not there.
    pub fn add_to_group(&mut self, org: &OrgId, group: &GroupId, members: &[MembershipId]) {
        self.ask(org, Change::AddToGroup { org: org.clone(), group: group.clone(), members: members.to_vec() });
        let known = |id: &MembershipId| self.org(org).members.contains_key(id);
        if !self.org(org).groups.contains_key(group) || !members.iter().all(known) {
            self.refused = Some("not_found");
            return;
        }
        let inside = &self.org(org).groups[group].members;
        let new: BTreeSet<MembershipId> = members.iter().filter(|id| !inside.contains(*id)).cloned().collect();
        if !new.is_empty() {
            self.touch(org, new.clone(), Cause::Added);
            self.edit(org).groups.get_mut(group).unwrap().members.extend(new);
            self.done();
        }
    }

    pub fn remove_from_group(&mut self, org: &OrgId, group: &GroupId, members: &[MembershipId]) {
        self.ask(org, Change::RemoveFromGroup { org: org.clone(), group: group.clone(), members: members.to_vec() });
        let Some(found) = self.org(org).groups.get(group) else {
            self.refused = Some("not_found");
            return;
        };
        let gone: BTreeSet<MembershipId> = members.iter().filter(|id| found.members.contains(*id)).cloned().collect();
        if !gone.is_empty() {
            self.touch(org, gone.clone(), Cause::RemovedFromGroup);
            self.edit(org).groups.get_mut(group).unwrap().members.retain(|id| !gone.contains(id));
            self.done();
        }
    }

    pub fn create_role(&mut self, org: &OrgId, key: &str, permissions: &BTreeSet<String>) {
        let (role, name) = (RoleId::fresh(), key.to_owned());
        let (id, key, made_of) = (role.clone(), key.to_owned(), permissions.clone());
        self.ask(org, Change::CreateRole { org: org.clone(), role: id, key: key.clone(), name, permissions: made_of });
        if self.org(org).roles.values().any(|taken| taken.key == key) {
            self.refused = Some("conflict");
            return;
        }
        self.edit(org).made_of.insert(key.clone(), permissions.clone());
        self.edit(org).roles.insert(role, OwnRole { key, permissions: permissions.clone() });
        self.done();
    }

    pub fn set_role(&mut self, org: &OrgId, role: &RoleId, permissions: &BTreeSet<String>) {
        let OwnRole { key, permissions: before } = self.org(org).roles[role].clone();
        let (id, name, made_of) = (role.clone(), key.clone(), permissions.clone());
        self.ask(org, Change::SetRole { org: org.clone(), role: id, name, permissions: made_of });
        if before != *permissions {
            self.edit(org).made_of.insert(key, permissions.clone());
            self.edit(org).roles.get_mut(role).unwrap().permissions = permissions.clone();
            self.done();
        }
    }

    pub fn delete_role(&mut self, org: &OrgId, role: &RoleId) {
        self.ask(org, Change::DeleteRole { org: org.clone(), role: role.clone() });
        let gone = Role::Own(self.org(org).roles[role].key.clone());
        let holders = self.bound(org, |binding| binding.role == gone);
        self.touch(org, holders, Cause::RoleRemoved);
        self.edit(org).bindings.retain(|_, binding| binding.role != gone);
        self.edit(org).roles.remove(role);
        self.done();
    }

    pub fn bind(&mut self, org: &OrgId, binding: Binding) {
        self.ask(org, Change::Bind { org: org.clone(), binding: binding.clone() });
        let same = |other: &Binding| Binding { id: binding.id.clone(), ..other.clone() } == binding;
        if !self.org(org).bindings.values().any(same) {
            if self.org(org).is_predefined(&binding.subject) {
                self.refused = Some("invalid");
                return;
            }
            let members = self.org(org).stood_for(&binding.subject);
            self.touch(org, members, Cause::Added);
            self.edit(org).bindings.insert(binding.id.clone(), binding);
            self.done();
        }
    }

    pub fn unbind(&mut self, org: &OrgId, binding: &BindingId) {
        self.ask(org, Change::Unbind { org: org.clone(), binding: binding.clone() });
        if self.org(org).is_predefined(&self.org(org).bindings[binding].subject) {
            self.refused = Some("invalid");
            return;
        }
        let members = self.bound(org, |other| other.id == *binding);
        self.touch(org, members, Cause::RoleRemoved);
        self.edit(org).bindings.remove(binding);
        self.done();
    }

    /// The sweep, which comes alone.
    pub fn end_windows(&mut self, org: &OrgId) {
        self.sweep = true;
        self.ask(org, Change::EndWindows { org: org.clone() });
        let now = self.now;
        let due = |binding: &Binding| binding.window.not_after <= now;
        if self.org(org).bindings.values().any(due) {
            let members = self.bound(org, due);
            self.touch(org, members, Cause::RoleRemoved);
            self.edit(org).bindings.retain(|_, binding| !due(binding));
            self.done();
        }
    }

    /// The members whom some of the bindings reach.
    fn bound(&self, org: &OrgId, which: impl Fn(&Binding) -> bool) -> BTreeSet<MembershipId> {
        let of = self.org(org);
        of.bindings
            .values()
            .filter(|binding| which(binding))
            .flat_map(|binding| of.stood_for(&binding.subject))
            .collect()
    }
}
