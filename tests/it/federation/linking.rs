//! Who somebody upstream is here: never whoever has their address. A link needs both sides proven in one browser, by the
//! person, at that moment; and what somebody had prepared before is worth nothing afterwards.

use muster::domain::mail::Purpose;
use muster::domain::source::Source;
use muster::kernel::id::UserId;
use muster::store::federation::identities::{self, Identity};
use muster::store::users::{self, User};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::PASSWORD;
use crate::support::admin::owned;
use crate::support::browser::{Browser, Person};
use crate::support::client::{Ask, Client, Tokens};
use crate::support::federated::{Federated, is_nobody, refusal, verify_domain};
use crate::support::mailbox::link_to;
use crate::support::org::Org;
use crate::support::page::Page;
use crate::support::provider::Provider;
use crate::support::server::{Site, on_both};

const UNKNOWN: (u16, &str) = (400, "unknown_flow");

async fn account(site: &Site, id: &UserId) -> User {
    users::find(&mut site.conn().await, id).await.unwrap().expect("it is there")
}

async fn linked(site: &Site, id: &UserId) -> Vec<Identity> {
    identities::of_user(&mut site.conn().await, id).await.unwrap()
}

/// Acme, owned by Olga, with Ana and Ben, and a provider whose connection makes no accounts.
async fn acme(site: &Site) -> (Org, Provider, Federated) {
    let (acme, _) = owned(site, "acme").await;
    for name in ["ana", "ben"] {
        acme.person(name, PASSWORD).await;
    }
    let provider = Provider::open().await;
    let okta = Federated::with(site, &acme, &provider, |settings| settings.provision = false).await;
    (acme, provider, okta)
}

async fn signed_in(site: &Site, name: &str) -> Browser {
    let mut browser = site.browser();
    let page = browser.sign_in(Person::named(name)).await.page();
    assert_eq!((page.status, page.url), (200, site.at.url("/me")), "{name}");
    browser
}

async fn page_of_links(site: &Site, browser: &mut Browser) -> Page {
    browser.open(&site.at.url("/me/identities")).await.page()
}

/// Somebody types their password to link whom the provider names; where it sends the browser back to.
async fn begins(site: &Site, okta: &Federated, browser: &mut Browser) -> String {
    let page = page_of_links(site, browser).await;
    let button = format!("link-{}", okta.connection);
    let landing = browser.press(&page, &button, &[("password", PASSWORD)]).await;
    okta.provider.sends_back(&landing).await
}

/// The whole way of a link, which must go well.
async fn links(site: &Site, okta: &Federated, browser: &mut Browser) {
    let back = begins(site, okta, browser).await;
    let page = browser.open(&back).await.page();
    assert_eq!((page.status, &page.url), (200, &site.at.url("/me/identities?done=linked")), "{page:?}");
    assert!(page.text().contains(&okta.name), "{page:?}");
}

async fn is_refused(browser: &mut Browser, url: &str, wanted: (u16, &str), why: &str) {
    let page = browser.open(url).await.page();
    assert_eq!(refusal(&page), wanted, "{why}: {page:?}");
}

/// What an application gets of whom the provider names.
async fn tokens_through(okta: &Federated, shop: &Client, browser: &mut Browser) -> Tokens {
    let ask = Ask::of(shop);
    let arrival = okta.comes_for(browser, &ask).await.arrival();
    shop.tokens_of(&arrival, &ask).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_alone_never_signs_anybody_in_as_whoever_has_it() {
    on_both(async |site| {
        let (acme, globex) = (site.org("acme").await, site.org("globex").await);
        let cara = site.own_account("cara", PASSWORD).await;
        acme.admit(&cara).await;
        let victims = [
            ("ana", acme.person("ana", PASSWORD).await),
            ("gil", globex.person("gil", PASSWORD).await),
            ("cara", cara.clone()),
        ];
        let provider = Provider::open().await;
        let okta = Federated::open(site, &acme, &provider).await;
        let mut number = 0;
        for verified in ["nobody's domain", "another organisation's domain"] {
            for (name, victim) in &victims {
                for said in [json!(true), json!(false), json!("true"), json!("false"), Value::Null] {
                    number += 1;
                    let mut claims = json!({ "sub": format!("eve-{number}"), "email": format!("{name}@example.test") });
                    if !said.is_null() {
                        claims["email_verified"] = said.clone();
                    }
                    provider.says(claims);
                    okta.comes(site, &mut site.browser()).await;
                    let eve = okta.known_as(site, &format!("eve-{number}")).await.expect("an account of its own");
                    assert_ne!(eve, *victim, "{name} {said}");
                    let made = account(site, &eve).await;
                    assert_eq!(
                        (made.profile.email, made.user_name),
                        (None, format!("eve-{number}")),
                        "{verified} {said}"
                    );
                    let found = account(site, victim).await;
                    assert!(found.source == Source::Local && linked(site, victim).await.is_empty(), "{found:?}");
                }
                assert_eq!(site.browser().sign_in(Person::named(name)).await.page().status, 200, "{name}");
            }
            if verified == "nobody's domain" {
                verify_domain(site, &globex, "example.test").await;
            }
        }
        // Nor does a user name: it is somebody's, and the page says what to do.
        provider.says(json!({ "sub": "eve-at-last", "preferred_username": "ANA" }));
        let mut browser = site.browser();
        let page = okta.tries(site, &mut browser).await;
        assert_eq!(refusal(&page), (409, "account_exists"), "{page:?}");
        assert!(page.text().contains("sign in with its password and link the two"), "{page:?}");
        assert!(is_nobody(site, &mut browser).await);
        assert_eq!(okta.known_as(site, "eve-at-last").await, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_made_an_account_for_somebody_elses_address_has_nothing_of_it_once_its_owner_comes() {
    on_both(async |site| {
        let (acme, provider, okta) = acme(site).await;
        verify_domain(site, &acme, "example.test").await;
        let shop = site.client(&acme.application("shop").await);
        // D2: Mallory knows the password of the account with Vic's address, is signed in, has a link mailed, and has linked
        // somebody of their own to it.
        let vic = acme.person("vic", PASSWORD).await;
        let mut mallory = site.browser();
        let tokens = shop.sign_in(&mut mallory, Person::named("vic")).await;
        provider.says(json!({ "sub": "00u-mallory" }));
        links(site, &okta, &mut mallory).await;
        let mut through = site.browser();
        let second = tokens_through(&okta, &shop, &mut through).await;
        assert_eq!(second.claims()["sub"], json!(vic.as_str()));
        let mut asking = site.browser();
        let page = asking.open(&site.at.url("/forgot")).await.page();
        asking.press(&page, "forgot-submit", &[("username", "vic")]).await;
        let link = link_to(site, "vic@example.test", Purpose::ResetPassword).await;

        provider.says(json!({ "sub": "00u-vic", "email": "vic@example.test", "email_verified": true }));
        let mut owner = site.browser();
        let theirs = tokens_through(&okta, &shop, &mut owner).await;
        assert_eq!(theirs.claims()["sub"], json!(vic.as_str()), "the account is Vic's from now on");
        assert_eq!(account(site, &vic).await.source, Source::Oidc(okta.connection.to_string()));

        for browser in [&mut mallory, &mut through] {
            assert!(!shop.is_signed_in(browser).await);
            assert_eq!(browser.send(Method::GET, &site.at.url("/me"), None).await.status, 303);
        }
        for old in [&tokens, &second] {
            assert!(!shop.is_active(old.access()).await);
            assert_eq!(shop.refresh(old.refresh()).await.refusal(), (400, "invalid_grant".to_owned()));
        }
        for name in ["vic", "vic@example.test"] {
            assert_eq!(mallory.sign_in(Person::named(name)).await.page().status, 400, "the password is gone");
        }
        assert!(!mallory.open(&link).await.page().has("reset-submit"), "and so is the link");
        assert_eq!(okta.known_as(site, "00u-mallory").await, None, "and who was linked");
        provider.says(json!({ "sub": "00u-mallory" }));
        assert_eq!(refusal(&okta.tries(site, &mut mallory).await), (403, "account_unknown"));
        assert!(shop.is_active(theirs.access()).await && shop.is_signed_in(&mut owner).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_made_and_taken_back_by_the_person_and_ends_what_came_through_it() {
    on_both(async |site| {
        let (acme, provider, okta) = acme(site).await;
        let shop = site.client(&acme.application("shop").await);
        let cara = site.own_account("cara", PASSWORD).await;
        acme.admit(&cara).await;
        for (name, id) in [("cara", cara), ("ana", acme.user_id("ana").await)] {
            let sub = format!("00u-{name}");
            provider.says(json!({ "sub": sub, "email": format!("{name}@example.test") }));
            // Without a link: somebody has the name, or nobody is known by it.
            let page = okta.tries(site, &mut site.browser()).await;
            assert_eq!(refusal(&page), (403, "account_unknown"), "{page:?}");
            let mut browser = signed_in(site, name).await;
            links(site, &okta, &mut browser).await;
            assert_eq!(okta.known_as(site, &sub).await, Some(id.clone()));
            assert_eq!(okta.log(site).await[0].outcome, "linked");
            let page = page_of_links(site, &mut browser).await;
            assert!(!page.has(&format!("link-{}", okta.connection)), "one is enough: {page:?}");

            let mut through = site.browser();
            let tokens = tokens_through(&okta, &shop, &mut through).await;
            assert_eq!(tokens.claims()["sub"], json!(id.as_str()));
            assert_eq!(
                account(site, &id).await.profile.name.as_deref().map(|name| name.contains("Example")),
                Some(true)
            );
            // What came through a provider does not decide who else the person is.
            let seen = page_of_links(site, &mut through).await;
            assert!(seen.html.contains("identities-locked") && !seen.html.contains("id=\"unlink-"), "{seen:?}");

            let identity = linked(site, &id).await.remove(0);
            let page = page_of_links(site, &mut browser).await;
            let page = browser.press(&page, &format!("unlink-{}", identity.id), &[]).await.page();
            assert_eq!((page.status, page.url), (200, site.at.url("/me/identities?done=unlinked")));
            assert!(!shop.is_signed_in(&mut through).await && !shop.is_active(tokens.access()).await, "{name}");
            assert_eq!(shop.refresh(tokens.refresh()).await.refusal(), (400, "invalid_grant".to_owned()));
            assert!(linked(site, &id).await.is_empty());
            assert_eq!(refusal(&okta.tries(site, &mut through).await), (403, "account_unknown"));
            let me = browser.open(&site.at.url("/me")).await.page();
            assert_eq!(me.status, 200, "what was opened with the password stays");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_of_one_person_in_one_browser_links_nobody_else() {
    on_both(async |site| {
        let (acme, provider, okta) = acme(site).await;
        let (ana, ben) = (acme.user_id("ana").await, acme.user_id("ben").await);
        let (mut hers, mut his) = (signed_in(site, "ana").await, signed_in(site, "ben").await);
        // D3: her proof in his browser, his in hers, and a stranger's sign-in in hers.
        provider.says(json!({ "sub": "up-ana" }));
        let of_ana = begins(site, &okta, &mut hers).await;
        provider.says(json!({ "sub": "up-ben" }));
        let of_ben = begins(site, &okta, &mut his).await;
        let mut eve = site.browser();
        let landing = eve.open(&okta.login(site)).await;
        let of_eve = provider.sends_back(&landing).await;
        is_refused(&mut his, &of_ana, UNKNOWN, "hers in his").await;
        is_refused(&mut hers, &of_ben, UNKNOWN, "his in hers").await;
        is_refused(&mut hers, &of_eve, UNKNOWN, "a stranger's in hers").await;
        is_refused(&mut hers, &of_ana, UNKNOWN, "hers, which was used up in his").await;
        assert_eq!(provider.times_asked("/token"), 0);

        // The session that began it is over; somebody else is signed in in the same browser by now.
        let back = begins(site, &okta, &mut hers).await;
        let page = hers.open(&site.at.url("/end_session")).await.page();
        hers.press(&page, "logout-confirm", &[]).await;
        is_refused(&mut hers, &back, (400, "link_over"), "nobody is signed in").await;
        let mut shared = signed_in(site, "ana").await;
        let back = begins(site, &okta, &mut shared).await;
        shared.sign_in(Person::named("ben")).await;
        is_refused(&mut shared, &back, (400, "link_over"), "it is Ben by now").await;
        assert!(linked(site, &ana).await.is_empty() && linked(site, &ben).await.is_empty());

        // Two links under way: the second subject finds the place taken. And a subject is nobody's twice.
        let mut hers = signed_in(site, "ana").await;
        provider.says(json!({ "sub": "up-1" }));
        let one = begins(site, &okta, &mut hers).await;
        provider.says(json!({ "sub": "up-2" }));
        let two = begins(site, &okta, &mut hers).await;
        assert_eq!(hers.open(&one).await.page().url, site.at.url("/me/identities?done=linked"));
        is_refused(&mut hers, &two, (409, "link_taken"), "a second subject").await;
        is_refused(&mut hers, &one, UNKNOWN, "the first one once more").await;
        provider.says(json!({ "sub": "up-1" }));
        let his_too = begins(site, &okta, &mut his).await;
        is_refused(&mut his, &his_too, (409, "link_taken"), "hers already").await;
        assert_eq!(okta.known_as(site, "up-1").await, Some(ana.clone()));
        assert_eq!(okta.known_as(site, "up-2").await, None);

        // Unlinked, no earlier proof brings it back.
        let waiting = begins_nothing(site, &mut hers).await;
        assert!(waiting, "while one is linked, another can't be begun");
        let identity = linked(site, &ana).await.remove(0);
        let page = page_of_links(site, &mut hers).await;
        hers.press(&page, &format!("unlink-{}", identity.id), &[]).await;
        for (url, why) in [(&one, "the first"), (&two, "the second")] {
            is_refused(&mut hers, url, UNKNOWN, why).await;
        }
        assert!(linked(site, &ana).await.is_empty() && linked(site, &ben).await.is_empty());
    })
    .await;
}

/// Whether nothing can be linked on the page.
async fn begins_nothing(site: &Site, browser: &mut Browser) -> bool {
    let page = page_of_links(site, browser).await;
    page.forms.iter().flat_map(|form| &form.controls).all(|control| control.name != "password")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_begins_only_on_our_own_page_with_the_password_typed_again() {
    on_both(async |site| {
        let (acme, provider, okta) = acme(site).await;
        let globex = site.org("globex").await;
        let other = Federated::open(site, &globex, &Provider::open().await).await;
        let mut ana = signed_in(site, "ana").await;
        let url = site.at.url("/me/identities");
        let page = page_of_links(site, &mut ana).await;
        let form = page.form_with(&format!("link-{}", okta.connection)).expect("it can be linked");
        let right = form.filled(&format!("link-{}", okta.connection), &[("password", PASSWORD)]);
        let with = |name: &str, value: &str| -> Vec<(String, String)> {
            right.iter().cloned().map(|(n, v)| if n == name { (n, value.to_owned()) } else { (n, v) }).collect()
        };
        // D12: another site's page, a form without our token, a visit.
        let null = vec![("origin", "null".to_owned()), ("sec-fetch-site", "cross-site".to_owned())];
        for headers in [Browser::foreign("https://evil.example"), Browser::foreign(&provider.issuer), null] {
            let answer = ana.send_with(Method::POST, &url, Some(&right), &headers).await;
            assert_eq!(answer.status, 403, "{headers:?}");
        }
        for fields in [with("csrf", ""), with("csrf", "0")] {
            assert_eq!(ana.send(Method::POST, &url, Some(&fields)).await.status, 403);
        }
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&right).finish();
        let visited = ana.open(&format!("{url}?{query}")).await.page();
        assert!(visited.status == 200 && visited.has(&format!("link-{}", okta.connection)), "{visited:?}");
        // No connection, one of an organisation that isn't hers, an act that isn't there; and nobody at all.
        for (fields, status) in [
            (with("connection", ""), 404),
            (with("connection", "con_0"), 404),
            (with("connection", other.connection.as_str()), 403),
            (with("act", "own"), 404),
        ] {
            assert_eq!(ana.send(Method::POST, &url, Some(&fields)).await.status, status, "{fields:?}");
        }
        let anybody = site.browser().send(Method::POST, &url, Some(&right)).await;
        assert!(anybody.status == 403 || anybody.header("location") == "/login", "{anybody:?}");
        // Without the password, or with another; guesses count like those at the sign-in.
        for typed in ["", "wrong-1", "wrong-2", "wrong-3", "wrong-4"] {
            let answer = ana.send(Method::POST, &url, Some(&with("password", typed))).await;
            assert!(answer.status == 400 && answer.body.contains("your password. Check it"), "{typed}: {answer:?}");
        }
        assert_eq!(ana.send(Method::POST, &url, Some(&right)).await.status, 400, "by now it is locked");
        assert_eq!(site.browser().sign_in(Person::named("ana")).await.page().status, 400);
        let sql = "SELECT COUNT(*) FROM upstream_flows";
        let (flows,): (i64,) = site.conn().await.query(sql).one().await.unwrap();
        assert_eq!(flows, 0, "nothing was begun");
        assert!(provider.asked().is_empty(), "{:?}", provider.asked());

        // Nobody unlinks what is another's, whoever they say they are.
        let ben = acme.user_id("ben").await;
        let mut his = signed_in(site, "ben").await;
        provider.says(json!({ "sub": "up-ben" }));
        links(site, &okta, &mut his).await;
        let identity = linked(site, &ben).await.remove(0);
        let mut fields = with("act", "unlink");
        for (name, value) in [("identity", identity.id.as_str()), ("user", ben.as_str()), ("member", "1")] {
            fields.push((name.to_owned(), value.to_owned()));
        }
        assert_eq!(ana.send(Method::POST, &url, Some(&fields)).await.status, 404);
        assert_eq!(linked(site, &ben).await.len(), 1);
    })
    .await;
}
