//! One change, after the actor was found to be allowed: source and invariants, then the rows.

use super::Refusal;
use crate::domain::access::permission::known;
use crate::domain::access::role::is_own_key;
use crate::domain::access::{Binding, Role};
use crate::domain::change::{Change, NewUser};
use crate::domain::oidc::claims::Profile;
use crate::domain::people::identifier;
use crate::domain::people::user::UserState;
use crate::domain::source::Source;
use crate::flows::end_sessions::Aside;
use crate::kernel::id::{GroupId, OrgId, UserId};
use crate::kernel::time::{HOUR, MINUTE};
use crate::store::access_edit::{AccessEdit, Written};
use crate::store::{applications, groups, instance, orgs, users};

/// Carries one change out; whether it changed anything.
pub async fn one(edit: &mut AccessEdit<'_>, change: &Change, aside: &mut Aside) -> Result<bool, Refusal> {
    let (written, what) = match change {
        Change::CreateOrg { org, slug, name, policy } => {
            check_slug(slug)?;
            check_name("name", name, 100)?;
            (edit.create_org(org, slug, name, *policy).await?, "An organisation with this slug")
        }
        Change::RenameOrg { org, name } => {
            check_name("name", name, 100)?;
            (edit.rename_org(org, name).await?, "The organisation")
        }
        Change::SetPolicy { org, policy } => (edit.set_policy(org, *policy).await?, "The organisation"),
        Change::SetSessionLimits { org, idle, absolute } => {
            check_limits(*idle, *absolute)?;
            (edit.set_session_limits(org, *idle, *absolute).await?, "The organisation")
        }
        Change::SetOrgState { org, state } => (edit.set_org_state(org, *state).await?, "The organisation"),
        Change::TransferOwnership { org, to } => (edit.transfer_ownership(org, to).await?, "The member"),
        Change::CreateProject { org, project, key, name } => {
            check_key("key", key)?;
            check_name("name", name, 100)?;
            (edit.create_project(org, project, key, name).await?, "A project with this key")
        }
        Change::RenameProject { org, project, name } => {
            check_name("name", name, 100)?;
            (edit.rename_project(org, project, name).await?, "The project")
        }
        Change::DeleteProject { org, project } => (edit.delete_project(org, project).await?, "The project"),
        Change::UseSetupLink { link } => {
            let at = edit.at();
            let good = !users::an_operator_exists(edit.conn()).await?
                && instance::use_setup_link(edit.tx(), *link, at).await?;
            (if good { Written::Done } else { Written::Missing }, "This set-up link")
        }
        Change::PutApplication(_) | Change::RemoveApplication { .. } => {
            return application(edit, change, aside).await;
        }
        Change::CreateGroup { .. }
        | Change::RenameGroup { .. }
        | Change::DeleteGroup { .. }
        | Change::AddToGroup { .. }
        | Change::RemoveFromGroup { .. } => group(edit, change).await?,
        Change::CreateRole { .. }
        | Change::SetRole { .. }
        | Change::DeleteRole { .. }
        | Change::Bind { .. }
        | Change::Unbind { .. }
        | Change::EndWindows { .. } => role(edit, change).await?,
        Change::CreateUser(_)
        | Change::SetProfile { .. }
        | Change::SetUserState { .. }
        | Change::ResetPassword { .. }
        | Change::AddMember { .. }
        | Change::SetMemberState { .. }
        | Change::EndSessions { .. }
        | Change::RemoveMember { .. } => person(edit, change, aside).await?,
    };
    judged(written, what)
}

fn judged(written: Written, what: &str) -> Result<bool, Refusal> {
    match written {
        Written::Done => Ok(true),
        Written::Already => Ok(false),
        Written::Missing => Err(Refusal::NotFound(what.to_owned())),
        Written::Taken => Err(Refusal::Conflict(format!("{what} already exists"))),
    }
}

async fn group(edit: &mut AccessEdit<'_>, change: &Change) -> Result<(Written, &'static str), Refusal> {
    Ok(match change {
        Change::CreateGroup { org, group, name, description } => {
            check_name("name", name, 128)?;
            check_description(description)?;
            (edit.create_group(org, group, name, description).await?, "A group with this name")
        }
        Change::RenameGroup { org, group, name, description } => {
            check_name("name", name, 128)?;
            check_description(description)?;
            owned_here(edit, org, group).await?;
            let written = edit.rename_group(org, group, name, description).await?;
            (written, if written == Written::Taken { "A group with this name" } else { "The group" })
        }
        Change::DeleteGroup { org, group } => {
            owned_here(edit, org, group).await?;
            (edit.delete_group(org, group).await?, "The group")
        }
        Change::AddToGroup { org, group, members } => {
            owned_here(edit, org, group).await?;
            (edit.add_to_group(org, group, members, &Source::Local).await?, "The group or one of the members")
        }
        Change::RemoveFromGroup { org, group, members } => {
            owned_here(edit, org, group).await?;
            (edit.remove_from_group(org, group, members).await?, "The group or one of the members")
        }
        _ => return Err(unknown()),
    })
}

async fn role(edit: &mut AccessEdit<'_>, change: &Change) -> Result<(Written, &'static str), Refusal> {
    Ok(match change {
        Change::CreateRole { org, role, key, name, permissions } => {
            if !is_own_key(key) {
                return Err(invalid("key", "A role's key has 1 to 64 of a-z, 0-9, - and _, and begins with a letter."));
            }
            check_name("name", name, 100)?;
            check_permissions(permissions)?;
            (edit.create_role(org, role, key, name, permissions).await?, "A role with this key")
        }
        Change::SetRole { org, role, name, permissions } => {
            check_name("name", name, 100)?;
            check_permissions(permissions)?;
            (edit.set_role(org, role, name, permissions).await?, "The role")
        }
        Change::DeleteRole { org, role } => (edit.delete_role(org, role).await?, "The role"),
        Change::Bind { org, binding } => {
            check_binding(binding)?;
            if binding.window.not_after <= edit.at() {
                return Err(invalid("not_after", "The end lies in the past; choose a later one."));
            }
            (edit.bind(org, binding).await?, "The role, project, group or member")
        }
        Change::Unbind { org, binding } => (edit.unbind(org, binding).await?, "The binding"),
        Change::EndWindows { org } => (edit.end_windows(org), "The organisation"),
        _ => return Err(unknown()),
    })
}

async fn person(
    edit: &mut AccessEdit<'_>,
    change: &Change,
    aside: &mut Aside,
) -> Result<(Written, &'static str), Refusal> {
    const NAME_TAKEN: &str = "Somebody with this user name, e-mail address or phone number";
    Ok(match change {
        Change::CreateUser(user) => {
            check_user(user)?;
            (edit.create_user(user).await?, NAME_TAKEN)
        }
        Change::SetProfile { user, user_name, profile } => {
            identifier::check_user_name(user_name).map_err(|e| invalid("user_name", e))?;
            check_profile(profile)?;
            account_owned_here(edit, user).await?;
            let written = edit.set_profile(user, user_name, profile).await?;
            (written, if written == Written::Taken { NAME_TAKEN } else { "The user" })
        }
        Change::SetUserState { user, state } => {
            if *state != UserState::Active && users::is_last_operator(edit.conn(), user).await? {
                return Err(Refusal::Blocked(
                    "Make another operator before this one goes: the last can't be removed.".to_owned(),
                ));
            }
            let written = edit.set_user_state(user, *state).await?;
            if written == Written::Done && *state != UserState::Active {
                aside.users.insert(user.clone(), "account_barred");
            }
            (written, "The user")
        }
        Change::ResetPassword { user, password } => {
            account_owned_here(edit, user).await?;
            aside.users.insert(user.clone(), "password_reset");
            (edit.reset_password(user, password).await?, "The user")
        }
        Change::AddMember { org, member, user, state, source } => {
            let found = users::find(edit.conn(), user).await?.filter(|found| found.state != UserState::Deleted);
            if found.is_none() || orgs::find(edit.conn(), org).await?.is_none() {
                return Err(Refusal::NotFound("The organisation or the user".to_owned()));
            }
            (edit.add_member(org, member, user, *state, source).await?, "The member")
        }
        Change::SetMemberState { org, member, state } => {
            (edit.set_member_state(org, member, *state).await?, "The member")
        }
        Change::EndSessions { org, member } => (edit.end_sessions(org, member).await?, "The member"),
        Change::RemoveMember { org, member } => (edit.remove_member(org, member).await?, "The member"),
        _ => return Err(unknown()),
    })
}

async fn application(edit: &mut AccessEdit<'_>, change: &Change, aside: &mut Aside) -> Result<bool, Refusal> {
    let at = edit.at();
    match change {
        Change::PutApplication(application) => {
            application.validate().map_err(|faults| {
                let fault = faults.into_iter().next();
                fault.map_or_else(unknown, |fault| Refusal::Invalid { field: fault.field, reason: fault.reason })
            })?;
            let before = applications::by_client_id(edit.conn(), &application.client_id).await?;
            match before {
                Some(other) if other.id != application.id => {
                    return Err(Refusal::Conflict("An application with this client_id already exists".to_owned()));
                }
                Some(same) if same == **application => return Ok(false),
                _ => {}
            }
            if let Some(resource) = &application.resource
                && applications::all(edit.conn())
                    .await?
                    .iter()
                    .any(|other| other.id != application.id && other.resource.as_ref() == Some(resource))
            {
                return Err(Refusal::Conflict(
                    "Another application has this resource: its tokens would be open to both".to_owned(),
                ));
            }
            if application.state == crate::domain::oauth::application::ApplicationState::Disabled {
                aside.applications.insert(application.id.clone());
            }
            applications::put(edit.tx(), application, at).await?;
            Ok(true)
        }
        Change::RemoveApplication { application } => {
            if applications::find(edit.conn(), application).await?.is_none() {
                return Err(Refusal::NotFound(format!("application {application}")));
            }
            applications::remove(edit.tx(), application).await?;
            Ok(true)
        }
        _ => Err(unknown()),
    }
}

async fn owned_here(edit: &mut AccessEdit<'_>, org: &OrgId, group: &GroupId) -> Result<(), Refusal> {
    match groups::find(edit.conn(), org, group).await? {
        Some(found) => not_from_a_connection(&found.source),
        None => Err(Refusal::NotFound("The group".to_owned())),
    }
}

async fn account_owned_here(edit: &mut AccessEdit<'_>, user: &UserId) -> Result<(), Refusal> {
    match users::find(edit.conn(), user).await? {
        Some(found) => not_from_a_connection(&found.source),
        None => Err(Refusal::NotFound("The user".to_owned())),
    }
}

fn not_from_a_connection(source: &Source) -> Result<(), Refusal> {
    source.connection().map_or(Ok(()), |id| Err(Refusal::ManagedByIdp { connection: id.to_owned() }))
}

fn invalid(field: &'static str, reason: impl Into<String>) -> Refusal {
    Refusal::Invalid { field, reason: reason.into() }
}

fn unknown() -> Refusal {
    invalid("change", "This change is not one that can be carried out.")
}

fn check_user(user: &NewUser) -> Result<(), Refusal> {
    identifier::check_user_name(&user.user_name).map_err(|e| invalid("user_name", e))?;
    check_profile(&user.profile)
}

fn check_profile(profile: &Profile) -> Result<(), Refusal> {
    if let Some(email) = &profile.email {
        identifier::check_email(email).map_err(|e| invalid("email", e))?;
    }
    if let Some(phone) = &profile.phone_number {
        identifier::check_phone(phone).map_err(|e| invalid("phone", e))?;
    }
    match &profile.name {
        Some(name) => check_name("name", name, 200),
        None => Ok(()),
    }
}

fn check_binding(binding: &Binding) -> Result<(), Refusal> {
    if binding.role == Role::OrgOwner {
        return Err(invalid("role", "org.owner can't be given; transfer the ownership instead."));
    }
    if !binding.scope.fits(&binding.role) {
        let text = format!(
            "{} needs a {}.",
            binding.role,
            if binding.role.as_str().starts_with("project.") { "project" } else { "place on the organisation" }
        );
        return Err(invalid("scope", text));
    }
    if binding.window.not_before >= binding.window.not_after {
        return Err(invalid("not_after", "The end must lie after the beginning."));
    }
    Ok(())
}

/// 15 minutes to 24 hours idle, 1 to 720 hours in all.
fn check_limits(idle: Option<i64>, absolute: Option<i64>) -> Result<(), Refusal> {
    if idle.is_some_and(|idle| !(15 * MINUTE..=24 * HOUR).contains(&idle)) {
        return Err(invalid("session_idle", "Use 15 minutes to 24 hours."));
    }
    if absolute.is_some_and(|absolute| !(HOUR..=720 * HOUR).contains(&absolute)) {
        return Err(invalid("session_absolute", "Use 1 to 720 hours."));
    }
    Ok(())
}

fn check_permissions(permissions: &std::collections::BTreeSet<String>) -> Result<(), Refusal> {
    match permissions.iter().find(|word| known(word).is_none()) {
        Some(word) => Err(invalid("permissions", format!("\"{word}\" is not in the catalogue of permissions."))),
        None => Ok(()),
    }
}

/// Slugs are shown in addresses and reserved words must not be taken.
fn check_slug(slug: &str) -> Result<(), Refusal> {
    check_key("slug", slug)?;
    if ["instance", "operator", "own", "admin", "api"].contains(&slug) {
        return Err(invalid("slug", "This word is reserved; choose another."));
    }
    Ok(())
}

fn check_key(field: &'static str, key: &str) -> Result<(), Refusal> {
    let ok = (1..=40).contains(&key.len())
        && key.starts_with(|c: char| c.is_ascii_lowercase())
        && !key.ends_with('-')
        && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if ok { Ok(()) } else { Err(invalid(field, "Use 1 to 40 of a-z, 0-9 and -, beginning with a letter.")) }
}

fn check_name(field: &'static str, name: &str, most: usize) -> Result<(), Refusal> {
    let length = name.trim().chars().count();
    if length == 0 || length > most || name.chars().any(char::is_control) {
        return Err(invalid(field, format!("Use 1 to {most} characters, no control characters.")));
    }
    Ok(())
}

fn check_description(text: &str) -> Result<(), Refusal> {
    if text.chars().count() > 100 || text.chars().any(char::is_control) {
        return Err(invalid("description", "Use at most 100 characters, no control characters."));
    }
    Ok(())
}
