//! A person of an organisation, as the answers of several resources show them.

use serde::Serialize;
use utoipa::ToSchema;

use super::groups::grant;
use super::managed_by::{Keepers, ManagedBy, upstream_active};
use super::problem::Problem;
use super::words::{GivenRole, moment};
use crate::domain::access::{Binding, Subject};
use crate::domain::people::user::{Kind, MembershipState, UserState};
use crate::kernel::id::{MembershipId, OrgId};
use crate::store::db::Conn;
use crate::store::federation;
use crate::store::memberships::Owned;
use crate::store::people_read::{self, GroupName, Person};

/// A group that a person is in, or will be.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct GroupOfUser {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where the place in it comes from: `local`, an invitation, or a connection, which alone takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// When a place that a mapping gave is over unless the person comes again (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

impl From<GroupName> for GroupOfUser {
    fn from(group: GroupName) -> Self {
        Self {
            id: group.id.into_string(),
            name: group.name,
            source: Some(group.source.to_string()),
            expires_at: group.expires_at.map(moment),
        }
    }
}

/// A role that a person holds directly.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RoleOfUser {
    /// The binding's id.
    pub binding_id: String,
    /// What is given.
    #[serde(flatten)]
    pub grant: GivenRole,
}

impl From<&Binding> for RoleOfUser {
    fn from(binding: &Binding) -> Self {
        Self { binding_id: binding.id.to_string(), grant: grant(binding) }
    }
}

/// A person: the account, and its membership in the organisation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UserBody {
    /// The account's id, the `sub` claim.
    pub user_id: String,
    /// The membership.
    pub membership_id: String,
    /// The user name, which never changes.
    pub user_name: String,
    /// What people see.
    pub name: String,
    /// First name.
    pub given_name: Option<String>,
    /// Surname.
    pub family_name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Phone number.
    pub phone: Option<String>,
    /// `managed` belongs to the organisation, `own` to the person.
    pub kind: &'static str,
    /// Where the account comes from: `local`, or a connection, which alone may change it.
    pub source: String,
    /// The connection that keeps the account; null where it is kept here.
    pub managed_by: Option<ManagedBy>,
    /// Of an account that a connection keeps: whether that says that it is active. It has no password here.
    pub upstream_active: Option<bool>,
    /// What counts: `active` only if account and membership are.
    pub state: &'static str,
    /// The account's state.
    pub user_state: &'static str,
    /// The membership's state.
    pub membership_state: &'static str,
    /// `password`, or `key` for tools alone.
    pub access_type: &'static str,
    /// Whether this is the organisation's owner.
    pub owner: bool,
    /// Whether the person was made one who may sign in with a password though a connection is enforced.
    pub break_glass: bool,
    /// The ids of the applications that may be used; null is any.
    pub restricted_to: Option<Vec<String>>,
    /// The groups, by name.
    pub groups: Vec<GroupOfUser>,
    /// The roles that are held directly; for all see `…/access`.
    pub roles: Vec<RoleOfUser>,
    /// When the membership was made (RFC 3339).
    pub created_at: String,
    /// The last sign-in to this organisation (RFC 3339).
    pub last_sign_in_at: Option<String>,
}

/// Something that the person answered for.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnedThing {
    /// Its id.
    pub id: String,
    /// Its name: an application's client id, a service account's name.
    pub name: String,
}

/// What the person answered for: nobody's from now on, unless somebody took over.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnedThings {
    /// Applications.
    pub applications: Vec<OwnedThing>,
    /// Service accounts.
    pub service_accounts: Vec<OwnedThing>,
}

impl From<Owned> for OwnedThings {
    fn from(owned: Owned) -> Self {
        let applications = owned.applications.into_iter();
        let accounts = owned.service_accounts.into_iter();
        Self {
            applications: applications.map(|(id, name)| OwnedThing { id: id.into_string(), name }).collect(),
            service_accounts: accounts.map(|(id, name)| OwnedThing { id: id.into_string(), name }).collect(),
        }
    }
}

/// What counts of an account's state and a membership's: the first that bars.
#[must_use]
pub const fn state(user: UserState, member: MembershipState) -> &'static str {
    match user {
        UserState::Active => member.as_str(),
        other => other.as_str(),
    }
}

/// Whose account it is, in a word.
#[must_use]
pub const fn kind(kind: &Kind) -> &'static str {
    match kind {
        Kind::Service(..) => "service_account",
        Kind::Managed(_) | Kind::Own | Kind::Operator => kind.word(),
    }
}

/// A person of the organisation. A service account is none: it is found among its project's.
///
/// # Errors
/// 404.
pub async fn found(conn: &mut Conn, org: &OrgId, member: &MembershipId) -> Result<Person, Problem> {
    let person = people_read::find(conn, org, member).await?.filter(|person| person.kind.project().is_none());
    person.ok_or_else(|| Problem::not_found("The user"))
}

/// The person with groups and direct roles.
///
/// # Errors
/// The database's.
pub async fn show(conn: &mut Conn, person: &Person) -> Result<UserBody, Problem> {
    let member = std::slice::from_ref(&person.member);
    let groups = people_read::groups_of(conn, member).await?.remove(&person.member).unwrap_or_default();
    let roles = people_read::direct_of(conn, member).await?;
    let keepers = Keepers::of(conn, &[&person.source]).await?;
    Ok(UserBody {
        user_id: person.user.to_string(),
        membership_id: person.member.to_string(),
        user_name: person.user_name.clone(),
        name: person.name.clone(),
        given_name: person.profile.given_name.clone(),
        family_name: person.profile.family_name.clone(),
        email: person.profile.email.clone(),
        phone: person.profile.phone_number.clone(),
        kind: kind(&person.kind),
        source: person.source.to_string(),
        managed_by: keepers.keeper(&person.source),
        upstream_active: upstream_active(&person.source, person.user_state),
        state: state(person.user_state, person.member_state),
        user_state: person.user_state.as_str(),
        membership_state: person.member_state.as_str(),
        access_type: person.access_type.as_str(),
        owner: person.owner,
        break_glass: federation::is_marked_break_glass(conn, &person.member).await?,
        restricted_to: person.restricted_to.as_ref().map(|list| list.iter().map(ToString::to_string).collect()),
        groups: groups.into_iter().map(Into::into).collect(),
        roles: roles.iter().map(Into::into).collect(),
        created_at: moment(person.created_at),
        last_sign_in_at: person.last_sign_in_at.map(moment),
    })
}

/// The person as they are now, if they still are.
///
/// # Errors
/// The database's.
pub async fn shown(conn: &mut Conn, org: &OrgId, member: &MembershipId) -> Result<Option<UserBody>, Problem> {
    match people_read::find(conn, org, member).await? {
        Some(person) => Ok(Some(show(conn, &person).await?)),
        None => Ok(None),
    }
}

/// Whose the binding is, when it is one member's own.
#[must_use]
pub const fn holder(binding: &Binding) -> Option<&MembershipId> {
    match &binding.subject {
        Subject::Member(id) => Some(id),
        Subject::Group(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_active_only_where_account_and_membership_are() {
        assert_eq!(state(UserState::Active, MembershipState::Active), "active");
        assert_eq!(state(UserState::Active, MembershipState::Suspended), "suspended");
        assert_eq!(state(UserState::Pending, MembershipState::Active), "pending");
    }
}
