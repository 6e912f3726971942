//! What people change of their own accounts: the password, the names, the e-mail address and the phone number.

use std::collections::BTreeSet;

use muster::domain::change::{Change, Mode, Origin};
use muster::domain::mail::Purpose;
use muster::domain::people::user::{Kind, MembershipState};
use muster::domain::settings::{OrgSettings, OwnData};
use muster::domain::source::Source;
use muster::flows::change_access::Refusal;
use muster::flows::own_account::{self, Names, NotChanged};
use muster::kernel::id::{MembershipId, UserId};
use muster::kernel::secret::Secret;
use muster::kernel::time::{DAY, HOUR, MINUTE};
use muster::store::users;
use reqwest::Method;

use crate::support::PASSWORD;
use crate::support::browser::{Browser, Person};
use crate::support::client::Client;
use crate::support::mailbox::{link_to, links_to, nth_link};
use crate::support::org::Org;
use crate::support::page::Page;
use crate::support::server::{Site, on_both};
use crate::support::world::{World, on_both as on_both_without_server};

const NEW: &str = "Quay4-Zr8wNb3Lf";

async fn user(world: &World, id: &UserId) -> users::User {
    users::find(&mut world.conn().await, id).await.unwrap().unwrap()
}

async fn page(site: &Site, browser: &mut Browser, path: &str) -> Page {
    browser.open(&site.at.url(path)).await.page()
}

async fn is_out(site: &Site, browser: &mut Browser) -> bool {
    browser.send(Method::GET, &site.at.url("/me"), None).await.status == 303
}

async fn set_own_data(org: &Org, own_data: &[OwnData]) {
    let own_data: BTreeSet<OwnData> = own_data.iter().copied().collect();
    let settings = Box::new(OrgSettings { own_data, ..OrgSettings::default() });
    org.world.act(vec![Change::SetOrgSettings { org: org.id.clone(), settings }]).await;
}

/// Somebody with a browser of their own and an application in it.
async fn signed_in(shop: &Client, site: &Site, name: &str) -> Browser {
    let mut browser = site.browser();
    shop.sign_in(&mut browser, Person::named(name)).await;
    browser
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_ends_the_other_sessions_and_this_one_goes_on_under_a_new_cookie() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let shop = site.client(&acme.application("shop").await);
        let (mut here, mut there) = (signed_in(&shop, site, "ana").await, signed_in(&shop, site, "ana").await);
        let before = here.cookie("muster").map(str::to_owned);
        let form = page(site, &mut here, "/me/password").await;
        assert!(form.text().contains("Use 6 to 32 characters."), "{form:?}");
        let typed = |old| [("old", old), ("password", NEW), ("password_again", NEW)];
        let wrong = here.press(&form, "password-submit", &typed("wrong-1")).await.page();
        assert!(wrong.status == 400 && wrong.text().contains("isn't your password"), "{wrong:?}");
        let weak = [("old", PASSWORD), ("password", "abc"), ("password_again", "abc")];
        let weak = here.press(&form, "password-submit", &weak).await.page();
        assert!(weak.status == 400 && weak.text().matches("Use 6 to 32 characters.").count() == 2, "{weak:?}");
        assert!(!is_out(site, &mut there).await, "nothing ended by any of this");
        let done = here.press(&form, "password-submit", &typed(PASSWORD)).await.page();
        assert!(done.status == 200 && done.text().contains("Your password was changed."), "{done:?}");
        let after = here.cookie("muster").map(str::to_owned);
        assert!(before.is_some() && after.is_some() && before != after, "a new cookie");
        let old = format!("muster={}", before.unwrap());
        let request = site.at.request(Method::GET, &site.at.url("/me")).header("cookie", old);
        assert_eq!(crate::support::http::Answer::to(request).await.status, 303, "the old cookie opens nothing");
        assert!(is_out(site, &mut there).await && !is_out(site, &mut here).await);
        assert!(shop.is_signed_in(&mut here).await, "and the application goes on here without a new sign-in");
        assert!(!shop.is_signed_in(&mut there).await);
        let refused = site.browser().sign_in(Person::named("ana")).await.page();
        assert!(refused.status == 400, "{refused:?}");
        let me = site.browser().sign_in(Person { password: NEW, ..Person::named("ana") }).await.page();
        assert_eq!(me.url, site.at.url("/me"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_clears_the_box_keeps_the_other_sessions() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let shop = site.client(&acme.application("shop").await);
        let (mut here, mut there) = (signed_in(&shop, site, "ana").await, signed_in(&shop, site, "ana").await);
        let form = page(site, &mut here, "/me/password").await;
        let typed = [("old", PASSWORD), ("password", NEW), ("password_again", NEW)];
        let mut fields = form.form_with("password-submit").unwrap().filled("password-submit", &typed);
        assert!(fields.iter().any(|(name, _)| name == "end_others"), "the box is ticked to begin with");
        fields.retain(|(name, _)| name != "end_others");
        let answer = here.send(Method::POST, &site.at.url("/me/password"), Some(&fields)).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/me/password?done=yes"), "{}", answer.body);
        assert!(!is_out(site, &mut there).await && !is_out(site, &mut here).await);
        assert!(shop.is_signed_in(&mut there).await && shop.is_signed_in(&mut here).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_the_old_password_count_like_those_at_the_sign_in() {
    on_both(async |site| {
        site.org("acme").await.person("ana", PASSWORD).await;
        let mut browser = site.browser();
        browser.sign_in(Person::named("ana")).await;
        let form = page(site, &mut browser, "/me/password").await;
        let profile = page(site, &mut browser, "/me/profile").await;
        for number in 0..5 {
            let wrong = format!("wrong-{number}");
            let landing = if number % 2 == 0 {
                let typed = [("old", wrong.as_str()), ("password", NEW), ("password_again", NEW)];
                browser.press(&form, "password-submit", &typed).await
            } else {
                let typed = [("phone", "+82 10 1234 5678"), ("password", wrong.as_str())];
                browser.press(&profile, "phone-submit", &typed).await
            };
            assert_eq!(landing.page().status, 400);
        }
        let typed = [("old", PASSWORD), ("password", NEW), ("password_again", NEW)];
        assert_eq!(browser.press(&form, "password-submit", &typed).await.page().status, 400, "the lock holds here");
        assert_eq!(site.browser().sign_in(Person::named("ana")).await.page().status, 400, "and at the sign-in");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_language_and_number_are_saved_and_what_is_no_field_is_not() {
    on_both(async |site| {
        let ana = site.own_account("ana", PASSWORD).await;
        let mut browser = site.browser();
        browser.sign_in(Person::named("ana")).await;
        let form = page(site, &mut browser, "/me/profile").await;
        let typed = [("name", "Ana Kim"), ("given_name", "Ana"), ("zoneinfo", "Asia/Seoul")];
        let mut fields = form.form_with("profile-submit").unwrap().filled("profile-submit", &typed);
        for (name, value) in
            [("locale", "ko"), ("email", "eve@evil.test"), ("email_verified", "true"), ("user_name", "eve")]
        {
            fields.push((name.to_owned(), value.to_owned()));
        }
        let answer = browser.send(Method::POST, &site.at.url("/me/profile"), Some(&fields)).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/me/profile?done=profile"), "{}", answer.body);
        let found = user(site, &ana).await;
        let profile = &found.profile;
        assert_eq!((found.name.as_str(), profile.given_name.as_deref()), ("Ana Kim", Some("Ana")));
        assert_eq!((profile.locale.as_deref(), profile.zoneinfo.as_deref()), (Some("ko"), Some("Asia/Seoul")));
        assert_eq!((profile.email.as_deref(), profile.email_verified), (Some("ana@example.test"), false));
        assert_eq!(found.user_name, "ana");
        let form = page(site, &mut browser, "/me/profile?done=profile").await;
        assert!(form.text().contains("Your profile was saved."));
        let number = |phone, password| [("phone", phone), ("password", password)];
        let bad = browser.press(&form, "phone-submit", &number("010 1234", PASSWORD)).await.page();
        assert!(bad.status == 400 && bad.text().contains("country code"), "{bad:?}");
        let done = browser.press(&form, "phone-submit", &number("+82 10 1234 5678", PASSWORD)).await.page();
        assert!(done.text().contains("Your phone number was saved."), "{done:?}");
        let me = site.browser().sign_in(Person::named("+821012345678")).await.page();
        assert_eq!(me.url, site.at.url("/me"), "the number names the account from now on");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_counts_when_its_link_comes_back_and_everybody_signs_in_again() {
    on_both(async |site| {
        let ana = site.own_account("ana", PASSWORD).await;
        let mut browser = site.browser();
        browser.sign_in(Person::named("ana")).await;
        let form = page(site, &mut browser, "/me/profile").await;
        let typed = |password| [("email", "new@example.test"), ("password", password)];
        let wrong = browser.press(&form, "email-submit", &typed("wrong-1")).await.page();
        assert!(wrong.status == 400 && wrong.text().contains("isn't your password"), "{wrong:?}");
        assert!(links_to(site, "new@example.test", Purpose::ConfirmEmail).await.is_empty());
        let sent = browser.press(&form, "email-submit", &typed(PASSWORD)).await.page();
        assert!(sent.text().contains("We sent a link"), "{sent:?}");
        assert_eq!(user(site, &ana).await.profile.email.as_deref(), Some("ana@example.test"));
        let url = link_to(site, "new@example.test", Purpose::ConfirmEmail).await;
        // Whoever opens it needs no session, and opening it is nothing.
        let mut elsewhere = site.browser();
        let shown = elsewhere.open(&url).await.page();
        let answer = elsewhere.send(Method::GET, &url, None).await;
        assert_eq!((answer.status, answer.header("referrer-policy")), (200, "no-referrer"));
        assert!(!is_out(site, &mut browser).await);
        let done = elsewhere.press(&shown, "email-confirm", &[]).await.page();
        assert!(done.text().contains("new@example.test is your address now"), "{done:?}");
        let found = user(site, &ana).await;
        assert_eq!((found.profile.email.as_deref(), found.profile.email_verified), (Some("new@example.test"), true));
        assert!(is_out(site, &mut browser).await, "every session ends");
        let again = elsewhere.press(&shown, "email-confirm", &[]).await.page();
        assert!(again.status == 410 && again.text().contains("was used"), "{again:?}");
        let me = site.browser().sign_in(Person::named("new@example.test")).await.page();
        assert_eq!(me.url, site.at.url("/me"));
        assert_eq!(site.browser().sign_in(Person::named("ana@example.test")).await.page().status, 400);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_that_is_confirmed_is_the_one_that_the_link_was_mailed_to() {
    on_both_without_server(async |world| {
        let ana = world.own_account("ana", PASSWORD).await;
        let (origin, password) = (Origin::default(), Secret::presented(PASSWORD));
        let asks = ["a@example.test", "b@example.test", "c@example.test"];
        let tries =
            asks.map(|email| own_account::ask_for_email(&world, &ana, email, (&password, None), &origin, Mode::Act));
        let sent = futures_util::future::join_all(tries).await.into_iter().filter(Result::is_ok).count();
        assert_eq!(sent, 3);
        let old = link_to(&world, "a@example.test", Purpose::ConfirmEmail).await;
        world.advance(2 * HOUR);
        let later = "b@example.test";
        own_account::ask_for_email(&world, &ana, later, (&password, None), &origin, Mode::Act).await.unwrap();
        let new = nth_link(&world, later, Purpose::ConfirmEmail, 2).await;
        let secret = |url: &str| Secret::presented(url.rsplit('/').next().unwrap());
        let dead = own_account::confirm_email(&world, &secret(&old), &origin).await;
        assert!(matches!(dead, Err(NotChanged::Dead(_))), "{dead:?}");
        let (old, new) = (secret(&old), secret(&new));
        let tries = [&old, &new, &new, &old].map(|link| own_account::confirm_email(&world, link, &origin));
        let done = futures_util::future::join_all(tries).await.into_iter().filter(Result::is_ok).count();
        assert_eq!(done, 1, "a link works once");
        assert_eq!(user(&world, &ana).await.profile.email.as_deref(), Some(later));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_a_new_address_is_over_after_a_day_and_never_takes_somebody_elses() {
    on_both_without_server(async |world| {
        let ana = world.own_account("ana", PASSWORD).await;
        world.own_account("bo", PASSWORD).await;
        let (origin, password) = (Origin::default(), Secret::presented(PASSWORD));
        let secret = |url: String| Secret::presented(url.rsplit('/').next().unwrap());
        let late = "late@example.test";
        own_account::ask_for_email(&world, &ana, late, (&password, None), &origin, Mode::Act).await.unwrap();
        let link = secret(link_to(&world, late, Purpose::ConfirmEmail).await);
        world.advance(DAY);
        assert!(matches!(own_account::confirm_email(&world, &link, &origin).await, Err(NotChanged::Dead(_))));
        let taken = "bo@example.test";
        own_account::ask_for_email(&world, &ana, taken, (&password, None), &origin, Mode::Act).await.unwrap();
        let link = secret(link_to(&world, taken, Purpose::ConfirmEmail).await);
        let refused = own_account::confirm_email(&world, &link, &origin).await;
        assert!(matches!(refused, Err(NotChanged::Refused(Refusal::Conflict(_)))), "{refused:?}");
        assert_eq!(user(&world, &ana).await.profile.email.as_deref(), Some("ana@example.test"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_to_new_addresses_are_few() {
    on_both_without_server(async |world| {
        let ana = world.own_account("ana", PASSWORD).await;
        let (origin, password) = (Origin::default(), Secret::presented(PASSWORD));
        let mut sent = 0;
        for number in 0..5 {
            let email = format!("n{number}@example.test");
            sent += usize::from(
                own_account::ask_for_email(&world, &ana, &email, (&password, None), &origin, Mode::Act).await.is_ok(),
            );
            world.advance(2 * MINUTE);
        }
        assert_eq!(sent, 3, "within an hour");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_organisation_keeps_to_itself_is_locked_on_the_page_and_refused_behind_it() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        let mut browser = site.browser();
        browser.sign_in(Person::named("ana")).await;
        let (open, password) =
            (page(site, &mut browser, "/me/profile").await, page(site, &mut browser, "/me/password").await);
        set_own_data(&acme, &[]).await;
        let locked = page(site, &mut browser, "/me/profile").await;
        for (button, reason) in [
            ("profile-submit", "id=\"profile-locked\""),
            ("email-submit", "id=\"email-locked\""),
            ("phone-submit", "id=\"phone-locked\""),
        ] {
            assert!(!locked.has(button) && locked.html.contains(reason), "{button}: {locked:?}");
        }
        assert!(locked.text().contains("Your organisation looks after this"), "{locked:?}");
        assert!(!page(site, &mut browser, "/me/password").await.has("password-submit"));
        // The forms of before are sent all the same.
        let names = browser.press(&open, "profile-submit", &[("name", "Eve")]).await.page();
        let email = [("email", "eve@example.test"), ("password", PASSWORD)];
        let email = browser.press(&open, "email-submit", &email).await.page();
        let phone = [("phone", "+82 10 1234 5678"), ("password", PASSWORD)];
        let phone = browser.press(&open, "phone-submit", &phone).await.page();
        assert_eq!([names.status, email.status, phone.status], [403; 3]);
        let typed = [("old", PASSWORD), ("password", NEW), ("password_again", NEW)];
        assert_eq!(browser.press(&password, "password-submit", &typed).await.page().status, 400);
        let found = user(site, &ana).await;
        assert_eq!((found.name.as_str(), found.profile.phone_number.as_deref()), ("Ana Example", None));
        assert!(links_to(site, "eve@example.test", Purpose::ConfirmEmail).await.is_empty());
        // One thing of them is let go, and no other.
        set_own_data(&acme, &[OwnData::Phone]).await;
        let done = browser.press(&open, "phone-submit", &[("phone", "+82 10 1234 5678"), ("password", PASSWORD)]).await;
        assert_eq!(done.page().status, 200);
        let refused = own_account::set_names(site, &ana, Names::default(), &Origin::default(), Mode::Act).await;
        assert!(matches!(refused, Err(NotChanged::Locked(_))), "{refused:?}");
        let found = user(site, &ana).await;
        assert_eq!(found.profile.phone_number.as_deref(), Some("+82 10 1234 5678"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_was_mailed_before_the_organisation_closed_the_door_is_dead() {
    on_both_without_server(async |world| {
        let acme = world.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        let (origin, password) = (Origin::default(), Secret::presented(PASSWORD));
        own_account::ask_for_email(&world, &ana, "new@example.test", (&password, None), &origin, Mode::Act)
            .await
            .unwrap();
        let url = nth_link(&world, "new@example.test", Purpose::ConfirmEmail, 1).await;
        set_own_data(&acme, &[OwnData::Profile]).await;
        let link = Secret::presented(url.rsplit('/').next().unwrap());
        let refused = own_account::confirm_email(&world, &link, &origin).await;
        assert!(matches!(refused, Err(NotChanged::Dead(_))), "{refused:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_a_connection_is_locked_with_its_name() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let mut new = site.new_user(Kind::Managed(acme.id.clone()), "ana", PASSWORD).await;
        new.source = Source::Scim("okta".to_owned());
        let (org, member, ana) = (acme.id.clone(), MembershipId::fresh(), new.id.clone());
        let (state, source) = (MembershipState::Active, new.source.clone());
        let join = Change::AddMember { org, member, user: ana.clone(), state, source };
        site.act(vec![Change::CreateUser(Box::new(new)), join]).await;
        let mut browser = site.browser();
        browser.sign_in(Person::named("ana")).await;
        let profile = page(site, &mut browser, "/me/profile").await;
        assert_eq!(profile.text().matches("Managed by okta").count(), 3, "{profile:?}");
        let password = page(site, &mut browser, "/me/password").await;
        assert!(password.text().contains("Managed by okta") && !password.has("password-submit"), "{password:?}");
        let (origin, typed) = (Origin::default(), Secret::presented(PASSWORD));
        let refused =
            own_account::ask_for_email(site, &ana, "new@example.test", (&typed, None), &origin, Mode::Act).await;
        let Err(NotChanged::Refused(Refusal::ManagedByIdp { connection })) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(connection, "okta");
    })
    .await;
}
