//! Memberships, for reading. Only an access edit writes them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::db::{Cells, Conn, LIST, Record, Result};
use super::picture::BindingRow;
use crate::domain::access::Binding;
use crate::domain::people::user::MembershipState;
use crate::domain::settings::OrgSettings;
use crate::domain::source::Source;
use crate::kernel::id::{ApplicationId, ConnectionId, MembershipId, OrgId, UserId};
use crate::kernel::time::UnixMillis;

/// A membership.
#[derive(Clone, Debug)]
pub struct Membership {
    /// Its id.
    pub id: MembershipId,
    /// The organisation.
    pub org: OrgId,
    /// The account.
    pub user: UserId,
    /// Its state.
    pub state: MembershipState,
    /// Where it comes from.
    pub source: Source,
}

impl Record for Membership {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: MembershipId::trusted(cells.take()?),
            org: OrgId::trusted(cells.take()?),
            user: UserId::trusted(cells.take()?),
            state: cells.parse()?,
            source: cells.parse()?,
        })
    }
}

/// A membership by its id, in its organisation only.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, org: &OrgId, id: &MembershipId) -> Result<Option<Membership>> {
    conn.query("SELECT id, org_id, user_id, state, source FROM memberships WHERE org_id = $1 AND id = $2")
        .bind(org.as_str().to_owned())
        .bind(id.as_str().to_owned())
        .optional()
        .await
}

/// A user's membership in an organisation.
///
/// # Errors
/// The database's.
pub async fn of_user(conn: &mut Conn, org: &OrgId, user: &UserId) -> Result<Option<Membership>> {
    conn.query("SELECT id, org_id, user_id, state, source FROM memberships WHERE org_id = $1 AND user_id = $2")
        .bind(org.as_str().to_owned())
        .bind(user.as_str().to_owned())
        .optional()
        .await
}

/// Every membership of a user, in the order of organisations.
///
/// # Errors
/// The database's.
pub async fn all_of_user(conn: &mut Conn, user: &UserId) -> Result<Vec<(OrgId, MembershipId)>> {
    let rows: Vec<(String, String)> = conn
        .query("SELECT org_id, id FROM memberships WHERE user_id = $1 ORDER BY org_id")
        .bind(user.as_str().to_owned())
        .all()
        .await?;
    Ok(rows.into_iter().map(|(org, id)| (OrgId::trusted(org), MembershipId::trusted(id))).collect())
}

/// How many people an organisation has who may act in it.
///
/// # Errors
/// The database's.
pub async fn count_people(conn: &mut Conn, org: &OrgId) -> Result<i64> {
    let (count,): (i64,) = conn
        .query(
            "SELECT COUNT(*) FROM memberships m JOIN users u ON u.id = m.user_id
             WHERE m.org_id = $1 AND m.state = 'active' AND u.state = 'active' AND u.project_id IS NULL",
        )
        .bind(org.as_str().to_owned())
        .one()
        .await?;
    Ok(count)
}

/// Every membership of an organisation.
///
/// # Errors
/// The database's.
pub async fn ids_of_org(conn: &mut Conn, org: &OrgId) -> Result<Vec<MembershipId>> {
    let rows: Vec<(String,)> = conn
        .query("SELECT id FROM memberships WHERE org_id = $1 ORDER BY id")
        .bind(org.as_str().to_owned())
        .all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| MembershipId::trusted(id)).collect())
}

/// An organisation that a person can enter.
#[derive(Clone, Debug)]
pub struct Entrance {
    /// The organisation.
    pub org: OrgId,
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// The membership.
    pub member: MembershipId,
    /// The membership's epoch.
    pub epoch: i64,
    /// Whether the member owns the organisation.
    pub owner: bool,
    /// How long a browser session may stand idle here; `None` is the instance's.
    pub session_idle: Option<i64>,
    /// How long a session entry lives at most; `None` is the instance's.
    pub session_absolute: Option<i64>,
    /// The organisation's settings.
    pub settings: OrgSettings,
    /// The applications that the member may use; `None` is any.
    pub restricted_to: Option<BTreeSet<ApplicationId>>,
    /// The last sign-in to the organisation.
    pub last_sign_in_at: Option<UnixMillis>,
    /// The connection that people must come through, if one works that the organisation enforces.
    pub enforced: Option<ConnectionId>,
    /// Whether the member may come past it: made so, with a password, and of no connection.
    pub break_glass: bool,
}

impl Record for Entrance {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let org = OrgId::trusted(cells.take()?);
        let (slug, name) = (cells.take()?, cells.take()?);
        let member = MembershipId::trusted(cells.take()?);
        let epoch = cells.take()?;
        let owner: Option<String> = cells.take()?;
        let owner = owner.as_deref() == Some(member.as_str());
        Ok(Self {
            org,
            slug,
            name,
            member,
            epoch,
            owner,
            session_idle: cells.take()?,
            session_absolute: cells.take()?,
            settings: cells.json()?,
            restricted_to: applications(cells.take()?)?,
            last_sign_in_at: cells.take::<Option<i64>>()?.map(UnixMillis),
            enforced: cells.take::<Option<String>>()?.map(ConnectionId::trusted),
            break_glass: cells.take()?,
        })
    }
}

/// The organisations in which a user is an active member, by name.
///
/// # Errors
/// The database's.
pub async fn entrances(conn: &mut Conn, user: &UserId) -> Result<Vec<Entrance>> {
    conn.query(
        "SELECT o.id, o.slug, o.name, m.id, m.epoch, o.owner_id, o.session_idle_ms, o.session_absolute_ms,
           o.settings, m.restricted_to, m.last_sign_in_at,
           (SELECT x.connection_id FROM sign_ins_upstream x JOIN connections c ON c.id = x.connection_id
            WHERE x.org_id = o.id AND x.stage = 'enforced' AND c.state = 'active'),
           m.break_glass AND u.password IS NOT NULL AND u.access_type = 'password'
             AND SUBSTR(u.source, 1, 5) NOT IN ('scim:', 'oidc:')
         FROM memberships m JOIN orgs o ON o.id = m.org_id JOIN users u ON u.id = m.user_id
         WHERE m.user_id = $1 AND m.state = 'active' AND o.state = 'active' AND u.state = 'active' ORDER BY o.slug",
    )
    .bind(user.as_str().to_owned())
    .all()
    .await
}

/// The one organisation, if the user is an active member of it.
///
/// # Errors
/// The database's.
pub async fn entrance(conn: &mut Conn, user: &UserId, org: &OrgId) -> Result<Option<Entrance>> {
    conn.query(
        "SELECT o.id, o.slug, o.name, m.id, m.epoch, o.owner_id, o.session_idle_ms, o.session_absolute_ms,
           o.settings, m.restricted_to, m.last_sign_in_at,
           (SELECT x.connection_id FROM sign_ins_upstream x JOIN connections c ON c.id = x.connection_id
            WHERE x.org_id = o.id AND x.stage = 'enforced' AND c.state = 'active'),
           m.break_glass AND u.password IS NOT NULL AND u.access_type = 'password'
             AND SUBSTR(u.source, 1, 5) NOT IN ('scim:', 'oidc:')
         FROM memberships m JOIN orgs o ON o.id = m.org_id JOIN users u ON u.id = m.user_id
         WHERE m.user_id = $1 AND m.org_id = $2 AND m.state = 'active' AND o.state = 'active' AND u.state = 'active'",
    )
    .bind(user.as_str().to_owned())
    .bind(org.as_str().to_owned())
    .optional()
    .await
}

/// The members of an organisation with their accounts, by user name.
///
/// # Errors
/// The database's.
pub async fn of_org(conn: &mut Conn, org: &OrgId) -> Result<Vec<(Membership, String)>> {
    struct Named(Membership, String);
    impl Record for Named {
        fn read(cells: &mut Cells<'_>) -> Result<Self> {
            Ok(Self(Membership::read(cells)?, cells.take()?))
        }
    }
    let rows: Vec<Named> = conn
        .query(
            "SELECT m.id, m.org_id, m.user_id, m.state, m.source, u.user_name FROM memberships m JOIN users u ON u.id = m.user_id
             WHERE m.org_id = $1 ORDER BY u.user_name, m.id",
        )
        .bind(org.as_str().to_owned())
        .all()
        .await?;
    Ok(rows.into_iter().map(|Named(member, name)| (member, name)).collect())
}

/// The applications of a restriction, from its column. One that can't be read is an error, never no restriction.
fn applications(cell: Option<String>) -> Result<Option<BTreeSet<ApplicationId>>> {
    let list = |text: String| serde_json::from_str(&text).map_err(|_| super::db::corrupt("restriction of a member"));
    cell.map(list).transpose()
}

/// What a member's use of the organisation is bound to.
#[derive(Clone, Debug)]
pub struct Conditions {
    /// The organisation's settings.
    pub settings: OrgSettings,
    /// The applications that the member may use; `None` is any.
    pub restricted_to: Option<BTreeSet<ApplicationId>>,
}

impl Record for Conditions {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self { settings: cells.json()?, restricted_to: applications(cells.take()?)? })
    }
}

impl Conditions {
    /// From what stands in the columns.
    ///
    /// # Errors
    /// It can't be read.
    pub fn of(settings: &str, restricted_to: Option<&str>) -> Result<Self> {
        let settings = serde_json::from_str(settings).map_err(|_| super::db::corrupt("settings of an organisation"))?;
        Ok(Self { settings, restricted_to: applications(restricted_to.map(str::to_owned))? })
    }

    /// Whether the member may use an application, asking from this address.
    ///
    /// # Errors
    /// A sentence for the application.
    pub fn admit(&self, application: &ApplicationId, address: Option<IpAddr>) -> std::result::Result<(), &'static str> {
        admit(&self.settings, self.restricted_to.as_ref(), application, address)
    }
}

impl Conditions {
    /// Whether the member may use an application, wherever the person is: what is asked of an application's own server,
    /// whose address says nothing of the person's.
    ///
    /// # Errors
    /// A sentence for the application.
    pub fn may_use(&self, application: &ApplicationId) -> std::result::Result<(), &'static str> {
        admit(&OrgSettings::default(), self.restricted_to.as_ref(), application, None)
    }
}

impl Entrance {
    /// As [`Conditions::admit`].
    ///
    /// # Errors
    /// A sentence for the application.
    pub fn admit(&self, application: &ApplicationId, address: Option<IpAddr>) -> std::result::Result<(), &'static str> {
        admit(&self.settings, self.restricted_to.as_ref(), application, address)
    }
}

fn admit(
    settings: &OrgSettings,
    restricted_to: Option<&BTreeSet<ApplicationId>>,
    application: &ApplicationId,
    address: Option<IpAddr>,
) -> std::result::Result<(), &'static str> {
    if restricted_to.is_some_and(|list| !list.contains(application)) {
        return Err("this account may not use this application");
    }
    // An address that isn't known lies in no block.
    if settings.allowed_networks.is_empty() || address.is_some_and(|address| settings.admits(address)) {
        return Ok(());
    }
    Err("the organisation does not allow its members to come from this address")
}

/// What a member's use of the organisation is bound to, by one statement; `None` when there is no such member.
///
/// # Errors
/// The database's.
pub async fn conditions(conn: &mut Conn, member: &MembershipId) -> Result<Option<Conditions>> {
    conn.query("SELECT o.settings, m.restricted_to FROM memberships m JOIN orgs o ON o.id = m.org_id WHERE m.id = $1")
        .bind(member.as_str().to_owned())
        .optional()
        .await
}

/// The applications that a member may use; `None` is any.
///
/// # Errors
/// The database's.
pub async fn restriction(conn: &mut Conn, member: &MembershipId) -> Result<Option<BTreeSet<ApplicationId>>> {
    let row: Option<(Option<String>,)> = conn
        .query("SELECT restricted_to FROM memberships WHERE id = $1")
        .bind(member.as_str().to_owned())
        .optional()
        .await?;
    applications(row.and_then(|(cell,)| cell))
}

/// The bindings that reach a member, directly or through a group.
///
/// # Errors
/// The database's.
pub async fn bindings_reaching(conn: &mut Conn, member: &MembershipId) -> Result<Vec<Binding>> {
    let rows: Vec<BindingRow> = conn
        .query(
            "SELECT b.id, b.role, b.scope, b.project_id, b.membership_id, b.group_id, b.not_before, b.not_after
             FROM bindings b WHERE b.membership_id = $1
             UNION ALL
             SELECT b.id, b.role, b.scope, b.project_id, b.membership_id, b.group_id, b.not_before,
               CASE WHEN g.expires_at < b.not_after THEN g.expires_at ELSE b.not_after END
             FROM group_members g JOIN bindings b ON b.group_id = g.group_id WHERE g.membership_id = $1",
        )
        .bind(member.as_str().to_owned())
        .all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// The names of the service accounts among some members.
///
/// # Errors
/// The database's.
pub async fn service_accounts_among(conn: &mut Conn, members: &[MembershipId]) -> Result<Vec<(MembershipId, String)>> {
    let ids: Vec<String> = members.iter().map(|id| id.as_str().to_owned()).collect();
    let mut found = Vec::new();
    for chunk in ids.chunks(LIST) {
        let rows: Vec<(String, String)> = conn
            .query_in(
                "SELECT m.id, u.user_name FROM memberships m JOIN users u ON u.id = m.user_id
                 WHERE m.id IN (@) AND u.project_id IS NOT NULL",
                chunk,
            )
            .all()
            .await?;
        found.extend(rows.into_iter().map(|(id, name)| (MembershipId::trusted(id), name)));
    }
    Ok(found)
}

/// Where some memberships come from, each source once.
///
/// # Errors
/// The database's.
pub async fn sources_among(conn: &mut Conn, members: &[MembershipId]) -> Result<Vec<Source>> {
    struct Row(Source);
    impl Record for Row {
        fn read(cells: &mut Cells<'_>) -> Result<Self> {
            Ok(Self(cells.parse()?))
        }
    }
    let ids: Vec<String> = members.iter().map(|id| id.as_str().to_owned()).collect();
    let mut sources: Vec<Source> = Vec::new();
    for chunk in ids.chunks(LIST) {
        let rows: Vec<Row> =
            conn.query_in("SELECT DISTINCT source FROM memberships WHERE id IN (@)", chunk).all().await?;
        for Row(source) in rows {
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
    }
    Ok(sources)
}

/// What a member answers for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owned {
    /// Applications, each with its client id.
    pub applications: Vec<(ApplicationId, String)>,
    /// Service accounts, each with its name.
    pub service_accounts: Vec<(UserId, String)>,
}

impl Owned {
    /// Whether it is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.applications.is_empty() && self.service_accounts.is_empty()
    }
}

/// What a member answers for, by name.
///
/// # Errors
/// The database's.
pub async fn owned(conn: &mut Conn, member: &MembershipId) -> Result<Owned> {
    let applications: Vec<(String, String)> = conn
        .query("SELECT id, client_id FROM applications WHERE owner_id = $1 ORDER BY client_id")
        .bind(member.as_str().to_owned())
        .all()
        .await?;
    let accounts: Vec<(String, String)> = conn
        .query(
            "SELECT id, user_name FROM users WHERE owner_id = $1 AND project_id IS NOT NULL AND state <> 'deleted'
             ORDER BY user_name, id",
        )
        .bind(member.as_str().to_owned())
        .all()
        .await?;
    Ok(Owned {
        applications: applications.into_iter().map(|(id, name)| (ApplicationId::trusted(id), name)).collect(),
        service_accounts: accounts.into_iter().map(|(id, name)| (UserId::trusted(id), name)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(networks: &[&str], to: Option<&[u128]>) -> Conditions {
        Conditions {
            settings: OrgSettings {
                allowed_networks: networks.iter().map(|text| (*text).to_owned()).collect(),
                ..OrgSettings::default()
            },
            restricted_to: to.map(|ids| ids.iter().map(|id| ApplicationId::from_u128(*id)).collect()),
        }
    }

    #[test]
    fn a_member_comes_to_a_listed_application_from_a_listed_address() {
        let (one, two) = (ApplicationId::from_u128(1), ApplicationId::from_u128(2));
        let from = |text: &str| text.parse::<IpAddr>().ok();
        assert!(conditions(&[], None).admit(&one, None).is_ok());
        assert!(conditions(&[], Some(&[1])).admit(&one, from("10.0.0.1")).is_ok());
        assert!(conditions(&[], Some(&[1])).admit(&two, from("10.0.0.1")).is_err());
        assert!(conditions(&[], Some(&[])).admit(&one, from("10.0.0.1")).is_err());
        let near = conditions(&["10.0.0.0/8"], None);
        assert!(near.admit(&one, from("10.0.0.1")).is_ok() && near.admit(&one, from("11.0.0.1")).is_err());
        assert!(near.admit(&one, None).is_err() && near.admit(&one, from("::ffff:10.0.0.1")).is_ok());
    }
}
