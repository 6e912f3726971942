//! The list of an organisation's people: in order, in pages, searched by how names, addresses and numbers begin.

use muster::domain::change::{Change, NewUser};
use muster::domain::oidc::claims::Profile;
use muster::domain::people::user::{Kind, MembershipState, UserState};
use muster::domain::source::Source;
use muster::kernel::id::{GroupId, MembershipId, OrgId, UserId};
use muster::store::member_list::{self, Listed, Query};

use crate::support::world::{World, on_both};

/// Somebody without a password, and the membership.
fn person(org: &OrgId, user_name: &str, name: &str, phone: Option<&str>) -> [Change; 2] {
    let user = UserId::fresh();
    let profile = Profile {
        name: Some(name.to_owned()),
        email: Some(format!("{}@example.test", user_name.to_lowercase())),
        phone_number: phone.map(str::to_owned),
        ..Profile::default()
    };
    let new = NewUser {
        id: user.clone(),
        kind: Kind::Managed(org.clone()),
        user_name: user_name.to_owned(),
        profile,
        state: UserState::Active,
        source: Source::Local,
        password: None,
        must_change: false,
    };
    let (member, state, source) = (MembershipId::fresh(), MembershipState::Active, Source::Local);
    [Change::CreateUser(Box::new(new)), Change::AddMember { org: org.clone(), member, user, state, source }]
}

/// Every page, one after the other.
async fn all(world: &World, org: &OrgId, search: Option<&str>, limit: usize) -> Vec<Listed> {
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let query = Query { search, after: after.take(), limit, people_only: true };
        let page = member_list::page(&mut world.conn().await, org, &query).await.unwrap();
        assert!(page.len() <= limit);
        match page.last() {
            Some(last) => after = Some(last.cursor.clone()),
            None => return listed,
        }
        listed.extend(page);
    }
}

fn names(listed: &[Listed]) -> Vec<&str> {
    listed.iter().map(|row| row.user_name.as_str()).collect()
}

async fn cast(world: &World) -> OrgId {
    let org = world.org("acme").await.id;
    let mut changes = Vec::new();
    for (user_name, name, phone) in [
        ("Zoe", "Zoe Ana Zimmer", None),
        ("ana", "Ana Anders", Some("+82 10 1234 5678")),
        ("bo", "Bo Müller", Some("+82 10 9999 0000")),
        ("Ånna", "Ånna Öst", None),
        ("anabel", "Anabel Ortiz", None),
    ] {
        changes.extend(person(&org, user_name, name, phone));
    }
    let project = muster::kernel::id::ProjectId::fresh();
    let (key, name) = ("web".to_owned(), "Web".to_owned());
    changes.push(Change::CreateProject { org: org.clone(), project: project.clone(), key, name });
    changes.push(Change::CreateServiceAccount {
        org: org.clone(),
        project,
        user: UserId::fresh(),
        member: MembershipId::fresh(),
        name: "anabot".to_owned(),
        description: String::new(),
        owner: None,
    });
    // Somebody of another organisation with the same beginning.
    let beta = world.org("beta").await.id;
    changes.extend(person(&beta, "anatol", "Anatol Berg", None));
    world.act(changes).await;
    org
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_on_exactly_one_page_and_service_accounts_on_none() {
    on_both(async |world| {
        let org = cast(&world).await;
        for limit in [1, 2, 3, 100] {
            let listed = all(&world, &org, None, limit).await;
            let mut found = names(&listed);
            assert_eq!(found.len(), 5, "{limit}: {found:?}");
            assert_eq!(&found[..2], ["ana", "anabel"], "by folded user name");
            found.sort_unstable();
            assert_eq!(found, ["Zoe", "ana", "anabel", "bo", "Ånna"]);
        }
        let row = all(&world, &org, Some("bo"), 9).await.remove(0);
        assert_eq!((row.name.as_str(), row.email.as_deref()), ("Bo Müller", Some("bo@example.test")));
        assert_eq!((row.member_state, row.user_state), (MembershipState::Active, UserState::Active));
        assert_eq!((row.kind.clone(), row.last_sign_in_at), (Kind::Managed(org.clone()), None));
        let query = Query { search: None, after: None, limit: 100, people_only: false };
        let with_tools = member_list::page(&mut world.conn().await, &org, &query).await.unwrap();
        assert_eq!(with_tools.len(), 6);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_finds_beginnings_of_names_words_addresses_and_numbers_each_person_once() {
    on_both(async |world| {
        let org = cast(&world).await;
        let cases: [(&str, &[&str]); 9] = [
            ("an", &["Zoe", "ana", "anabel"]),
            ("ANA A", &["ana"]),
            ("mül", &["bo"]),
            ("ö", &["Ånna"]),
            ("ånna", &["Ånna"]),
            ("ana@ex", &["ana"]),
            ("+82 10 1", &["ana"]),
            ("+8210", &["ana", "bo"]),
            ("nobody", &[]),
        ];
        for (search, expected) in cases {
            for limit in [1, 2, 100] {
                let listed = all(&world, &org, Some(search), limit).await;
                let mut found = names(&listed);
                found.sort_unstable();
                assert_eq!(found, expected, "{search:?} by {limit}");
            }
        }
        assert_eq!(all(&world, &org, Some("  "), 100).await.len(), 5, "blank is everybody");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_renamed_or_removed_is_found_so_at_once() {
    on_both(async |world| {
        let org = cast(&world).await;
        let bo = all(&world, &org, Some("bo"), 9).await.remove(0);
        let profile = Box::new(Profile { name: Some("Robert Miller".to_owned()), ..Profile::default() });
        world.act(vec![Change::SetProfile { user: bo.user.clone(), user_name: "rob".to_owned(), profile }]).await;
        assert!(
            all(&world, &org, Some("bo"), 9).await.is_empty() && all(&world, &org, Some("mül"), 9).await.is_empty()
        );
        assert_eq!(names(&all(&world, &org, Some("mill"), 9).await), ["rob"]);
        world.act(vec![Change::RemoveMember { org: org.clone(), member: bo.member }]).await;
        assert!(all(&world, &org, Some("rob"), 9).await.is_empty());
        let ana = all(&world, &org, Some("ana a"), 9).await.remove(0);
        world.act(vec![Change::SetUserState { user: ana.user, state: UserState::Deleted }]).await;
        assert_eq!(all(&world, &org, None, 2).await.len(), 3);
    })
    .await;
}

/// A database from before kept neither keys nor terms.
#[tokio::test(flavor = "multi_thread")]
async fn members_from_before_get_their_places_once() {
    on_both(async |world| {
        let org = cast(&world).await;
        let before = names(&all(&world, &org, None, 100).await).join(" ");
        let forgotten: Result<(), sqlx::Error> = world
            .db
            .write(|tx| {
                Box::pin(async move {
                    tx.query("DELETE FROM member_terms").execute().await?;
                    tx.query("UPDATE memberships SET user_key = ''").execute().await.map(|_| ())
                })
            })
            .await;
        forgotten.unwrap();
        assert!(all(&world, &org, Some("an"), 9).await.is_empty());
        member_list::fill(&world.db).await.unwrap();
        assert_eq!(all(&world, &org, Some("an"), 9).await.len(), 3);
        assert_eq!(names(&all(&world, &org, None, 100).await).join(" "), before);
        member_list::fill(&world.db).await.unwrap();
        assert_eq!(all(&world, &org, Some("an"), 1).await.len(), 3);
    })
    .await;
}

/// More than one statement takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_group_is_filled_and_emptied_and_nobody_is_left_out() {
    on_both(async |world| {
        let org = world.org("acme").await.id;
        let changes: Vec<Change> =
            (0..1_100).flat_map(|n| person(&org, &format!("person-{n}"), &format!("Person {n}"), None)).collect();
        let member = |change: &Change| match change {
            Change::AddMember { member, .. } => Some(member.clone()),
            _ => None,
        };
        let members: Vec<MembershipId> = changes.iter().filter_map(member).collect();
        world.act(changes).await;
        let group = GroupId::fresh();
        let (name, description) = ("all".to_owned(), String::new());
        let create = Change::CreateGroup { org: org.clone(), group: group.clone(), name, description };
        let add = Change::AddToGroup { org: org.clone(), group: group.clone(), members: members.clone() };
        world.act(vec![create, add]).await;
        let inside = muster::store::groups::member_ids(&mut world.conn().await, &group).await.unwrap();
        assert_eq!(inside.len(), members.len());
        assert_eq!(all(&world, &org, Some("person"), 400).await.len(), members.len());
        world.act(vec![Change::RemoveFromGroup { org, group: group.clone(), members }]).await;
        let inside = muster::store::groups::member_ids(&mut world.conn().await, &group).await.unwrap();
        assert!(inside.is_empty());
    })
    .await;
}
