//! Nobody gives beyond their own reach: refused at the door, written down, and without any other trace.

use muster::domain::access::{Policy, Role, Scope, Subject};
use muster::domain::change::{Actor, Change, Mode};
use muster::flows::change_access::{Refusal, change_access};
use muster::kernel::id::{GroupId, MembershipId, OrgId, UserId};

use super::scene::{Scene, always};
use super::snapshot::Snapshot;
use crate::support::world::on_both;

/// Acme with people who may do a little each: bo manages identities, cem administers the project `web`, dia reads.
struct Cast {
    org: OrgId,
    bo: UserId,
    cem: UserId,
    dia: UserId,
    /// Of another organisation.
    eve: UserId,
    bos: MembershipId,
    cems: MembershipId,
    /// Gives `org.admin`.
    board: GroupId,
    web: Scope,
    data: Scope,
}

/// The scene's own groups would let dia and cem administer every project; they leave.
async fn cast(scene: &mut Scene) -> Cast {
    let org = scene.orgs[0].clone();
    let mut batch = scene.batch();
    let own = batch.org(&org).groups.iter().filter(|(_, group)| !group.system).map(|(id, _)| id.clone());
    for group in own.collect::<Vec<_>>() {
        batch.delete_group(&org, &group);
    }
    let of = |batch: &super::batch::Batch, user: &UserId| {
        let found = batch.org(&org).members.iter().find(|(_, member)| member.user == *user);
        found.map(|(id, _)| id.clone()).expect("a member")
    };
    let [bo, cem, dia] = [1, 2, 3].map(|number| scene.users[number].clone());
    let (bos, cems, dias) = (of(&batch, &bo), of(&batch, &cem), of(&batch, &dia));
    let project = |batch: &super::batch::Batch, key: &str| {
        let found = batch.org(&org).projects.iter().find(|(_, other)| *other == key);
        found.map(|(id, _)| Scope::Project(id.clone())).expect("a project")
    };
    let (web, data) = (project(&batch, "web"), project(&batch, "data"));
    let board = batch.create_group(&org, "board");
    batch.bind(&org, always(Role::OrgAdmin, Scope::Org, Subject::Group(board.clone())));
    batch.bind(&org, always(Role::IamAdmin, Scope::Org, Subject::Member(bos.clone())));
    batch.bind(&org, always(Role::ProjectAdmin, web.clone(), Subject::Member(cems.clone())));
    batch.bind(&org, always(Role::OrgReader, Scope::Org, Subject::Member(dias)));
    scene.carry(batch).await;
    let eve = scene.users[5].clone();
    Cast { org, bo, cem, dia, eve, bos, cems, board, web, data }
}

async fn refused(scene: &Scene, actor: &UserId, change: Change) -> (Refusal, usize) {
    let before = Snapshot::read(scene).await;
    let actor = Actor::User(actor.clone());
    let refusal = change_access(&scene.world, &actor, vec![change.clone()], Mode::Act).await.expect_err("beyond reach");
    let after = Snapshot::read(scene).await;
    let rows = after.audited_since(&before);
    assert!(
        rows.iter().all(|(_, by, outcome, change)| *by == actor.label() && outcome == "denied" && change.is_none())
    );
    assert_eq!(Snapshot { audit: before.audit.clone(), ..after }, before, "{change:?} left a trace");
    (refusal, rows.len())
}

// I04
#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_beyond_their_own_reach_and_the_attempt_is_written_down() {
    on_both(async |world| {
        let mut scene = Scene::set(&world, 1, [Policy::Strict, Policy::Strict]).await;
        let Cast { org, bo, cem, dia, eve, bos, cems, board, web, data } = cast(&mut scene).await;
        let bind = |role, scope: &Scope, to: &MembershipId| {
            let binding = always(role, scope.clone(), Subject::Member(to.clone()));
            Change::Bind { org: org.clone(), binding }
        };
        let join = Change::AddToGroup { org: org.clone(), group: board.clone(), members: vec![bos.clone()] };
        let attempts = [
            (&bo, bind(Role::OrgAdmin, &Scope::Org, &bos)),
            (&bo, bind(Role::ProjectReader, &web, &bos)),
            (&bo, join), // the group would give what she can't
            (&bo, Change::DeleteGroup { org: org.clone(), group: board.clone() }),
            (&cem, bind(Role::ProjectReader, &data, &cems)),
            (&cem, bind(Role::ProjectReader, &Scope::AllProjects, &cems)),
            (&cem, bind(Role::OrgReader, &Scope::Org, &cems)),
            (&dia, bind(Role::OrgReader, &Scope::Org, &bos)),
            (&dia, Change::RemoveMember { org: org.clone(), member: bos.clone() }),
            (&bo, bind(Role::OrgOwner, &Scope::Org, &bos)),
        ];
        for (actor, change) in attempts {
            let (refusal, rows) = refused(&scene, actor, change.clone()).await;
            assert_eq!((refusal.code(), rows), ("denied", 1), "{change:?}");
        }
        // Who is of another organisation hears that this one isn't there; the sweep is no person's to ask for.
        for change in [bind(Role::OrgReader, &Scope::Org, &bos), Change::EndWindows { org: org.clone() }] {
            let sweep = matches!(change, Change::EndWindows { .. });
            let (refusal, rows) = refused(&scene, &eve, change).await;
            assert_eq!((refusal.code(), rows), (if sweep { "denied" } else { "not_found" }, 1));
        }
        // Within their reach they give.
        for (actor, change) in
            [(bo, bind(Role::IamViewer, &Scope::Org, &cems)), (cem, bind(Role::ProjectMember, &web, &bos))]
        {
            let receipt = change_access(&scene.world, &Actor::User(actor), vec![change], Mode::Act).await.unwrap();
            assert_eq!((receipt.members.len(), receipt.members[0].lost.len()), (1, 0));
        }
    })
    .await;
}

/// What somebody lost a moment ago no longer reaches anywhere, in the very same change.
#[tokio::test(flavor = "multi_thread")]
async fn a_reach_that_is_lost_within_a_change_does_not_carry_the_rest_of_it() {
    on_both(async |world| {
        let mut scene = Scene::set(&world, 1, [Policy::Strict, Policy::Strict]).await;
        let Cast { org, bo, bos, cems, .. } = cast(&mut scene).await;
        let mut batch = scene.batch();
        let mine = batch.org(&org).bindings.values().find(|binding| binding.subject == Subject::Member(bos.clone()));
        let mine = mine.expect("bo's own role").id.clone();
        batch.unbind(&org, &mine);
        let give = always(Role::IamViewer, Scope::Org, Subject::Member(cems));
        let changes = vec![batch.changes[0].clone(), Change::Bind { org: org.clone(), binding: give }];
        let before = Snapshot::read(&scene).await;
        let refusal =
            change_access(&scene.world, &Actor::User(bo), changes, Mode::Act).await.expect_err("no reach is left");
        assert_eq!(refusal.code(), "denied");
        let after = Snapshot::read(&scene).await;
        assert_eq!((after.audited_since(&before).len(), &after.held), (1, &before.held));
    })
    .await;
}
