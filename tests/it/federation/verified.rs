//! What a provider's answers must be (OpenID Connect Core §3.1.3.7 and §5.3.2, Discovery §4.3): with anything else nobody
//! is signed in, nobody is made, and one line of the log says so.

use muster::store::federation::upstreams::{self, Health};
use muster::store::memberships;
use serde_json::{Value, json};

use crate::support::browser::Landing;
use crate::support::client::Ask;
use crate::support::federated::{Federated, is_nobody, refusal, verify_domain};
use crate::support::provider::{Provider, Spoil};
use crate::support::server::{Site, on_both};

const NOT_VERIFIED: (u16, &str) = (502, "not_verified");
const UNREACHABLE: (u16, &str) = (502, "unreachable");
const DOCUMENT: &str = "/.well-known/openid-configuration";

async fn health(site: &Site, okta: &Federated) -> Health {
    upstreams::by_id(&mut site.conn().await, &okta.connection).await.unwrap().expect("it is set up").health
}

/// Somebody tries, and the code is exchanged; but nobody is signed in, made or known by it.
async fn turns_away(site: &Site, okta: &Federated, why: &str, word: (u16, &str)) {
    let (lines, exchanged) = (okta.log(site).await.len(), okta.provider.times_asked("/token"));
    let mut browser = site.browser();
    let page = okta.tries(site, &mut browser).await;
    assert_eq!(refusal(&page), word, "{why}: {page:?}");
    assert!(is_nobody(site, &mut browser).await, "{why}");
    assert_eq!(okta.provider.times_asked("/token"), exchanged + 1, "{why}: it came as far as that");
    let log = okta.log(site).await;
    assert_eq!((log.len(), log[0].outcome.as_str(), &log[0].user), (lines + 1, word.1, &None), "{why}");
    assert!(log[0].claims.is_empty(), "{why}: what does not count is written nowhere: {:?}", log[0].claims);
    let people = memberships::of_org(&mut site.conn().await, &okta.org.id).await.unwrap();
    assert!(people.is_empty(), "{why}: {people:?}");
    assert_eq!(okta.known_as(site, "u1").await, None, "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_token_with_claims_that_do_not_hold_signs_nobody_in() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let provider = Provider::open().await;
        let okta = Federated::open(site, &acme, &provider).await;
        let (now, us) = (site.now().seconds(), provider.client_id.clone());
        let cases: Vec<(&str, Value)> = vec![
            // B4, the twelve cases and their cousins.
            ("another's", json!({ "aud": "somebody-else" })),
            ("a list of others", json!({ "aud": ["somebody-else", "another"] })),
            ("us among others", json!({ "aud": [us, "somebody-else"] })),
            ("us among others, and we are the party", json!({ "aud": [us, "somebody-else"], "azp": us })),
            ("an empty list", json!({ "aud": [] })),
            ("no audience", json!({ "aud": null })),
            ("our name in other letters", json!({ "aud": us.to_uppercase() })),
            ("another party", json!({ "azp": "somebody-else" })),
            ("another party in a list of us", json!({ "aud": [us], "azp": "somebody-else" })),
            ("no end", json!({ "exp": null })),
            ("an end that is past", json!({ "exp": now - 61, "iat": now - 120 })),
            ("an end in words", json!({ "exp": "tomorrow" })),
            ("made in an hour", json!({ "iat": now + 3_600, "exp": now + 7_200 })),
            ("made an hour ago", json!({ "iat": now - 3_600 })),
            ("made nobody knows when", json!({ "iat": null })),
            ("good in an hour", json!({ "nbf": now + 3_600, "exp": now + 7_200 })),
            ("good from somewhen", json!({ "nbf": "soon" })),
            ("no nonce", json!({ "nonce": null })),
            ("an empty nonce", json!({ "nonce": "" })),
            ("another nonce", json!({ "nonce": "n-0S6_WzA2Mj" })),
            ("the issuer with a slash", json!({ "iss": format!("{}/", provider.issuer) })),
            ("the issuer in other letters", json!({ "iss": provider.issuer.replace("http", "HTTP") })),
            ("another issuer", json!({ "iss": "https://login.evil.test" })),
            ("no issuer", json!({ "iss": null })),
            ("no subject", json!({ "sub": null })),
            ("a subject that is a number", json!({ "sub": 7 })),
            ("another access token", json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" })),
            ("a proof at no time", json!({ "auth_time": "yesterday" })),
        ];
        for (why, claims) in cases {
            provider.spoil(Spoil::Claims(claims));
            turns_away(site, &okta, why, NOT_VERIFIED).await;
        }
        assert_eq!(health(site, &okta).await.failures, 0, "a token about somebody is no outage");
        for (why, claims) in [
            ("as it is", json!({})),
            ("us alone in a list", json!({ "aud": [us], "azp": us })),
            ("a clock that is a little ahead", json!({ "iat": now + 30, "exp": now + 330 })),
        ] {
            provider.spoil(Spoil::Claims(claims));
            let page = okta.tries(site, &mut site.browser()).await;
            assert_eq!((page.status, page.url), (200, site.at.url("/me")), "{why}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_token_that_no_published_key_signed_signs_nobody_in() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let provider = Provider::open().await;
        let okta = Federated::open(site, &acme, &provider).await;
        for (why, spoil) in [
            ("nothing signed it", Spoil::Algorithm("none")),
            ("nothing, in other letters", Spoil::Algorithm("nOnE")),
            ("an empty algorithm", Spoil::Algorithm("")),
            ("an algorithm without its signature", Spoil::Algorithm("ES256")),
            ("the public key as a secret", Spoil::Algorithm("HS256")),
            ("the client's secret", Spoil::SharedSecret),
            ("another key of the same name", Spoil::WrongKey),
            ("a key that nobody published", Spoil::UnknownKid),
            ("one bit turned", Spoil::Flipped), // B6
        ] {
            provider.spoil(spoil);
            turns_away(site, &okta, why, NOT_VERIFIED).await;
        }
        provider.spoil(Spoil::Nothing);
        okta.comes(site, &mut site.browser()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_an_earlier_sign_in_is_worth_nothing_in_the_next() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let provider = Provider::open().await;
        let okta = Federated::open(site, &acme, &provider).await;
        let now = site.now().seconds();
        // Signed as it must be and in time, for us; but for another request, for none, or under another algorithm's name.
        let right = json!({
            "iss": provider.issuer, "sub": "u1", "aud": provider.client_id, "iat": now, "exp": now + 300, "nonce": "earlier",
        });
        for (why, id_token) in [
            ("of another request", provider.sign("JWT", &right)),
            ("encrypted, it says", format!("{}.AA.AA", provider.sign("JWT", &right))),
            ("a text", "no token".to_owned()),
            ("empty", String::new()),
        ] {
            let answer = json!({ "access_token": "at", "token_type": "Bearer", "id_token": id_token });
            provider.answer("/token", 200, &answer.to_string());
            turns_away(site, &okta, why, NOT_VERIFIED).await;
        }
        let without = json!({ "access_token": "at", "token_type": "Bearer" });
        provider.answer("/token", 200, &without.to_string());
        turns_away(site, &okta, "no ID token at all", NOT_VERIFIED).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_changed_is_read_once_and_a_made_up_one_does_not_make_us_ask_again_and_again() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let provider = Provider::open().await;
        let okta = Federated::open(site, &acme, &provider).await;
        okta.comes(site, &mut site.browser()).await;
        assert_eq!(provider.times_asked("/jwks"), 1);
        provider.rotate();
        okta.comes(site, &mut site.browser()).await;
        assert_eq!(provider.times_asked("/jwks"), 2, "the new key is found by its kid");
        provider.spoil(Spoil::UnknownKid);
        for _ in 0..5 {
            let page = okta.tries(site, &mut site.browser()).await;
            assert_eq!(refusal(&page), NOT_VERIFIED);
        }
        assert_eq!(provider.times_asked("/jwks"), 2, "once a minute is enough");
        provider.spoil(Spoil::Nothing);
        okta.comes(site, &mut site.browser()).await;
        assert_eq!(provider.times_asked(DOCUMENT), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_describes_itself_otherwise_than_it_is_leads_nobody_anywhere() {
    // J1: addresses inside are never called, whoever names them.
    let odd: [(&str, fn(&Provider)); 20] = [
        ("another issuer", |p| p.describes(json!({ "issuer": "https://login.evil.test" }))),
        ("a slash more", |p| p.describes(json!({ "issuer": format!("{}/", p.issuer) }))),
        ("a tenant to be filled in", |p| p.describes(json!({ "issuer": format!("{}/{{tenantid}}", p.issuer) }))),
        ("no issuer", |p| p.describes(json!({ "issuer": null }))),
        ("no token endpoint", |p| p.describes(json!({ "token_endpoint": null }))),
        ("no keys", |p| p.describes(json!({ "jwks_uri": null }))),
        ("tokens inside", |p| p.describes(json!({ "token_endpoint": "https://10.0.0.1/token" }))),
        ("tokens of the cloud", |p| p.describes(json!({ "token_endpoint": "http://169.254.169.254/latest" }))),
        ("tokens in clear", |p| p.describes(json!({ "token_endpoint": "http://id.evil.test/token" }))),
        ("keys in a file", |p| p.describes(json!({ "jwks_uri": "file:///etc/passwd" }))),
        ("keys at home", |p| p.describes(json!({ "jwks_uri": "https://[::1]/jwks" }))),
        ("keys at a name of home", |p| p.describes(json!({ "jwks_uri": "https://localhost./jwks" }))),
        ("people inside", |p| p.describes(json!({ "userinfo_endpoint": "https://[::ffff:127.0.0.1]/" }))),
        ("a script", |p| p.describes(json!({ "authorization_endpoint": "javascript:alert(1)" }))),
        ("a page in clear", |p| p.describes(json!({ "authorization_endpoint": "http://id.evil.test/" }))),
        ("secrets alone", |p| {
            p.describes(json!({ "id_token_signing_alg_values_supported": ["HS256", "none"] }));
        }),
        ("no document", |p| p.answer(DOCUMENT, 404, "{}")),
        ("no object", |p| p.answer(DOCUMENT, 200, "[]")),
        ("elsewhere", |p| p.spoil(Spoil::Redirect)),
        ("nobody there", |p| p.spoil(Spoil::Down)),
    ];
    on_both(async |site| {
        for (number, (why, spoil)) in odd.iter().enumerate() {
            // So many connections one organisation doesn't have.
            let acme = site.org(&format!("acme-{}", number % 3)).await;
            let provider = Provider::open().await;
            spoil(&provider);
            let okta = Federated::open(site, &acme, &provider).await;
            leads_nowhere(site, &okta, why, UNREACHABLE).await;
            let health = health(site, &okta).await;
            assert_eq!(health.failures, 1, "{why}: that is the provider's own doing");
            assert!(!health.last_error.unwrap_or_default().contains("evil"), "{why}: no word of theirs is kept");
            provider.spoil(Spoil::Nothing);
        }
        let acme = site.org("acme").await;
        let provider = Provider::open().await;
        provider.spoil(Spoil::Huge);
        let okta = Federated::open(site, &acme, &provider).await;
        leads_nowhere(site, &okta, "a document without an end", NOT_VERIFIED).await;
        // What was wrong is not kept: as soon as it is mended, people come in.
        provider.spoil(Spoil::Nothing);
        okta.comes(site, &mut site.browser()).await;
        assert_eq!(health(site, &okta).await.failures, 0);
    })
    .await;
}

/// A page says so, and the browser is not sent away; nothing but the document was asked for.
async fn leads_nowhere(site: &Site, okta: &Federated, why: &str, word: (u16, &str)) {
    let mut browser = site.browser();
    let landing = browser.open(&okta.login(site)).await;
    let Landing::Page(page) = landing else { panic!("{why}: {landing:?}") };
    assert_eq!(refusal(&page), word, "{why}");
    assert!(page.text().contains(&okta.name) && !page.html.contains("evil.test"), "{why}: {page:?}");
    let asked = okta.provider.asked();
    assert!(asked.iter().all(|asked| asked.path == DOCUMENT), "{why}: {asked:?}");
    let log = okta.log(site).await;
    assert_eq!((log.len(), log[0].outcome.as_str()), (1, word.1), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn userinfo_adds_what_the_id_token_lacks_and_is_about_nobody_else() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        verify_domain(site, &acme, "acme.test").await;
        let provider = Provider::open().await;
        let okta = Federated::open(site, &acme, &provider).await;
        provider.says(json!({ "sub": "u1", "name": "Una", "email": "una@acme.test", "email_verified": true }));
        provider.spoil(Spoil::UserinfoOfOther);
        turns_away(site, &okta, "about somebody else", NOT_VERIFIED).await;
        provider.spoil(Spoil::Nothing);
        for (why, status, body, word) in [
            ("a list", 200, "[]", NOT_VERIFIED),
            ("no JSON", 200, "<html>", NOT_VERIFIED),
            ("about nobody", 200, "{\"name\":\"Una\"}", NOT_VERIFIED),
            ("our token is none", 401, "{\"error\":\"invalid_token\"}", (403, "refused_upstream")),
            ("an outage", 503, "", UNREACHABLE),
        ] {
            provider.answer("/userinfo", status, body);
            turns_away(site, &okta, why, word).await;
        }
        // The ID token's own word stands; what it does not say is read from userinfo, but for what is of one sign-in.
        let more = json!({
            "sub": "u1", "name": "Another", "email": "una@acme.test", "iss": "https://login.evil.test", "sid": "s-1",
        });
        provider.answer("/userinfo", 200, &more.to_string());
        provider.spoil(Spoil::Claims(json!({ "email": null, "email_verified": null })));
        let shop = site.client(&acme.application("shop").await);
        let ask = Ask::of(&shop);
        let arrival = okta.comes_for(&mut site.browser(), &ask).await.arrival();
        let told = shop.userinfo(shop.tokens_of(&arrival, &ask).await.access()).await.json();
        assert_eq!((&told["name"], &told["email"]), (&json!("Una"), &json!("una@acme.test")), "{told}");
        // A connection that wants no userinfo doesn't ask for it.
        let asked = provider.times_asked("/userinfo");
        okta.set_up(site, |settings| settings.userinfo = false).await;
        provider.spoil(Spoil::Nothing);
        okta.comes(site, &mut site.browser()).await;
        assert_eq!(provider.times_asked("/userinfo"), asked);
    })
    .await;
}
