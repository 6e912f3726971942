//! Claims that are odd: subjects and addresses that look like others', and words that would make somebody more than they
//! are. Everything is compared whole; what can't be kept whole is refused.

use std::collections::BTreeSet;

use muster::domain::source::Source;
use muster::store::users;
use serde_json::{Value, json};

use crate::support::PASSWORD;
use crate::support::browser::Person;
use crate::support::client::{Ask, list, names};
use crate::support::federated::{Federated, is_nobody, refusal, verify_domain};
use crate::support::provider::Provider;
use crate::support::server::on_both;

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_is_compared_whole_and_one_that_cannot_be_kept_is_refused() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let provider = Provider::open().await;
        let okta = Federated::open(site, &acme, &provider).await;
        okta.comes(site, &mut site.browser()).await;
        let first = okta.known_as(site, "u1").await.expect("they are known");
        // D9: nothing is cut off at a character that ends a text elsewhere.
        let long = ["u".repeat(256), "\u{e9}".repeat(128), "u1".repeat(5_000)];
        let unfit = ["", " ", "\0", "u1\0", "u1\0more", "u1\r\n", "u1\u{200b}", "u\u{ad}1", "\u{202e}1u", "u1\u{feff}"];
        for subject in unfit.into_iter().chain(long.iter().map(String::as_str)) {
            provider.says(json!({ "sub": subject }));
            let mut browser = site.browser();
            let page = okta.tries(site, &mut browser).await;
            assert_eq!(refusal(&page), (502, "subject_unfit"), "{subject:?}: {page:?}");
            assert!(is_nobody(site, &mut browser).await, "{subject:?}");
            assert_eq!(okta.known_as(site, subject).await, None, "{subject:?}");
            assert_eq!(okta.log(site).await[0].outcome, "subject_unfit", "{subject:?}");
        }
        let longest = ["u".repeat(255), "\u{e9}".repeat(127)];
        let fit = [
            "U1",
            "u1 ",
            " u1",
            "u1<!---->",
            "u1'--",
            "u1%00",
            "\u{fc}1",
            "u\u{308}1",
            "\u{1d566}1",
            "\u{ff55}1",
            "u1/../u1",
            "{\"sub\":\"u1\"}",
        ];
        let mut known = BTreeSet::from([first]);
        for (number, subject) in fit.into_iter().chain(longest.iter().map(String::as_str)).enumerate() {
            provider.says(json!({ "sub": subject, "preferred_username": format!("odd-{number}") }));
            okta.comes(site, &mut site.browser()).await;
            let user = okta.known_as(site, subject).await.expect("they are known by the whole of it");
            assert!(known.insert(user), "{subject:?} is another's");
        }
        for (number, subject) in fit.into_iter().enumerate() {
            provider.says(json!({ "sub": subject, "preferred_username": format!("odd-{number}") }));
            okta.comes(site, &mut site.browser()).await;
            assert!(known.contains(&okta.known_as(site, subject).await.unwrap()), "{subject:?} is who they were");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_only_looks_like_somebodys_is_not_theirs() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        verify_domain(site, &acme, "example.test").await;
        let kim = acme.person("kim", PASSWORD).await;
        let provider = Provider::open().await;
        let okta = Federated::open(site, &acme, &provider).await;
        // D8 and D9: what some reader takes for kim@example.test.
        let odd = [
            "kim@example.test\0",
            "kim\0@example.test",
            "kim\u{200b}@example.test",
            "ki\u{ad}m@example.test",
            "\u{202e}kim@example.test",
            "kim@evil.test@example.test",
            "kim@example.test@evil.test",
            "\"kim\"@example.test",
            "<kim@example.test>",
            "kim@example.test,eve@evil.test",
            "kim@example.test eve@evil.test",
            "kim@example.test\r\nbcc:eve@evil.test",
            "kim(eve)@example.test",
            "kim+eve@example.test",
            "kim@sub.example.test",
            "kim@example.test.evil.test",
            "kim@xn--example-.test",
            "kim@[127.0.0.1]",
            "kim\u{ff20}example.test",
            "\u{ff4b}im@example.test",
            "\u{212a}im@example.test", // the Kelvin sign, whose small letter is k
            "k\u{131}m@example.test",
        ];
        for (number, email) in odd.into_iter().enumerate() {
            let sub = format!("eve-{number}");
            provider.says(json!({ "sub": sub, "email": email, "email_verified": true }));
            let page = okta.tries(site, &mut site.browser()).await;
            let came = okta.known_as(site, &sub).await;
            assert_ne!(came.as_ref(), Some(&kim), "{email:?}");
            let word = refusal(&page);
            assert_eq!(came.is_some(), word == (200, ""), "{email:?}: {page:?}");
            let plain = ["", "account_exists", "not_verified"].contains(&word.1);
            assert!(plain, "{email:?}: {page:?}");
            let found = users::find(&mut site.conn().await, &kim).await.unwrap().unwrap();
            assert_eq!((found.source, found.user_name.as_str()), (Source::Local, "kim"), "{email:?}");
        }
        assert_eq!(site.browser().sign_in(Person::named("kim")).await.page().status, 200);
        // The address itself, in other letters or with margins, is hers: that is what the connection says of its own domain.
        provider.says(json!({ "sub": "kim-herself", "email": "Kim@EXAMPLE.test", "email_verified": true }));
        okta.comes(site, &mut site.browser()).await;
        assert_eq!(okta.known_as(site, "kim-herself").await, Some(kim));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_claim_makes_anybody_more_than_the_mapping_does() {
    on_both(async |site| {
        let (acme, globex) = (site.org("acme").await, site.org("globex").await);
        acme.project("web").await;
        let provider = Provider::open().await;
        let okta = Federated::open(site, &acme, &provider).await;
        let shop = site.client(&acme.application("shop").await);
        let own = |sub: &str| json!({ "sub": sub, "preferred_username": sub, "name": "Eve" });
        provider.says(own("plain"));
        let ask = Ask::of(&shop);
        let arrival = okta.comes_for(&mut site.browser(), &ask).await.arrival();
        let plain = shop.tokens_of(&arrival, &ask).await;
        // D5: words of ours, of standards and of other products, in the ID token and in userinfo.
        let mut claims = own("eve");
        let more = json!({
            "email": "eve@example.test", "email_verified": true, "phone_number": "+82 10 1234 5678",
            "phone_number_verified": true, "active": true, "state": "active", "source": "local", "kind": "operator",
            "external_id": "1", "is_admin": true, "admin": "true", "owner": true, "org_id": globex.id.as_str(),
            "org_slug": "globex", "org_roles": ["org.owner", "org.admin"], "project_roles": { "web": ["project.admin"] },
            "roles": ["org.admin"], "groups": ["org.admin"], "realm_access": { "roles": ["org.admin"] },
            "scope": "openid muster.admin", "client_id": "console", "acr": "urn:muster:acr:mfa", "amr": ["hwk"],
            "user_id": plain.claims()["sub"], "uid": plain.claims()["sub"], "id": plain.claims()["sub"], "acv": 0,
            "sid": "ses_1", "act": { "sub": plain.claims()["sub"] }, "urn:muster:roles": ["org.owner"],
        });
        for (name, value) in more.as_object().unwrap() {
            claims[name.as_str()] = value.clone();
        }
        provider.says(claims);
        let ask = Ask::of(&shop);
        let arrival = okta.comes_for(&mut site.browser(), &ask).await.arrival();
        let tokens = shop.tokens_of(&arrival, &ask).await;
        let eve = okta.known_as(site, "eve").await.expect("they are known");
        for (found, usual) in [(tokens.claims(), plain.claims()), (tokens.id_claims(), plain.id_claims())] {
            assert_eq!((&found["sub"], &found["org_id"]), (&json!(eve.as_str()), &json!(acme.id.as_str())));
            assert!(list(&found["org_roles"]).is_empty() && found["project_roles"] == usual["project_roles"], "{found}");
            assert_eq!((&found["acr"], &found["amr"]), (&usual["acr"], &usual["amr"]), "{found}");
            assert_eq!(sorted(&found), sorted(&usual), "not one claim more");
        }
        let told = shop.userinfo(tokens.access()).await.json();
        assert!(told["email"].is_null() && told["email_verified"] != json!(true), "{told}");
        assert!(told["phone_number_verified"] != json!(true), "{told}");
        let account = users::find(&mut site.conn().await, &eve).await.unwrap().unwrap();
        assert_eq!(account.source, Source::Oidc(okta.connection.to_string()));
        assert_eq!(account.kind.org(), Some(&acme.id));
    })
    .await;
}

fn sorted(claims: &Value) -> BTreeSet<String> {
    names(claims).into_iter().collect()
}
