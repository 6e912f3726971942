//! A long random sequence of calls by people and tools who may do a little each: nobody comes to hold more than they
//! held all together at the beginning, and nobody's credentials are changed by somebody who reaches less far.

use std::collections::{BTreeMap, BTreeSet};

use muster::domain::access::effective::{Bindings, effective};
use muster::domain::access::reach::OwnRoles;
use muster::domain::access::{Binding, Holder, Role, Scope, Window, permission};
use muster::domain::change::Change;
use muster::domain::people::user::UserState;
use muster::kernel::id::{GroupId, MembershipId, ProjectId, RoleId, UserId};
use muster::store::db::Conn;
use muster::store::{bindings, groups, orgs, picture};

use super::calls::{Call, Dice, Draw};
use super::stage::{key_of, service_account, tomorrow, tool};
use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::org::Org;
use crate::support::server::Site;
use crate::support::world::Kind as Database;

/// Permissions by where they are held: on the organisation (an empty text), on all projects (`*`), on one (its id).
type Words = BTreeMap<String, BTreeSet<String>>;

/// What the organisation's rows say.
pub struct Books {
    /// The project `web`.
    pub web: String,
    /// Every project.
    pub projects: Vec<String>,
    /// The accounts of people.
    pub users: Vec<String>,
    /// The service accounts.
    pub accounts: Vec<String>,
    /// Groups, with their names.
    pub groups: Vec<(String, String)>,
    /// The organisation's own roles, with their keys.
    pub roles: Vec<(String, String)>,
    /// Bindings.
    pub bindings: Vec<String>,
    /// Bundles.
    pub bundles: Vec<String>,
    /// Access keys.
    pub keys: Vec<String>,
    /// What each account holds, whether it may sign in or not.
    words: BTreeMap<String, Words>,
    /// What each person's account can be entered with.
    credentials: BTreeMap<String, String>,
    /// Whose each key is.
    holders: BTreeMap<String, String>,
    /// What nobody here may change: owner, name, policy, settings, projects, applications.
    fixed: Vec<String>,
}

fn made_of(role: &Role, own: &OwnRoles) -> BTreeSet<String> {
    match role {
        Role::Own(key) => own.get(key).cloned().unwrap_or_default(),
        built_in => permission::of(built_in).into_iter().map(str::to_owned).collect(),
    }
}

/// A permission counts where it means something: one on projects on a project, any other on the organisation.
fn counts(word: &str, scope: &Scope) -> bool {
    permission::on_project(word) != (*scope == Scope::Org)
}

async fn texts(conn: &mut Conn, sql: &'static str, org: &Org) -> Vec<(String, String)> {
    conn.query(sql).bind(org.id.as_str().to_owned()).all().await.unwrap()
}

impl Books {
    async fn read(site: &Site, org: &Org) -> Self {
        let mut conn = site.conn().await;
        let people = "SELECT m.id, m.user_id FROM memberships m JOIN users u ON u.id = m.user_id
                      WHERE m.org_id = $1 AND u.project_id IS NULL ORDER BY m.id";
        let tools = "SELECT m.id, m.user_id FROM memberships m JOIN users u ON u.id = m.user_id
                     WHERE m.org_id = $1 AND u.project_id IS NOT NULL ORDER BY m.id";
        let (people, tools) = (texts(&mut conn, people, org).await, texts(&mut conn, tools, org).await);
        let projects = picture::projects(&mut conn, &org.id).await.unwrap();
        let own = bindings::own_roles(&mut conn, &org.id).await.unwrap();
        let bound = bindings::of_org(&mut conn, &org.id).await.unwrap();
        let groups = groups::of_org(&mut conn, &org.id).await.unwrap();
        let bundles = texts(&mut conn, "SELECT id, name FROM role_bundles WHERE org_id = $1 ORDER BY id", org).await;
        let keys = texts(&mut conn, "SELECT id, user_id FROM access_keys WHERE org_id = $1 ORDER BY id", org).await;
        let second = |(_, user): &(String, String)| user.clone();
        Self {
            web: projects.iter().find(|project| project.key == "web").unwrap().id.to_string(),
            users: people.iter().map(second).collect(),
            accounts: tools.iter().map(second).collect(),
            bindings: bound.iter().map(|binding| binding.id.to_string()).collect(),
            words: words(&mut conn, site, org, people.iter().chain(&tools), bound).await,
            credentials: credentials(&mut conn, org).await,
            fixed: fixed(&mut conn, org).await,
            projects: projects.into_iter().map(|project| project.id.into_string()).collect(),
            groups: groups.into_iter().map(|group| (group.id.into_string(), group.name)).collect(),
            roles: own.into_iter().map(|role| (role.id.into_string(), role.key)).collect(),
            bundles: bundles.into_iter().map(|(id, _)| id).collect(),
            keys: keys.iter().map(|(id, _)| id.clone()).collect(),
            holders: keys.into_iter().collect(),
        }
    }

    fn held_by(&self, user: &str) -> Words {
        self.words.get(user).cloned().unwrap_or_default()
    }
}

/// What every member holds by the bindings, as if each could sign in and every window were open.
async fn words<'m>(
    conn: &mut Conn,
    site: &Site,
    org: &Org,
    members: impl Iterator<Item = &'m (String, String)>,
    bound: Vec<Binding>,
) -> BTreeMap<String, Words> {
    let places = "SELECT e.membership_id, e.group_id FROM group_members e JOIN groups g ON g.id = e.group_id
                  WHERE g.org_id = $1";
    let places = texts(conn, places, org).await;
    let own = picture::own_roles(conn, &org.id).await.unwrap();
    let projects = picture::projects(conn, &org.id).await.unwrap();
    let projects: Vec<ProjectId> = projects.into_iter().map(|project| project.id).collect();
    let owner = orgs::find(conn, &org.id).await.unwrap().unwrap().owner;
    let always = Bindings::new(bound.into_iter().map(|binding| Binding { window: Window::ALWAYS, ..binding }));
    let held = |(member, user): &(String, String)| {
        let id = MembershipId::trusted(member.clone());
        let of_member = places.iter().filter(|(of, _)| of == member);
        let holder = Holder {
            owner: owner.as_ref() == Some(&id),
            id,
            user: UserId::trusted(user.clone()),
            active: true,
            groups: of_member.map(|(_, group)| GroupId::trusted(group.clone())).collect(),
        };
        let mut words = Words::new();
        for ((role, scope), _) in effective(&holder, &always, &projects, site.now()).iter() {
            let place = match scope {
                Scope::Org => String::new(),
                Scope::AllProjects => "*".to_owned(),
                Scope::Project(id) => id.to_string(),
            };
            let meant = made_of(role, &own).into_iter().filter(|word| counts(word, scope));
            words.entry(place).or_default().extend(meant);
        }
        (user.clone(), words)
    };
    members.map(held).collect()
}

async fn credentials(conn: &mut Conn, org: &Org) -> BTreeMap<String, String> {
    type Row = (String, Option<String>, Option<String>, Option<String>, String, String);
    let sql = "SELECT u.id, u.password, u.email, u.phone, u.user_name, u.access_type
               FROM users u JOIN memberships m ON m.user_id = u.id WHERE m.org_id = $1 AND u.state <> 'deleted'
               AND u.project_id IS NULL";
    let rows: Vec<Row> = conn.query(sql).bind(org.id.as_str().to_owned()).all().await.unwrap();
    let one = |(id, password, email, phone, name, access): Row| {
        (id, format!("{password:?} {email:?} {phone:?} {name} {access}"))
    };
    rows.into_iter().map(one).collect()
}

async fn fixed(conn: &mut Conn, org: &Org) -> Vec<String> {
    let mut rows = texts(conn, "SELECT COALESCE(owner_id, ''), name FROM orgs WHERE id = $1", org).await;
    rows.extend(texts(conn, "SELECT policy, settings FROM orgs WHERE id = $1", org).await);
    rows.extend(texts(conn, "SELECT id, name FROM projects WHERE org_id = $1 ORDER BY id", org).await);
    let applications = "SELECT registration, secrets FROM applications WHERE org_id = $1 ORDER BY client_id";
    rows.extend(texts(conn, applications, org).await);
    rows.into_iter().map(|(one, other)| format!("{one} {other}")).collect()
}

/// The first permission that none of some others has, and where.
fn beyond(words: &Words, of: &[&Words]) -> Option<String> {
    let covered = |place: &str, word: &String| of.iter().any(|o| o.get(place).is_some_and(|w| w.contains(word)));
    let all = words.iter().flat_map(|(place, words)| words.iter().map(move |word| (place, word)));
    all.filter(|(place, word)| !covered(place, word)).map(|(place, word)| format!("{word} on \"{place}\"")).next()
}

/// What somebody is cast as.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// A person with a role on the organisation, or on the project `web`.
    Person(&'static str, Option<&'static str>),
    /// A tool with the key of a person who administers the project.
    Key,
    /// A service account that administers the project.
    Robot,
}

const PARTS: [Part; 11] = [
    Part::Person("iam.admin", None),
    Part::Person("iam.viewer", None),
    Part::Person("org.reader", None),
    Part::Person("project.admin", Some("web")),
    Part::Person("project.admin", Some("web")),
    Part::Person("project.member", Some("web")),
    Part::Person("alert.admin", None),
    Part::Person("binder", None),
    Part::Person("maker", None),
    Part::Key,
    Part::Robot,
];

/// The organisation's own roles that some of them hold.
const OWN: [(&str, &[&str]); 2] = [("binder", &["bindings.write", "groups.write"]), ("maker", &["roles.write"])];

/// Somebody who calls.
struct Actor {
    part: Part,
    user: UserId,
    admin: Admin,
}

impl Actor {
    /// What the caller may do now: a person's key reaches into its project alone.
    fn words(&self, books: &Books) -> Words {
        let mut words = books.held_by(self.user.as_str());
        if matches!(self.part, Part::Key) {
            words.retain(|place, _| *place == books.web);
        }
        words
    }
}

struct Troupe<'a> {
    site: &'a Site,
    org: Org,
    cast: usize,
}

impl Troupe<'_> {
    /// Somebody new in a part, with its role as it was at the beginning.
    async fn cast(&mut self, part: Part) -> Actor {
        self.cast += 1;
        let (site, org, name) = (self.site, &self.org, format!("a{}", self.cast));
        self.restore_roles().await;
        match part {
            Part::Person(role, project) => {
                let user = org.person(&name, PASSWORD).await;
                org.give(&name, role, project).await;
                Actor { part, user, admin: Admin::of(site, org, &name).await }
            }
            Part::Key => {
                let user = org.person(&name, PASSWORD).await;
                org.give(&name, "project.admin", Some("web")).await;
                let key = key_of(site, org, &org.member_id(&name).await).await;
                Actor { part, user, admin: tool(site, org, key).await }
            }
            Part::Robot => {
                let (user, member) = service_account(site, org, &name, &Role::ProjectAdmin).await;
                let key = key_of(site, org, &member).await;
                Actor { part, user, admin: tool(site, org, key).await }
            }
        }
    }

    /// Puts somebody new in the place of one whose token is honoured no more.
    async fn recast(&mut self, actor: &Actor) -> Actor {
        let (org, user) = (self.org.id.clone(), actor.user.clone());
        let leave = match actor.part {
            Part::Robot => Change::RemoveServiceAccount { org, user },
            Part::Person(..) | Part::Key => Change::SetUserState { user, state: UserState::Deleted },
        };
        // It may be gone already.
        let _ = self.site.change(vec![leave]).await;
        self.cast(actor.part).await
    }

    async fn restore_roles(&self) {
        let org = &self.org.id;
        let there = bindings::own_roles(&mut self.site.conn().await, org).await.unwrap();
        for (key, words) in OWN {
            let permissions: BTreeSet<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let (org, name, key) = (org.clone(), "Of the beginning".to_owned(), key.to_owned());
            let change = match there.iter().find(|role| role.key == key) {
                Some(role) if role.permissions == permissions => continue,
                Some(role) => Change::SetRole { org, role: role.id.clone(), name, permissions },
                None => Change::CreateRole { org, role: RoleId::fresh(), key, name, permissions },
            };
            self.site.act(vec![change]).await;
        }
    }
}

/// Acme with people who reach far: the owner, an administrator by role and one by group, the administrator of another
/// project, and a service account of `web` that administers the organisation; and some who hold nothing or little.
async fn set(site: &Site) -> Org {
    let (org, _) = owned(site, "acme").await;
    for key in ["web", "data"] {
        org.project(key).await;
    }
    for name in ["ada", "bea", "dan", "val", "vic", "wes"] {
        org.person(name, PASSWORD).await;
    }
    org.give("ada", "org.admin", None).await;
    org.put_in("Organization Admins", &["bea"]).await;
    org.give("dan", "project.admin", Some("data")).await;
    org.give("wes", "project.reader", Some("web")).await;
    org.group("staff", &["val"]).await;
    org.give_group("staff", "iam.viewer", None).await;
    org.application_with("robot", |application| application.trusted = false).await;
    service_account(site, &org, "crane", &Role::OrgAdmin).await;
    org
}

/// The rules that hold for every accepted call.
struct Rules {
    /// What those who call held all together at the beginning.
    together: Words,
    /// What those held who were there before them.
    before: BTreeMap<String, Words>,
    fixed: Vec<String>,
}

impl Rules {
    fn check(&self, (was, is): (&Books, &Books), by: &Actor, call: &Call) {
        let what = format!("{call:?} by {:?}", by.part);
        assert_eq!(is.fixed, self.fixed, "{what}");
        for (user, words) in &is.words {
            let nothing = Words::new();
            let held = self.before.get(user).unwrap_or(&nothing);
            let more = beyond(words, &[&self.together, held]);
            assert!(more.is_none(), "{what}: {user} holds {}", more.unwrap_or_default());
        }
        let caller = by.words(was);
        let reaches_further = |user: &str| beyond(&was.held_by(user), &[&caller]);
        let others = |user: &str| user != by.user.as_str();
        for (user, now) in is.credentials.iter().filter(|(user, _)| others(user)) {
            let changed = was.credentials.get(user).is_some_and(|before| before != now);
            let further = reaches_further(user).filter(|_| changed);
            assert!(further.is_none(), "{what}: entered {user}, who holds {}", further.unwrap_or_default());
        }
        let new = is.holders.iter().filter(|(key, _)| !was.holders.contains_key(*key));
        for (_, user) in new.filter(|(_, user)| others(user) && was.words.contains_key(*user)) {
            let further = reaches_further(user);
            assert!(further.is_none(), "{what}: made a key of {user}, who holds {}", further.unwrap_or_default());
        }
    }
}

async fn play(site: &Site, calls: usize) {
    let org = set(site).await;
    let before = Books::read(site, &org).await.words;
    let mut troupe = Troupe { site, org: org.clone(), cast: 0 };
    let mut actors = Vec::new();
    for part in PARTS {
        actors.push(troupe.cast(part).await);
    }
    let mut books = Books::read(site, &org).await;
    let mut together = Words::new();
    for (place, words) in actors.iter().flat_map(|actor| books.held_by(actor.user.as_str())) {
        together.entry(place).or_default().extend(words);
    }
    let rules = Rules { together, before, fixed: books.fixed.clone() };
    let (mut dice, tomorrow) = (Dice(0x6d75_7374_6572), tomorrow(site));
    let (mut accepted, mut refused) = (0, 0);
    for number in 0..calls {
        let turn = dice.roll(actors.len());
        let call = Draw { dice: &mut dice, books: &books, number, tomorrow: &tomorrow }.call();
        let actor = &actors[turn];
        let answer = actor.admin.call(call.method.clone(), &call.path, Some(&call.body)).await;
        match answer.status {
            200..=299 => {
                accepted += 1;
                let after = Books::read(site, &org).await;
                rules.check((&books, &after), actor, &call);
                books = after;
            }
            401 if answer.json()["code"] == "invalid_token" => {
                actors[turn] = troupe.recast(&actors[turn]).await;
                books = Books::read(site, &org).await;
            }
            400..=499 => refused += 1,
            status => panic!("{call:?}: {status} {}", answer.body),
        }
    }
    eprintln!("{accepted} of {calls} calls were accepted, {refused} refused; {} were cast", troupe.cast);
    assert!(accepted * 50 >= calls && refused * 4 >= calls, "{accepted} accepted, {refused} refused of {calls}");
}

// I04
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_random_calls_by_lower_roles_never_yield_a_higher_one() {
    for (database, calls) in [(Database::Sqlite, 10_000), (Database::Postgres, 1_000)] {
        let Some(site) = Site::open(database, |_| {}).await else {
            continue;
        };
        play(&site, calls).await;
        site.close().await;
    }
}
