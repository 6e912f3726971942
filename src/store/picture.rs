//! Pictures of access: members, their groups and the bindings that reach them, loaded set-wise.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::db::{Cells, Conn, LIST, Record, Result, corrupt};
use crate::domain::access::claims::Project;
use crate::domain::access::effective::{Bindings, Grants, effective};
use crate::domain::access::reach::OwnRoles;
use crate::domain::access::{Binding, Holder, Policy, Scope, Subject, Window};
use crate::kernel::id::{BindingId, GroupId, MembershipId, OrgId, ProjectId, UserId};
use crate::kernel::time::UnixMillis;

/// What the edit needs to know of an organisation.
#[derive(Clone, Debug)]
pub struct OrgFacts {
    /// Its rule for losses.
    pub policy: Policy,
    /// Its projects.
    pub projects: Vec<Project>,
    /// Its own roles.
    pub own_roles: OwnRoles,
}

/// A member's place and grants at one moment.
#[derive(Clone, Debug)]
pub struct Pictured {
    /// Where the member stands.
    pub place: Place,
    /// What is held; members who hold the same for the same reasons share it.
    pub grants: Arc<Grants>,
}

/// Where a member stands: what of a picture doesn't hang on bindings.
#[derive(Clone, Debug)]
pub struct Place {
    /// The organisation.
    pub org: OrgId,
    /// The member as access sees it.
    pub holder: Holder,
    /// The account's user name.
    pub user_name: String,
}

/// Between the parts of a row where many are put into one text: no name has it in it.
const PART: char = '\u{1f}';
/// Between such rows.
pub(super) const ROW: char = '\u{1e}';

impl Place {
    /// Reads id, organisation, account, the states of membership and account, and the user name. Of the organisation, its
    /// state and its owner, nothing is known yet.
    fn read(text: &str) -> Result<Self> {
        let mut parts = text.splitn(6, PART);
        let mut next = || parts.next().ok_or_else(|| corrupt("a member's row"));
        let id = MembershipId::trusted(next()?.to_owned());
        let (org, user) = (OrgId::trusted(next()?.to_owned()), UserId::trusted(next()?.to_owned()));
        let active = [next()?, next()?].iter().all(|state| *state == "active");
        let user_name = next()?.to_owned();
        Ok(Self { org, holder: Holder { id, user, active, owner: false, groups: BTreeSet::new() }, user_name })
    }
}

/// Many rows in one text; `None` for none.
pub(super) struct Gathered(Option<String>);

impl Record for Gathered {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self(cells.take()?))
    }
}

impl Gathered {
    pub(super) fn rows(&self) -> impl Iterator<Item = &str> {
        self.0.as_deref().into_iter().flat_map(|text| text.split(ROW))
    }
}

/// The statement that reads bindings as [`BindingRow`]s: what stands behind `FROM bindings`.
macro_rules! bindings_where {
    ($where:literal) => {
        concat!(
            "SELECT id, role, scope, project_id, membership_id, group_id, not_before, not_after FROM bindings ",
            $where
        )
    };
}
pub(super) use bindings_where;

/// A binding as a row: id, role, scope, project, member, group, window.
pub struct BindingRow(pub Binding);

impl Record for BindingRow {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let id = BindingId::trusted(cells.take()?);
        let role = cells.parse()?;
        let scope: String = cells.take()?;
        let project: Option<String> = cells.take()?;
        let scope = match (scope.as_str(), project) {
            ("org", None) => Scope::Org,
            ("all_projects", None) => Scope::AllProjects,
            ("project", Some(project)) => Scope::Project(ProjectId::trusted(project)),
            _ => return Err(corrupt(&format!("scope of binding {id}"))),
        };
        let member: Option<String> = cells.take()?;
        let group: Option<String> = cells.take()?;
        let subject = match (member, group) {
            (Some(member), None) => Subject::Member(MembershipId::trusted(member)),
            (None, Some(group)) => Subject::Group(GroupId::trusted(group)),
            _ => return Err(corrupt(&format!("subject of binding {id}"))),
        };
        let window = Window { not_before: UnixMillis(cells.take()?), not_after: UnixMillis(cells.take()?) };
        Ok(Self(Binding { id, role, scope, subject, window }))
    }
}

/// Which windows count in a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Those that are live now.
    Live,
    /// Those too that are over and were not swept yet: the picture before the sweep.
    LiveAndDue,
}

/// The grants of many members, by three statements for each few thousand of them and one for their groups' bindings.
///
/// Members that are not there are not in the answer.
///
/// # Why
/// A row that crosses from the embedded database's thread costs more than finding it: so thousands of rows come as one text,
/// and while the next thousands are looked up the last ones are read. Members of the same groups without bindings of their
/// own hold the same, which is worked out once.
///
/// # Errors
/// The database's.
pub async fn of_members(
    conn: &mut Conn,
    members: &[MembershipId],
    orgs: &BTreeMap<OrgId, OrgFacts>,
    at: UnixMillis,
    count: Count,
) -> Result<BTreeMap<MembershipId, Pictured>> {
    // A place in a group counts until its end; those that are over are not looked at here, unless they were not swept.
    let until = match count {
        Count::Live => at,
        Count::LiveAndDue => UnixMillis::MIN,
    };
    let mut reading = Vec::new();
    for chunk in members.chunks(LIST) {
        let ids: Vec<String> = chunk.iter().map(|id| id.as_str().to_owned()).collect();
        let (rows, edges) = holders(conn, &ids, until).await?;
        reading.push(tokio::task::spawn_blocking(move || read(&rows, &edges)));
    }
    let mut places = Vec::with_capacity(members.len());
    for chunk in reading {
        places.extend(chunk.await.map_err(|_| corrupt("reading members was broken off"))??);
    }
    under_their_orgs(conn, &mut places).await?;
    of_places(conn, places, orgs, at, count).await
}

/// Says of each place what hangs on its organisation: whether it is active, and who owns it.
async fn under_their_orgs(conn: &mut Conn, places: &mut [Place]) -> Result<()> {
    let orgs: BTreeSet<&OrgId> = places.iter().map(|place| &place.org).collect();
    let ids: Vec<String> = orgs.into_iter().map(|id| id.as_str().to_owned()).collect();
    let mut known: HashMap<String, (bool, Option<String>)> = HashMap::new();
    for chunk in ids.chunks(LIST) {
        let rows: Vec<(String, String, Option<String>)> =
            conn.query_in("SELECT id, state, owner_id FROM orgs WHERE id IN (@)", chunk).all().await?;
        known.extend(rows.into_iter().map(|(id, state, owner)| (id, (state == "active", owner))));
    }
    for Place { org, holder, .. } in places {
        let (active, owner) =
            known.get(org.as_str()).map_or((false, None), |(active, owner)| (*active, owner.as_deref()));
        holder.active &= active;
        holder.owner = owner == Some(holder.id.as_str());
    }
    Ok(())
}

/// As [`of_members`], for members of whom it is known where they stand: only bindings are read.
///
/// # Errors
/// The database's.
pub async fn of_places(
    conn: &mut Conn,
    rows: Vec<Place>,
    orgs: &BTreeMap<OrgId, OrgFacts>,
    at: UnixMillis,
    count: Count,
) -> Result<BTreeMap<MembershipId, Pictured>> {
    let direct = direct_bindings(conn, &rows).await?;
    let bound: HashSet<MembershipId> = direct
        .iter()
        .filter_map(|row| match &row.0.subject {
            Subject::Member(id) => Some(id.clone()),
            Subject::Group(_) => None,
        })
        .collect();
    let bindings = bindings_of(conn, direct, &rows, at, count).await?;
    let mut alike: HashMap<(OrgId, bool, BTreeSet<GroupId>), Arc<Grants>> = HashMap::new();
    let mut pictured = Vec::with_capacity(rows.len());
    for Place { org, holder, user_name } in rows {
        let work = || {
            let facts = orgs.get(&org);
            let projects: Vec<ProjectId> =
                facts.map(|facts| facts.projects.iter().map(|p| p.id.clone()).collect()).unwrap_or_default();
            Arc::new(effective(&holder, &bindings, &projects, at))
        };
        let grants = if holder.owner || bound.contains(&holder.id) {
            work()
        } else {
            alike.entry((org.clone(), holder.active, holder.groups.clone())).or_insert_with(work).clone()
        };
        pictured.push((holder.id.clone(), Pictured { place: Place { org, holder, user_name }, grants }));
    }
    // Put together in one go from rows that mostly come in order: cheaper than one insertion after the other.
    Ok(pictured.into_iter().collect())
}

/// The bindings that members have of their own. Where there are very many members their organisations are asked instead,
/// in which few have any, and the answer has others' too.
async fn direct_bindings(conn: &mut Conn, rows: &[Place]) -> Result<Vec<BindingRow>> {
    if rows.len() <= LIST {
        let ids: Vec<String> = rows.iter().map(|row| row.holder.id.as_str().to_owned()).collect();
        return conn.query_in(bindings_where!("WHERE membership_id IN (@)"), &ids).all().await;
    }
    let orgs: BTreeSet<&OrgId> = rows.iter().map(|row| &row.org).collect();
    let mut direct = Vec::new();
    for org in orgs {
        let own: Vec<BindingRow> = conn
            .query(bindings_where!("WHERE org_id = $1 AND membership_id IS NOT NULL"))
            .bind(org.as_str().to_owned())
            .all()
            .await?;
        direct.extend(own);
    }
    Ok(direct)
}

/// The places of at most [`LIST`] members, and the groups in which they are for longer than until a moment, as texts.
async fn holders(conn: &mut Conn, ids: &[String], until: UnixMillis) -> Result<(Gathered, Gathered)> {
    let rows: Gathered = conn
        .query_in(
            "SELECT string_agg(m.id || $$1 || m.org_id || $$1 || m.user_id || $$1 || m.state || $$1 || u.state || $$1
               || u.user_name, $$2)
             FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.id IN (@)",
            ids,
        )
        .bind(PART.to_string())
        .bind(ROW.to_string())
        .one()
        .await?;
    let edges: Gathered = conn
        .query_in(
            "SELECT string_agg(membership_id || $$1 || group_id, $$2) FROM group_members
             WHERE membership_id IN (@) AND (expires_at IS NULL OR expires_at > $$3)",
            ids,
        )
        .bind(PART.to_string())
        .bind(ROW.to_string())
        .bind(until.0)
        .one()
        .await?;
    Ok((rows, edges))
}

fn read(rows: &Gathered, edges: &Gathered) -> Result<Vec<Place>> {
    let mut rows = rows.rows().map(Place::read).collect::<Result<Vec<Place>>>()?;
    let mut groups: HashMap<&str, BTreeSet<GroupId>> = HashMap::new();
    for (member, group) in edges.rows().filter_map(|edge| edge.split_once(PART)) {
        groups.entry(member).or_default().insert(GroupId::trusted(group.to_owned()));
    }
    for row in &mut rows {
        row.holder.groups = groups.remove(row.holder.id.as_str()).unwrap_or_default();
    }
    Ok(rows)
}

async fn bindings_of(
    conn: &mut Conn,
    mut found: Vec<BindingRow>,
    rows: &[Place],
    at: UnixMillis,
    count: Count,
) -> Result<Bindings> {
    let groups: BTreeSet<&GroupId> = rows.iter().flat_map(|row| &row.holder.groups).collect();
    let groups: Vec<String> = groups.into_iter().map(|id| id.as_str().to_owned()).collect();
    for chunk in groups.chunks(LIST) {
        let more: Vec<BindingRow> = conn.query_in(bindings_where!("WHERE group_id IN (@)"), chunk).all().await?;
        found.extend(more);
    }
    Ok(Bindings::new(found.into_iter().map(|BindingRow(mut binding)| {
        if count == Count::LiveAndDue && binding.window.not_after <= at {
            binding.window.not_after = UnixMillis::MAX;
        }
        binding
    })))
}

/// What one active member holds, by one query, and the earliest end among its windows. A role that comes through a
/// group ends with the member's place in it, if that is sooner.
///
/// The caller has judged the member's state, and read its `acv` **before** calling: a change that slips in between
/// then yields a token that is refused, never one that says too much.
///
/// # Errors
/// The database's.
pub async fn of_member(conn: &mut Conn, org: &OrgId, holder: &mut Holder, at: UnixMillis) -> Result<Held> {
    let rows: Vec<BindingRow> = conn
        .query(
            "SELECT b.id, b.role, b.scope, b.project_id, b.membership_id, b.group_id, b.not_before, b.not_after
             FROM bindings b WHERE b.membership_id = $1
             UNION ALL
             SELECT b.id, b.role, b.scope, b.project_id, b.membership_id, b.group_id, b.not_before,
               CASE WHEN g.expires_at < b.not_after THEN g.expires_at ELSE b.not_after END
             FROM group_members g JOIN bindings b ON b.group_id = g.group_id WHERE g.membership_id = $1",
        )
        .bind(holder.id.as_str().to_owned())
        .all()
        .await?;
    let bindings: Vec<Binding> = rows.into_iter().map(|row| row.0).collect();
    holder.groups = bindings
        .iter()
        .filter_map(|binding| match &binding.subject {
            Subject::Group(id) => Some(id.clone()),
            Subject::Member(_) => None,
        })
        .collect();
    let projects = if bindings.iter().any(|b| b.scope != Scope::Org) { projects(conn, org).await? } else { vec![] };
    let bindings = Bindings::new(bindings);
    let ids: Vec<ProjectId> = projects.iter().map(|p| p.id.clone()).collect();
    let grants = effective(holder, &bindings, &ids, at);
    let ends = crate::domain::access::effective::earliest_end(holder, &bindings, at);
    Ok(Held { grants, projects, ends })
}

/// What one member's bindings give, as if the member were active.
///
/// # Errors
/// The database's.
pub async fn bound(conn: &mut Conn, org: &OrgId, member: &MembershipId, at: UnixMillis) -> Result<Grants> {
    let Some(found) = super::memberships::find(conn, org, member).await? else {
        return Ok(Grants::default());
    };
    let owner = super::orgs::find(conn, org).await?.and_then(|org| org.owner).as_ref() == Some(member);
    let mut holder = Holder { id: found.id, user: found.user, active: true, owner, groups: BTreeSet::new() };
    Ok(of_member(conn, org, &mut holder, at).await?.grants)
}

/// What one member holds.
#[derive(Clone, Debug)]
pub struct Held {
    /// The grants.
    pub grants: Grants,
    /// The organisation's projects, when a grant concerns one.
    pub projects: Vec<Project>,
    /// The earliest end of a live window.
    pub ends: Option<UnixMillis>,
}

/// An organisation's projects, by id.
///
/// # Errors
/// The database's.
pub async fn projects(conn: &mut Conn, org: &OrgId) -> Result<Vec<Project>> {
    let rows: Vec<(String, String)> = conn
        .query("SELECT id, project_key FROM projects WHERE org_id = $1 ORDER BY id")
        .bind(org.as_str().to_owned())
        .all()
        .await?;
    Ok(rows.into_iter().map(|(id, key)| Project { id: ProjectId::trusted(id), key }).collect())
}

/// An organisation's own roles, by key.
///
/// # Errors
/// The database's.
pub async fn own_roles(conn: &mut Conn, org: &OrgId) -> Result<OwnRoles> {
    let rows: Vec<(String, String)> = conn
        .query("SELECT role_key, permissions FROM roles WHERE org_id = $1")
        .bind(org.as_str().to_owned())
        .all()
        .await?;
    rows.into_iter()
        .map(|(key, permissions)| {
            let words =
                serde_json::from_str(&permissions).map_err(|_| corrupt(&format!("permissions of role {key}")))?;
            Ok((key, words))
        })
        .collect()
}
