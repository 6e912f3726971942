//! What the relying party promises, against a provider that lies.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use josekit::jwk::Jwk;
use josekit::jws::{self, ES256, HS256, JwsHeader};
use serde_json::{Value, json};

use super::fake_tests::{Fake, Key, NOW, relying_party, upstreams};
use super::*;
use crate::domain::federation::ClientAuth;
use crate::kernel::secret::Digest;

const BACK: &str = "https://id.test/upstream/con_1/callback";

fn core(fake: &Fake, client_auth: ClientAuth) -> Core {
    Core { issuer: fake.issuer.clone(), client_id: "muster".to_owned(), client_auth }
}

/// One exchange as a confidential client.
async fn exchange(upstreams: &Upstreams, fake: &Fake, userinfo: bool) -> Result<Claims, UpstreamError> {
    exchange_as(upstreams, &core(fake, ClientAuth::SecretBasic), None, userinfo).await
}

async fn exchange_as(
    upstreams: &Upstreams,
    settings: &Core,
    key: Option<&NewKey>,
    userinfo: bool,
) -> Result<Claims, UpstreamError> {
    let (secret, code) = (Secret::presented("s3cret"), Secret::presented("code-1"));
    let verifier = Secret::presented("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    let party = Party {
        settings,
        secret: Some(&secret),
        private_key: key.map(|key| key.private_pkcs8.as_slice()),
        key_id: key.map(|key| key.kid.as_str()),
        redirect_uri: BACK,
    };
    let returned = Returned { code: &code, nonce: "n-1", pkce_verifier: &verifier };
    upstreams.exchange(&party, returned, userinfo, NOW).await
}

/// What comes of an ID token with these claims.
async fn told(fake: &Fake, upstreams: &Upstreams, claims: &Value) -> Result<Claims, UpstreamError> {
    fake.give(&fake.key.sign(claims));
    exchange(upstreams, fake, false).await
}

/// The fields of a form that was posted.
fn form(request: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(request.split("\r\n\r\n").nth(1).unwrap().as_bytes()).into_owned().collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn with(fake: &Fake, name: &str, value: Option<Value>) -> Value {
    let mut claims = fake.claims();
    let members = claims.as_object_mut().unwrap();
    match value {
        Some(value) => drop(members.insert(name.to_owned(), value)),
        None => drop(members.remove(name)),
    }
    claims
}

#[tokio::test]
async fn a_sign_in_gives_every_claim_as_it_came_and_the_code_goes_out_with_its_proof() {
    let fake = Fake::start().await;
    let claims = fake.claims();
    let found = told(&fake, &upstreams(), &claims).await.unwrap();
    assert_eq!(Value::Object(found), claims);
    let asked = fake.asked("/token").remove(0);
    let basic = format!("authorization: Basic {}\r\n", STANDARD.encode("muster:s3cret"));
    assert!(asked.contains(&basic), "{asked}");
    let form = form(&asked);
    for one in [
        pair("grant_type", "authorization_code"),
        pair("code", "code-1"),
        pair("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        pair("redirect_uri", BACK),
    ] {
        assert!(form.contains(&one), "{one:?} in {form:?}");
    }
    assert!(!asked.contains("client_secret"), "{asked}");
}

#[tokio::test]
async fn every_wrong_claim_of_an_id_token_is_refused() {
    let fake = Fake::start().await;
    let (upstreams, now) = (upstreams(), NOW.seconds());
    let wrong: [(&str, Option<Value>); 24] = [
        ("aud", Some(json!("shop"))),
        ("aud", Some(json!(["shop", "store"]))),
        ("aud", Some(json!(["muster", "shop"]))),
        ("aud", Some(json!([]))),
        ("aud", None),
        ("azp", Some(json!("shop"))),
        ("exp", None),
        ("exp", Some(json!(now - 1))),
        ("exp", Some(json!("soon"))),
        ("iat", Some(json!(now + 3_600))),
        ("iat", Some(json!(now - 601))),
        ("iat", None),
        ("nbf", Some(json!(now + 3_600))),
        ("nbf", Some(json!("now"))),
        ("nonce", None),
        ("nonce", Some(json!("n-2"))),
        ("nonce", Some(json!(""))),
        ("iss", Some(json!(format!("{}/", fake.issuer)))),
        ("iss", Some(json!("https://other.test"))),
        ("iss", None),
        ("sub", None),
        ("sub", Some(json!(7))),
        ("at_hash", Some(json!("AAAAAAAAAAAAAAAAAAAAAA"))),
        ("at_hash", Some(json!(""))),
    ];
    for (name, value) in wrong {
        let refused = told(&fake, &upstreams, &with(&fake, name, value.clone())).await;
        assert!(matches!(refused, Err(UpstreamError::NotVerified(_))), "{name} {value:?}: {refused:?}");
    }
    let at_hash = URL_SAFE_NO_PAD.encode(&Digest::of(b"at-1").as_bytes()[..16]);
    for (name, value) in [
        ("at_hash", json!(at_hash)),
        ("azp", json!("muster")),
        ("aud", json!(["muster"])),
        ("iat", json!(now + 30)),
        ("nbf", json!(now)),
    ] {
        let accepted = told(&fake, &upstreams, &with(&fake, name, Some(value))).await;
        assert!(accepted.is_ok(), "{name}: {accepted:?}");
    }
}

#[tokio::test]
async fn an_unsigned_token_and_one_signed_with_the_public_key_are_refused() {
    let fake = Fake::start().await;
    let (upstreams, claims) = (upstreams(), fake.claims().to_string());
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let mut tokens: Vec<String> = ["none", "None", "nOnE", "", "ES256K", "RSA-OAEP"]
        .iter()
        .map(|alg| format!("{}.{}.", part(&json!({ "alg": alg, "kid": "one" }).to_string()), part(&claims)))
        .collect();
    tokens.push(format!("{}.{}.", part("{}"), part(&claims)));
    let members: &Claims = fake.key.public.as_ref();
    let public = Value::Object(members.clone()).to_string();
    for secret in [fake.key.pem.as_slice(), public.as_bytes(), b"s3cret-s3cret-s3cret-s3cret-s3cret"] {
        let mut header = JwsHeader::new();
        header.set_key_id("one");
        let signer = HS256.signer_from_bytes(secret).unwrap();
        tokens.push(jws::serialize_compact(claims.as_bytes(), &header, &signer).unwrap());
    }
    for token in tokens {
        fake.give(&token);
        let refused = exchange(&upstreams, &fake, false).await;
        assert!(matches!(refused, Err(UpstreamError::NotVerified(_))), "{refused:?} {token}");
    }
}

#[tokio::test]
async fn a_key_that_the_token_brings_along_is_not_believed_and_nothing_it_names_is_fetched() {
    let fake = Fake::start().await;
    let (upstreams, own) = (upstreams(), Key::fresh("one"));
    let mut header = JwsHeader::new();
    header.set_key_id("one");
    header.set_jwk(own.public.clone());
    header.set_jwk_set_url(format!("{}/evil", fake.issuer));
    header.set_x509_url(format!("{}/evil", fake.issuer));
    let mut critical = JwsHeader::new();
    critical.set_key_id("one");
    critical.set_critical(&vec!["exp"]);
    let mut logout = JwsHeader::new();
    logout.set_key_id("one");
    logout.set_token_type("logout+jwt");
    let claims = fake.claims();
    for token in
        [own.sign_with(&header, &claims), fake.key.sign_with(&critical, &claims), fake.key.sign_with(&logout, &claims)]
    {
        fake.give(&token);
        let refused = exchange(&upstreams, &fake, false).await;
        assert!(matches!(refused, Err(UpstreamError::NotVerified(_))), "{refused:?}");
    }
    assert!(fake.asked("/evil").is_empty());
    fake.answer("/token", 200, r#"{ "access_token": "at-1", "token_type": "Bearer" }"#);
    let none = exchange(&upstreams, &fake, false).await;
    assert_eq!(none, Err(UpstreamError::NotVerified("there is no ID token")));
}

#[tokio::test]
async fn an_unknown_key_is_looked_for_once_and_then_not_for_a_while() {
    let fake = Fake::start().await;
    let (upstreams, second, third) = (upstreams(), Key::fresh("two"), Key::fresh("three"));
    assert!(told(&fake, &upstreams, &fake.claims()).await.is_ok());
    fake.publish(&[&fake.key, &second]);
    fake.give(&second.sign(&fake.claims()));
    assert!(exchange(&upstreams, &fake, false).await.is_ok());
    assert_eq!(fake.asked("/jwks").len(), 2);
    fake.publish(&[&fake.key, &second, &third]);
    fake.give(&third.sign(&fake.claims()));
    for _ in 0..3 {
        let refused = exchange(&upstreams, &fake, false).await;
        assert_eq!(refused, Err(UpstreamError::NotVerified("none of the provider's keys signed it")));
    }
    assert_eq!(fake.asked("/jwks").len(), 2);
    assert_eq!(fake.asked("/.well-known/openid-configuration").len(), 1);
}

#[tokio::test]
async fn those_who_ask_together_cause_one_question_and_what_is_old_is_asked_again() {
    let fake = Fake::start().await;
    fake.pause(Duration::from_millis(50));
    let upstreams = Upstreams::keeping(relying_party(), 10, Duration::from_millis(400));
    let all = futures_util::future::join_all((0..16).map(|_| upstreams.discover(&fake.issuer))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(fake.asked("/.well-known/openid-configuration").len(), 1);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(upstreams.discover(&fake.issuer).await.is_ok());
    assert_eq!(fake.asked("/.well-known/openid-configuration").len(), 2);
}

#[tokio::test]
async fn no_more_providers_are_remembered_than_there_is_room_for() {
    let upstreams = Upstreams::keeping(relying_party(), 3, FRESH);
    for n in 0..20 {
        let refused = upstreams.discover(&format!("https://10.0.0.{n}")).await;
        assert!(matches!(refused, Err(UpstreamError::BadDiscovery(_))));
    }
    upstreams.known.run_pending_tasks();
    assert!(upstreams.known.entry_count() <= 3);
    let long = upstreams.discover(&format!("https://idp.test/{}", "a".repeat(LONGEST_ISSUER))).await;
    assert_eq!(long.err(), Some(UpstreamError::BadDiscovery("the issuer is too long")));
}

#[tokio::test]
async fn answers_that_are_too_large_are_not_read() {
    let fake = Fake::start().await;
    let known = upstreams();
    let groups: Vec<String> = (0..50_000).map(|n| format!("00000000-0000-0000-0000-{n:012}")).collect();
    let many = told(&fake, &known, &with(&fake, "groups", Some(json!(groups)))).await.unwrap();
    assert_eq!(many["groups"].as_array().map(Vec::len), Some(50_000));
    fake.endless("/token", &format!("{{\"id_token\":\"{}\"}}", "x".repeat(fetch::MOST_ANSWER_BYTES)));
    assert_eq!(exchange(&known, &fake, false).await, Err(UpstreamError::TooLarge));
    fake.answer("/jwks", 200, &" ".repeat(300 * 1024));
    assert_eq!(exchange(&upstreams(), &fake, false).await, Err(UpstreamError::TooLarge));
    fake.answer("/.well-known/openid-configuration", 200, &" ".repeat(300 * 1024));
    assert_eq!(exchange(&upstreams(), &fake, false).await, Err(UpstreamError::TooLarge));
}

#[tokio::test]
async fn nobody_is_followed_elsewhere() {
    let fake = Fake::start().await;
    let known = upstreams();
    assert!(told(&fake, &known, &fake.claims()).await.is_ok());
    fake.redirect("/token", "/elsewhere");
    assert_eq!(exchange(&known, &fake, false).await, Err(UpstreamError::Unreachable));
    fake.give(&fake.key.sign(&fake.claims()));
    fake.redirect("/userinfo", "/elsewhere");
    assert_eq!(exchange(&known, &fake, true).await, Err(UpstreamError::Unreachable));
    fake.redirect("/.well-known/openid-configuration", "/elsewhere");
    let refused = exchange(&upstreams(), &fake, false).await;
    assert!(matches!(refused, Err(UpstreamError::BadDiscovery(_))), "{refused:?}");
    assert!(fake.asked("/elsewhere").is_empty());
}

#[tokio::test]
async fn userinfo_adds_what_the_id_token_lacks_and_must_be_about_the_same_person() {
    let fake = Fake::start().await;
    let upstreams = upstreams();
    fake.give(&fake.key.sign(&fake.claims()));
    let about = |subject: &str| {
        json!({ "sub": subject, "name": "Ann", "email": "ann@acme.test", "groups": ["g-9"], "team": { "id": 7 } })
            .to_string()
    };
    fake.answer("/userinfo", 200, &about("sub-1"));
    let found = exchange(&upstreams, &fake, true).await.unwrap();
    assert_eq!((&found["name"], &found["team"]), (&json!("Ann"), &json!({ "id": 7 })));
    assert_eq!(found["groups"], json!(["g-1", "g-2"]), "the ID token wins");
    assert!(fake.asked("/userinfo").remove(0).contains("authorization: Bearer at-1\r\n"));
    for other in [about("sub-2"), about(""), "{}".to_owned(), "[]".to_owned()] {
        fake.answer("/userinfo", 200, &other);
        let refused = exchange(&upstreams, &fake, true).await;
        assert!(matches!(refused, Err(UpstreamError::NotVerified(_))), "{refused:?} {other}");
    }
    fake.answer("/userinfo", 401, "{}");
    let refused = exchange(&upstreams, &fake, true).await;
    assert_eq!(refused, Err(UpstreamError::Refused("invalid_token".to_owned())));
    let token = fake.key.sign(&fake.claims());
    let answer = json!({ "access_token": "at\r\n1", "token_type": "Bearer", "id_token": token });
    fake.answer("/token", 200, &answer.to_string());
    let refused = exchange(&upstreams, &fake, true).await;
    assert_eq!(refused, Err(UpstreamError::NotVerified("the access token is malformed")));
}

#[tokio::test]
async fn a_refusal_is_told_by_its_code_and_nothing_else_that_was_said() {
    let fake = Fake::start().await;
    let upstreams = upstreams();
    let refused = |code: &str| Err(UpstreamError::Refused(code.to_owned()));
    let long = "a".repeat(61);
    for (status, body, wanted) in [
        (400, json!({ "error": "invalid_grant", "error_description": "<script>" }), refused("invalid_grant")),
        (401, json!({ "error": "invalid_client" }), refused("invalid_client")),
        (200, json!({ "error": "bad_verification_code" }), refused("bad_verification_code")),
        (400, json!({ "error": "<script>" }), refused("unknown_error")),
        (400, json!({ "error": "AADSTS70008: expired" }), refused("unknown_error")),
        (400, json!({ "error": long }), refused("unknown_error")),
        (400, json!({ "error": "" }), refused("unknown_error")),
        (400, json!({ "message": "no" }), Err(UpstreamError::Unreachable)),
        (500, json!("<html>"), Err(UpstreamError::Unreachable)),
        (200, json!([]), Err(UpstreamError::Unreachable)),
    ] {
        fake.answer("/token", status, &body.to_string());
        assert_eq!(exchange(&upstreams, &fake, false).await, wanted, "{status} {body}");
    }
    for (error, wanted) in [
        (UpstreamError::refused("invalid_client"), true),
        (UpstreamError::refused("invalid_grant"), false),
        (UpstreamError::NotVerified("x"), false),
        (UpstreamError::Unreachable, true),
        (UpstreamError::BadDiscovery("x"), true),
        (UpstreamError::TooLarge, true),
    ] {
        assert_eq!(error.is_providers_fault(), wanted, "{error}");
    }
}

#[tokio::test]
async fn each_way_to_authenticate_shows_what_it_must_and_no_more() {
    let fake = Fake::start().await;
    let (upstreams, key) = (upstreams(), make_key());
    fake.give(&fake.key.sign(&fake.claims()));
    for how in [ClientAuth::SecretPost, ClientAuth::None, ClientAuth::PrivateKeyJwt] {
        assert!(exchange_as(&upstreams, &core(&fake, how), Some(&key), false).await.is_ok(), "{how}");
        let asked = fake.asked("/token").pop().unwrap();
        let form = form(&asked);
        let secret = form.contains(&pair("client_secret", "s3cret"));
        assert_eq!(secret, how == ClientAuth::SecretPost, "{how}");
        assert!(!asked.contains("authorization:") && form.contains(&pair("client_id", "muster")), "{how}");
        let assertion = form.iter().find(|(name, _)| name == "client_assertion");
        assert_eq!(assertion.is_some(), how == ClientAuth::PrivateKeyJwt, "{how}");
        if let Some((_, token)) = assertion {
            let verifier = ES256.verifier_from_jwk(&Jwk::from_bytes(key.public_jwk.as_bytes()).unwrap()).unwrap();
            let (payload, _) = jws::deserialize_compact(token, &verifier).unwrap();
            let claims: Value = serde_json::from_slice(&payload).unwrap();
            assert_eq!(claims["aud"], format!("{}/token", fake.issuer));
        }
    }
    let keyless = exchange_as(&upstreams, &core(&fake, ClientAuth::PrivateKeyJwt), None, false).await;
    assert_eq!(keyless, Err(UpstreamError::Refused("invalid_client".to_owned())));
}

#[tokio::test]
async fn the_browser_is_sent_with_everything_that_ties_the_answer_to_it() {
    let fake = Fake::start().await;
    let metadata = upstreams().discover(&fake.issuer).await.unwrap();
    let (settings, state) = (core(&fake, ClientAuth::None), Secret::presented("ust_1"));
    let party = Party { settings: &settings, secret: None, private_key: None, key_id: None, redirect_uri: BACK };
    let scopes: BTreeSet<String> = ["openid", "profile"].map(str::to_owned).into();
    let mut asking = Asking {
        state: &state,
        nonce: "n-1",
        pkce_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        scopes: &scopes,
        login_hint: Some("ann@acme.test"),
        prompt_login: true,
        max_age: Some(0),
    };
    let said = |asking: &Asking<'_>| -> Vec<(String, String)> {
        let url = url::Url::parse(&Upstreams::authorization_url(&metadata, &party, asking).unwrap()).unwrap();
        assert!(url.as_str().starts_with(&format!("{}/authorize?tenant=a&", fake.issuer)), "{url}");
        url.query_pairs().into_owned().collect()
    };
    let all = said(&asking);
    for one in [
        pair("response_type", "code"),
        pair("client_id", "muster"),
        pair("state", "ust_1"),
        pair("nonce", "n-1"),
        pair("redirect_uri", BACK),
        pair("scope", "openid profile"),
        pair("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        pair("code_challenge_method", "S256"),
        pair("login_hint", "ann@acme.test"),
        pair("prompt", "login"),
        pair("max_age", "0"),
    ] {
        assert!(all.contains(&one), "{one:?} in {all:?}");
    }
    (asking.login_hint, asking.prompt_login, asking.max_age) = (None, false, None);
    let least = said(&asking);
    assert!(!least.iter().any(|(name, _)| ["login_hint", "prompt", "max_age"].contains(&name.as_str())), "{least:?}");
}
