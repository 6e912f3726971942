//! Browsers that an account knows get past its lock, with few wrong guesses of their own; what was copied from one before its
//! last sign-in is worth nothing (K3: whoever guesses can't keep the person out).

use muster::kernel::time::MINUTE;

use crate::support::PASSWORD;
use crate::support::browser::{Browser, Person};
use crate::support::server::{Site, on_both};

const ANA: Person<'_> = Person::named("ana");
const WRONG: Person<'_> = Person { name: "ana", password: "Tide7-Kq2mVx9dU", org: "" };
const OTHER: &str = "Quay4-Zr8wNb3Lf";

async fn gets_in(site: &Site, browser: &mut Browser, person: Person<'_>) -> bool {
    let page = browser.sign_in(person).await.page();
    match page.status {
        200 => assert_eq!(page.url, site.at.url("/me")),
        status => assert!(status == 400 && page.has("login-form"), "{page:?}"),
    }
    page.status == 200
}

async fn lock(site: &Site) {
    let mut stranger = site.browser();
    for _ in 0..5 {
        assert!(!gets_in(site, &mut stranger, WRONG).await);
    }
    assert!(!gets_in(site, &mut stranger, ANA).await, "a stranger's browser is held up by the lock");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_person_gets_in_where_they_were_before_and_the_lock_stays_for_strangers() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        acme.person("bo", PASSWORD).await;
        let (mut known, mut of_bo) = (site.browser(), site.browser());
        assert!(gets_in(site, &mut known, ANA).await && gets_in(site, &mut of_bo, Person::named("bo")).await);
        lock(site).await;
        assert!(!gets_in(site, &mut of_bo, ANA).await, "it is known to another account");
        let before = known.clone();
        assert!(gets_in(site, &mut known, ANA).await);
        assert!(!gets_in(site, &mut site.browser(), ANA).await, "the lock is where it was");
        assert_ne!(known.cookie("muster_device"), before.cookie("muster_device"));
        assert!(
            !gets_in(site, &mut before.clone(), ANA).await,
            "what was copied before the last sign-in is worth nothing"
        );
        assert!(gets_in(site, &mut known, ANA).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_wrong_guesses_make_a_stranger_of_a_known_browser() {
    on_both(async |site| {
        site.org("acme").await.person("ana", PASSWORD).await;
        let mut known = site.browser();
        assert!(gets_in(site, &mut known, ANA).await);
        lock(site).await;
        for _ in 0..4 {
            assert!(!gets_in(site, &mut known, WRONG).await);
        }
        assert!(gets_in(site, &mut known, ANA).await, "four are forgiven");
        for _ in 0..5 {
            assert!(!gets_in(site, &mut known, WRONG).await);
        }
        assert!(!gets_in(site, &mut known, ANA).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_makes_strangers_of_all_browsers() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let user = acme.person("ana", PASSWORD).await;
        let mut known = site.browser();
        assert!(gets_in(site, &mut known, ANA).await);
        let password = site.hasher.hash(muster::kernel::secret::Secret::presented(PASSWORD)).await.unwrap();
        site.act(vec![muster::domain::change::Change::ResetPassword { user, password, must_change: false }]).await;
        lock(site).await;
        assert!(!gets_in(site, &mut known, ANA).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_signed_in_where_they_were_before_does_what_is_sensitive_whatever_strangers_guess() {
    on_both(async |site| {
        site.org("acme").await.person("ana", PASSWORD).await;
        let mut known = site.browser();
        assert!(gets_in(site, &mut known, ANA).await);
        site.advance(11 * MINUTE);
        lock(site).await;
        let typed = [("old", PASSWORD), ("password", OTHER), ("password_again", OTHER)];
        // Their session alone, taken to another browser, gets past no lock.
        let mut copied = known.clone();
        copied.lose("muster_device");
        let page = copied.open(&site.at.url("/me/password")).await.page();
        assert_eq!(copied.press(&page, "password-submit", &typed).await.page().status, 400);
        let page = known.open(&site.at.url("/me/security/totp")).await.page();
        assert!(page.has("again-form"), "{page:?}");
        let landed = known.press(&page, "again-submit", &[("password", PASSWORD)]).await.page();
        assert_eq!(landed.url, site.at.url("/me/security/totp"), "{landed:?}");
        let page = known.open(&site.at.url("/me/profile")).await.page();
        let number = [("phone", "+82 10 1234 5678"), ("password", PASSWORD)];
        let done = known.press(&page, "phone-submit", &number).await.page();
        assert!(done.status == 200 && done.text().contains("Your phone number was saved"), "{done:?}");
        let page = known.open(&site.at.url("/me/profile")).await.page();
        let address = [("email", "new@example.test"), ("password", PASSWORD)];
        assert_eq!(known.press(&page, "email-submit", &address).await.page().status, 200);
        let page = known.open(&site.at.url("/me/password")).await.page();
        let done = known.press(&page, "password-submit", &typed).await.page();
        assert!(done.text().contains("Your password was changed"), "{done:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_ones_own_password_make_a_stranger_of_the_browser_too() {
    on_both(async |site| {
        site.org("acme").await.person("ana", PASSWORD).await;
        let mut known = site.browser();
        assert!(gets_in(site, &mut known, ANA).await);
        lock(site).await;
        let page = known.open(&site.at.url("/me/password")).await.page();
        let typed = |old| [("old", old), ("password", OTHER), ("password_again", OTHER)];
        for _ in 0..5 {
            assert_eq!(known.press(&page, "password-submit", &typed(WRONG.password)).await.page().status, 400);
        }
        assert_eq!(known.press(&page, "password-submit", &typed(PASSWORD)).await.page().status, 400);
    })
    .await;
}
