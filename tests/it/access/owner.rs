//! The owner stays until the ownership is transferred, and the groups that every organisation has keep what they are.

use muster::domain::access::{Role, Scope, Subject, Verdict};
use muster::domain::apply_file::ApplyFile;
use muster::domain::change::{Actor, Change, Mode};
use muster::domain::people::user::{AccessType, MembershipState, UserState};
use muster::flows::apply_file::{plan, run};
use muster::flows::change_access::{Refusal, change_access};
use muster::kernel::id::MembershipId;
use muster::store::orgs::{self, predefined_groups};
use muster::store::{groups, memberships, users};

use super::scene::always;
use crate::support::PASSWORD;
use crate::support::org::Org;
use crate::support::world::{World, on_both};

async fn owned(world: &World) -> (Org, MembershipId) {
    let acme = world.org("acme").await;
    acme.person("olivia", PASSWORD).await;
    let olivia = acme.member_id("olivia").await;
    world.act(vec![Change::TransferOwnership { org: acme.id.clone(), to: olivia.clone() }]).await;
    (acme, olivia)
}

// I32 I41
#[tokio::test(flavor = "multi_thread")]
async fn nobody_suspends_removes_or_deletes_the_owner_and_the_refusal_names_the_way_out() {
    on_both(async |world| {
        let (acme, olivia) = owned(&world).await;
        let (org, user) = (acme.id.clone(), acme.user_id("olivia").await);
        let state = MembershipState::Suspended;
        let attempts = [
            Change::SetMemberState { org: org.clone(), member: olivia.clone(), state },
            Change::SetUserState { user: user.clone(), state: UserState::Suspended },
            Change::SetUserState { user: user.clone(), state: UserState::Deleted },
            Change::RemoveMember { org: org.clone(), member: olivia.clone() },
            Change::SetAccessType { user: user.clone(), access: AccessType::Key },
            Change::RestrictMember { org: org.clone(), member: olivia.clone(), to: Some([].into()) },
        ];
        for actor in [Actor::CommandLine, Actor::User(user.clone())] {
            for change in &attempts {
                let asked = change_access(&world, &actor, vec![change.clone()], Mode::Act).await;
                let Err(Refusal::Blocked { object, clear, .. }) = asked else {
                    panic!("{actor:?} {change:?}: {asked:?}");
                };
                assert_eq!(object, olivia.as_str());
                assert_eq!(clear, format!("POST /api/v1/orgs/{org}/transfer"));
            }
        }
        // What the call that clears it does, clears it.
        acme.person("nora", PASSWORD).await;
        let to = acme.member_id("nora").await;
        world.act(vec![Change::TransferOwnership { org: org.clone(), to }]).await;
        let receipt = world.act(vec![Change::RemoveMember { org: org.clone(), member: olivia }]).await;
        assert_eq!(receipt.acts.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deprovisioning_does_not_wait_for_a_transfer() {
    on_both(async |world| {
        let (acme, olivia) = owned(&world).await;
        let org = acme.id.clone();
        let upstream = Actor::System("deprovisioned");
        let suspend = Change::SetMemberState { org, member: olivia.clone(), state: MembershipState::Deactivated };
        let receipt = change_access(&world, &upstream, vec![suspend], Mode::Act).await.unwrap();
        assert_eq!((receipt.members[0].verdict, receipt.members[0].lost.is_empty()), (Verdict::End, false));
        let user = acme.user_id("olivia").await;
        let suspend = Change::SetUserState { user, state: UserState::Deactivated };
        assert_eq!(change_access(&world, &upstream, vec![suspend], Mode::Act).await.unwrap().acts.len(), 1);
        // The ownership stands, and waits for its transfer.
        let found = orgs::find(&mut world.conn().await, &acme.id).await.unwrap().unwrap();
        assert_eq!(found.owner, Some(olivia));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ownership_goes_to_somebody_who_can_sign_in() {
    on_both(async |world| {
        let (acme, _) = owned(&world).await;
        let org = acme.id.clone();
        for name in ["sue", "kit", "rob"] {
            acme.person(name, PASSWORD).await;
        }
        let [sue, kit, rob] = [acme.member_id("sue").await, acme.member_id("kit").await, acme.member_id("rob").await];
        world
            .act(vec![
                Change::SetMemberState { org: org.clone(), member: sue.clone(), state: MembershipState::Suspended },
                Change::SetAccessType { user: acme.user_id("kit").await, access: AccessType::Key },
                Change::RestrictMember { org: org.clone(), member: rob.clone(), to: Some([].into()) },
            ])
            .await;
        for to in [sue, kit, rob] {
            let refusal = world.change(vec![Change::TransferOwnership { org: org.clone(), to }]).await.unwrap_err();
            assert_eq!(refusal.code(), "invalid", "{refusal}");
        }
        let to = MembershipId::fresh();
        let refusal = world.change(vec![Change::TransferOwnership { org, to }]).await.unwrap_err();
        assert_eq!(refusal.code(), "not_found");
    })
    .await;
}

// N27
#[tokio::test(flavor = "multi_thread")]
async fn predefined_groups_keep_name_and_roles_and_their_members_change() {
    on_both(async |world| {
        let acme = world.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let ana = acme.member_id("ana").await;
        let org = acme.id.clone();
        let [admins, readers] = predefined_groups(&org);
        let found = groups::of_org(&mut world.conn().await, &org).await.unwrap();
        let names: Vec<&str> = found.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(names, ["Organization Admins", "Organization Readers"]);
        assert_eq!((&found[0].id, &found[1].id), (&admins.id, &readers.id));

        let receipt = acme.put_in("Organization Admins", &["ana"]).await;
        let gained: Vec<&Role> = receipt.members[0].gained.iter().map(|held| &held.role).collect();
        assert_eq!(gained, [&Role::OrgAdmin]);
        let subject = Subject::Group(admins.id.clone());
        let given = memberships::bindings_reaching(&mut world.conn().await, &ana).await.unwrap().remove(0);
        let (group, description) = (admins.id.clone(), String::new());
        let attempts = [
            Change::RenameGroup { org: org.clone(), group: group.clone(), name: "Bosses".to_owned(), description },
            Change::DeleteGroup { org: org.clone(), group: group.clone() },
            Change::Bind { org: org.clone(), binding: always(Role::TrailViewer, Scope::Org, subject.clone()) },
            Change::Unbind { org: org.clone(), binding: given.id.clone() },
        ];
        for change in attempts {
            match world.change(vec![change.clone()]).await {
                Err(Refusal::Invalid { field: "group", reason }) => assert!(reason.contains("predefined"), "{reason}"),
                other => panic!("{change:?}: {other:?}"),
            }
        }
        // What changes nothing is no change.
        let again = world.act(vec![Change::Bind { org, binding: always(Role::OrgAdmin, Scope::Org, subject) }]).await;
        assert!(again.is_empty());
        let receipt = acme.take_out("Organization Admins", &["ana"]).await;
        assert_eq!(receipt.members[0].verdict, Verdict::End);
    })
    .await;
}

const FILE: &str = r#"
[[organisation]]
slug = "acme"
name = "Acme"
owner = "olivia"
prune = true

  [[organisation.person]]
  user_name = "olivia"
  password_env = "PASSWORD"

  [[organisation.person]]
  user_name = "ana"
  password_env = "PASSWORD"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_file_puts_people_into_predefined_groups_and_prunes_none_of_them() {
    on_both(async |world| {
        let env = |_: &str| Some(PASSWORD.to_owned());
        let admins = "\n  [[organisation.group]]\n  name = \"Organization Admins\"\n  members = [\"ana\"]\n";
        let with_role = format!("{FILE}{admins}  roles = [\"org.admin\"]\n");
        let (plain, without_role) = (FILE.to_owned(), format!("{FILE}{admins}"));
        // The first of them makes the organisation.
        for text in [&with_role, &without_role, &with_role, &plain] {
            let file = ApplyFile::parse(text).unwrap_or_else(|error| panic!("{error}"));
            run(&world, &file, &env, Mode::Act).await.unwrap_or_else(|error| panic!("{error}\n{text}"));
            let planned = plan(&world, &file, &env).await.unwrap().changes;
            assert!(planned.is_empty(), "{planned:?}");
        }
        let acme = world.org("acme").await;
        let [admins, readers] = predefined_groups(&acme.id);
        let mut conn = world.conn().await;
        let found = groups::of_org(&mut conn, &acme.id).await.unwrap();
        assert_eq!(found.iter().map(|group| &group.id).collect::<Vec<_>>(), [&admins.id, &readers.id]);
        let inside = groups::member_ids(&mut conn, &admins.id).await.unwrap();
        drop(conn);
        assert_eq!(inside, [acme.member_id("ana").await], "who is not named stays as it is");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_suspends_the_owner_of_before_when_another_one_is_in_place() {
    on_both(async |world| {
        let env = |_: &str| Some(PASSWORD.to_owned());
        let apply = async |text: &str| {
            let file = ApplyFile::parse(text).unwrap_or_else(|error| panic!("{error}"));
            run(&world, &file, &env, Mode::Act).await.unwrap_or_else(|error| panic!("{error}\n{text}"))
        };
        apply(FILE).await;
        let name = "user_name = \"olivia\"";
        let changed = FILE.replace(name, &format!("{name}\n  state = \"suspended\""));
        apply(&changed.replace("owner = \"olivia\"", "owner = \"ana\"")).await;
        let acme = world.org("acme").await;
        let user = acme.user_id("olivia").await;
        let found = users::find(&mut world.conn().await, &user).await.unwrap().unwrap();
        assert_eq!(found.state, UserState::Suspended);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_leaves_its_organisation_and_its_address_makes_a_new_one() {
    on_both(async |world| {
        let acme = world.org("acme").await;
        let before = acme.person("ana", PASSWORD).await;
        acme.group("devs", &["ana"]).await;
        acme.give("ana", "org.reader", None).await;
        let member = acme.member_id("ana").await;
        world.act(vec![Change::SetUserState { user: before.clone(), state: UserState::Deleted }]).await;
        let mut conn = world.conn().await;
        assert!(memberships::find(&mut conn, &acme.id, &member).await.unwrap().is_none());
        assert!(memberships::bindings_reaching(&mut conn, &member).await.unwrap().is_empty());
        let tombstone = users::find(&mut conn, &before).await.unwrap().unwrap();
        assert_eq!((tombstone.state, tombstone.user_name.as_str()), (UserState::Deleted, "ana"));
        drop(conn);
        let after = acme.person("ana", PASSWORD).await;
        assert_ne!(before, after);
        let back = Change::SetUserState { user: before, state: UserState::Active };
        assert_eq!(world.change(vec![back]).await.unwrap_err().code(), "not_found", "it is for good");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_organisations_account_becomes_no_member_here() {
    on_both(async |world| {
        let (acme, beta) = (world.org("acme").await, world.org("beta").await);
        let ana = acme.person("ana", PASSWORD).await;
        let join = Change::AddMember {
            org: beta.id.clone(),
            member: MembershipId::fresh(),
            user: ana,
            state: MembershipState::Active,
            source: muster::domain::source::Source::Local,
        };
        assert_eq!(world.change(vec![join]).await.unwrap_err().code(), "not_found");
    })
    .await;
}
