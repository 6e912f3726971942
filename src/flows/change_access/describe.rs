//! A change in one line: for receipts, the audit record, and whoever reads a plan. Never a secret.

use crate::domain::access::{Binding, Scope, Subject};
use crate::domain::change::Change;

/// The line.
pub fn line(change: &Change) -> String {
    match change {
        Change::CreateOrg { slug, .. } => format!("create organisation {slug}"),
        Change::RenameOrg { org, name } => format!("rename organisation {org} to \"{name}\""),
        Change::SetPolicy { org, policy } => format!("set policy of {org} to {policy}"),
        Change::SetSessionLimits { org, .. } => format!("set session limits of {org}"),
        Change::SetOrgState { org, state } => format!("set organisation {org} to {state}"),
        Change::TransferOwnership { org, to } => format!("transfer ownership of {org} to {to}"),
        Change::CreateProject { key, .. } => format!("create project {key}"),
        Change::RenameProject { project, name, .. } => {
            format!("rename project {project} to \"{name}\"")
        }
        Change::DeleteProject { project, .. } => format!("delete project {project}"),
        Change::CreateUser(user) => format!("create user {}", user.user_name),
        Change::SetProfile { user_name, .. } => format!("change profile of {user_name}"),
        Change::SetUserState { user, state } => format!("set user {user} to {state}"),
        Change::ResetPassword { user, .. } => format!("reset password of {user}"),
        Change::AddMember { user, org, .. } => format!("add {user} to {org}"),
        Change::SetMemberState { member, state, .. } => format!("set member {member} to {state}"),
        Change::EndSessions { member, .. } => format!("end sessions of member {member}"),
        Change::RemoveMember { member, .. } => format!("remove member {member}"),
        Change::CreateGroup { name, .. } => format!("create group \"{name}\""),
        Change::RenameGroup { name, .. } => format!("change group \"{name}\""),
        Change::DeleteGroup { group, .. } => format!("delete group {group}"),
        Change::AddToGroup { group, members, .. } => {
            format!("add {} to group {group}", people(members.len()))
        }
        Change::RemoveFromGroup { group, members, .. } => {
            format!("remove {} from group {group}", people(members.len()))
        }
        Change::CreateRole { key, .. } => format!("create role {key}"),
        Change::SetRole { role, .. } => format!("change role {role}"),
        Change::DeleteRole { role, .. } => format!("delete role {role}"),
        Change::Bind { binding, .. } => format!("give {}", bound(binding)),
        Change::Unbind { binding, .. } => format!("take binding {binding}"),
        Change::EndWindows { org } => format!("end bindings of {org} whose time is over"),
        Change::PutApplication(application) => {
            format!("register application {}", application.client_id)
        }
        Change::RemoveApplication { application } => format!("remove application {application}"),
        Change::UseSetupLink { .. } => "use the set-up link".to_owned(),
    }
}

fn people(count: usize) -> String {
    if count == 1 { "1 member".to_owned() } else { format!("{count} members") }
}

fn bound(binding: &Binding) -> String {
    let scope = match &binding.scope {
        Scope::Org => String::new(),
        Scope::Project(id) => format!(" on {id}"),
        Scope::AllProjects => " on all projects".to_owned(),
    };
    let subject = match &binding.subject {
        Subject::Member(id) => id.as_str(),
        Subject::Group(id) => id.as_str(),
    };
    format!("{}{scope} to {subject}", binding.role)
}
