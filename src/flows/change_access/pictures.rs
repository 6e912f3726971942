//! What a change writes to, before and after, for the audit record: only what differs, and never a secret.
//!
//! Names and states stand there as they are. Of a person's other claims only the names do, and of addresses and numbers
//! so much as tells one from another: the record outlives the account.

use serde_json::{Map, Value, json};

use crate::domain::alert::Channel;
use crate::domain::change::Change;
use crate::domain::oidc::claims::Profile;
use crate::kernel::id::{
    AccessKeyId, AlertId, ApplicationId, BindingId, BundleId, ConnectionId, GroupId, MembershipId, OrgId, ProjectId,
    RoleId, UserId,
};
use crate::store::db::{Conn, Result};
use crate::store::federation::upstreams;
use crate::store::{
    access_keys, alerts, applications, bindings, bundles, connections, groups, memberships, orgs, users,
};

/// Of so many changes at most a picture is taken …
const MOST: usize = 100;
/// … as long as they fit into so many bytes.
const MOST_BYTES: usize = 32 * 1024;

/// An object as it stands: what may be shown of it, and what may only be said to have changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    shown: Option<Map<String, Value>>,
    named: Map<String, Value>,
}

/// The pictures of one request.
#[derive(Debug, Default)]
pub struct Pictures {
    lines: Vec<Value>,
    bytes: usize,
    left_out: usize,
}

impl Pictures {
    /// The picture before a change is carried out; `None` when none is to be taken.
    ///
    /// # Errors
    /// The database's.
    pub async fn before(&mut self, conn: &mut Conn, change: &Change) -> Result<Option<Picture>> {
        let Some(object) = object(change) else { return Ok(None) };
        if self.lines.len() >= MOST || self.bytes >= MOST_BYTES {
            self.left_out += 1;
            return Ok(None);
        }
        take(conn, &object).await.map(Some)
    }

    /// Compares with the picture after the change.
    ///
    /// # Errors
    /// The database's.
    pub async fn after(&mut self, conn: &mut Conn, change: &Change, before: Option<Picture>) -> Result<()> {
        let (Some(object), Some(before)) = (object(change), before) else { return Ok(()) };
        let after = take(conn, &object).await?;
        let Some(line) = line(object.id(), before, after) else { return Ok(()) };
        let length = line.to_string().len();
        if self.bytes + length > MOST_BYTES {
            self.left_out += 1;
        } else {
            self.bytes += length;
            self.lines.push(line);
        }
        Ok(())
    }

    /// What differs, a line for each change, and of how many changes nothing is said.
    #[must_use]
    pub fn into_lines(self) -> (Vec<Value>, usize) {
        (self.lines, self.left_out)
    }
}

enum Object<'c> {
    Org(&'c OrgId),
    Project(&'c OrgId, &'c ProjectId),
    User(&'c UserId),
    Member(&'c OrgId, &'c MembershipId),
    Group(&'c OrgId, &'c GroupId),
    Role(&'c OrgId, &'c RoleId),
    Binding(&'c OrgId, &'c BindingId),
    Application(&'c ApplicationId),
    Key(&'c OrgId, &'c AccessKeyId),
    Bundle(&'c OrgId, &'c BundleId),
    Alert(&'c OrgId, &'c AlertId),
    Connection(&'c OrgId, &'c ConnectionId),
    SignIn(&'c OrgId, &'c ConnectionId),
}

impl Object<'_> {
    fn id(&self) -> &str {
        match self {
            Self::Org(id) => id.as_str(),
            Self::Project(_, id) => id.as_str(),
            Self::User(id) => id.as_str(),
            Self::Member(_, id) => id.as_str(),
            Self::Group(_, id) => id.as_str(),
            Self::Role(_, id) => id.as_str(),
            Self::Binding(_, id) => id.as_str(),
            Self::Application(id) => id.as_str(),
            Self::Key(_, id) => id.as_str(),
            Self::Bundle(_, id) => id.as_str(),
            Self::Alert(_, id) => id.as_str(),
            Self::Connection(_, id) | Self::SignIn(_, id) => id.as_str(),
        }
    }
}

/// What a change writes to, when that is one thing which can be looked at.
#[expect(clippy::too_many_lines, reason = "one table: an arm for each change")]
fn object(change: &Change) -> Option<Object<'_>> {
    Some(match change {
        Change::CreateOrg { org, .. }
        | Change::RenameOrg { org, .. }
        | Change::SetPolicy { org, .. }
        | Change::SetSessionLimits { org, .. }
        | Change::SetOrgSettings { org, .. }
        | Change::SetOrgState { org, .. }
        | Change::TransferOwnership { org, .. } => Object::Org(org),
        Change::CreateProject { org, project, .. }
        | Change::RenameProject { org, project, .. }
        | Change::DeleteProject { org, project } => Object::Project(org, project),
        Change::CreateUser(new) => Object::User(&new.id),
        Change::SelfRegister { user, .. } => Object::User(&user.id),
        Change::SetProfile { user, .. }
        | Change::SetUserState { user, .. }
        | Change::SetPasswordByLink { user, .. }
        | Change::ConfirmEmail { user, .. }
        | Change::CreateServiceAccount { user, .. }
        | Change::SetServiceAccount { user, .. }
        | Change::RemoveServiceAccount { user, .. } => Object::User(user),
        Change::AddMember { org, member, .. }
        | Change::SetMemberState { org, member, .. }
        | Change::RestrictMember { org, member, .. }
        | Change::ReplaceIdentity { org, member, .. }
        | Change::SetGroupsOf { org, member, .. }
        | Change::AcceptInvitation { org, member, .. }
        | Change::RemoveMember { org, member } => Object::Member(org, member),
        Change::CreateGroup { org, group, .. }
        | Change::RenameGroup { org, group, .. }
        | Change::DeleteGroup { org, group } => Object::Group(org, group),
        Change::CreateRole { org, role, .. } | Change::SetRole { org, role, .. } | Change::DeleteRole { org, role } => {
            Object::Role(org, role)
        }
        Change::Bind { org, binding } => Object::Binding(org, &binding.id),
        Change::Unbind { org, binding } => Object::Binding(org, binding),
        Change::PutApplication(application) => Object::Application(&application.id),
        Change::RemoveApplication { application } => Object::Application(application),
        Change::CreateAccessKey { org, key } => Object::Key(org, &key.id),
        Change::SetAccessKey { org, key, .. } | Change::RemoveAccessKey { org, key } => Object::Key(org, key),
        Change::PutBundle { org, bundle, .. } | Change::RemoveBundle { org, bundle } => Object::Bundle(org, bundle),
        Change::PutAlert { org, alert } => Object::Alert(org, &alert.id),
        Change::RemoveAlert { org, alert } => Object::Alert(org, alert),
        Change::PutConnection(new) => Object::Connection(&new.org, &new.id),
        Change::SetConnectionState { org, connection, .. } => Object::Connection(org, connection),
        Change::PutSignIn(new) => Object::SignIn(&new.org, &new.connection),
        Change::SetSignInStage { org, connection, .. }
        | Change::PassSignInTest { org, connection, .. }
        | Change::RemoveSignIn { org, connection }
        | Change::SetMapping { org, connection, .. } => Object::SignIn(org, connection),
        Change::SignInThrough(came) => Object::User(&came.user),
        Change::SetUpstreamAccount { user, .. } => Object::User(user),
        Change::ProvisionUser { user, .. }
        | Change::SetProvisionedUser { user, .. }
        | Change::DeprovisionUser { user, .. }
        | Change::AdoptUser { user, .. } => Object::User(user),
        Change::ProvisionGroup { org, group, .. }
        | Change::SetProvisionedGroup { org, group, .. }
        | Change::DeprovisionGroup { org, group, .. } => Object::Group(org, group),
        // These write to many, to nothing that may be shown, or to nothing at all; their line says what they do.
        Change::SetAccessType { .. }
        | Change::ResetPassword { .. }
        | Change::ChangePassword { .. }
        | Change::SendLink { .. }
        | Change::SendRegistrationLink { .. }
        | Change::Invite(_)
        | Change::ResendInvitation { .. }
        | Change::CancelInvitation { .. }
        | Change::DeclineInvitation { .. }
        | Change::AddToGroup { .. }
        | Change::RemoveFromGroup { .. }
        | Change::LeaveProject { .. }
        | Change::Reassign { .. }
        | Change::SetApplicationOwner { .. }
        | Change::SetServiceAccountOwner { .. }
        | Change::EndSession { .. }
        | Change::EndSessions { .. }
        | Change::EndWindows { .. }
        | Change::ExpectVersion { .. }
        | Change::ReleaseConnection { .. }
        | Change::AddScimCredential { .. }
        | Change::RemoveScimCredential { .. }
        | Change::DecideAdoption { .. }
        | Change::ExpectGroup { .. }
        | Change::SetGroupMembers { .. }
        | Change::AddDomain { .. }
        | Change::VerifyDomain { .. }
        | Change::RemoveDomain { .. }
        | Change::SetDomainConnection { .. }
        | Change::LinkIdentity { .. }
        | Change::UnlinkIdentity { .. }
        | Change::EndUpstream { .. }
        | Change::SetBreakGlass { .. }
        | Change::PutFactor { .. }
        | Change::RenamePasskey { .. }
        | Change::ReplaceFactor { .. }
        | Change::RemoveFactor { .. }
        | Change::ResetFactors { .. }
        | Change::SetRecoveryCodes { .. }
        | Change::Unlock { .. }
        | Change::UseSetupLink { .. } => return None,
    })
}

async fn take(conn: &mut Conn, object: &Object<'_>) -> Result<Picture> {
    Ok(match object {
        Object::Org(org) => organisation(conn, org).await?,
        Object::User(user) => account(conn, user).await?,
        Object::Member(org, member) => membership(conn, org, member).await?,
        Object::Project(org, project) => {
            let found = orgs::projects(conn, org).await?.into_iter().find(|found| found.id == **project);
            shown(found.map(|found| json!({ "key": found.key, "name": found.name })))
        }
        Object::Group(org, group) => shown(groups::find(conn, org, group).await?.map(|found| {
            json!({ "name": found.name, "description": found.description, "source": found.source.to_string() })
        })),
        Object::Role(org, role) => shown(
            bindings::own_role(conn, org, role)
                .await?
                .map(|found| json!({ "key": found.key, "name": found.name, "permissions": found.permissions })),
        ),
        Object::Binding(org, binding) => shown(bindings::find(conn, org, binding).await?.map(|found| {
            json!({ "role": found.role, "scope": found.scope, "subject": found.subject, "window": found.window })
        })),
        // Its secrets are left out by the registration itself.
        Object::Application(id) => shown(applications::find(conn, id).await?.map(|found| json!(found))),
        Object::Key(org, key) => shown(access_keys::find(conn, org, key).await?.map(|found| {
            json!({ "name": found.name, "state": &found.state, "member": found.member, "project": found.project,
                    "expires_at": found.expires_at })
        })),
        Object::Bundle(org, bundle) => shown(
            bundles::find(conn, org, bundle).await?.map(|found| json!({ "name": found.name, "grants": found.grants })),
        ),
        Object::Connection(org, connection) => shown(connections::find(conn, org, connection).await?.map(|found| {
            json!({ "name": found.name, "state": found.state.as_str(), "profile": found.profile,
                    "local_grants": found.local_grants, "settings": found.settings })
        })),
        // Its secrets are no part of its settings.
        Object::SignIn(org, connection) => shown(upstreams::find(conn, org, connection).await?.map(|found| {
            json!({ "stage": found.stage, "revision": found.revision, "settings": found.settings,
                    "mapping": found.mapping })
        })),
        Object::Alert(org, alert) => shown(alerts::find(conn, org, alert).await?.map(|found| {
            let channel = channel(&found.rule.channel);
            json!({ "name": found.name, "active": found.active, "filter": found.rule.filter, "channel": channel })
        })),
    })
}

async fn organisation(conn: &mut Conn, org: &OrgId) -> Result<Picture> {
    let Some(found) = orgs::find(conn, org).await? else { return Ok(Picture::default()) };
    let settings = orgs::settings(conn, org).await?;
    Ok(shown(Some(json!({
        "slug": found.slug, "name": found.name, "state": found.state.as_str(), "policy": found.policy.as_str(),
        "owner": found.owner, "session_idle": found.session_idle, "session_absolute": found.session_absolute,
        "settings": settings,
    }))))
}

async fn account(conn: &mut Conn, user: &UserId) -> Result<Picture> {
    let Some(found) = users::find(conn, user).await? else { return Ok(Picture::default()) };
    let picture = shown(Some(json!({
        "user_name": found.user_name, "state": found.state.as_str(),
        "email": found.profile.email.as_deref().map(masked_email),
        "phone": found.profile.phone_number.as_deref().map(masked_phone),
    })));
    Ok(Picture { named: claims(found.profile), ..picture })
}

async fn membership(conn: &mut Conn, org: &OrgId, member: &MembershipId) -> Result<Picture> {
    let Some(found) = memberships::find(conn, org, member).await? else { return Ok(Picture::default()) };
    let groups = groups::ids_of_member(conn, member).await?;
    let restricted_to = memberships::restriction(conn, member).await?;
    Ok(shown(Some(json!({
        "user": found.user, "state": found.state.as_str(), "groups": groups, "restricted_to": restricted_to,
    }))))
}

fn claims(profile: Profile) -> Map<String, Value> {
    match json!(Profile { updated_at: 0, ..profile }) {
        Value::Object(claims) => claims,
        _ => Map::new(),
    }
}

/// How a rule tells, without what may be a secret of its receiver's: the path of an address.
fn channel(channel: &Channel) -> Value {
    match channel {
        Channel::Mail { to } => json!({ "kind": "mail", "addresses": to.len() }),
        Channel::Webhook { url } => {
            let url = url::Url::parse(url).ok();
            json!({ "kind": "webhook", "host": url.as_ref().and_then(|url| url.host_str()) })
        }
    }
}

fn shown(found: Option<Value>) -> Picture {
    let shown = found.and_then(|found| match found {
        Value::Object(parts) => Some(parts),
        _ => None,
    });
    Picture { shown, named: Map::new() }
}

/// The first letter and the domain.
fn masked_email(email: &str) -> String {
    let (local, domain) = email.split_once('@').unwrap_or((email, ""));
    format!("{}…@{domain}", local.chars().next().map(String::from).unwrap_or_default())
}

/// The last two digits.
fn masked_phone(phone: &str) -> String {
    let digits: Vec<char> = phone.chars().filter(char::is_ascii_digit).collect();
    let last: String = digits[digits.len().saturating_sub(2)..].iter().collect();
    format!("…{last}")
}

/// What differs between two pictures; `None` when nothing does.
fn line(id: &str, before: Picture, after: Picture) -> Option<Value> {
    let both = before.shown.is_some() && after.shown.is_some();
    let named = if both { differing(&before.named, &after.named) } else { Vec::new() };
    let (was, is) = match (before.shown, after.shown) {
        (None, None) => return None,
        (Some(mut was), Some(mut is)) => {
            let names: Vec<String> = differing(&was, &is).into_iter().cloned().collect();
            if names.is_empty() && named.is_empty() {
                return None;
            }
            was.retain(|name, _| names.contains(name));
            is.retain(|name, _| names.contains(name));
            (Value::Object(was), Value::Object(is))
        }
        (was, is) => (was.map_or(Value::Null, Value::Object), is.map_or(Value::Null, Value::Object)),
    };
    let mut line = json!({ "id": id, "before": was, "after": is });
    if !named.is_empty() {
        line["claims"] = json!(named);
    }
    Some(line)
}

/// The names under which two objects have different things.
fn differing<'m>(one: &'m Map<String, Value>, other: &'m Map<String, Value>) -> Vec<&'m String> {
    let changed = one.iter().filter(|(name, of)| other.get(*name) != Some(*of));
    let mut names: Vec<&String> = changed.map(|(name, _)| name).collect();
    names.extend(other.keys().filter(|name| !one.contains_key(*name)));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_kept() {
        let was = shown(Some(json!({ "name": "Devs", "description": "d" })));
        let is = shown(Some(json!({ "name": "Ops", "description": "d" })));
        let expected = json!({ "id": "grp_1", "before": { "name": "Devs" }, "after": { "name": "Ops" } });
        assert_eq!(line("grp_1", was.clone(), is), Some(expected));
        assert_eq!(line("grp_1", was.clone(), was.clone()), None);
        let gone = line("grp_1", was, Picture::default()).unwrap();
        assert_eq!((&gone["before"]["name"], &gone["after"]), (&json!("Devs"), &Value::Null));
        assert_eq!(line("grp_1", Picture::default(), Picture::default()), None);
    }

    #[test]
    fn of_a_persons_claims_only_the_names_are_kept() {
        let of = |email: &str, birthdate: &str| {
            let profile =
                Profile { email: Some(email.to_owned()), birthdate: Some(birthdate.to_owned()), ..Profile::default() };
            Picture { named: claims(profile), ..shown(Some(json!({ "email": masked_email(email) }))) }
        };
        let line = line("usr_1", of("ana@acme.test", "1990-01-01"), of("bo@acme.test", "1991-01-01")).unwrap();
        assert_eq!(line["before"]["email"], json!("a…@acme.test"));
        assert_eq!(line["after"]["email"], json!("b…@acme.test"));
        let text = line.to_string();
        assert!(text.contains("birthdate") && !text.contains("1990") && !text.contains("ana@"), "{text}");
    }

    #[test]
    fn addresses_and_numbers_are_masked_and_a_webhooks_path_is_left_out() {
        assert_eq!([masked_email("ana@acme.test"), masked_phone("+82 10-1234-5678")], ["a…@acme.test", "…78"]);
        assert_eq!([masked_email(""), masked_phone("")], ["…@", "…"]);
        let hook = channel(&Channel::Webhook { url: "https://hooks.example.com/T0/secret".to_owned() });
        assert_eq!(hook, json!({ "kind": "webhook", "host": "hooks.example.com" }));
    }
}
