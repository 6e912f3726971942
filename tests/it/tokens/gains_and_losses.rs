//! What a change ends at the next request, and what it leaves alone: exactly those who lost something, no one else.

use muster::domain::access::{Policy, Verdict};
use muster::domain::change::{Change, Receipt};
use muster::domain::oauth::application::ApplicationState;
use muster::domain::people::user::{MembershipState, UserState};
use serde_json::json;

use crate::support::PASSWORD;
use crate::support::browser::{Browser, Person};
use crate::support::client::{Client, Tokens, list};
use crate::support::org::Org;
use crate::support::server::{Site, on_both};

/// Somebody who is signed in to the shop.
struct Visitor {
    name: &'static str,
    browser: Browser,
    tokens: Tokens,
}

async fn visit(site: &Site, shop: &Client, name: &'static str) -> Visitor {
    let mut browser = site.browser();
    let tokens = shop.sign_in(&mut browser, Person::named(name)).await;
    Visitor { name, browser, tokens }
}

impl Visitor {
    /// Session, refresh token and access token: all must be dead at the next request.
    async fn is_out(&mut self, shop: &Client) {
        assert!(!shop.is_active(self.tokens.access()).await, "{}'s access token is honoured", self.name);
        assert!(!shop.is_active(self.tokens.refresh()).await, "{}'s refresh token is honoured", self.name);
        assert_eq!(shop.userinfo(self.tokens.access()).await.status, 401, "{}", self.name);
        assert_eq!(
            shop.refresh(self.tokens.refresh()).await.refusal(),
            (400, "invalid_grant".to_owned()),
            "{}",
            self.name
        );
        assert!(!shop.is_signed_in(&mut self.browser).await, "{}'s session stands", self.name);
    }

    /// All must be as they were; the tokens are renewed on the way.
    async fn is_untouched(&mut self, shop: &Client) {
        assert!(shop.is_active(self.tokens.access()).await, "{}'s access token was refused", self.name);
        assert!(shop.is_signed_in(&mut self.browser).await, "{}'s session ended", self.name);
        self.tokens = Tokens::read(&shop.refresh(self.tokens.refresh()).await);
    }

    /// The access token must be refused, and refresh and session stand; the tokens are renewed.
    async fn is_narrowed(&mut self, shop: &Client) {
        assert!(!shop.is_active(self.tokens.access()).await, "{}'s access token is honoured", self.name);
        assert_eq!(shop.userinfo(self.tokens.access()).await.status, 401);
        assert!(shop.is_signed_in(&mut self.browser).await, "{}'s session ended", self.name);
        self.tokens = Tokens::read(&shop.refresh(self.tokens.refresh()).await);
        assert!(shop.is_active(self.tokens.access()).await);
    }
}

/// Acme with a project, Ana and Bo in `devs`, which gives a role on the project.
async fn acme(site: &Site) -> (Org, Client) {
    let acme = site.org("acme").await;
    acme.project("web").await;
    for name in ["ana", "bo"] {
        acme.person(name, PASSWORD).await;
    }
    acme.group("devs", &["ana", "bo"]).await;
    acme.give_group("devs", "project.member", Some("web")).await;
    let shop = site.client(&acme.application("shop").await);
    (acme, shop)
}

fn verdicts(receipt: &Receipt) -> Vec<(&str, Verdict)> {
    let mut verdicts: Vec<(&str, Verdict)> =
        receipt.members.iter().map(|m| (m.user_name.as_str(), m.verdict)).collect();
    verdicts.sort_unstable();
    verdicts
}

// K20 K42 K46
#[tokio::test(flavor = "multi_thread")]
async fn a_role_or_a_member_added_shows_at_the_next_refresh_and_refuses_nothing() {
    on_both(async |site| {
        let (acme, shop) = acme(site).await;
        acme.group("ops", &[]).await;
        acme.give_group("ops", "trail.viewer", None).await;
        let mut both = [visit(site, &shop, "ana").await, visit(site, &shop, "bo").await];
        acme.give_group("devs", "org.reader", None).await;
        for visitor in &mut both {
            visitor.is_untouched(&shop).await;
            assert_eq!(list(&visitor.tokens.claims()["org_roles"]), ["org.reader"]);
        }
        let receipt = acme.put_in("ops", &["ana"]).await;
        assert_eq!(verdicts(&receipt), [("ana", Verdict::Keep)]);
        both[0].is_untouched(&shop).await;
        assert_eq!(list(&both[0].tokens.claims()["org_roles"]), ["org.reader", "trail.viewer"]);
    })
    .await;
}

// K40
#[tokio::test(flavor = "multi_thread")]
async fn of_two_members_of_a_deleted_group_exactly_the_one_whom_no_other_group_keeps_is_out() {
    on_both(async |site| {
        let (acme, shop) = acme(site).await;
        acme.group("ops", &["bo"]).await;
        acme.give_group("ops", "project.member", Some("web")).await;
        let (mut ana, mut bo) = (visit(site, &shop, "ana").await, visit(site, &shop, "bo").await);
        let receipt = acme.delete_group("devs").await;
        assert_eq!(verdicts(&receipt), [("ana", Verdict::End)]);
        assert_eq!((receipt.ended.sessions, receipt.ended.token_families), (1, 1));
        ana.is_out(&shop).await;
        bo.is_untouched(&shop).await;
        assert_eq!(list(&bo.tokens.claims()["project_roles"]["web"]), ["project.member"]);
        let again = visit(site, &shop, "ana").await.tokens.claims();
        assert_eq!(
            (&again["project_roles"], &again["org_roles"]),
            (&json!({}), &json!([])),
            "she signs in and holds nothing"
        );
    })
    .await;
}

// K41
#[tokio::test(flavor = "multi_thread")]
async fn under_standing_a_deleted_group_signs_out_those_whom_no_group_gives_any_role() {
    on_both(async |site| {
        let (acme, shop) = acme(site).await;
        acme.set_policy(Policy::Standing).await;
        acme.group("buyers", &["bo"]).await;
        acme.give_group("buyers", "billing.viewer", None).await;
        let (mut ana, mut bo) = (visit(site, &shop, "ana").await, visit(site, &shop, "bo").await);
        let receipt = acme.delete_group("devs").await;
        assert_eq!(verdicts(&receipt), [("ana", Verdict::End), ("bo", Verdict::Narrow)]);
        ana.is_out(&shop).await;
        bo.is_narrowed(&shop).await;
        let claims = bo.tokens.claims();
        assert_eq!(
            (&claims["project_roles"], list(&claims["org_roles"])),
            (&json!({}), vec!["billing.viewer".to_owned()])
        );
    })
    .await;
}

// K47
#[tokio::test(flavor = "multi_thread")]
async fn under_narrow_a_lost_role_refuses_the_access_token_and_refresh_gives_the_smaller_one() {
    on_both(async |site| {
        let (acme, shop) = acme(site).await;
        acme.set_policy(Policy::Narrow).await;
        let binding = acme.give_group("devs", "billing.viewer", None).await;
        let (mut ana, mut bo) = (visit(site, &shop, "ana").await, visit(site, &shop, "bo").await);
        let before = ana.tokens.claims()["acv"].as_i64().unwrap();
        let receipt = acme.take(&binding).await;
        assert_eq!(verdicts(&receipt), [("ana", Verdict::Narrow), ("bo", Verdict::Narrow)]);
        assert_eq!(receipt.ended.sessions, 0);
        for visitor in [&mut ana, &mut bo] {
            visitor.is_narrowed(&shop).await;
            assert_eq!(visitor.tokens.claims()["org_roles"], json!([]));
        }
        assert!(ana.tokens.claims()["acv"].as_i64().unwrap() > before);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_may_not_sign_in_any_more_is_out_and_back_with_the_same_access() {
    on_both(async |site| {
        let (acme, shop) = acme(site).await;
        let (user, member, org) = (acme.user_id("ana").await, acme.member_id("ana").await, acme.id.clone());
        let set_member = |state| vec![Change::SetMemberState { org: org.clone(), member: member.clone(), state }];
        let set_user = |state| vec![Change::SetUserState { user: user.clone(), state }];
        let pairs = [
            (set_member(MembershipState::Suspended), set_member(MembershipState::Active)),
            (set_user(UserState::Suspended), set_user(UserState::Active)),
        ];
        for (out, back) in pairs {
            let (mut ana, mut bo) = (visit(site, &shop, "ana").await, visit(site, &shop, "bo").await);
            site.act(out).await;
            ana.is_out(&shop).await;
            bo.is_untouched(&shop).await;
            site.act(back).await;
            ana.is_out(&shop).await;
            let again = visit(site, &shop, "ana").await;
            assert_eq!(list(&again.tokens.claims()["project_roles"]["web"]), ["project.member"]);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_application_loses_its_tokens_and_another_keeps_its_own() {
    on_both(async |site| {
        let (acme, _) = acme(site).await;
        let registered = acme.application("gone").await;
        let (gone, kept) = (site.client(&registered), site.client(&acme.application("kept").await));
        let (ana, mut bo) = (visit(site, &gone, "ana").await, visit(site, &kept, "bo").await);
        let mut application = registered.application.clone();
        application.state = ApplicationState::Disabled;
        site.act(vec![Change::PutApplication(Box::new(application))]).await;
        assert_eq!(gone.refresh(ana.tokens.refresh()).await.status, 401);
        assert_eq!(kept.userinfo(ana.tokens.access()).await.status, 401);
        bo.is_untouched(&kept).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_in_one_organisation_leaves_a_persons_session_in_another_alone() {
    on_both(async |site| {
        let user = site.own_account("kim", PASSWORD).await;
        let mut clients = Vec::new();
        let mut bindings = Vec::new();
        for slug in ["acme", "globex"] {
            let org = site.org(slug).await;
            org.admit(&user).await;
            bindings.push((org.clone(), org.give("kim", "org.reader", None).await));
            clients.push(site.client(&org.application(&format!("{slug}-app")).await));
        }
        let mut browser = site.browser();
        let kim = Person::named("kim");
        let tokens = [clients[0].sign_in(&mut browser, kim).await, clients[1].sign_in(&mut browser, kim).await];
        bindings[0].0.take(&bindings[0].1).await;
        assert!(!clients[0].is_active(tokens[0].access()).await && !clients[0].is_active(tokens[0].refresh()).await);
        assert!(clients[1].is_active(tokens[1].access()).await && clients[1].is_active(tokens[1].refresh()).await);
        assert!(clients[1].is_signed_in(&mut browser).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_equal_member_list_and_a_second_binding_of_the_same_role_change_nothing() {
    on_both(async |site| {
        let (acme, shop) = acme(site).await;
        let mut ana = visit(site, &shop, "ana").await;
        let before = ana.tokens.claims()["acv"].clone();
        assert!(acme.put_in("devs", &["ana", "bo"]).await.is_empty());
        let second = acme.give("ana", "project.member", Some("web")).await;
        let receipt = acme.take(&second).await;
        assert_eq!(receipt.ended.sessions, 0);
        ana.is_untouched(&shop).await;
        assert!(acme.put_in("devs", &["ana"]).await.is_empty());
        assert!(before.is_i64());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_ends_a_members_sessions_and_the_access_stays() {
    on_both(async |site| {
        let (acme, shop) = acme(site).await;
        let (mut ana, mut bo) = (visit(site, &shop, "ana").await, visit(site, &shop, "bo").await);
        let (org, member) = (acme.id.clone(), acme.member_id("ana").await);
        let receipt = site.act(vec![Change::EndSessions { org, member }]).await;
        assert_eq!((receipt.ended.sessions, receipt.members[0].lost.len()), (1, 0));
        ana.is_out(&shop).await;
        bo.is_untouched(&shop).await;
        let again = visit(site, &shop, "ana").await;
        assert_eq!(list(&again.tokens.claims()["project_roles"]["web"]), ["project.member"]);
    })
    .await;
}
