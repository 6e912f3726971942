//! A world: Muster's handles over a database of their own, with a clock that the story holds in its hands.
//!
//! Builders go through `flows::change_access`, as everything does that can alter access.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use muster::app::{App, Parts};
use muster::config::http::Http;
use muster::config::passwords::Passwords;
use muster::config::registration::Registration;
use muster::config::sign_in::SignIn;
use muster::config::{Config, database, dns, keys, log, mail, outbound, scim, sessions, sms, telemetry, tokens};
use muster::domain::change::{Actor, Change, Mode, NewUser, Receipt};
use muster::domain::keys::Alg;
use muster::domain::oidc::claims::Profile;
use muster::domain::people::user::{Kind as Whose, UserState};
use muster::domain::source::Source;
use muster::flows::change_access::{Refusal, change_access};
use muster::flows::rotate_keys;
use muster::kernel::id::{OrgId, UserId};
use muster::kernel::secret::Secret;
use muster::kernel::time::{Clock, UnixMillis};
use muster::outside::chance::SystemChance;
use muster::outside::clock::SystemClock;
use muster::store::db::{Conn, Database};
use muster::store::{migrate, orgs};
use tempfile::TempDir;

use super::org::Org;
use super::postgres::{self, FreshDatabase};

/// A database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Embedded.
    Sqlite,
    /// A server.
    Postgres,
}

impl Kind {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Sqlite, Self::Postgres];
}

/// A clock that the test puts forward; it stands still, or runs on with the machine's. Clones share the hands.
#[derive(Clone, Debug)]
pub struct Hands {
    standing: Option<UnixMillis>,
    ahead: Arc<AtomicI64>,
}

impl Hands {
    /// A clock that stands at the moment of its making.
    pub fn standing() -> Self {
        Self { standing: Some(SystemClock.now()), ..Self::running() }
    }

    /// A clock that runs.
    pub fn running() -> Self {
        Self { standing: None, ahead: Arc::default() }
    }

    /// Puts the clock forward.
    pub fn advance(&self, millis: i64) {
        self.ahead.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> UnixMillis {
        self.standing.unwrap_or_else(|| SystemClock.now()).plus(self.ahead.load(Ordering::SeqCst))
    }
}

/// Where the rows are; gone with the last who holds it.
#[derive(Debug)]
pub enum Place {
    /// In a file in this folder.
    Sqlite(TempDir),
    /// In this database of a server; the folder is there for whoever wants one.
    Postgres(FreshDatabase, TempDir),
}

impl Place {
    /// A new one, or `None` where there is no PostgreSQL and none is required.
    pub async fn fresh(kind: Kind) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder can be made");
        match kind {
            Kind::Sqlite => Some(Self::Sqlite(folder)),
            Kind::Postgres => Some(Self::Postgres(postgres::fresh().await?, folder)),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        match self {
            Self::Sqlite(folder) | Self::Postgres(_, folder) => folder.path(),
        }
    }

    /// The database's URL, if it is a server's.
    pub fn url(&self) -> Option<String> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(database, _) => Some(database.url.clone()),
        }
    }
}

/// Settings for tests: cheap hashes, everything on the loopback. No start would accept them.
pub fn config(issuer: &str, folder: &Path, url: Option<String>) -> Config {
    Config {
        issuer: issuer.to_owned(),
        data_dir: folder.to_owned(),
        http: Http { allow_loopback_http: true, max_connections_per_ip: 4096, ..Http::default() },
        database: database::Database { url, max_connections: 8 },
        keys: keys::Keys::default(),
        tokens: tokens::Tokens::default(),
        sessions: sessions::Sessions::default(),
        passwords: Passwords {
            memory_kib: 64,
            iterations: 1,
            threads: Some(2),
            queue: 1024,
            queue_wait_ms: 20_000,
            ..Passwords::default()
        },
        // Everybody comes from one address here, and operators sign in in passing.
        sign_in: SignIn {
            operators_second_factor: false,
            address_failures_minute: 0,
            address_failures_hour: 0,
            ..SignIn::default()
        },
        registration: Registration::default(),
        scim: scim::Scim::default(),
        outbound: outbound::Outbound { allow_hosts: vec!["127.0.0.1".to_owned()], ..outbound::Outbound::default() },
        dns: dns::Dns::default(),
        mail: mail::Mail::default(),
        sms: sms::Sms::default(),
        log: log::Log::default(),
        telemetry: telemetry::Telemetry::default(),
    }
}

/// Muster's handles, the clock, and the place; cheap to clone.
#[derive(Clone)]
pub struct World {
    app: App,
    /// The clock.
    pub hands: Hands,
    /// The database's place.
    pub place: Arc<Place>,
    /// Whether somebody sends what stands in the outbox.
    pub has_jobs: Arc<AtomicBool>,
}

impl Deref for World {
    type Target = App;
    fn deref(&self) -> &App {
        &self.app
    }
}

impl World {
    /// A world with a clock that stands, or `None` where there is no PostgreSQL and none is required.
    pub async fn fresh(kind: Kind) -> Option<Self> {
        let place = Arc::new(Place::fresh(kind).await?);
        let config = config("http://127.0.0.1:1", place.folder(), place.url());
        let world = Self::over(place, config, Hands::standing()).await;
        rotate_keys::ensure(&world, &BTreeSet::from([Alg::Es256])).await.expect("a key can be made");
        Some(world)
    }

    /// The handles over a place, as a node has them; the schema is brought up to date.
    pub async fn over(place: Arc<Place>, config: Config, hands: Hands) -> Self {
        let db = Database::open(&config).await.expect("the database can be opened");
        migrate::run(&db).await.expect("the database can be migrated");
        let parts = Parts { db, instance_key: [7; 32], clock: Arc::new(hands.clone()), chance: Arc::new(SystemChance) };
        let app = App::new(config, parts).expect("there are no extra certificates to be wrong");
        Self { app, hands, place, has_jobs: Arc::default() }
    }

    /// A connection to read with.
    pub async fn conn(&self) -> Conn {
        self.db.read().await.expect("the database answers")
    }

    /// Puts the clock forward.
    pub fn advance(&self, millis: i64) {
        self.hands.advance(millis);
    }

    /// Carries changes out as one, from the command line.
    pub async fn change(&self, changes: Vec<Change>) -> Result<Receipt, Refusal> {
        change_access(self, &Actor::CommandLine, changes, Mode::Act).await
    }

    /// Carries changes out that must be accepted.
    pub async fn act(&self, changes: Vec<Change>) -> Receipt {
        self.change(changes).await.expect("the change is accepted")
    }

    /// What changes would do.
    pub async fn preview(&self, changes: Vec<Change>) -> Receipt {
        change_access(self, &Actor::CommandLine, changes, Mode::DryRun).await.expect("the change would be accepted")
    }

    /// The organisation with this slug; made if it isn't there.
    pub async fn org(&self, slug: &str) -> Org {
        let found = orgs::by_slug(&mut self.conn().await, slug).await.unwrap();
        if let Some(found) = found {
            return Org { world: self.clone(), id: found.id, slug: slug.to_owned() };
        }
        let (id, slug) = (OrgId::fresh(), slug.to_owned());
        let name = format!("{}{}", slug[..1].to_uppercase(), &slug[1..]);
        let create = Change::CreateOrg {
            org: id.clone(),
            slug: slug.clone(),
            name,
            policy: muster::domain::access::Policy::Strict,
        };
        self.act(vec![create]).await;
        Org { world: self.clone(), id, slug }
    }

    /// Makes an account that belongs to its person.
    pub async fn own_account(&self, user_name: &str, password: &str) -> UserId {
        let user = self.new_user(Whose::Own, user_name, password).await;
        let id = user.id.clone();
        self.act(vec![Change::CreateUser(Box::new(user))]).await;
        id
    }

    /// An account to be made, with an e-mail address and a hashed password.
    pub async fn new_user(&self, kind: Whose, user_name: &str, password: &str) -> NewUser {
        let email = format!("{user_name}@example.test");
        let hash = self.hasher.hash(Secret::presented(password)).await.expect("the pool has room");
        let profile = Profile {
            name: Some(format!("{}{} Example", user_name[..1].to_uppercase(), &user_name[1..])),
            preferred_username: Some(user_name.to_owned()),
            email: Some(email),
            updated_at: self.now().seconds(),
            ..Profile::default()
        };
        NewUser {
            id: UserId::fresh(),
            kind,
            user_name: user_name.to_owned(),
            profile,
            state: UserState::Active,
            source: Source::Local,
            password: Some(hash),
            must_change: false,
        }
    }
}

/// Tells a story on SQLite, and on PostgreSQL if there is one.
pub async fn on_both(story: impl AsyncFn(World)) {
    for kind in Kind::BOTH {
        let Some(world) = World::fresh(kind).await else {
            continue;
        };
        eprintln!("on {kind:?}:");
        let db = world.db.clone();
        story(world).await;
        db.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_changes_nothing_and_says_what_the_act_does() {
    on_both(async |world| {
        let acme = world.org("acme").await;
        acme.project("web").await;
        acme.person("ana", super::PASSWORD).await;
        acme.group("devs", &["ana"]).await;
        let binding = acme.give_group("devs", "project.admin", Some("web")).await;
        let unbind = || vec![Change::Unbind { org: acme.id.clone(), binding: binding.clone() }];
        let preview = world.preview(unbind()).await;
        assert!(preview.dry_run && preview.members.len() == 1 && preview.members[0].user_name == "ana");
        let act = world.act(unbind()).await;
        assert_eq!((preview.members, preview.ended), (act.members, act.ended));
    })
    .await;
}
