//! Invitations as those who are invited meet them: the page behind the link, the inbox, and links that are over.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use muster::domain::access::{Role, Scope, Window};
use muster::domain::change::{Actor, Change, Mode, Origin};
use muster::domain::mail::Purpose;
use muster::domain::people::invitation::{Access, Offered};
use muster::domain::people::user::MembershipState;
use muster::domain::settings::OrgSettings;
use muster::flows::accept_invitation::{self, NotAccepted};
use muster::flows::change_access::Refusal;
use muster::flows::invitations::{MailFate, note_mail};
use muster::flows::invite::{self, Invitee, Sent};
use muster::kernel::id::{InvitationId, UserId};
use muster::kernel::secret::Secret;
use muster::kernel::time::{DAY, MINUTE, SECOND};
use muster::store::{invitations, memberships, users};
use reqwest::Method;

use crate::support::PASSWORD;
use crate::support::browser::{Browser, Person};
use crate::support::client::list;
use crate::support::mailbox::{all_sent, link_to, links_to, nth_link};
use crate::support::org::Org;
use crate::support::page::Page;
use crate::support::server::on_both;
use crate::support::world::{World, on_both as on_both_without_server};

const DORA: &str = "dora@example.test";
const CHOSEN: [(&str, &str); 2] = [("password", PASSWORD), ("password_again", PASSWORD)];

/// A role on the organisation.
fn reader() -> Access {
    let offered = Offered { role: Role::OrgReader, scope: Scope::Org, window: Window::ALWAYS };
    Access { roles: vec![offered], ..Access::default() }
}

fn invitee(email: &str) -> Invitee {
    let [given_name, family_name] = ["Dora", "Dean"].map(str::to_owned);
    Invitee { email: email.to_owned(), name: "Dora Dean".to_owned(), given_name, family_name }
}

async fn invite_by(by: &Actor, org: &Org, email: &str, access: &Access) -> InvitationId {
    let people = vec![invitee(email)];
    let sent = invite::many(&org.world, by, &Origin::default(), &org.id, people, access, None, Mode::Act).await;
    match sent.unwrap().remove(0).outcome {
        Ok(Sent::New(id, _)) => id,
        other => panic!("not invited: {other:?}"),
    }
}

/// Invites somebody whose mail arrives.
async fn invite(org: &Org, email: &str, access: &Access) -> InvitationId {
    let id = invite_by(&Actor::CommandLine, org, email, access).await;
    note_mail(&org.world, &id, MailFate::Sent).await.unwrap();
    id
}

fn secret(url: &str) -> Secret {
    Secret::presented(url.rsplit('/').next().unwrap())
}

/// An account of somebody's own whose address is proven.
async fn own(world: &World, name: &str) -> UserId {
    let mut user = world.new_user(muster::domain::people::user::Kind::Own, name, PASSWORD).await;
    user.profile.email_verified = true;
    let id = user.id.clone();
    world.act(vec![Change::CreateUser(Box::new(user))]).await;
    id
}

async fn is_member(world: &World, org: &Org, user: &UserId) -> bool {
    memberships::of_user(&mut world.conn().await, &org.id, user).await.unwrap().is_some()
}

async fn account(world: &World, email: &str) -> Option<users::User> {
    users::by_identifier(&mut world.conn().await, "own", email).await.unwrap()
}

async fn page(browser: &mut Browser, url: &str) -> Page {
    browser.open(url).await.page()
}

// N12 N15 N16 N18 I01 I20
#[tokio::test(flavor = "multi_thread")]
async fn somebody_new_chooses_a_password_and_the_first_token_has_what_was_offered() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.project("web").await;
        let devs = acme.group("devs", &[]).await;
        acme.give_group("devs", "project.reader", Some("web")).await;
        let shop = site.client(&acme.application("shop").await);
        invite(&acme, DORA, &Access { groups: BTreeSet::from([devs]), ..reader() }).await;
        let url = link_to(site, DORA, Purpose::Invitation).await;
        let mut browser = site.browser();
        let early = browser.sign_in(Person { name: DORA, ..Person::named("") }).await.page();
        assert!(early.text().contains("didn't work"), "{early:?}");
        let first = page(&mut browser, &url).await;
        for part in ["Join Acme", "An administrator", "Dora", "Dean", DORA, "Organization Reader", "devs", "UTC"] {
            assert!(first.text().contains(part), "{part} in {first:?}");
        }
        let short = browser.press(&first, "invite-accept", &[("password", "abc"), ("password_again", "abc")]).await;
        let short = short.page();
        assert_eq!(short.status, 400);
        for rule in ["Use 6 to 32 characters.", "Use at least two of"] {
            assert_eq!(short.text().matches(rule).count(), 2, "{rule} is told beforehand and as broken: {short:?}");
        }
        let other = browser.press(&short, "invite-accept", &[("password", PASSWORD), ("password_again", "x")]).await;
        assert!(other.page().text().contains("not the same"));
        assert!(account(site, DORA).await.is_none(), "nothing was made by any of this");
        let done = browser.press(&short, "invite-accept", &CHOSEN).await.page();
        assert!(done.status == 200 && done.text().contains("You're in"), "{done:?}");
        assert!(browser.cookie("muster").is_none(), "whoever accepts signs in like everybody");
        let tokens = shop.sign_in(&mut browser, Person { name: DORA, ..Person::named("") }).await;
        assert_eq!(list(&tokens.claims()["org_roles"]), ["org.reader"]);
        assert_eq!(list(&tokens.claims()["project_roles"]["web"]), ["project.reader"]);
        let again = site.browser().press(&first, "invite-accept", &CHOSEN).await.page();
        assert!((400..500).contains(&again.status), "a form of another browser: {again:?}");
        let used = page(&mut site.browser(), &url).await;
        assert!(used.status == 410 && used.text().contains("accepted already"), "{used:?}");
    })
    .await;
}

// N17
#[tokio::test(flavor = "multi_thread")]
async fn whatever_else_is_posted_changes_nothing_about_who_comes_where_with_what() {
    on_both(async |site| {
        let (acme, globex) = (site.org("acme").await, site.org("globex").await);
        invite(&acme, DORA, &reader()).await;
        let url = link_to(site, DORA, Purpose::Invitation).await;
        let mut browser = site.browser();
        let shown = page(&mut browser, &url).await;
        let mut fields = shown.form_with("invite-accept").unwrap().filled("invite-accept", &CHOSEN);
        fields.retain(|(name, _)| name != "email");
        let org = globex.id.to_string();
        for (name, value) in [
            ("email", "eve@evil.test"),
            ("username", "eve"),
            ("name", "Eve"),
            ("given_name", "Eve"),
            ("family_name", "Evil"),
            ("organisation", org.as_str()),
            ("org", org.as_str()),
            ("role", "org.admin"),
            ("email_verified", "true"),
            ("next", "https://evil.test/"),
            ("redirect_uri", "https://evil.test/"),
        ] {
            fields.push((name.to_owned(), value.to_owned()));
        }
        let target = format!("{url}?redirect_uri=https://evil.test/&org={org}&next=//evil.test");
        let answer = browser.send(Method::POST, &target, Some(&fields)).await;
        assert_eq!((answer.status, answer.header("location")), (200, ""), "{}", answer.body);
        assert!(!answer.body.contains("evil.test"), "nothing that was sent comes back");
        let dora = account(site, DORA).await.expect("the account of the invited address");
        assert_eq!(dora.profile.given_name.as_deref(), Some("Dora"));
        assert_eq!((dora.name.as_str(), dora.user_name.as_str()), ("Dora Dean", DORA));
        assert!(dora.profile.email_verified && account(site, "eve@evil.test").await.is_none());
        assert!(is_member(site, &acme, &dora.id).await && !is_member(site, &globex, &dora.id).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_look_into_mail_use_no_link_up_and_no_other_site_hears_of_it() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        invite(&acme, DORA, &reader()).await;
        let url = link_to(site, DORA, Purpose::Invitation).await;
        for method in [Method::GET, Method::HEAD, Method::GET, Method::OPTIONS] {
            let answer = site.browser().send(method.clone(), &url, None).await;
            if method == Method::GET {
                assert_eq!((answer.status, answer.header("referrer-policy")), (200, "no-referrer"));
                assert_eq!(answer.header("cache-control"), "no-store");
                assert!(!answer.body.contains("<script"), "nothing is sent by itself");
            }
        }
        // A POST without the page's token is nobody's.
        let bare = [("act".to_owned(), "accept".to_owned()), ("password".to_owned(), PASSWORD.to_owned())];
        assert_eq!(site.browser().send(Method::POST, &url, Some(&bare)).await.status, 403);
        // The browser that is told to send no referrer sends `null` as the origin.
        let mut browser = site.browser();
        let shown = page(&mut browser, &url).await;
        let fields = shown.form_with("invite-accept").unwrap().filled("invite-accept", &CHOSEN);
        let null = [("origin", "null".to_owned()), ("sec-fetch-site", "same-origin".to_owned())];
        let answer = browser.send_with(Method::POST, &url, Some(&fields), &null).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_with_an_account_signs_in_to_accept_and_somebody_else_can_only_switch() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let (ana, bo) = (own(site, "ana").await, own(site, "bo").await);
        invite(&acme, "ana@example.test", &reader()).await;
        let url = link_to(site, "ana@example.test", Purpose::Invitation).await;
        let mut browser = site.browser();
        browser.sign_in(Person::named("bo")).await;
        let shown = page(&mut browser, &url).await;
        let words = "This invitation is for ana@example.test . You're signed in as bo@example.test .";
        assert!(shown.text().contains(words), "{shown:?}");
        assert!(!shown.has("invite-accept"));
        // Whoever sends the form all the same is refused.
        let mut fields = shown.form_with("invite-switch").unwrap().filled("", &[]);
        fields.push(("act".to_owned(), "accept".to_owned()));
        assert_eq!(browser.send(Method::POST, &url, Some(&fields)).await.status, 403);
        let switched = browser.press(&shown, "invite-switch", &[]).await.page();
        assert!(switched.has("invite-sign-in") && !switched.has("invite-accept"), "{switched:?}");
        let sign_in = browser.press(&switched, "invite-sign-in", &[]).await.page();
        let typed = [("username", "ana"), ("password", PASSWORD)];
        let back = browser.press(&sign_in, "login-submit", &typed).await.page();
        assert!(back.url == url && back.has("invite-accept"), "{back:?}");
        let done = browser.press(&back, "invite-accept", &[]).await.page();
        assert!(done.text().contains("member of Acme"), "{done:?}");
        assert!(is_member(site, &acme, &ana).await && !is_member(site, &acme, &bo).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_another_organisation_never_accepts_and_a_new_one_is_made() {
    on_both(async |site| {
        let (acme, globex) = (site.org("acme").await, site.org("globex").await);
        let managed = globex.person("ana", PASSWORD).await;
        invite(&acme, "ana@example.test", &reader()).await;
        let url = link_to(site, "ana@example.test", Purpose::Invitation).await;
        let mut browser = site.browser();
        browser.sign_in(Person { org: "globex", ..Person::named("ana") }).await;
        let shown = page(&mut browser, &url).await;
        assert!(shown.has("invite-switch") && shown.text().contains("isn't your own"), "{shown:?}");
        let refused = accept_invitation::by_link(site, &secret(&url), &managed, &Origin::default()).await;
        assert!(matches!(refused, Err(NotAccepted::OtherAddress(_))), "{refused:?}");
        let fresh = browser.press(&shown, "invite-switch", &[]).await.page();
        let done = browser.press(&fresh, "invite-accept", &CHOSEN).await.page();
        assert!(done.text().contains("You're in"), "{done:?}");
        let ana = account(site, "ana@example.test").await.unwrap();
        assert!(ana.id != managed && is_member(site, &acme, &ana.id).await);
        assert!(!is_member(site, &acme, &managed).await);
    })
    .await;
}

// I21 I26
#[tokio::test(flavor = "multi_thread")]
async fn the_inbox_shows_what_waits_finds_it_and_takes_yes_and_no() {
    on_both(async |site| {
        let (acme, globex, initech) = (site.org("acme").await, site.org("globex").await, site.org("initech").await);
        let (ana, _) = (own(site, "ana").await, own(site, "bo").await);
        for org in [&acme, &globex] {
            invite(org, "ana@example.test", &reader()).await;
        }
        invite(&initech, "bo@example.test", &reader()).await;
        let mut browser = site.browser();
        let me = browser.sign_in(Person::named("ana")).await.page();
        assert!(me.text().contains("Invitations 2 waiting"), "{me:?}");
        let inbox = site.at.url("/me/invitations");
        let all = page(&mut browser, &inbox).await;
        assert!(all.text().contains("Acme") && all.text().contains("Globex") && !all.text().contains("Initech"));
        let found = page(&mut browser, &format!("{inbox}?q=GLO")).await;
        assert!(found.text().contains("Globex") && !found.text().contains("Acme"), "{found:?}");
        let none = page(&mut browser, &format!("{inbox}?q=zzz")).await;
        assert!(none.text().contains("Nothing matches"), "{none:?}");
        let done = browser.press(&all, &format!("accept-{}", acme.id), &[]).await.page();
        assert!(done.text().contains("You're a member now") && !done.has(&format!("accept-{}", acme.id)), "{done:?}");
        assert!(is_member(site, &acme, &ana).await);
        let asked = browser.press(&all, &format!("decline-{}", globex.id), &[]).await.page();
        assert!(asked.has("decline-confirm") && !is_member(site, &globex, &ana).await);
        let waits = accept_invitation::inbox(site, &mut site.conn().await, &ana).await.unwrap();
        assert_eq!(waits.len(), 1, "asking is not saying no");
        let done = browser.press(&asked, "decline-confirm", &[]).await.page();
        assert!(done.text().contains("You said no") && done.text().contains("No invitation waits"), "{done:?}");
        // Somebody else's is not there, whatever is posted.
        let mut fields = all.form_with(&format!("accept-{}", acme.id)).unwrap().filled("", &[]);
        fields.retain(|(name, _)| name == "csrf");
        fields.extend([("org".to_owned(), initech.id.to_string()), ("act".to_owned(), "accept".to_owned())]);
        assert_eq!(browser.send(Method::POST, &inbox, Some(&fields)).await.status, 404);
        assert!(!is_member(site, &initech, &ana).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_nobody_has_proven_finds_nothing_in_the_inbox() {
    on_both_without_server(async |world| {
        let acme = world.org("acme").await;
        let eve = world.own_account("eve", PASSWORD).await;
        invite(&acme, "eve@example.test", &reader()).await;
        assert!(accept_invitation::inbox(&world, &mut world.conn().await, &eve).await.unwrap().is_empty());
        let refused = accept_invitation::by_account(&world, &eve, &acme.id, &Origin::default(), Mode::Act).await;
        assert!(matches!(refused, Err(Refusal::NotFound(_))), "{refused:?}");
        assert!(!is_member(&world, &acme, &eve).await);
    })
    .await;
}

// I23
#[tokio::test(flavor = "multi_thread")]
async fn whoever_declines_or_is_too_late_is_told_what_became_of_the_invitation() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        invite(&acme, DORA, &reader()).await;
        let url = link_to(site, DORA, Purpose::Invitation).await;
        let mut browser = site.browser();
        let shown = page(&mut browser, &url).await;
        let asked = browser.press(&shown, "invite-decline", &[]).await.page();
        assert!(page(&mut browser, &url).await.has("invite-accept"), "asking is not saying no");
        let done = browser.press(&asked, "decline-confirm", &[]).await.page();
        assert!(done.text().contains("You said no"), "{done:?}");
        let gone = page(&mut browser, &url).await;
        assert!(gone.status == 410 && gone.text().contains("You said no"), "{gone:?}");
        let late = browser.press(&shown, "invite-accept", &CHOSEN).await.page();
        assert!(late.status == 410 && account(site, DORA).await.is_none(), "{late:?}");

        let cara = "cara@example.test";
        let id = invite(&acme, cara, &reader()).await;
        let url = link_to(site, cara, Purpose::Invitation).await;
        let shown = page(&mut browser, &url).await;
        invite::cancel(site, &Actor::CommandLine, &Origin::default(), &acme.id, &id, Mode::Act).await.unwrap();
        let gone = browser.press(&shown, "invite-accept", &CHOSEN).await.page();
        let words = "This invitation was withdrawn by the organisation.";
        assert!(gone.status == 410 && gone.text().contains(words), "{gone:?}");
        assert!(account(site, cara).await.is_none());
    })
    .await;
}

// I19
#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_over_after_seven_days_a_new_one_is_sent_and_after_thirty_nothing_helps() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let id = invite(&acme, DORA, &reader()).await;
        let first = link_to(site, DORA, Purpose::Invitation).await;
        let mut browser = site.browser();
        all_sent(site).await;
        site.advance(7 * DAY - MINUTE);
        assert!(page(&mut browser, &first).await.has("invite-accept"));
        site.advance(MINUTE);
        let over = page(&mut browser, &first).await;
        assert!(over.status == 410 && over.text().contains("This link expired on"), "{over:?}");
        assert!(over.text().contains("d…@example.test") && !over.text().contains(DORA), "{over:?}");
        let origin = Origin::default();
        let refused = accept_invitation::as_new(site, &secret(&first), Secret::presented(PASSWORD), &origin).await;
        assert!(matches!(refused, Err(NotAccepted::Dead)), "{refused:?}");
        note_mail(site, &id, MailFate::Sent).await.unwrap();
        let sent = browser.press(&over, "invite-renew", &[]).await.page();
        assert!(sent.text().contains("We sent a new link to d…@example.test"), "{sent:?}");
        let second = nth_link(site, DORA, Purpose::Invitation, 2).await;
        all_sent(site).await;
        let replaced = page(&mut browser, &first).await;
        assert!(replaced.status == 410 && replaced.text().contains("A newer link was sent"), "{replaced:?}");
        assert!(page(&mut browser, &second).await.has("invite-accept"));
        // The new link makes the invitation no longer than it was.
        site.advance(23 * DAY);
        let end = page(&mut browser, &second).await;
        assert!(end.status == 410 && end.text().contains("This invitation expired on"), "{end:?}");
        assert!(!end.has("invite-renew"));
        let count = links_to(site, DORA, Purpose::Invitation).await.len();
        let refused = accept_invitation::renew(site, &secret(&second), &origin).await;
        assert!(matches!(refused, Err(NotAccepted::Dead)), "{refused:?}");
        assert_eq!(links_to(site, DORA, Purpose::Invitation).await.len(), count);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_of_another_kind_a_changed_one_and_a_blank_one_are_one_dead_page() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        invite(&acme, DORA, &reader()).await;
        let good = link_to(site, DORA, Purpose::Invitation).await;
        let mut browser = site.browser();
        let secret = good.rsplit('/').next().unwrap().to_owned();
        let flipped = format!("{}{}", &secret[..secret.len() - 1], if secret.ends_with('A') { 'B' } else { 'A' });
        for path in [
            format!("/email/{secret}"),
            format!("/reset/{secret}"),
            format!("/welcome/{secret}"),
            format!("/invite/{flipped}"),
            format!("/invite/{secret}x"),
            format!("/invite/{}", secret.to_lowercase()),
            "/invite/null".to_owned(),
            "/invite/0".to_owned(),
            "/invite/%5B%5D".to_owned(),
            "/invite/%20".to_owned(),
        ] {
            let dead = page(&mut browser, &site.at.url(&path)).await;
            assert!(dead.status == 404 && dead.text().contains("This link doesn't work"), "{path}: {dead:?}");
        }
        assert!(page(&mut browser, &good).await.has("invite-accept"), "and the good one is still good");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_accept_with_one_link_at_once_one_account_comes() {
    on_both_without_server(async |world| {
        let acme = world.org("acme").await;
        invite(&acme, DORA, &reader()).await;
        let link = secret(&link_to(&world, DORA, Purpose::Invitation).await);
        let origin = Origin::default();
        let tries = (0..20).map(|_| accept_invitation::as_new(&world, &link, Secret::presented(PASSWORD), &origin));
        let done = join_all(tries).await.into_iter().filter(Result::is_ok).count();
        assert_eq!(done, 1);
        let members = memberships::of_org(&mut world.conn().await, &acme.id).await.unwrap();
        assert_eq!(members.iter().filter(|(member, _)| member.state == MembershipState::Active).count(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inviter_who_may_not_give_the_access_any_more_lets_nobody_in() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let min = acme.person("min", PASSWORD).await;
        let admin = acme.give("min", "org.admin", None).await;
        let id = invite_by(&Actor::User(min), &acme, DORA, &reader()).await;
        let url = link_to(site, DORA, Purpose::Invitation).await;
        let mut browser = site.browser();
        let shown = page(&mut browser, &url).await;
        assert!(shown.text().contains("Min Example"), "{shown:?}");
        acme.take(&admin).await;
        let refused = browser.press(&shown, "invite-accept", &CHOSEN).await.page();
        assert!(refused.status == 410 && refused.text().contains("may not give this access any more"), "{refused:?}");
        assert!(account(site, DORA).await.is_none(), "no account without its membership");
        let found = invitations::find(&mut site.conn().await, &acme.id, &id).await.unwrap().unwrap();
        assert_eq!(found.state.as_str(), "cancelled");
        let gone = page(&mut browser, &url).await;
        assert!(gone.text().contains("withdrawn by the organisation"), "{gone:?}");
    })
    .await;
}

// I06
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_admitted_no_longer_is_refused_at_the_acceptance_too() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let id = invite(&acme, DORA, &reader()).await;
        let url = link_to(site, DORA, Purpose::Invitation).await;
        let mut browser = site.browser();
        let shown = page(&mut browser, &url).await;
        let mut settings = OrgSettings::default();
        settings.invitations.domains = vec!["acme.test".to_owned()];
        site.act(vec![Change::SetOrgSettings { org: acme.id.clone(), settings: Box::new(settings) }]).await;
        let (people, none) = (vec![invitee("cara@example.test")], Access::default());
        let (by, origin) = (Actor::CommandLine, Origin::default());
        let sent = invite::many(site, &by, &origin, &acme.id, people, &none, None, Mode::Act).await;
        assert!(sent.unwrap()[0].outcome.is_err(), "at sending");
        let refused = browser.press(&shown, "invite-accept", &CHOSEN).await.page();
        let words = "example.test isn't on the list of domains that may be invited.";
        assert!(refused.status == 400 && refused.text().contains(words), "{refused:?}");
        assert!(account(site, DORA).await.is_none());
        let found = invitations::find(&mut site.conn().await, &acme.id, &id).await.unwrap().unwrap();
        assert!(found.state.is_open(), "the list may change again");
        site.advance(SECOND);
        let open = Change::SetOrgSettings { org: acme.id.clone(), settings: Box::default() };
        site.act(vec![open]).await;
        let done = browser.press(&refused, "invite-accept", &CHOSEN).await.page();
        assert!(done.text().contains("You're in"), "{done:?}");
    })
    .await;
}
