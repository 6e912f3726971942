//! A change in one line: for receipts, the audit record, and whoever reads a plan. Never a secret.

use crate::domain::access::{Binding, Scope, Subject};
use crate::domain::change::{AdoptionDecision, Change, Provisioned};
use crate::domain::federation::{Ended, Known};
use crate::domain::mail::Purpose;
use crate::domain::people::factor::Which;

/// The line.
#[expect(clippy::too_many_lines, reason = "one table: an arm for each change")]
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
        Change::SendLink { user, link } => match link.purpose {
            Purpose::SetPassword => format!("send a link for the first password to {user}"),
            Purpose::ResetPassword => format!("send a link for a new password to {user}"),
            Purpose::ConfirmEmail => format!("send a link for a new e-mail address to {user}"),
            Purpose::Invitation | Purpose::ConfirmAccount => format!("send a link to {user}"),
        },
        Change::SendRegistrationLink { .. } => "send a link for a new account".to_owned(),
        Change::SetPasswordByLink { user, .. } => format!("set password of {user} by a link"),
        Change::ChangePassword { user, .. } => format!("change password of {user}"),
        Change::ConfirmEmail { user, .. } => format!("confirm e-mail address of {user}"),
        Change::SelfRegister { user, .. } => format!("register user {}", user.id),
        Change::Invite(new) => format!("invite {}", new.email),
        Change::ResendInvitation { invitation, .. } => format!("send invitation {invitation} again"),
        Change::CancelInvitation { invitation, .. } => format!("cancel invitation {invitation}"),
        Change::DeclineInvitation { invitation, .. } => format!("decline invitation {invitation}"),
        Change::AcceptInvitation { invitation, user, .. } => format!("accept invitation {invitation} for {user}"),
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
        Change::SetApplicationOwner { application, owner, .. } => {
            format!("make {owner} answer for application {application}")
        }
        Change::UseSetupLink { .. } => "use the set-up link".to_owned(),
        Change::PutFactor { user, factor, .. } => format!("add a second factor ({}) to {user}", factor.kind()),
        Change::ReplaceFactor { user, factor } => format!("replace a second factor ({}) of {user}", factor.kind()),
        Change::RenamePasskey { user, passkey, .. } => format!("rename passkey {passkey} of {user}"),
        Change::RemoveFactor { user, factor } => format!("remove a second factor ({}) from {user}", factor.kind()),
        Change::ResetFactors { user } => format!("remove every second factor from {user}"),
        Change::SetRecoveryCodes { user, .. } => format!("make new recovery codes for {user}"),
        Change::Unlock { user } => format!("unlock {user}"),
        Change::SetOrgSettings { org, .. } => format!("change settings of {org}"),
        Change::ExpectVersion { org, .. } => format!("expect that {org} was not edited"),
        Change::SetAccessType { user, access } => format!("set access type of {user} to {access}"),
        Change::RestrictMember { member, to: Some(list), .. } => {
            format!("restrict member {member} to {} applications", list.len())
        }
        Change::RestrictMember { member, to: None, .. } => format!("lift the restriction of member {member}"),
        Change::ReplaceIdentity { member, by, .. } => format!("replace the identity of member {member} by {by}"),
        Change::LeaveProject { member, project, .. } => format!("take member {member} out of project {project}"),
        Change::SetGroupsOf { member, groups, .. } => {
            format!("put member {member} into exactly {} groups", groups.len())
        }
        Change::Reassign { from, to, .. } => format!("reassign what {from} answers for to {to}"),
        Change::EndSession { member, entry, .. } => format!("end session {entry} of member {member}"),
        Change::CreateServiceAccount { name, project, .. } => format!("create service account \"{name}\" of {project}"),
        Change::SetServiceAccount { user, .. } => format!("change service account {user}"),
        Change::SetServiceAccountOwner { user, owner, .. } => format!("make {owner} answer for service account {user}"),
        Change::RemoveServiceAccount { user, .. } => format!("remove service account {user}"),
        Change::CreateAccessKey { key, .. } => {
            format!("create access key {} of {} for {}", key.id, key.member, key.project)
        }
        Change::SetAccessKey { key, active, .. } => {
            format!("change access key {key} ({})", if *active { "active" } else { "disabled" })
        }
        Change::RemoveAccessKey { key, .. } => format!("remove access key {key}"),
        Change::PutBundle { name, .. } => format!("put bundle \"{name}\""),
        Change::RemoveBundle { bundle, .. } => format!("remove bundle {bundle}"),
        Change::PutAlert { alert, .. } => format!("put alert \"{}\"", alert.name),
        Change::RemoveAlert { alert, .. } => format!("remove alert {alert}"),
        Change::PutConnection(new) => format!("put connection \"{}\"", new.name),
        Change::SetConnectionState { connection, state, .. } => format!("set connection {connection} to {state}"),
        Change::ReleaseConnection { connection, .. } => format!("release what connection {connection} owned"),
        Change::AddScimCredential { credential, .. } => {
            format!("give connection {} a {} \"{}\"", credential.connection, credential.kind, credential.name)
        }
        Change::RemoveScimCredential { credential, .. } => format!("remove credential {credential}"),
        Change::ProvisionUser { new, .. } => format!("provision user {} ({})", new.user_name, activity(new)),
        Change::SetProvisionedUser { new, .. } => {
            format!("change provisioned user {} ({})", new.user_name, activity(new))
        }
        Change::DeprovisionUser { user, .. } => format!("delete provisioned user {user}"),
        Change::AdoptUser { user, connection, .. } => format!("hand user {user} over to connection {connection}"),
        Change::DecideAdoption { adoption, decision, .. } => format!("{} {adoption}", decided(*decision)),
        Change::ProvisionGroup { new, .. } => format!("provision group \"{}\"", new.name),
        Change::SetProvisionedGroup { new, .. } => format!("change provisioned group \"{}\"", new.name),
        Change::DeprovisionGroup { group, .. } => format!("delete provisioned group {group}"),
        Change::ExpectGroup { group, .. } => format!("expect that group {group} was not edited"),
        Change::SetGroupMembers { group, members, .. } => {
            format!("set the members of group {group} to {}", people(members.len()))
        }
        Change::AddDomain { name, .. } => format!("add domain {name}"),
        Change::VerifyDomain { domain, .. } => format!("verify domain {domain}"),
        Change::RemoveDomain { domain, .. } => format!("remove domain {domain}"),
        Change::SetDomainConnection { domain, connection: Some(connection), .. } => {
            format!("lead domain {domain} to connection {connection}")
        }
        Change::SetDomainConnection { domain, connection: None, .. } => {
            format!("lead domain {domain} to no connection")
        }
        Change::PutSignIn(new) => format!("set the sign-in of connection {} up", new.connection),
        Change::SetSignInStage { connection, stage, .. } => {
            format!("set the sign-in of connection {connection} to {stage}")
        }
        Change::PassSignInTest { connection, .. } => {
            format!("note that the sign-in of connection {connection} was tested")
        }
        Change::RemoveSignIn { connection, .. } => format!("remove the sign-in of connection {connection}"),
        Change::SetMapping { connection, mapping, .. } => {
            format!("set the mapping of connection {connection} ({})", if mapping.on { "on" } else { "off" })
        }
        Change::SignInThrough(came) => {
            format!("{} {} through connection {}", known(&came.known), came.user, came.connection)
        }
        Change::LinkIdentity { user, connection, .. } => {
            format!("link user {user} to an identity of connection {connection}")
        }
        Change::UnlinkIdentity { user, identity, .. } => format!("unlink identity {identity} of user {user}"),
        Change::EndUpstream { connection, ended: Ended::Session { .. }, .. } => {
            format!("end a session that came through connection {connection}")
        }
        Change::EndUpstream { connection, ended: Ended::Person(_), .. } => {
            format!("end a person's sessions that came through connection {connection}")
        }
        Change::SetUpstreamAccount { user, active, .. } => {
            format!("set user {user} to {} upstream", if *active { "active" } else { "inactive" })
        }
        Change::SetBreakGlass { member, on: true, .. } => format!("make member {member} break-glass"),
        Change::SetBreakGlass { member, on: false, .. } => format!("make member {member} break-glass no longer"),
    }
}

/// How somebody who came through a connection is known.
const fn known(known: &Known) -> &'static str {
    match known {
        Known::Linked(_) => "bring up to date user",
        Known::Pushed => "link user",
        Known::Adopted => "take over user",
        Known::Made => "make user",
    }
}

/// Whether upstream says that somebody is active.
const fn activity(new: &Provisioned) -> &'static str {
    if new.resource.active { "active" } else { "inactive" }
}

const fn decided(decision: AdoptionDecision) -> &'static str {
    match decision {
        AdoptionDecision::Adopt => "adopt",
        AdoptionDecision::KeepApart => "keep apart",
        AdoptionDecision::Reject => "reject",
    }
}

/// Whether a change only refuses the others, where something stands that was not expected.
pub const fn is_condition(change: &Change) -> bool {
    matches!(change, Change::ExpectVersion { .. } | Change::ExpectGroup { .. })
}

/// The machine's word for a change, a noun and a verb: what the audit record and alerts are filtered by. It never changes.
#[expect(clippy::too_many_lines, reason = "one table: an arm for each change")]
pub const fn kind(change: &Change) -> &'static str {
    match change {
        Change::CreateOrg { .. } => "org.create",
        Change::RenameOrg { .. } => "org.rename",
        Change::SetPolicy { .. } => "org.set_policy",
        Change::SetSessionLimits { .. } => "org.set_session_limits",
        Change::SetOrgSettings { .. } => "org.set_settings",
        Change::SetOrgState { .. } => "org.set_state",
        Change::TransferOwnership { .. } => "org.transfer",
        Change::ExpectVersion { .. } => "org.expect_version",
        Change::CreateProject { .. } => "project.create",
        Change::RenameProject { .. } => "project.rename",
        Change::DeleteProject { .. } => "project.delete",
        Change::LeaveProject { .. } => "project.remove_member",
        Change::CreateUser(_) => "user.create",
        Change::SetProfile { .. } => "user.set_profile",
        Change::SetUserState { .. } => "user.set_state",
        Change::SetAccessType { .. } => "user.set_access_type",
        Change::ResetPassword { .. } => "user.reset_password",
        Change::SendLink { .. } => "user.send_link",
        Change::SetPasswordByLink { .. } => "user.set_password",
        Change::ChangePassword { .. } => "user.change_password",
        Change::ConfirmEmail { .. } => "user.confirm_email",
        Change::SelfRegister { .. } => "user.register",
        Change::SendRegistrationLink { .. } => "user.send_registration_link",
        Change::Invite(_) => "invitation.create",
        Change::ResendInvitation { .. } => "invitation.resend",
        Change::CancelInvitation { .. } => "invitation.cancel",
        Change::DeclineInvitation { .. } => "invitation.decline",
        Change::AcceptInvitation { .. } => "invitation.accept",
        Change::AddMember { .. } => "member.add",
        Change::SetMemberState { .. } => "member.set_state",
        Change::RestrictMember { .. } => "member.restrict",
        Change::ReplaceIdentity { .. } => "member.replace_identity",
        Change::Reassign { .. } => "member.reassign",
        Change::SetGroupsOf { .. } => "member.set_groups",
        Change::RemoveMember { .. } => "member.remove",
        Change::EndSessions { .. } | Change::EndSession { .. } => "session.end",
        Change::CreateGroup { .. } => "group.create",
        Change::RenameGroup { .. } => "group.change",
        Change::DeleteGroup { .. } => "group.delete",
        Change::AddToGroup { .. } => "group.add_members",
        Change::RemoveFromGroup { .. } => "group.remove_members",
        Change::CreateRole { .. } => "role.create",
        Change::SetRole { .. } => "role.change",
        Change::DeleteRole { .. } => "role.delete",
        Change::Bind { .. } => "binding.create",
        Change::Unbind { .. } => "binding.remove",
        Change::EndWindows { .. } => "binding.expire",
        Change::PutApplication(_) => "application.put",
        Change::SetApplicationOwner { .. } => "application.set_owner",
        Change::RemoveApplication { .. } => "application.remove",
        Change::CreateServiceAccount { .. } => "service_account.create",
        Change::SetServiceAccount { .. } => "service_account.change",
        Change::SetServiceAccountOwner { .. } => "service_account.set_owner",
        Change::RemoveServiceAccount { .. } => "service_account.remove",
        Change::CreateAccessKey { .. } => "access_key.create",
        Change::SetAccessKey { .. } => "access_key.change",
        Change::RemoveAccessKey { .. } => "access_key.remove",
        Change::PutBundle { .. } => "bundle.put",
        Change::RemoveBundle { .. } => "bundle.remove",
        Change::PutAlert { .. } => "alert.put",
        Change::RemoveAlert { .. } => "alert.remove",
        Change::UseSetupLink { .. } => "setup_link.use",
        Change::PutFactor { .. } => "factor.add",
        Change::ReplaceFactor { .. } => "factor.replace",
        Change::RemoveFactor { .. } => "factor.remove",
        Change::ResetFactors { .. } => "factor.reset",
        Change::SetRecoveryCodes { .. } => "factor.codes",
        Change::RenamePasskey { .. } => "passkey.rename",
        Change::Unlock { .. } => "user.unlock",
        Change::PutConnection(_) => "connection.put",
        Change::SetConnectionState { .. } => "connection.set_state",
        Change::ReleaseConnection { .. } => "connection.release",
        Change::AddScimCredential { .. } => "scim_credential.create",
        Change::RemoveScimCredential { .. } => "scim_credential.remove",
        Change::ProvisionUser { .. } => "user.provision",
        Change::SetProvisionedUser { .. } => "user.set_provisioned",
        Change::DeprovisionUser { .. } => "user.deprovision",
        Change::AdoptUser { .. } => "user.adopt",
        Change::DecideAdoption { .. } => "adoption.decide",
        Change::ProvisionGroup { .. } => "group.provision",
        Change::SetProvisionedGroup { .. } => "group.set_provisioned",
        Change::DeprovisionGroup { .. } => "group.deprovision",
        Change::ExpectGroup { .. } => "group.expect_version",
        Change::SetGroupMembers { .. } => "group.set_members",
        Change::AddDomain { .. } => "domain.add",
        Change::VerifyDomain { .. } => "domain.verify",
        Change::RemoveDomain { .. } => "domain.remove",
        Change::SetDomainConnection { .. } => "domain.set_connection",
        Change::PutSignIn(_) => "sign_in.put",
        Change::SetSignInStage { .. } => "sign_in.set_stage",
        Change::PassSignInTest { .. } => "sign_in.pass_test",
        Change::RemoveSignIn { .. } => "sign_in.remove",
        Change::SetMapping { .. } => "mapping.set",
        Change::SignInThrough(_) => "user.come_through",
        Change::SetUpstreamAccount { .. } => "user.set_upstream",
        Change::LinkIdentity { .. } => "identity.link",
        Change::UnlinkIdentity { .. } => "identity.unlink",
        Change::EndUpstream { .. } => "session.end_upstream",
        Change::SetBreakGlass { .. } => "member.set_break_glass",
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

/// The kinds of some changes, each once, in order.
pub fn kinds(changes: &[Change]) -> Vec<&'static str> {
    let mut kinds = Vec::new();
    for change in changes.iter().filter(|change| !is_condition(change)) {
        if !kinds.contains(&kind(change)) {
            kinds.push(kind(change));
        }
    }
    kinds
}

/// The ids that some changes name, each once: what the audit record is searched by.
pub fn targets(changes: &[Change]) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    changes.iter().flat_map(named_ids).filter(|id| seen.insert(id.clone())).collect()
}

#[expect(clippy::too_many_lines, reason = "one table: an arm for each change")]
fn named_ids(change: &Change) -> Vec<String> {
    let one = |id: &dyn std::fmt::Display| vec![id.to_string()];
    match change {
        Change::CreateOrg { .. }
        | Change::RenameOrg { .. }
        | Change::SetPolicy { .. }
        | Change::SetSessionLimits { .. }
        | Change::SetOrgSettings { .. }
        | Change::SetOrgState { .. }
        | Change::ExpectVersion { .. }
        | Change::EndWindows { .. }
        | Change::SendRegistrationLink { .. }
        | Change::UseSetupLink { .. } => Vec::new(),
        Change::TransferOwnership { to, .. } => one(to),
        Change::CreateProject { project, .. }
        | Change::RenameProject { project, .. }
        | Change::DeleteProject { project, .. } => one(project),
        Change::CreateUser(new) => one(&new.id),
        Change::SetProfile { user, .. }
        | Change::SetUserState { user, .. }
        | Change::SetAccessType { user, .. }
        | Change::ResetPassword { user, .. }
        | Change::SendLink { user, .. }
        | Change::SetPasswordByLink { user, .. }
        | Change::ChangePassword { user, .. }
        | Change::ConfirmEmail { user, .. }
        | Change::ResetFactors { user }
        | Change::SetRecoveryCodes { user, .. }
        | Change::Unlock { user } => one(user),
        Change::PutFactor { user, factor, .. } | Change::ReplaceFactor { user, factor } => {
            vec![user.to_string(), factor.id().to_owned()]
        }
        Change::RenamePasskey { user, passkey, .. } => vec![user.to_string(), passkey.to_string()],
        Change::RemoveFactor { user, factor } => match factor {
            Which::Passkey(passkey) => vec![user.to_string(), passkey.to_string()],
            Which::Totp | Which::Email | Which::Sms => one(user),
        },
        Change::SelfRegister { user, .. } => one(&user.id),
        Change::Invite(new) => one(&new.id),
        Change::ResendInvitation { invitation, .. }
        | Change::CancelInvitation { invitation, .. }
        | Change::DeclineInvitation { invitation, .. } => one(invitation),
        Change::AcceptInvitation { invitation, user, member, .. } => {
            vec![invitation.to_string(), member.to_string(), user.to_string()]
        }
        Change::AddMember { member, user, .. } => vec![member.to_string(), user.to_string()],
        Change::SetMemberState { member, .. }
        | Change::RestrictMember { member, .. }
        | Change::SetGroupsOf { member, .. }
        | Change::EndSessions { member, .. }
        | Change::EndSession { member, .. }
        | Change::RemoveMember { member, .. } => one(member),
        Change::LeaveProject { member, project, .. } => vec![member.to_string(), project.to_string()],
        Change::ReplaceIdentity { member, by, .. } => vec![member.to_string(), by.to_string()],
        Change::Reassign { from, to, .. } => vec![from.to_string(), to.to_string()],
        Change::CreateGroup { group, .. } | Change::RenameGroup { group, .. } | Change::DeleteGroup { group, .. } => {
            one(group)
        }
        Change::AddToGroup { group, members, .. } | Change::RemoveFromGroup { group, members, .. } => {
            std::iter::once(group.to_string()).chain(members.iter().take(100).map(ToString::to_string)).collect()
        }
        Change::CreateRole { role, .. } | Change::SetRole { role, .. } | Change::DeleteRole { role, .. } => one(role),
        Change::Bind { binding, .. } => vec![binding.id.to_string(), subject_id(&binding.subject)],
        Change::Unbind { binding, .. } => one(binding),
        Change::PutApplication(application) => one(&application.id),
        Change::SetApplicationOwner { application, owner, .. } => vec![application.to_string(), owner.to_string()],
        Change::RemoveApplication { application } => one(application),
        Change::CreateServiceAccount { user, project, .. } => vec![user.to_string(), project.to_string()],
        Change::SetServiceAccountOwner { user, owner, .. } => vec![user.to_string(), owner.to_string()],
        Change::SetServiceAccount { user, .. } | Change::RemoveServiceAccount { user, .. } => one(user),
        Change::CreateAccessKey { key, .. } => vec![key.id.to_string(), key.member.to_string()],
        Change::SetAccessKey { key, .. } | Change::RemoveAccessKey { key, .. } => one(key),
        Change::PutBundle { bundle, .. } | Change::RemoveBundle { bundle, .. } => one(bundle),
        Change::PutAlert { alert, .. } => one(&alert.id),
        Change::RemoveAlert { alert, .. } => one(alert),
        Change::PutConnection(new) => one(&new.id),
        Change::SetConnectionState { connection, .. } | Change::ReleaseConnection { connection, .. } => one(connection),
        Change::AddScimCredential { credential, .. } => {
            vec![credential.id.to_string(), credential.connection.to_string()]
        }
        Change::RemoveScimCredential { credential, .. } => one(credential),
        Change::ProvisionUser { user, member, .. } => vec![user.to_string(), member.to_string()],
        Change::SetProvisionedUser { user, .. } | Change::DeprovisionUser { user, .. } => one(user),
        Change::AdoptUser { user, connection, .. } => vec![user.to_string(), connection.to_string()],
        Change::DecideAdoption { adoption, .. } => one(adoption),
        Change::ProvisionGroup { group, .. }
        | Change::SetProvisionedGroup { group, .. }
        | Change::DeprovisionGroup { group, .. }
        | Change::ExpectGroup { group, .. } => one(group),
        Change::SetGroupMembers { group, members, .. } => {
            std::iter::once(group.to_string()).chain(members.iter().take(100).map(ToString::to_string)).collect()
        }
        Change::AddDomain { domain, .. }
        | Change::VerifyDomain { domain, .. }
        | Change::RemoveDomain { domain, .. } => one(domain),
        Change::SetDomainConnection { domain, connection, .. } => {
            std::iter::once(domain.to_string()).chain(connection.iter().map(ToString::to_string)).collect()
        }
        Change::PutSignIn(new) => one(&new.connection),
        Change::SetSignInStage { connection, .. }
        | Change::PassSignInTest { connection, .. }
        | Change::RemoveSignIn { connection, .. }
        | Change::SetMapping { connection, .. }
        | Change::EndUpstream { connection, .. } => one(connection),
        Change::SignInThrough(came) => {
            vec![came.user.to_string(), came.member.to_string(), came.connection.to_string()]
        }
        Change::LinkIdentity { user, connection, identity, .. } => {
            vec![user.to_string(), identity.to_string(), connection.to_string()]
        }
        Change::UnlinkIdentity { user, identity, .. } => vec![user.to_string(), identity.to_string()],
        Change::SetUpstreamAccount { user, connection, .. } => vec![user.to_string(), connection.to_string()],
        Change::SetBreakGlass { member, .. } => one(member),
    }
}

fn subject_id(subject: &Subject) -> String {
    match subject {
        Subject::Member(id) => id.to_string(),
        Subject::Group(id) => id.to_string(),
    }
}
