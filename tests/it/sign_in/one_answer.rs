//! One answer for everybody who isn't let in: nobody learns from it who exists, who is locked and who is disabled.

use muster::domain::change::Change;
use muster::domain::people::user::{MembershipState, UserState};

use crate::support::PASSWORD;
use crate::support::browser::{Browser, Person};
use crate::support::client::Ask;
use crate::support::server::{Site, on_both};

/// The answer to an attempt, with what was typed and what is random taken out.
async fn answer(browser: &mut Browser, url: &str, person: Person<'_>) -> (u16, String, Vec<String>) {
    let page = browser.open(url).await.page();
    let page =
        browser.press(&page, "login-submit", &[("username", person.name), ("password", person.password)]).await.page();
    let names = page.forms.iter().flat_map(|form| &form.controls).map(|control| control.name.clone()).collect();
    let typed = format!("value=\"{}\"", person.name);
    (page.status, page.without_hidden_values().replace(&typed, "value=\"\""), names)
}

async fn people(site: &Site) {
    let acme = site.org("acme").await;
    for name in ["ana", "locked", "suspended", "left"] {
        acme.person(name, PASSWORD).await;
    }
    let (suspended, left) = (acme.user_id("suspended").await, acme.member_id("left").await);
    site.act(vec![Change::SetUserState { user: suspended, state: UserState::Suspended }]).await;
    site.act(vec![Change::SetMemberState { org: acme.id.clone(), member: left, state: MembershipState::Suspended }])
        .await;
    let globex = site.org("globex").await;
    for name in ["double"] {
        acme.person(name, PASSWORD).await;
        globex.person(name, PASSWORD).await;
    }
    let mut browser = site.browser();
    for _ in 0..5 {
        browser.sign_in(Person { password: "wrong-1", ..Person::named("locked") }).await;
    }
}

async fn accounts(site: &Site) -> i64 {
    let mut conn = site.conn().await;
    let (count,): (i64,) = conn.query("SELECT COUNT(*) FROM users").one().await.unwrap();
    count
}

// K01
#[tokio::test(flavor = "multi_thread")]
async fn unknown_wrong_disabled_locked_and_ambiguous_are_answered_alike() {
    on_both(async |site| {
        people(site).await;
        let before = accounts(site).await;
        let mut browser = site.browser();
        let url = site.at.url("/login");
        let wrong = |name| Person { password: "wrong-1", ..Person::named(name) };
        let expected = answer(&mut browser, &url, wrong("ana")).await;
        assert!(expected.0 < 500 && expected.2.contains(&"password".to_owned()), "{expected:?}");
        let long = "x".repeat(3000);
        let others = [
            ("unknown", wrong("nobody")),
            ("an unregistered address", Person::named("stranger@elsewhere.test")),
            ("locked, wrong", wrong("locked")),
            ("locked, right", Person::named("locked")),
            ("suspended, right", Person::named("suspended")),
            ("ambiguous, right", Person::named("double")),
            ("much too long", Person { password: &long, ..Person::named("ana") }),
        ];
        for (what, person) in others {
            assert_eq!(answer(&mut browser, &url, person).await, expected, "{what}");
        }
        assert!(browser.cookie("muster").is_none(), "nobody was signed in");
        assert_eq!(accounts(site).await, before, "no account was made");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_gets_no_code_for_somebody_who_may_not_enter_its_organisation() {
    on_both(async |site| {
        people(site).await;
        let shop = site.client(&site.org("acme").await.application("shop").await);
        let mut browser = site.browser();
        let url = Ask::of(&shop).url(&site.at);
        let wrong = Person { password: "wrong-1", ..Person::named("ana") };
        let expected = answer(&mut browser, &url, wrong).await;
        for name in ["nobody", "suspended", "locked"] {
            assert_eq!(answer(&mut browser, &url, Person::named(name)).await, expected, "{name}");
        }
        // A suspended membership: the account may sign in elsewhere, so the application hears it and nobody else.
        let arrival = site.browser().authorize(&Ask::of(&shop), Person::named("left")).await;
        assert_eq!((arrival.param("error"), arrival.param("code")), ("access_denied", ""));
    })
    .await;
}

// H24
#[tokio::test(flavor = "multi_thread")]
async fn user_name_and_address_reach_the_same_account_in_any_case() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let shop = site.client(&acme.application("shop").await);
        let sub = acme.user_id("ana").await;
        for name in ["ana", "ANA", " ana ", "ana@example.test", "Ana@Example.TEST"] {
            let claims = shop.sign_in(&mut site.browser(), Person::named(name)).await.claims();
            assert_eq!(claims["sub"], sub.as_str(), "{name:?}");
        }
    })
    .await;
}
