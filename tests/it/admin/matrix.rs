//! Who may call what: every declared route with every role, against the rule that it declares and against the table
//! that `docs/permissions.md` prints. `MUSTER_BLESS=1` prints the table anew.

use std::collections::BTreeSet;
use std::{env, fmt, fs};

use futures_util::future::join_all;
use muster::domain::access::{Role, permission};
use muster::web::api::{self, Declared, Needs};
use reqwest::Method;

use super::stage::{Stage, key_of, service_account, tool};
use crate::source::root;
use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::http::Answer;
use crate::support::server::Site;
use crate::support::world::Kind as Database;

const FILE: &str = "docs/permissions.md";
/// What stands before the table in the file.
const MARK: &str = "<!-- printed by tests/it/admin/matrix.rs -->";
/// So many ask at once.
const ABREAST: usize = 6;

/// What a caller is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Let in; what is wrong with the request itself is another matter.
    Yes,
    /// Refused.
    No,
    /// A tool that is told that only a person may.
    People,
    /// It isn't there for this caller.
    Hidden,
    /// Nobody that is known.
    Unknown,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::People => "people",
            Self::Hidden => "hidden",
            Self::Unknown => "401",
        })
    }
}

impl Outcome {
    fn of(answer: &Answer, what: &str) -> Self {
        let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
        match (answer.status, code.as_str()) {
            (200..=299 | 400 | 409 | 412, _) => Self::Yes,
            (401, _) => Self::Unknown,
            (403, "user_required") => Self::People,
            (403, _) => Self::No,
            (404, _) => Self::Hidden,
            (status, _) => panic!("{what}: {status} {}", answer.body),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Nobody,
    Stranger,
    Member,
    Tool,
    Operator,
}

/// Somebody who asks, with what the bindings give: on the organisation and on the project `web`.
struct Actor {
    name: &'static str,
    who: Who,
    admin: Admin,
    on_org: Vec<Role>,
    on_web: Vec<Role>,
}

impl Actor {
    fn new(name: &'static str, who: Who, admin: Admin) -> Self {
        Self { name, who, admin, on_org: Vec::new(), on_web: Vec::new() }
    }

    fn holding(mut self, role: &Role) -> Self {
        let list = if role.as_str().starts_with("project.") { &mut self.on_web } else { &mut self.on_org };
        list.push(role.clone());
        list.extend(role.implies().iter().cloned());
        self
    }

    fn may(&self, word: &str) -> bool {
        self.who == Who::Operator || self.on_org.iter().any(|role| permission::of(role).contains(word))
    }

    fn may_on_web(&self, word: &str) -> bool {
        self.who == Who::Operator || self.on_web.iter().any(|role| permission::of(role).contains(word))
    }

    /// Whoever administers the whole organisation passes the door wherever a route lets them in.
    fn administers_all(&self) -> bool {
        self.who == Who::Operator || (self.who == Who::Member && self.on_org.contains(&Role::OrgAdmin))
    }
}

/// The people and tools in the order of the table's columns.
async fn cast(site: &Site, stage: &Stage) -> Vec<Actor> {
    let org = &stage.org;
    let (globex, _) = owned(site, "globex").await;
    globex.person("sam", PASSWORD).await;
    org.person("mia", PASSWORD).await;
    let mut actors = vec![
        Actor::new("nobody", Who::Nobody, Admin::nobody(site, org)),
        Actor::new("stranger", Who::Stranger, Admin::of(site, &globex, "sam").await),
        Actor::new("another org's owner", Who::Stranger, Admin::of(site, &globex, "olga").await),
        Actor::new("member without a role", Who::Member, Admin::of(site, org, "mia").await),
        Actor::new("org.owner", Who::Member, stage.olga.clone()).holding(&Role::OrgOwner),
    ];
    for (number, role) in Role::BUILT_IN.iter().filter(|role| **role != Role::OrgOwner).enumerate() {
        let user_name = format!("actor{number}");
        let project = role.as_str().starts_with("project.").then_some("web");
        org.person(&user_name, PASSWORD).await;
        org.give(&user_name, role.as_str(), project).await;
        actors.push(Actor::new(role_name(role), Who::Member, Admin::of(site, org, &user_name).await).holding(role));
    }
    actors.push(Actor::new("operator", Who::Operator, stage.opal.clone()));
    for (name, role) in
        [("service account, project.admin", Role::ProjectAdmin), ("service account, org.admin", Role::OrgAdmin)]
    {
        let (_, member) = service_account(site, org, role.as_str(), &role).await;
        let admin = tool(site, org, key_of(site, org, &member).await).await;
        actors.push(Actor::new(name, Who::Tool, admin).holding(&role));
    }
    org.person("kim", PASSWORD).await;
    org.give("kim", "project.admin", Some("web")).await;
    let admin = tool(site, org, key_of(site, org, &org.member_id("kim").await).await).await;
    actors.push(Actor::new("person's key, project.admin", Who::Tool, admin).holding(&Role::ProjectAdmin));
    actors
}

/// The role's text, for as long as the program runs.
fn role_name(role: &Role) -> &'static str {
    let named = Role::BUILT_IN.iter().find(|known| *known == role);
    named.expect("a built-in role").as_str()
}

/// What the declaration alone says; `None` where the door has a say too.
fn declared_outcome(actor: &Actor, route: &Declared) -> Option<Outcome> {
    let sees_web = !actor.on_web.is_empty() || actor.may("projects.read");
    if actor.who == Who::Nobody {
        return Some(Outcome::Unknown);
    }
    if route.path.contains("{org}") && actor.who == Who::Stranger {
        return Some(Outcome::Hidden);
    }
    if route.path.contains("{project}") && !sees_web {
        return Some(Outcome::Hidden);
    }
    if route.rule.people_only && actor.who == Who::Tool {
        return Some(Outcome::People);
    }
    // Whose account it is decides whether it leaves an organisation.
    if route.path == "/api/v1/me/organisations/{organisation}" {
        return None;
    }
    // Whose invitation it is decides, whose identity, session or key, and nobody's role.
    if of_oneself(&route.path) && route.path.contains('{') {
        return Some(Outcome::Hidden);
    }
    // Found by its id alone, a change is there for those who may read the record, and for nobody else.
    if route.path == "/api/v1/changes/{change}" {
        return Some(if actor.may("audit.read") { Outcome::Yes } else { Outcome::Hidden });
    }
    let (reads, all) = (route.method == "GET", actor.administers_all());
    let allowed = match route.rule.needs {
        Needs::Caller => true,
        Needs::Member => return all.then_some(Outcome::Yes),
        Needs::Operator => actor.who == Who::Operator,
        Needs::Owner => actor.who == Who::Operator || actor.on_org.contains(&Role::OrgOwner),
        // The person whom the path names is somebody else.
        Needs::Org(word) | Needs::OwnOr(word) => actor.may(word),
        Needs::Project(word, on_org) => actor.may_on_web(word) || (!on_org.is_empty() && actor.may(on_org)),
    };
    match (allowed, reads || all) {
        (false, _) => Some(Outcome::No),
        (true, true) => Some(Outcome::Yes),
        (true, false) => None,
    }
}

/// A route with what each actor was answered.
struct Row {
    route: Declared,
    cells: Vec<Outcome>,
}

/// A walk through every so-manieth route.
struct Walk {
    columns: Vec<&'static str>,
    rows: Vec<Row>,
}

async fn walk(site: &Site, step: usize) -> Walk {
    let stage = Stage::set(site).await;
    let actors = cast(site, &stage).await;
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    for route in api::build(site).2.into_iter().step_by(step) {
        let (mut path, body) = stage.ask(route.method, &route.path);
        if route.method != "GET" {
            path = format!("{path}{}dry_run=true", if path.contains('?') { '&' } else { '?' });
        }
        let method = Method::from_bytes(route.method.as_bytes()).unwrap();
        let mut answers = Vec::new();
        for some in actors.chunks(ABREAST) {
            let calls = some.iter().map(|actor| actor.admin.call(method.clone(), &path, body.as_ref()));
            answers.extend(join_all(calls).await);
        }
        let mut cells = Vec::new();
        for (actor, answer) in actors.iter().zip(&answers) {
            let what = format!("{} {path} as {}", route.method, actor.name);
            let cell = Outcome::of(answer, &what);
            if let Some(wanted) = declared_outcome(actor, &route).filter(|wanted| *wanted != cell) {
                faults.push(format!("{what}: {cell} and not {wanted}: {} {}", answer.status, answer.body));
            }
            cells.push(cell);
        }
        // These have tests of their own; everything else is asked for in a way that can be meant.
        let elsewhere = route.path.contains("/state/") || of_oneself(&route.path);
        let meant = elsewhere || answers.iter().any(|answer| answer.status < 300);
        if !meant {
            let best = answers.iter().map(|answer| (answer.status, answer.body.as_str())).min();
            faults.push(format!("{} {path}: nobody got through: {best:?}", route.method));
        }
        rows.push(Row { route, cells });
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    Walk { columns: actors.iter().map(|actor| actor.name).collect(), rows }
}

/// Whether a route is about whoever asks.
fn of_oneself(path: &str) -> bool {
    path == "/api/v1/me" || path.starts_with("/api/v1/me/")
}

/// The resource under which a route is printed.
fn noun(path: &str) -> &str {
    let rest = path.strip_prefix("/api/v1/orgs/{org}").or_else(|| path.strip_prefix("/api/v1")).unwrap_or(path);
    match rest.split('/').nth(1) {
        None | Some("" | "suspend" | "resume" | "restore" | "transfer") => "orgs",
        Some(noun) => noun,
    }
}

impl Walk {
    /// The table as the file prints it: a part for each resource.
    fn table(&self) -> String {
        let mut printed = String::new();
        let mut done: BTreeSet<&str> = BTreeSet::new();
        for Row { route, .. } in &self.rows {
            let about = noun(&route.path);
            if !done.insert(about) {
                continue;
            }
            printed.push_str(&format!("## {about}\n\n| route | needs | {} |\n", self.columns.join(" | ")));
            printed.push_str(&format!("|{}\n", "---|".repeat(self.columns.len() + 2)));
            for row in self.rows.iter().filter(|row| noun(&row.route.path) == about) {
                printed.push_str(&row.line());
            }
            printed.push('\n');
        }
        printed.trim_end().to_owned()
    }
}

impl Row {
    fn line(&self) -> String {
        let rule = self.route.rule;
        let mut needs = rule.needs.to_string();
        if rule.fresh {
            needs.push_str("; a fresh sign-in");
        } else if rule.people_only {
            needs.push_str("; people only");
        }
        let path = self.route.path.strip_prefix("/api/v1").unwrap_or(&self.route.path);
        let cells: Vec<String> = self.cells.iter().map(ToString::to_string).collect();
        format!("| `{} {path}` | {needs} | {} |\n", self.route.method, cells.join(" | "))
    }
}

/// Compares with what the file prints, or prints it.
fn is_printed(table: &str) {
    let path = root().join(FILE);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{FILE}: {error}"));
    let (head, printed) = text.split_once(MARK).unwrap_or_else(|| panic!("{FILE} has no line {MARK}"));
    if env::var("MUSTER_BLESS").is_ok_and(|word| word == "1") {
        fs::write(&path, format!("{head}{MARK}\n\n{table}\n")).expect("the table can be printed");
        return;
    }
    let (is, said): (Vec<&str>, Vec<&str>) = (table.lines().collect(), printed.trim().lines().collect());
    let differs = (0..is.len().max(said.len())).filter(|number| is.get(*number) != said.get(*number));
    let shown = differs.take(10).map(|number| {
        let line = |of: &[&str]| of.get(number).copied().unwrap_or("nothing").to_owned();
        format!("it is   {}\nprinted {}", line(&is), line(&said))
    });
    let shown: Vec<String> = shown.collect();
    assert!(shown.is_empty(), "{FILE} says something else; MUSTER_BLESS=1 prints it anew:\n{}", shown.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_every_role_as_declared_and_as_the_printed_table_says() {
    let site = Site::open(Database::Sqlite, |_| {}).await.expect("the embedded database is always there");
    let whole = walk(&site, 1).await;
    site.close().await;
    if let Some(site) = Site::open(Database::Postgres, |_| {}).await {
        for some in walk(&site, 4).await.rows {
            let same = |row: &&Row| (row.route.method, &row.route.path) == (some.route.method, &some.route.path);
            let row = whole.rows.iter().find(same).expect("both walk the same routes");
            assert_eq!(row.cells, some.cells, "{} {}", some.route.method, some.route.path);
        }
        site.close().await;
    }
    is_printed(&whole.table());
}
