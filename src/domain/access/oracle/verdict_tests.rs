//! The table of verdicts (design, section 4), cell by cell, as a person would fill it in.

use std::collections::BTreeSet;

use crate::domain::access::difference::Held;
use crate::domain::access::verdict::Verdict::{self, End, Keep, Narrow};
use crate::domain::access::{
    Binding, Bindings, Cause, Difference, Grants, Holder, Policy, Role, Scope, Subject, Window, effective, verdict,
};
use crate::kernel::id::{BindingId, GroupId, MembershipId, ProjectId, UserId};
use crate::kernel::time::UnixMillis;

const POLICIES: [Policy; 3] = [Policy::Strict, Policy::Standing, Policy::Narrow];
const CAUSES: [Cause; 5] =
    [Cause::Added, Cause::RoleRemoved, Cause::RemovedFromGroup, Cause::GroupDeleted, Cause::Barred];

/// What a member still holds after the change.
#[derive(Clone, Copy, Debug)]
enum Left {
    Nothing,
    Direct,
    ThroughAGroup,
}
const LEFT: [Left; 3] = [Left::Nothing, Left::Direct, Left::ThroughAGroup];

fn left(left: Left) -> Grants {
    let (member, group) = (MembershipId::from_u128(1), GroupId::from_u128(1));
    let subject = match left {
        Left::Nothing => return Grants::default(),
        Left::Direct => Subject::Member(member.clone()),
        Left::ThroughAGroup => Subject::Group(group.clone()),
    };
    let scope = Scope::Project(ProjectId::from_u128(1));
    let binding =
        Binding { id: BindingId::from_u128(1), role: Role::ProjectReader, scope, subject, window: Window::ALWAYS };
    let groups = BTreeSet::from([group]);
    let holder = Holder { id: member, user: UserId::from_u128(1), active: true, owner: false, groups };
    effective(&holder, &Bindings::new([binding]), &[ProjectId::from_u128(1)], UnixMillis(1))
}

fn lost(roles: &[Role]) -> Difference {
    let held = roles.iter().map(|role| Held { role: role.clone(), scope: Scope::Org });
    Difference { lost: held.collect(), gained: Vec::new() }
}

/// Of the organisation's own roles, `keeper` administers something and the others do not.
fn judged(policy: Policy, causes: &[Cause], gone: &[Role], still: Left) -> Verdict {
    let administers = |role: &Role| *role == Role::Own("keeper".to_owned());
    verdict(policy, &causes.iter().copied().collect(), &left(still), &lost(gone), &administers)
}

/// A row's cells under one policy: for no loss, an ordinary role and an administrator's; in each, whether nothing, a
/// direct role or a role through a group is left.
fn cells(policy: Policy, cause: Cause) -> [[Verdict; 3]; 3] {
    let losses: [&[Role]; 3] = [&[], &[Role::OrgReader], &[Role::OrgReader, Role::OrgAdmin]];
    losses.map(|gone| LEFT.map(|still| judged(policy, &[cause], gone, still)))
}

const WHATEVER: [[Verdict; 3]; 3] = [[End; 3]; 3];
const IF_ANYTHING_WAS_LOST: [[Verdict; 3]; 3] = [[Keep; 3], [End; 3], [End; 3]];
/// "Narrow; End if nothing is left or an admin role was lost"; Keep if nothing was lost.
const NARROWING: [[Verdict; 3]; 3] = [[Keep; 3], [End, Narrow, Narrow], [End; 3]];

#[test]
fn strict_ends_a_deleted_groups_members_if_they_lost_anything() {
    assert_eq!(cells(Policy::Strict, Cause::GroupDeleted), IF_ANYTHING_WAS_LOST);
}

#[test]
fn standing_ends_a_deleted_groups_members_unless_another_group_gives_them_a_role() {
    assert_eq!(cells(Policy::Standing, Cause::GroupDeleted), [[Keep; 3], [End, End, Narrow], [End, End, Narrow]]);
}

#[test]
fn narrow_narrows_a_deleted_groups_members_unless_nothing_is_left_or_an_admin_role_went() {
    assert_eq!(cells(Policy::Narrow, Cause::GroupDeleted), NARROWING);
}

#[test]
fn strict_ends_a_member_removed_from_a_group_if_anything_was_lost_and_keeps_it_else() {
    assert_eq!(cells(Policy::Strict, Cause::RemovedFromGroup), IF_ANYTHING_WAS_LOST);
}

#[test]
fn standing_ends_a_member_removed_from_a_group_whatever_was_lost() {
    assert_eq!(cells(Policy::Standing, Cause::RemovedFromGroup), WHATEVER);
}

#[test]
fn narrow_narrows_a_member_removed_from_a_group_unless_nothing_is_left_or_an_admin_role_went() {
    assert_eq!(cells(Policy::Narrow, Cause::RemovedFromGroup), NARROWING);
}

#[test]
fn strict_ends_whoever_lost_a_role_that_was_removed() {
    assert_eq!(cells(Policy::Strict, Cause::RoleRemoved), IF_ANYTHING_WAS_LOST);
}

#[test]
fn standing_narrows_whoever_lost_a_role_that_was_removed_unless_nothing_is_left_or_an_admin_role_went() {
    assert_eq!(cells(Policy::Standing, Cause::RoleRemoved), NARROWING);
}

#[test]
fn narrow_narrows_whoever_lost_a_role_that_was_removed_unless_nothing_is_left_or_an_admin_role_went() {
    assert_eq!(cells(Policy::Narrow, Cause::RoleRemoved), NARROWING);
}

#[test]
fn an_addition_ends_nothing_and_a_bar_ends_everything_under_every_policy() {
    for policy in POLICIES {
        // An addition loses nothing; what a loss without another cause is, stands below.
        assert_eq!(cells(policy, Cause::Added)[0], [Keep; 3], "{policy}");
        assert_eq!(cells(policy, Cause::Barred), WHATEVER, "{policy}");
        assert_eq!(LEFT.map(|still| judged(policy, &[], &[], still)), [Keep; 3], "{policy}");
    }
}

#[test]
fn of_several_causes_the_severest_decides() {
    let several =
        |bits: u32| CAUSES.into_iter().enumerate().filter(move |(n, _)| bits & (1 << n) != 0).map(|(_, cause)| cause);
    for (policy, still) in POLICIES.into_iter().flat_map(|policy| LEFT.map(|still| (policy, still))) {
        let losses: [&[Role]; 3] = [&[], &[Role::OrgReader], &[Role::OrgAdmin]];
        for gone in losses {
            for bits in 0..32 {
                let causes: Vec<Cause> = several(bits).collect();
                let taking = causes.iter().any(|cause| *cause != Cause::Added);
                let alone = causes.iter().filter(|cause| !taking || **cause != Cause::Added);
                let severest = alone.map(|cause| judged(policy, &[*cause], gone, still)).max();
                let unaccounted = judged(policy, &[Cause::RoleRemoved], gone, still);
                let expected = severest.unwrap_or(unaccounted);
                assert_eq!(judged(policy, &causes, gone, still), expected, "{policy} {causes:?} {gone:?} {still:?}");
            }
        }
    }
}

#[test]
fn a_loss_for_which_no_cause_accounts_is_judged_as_a_removed_role() {
    for policy in POLICIES {
        for gone in [Role::OrgReader, Role::OrgAdmin] {
            for still in LEFT {
                let removed = judged(policy, &[Cause::RoleRemoved], std::slice::from_ref(&gone), still);
                assert_eq!(judged(policy, &[Cause::Added], std::slice::from_ref(&gone), still), removed, "{policy}");
                assert_eq!(judged(policy, &[], std::slice::from_ref(&gone), still), removed, "{policy}");
            }
        }
    }
}

#[test]
fn every_role_that_administers_something_counts_as_an_administrators() {
    let admin = ["org.owner", "org.admin", "billing.admin", "alert.admin", "project.admin", "iam.admin", "keeper"];
    let own = ["keeper", "clerk"].map(|key| Role::Own(key.to_owned()));
    for role in Role::BUILT_IN.iter().cloned().chain(own) {
        let expected = if admin.contains(&role.as_str()) { End } else { Narrow };
        let gone = std::slice::from_ref(&role);
        assert_eq!(judged(Policy::Narrow, &[Cause::RoleRemoved], gone, Left::Direct), expected, "{role}");
        assert_eq!(judged(Policy::Standing, &[Cause::RoleRemoved], gone, Left::Direct), expected, "{role}");
    }
}
