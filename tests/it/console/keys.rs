//! The console's list of access keys: its columns, its order, the filter, and who may look.

use muster::domain::change::Change;
use muster::domain::settings::OrgSettings;
use muster::flows::access_key::mint;
use muster::kernel::time::{DAY, MINUTE, UnixMillis};

use crate::people::clerk::{Clerk, says};
use crate::support::PASSWORD;
use crate::support::admin::owned;
use crate::support::org::Org;
use crate::support::page::Page;
use crate::support::server::{Site, on_both};

/// The headings, in their order.
const COLUMNS: [&str; 5] = ["Creator", "Name", "Key ID", "Project", "Expires at"];

/// Acme with an owner, a reader, and Ana and Bo on two projects.
async fn acme(site: &Site) -> Org {
    let (org, _) = owned(site, "acme").await;
    for key in ["web", "data"] {
        org.project(key).await;
    }
    for name in ["ana", "bo", "rita"] {
        org.person(name, PASSWORD).await;
    }
    org.give("rita", "org.reader", None).await;
    for name in ["ana", "bo"] {
        org.give(name, "project.member", Some("web")).await;
        org.give(name, "project.member", Some("data")).await;
    }
    org
}

/// Makes a key of somebody; its id and its secret.
async fn key(site: &Site, org: &Org, of: (&str, &str, &str), until: UnixMillis) -> (String, String) {
    let (person, project, name) = of;
    let (member, project) = (org.member_id(person).await, org.project_id(project).await);
    let (key, secret) = mint(site, member, project, name.to_owned(), until);
    let id = key.id.to_string();
    site.act(vec![Change::CreateAccessKey { org: org.id.clone(), key: Box::new(key) }]).await;
    (id, secret.expose().to_owned())
}

/// The headings of the table.
fn headings(page: &Page) -> Vec<String> {
    let table = page.html.split("<thead").nth(1).unwrap_or_default().split("</thead>").next().unwrap_or_default();
    let cells = table.split("<th ").skip(1).map(|cell| cell.split_once('>').unwrap().1);
    cells.map(|cell| cell.split_once('<').unwrap().0.trim().to_owned()).collect()
}

/// The keys of the page, in its order.
fn order(page: &Page, keys: &[(String, String)]) -> Vec<usize> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (place, (id, _)) in keys.iter().enumerate() {
        found.extend(page.html.find(&format!("id=\"{id}\"")).map(|at| (at, place)));
    }
    found.sort_unstable();
    found.into_iter().map(|(_, place)| place).collect()
}

/// The address behind a heading's link, under the console's.
fn link(page: &Page, clerk: &Clerk, id: &str) -> String {
    let at = page.html.split(&format!("id=\"{id}\" href=\"")).nth(1).unwrap_or_else(|| panic!("no {id} on {page:?}"));
    let path = at.split_once('"').unwrap().0.replace("&amp;", "&").replace("&#38;", "&");
    let base = clerk.base.strip_prefix(&clerk.browser.at.issuer).unwrap();
    path.strip_prefix(base).expect("it stays in the console").trim_start_matches('/').to_owned()
}

// K50
#[tokio::test(flavor = "multi_thread")]
async fn the_list_has_exactly_five_columns_and_is_ordered_by_each_of_them() {
    on_both(async |site| {
        let acme = acme(site).await;
        let now = site.now();
        let keys = [
            key(site, &acme, ("bo", "web", "beta"), now.plus(3 * DAY)).await,
            key(site, &acme, ("ana", "data", "Alpha"), now.plus(9 * DAY)).await,
            key(site, &acme, ("bo", "data", "gamma"), now.plus(DAY)).await,
        ];
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let page = olga.open("access-keys").await;
        assert_eq!(headings(&page), COLUMNS);
        says(&page, &["beta", "Alpha", "gamma", "web", "data", keys[0].0.as_str()]);
        assert_eq!(order(&page, &keys), [2, 0, 1], "what ends first stands first");
        assert!(keys.iter().all(|(_, secret)| !page.html.contains(secret.as_str())), "never a secret");
        let expected: [(&str, &[usize]); 4] =
            [("name", &[1, 0, 2]), ("id", &[0, 1, 2]), ("expires", &[2, 0, 1]), ("project", &[1, 2, 0])];
        for (name, wanted) in expected {
            let up = olga.open(&format!("access-keys?sort={name}&order=asc")).await;
            assert_eq!(order(&up, &keys), wanted, "{name}");
            assert!(up.html.contains("aria-sort=\"ascending\""), "{up:?}");
            // The same link turns the order around.
            let down = olga.open(&link(&up, &olga, &format!("sort-{name}"))).await;
            let reverse: Vec<usize> = wanted.iter().rev().copied().collect();
            assert_eq!(order(&down, &keys), reverse, "{name}");
            assert!(down.html.contains("aria-sort=\"descending\"") && down.url.contains("order=desc"), "{down:?}");
        }
        let page = olga.open("access-keys?sort=nonsense&order=sideways&after=nothing").await;
        assert_eq!((page.status, order(&page, &keys)), (200, vec![2, 0, 1]));
    })
    .await;
}

// K50
#[tokio::test(flavor = "multi_thread")]
async fn the_creator_is_whoever_made_the_key_and_its_holder_stands_beneath() {
    on_both(async |site| {
        let acme = acme(site).await;
        let until = site.now().plus(DAY);
        let mut ids = Vec::new();
        for (maker, holder) in [("olga", "ana"), ("bo", "bo"), ("ana", "ana")] {
            let (member, project) = (acme.member_id(holder).await, acme.project_id("web").await);
            let (key, _) = mint(site, member, project, format!("of {maker}"), until);
            ids.push((key.id.to_string(), String::new()));
            let change = Change::CreateAccessKey { org: acme.id.clone(), key: Box::new(key) };
            let actor = muster::domain::change::Actor::User(acme.user_id(maker).await);
            let mode = muster::domain::change::Mode::Act;
            muster::flows::change_access::change_access(site, &actor, vec![change], mode).await.expect("it is made");
        }
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let page = olga.open("access-keys?sort=creator").await;
        assert_eq!(order(&page, &ids), [2, 1, 0], "ana, bo, olga");
        says(&page, &["olga for ana"]);
        let page = olga.open("access-keys?sort=creator&order=desc").await;
        assert_eq!(order(&page, &ids), [0, 1, 2]);
    })
    .await;
}

// K51
#[tokio::test(flavor = "multi_thread")]
async fn a_link_shows_the_expired_keys_alone() {
    on_both(async |site| {
        let acme = acme(site).await;
        let now = site.now();
        let keys = [
            key(site, &acme, ("ana", "web", "old"), now.plus(10 * MINUTE)).await,
            key(site, &acme, ("ana", "data", "new"), now.plus(DAY)).await,
        ];
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let none = olga.open("access-keys?expired=1").await;
        says(&none, &["No key has expired."]);
        site.advance(11 * MINUTE);
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let over = olga.open("access-keys?expired=1").await;
        assert_eq!(order(&over, &keys), [0]);
        says(&over, &["Expired"]);
        assert!(over.html.contains("name=\"expired\" value=\"1\" checked"), "{over:?}");
        let over = olga.open(&link(&over, &olga, "sort-name")).await;
        assert_eq!(order(&over, &keys), [0], "an order keeps the filter");
        assert_eq!(order(&olga.open("access-keys").await, &keys), [0, 1]);
    })
    .await;
}

// K49
#[tokio::test(flavor = "multi_thread")]
async fn readers_see_the_list_where_the_organisation_says_so() {
    on_both(async |site| {
        let acme = acme(site).await;
        key(site, &acme, ("ana", "web", "ci"), site.now().plus(DAY)).await;
        let mut rita = Clerk::at(site, &acme, "rita").await;
        assert_eq!(rita.open("access-keys").await.status, 403);
        assert!(!rita.open("people").await.html.contains("/access-keys\""), "and no entry leads there");
        let settings = Box::new(OrgSettings { readers_see_keys: true, ..OrgSettings::default() });
        site.act(vec![Change::SetOrgSettings { org: acme.id.clone(), settings }]).await;
        let page = rita.open("access-keys").await;
        assert_eq!(page.status, 200);
        says(&page, &["ci", "ana"]);
        assert!(rita.open("people").await.html.contains("/access-keys\""));
        let mut ana = Clerk::at(site, &acme, "ana").await;
        assert_eq!(ana.open("access-keys").await.status, 403, "a member of a project is no reader");
    })
    .await;
}
