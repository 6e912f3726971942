//! Groups, roles and bindings: the rules that hold whoever asks, then the rows.

use super::super::Refusal;
use super::checks::{check_binding, check_description, check_name, check_permissions, invalid, unknown};
use super::not_from_a_connection;
use crate::domain::access::role::is_own_key;
use crate::domain::change::Change;
use crate::domain::source::Source;
use crate::kernel::id::{GroupId, OrgId};
use crate::store::access_edit::{AccessEdit, Written};
use crate::store::groups;

pub(super) async fn group(edit: &mut AccessEdit<'_>, change: &Change) -> Result<(Written, &'static str), Refusal> {
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
            (edit.bind(org, binding).await?, "The role, project, group or member")
        }
        Change::Unbind { org, binding } => (edit.unbind(org, binding).await?, "The binding"),
        Change::EndWindows { org } => (edit.end_windows(org), "The organisation"),
        _ => return Err(unknown()),
    })
}

async fn owned_here(edit: &mut AccessEdit<'_>, org: &OrgId, group: &GroupId) -> Result<(), Refusal> {
    match groups::find(edit.conn(), org, group).await? {
        Some(found) => not_from_a_connection(&found.source),
        None => Err(Refusal::NotFound("The group".to_owned())),
    }
}
