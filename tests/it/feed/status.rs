//! Status lists: the bit of a token turns with what is taken from its holder.

use std::io::Read as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::read::ZlibDecoder;
use muster::domain::change::Change;
use reqwest::Method;
use reqwest::header::IF_NONE_MATCH;
use serde_json::{Value, json};

use crate::support::PASSWORD;
use crate::support::browser::Person;
use crate::support::client::{Client, Tokens, part};
use crate::support::http::Answer;
use crate::support::org::Org;
use crate::support::server::{Site, on_both};
use crate::support::verifier::Verifier;

/// The shop, whose tokens refer to a status list.
async fn shop(site: &Site, acme: &Org) -> Client {
    site.client(&acme.application_with("shop", |application| application.status_list = true).await)
}

/// The list that a token refers to.
async fn list(site: &Site, token: &Value) -> Answer {
    site.at.get(token["status"]["status_list"]["uri"].as_str().unwrap().strip_prefix(&site.at.issuer).unwrap()).await
}

/// Whether the list says that a token is valid, once it has been made anew.
async fn is_valid(site: &Site, token: &Value) -> bool {
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let answer = list(site, token).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/statuslist+jwt"));
    assert_eq!(part(&answer.body, 0)["typ"], "statuslist+jwt");
    let claims = Verifier::new(site.at.clone()).verify(&answer.body).await.expect("its signature holds");
    assert_eq!(claims["sub"], token["status"]["status_list"]["uri"]);
    assert_eq!((&claims["ttl"], &claims["status_list"]["bits"]), (&json!(10), &json!(1)));
    let packed = URL_SAFE_NO_PAD.decode(claims["status_list"]["lst"].as_str().unwrap()).unwrap();
    let mut bits = Vec::new();
    ZlibDecoder::new(&packed[..]).read_to_end(&mut bits).unwrap();
    let index = usize::try_from(token["status"]["status_list"]["idx"].as_u64().unwrap()).unwrap();
    assert_eq!(bits.len() * 8, 100_000);
    bits[index / 8] & (1 << (index % 8)) == 0
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bit_of_a_token_turns_when_its_holder_loses_something() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        for name in ["ana", "bo"] {
            acme.person(name, PASSWORD).await;
        }
        let binding = acme.give("ana", "org.reader", None).await;
        let shop = shop(site, &acme).await;
        let ana = shop.sign_in(&mut site.browser(), Person::named("ana")).await;
        let bo = shop.sign_in(&mut site.browser(), Person::named("bo")).await;
        let (first, others) = (ana.claims(), bo.claims());
        assert_ne!(first["status"], others["status"], "each has an index of its own");
        let refreshed = Tokens::read(&shop.refresh(ana.refresh()).await).claims();
        assert_eq!(refreshed["status"], first["status"], "nothing was taken");
        assert!(is_valid(site, &first).await && is_valid(site, &others).await);
        acme.take(&binding).await;
        assert!(!is_valid(site, &first).await && is_valid(site, &others).await);

        let member = acme.member_id("bo").await;
        site.act(vec![Change::RemoveMember { org: acme.id.clone(), member }]).await;
        assert!(!is_valid(site, &others).await, "who is no member has nothing");
        let plain = site.client(&acme.application("plain").await);
        let unmarked = plain.sign_in(&mut site.browser(), Person::named("ana")).await.claims();
        assert_eq!(unmarked["status"], Value::Null, "nobody asked for it");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_revoked_by_itself_takes_its_index_along_and_the_next_has_another() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let shop = shop(site, &acme).await;
        let tokens = shop.sign_in(&mut site.browser(), Person::named("ana")).await;
        shop.revoke(tokens.access()).await;
        assert!(!is_valid(site, &tokens.claims()).await);
        let next = Tokens::read(&shop.refresh(tokens.refresh()).await).claims();
        assert_ne!(next["status"], tokens.claims()["status"]);
        assert!(is_valid(site, &next).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_for_everybody_and_there_is_none_before_its_first_index() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        for number in ["0", "1", "-1", "00", "x", "9223372036854775807"] {
            assert_eq!(site.at.get(&format!("/status/{number}")).await.status, 404, "{number}");
        }
        let shop = shop(site, &acme).await;
        let claims = shop.sign_in(&mut site.browser(), Person::named("ana")).await.claims();
        assert_eq!(claims["status"]["status_list"], json!({ "idx": 0, "uri": site.at.url("/status/0") }));
        let found = list(site, &claims).await;
        assert_eq!((found.status, found.header("access-control-allow-origin")), (200, "*"));
        let request = site.at.request(Method::GET, &site.at.url("/status/0"));
        let again = Answer::to(request.header(IF_NONE_MATCH, found.header("etag"))).await;
        assert!(again.status == 304 || again.header("etag") != found.header("etag"), "{}", again.status);
        assert_eq!(site.at.get("/status/1").await.status, 404);
    })
    .await;
}
