//! The rules that the table of changes is made of. A stranger to an organisation hears that it isn't there.

use std::collections::BTreeSet;

use super::super::Refusal;
use super::super::describe;
use super::{Asker, is_on, own_membership};
use crate::domain::access::reach::{Reach, words};
use crate::domain::access::{Binding, Role, Scope, Subject};
use crate::domain::change::Change;
use crate::domain::people::user::Kind;
use crate::kernel::id::{AccessKeyId, GroupId, MembershipId, OrgId, ProjectId, UserId};
use crate::store::access_edit::AccessEdit;
use crate::store::{access_keys, bindings, memberships, orgs, users};

pub(super) fn denied(change: &Change, needs: &str) -> Refusal {
    Refusal::Denied { act: describe::line(change), needs: needs.to_owned() }
}

fn holds(reach: &Reach, role: &Role) -> bool {
    match reach {
        Reach::Whole => true,
        Reach::Member { grants, .. } => grants.holds(role, &Scope::Org),
    }
}

/// What whoever asks may do in an organisation; `NotFound` for a stranger to it.
async fn reach(edit: &mut AccessEdit<'_>, by: &Asker<'_>, org: &OrgId) -> Result<Reach, Refusal> {
    if memberships::of_user(edit.conn(), org, by.user).await?.is_none() {
        return Err(Refusal::NotFound(format!("organisation {org}")));
    }
    let reach = edit.reach_of(org, by.user).await?;
    Ok(match by.within {
        Some(project) => reach.within(project),
        None => reach,
    })
}

pub(super) async fn on_org(
    edit: &mut AccessEdit<'_>,
    by: &Asker<'_>,
    org: &OrgId,
    word: &str,
    change: &Change,
) -> Result<(), Refusal> {
    if reach(edit, by, org).await?.allows(word) { Ok(()) } else { Err(denied(change, word)) }
}

pub(super) async fn owner_only(
    edit: &mut AccessEdit<'_>,
    by: &Asker<'_>,
    org: &OrgId,
    change: &Change,
) -> Result<(), Refusal> {
    let reach = reach(edit, by, org).await?;
    if holds(&reach, &Role::OrgOwner) { Ok(()) } else { Err(denied(change, "the owner")) }
}

pub(super) async fn admin_only(
    edit: &mut AccessEdit<'_>,
    by: &Asker<'_>,
    org: &OrgId,
    change: &Change,
) -> Result<(), Refusal> {
    let reach = reach(edit, by, org).await?;
    if holds(&reach, &Role::OrgAdmin) { Ok(()) } else { Err(denied(change, "org.admin")) }
}

/// A permission on the project, or one on the organisation.
pub(super) async fn on_project(
    edit: &mut AccessEdit<'_>,
    by: &Asker<'_>,
    org: &OrgId,
    project: &ProjectId,
    (word, or_on_org): (&str, Option<&str>),
    change: &Change,
) -> Result<(), Refusal> {
    let reach = reach(edit, by, org).await?;
    let known = edit.org(org).is_some_and(|facts| facts.projects.iter().any(|found| found.id == *project));
    if !known {
        return Err(Refusal::NotFound(format!("project {project}")));
    }
    if reach.allows_on(project, word) || or_on_org.is_some_and(|word| reach.allows(word)) {
        return Ok(());
    }
    Err(denied(change, word))
}

/// An organisation's administrator may write to its managed accounts only, and not to those that reach further.
pub(super) async fn of_account(
    edit: &mut AccessEdit<'_>,
    by: &Asker<'_>,
    of: &UserId,
    word: &str,
    change: &Change,
) -> Result<(), Refusal> {
    let not_found = || Refusal::NotFound(format!("user {of}"));
    let found = users::find(edit.conn(), of).await?.ok_or_else(not_found)?;
    let Kind::Managed(org) = found.kind else {
        return Err(not_found());
    };
    if memberships::of_user(edit.conn(), &org, by.user).await?.is_none() {
        return Err(not_found());
    }
    on_org(edit, by, &org, word, change).await?;
    match memberships::of_user(edit.conn(), &org, of).await? {
        Some(member) => beyond_nobody(edit, by, &org, &member.id, change).await,
        None => Ok(()),
    }
}

/// Nobody suspends, removes or resets somebody whose organisation roles reach further than their own; the owner nobody.
pub(super) async fn beyond_nobody(
    edit: &mut AccessEdit<'_>,
    by: &Asker<'_>,
    org: &OrgId,
    of: &MembershipId,
    change: &Change,
) -> Result<(), Refusal> {
    let mine = reach(edit, by, org).await?;
    let Some(of) = memberships::find(edit.conn(), org, of).await? else {
        return Ok(());
    };
    if let Some(found) = orgs::find(edit.conn(), org).await?
        && found.owner.as_ref() == Some(&of.id)
        && of.user != *by.user
    {
        return Err(denied(change, "the owner, who can't be acted upon"));
    }
    let Reach::Member { grants, own } = &mine else {
        return Ok(());
    };
    if holds(&mine, &Role::OrgAdmin) {
        return Ok(());
    }
    // Those too whose time has not begun: a password that is set today still opens when it has.
    for binding in memberships::bindings_reaching(edit.conn(), &of.id).await? {
        let (role, scope) = (&binding.role, &binding.scope);
        if takes_over(change) && words(role, own).is_empty() && !grants.holds(role, scope) {
            return Err(denied(change, &format!("{role} oneself")));
        }
        let lacks = |word: &&str| match scope {
            Scope::Org => !mine.allows(word),
            // Whoever administers identities may suspend and remove people of projects, but not take their place.
            Scope::Project(project) => takes_over(change) && !mine.allows_on(project, word),
            Scope::AllProjects => takes_over(change),
        };
        if let Some(word) = words(role, own).into_iter().find(lacks) {
            return Err(denied(change, &format!("{word} oneself")));
        }
    }
    Ok(())
}

/// Whether the act would let whoever asks sign in as the other.
const fn takes_over(change: &Change) -> bool {
    matches!(
        change,
        Change::ResetPassword { .. }
            | Change::ResetFactors { .. }
            | Change::SetProfile { .. }
            | Change::SetAccessType { .. }
            | Change::CreateAccessKey { .. }
            | Change::SetAccessKey { .. }
    )
}

pub(super) async fn may_bind(
    edit: &mut AccessEdit<'_>,
    by: &Asker<'_>,
    org: &OrgId,
    binding: &Binding,
    change: &Change,
) -> Result<(), Refusal> {
    let reach = reach(edit, by, org).await?;
    if reach.may_bind(&binding.role, &binding.scope) {
        return Ok(());
    }
    Err(denied(change, &format!("a reach that covers {}", binding.role)))
}

/// Putting somebody into a group gives its roles, and taking somebody out takes them: each must lie within reach.
pub(super) async fn may_change_group(
    edit: &mut AccessEdit<'_>,
    by: &Asker<'_>,
    org: &OrgId,
    group: &GroupId,
    change: &Change,
) -> Result<(), Refusal> {
    for binding in bindings::of_group(edit.conn(), org, group).await? {
        if binding.subject == Subject::Group(group.clone()) {
            may_bind(edit, by, org, &binding, change).await?;
        }
    }
    Ok(())
}

/// An own role is made of what its maker may do; an administrator of the organisation may make any.
pub(super) async fn role_of_own_words(
    edit: &mut AccessEdit<'_>,
    by: &Asker<'_>,
    org: &OrgId,
    permissions: &BTreeSet<String>,
    change: &Change,
) -> Result<(), Refusal> {
    let reach = reach(edit, by, org).await?;
    let admin = holds(&reach, &Role::OrgAdmin);
    let changes_one = matches!(change, Change::SetRole { .. } | Change::DeleteRole { .. });
    if !admin && changes_one && permissions.is_empty() {
        return Err(denied(change, "org.admin, for a role that has no permission of its own"));
    }
    match permissions.iter().find(|word| !admin && !reach.allows(word)) {
        Some(word) => Err(denied(change, &format!("{word} oneself"))),
        None => Ok(()),
    }
}

/// The project of a service account.
pub(super) async fn project_of(
    edit: &mut AccessEdit<'_>,
    org: &OrgId,
    user: &UserId,
) -> Result<Option<ProjectId>, Refusal> {
    Ok(match users::find(edit.conn(), user).await?.map(|found| found.kind) {
        Some(Kind::Service(of, project)) if of == *org => Some(project),
        _ => None,
    })
}

/// Who may make a key: people for themselves where they hold something on the project, unless only administrators make
/// keys; a project's administrator for its service accounts; whoever has `keys.write` for people.
pub(super) async fn new_key(
    edit: &mut AccessEdit<'_>,
    by: &Asker<'_>,
    org: &OrgId,
    of: (&MembershipId, &ProjectId),
    change: &Change,
) -> Result<(), Refusal> {
    let (member, on) = of;
    let reach = reach(edit, by, org).await?;
    let Some(member) = memberships::find(edit.conn(), org, member).await? else {
        return Err(Refusal::NotFound("The member".to_owned()));
    };
    if let Some(project) = project_of(edit, org, &member.user).await? {
        on_project(edit, by, org, &project, ("project.service_accounts.write", None), change).await?;
        // Whoever has its key has its roles, elsewhere too.
        return beyond_nobody(edit, by, org, &member.id, change).await;
    }
    if reach.allows("keys.write") {
        return beyond_nobody(edit, by, org, &member.id, change).await;
    }
    let own = own_membership(edit, by, org).await? == Some(member.id);
    if !own || orgs::settings(edit.conn(), org).await?.keys_by_admins_only {
        return Err(denied(change, "keys.write"));
    }
    let Reach::Member { grants, .. } = &reach else { return Ok(()) };
    if grants.iter().any(|((_, scope), _)| is_on(scope, on)) {
        return Ok(());
    }
    Err(denied(change, "a role on the project"))
}

/// Whether a key is disabled, and whose and for which project it is: to enable it is to make it anew.
pub(super) async fn disabled_key(
    edit: &mut AccessEdit<'_>,
    org: &OrgId,
    key: &AccessKeyId,
) -> Result<Option<(MembershipId, ProjectId)>, Refusal> {
    let found = access_keys::find(edit.conn(), org, key).await?.filter(|found| found.state == "disabled");
    Ok(found.map(|found| (found.member, found.project)))
}

/// Who may disable or remove a key: whose it is, whoever manages the project's service accounts for theirs, and
/// whoever has `keys.write`.
pub(super) async fn key_of_others(
    edit: &mut AccessEdit<'_>,
    by: &Asker<'_>,
    org: &OrgId,
    key: &AccessKeyId,
    change: &Change,
) -> Result<(), Refusal> {
    let reach = reach(edit, by, org).await?;
    let Some(found) = access_keys::find(edit.conn(), org, key).await? else {
        return Err(Refusal::NotFound(format!("access key {key}")));
    };
    if by.within.is_none() && found.user == *by.user {
        return Ok(());
    }
    if let Some(project) = project_of(edit, org, &found.user).await?
        && reach.allows_on(&project, "project.service_accounts.write")
    {
        return Ok(());
    }
    if reach.allows("keys.write") { Ok(()) } else { Err(denied(change, "keys.write")) }
}
