//! What is taken from people is taken from their tools at once: keys end with the last grant on their project, stop with
//! a suspension, and go with the project, the membership and the account.

use muster::domain::access::Policy;
use muster::domain::change::Change;
use muster::domain::people::user::{MembershipState, OrgState, UserState};
use muster::flows::change_access::Refusal;

use super::{Tool, acme};
use crate::support::client::{claims, list};
use crate::support::server::on_both;

#[tokio::test(flavor = "multi_thread")]
async fn a_key_ends_with_the_last_grant_on_its_project_and_another_members_stands() {
    on_both(async |site| {
        let (acme, api) = acme(site).await;
        acme.give("ana", "org.reader", None).await;
        let (hers, his) =
            (Tool::of_person(site, &acme, "ana", "web").await, Tool::of_person(site, &acme, "bo", "web").await);
        let (before, others) = (hers.token().await, his.token().await);
        let receipt = acme.take_out("devs", &["ana"]).await;
        assert_eq!((receipt.ended.access_keys, receipt.members.len()), (1, 1));
        assert!(!api.is_active(&before).await && api.is_active(&others).await);
        hers.is_refused().await;
        assert!(api.is_active(&his.token().await).await);

        acme.put_in("devs", &["ana"]).await;
        hers.is_refused().await;
        let refusal = site.change(vec![hers.set(&acme, true)]).await.err().unwrap();
        assert!(matches!(refusal, Refusal::Invalid { field: "state", .. }), "{refusal}");
        let listed = hers.listed(site, &acme).await.unwrap();
        assert_eq!((listed.state.as_str(), listed.end_reason.as_deref()), ("ended", Some("access_lost")));
        for _ in 0..2 {
            Tool::of_person(site, &acme, "ana", "web").await; // what has ended doesn't count
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_stays_while_any_grant_on_its_project_is_left_and_its_next_token_says_less() {
    on_both(async |site| {
        let (acme, api) = acme(site).await;
        acme.set_policy(Policy::Narrow).await;
        acme.give("ana", "project.reader", Some("*")).await;
        let tool = Tool::of_person(site, &acme, "ana", "web").await;
        let before = tool.token().await;
        assert_eq!(list(&claims(&before)["roles"]), ["project.member", "project.reader"]);
        let his = Tool::of_person(site, &acme, "bo", "web").await;
        let his_token = his.token().await;
        let (org, group, bo) = (acme.id.clone(), acme.group_id("devs").await, acme.member_id("bo").await);
        let preview = site.preview(vec![Change::RemoveFromGroup { org, group, members: vec![bo] }]).await;
        assert_eq!(preview.ended.access_keys, 1);
        assert!(api.is_active(&his_token).await && api.is_active(&his.token().await).await, "a preview takes nothing");
        assert_eq!(acme.take_out("devs", &["ana"]).await.ended.access_keys, 0);
        assert!(!api.is_active(&before).await);
        let after = tool.token().await;
        assert!(api.is_active(&after).await);
        assert_eq!(list(&claims(&after)["roles"]), ["project.reader"]);
        // A role more refuses no token.
        acme.put_in("devs", &["ana"]).await;
        assert!(api.is_active(&after).await);
        assert_eq!(list(&claims(&tool.token().await)["roles"]), ["project.member", "project.reader"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_members_keys_stop_and_are_back_with_the_member_but_not_their_tokens() {
    on_both(async |site| {
        let (acme, api) = acme(site).await;
        let tool = Tool::of_person(site, &acme, "ana", "web").await;
        let (org, member, user) = (acme.id.clone(), acme.member_id("ana").await, acme.user_id("ana").await);
        let set_member = |state| vec![Change::SetMemberState { org: org.clone(), member: member.clone(), state }];
        let set_user = |state| vec![Change::SetUserState { user: user.clone(), state }];
        let set_org = |state| vec![Change::SetOrgState { org: org.clone(), state }];
        let pairs = [
            (set_member(MembershipState::Suspended), set_member(MembershipState::Active)),
            (set_user(UserState::Suspended), set_user(UserState::Active)),
            (set_org(OrgState::Suspended), set_org(OrgState::Active)),
        ];
        for (out, back) in pairs {
            let before = tool.token().await;
            assert!(api.is_active(&before).await);
            assert_eq!(site.act(out).await.ended.access_keys, 0);
            tool.is_refused().await;
            assert_eq!(site.act(back).await.ended.access_keys, 0);
            assert!(!api.is_active(&before).await, "what ended is not honoured again");
        }
        assert!(api.is_active(&tool.token().await).await);

        // What is lost meanwhile is lost when the member is back.
        site.act(set_member(MembershipState::Suspended)).await;
        assert_eq!(acme.take_out("devs", &["ana"]).await.ended.access_keys, 0);
        assert_eq!(site.act(set_member(MembershipState::Active)).await.ended.access_keys, 1);
        tool.is_refused().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_a_members_sessions_ends_the_tokens_of_their_keys_too() {
    on_both(async |site| {
        let (acme, api) = acme(site).await;
        let tool = Tool::of_person(site, &acme, "ana", "web").await;
        let before = tool.token().await;
        let (org, member) = (acme.id.clone(), acme.member_id("ana").await);
        site.act(vec![Change::EndSessions { org, member }]).await;
        assert!(!api.is_active(&before).await);
        assert!(api.is_active(&tool.token().await).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_go_with_their_project_their_membership_and_their_account() {
    on_both(async |site| {
        let (acme, api) = acme(site).await;
        acme.person("cleo", crate::support::PASSWORD).await;
        acme.give("cleo", "project.reader", Some("data")).await;
        acme.give("cleo", "project.reader", Some("web")).await;
        let tools = [
            Tool::of_person(site, &acme, "ana", "web").await,
            Tool::of_person(site, &acme, "bo", "web").await,
            Tool::of_person(site, &acme, "cleo", "web").await,
            Tool::of_person(site, &acme, "cleo", "data").await,
        ];
        let mut tokens = Vec::new();
        for tool in &tools {
            tokens.push(tool.token().await);
        }
        let (org, web) = (acme.id.clone(), acme.project_id("web").await);
        let acts = [
            Change::RemoveMember { org: org.clone(), member: acme.member_id("ana").await },
            Change::SetUserState { user: acme.user_id("bo").await, state: UserState::Deleted },
            Change::DeleteProject { org, project: web },
        ];
        for (number, act) in acts.into_iter().enumerate() {
            assert!(api.is_active(&tokens[number]).await, "{number}");
            assert_eq!(site.act(vec![act]).await.ended.access_keys, 1, "{number}");
            assert!(!api.is_active(&tokens[number]).await, "{number}");
            tools[number].is_refused().await;
            assert!(tools[number].listed(site, &acme).await.is_none(), "{number}");
        }
        assert!(api.is_active(&tools[3].token().await).await, "the other project's key stands");
    })
    .await;
}
