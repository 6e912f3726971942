//! Whoever takes longer over a list than a proof lasts proves once more who they are, in another tab, and loses nothing that
//! they typed but a password.

use muster::kernel::time::{MINUTE, SECOND};
use muster::store::invitations;

use super::clerk::{Clerk, hidden, says};
use crate::support::PASSWORD;
use crate::support::admin::owned;
use crate::support::org::Org;
use crate::support::page::Page;
use crate::support::server::{Site, on_both};

async fn invited(site: &Site, org: &Org) -> usize {
    invitations::list(&mut site.conn().await, &org.id, None, None, 200).await.unwrap().len()
}

/// Follows the page's way to a proof, as a browser's second tab does.
async fn proves(clerk: &mut Clerk, kept: &Page) {
    let way = kept.html.split("id=\"prove\" href=\"").nth(1).and_then(|rest| rest.split('"').next());
    let way = way.unwrap_or_else(|| panic!("no way to a proof: {kept:?}")).replace("&amp;", "&");
    let url = clerk.browser.at.url(&way);
    let page = clerk.browser.open(&url).await.page();
    let landed = clerk.browser.press(&page, "again-submit", &[("password", PASSWORD)]).await.page();
    assert_eq!(landed.status, 200, "{landed:?}");
    assert!(landed.url.contains("/admin"), "{landed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reviews_for_longer_than_a_proof_lasts_proves_again_and_sends_what_was_reviewed() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let form = olga.open("people/invite").await;
        let typed = [("people", "Ana <ana@example.test>\nBo <bo@example.test>"), ("role", "billing.viewer")];
        let review = olga.submit(&form, "invite-review", &typed).await.page;
        says(&review, &["2 people would be invited"]);
        site.advance(10 * MINUTE + SECOND);
        let kept = olga.submit(&review, "go-on", &[]).await;
        assert_eq!(kept.answer.status, 403);
        says(&kept.page, &["Nothing was done yet, and what you typed is kept"]);
        let early = olga.submit(&kept.page, "go-on", &[]).await;
        assert_eq!(early.answer.status, 403, "not before the proof");
        assert_eq!(invited(site, &acme).await, 0);
        proves(&mut olga, &kept.page).await;
        let sent = olga.submit(&kept.page, "go-on", &[]).await.page;
        says(&sent, &["2 people invited, 0 left out"]);
        assert_eq!(invited(site, &acme).await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_typed_password_is_not_kept_and_asked_for_again() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let mut olga = Clerk::at(site, &acme, "olga").await;
        let form = olga.open("people/register").await;
        site.advance(10 * MINUTE + SECOND);
        let (secret, name) = ("Quay4-Zr8wNb3Lf", "Ana <b>\r\nLee");
        let typed = [
            ("username", "ana"),
            ("given_name", name),
            ("credential", "set"),
            ("password", secret),
            ("password_again", secret),
        ];
        let kept = olga.submit(&form, "register-submit", &typed).await;
        assert_eq!(kept.answer.status, 403);
        says(&kept.page, &["The password that you typed is not kept"]);
        assert!(!kept.page.html.contains(secret), "{:?}", kept.page);
        let fields = hidden(&kept.page, "go-on");
        assert!(
            fields.iter().any(|(field, value)| (field.as_str(), value.as_str()) == ("given_name", name)),
            "{fields:?}"
        );
        proves(&mut olga, &kept.page).await;
        let again = olga.submit(&kept.page, "go-on", &[]).await;
        assert_eq!(again.answer.status, 400);
        let form = again.page.form_with("register-submit").expect("the form is shown again");
        let user_name = form.controls.iter().find(|control| control.name == "username").expect("it has the field");
        assert_eq!(user_name.value, "ana");
    })
    .await;
}
