//! The pages of one's own account: applications, access keys, organisations, access, activity, and how one signs in.

use muster::domain::change::Change;
use muster::kernel::time::MINUTE;
use muster::store::memberships;
use reqwest::Method;

use crate::support::PASSWORD;
use crate::support::browser::{Browser, Person};
use crate::support::client::Ask;
use crate::support::http::Answer;
use crate::support::page::Page;
use crate::support::server::{Site, on_both};

async fn signed_in(site: &Site, name: &str) -> Browser {
    let mut browser = site.browser();
    assert_eq!(browser.sign_in(Person::named(name)).await.page().url, site.at.url("/me"));
    browser
}

async fn page(site: &Site, browser: &mut Browser, path: &str) -> Page {
    browser.open(&site.at.url(path)).await.page()
}

/// What a form of ours would send, by hand: the page's token and these fields.
fn fields(page: &Page, typed: &[(&str, &str)]) -> Vec<(String, String)> {
    let controls = page.forms.iter().flat_map(|form| &form.controls);
    let csrf = controls.filter(|control| control.name == "csrf").map(|control| control.value.clone()).next();
    let mut fields = vec![("csrf".to_owned(), csrf.expect("the page has a form"))];
    fields.extend(typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    fields
}

/// The id of the first button whose id begins so.
fn button(page: &Page, begin: &str) -> Option<String> {
    let controls = page.forms.iter().flat_map(|form| &form.controls);
    controls.filter(|control| control.is_button && control.id.starts_with(begin)).map(|one| one.id.clone()).next()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_application_has_is_listed_and_taken_back() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let asking = acme.application_with("shop", |application| application.trusted = false).await;
        let trusted = acme.application("board").await;
        let (shop, board) = (site.client(&asking), site.client(&trusted));
        let mut browser = site.browser();
        let ask = Ask::of(&shop).with("scope", "openid email offline_access").with("prompt", "consent");
        let tokens = shop.sign_in_with(&mut browser, Person::named("ana"), ask).await;
        let others = board.sign_in(&mut browser, Person::named("ana")).await;
        let shown = page(site, &mut browser, "/me/applications").await;
        assert!(shown.text().contains("See your e-mail address") && shown.text().contains("away"), "{shown:?}");
        let id = format!("withdraw-{}", asking.application.id);
        assert!(shown.has(&id) && shown.has(&format!("withdraw-{}", trusted.application.id)), "{shown:?}");
        assert!(shop.is_active(tokens.access()).await && board.is_active(others.access()).await);
        let done = browser.press(&shown, &id, &[]).await.page();
        assert!(done.text().contains("It has nothing of you any more") && !done.has(&id), "{done:?}");
        assert!(!shop.is_active(tokens.access()).await && board.is_active(others.access()).await);
        assert_eq!(shop.refresh(tokens.refresh()).await.status, 400, "offline access too");
        assert!(!shop.is_signed_in(&mut browser).await, "it is asked for again");
        assert!(board.is_signed_in(&mut browser).await);
        let again = browser.press(&shown, &id, &[]).await.page();
        assert_eq!(again.status, 404, "what has nothing is not found");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_back_what_is_somebody_elses() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        acme.person("bo", PASSWORD).await;
        let registered = acme.application("shop").await;
        let shop = site.client(&registered);
        let hers = shop.sign_in(&mut site.browser(), Person::named("ana")).await;
        let mut bo = signed_in(site, "bo").await;
        let form = page(site, &mut bo, "/me/profile").await;
        let sent = fields(&form, &[("application", registered.application.id.as_str())]);
        let answer = bo.send(Method::POST, &site.at.url("/me/applications"), Some(&sent)).await;
        assert_eq!(answer.status, 404);
        assert!(shop.is_active(hers.access()).await);
    })
    .await;
}

async fn token_of(site: &Site, id: &str, secret: &str) -> u16 {
    let form =
        [("grant_type", "client_credentials"), ("scope", "muster.admin"), ("client_id", id), ("client_secret", secret)];
    Answer::to(site.at.request(Method::POST, &site.at.url("/token")).form(&form)).await.status
}

/// What stands between two marks.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    text.split_once(begin).and_then(|(_, rest)| rest.split_once(end)).map_or("", |(found, _)| found)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_with_a_fresh_proof_shown_once_and_taken_out_of_use() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let web = acme.project("web").await;
        acme.project("ops").await;
        acme.person("ana", PASSWORD).await;
        acme.give("ana", "project.member", Some("web")).await;
        let mut browser = signed_in(site, "ana").await;
        let shown = page(site, &mut browser, "/me/keys").await;
        assert!(shown.html.contains("web: 0 of 2 keys used") && !shown.html.contains("ops:"), "{shown:?}");
        let make =
            [("act", "make"), ("org", acme.id.as_str()), ("project", web.as_str()), ("name", "laptop"), ("days", "30")];
        let (url, sent) = (site.at.url("/me/keys"), fields(&shown, &make));
        let mut bad = make;
        bad[4].1 = "366";
        let refused = browser.send(Method::POST, &url, Some(&fields(&shown, &bad))).await;
        assert!(refused.status == 400 && refused.body.contains("1 to 365 days"), "{}", refused.body);
        let made = browser.send(Method::POST, &url, Some(&sent)).await;
        assert_eq!(made.status, 200, "{}", made.body);
        let id = between(&made.body, "id=\"key-id\">", "<").to_owned();
        let secret = between(&made.body, "id=\"key-secret\">", "<").to_owned();
        assert!(secret.starts_with("mks_") && token_of(site, &id, &secret).await == 200);
        let result = Page::read(url.clone(), 200, made.body);
        let file = result.form_with("download-key").unwrap().filled("download-key", &[]);
        let file = browser.send(Method::POST, &site.at.url("/me/keys/download"), Some(&file)).await;
        assert!(file.body.contains(&secret) && file.header("content-disposition").contains("attachment"));
        let listed = page(site, &mut browser, "/me/keys").await;
        assert!(listed.html.contains("web: 1 of 2 keys used") && !listed.html.contains(&secret), "{listed:?}");

        site.advance(11 * MINUTE);
        let stale = browser.send(Method::POST, &url, Some(&sent)).await;
        assert!(stale.status == 303 && stale.header("location").starts_with("/login/again"), "{}", stale.body);
        // What only shuts out asks for no proof.
        let done = browser.press(&listed, &format!("disable-{id}"), &[]).await.page();
        assert!(done.text().contains("The key is disabled"), "{done:?}");
        assert_eq!(token_of(site, &id, &secret).await, 401);
        let enable = format!("enable-{id}");
        let form = done.form_with(&enable).unwrap().filled(&enable, &[]);
        let stale = browser.send(Method::POST, &url, Some(&form)).await;
        assert!(stale.header("location").starts_with("/login/again"), "to enable it is to make it anew");
        let done = browser.press(&done, &format!("remove-{id}"), &[]).await.page();
        assert!(done.text().contains("The key is removed") && button(&done, "remove-").is_none(), "{done:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_touches_somebody_elses_key() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let web = acme.project("web").await;
        for name in ["ana", "bo"] {
            acme.person(name, PASSWORD).await;
            acme.give(name, "project.member", Some("web")).await;
        }
        let mut ana = signed_in(site, "ana").await;
        let shown = page(site, &mut ana, "/me/keys").await;
        let make =
            [("act", "make"), ("org", acme.id.as_str()), ("project", web.as_str()), ("name", "a"), ("days", "1")];
        let url = site.at.url("/me/keys");
        let made = ana.send(Method::POST, &url, Some(&fields(&shown, &make))).await;
        let id = between(&made.body, "id=\"key-id\">", "<").to_owned();
        let secret = between(&made.body, "id=\"key-secret\">", "<").to_owned();
        let mut bo = signed_in(site, "bo").await;
        let form = page(site, &mut bo, "/me/keys").await;
        for act in ["disable", "enable", "remove"] {
            let sent = fields(&form, &[("act", act), ("org", acme.id.as_str()), ("key", &id)]);
            assert_eq!(bo.send(Method::POST, &url, Some(&sent)).await.status, 404, "{act}");
        }
        assert_eq!(token_of(site, &id, &secret).await, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_account_is_their_own_leaves_and_what_they_had_there_is_over() {
    on_both(async |site| {
        let (acme, globex) = (site.org("acme").await, site.org("globex").await);
        let cara = site.own_account("cara", PASSWORD).await;
        acme.admit(&cara).await;
        globex.admit(&cara).await;
        let shop = site.client(&acme.application("shop").await);
        let board = site.client(&globex.application("board").await);
        let mut browser = site.browser();
        let hers = shop.sign_in(&mut browser, Person::named("cara")).await;
        let others = board.sign_in(&mut browser, Person::named("cara")).await;
        let leave = format!("/me/organisations/leave?org={}", acme.id);
        let asked = page(site, &mut browser, &leave).await;
        assert!(asked.text().contains("1 session ends."), "{asked:?}");
        let wrong = browser.press(&asked, "leave-submit", &[("confirm", "globex")]).await.page();
        assert!(wrong.status == 400 && shop.is_active(hers.access()).await, "{wrong:?}");
        let done = browser.press(&asked, "leave-submit", &[("confirm", "acme")]).await.page();
        assert!(done.text().contains("You are no member any more") && !done.has("leave-acme"), "{done:?}");
        assert!(!shop.is_active(hers.access()).await && board.is_active(others.access()).await);
        let member = memberships::of_user(&mut site.conn().await, &acme.id, &cara).await.unwrap();
        assert!(member.is_none());
        assert_eq!(page(site, &mut browser, &leave).await.status, 404, "once is enough");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_stays_and_so_does_whose_account_is_the_organisations() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let cara = site.own_account("cara", PASSWORD).await;
        acme.admit(&cara).await;
        let to = acme.member_id("cara").await;
        site.act(vec![Change::TransferOwnership { org: acme.id.clone(), to }]).await;
        for (name, why) in [("ana", "belongs to this organisation"), ("cara", "You own this organisation")] {
            let mut browser = signed_in(site, name).await;
            let shown = page(site, &mut browser, "/me/organisations").await;
            assert!(shown.text().contains(why) && !shown.has("leave-acme"), "{shown:?}");
            let form = page(site, &mut browser, "/me/profile").await;
            let sent = fields(&form, &[("org", acme.id.as_str()), ("confirm", "acme")]);
            let answer = browser.send(Method::POST, &site.at.url("/me/organisations/leave"), Some(&sent)).await;
            assert_eq!(answer.status, 409, "{name}: {}", answer.body);
            let member = acme.member_id(name).await;
            assert!(memberships::find(&mut site.conn().await, &acme.id, &member).await.unwrap().is_some());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn access_and_activity_say_what_is_held_and_what_happened() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.project("web").await;
        acme.person("ana", PASSWORD).await;
        acme.group("Devs", &["ana"]).await;
        acme.give_group("Devs", "project.admin", Some("web")).await;
        acme.give_group("Devs", "billing.admin", None).await;
        site.browser().sign_in(Person { password: "wrong-1", ..Person::named("ana") }).await;
        let mut browser = signed_in(site, "ana").await;
        let held = page(site, &mut browser, "/me/access").await.text();
        assert!(held.contains("Project web") && held.contains("Group Devs") && !held.contains("implied by"), "{held}");
        let all = page(site, &mut browser, "/me/access?implied=yes").await.text();
        assert!(all.contains("implied by") && all.len() > held.len(), "{all}");
        let log = page(site, &mut browser, "/me/activity").await.text();
        for said in ["Signed in", "A sign-in failed", "Joined a group", "An administrator", "127.0.0.1"] {
            assert!(log.contains(said), "{said}: {log}");
        }
        let begin = page(site, &mut browser, "/me/activity?after=rubbish").await;
        assert_eq!((begin.status, begin.text()), (200, log), "a place that can't be read is the beginning");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn security_shows_what_there_is_and_asks_for_a_proof_before_anything_is_added() {
    on_both(async |site| {
        site.org("acme").await.person("ana", PASSWORD).await;
        let mut browser = signed_in(site, "ana").await;
        let shown = page(site, &mut browser, "/me/security").await;
        let text = shown.text();
        assert!(text.contains("Authenticator app Off") && text.contains("Recovery codes"), "{text}");
        assert!(!shown.has("add-sms") && !shown.has("add-email"), "neither address is verified: {text}");
        let begun = page(site, &mut browser, "/me/security/totp").await;
        let wrong = browser.press(&begun, "totp-submit", &[("code", "000000"), ("next_code", "000000")]).await.page();
        assert!(wrong.status == 400 && wrong.text().contains("two codes of your app"), "{wrong:?}");
        let secret = |page: &Page| between(&page.html, "id=\"totp-secret\">", "<").to_owned();
        assert!(!secret(&begun).is_empty() && secret(&begun) == secret(&wrong), "what was scanned stays good");
        let mut other = signed_in(site, "ana").await;
        let form = page(site, &mut other, "/me/profile").await;
        let taken = begun.form_with("totp-form").unwrap().controls.iter().find(|one| one.name == "begun").unwrap();
        let sent = fields(&form, &[("begun", &taken.value), ("code", "1"), ("next_code", "2")]);
        let answer = other.send(Method::POST, &site.at.url("/me/security/totp"), Some(&sent)).await;
        assert!(answer.status == 400 && answer.body.contains("another browser"), "{}", answer.body);
        site.advance(11 * MINUTE);
        for path in ["/me/security/totp", "/me/security/passkey", "/me/security/codes"] {
            let answer = browser.send(Method::GET, &site.at.url(path), None).await;
            assert!(answer.status == 303 && answer.header("location").starts_with("/login/again"), "{path}");
        }
        assert_eq!(page(site, &mut browser, "/me/security").await.status, 200, "looking asks for nothing");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_signed_in_sees_none_of_it_and_foreign_posts_do_nothing() {
    on_both(async |site| {
        site.org("acme").await.person("ana", PASSWORD).await;
        let paths = [
            "/me/security",
            "/me/security/totp",
            "/me/security/passkey",
            "/me/security/codes",
            "/me/security/remove?which=totp",
            "/me/sessions",
            "/me/applications",
            "/me/keys",
            "/me/organisations",
            "/me/access",
            "/me/activity",
        ];
        let mut nobody = site.browser();
        for path in paths {
            let answer = nobody.send(Method::GET, &site.at.url(path), None).await;
            assert_eq!((answer.status, answer.header("location")), (303, "/login"), "{path}");
        }
        let mut ana = signed_in(site, "ana").await;
        let form = page(site, &mut ana, "/me/profile").await;
        let posts = ["security", "security/totp", "security/passkey", "sessions", "applications", "keys"];
        for path in posts.into_iter().chain(["keys/download", "security/codes/download", "organisations/leave"]) {
            let url = site.at.url(&format!("/me/{path}"));
            let sent = fields(&form, &[("act", "codes"), ("session", "others")]);
            let answer = ana.send_with(Method::POST, &url, Some(&sent), &Browser::foreign("https://evil.test")).await;
            assert_eq!(answer.status, 403, "{path}");
            let bare: Vec<(String, String)> = sent.into_iter().filter(|(name, _)| name != "csrf").collect();
            assert_eq!(ana.send(Method::POST, &url, Some(&bare)).await.status, 403, "{path} without its token");
        }
    })
    .await;
}
