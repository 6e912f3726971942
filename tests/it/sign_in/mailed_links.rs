//! Mailed links: whole and for their own purpose they are good once, and in time. Otherwise they are nothing, and say
//! nothing.

use std::collections::BTreeMap;

use muster::domain::change::{Change, NewInvitation, Origin};
use muster::domain::language::Language;
use muster::domain::mail::{Address, NewLink, Purpose, Template};
use muster::domain::people::invitation::Access;
use muster::domain::people::user::{Kind as Whose, MembershipState, UserState};
use muster::domain::source::Source;
use muster::flows::links::{self, Dead, Wanted};
use muster::flows::{forgotten, set_password};
use muster::kernel::id::{InvitationId, MembershipId, UserId};
use muster::kernel::secret::Secret;
use muster::kernel::time::{DAY, MINUTE};
use reqwest::Method;

use crate::support::PASSWORD;
use crate::support::browser::{Browser, Person};
use crate::support::client::random;
use crate::support::org::Org;
use crate::support::page::Page;
use crate::support::server::{Site, on_both};

const NEW: &str = "Quay4-Zr8wNb3Lf";

fn mint(site: &Site, org: &Org, purpose: Purpose, to: &str, life: i64) -> (NewLink, String) {
    let template = match purpose {
        Purpose::SetPassword => Template::SetPassword,
        Purpose::ResetPassword => Template::ResetByAdmin,
        _ => Template::Invitation,
    };
    let wanted = Wanted {
        purpose,
        template,
        to: Address::Email(to.to_owned()),
        language: Language::En,
        org: Some(org.id.clone()),
        life,
        values: BTreeMap::new(),
    };
    let link = links::mint(site, wanted);
    let url = links::url(site, &link.mail).expect("it carries a link");
    let path = url.strip_prefix(site.at.issuer.as_str()).expect("links lead to the issuer, and nowhere else");
    let secret = path.strip_prefix(purpose.path()).expect("the path is the purpose's").to_owned();
    (link, secret)
}

/// A link for a new password of somebody with an account.
async fn reset_link(site: &Site, org: &Org, user: &UserId, to: &str) -> String {
    let (link, secret) = mint(site, org, Purpose::ResetPassword, to, 30 * MINUTE);
    site.act(vec![Change::SendLink { user: user.clone(), link: Box::new(link) }]).await;
    secret
}

/// Somebody registered who waits for a first password, and the link for it.
async fn first_link(site: &Site, org: &Org, user_name: &str) -> String {
    let mut user = site.new_user(Whose::Managed(org.id.clone()), user_name, PASSWORD).await;
    (user.state, user.password) = (UserState::Pending, None);
    let (link, secret) = mint(site, org, Purpose::SetPassword, &format!("{user_name}@example.test"), 7 * DAY);
    let (id, member) = (user.id.clone(), MembershipId::fresh());
    let add = Change::AddMember {
        org: org.id.clone(),
        member,
        user: id.clone(),
        state: MembershipState::Active,
        source: Source::Local,
    };
    let send = Change::SendLink { user: id, link: Box::new(link) };
    site.act(vec![Change::CreateUser(Box::new(user)), add, send]).await;
    secret
}

/// An invitation of somebody without an account, and its link.
async fn invitation_link(site: &Site, org: &Org, email: &str) -> String {
    let (link, secret) = mint(site, org, Purpose::Invitation, email, 7 * DAY);
    let new = NewInvitation {
        id: InvitationId::fresh(),
        org: org.id.clone(),
        email: email.to_owned(),
        name: "Ina Vee".to_owned(),
        given_name: String::new(),
        family_name: String::new(),
        access: Access::default(),
        language: Language::En,
        link,
    };
    site.act(vec![Change::Invite(Box::new(new))]).await;
    secret
}

/// A link of each kind that an administrator sends.
async fn all(site: &Site, acme: &Org) -> Vec<(Purpose, String)> {
    let ana = acme.person("ana", PASSWORD).await;
    vec![
        (Purpose::ResetPassword, reset_link(site, acme, &ana, "ana@example.test").await),
        (Purpose::SetPassword, first_link(site, acme, "rea").await),
        (Purpose::Invitation, invitation_link(site, acme, "ina@example.test").await),
    ]
}

async fn is_good(site: &Site, purpose: Purpose, secret: &str) -> bool {
    let found = links::find(&mut site.conn().await, &Secret::presented(secret), purpose, site.now()).await;
    found.unwrap().is_ok()
}

/// What somebody sees behind an address: the status and the text.
async fn seen(site: &Site, purpose: Purpose, secret: &str) -> (u16, String) {
    let path = format!("{}{secret}", purpose.path());
    let answer = site.at.get(&path).await;
    let text = Page::read(path, answer.status, answer.body).text();
    (answer.status, text)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_link_and_one_at_another_address_show_what_a_link_shows_that_nobody_was_sent() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        for (own, secret) in all(site, &acme).await {
            assert_eq!(seen(site, own, &secret).await.0, 200, "{own:?}");
            for purpose in Purpose::ALL {
                let unknown = seen(site, purpose, &format!("{}{}", links::PREFIX, random())).await;
                assert!((400..500).contains(&unknown.0), "{purpose:?}: {unknown:?}");
                if purpose != own {
                    // CVE-2022-23555: good for one flow, it was good for another.
                    assert_eq!(seen(site, purpose, &secret).await, unknown, "{own:?} at {purpose:?}");
                    continue;
                }
                for at in [0, 4, 5, 25, secret.len() - 1] {
                    let mut altered = secret.clone().into_bytes();
                    altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
                    let altered = String::from_utf8(altered).unwrap();
                    assert_eq!(seen(site, purpose, &altered).await, unknown, "{own:?}, byte {at}");
                }
                let cut = &secret[..secret.len() - 1];
                for blank in ["null", "0", "[]", "%00", "mln_", cut, &format!("{secret}A")] {
                    assert_eq!(seen(site, purpose, blank).await, unknown, "{own:?}, {blank}");
                }
            }
            assert!(is_good(site, own, &secret).await, "{own:?}: none of it used the link up");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_at_a_link_uses_nothing_up_and_hands_it_to_nobody() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        for (purpose, secret) in all(site, &acme).await {
            for method in [Method::GET, Method::HEAD, Method::GET] {
                let mut browser = site.browser();
                let url = site.at.url(&format!("{}{secret}", purpose.path()));
                let answer = browser.send(method.clone(), &url, None).await;
                assert_eq!(answer.status, 200, "{purpose:?}");
                assert_eq!(answer.header("referrer-policy"), "no-referrer", "{purpose:?}");
                assert!(answer.header("cache-control").contains("no-store"), "{purpose:?}");
                for from in ["src=\"http", "href=\"http", "url(http", "src=\"//", "href=\"//"] {
                    assert!(!answer.body.contains(from), "{purpose:?} loads or links something elsewhere");
                }
            }
            assert!(is_good(site, purpose, &secret).await, "{purpose:?}: a scanner of mails looked, nobody used it");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_ends_at_its_millisecond_and_not_before() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        for (purpose, secret) in all(site, &acme).await {
            let mut conn = site.conn().await;
            let presented = Secret::presented(secret.as_str());
            let now = site.now();
            let link = links::find(&mut conn, &presented, purpose, now).await.unwrap().expect("it is good");
            let last = link.expires_at.minus(1);
            assert!(links::find(&mut conn, &presented, purpose, last).await.unwrap().is_ok(), "{purpose:?}");
            let over = links::find(&mut conn, &presented, purpose, link.expires_at).await.unwrap();
            assert!(matches!(over, Err(Dead::Expired { .. })), "{purpose:?}: {over:?}");
        }
        let ana = acme.user_id("ana").await;
        let secret = Secret::presented(reset_link(site, &acme, &ana, "ana@example.test").await);
        site.advance(30 * MINUTE);
        let refused = forgotten::set(site, &secret, Secret::presented(NEW), &Origin::default()).await.unwrap_err();
        assert!(matches!(refused, set_password::NotSet::Dead(Dead::Expired { .. })), "{refused:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_who_use_one_link_at_once_are_one() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        let secret = reset_link(site, &acme, &ana, "ana@example.test").await;
        let world: &muster::app::App = site;
        let tries: Vec<_> = (0..50)
            .map(|number| {
                let (app, secret) = (world.clone(), Secret::presented(secret.as_str()));
                let new = Secret::presented(format!("Quay4-Zr8wNb{number}"));
                tokio::spawn(async move { forgotten::set(&app, &secret, new, &Origin::default()).await })
            })
            .collect();
        let (mut good, mut dead) = (0, 0);
        for one in tries {
            match one.await.unwrap() {
                Ok(_) => good += 1,
                Err(set_password::NotSet::Dead(_)) => dead += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!((good, dead), (1, 49));
        assert!(seen(site, Purpose::ResetPassword, &secret).await.0 >= 400);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_signs_nobody_in_ends_every_session_and_cannot_be_reached_without_its_link() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        let mut before = site.browser();
        assert_eq!(before.sign_in(Person::named("ana")).await.page().url, site.at.url("/me"));
        let secret = reset_link(site, &acme, &ana, "ana@example.test").await;
        let other = reset_link(site, &acme, &ana, "ana@example.test").await;
        let mut browser = site.browser();
        let form = [("password", NEW), ("password_again", NEW)];
        let page = browser.open(&site.at.url(&format!("/reset/{other}"))).await.page();
        // CVE-2026-18963: the steps that follow, called without what the mail brought.
        for elsewhere in [format!("{}{}", links::PREFIX, random()), secret.clone(), "null".to_owned()] {
            let fields = page.form_with("reset-submit").expect("the page has the form").filled("reset-submit", &form);
            let url = site.at.url(&format!("/reset/{elsewhere}"));
            let answer = browser.send(Method::POST, &url, Some(&fields)).await;
            assert!((400..500).contains(&answer.status), "{elsewhere}: {}", answer.status);
        }
        assert!(signs_in(site, PASSWORD).await, "nothing was set");
        let landed = browser.press(&page, "reset-submit", &form).await.page();
        assert!(landed.has("login-form"), "{landed:?}");
        for browser in [&mut browser, &mut before] {
            let page = browser.open(&site.at.url("/me")).await.page();
            assert!(page.has("login-form"), "{page:?}");
        }
        assert!(!signs_in(site, PASSWORD).await && signs_in(site, NEW).await);
    })
    .await;
}

async fn signs_in(site: &Site, password: &str) -> bool {
    let mut browser: Browser = site.browser();
    let page = browser.sign_in(Person { password, ..Person::named("ana") }).await.page();
    page.url == site.at.url("/me")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_two_addresses_at_once_gets_mail_to_neither() {
    on_both(async |site| {
        site.org("acme").await.person("ana", PASSWORD).await;
        let mut browser = site.browser();
        let page = browser.open(&site.at.url("/forgot")).await.page();
        let form = page.form_with("forgot-submit").expect("the page has the form");
        let plain = form.filled("forgot-submit", &[("username", "ana@example.test")]);
        // CVE-2023-7028: the second address got the first one's link.
        let mut twice = plain.clone();
        twice.push(("username".to_owned(), "eve@example.test".to_owned()));
        let with = |typed: &str| form.filled("forgot-submit", &[("username", typed)]);
        for fields in [twice, with("ana@example.test\r\nBcc: eve@example.test"), with("")] {
            let answer = browser.send(Method::POST, &site.at.url("/forgot"), Some(&fields)).await;
            assert_eq!(answer.status, 400, "{fields:?}");
        }
        for typed in ["ana@example.test,eve@example.test", "[\"ana@example.test\",\"eve@example.test\"]"] {
            let answer = browser.send(Method::POST, &site.at.url("/forgot"), Some(&with(typed))).await;
            assert_eq!(answer.status, 200, "{typed}: whoever that is");
        }
        let mails = |site: &Site| {
            let site = site.db.clone();
            async move {
                let mut conn = site.read().await.unwrap();
                let sql = "SELECT receiver FROM outbox WHERE kind = 'mail'";
                conn.query(sql).all::<(String,)>().await.unwrap()
            }
        };
        assert!(mails(site).await.is_empty());
        browser.send(Method::POST, &site.at.url("/forgot"), Some(&plain)).await;
        for _ in 0..300 {
            if !mails(site).await.is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(mails(site).await, [("ana@example.test".to_owned(),)]);
    })
    .await;
}
