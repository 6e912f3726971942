//! Reading what connections own: each look-up, pages from both ends, and nothing of anybody else.

use muster::domain::scim::plan::Lookup;
use muster::kernel::id::{GroupId, MembershipId, UserId};
use muster::store::scim::{groups, users};

use super::store_scene::{GROUPS, Owner, USERS, two};
use crate::source::rust_files;
use crate::support::world::{Kind, World, on_both};

/// More than there are.
const ALL: usize = 10_000;

async fn users_by(world: &World, owner: &Owner, lookup: Lookup) -> Vec<UserId> {
    let found = users::look_up(&mut world.conn().await, &owner.connection, &lookup, ALL).await.unwrap();
    found.into_iter().map(|one| one.user).collect()
}

async fn groups_by(world: &World, owner: &Owner, lookup: Lookup) -> Vec<GroupId> {
    let found = groups::look_up(&mut world.conn().await, &owner.connection, &lookup, ALL).await.unwrap();
    found.into_iter().map(|one| one.group).collect()
}

fn email(kind: Option<&str>, value: &str) -> Lookup {
    Lookup::Email { kind: kind.map(str::to_owned), value: value.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_look_up_finds_the_users_of_its_connection_alone() {
    on_both(async |world| {
        let (own, foreign) = two(&world).await;
        let seven = own.users([7].into_iter());
        assert_eq!(users_by(&world, &own, Lookup::Id(own.user(7).to_string())).await, seven);
        assert_eq!(users_by(&world, &own, Lookup::UserName("user7".to_owned())).await, seven);
        assert_eq!(users_by(&world, &foreign, Lookup::UserName("user7".to_owned())).await, [foreign.user(7)]);
        let shared = own.users([7, 207].into_iter());
        assert_eq!(users_by(&world, &own, Lookup::ExternalId("ext-7".to_owned())).await, shared);
        assert_eq!(users_by(&world, &own, email(None, "user7@example.test")).await, seven);
        assert_eq!(users_by(&world, &own, email(None, "user8@example.test")).await, [own.user(8)]);
        assert_eq!(users_by(&world, &own, email(Some("home"), "user8@example.test")).await, [own.user(8)]);
        let in_three = own.users((0..USERS).filter(|number| number % GROUPS == 3));
        assert_eq!(users_by(&world, &own, Lookup::Member(own.group(3).to_string())).await, in_three);
        let lately = own.users(USERS - 10..USERS);
        assert_eq!(users_by(&world, &own, Lookup::ModifiedSince(i64::from(1000 + USERS - 10))).await, lately);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_for_what_is_not_there_finds_nothing() {
    on_both(async |world| {
        let (own, foreign) = two(&world).await;
        let nothing = [
            Lookup::Id(foreign.user(7).to_string()),
            Lookup::Id(own.group(1).to_string()),
            Lookup::Id(String::new()),
            Lookup::Id("usr_\0".to_owned()),
            Lookup::UserName("user999".to_owned()),
            Lookup::UserName("user\0".to_owned()),
            Lookup::ExternalId("EXT-7".to_owned()),
            Lookup::ExternalId(String::new()),
            email(None, "user999@example.test"),
            email(Some("home"), "user7@example.test"),
            email(Some("\0"), "user7@example.test"),
            Lookup::Member(foreign.group(1).to_string()),
            Lookup::Member("grp_none".to_owned()),
            Lookup::ModifiedSince(i64::from(1000 + USERS)),
        ];
        for lookup in nothing {
            assert!(users_by(&world, &own, lookup.clone()).await.is_empty(), "{lookup:?}");
        }
        let nothing = [
            Lookup::Id(foreign.group(1).to_string()),
            Lookup::Id(own.user(1).to_string()),
            Lookup::DisplayName("group 99".to_owned()),
            Lookup::DisplayName("local".to_owned()),
            Lookup::ExternalId("EXT-1".to_owned()),
            Lookup::Member(foreign.user(1).to_string()),
            Lookup::Member("nobody\0".to_owned()),
            Lookup::ModifiedSince(i64::from(1000 + GROUPS)),
            Lookup::UserName("user7".to_owned()),
            email(None, "user7@example.test"),
        ];
        for lookup in nothing {
            assert!(groups_by(&world, &own, lookup.clone()).await.is_empty(), "{lookup:?}");
        }
        let conn = &mut world.conn().await;
        assert!(users::find(conn, &own.connection, &foreign.user(1)).await.unwrap().is_none());
        assert!(groups::find(conn, &own.connection, &foreign.group(1)).await.unwrap().is_none());
        // What has no index is never answered with nothing: that would read as "there is no such user".
        for lookup in [Lookup::Scan, Lookup::DisplayName("x".to_owned())] {
            assert!(users::look_up(conn, &own.connection, &lookup, ALL).await.is_err());
        }
        assert!(groups::look_up(conn, &own.connection, &Lookup::Scan, ALL).await.is_err());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_and_a_group_are_read_as_they_were_written() {
    on_both(async |world| {
        let (own, _) = two(&world).await;
        let conn = &mut world.conn().await;
        let user = users::find(conn, &own.connection, &own.user(9)).await.unwrap().unwrap();
        assert_eq!((user.user, user.member, user.connection), (own.user(9), own.member(9), own.connection.clone()));
        assert_eq!((user.active, user.version, user.created_at.0, user.modified_at.0), (false, 3, 7, 1009));
        assert_eq!(user.object["userName"], "User9");
        let group = groups::find(conn, &own.connection, &own.group(2)).await.unwrap().unwrap();
        assert_eq!((group.group, group.name.as_str()), (own.group(2), "Group 2"));
        assert_eq!((group.version, group.created_at.0, group.modified_at.0), (2, 8, 1002));
        assert_eq!(group.object["displayName"], "Group 2");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_look_up_finds_the_groups_of_its_connection_alone() {
    on_both(async |world| {
        let (own, foreign) = two(&world).await;
        assert_eq!(groups_by(&world, &own, Lookup::Id(own.group(2).to_string())).await, [own.group(2)]);
        assert_eq!(groups_by(&world, &own, Lookup::DisplayName("group 2".to_owned())).await, [own.group(2)]);
        assert_eq!(groups_by(&world, &foreign, Lookup::DisplayName("group 2".to_owned())).await, [foreign.group(2)]);
        assert_eq!(groups_by(&world, &own, Lookup::ExternalId("ext-2".to_owned())).await, [own.group(2)]);
        let both = [own.group(0), own.group(1)];
        assert_eq!(groups_by(&world, &own, Lookup::Member(own.user(1).to_string())).await, both);
        assert_eq!(groups_by(&world, &own, Lookup::ModifiedSince(1005)).await, [own.group(5), own.group(6)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_users_meet_whichever_end_they_are_read_from() {
    on_both(async |world| {
        let (own, _) = two(&world).await;
        let conn = &mut world.conn().await;
        let all = own.users(0..USERS);
        let (mut seen, mut after): (Vec<UserId>, _) = (Vec::new(), String::new());
        loop {
            let page = users::after(conn, &own.connection, &after, 100).await.unwrap();
            let Some(last) = page.last() else { break };
            after = last.user.to_string();
            seen.extend(page.into_iter().map(|one| one.user));
        }
        assert_eq!(seen, all);
        for offset in [0, 1, 74, 75, 76, 124, 125, 126, 150, 200, 249, 250, 251, usize::MAX] {
            for limit in [0, 1, 7, 100, 1000, usize::MAX] {
                let page = users::at_offset(conn, &own.connection, offset, limit, i64::from(USERS)).await.unwrap();
                let page: Vec<UserId> = page.into_iter().map(|one| one.user).collect();
                let wanted: Vec<UserId> = all.iter().skip(offset).take(limit).cloned().collect();
                assert_eq!(page, wanted, "{limit} behind {offset}");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_groups_meet_whichever_end_they_are_read_from() {
    on_both(async |world| {
        let (own, _) = two(&world).await;
        let conn = &mut world.conn().await;
        let all: Vec<GroupId> = (0..GROUPS).map(|number| own.group(number)).collect();
        let first = groups::after(conn, &own.connection, "", 4).await.unwrap();
        let behind = first.last().unwrap().group.to_string();
        let rest = groups::after(conn, &own.connection, &behind, 4).await.unwrap();
        let read: Vec<GroupId> = first.into_iter().chain(rest).map(|one| one.group).collect();
        assert_eq!(read, all);
        for offset in 0..9 {
            for limit in 0..9 {
                let page = groups::at_offset(conn, &own.connection, offset, limit, i64::from(GROUPS)).await.unwrap();
                let page: Vec<GroupId> = page.into_iter().map(|one| one.group).collect();
                let wanted: Vec<GroupId> = all.iter().skip(offset).take(limit).cloned().collect();
                assert_eq!(page, wanted, "{limit} behind {offset}");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_a_group_is_read_in_pages_and_for_many_groups_at_once() {
    on_both(async |world| {
        let (own, foreign) = two(&world).await;
        let conn = &mut world.conn().await;
        let (mut seen, mut after): (Vec<(MembershipId, UserId, String)>, _) = (Vec::new(), String::new());
        loop {
            let page = groups::members_page(conn, &own.group(0), &after, 100).await.unwrap();
            let Some((last, ..)) = page.last() else { break };
            after = last.to_string();
            seen.extend(page);
        }
        assert_eq!(seen.len(), USERS as usize);
        assert_eq!(seen[4], (own.member(4), own.user(4), "Name 4".to_owned()));
        assert_eq!(seen[5].2, "User5", "who has no name is shown by the user name");
        let (two, three) = (own.group(2), own.group(3));
        let many = groups::members_of_many(conn, &[three.clone(), two.clone()]).await.unwrap();
        let of =
            |group: &GroupId| many.iter().filter(|(id, ..)| id == group).map(|(_, user, _)| user.clone()).collect();
        let (in_two, in_three): (Vec<UserId>, Vec<UserId>) = (of(&two), of(&three));
        assert_eq!(in_two, own.users((0..USERS).filter(|number| number % GROUPS == 2)));
        assert_eq!(in_three, own.users((0..USERS).filter(|number| number % GROUPS == 3)));
        assert!(groups::members_of_many(conn, &[]).await.unwrap().is_empty());
        assert!(groups::is_member(conn, &two, &own.user(2)).await.unwrap());
        assert!(!groups::is_member(conn, &two, &own.user(3)).await.unwrap());
        assert!(!groups::is_member(conn, &two, &foreign.user(2)).await.unwrap());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_and_their_groups_are_those_that_the_connection_owns() {
    on_both(async |world| {
        let (own, foreign) = two(&world).await;
        let conn = &mut world.conn().await;
        let asked =
            [own.user(3).to_string(), foreign.user(3).to_string(), "usr_\0".to_owned(), own.group(1).to_string()];
        let found = users::members(conn, &own.connection, &asked).await.unwrap();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [(own.user(3).to_string(), own.member(3))]);
        let asked = [own.member(1), own.member(7), foreign.member(1)];
        let found = users::groups_of(conn, &own.connection, &asked).await.unwrap();
        let named = |member: u32, group: u32| (own.member(member), own.group(group), format!("Group {group}"));
        assert_eq!(found, [named(1, 0), named(1, 1), named(7, 0)], "not the local group, and nobody else's");
    })
    .await;
}

/// What a statement that holds these words must be answered by, on the embedded database.
const INDEXES: [(&str, &str); 15] = [
    ("user_name_key = $2", "scim_users_name (connection_id=? AND user_name_key=?)"),
    ("FROM scim_users WHERE connection_id = $1 AND external_id = $2", "scim_users_external"),
    ("s.external_id = $2", "scim_groups_external"),
    ("value_key = $2", "scim_emails_value (connection_id=? AND value_key=?)"),
    ("FROM scim_users WHERE connection_id = $1 AND modified_at >= $2", "scim_users_modified"),
    ("s.modified_at >= $2", "scim_groups_modified"),
    ("s.name_key = $2", "scim_groups_name (connection_id=? AND name_key=?)"),
    ("user_id > $2 ORDER BY user_id", "scim_users_list (connection_id=? AND user_id>?)"),
    ("ORDER BY user_id DESC LIMIT 1 OFFSET $2", "scim_users_list (connection_id=? AND user_id<?)"),
    ("m.user_id = $2 AND e.group_id = $1", "(group_id=? AND membership_id=?)"),
    ("id < $2 AND status >= 400", "scim_requests_errors"),
    ("decide_at <= $1", "scim_held_due"),
    ("path = $2 AND state = 'held'", "scim_held_open (connection_id=? AND path=?)"),
    ("COALESCE(checked_at, 0) <= $1", "org_domains_due"),
    ("c.expires_at < $1", "scim_credentials_end"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_finds_its_rows_by_an_index() {
    let world = World::fresh(Kind::Sqlite).await.unwrap();
    let mut conn = world.conn().await;
    let mut unseen: Vec<&str> = INDEXES.iter().map(|(words, _)| *words).collect();
    let places = [
        "src/store/scim/",
        "src/store/connections.rs",
        "src/store/domains.rs",
        "src/store/access_edit/connections.rs",
        "src/store/access_edit/provisioned.rs",
        "src/store/federation/",
        "src/store/sessions_through.rs",
        "src/store/access_edit/federation.rs",
        "src/store/access_edit/mapped.rs",
    ];
    for file in rust_files(&["src/store"]).iter().filter(|file| file.is_in(&places)) {
        for (line, literal) in &file.literals {
            let text = literal.trim_matches('"');
            if !["SELECT ", "UPDATE ", "DELETE "].iter().any(|verb| text.starts_with(verb)) {
                continue;
            }
            let explain: &'static str = Box::leak(format!("EXPLAIN QUERY PLAN {text}").into_boxed_str());
            let query = if text.contains('@') { conn.query_in(explain, &[]) } else { conn.query(explain) };
            let steps: Vec<(i64, i64, i64, String)> = query.all().await.unwrap();
            let plan: Vec<String> = steps.into_iter().map(|(.., step)| step).collect();
            let place = format!("{}:{line} {plan:#?}", file.path);
            assert!(!plan.iter().any(|step| scans(step, text)), "{place}");
            for (words, index) in INDEXES.iter().filter(|(words, _)| text.contains(words)) {
                assert!(plan.iter().any(|step| step.contains(index)), "{place} lacks {index}");
                unseen.retain(|one| one != words);
            }
        }
    }
    assert!(unseen.is_empty(), "no statement has {unseen:?}");
    drop(conn);
    world.db.close().await;
}

/// Whether a step of a plan reads all of a table that the statement names, by its own name or another.
fn scans(step: &str, text: &str) -> bool {
    let Some(table) = step.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next()) else {
        return false;
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    words.windows(2).any(|pair| matches!(pair[0], "FROM" | "JOIN") && pair[1] == table)
        || words.windows(3).any(|three| matches!(three[0], "FROM" | "JOIN") && three[2].trim_end_matches(')') == table)
}
