//! What the database says, as far as a change may write it.

use std::collections::{BTreeMap, BTreeSet};

use muster::domain::access::difference::Held;
use muster::kernel::id::{ApplicationId, EntryId, FamilyId, MembershipId, OrgId, SessionId, UserId};
use muster::store::db::Conn;
use muster::store::outbox::Message;
use muster::store::picture::{self, Count, OrgFacts};

use super::scene::Scene;

/// A row of the audit record: organisation, actor, outcome, change.
pub type AuditRow = (Option<OrgId>, String, String, Option<String>);
/// A row of the outbox: the change, the receiver, whose sign-out.
pub type OutboxRow = (Option<String>, ApplicationId, UserId, EntryId);

/// The rows of one scene.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// `acv`, `acv_least` and `epoch` of every membership.
    pub counters: BTreeMap<MembershipId, (i64, i64, i64)>,
    /// Live entries.
    pub entries: BTreeSet<EntryId>,
    /// Live families.
    pub families: BTreeSet<FamilyId>,
    /// Live browser sessions.
    pub sessions: BTreeSet<SessionId>,
    /// The audit record, by the rows' ids.
    pub audit: BTreeMap<String, AuditRow>,
    /// The outbox, by the rows' ids.
    pub outbox: BTreeMap<String, OutboxRow>,
    /// Everything that is held, as the database's rows say.
    pub held: BTreeMap<MembershipId, BTreeSet<Held>>,
}

impl Snapshot {
    /// Reads it.
    pub async fn read(scene: &Scene) -> Self {
        let mut conn = scene.world.conn().await;
        let users = scene.user_ids();
        let entries =
            ids(&mut conn, "SELECT id FROM session_entries WHERE user_id IN (@) AND ended_at IS NULL", &users).await;
        let families =
            ids(&mut conn, "SELECT id FROM token_families WHERE user_id IN (@) AND ended_at IS NULL", &users).await;
        let sessions =
            ids(&mut conn, "SELECT id FROM sessions WHERE user_id IN (@) AND ended_at IS NULL", &users).await;
        let counters = counters(&mut conn, scene).await;
        Self {
            entries: entries.into_iter().map(EntryId::trusted).collect(),
            families: families.into_iter().map(FamilyId::trusted).collect(),
            sessions: sessions.into_iter().map(SessionId::trusted).collect(),
            audit: audit(&mut conn, scene).await,
            outbox: outbox(&mut conn, scene).await,
            held: held(&mut conn, scene, counters.keys().cloned().collect()).await,
            counters,
        }
    }

    /// The rows of the audit record that another snapshot has not.
    pub fn audited_since(&self, before: &Self) -> Vec<AuditRow> {
        self.audit.iter().filter(|(id, _)| !before.audit.contains_key(*id)).map(|(_, row)| row.clone()).collect()
    }

    /// The rows of the outbox that another snapshot has not.
    pub fn enqueued_since(&self, before: &Self) -> Vec<OutboxRow> {
        self.outbox.iter().filter(|(id, _)| !before.outbox.contains_key(*id)).map(|(_, row)| row.clone()).collect()
    }
}

async fn ids(conn: &mut Conn, sql: &'static str, list: &[String]) -> Vec<String> {
    let rows: Vec<(String,)> = conn.query_in(sql, list).all().await.unwrap();
    rows.into_iter().map(|(id,)| id).collect()
}

async fn counters(conn: &mut Conn, scene: &Scene) -> BTreeMap<MembershipId, (i64, i64, i64)> {
    let sql = "SELECT id, acv, acv_least, epoch FROM memberships WHERE org_id IN (@)";
    let rows: Vec<(String, i64, i64, i64)> = conn.query_in(sql, &scene.org_ids()).all().await.unwrap();
    rows.into_iter().map(|(id, acv, least, epoch)| (MembershipId::trusted(id), (acv, least, epoch))).collect()
}

async fn audit(conn: &mut Conn, scene: &Scene) -> BTreeMap<String, AuditRow> {
    let sql = "SELECT id, org_id, actor, outcome, change_id FROM audit WHERE org_id IS NULL OR org_id IN (@)";
    let rows: Vec<(String, Option<String>, String, String, Option<String>)> =
        conn.query_in(sql, &scene.org_ids()).all().await.unwrap();
    let row = |(id, org, actor, outcome, change): (String, Option<String>, String, String, Option<String>)| {
        (id, (org.map(OrgId::trusted), actor, outcome, change))
    };
    rows.into_iter().map(row).collect()
}

async fn outbox(conn: &mut Conn, scene: &Scene) -> BTreeMap<String, OutboxRow> {
    let receivers: Vec<String> =
        scene.applications.all().map(|application| application.id.as_str().to_owned()).to_vec();
    let sql = "SELECT id, change_id, receiver, payload FROM outbox WHERE receiver IN (@) AND state = 'waiting'";
    let rows: Vec<(String, Option<String>, String, String)> = conn.query_in(sql, &receivers).all().await.unwrap();
    let row = |(id, change, receiver, payload): (String, Option<String>, String, String)| {
        let Message::BackchannelLogout { user, sid } = serde_json::from_str(&payload).unwrap() else {
            panic!("not a sign-out: {payload}")
        };
        (id, (change, ApplicationId::trusted(receiver), user, sid))
    };
    rows.into_iter().map(row).collect()
}

async fn held(conn: &mut Conn, scene: &Scene, members: Vec<MembershipId>) -> BTreeMap<MembershipId, BTreeSet<Held>> {
    let mut facts = BTreeMap::new();
    for (org, of) in &scene.model.orgs {
        let (projects, own_roles) =
            (picture::projects(conn, org).await.unwrap(), picture::own_roles(conn, org).await.unwrap());
        facts.insert(org.clone(), OrgFacts { policy: of.policy, projects, own_roles });
    }
    let pictured = picture::of_members(conn, &members, &facts, scene.world.now(), Count::Live).await.unwrap();
    let held = pictured.into_iter().map(|(id, pictured)| {
        let grants = pictured.grants.iter().map(|((role, scope), _)| Held { role: role.clone(), scope: scope.clone() });
        (id, grants.collect())
    });
    held.collect()
}
