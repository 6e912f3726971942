//! Who may ask for which change. Every change is named here; there is no arm for the rest.

mod connections;
mod factors;
mod federation;
mod links;
mod people;
mod rules;

use super::Refusal;
use super::describe;
use crate::domain::access::{Binding, Scope, Subject, Window};
use crate::domain::change::{Actor, Change, Presented};
use crate::domain::mail::Purpose;
use crate::domain::oauth::application::Application;
use crate::domain::oauth::scope;
use crate::domain::people::user::{Kind, OrgState, UserState};
use crate::domain::settings::OwnData;
use crate::kernel::id::{BindingId, ProjectId, UserId};
use crate::store::access_edit::AccessEdit;
use crate::store::{applications, bindings, groups, invitations, memberships};
use rules::{
    beyond_nobody, denied, disabled_key, key_of_others, may_bind, may_change_group, new_key, of_account, on_org,
    on_project, owner_only, role_of_own_words,
};

/// Who asks, when it is not the instance itself: the account, and the one project that a tool is kept within.
pub(super) struct Asker<'a> {
    user: &'a UserId,
    within: Option<&'a ProjectId>,
}

/// Refuses what only makes sense together: whoever holds a link makes an account for accepting an invitation with it.
pub fn check_together(actor: &Actor, changes: &[Change]) -> Result<(), Refusal> {
    let Actor::Link(_) = actor else { return Ok(()) };
    for change in changes {
        let Change::CreateUser(new) = change else { continue };
        let accepts = changes.iter().any(
            |other| matches!(other, Change::AcceptInvitation { user, by: Presented::Link(_), .. } if *user == new.id),
        );
        if !accepts {
            return Err(denied(change, "an invitation that the account accepts"));
        }
    }
    Ok(())
}

/// Refuses what the actor may not do.
#[expect(clippy::too_many_lines, reason = "one table: an arm for each change")]
pub async fn check(edit: &mut AccessEdit<'_>, actor: &Actor, change: &Change) -> Result<(), Refusal> {
    federation::check_reserved(actor, change)?;
    factors::check_reserved(actor, change)?;
    let by = match actor {
        Actor::System(_) | Actor::CommandLine | Actor::Operator(_) => return Ok(()),
        Actor::Connection { org, connection } => return connections::check(edit, (org, connection), change).await,
        Actor::Link(_) => return links::check(edit, change).await,
        Actor::User(user) => Asker { user, within: None },
        Actor::Tool(tool) => {
            if is_for_people(change) {
                return Err(Refusal::UserRequired { act: describe::line(change) });
            }
            Asker { user: &tool.user, within: tool.within.as_ref() }
        }
    };
    match change {
        Change::CreateOrg { .. } => Err(denied(change, "the instance's operator")),
        Change::SetOrgState { org, state: OrgState::Deleted } => owner_only(edit, &by, org, change).await,
        Change::SetOrgState { .. } => Err(denied(change, "the instance's operator")),
        Change::EndWindows { .. } | Change::UseSetupLink { .. } => Err(denied(change, "Muster itself")),
        Change::ExpectVersion { .. } => Ok(()),
        Change::RenameOrg { org, .. }
        | Change::SetPolicy { org, .. }
        | Change::SetSessionLimits { org, .. }
        | Change::SetOrgSettings { org, .. } => on_org(edit, &by, org, "org.write", change).await,
        Change::TransferOwnership { org, .. } | Change::ReplaceIdentity { org, .. } => {
            owner_only(edit, &by, org, change).await
        }
        Change::CreateProject { org, .. } | Change::RenameProject { org, .. } | Change::DeleteProject { org, .. } => {
            on_org(edit, &by, org, "projects.write", change).await
        }
        Change::CreateUser(new) => match &new.kind {
            Kind::Managed(org) => on_org(edit, &by, org, "users.invite", change).await,
            Kind::Service(..) | Kind::Own | Kind::Operator => Err(denied(change, "the instance's operator")),
        },
        Change::SetUserState { user, state: UserState::Deleted } => {
            of_account(edit, &by, user, "users.remove", change).await
        }
        Change::SetProfile { user, user_name, profile } => {
            // A tool has no account of its own to change.
            let own = matches!(actor, Actor::User(_)) && user == by.user;
            if own && people::own_profile(edit, user, (user_name.as_str(), &**profile), change).await? {
                return Ok(());
            }
            of_account(edit, &by, user, "users.write", change).await
        }
        Change::ChangePassword { user, .. } => people::own(edit, &by, user, OwnData::Password, change).await,
        Change::ConfirmEmail { user, .. } => people::own(edit, &by, user, OwnData::Email, change).await,
        Change::SendLink { user, link } => match link.purpose {
            Purpose::SetPassword => of_account(edit, &by, user, "users.invite", change).await,
            Purpose::ResetPassword => of_account(edit, &by, user, "users.write", change).await,
            Purpose::ConfirmEmail => people::own(edit, &by, user, OwnData::Email, change).await,
            Purpose::Invitation | Purpose::ConfirmAccount => Err(denied(change, "Muster itself")),
        },
        Change::SetPasswordByLink { .. } | Change::SelfRegister { .. } | Change::SendRegistrationLink { .. } => {
            Err(denied(change, "somebody who is not signed in, and holds the link"))
        }
        Change::Invite(new) => people::may_invite(edit, &by, &new.org, &new.access, change).await,
        Change::ResendInvitation { org, invitation, .. } | Change::CancelInvitation { org, invitation } => {
            on_org(edit, &by, org, "users.invite", change).await?;
            match invitations::find(edit.conn(), org, invitation).await? {
                Some(found) => people::may_invite(edit, &by, org, &found.access, change).await,
                None => Err(Refusal::NotFound("The invitation".to_owned())),
            }
        }
        // Whose it is says the link, or the account's address, when it is carried out.
        Change::DeclineInvitation { .. } => Ok(()),
        Change::AcceptInvitation { user, .. } if user == by.user => Ok(()),
        Change::AcceptInvitation { .. } => Err(Refusal::NotFound("The invitation".to_owned())),
        Change::SetUserState { user, .. } | Change::SetAccessType { user, .. } | Change::ResetPassword { user, .. } => {
            of_account(edit, &by, user, "users.write", change).await
        }
        Change::AddMember { org, .. } => on_org(edit, &by, org, "users.invite", change).await,
        Change::EndSessions { org, member } | Change::EndSession { org, member, .. } => {
            // One's own sessions are one's own to end; a tool has none.
            let person = matches!(actor, Actor::User(_));
            if person && own_membership(edit, &by, org).await?.as_ref() == Some(member) {
                return Ok(());
            }
            on_org(edit, &by, org, "sessions.write", change).await
        }
        Change::SetMemberState { org, member, .. } | Change::RestrictMember { org, member, .. } => {
            on_org(edit, &by, org, "users.write", change).await?;
            beyond_nobody(edit, &by, org, member, change).await
        }
        Change::RemoveMember { org, member } => {
            // Whose account is their own leaves when they like; a tool has none.
            if matches!(actor, Actor::User(_)) && people::may_leave(edit, &by, org, member).await? {
                return Ok(());
            }
            on_org(edit, &by, org, "users.remove", change).await?;
            beyond_nobody(edit, &by, org, member, change).await
        }
        Change::Reassign { org, .. } => on_org(edit, &by, org, "users.write", change).await,
        Change::LeaveProject { org, member, project } => {
            for binding in bindings::of_project(edit.conn(), org, project).await? {
                if binding.subject == Subject::Member(member.clone()) {
                    may_bind(edit, &by, org, &binding, change).await?;
                }
            }
            on_project(edit, &by, org, project, ("project.members.write", Some("bindings.write")), change).await
        }
        Change::SetGroupsOf { org, member, groups: wanted } => {
            on_org(edit, &by, org, "groups.write", change).await?;
            let held = groups::ids_of_member(edit.conn(), member).await?;
            for group in wanted.symmetric_difference(&held) {
                may_change_group(edit, &by, org, group, change).await?;
            }
            Ok(())
        }
        Change::CreateGroup { org, .. } | Change::RenameGroup { org, .. } => {
            on_org(edit, &by, org, "groups.write", change).await
        }
        Change::DeleteGroup { org, group }
        | Change::AddToGroup { org, group, .. }
        | Change::RemoveFromGroup { org, group, .. } => {
            on_org(edit, &by, org, "groups.write", change).await?;
            may_change_group(edit, &by, org, group, change).await
        }
        Change::CreateRole { org, permissions, .. } | Change::SetRole { org, permissions, .. } => {
            on_org(edit, &by, org, "roles.write", change).await?;
            if let Change::SetRole { role, .. } = change
                && let Some(before) = bindings::own_role(edit.conn(), org, role).await?
            {
                role_of_own_words(edit, &by, org, &before.permissions, change).await?;
            }
            role_of_own_words(edit, &by, org, permissions, change).await
        }
        Change::DeleteRole { org, role } => {
            on_org(edit, &by, org, "roles.write", change).await?;
            match bindings::own_role(edit.conn(), org, role).await? {
                Some(before) => role_of_own_words(edit, &by, org, &before.permissions, change).await,
                None => Ok(()),
            }
        }
        Change::RemoveBundle { org, .. } => on_org(edit, &by, org, "roles.write", change).await,
        Change::PutBundle { org, grants, .. } => {
            on_org(edit, &by, org, "roles.write", change).await?;
            for (role, scope) in grants {
                let (role, scope) = (role.clone(), scope.clone());
                let subject = Subject::Member(crate::kernel::id::MembershipId::from_u128(0));
                let binding = Binding { id: BindingId::from_u128(0), role, scope, subject, window: Window::ALWAYS };
                may_bind(edit, &by, org, &binding, change).await?;
            }
            Ok(())
        }
        Change::Bind { org, binding } => may_bind(edit, &by, org, binding, change).await,
        Change::Unbind { org, binding } => match bindings::find(edit.conn(), org, binding).await? {
            Some(found) => may_bind(edit, &by, org, &found, change).await,
            None => on_org(edit, &by, org, "bindings.read", change).await,
        },
        Change::PutApplication(application) => {
            let before = applications::find(edit.conn(), &application.id).await?;
            // What may use this API acts with all that its users may do: an administrator's word is needed.
            let for_the_api = |one: &Application| one.scopes.iter().any(|word| word == scope::ADMIN);
            let for_the_api = for_the_api(application) || before.as_ref().is_some_and(for_the_api);
            for org in before.iter().map(|found| &found.org).chain([&application.org]) {
                match org {
                    Some(org) if for_the_api => rules::admin_only(edit, &by, org, change).await?,
                    Some(org) => on_org(edit, &by, org, "applications.write", change).await?,
                    None => return Err(denied(change, "the instance's operator")),
                }
            }
            // Without consent it acts as whoever visits it: only the instance may let it.
            if application.trusted {
                return Err(denied(change, "the instance's operator"));
            }
            Ok(())
        }
        Change::RemoveApplication { application } => match applications::find(edit.conn(), application).await? {
            Some(found) => match &found.org {
                Some(org) => on_org(edit, &by, org, "applications.write", change).await,
                None => Err(denied(change, "the instance's operator")),
            },
            None => Err(Refusal::NotFound(format!("application {application}"))),
        },
        Change::CreateServiceAccount { org, project, .. } => {
            on_project(edit, &by, org, project, ("project.service_accounts.write", None), change).await
        }
        Change::SetApplicationOwner { org, .. } => on_org(edit, &by, org, "applications.write", change).await,
        Change::SetServiceAccount { org, user, .. }
        | Change::SetServiceAccountOwner { org, user, .. }
        | Change::RemoveServiceAccount { org, user } => {
            let Some(project) = rules::project_of(edit, org, user).await? else {
                return Err(Refusal::NotFound("The service account".to_owned()));
            };
            on_project(edit, &by, org, &project, ("project.service_accounts.write", None), change).await
        }
        Change::CreateAccessKey { org, key } => new_key(edit, &by, org, (&key.member, &key.project), change).await,
        Change::SetAccessKey { org, key, active, .. } => {
            if *active && let Some((member, project)) = disabled_key(edit, org, key).await? {
                if matches!(actor, Actor::Tool(_)) {
                    return Err(Refusal::UserRequired { act: describe::line(change) });
                }
                return new_key(edit, &by, org, (&member, &project), change).await;
            }
            key_of_others(edit, &by, org, key, change).await
        }
        Change::RemoveAccessKey { org, key } => key_of_others(edit, &by, org, key, change).await,
        Change::PutAlert { org, .. } | Change::RemoveAlert { org, .. } => {
            on_org(edit, &by, org, "alerts.write", change).await
        }
        Change::PutConnection(_)
        | Change::SetConnectionState { .. }
        | Change::ReleaseConnection { .. }
        | Change::AddScimCredential { .. }
        | Change::RemoveScimCredential { .. }
        | Change::DecideAdoption { .. }
        | Change::AdoptUser { .. }
        | Change::AddDomain { .. }
        | Change::VerifyDomain { .. }
        | Change::RemoveDomain { .. } => connections::by_person(edit, &by, change).await,
        Change::SetDomainConnection { .. }
        | Change::PutSignIn(_)
        | Change::SetSignInStage { .. }
        | Change::RemoveSignIn { .. }
        | Change::SetMapping { .. }
        | Change::LinkIdentity { .. }
        | Change::UnlinkIdentity { .. }
        | Change::SetBreakGlass { .. } => federation::by_person(edit, &by, change).await,
        // Whose they are was judged before.
        Change::PutFactor { .. }
        | Change::ReplaceFactor { .. }
        | Change::RenamePasskey { .. }
        | Change::RemoveFactor { .. }
        | Change::SetRecoveryCodes { .. } => Ok(()),
        Change::ResetFactors { user } | Change::Unlock { user } => factors::by_person(edit, &by, user, change).await,
        Change::PassSignInTest { .. } => Err(denied(change, "Muster itself")),
        Change::SignInThrough(_) | Change::EndUpstream { .. } | Change::SetUpstreamAccount { .. } => {
            Err(denied(change, "the connection itself"))
        }
        Change::ProvisionUser { .. }
        | Change::SetProvisionedUser { .. }
        | Change::DeprovisionUser { .. }
        | Change::ProvisionGroup { .. }
        | Change::SetProvisionedGroup { .. }
        | Change::DeprovisionGroup { .. }
        | Change::ExpectGroup { .. }
        | Change::SetGroupMembers { .. } => Err(denied(change, "the connection's own client")),
    }
}

/// What a tool is refused whatever it holds: who is there, who may enter, and new secrets are decided by people.
const fn is_for_people(change: &Change) -> bool {
    matches!(
        change,
        Change::CreateOrg { .. }
            | Change::SetOrgState { .. }
            | Change::TransferOwnership { .. }
            | Change::CreateUser(_)
            | Change::SetUserState { .. }
            | Change::SetAccessType { .. }
            | Change::ResetPassword { .. }
            | Change::SendLink { .. }
            | Change::SendRegistrationLink { .. }
            | Change::SetPasswordByLink { .. }
            | Change::ChangePassword { .. }
            | Change::ConfirmEmail { .. }
            | Change::SelfRegister { .. }
            | Change::Invite(_)
            | Change::ResendInvitation { .. }
            | Change::CancelInvitation { .. }
            | Change::DeclineInvitation { .. }
            | Change::AcceptInvitation { .. }
            | Change::AddMember { .. }
            | Change::SetMemberState { .. }
            | Change::RestrictMember { .. }
            | Change::ReplaceIdentity { .. }
            | Change::RemoveMember { .. }
            | Change::LeaveProject { .. }
            | Change::CreateServiceAccount { .. }
            | Change::CreateAccessKey { .. }
            | Change::PutAlert { .. }
            | Change::PutConnection(_)
            | Change::SetConnectionState { .. }
            | Change::ReleaseConnection { .. }
            | Change::AddScimCredential { .. }
            | Change::DecideAdoption { .. }
            | Change::AdoptUser { .. }
            | Change::AddDomain { .. }
            | Change::VerifyDomain { .. }
            | Change::SetDomainConnection { .. }
            | Change::PutSignIn(_)
            | Change::SetSignInStage { .. }
            | Change::RemoveSignIn { .. }
            | Change::SetMapping { .. }
            | Change::LinkIdentity { .. }
            | Change::UnlinkIdentity { .. }
            | Change::SetBreakGlass { .. }
            | Change::PutFactor { .. }
            | Change::ReplaceFactor { .. }
            | Change::RenamePasskey { .. }
            | Change::RemoveFactor { .. }
            | Change::ResetFactors { .. }
            | Change::SetRecoveryCodes { .. }
            | Change::Unlock { .. }
    )
}

/// The membership of whoever asks, in an organisation.
async fn own_membership(
    edit: &mut AccessEdit<'_>,
    by: &Asker<'_>,
    org: &crate::kernel::id::OrgId,
) -> Result<Option<crate::kernel::id::MembershipId>, Refusal> {
    Ok(memberships::of_user(edit.conn(), org, by.user).await?.map(|member| member.id))
}

/// Whether a scope is one project.
fn is_on(scope: &Scope, project: &ProjectId) -> bool {
    matches!(scope, Scope::Project(id) if id == project)
}
