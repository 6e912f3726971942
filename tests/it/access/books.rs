//! Who is signed in to what: entries, families and browser sessions, written as a sign-in writes them, and which of them
//! a change should end.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use muster::domain::change::Change;
use muster::domain::granted::{Authentication, Granted, Holding};
use muster::domain::oauth::scope::Scopes;
use muster::domain::oidc::claims::ClaimsRequest;
use muster::kernel::id::{ApplicationId, EntryId, FamilyId, MembershipId, OrgId, SessionId, UserId};
use muster::kernel::secret::Digest;
use muster::kernel::time::{DAY, UnixMillis};
use muster::store::cookies::{CookieStore, FACTS, Facts};
use muster::store::families::{self, NewFamily};
use muster::store::sessions::{self, NewEntry};
use time::OffsetDateTime;
use tower_sessions::SessionStore as _;
use tower_sessions::session::{Id, Record};

use super::batch::Batch;
use super::scene::Scene;
use super::snapshot::Snapshot;

/// A live entry.
#[derive(Clone, Debug)]
pub struct Entry {
    pub session: SessionId,
    pub user: UserId,
    pub org: OrgId,
    pub member: MembershipId,
}

/// A live family.
#[derive(Clone, Debug)]
pub struct Family {
    pub application: ApplicationId,
    pub user: UserId,
    pub member: MembershipId,
    pub sid: EntryId,
    /// The access version in its access token.
    pub acv: i64,
}

/// Everything that is live.
#[derive(Clone, Debug, Default)]
pub struct Books {
    pub entries: BTreeMap<EntryId, Entry>,
    pub families: BTreeMap<FamilyId, Family>,
    pub sessions: BTreeMap<SessionId, UserId>,
    /// With which version the next membership of an account that left an organisation begins.
    begins: BTreeMap<(OrgId, UserId), i64>,
}

/// What a change ends, and who should be told of whose sign-out.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    pub entries: BTreeSet<EntryId>,
    pub families: BTreeSet<FamilyId>,
    pub sessions: BTreeSet<SessionId>,
    pub farewells: BTreeSet<(ApplicationId, UserId, EntryId)>,
}

impl Books {
    /// What ends when some members' verdict is End and some accounts end everywhere.
    pub fn ending(&self, members: &BTreeSet<MembershipId>, barred: &BTreeSet<UserId>, scene: &Scene) -> Ending {
        let mut ending = Ending::default();
        for (id, entry) in &self.entries {
            if members.contains(&entry.member) || barred.contains(&entry.user) {
                for application in [&scene.applications.loud.id, &scene.applications.quiet.id] {
                    ending.farewells.insert((application.clone(), entry.user.clone(), id.clone()));
                }
                ending.entries.insert(id.clone());
            }
        }
        for (id, family) in &self.families {
            if members.contains(&family.member) || barred.contains(&family.user) {
                ending.farewells.insert((family.application.clone(), family.user.clone(), family.sid.clone()));
                ending.families.insert(id.clone());
            }
        }
        ending.farewells.retain(|(application, _, _)| scene.applications.told(application).is_some());
        // A session ends with its last entry, and with its account.
        let left: BTreeSet<&SessionId> = self
            .entries
            .iter()
            .filter(|(id, _)| !ending.entries.contains(*id))
            .map(|(_, entry)| &entry.session)
            .collect();
        let over = self.sessions.iter().filter(|(id, user)| barred.contains(*user) || !left.contains(id));
        ending.sessions = over.map(|(id, _)| id.clone()).collect();
        ending
    }

    /// The version with which each membership that a change adds begins: above all versions of the account's earlier
    /// memberships of the organisation, so that nothing that was issued to those is honoured again.
    pub fn versions(&mut self, batch: &Batch, before: &Snapshot, after: &Snapshot) -> BTreeMap<MembershipId, i64> {
        let mut standing: BTreeMap<(OrgId, UserId), (MembershipId, i64)> = BTreeMap::new();
        for (org, of) in &batch.start.orgs {
            let rows = of.members.iter().map(|(id, member)| (id, member, before.counters[id].0));
            standing.extend(rows.map(|(id, member, acv)| ((org.clone(), member.user.clone()), (id.clone(), acv))));
        }
        let mut added = BTreeMap::new();
        for change in &batch.changes {
            let Change::AddMember { org, member, user, .. } = change else {
                continue;
            };
            let place = (org.clone(), user.clone());
            if let Some((_, acv)) = standing.get(&place).filter(|(id, _)| !after.counters.contains_key(id)) {
                self.begins.insert(place.clone(), acv + 1);
            }
            let first = self.begins.get(&place).copied().unwrap_or(1);
            standing.insert(place, (member.clone(), first));
            added.insert(member.clone(), first);
        }
        for (place, (_, acv)) in standing.into_iter().filter(|(_, (id, _))| !after.counters.contains_key(id)) {
            self.begins.insert(place, acv + 1);
        }
        added
    }

    /// Strikes out what ended.
    pub fn strike(&mut self, ending: &Ending) {
        self.entries.retain(|id, _| !ending.entries.contains(id));
        self.families.retain(|id, _| !ending.families.contains(id));
        self.sessions.retain(|id, _| !ending.sessions.contains(id));
    }

    /// Signs everybody in who may, and is not: to the loud and the quiet application, with offline access to the late one.
    pub async fn sign_everybody_in(&mut self, scene: &Scene) {
        let (now, counters) = (scene.world.now(), Snapshot::read(scene).await.counters);
        let mut arrivals = Vec::new();
        for (org, member, user) in self.absent(scene) {
            let session = self.session(scene, &user).await;
            let (acv, _, epoch) = counters[&member];
            let entry = NewEntry {
                id: EntryId::fresh(),
                session: session.clone(),
                user: user.clone(),
                member: Some((org.clone(), member.clone())),
                epoch,
                expires_at: now.plus(365 * DAY),
            };
            let first = (&scene.applications.quiet.id, entry.id.clone(), false);
            let earlier = (&scene.applications.late.id, EntryId::fresh(), true);
            let families = [first, earlier].map(|(application, sid, offline)| {
                let family =
                    Family { application: application.clone(), user: user.clone(), member: member.clone(), sid, acv };
                let new = new_family(&family, org.clone(), epoch, offline, now);
                self.families.insert(new.id.clone(), family);
                new
            });
            self.entries.insert(entry.id.clone(), Entry { session, user, org, member });
            arrivals.push((entry, families));
        }
        self.write(scene, arrivals, now).await;
    }

    fn absent(&self, scene: &Scene) -> Vec<(OrgId, MembershipId, UserId)> {
        let present: BTreeSet<&MembershipId> = self.entries.values().map(|entry| &entry.member).collect();
        let mut absent = Vec::new();
        for (org, of) in &scene.model.orgs {
            for (id, member) in &of.members {
                if scene.model.may_sign_in(org, id) && !present.contains(id) {
                    absent.push((org.clone(), id.clone(), member.user.clone()));
                }
            }
        }
        absent
    }

    async fn write(&self, scene: &Scene, arrivals: Vec<(NewEntry, [NewFamily; 2])>, now: UnixMillis) {
        let noted = [scene.applications.loud.id.clone(), scene.applications.quiet.id.clone()];
        let written: Result<(), sqlx::Error> = scene
            .world
            .db
            .write(move |tx| {
                Box::pin(async move {
                    for (entry, new) in arrivals {
                        assert!(sessions::insert_entry(tx, &entry, now).await?, "the session is live");
                        for application in &noted {
                            sessions::note_application(tx, &entry.id, application, now).await?;
                        }
                        for family in &new {
                            families::insert(tx, family, now).await?;
                        }
                    }
                    Ok::<(), sqlx::Error>(())
                })
            })
            .await;
        written.unwrap();
    }

    /// The person's browser session, begun if there is none.
    async fn session(&mut self, scene: &Scene, user: &UserId) -> SessionId {
        if let Some((session, _)) = self.sessions.iter().find(|(_, of)| *of == user) {
            return session.clone();
        }
        let now = scene.world.now();
        let facts = Facts {
            id: SessionId::fresh(),
            user: user.clone(),
            auth_time: now,
            acr: "urn:muster:acr:pwd".to_owned(),
            amr: vec!["pwd".to_owned()],
            user_agent: "a browser".to_owned(),
            address: "192.0.2.1".to_owned(),
            created_at: now,
            expires_at: now.plus(365 * DAY),
            last_used_at: None,
            password_at: None,
            through: None,
            methods: std::collections::BTreeSet::new(),
            factor_at: None,
            remembered_at: None,
            recovered_at: None,
        };
        let data = HashMap::from([(FACTS.to_owned(), serde_json::to_value(&facts).unwrap())]);
        let expiry_date = OffsetDateTime::from_unix_timestamp(facts.expires_at.seconds()).unwrap();
        let store = CookieStore::new(scene.world.db.clone(), scene.world.clock.clone(), DAY);
        store.create(&mut Record { id: Id::default(), data, expiry_date }).await.unwrap();
        self.sessions.insert(facts.id.clone(), user.clone());
        facts.id
    }
}

fn new_family(family: &Family, org: OrgId, epoch: i64, offline: bool, now: UnixMillis) -> NewFamily {
    let id = FamilyId::fresh();
    NewFamily {
        holding: Holding {
            application: family.application.clone(),
            user: family.user.clone(),
            member: Some((org, family.member.clone())),
            sid: family.sid.clone(),
            epoch,
        },
        granted: Granted {
            scopes: Scopes::parse("openid roles").unwrap(),
            claims: ClaimsRequest::default(),
            nonce: None,
            authentication: Authentication {
                time: now,
                acr: "urn:muster:acr:pwd".to_owned(),
                amr: vec!["pwd".to_owned()],
                methods: std::collections::BTreeSet::new(),
            },
            project: None,
            resource: None,
        },
        offline,
        secret: Some(Digest::of(id.as_str().as_bytes())),
        expires_at: now.plus(365 * DAY),
        idle_until: now.plus(365 * DAY),
        id,
    }
}
