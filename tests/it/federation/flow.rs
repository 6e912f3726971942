//! A sign-in on its way: it belongs to one browser, one connection and one set-up, counts once, and whatever is swapped,
//! replayed or changed meanwhile signs nobody in.

use muster::domain::change::Change;
use muster::domain::connection::ConnectionState;
use muster::domain::federation::Stage;
use muster::domain::people::user::OrgState;
use muster::kernel::time::{MINUTE, SECOND};
use serde_json::json;
use tokio::task::JoinSet;
use url::Url;

use crate::support::browser::{Browser, Landing};
use crate::support::client::{Ask, random};
use crate::support::federated::{Federated, is_nobody, refusal};
use crate::support::org::Org;
use crate::support::provider::{Provider, Spoil};
use crate::support::server::{Site, on_both};

const UNKNOWN: (u16, &str) = (400, "unknown_flow");
const NOT_VERIFIED: (u16, &str) = (502, "not_verified");
const CLOSED: (u16, &str) = (403, "closed");

/// Somebody on the way: where the provider sends their browser back to, which nobody has opened yet.
async fn underway(site: &Site, okta: &Federated, browser: &mut Browser) -> String {
    let landing = browser.open(&okta.login(site)).await;
    okta.provider.sends_back(&landing).await
}

async fn opened(browser: &mut Browser, url: &str) -> (u16, String) {
    let page = browser.open(url).await.page();
    let (status, word) = refusal(&page);
    (status, word.to_owned())
}

fn is(found: &(u16, String), wanted: (u16, &str)) -> bool {
    (found.0, found.1.as_str()) == wanted
}

/// The address with another value of a parameter; without one it is left out.
fn with(url: &str, name: &str, value: Option<&str>) -> String {
    let mut changed = Url::parse(url).unwrap();
    let pairs: Vec<(String, String)> = changed.query_pairs().into_owned().filter(|(given, _)| given != name).collect();
    changed.query_pairs_mut().clear().extend_pairs(pairs).extend_pairs(value.map(|value| (name, value)));
    changed.into()
}

fn param(url: &str, name: &str) -> String {
    let url = Url::parse(url).unwrap();
    url.query_pairs().find(|(given, _)| given == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

async fn acme(site: &Site) -> (Org, Provider, Federated) {
    let acme = site.org("acme").await;
    let provider = Provider::open().await;
    let okta = Federated::open(site, &acme, &provider).await;
    (acme, provider, okta)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_two_browsers_swap_sign_nobody_in_in_either() {
    on_both(async |site| {
        let (_, provider, okta) = acme(site).await;
        let (mut ana, mut eve) = (site.browser(), site.browser());
        provider.says(json!({ "sub": "ana" }));
        let of_ana = underway(site, &okta, &mut ana).await;
        provider.says(json!({ "sub": "eve" }));
        let of_eve = underway(site, &okta, &mut eve).await;
        // A15: the whole answer of the other one.
        assert!(is(&opened(&mut ana, &of_eve).await, UNKNOWN));
        assert!(is(&opened(&mut eve, &of_ana).await, UNKNOWN));
        assert_eq!(provider.times_asked("/token"), 0, "no code was sent anywhere");
        // What was tried in the wrong browser is used up: the right one begins again.
        assert!(is(&opened(&mut ana, &of_ana).await, UNKNOWN));
        assert!(is(&opened(&mut eve, &of_eve).await, UNKNOWN));
        assert!(is_nobody(site, &mut ana).await && is_nobody(site, &mut eve).await);
        assert!(okta.known_as(site, "ana").await.is_none() && okta.known_as(site, "eve").await.is_none());
        let log = okta.log(site).await;
        assert_eq!(log.iter().map(|line| line.outcome.as_str()).collect::<Vec<_>>(), ["unknown_flow"; 2]);
        assert!(log.iter().all(|line| line.user.is_none() && line.claims.is_empty()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_one_sign_in_is_worth_nothing_in_another() {
    on_both(async |site| {
        let (_, provider, okta) = acme(site).await;
        // The verifier binds the code; where a provider does not look at it, the nonce does.
        for (spoil, wanted) in [(Spoil::Nothing, (403, "refused_upstream")), (Spoil::AnyVerifier, NOT_VERIFIED)] {
            provider.spoil(spoil);
            let (mut ana, mut eve) = (site.browser(), site.browser());
            provider.says(json!({ "sub": "ana" }));
            let of_ana = underway(site, &okta, &mut ana).await;
            provider.says(json!({ "sub": "eve" }));
            let of_eve = underway(site, &okta, &mut eve).await;
            let code = param(&of_eve, "code");
            let found = opened(&mut ana, &with(&of_ana, "code", Some(&code))).await;
            assert!(is(&found, wanted), "{found:?}");
            assert!(is_nobody(site, &mut ana).await);
            assert!(okta.known_as(site, "eve").await.is_none());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_one_provider_at_anothers_address_is_refused_before_any_code_is_sent() {
    on_both(async |site| {
        let (org, honest, okta) = acme(site).await;
        let evil = Provider::open().await;
        let entra = Federated::open(site, &org, &evil).await;
        let codes_sent = || honest.times_asked("/token") + evil.times_asked("/token");
        let mut browser = site.browser();
        // A16: the answer says that it is the other's; it says nothing though this provider always says it; the other's
        // code with the right state and the other's name; the other's whole answer at this address.
        honest.spoil(Spoil::OtherIss(evil.issuer.clone()));
        let other = underway(site, &okta, &mut browser).await;
        honest.spoil(Spoil::NoIss);
        let silent = underway(site, &okta, &mut browser).await;
        honest.spoil(Spoil::Nothing);
        let mixed = underway(site, &okta, &mut browser).await;
        let elsewhere = underway(site, &entra, &mut browser).await;
        let slashed = underway(site, &okta, &mut browser).await;
        let mixed = with(&with(&mixed, "code", Some(&param(&elsewhere, "code"))), "iss", Some(&evil.issuer));
        let moved = elsewhere.replace(entra.connection.as_str(), okta.connection.as_str());
        let slashed = with(&slashed, "iss", Some(&format!("{}/", honest.issuer)));
        for (url, wanted) in [
            (&other, NOT_VERIFIED),
            (&silent, NOT_VERIFIED),
            (&mixed, NOT_VERIFIED),
            (&slashed, NOT_VERIFIED),
            (&moved, UNKNOWN),
            (&elsewhere, UNKNOWN), // it was used up at the wrong address
        ] {
            let found = opened(&mut browser, url).await;
            assert!(is(&found, wanted), "{url}: {found:?}");
        }
        // An error is an answer, too.
        honest.spoil(Spoil::Error("access_denied"));
        let denied = underway(site, &okta, &mut browser).await;
        let found = opened(&mut browser, &with(&denied, "iss", Some(&evil.issuer))).await;
        assert!(is(&found, NOT_VERIFIED), "{found:?}");
        assert!(is_nobody(site, &mut browser).await);
        assert_eq!(codes_sent(), 0);
        // Who never names itself need not: then the address and the state tell.
        let modest = Provider::open().await;
        modest.describes(json!({ "authorization_response_iss_parameter_supported": null }));
        modest.spoil(Spoil::NoIss);
        Federated::open(site, &org, &modest).await.comes(site, &mut browser).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_once_and_for_ten_minutes() {
    on_both(async |site| {
        let (_, provider, okta) = acme(site).await;
        let mut browser = site.browser();
        // D6: in the same browser, in another one, and with another code.
        let back = underway(site, &okta, &mut browser).await;
        let page = browser.open(&back).await.page();
        assert_eq!((page.status, &page.url), (200, &site.at.url("/me")), "{page:?}");
        let session = browser.cookie("muster").map(str::to_owned);
        assert!(is(&opened(&mut browser, &back).await, UNKNOWN));
        assert!(is(&opened(&mut browser, &with(&back, "code", Some(&random()))).await, UNKNOWN));
        assert_eq!(browser.cookie("muster").map(str::to_owned), session, "whoever is signed in stays so");
        assert!(is(&opened(&mut site.browser(), &back).await, UNKNOWN));
        assert_eq!(provider.times_asked("/token"), 1);

        // What failed is used up, too.
        let mut browser = site.browser();
        provider.spoil(Spoil::WrongKey);
        let back = underway(site, &okta, &mut browser).await;
        assert!(is(&opened(&mut browser, &back).await, NOT_VERIFIED));
        provider.spoil(Spoil::Nothing);
        assert!(is(&opened(&mut browser, &back).await, UNKNOWN));

        // Made up, cut off, and too late.
        let back = underway(site, &okta, &mut browser).await;
        let state = param(&back, "state");
        let cut = &state[..state.len() - 1];
        let (nul, upper) = (format!("{cut}\0"), state.to_uppercase());
        for odd in [None, Some(""), Some("ust_"), Some(cut), Some(nul.as_str()), Some(upper.as_str())] {
            let found = opened(&mut browser, &with(&back, "state", odd)).await;
            assert!(is(&found, UNKNOWN), "{odd:?}: {found:?}");
        }
        let twice = format!("{back}&state={state}");
        assert!(is(&opened(&mut browser, &twice).await, UNKNOWN), "a parameter that is there twice");
        site.advance(10 * MINUTE + SECOND);
        assert!(is(&opened(&mut browser, &back).await, UNKNOWN));
        assert!(is_nobody(site, &mut browser).await);
        assert_eq!(provider.times_asked("/token"), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_opened_many_times_at_once_signs_in_once() {
    on_both(async |site| {
        let (_, provider, okta) = acme(site).await;
        let mut browser = site.browser();
        let back = underway(site, &okta, &mut browser).await;
        let mut all = JoinSet::new();
        for _ in 0..8 {
            let (mut copy, back) = (browser.clone(), back.clone());
            all.spawn(async move { copy.open(&back).await.page() });
        }
        let pages = all.join_all().await;
        assert_eq!(pages.iter().filter(|page| page.status == 200).count(), 1, "{pages:?}");
        assert_eq!(pages.iter().filter(|page| refusal(page) == UNKNOWN).count(), 7, "{pages:?}");
        assert_eq!(provider.times_asked("/token"), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_closed_or_set_up_anew_on_the_way_lets_nobody_in() {
    on_both(async |site| {
        let (acme, provider, okta) = acme(site).await;
        // Somebody who was here before, and somebody new: C15 is about both.
        okta.comes(site, &mut site.browser()).await;
        let (org, connection) = (acme.id.clone(), okta.connection.clone());
        let state =
            |state| vec![Change::SetConnectionState { org: org.clone(), connection: connection.clone(), state }];
        let stands = |state| vec![Change::SetOrgState { org: org.clone(), state }];
        let sent = provider.times_asked("/token");
        // A set-up that was taken away and made anew is another one, though it reads the same.
        let entra = Federated::open(site, &acme, &provider).await;
        let mut browser = site.browser();
        let back = underway(site, &entra, &mut browser).await;
        let remove = Change::RemoveSignIn { org: acme.id.clone(), connection: entra.connection.clone() };
        site.act(vec![remove]).await;
        entra.renewed(site).await;
        assert!(is(&opened(&mut browser, &back).await, CLOSED) && is_nobody(site, &mut browser).await);

        for case in ["disabled", "draft", "tested", "set up anew", "another client", "removed", "suspended", "deleted"]
        {
            let mut ways = Vec::new();
            for sub in ["u1", "somebody-new"] {
                provider.says(json!({ "sub": sub }));
                let mut browser = site.browser();
                ways.push((underway(site, &okta, &mut browser).await, browser));
            }
            match case {
                "disabled" => drop(site.act(state(ConnectionState::Disabled)).await),
                "draft" => okta.stage(site, Stage::Draft).await,
                "tested" => okta.stage(site, Stage::Tested).await,
                "set up anew" => okta.set_up(site, |settings| settings.amr = !settings.amr).await,
                "another client" => okta.set_up(site, |settings| settings.core.client_id = "other".to_owned()).await,
                "removed" => {
                    let remove = Change::RemoveSignIn { org: org.clone(), connection: connection.clone() };
                    drop(site.act(vec![remove]).await);
                }
                "suspended" => drop(site.act(stands(OrgState::Suspended)).await),
                _ => drop(site.act(state(ConnectionState::Deleted)).await),
            }
            for (back, browser) in &mut ways {
                let found = opened(browser, back).await;
                assert!(is(&found, CLOSED), "{case}: {found:?}");
                assert!(is_nobody(site, browser).await, "{case}");
            }
            if case != "set up anew" {
                let page = site.browser().open(&okta.login(site)).await.page();
                assert_eq!(refusal(&page), CLOSED, "{case}: it does not begin, either");
            }
            match case {
                "disabled" => drop(site.act(state(ConnectionState::Active)).await),
                "draft" | "tested" => okta.stage(site, Stage::Optional).await,
                "another client" | "removed" => okta.renewed(site).await,
                "suspended" => drop(site.act(stands(OrgState::Active)).await),
                _ => {}
            }
        }
        assert_eq!(provider.times_asked("/token"), sent, "no code was sent anywhere");
        assert_eq!(okta.known_as(site, "somebody-new").await, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_come_at_the_same_time_come_in_as_themselves() {
    on_both(async |site| {
        let (acme, provider, okta) = acme(site).await;
        let shop = site.client(&acme.application("shop").await);
        let mut ways = Vec::new();
        for number in 0..16 {
            let (sub, mut browser, ask) = (format!("person-{number}"), site.browser(), Ask::of(&shop));
            provider.says(json!({ "sub": sub, "name": sub }));
            let landing = browser.open(&okta.hinted(&ask).url(&site.at)).await;
            ways.push((sub, provider.sends_back(&landing).await, browser, ask));
        }
        // They left in one order, and come back all at once.
        let mut all = JoinSet::new();
        for (sub, back, mut browser, ask) in ways.into_iter().rev() {
            let shop = shop.clone();
            all.spawn(async move {
                let arrival = browser.open(&back).await.arrival();
                let tokens = shop.tokens_of(&arrival, &ask).await;
                let told = shop.userinfo(tokens.access()).await.json();
                (sub, tokens.id_claims(), told)
            });
        }
        for (sub, claims, told) in all.join_all().await {
            let user = okta.known_as(site, &sub).await.expect("they are known");
            assert_eq!((&claims["sub"], &told["sub"]), (&json!(user.as_str()), &json!(user.as_str())), "{sub}");
            assert_eq!(told["name"], json!(sub));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_of_one_browser_each_lead_to_what_they_began_with() {
    on_both(async |site| {
        let (acme, provider, okta) = acme(site).await;
        let (shop, desk) = (acme.application("shop").await, acme.application("desk").await);
        let (shop, desk) = (site.client(&shop), site.client(&desk));
        let mut browser = site.browser();
        let (one, two) = (Ask::of(&shop), Ask::of(&desk));
        // Both are sent off before either comes back, and the later one comes back first.
        for names in [["ana", "ana"], ["ana", "ben"]] {
            let mut backs = Vec::new();
            for (name, ask) in names.iter().zip([&one, &two]) {
                provider.says(json!({ "sub": name }));
                let ask = okta.hinted(ask).with("prompt", "login");
                let landing = browser.open(&ask.url(&site.at)).await;
                backs.push(provider.sends_back(&landing).await);
            }
            for (tab, (client, ask)) in [(1, (&desk, &two)), (0, (&shop, &one))] {
                let landing = browser.open(&backs[tab]).await;
                let Landing::Away(arrival) = landing else { panic!("{names:?}: {landing:?}") };
                let tokens = client.tokens_of(&arrival, ask).await;
                let user = okta.known_as(site, names[tab]).await.expect("they are known");
                assert_eq!(tokens.claims()["sub"], json!(user.as_str()), "{names:?}");
            }
        }
        // The browser is whoever came last.
        let ask = Ask::of(&shop);
        let arrival = browser.ask_silently(&ask).await;
        let ana = okta.known_as(site, "ana").await.expect("she is known");
        assert_eq!(shop.tokens_of(&arrival, &ask).await.claims()["sub"], json!(ana.as_str()));
    })
    .await;
}
