//! Changes drawn at random: a wish names things by numbers, and means whatever has that number when its turn comes.
//!
//! So every wish can be asked of every model, and a story that fails stays a story when wishes are left out of it.

use std::collections::BTreeSet;

use muster::domain::access::{Binding, Policy, Role, Scope, Subject, Window};
use muster::domain::people::user::MembershipState;
use muster::kernel::id::{BindingId, GroupId, MembershipId, OrgId, UserId};
use muster::kernel::time::{MINUTE, UnixMillis};
use proptest::prelude::*;

use super::batch::Batch;

/// What happens.
#[derive(Clone, Copy, Debug)]
pub enum Deed {
    AddMember,
    RemoveMember,
    SuspendMember,
    ReviveMember,
    SuspendUser,
    ReviveUser,
    ResetPassword,
    SuspendOrg,
    ReviveOrg,
    TransferOwnership,
    SetPolicy,
    CreateProject,
    DeleteProject,
    CreateGroup,
    RenameGroup,
    DeleteGroup,
    AddToGroup,
    RemoveFromGroup,
    RemoveFromNoGroup,
    AddStranger,
    CreateRole,
    SetRole,
    DeleteRole,
    Bind,
    Unbind,
    ChangePredefined,
}

/// How often each is drawn.
const WEIGHTS: [(Deed, usize); 26] = [
    (Deed::AddMember, 3),
    (Deed::RemoveMember, 2),
    (Deed::SuspendMember, 1),
    (Deed::ReviveMember, 2),
    (Deed::SuspendUser, 1),
    (Deed::ReviveUser, 2),
    (Deed::ResetPassword, 1),
    (Deed::SuspendOrg, 1),
    (Deed::ReviveOrg, 4),
    (Deed::TransferOwnership, 1),
    (Deed::SetPolicy, 1),
    (Deed::CreateProject, 2),
    (Deed::DeleteProject, 2),
    (Deed::CreateGroup, 2),
    (Deed::RenameGroup, 1),
    (Deed::DeleteGroup, 3),
    (Deed::AddToGroup, 9),
    (Deed::RemoveFromGroup, 9),
    (Deed::RemoveFromNoGroup, 1),
    (Deed::AddStranger, 1),
    (Deed::CreateRole, 2),
    (Deed::SetRole, 1),
    (Deed::DeleteRole, 1),
    (Deed::Bind, 11),
    (Deed::Unbind, 5),
    (Deed::ChangePredefined, 1),
];

/// A deed, and the numbers of what it is done to.
#[derive(Clone, Debug)]
pub struct Wish {
    deed: Deed,
    org: usize,
    one: usize,
    two: usize,
    three: usize,
}

/// One step of a story.
#[derive(Clone, Debug)]
pub enum Step {
    /// Changes that are asked for as one.
    Together(Vec<Wish>),
    /// Minutes pass, and the sweep comes by.
    Wait(i64),
}

/// A random story: each organisation's rule for losses, and what happens.
pub fn stories(longest: usize) -> impl Strategy<Value = ([Policy; 2], Vec<Step>)> {
    let all: Vec<Deed> = WEIGHTS.iter().flat_map(|(deed, weight)| std::iter::repeat_n(*deed, *weight)).collect();
    let numbers = (0..2_usize, 0..64_usize, 0..64_usize, 0..64_usize);
    let wish = (proptest::sample::select(all), numbers).prop_map(|(deed, (org, one, two, three))| Wish {
        deed,
        org,
        one,
        two,
        three,
    });
    let step = prop_oneof![
        8 => proptest::collection::vec(wish, 1..=3).prop_map(Step::Together),
        1 => (1..8_i64).prop_map(Step::Wait),
    ];
    let policies = proptest::sample::select(vec![Policy::Strict, Policy::Standing, Policy::Narrow]);
    let policies = (policies.clone(), policies).prop_map(|(acme, beta)| [acme, beta]);
    (policies, proptest::collection::vec(step, 1..=longest))
}

fn pick<'a, T: Clone + 'a>(from: impl IntoIterator<Item = &'a T>, number: usize) -> Option<T> {
    let all: Vec<&T> = from.into_iter().collect();
    if all.is_empty() { None } else { Some(all[number % all.len()].clone()) }
}

/// Asks for what is wished, if there is anything that it can be done to.
pub fn grant(wish: &Wish, batch: &mut Batch, orgs: &[OrgId; 2], users: &[UserId], now: UnixMillis) -> Option<()> {
    let (org, one, two, three) = (&orgs[wish.org], wish.one, wish.two, wish.three);
    let user = &users[one % users.len()];
    let member = pick(batch.org(org).members.keys(), one);
    let group = groups(batch, org, false, one);
    // People come and go in the predefined groups too.
    let any = pick(batch.org(org).groups.keys(), one);
    match wish.deed {
        Deed::AddMember => {
            let state = if three.is_multiple_of(4) { MembershipState::Pending } else { MembershipState::Active };
            batch.add_member(org, user, state);
        }
        Deed::RemoveMember => batch.remove_member(org, &member?),
        Deed::SuspendMember => batch.set_member_state(org, &member?, MembershipState::Suspended),
        Deed::ReviveMember => batch.set_member_state(org, &member?, MembershipState::Active),
        Deed::SuspendUser => batch.set_user_active(user, false),
        Deed::ReviveUser => batch.set_user_active(user, true),
        Deed::ResetPassword => batch.reset_password(user),
        Deed::SuspendOrg => batch.set_org_active(org, false),
        Deed::ReviveOrg => batch.set_org_active(org, true),
        Deed::TransferOwnership => batch.transfer_ownership(org, &member?),
        Deed::SetPolicy => batch.set_policy(org, [Policy::Strict, Policy::Standing, Policy::Narrow][one % 3]),
        Deed::CreateProject => {
            batch.create_project(org, ["web", "data", "mail", "shop"][one % 4]);
        }
        Deed::DeleteProject => {
            let project = pick(batch.org(org).projects.keys(), one)?;
            batch.delete_project(org, &project);
        }
        Deed::CreateGroup => {
            batch.create_group(org, &name(two, three));
        }
        Deed::RenameGroup => batch.rename_group(org, &group?, &name(two, three)),
        Deed::DeleteGroup => batch.delete_group(org, &group?),
        Deed::AddToGroup => {
            let some = [pick(batch.org(org).members.keys(), two)?, pick(batch.org(org).members.keys(), three)?];
            batch.add_to_group(org, &any?, &some);
        }
        Deed::RemoveFromGroup => {
            let group = any?;
            let inside = pick(&batch.org(org).groups[&group].members, two);
            let anybody = pick(batch.org(org).members.keys(), three);
            let some: Vec<MembershipId> = inside.into_iter().chain(anybody).collect();
            batch.remove_from_group(org, &group, &some);
        }
        Deed::RemoveFromNoGroup => batch.remove_from_group(org, &GroupId::fresh(), &[member?]),
        Deed::AddStranger => {
            let stranger = pick(batch.org(&orgs[1 - wish.org]).members.keys(), two)?;
            batch.add_to_group(org, &any?, &[stranger]);
        }
        Deed::CreateRole => batch.create_role(org, ["clerk", "keeper", "release-manager"][one % 3], &made_of(two)),
        Deed::SetRole => {
            let role = pick(batch.org(org).roles.keys(), one)?;
            batch.set_role(org, &role, &made_of(two));
        }
        Deed::DeleteRole => {
            let role = pick(batch.org(org).roles.keys(), one)?;
            batch.delete_role(org, &role);
        }
        Deed::Bind => {
            let binding = binding(batch, org, wish, now)?;
            batch.bind(org, binding);
        }
        Deed::Unbind => {
            let of = batch.org(org);
            let own = of.bindings.values().filter(|binding| !of.is_predefined(&binding.subject));
            let binding = pick(own.map(|binding| &binding.id), one)?;
            batch.unbind(org, &binding);
        }
        Deed::ChangePredefined => change_predefined(batch, org, wish)?,
    }
    Some(())
}

/// What nobody may do to a predefined group; but for giving it the role again that it has.
fn change_predefined(batch: &mut Batch, org: &OrgId, wish: &Wish) -> Option<()> {
    let group = groups(batch, org, true, wish.one)?;
    let subject = Subject::Group(group.clone());
    let own = batch.org(org).bindings.values().find(|binding| binding.subject == subject)?.clone();
    match wish.two % 5 {
        0 => batch.rename_group(org, &group, &name(wish.two, wish.three)),
        1 => batch.delete_group(org, &group),
        2 => batch.unbind(org, &own.id),
        3 => batch.bind(org, Binding { id: BindingId::fresh(), role: Role::TrailViewer, ..own }),
        _ => batch.bind(org, Binding { id: BindingId::fresh(), ..own }),
    }
    Some(())
}

/// One of the groups that are predefined, or of those that are not.
fn groups(batch: &Batch, org: &OrgId, system: bool, number: usize) -> Option<GroupId> {
    let some = batch.org(org).groups.iter().filter(|(_, group)| group.system == system);
    pick(some.map(|(id, _)| id), number)
}

/// Few names, and some that differ in their case alone, so that they meet.
fn name(number: usize, case: usize) -> String {
    let name = ["devs", "ops", "sales", "board", "guests", "interns"][number % 6];
    if case.is_multiple_of(3) { name.to_uppercase() } else { name.to_owned() }
}

/// Nothing, nothing that administers, something that does.
fn made_of(number: usize) -> BTreeSet<String> {
    let sets: [&[&str]; 3] = [&[], &["project.read"], &["users.read", "users.write"]];
    sets[number % 3].iter().map(|word| (*word).to_owned()).collect()
}

fn binding(batch: &Batch, org: &OrgId, wish: &Wish, now: UnixMillis) -> Option<Binding> {
    let of = batch.org(org);
    let own = pick(of.roles.values(), wish.two).map(|role| Role::Own(role.key));
    let role = match wish.one % 10 {
        0 => Role::OrgAdmin,
        1 => Role::OrgReader,
        2 => Role::BillingAdmin,
        3 => Role::BillingViewer,
        4 => Role::IamAdmin,
        5 => Role::ProjectAdmin,
        6 | 7 => Role::ProjectReader,
        _ => own.unwrap_or(Role::TrailViewer),
    };
    let project = pick(of.projects.keys(), wish.one / 10).map_or(Scope::AllProjects, Scope::Project);
    let on_projects = if wish.three.is_multiple_of(3) { Scope::AllProjects } else { project };
    let scope = match &role {
        Role::ProjectAdmin | Role::ProjectReader => on_projects,
        Role::Own(_) if wish.three.is_multiple_of(2) => on_projects,
        _ => Scope::Org,
    };
    let member = pick(of.members.keys(), wish.two).map(Subject::Member);
    let group = groups(batch, org, false, wish.two).map(Subject::Group);
    let subject = if wish.two.is_multiple_of(3) { member.or(group)? } else { group.or(member)? };
    let window = match wish.three % 8 {
        0 => Window { not_before: UnixMillis::MIN, not_after: now.plus(3 * MINUTE) },
        1 => Window { not_before: now, not_after: now.plus(5 * MINUTE) },
        2 => Window { not_before: now.plus(2 * MINUTE), not_after: now.plus(6 * MINUTE) },
        _ => Window::ALWAYS,
    };
    Some(Binding { id: BindingId::fresh(), role, scope, subject, window })
}
