//! A provider that can't be used: whoever manages the organisation's identities hears of it where it lasts, once a day, and
//! of what concerns one person never.

use muster::domain::mail::Template;
use muster::kernel::time::{DAY, HOUR, MINUTE};
use serde_json::json;

use crate::support::PASSWORD;
use crate::support::federated::{Federated, refusal};
use crate::support::mailbox::mails_to;
use crate::support::org::Org;
use crate::support::provider::{Provider, Spoil};
use crate::support::server::{Site, on_both};

const UNREACHABLE: (u16, &str) = (502, "unreachable");

/// Acme with Ada, who administers it, Ivo, who manages its identities, and Rob, who may look.
pub async fn staffed(site: &Site) -> Org {
    let acme = site.org("acme").await;
    for (person, role) in [("ada", "org.admin"), ("ivo", "iam.admin"), ("rob", "org.reader")] {
        acme.person(person, PASSWORD).await;
        acme.give(person, role, None).await;
    }
    acme
}

/// How many letters about it each of them got: Ada, Ivo, Rob.
pub async fn letters(site: &Site) -> [usize; 3] {
    let mut counts = [0; 3];
    for (count, person) in counts.iter_mut().zip(["ada", "ivo", "rob"]) {
        let all = mails_to(site, &format!("{person}@example.test")).await;
        *count = all.iter().filter(|mail| mail.template == Template::ConnectionFailing).count();
    }
    counts
}

/// Somebody is on their way to a provider that does not even say where that is.
async fn is_turned_back(site: &Site, okta: &Federated) {
    let page = site.browser().open(&okta.login(site)).await.page();
    assert_eq!(refusal(&page), UNREACHABLE, "{page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_fails_for_a_while_is_told_of_once_a_day_to_those_who_manage_identities() {
    on_both(async |site| {
        let (acme, provider) = (staffed(site).await, Provider::open().await);
        let okta = Federated::open(site, &acme, &provider).await;
        provider.spoil(Spoil::Down);
        for _ in 0..6 {
            is_turned_back(site, &okta).await;
        }
        assert_eq!(letters(site).await, [0; 3], "it began a moment ago");
        site.advance(5 * MINUTE);
        is_turned_back(site, &okta).await;
        assert_eq!(letters(site).await, [1, 1, 0]);
        for _ in 0..3 {
            site.advance(7 * HOUR);
            is_turned_back(site, &okta).await;
        }
        assert_eq!(letters(site).await, [1, 1, 0], "once a day");
        site.advance(DAY - 20 * HOUR);
        is_turned_back(site, &okta).await;
        assert_eq!(letters(site).await, [2, 2, 0], "every day while it lasts");

        // It works again: what fails after that begins anew. Where it is is known by now; it gives no tokens.
        provider.spoil(Spoil::Nothing);
        okta.comes(site, &mut site.browser()).await;
        provider.spoil(Spoil::Down);
        site.advance(2 * DAY);
        for _ in 0..6 {
            let page = okta.tries(site, &mut site.browser()).await;
            assert_eq!(refusal(&page), UNREACHABLE, "{page:?}");
        }
        assert_eq!(letters(site).await, [2, 2, 0], "it began a moment ago");
        site.advance(5 * MINUTE);
        okta.tries(site, &mut site.browser()).await;
        assert_eq!(letters(site).await, [3, 3, 0]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_says_of_one_person_is_no_failure_of_its_own() {
    on_both(async |site| {
        let (acme, provider) = (staffed(site).await, Provider::open().await);
        let okta = Federated::open(site, &acme, &provider).await;
        for spoil in [
            Spoil::Error("access_denied"),
            Spoil::Claims(json!({ "aud": "another-client" })),
            Spoil::WrongKey,
            Spoil::UserinfoOfOther,
            Spoil::OtherIss("https://else.test".to_owned()),
        ] {
            provider.spoil(spoil);
            for _ in 0..3 {
                let page = okta.tries(site, &mut site.browser()).await;
                let (_, word) = refusal(&page);
                assert!(["refused_upstream", "not_verified"].contains(&word), "{page:?}");
                site.advance(2 * MINUTE);
            }
        }
        assert_eq!(letters(site).await, [0; 3]);
        // A secret that counts no more is one: nobody gets in until somebody does something.
        provider.spoil(Spoil::Nothing);
        provider.answer("/token", 401, r#"{"error":"invalid_client"}"#);
        for _ in 0..6 {
            let page = okta.tries(site, &mut site.browser()).await;
            assert_eq!(refusal(&page).1, "refused_upstream", "{page:?}");
            site.advance(2 * MINUTE);
        }
        assert_eq!(letters(site).await, [1, 1, 0]);
    })
    .await;
}
