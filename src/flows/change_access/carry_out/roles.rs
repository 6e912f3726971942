//! Groups, roles and bindings: the rules that hold whoever asks, then the rows.

use super::super::Refusal;
use super::checks::{check_binding, check_description, check_name, check_permissions, invalid, unknown};
use super::mapping;
use super::not_from_a_connection;
use super::provisioning::{no_local_grants, only_its_own};
use crate::domain::access::Subject;
use crate::domain::access::role::is_own_key;
use crate::domain::change::Change;
use crate::domain::source::Source;
use crate::flows::end_sessions::Aside;
use crate::kernel::id::{GroupId, MembershipId, OrgId};
use crate::store::access_edit::{AccessEdit, Written};
use crate::store::groups::{self, Group};
use crate::store::{bindings, memberships};

pub(super) async fn group(
    edit: &mut AccessEdit<'_>,
    change: &Change,
    aside: &Aside,
) -> Result<(Written, &'static str), Refusal> {
    Ok(match change {
        Change::CreateGroup { org, group, name, description } => {
            check_name("name", name, 128)?;
            check_description(description)?;
            (edit.create_group(org, group, (name, description), &Source::Local).await?, "A group with this name")
        }
        Change::RenameGroup { org, group, name, description } => {
            check_name("name", name, 128)?;
            check_description(description)?;
            let found = owned_here(edit, org, group).await?;
            if found.source == Source::System && (found.name != name.trim() || found.description != *description) {
                return Err(predefined());
            }
            let written = edit.rename_group(org, group, name, description).await?;
            (written, if written == Written::Taken { "A group with this name" } else { "The group" })
        }
        Change::DeleteGroup { org, group } => {
            if owned_here(edit, org, group).await?.source == Source::System {
                return Err(predefined());
            }
            (edit.delete_group(org, group).await?, "The group")
        }
        Change::AddToGroup { org, group, members } => {
            let source = membership_source(edit, aside, org, group, members).await?;
            (edit.add_to_group(org, group, members, &source).await?, "The group or one of the members")
        }
        Change::RemoveFromGroup { org, group, members } => {
            membership_source(edit, aside, org, group, &[]).await?;
            mapping::spare_places(edit, aside, group, members).await?;
            (edit.remove_from_group(org, group, members).await?, "The group or one of the members")
        }
        Change::SetGroupMembers { org, group, members } => {
            let all: Vec<MembershipId> = members.iter().cloned().collect();
            let source = membership_source(edit, aside, org, group, &all).await?;
            if aside.connection.is_none() {
                let held = groups::member_ids(edit.conn(), group).await?;
                let gone: Vec<MembershipId> = held.into_iter().filter(|id| !members.contains(id)).collect();
                mapping::spare_places(edit, aside, group, &gone).await?;
            }
            (edit.set_group_members(org, group, members, &source).await?, "The group or one of the members")
        }
        _ => return Err(unknown()),
    })
}

pub(super) async fn role(edit: &mut AccessEdit<'_>, change: &Change) -> Result<(Written, &'static str), Refusal> {
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
            if !bindings::same(edit.conn(), org, binding).await? {
                not_of_a_predefined_group(edit, org, &binding.subject).await?;
                if let Subject::Member(member) = &binding.subject {
                    no_local_grants(edit, std::slice::from_ref(member)).await?;
                }
            }
            (edit.bind(org, binding).await?, "The role, project, group or member")
        }
        Change::Unbind { org, binding } => {
            if let Some(found) = bindings::find(edit.conn(), org, binding).await? {
                not_of_a_predefined_group(edit, org, &found.subject).await?;
            }
            (edit.unbind(org, binding).await?, "The binding")
        }
        Change::EndWindows { org } => (edit.end_windows(org), "The organisation"),
        _ => return Err(unknown()),
    })
}

/// Where the places in a group come from that are about to be written: from whoever owns the group, who alone may do so.
async fn membership_source(
    edit: &mut AccessEdit<'_>,
    aside: &Aside,
    org: &OrgId,
    group: &GroupId,
    members: &[MembershipId],
) -> Result<Source, Refusal> {
    if let Some(connection) = &aside.connection {
        let source = Source::Scim(connection.to_string());
        only_its_own(edit, &source, members).await?;
        return Ok(source);
    }
    owned_here(edit, org, group).await?;
    no_service_accounts(edit, "members", members).await?;
    no_local_grants(edit, members).await?;
    Ok(Source::Local)
}

/// A group whose members and roles are decided here, and not by a connection.
pub(super) async fn owned_here(edit: &mut AccessEdit<'_>, org: &OrgId, group: &GroupId) -> Result<Group, Refusal> {
    match groups::find(edit.conn(), org, group).await? {
        Some(found) => {
            not_from_a_connection(edit, &found.source).await?;
            Ok(found)
        }
        None => Err(Refusal::NotFound("The group".to_owned())),
    }
}

/// Service accounts hold roles directly, and are in no group.
pub(super) async fn no_service_accounts(
    edit: &mut AccessEdit<'_>,
    field: &'static str,
    members: &[MembershipId],
) -> Result<(), Refusal> {
    let names: Vec<String> = memberships::service_accounts_among(edit.conn(), members)
        .await?
        .into_iter()
        .take(3)
        .map(|(_, name)| format!("\"{name}\""))
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    let reason =
        format!("A service account can't be in a group; give it roles directly. This concerns {}.", names.join(", "));
    Err(invalid(field, reason))
}

async fn not_of_a_predefined_group(edit: &mut AccessEdit<'_>, org: &OrgId, subject: &Subject) -> Result<(), Refusal> {
    let Subject::Group(group) = subject else {
        return Ok(());
    };
    match groups::find(edit.conn(), org, group).await? {
        Some(found) if found.source == Source::System => Err(predefined()),
        Some(_) | None => Ok(()),
    }
}

fn predefined() -> Refusal {
    invalid("group", "This group is predefined: its members can change, its name and roles can't.")
}
