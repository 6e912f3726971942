//! The console's pages of identity providers: connected, set up, tested, opened, mapped and enforced without leaving the
//! console; what is asked about first; and what readers, other organisations and forms from elsewhere meet.

use muster::domain::change::Change;
use muster::domain::connection::{ConnectionSettings, ScimProfile};
use muster::domain::federation::Stage;
use muster::domain::federation::mapping::{GroupRule, Mapping};
use muster::kernel::id::{ConnectionId, GroupId, RoleId};
use muster::store::connections;
use muster::store::federation::identities;
use muster::store::federation::upstreams::{self, SignIn};
use reqwest::Method;
use serde_json::json;

use crate::people::clerk::{Clerk, says};
use crate::scim::client::Push;
use crate::scim::visitor::Visitor;
use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::browser::{Browser, Person};
use crate::support::client::{Ask, Client};
use crate::support::federated::{Federated, is_nobody};
use crate::support::org::Org;
use crate::support::page::Page;
use crate::support::provider::Provider;
use crate::support::server::{Site, on_both};

/// What Acme's provider calls its developers.
const DEVELOPERS: &str = "0f6a-developers";

/// Acme with its owner Olga, the reader Rita, Ivy who manages identities, and Bo, who reads too; `devs` are members of the
/// project `web`.
async fn acme(site: &Site) -> (Org, GroupId) {
    let (org, _) = owned(site, "acme").await;
    org.project("web").await;
    for (name, role) in [("rita", "org.reader"), ("ivy", "iam.admin"), ("bo", "org.reader")] {
        org.person(name, PASSWORD).await;
        org.give(name, role, None).await;
    }
    let devs = org.group("devs", &[]).await;
    org.give_group("devs", "project.member", Some("web")).await;
    (org, devs)
}

/// A provider that says that Ana develops.
async fn provider(site: &Site) -> Provider {
    let provider = Provider::open().await;
    provider.goes_by(&site.hands);
    provider.says(json!({
        "sub": "00u-ana", "preferred_username": "ana", "email": "ana@acme.test", "groups": [DEVELOPERS],
    }));
    provider
}

/// Whoever the provider names comes through to an application in a browser of their own.
async fn comes(shop: &Client, connection: &ConnectionId, provider: &Provider) -> Visitor {
    let mut browser = Browser::new(shop.at.clone());
    let ask = Ask::of(shop).with("idp_hint", connection.as_str());
    let landing = browser.open(&ask.url(&shop.at)).await;
    let arrival = provider.pass(&mut browser, landing).await.arrival();
    let tokens = shop.tokens_of(&arrival, &ask).await;
    Visitor::over("ana", browser, tokens)
}

/// The connection that the address of a page names.
fn connection_of(page: &Page) -> ConnectionId {
    let after = page.url.split("/identity-providers/").nth(1).unwrap_or_else(|| panic!("no connection in {page:?}"));
    after.split(['/', '?']).next().unwrap().parse().unwrap()
}

async fn sign_in(site: &Site, connection: &ConnectionId) -> SignIn {
    upstreams::by_id(&mut site.conn().await, connection).await.unwrap().expect("it is set up")
}

fn sees_no_form(page: &Page) {
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.forms.iter().all(|form| form.method != "post"), "{page:?}");
}

/// What is typed to set a sign-in up.
fn typed<'a>(provider: &'a Provider, issuer: &'a str) -> [(&'static str, &'a str); 7] {
    [
        ("preset", "generic"),
        ("issuer", issuer),
        ("client_id", provider.client_id.as_str()),
        ("client_auth", "client_secret_basic"),
        ("client_secret", provider.client_secret.as_str()),
        ("userinfo", "1"),
        ("provision", "1"),
    ]
}

/// Connects Acme's provider by the pages, and sets its sign-in up.
async fn connects(site: &Site, olga: &mut Clerk, provider: &Provider) -> ConnectionId {
    let list = olga.open("identity-providers").await;
    says(&list, &["No identity provider is connected."]);
    let bad = [("name", "Acme Okta"), ("preset", "generic"), ("admin_url", "http://acme.okta.test")];
    let refused = olga.submit(&list, "provider-create", &bad).await;
    assert_eq!(refused.answer.status, 400);
    assert!(refused.page.html.contains("id=\"admin_url-error\"") && refused.page.html.contains("value=\"Acme Okta\""));
    let good = [("name", "Acme Okta"), ("preset", "generic"), ("admin_url", "https://acme.okta.test")];
    let made = olga.submit(&list, "provider-create", &good).await;
    assert_eq!((made.answer.status, made.page.status), (303, 200), "{:?}", made.page);
    says(&made.page, &["The connection is there.", "Register a web application"]);
    let connection = connection_of(&made.page);
    assert!(made.page.html.contains(&site.at.url(&format!("/upstream/{connection}/callback"))));

    let nowhere = format!("{}/elsewhere", provider.issuer);
    let wrong = olga.submit(&made.page, "sign-in-save", &typed(provider, &nowhere)).await;
    assert_eq!(wrong.answer.status, 400);
    assert!(wrong.page.html.contains("id=\"issuer-error\""), "{:?}", wrong.page);
    let set = olga.submit(&made.page, "sign-in-save", &typed(provider, &provider.issuer)).await;
    assert_eq!((set.answer.status, set.page.status), (303, 200), "{:?}", set.page);
    says(&set.page, &["Draft", "Test it next"]);
    for shown in [&wrong.page, &set.page, &olga.open(&format!("identity-providers/{connection}/sign-in")).await] {
        assert!(!shown.html.contains(&provider.client_secret), "a secret is never shown: {shown:?}");
    }
    connection
}

/// Tests the sign-in from its page, in another browser, and opens it to people.
async fn opens(site: &Site, olga: &mut Clerk, provider: &Provider, connection: &ConnectionId) {
    let page = format!("identity-providers/{connection}");
    let draft = olga.open(&page).await;
    assert!(!draft.has("stage-form"), "nothing is opened that nobody has tested: {draft:?}");
    let offered = olga.submit(&draft, "test", &[]).await;
    assert_eq!((offered.answer.status, offered.page.status), (303, 200), "{:?}", offered.page);
    let mut browser = site.browser();
    let trial = browser.open(&offered.page.url).await.page();
    let landing = browser.press(&trial, "trial-begin", &[]).await;
    let tried = provider.pass(&mut browser, landing).await.page();
    says(&tried, &["The sign-in works"]);
    assert!(is_nobody(site, &mut browser).await, "a trial signs nobody in");

    let tested = olga.open(&page).await;
    says(&tested, &["Tested", "Somebody came through in a test."]);
    let opened = olga.submit(&tested, "stage-optional", &[]).await;
    assert_eq!(opened.answer.status, 303, "{:?}", opened.page);
    says(&opened.page, &["Optional", "People can choose it now."]);
    let stale = olga.submit(&tested, "stage-optional", &[]).await;
    assert_eq!(stale.answer.status, 409, "the page shows another stage");
    says(&stale.page, &["This was changed meanwhile."]);
    assert_eq!(sign_in(site, connection).await.stage, Stage::Optional);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_connected_tested_opened_and_mapped_in_the_console_and_a_mapping_goes_after_a_review() {
    on_both(async |site| {
        let (acme, devs) = acme(site).await;
        let provider = provider(site).await;
        let shop = site.client(&acme.application("shop").await);
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let connection = connects(site, &mut olga, &provider).await;
        opens(site, &mut olga, &provider, &connection).await;

        let path = format!("identity-providers/{connection}/mapping");
        let empty = olga.open(&path).await;
        says(&empty, &["Off", "None of the provider's groups leads to a group here."]);
        let group = [("external_id", DEVELOPERS), ("label", "Developers"), ("group", devs.as_str())];
        let added = olga.submit(&empty, "group-add", &group).await;
        assert_eq!(added.answer.status, 303, "{:?}", added.page);
        says(&added.page, &[DEVELOPERS, "Developers", "devs"]);
        let stale = olga.submit(&empty, "group-add", &[("external_id", "x"), ("group", devs.as_str())]).await;
        assert_eq!(stale.answer.status, 409, "another mapping was shown");
        let on = olga.submit(&added.page, "applied-save", &[("on", "1"), ("life_hours", "12")]).await;
        assert_eq!(on.answer.status, 303, "{:?}", on.page);
        let mut ana = comes(&shop, &connection, &provider).await;
        assert_eq!(ana.roles(), (Vec::new(), vec!["project.member".to_owned()]));

        let mapped = olga.open(&path).await;
        let nothing = olga.submit(&mapped, "mapping-remove", &[]).await;
        assert_eq!(nothing.answer.status, 400);
        let review = olga.submit(&mapped, "mapping-remove", &[("mapped", "0")]).await;
        assert_eq!(review.answer.status, 200, "{:?}", review.page);
        let said = ["Developers no longer leads to devs", "ana", "Project Member on web", "Sessions end"];
        says(&review.page, &said);
        ana.is_in(&shop).await;
        assert_eq!(sign_in(site, &connection).await.mapping.groups.len(), 1, "a review changes nothing");
        let gone = olga.submit(&review.page, "review-go", &[]).await;
        assert_eq!((gone.answer.status, gone.page.status), (303, 200), "{:?}", gone.page);
        says(&gone.page, &["It is removed, with what it gave."]);
        ana.is_out(&shop).await;
        assert_eq!(comes(&shop, &connection, &provider).await.roles(), (Vec::new(), Vec::new()));

        let list = olga.open("identity-providers").await;
        says(&list, &["Acme Okta", "OpenID Connect", "Sign-in", "Optional"]);
        let log = olga.open(&format!("identity-providers/{connection}/sign-ins")).await;
        says(&log, &["Let in", "accepted", "Tested", "ana", DEVELOPERS]);
        assert!(!log.html.contains("ana@acme.test"), "values are blacked out: {log:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_typed_condition_by_condition_and_what_is_wrong_is_said_at_its_field() {
    on_both(async |site| {
        let (acme, devs) = acme(site).await;
        let provider = provider(site).await;
        let okta = Federated::open(site, &acme, &provider).await;
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let page = olga.open(&format!("identity-providers/{}/mapping", okta.connection)).await;
        let two = [("claim", "a"), ("op", "in"), ("values", "b"), ("claim", ""), ("op", "equals"), ("values", "")];
        let more = olga.submit(&page, "condition-add", &two).await;
        assert_eq!(more.answer.status, 200);
        assert!(!page.html.contains("id=\"claim-3\"") && more.page.html.contains("id=\"claim-3\""), "{:?}", more.page);
        let nameless = [("claim", "department"), ("op", "in"), ("values", "x"), ("rule_group", devs.as_str())];
        let refused = olga.submit(&page, "rule-add", &nameless).await;
        assert_eq!(refused.answer.status, 400);
        assert!(refused.page.html.contains("id=\"rule_name-error\""), "{:?}", refused.page);
        let whole = [
            ("rule_name", "Staff"),
            ("claim", "department"),
            ("op", "in"),
            ("values", "Operations\r\nSales"),
            ("claim", "contract"),
            ("op", "not_equals"),
            ("values", "external"),
            ("rule_group", devs.as_str()),
        ];
        let added = olga.submit(&page, "rule-add", &whole).await;
        assert_eq!(added.answer.status, 303, "{:?}", added.page);
        says(&added.page, &["Staff", "department is one of Operations, Sales", "contract is not external", "devs"]);
        let saved = sign_in(site, &okta.connection).await.mapping;
        assert_eq!((saved.rules[0].conditions.len(), saved.rules[0].conditions[0].values.len()), (2, 2));
        let hours = olga.submit(&added.page, "applied-save", &[("life_hours", "0")]).await;
        assert!(hours.answer.status == 400 && hours.page.html.contains("id=\"life_hours-error\""));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tester_says_groups_and_roles_of_now_and_then_and_changes_nothing() {
    on_both(async |site| {
        let (acme, devs) = acme(site).await;
        let provider = provider(site).await;
        let okta = Federated::open(site, &acme, &provider).await;
        let rule = GroupRule { external_id: DEVELOPERS.to_owned(), label: "Developers".to_owned(), group: devs };
        okta.map(site, Mapping { on: false, groups: vec![rule], ..Mapping::default() }).await;
        let shop = site.client(&acme.application("shop").await);
        comes(&shop, &okta.connection, &provider).await;
        let user = okta.known_as(site, "00u-ana").await.expect("she came through");
        let known = identities::of_user(&mut site.conn().await, &user).await.unwrap().remove(0);

        let mut olga = Clerk::at(site, &acme, "olga").await;
        let page = olga.open(&format!("identity-providers/{}/mapping", okta.connection)).await;
        assert!(page.html.contains(&format!("<option value=\"{}\"", known.id)), "whoever came lately: {page:?}");
        let off = olga.submit(&page, "try", &[("identity", known.id.as_str())]).await;
        assert_eq!(off.answer.status, 200, "{:?}", off.page);
        says(&off.page, &["What it comes to", "The mapping is off: it gives nothing."]);
        assert!(!off.page.text().contains("Project Member on web"));
        let on = olga.submit(&page, "try", &[("identity", known.id.as_str()), ("switched_on", "1")]).await;
        says(&on.page, &["With the mapping that was tried", "devs Developers", "Project Member on web"]);
        let claims = json!({ "sub": "1", "groups": [DEVELOPERS] }).to_string();
        let pasted = olga.submit(&page, "try", &[("claims", claims.as_str()), ("switched_on", "1")]).await;
        says(&pasted.page, &["Project Member on web"]);
        let draft = olga.submit(&page, "try", &[("claims", claims.as_str()), ("draft", "{\"on\": true}")]).await;
        assert!(draft.answer.status == 200 && !draft.page.text().contains("Project Member on web"));
        for wrong in ["no JSON", "[]", ""] {
            let refused = olga.submit(&page, "try", &[("claims", wrong)]).await;
            assert_eq!(refused.answer.status, 400, "{wrong}");
            assert!(refused.page.html.contains("id=\"claims-error\""), "{wrong}: {:?}", refused.page);
        }
        let after = sign_in(site, &okta.connection).await.mapping;
        assert!(!after.on && after.groups.len() == 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_enforced_and_disabled_after_a_look_at_who_still_comes_in_and_what_ends() {
    on_both(async |site| {
        let (acme, _) = acme(site).await;
        let provider = provider(site).await;
        let okta = Federated::open(site, &acme, &provider).await;
        let visit = site.at.url("/o/acme/admin/people");
        let mut bo = site.browser();
        bo.sign_in(Person::named("bo")).await.page();
        assert_eq!(bo.open(&visit).await.page().status, 200);
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let path = format!("identity-providers/{}", okta.connection);
        let page = olga.open(&path).await;
        let blocked = olga.submit(&page, "stage-enforced", &[]).await;
        assert_eq!(blocked.answer.status, 409);
        says(&blocked.page, &["Make an administrator with a password break-glass first"]);
        let member = acme.member_id("olga").await;
        site.act(vec![Change::SetBreakGlass { org: acme.id.clone(), member, on: true }]).await;

        let review = olga.submit(&page, "stage-enforced", &[]).await;
        assert_eq!(review.answer.status, 200, "{:?}", review.page);
        says(&review.page, &["Enforce Acme Okta?", "Olga Example (olga)", "1 session ends"]);
        assert_eq!(sign_in(site, &okta.connection).await.stage, Stage::Optional, "a review changes nothing");
        let enforced = olga.submit(&review.page, "review-go", &[]).await;
        assert_eq!((enforced.answer.status, enforced.page.status), (303, 200), "{:?}", enforced.page);
        says(&enforced.page, &["Enforced", "Olga Example (olga)"]);
        let answer = bo.send(Method::GET, &visit, None).await;
        assert_eq!(answer.status, 303, "his session in the organisation is over");

        let review = olga.submit(&enforced.page, "disable", &[]).await;
        assert_eq!(review.answer.status, 200, "{:?}", review.page);
        let disabled = olga.submit(&review.page, "review-go", &[]).await;
        says(&disabled.page, &["Disabled", "It is disabled, and what came through it is over."]);
        let again = olga.submit(&disabled.page, "enable", &[]).await;
        says(&again.page, &["Enforced", "It is enabled."]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_issuer_is_asked_about_first_and_its_secret_goes_along_sealed() {
    on_both(async |site| {
        let (acme, _) = acme(site).await;
        let (provider, other) = (provider(site).await, provider(site).await);
        let okta = Federated::open(site, &acme, &provider).await;
        let shop = site.client(&acme.application("shop").await);
        let ana = comes(&shop, &okta.connection, &provider).await;
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let page = olga.open(&format!("identity-providers/{}/sign-in", okta.connection)).await;
        let review = olga.submit(&page, "sign-in-save", &typed(&other, &other.issuer)).await;
        assert_eq!(review.answer.status, 200, "{:?}", review.page);
        says(&review.page, &["Set Acme Okta up anew?", "until somebody came through in a test", "1 session ends"]);
        assert!(!review.page.html.contains(&other.client_secret), "{:?}", review.page);
        assert_eq!(sign_in(site, &okta.connection).await.settings.core.issuer, provider.issuer);
        let set = olga.submit(&review.page, "review-go", &[]).await;
        assert_eq!((set.answer.status, set.page.status), (303, 200), "{:?}", set.page);
        let after = sign_in(site, &okta.connection).await;
        assert_eq!((after.settings.core.issuer.as_str(), after.stage), (other.issuer.as_str(), Stage::Draft));
        ana.is_out(&shop).await;
        let stale = olga.submit(&page, "sign-in-save", &typed(&provider, &provider.issuer)).await;
        assert_eq!(stale.answer.status, 409, "another set-up was shown");
        let begun =
            olga.submit(&page, "sign-in-begin", &[("preset", "okta"), ("issuer", "https://acme.okta.com")]).await;
        assert_eq!(begun.answer.status, 200);
        assert!(begun.page.html.contains("value=\"email groups openid profile\""), "{:?}", begun.page);
    })
    .await;
}

/// How many acts are on record that somebody might not do.
async fn denied(olga: &Admin) -> usize {
    olga.get("/audit?kind=request.denied").await["items"].as_array().map_or(0, Vec::len)
}

/// The forms of a connection, under its page.
const FORMS: [&str; 10] = [
    "/test",
    "/stage",
    "/state",
    "/name",
    "/sign-in",
    "/mapping/settings",
    "/mapping/groups",
    "/mapping/rules",
    "/mapping/remove",
    "/mapping/try",
];

/// What those forms would send.
fn fields(csrf: &str) -> Vec<(String, String)> {
    let pairs = [("csrf", csrf), ("act", "go"), ("stage", "enforced"), ("state", "disabled"), ("name", "Mine")];
    let more = [("life_hours", "1"), ("external_id", "x"), ("mapped", "0"), ("claims", "{}"), ("preset", "generic")];
    pairs.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_meet_no_buttons_and_what_they_post_is_refused_and_recorded() {
    on_both(async |site| {
        let (acme, devs) = acme(site).await;
        let provider = provider(site).await;
        let okta = Federated::open(site, &acme, &provider).await;
        let rule = GroupRule { external_id: DEVELOPERS.to_owned(), label: String::new(), group: devs };
        okta.map(site, Mapping { on: true, groups: vec![rule], ..Mapping::default() }).await;
        let before = sign_in(site, &okta.connection).await;
        let page = format!("identity-providers/{}", okta.connection);
        let api = Admin::of(site, &acme, "olga").await;
        for name in ["rita", "ivy"] {
            let mut reader = Clerk::at(site, &acme, name).await;
            assert!(reader.open("people").await.html.contains("/admin/identity-providers\""), "an entry leads there");
            sees_no_form(&reader.open("identity-providers").await);
            for tab in ["", "/sign-in", "/mapping", "/sign-ins"] {
                sees_no_form(&reader.open(&format!("{page}{tab}")).await);
            }
        }
        let mut rita = Clerk::at(site, &acme, "rita").await;
        let sent = fields(&rita.csrf().await);
        for form in FORMS {
            let count = denied(&api).await;
            let refused = rita.post(&format!("{page}{form}"), &sent).await;
            assert_eq!(refused.answer.status, 403, "{form}");
            assert_eq!(denied(&api).await, count + 1, "{form} is on record");
        }
        assert_eq!(rita.post("identity-providers", &sent).await.answer.status, 403);
        // Whoever manages identities alone is refused by the door.
        let mut ivy = Clerk::at(site, &acme, "ivy").await;
        let sent = fields(&ivy.csrf().await);
        for form in ["/test", "/state", "/mapping/try"] {
            let refused = ivy.post(&format!("{page}{form}"), &sent).await;
            assert_eq!(refused.answer.status, 403, "{form}");
            says(&refused.page, &["org.admin"]);
        }
        assert_eq!(ivy.post("identity-providers", &sent).await.answer.status, 403);
        let after = sign_in(site, &okta.connection).await;
        assert_eq!((after.stage, after.revision, &after.mapping), (before.stage, before.revision, &before.mapping));
        assert_eq!(connections::of_org(&mut site.conn().await, &acme.id).await.unwrap().len(), 1);
        acme.person("eve", PASSWORD).await;
        let mut eve = Clerk::at(site, &acme, "eve").await;
        assert_eq!(eve.open(&page).await.status, 403, "a member without the permission is told so");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_from_elsewhere_and_a_connection_of_another_organisation_do_nothing() {
    on_both(async |site| {
        let (acme, _) = acme(site).await;
        let globex = site.org("globex").await;
        let provider = provider(site).await;
        let ours = Federated::open(site, &acme, &provider).await;
        let theirs = Federated::open(site, &globex, &provider).await;
        let mut olga = Clerk::at(site, &acme, "olga").await;
        for form in FORMS {
            let forged = olga.post(&format!("identity-providers/{}{form}", ours.connection), &fields("wrong")).await;
            assert_eq!(forged.answer.status, 403, "{form}");
        }
        assert_eq!(olga.post("identity-providers", &fields("wrong")).await.answer.status, 403);
        let sent = fields(&olga.csrf().await);
        for id in [theirs.connection.as_str(), ConnectionId::fresh().as_str(), "con_nothing"] {
            for tab in ["", "/sign-in", "/mapping", "/sign-ins"] {
                assert_eq!(olga.open(&format!("identity-providers/{id}{tab}")).await.status, 404, "{id}{tab}");
            }
            for form in FORMS {
                let refused = olga.post(&format!("identity-providers/{id}{form}"), &sent).await;
                assert_eq!(refused.answer.status, 404, "{id}{form}");
            }
        }
        for one in [&ours, &theirs] {
            let found = sign_in(site, &one.connection).await;
            assert_eq!((found.stage, found.connection.name.as_str()), (Stage::Optional, one.name.as_str()));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_banner_of_what_a_connection_keeps_leads_to_its_console_and_to_its_mapping() {
    on_both(async |site| {
        let (acme, _) = acme(site).await;
        let settings = ConnectionSettings {
            admin_url: Some("https://acme.okta.test".to_owned()),
            ..ConnectionSettings::default()
        };
        let push = Push::open_with(site, &acme, ScimProfile::Auto, settings).await;
        let dora = push.create_user("dora").await;
        let group: GroupId = push.create_group("Pushed", &[&dora]).await.parse().unwrap();
        let person = format!("people/{}", acme.member_id("dora").await);
        let pages = [format!("groups/{group}"), person];
        let mapping = format!("href=\"/o/acme/admin/identity-providers/{}/mapping\"", push.connection);
        let mut rita = Clerk::at(site, &acme, "rita").await;
        for page in &pages {
            let shown = rita.open(page).await;
            assert!(shown.html.contains("href=\"https://acme.okta.test\""), "{page}: {shown:?}");
            assert!(shown.html.contains(&mapping), "{page}: {shown:?}");
            says(&shown, &["View mapping"]);
        }
        let none = rita.open(&format!("identity-providers/{}/mapping", push.connection)).await;
        says(&none, &["No mapping", "nobody signs in through this connection"]);

        // Somebody who sees people and groups, and no connections, is not led to a page that would be shut.
        let permissions = ["users.read", "groups.read"].map(str::to_owned).into();
        let (org, key, name) = (acme.id.clone(), "looker".to_owned(), "Looker".to_owned());
        site.act(vec![Change::CreateRole { org, role: RoleId::fresh(), key, name, permissions }]).await;
        acme.person("lu", PASSWORD).await;
        acme.give("lu", "looker", None).await;
        let mut lu = Clerk::at(site, &acme, "lu").await;
        for page in &pages {
            let shown = lu.open(page).await;
            assert!(shown.html.contains("href=\"https://acme.okta.test\""), "{page}: {shown:?}");
            assert!(!shown.html.contains("identity-providers"), "{page}: {shown:?}");
        }
        assert_eq!(lu.open("identity-providers").await.status, 403);
    })
    .await;
}
