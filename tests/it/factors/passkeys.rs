//! Passkeys, with an authenticator in software: made, named, used without a name and as a second factor; and all that is not
//! exactly right refused (F9). What a real browser makes of it is told in `clients::passkeys`.

use muster::domain::change::Change;
use muster::domain::people::second_factor::Require;
use muster::domain::people::user::UserState;
use muster::kernel::id::UserId;
use muster::store::passkeys;
use reqwest::Method;
use serde_json::{Value, json};

use super::{ANA, half_way, is_in, is_out, rule, signed_in, with_app};
use crate::support::PASSWORD;
use crate::support::authenticator::{Authenticator, Says};
use crate::support::browser::{Browser, Person};
use crate::support::client::Ask;
use crate::support::page::Page;
use crate::support::server::{Site, on_both, on_both_named};
use crate::support::world::World;

pub(super) fn options(page: &Page) -> String {
    page.attribute("data-options").unwrap_or_else(|| panic!("no passkey is asked for on {page:?}"))
}

/// Adds a passkey at the person's own page.
pub(super) async fn adds(site: &Site, browser: &mut Browser, name: &str) -> (Authenticator, Page) {
    let page = browser.open(&site.at.url("/me/security/passkey")).await.page();
    let (device, answer) = Authenticator::make(&site.at.issuer, &options(&page));
    let done = browser.press(&page, "passkey-submit", &[("response", &answer), ("name", name)]).await.page();
    assert_eq!(done.status, 200, "{done:?}");
    (device, done)
}

/// The page that asks whoever is there for a passkey.
pub(super) async fn asked(browser: &mut Browser) -> Page {
    let page = browser.open(&browser.at.url("/login")).await.page();
    browser.press(&page, "login-passkey", &[]).await.page()
}

/// Signs in with an answer, without a name.
pub(super) async fn answers(browser: &mut Browser, page: &Page, answer: &str) -> Page {
    browser.press(page, "passkey-submit", &[("response", answer)]).await.page()
}

pub(super) async fn refuses(site: &Site, device: &mut Authenticator, what: &str, change: impl FnOnce(&mut Says)) {
    let mut browser = site.browser();
    let page = asked(&mut browser).await;
    let answer = device.answer_with(&options(&page), change);
    let page = answers(&mut browser, &page, &answer).await;
    is_out(&browser);
    assert!(page.status == 400 && page.text().contains("didn't work"), "{what}: {page:?}");
}

/// How many alarms there are of passkeys whose counter went back.
async fn alarms(world: &World) -> i64 {
    let sql = "SELECT COUNT(*) FROM audit WHERE action LIKE 'refuse passkey %'";
    let (count,): (i64,) = world.conn().await.query(sql).one().await.unwrap();
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_signs_in_without_a_name_and_says_so() {
    on_both_named(async |site| {
        let acme = site.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        let shop = site.client(&acme.application("shop").await);
        let mut home = signed_in(site, "ana").await;
        let (mut device, done) = adds(site, &mut home, "Blue key").await;
        assert!(done.html.contains("id=\"codes\""), "recovery codes come with the first factor");
        let listed = home.open(&site.at.url("/me/security")).await.page();
        assert!(listed.text().contains("Blue key") && listed.text().contains("Never"), "{listed:?}");

        let (mut browser, ask) = (site.browser(), Ask::of(&shop));
        let page = browser.open(&ask.url(&site.at)).await.page();
        let page = browser.press(&page, "login-passkey", &[]).await.page();
        let answer = device.answer(&options(&page));
        let arrival = browser.press(&page, "passkey-submit", &[("response", &answer)]).await.arrival();
        let told = shop.tokens_of(&arrival, &ask).await.id_claims();
        assert_eq!((&told["sub"], &told["acr"]), (&json!(ana.as_str()), &json!("urn:muster:acr:phr")));
        assert_eq!(told["amr"], json!(["hwk", "user", "mfa"]), "no password was typed");
        // Where it is a second factor, both are said.
        let (mut browser, ask) = (site.browser(), Ask::of(&shop));
        let page = browser.open(&ask.url(&site.at)).await.page();
        let page = browser.press(&page, "login-submit", &[("username", "ana"), ("password", PASSWORD)]).await.page();
        is_out(&browser);
        let page = browser.press(&page, "use-passkey", &[]).await.page();
        let asks: Value = serde_json::from_str(&options(&page)).unwrap();
        assert_eq!(asks["publicKey"]["allowCredentials"].as_array().map(Vec::len), Some(1), "{asks}");
        let answer = device.answer(&options(&page));
        let arrival = browser.press(&page, "passkey-submit", &[("response", &answer)]).await.arrival();
        let told = shop.tokens_of(&arrival, &ask).await.id_claims();
        assert_eq!(told["acr"], "urn:muster:acr:phr");
        assert_eq!(told["amr"], json!(["pwd", "hwk", "user", "mfa"]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f9_an_answer_that_is_not_exactly_right_signs_nobody_in() {
    on_both_named(async |site| {
        let acme = site.org("acme").await;
        for name in ["ana", "bo"] {
            acme.person(name, PASSWORD).await;
        }
        let (mut of_ana, mut of_bo) = (signed_in(site, "ana").await, signed_in(site, "bo").await);
        let (mut device, _) = adds(site, &mut of_ana, "Key").await;
        let (other, _) = adds(site, &mut of_bo, "Key").await;
        let issuer = site.at.issuer.clone();
        let port = issuer.rsplit(':').next().unwrap().to_owned();
        let origins = [
            format!("http://badlocalhost:{port}"),
            format!("http://localhost.evil.test:{port}"),
            format!("http://sub.localhost:{port}"),
            format!("https://localhost:{port}"),
            "http://localhost:1".to_owned(),
            "http://localhost".to_owned(),
            format!("http://127.0.0.1:{port}"),
            "null".to_owned(),
            String::new(),
        ];
        for origin in &origins {
            refuses(site, &mut device, origin, |says| says.origin.clone_from(origin)).await;
        }
        for name in ["badlocalhost", "localhost.evil.test", "host", "evil.test", ""] {
            refuses(site, &mut device, name, |says| says.rp_id = name.to_owned()).await;
        }
        for kind in ["webauthn.create", "payment.get", "webauthn.GET", ""] {
            refuses(site, &mut device, kind, |says| says.kind = kind.to_owned()).await;
        }
        refuses(site, &mut device, "another challenge", |says| says.challenge = "A".repeat(43)).await;
        refuses(site, &mut device, "nobody was there", |says| says.present = false).await;
        refuses(site, &mut device, "nobody was verified", |says| says.verified = false).await;
        refuses(site, &mut device, "signed otherwise", |says| says.signs = false).await;
        refuses(site, &mut device, "whose is not said", |says| says.handle = None).await;
        refuses(site, &mut device, "somebody else's", |says| says.handle = Some(other.handle.clone())).await;
        refuses(site, &mut device, "the other's passkey", |says| says.credential = other.credential.clone()).await;
        refuses(site, &mut device, "the other's, wholly", |says| {
            (says.credential, says.handle) = (other.credential.clone(), Some(other.handle.clone()));
        })
        .await;
        refuses(site, &mut device, "one that nobody has", |says| says.credential = vec![7; 32]).await;
        for nonsense in ["", "{}", "null", "[]", "{\"id\":\"x\"}", "\u{0}"] {
            let mut browser = site.browser();
            let page = asked(&mut browser).await;
            let page = answers(&mut browser, &page, nonsense).await;
            assert!((200..500).contains(&page.status), "{nonsense:?}: {page:?}");
            is_out(&browser);
        }
        // Nothing of that used the passkey up.
        let mut browser = site.browser();
        let page = asked(&mut browser).await;
        let answer = device.answer(&options(&page));
        let landed = browser.press(&page, "passkey-submit", &[("response", &answer)]).await;
        is_in(site, &browser, landed);
        // A challenge is answered once, in the browser that was asked, and for what it was made.
        let (mut one, mut two) = (site.browser(), site.browser());
        let (first, second) = (asked(&mut one).await, asked(&mut two).await);
        let answer = device.answer(&options(&first));
        let mut fields = second.form_with("passkey-form").unwrap().filled("passkey-submit", &[("response", &answer)]);
        let challenge = |page: &Page| {
            let form = page.form_with("passkey-form").unwrap();
            form.controls.iter().find(|control| control.name == "challenge").unwrap().value.clone()
        };
        for (name, value) in &mut fields {
            if name.as_str() == "challenge" {
                *value = challenge(&first);
            }
        }
        two.send(Method::POST, &site.at.url("/login/passkey"), Some(&fields)).await;
        is_out(&two);
        let page = answers(&mut one, &first, &answer).await;
        assert_eq!(page.status, 400, "it was taken by the other's try: {page:?}");
        is_out(&one);
        let first = asked(&mut one).await;
        let answer = device.answer(&options(&first));
        let landed = one.press(&first, "passkey-submit", &[("response", &answer)]).await;
        is_in(site, &one, landed);
        one.lose("muster");
        let page = answers(&mut one, &first, &answer).await;
        assert_eq!(page.status, 400, "twice: {page:?}");
        is_out(&one);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f9_as_a_second_factor_it_is_the_persons_own_and_answers_what_it_was_asked() {
    on_both_named(async |site| {
        let acme = site.org("acme").await;
        for name in ["ana", "bo"] {
            acme.person(name, PASSWORD).await;
        }
        let (mut of_ana, mut of_bo) = (signed_in(site, "ana").await, signed_in(site, "bo").await);
        let (mut device, _) = adds(site, &mut of_ana, "Key").await;
        let (mut other, _) = adds(site, &mut of_bo, "Key").await;
        let mut browser = site.browser();
        let page = half_way(&mut browser, ANA).await;
        for (what, verified, with_other) in [("another's", true, true), ("unverified", false, false)] {
            let page = browser.press(&page, "use-passkey", &[]).await.page();
            let by = if with_other { &mut other } else { &mut device };
            let answer = by.answer_with(&options(&page), |says| says.verified = verified);
            let page = browser.press(&page, "passkey-submit", &[("response", &answer)]).await.page();
            assert_eq!(page.status, 400, "{what}: {page:?}");
            is_out(&browser);
        }
        // What was asked of whoever is there answers no question to somebody, nor the other way round.
        let mut stranger = browser.clone();
        let to_anybody = asked(&mut stranger).await;
        let to_ana = browser.press(&page, "use-passkey", &[]).await.page();
        let id = |page: &Page| {
            let form = page.form_with("passkey-form").unwrap();
            form.controls.iter().find(|control| control.name == "challenge").unwrap().value.clone()
        };
        for (page, from) in [(&to_ana, &to_anybody), (&to_anybody, &to_ana)] {
            let answer = device.answer(&options(from));
            let form = page.form_with("passkey-form").unwrap();
            let mut fields = form.filled("passkey-submit", &[("response", &answer)]);
            for (name, value) in &mut fields {
                if name.as_str() == "challenge" {
                    *value = id(from);
                }
            }
            let answer = browser.send(Method::POST, &site.at.url(&form.action), Some(&fields)).await;
            assert_eq!(answer.status, 400, "{}", answer.body);
            is_out(&browser);
        }
        let page = browser.press(&page, "use-passkey", &[]).await.page();
        let answer = device.answer(&options(&page));
        let landed = browser.press(&page, "passkey-submit", &[("response", &answer)]).await;
        is_in(site, &browser, landed);
    })
    .await;
}

pub(super) async fn kept(world: &World, user: &UserId) -> usize {
    passkeys::of_user(&mut world.conn().await, user).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn f9_a_counter_that_goes_back_is_refused_and_told() {
    on_both_named(async |site| {
        site.stop_jobs().await; // what was delivered is not kept
        let ana = site.org("acme").await.person("ana", PASSWORD).await;
        let mut home = signed_in(site, "ana").await;
        let (mut device, _) = adds(site, &mut home, "Key").await;
        device.counter = 40;
        let mut browser = site.browser();
        let page = asked(&mut browser).await;
        let answer = device.answer(&options(&page));
        let landed = browser.press(&page, "passkey-submit", &[("response", &answer)]).await;
        is_in(site, &browser, landed);
        for counter in [41, 40, 1, 0] {
            let before = alarms(site).await;
            refuses(site, &mut device, "it went back", |says| says.counter = counter).await;
            assert_eq!(alarms(site).await, before + 1, "{counter}");
        }
        let (told,): (i64,) = site
            .conn()
            .await
            .query("SELECT COUNT(*) FROM outbox WHERE kind = 'mail' AND payload LIKE '%passkey_cloned%'")
            .one()
            .await
            .unwrap();
        assert!(told >= 1, "the person is told");
        assert_eq!(kept(site, &ana).await, 1, "which of the two is the person's is for them to say");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f9_what_is_no_passkey_of_this_place_is_not_kept() {
    on_both_named(async |site| {
        let acme = site.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        acme.person("bo", PASSWORD).await;
        let (mut browser, mut of_bo) = (signed_in(site, "ana").await, signed_in(site, "bo").await);
        let issuer = site.at.issuer.clone();
        let spoils: [(&str, fn(&mut Says)); 6] = [
            ("origin", |says| says.origin = "http://evil.test".to_owned()),
            ("name", |says| says.rp_id = "evil.test".to_owned()),
            ("type", |says| says.kind = "webauthn.get".to_owned()),
            ("challenge", |says| says.challenge = "A".repeat(43)),
            ("presence", |says| says.present = false),
            ("verification", |says| says.verified = false),
        ];
        for (what, spoil) in spoils {
            let page = browser.open(&site.at.url("/me/security/passkey")).await.page();
            let (_, answer) = Authenticator::make_with(&issuer, &options(&page), spoil);
            let refused = browser.press(&page, "passkey-submit", &[("response", &answer), ("name", "k")]).await.page();
            assert_eq!((refused.status, kept(site, &ana).await), (400, 0), "{what}");
        }
        // A credential that somebody else has here is nobody else's (WebAuthn §7.1, step 26).
        let (theirs, _) = adds(site, &mut of_bo, "Key").await;
        let page = browser.open(&site.at.url("/me/security/passkey")).await.page();
        let (_, answer) =
            Authenticator::make_with(&issuer, &options(&page), |says| says.credential = theirs.credential.clone());
        let refused = browser.press(&page, "passkey-submit", &[("response", &answer), ("name", "k")]).await.page();
        assert!((400..500).contains(&refused.status) && kept(site, &ana).await == 0, "{refused:?}");
        // The same answer twice, and one to a page that somebody else was shown.
        let page = browser.open(&site.at.url("/me/security/passkey")).await.page();
        let (_, answer) = Authenticator::make(&issuer, &options(&page));
        let typed = [("response", answer.as_str()), ("name", "k")];
        let mut fields = page.form_with("passkey-form").unwrap().filled("passkey-submit", &typed);
        let csrf = of_bo.open(&site.at.url("/me/profile")).await.page();
        let csrf = csrf.forms.iter().flat_map(|form| &form.controls).find(|control| control.name == "csrf").unwrap();
        fields.iter_mut().filter(|(name, _)| name == "csrf").for_each(|(_, value)| value.clone_from(&csrf.value));
        let answer = of_bo.send(Method::POST, &site.at.url("/me/security/passkey"), Some(&fields)).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        let refused = browser.press(&page, "passkey-submit", &typed).await.page();
        assert_eq!((refused.status, kept(site, &ana).await), (400, 0), "the challenge is used up");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_passkeys_have_names_and_the_strongest_proof_guards_them_all() {
    on_both_named(async |site| {
        let ana = site.org("acme").await.person("ana", PASSWORD).await;
        let guarded = with_app(site, "ana").await;
        let mut browser = guarded.browser.clone();
        let (mut first, _) = adds(site, &mut browser, "Key 1").await;
        for number in 2..=10 {
            adds(site, &mut browser, &format!("Key {number}")).await;
        }
        let page = browser.open(&site.at.url("/me/security")).await.page();
        assert!(page.text().contains("at most 10 passkeys") && !page.has("add-passkey"), "{page:?}");
        let refused = browser.open(&site.at.url("/me/security/passkey")).await.page();
        assert!(refused.status == 409 && kept(site, &ana).await == 10, "{refused:?}");
        let all = passkeys::of_user(&mut site.conn().await, &ana).await.unwrap();
        let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names[..2], ["Key 1", "Key 2"]);
        let rename = format!("rename-{}", all[1].id);
        let renamed = browser.press(&page, &rename, &[("name", "Tablet")]).await.page();
        assert!(renamed.text().contains("Tablet") && !renamed.text().contains("Key 2 "), "{renamed:?}");
        // Who signs in with the app has shown less than the passkey would.
        let mut weaker = guarded.signs_in(site, ANA).await;
        let page = weaker.open(&site.at.url("/me/security/codes")).await.page();
        assert!(page.url.contains("/login/again") && page.has("use-passkey") && !page.has("totp-form"), "{page:?}");
        let page = weaker.press(&page, "use-passkey", &[]).await.page();
        let answer = first.answer(&options(&page));
        let landed = weaker.press(&page, "passkey-submit", &[("response", &answer)]).await.page();
        assert_eq!(landed.url, site.at.url("/me/security/codes"), "{landed:?}");
        let page = weaker.open(&site.at.url(&format!("/me/security/remove?which={}", all[0].id))).await.page();
        weaker.press(&page, "ask-submit", &[]).await;
        assert_eq!(kept(site, &ana).await, 9);
        refuses(site, &mut first, "it was removed", |_| {}).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_opens_what_its_account_may_enter_and_nothing_of_an_account_that_is_shut() {
    on_both_named(async |site| {
        let (acme, globex) = (site.org("acme").await, site.org("globex").await);
        let ana = acme.person("ana", PASSWORD).await;
        globex.person("gil", PASSWORD).await;
        let board = site.client(&globex.application("board").await);
        let mut home = signed_in(site, "ana").await;
        let (mut device, _) = adds(site, &mut home, "Key").await;
        // F9: across organisations, a passkey of one opens no sign-in page of another.
        let mut browser = site.browser();
        let page = browser.open(&Ask::of(&board).url(&site.at)).await.page();
        let page = browser.press(&page, "login-passkey", &[]).await.page();
        let answer = device.answer(&options(&page));
        let page = answers(&mut browser, &page, &answer).await;
        assert_eq!(page.status, 400, "{page:?}");
        is_out(&browser);
        // A rule that demands a factor is kept by it.
        rule(&acme, |rule| rule.require = Require::Everyone).await;
        let page = asked(&mut browser).await;
        let answer = device.answer(&options(&page));
        let landed = browser.press(&page, "passkey-submit", &[("response", &answer)]).await;
        is_in(site, &browser, landed);
        site.act(vec![Change::SetUserState { user: ana, state: UserState::Suspended }]).await;
        refuses(site, &mut device, "a suspended account", |_| {}).await;
        let page = site.browser().sign_in(Person::named("gil")).await.page();
        assert_eq!(page.url, site.at.url("/me"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_without_a_name_has_no_passkeys_and_says_so() {
    on_both(async |site| {
        site.org("acme").await.person("ana", PASSWORD).await;
        let login = site.browser().open(&site.at.url("/login")).await.page();
        assert!(!login.has("login-passkey"), "{login:?}");
        let mut browser = signed_in(site, "ana").await;
        let page = browser.open(&site.at.url("/me/security")).await.page();
        assert!(page.text().contains("Passkeys need an address with a name") && !page.has("add-passkey"), "{page:?}");
        let page = browser.open(&site.at.url("/me/security/passkey")).await.page();
        assert_eq!(page.status, 409, "{page:?}");
    })
    .await;
}
