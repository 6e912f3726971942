//! One person's pages: what they show and to whom, groups and roles that are given and taken there, and what is asked first.

use muster::domain::access::{Binding, Role, Scope, Subject, Window};
use muster::domain::change::Change;
use muster::kernel::id::BindingId;
use muster::kernel::time::{DAY, MINUTE, SECOND};
use muster::store::{groups, people_read};
use muster::web::api;
use reqwest::Method;
use serde_json::{Value, json};

use crate::people::clerk::{Clerk, says};
use crate::scim::admin_scene::{moment, okta, push_user};
use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::browser::Person;
use crate::support::client::list;
use crate::support::org::Org;
use crate::support::page::Page;
use crate::support::server::{Site, on_both};

/// Acme with two projects; ana is in Devs, which read `data`; rita reads, pia administers `web`.
async fn acme(site: &Site) -> Org {
    let (org, _) = owned(site, "acme").await;
    for key in ["web", "data"] {
        org.project(key).await;
    }
    for name in ["ana", "rita", "pia"] {
        org.person(name, PASSWORD).await;
    }
    org.give("rita", "org.reader", None).await;
    org.give("pia", "project.admin", Some("web")).await;
    org.group("Devs", &["ana"]).await;
    org.give_group("Devs", "project.reader", Some("data")).await;
    org.group("Ops", &[]).await;
    org
}

/// The address of a person's page in the console.
async fn at(org: &Org, name: &str, page: &str) -> String {
    format!("people/{}{page}", org.member_id(name).await)
}

/// What stands in a block of a page: from the tag with this id to the next end of such a tag.
fn block(page: &Page, id: &str, end: &str) -> Page {
    let html = page.html.split(&format!("id=\"{id}\"")).nth(1).unwrap_or_else(|| panic!("no {id} on {page:?}"));
    let html = format!("<body><i {}", html.split(end).next().unwrap());
    Page::read(page.url.clone(), page.status, html)
}

/// Whether a box is ticked.
fn is_ticked(page: &Page, id: &str) -> bool {
    let tag = page.html.split(&format!("id=\"{id}\"")).nth(1).unwrap_or_else(|| panic!("no {id} on {page:?}"));
    tag.split('>').next().unwrap().contains(" checked")
}

/// Where the link with this id leads, under the console's path.
fn link(page: &Page, id: &str) -> String {
    let tag = page.html.split(&format!("id=\"{id}\"")).nth(1).unwrap_or_else(|| panic!("no {id} on {page:?}"));
    let href = tag.split('>').next().unwrap().split("href=\"").nth(1).unwrap().split('"').next().unwrap();
    href.strip_prefix("/o/acme/admin/").expect("it stays in the console").to_owned()
}

/// The groups that somebody is in, by name.
async fn groups_of(site: &Site, org: &Org, name: &str) -> Vec<String> {
    let member = org.member_id(name).await;
    groups::names_of_member(&mut site.conn().await, &member, site.now()).await.unwrap()
}

/// The binding by which somebody holds a role on a project directly.
async fn direct(site: &Site, org: &Org, name: &str, role: &str) -> Option<BindingId> {
    let (member, role): (_, Role) = (org.member_id(name).await, role.parse().unwrap());
    let all = people_read::direct_of(&mut site.conn().await, std::slice::from_ref(&member)).await.unwrap();
    all.into_iter().find(|binding| binding.role == role && binding.scope != Scope::Org).map(|binding| binding.id)
}

/// How many accepted acts of a kind are on record.
async fn recorded(olga: &Admin, kind: &str) -> usize {
    olga.get(&format!("/audit?kind={kind}")).await["items"].as_array().unwrap().len()
}

// K09 K12
#[tokio::test(flavor = "multi_thread")]
async fn the_account_tab_shows_profile_and_status_and_a_reader_meets_no_button_on_any_tab() {
    on_both(async |site| {
        let acme = acme(site).await;
        let api = Admin::of(site, &acme, "olga").await;
        api.post("/users", json!({ "user_name": "wim", "name": "Wim Lee", "email": "wim@example.test" })).await;
        let wim = at(&acme, "wim", "").await;
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let page = olga.open(&wim).await;
        says(&page, &["Account", "Wim Lee", "wim@example.test", "Pending · no password yet", "Sent once"]);
        assert!(page.has("resend"), "{page:?}");
        let early = olga.submit(&page, "resend", &[]).await;
        assert!(early.answer.status != 303 && early.page.html.contains("id=\"error\""), "too early: {:?}", early.page);
        site.advance(MINUTE + SECOND);
        let sent = olga.submit(&page, "resend", &[]).await;
        assert_eq!((sent.answer.status, sent.page.status), (303, 200), "{:?}", sent.page);
        assert!(sent.page.url.contains(&wim), "back on the person's page: {}", sent.page.url);
        says(&sent.page, &["The link is on its way.", "Resent once"]);
        assert!(!olga.open(&at(&acme, "ana", "").await).await.has("resend"), "ana has a password");

        let mut rita = Clerk::at(site, &acme, "rita").await;
        for name in ["wim", "ana", "olga"] {
            for tab in ["", "/roles", "/projects", "/applications", "/sessions"] {
                let page = rita.open(&at(&acme, name, tab).await).await;
                assert_eq!(page.status, 200, "{name}{tab}: {page:?}");
                assert!(page.forms.is_empty() && !page.html.contains("<button"), "{name}{tab}: {page:?}");
            }
        }
        says(&rita.open(&wim).await, &["Wim Lee", "Pending · no password yet"]);
        assert_eq!(rita.open(&at(&acme, "ana", "/groups").await).await.status, 403);
        let mut pia = Clerk::at(site, &acme, "pia").await;
        for tab in ["", "/roles", "/groups", "/projects", "/applications", "/keys", "/sessions"] {
            assert_eq!(pia.open(&at(&acme, "ana", tab).await).await.status, 403, "{tab}");
        }
        assert_eq!(olga.open("people/mem_00000000000000000000000000").await.status, 404);
        assert_eq!(olga.open("people/nobody/roles").await.status, 404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_connections_account_the_page_says_who_keeps_it_and_refuses_with_its_name() {
    on_both(async |site| {
        let acme = acme(site).await;
        let api = Admin::of(site, &acme, "olga").await;
        let connection = okta(&api).await;
        let user = push_user(site, &acme, &connection, "fay").await;
        let member = api.get(&format!("/users/{user}")).await["membership_id"].as_str().unwrap().to_owned();
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let page = olga.open(&format!("people/{member}")).await;
        says(&page, &["Managed by Okta", "What can I still do here?", "Open Okta"]);
        assert!(page.html.contains("href=\"https://acme.okta.example\"") && !page.has("resend"), "{page:?}");

        let checklist = olga.open(&format!("people/{member}/groups")).await;
        let devs = acme.group_id("Devs").await;
        let refused = olga.submit(&checklist, "save-groups", &[("group", devs.as_str())]).await;
        assert_eq!(refused.answer.status, 409, "{:?}", refused.page);
        says(&refused.page, &["managed by Okta, so this can't be changed here"]);
        assert!(is_ticked(&refused.page, devs.as_str()), "what was ticked stays so");
        assert_eq!(api.get(&format!("/users/{user}")).await["groups"], json!([]));
    })
    .await;
}

// N19
#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_the_list_is_one_link_to_the_person_that_the_keyboard_reaches() {
    on_both(async |site| {
        let acme = acme(site).await;
        let ana = acme.member_id("ana").await;
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let list = olga.open("people").await;
        let row = block(&list, ana.as_str(), "</tr>");
        assert_eq!(row.html.matches("class=\"row\"").count(), 1, "one link is the row's: {row:?}");
        assert!(row.html.contains(&format!("<a class=\"row\" id=\"open-{ana}\" href=")), "{}", row.html);
        assert!(!row.html.contains("tabindex"), "nothing is taken from the keyboard's way");
        let sheet = list.html.split("rel=\"stylesheet\" href=\"").nth(1).unwrap().split('"').next().unwrap();
        let sheet = olga.browser.send(Method::GET, &site.at.url(sheet), None).await.body;
        assert!(sheet.contains(".row::after") && sheet.contains(".row:focus-visible::after"), "it covers its row");

        let path = link(&list, &format!("open-{ana}"));
        let page = olga.open(&path).await;
        assert_eq!(page.status, 200);
        says(&page, &["Ana Example", "Roles and groups"]);
        says(&olga.open(&link(&page, "tab-roles")).await, &["Devs", "Project Reader"]);
    })
    .await;
}

// N03 N20
#[tokio::test(flavor = "multi_thread")]
async fn the_checklist_of_groups_is_reached_from_the_row_and_from_the_person_and_is_saved_as_one_change() {
    on_both(async |site| {
        let acme = acme(site).await;
        let (ana, ops) = (acme.member_id("ana").await, acme.group_id("Ops").await);
        let devs = acme.group_id("Devs").await;
        let api = Admin::of(site, &acme, "olga").await;
        let shop = site.client(&acme.application("shop").await);
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let from_row = link(&olga.open("people").await, &format!("groups-{ana}"));
        let roles = olga.open(&at(&acme, "ana", "/roles").await).await;
        assert_eq!(from_row, link(&roles, "change-groups"), "one page, whoever leads to it");
        let page = olga.open(&from_row).await;
        assert!(is_ticked(&page, devs.as_str()) && !is_ticked(&page, ops.as_str()));

        // Only gained: it is done at once.
        let both = [("group", devs.as_str()), ("group", ops.as_str())];
        let saved = olga.submit(&page, "save-groups", &both).await;
        assert_eq!((saved.answer.status, saved.page.status), (303, 200), "{:?}", saved.page);
        says(&saved.page, &["The groups are saved."]);
        assert_eq!(groups_of(site, &acme, "ana").await, ["Devs", "Ops"]);
        assert_eq!(recorded(&api, "member.set_groups").await, 1);

        // The page from before shows another state: nothing is saved from it.
        let stale = olga.submit(&page, "save-groups", &[("group", ops.as_str())]).await;
        assert_eq!(stale.answer.status, 409);
        says(&stale.page, &["was changed meanwhile"]);
        assert!(is_ticked(&stale.page, devs.as_str()) && is_ticked(&stale.page, ops.as_str()), "how it stands now");

        // Something is lost: the page asks first, and says what ends.
        let tokens = shop.sign_in(&mut site.browser(), Person::named("ana")).await;
        let asked = olga.submit(&stale.page, "save-groups", &[("group", ops.as_str())]).await;
        assert_eq!(asked.answer.status, 200, "{:?}", asked.page);
        says(&asked.page, &["Change the groups of Ana Example?", "1 session", "Project Reader on data"]);
        assert_eq!(groups_of(site, &acme, "ana").await, ["Devs", "Ops"], "it was a question");
        assert!(shop.is_active(tokens.access()).await);
        let done = olga.submit(&asked.page, "confirm", &[]).await;
        assert_eq!((done.answer.status, done.page.status), (303, 200), "{:?}", done.page);
        assert_eq!(groups_of(site, &acme, "ana").await, ["Ops"]);
        assert!(!shop.is_active(tokens.access()).await);
        assert_eq!(recorded(&api, "member.set_groups").await, 2, "one change each, and none for a question");

        let mut rita = Clerk::at(site, &acme, "rita").await;
        let list = rita.open("people").await;
        assert!(!list.html.contains(&format!("groups-{ana}")), "who may not change groups has no such action");
        let fields = [("csrf", rita.csrf().await), ("seen", String::new()), ("confirmed", "1".to_owned())];
        let fields = fields.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(rita.post(&from_row, &fields).await.answer.status, 403);
        assert_eq!(groups_of(site, &acme, "ana").await, ["Ops"]);
    })
    .await;
}

// K13 N04 N22 N23
#[tokio::test(flavor = "multi_thread")]
async fn several_roles_on_a_project_are_given_in_one_submit_and_a_direct_one_is_removed_alone() {
    on_both(async |site| {
        let acme = acme(site).await;
        acme.give("ana", "billing.viewer", None).await;
        let (web, roles) = (acme.project_id("web").await, at(&acme, "ana", "/roles").await);
        let api = Admin::of(site, &acme, "olga").await;
        let shop = site.client(&acme.application("shop").await);
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let page = olga.open(&roles).await;
        let nowhere = olga.submit(&page, "give-roles", &[("project_role", "project.reader")]).await;
        assert_eq!(nowhere.answer.status, 400);
        says(&nowhere.page, &["Choose a project and a role together"]);
        assert!(is_ticked(&nowhere.page, "on-project-project.reader"), "what was ticked stays so");
        let before = recorded(&api, "binding.create").await;
        let two = [("project", web.as_str()), ("project_role", "project.reader"), ("project_role", "project.member")];
        let given = olga.submit(&page, "give-roles", &two).await;
        assert_eq!((given.answer.status, given.page.status), (303, 200), "{:?}", given.page);
        assert_eq!(recorded(&api, "binding.create").await, before + 1, "one change");

        says(&block(&given.page, "org-roles", "</section>"), &["Billing Viewer", "Organisation", "Direct"]);
        let on_projects = block(&given.page, "project-roles", "</section>");
        says(&on_projects, &["Project Member", "web", "Direct", "Project Reader", "data", "Group Devs"]);
        assert_eq!(on_projects.html.matches("name=\"take\"").count(), 2, "what comes by a group isn't taken here");
        says(&block(&given.page, "groups", "</section>"), &["Devs", "data", "Direct"]);

        let tokens = shop.sign_in(&mut site.browser(), Person::named("ana")).await;
        let member = direct(site, &acme, "ana", "project.member").await.expect("it is given");
        let nothing = olga.submit(&given.page, "take-roles", &[]).await;
        assert_eq!(nothing.answer.status, 400);
        let asked = olga.submit(&given.page, "take-roles", &[("take", member.as_str())]).await;
        says(&asked.page, &["Remove a role of Ana Example?", "1 session", "Project Member on web"]);
        assert!(shop.is_active(tokens.access()).await && direct(site, &acme, "ana", "project.member").await.is_some());
        let done = olga.submit(&asked.page, "confirm", &[]).await;
        assert_eq!(done.answer.status, 303, "{:?}", done.page);
        says(&done.page, &["The roles are removed.", "Project Reader", "Billing Viewer", "Group Devs"]);
        assert!(direct(site, &acme, "ana", "project.member").await.is_none());
        assert!(direct(site, &acme, "ana", "project.reader").await.is_some(), "that one alone");
        assert!(!shop.is_active(tokens.access()).await, "what a loss ends is ended");

        // Whoever may only read is refused by the door, whatever is posted.
        let mut rita = Clerk::at(site, &acme, "rita").await;
        let reader = direct(site, &acme, "ana", "project.reader").await.unwrap();
        let (csrf, id) = (rita.csrf().await, reader.to_string());
        let fields = [("csrf", csrf.as_str()), ("act", "take"), ("take", id.as_str()), ("confirmed", "1")];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(rita.post(&roles, &fields).await.answer.status, 403);
        assert!(direct(site, &acme, "ana", "project.reader").await.is_some());
    })
    .await;
}

// N21
#[tokio::test(flavor = "multi_thread")]
async fn projects_and_applications_are_tabs_of_a_person() {
    on_both(async |site| {
        let acme = acme(site).await;
        let (shop, wiki) = (acme.application("shop").await, acme.application("wiki").await);
        site.client(&shop).sign_in(&mut site.browser(), Person::named("ana")).await;
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let page = olga.open(&at(&acme, "ana", "").await).await;
        for (id, tab) in [("tab-projects", "/projects"), ("tab-applications", "/applications")] {
            assert_eq!(link(&page, id), at(&acme, "ana", tab).await);
        }
        let projects = olga.open(&link(&page, "tab-projects")).await;
        let data = block(&projects, acme.project_id("data").await.as_str(), "</section>");
        says(&data, &["data", "Project Reader", "Group Devs"]);
        assert!(!projects.html.contains(acme.project_id("web").await.as_str()), "nothing is held on web");
        let applications = olga.open(&link(&page, "tab-applications")).await;
        says(&applications, &["every application", "The shop", "May use"]);
        assert!(!applications.text().contains("The wiki"), "never signed in to: {applications:?}");

        let (org, member, id) = (acme.id.clone(), acme.member_id("ana").await, wiki.application.id.clone());
        site.act(vec![Change::RestrictMember { org, member, to: Some([id].into()) }]).await;
        let applications = olga.open(&link(&page, "tab-applications")).await;
        says(&applications, &["only the applications that are marked so", "The wiki", "Barred", "None on record"]);
    })
    .await;
}

// K19
#[tokio::test(flavor = "multi_thread")]
async fn leaving_a_project_is_its_own_act_and_says_what_stands_in_the_way() {
    on_both(async |site| {
        let acme = acme(site).await;
        for key in ["web", "data"] {
            acme.give("ana", "project.member", Some(key)).await;
        }
        let (web, data) = (acme.project_id("web").await, acme.project_id("data").await);
        let (shop, path) = (site.client(&acme.application("shop").await), at(&acme, "ana", "/projects").await);
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let page = olga.open(&path).await;
        let blocked = olga.submit(&page, &format!("leave-{data}"), &[]).await;
        assert_eq!(blocked.answer.status, 409);
        says(&blocked.page, &["Devs"]);
        assert!(blocked.page.html.contains("id=\"error\""), "{:?}", blocked.page);

        let asked = olga.submit(&page, &format!("leave-{web}"), &[]).await;
        says(&asked.page, &["Remove Ana Example from web?", "Project Member on web"]);
        let done = olga.submit(&asked.page, "confirm", &[]).await;
        assert_eq!((done.answer.status, done.page.status), (303, 200), "{:?}", done.page);
        says(&done.page, &["no longer on this project"]);
        assert!(!done.page.html.contains(web.as_str()), "{:?}", done.page);
        let claims = shop.sign_in(&mut site.browser(), Person::named("ana")).await.claims();
        assert!(claims["project_roles"]["web"].is_null(), "{claims}");
        assert!(list(&claims["project_roles"]["data"]).contains(&"project.member".to_owned()), "{claims}");
    })
    .await;
}

// K14
#[tokio::test(flavor = "multi_thread")]
async fn the_access_keys_tab_has_four_columns_and_nothing_secret() {
    on_both(async |site| {
        let acme = acme(site).await;
        acme.give("ana", "project.member", Some("web")).await;
        let (api, ana) = (Admin::of(site, &acme, "olga").await, acme.user_id("ana").await);
        let new = json!({ "project": "web", "name": "nightly", "expires_at": moment(site.now().plus(DAY)) });
        let made: Value = api.post(&format!("/users/{ana}/access-keys"), new).await;
        let (id, secret) = (made["object"]["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let page = olga.open(&at(&acme, "ana", "/keys").await).await;
        says(&page, &["nightly", id, "web", "Active"]);
        assert!(!page.html.contains(secret), "{page:?}");
        let head = page.html.split("<thead").nth(1).unwrap().split("</thead>").next().unwrap();
        let head = Page::read(String::new(), 200, format!("<body><thead{head}"));
        assert_eq!(head.text(), "Key name Key ID Project Expires at");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_session_is_ended_or_all_of_them_and_the_page_says_first_how_many() {
    on_both(async |site| {
        let acme = acme(site).await;
        let (shop, path) = (site.client(&acme.application("shop").await), at(&acme, "ana", "/sessions").await);
        let mut tokens = Vec::new();
        for _ in 0..3 {
            tokens.push(shop.sign_in(&mut site.browser(), Person::named("ana")).await);
        }
        let sid = tokens[0].claims()["sid"].as_str().unwrap().to_owned();
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let page = olga.open(&path).await;
        says(&page, &["Firefox", "127.0.0.1", "shop"]);
        let asked = olga.submit(&page, &format!("end-{sid}"), &[]).await;
        says(&asked.page, &["End a session of Ana Example?", "1 session"]);
        assert!(shop.is_active(tokens[0].access()).await, "it was a question");
        let done = olga.submit(&asked.page, "confirm", &[]).await;
        assert_eq!(done.answer.status, 303);
        says(&done.page, &["The session is ended."]);
        assert!(!shop.is_active(tokens[0].access()).await && shop.is_active(tokens[1].access()).await);
        let asked = olga.submit(&done.page, "end-all", &[]).await;
        says(&asked.page, &["End all sessions", "2 sessions"]);
        let done = olga.submit(&asked.page, "confirm", &[]).await;
        assert_eq!(done.answer.status, 303);
        says(&done.page, &["All sessions in this organisation are ended.", "Nobody is signed in"]);
        for tokens in &tokens {
            assert!(!shop.is_active(tokens.access()).await);
        }
    })
    .await;
}

/// How fresh a sign-in must be is said once, in the declarations of the API; a page asks for no less, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn these_pages_ask_for_a_fresh_proof_where_the_api_does() {
    const ACTS: [(Method, &str, &str); 5] = [
        (Method::PUT, "/users/{user}/groups", "/groups"),
        (Method::POST, "/users/{user}/roles", "/roles"),
        (Method::DELETE, "/users/{user}/sessions", "/sessions"),
        (Method::DELETE, "/users/{user}/sessions/{session}", "/sessions"),
        (Method::DELETE, "/projects/{project}/members/{user}", "/projects"),
    ];
    on_both(async |site| {
        let acme = acme(site).await;
        let declared = api::build(site).2;
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let csrf = olga.csrf().await;
        for minutes in [0, 11] {
            site.advance(minutes * MINUTE);
            for (method, path, tab) in ACTS {
                let path = format!("/api/v1/orgs/{{org}}{path}");
                let route = declared.iter().find(|route| route.method == method.as_str() && route.path == path);
                let fresh = route.unwrap_or_else(|| panic!("no {method} {path}")).rule.fresh;
                let at = at(&acme, "ana", tab).await;
                let answer = olga.post(&at, &[("csrf".to_owned(), csrf.clone())]).await.answer;
                let asks = answer.status == 303 && answer.header("location").starts_with("/login/again");
                assert_eq!(asks, fresh && minutes > 0, "{method} {path} after {minutes} minutes: {}", answer.body);
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sees_people_but_no_projects_is_told_none_and_an_act_that_is_asked_for_in_vain_is_written_down() {
    on_both(async |site| {
        let acme = acme(site).await;
        acme.person("ivy", PASSWORD).await;
        acme.give("ivy", "iam.viewer", None).await;
        let member = acme.member_id("ana").await;
        let binding = Binding {
            id: BindingId::fresh(),
            role: Role::ProjectReader,
            scope: Scope::AllProjects,
            subject: Subject::Member(member),
            window: Window::ALWAYS,
        };
        site.act(vec![Change::Bind { org: acme.id.clone(), binding }]).await;
        let mut ivy = Clerk::at(site, &acme, "ivy").await;
        for tab in ["/roles", "/projects"] {
            let page = ivy.open(&at(&acme, "ana", tab).await).await;
            assert_eq!(page.status, 200, "{page:?}");
            for key in ["web", "data"] {
                assert!(!page.text().split_whitespace().any(|word| word == key), "{tab} tells of {key}: {page:?}");
            }
        }
        let olga = Admin::of(site, &acme, "olga").await;
        let before = recorded(&olga, "request.denied").await;
        let csrf = ivy.csrf().await;
        let ask = [("csrf".to_owned(), csrf), ("act".to_owned(), "all".to_owned())];
        let answer = ivy.post(&at(&acme, "ana", "/sessions").await, &ask).await.answer;
        assert_eq!(answer.status, 403, "{}", answer.body);
        assert_eq!(recorded(&olga, "request.denied").await, before + 1);
    })
    .await;
}
