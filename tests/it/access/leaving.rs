//! Leaving a project, a group, a session: what goes goes at once, and what stands in the way is named.

use std::collections::BTreeSet;

use muster::domain::access::Verdict;
use muster::domain::change::Change;
use muster::flows::change_access::Refusal;
use muster::kernel::id::{EntryId, GroupId, MembershipId, OrgId, ProjectId, UserId};
use muster::store::memberships;

use crate::support::PASSWORD;
use crate::support::browser::Person;
use crate::support::client::{Tokens, list};
use crate::support::server;
use crate::support::world::on_both;

fn leave(org: &OrgId, member: &MembershipId, project: &ProjectId) -> Vec<Change> {
    vec![Change::LeaveProject { org: org.clone(), member: member.clone(), project: project.clone() }]
}

// K19
#[tokio::test(flavor = "multi_thread")]
async fn leaving_a_project_takes_its_roles_and_leaves_the_rest() {
    server::on_both(async |site| {
        let acme = site.org("acme").await;
        let web = acme.project("web").await;
        acme.project("data").await;
        acme.person("ana", PASSWORD).await;
        for (role, project) in [("project.admin", "web"), ("project.reader", "web"), ("project.reader", "data")] {
            acme.give("ana", role, Some(project)).await;
        }
        let ana = acme.member_id("ana").await;
        let shop = site.client(&acme.application("shop").await);
        let before = shop.sign_in(&mut site.browser(), Person::named("ana")).await;
        let receipt = site.act(leave(&acme.id, &ana, &web)).await;
        assert_eq!((receipt.members[0].lost.len(), receipt.members[0].verdict), (2, Verdict::End));
        assert!(!shop.is_active(before.access()).await);
        let after = shop.sign_in(&mut site.browser(), Person::named("ana")).await.claims();
        assert!(list(&after["project_roles"]["web"]).is_empty());
        assert_eq!(list(&after["project_roles"]["data"]), ["project.reader"]);
        let again = site.change(leave(&acme.id, &ana, &web)).await.unwrap_err();
        assert_eq!(again.code(), "not_found", "there is nothing to leave");
    })
    .await;
}

// I41
#[tokio::test(flavor = "multi_thread")]
async fn what_gives_a_role_another_way_stands_in_the_way_and_is_named() {
    on_both(async |world| {
        let acme = world.org("acme").await;
        let org = acme.id.clone();
        let web = acme.project("web").await;
        acme.person("ana", PASSWORD).await;
        let ana = acme.member_id("ana").await;
        acme.give("ana", "project.admin", Some("web")).await;
        let devs = acme.group("devs", &["ana"]).await;
        acme.give_group("devs", "project.reader", Some("web")).await;
        match world.change(leave(&org, &ana, &web)).await {
            Err(Refusal::Blocked { reason, object, clear }) => {
                assert!(reason.contains("devs"), "{reason}");
                assert_eq!(object, devs.as_str());
                assert_eq!(clear, format!("POST /api/v1/orgs/{org}/groups/{devs}/members/remove"));
            }
            other => panic!("{other:?}"),
        }
        acme.take_out("devs", &["ana"]).await;
        let everywhere = acme.give("ana", "project.reader", Some("*")).await;
        match world.change(leave(&org, &ana, &web)).await {
            Err(Refusal::Blocked { object, clear, .. }) => {
                assert_eq!(object, everywhere.as_str());
                assert_eq!(clear, format!("DELETE /api/v1/orgs/{org}/bindings/{everywhere}"));
            }
            other => panic!("{other:?}"),
        }
        acme.take(&everywhere).await;
        let receipt = world.act(leave(&org, &ana, &web)).await;
        assert_eq!(receipt.members[0].lost.len(), 1);
        let nowhere = world.change(leave(&org, &ana, &ProjectId::fresh())).await.unwrap_err();
        assert_eq!(nowhere.code(), "not_found");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_set_of_groups_is_one_change_and_only_the_difference_is_written() {
    on_both(async |world| {
        let acme = world.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let ana = acme.member_id("ana").await;
        for (name, role) in [("one", "org.reader"), ("two", "billing.viewer"), ("three", "trail.viewer")] {
            acme.group(name, &[]).await;
            acme.give_group(name, role, None).await;
        }
        let [one, two, three] = [acme.group_id("one").await, acme.group_id("two").await, acme.group_id("three").await];
        let set = |groups: &[&GroupId]| {
            let groups: BTreeSet<GroupId> = groups.iter().map(|id| (*id).clone()).collect();
            vec![Change::SetGroupsOf { org: acme.id.clone(), member: ana.clone(), groups }]
        };
        let receipt = world.act(set(&[&one, &two])).await;
        assert_eq!((receipt.members[0].gained.len(), receipt.members[0].verdict), (2, Verdict::Keep));
        let receipt = world.act(set(&[&two, &three])).await;
        let line = &receipt.members[0];
        assert_eq!((line.lost.len(), line.gained.len(), line.verdict), (1, 1, Verdict::End));
        assert!(world.act(set(&[&three, &two])).await.is_empty(), "an equal set changes nothing");
        let stranger = world.org("beta").await.group("theirs", &[]).await;
        assert_eq!(world.change(set(&[&two, &stranger])).await.unwrap_err().code(), "not_found");
        assert!(world.act(set(&[&two, &three])).await.is_empty(), "and nothing of it was written");
        assert_eq!(world.act(set(&[])).await.members[0].lost.len(), 2);
    })
    .await;
}

// I31
#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_answers_for_is_listed_and_goes_to_another_or_to_nobody() {
    on_both(async |world| {
        let acme = world.org("acme").await;
        let org = acme.id.clone();
        let web = acme.project("web").await;
        for name in ["ana", "bo", "cem"] {
            acme.person(name, PASSWORD).await;
        }
        let [ana, bo, cem] = [acme.member_id("ana").await, acme.member_id("bo").await, acme.member_id("cem").await];
        let robot = |name: &str, owner: &MembershipId| Change::CreateServiceAccount {
            org: org.clone(),
            project: web.clone(),
            user: UserId::fresh(),
            member: MembershipId::fresh(),
            name: name.to_owned(),
            description: String::new(),
            owner: Some(owner.clone()),
        };
        world.act(vec![robot("builder", &ana), robot("carrier", &ana)]).await;
        let owned = async |member: &MembershipId| {
            let owned = memberships::owned(&mut world.conn().await, member).await.unwrap();
            owned.service_accounts.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
        };
        assert_eq!(owned(&ana).await, ["builder", "carrier"]);
        let hand_over = |from: &MembershipId, to: &MembershipId| Change::Reassign {
            org: org.clone(),
            from: from.clone(),
            to: to.clone(),
        };
        // In one change with the removal, nothing is without somebody for a moment.
        let remove = Change::RemoveMember { org: org.clone(), member: ana.clone() };
        world.act(vec![hand_over(&ana, &bo), remove]).await;
        assert_eq!(owned(&bo).await, ["builder", "carrier"]);
        assert!(world.act(vec![hand_over(&cem, &bo)]).await.is_empty(), "who has nothing hands nothing over");
        assert_eq!(world.change(vec![hand_over(&ana, &bo)]).await.unwrap_err().code(), "not_found");
        world.act(vec![Change::RemoveMember { org: org.clone(), member: bo.clone() }]).await;
        assert!(owned(&bo).await.is_empty() && owned(&cem).await.is_empty(), "nobody answers for them");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_session_of_a_member_ends_and_the_others_stay() {
    server::on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        acme.person("bo", PASSWORD).await;
        let shop = site.client(&acme.application("shop").await);
        let (mut one, mut two) = (site.browser(), site.browser());
        let first = shop.sign_in(&mut one, Person::named("ana")).await;
        let second = shop.sign_in(&mut two, Person::named("ana")).await;
        let end = |member: &MembershipId| {
            let entry = EntryId::trusted(first.claims()["sid"].as_str().unwrap().to_owned());
            vec![Change::EndSession { org: acme.id.clone(), member: member.clone(), entry }]
        };
        let (ana, bo) = (acme.member_id("ana").await, acme.member_id("bo").await);
        assert_eq!(site.change(end(&bo)).await.unwrap_err().code(), "not_found", "it is not bo's");
        let receipt = site.act(end(&ana)).await;
        assert_eq!((receipt.ended.sessions, receipt.ended.token_families, receipt.members.len()), (1, 1, 0));
        assert!(!shop.is_signed_in(&mut one).await && !shop.is_active(first.access()).await);
        assert!(shop.is_signed_in(&mut two).await && shop.is_active(second.access()).await);
        Tokens::read(&shop.refresh(second.refresh()).await);
        assert!(site.act(end(&ana)).await.is_empty(), "it is over already");
    })
    .await;
}
