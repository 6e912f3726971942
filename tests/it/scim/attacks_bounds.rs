//! Filters made to hurt, numbers out of bounds, cursors that are forged: nothing of it keeps us busy, and nothing of
//! it is ever a fault of ours.

use std::time::{Duration, Instant};

use muster::domain::scim::filter::parse_filter;
use muster::domain::scim::path::{parse_attr, parse_path};
use muster::kernel::time::SECOND;
use reqwest::Method;
use serde_json::json;

use super::attacks_dice::{BREATH, acme, is_scim};
use super::attacks_scene::members_of;
use super::client::{Answer, SCIM_JSON};
use crate::support::http;
use crate::support::server::on_both;

/// As long as a hostile text may keep us busy; what it really takes is less than a hundredth.
const PATIENCE: Duration = Duration::from_millis(20);
/// As long as a dozen whole requests may take on a busy machine.
const WHILE: Duration = Duration::from_secs(10);

/// Texts that others were brought down with, none of them a filter (Kanidm's overflow among them).
fn hostile() -> Vec<String> {
    let nested = |open: &str, inside: &str, close: &str, times: usize| {
        format!("{}{inside}{}", open.repeat(times), close.repeat(times))
    };
    let many = |join: &str, times: usize| vec!["userName eq \"a\""; times].join(join);
    vec![
        nested("(", "userName pr", ")", 17),
        nested("(", "userName pr", ")", 2_000),
        nested("(", "userName pr", ")", 10_000),
        nested("not(", "userName pr", ")", 17),
        nested("not (", "userName pr", ")", 10_000),
        nested("emails[", "value pr", "]", 2),
        nested("emails[", "value pr", "]", 5_000),
        nested("emails[not (", "value pr", ")]", 300),
        "(".repeat(4_096),
        "(".repeat(65_536),
        "[".repeat(4_000),
        "emails[(".repeat(500),
        "not ".repeat(1_000),
        "x".repeat(65_536),
        "userName eq ".repeat(300),
        format!("userName eq \"{}", "a".repeat(4_000)),
        format!("userName eq \"{}\"", "\\u0041".repeat(11_000)),
        format!("userName {} \"a\"", "e".repeat(4_000)),
        format!("{}.value eq \"a\"", "emails.".repeat(500)),
        many(" or ", 65),
        many(" and ", 65),
        many(" or ", 1_000),
        many(" and ", 1_000),
        many(" or not (userName pr) and ", 1_000),
        "userName".to_owned(),
        "userName eq".to_owned(),
        "eq \"a\"".to_owned(),
        "userName eq \"a\" or".to_owned(),
        "userName eq \"a\" \"b\"".to_owned(),
        "userName eq 'a'".to_owned(),
        "userName xx \"a\"".to_owned(),
        "emails[".to_owned(),
        "emails[type eq \"work\"".to_owned(),
        "emails]type eq \"work\"[".to_owned(),
        "userName gt null".to_owned(),
        "\u{202e}userName eq \"a\"".to_owned(),
        "userName eq \"\\ud800\"".to_owned(),
    ]
}

#[test]
fn a_text_made_to_hurt_is_no_filter_and_no_path_and_is_seen_through_at_once() {
    for text in hostile() {
        let shown: String = text.chars().take(60).collect();
        // The quickest of three: a machine that does something else meanwhile is not our fault.
        let quickest = (0..3).map(|_| {
            let begun = Instant::now();
            assert!(parse_filter(&text).is_err(), "{shown} is taken for a filter");
            let _ = (parse_path(&text), parse_attr(&text), parse_path(&format!("members[{text}]")));
            begun.elapsed()
        });
        let took = quickest.min().unwrap();
        assert!(took < PATIENCE, "{shown} of {} bytes takes {took:?}", text.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_filter_is_refused_wherever_it_is_sent_and_before_that_a_stranger_is() {
    on_both(async |site| {
        let push = acme(site).await;
        let ana = push.create_user("ana").await;
        let team = push.create_group("Team", &[&ana]).await;
        for (number, text) in hostile().into_iter().enumerate() {
            if number % 20 == 0 {
                site.advance(5 * SECOND);
            }
            let shown: String = text.chars().take(60).collect();
            let query: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
            let begun = Instant::now();
            // What no address can be long enough for is asked by a body alone.
            for path in ["/Users", "/Groups", "/"].into_iter().filter(|_| query.len() < 16_000) {
                let answer = push.get(&format!("{path}?filter={query}")).await;
                let (status, word) = answer.error();
                assert!((status, word) == (400, "invalidFilter") || status == 414, "{shown}: {}", answer.json);
            }
            for path in ["/Users/.search", "/Groups/.search", "/.search"] {
                let answer = push.post(path, json!({ "filter": text })).await;
                assert_eq!(answer.error(), (400, "invalidFilter"), "{path} {shown}");
            }
            for path in [format!("members[{text}]"), format!("members[{text}].value"), format!("emails[{text}].value")]
            {
                for (place, op) in [(format!("/Groups/{team}"), "remove"), (format!("/Users/{ana}"), "add")] {
                    let operations = json!([{ "op": op, "path": path, "value": "x" }]);
                    is_scim(&format!("{place} {shown}"), &push.operate(&place, operations).await);
                }
            }
            assert!(begun.elapsed() < WHILE, "{shown} keeps us busy: {:?}", begun.elapsed());
            let stranger = push.with_token("x").post("/Users/.search", json!({ "filter": text })).await;
            assert_eq!(stranger.error(), (401, ""), "{shown}");
        }
        assert_eq!(members_of(&push, &team).await, std::slice::from_ref(&ana), "no path of these means everybody");
        // The same in the other places where names of attributes stand.
        let long =
            ["a,".repeat(40_000), "a.".repeat(40_000), "[".repeat(60_000), "emails[type eq \"x\"],".repeat(3_000)];
        for text in long {
            for name in ["attributes", "excludedAttributes", "sortBy", "sortOrder", "cursor"] {
                is_scim(name, &push.post("/Users/.search", json!({ name: text })).await);
            }
        }
        let deep = format!("{}1{}", "{\"a\":".repeat(60_000), "}".repeat(60_000));
        let request = push.request(Method::POST, "/Users").header("content-type", SCIM_JSON).body(deep);
        let answer: Answer = http::Answer::to(request).await.into();
        assert_eq!(answer.error(), (400, "invalidSyntax"));
    })
    .await;
}

// Forged pages: ory CVE-2026-33503, Casdoor CVE-2022-24124, Rauthy's page_size=0.
#[tokio::test(flavor = "multi_thread")]
async fn no_number_order_or_cursor_that_is_out_of_bounds_or_forged_is_ever_a_fault_of_ours() {
    on_both(async |site| {
        let push = acme(site).await;
        for name in ["ana", "ben", "cleo"] {
            push.create_user(name).await;
        }
        let page = push.get("/Users?cursor=&count=1").await.good();
        let cursor = page.json["nextCursor"].as_str().expect("there are more").to_owned();
        let numbers = [
            "0",
            "1",
            "-1",
            "-0",
            "+1",
            "3",
            "1000",
            "1001",
            "2147483648",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "1e3",
            "1.5",
            "0x10",
            " 1",
            "1 ",
            "",
            "ten",
            "١",
            "NaN",
            "1;1",
            "1' OR '1'='1",
            "%",
            "1%00",
        ];
        let mut sent = 0;
        let mut ask = async |query: String| {
            sent += 1;
            if sent % BREATH == 0 {
                site.advance(5 * SECOND);
            }
            let answer = push.get(&query).await;
            is_scim(&query, &answer);
            answer
        };
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        for number in numbers {
            for name in ["count", "startIndex", "COUNT", "startindex"] {
                let answer = ask(format!("/Users?{name}={}", encoded(number))).await;
                if answer.status == 200 {
                    assert_eq!(answer.json["totalResults"], 3, "{name}={number}");
                    let shown = answer.json["Resources"].as_array().map_or(0, Vec::len);
                    assert_eq!(answer.json["itemsPerPage"], json!(shown), "{name}={number}");
                    assert!(answer.json["startIndex"].as_i64().is_some_and(|start| start >= 1), "{name}={number}");
                }
            }
            ask(format!("/Users?cursor={}&count=1", encoded(number))).await;
            ask(format!("/?startIndex={0}&count={0}&sortBy=id", encoded(number))).await;
        }
        let sorts = [
            "id",
            "userName",
            "USERNAME",
            "name.familyName",
            "emails",
            "emails.value",
            "emails[type eq \"work\"].value",
            "meta.lastModified",
            "meta",
            "active",
            "password",
            "nothing",
            "urn:x:y",
            "urn:ietf:params:scim:schemas:core:2.0:User",
            "",
            ".",
            "..",
            "a.b.c.d",
            "id; DROP TABLE users",
            "1",
            "members",
            "groups.value",
            "\"",
            "🦀",
        ];
        for sort in sorts {
            for order in ["", "ascending", "DESCENDING", "up", "'"] {
                ask(format!("/Users?sortBy={}&sortOrder={}", encoded(sort), encoded(order))).await;
            }
            ask(format!("/?sortBy={}&cursor=&count=1", encoded(sort))).await;
        }
        for end in [1, cursor.len() / 2, cursor.len() - 1] {
            let cut = ask(format!("/Users?cursor={}&count=1", &cursor[..end])).await;
            assert_eq!(cut.error(), (400, "invalidCursor"), "{end}");
        }
        for place in (0..cursor.len() - 1).step_by(7) {
            let mut bytes = cursor.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(bytes).unwrap();
            let answer = ask(format!("/Users?cursor={forged}&count=1")).await;
            assert_eq!(answer.error(), (400, "invalidCursor"), "changed at {place}");
        }
        for (query, word) in [
            (format!("cursor={cursor}&count=2"), "invalidCount"),
            (format!("cursor={cursor}&count=1&filter=userName%20pr"), "invalidCursor"),
            (format!("cursor={cursor}{cursor}&count=1"), "invalidCursor"),
            (format!("cursor={}&count=1", "A".repeat(3_000)), "invalidCursor"),
        ] {
            assert_eq!(ask(format!("/Users?{query}")).await.error(), (400, word), "{query}");
        }
        assert_eq!(ask(format!("/Users?cursor={cursor}&count=1")).await.status, 200);
    })
    .await;
}
