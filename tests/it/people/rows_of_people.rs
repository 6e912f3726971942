//! What the people's page is for, what it says of each account, and that an account which the API makes is one to sign
//! in with.

use muster::domain::change::Change;
use muster::domain::people::user::{Kind as Whose, MembershipState, UserState};
use muster::domain::source::Source;
use muster::flows::invitations::{MailFate, note_mail};
use muster::kernel::id::{InvitationId, MembershipId};
use muster::kernel::time::{MINUTE, SECOND};
use reqwest::Method;
use serde_json::json;

use super::clerk::{Clerk, says};
use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::browser::Person;
use crate::support::client::list;
use crate::support::org::Org;
use crate::support::page::Page;
use crate::support::server::{Site, on_both};

// H05
#[tokio::test(flavor = "multi_thread")]
async fn an_account_with_a_password_that_the_api_makes_signs_in_at_an_application_and_one_for_keys_does_not() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let (olga, shop) = (Admin::of(site, &acme, "olga").await, site.client(&acme.application("shop").await));
        let ana = json!({
            "user_name": "ana", "email": "ana@example.test", "access_type": "password", "credential": "set",
            "password": PASSWORD, "must_change": false,
        });
        let made = olga.post("/users", ana).await["object"].clone();
        assert_eq!((&made["access_type"], &made["state"]), (&json!("password"), &json!("active")), "{made}");
        let tokens = shop.sign_in(&mut site.browser(), Person::named("ana")).await;
        let told = tokens.id_claims();
        assert_eq!((&told["sub"], list(&told["amr"])), (&made["user_id"], vec!["pwd".to_owned()]), "{told}");
        assert_eq!(shop.userinfo(tokens.access()).await.json()["email"], "ana@example.test");
        let next = shop.refresh(tokens.refresh()).await;
        assert_eq!(next.status, 200, "{}", next.body);
        // The type is what lets somebody in: without it the same password does nothing.
        let at = format!("/users/{}", made["user_id"].as_str().unwrap());
        olga.patch(&at, json!({ "access_type": "key" })).await;
        assert!(!shop.is_active(tokens.access()).await);
        assert!(site.browser().sign_in(Person::named("ana")).await.page().has("login-form"));
    })
    .await;
}

/// An account that a connection keeps.
async fn federated(site: &Site, org: &Org, name: &str, state: UserState) {
    let mut user = site.new_user(Whose::Managed(org.id.clone()), name, PASSWORD).await;
    (user.source, user.state, user.password) = (Source::Scim("okta".to_owned()), state, None);
    let (org, member, id, source) = (org.id.clone(), MembershipId::fresh(), user.id.clone(), user.source.clone());
    let join = Change::AddMember { org, member, user: id, state: MembershipState::Active, source };
    site.act(vec![Change::CreateUser(Box::new(user)), join]).await;
}

/// What stands in somebody's row.
async fn row(page: &Page, org: &Org, name: &str) -> String {
    let mark = format!("<tr role=\"row\" id=\"{}\">", org.member_id(name).await);
    let html = page.html.split(&mark).nth(1).unwrap_or_else(|| panic!("{name} is not on {page:?}"));
    let html = format!("<body>{}", html.split("</tr>").next().unwrap());
    Page::read(page.url.clone(), page.status, html).text()
}

// K11
#[tokio::test(flavor = "multi_thread")]
async fn the_list_says_how_an_account_stands_and_of_a_connections_account_who_keeps_it() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        for name in ["ana", "lou", "sue"] {
            acme.person(name, PASSWORD).await;
        }
        let (sue, olga) = (acme.user_id("sue").await, Admin::of(site, &acme, "olga").await);
        site.act(vec![Change::SetUserState { user: sue, state: UserState::Suspended }]).await;
        olga.post("/users", json!({ "user_name": "pia", "email": "pia@example.test" })).await;
        let kept = [("fay", UserState::Active), ("fin", UserState::Deactivated), ("fox", UserState::Pending)];
        for (name, state) in kept {
            federated(site, &acme, name, state).await;
        }
        let mut guesser = site.browser();
        for _ in 0..5 {
            guesser.sign_in(Person { password: "wrong-1", ..Person::named("lou") }).await;
        }
        let mut clerk = Clerk::at(site, &acme, "olga").await;
        let page = clerk.open("people").await;
        for (name, words) in
            [("ana", "Active"), ("lou", "Locked"), ("sue", "Suspended"), ("pia", "Pending · no password yet")]
        {
            let row = row(&page, &acme, name).await;
            assert!(row.contains(words) && !row.contains("Managed by"), "{name}: {row}");
            for other in ["Active", "Locked", "Suspended", "Pending"].iter().filter(|other| !words.starts_with(**other))
            {
                assert!(!row.contains(other), "{name}: {row}");
            }
        }
        for (name, words) in [("fay", "Active"), ("fin", "Deactivated"), ("fox", "Not active yet")] {
            let row = row(&page, &acme, name).await;
            assert!(row.contains("Managed by okta") && row.contains(words), "{name}: {row}");
            assert!(!row.contains("password") && !row.contains("Send the link"), "{name} has none here: {row}");
        }
        site.advance(15 * MINUTE + SECOND);
        let page = Clerk::at(site, &acme, "olga").await.open("people").await;
        let row = row(&page, &acme, "lou").await;
        assert!(row.contains("Active") && !row.contains("Locked"), "the pause is over: {row}");
    })
    .await;
}

// N01
#[tokio::test(flavor = "multi_thread")]
async fn the_people_page_is_where_people_are_invited_and_looked_after_and_no_plain_member_gets_there() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        acme.person("mona", PASSWORD).await;
        let olga = Admin::of(site, &acme, "olga").await;
        olga.post("/users", json!({ "user_name": "wim", "email": "wim@example.test" })).await;
        let ina = json!({ "people": [{ "email": "ina@example.test", "name": "Ina Vee" }] });
        let sent = olga.post("/invitations", ina).await;
        let id: InvitationId = sent["people"][0]["invitation_id"].as_str().unwrap().parse().unwrap();
        note_mail(site, &id, MailFate::Sent).await.unwrap();
        site.advance(MINUTE + SECOND);
        let wim = acme.member_id("wim").await;

        let mut clerk = Clerk::at(site, &acme, "olga").await;
        let console = clerk.base.clone();
        let page = clerk.browser.open(&console).await.page();
        assert_eq!(page.url, clerk.url("people"), "the console begins there");
        says(&page, &["Olga Example", "Mona Example", "Ina Vee"]);
        let cancel = format!("invitations/{id}/cancel");
        let linked = ["people/register", "people/bulk", "people/invite", cancel.as_str()];
        for path in linked {
            assert!(page.html.contains(&format!("href=\"/o/acme/admin/{path}\"")), "no way to {path}: {page:?}");
            assert_eq!(clerk.open(path).await.status, 200, "{path}");
        }
        for (button, done) in [(format!("link-{wim}"), "The link is on its way."), (format!("resend-{id}"), "again")] {
            let page = clerk.open("people").await;
            let shown = clerk.submit(&page, &button, &[]).await;
            assert_eq!(shown.answer.status, 303, "{button}: {:?}", shown.page);
            says(&shown.page, &[done]);
        }

        let mut mona = Clerk::at(site, &acme, "mona").await;
        let csrf = ("csrf".to_owned(), mona.csrf().await);
        for path in ["people", "invitations"].iter().chain(&linked) {
            assert_eq!(mona.open(path).await.status, 403, "{path}");
        }
        for path in [format!("people/{wim}/link"), format!("invitations/{id}/resend"), cancel.clone()] {
            let answer = mona.post(&path, std::slice::from_ref(&csrf)).await.answer;
            assert_eq!(answer.status, 403, "{path}");
        }
        let hers = Admin::of(site, &acme, "mona").await;
        assert_eq!(hers.refused(Method::GET, "/users", json!({})).await.0, 403);
        assert_eq!(olga.get(&format!("/invitations/{id}")).await["state"], "pending");
    })
    .await;
}
