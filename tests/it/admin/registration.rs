//! Registering people through the API: one with each kind of first password, or a hundred at once; sending the first
//! link again, and giving somebody another password.

use muster::domain::mail::Purpose;
use muster::kernel::secret::Secret;
use muster::kernel::time::{DAY, MINUTE, SECOND};
use muster::store::links;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::browser::{Landing, Person};
use crate::support::client::list;
use crate::support::mailbox::{link_to, links_to, nth_link};
use crate::support::org::Org;
use crate::support::server::{Site, on_both};

/// Another password that keeps every rule.
const OTHER: &str = "another Tide7-Kq2mVx";
/// What every link's secret begins with.
const SECRET: &str = "mln_";
const CHOSEN: [(&str, &str); 2] = [("password", PASSWORD), ("password_again", PASSWORD)];

fn invalid() -> (u16, String) {
    (400, "invalid".to_owned())
}

fn id_of(made: &Value) -> String {
    made["object"]["user_id"].as_str().unwrap_or_else(|| panic!("nobody was made: {made}")).to_owned()
}

/// The rules and fields that an answer says are broken.
async fn broken(admin: &Admin, path: &str, body: Value) -> Vec<(String, String)> {
    let answer = admin.call(Method::POST, path, Some(&body)).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("invalid")), "{}", answer.body);
    let all = answer.json()["invalid_parameters"].clone();
    let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
    all.as_array().unwrap().iter().map(|one| (text(one, "field"), text(one, "rule"))).collect()
}

/// Whether the sign-in page lets nobody in with this.
async fn is_shut(site: &Site, name: &str, password: &str) -> bool {
    match site.browser().sign_in(Person { name, password, org: "" }).await {
        Landing::Page(page) => page.has("login-submit"),
        Landing::Away(_) => false,
    }
}

/// Whether the sign-in asks for a new password before anything else.
async fn must_change(site: &Site, name: &str, password: &str) -> bool {
    match site.browser().sign_in(Person { name, password, org: "" }).await {
        Landing::Page(page) => page.has("change-submit"),
        Landing::Away(_) => false,
    }
}

// K03 K06 N14 H12 H13
#[tokio::test(flavor = "multi_thread")]
async fn a_registered_person_waits_for_one_mail_and_signs_in_with_the_roles_after_its_link() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        acme.project("web").await;
        let devs = acme.group("devs", &[]).await;
        acme.give_group("devs", "billing.viewer", None).await;
        let (shop, olga) = (site.client(&acme.application("shop").await), Admin::of(site, &acme, "olga").await);
        let on_web = json!({ "kind": "project", "project_id": acme.project_id("web").await });
        let new = json!({
            "user_name": "ana", "given_name": "Ana", "family_name": "Kim", "email": "ana@acme.test", "language": "ko",
            "groups": [devs], "roles": [{ "role": "project.reader", "scope": on_web }],
        });
        let dry = olga.post("/users?dry_run=true", new.clone()).await;
        assert!(dry["object"].is_null() && links_to(site, "ana@acme.test", Purpose::SetPassword).await.is_empty());
        let made = olga.post("/users", new).await;
        let user = &made["object"];
        assert_eq!((&user["state"], &user["name"]), (&json!("pending"), &json!("Ana Kim")), "{made}");
        assert!(made.get("password").is_none() && !made.to_string().contains(SECRET), "{made}");
        assert!(is_shut(site, "ana", PASSWORD).await, "there is no password yet");

        let link = link_to(site, "ana@acme.test", Purpose::SetPassword).await;
        assert_eq!(links_to(site, "ana@acme.test", Purpose::SetPassword).await.len(), 1);
        let mut browser = site.browser();
        let page = browser.open(&link).await.page();
        assert!(page.text().contains("Ana Kim") && page.text().contains("Acme"), "{page:?}");
        browser.press(&page, "welcome-submit", &CHOSEN).await;
        let claims = shop.sign_in(&mut site.browser(), Person::named("ana@acme.test")).await.claims();
        assert_eq!(list(&claims["org_roles"]), ["billing.viewer"]);
        assert_eq!(list(&claims["project_roles"]["web"]), ["project.reader"]);

        let nowhere = json!({ "user_name": "bo", "credential": "link" });
        assert_eq!(broken(&olga, "/users", nowhere).await, [("email".to_owned(), String::new())]);
        let record = olga.get("/audit?limit=200").await.to_string();
        assert!(record.contains("user.create") && !record.contains(SECRET), "{record}");
    })
    .await;
}

// H11 H15 H26
#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_made_and_shown_once_or_set_and_must_be_changed_unless_it_is_said_otherwise() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let (olga, shop) = (Admin::of(site, &acme, "olga").await, site.client(&acme.application("shop").await));
        let (new, key) = (json!({ "user_name": "ana", "credential": "generated" }), [("idempotency-key", "ana-1")]);
        let first = olga.call_with(Method::POST, "/users", Some(&new), &key).await.json();
        let again = olga.call_with(Method::POST, "/users", Some(&new), &key).await;
        let made = first["password"].as_str().unwrap_or_else(|| panic!("no password: {first}")).to_owned();
        assert_eq!((made.chars().count(), &first["object"]["state"]), (10, &json!("active")));
        assert_eq!((again.header("idempotency-replayed"), &again.json()["password"]), ("true", &Value::Null));
        assert!(!olga.get(&format!("/users/{}", id_of(&first))).await.to_string().contains(&made), "it is shown once");
        assert!(must_change(site, "ana", &made).await, "no token before it is changed");
        let dry = olga.post("/users?dry_run=true", json!({ "user_name": "x", "credential": "generated" })).await;
        assert!(dry.get("password").is_none(), "what nobody has is not shown: {dry}");

        olga.post("/users", json!({ "user_name": "bo", "password": OTHER })).await;
        assert!(must_change(site, "bo", OTHER).await, "on, if nothing is said");
        let cleo = json!({ "user_name": "cleo", "credential": "set", "password": OTHER, "must_change": false });
        olga.post("/users", cleo).await;
        shop.sign_in(&mut site.browser(), Person { name: "cleo", password: OTHER, org: "" }).await;

        let short = json!({ "user_name": "dan", "credential": "set", "password": "abc" });
        let rules = broken(&olga, "/users", short.clone()).await;
        for rule in ["length", "kinds"] {
            assert!(rules.contains(&("password".to_owned(), rule.to_owned())), "{rules:?}");
        }
        assert_eq!(broken(&olga, "/users?dry_run=true", short).await, rules, "a trial says the same");
        for odd in [
            json!({ "user_name": "dan", "credential": "set" }),
            json!({ "user_name": "dan", "credential": "link", "email": "dan@acme.test", "password": OTHER }),
            json!({ "user_name": "dan", "credential": "magic" }),
            json!({ "user_name": "dan", "email": "dan@acme.test", "language": "tlh" }),
            json!({ "user_name": "1dan", "email": "dan@acme.test" }),
        ] {
            assert_eq!(olga.refused(Method::POST, "/users", odd.clone()).await, invalid(), "{odd}");
        }
        assert_eq!(olga.get("/users?search=dan").await["items"], json!([]));
        let record = olga.get("/audit?limit=200").await.to_string();
        assert!(!record.contains(&made) && !record.contains(OTHER));
    })
    .await;
}

/// A hundred rows, of which four are bad: 7, 20, 33 and 50.
fn hundred() -> Vec<Value> {
    let row = |n: u32| {
        let [user_name, name] = [format!("p{n}"), format!("Person {n}")];
        json!({ "email": format!("{user_name}@acme.test"), "user_name": user_name, "name": name })
    };
    let mut rows: Vec<Value> = (1..=100).map(row).collect();
    rows[6]["email"] = json!("p7@acme");
    rows[19]["email"] = json!("P1@acme.test");
    rows[32]["email"] = json!("olga@example.test");
    rows[49]["language"] = json!("tlh");
    rows
}

async fn how_many(olga: &Admin) -> usize {
    olga.get("/users?limit=200").await["items"].as_array().unwrap().len()
}

// K04
#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_rows_the_good_ones_are_registered_and_the_bad_ones_named_and_of_a_hundred_and_one_none() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let olga = Admin::of(site, &acme, "olga").await;
        let mut many = hundred();
        many.push(json!({ "email": "one-too-many@acme.test" }));
        let body = json!({ "rows": many, "credential": "generated" });
        let answer = olga.call(Method::POST, "/users/bulk", Some(&body)).await;
        let reason = answer.json()["invalid_parameters"][0]["reason"].clone();
        assert_eq!((answer.status, reason), (400, json!("You can register 100 people at a time. This list has 101.")));
        assert_eq!(how_many(&olga).await, 1, "before any write");

        let body = json!({ "rows": hundred(), "credential": "generated" });
        let bad = |answer: &Value| -> Vec<(u64, String, String)> {
            let rows = answer["rows"].as_array().unwrap();
            let refused = rows.iter().filter(|row| row["state"] == "refused");
            let text = |row: &Value, name: &str| row["problem"][name].as_str().unwrap_or_default().to_owned();
            refused.map(|row| (row["row"].as_u64().unwrap(), text(row, "code"), text(row, "field"))).collect()
        };
        let wanted: Vec<(u64, String, String)> = [
            (7, "invalid", "email"),
            (20, "conflict", "email"),
            (33, "conflict", "email"),
            (50, "invalid", "language"),
        ]
        .map(|(row, code, field)| (row, code.to_owned(), field.to_owned()))
        .to_vec();
        let tried = olga.post("/users/bulk?dry_run=true", body.clone()).await;
        assert_eq!((bad(&tried), &tried["taken"], how_many(&olga).await), (wanted.clone(), &json!(96), 1));
        assert!(tried["rows"].as_array().unwrap().iter().all(|row| row.get("password").is_none()));

        let key = [("idempotency-key", "the-hundred")];
        let done = olga.call_with(Method::POST, "/users/bulk", Some(&body), &key).await.json();
        assert_eq!((bad(&done), &done["taken"], &done["refused"]), (wanted, &json!(96), &json!(4)), "{done}");
        assert_eq!(how_many(&olga).await, 97);
        let first = done["rows"][0]["password"].as_str().expect("a password was made").to_owned();
        assert!(must_change(site, "p1", &first).await && is_shut(site, "p7", &first).await);
        let again = olga.call_with(Method::POST, "/users/bulk", Some(&body), &key).await;
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert!(!again.body.contains(&first), "no password comes twice");
    })
    .await;
}

// K04
#[tokio::test(flavor = "multi_thread")]
async fn a_pasted_list_names_groups_and_each_gets_a_mail_of_their_own() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        acme.group("Web team", &[]).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let text = "Ana Kim, ana@acme.test, web TEAM\nBo Lee, bo@acme\n\
                    Cleo, cleo@acme.test, Nowhere\nDan, dan@acme.test";
        let done = olga.post("/users/bulk", json!({ "text": text, "roles": [{ "role": "org.reader" }] })).await;
        let states: Vec<&str> =
            done["rows"].as_array().unwrap().iter().map(|row| row["state"].as_str().unwrap()).collect();
        assert_eq!(states, ["created", "refused", "refused", "created"], "{done}");
        assert_eq!(done["rows"][2]["problem"]["field"], "groups");
        let ana = olga.get("/users?search=ana").await["items"][0].clone();
        assert_eq!((&ana["groups"][0]["name"], &ana["roles"][0]["role"]), (&json!("Web team"), &json!("org.reader")));
        assert_eq!((&ana["user_name"], &ana["state"]), (&json!("ana@acme.test"), &json!("pending")));
        for to in ["ana@acme.test", "dan@acme.test"] {
            link_to(site, to, Purpose::SetPassword).await;
        }
        assert!(links_to(site, "cleo@acme.test", Purpose::SetPassword).await.is_empty());
        let heading = json!({ "text": "email,groops\neve@acme.test,x" });
        let refused = olga.post("/users/bulk", heading).await;
        assert_eq!((&refused["taken"], &refused["rows"][0]["row"]), (&json!(0), &json!(0)), "{refused}");
        for odd in [json!({}), json!({ "text": "" }), json!({ "rows": [], "text": "x" }), json!({ "rows": [] })] {
            assert_eq!(olga.refused(Method::POST, "/users/bulk", odd.clone()).await, invalid(), "{odd}");
        }
        acme.person("rita", PASSWORD).await;
        acme.give("rita", "org.reader", None).await;
        let rita = Admin::of(site, &acme, "rita").await;
        let list = json!({ "text": "Eve, eve@acme.test" });
        assert_eq!(rita.refused(Method::POST, "/users/bulk", list).await, (403, "denied".into()));
    })
    .await;
}

/// Registers somebody with a mailed link; the path of the person.
async fn waiting(olga: &Admin, name: &str) -> String {
    let new = json!({ "user_name": name, "email": format!("{name}@acme.test") });
    format!("/users/{}", id_of(&olga.post("/users", new).await))
}

/// Whether a link leads to the page where the first password is set.
async fn is_good(site: &Site, link: &str) -> bool {
    site.browser().open(link).await.page().has("welcome-submit")
}

// K08 H14
#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_sent_again_with_seven_new_days_and_the_one_before_is_dead() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let olga = Admin::of(site, &acme, "olga").await;
        let at = waiting(&olga, "ana").await;
        let first = link_to(site, "ana@acme.test", Purpose::SetPassword).await;
        let limit = (409, "limit_reached".to_owned());
        assert_eq!(olga.refused(Method::POST, &format!("{at}/resend"), json!({})).await, limit, "a minute apart");

        // Two days before the end a reminder would bring another link.
        site.advance(4 * DAY);
        let olga = Admin::of(site, &acme, "olga").await;
        assert!(is_good(site, &first).await);
        let tried = olga.post(&format!("{at}/resend?dry_run=true"), json!({})).await;
        assert!(tried["receipt"]["dry_run"] == true && is_good(site, &first).await);
        let sent = olga.post(&format!("{at}/resend"), json!({})).await;
        assert!(!sent.to_string().contains(SECRET), "{sent}");
        let second = nth_link(site, "ana@acme.test", Purpose::SetPassword, 2).await;
        assert!(second != first && !is_good(site, &first).await && is_good(site, &second).await);
        let secret = Secret::presented(second.rsplit('/').next().unwrap());
        let row = links::find(&mut site.conn().await, secret.digest()).await.unwrap().unwrap();
        let life = row.expires_at.since(row.created_at);
        assert!((7 * DAY - SECOND..=7 * DAY).contains(&life), "seven days from the second mail: {life}");
        let mut browser = site.browser();
        let page = browser.open(&second).await.page();
        browser.press(&page, "welcome-submit", &CHOSEN).await;
        assert!(!is_shut(site, "ana", PASSWORD).await);
        let olga = Admin::of(site, &acme, "olga").await;
        let conflict = (409, "conflict".to_owned());
        assert_eq!(olga.refused(Method::POST, &format!("{at}/resend"), json!({})).await, conflict, "it waits no more");

        let at = waiting(&olga, "bo").await;
        for number in 2..=5 {
            // A mail that was not sent yet is dropped when a newer one takes its place.
            nth_link(site, "bo@acme.test", Purpose::SetPassword, number - 1).await;
            site.advance(2 * MINUTE);
            Admin::of(site, &acme, "olga").await.post(&format!("{at}/resend"), json!({})).await;
        }
        nth_link(site, "bo@acme.test", Purpose::SetPassword, 5).await;
        site.advance(2 * MINUTE);
        let olga = Admin::of(site, &acme, "olga").await;
        assert_eq!(olga.refused(Method::POST, &format!("{at}/resend"), json!({})).await, limit, "five mails a day");
        site.advance(DAY + MINUTE);
        Admin::of(site, &acme, "olga").await.post(&format!("{at}/resend"), json!({})).await;
        let over = nth_link(site, "bo@acme.test", Purpose::SetPassword, 6).await;
        site.advance(7 * DAY);
        assert!(!is_good(site, &over).await && is_shut(site, "bo", PASSWORD).await);
    })
    .await;
}

/// Somebody active of the organisation with a session at an application, and the path of the person.
async fn active(acme: &Org, name: &str) -> String {
    format!("/users/{}", acme.person(name, PASSWORD).await)
}

// H11 H26
#[tokio::test(flavor = "multi_thread")]
async fn somebody_gets_another_password_in_one_of_three_ways_and_what_was_open_ends() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let (olga, shop) = (Admin::of(site, &acme, "olga").await, site.client(&acme.application("shop").await));
        let at = active(&acme, "ana").await;
        let reset = format!("{at}/reset-password");
        let mut browser = site.browser();
        let tokens = shop.sign_in(&mut browser, Person::named("ana")).await;
        let made = olga.post(&reset, json!({ "kind": "generated" })).await;
        let password = made["password"].as_str().unwrap_or_else(|| panic!("no password: {made}")).to_owned();
        assert!(!shop.is_active(tokens.access()).await && !shop.is_signed_in(&mut browser).await);
        assert!(is_shut(site, "ana", PASSWORD).await && must_change(site, "ana", &password).await);

        let set = json!({ "kind": "set", "password": OTHER, "must_change": false });
        assert!(olga.post(&reset, set).await.get("password").is_none());
        let tokens = shop.sign_in(&mut site.browser(), Person { name: "ana", password: OTHER, org: "" }).await;
        olga.post(&reset, json!({ "kind": "link" })).await;
        link_to(site, "ana@example.test", Purpose::ResetPassword).await;
        assert!(shop.is_active(tokens.access()).await, "a link ends nothing before it is used");
        let rules = broken(&olga, &reset, json!({ "kind": "set", "password": "ana@example.test" })).await;
        assert!(rules.iter().any(|(_, rule)| rule == "contact"), "{rules:?}");
        for odd in [json!({ "kind": "magic" }), json!({ "kind": "set" }), json!({})] {
            assert_eq!(olga.refused(Method::POST, &reset, odd.clone()).await, invalid(), "{odd}");
        }
        // Who waits for the first password gets that link again, within its limits.
        let at = waiting(&olga, "bo").await;
        let again = olga.refused(Method::POST, &format!("{at}/reset-password"), json!({ "kind": "link" })).await;
        assert_eq!(again, (409, "limit_reached".into()));
        let opened = json!({ "kind": "set", "password": OTHER, "must_change": false });
        let opened = olga.post(&format!("{at}/reset-password"), opened).await;
        assert_eq!(opened["object"]["state"], "active");
        let link = link_to(site, "bo@acme.test", Purpose::SetPassword).await;
        assert!(!is_good(site, &link).await, "what was mailed before opens nothing any more");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_another_organisation_are_not_there() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let (globex, _) = owned(site, "globex").await;
        let (olga, theirs) = (Admin::of(site, &acme, "olga").await, Admin::of(site, &globex, "olga").await);
        let at = waiting(&olga, "ana").await;
        for path in [format!("{at}/resend"), format!("{at}/reset-password")] {
            let body = json!({ "kind": "generated" });
            let body = if path.ends_with("resend") { json!({}) } else { body };
            assert_eq!(theirs.refused(Method::POST, &path, body).await, (404, "not_found".into()), "{path}");
        }
        let group = globex.group("devs", &[]).await;
        let new = json!({ "user_name": "bo", "email": "bo@acme.test", "groups": [group] });
        assert_eq!(olga.refused(Method::POST, "/users", new).await, (404, "not_found".into()));
    })
    .await;
}
