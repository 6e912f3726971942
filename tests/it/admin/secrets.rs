//! No secret comes out: whatever was planted, whoever reads whatever can be read.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use muster::domain::oauth::application::{AuthMethod, GrantType};
use muster::flows::bootstrap::setup_link;
use muster::kernel::secret::Digest;
use muster::web::api;
use reqwest::Method;
use serde_json::json;

use super::stage::Stage;
use crate::support::PASSWORD;
use crate::support::admin::Admin;
use crate::support::browser::Person;
use crate::support::client::Ask;
use crate::support::http::Answer;
use crate::support::server::{Site, on_both};

const GIVEN: &str = "Given7-Wq4nTz8bR";
const REFUSED: &str = "Refused7-Hk3pLs6vN";
/// So many pages of a list are read, one row each.
const PAGES: usize = 4;

/// Columns that hold a secret's digest, or a secret that was sealed.
const BYTES: [&str; 12] = [
    "SELECT secret_hash FROM links",
    "SELECT secret_hash FROM access_keys",
    "SELECT secret_hash FROM scim_credentials",
    "SELECT cookie_hash FROM sessions",
    "SELECT secret_hash FROM token_families WHERE secret_hash IS NOT NULL",
    "SELECT code_hash FROM authorization_codes",
    "SELECT secret_hash FROM setup_links",
    "SELECT device_hash FROM device_grants",
    "SELECT user_code_hash FROM device_grants",
    "SELECT sealed FROM alert_rules WHERE sealed IS NOT NULL",
    "SELECT sealed FROM signing_keys",
    "SELECT sealed_secret FROM sign_ins_upstream WHERE sealed_secret IS NOT NULL",
];

/// How each secret would look if it came out, and what it is.
#[derive(Default)]
struct Planted(BTreeMap<String, String>);

impl Planted {
    /// A secret: it must come out neither itself nor as its digest.
    fn secret(&mut self, what: &str, secret: &str) {
        assert!(secret.len() >= 8, "{what} is too short to be looked for");
        self.0.insert(secret.to_owned(), what.to_owned());
        self.bytes(&format!("the digest of {what}"), Digest::of(secret.as_bytes()).as_bytes());
    }

    fn bytes(&mut self, what: &str, bytes: &[u8]) {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        for form in [hex, URL_SAFE_NO_PAD.encode(bytes), STANDARD_NO_PAD.encode(bytes)] {
            self.0.insert(form, what.to_owned());
        }
    }

    /// Everything in the database that a secret left there.
    async fn rows(&mut self, site: &Site) {
        let mut conn = site.conn().await;
        for sql in BYTES {
            let rows: Vec<(Vec<u8>,)> = conn.query(sql).all().await.unwrap();
            assert!(!rows.is_empty(), "nothing was planted for {sql}");
            rows.iter().for_each(|(bytes,)| self.bytes(sql, bytes));
        }
        let hashes = "SELECT password FROM users WHERE password IS NOT NULL";
        let rows: Vec<(String,)> = conn.query(hashes).all().await.unwrap();
        for (hash,) in rows {
            let last = hash.rsplit('$').next().unwrap_or_default().to_owned();
            self.0.insert(last, hashes.to_owned());
            self.0.insert(hash, hashes.to_owned());
        }
        let digests = "SELECT secrets FROM applications";
        let rows: Vec<(String,)> = conn.query(digests).all().await.unwrap();
        for (list,) in rows {
            let list: Vec<Vec<u8>> = serde_json::from_str(&list).unwrap();
            list.iter().for_each(|digest| self.bytes(digests, digest));
        }
    }

    /// What of it stands in an answer.
    fn in_answer(&self, answer: &Answer) -> Option<&str> {
        let headers = format!("{:?}", answer.headers);
        let found = self.0.iter().find(|(form, _)| answer.body.contains(*form) || headers.contains(*form));
        found.map(|(_, what)| what.as_str())
    }
}

/// Signs Tara in to an application, and begins a sign-in on another device.
async fn sign_in(site: &Site, stage: &Stage, planted: &mut Planted) {
    let shop = site.client(&stage.org.application("shop").await);
    let mut browser = site.browser();
    let ask = Ask::of(&shop).with("scope", "openid roles offline_access");
    let arrival = browser.authorize(&ask, Person::named("tara")).await;
    planted.secret("a code", arrival.param("code"));
    let tokens = shop.tokens_of(&arrival, &ask).await;
    planted.secret("an access token", tokens.access());
    planted.secret("an ID token", tokens.id());
    planted.secret("a refresh token", tokens.refresh());
    for cookie in ["muster", "muster_browser"] {
        if let Some(value) = browser.cookie(cookie) {
            planted.secret("a cookie", value);
        }
    }
    assert!(browser.cookie("muster").is_some(), "the session's cookie is called so");
    let television = stage.org.application_with("tv", |application| {
        application.auth_method = AuthMethod::None;
        application.grant_types = vec![GrantType::DeviceCode, GrantType::RefreshToken];
        application.redirect_uris.clear();
    });
    let begun = site.client(&television.await).post("/device_authorization", &[("scope", "openid roles")]).await;
    assert_eq!(begun.status, 200, "{}", begun.body);
    for name in ["device_code", "user_code"] {
        planted.secret(name, begun.json()[name].as_str().unwrap());
    }
}

/// Passwords: one that is taken, and one that is refused at the gate and at the door, and so leaves rows of the audit.
async fn type_passwords(site: &Site, stage: &Stage, planted: &mut Planted) {
    let (org, tara) = (&stage.org, stage.id("tara"));
    for (name, role) in [("rita", "org.reader"), ("ivo", "iam.admin")] {
        org.person(name, PASSWORD).await;
        org.give(name, role, None).await;
    }
    stage.olga.post(&format!("/users/{}/password", stage.id("pat")), json!({ "password": GIVEN })).await;
    let rita = Admin::of(site, org, "rita").await;
    let body = || json!({ "password": REFUSED });
    assert_eq!(rita.refused(Method::POST, &format!("/users/{tara}/password"), body()).await.0, 403);
    let new = json!({ "user_name": "nora", "password": REFUSED });
    assert_eq!(rita.refused(Method::POST, "/users", new).await.0, 403);
    let ivo = Admin::of(site, org, "ivo").await;
    let olga = org.user_id("olga").await;
    assert_eq!(ivo.refused(Method::POST, &format!("/users/{olga}/password"), body()).await.0, 403);
    for (what, password) in [("a password", PASSWORD), ("a given one", GIVEN), ("a refused one", REFUSED)] {
        planted.secret(what, password);
    }
}

/// What a path answers, and the pages behind it.
async fn pages(caller: &Admin, path: &str) -> Vec<Answer> {
    let mut answers = vec![caller.call(Method::GET, path, None).await];
    let mark = if path.contains('?') { '&' } else { '?' };
    let mut cursor = String::new();
    for _ in 0..PAGES {
        let answer = caller.call(Method::GET, &format!("{path}{mark}limit=1{cursor}"), None).await;
        let next = answer.json()["next"].as_str().map(|next| format!("&cursor={next}"));
        answers.push(answer);
        match next {
            Some(next) => cursor = next,
            None => break,
        }
    }
    answers
}

// H10
#[tokio::test(flavor = "multi_thread")]
async fn no_secret_that_was_planted_comes_out_of_any_route_that_reads() {
    on_both(async |site| {
        let mut planted = Planted::default();
        let link = setup_link(site).await.unwrap().expect("there is no operator yet");
        planted.secret("the set-up link", link.expose());
        let stage = Stage::set(site).await;
        stage.secrets.iter().for_each(|secret| planted.secret("an answered secret", secret));
        sign_in(site, &stage, &mut planted).await;
        type_passwords(site, &stage, &mut planted).await;
        for caller in [&stage.olga, &stage.opal, &stage.pia] {
            planted.secret("an administrator's token", &caller.token);
        }
        // A secret is answered once, to the request that made it; the same request again has none.
        let (body, key) = (json!({}), [("idempotency-key", "once")]);
        let ask = async || stage.olga.call_with(Method::POST, "/applications/robot/secrets", Some(&body), &key).await;
        let (first, again) = (ask().await, ask().await);
        planted.secret("a secret that was asked for twice", first.json()["secret"].as_str().unwrap());
        assert_eq!((again.header("idempotency-replayed"), planted.in_answer(&again)), ("true", None));
        planted.rows(site).await;

        let reads = api::build(site).2.into_iter().filter(|route| route.method == "GET");
        let mut paths: Vec<String> = reads.map(|route| stage.ask("GET", &route.path).0).collect();
        let more = ["/audit?limit=200", "/audit?outcome=denied", "/audit/export?format=jsonl", "/users?search=tara"];
        paths.extend(more.map(|path| format!("/api/v1/orgs/acme{path}")));
        for path in paths {
            let mut read = false;
            for caller in [&stage.olga, &stage.opal, &stage.pia] {
                for answer in pages(caller, &path).await {
                    read |= answer.status == 200;
                    assert!(answer.status < 500, "{path}: {}", answer.body);
                    let found = planted.in_answer(&answer);
                    assert!(found.is_none(), "GET {path} tells {found:?}: {}", answer.body);
                }
            }
            assert!(read, "nobody could read {path}");
        }
        let record = stage.olga.call(Method::GET, "/audit/export?format=jsonl", None).await;
        assert!(record.body.contains("\"denied\""), "what was refused stands in the record");
    })
    .await;
}
