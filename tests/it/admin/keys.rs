//! Access keys and service accounts by the API: the organisation's list, accounts that are for tools alone, and what a
//! tool is refused whatever it holds.

use muster::kernel::time::{DAY, MINUTE, UnixMillis};
use reqwest::Method;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::browser::Person;
use crate::support::client::{Tokens, claims, list};
use crate::support::http::Answer;
use crate::support::org::Org;
use crate::support::server::{Site, on_both};

/// A moment as the API reads it.
pub fn moment(at: UnixMillis) -> String {
    let at = OffsetDateTime::from_unix_timestamp(at.seconds()).expect("a moment");
    at.format(&Rfc3339).expect("it can be written")
}

/// A moment that a key may end at.
pub fn in_a_day(site: &Site) -> String {
    moment(site.now().plus(DAY))
}

/// What the token endpoint answers to a key.
pub async fn ask(site: &Site, id: &str, secret: &str, scope: &str) -> Answer {
    let form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret), ("scope", scope)];
    Answer::to(site.at.request(Method::POST, &site.at.url("/token")).form(&form)).await
}

/// A tool that calls the API with a token of its key.
pub async fn tool(site: &Site, org: &Org, id: &str, secret: &str) -> Admin {
    Admin::with_token(site, org, Tokens::read(&ask(site, id, secret, "muster.admin").await).access())
}

/// The id and the secret of a key that was made.
fn made(answer: &Value) -> (String, String) {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    (text(&answer["object"]["id"]), text(&answer["secret"]))
}

/// Acme with `web`, its administrator pia, a reader rita, and ana who works on `web`.
async fn acme(site: &Site) -> Org {
    let (acme, _) = owned(site, "acme").await;
    acme.project("web").await;
    for (name, role, project) in
        [("pia", "project.admin", Some("web")), ("ana", "project.member", Some("web")), ("rita", "org.reader", None)]
    {
        acme.person(name, PASSWORD).await;
        acme.give(name, role, project).await;
    }
    acme
}

// K14 K49 K51
#[tokio::test(flavor = "multi_thread")]
async fn the_organisations_keys_are_listed_with_their_columns_and_never_with_a_secret() {
    on_both(async |site| {
        let acme = acme(site).await;
        let (ana, now) = (acme.user_id("ana").await, site.now());
        let olga = Admin::of(site, &acme, "olga").await;
        let mut all = Vec::new();
        for (name, until) in [("old", now.plus(10 * MINUTE)), ("new", now.plus(30 * DAY))] {
            let new = json!({ "project": "web", "name": name, "expires_at": moment(until) });
            all.push(made(&olga.post(&format!("/users/{ana}/access-keys"), new).await));
        }
        let page = olga.get("/access-keys").await;
        let rows = page["items"].as_array().unwrap();
        assert_eq!(rows.len(), 2, "{page}");
        for (row, (id, _)) in rows.iter().zip(&all) {
            assert_eq!((&row["id"], &row["project"], &row["user_name"]), (&json!(id), &json!("web"), &json!("ana")));
            assert_eq!(row["created_by"], format!("user:{}", acme.user_id("olga").await));
            assert!(row["expires_at"].is_string() && row["expired"] == false && row.get("secret").is_none(), "{row}");
        }
        assert_eq!((&rows[0]["name"], &rows[1]["name"]), (&json!("old"), &json!("new")));
        let of_ana = olga.get(&format!("/users/{ana}/access-keys")).await;
        assert_eq!(of_ana["items"], page["items"]);
        let own = Admin::of(site, &acme, "ana").await.get(&format!("/users/{ana}/access-keys")).await;
        assert_eq!(own["items"], page["items"]);
        assert!(all.iter().all(|(_, secret)| !(page.to_string() + &of_ana.to_string()).contains(secret.as_str())));
        assert_eq!(olga.get("/access-keys?expired=1").await["items"], json!([]));

        let rita = Admin::of(site, &acme, "rita").await;
        let pia = Admin::of(site, &acme, "pia").await;
        for them in [&rita, &pia] {
            assert_eq!(them.refused(Method::GET, "/access-keys", json!({})).await, (403, "denied".into()));
        }
        olga.patch("/policies", json!({ "readers_see_keys": true })).await;
        let seen = rita.get(&format!("/access-keys?user={ana}&project=web")).await;
        assert_eq!(seen["items"], page["items"], "readers see what there is, and no secret");
        assert_eq!(pia.refused(Method::GET, "/access-keys", json!({})).await, (403, "denied".into()));

        site.advance(11 * MINUTE);
        let olga = Admin::of(site, &acme, "olga").await;
        for query in ["expired=1", "expired=1&project=web"] {
            let over = olga.get(&format!("/access-keys?{query}")).await;
            assert_eq!(over["items"].as_array().unwrap().len(), 1, "{over}");
            assert_eq!((&over["items"][0]["name"], &over["items"][0]["expired"]), (&json!("old"), &json!(true)));
        }
        let (id, secret) = &all[0];
        assert_eq!(ask(site, id, secret, "").await.refusal(), (401, "invalid_client".to_owned()));
        let (id, secret) = &all[1];
        tool(site, &acme, id, secret).await.get("/api/v1/me").await;
    })
    .await;
}

// K52
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_with_a_name_and_an_end_renamed_disabled_and_removed() {
    on_both(async |site| {
        let acme = acme(site).await;
        let (ana_id, now) = (acme.user_id("ana").await, site.now());
        let ana = Admin::of(site, &acme, "ana").await;
        let path = format!("/users/{ana_id}/access-keys");
        let until = in_a_day(site);
        for (body, field) in [
            (json!({ "project": "web", "expires_at": until }), "name"),
            (json!({ "project": "web", "name": " ", "expires_at": until }), "name"),
            (json!({ "project": "web", "name": "ci" }), "expires_at"),
            (json!({ "project": "web", "name": "ci", "expires_at": "soon" }), "expires_at"),
            (json!({ "project": "web", "name": "ci", "expires_at": moment(now.minus(MINUTE)) }), "expires_at"),
            (json!({ "project": "web", "name": "ci", "expires_at": moment(now.plus(366 * DAY)) }), "expires_at"),
            (json!({ "project": "nothing", "name": "ci", "expires_at": until }), "project"),
        ] {
            let answer = ana.call(Method::POST, &path, Some(&body)).await;
            let problem = answer.json();
            assert_eq!(answer.status, 400, "{body}: {problem}");
            assert_eq!(problem["invalid_parameters"][0]["field"], field, "{body}: {problem}");
        }
        let (id, secret) = made(&ana.post(&path, json!({ "project": "web", "name": "ci", "expires_at": until })).await);
        let told = claims(Tokens::read(&ask(site, &id, &secret, "").await).access());
        assert_eq!((list(&told["roles"]), &told["project"]), (vec!["project.member".to_owned()], &json!("web")));
        let at = format!("/access-keys/{id}");
        let changed = ana.patch(&at, json!({ "name": "deploy", "state": "disabled" })).await;
        assert_eq!((&changed["object"]["name"], &changed["object"]["state"]), (&json!("deploy"), &json!("disabled")));
        assert_eq!(ask(site, &id, &secret, "").await.refusal(), (401, "invalid_client".to_owned()));
        ana.patch(&at, json!({ "state": "active" })).await;
        Tokens::read(&ask(site, &id, &secret, "").await);
        // Another's key isn't there for those who may see none, and can't be changed by those who may.
        let rita = Admin::of(site, &acme, "rita").await;
        assert_eq!(rita.refused(Method::GET, &at, json!({})).await, (404, "not_found".into()));
        assert_eq!(rita.refused(Method::DELETE, &at, json!({})).await, (403, "denied".into()));
        let removed = ana.delete(&at).await;
        assert_eq!((&removed["object"], &removed["receipt"]["ended"]["access_keys"]), (&Value::Null, &json!(1)));
        assert_eq!(ask(site, &id, &secret, "").await.refusal(), (401, "invalid_client".to_owned()));
        assert_eq!(ana.refused(Method::DELETE, &at, json!({})).await, (404, "not_found".into()));
        let olga = Admin::of(site, &acme, "olga").await;
        olga.patch("/policies", json!({ "keys_by_admins_only": true })).await;
        let again = json!({ "project": "web", "name": "ci", "expires_at": until });
        assert_eq!(ana.refused(Method::POST, &path, again.clone()).await, (403, "denied".into()));
        olga.post(&path, again).await;
    })
    .await;
}

// H02 H04 H06 H09
#[tokio::test(flavor = "multi_thread")]
async fn an_account_for_tools_is_made_with_its_key_in_one_call_and_has_no_way_in() {
    on_both(async |site| {
        let acme = acme(site).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let key = json!({ "project": "web", "role": "project.reader", "name": "ci", "expires_at": in_a_day(site) });
        for both_or_neither in [
            json!({ "user_name": "robot", "access_type": "key" }),
            json!({ "user_name": "robot", "access_type": "key", "key": key, "password": PASSWORD }),
            json!({ "user_name": "robot", "access_type": "password", "key": key }),
            json!({ "user_name": "robot", "access_type": "both" }),
        ] {
            let refused = olga.refused(Method::POST, "/users", both_or_neither.clone()).await;
            assert_eq!(refused, (400, "invalid".into()), "{both_or_neither}");
        }
        let new = json!({ "user_name": "robot", "access_type": "key", "key": key });
        let dry = olga.post("/users?dry_run=true", new.clone()).await;
        assert!(dry.get("key").is_none() && dry["object"].is_null(), "{dry}");
        let made = olga.post("/users", new).await;
        let user = &made["object"];
        assert_eq!((&user["access_type"], &user["state"]), (&json!("key"), &json!("active")));
        let (id, secret) = (made["key"]["id"].as_str().unwrap(), made["key"]["secret"].as_str().unwrap());
        let told = claims(Tokens::read(&ask(site, id, secret, "").await).access());
        assert_eq!((&told["sub"], list(&told["roles"])), (&user["user_id"], vec!["project.reader".to_owned()]));
        let at = format!("/users/{}", user["user_id"].as_str().unwrap());
        assert!(!olga.get(&at).await.to_string().contains(secret), "it is shown once");

        let shut = async |password: &str| {
            let page = site.browser().sign_in(Person { name: "robot", password, org: "" }).await.page();
            page.has("login-submit")
        };
        assert!(shut(PASSWORD).await);
        let password = json!({ "password": PASSWORD });
        let refused = olga.refused(Method::POST, &format!("{at}/password"), password.clone()).await;
        assert_eq!(refused, (400, "invalid".into()), "there is no password as long as the key is the way");
        // The type can be changed later.
        assert_eq!(olga.patch(&at, json!({ "access_type": "password" })).await["object"]["access_type"], "password");
        olga.post(&format!("{at}/password"), password).await;
        assert!(!shut(PASSWORD).await);
        olga.patch(&at, json!({ "access_type": "key" })).await;
        assert!(shut(PASSWORD).await);
        Tokens::read(&ask(site, id, secret, "").await);
    })
    .await;
}

// N26 I03 I29 I40
#[tokio::test(flavor = "multi_thread")]
async fn a_tool_lets_nobody_in_and_puts_nobody_out_whatever_it_holds() {
    on_both(async |site| {
        let acme = acme(site).await;
        let (ana, bo) = (acme.user_id("ana").await, acme.person("bo", PASSWORD).await);
        let (olga, pia) = (Admin::of(site, &acme, "olga").await, Admin::of(site, &acme, "pia").await);
        let accounts = "/projects/web/service-accounts";
        let denied = olga.refused(Method::POST, accounts, json!({ "name": "deployer" })).await;
        assert_eq!(denied, (403, "denied".into()), "an administrator of the organisation has no project by that");
        let robot = pia.post(accounts, json!({ "name": "deployer" })).await["object"]["id"].clone();
        let robot = robot.as_str().unwrap();
        let new = json!({ "name": "ci", "expires_at": in_a_day(site) });
        let (id, secret) = made(&pia.post(&format!("{accounts}/{robot}/keys"), new.clone()).await);
        olga.post("/bindings", json!({ "service_account": robot, "role": "org.admin" })).await;
        let beyond = pia.refused(Method::POST, &format!("{accounts}/{robot}/keys"), new.clone()).await;
        assert_eq!(beyond, (403, "denied".into()), "its key would reach further than she does");
        let machine = tool(site, &acme, &id, &secret).await;
        let pia_id = acme.user_id("pia").await;
        let own = json!({ "project": "web", "name": "own", "expires_at": in_a_day(site) });
        let (own_id, own_secret) = made(&pia.post(&format!("/users/{pia_id}/access-keys"), own.clone()).await);
        let of_person = tool(site, &acme, &own_id, &own_secret).await;

        let me = machine.get("/api/v1/me").await;
        assert_eq!((&me["kind"], &me["token"]["kind"]), (&json!("service_account"), &json!("tool")));
        let people = machine.get("/users").await;
        assert!(!people.to_string().contains("deployer") && people.to_string().contains("olga"), "{people}");
        assert!(site.browser().sign_in(Person::named("deployer")).await.page().has("login-submit"));

        let phrase = "?confirm=Delete%20user%20from%20organization";
        let acts = [
            (Method::POST, "/users".to_owned(), json!({ "user_name": "eve" })),
            (Method::DELETE, format!("/users/{ana}{phrase}"), json!({})),
            (Method::DELETE, format!("/memberships?user_id={ana}"), json!({})),
            (Method::POST, format!("/users/{ana}/suspend"), json!({})),
            (Method::POST, format!("/users/{ana}/resume"), json!({})),
            (Method::POST, format!("/users/{ana}/password"), json!({ "password": PASSWORD })),
            (Method::PUT, format!("/users/{ana}/restriction"), json!({ "applications": [] })),
            (Method::POST, format!("/users/{ana}/access-keys"), own),
            (Method::POST, accounts.to_owned(), json!({ "name": "second" })),
            (Method::POST, format!("{accounts}/{robot}/keys"), new),
            (Method::DELETE, format!("/projects/web/members/{ana}"), json!({})),
        ];
        for (method, path, body) in acts {
            for caller in [&machine, &of_person] {
                let refused = caller.refused(method.clone(), &path, body.clone()).await;
                assert_eq!(refused, (403, "user_required".into()), "{method} {path}");
            }
        }
        // By way of a change that is for tools too.
        for change in [json!({ "state": "suspended" }), json!({ "access_type": "key" })] {
            let refused = machine.refused(Method::PATCH, &format!("/users/{ana}"), change).await;
            assert_eq!(refused, (403, "user_required".into()));
        }
        let record = olga.get(&format!("/audit?outcome=denied&actor=key:{id}:{robot}&limit=200")).await;
        assert_eq!(record["items"].as_array().unwrap().len(), 13, "{record}");
        assert_eq!(olga.get(&format!("/users/{ana}")).await["state"], "active");

        // A person may who administers identities; and nothing else of it is needed.
        acme.person("ida", PASSWORD).await;
        acme.give("ida", "iam.admin", None).await;
        let ida = Admin::of(site, &acme, "ida").await;
        ida.delete(&format!("/users/{bo}{phrase}")).await;
        assert_eq!(olga.refused(Method::GET, &format!("/users/{bo}"), json!({})).await.0, 404);
    })
    .await;
}

// I30
#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_somebody_who_is_removed_die_and_what_they_made_stays_under_their_name() {
    on_both(async |site| {
        let acme = acme(site).await;
        let pia = acme.user_id("pia").await;
        acme.give("pia", "org.admin", None).await;
        let by_pia = Admin::of(site, &acme, "pia").await;
        let portal = json!({ "client_id": "portal", "name": "Portal", "redirect_uris": ["https://portal.example/cb"] });
        by_pia.post("/applications", portal).await;
        let accounts = "/projects/web/service-accounts";
        let robot = by_pia.post(accounts, json!({ "name": "deployer" })).await["object"]["id"].clone();
        let new = json!({ "name": "ci", "expires_at": in_a_day(site) });
        let machines = by_pia.post(&format!("{accounts}/{}/keys", robot.as_str().unwrap()), new).await;
        let own = json!({ "project": "web", "name": "own", "expires_at": in_a_day(site) });
        let own = made(&by_pia.post(&format!("/users/{pia}/access-keys"), own).await);

        let olga = Admin::of(site, &acme, "olga").await;
        let gone = olga.delete(&format!("/memberships?user_id={pia}")).await;
        let name = |things: &Value| things[0]["name"].clone();
        assert_eq!(name(&gone["owned"]["applications"]), "portal");
        assert_eq!(name(&gone["owned"]["service_accounts"]), "deployer");
        assert_eq!(gone["receipt"]["ended"]["access_keys"], 1);
        assert_eq!(ask(site, &own.0, &own.1, "").await.refusal(), (401, "invalid_client".to_owned()));
        let (id, secret) = made(&machines);
        Tokens::read(&ask(site, &id, &secret, "").await);
        assert!(olga.get("/applications/portal").await.get("owner").is_none());
        let account = olga.get(accounts).await["items"][0].clone();
        assert_eq!((&account["name"], &account["owner"]), (&json!("deployer"), &Value::Null));

        let change = gone["receipt"]["change_id"].as_str().unwrap();
        let members = olga.get(&format!("/changes/{change}/members")).await;
        let line = &members["items"][0];
        assert_eq!((&line["user_name"], &line["verdict"]), (&json!("pia"), &json!("end")));
        let made_by_her = olga.get(&format!("/audit?actor=user:{pia}")).await;
        assert_eq!(made_by_her["items"].as_array().unwrap().len(), 4, "{made_by_her}");
    })
    .await;
}
