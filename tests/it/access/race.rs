//! Two removals at the same time, each of one of the last two groups that give somebody a role.

use muster::domain::access::{Policy, Role, Scope, Subject, Verdict};
use muster::domain::change::Mode;
use muster::domain::people::user::MembershipState;
use muster::kernel::id::GroupId;

use super::books::Books;
use super::scene::{Scene, always};
use super::snapshot::Snapshot;
use crate::support::world::on_both;

const ROUNDS: usize = 20;

/// Each of the two, alone, would leave the role to the other group. Together they take it, and the later must see so.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_removals_at_once_from_the_last_two_groups_that_give_a_role_end_the_session() {
    on_both(async |world| {
        let mut scene = Scene::set(&world, 1, [Policy::Strict, Policy::Strict]).await;
        let (org, fay) = (scene.orgs[0].clone(), scene.users[5].clone());
        let mut books = Books::default();
        for round in 0..ROUNDS {
            let mut batch = scene.batch();
            let member = batch.add_member(&org, &fay, MembershipState::Active);
            let groups: [GroupId; 2] = ["one", "other"].map(|name| {
                let group = batch.create_group(&org, &format!("{name} {round}"));
                batch.bind(&org, always(Role::TrailViewer, Scope::Org, Subject::Group(group.clone())));
                batch.add_to_group(&org, &group, std::slice::from_ref(&member));
                group
            });
            scene.carry(batch).await;
            books.sign_everybody_in(&scene).await;
            let signed_in = books.entries.values().filter(|entry| entry.member == member).count();
            assert_eq!(signed_in, 1, "round {round}");

            let [one, other] = groups.map(|group| {
                let mut batch = scene.batch();
                batch.remove_from_group(&org, &group, std::slice::from_ref(&member));
                batch
            });
            let (first, second) = tokio::join!(scene.ask(&one, Mode::Act), scene.ask(&other, Mode::Act));
            let receipts = [first.unwrap(), second.unwrap()];
            let ends = receipts.iter().flat_map(|receipt| &receipt.members).filter(|line| line.verdict == Verdict::End);
            assert_eq!(ends.count(), 1, "round {round}: {receipts:?}");
            let after = Snapshot::read(&scene).await;
            for (id, _) in books.entries.iter().filter(|(_, entry)| entry.member == member) {
                assert!(!after.entries.contains(id), "round {round}: the session lives on");
            }
            for (id, _) in books.families.iter().filter(|(_, family)| family.member == member) {
                assert!(!after.families.contains(id), "round {round}: a refresh token lives on");
            }

            assert!(after.held[&member].is_empty(), "round {round}: both removals took place");

            // The member goes, and the next round begins.
            let mut batch = scene.batch();
            batch.remove_member(&org, &member);
            let goodbye = scene.ask(&batch, Mode::Act).await.unwrap();
            assert_eq!(goodbye.ended.sessions, 0);
            scene.model = batch.model;
            books.entries.retain(|_, entry| entry.member != member);
            books.families.retain(|_, family| family.member != member);
            books.sessions.retain(|_, user| *user != fay || books.entries.values().any(|entry| entry.user == fay));
        }
    })
    .await;
}
