//! Lists page by page: by index (RFC 7644 §3.4.2.4) and by cursor (RFC 9865), whole, in one order, and nobody else's.

use std::collections::BTreeSet;

use muster::domain::connection::ScimProfile;
use muster::kernel::time::{HOUR, MINUTE};
use serde_json::{Value, json};

use super::client::Push;
use super::population::{self, Band, COUNT, Somebody, ids, with};
use crate::support::server::{Site, on_both};

async fn acme(site: &Site) -> Push {
    Push::open(site, &site.org("acme").await, ScimProfile::Auto).await
}

async fn page(push: &Push, path: &str, parameters: &[(&str, &str)]) -> Value {
    push.get(&with(path, parameters)).await.good().json
}

/// What a page of these parameters is refused with.
async fn refused(push: &Push, path: &str, parameters: &[(&str, &str)]) -> (u16, String) {
    let answer = push.get(&with(path, parameters)).await;
    let (status, word) = answer.error();
    (status, word.to_owned())
}

/// Follows the cursors from the first page to the last one; the pages.
async fn walk(push: &Push, path: &str, parameters: &[(&str, &str)]) -> Vec<Value> {
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let mut asked = parameters.to_vec();
        asked.push(("cursor", &cursor));
        let page = page(push, path, &asked).await;
        assert!(page.get("startIndex").is_none() && page.get("previousCursor").is_none(), "{page}");
        let next = page.get("nextCursor").map(|next| next.as_str().unwrap().to_owned());
        pages.push(page);
        assert!(pages.len() <= COUNT, "there is no end");
        let Some(next) = next else { return pages };
        let unreserved = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
        assert!(!next.is_empty() && next.chars().all(unreserved), "{next}");
        cursor = next;
    }
}

fn joined(pages: &[Value]) -> Vec<String> {
    pages.iter().flat_map(ids).collect()
}

/// All pages by index, of so many each.
async fn by_index(push: &Push, path: &str, count: usize) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let start = (all.len() + 1).to_string();
        let page = page(push, path, &[("startIndex", &start), ("count", &count.to_string())]).await;
        assert_eq!((&page["totalResults"], page["startIndex"].to_string()), (&json!(COUNT), start), "{path}");
        let more = ids(&page);
        if more.is_empty() {
            return all;
        }
        assert_eq!(more.len(), count.min(COUNT - all.len()), "{path}");
        all.extend(more);
    }
}

/// All groups with nothing but their members, and with everything but them.
async fn lists_of_members(push: &Push, users: &[Somebody], groups: &[Band]) {
    let expected = |group: &Band| -> BTreeSet<String> {
        let inside = Band::members(group.number);
        users.iter().filter(|user| inside.contains(&user.number)).map(|user| user.id.clone()).collect()
    };
    let shown = page(push, "/Groups", &[("attributes", "members"), ("count", "1000")]).await;
    assert_eq!(ids(&shown).len(), groups.len());
    for (group, shown) in groups.iter().zip(shown["Resources"].as_array().unwrap()) {
        assert!(shown.get("displayName").is_none(), "{shown}");
        let members = shown["members"].as_array().into_iter().flatten();
        let members: BTreeSet<String> = members.map(|one| one["value"].as_str().unwrap().to_owned()).collect();
        assert_eq!(members, expected(group), "{shown}");
    }
    let without = page(push, "/Groups", &[("excludedAttributes", "members"), ("count", "1000")]).await;
    assert_eq!(ids(&without).len(), groups.len());
    assert!(without["Resources"].as_array().unwrap().iter().all(|group| group.get("members").is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_by_index_and_by_cursor_are_the_whole_list_in_the_order_of_ids() {
    on_both(async |site| {
        let push = acme(site).await;
        let users = population::users(&push, COUNT).await;
        let groups = population::groups(&push, &users).await;
        lists_of_members(&push, &users, &groups).await;
        let users: Vec<String> = users.into_iter().map(|user| user.id).collect();
        let groups: Vec<String> = groups.into_iter().map(|group| group.id).collect();
        for (path, expected) in [("/Users", &users), ("/Groups", &groups)] {
            assert_eq!(by_index(&push, path, 40).await, *expected, "{path}");
            for (count, number) in [("40", 7), ("50", 5), ("249", 2), ("250", 1), ("1000", 1)] {
                let pages = walk(&push, path, &[("count", count)]).await;
                assert_eq!((pages.len(), joined(&pages)), (number, expected.clone()), "{path}, {count} a page");
                assert!(pages.iter().all(|page| page["totalResults"] == COUNT), "{path}");
            }
            // Without a count there are a hundred on a page.
            assert_eq!(ids(&page(&push, path, &[]).await), expected[..100]);
            assert_eq!(ids(&page(&push, path, &[("cursor", "")]).await), expected[..100]);
        }
        // Both kinds together: users before groups.
        let both: Vec<String> = users.iter().chain(&groups).cloned().collect();
        assert_eq!(joined(&walk(&push, "/", &[("count", "70")]).await), both);
        let across = page(&push, "/", &[("startIndex", "246"), ("count", "10"), ("attributes", "id")]).await;
        assert_eq!((&across["totalResults"], ids(&across)), (&json!(2 * COUNT), both[245..255].to_vec()));
        // A body asks the same.
        let first = json!({ "cursor": "", "count": 60, "attributes": ["userName"] });
        let first = push.post("/Users/.search", first).await.good().json;
        assert_eq!(ids(&first), users[..60]);
        let second = json!({ "cursor": first["nextCursor"], "count": 60, "attributes": ["userName"] });
        assert_eq!(ids(&push.post("/Users/.search", second).await.good().json), users[60..120]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_any_size_are_brought_into_bounds_and_what_is_none_is_refused() {
    on_both(async |site| {
        let push = acme(site).await;
        let users: Vec<String> = population::users(&push, 30).await.into_iter().map(|user| user.id).collect();
        let cases: [(&str, &str, std::ops::Range<usize>, i64); 12] = [
            ("1", "0", 0..0, 1),
            ("1", "-1", 0..0, 1),
            ("1", "-99999999999999999999", 0..0, 1),
            ("0", "5", 0..5, 1),
            ("-7", "5", 0..5, 1),
            ("-9223372036854775809", "5", 0..5, 1),
            ("1", "99999999999999999999", 0..30, 1),
            ("1", "9223372036854775807", 0..30, 1),
            ("28", "1000", 27..30, 28),
            ("30", "1", 29..30, 30),
            ("31", "10", 30..30, 31),
            ("9223372036854775807", "9223372036854775807", 30..30, i64::MAX),
        ];
        for filter in [None, Some("userName sw \"user\"")] {
            for (start, count, expected, shown) in &cases {
                let mut asked = vec![("startIndex", *start), ("count", *count)];
                asked.extend(filter.map(|filter| ("filter", filter)));
                let page = page(&push, "/Users", &asked).await;
                assert_eq!(ids(&page), users[expected.clone()], "{asked:?}");
                assert_eq!((&page["totalResults"], &page["startIndex"]), (&json!(30), &json!(shown)), "{asked:?}");
            }
        }
        for (name, wrong) in [("count", "ten"), ("count", "1.5"), ("startIndex", "0x1"), ("startIndex", "--1")] {
            assert_eq!(refused(&push, "/Users", &[(name, wrong)]).await, (400, "invalidValue".to_owned()), "{wrong}");
        }
        assert_eq!(ids(&page(&push, "/Users", &[("COUNT", "3"), ("STARTINDEX", "2")]).await), users[1..4]);
        // By cursor, too: no resources is no end of the list that could be gone on from.
        let none = page(&push, "/Users", &[("cursor", ""), ("count", "0")]).await;
        assert_eq!((&none["totalResults"], ids(&none)), (&json!(30), Vec::new()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_is_good_for_its_list_its_connection_and_an_hour() {
    on_both(async |site| {
        let push = acme(site).await;
        population::users(&push, 30).await;
        push.create_group("Devs", &[]).await;
        push.create_group("Ops", &[]).await;
        let invalid = (400, "invalidCursor".to_owned());
        let asked = [("count", "10"), ("filter", "active eq true"), ("cursor", "")];
        let first = page(&push, "/Users", &asked).await;
        let cursor = first["nextCursor"].as_str().unwrap();
        let good = [("count", "10"), ("filter", "active eq true"), ("cursor", cursor)];
        let second = ids(&page(&push, "/Users", &good).await);
        assert!(!second.is_empty() && ids(&first).iter().all(|id| !second.contains(id)));
        assert_eq!(ids(&page(&push, "/Users", &good).await), second, "it can be asked again");

        // Forged, shortened, changed in one place, or of another kind of thing.
        let mut forged = vec!["x".to_owned(), "0".to_owned(), "a".repeat(2_000), cursor[1..].to_owned()];
        for place in [0, cursor.len() / 2, cursor.len() - 1] {
            let mut bytes = cursor.as_bytes().to_vec();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            forged.push(String::from_utf8(bytes).unwrap());
        }
        forged.push(push.token.clone());
        for cursor in &forged {
            let asked = [("count", "10"), ("filter", "active eq true"), ("cursor", cursor.as_str())];
            assert_eq!(refused(&push, "/Users", &asked).await, invalid, "{cursor}");
        }

        // With other parameters, or for another list.
        for asked in [
            vec![("count", "10"), ("cursor", cursor)],
            vec![("count", "10"), ("filter", "active eq false"), ("cursor", cursor)],
            vec![("count", "10"), ("filter", "active eq true"), ("sortBy", "title"), ("cursor", cursor)],
            vec![("count", "10"), ("filter", "active eq true"), ("attributes", "title"), ("cursor", cursor)],
        ] {
            assert_eq!(refused(&push, "/Users", &asked).await, invalid, "{asked:?}");
        }
        let more = [("count", "11"), ("filter", "active eq true"), ("cursor", cursor)];
        assert_eq!(refused(&push, "/Users", &more).await, (400, "invalidCount".to_owned()));
        let first = page(&push, "/Groups", &[("count", "1"), ("cursor", "")]).await;
        let of_groups = first["nextCursor"].as_str().unwrap();
        for path in ["/Users", "/"] {
            assert_eq!(refused(&push, path, &[("count", "1"), ("cursor", of_groups)]).await, invalid, "{path}");
        }

        // Of another connection of the same organisation, and of another organisation's.
        let sister = acme(site).await;
        let stranger = Push::open(site, &site.org("globex").await, ScimProfile::Auto).await;
        for other in [&sister, &stranger] {
            population::users(other, if other.org == push.org { 0 } else { 30 }).await;
            assert_eq!(refused(other, "/Users", &good).await, invalid);
        }

        site.advance(HOUR - MINUTE);
        assert_eq!(ids(&page(&push, "/Users", &good).await), second);
        site.advance(MINUTE);
        assert_eq!(refused(&push, "/Users", &good).await, (400, "expiredCursor".to_owned()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_and_goes_between_two_pages_moves_nobody_else() {
    on_both(async |site| {
        let push = acme(site).await;
        let users: Vec<String> = population::users(&push, 40).await.into_iter().map(|user| user.id).collect();
        let asked = [("count", "10"), ("cursor", "")];
        let first = page(&push, "/Users", &asked).await;
        // Gone: one that was shown, the one that the page ended with, and one that was to come.
        for gone in [3, 9, 15] {
            assert_eq!(push.delete(&format!("/Users/{}", users[gone])).await.status, 204);
        }
        let new = push.create_user("zoe").await;
        let (mut all, mut next) = (ids(&first), first["nextCursor"].clone());
        while let Some(cursor) = next.as_str() {
            let page = page(&push, "/Users", &[("count", "10"), ("cursor", cursor)]).await;
            assert_eq!(page["totalResults"], 40, "as many as there were when the list began");
            all.extend(ids(&page));
            next = page["nextCursor"].clone();
        }
        let mut expected: Vec<String> =
            users.iter().enumerate().filter(|(at, _)| *at != 15).map(|(_, id)| id.clone()).collect();
        expected.push(new);
        assert_eq!(all, expected, "each once, and nobody is left out");
        assert_eq!(page(&push, "/Users", &[("count", "0")]).await["totalResults"], 38);
    })
    .await;
}
