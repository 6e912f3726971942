//! What an organisation sets for its members holds at the next request: how many sessions, from where, to which
//! applications, how long unused; and what a suspended or deleted organisation still lets in, which is nobody.

use std::collections::BTreeSet;

use muster::domain::access::Policy;
use muster::domain::change::Change;
use muster::domain::oauth::application::AuthMethod;
use muster::domain::people::user::{AccessType, MembershipState, OrgState, UserState};
use muster::domain::settings::OrgSettings;
use muster::kernel::id::{ApplicationId, MembershipId, OrgId};
use muster::kernel::time::{DAY, MINUTE};
use muster::store::{memberships, orgs, sign_ins};
use reqwest::Method;

use crate::support::PASSWORD;
use crate::support::browser::{Landing, Person};
use crate::support::client::{Ask, Tokens};
use crate::support::org::Org;
use crate::support::server::{Site, on_both};
use crate::support::world::{self, World};

const ANA: Person<'static> = Person::named("ana");

async fn set(org: &Org, change: impl FnOnce(&mut OrgSettings)) {
    let mut settings = orgs::settings(&mut org.world.conn().await, &org.id).await.unwrap();
    change(&mut settings);
    let settings = Box::new(settings);
    org.world.act(vec![Change::SetOrgSettings { org: org.id.clone(), settings }]).await;
}

async fn live_entries(site: &Site, member: &MembershipId) -> i64 {
    let (count,): (i64,) = site
        .conn()
        .await
        .query("SELECT COUNT(*) FROM session_entries WHERE membership_id = $1 AND ended_at IS NULL")
        .bind(member.as_str().to_owned())
        .one()
        .await
        .unwrap();
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn one_session_more_than_allowed_ends_the_oldest_and_its_applications_are_told() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let registered = acme
            .application_with("shop", |application| {
                application.backchannel_logout_uri = Some("https://shop.example/logout".to_owned());
            })
            .await;
        let shop = site.client(&registered);
        set(&acme, |settings| settings.max_sessions = Some(2)).await;
        let mut browsers = [site.browser(), site.browser(), site.browser()];
        let mut tokens = Vec::new();
        for browser in &mut browsers {
            tokens.push(shop.sign_in(browser, ANA).await);
        }
        let [one, two, three] = &mut browsers;
        assert!(!shop.is_signed_in(one).await && shop.is_signed_in(two).await && shop.is_signed_in(three).await);
        assert!(!shop.is_active(tokens[0].access()).await && shop.is_active(tokens[1].access()).await);
        assert_eq!(shop.refresh(tokens[0].refresh()).await.refusal(), (400, "invalid_grant".to_owned()));
        let (told,): (i64,) =
            site.conn().await.query("SELECT COUNT(*) FROM outbox WHERE kind <> 'mail'").one().await.unwrap();
        assert_eq!(told, 1);
        // The same browser once more is no session more.
        let again = shop.sign_in_with(two, ANA, Ask::of(&shop)).await;
        assert!(shop.is_active(again.access()).await && shop.is_signed_in(three).await);
        assert_eq!(live_entries(site, &acme.member_id("ana").await).await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sessions_that_begin_at_once_are_no_more_than_are_allowed() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let shop = site.client(&acme.application("shop").await);
        set(&acme, |settings| settings.max_sessions = Some(2)).await;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (shop, mut browser) = (shop.clone(), site.browser());
            tasks.spawn(async move {
                let ask = Ask::of(&shop);
                browser.authorize(&ask, ANA).await.param("code").is_empty()
            });
        }
        while let Some(without_code) = tasks.join_next().await {
            assert!(!without_code.unwrap());
        }
        assert_eq!(live_entries(site, &acme.member_id("ana").await).await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_come_from_the_allowed_networks_only_with_an_open_session_too() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let shop = site.client(&acme.application("shop").await);
        let mut browser = site.browser();
        let public = acme.application_with("phone", |application| application.auth_method = AuthMethod::None).await;
        let phone = site.client(&public);
        let before = phone.sign_in(&mut browser, ANA).await;
        let at_server = shop.sign_in(&mut browser, ANA).await;
        set(&acme, |settings| settings.allowed_networks = vec!["10.0.0.0/8".to_owned()]).await;
        let silent = browser.ask_silently(&Ask::of(&shop)).await;
        assert_eq!(silent.param("error"), "access_denied", "the session is open, and comes from elsewhere");
        let arrival = site.browser().authorize(&Ask::of(&shop), ANA).await;
        assert_eq!((arrival.param("error"), arrival.param("code")), ("access_denied", ""));
        assert!(arrival.param("error_description").contains("address"), "{arrival:?}");
        assert_eq!(phone.refresh(before.refresh()).await.refusal(), (400, "invalid_grant".to_owned()));
        Tokens::read(&shop.refresh(at_server.refresh()).await);

        let nearer = vec!["10.0.0.0/8".to_owned(), "127.0.0.1".to_owned()];
        set(&acme, |settings| settings.allowed_networks = nearer).await;
        assert!(shop.is_signed_in(&mut browser).await);
        Tokens::read(&phone.refresh(before.refresh()).await);
    })
    .await;
}

fn restrict(org: &OrgId, member: &MembershipId, to: Option<&[&ApplicationId]>) -> Vec<Change> {
    let to = to.map(|list| list.iter().map(|id| (*id).clone()).collect::<BTreeSet<_>>());
    vec![Change::RestrictMember { org: org.clone(), member: member.clone(), to }]
}

// I27
#[tokio::test(flavor = "multi_thread")]
async fn a_restricted_account_reaches_the_listed_applications_and_no_page_of_its_own() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let (shop_of, desk_of) = (acme.application("shop").await, acme.application("desk").await);
        let (shop, desk) = (site.client(&shop_of), site.client(&desk_of));
        let mut browser = site.browser();
        let before = desk.sign_in(&mut browser, ANA).await;
        let ana = acme.member_id("ana").await;
        let listed = [&shop_of.application.id];
        let receipt = site.act(restrict(&acme.id, &ana, Some(&listed))).await;
        assert_eq!(receipt.ended.sessions, 1, "it is tighter than before");
        assert_eq!(desk.refresh(before.refresh()).await.refusal(), (400, "invalid_grant".to_owned()));

        let arrival = site.browser().authorize(&Ask::of(&desk), ANA).await;
        assert_eq!(arrival.param("error"), "access_denied");
        let allowed = shop.sign_in(&mut browser, ANA).await;
        assert!(!desk.is_signed_in(&mut browser).await);
        assert_eq!(browser.send(Method::GET, &site.at.url("/me"), None).await.status, 403);

        // Wider, and lifted, end nothing.
        let wider = [&shop_of.application.id, &desk_of.application.id];
        assert_eq!(site.act(restrict(&acme.id, &ana, Some(&wider))).await.ended.sessions, 0);
        assert!(desk.is_signed_in(&mut browser).await);
        assert_eq!(site.act(restrict(&acme.id, &ana, None)).await.ended.sessions, 0);
        assert_eq!(browser.send(Method::GET, &site.at.url("/me"), None).await.status, 200);
        Tokens::read(&shop.refresh(allowed.refresh()).await);

        let theirs = site.org("beta").await.application("theirs").await.application.id;
        for unknown in [&theirs, &ApplicationId::fresh()] {
            let refusal = site.change(restrict(&acme.id, &ana, Some(&[unknown]))).await.unwrap_err();
            assert_eq!(refusal.code(), "not_found");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_welcomed_and_see_when_their_account_was_used_before_where_it_is_set() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let mut first = site.browser();
        first.sign_in(ANA).await;
        site.advance(MINUTE);
        let mut browser = site.browser();
        browser.sign_in(ANA).await;
        let plain = browser.send(Method::GET, &site.at.url("/me"), None).await.body;
        assert!(!plain.contains("Last sign-in") && !plain.contains("Good morning"));
        set(&acme, |settings| {
            settings.show_last_sign_in = true;
            settings.welcome_text = "Good morning.\n<b>Be kind</b>".to_owned();
        })
        .await;
        let told = browser.send(Method::GET, &site.at.url("/me"), None).await.body;
        assert!(told.contains("Last sign-in") && told.contains("Firefox on Linux, from 127.0.0.1"), "{told}");
        assert!(told.contains("Good morning.") && !told.contains("<b>Be kind"), "{told}");
    })
    .await;
}

async fn state(world: &World, org: &Org, user_name: &str) -> MembershipState {
    let member = org.member_id(user_name).await;
    memberships::find(&mut world.conn().await, &org.id, &member).await.unwrap().unwrap().state
}

#[tokio::test(flavor = "multi_thread")]
async fn members_who_are_not_seen_any_more_are_suspended_and_the_others_are_not() {
    world::on_both(async |world| {
        let acme = world.org("acme").await;
        for name in ["olivia", "ana", "bo", "kit"] {
            acme.person(name, PASSWORD).await;
        }
        let to = acme.member_id("olivia").await;
        let key = Change::SetAccessType { user: acme.user_id("kit").await, access: AccessType::Key };
        world.act(vec![Change::TransferOwnership { org: acme.id.clone(), to }, key]).await;
        set(&acme, |settings| settings.disable_unused_days = Some(30)).await;
        muster::jobs::unused::suspend((*world).clone()).await;
        assert_eq!(state(&world, &acme, "ana").await, MembershipState::Active, "nobody is old enough");

        world.advance(31 * DAY);
        let (bo, now) = (acme.member_id("bo").await, world.now());
        let noted: Result<(), sqlx::Error> =
            world.db.write(move |tx| Box::pin(async move { sign_ins::note_sign_in(tx, &bo, now).await })).await;
        noted.unwrap();
        let late = acme.person("late", PASSWORD).await;
        muster::jobs::unused::suspend((*world).clone()).await;
        for (name, expected) in [
            ("ana", MembershipState::Suspended),
            ("bo", MembershipState::Active),
            ("olivia", MembershipState::Active),
            ("kit", MembershipState::Active),
            ("late", MembershipState::Active),
        ] {
            assert_eq!(state(&world, &acme, name).await, expected, "{name}");
        }
        // Somebody who is let in again is not suspended at the next look, but after as many days as anybody.
        let ana = acme.member_id("ana").await;
        let revive = |member| Change::SetMemberState { org: acme.id.clone(), member, state: MembershipState::Active };
        world.act(vec![revive(ana)]).await;
        let states = [UserState::Suspended, UserState::Active];
        world.act(states.map(|state| Change::SetUserState { user: late.clone(), state }).to_vec()).await;
        muster::jobs::unused::suspend((*world).clone()).await;
        assert_eq!(state(&world, &acme, "ana").await, MembershipState::Active);
        world.advance(31 * DAY);
        muster::jobs::unused::suspend((*world).clone()).await;
        for name in ["ana", "bo", "late"] {
            assert_eq!(state(&world, &acme, name).await, MembershipState::Suspended, "{name}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_comes_back_for_thirty_days_and_not_later() {
    world::on_both(async |world| {
        let acme = world.org("acme").await;
        let to = |state| vec![Change::SetOrgState { org: acme.id.clone(), state }];
        world.act(to(OrgState::Deleted)).await;
        world.advance(29 * DAY);
        world.act(to(OrgState::Active)).await;
        world.act(to(OrgState::Deleted)).await;
        world.advance(31 * DAY);
        for state in [OrgState::Active, OrgState::Suspended] {
            assert_eq!(world.change(to(state)).await.unwrap_err().code(), "invalid");
        }
        let (org, slug, name) = (OrgId::fresh(), "acme".to_owned(), "Another".to_owned());
        let again = vec![Change::CreateOrg { org, slug, name, policy: Policy::Strict }];
        assert_eq!(world.change(again).await.unwrap_err().code(), "conflict", "the slug stays taken");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_accounts_of_an_organisation_that_is_not_active_do_not_sign_in() {
    on_both(async |site| {
        let (acme, beta) = (site.org("acme").await, site.org("beta").await);
        acme.person("ana", PASSWORD).await;
        beta.person("bo", PASSWORD).await;
        let mut before = site.browser();
        before.sign_in(ANA).await;
        let status = async |browser: &mut crate::support::browser::Browser| {
            browser.send(Method::GET, &site.at.url("/me"), None).await.status
        };
        assert_eq!(status(&mut before).await, 200);
        let to = |state| vec![Change::SetOrgState { org: acme.id.clone(), state }];
        site.act(to(OrgState::Suspended)).await;
        assert_eq!(status(&mut before).await, 303, "the session is over");
        let mut browser = site.browser();
        match browser.sign_in(ANA).await {
            Landing::Page(page) => assert!(page.has("login-submit"), "{page:?}"),
            Landing::Away(arrival) => panic!("{arrival:?}"),
        }
        let mut others = site.browser();
        others.sign_in(Person::named("bo")).await;
        assert_eq!(status(&mut others).await, 200);
        site.act(to(OrgState::Active)).await;
        assert_eq!(status(&mut before).await, 303, "what was taken away doesn't come back");
        browser.sign_in(ANA).await;
        assert_eq!(status(&mut browser).await, 200);
    })
    .await;
}
