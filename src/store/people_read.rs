//! One member as administrators see it, and what many members hold directly, for reading.

use std::collections::{BTreeMap, BTreeSet};

use super::db::{Cells, Conn, LIST, Record, Result, corrupt};
use super::picture::{BindingRow, bindings_where};
use super::users;
use crate::domain::access::Binding;
use crate::domain::oidc::claims::Profile;
use crate::domain::people::user::{AccessType, Kind, MembershipState, UserState};
use crate::domain::source::Source;
use crate::kernel::id::{ApplicationId, GroupId, MembershipId, OrgId, UserId};
use crate::kernel::time::UnixMillis;

/// A member: the account, and its membership in one organisation.
#[derive(Clone, Debug)]
pub struct Person {
    /// The membership.
    pub member: MembershipId,
    /// The account.
    pub user: UserId,
    /// Whose account it is.
    pub kind: Kind,
    /// User name as typed.
    pub user_name: String,
    /// What people see.
    pub name: String,
    /// The standard claims.
    pub profile: Profile,
    /// The account's state.
    pub user_state: UserState,
    /// The membership's state.
    pub member_state: MembershipState,
    /// Where the account comes from.
    pub source: Source,
    /// How the account is used.
    pub access_type: AccessType,
    /// Whether the member owns the organisation.
    pub owner: bool,
    /// The applications that the member may use; `None` is any.
    pub restricted_to: Option<BTreeSet<ApplicationId>>,
    /// When the membership was made.
    pub created_at: UnixMillis,
    /// The last sign-in to this organisation.
    pub last_sign_in_at: Option<UnixMillis>,
}

impl Record for Person {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let member = MembershipId::trusted(cells.take()?);
        let user = UserId::trusted(cells.take()?);
        let word: String = cells.take()?;
        let kind = users::kind(&word, cells.take()?, cells.take()?)?;
        let (user_name, name) = (cells.take()?, cells.take()?);
        let profile = cells.json()?;
        let (user_state, member_state) = (cells.parse()?, cells.parse()?);
        let (source, access_type) = (cells.parse()?, cells.parse()?);
        let owner: Option<String> = cells.take()?;
        let restricted: Option<String> = cells.take()?;
        // A restriction that can't be read is an error, never no restriction.
        let list = |text: String| serde_json::from_str(&text).map_err(|_| corrupt("restriction of a member"));
        Ok(Self {
            owner: owner.as_deref() == Some(member.as_str()),
            member,
            user,
            kind,
            user_name,
            name,
            profile,
            user_state,
            member_state,
            source,
            access_type,
            restricted_to: restricted.map(list).transpose()?,
            created_at: UnixMillis(cells.take()?),
            last_sign_in_at: cells.take::<Option<i64>>()?.map(UnixMillis),
        })
    }
}

/// A member by the membership, in its organisation only; deleted accounts are in none.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, org: &OrgId, member: &MembershipId) -> Result<Option<Person>> {
    conn.query(
        "SELECT m.id, u.id, u.kind, u.org_id, u.project_id, u.user_name, u.name, u.profile, u.state, m.state, u.source,
           u.access_type, o.owner_id, m.restricted_to, m.created_at, m.last_sign_in_at
         FROM memberships m JOIN users u ON u.id = m.user_id JOIN orgs o ON o.id = m.org_id
         WHERE m.org_id = $1 AND m.id = $2 AND u.state <> 'deleted'",
    )
    .bind(org.as_str().to_owned())
    .bind(member.as_str().to_owned())
    .optional()
    .await
}

/// Everybody in an organisation, accounts that are deleted included and service accounts left out, in no order.
///
/// # Errors
/// The database's.
pub async fn of_org(conn: &mut Conn, org: &OrgId) -> Result<Vec<Person>> {
    conn.query(
        "SELECT m.id, u.id, u.kind, u.org_id, u.project_id, u.user_name, u.name, u.profile, u.state, m.state, u.source,
           u.access_type, o.owner_id, m.restricted_to, m.created_at, m.last_sign_in_at
         FROM memberships m JOIN users u ON u.id = m.user_id JOIN orgs o ON o.id = m.org_id
         WHERE m.org_id = $1 AND u.project_id IS NULL",
    )
    .bind(org.as_str().to_owned())
    .all()
    .await
}

/// A group, as lists of its members' groups show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupName {
    /// The group.
    pub id: GroupId,
    /// Its name.
    pub name: String,
    /// Where the place in it comes from.
    pub source: Source,
    /// When the place is over unless it is renewed; `None` lasts.
    pub expires_at: Option<UnixMillis>,
}

/// The groups of some members, by name.
///
/// # Errors
/// The database's.
pub async fn groups_of(conn: &mut Conn, members: &[MembershipId]) -> Result<BTreeMap<MembershipId, Vec<GroupName>>> {
    let mut found: BTreeMap<MembershipId, Vec<GroupName>> = BTreeMap::new();
    for chunk in texts(members).chunks(LIST) {
        let rows: Vec<(String, String, String, String, Option<i64>)> = conn
            .query_in(
                "SELECT e.membership_id, g.id, g.name, e.source, e.expires_at FROM group_members e JOIN groups g ON g.id = e.group_id
                 WHERE e.membership_id IN (@) ORDER BY g.name_key, g.id",
                chunk,
            )
            .all()
            .await?;
        for (member, id, name, source, end) in rows {
            let source = source.parse().map_err(|_| corrupt("source of a place in a group"))?;
            let group = GroupName { id: GroupId::trusted(id), name, source, expires_at: end.map(UnixMillis) };
            found.entry(MembershipId::trusted(member)).or_default().push(group);
        }
    }
    Ok(found)
}

/// The bindings that some members hold directly, in the order of their making.
///
/// # Errors
/// The database's.
pub async fn direct_of(conn: &mut Conn, members: &[MembershipId]) -> Result<Vec<Binding>> {
    let mut found = Vec::new();
    for chunk in texts(members).chunks(LIST) {
        let rows: Vec<BindingRow> =
            conn.query_in(bindings_where!("WHERE membership_id IN (@) ORDER BY id"), chunk).all().await?;
        found.extend(rows.into_iter().map(|row| row.0));
    }
    Ok(found)
}

/// A member as a list of names shows it.
#[derive(Clone, Debug)]
pub struct Named {
    /// The membership.
    pub member: MembershipId,
    /// The account.
    pub user: UserId,
    /// Its user name.
    pub user_name: String,
    /// Its name.
    pub name: String,
    /// Whether it is a service account.
    pub service: bool,
    /// The membership's state.
    pub state: MembershipState,
}

impl Record for Named {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            member: MembershipId::trusted(cells.take()?),
            user: UserId::trusted(cells.take()?),
            user_name: cells.take()?,
            name: cells.take()?,
            service: cells.take::<Option<String>>()?.is_some(),
            state: cells.parse()?,
        })
    }
}

/// The names of some members, in the order of their ids.
///
/// # Errors
/// The database's.
pub async fn names_of(conn: &mut Conn, members: &[MembershipId]) -> Result<Vec<Named>> {
    let mut found = Vec::new();
    for chunk in texts(members).chunks(LIST) {
        let rows: Vec<Named> = conn
            .query_in(
                "SELECT m.id, u.id, u.user_name, u.name, u.project_id, m.state
                 FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.id IN (@) ORDER BY m.id",
                chunk,
            )
            .all()
            .await?;
        found.extend(rows);
    }
    Ok(found)
}

fn texts(members: &[MembershipId]) -> Vec<String> {
    members.iter().map(|id| id.as_str().to_owned()).collect()
}
