//! Who may ask for which change. Every change is named here; there is no arm for the rest.

use super::Refusal;
use super::describe;
use crate::domain::access::reach::{Reach, words};
use crate::domain::access::{Binding, Role};
use crate::domain::change::{Actor, Change};
use crate::domain::people::user::Kind;
use crate::kernel::id::{OrgId, UserId};
use crate::store::access_edit::AccessEdit;
use crate::store::{applications, bindings, memberships, orgs, users};

/// Refuses what the actor may not do.
#[expect(clippy::too_many_lines, reason = "one table: an arm for each change")]
pub async fn check(edit: &mut AccessEdit<'_>, actor: &Actor, change: &Change) -> Result<(), Refusal> {
    let user = match actor {
        Actor::System(_) | Actor::CommandLine | Actor::Operator(_) => return Ok(()),
        Actor::User(user) => user,
    };
    match change {
        Change::CreateOrg { .. } | Change::SetOrgState { .. } => Err(denied(change, "the instance's operator")),
        Change::EndWindows { .. } | Change::UseSetupLink { .. } => Err(denied(change, "Muster itself")),
        Change::RenameOrg { org, .. } | Change::SetPolicy { org, .. } | Change::SetSessionLimits { org, .. } => {
            on_org(edit, user, org, "org.write", change).await
        }
        Change::TransferOwnership { org, .. } => {
            let reach = edit.reach_of(org, user).await?;
            if holds(&reach, &Role::OrgOwner) { Ok(()) } else { Err(denied(change, "the owner")) }
        }
        Change::CreateProject { org, .. } | Change::RenameProject { org, .. } | Change::DeleteProject { org, .. } => {
            on_org(edit, user, org, "projects.write", change).await
        }
        Change::CreateUser(new) => match &new.kind {
            Kind::Managed(org) => on_org(edit, user, org, "users.write", change).await,
            Kind::Own | Kind::Operator => Err(denied(change, "the instance's operator")),
        },
        Change::SetProfile { user: of, .. }
        | Change::SetUserState { user: of, .. }
        | Change::ResetPassword { user: of, .. } => on_account(edit, user, of, change).await,
        Change::AddMember { org, .. } => on_org(edit, user, org, "users.write", change).await,
        Change::EndSessions { org, .. } => on_org(edit, user, org, "sessions.write", change).await,
        Change::SetMemberState { org, member, .. } | Change::RemoveMember { org, member } => {
            on_org(edit, user, org, "users.write", change).await?;
            let of = memberships::find(edit.conn(), org, member).await?.map(|member| member.user);
            beyond_nobody(edit, user, org, of.as_ref(), change).await
        }
        Change::CreateGroup { org, .. } | Change::RenameGroup { org, .. } => {
            on_org(edit, user, org, "groups.write", change).await
        }
        Change::DeleteGroup { org, group }
        | Change::AddToGroup { org, group, .. }
        | Change::RemoveFromGroup { org, group, .. } => {
            on_org(edit, user, org, "groups.write", change).await?;
            // Putting somebody into a group gives its roles: each must lie within one's reach.
            for binding in bindings::of_org(edit.conn(), org).await? {
                if binding.subject == crate::domain::access::Subject::Group(group.clone()) {
                    may_bind(edit, user, org, &binding, change).await?;
                }
            }
            Ok(())
        }
        Change::CreateRole { org, permissions, .. } | Change::SetRole { org, permissions, .. } => {
            on_org(edit, user, org, "roles.write", change).await?;
            let reach = edit.reach_of(org, user).await?;
            let admin = holds(&reach, &Role::OrgAdmin);
            match permissions.iter().find(|word| !admin && !reach.allows(word)) {
                Some(word) => Err(denied(change, &format!("{word} oneself"))),
                None => Ok(()),
            }
        }
        Change::DeleteRole { org, .. } => on_org(edit, user, org, "roles.write", change).await,
        Change::Bind { org, binding } => may_bind(edit, user, org, binding, change).await,
        Change::Unbind { org, binding } => match bindings::find(edit.conn(), org, binding).await? {
            Some(found) => may_bind(edit, user, org, &found, change).await,
            None => on_org(edit, user, org, "bindings.read", change).await,
        },
        Change::PutApplication(application) => {
            let before = applications::find(edit.conn(), &application.id).await?;
            for org in before.iter().map(|found| &found.org).chain([&application.org]) {
                match org {
                    Some(org) => on_org(edit, user, org, "applications.write", change).await?,
                    None => return Err(denied(change, "the instance's operator")),
                }
            }
            Ok(())
        }
        Change::RemoveApplication { application } => match applications::find(edit.conn(), application).await? {
            Some(found) => match &found.org {
                Some(org) => on_org(edit, user, org, "applications.write", change).await,
                None => Err(denied(change, "the instance's operator")),
            },
            None => Err(Refusal::NotFound(format!("application {application}"))),
        },
    }
}

fn denied(change: &Change, needs: &str) -> Refusal {
    Refusal::Denied { act: describe::line(change), needs: needs.to_owned() }
}

fn holds(reach: &Reach, role: &Role) -> bool {
    match reach {
        Reach::Whole => true,
        Reach::Member { grants, .. } => grants.holds(role, &crate::domain::access::Scope::Org),
    }
}

/// A stranger to the organisation hears that it isn't there.
async fn on_org(
    edit: &mut AccessEdit<'_>,
    user: &UserId,
    org: &OrgId,
    word: &str,
    change: &Change,
) -> Result<(), Refusal> {
    if memberships::of_user(edit.conn(), org, user).await?.is_none() {
        return Err(Refusal::NotFound(format!("organisation {org}")));
    }
    let reach = edit.reach_of(org, user).await?;
    if reach.allows(word) { Ok(()) } else { Err(denied(change, word)) }
}

/// An organisation's administrator may write to its managed accounts only, and not to those that reach further.
async fn on_account(edit: &mut AccessEdit<'_>, user: &UserId, of: &UserId, change: &Change) -> Result<(), Refusal> {
    let not_found = || Refusal::NotFound(format!("user {of}"));
    let found = users::find(edit.conn(), of).await?.ok_or_else(not_found)?;
    let Kind::Managed(org) = found.kind else {
        return Err(not_found());
    };
    if memberships::of_user(edit.conn(), &org, user).await?.is_none() {
        return Err(not_found());
    }
    on_org(edit, user, &org, "users.write", change).await?;
    beyond_nobody(edit, user, &org, Some(of), change).await
}

/// Nobody suspends, removes or resets somebody whose organisation roles reach further than their own; the owner nobody.
async fn beyond_nobody(
    edit: &mut AccessEdit<'_>,
    user: &UserId,
    org: &OrgId,
    of: Option<&UserId>,
    change: &Change,
) -> Result<(), Refusal> {
    let Some(of) = of else { return Ok(()) };
    let mine = edit.reach_of(org, user).await?;
    if let Some(found) = orgs::find(edit.conn(), org).await?
        && let Some(owner) = found.owner
        && memberships::of_user(edit.conn(), org, of).await?.is_some_and(|member| member.id == owner)
        && of != user
    {
        return Err(denied(change, "the owner, who can't be acted upon"));
    }
    let theirs = edit.reach_of(org, of).await?;
    let Reach::Member { grants, own } = &theirs else {
        return Ok(());
    };
    if holds(&mine, &Role::OrgAdmin) {
        return Ok(());
    }
    let further = grants.iter().filter(|((_, scope), _)| *scope == crate::domain::access::Scope::Org);
    for ((role, _), _) in further {
        if let Some(word) = words(role, own).into_iter().find(|word| !mine.allows(word)) {
            return Err(denied(change, &format!("{word} oneself")));
        }
    }
    Ok(())
}

async fn may_bind(
    edit: &mut AccessEdit<'_>,
    user: &UserId,
    org: &OrgId,
    binding: &Binding,
    change: &Change,
) -> Result<(), Refusal> {
    if memberships::of_user(edit.conn(), org, user).await?.is_none() {
        return Err(Refusal::NotFound(format!("organisation {org}")));
    }
    let reach = edit.reach_of(org, user).await?;
    if reach.may_bind(&binding.role, &binding.scope) {
        return Ok(());
    }
    Err(denied(change, &format!("a reach that covers {}", binding.role)))
}
