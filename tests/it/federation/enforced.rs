//! An enforced connection: who is not registered here any more, who still comes in with a password, and what enforcing and
//! disabling end.

use muster::domain::access::{Binding, Role, Scope, Subject, Window};
use muster::domain::change::Change;
use muster::domain::connection::ConnectionState;
use muster::domain::federation::Stage;
use muster::domain::mail::Purpose;
use muster::domain::people::user::{Kind, MembershipState};
use muster::domain::source::Source;
use muster::flows::change_access::Refusal;
use muster::kernel::id::{BindingId, MembershipId};
use reqwest::Method;
use serde_json::{Value, json};

use super::rules_scene::{Scene, account, break_glass, enforce, is_led_to, registered, says, subject};
use crate::people::clerk::{Clerk, says as shows};
use crate::scim::visitor::{Visitor, comes_in};
use crate::support::PASSWORD;
use crate::support::admin::Admin;
use crate::support::browser::{Browser, Person};
use crate::support::client::{Ask, Client};
use crate::support::federated::{Federated, is_nobody, refusal, verify_domain};
use crate::support::mailbox::{count_to, link_to};
use crate::support::provider::Provider;
use crate::support::server::{Site, on_both};
use crate::support::world::Kind as Database;

/// Whether an answer, or the only row of it that is refused, says that a connection keeps these addresses.
fn refuses(told: &Value, name: &str) -> bool {
    let rows = told["rows"].as_array().or_else(|| told["people"].as_array());
    let Some(rows) = rows else { return told["code"] == "managed_by_idp" && told["object"] == name };
    let says = |row: &Value| {
        let reason = row["problem"]["reason"].as_str().unwrap_or_default();
        row["problem"]["code"] == "managed_by_idp" && reason.contains(name)
    };
    says(&rows[0]) && rows[1..].iter().all(|row| row["problem"].is_null())
}

/// What makes an account or an invitation for an address, with somebody beside it in a list.
fn ways_to_register(address: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("/users", json!({ "user_name": "nora", "email": address })),
        ("/users", json!({ "user_name": address })),
        ("/users/bulk", json!({ "rows": [{ "email": address }, { "email": "max@other.test" }] })),
        ("/users/bulk", json!({ "text": format!("Nora Kim, {address}") })),
        (
            "/invitations",
            json!({ "people": [{ "email": address, "name": "Nora" }, { "email": "ida@other.test", "name": "Ida" }] }),
        ),
    ]
}

// K05
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_leads_to_an_enforced_connection_is_neither_registered_nor_invited_and_its_name_is_told() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let (olga, name) = (&scene.olga, scene.okta.name.as_str());
        verify_domain(site, &scene.acme, "acme.test").await;
        let asks = async |address: &str| {
            let mut refused = Vec::new();
            for (path, body) in ways_to_register(address) {
                let told = olga.call(Method::POST, &format!("{path}?dry_run=true"), Some(&body)).await;
                refused.push(refuses(&told.json(), name));
                assert!(refused.last() == Some(&true) || told.status == 200, "{path} {body}: {}", told.body);
            }
            refused
        };
        assert_eq!(asks("nora@acme.test").await, [false; 5], "as long as people may choose");
        enforce(site, &scene.okta).await;
        assert_eq!(asks("nora@acme.test").await, [true; 5]);
        assert_eq!(asks("Nora@ACME.test").await, [true; 5]);
        assert_eq!(asks("nora@nobody.test").await, [false; 5], "an address that leads nowhere");
        let (status, code) =
            olga.refused(Method::POST, "/users", ways_to_register("nora@acme.test")[0].1.clone()).await;
        assert_eq!((status, code.as_str()), (409, "managed_by_idp"));

        // The pages say so too.
        let mut clerk = Clerk::at(site, &scene.acme, "olga").await;
        let devs = scene.acme.group_id("devs").await;
        let forms: [(&str, Vec<(&str, &str)>); 3] = [
            ("people/register", vec![("username", "nora"), ("email", "nora@acme.test"), ("credential", "link")]),
            ("people/bulk", vec![("people", "Nora Kim, nora@acme.test"), ("credential", "link"), ("act", "preview")]),
            ("people/invite", vec![("people", "Nora Kim <nora@acme.test>"), ("group", devs.as_str())]),
        ];
        for (path, typed) in forms {
            let mut fields = vec![("csrf".to_owned(), clerk.csrf().await)];
            fields.extend(typed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
            let shown = clerk.post(path, &fields).await;
            shows(&shown.page, &[name]);
        }
        for purpose in [Purpose::SetPassword, Purpose::Invitation] {
            assert_eq!(count_to(site, "nora@acme.test", purpose).await, 0, "{purpose:?}");
        }
        // It is one organisation's rule, and ends with the enforcement.
        let globex = site.org("globex").await;
        registered(site, &globex, "nora", "nora@acme.test").await;
        scene.okta.stage(site, Stage::Optional).await;
        assert_eq!(asks("nora@acme.test").await, [false; 5]);
    })
    .await;
}

// K05
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_made_break_glass_in_the_same_request_is_registered_nevertheless_and_nobody_else() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        verify_domain(site, &scene.acme, "acme.test").await;
        enforce(site, &scene.okta).await;
        let org = &scene.acme.id;
        let mut nora = site.new_user(Kind::Managed(org.clone()), "nora", PASSWORD).await;
        nora.profile.email = Some("nora@acme.test".to_owned());
        let (user, member) = (nora.id.clone(), MembershipId::fresh());
        let binding = Binding {
            id: BindingId::fresh(),
            role: Role::OrgAdmin,
            scope: Scope::Org,
            subject: Subject::Member(member.clone()),
            window: Window::ALWAYS,
        };
        let join = Change::AddMember {
            org: org.clone(),
            member: member.clone(),
            user: user.clone(),
            state: MembershipState::Active,
            source: Source::Local,
        };
        let made = vec![Change::CreateUser(Box::new(nora)), join, Change::Bind { org: org.clone(), binding }];
        let mark = |member: MembershipId| Change::SetBreakGlass { org: org.clone(), member, on: true };
        let another = mark(scene.acme.member_id("olga").await);
        for changes in [made.clone(), [made.clone(), vec![another]].concat()] {
            match site.change(changes).await {
                Err(Refusal::ManagedByIdp { connection }) => assert_eq!(connection, scene.okta.name),
                other => panic!("{other:?}"),
            }
        }
        site.act([made, vec![mark(member)]].concat()).await;
        assert!(comes_in(&scene.shop, "nora").await, "with her password, and not through the provider");
        assert_eq!(account(site, &user).await.source, Source::Local);
    })
    .await;
}

/// The answer to a password, with what was typed and what is random taken out.
async fn answer(site: &Site, path: &str, name: &str) -> (u16, String) {
    let mut browser = site.browser();
    let page = browser.open(&site.at.url(path)).await.page();
    let page = browser.press(&page, "login-submit", &[("username", name), ("password", PASSWORD)]).await.page();
    (page.status, page.without_hidden_values().replace(&format!("value=\"{name}\""), "value=\"\""))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_managed_persons_password_is_answered_like_an_unknown_ones_and_a_break_glass_owner_comes_in() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        scene.acme.person("zelda", PASSWORD).await;
        let cara = site.own_account("cara", PASSWORD).await;
        scene.acme.admit(&cara).await;
        assert!(comes_in(&scene.shop, "zelda").await);
        enforce(site, &scene.okta).await;
        for path in ["/login", "/o/acme/login?local=1"] {
            for known in ["zelda", "zelda@example.test"] {
                let (status, told) = answer(site, path, known).await;
                assert_eq!((status, told), answer(site, path, "nobody").await, "{known} at {path}");
                assert_eq!(status, 400);
            }
        }
        assert!(!comes_in(&scene.shop, "zelda").await);
        for path in ["/login", "/o/acme/login?local=1"] {
            let mut browser = site.browser();
            let page = browser.open(&site.at.url(path)).await.page();
            let typed = [("username", "olga"), ("password", PASSWORD)];
            let landed = browser.press(&page, "login-submit", &typed).await.page();
            assert!(landed.url.ends_with("/me"), "{path}: {landed:?}");
            assert!(scene.shop.is_signed_in(&mut browser).await, "{path}");
        }
        // Nobody is sent a link to a password that opens nothing.
        for name in ["zelda", "olga"] {
            let mut browser = site.browser();
            let page = browser.open(&site.at.url("/forgot")).await.page();
            assert_eq!(browser.press(&page, "forgot-submit", &[("username", name)]).await.page().status, 200);
        }
        link_to(site, "olga@example.test", Purpose::ResetPassword).await;
        assert_eq!(count_to(site, "zelda@example.test", Purpose::ResetPassword).await, 0);
        // Taken back, it is a password again.
        scene.okta.stage(site, Stage::Optional).await;
        assert!(comes_in(&scene.shop, "zelda").await);
    })
    .await;
}

/// Somebody comes through another connection than the scene's.
async fn came_through(other: &Federated, shop: &Client, name: &str) -> Visitor {
    other.provider.says(says(name, json!({})));
    let (mut browser, ask) = (Browser::new(shop.at.clone()), Ask::of(shop));
    let arrival = other.comes_for(&mut browser, &ask).await.arrival();
    let tokens = shop.tokens_of(&arrival, &ask).await;
    Visitor::over(name, browser, tokens)
}

#[tokio::test(flavor = "multi_thread")]
async fn enforcing_ends_in_that_organisation_what_did_not_come_through_and_nothing_else() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let (shop, globex) = (&scene.shop, site.org("globex").await);
        let theirs = site.client(&globex.application("theirs").await);
        scene.acme.person("bo", PASSWORD).await;
        globex.person("gil", PASSWORD).await;
        let cara = site.own_account("cara", PASSWORD).await;
        for org in [&scene.acme, &globex] {
            org.admit(&cara).await;
        }
        let other = Federated::open(site, &scene.acme, &Provider::open().await).await;

        let (mut ana, mut olga) = (scene.enters(says("ana", json!({}))).await, Visitor::of(shop, "olga").await);
        let (bo, dee, mut gil) =
            (Visitor::of(shop, "bo").await, came_through(&other, shop, "dee").await, Visitor::of(&theirs, "gil").await);
        let mut browser = site.browser();
        let at_acme = shop.sign_in(&mut browser, Person::named("cara")).await;
        let at_globex = theirs.sign_in(&mut browser, Person::named("cara")).await;
        let cara_at_acme = Visitor::over("cara", browser.clone(), at_acme);
        let mut cara_at_globex = Visitor::over("cara", browser, at_globex);

        let receipt = enforce(site, &scene.okta).await;
        assert_eq!((receipt.ended.sessions, receipt.ended.token_families), (3, 3), "{receipt:?}");
        assert!(receipt.members.is_empty(), "nobody has lost a role: {receipt:?}");
        for visitor in [&bo, &dee, &cara_at_acme] {
            visitor.is_out(shop).await;
        }
        for visitor in [&mut ana, &mut olga] {
            visitor.is_in(shop).await;
        }
        for visitor in [&mut gil, &mut cara_at_globex] {
            visitor.is_in(&theirs).await;
        }
        scene.olga.get("").await;
        let mut bo = site.browser();
        let landing = bo.open(&Ask::of(shop).url(&site.at)).await;
        assert!(is_led_to(&landing, &scene.provider), "{landing:?}");
    })
    .await;
}

/// The other node is where everybody is looked at.
async fn disabled(site: &Site, other: &Site) {
    let scene = Scene::set(site).await;
    let (org, connection) = (scene.acme.id.clone(), scene.okta.connection.clone());
    let here = &scene.shop;
    let mut there = here.clone();
    there.at = other.at.clone();
    let set = |state| vec![Change::SetConnectionState { org: org.clone(), connection: connection.clone(), state }];
    // The second time, Ana is signed in from the first.
    for (state, live) in [(ConnectionState::Disabled, 2), (ConnectionState::Deleted, 3)] {
        let (mut ana, mut bo) = (scene.enters(says("ana", json!({}))).await, scene.enters(says("bo", json!({}))).await);
        let mut olga = Visitor::of(here, "olga").await;
        for visitor in [&mut ana, &mut bo, &mut olga] {
            visitor.is_in(&there).await;
        }
        let known = scene.okta.known_as(site, &subject("ana")).await.expect("who came is known");
        // Somebody is on the way, and somebody is signed in without an application.
        let (mut away, mut idle) = (site.browser(), site.browser());
        let landing = away.open(&scene.okta.login(site)).await;
        let back = scene.provider.sends_back(&landing).await;
        scene.okta.comes(site, &mut idle).await;

        let receipt = site.act(set(state)).await;
        assert_eq!((receipt.ended.sessions, receipt.ended.token_families), (live, live), "{state:?}: {receipt:?}");
        ana.is_out(&there).await;
        bo.is_out(&there).await;
        olga.is_in(&there).await;
        (away.at, idle.at) = (other.at.clone(), other.at.clone());
        let me = idle.send(Method::GET, &other.at.url("/me"), None).await;
        assert_eq!((me.status, me.header("location")), (303, "/login"), "{state:?}");
        assert_eq!(refusal(&away.open(&back).await.page()), (403, "closed"), "{state:?}");
        assert!(is_nobody(other, &mut away).await);
        let began = other.browser().open(&scene.okta.login(site)).await.page();
        assert_eq!(refusal(&began), (403, "closed"), "{state:?}");
        let page = other.browser().open(&other.at.url("/o/acme/login")).await.page();
        assert!(page.has("login-form") && !page.has("upstream-form"), "{page:?}");
        let kept = account(site, &known).await;
        assert_eq!(kept.source, Source::Oidc(connection.to_string()), "its people stay, and stay its own");

        if state == ConnectionState::Disabled {
            site.act(set(ConnectionState::Active)).await;
            ana.is_out(&there).await;
            bo.is_out(&there).await;
            scene.enters_at(&there, says("ana", json!({}))).await.is_in(here).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_disabled_or_deleted_takes_everything_along_that_came_through_it() {
    on_both(async |site| disabled(site, site).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_through_a_connection_that_one_node_was_told_to_disable_is_refused_at_the_next_request_on_another() {
    let Some(one) = Site::open(Database::Postgres, |_| {}).await else {
        return;
    };
    let other = one.second_node().await;
    disabled(&one, &other).await;
    other.close().await;
    one.close().await;
}

/// An administrator of the API tries the sign-in out in a browser.
async fn trial(site: &Site, scene: &Scene) -> (u16, String) {
    let path = format!("/connections/{}/sign-in/test", scene.okta.connection);
    let offered = scene.olga.post(&path, json!({})).await;
    let mut browser = site.browser();
    let page = browser.open(offered["url"].as_str().unwrap()).await.page();
    let landing = browser.press(&page, "trial-begin", &[]).await;
    let page = scene.provider.pass(&mut browser, landing).await.page();
    assert!(is_nobody(site, &mut browser).await, "a trial signs nobody in");
    (page.status, page.text())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_enforced_that_nobody_has_tried_or_without_somebody_who_can_come_in_past_it() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let (acme, olga) = (&scene.acme, &scene.olga);
        let sign_in = format!("/connections/{}/sign-in", scene.okta.connection);
        let to = |stage: &str| json!({ "stage": stage });
        let blocked = (409, "blocked".to_owned());
        for (name, role) in [("ada", Some("org.admin")), ("bo", None)] {
            acme.person(name, PASSWORD).await;
            if let Some(role) = role {
                acme.give(name, role, None).await;
            }
        }
        scene.enters(says("ana", json!({}))).await;

        // It works, but who would let anybody in if the provider failed?
        assert_eq!(olga.refused(Method::PATCH, &sign_in, to("enforced")).await, blocked);
        let glass = async |name: &str| format!("/users/{}/break-glass", acme.user_id(name).await);
        let (ana, bo, ada) = (glass("ana").await, glass("bo").await, glass("ada").await);
        assert_eq!(olga.refused(Method::PUT, &bo, Value::Null).await, (400, "invalid".to_owned()), "no administrator");
        assert_eq!(olga.refused(Method::PUT, &ana, Value::Null).await.1, "managed_by_idp");
        let by_ada = Admin::of(site, acme, "ada").await;
        assert_eq!(
            by_ada.refused(Method::PUT, &ada, Value::Null).await,
            (403, "denied".to_owned()),
            "the owner's alone"
        );
        assert_eq!(olga.refused(Method::PATCH, &sign_in, to("enforced")).await, blocked);
        olga.put(&ada, Value::Null).await;

        // Another provider is one that nobody has tried.
        scene.okta.set_up(site, |settings| settings.core.client_id = "another".to_owned()).await;
        assert_eq!(olga.get(&sign_in).await["stage"], "draft");
        for stage in ["tested", "optional", "enforced"] {
            assert_eq!(olga.refused(Method::PATCH, &sign_in, to(stage)).await, blocked, "{stage}");
        }
        let own = scene.provider.client_id.clone();
        scene.okta.set_up(site, |settings| settings.core.client_id = own).await;
        assert_eq!(olga.refused(Method::PATCH, &sign_in, to("enforced")).await, blocked);
        scene.provider.says(says("ana", json!({})));
        let (status, told) = trial(site, &scene).await;
        assert!(status == 200 && told.contains("The sign-in works"), "{told}");
        assert_eq!(olga.get(&sign_in).await["stage"], "tested");
        assert_eq!(olga.patch(&sign_in, to("enforced")).await["object"]["stage"], "enforced");
        assert!(comes_in(&scene.shop, "ada").await && !comes_in(&scene.shop, "bo").await);

        // One is enforced, and somebody can always come in past it.
        let other = Federated::open(site, acme, &Provider::open().await).await;
        let second = format!("/connections/{}/sign-in", other.connection);
        assert_eq!(by_ada.refused(Method::PATCH, &second, to("enforced")).await, (409, "conflict".to_owned()));
        let remove = Change::SetBreakGlass { org: acme.id.clone(), member: acme.member_id("ada").await, on: false };
        assert!(matches!(site.change(vec![remove.clone()]).await, Err(Refusal::Blocked { .. })));
        break_glass(site, acme, "olga").await;
        let receipt = site.act(vec![remove]).await;
        assert!(receipt.ended.sessions > 0, "what is hers did not come through: {receipt:?}");
        assert!(!comes_in(&scene.shop, "ada").await && comes_in(&scene.shop, "olga").await);
        // A set-up that nobody has tried enforces nothing.
        scene.okta.set_up(site, |settings| settings.core.client_id = "another".to_owned()).await;
        assert!(comes_in(&scene.shop, "ada").await && comes_in(&scene.shop, "bo").await);
    })
    .await;
}
