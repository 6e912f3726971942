//! Lists as people and programs send them: with somebody in them twice, and with somebody who is not concerned.

use muster::domain::access::{Policy, Verdict};
use muster::domain::change::{Change, Mode};

use super::books::Books;
use super::scene::Scene;
use super::snapshot::Snapshot;
use crate::support::world::on_both;

/// The second picture of the same member must not take the place of the first.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_named_twice_in_one_removal_loses_as_much_as_one_named_once() {
    on_both(async |world| {
        let mut scene = Scene::set(&world, 1, [Policy::Strict, Policy::Strict]).await;
        let org = scene.orgs[0].clone();
        let mut books = Books::default();
        books.sign_everybody_in(&scene).await;
        let batch = scene.batch();
        let (devs, group) =
            batch.org(&org).groups.iter().find(|(_, group)| group.name == "devs").expect("the scene has it");
        // Bo is in this group alone; ana, who owns the organisation, is in none.
        let ana = batch.org(&org).owner.clone().expect("an owner");
        let bo =
            group.members.iter().find(|id| batch.org(&org).members[*id].user == scene.users[1]).expect("bo").clone();
        let devs = devs.clone();
        let mut batch = scene.batch();
        batch.remove_from_group(&org, &devs, &[bo.clone(), ana, bo.clone()]);
        assert!(matches!(&batch.changes[..], [Change::RemoveFromGroup { members, .. }] if members.len() == 3));
        let preview = scene.ask(&batch, Mode::DryRun).await.unwrap();
        let receipt = scene.carry(batch).await;
        assert_eq!((receipt.members.len(), receipt.members[0].verdict, receipt.ended.sessions), (1, Verdict::End, 1));
        assert_eq!((preview.members, preview.ended), (receipt.members, receipt.ended));
        let after = Snapshot::read(&scene).await;
        assert!(books.entries.iter().all(|(id, entry)| after.entries.contains(id) == (entry.member != bo)));
    })
    .await;
}
