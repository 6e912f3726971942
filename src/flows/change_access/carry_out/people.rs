//! Accounts and memberships: the rules that hold whoever asks, then the rows.

use std::collections::BTreeSet;

use super::super::{Refusal, owner_in_the_way};
use super::checks::{check_profile, check_user, invalid, unknown};
use super::not_from_a_connection;
use super::provisioning::no_local_grants;
use super::roles::{no_service_accounts, owned_here};
use super::{enforced, mapping};
use crate::domain::access::{Scope, Subject};
use crate::domain::change::Change;
use crate::domain::people::identifier;
use crate::domain::people::user::{AccessType, Kind, MembershipState, UserState};
use crate::flows::end_sessions::Aside;
use crate::kernel::id::{ApplicationId, GroupId, MembershipId, OrgId, ProjectId, UserId};
use crate::store::access_edit::{AccessEdit, Written};
use crate::store::users::User;
use crate::store::{applications, groups, links, memberships, orgs, sessions, users};

pub(super) const NAME_TAKEN: &str = "Somebody with this user name, e-mail address or phone number";

/// Carries a change of an account or a membership out.
pub(super) async fn person(
    edit: &mut AccessEdit<'_>,
    change: &Change,
    aside: &mut Aside,
) -> Result<(Written, &'static str), Refusal> {
    match change {
        Change::CreateUser(_)
        | Change::SetProfile { .. }
        | Change::SetUserState { .. }
        | Change::SetAccessType { .. }
        | Change::ResetPassword { .. } => account(edit, change, aside).await,
        Change::AddMember { .. }
        | Change::SetMemberState { .. }
        | Change::RestrictMember { .. }
        | Change::ReplaceIdentity { .. }
        | Change::EndSessions { .. }
        | Change::EndSession { .. }
        | Change::RemoveMember { .. } => membership(edit, change, aside).await,
        Change::LeaveProject { org, member, project } => leave_project(edit, org, member, project).await,
        Change::SetGroupsOf { org, member, groups } => set_groups_of(edit, org, member, groups).await,
        Change::Reassign { org, from, to } => reassign(edit, org, from, to).await,
        _ => Err(unknown()),
    }
}

async fn account(
    edit: &mut AccessEdit<'_>,
    change: &Change,
    aside: &mut Aside,
) -> Result<(Written, &'static str), Refusal> {
    Ok(match change {
        Change::CreateUser(user) => {
            check_user(user)?;
            enforced::may_be_registered(edit, aside, user).await?;
            (edit.create_user(user).await?, NAME_TAKEN)
        }
        Change::SetProfile { user, user_name, profile } => {
            let before = account_owned_here(edit, user).await?;
            identifier::check_user_name(user_name).map_err(|e| invalid("user_name", e))?;
            check_profile(profile)?;
            let written = edit.set_profile(user, user_name, profile).await?;
            if written == Written::Done && before.profile.email != profile.email {
                end_links(edit, user).await?;
                end_everywhere(edit, aside, user, "email_changed").await?;
            }
            (written, if written == Written::Taken { NAME_TAKEN } else { "The user" })
        }
        Change::SetUserState { user, state } if !aside.deprovisioning && of_a_connection(edit, user).await? => {
            suspended_here(edit, aside, user, *state).await?
        }
        Change::SetUserState { user, state } => (set_user_state(edit, aside, user, *state).await?, "The user"),
        Change::SetAccessType { user, access } => {
            let found = account_owned_here(edit, user).await?;
            if !matches!(found.kind, Kind::Managed(_)) {
                return Err(invalid("access_type", "Only an account that belongs to an organisation can be for keys."));
            }
            if *access == AccessType::Key {
                spare_owners(edit, aside, user).await?;
            }
            let written = edit.set_access_type(user, *access).await?;
            if written == Written::Done && *access == AccessType::Key {
                aside.users.insert(user.clone(), "account_for_keys");
                end_links(edit, user).await?;
            }
            (written, "The user")
        }
        Change::ResetPassword { user, password, must_change } => {
            (reset_password(edit, user, (password.as_str(), *must_change), aside).await?, "The user")
        }
        _ => return Err(unknown()),
    })
}

async fn set_user_state(
    edit: &mut AccessEdit<'_>,
    aside: &mut Aside,
    user: &UserId,
    state: UserState,
) -> Result<Written, Refusal> {
    if state != UserState::Active {
        may_be_barred(edit, aside, user, state).await?;
    }
    let written = edit.set_user_state(user, state).await?;
    if written == Written::Done && state != UserState::Active {
        aside.users.insert(user.clone(), "account_barred");
        end_links(edit, user).await?;
        edit.cancel_invitations_of(user, None).await?;
    }
    if written == Written::Done && state == UserState::Active {
        // An owner whom a connection had taken away, and who is the organisation's own by now, can act again.
        for (org, member) in memberships::all_of_user(edit.conn(), user).await? {
            if owns(edit, &org, &member).await? {
                edit.note_owner_barred(&org, false).await?;
            }
        }
    }
    Ok(written)
}

async fn reset_password(
    edit: &mut AccessEdit<'_>,
    user: &UserId,
    (password, must_change): (&str, bool),
    aside: &mut Aside,
) -> Result<Written, Refusal> {
    account_owned_here(edit, user).await?;
    if users::access_type(edit.conn(), user).await? == Some(AccessType::Key) {
        let reason = "This account is for access keys alone. Set its access type to password first.";
        return Err(invalid("password", reason));
    }
    end_links(edit, user).await?;
    aside.users.insert(user.clone(), "password_reset");
    Ok(edit.reset_password(user, password, must_change).await?)
}

/// Whether a connection owns an account.
async fn of_a_connection(edit: &mut AccessEdit<'_>, user: &UserId) -> Result<bool, Refusal> {
    Ok(users::find(edit.conn(), user).await?.is_some_and(|found| found.source.connection().is_some()))
}

/// An account that a connection owns is suspended here at its membership: so neither side lifts what the other did.
async fn suspended_here(
    edit: &mut AccessEdit<'_>,
    aside: &mut Aside,
    user: &UserId,
    state: UserState,
) -> Result<(Written, &'static str), Refusal> {
    const WHAT: &str = "The user";
    let Some(found) = users::find(edit.conn(), user).await? else {
        return Ok((Written::Missing, WHAT));
    };
    let member = match found.kind.org() {
        Some(org) => memberships::of_user(edit.conn(), org, user).await?,
        None => None,
    };
    let (Some(member), true) = (member, matches!(state, UserState::Active | UserState::Suspended)) else {
        not_from_a_connection(edit, &found.source).await?;
        return Ok((Written::Missing, WHAT));
    };
    if state == UserState::Active && found.state != UserState::Active {
        not_from_a_connection(edit, &found.source).await?;
    }
    let state = if state == UserState::Active { MembershipState::Active } else { MembershipState::Suspended };
    Ok((set_member_state(edit, aside, (&member.org, &member.id), state).await?, WHAT))
}

/// Links that were mailed to somebody already die.
pub(super) async fn end_links(edit: &mut AccessEdit<'_>, user: &UserId) -> Result<(), Refusal> {
    let at = edit.at();
    Ok(links::end_of_user(edit.tx(), user, "withdrawn", at).await?)
}

/// Whoever can't use an organisation any more vouches for nobody there, and the links to an account of its own die.
async fn left(edit: &mut AccessEdit<'_>, org: &OrgId, user: &UserId) -> Result<(), Refusal> {
    edit.cancel_invitations_of(user, Some(org)).await?;
    match users::find(edit.conn(), user).await? {
        Some(found) if found.kind == Kind::Managed(org.clone()) => end_links(edit, user).await,
        Some(_) | None => Ok(()),
    }
}

async fn membership(
    edit: &mut AccessEdit<'_>,
    change: &Change,
    aside: &mut Aside,
) -> Result<(Written, &'static str), Refusal> {
    Ok(match change {
        Change::AddMember { org, member, user, state, source } => {
            let found = users::find(edit.conn(), user).await?.filter(|found| may_be_member(found, org));
            if found.is_none() || orgs::find(edit.conn(), org).await?.is_none() {
                return Err(Refusal::NotFound("The organisation or the user".to_owned()));
            }
            (edit.add_member(org, member, user, *state, source).await?, "The member")
        }
        Change::SetMemberState { org, member, state } => {
            (set_member_state(edit, aside, (org, member), *state).await?, "The member")
        }
        Change::RestrictMember { org, member, to } => {
            if let Some(to) = to {
                may_be_restricted(edit, aside, org, member).await?;
                all_known(edit, org, to).await?;
            }
            (edit.restrict_member(org, member, to.as_ref()).await?, "The member")
        }
        Change::ReplaceIdentity { org, member, by } => {
            may_be_replaced(edit, org, member, by).await?;
            let before = memberships::find(edit.conn(), org, member).await?;
            let written = edit.replace_identity(org, member, by).await?;
            if let Some(before) = before.filter(|_| written == Written::Done) {
                left(edit, org, &before.user).await?;
            }
            (written, if written == Written::Taken { "A membership of this user" } else { "The member" })
        }
        Change::EndSessions { org, member } => (edit.end_sessions(org, member).await?, "The member"),
        Change::EndSession { org, member, entry } => {
            let written = match sessions::entry_of_member(edit.conn(), org, member, entry).await? {
                None => Written::Missing,
                Some((_, false)) => Written::Already,
                Some((entry, true)) => {
                    aside.entries.push(entry);
                    Written::Done
                }
            };
            (written, "The session")
        }
        Change::RemoveMember { org, member } => {
            spare_owner(edit, aside, org, member).await?;
            let before = memberships::find(edit.conn(), org, member).await?;
            if let Some(found) = &before {
                not_from_a_connection(edit, &found.source).await?;
            }
            let written = edit.remove_member(org, member).await?;
            if let Some(before) = before {
                left(edit, org, &before.user).await?;
            }
            (written, "The member")
        }
        _ => return Err(unknown()),
    })
}

async fn set_member_state(
    edit: &mut AccessEdit<'_>,
    aside: &Aside,
    (org, member): (&OrgId, &MembershipId),
    state: MembershipState,
) -> Result<Written, Refusal> {
    if state != MembershipState::Active {
        spare_owner(edit, aside, org, member).await?;
    }
    let found = memberships::find(edit.conn(), org, member).await?;
    if let Some(found) = &found
        && !aside.deprovisioning
        && found.state == MembershipState::Deactivated
        && found.state != state
    {
        not_from_a_connection(edit, &found.source).await?;
    }
    let written = edit.set_member_state(org, member, state).await?;
    if let Some(found) = found.filter(|_| written == Written::Done && state != MembershipState::Active) {
        left(edit, org, &found.user).await?;
    }
    Ok(written)
}

/// Ends what an account has open, in every organisation and outside of them.
pub(super) async fn end_everywhere(
    edit: &mut AccessEdit<'_>,
    aside: &mut Aside,
    user: &UserId,
    why: &'static str,
) -> Result<(), Refusal> {
    for (org, member) in memberships::all_of_user(edit.conn(), user).await? {
        edit.end_sessions(&org, &member).await?;
    }
    aside.users.insert(user.clone(), why);
    Ok(())
}

/// An account that an administrator here may write to.
async fn account_owned_here(edit: &mut AccessEdit<'_>, user: &UserId) -> Result<User, Refusal> {
    match users::find(edit.conn(), user).await? {
        Some(found) if found.kind.project().is_none() => {
            not_from_a_connection(edit, &found.source).await?;
            Ok(found)
        }
        // A service account has no profile and no password.
        Some(_) | None => Err(Refusal::NotFound("The user".to_owned())),
    }
}

/// Neither another organisation's account nor one that stands outside of all becomes a member.
fn may_be_member(user: &User, org: &OrgId) -> bool {
    let fits = match &user.kind {
        Kind::Own => true,
        Kind::Managed(of) => of == org,
        Kind::Service(..) | Kind::Operator => false,
    };
    fits && user.state != UserState::Deleted
}

/// An account that is to leave the state `active` owns no organisation, and is not the last operator.
async fn may_be_barred(
    edit: &mut AccessEdit<'_>,
    aside: &Aside,
    user: &UserId,
    state: UserState,
) -> Result<(), Refusal> {
    if users::is_last_operator(edit.conn(), user).await? {
        return Err(Refusal::Blocked {
            reason: "Make another operator before this one goes: the last can't be removed.".to_owned(),
            object: user.to_string(),
            clear: "muster doctor".to_owned(),
        });
    }
    if users::find(edit.conn(), user).await?.is_some_and(|found| found.state == state) {
        return Ok(()); // it is so already
    }
    spare_owners(edit, aside, user).await
}

/// As [`spare_owner`], in every organisation.
async fn spare_owners(edit: &mut AccessEdit<'_>, aside: &Aside, user: &UserId) -> Result<(), Refusal> {
    for (org, member) in memberships::all_of_user(edit.conn(), user).await? {
        spare_owner(edit, aside, &org, &member).await?;
    }
    Ok(())
}

/// The owner stays until the ownership is transferred. Deprovisioning alone does not wait for that: it always wins.
async fn spare_owner(
    edit: &mut AccessEdit<'_>,
    aside: &Aside,
    org: &OrgId,
    member: &MembershipId,
) -> Result<(), Refusal> {
    if aside.deprovisioning || !owns(edit, org, member).await? {
        return Ok(());
    }
    Err(owner_in_the_way(org, member))
}

async fn owns(edit: &mut AccessEdit<'_>, org: &OrgId, member: &MembershipId) -> Result<bool, Refusal> {
    Ok(orgs::find(edit.conn(), org).await?.is_some_and(|found| found.owner.as_ref() == Some(member)))
}

async fn may_be_restricted(
    edit: &mut AccessEdit<'_>,
    aside: &Aside,
    org: &OrgId,
    member: &MembershipId,
) -> Result<(), Refusal> {
    spare_owner(edit, aside, org, member).await?;
    if memberships::service_accounts_among(edit.conn(), std::slice::from_ref(member)).await?.is_empty() {
        return Ok(());
    }
    Err(invalid("restricted_to", "A service account signs in to no application; there is nothing to restrict."))
}

/// The applications of a restriction belong to the organisation, or to none.
async fn all_known(edit: &mut AccessEdit<'_>, org: &OrgId, list: &BTreeSet<ApplicationId>) -> Result<(), Refusal> {
    for id in list {
        let found = applications::find(edit.conn(), id).await?;
        if found.is_none_or(|application| application.org.is_some_and(|of| of != *org)) {
            return Err(Refusal::NotFound(format!("application {id}")));
        }
    }
    Ok(())
}

/// The owner's own identity stays, and so does what a connection says. Who comes is an active account of a person that
/// this organisation may let in.
async fn may_be_replaced(
    edit: &mut AccessEdit<'_>,
    org: &OrgId,
    member: &MembershipId,
    by: &UserId,
) -> Result<(), Refusal> {
    let Some(found) = memberships::find(edit.conn(), org, member).await? else {
        return Err(Refusal::NotFound("The member".to_owned()));
    };
    if owns(edit, org, member).await? {
        // Only the owner may ask, so this is one's own.
        let reason = "The owner's own identity can't be replaced; transfer the ownership instead.";
        return Err(invalid("member", reason));
    }
    not_from_a_connection(edit, &found.source).await?;
    if !memberships::service_accounts_among(edit.conn(), std::slice::from_ref(member)).await?.is_empty() {
        return Err(invalid("member", "A service account is no person; make another one."));
    }
    let Some(comes) = users::find(edit.conn(), by).await?.filter(|user| may_be_member(user, org)) else {
        return Err(Refusal::NotFound("The user".to_owned()));
    };
    if comes.state != UserState::Active {
        return Err(invalid("user", "This account is not active; activate it first."));
    }
    Ok(())
}

/// Leaving a project takes the direct roles on it. What comes another way stands in the way, and is named.
async fn leave_project(
    edit: &mut AccessEdit<'_>,
    org: &OrgId,
    member: &MembershipId,
    project: &ProjectId,
) -> Result<(Written, &'static str), Refusal> {
    const WHAT: &str = "The member on this project";
    if memberships::find(edit.conn(), org, member).await?.is_none() {
        return Ok((Written::Missing, WHAT));
    }
    let on_it = Scope::Project(project.clone());
    for binding in memberships::bindings_reaching(edit.conn(), member).await? {
        let direct = matches!(binding.subject, Subject::Member(_));
        if binding.scope == Scope::Org || (direct && binding.scope == on_it) {
            continue;
        }
        if binding.scope == on_it || binding.scope == Scope::AllProjects {
            mapping::not_by_a_place(edit, (org, member), &binding).await?;
            return Err(still_given(edit, org, &binding.subject, binding.id.as_str()).await?);
        }
    }
    match edit.leave_project(org, member, project).await? {
        Written::Already => Ok((Written::Missing, WHAT)),
        written => Ok((written, WHAT)),
    }
}

/// Which group or binding gives something on a project still, and what takes it away.
async fn still_given(
    edit: &mut AccessEdit<'_>,
    org: &OrgId,
    subject: &Subject,
    binding: &str,
) -> Result<Refusal, Refusal> {
    let unbind = format!("DELETE /api/v1/orgs/{org}/bindings/{binding}");
    let group = match subject {
        Subject::Group(id) => groups::find(edit.conn(), org, id).await?,
        Subject::Member(_) => None,
    };
    Ok(match group {
        None => Refusal::Blocked {
            reason: "The member has a role on all projects; take that first.".to_owned(),
            object: binding.to_owned(),
            clear: unbind,
        },
        Some(group) if group.source.connection().is_some() => Refusal::Blocked {
            reason: format!(
                "The member has a role here through the group \"{}\", whose members a connection decides; take the role \
                 from the group.",
                group.name
            ),
            object: group.id.to_string(),
            clear: unbind,
        },
        Some(group) => Refusal::Blocked {
            reason: format!(
                "The member has a role here through the group \"{}\"; take the member out of it first.",
                group.name
            ),
            clear: format!("POST /api/v1/orgs/{org}/groups/{}/members/remove", group.id),
            object: group.id.to_string(),
        },
    })
}

async fn set_groups_of(
    edit: &mut AccessEdit<'_>,
    org: &OrgId,
    member: &MembershipId,
    wanted: &BTreeSet<GroupId>,
) -> Result<(Written, &'static str), Refusal> {
    if !wanted.is_empty() {
        no_service_accounts(edit, "groups", std::slice::from_ref(member)).await?;
    }
    mapping::spare_places_of(edit, member, wanted).await?;
    let held = groups::ids_of_member(edit.conn(), member).await?;
    for group in wanted.symmetric_difference(&held) {
        owned_here(edit, org, group).await?;
    }
    if wanted.difference(&held).next().is_some() {
        no_local_grants(edit, std::slice::from_ref(member)).await?;
    }
    Ok((edit.set_groups_of(org, member, wanted).await?, "The member or one of the groups"))
}

async fn reassign(
    edit: &mut AccessEdit<'_>,
    org: &OrgId,
    from: &MembershipId,
    to: &MembershipId,
) -> Result<(Written, &'static str), Refusal> {
    if !memberships::service_accounts_among(edit.conn(), std::slice::from_ref(to)).await?.is_empty() {
        return Err(invalid("to", "Choose a person: a service account answers for nothing."));
    }
    Ok((edit.reassign(org, from, to).await?, "One of the members"))
}
