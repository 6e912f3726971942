//! Filters of every operator and orders of every kind over many users and groups: what the server finds is what is true of
//! them, in one order, with the right total, on both databases (RFC 7644 §3.4.2.2, §3.4.2.3).

use muster::domain::connection::ScimProfile;
use serde_json::{Value, json};

use super::client::Push;
use super::population::{self, Band, COUNT, ENTERPRISE, Somebody, ids, with};
use crate::support::server::on_both;

/// A filter of users, and of whom it is true.
type OfUsers = (&'static str, fn(&Somebody) -> bool);
/// A filter of groups, and of which it is true.
type OfGroups = (&'static str, fn(&Band) -> bool);

/// What one attribute of texts or truth compares to.
const SIMPLE: [OfUsers; 34] = [
    ("userName eq \"USER007\"", |one| one.number == 7),
    ("userName ne \"user007\"", |one| one.number != 7),
    ("userName co \"ER00\"", |one| one.number < 10),
    ("userName sw \"User01\"", |one| (10..20).contains(&one.number)),
    ("userName ew \"9\"", |one| one.number % 10 == 9),
    ("userName gt \"USER100\"", |one| one.number > 100),
    ("userName ge \"user100\"", |one| one.number >= 100),
    ("userName lt \"user100\"", |one| one.number < 100),
    ("userName le \"user100\"", |one| one.number <= 100),
    ("userName pr", |_| true),
    ("title pr", |one| one.title().is_some()),
    ("not (title pr)", |one| one.title().is_none()),
    ("not(title pr)", |one| one.title().is_none()),
    ("title eq \"engineer\"", |one| one.title() == Some("Engineer")),
    ("title ne \"engineer\"", |one| one.title() != Some("Engineer")),
    ("title eq null", |one| one.title().is_none()),
    ("title ne null", |one| one.title().is_some()),
    ("title co \"GINE\"", |one| one.title().is_some_and(|title| title.contains("gine"))),
    ("title gt \"f\"", |one| one.title().is_some_and(|title| *title.to_lowercase() > *"f")),
    ("title le \"f\"", |one| one.title().is_some_and(|title| *title.to_lowercase() <= *"f")),
    (r#"title eq "\u00c4BTISSIN""#, |one| one.title() == Some("Äbtissin")),
    ("title sw \"äbt\"", |one| one.title() == Some("Äbtissin")),
    ("active eq true", Somebody::active),
    ("active eq false", |one| !one.active()),
    ("active ne true", |one| !one.active()),
    ("active eq \"True\"", Somebody::active),
    ("externalId eq \"X-7\"", |one| one.number == 7),
    ("externalId eq \"x-7\"", |_| false),
    ("externalId sw \"X-1\"", |one| one.external_id().is_some_and(|id| id.starts_with("X-1"))),
    ("externalId pr", |one| one.external_id().is_some()),
    ("name.familyName eq \"family03\"", |one| one.number % 17 == 3),
    ("name.familyName sw \"FAMILY1\"", |one| one.family_name().starts_with("Family1")),
    ("name pr", |_| true),
    ("nickName pr", |_| false),
];

/// Attributes with many values, extensions, what Muster says, and what nobody knows.
const OTHERS: [OfUsers; 29] = [
    ("emails pr", |one| !one.emails().is_empty()),
    ("emails eq null", |one| one.emails().is_empty()),
    ("emails co \"@work.test\"", |one| has(one, "work")),
    ("emails.type eq \"HOME\"", |one| has(one, "home")),
    ("emails.value ew \"home.test\"", |one| has(one, "home")),
    ("emails.type eq \"home\" and emails.value co \"@work\"", |one| has(one, "home") && has(one, "work")),
    ("emails[type eq \"home\" and value co \"@work\"]", |_| false),
    ("emails[type eq \"work\" and value sw \"user1\"]", |one| {
        has(one, "work") && one.number.to_string().starts_with('1')
    }),
    ("emails[type eq \"work\"].value eq \"USER5@work.test\"", |one| one.number == 5),
    ("emails[type eq \"home\"].value eq \"user5@work.test\"", |_| false),
    ("emails[type eq \"home\"].value pr", |one| has(one, "home")),
    ("emails[primary eq true]", |one| one.emails().len() == 2),
    ("emails[primary eq \"True\" and not (type eq \"work\")]", |one| one.emails().len() == 2),
    ("emails.value ne \"user5@work.test\"", |one| one.number != 5),
    ("not (emails.value eq \"user6@work.test\")", |one| one.number != 6),
    ("department eq \"d1\"", |one| one.department().as_deref() == Some("D1")),
    ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department sw \"D\"", |one| {
        one.department().is_some()
    }),
    ("schemas eq \"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\"", |one| one.department().is_some()),
    ("urn:ietf:params:scim:schemas:core:2.0:User:userName eq \"user008\"", |one| one.number == 8),
    ("meta.resourceType eq User", |_| true),
    ("meta.resourceType eq \"Group\"", |_| false),
    ("meta.lastModified ge \"2000-01-01T00:00:00.1234567Z\"", |_| true),
    ("meta.lastModified lt \"2000-01-01T00:00:00Z\"", |_| false),
    ("meta.created gt \"2000-01-01T01:00:00+01:00\"", |_| true),
    ("nope eq \"x\"", |_| false),
    ("nope ne \"x\"", |_| true),
    ("not (nope pr)", |_| true),
    ("groups pr", |one| in_groups(one).next().is_some()),
    ("groups.display sw \"group 00\"", |one| in_groups(one).any(|number| number < 10)),
];

/// How they are put together: not binds closest, then and, then or.
const TOGETHER: [OfUsers; 8] = [
    ("title pr and active eq true or userName sw \"user00\"", |one| {
        one.title().is_some() && one.active() || one.number < 10
    }),
    ("title pr and (active eq true or userName sw \"user00\")", |one| {
        one.title().is_some() && (one.active() || one.number < 10)
    }),
    ("userName sw \"user00\" or title pr and active eq true", |one| {
        one.number < 10 || one.title().is_some() && one.active()
    }),
    ("not (title pr) or active eq false and emails pr", |one| {
        one.title().is_none() || !one.active() && !one.emails().is_empty()
    }),
    ("not (title pr or active eq false) and emails pr", |one| {
        one.title().is_none() && one.active() && !one.emails().is_empty()
    }),
    ("USERNAME EQ \"USER007\" OR TITLE PR AND Active Eq True", |one| {
        one.number == 7 || one.title().is_some() && one.active()
    }),
    (
        "userName eq \"user007\" and externalId eq \"X-7\" and emails[type eq \"home\"].value eq \"user7@home.test\"",
        |one| one.number == 7,
    ),
    ("((((userName eq \"user007\"))))", |one| one.number == 7),
];

const GROUPS: [OfGroups; 12] = [
    ("displayName eq \"GROUP 007\"", |one| one.number == 7),
    ("displayName ne \"group 007\"", |one| one.number != 7),
    ("displayName co \"P 00\"", |one| one.number < 10),
    ("displayName gt \"group 200\"", |one| one.number > 200),
    ("displayName le \"Group 200\"", |one| one.number <= 200),
    ("members pr", |one| !one.number.is_multiple_of(10)),
    ("not (members pr)", |one| one.number.is_multiple_of(10)),
    ("members eq null and displayName ew \"0\"", |one| one.number.is_multiple_of(10)),
    ("externalId pr", |one| one.number.is_multiple_of(2)),
    ("externalId eq \"G-4\"", |one| one.number == 4),
    ("externalId eq \"g-4\"", |_| false),
    ("active eq true", |_| false),
];

/// What can't be asked: never answered with an empty list, which clients take for "no such user".
const REFUSED: [&str; 18] = [
    "active gt true",
    "active co \"t\"",
    "active eq \"perhaps\"",
    "userName zz \"x\"",
    "userName regex \"x\"",
    "userName eq",
    "userName",
    "eq \"x\"",
    "title gt null",
    "password eq \"x\"",
    "password pr",
    "name eq \"x\"",
    "meta.lastModified gt \"yesterday\"",
    "x509Certificates.value gt \"a\"",
    "emails[type eq \"work\"",
    "(title pr",
    "title eq 'x'",
    "title pr active pr",
];

fn has(one: &Somebody, kind: &str) -> bool {
    one.emails().iter().any(|(own, _)| *own == kind)
}

/// The numbers of the groups that somebody is in.
fn in_groups(one: &Somebody) -> impl Iterator<Item = usize> + use<> {
    let user = one.number;
    (0..COUNT).filter(move |number| Band::members(*number).contains(&user))
}

async fn found(push: &Push, path: &str, parameters: &[(&str, &str)]) -> Value {
    push.get(&with(path, parameters)).await.good().json
}

async fn matches(push: &Push, path: &str, filter: &str, expected: Vec<String>) {
    let page = found(push, path, &[("filter", filter), ("count", "1000"), ("attributes", "id")]).await;
    assert_eq!(page["totalResults"], expected.len(), "{filter}");
    assert_eq!(ids(&page), expected, "{filter}");
    // A page of them has the total of all.
    let some = found(push, path, &[("filter", filter), ("count", "7"), ("startIndex", "5")]).await;
    assert_eq!(some["totalResults"], expected.len(), "{filter}");
    let expected: Vec<String> = expected.into_iter().skip(4).take(7).collect();
    assert_eq!(ids(&some), expected, "{filter}, from the fifth on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_finds_of_whom_it_is_true_and_nobody_else() {
    on_both(async |site| {
        let push = Push::open(site, &site.org("acme").await, ScimProfile::Auto).await;
        let users = population::users(&push, COUNT).await;
        let groups = population::groups(&push, &users).await;
        let true_of = |is: &dyn Fn(&Somebody) -> bool| -> Vec<String> {
            users.iter().filter(|one| is(one)).map(|one| one.id.clone()).collect()
        };
        for (filter, is) in SIMPLE.iter().chain(&OTHERS).chain(&TOGETHER) {
            matches(&push, "/Users", filter, true_of(is)).await;
        }
        let true_of_groups = |is: &dyn Fn(&Band) -> bool| -> Vec<String> {
            groups.iter().filter(|one| is(one)).map(|one| one.id.clone()).collect()
        };
        for (filter, is) in &GROUPS {
            matches(&push, "/Groups", filter, true_of_groups(is)).await;
        }

        // Those with an id in them.
        let (user, group) = (&users[100], groups.iter().find(|group| group.number == 5).unwrap());
        let (id, of) = (user.id.as_str(), group.id.as_str());
        let cases: [(String, &dyn Fn(&Somebody) -> bool); 8] = [
            (format!("id eq \"{id}\""), &|one: &Somebody| one.id == id),
            (format!("id ne \"{id}\""), &|one: &Somebody| one.id != id),
            (format!("id gt \"{id}\""), &|one: &Somebody| one.id.as_str() > id),
            (format!("id eq \"{}\"", id.to_uppercase()), &|_: &Somebody| false),
            (format!("id eq \"{id}\" and active eq {}", user.active()), &|one: &Somebody| one.id == id),
            (format!("groups.value eq \"{of}\""), &|one: &Somebody| [5, 6].contains(&one.number)),
            (format!("groups eq \"{of}\" and userName ew \"6\""), &|one: &Somebody| one.number == 6),
            (format!("not (groups.value eq \"{of}\")"), &|one: &Somebody| ![5, 6].contains(&one.number)),
        ];
        for (filter, is) in cases {
            matches(&push, "/Users", &filter, true_of(is)).await;
        }
        let number = users.iter().position(|user| user.number == 33).unwrap();
        let member = users[number].id.as_str();
        let with_member: &dyn Fn(&Band) -> bool = &|one: &Band| [32, 33].contains(&one.number);
        for filter in [
            format!("members eq \"{member}\""),
            format!("members.value eq \"{member}\""),
            format!("members[value eq \"{member}\"]"),
            format!("members[value eq \"{member}\" and type eq \"User\"]"),
        ] {
            matches(&push, "/Groups", &filter, true_of_groups(with_member)).await;
        }
        // As Entra looks whether somebody is in a group.
        let asked = format!("id eq \"{of}\" and members eq \"{member}\"");
        matches(&push, "/Groups", &asked, Vec::new()).await;
        let inside = users.iter().find(|user| user.number == 6).unwrap();
        let asked = format!("id eq \"{of}\" and members eq \"{}\"", inside.id);
        matches(&push, "/Groups", &asked, vec![of.to_owned()]).await;

        for filter in REFUSED {
            let answer = push.get(&with("/Users", &[("filter", filter)])).await;
            assert_eq!(answer.error(), (400, "invalidFilter"), "{filter}");
        }
    })
    .await;
}

/// By what users are sorted, and what they are compared by.
type Order = (&'static str, fn(&Somebody) -> Option<String>);

const ORDERS: [Order; 9] = [
    ("userName", |one| Some(one.key())),
    ("USERNAME", |one| Some(one.key())),
    ("title", |one| one.title().map(str::to_lowercase)),
    ("name.familyName", |one| Some(one.family_name().to_lowercase())),
    ("active", |one| Some(one.active().to_string())),
    ("externalId", Somebody::external_id),
    ("emails", Somebody::main_email),
    ("department", |one| one.department().map(|name| name.to_lowercase())),
    ("nope", |_| None),
];

/// In the order of their ids before; those that are equal stay so, and those without a value are the greatest.
fn sorted(users: &[Somebody], by: fn(&Somebody) -> Option<String>, descending: bool) -> Vec<String> {
    let mut all: Vec<(Option<String>, &Somebody)> = users.iter().map(|one| (by(one), one)).collect();
    all.sort_by(|(one, _), (other, _)| {
        let ascending = (one.is_none(), one).cmp(&(other.is_none(), other));
        if descending { ascending.reverse() } else { ascending }
    });
    all.into_iter().map(|(_, one)| one.id.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_sorted_by_what_is_asked_and_those_without_it_come_last_or_in_descending_order_first() {
    on_both(async |site| {
        let push = Push::open(site, &site.org("acme").await, ScimProfile::Auto).await;
        let users = population::users(&push, 120).await;
        for (by, key) in ORDERS {
            for (order, descending) in [("ascending", false), ("Descending", true)] {
                let expected = sorted(&users, key, descending);
                let asked = [("sortBy", by), ("sortOrder", order), ("count", "1000"), ("attributes", "id")];
                assert_eq!(ids(&found(&push, "/Users", &asked).await), expected, "by {by}, {order}");
                // Page by page it is the same, by index and by cursor.
                let (mut by_index, mut by_cursor, mut cursor) = (Vec::new(), Vec::new(), String::new());
                for start in ["1", "51", "101"] {
                    let asked = [("sortBy", by), ("sortOrder", order), ("count", "50"), ("startIndex", start)];
                    by_index.extend(ids(&found(&push, "/Users", &asked).await));
                    let asked = [("sortBy", by), ("sortOrder", order), ("count", "50"), ("cursor", cursor.as_str())];
                    let page = found(&push, "/Users", &asked).await;
                    by_cursor.extend(ids(&page));
                    cursor = page["nextCursor"].as_str().unwrap_or_default().to_owned();
                }
                assert_eq!((by_index, cursor.as_str()), (expected.clone(), ""), "by {by}, {order}");
                assert_eq!(by_cursor, expected, "by {by}, {order}");
            }
        }
        let some: Vec<Somebody> = users.iter().filter(|one| one.active()).cloned().collect();
        let asked = [("filter", "active eq true"), ("sortBy", "title"), ("count", "1000")];
        let page = found(&push, "/Users", &asked).await;
        assert_eq!(page["totalResults"], some.len());
        assert_eq!(ids(&page), sorted(&some, |one| one.title().map(str::to_lowercase), false));
        // Ascending is what nobody says; an order that is none is refused.
        let asked = [("sortBy", "title"), ("count", "1000")];
        assert_eq!(ids(&found(&push, "/Users", &asked).await), sorted(&users, ORDERS[2].1, false));
        let wrong = push.get(&with("/Users", &[("sortBy", "title"), ("sortOrder", "sideways")])).await;
        assert_eq!(wrong.error(), (400, "invalidValue"));
        // Secrets sort nothing.
        let asked = [("sortBy", "password"), ("count", "1000")];
        let expected: Vec<String> = users.iter().map(|one| one.id.clone()).collect();
        assert_eq!(ids(&found(&push, "/Users", &asked).await), expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_filter_is_refused_at_once() {
    on_both(async |site| {
        let push = Push::open(site, &site.org("acme").await, ScimProfile::Auto).await;
        let many = vec!["title pr"; 65].join(" or ");
        let deep = format!("{}title pr{}", "(".repeat(17), ")".repeat(17));
        let hostile = [
            "(".repeat(10_000),
            "not(".repeat(10_000),
            "emails[".repeat(10_000),
            format!("{}title pr", "(".repeat(4_000)),
            format!("title eq \"{}\"", "x".repeat(1 << 20)),
            many,
            deep,
        ];
        for filter in hostile {
            let begun = std::time::Instant::now();
            let answer = push.post("/Users/.search", json!({ "filter": filter })).await;
            assert_eq!(answer.error(), (400, "invalidFilter"), "{:.60}", filter);
            assert!(begun.elapsed().as_millis() < 1_000, "{:.60}: {:?}", filter, begun.elapsed());
        }
        let urn = format!("{ENTERPRISE}:department eq \"D1\"");
        let most = vec![urn.as_str(); 32].join(" or ");
        assert!(most.len() < 4_096, "{}", most.len());
        assert_eq!(push.post("/Users/.search", json!({ "filter": most })).await.status, 200);
    })
    .await;
}
