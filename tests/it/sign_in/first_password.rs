//! The first password of somebody who was registered: by the mailed link, within seven days, and nothing before it.

use muster::domain::change::Origin;
use muster::domain::mail::Purpose;
use muster::flows::links::Dead;
use muster::flows::set_password::{self, NotSet};
use muster::flows::sign_in::{Answer, Attempt, Context, with_password};
use muster::kernel::secret::Secret;
use muster::kernel::time::{DAY, MINUTE, SECOND};
use muster::store::users;
use reqwest::Method;

use super::letters::{OTHER, registered};
use crate::support::PASSWORD;
use crate::support::browser::Person;
use crate::support::client::Ask;
use crate::support::mailbox::{all_sent, count_to, link_to, nth_link, secret_of};
use crate::support::server::on_both as on_both_served;
use crate::support::world::{World, on_both};

const PIA: &str = "pia@example.test";

async fn gets_in(world: &World, password: &str) -> bool {
    let attempt = Attempt {
        identifier: "pia".to_owned(),
        password: Secret::presented(password),
        context: Context::None,
        user_agent: String::new(),
        address: "192.0.2.1".to_owned(),
        device: None,
    };
    matches!(with_password(world, attempt).await.expect("the pool has room"), Answer::SignedIn(_))
}

// K07 H14
#[tokio::test(flavor = "multi_thread")]
async fn the_link_is_good_for_seven_days_less_a_second_and_not_for_seven_days() {
    on_both(async |world| {
        let acme = world.org("acme").await;
        registered(&acme, "pia").await;
        let secret = secret_of(&link_to(&world, PIA, Purpose::SetPassword).await);
        let set = async |secret: &Secret| {
            set_password::set(&world, secret, Secret::presented(OTHER), &Origin::default()).await
        };
        world.advance(7 * DAY);
        assert!(matches!(set_password::seen(&world, &secret).await.unwrap(), Err(Dead::Expired { .. })));
        assert!(matches!(set(&secret).await, Err(NotSet::Dead(Dead::Expired { .. }))));
        for password in [OTHER, PASSWORD, ""] {
            assert!(!gets_in(&world, password).await, "nobody is let in");
        }
        set_password::send_again(&world, &secret, &Origin::default()).await.unwrap();
        let again = secret_of(&nth_link(&world, PIA, Purpose::SetPassword, 2).await);
        world.advance(7 * DAY - SECOND);
        let welcome = set_password::seen(&world, &again).await.unwrap().unwrap();
        assert_eq!((welcome.user_name.as_str(), welcome.email.as_str()), ("pia", PIA));
        assert_eq!(set(&again).await.unwrap().as_deref(), Some("acme"));
        assert!(gets_in(&world, OTHER).await);
        assert!(matches!(set(&again).await, Err(NotSet::Dead(Dead::Used))));
    })
    .await;
}

// H13
#[tokio::test(flavor = "multi_thread")]
async fn before_the_password_is_set_a_sign_in_is_refused_like_any_other_and_after_it_leads_in() {
    on_both_served(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let user = registered(&acme, "pia").await;
        let shop = site.client(&acme.application("shop").await);
        let mut browser = site.browser();
        let refused = |page: &crate::support::page::Page, name: &str| {
            let typed = format!("value=\"{name}\"");
            (page.status, page.without_hidden_values().replace(&typed, "value=\"\""))
        };
        let wrong = Person { password: "wrong-1", ..Person::named("ana") };
        let expected = refused(&browser.sign_in(wrong).await.page(), "ana");
        for password in [PASSWORD, OTHER] {
            let page = browser.sign_in(Person { password, ..Person::named("pia") }).await.page();
            assert_eq!(refused(&page, "pia"), expected);
        }
        let link = link_to(site, PIA, Purpose::SetPassword).await;
        for method in [Method::HEAD, Method::GET, Method::GET] {
            let answer = site.browser().send(method, &link, None).await;
            assert_eq!((answer.status, answer.header("referrer-policy")), (200, "no-referrer"));
            assert_eq!(answer.header("cache-control"), "no-store");
        }
        let page = browser.open(&link).await.page();
        let text = page.text();
        for shown in ["Pia Example", "pia", "Acme", PIA, "Use 6 to 32 characters."] {
            assert!(text.contains(shown), "{shown}: {text}");
        }
        // What an administrator said stands there as text: whatever is sent in its place is not read.
        let typed = [("password", OTHER), ("password_again", OTHER)];
        let mut fields = page.form_with("welcome-submit").unwrap().filled("welcome-submit", &typed);
        for (name, value) in [("name", "Eve"), ("username", "eve"), ("email", "eve@evil.test"), ("org", "globex")] {
            fields.push((name.to_owned(), value.to_owned()));
        }
        let answer = browser.send(Method::POST, &link, Some(&fields)).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/o/acme/login?after=password_set"));
        assert!(browser.cookie("muster").is_none());
        let found = users::find(&mut site.conn().await, &user).await.unwrap().unwrap();
        assert_eq!((found.user_name.as_str(), found.profile.email.as_deref()), ("pia", Some(PIA)));
        let tokens = shop.sign_in(&mut browser, Person { password: OTHER, ..Person::named("pia") }).await;
        let claims = tokens.claims();
        assert_eq!(claims["sub"], user.as_str());
        assert_eq!(claims["org_slug"], "acme");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_link_offers_a_new_one_to_the_same_address_and_tells_no_more() {
    on_both_served(async |site| {
        let acme = site.org("acme").await;
        registered(&acme, "pia").await;
        let link = link_to(site, PIA, Purpose::SetPassword).await;
        all_sent(site).await;
        site.advance(7 * DAY);
        let mut browser = site.browser();
        let page = browser.open(&link).await.page();
        assert!(page.status == 410 && !page.has("welcome-form"), "{page:?}");
        let text = page.text();
        assert!(text.contains("This link expired on ") && text.contains("p…@example.test") && !text.contains(PIA));
        let again = browser.press(&page, "link-renew", &[]).await.page();
        assert_eq!(again.status, 200);
        let newer = nth_link(site, PIA, Purpose::SetPassword, 2).await;
        // The next one within a minute is silently none.
        let answer = browser.press(&page, "link-renew", &[]).await.page();
        assert_eq!((answer.status, &answer.html), (again.status, &again.html));
        assert_eq!(count_to(site, PIA, Purpose::SetPassword).await, 2);
        let page = browser.open(&newer).await.page();
        let typed = [("password", OTHER), ("password_again", OTHER)];
        assert!(browser.press(&page, "welcome-submit", &typed).await.page().text().contains("Your password is set."));
        let dead = browser.open(&link).await.page();
        assert!(dead.status == 410 && !dead.has("welcome-form"), "{dead:?}");
        site.advance(MINUTE + SECOND);
        let fields = page.form_with("welcome-submit").unwrap().filled("welcome-submit", &typed);
        let mut fields: Vec<_> = fields.into_iter().filter(|(name, _)| name == "csrf").collect();
        fields.push(("act".to_owned(), "renew".to_owned()));
        assert_eq!(browser.send(Method::POST, &link, Some(&fields)).await.status, 200, "neutral, and nothing is sent");
        assert_eq!(count_to(site, PIA, Purpose::SetPassword).await, 2);
        let shop = site.client(&acme.application("shop").await);
        let arrival = browser.authorize(&Ask::of(&shop), Person { password: OTHER, ..Person::named("pia") }).await;
        assert_ne!(arrival.param("code"), "");
    })
    .await;
}
