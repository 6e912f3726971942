//! How somebody new comes in, as they meet it: an administrator's call, a mail over a real mail server, its link within
//! seven days less a second, the sign-in, and the roles in the token. After seven days the link is nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use muster::domain::mail::Purpose;
use muster::flows::links;
use muster::kernel::secret::Secret;
use muster::kernel::time::{SECOND, UnixMillis};
use serde_json::{Value, json};

use super::post_office::PostOffice;
use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::browser::{Browser, Person};
use crate::support::client::list;
use crate::support::mailbox::all_sent;
use crate::support::page::Page;
use crate::support::server::{Site, on_both_with};

const CHOSEN: [(&str, &str); 2] = [("password", PASSWORD), ("password_again", PASSWORD)];

/// Puts the hands of the clock on a moment; it runs on from there.
fn turn(site: &Site, to: UnixMillis) {
    site.advance(to.0 - site.now().0);
}

/// When a link ends.
async fn end(site: &Site, link: &str, purpose: Purpose) -> UnixMillis {
    let secret = Secret::presented(link.rsplit('/').next().unwrap());
    links::find(&mut site.conn().await, &secret, purpose, site.now()).await.unwrap().expect("it is good").expires_at
}

/// Opens a link a second before it ends, and uses it a second before it ends.
async fn in_time(site: &Site, link: &str, end: UnixMillis, button: &str) -> Page {
    let last = end.minus(SECOND);
    let mut browser = site.browser();
    turn(site, last);
    let page = browser.open(link).await.page();
    turn(site, last);
    browser.press(&page, button, &CHOSEN).await.page()
}

/// Waits until every invitation's mail is known to have arrived.
async fn all_arrived(olga: &Admin) {
    let begun = Instant::now();
    loop {
        let sent = olga.get("/invitations").await["items"].clone();
        if sent.as_array().unwrap().iter().all(|one| one["state"] == "pending") {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{sent}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn is_shut(site: &Site, name: &str) -> bool {
    site.browser().sign_in(Person::named(name)).await.page().has("login-form")
}

// K06 K07 H13 H14 N12 I20
#[tokio::test(flavor = "multi_thread")]
async fn who_is_registered_or_invited_comes_in_by_the_mail_until_the_last_second_of_seven_days() {
    let folder = tempfile::tempdir().unwrap();
    let Some(office) = PostOffice::open(folder.path()).await else {
        return;
    };
    on_both_with(
        |config| office.serves(config),
        async |site| {
            let (acme, _) = owned(site, "acme").await;
            acme.project("web").await;
            let devs = acme.group("devs", &[]).await;
            acme.give_group("devs", "project.reader", Some("web")).await;
            let (shop, olga) = (site.client(&acme.application("shop").await), Admin::of(site, &acme, "olga").await);
            // Two databases share the mail server: an address is of one of them.
            let mark = acme.id.as_str().replace("org_", "").to_lowercase();
            let at = |name: &str| format!("{name}-{mark}@a.test");
            let access = json!({ "groups": [devs], "roles": [{ "role": "org.reader" }] });
            let with = |mut body: Value| {
                body.as_object_mut().unwrap().extend(access.as_object().unwrap().clone());
                body
            };
            for name in ["rea", "rolf"] {
                olga.post("/users", with(json!({ "user_name": name, "email": at(name) }))).await;
            }
            let people = ["ina", "ivo"].map(|name| json!({ "email": at(name), "name": "Somebody New" }));
            olga.post("/invitations", with(json!({ "people": people }))).await;
            let mut mailed = BTreeMap::new();
            for name in ["rea", "rolf", "ina", "ivo"] {
                mailed.insert(name, office.letter(&at(name)).await.link(&site.at.issuer));
            }
            all_sent(site).await;
            all_arrived(&olga).await;

            // Those who come too late have opened their pages in time.
            let mut late: Vec<(Browser, Page, &str, &str)> = Vec::new();
            for (name, button) in [("rolf", "welcome-submit"), ("ivo", "invite-accept")] {
                let mut browser = site.browser();
                let page = browser.open(&mailed[name]).await.page();
                assert!(page.has(button), "{page:?}");
                late.push((browser, page, name, button));
            }
            let over = end(site, &mailed["ivo"], Purpose::Invitation).await;
            assert!(over >= end(site, &mailed["rolf"], Purpose::SetPassword).await, "it was sent later");

            let of_rea = end(site, &mailed["rea"], Purpose::SetPassword).await;
            let of_ina = end(site, &mailed["ina"], Purpose::Invitation).await;
            let set = in_time(site, &mailed["rea"], of_rea, "welcome-submit").await;
            assert!(set.text().contains("Your password is set."), "{set:?}");
            let accepted = in_time(site, &mailed["ina"], of_ina, "invite-accept").await;
            assert!(accepted.text().contains("You're in"), "{accepted:?}");
            for name in [at("rea"), at("ina")] {
                let claims = shop.sign_in(&mut site.browser(), Person::named(&name)).await.claims();
                assert_eq!(list(&claims["org_roles"]), ["org.reader"], "{name}");
                assert_eq!(list(&claims["project_roles"]["web"]), ["project.reader"], "{name}");
                assert_eq!(claims["org_slug"], "acme");
            }

            if site.now() < over {
                turn(site, over);
            }
            for (mut browser, page, name, button) in late {
                let pressed = browser.press(&page, button, &CHOSEN).await.page();
                assert!(pressed.status == 410 && !pressed.has(button), "{name}: {pressed:?}");
                let opened = browser.open(&mailed[name]).await.page();
                assert!(opened.status == 410 && !opened.has(button), "{name}: {opened:?}");
                assert!(is_shut(site, &at(name)).await, "{name}");
            }
        },
    )
    .await;
}
