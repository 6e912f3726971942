//! The log of a connection: what its client asked and what became of it, without a value of what was sent.

use std::time::Duration;

use muster::domain::connection::ScimProfile;
use muster::store::connections;
use muster::store::scim::requests::{self, Logged};
use reqwest::Method;
use serde_json::json;

use super::client::{Push, user};
use crate::support::server::{Site, on_both};

/// The rows of a connection, the newest first, once there are so many.
async fn rows(site: &Site, push: &Push, wanted: usize) -> Vec<Logged> {
    for _ in 0..200 {
        let rows = requests::page(&mut site.conn().await, &push.connection, None, false, 100).await.unwrap();
        if rows.len() >= wanted {
            return rows;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the log has not {wanted} rows")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_leaves_a_row_with_its_shape_and_without_its_values() {
    on_both(async |site| {
        let push = Push::open(site, &site.org("acme").await, ScimProfile::Auto).await;
        let ana = push.create_user("zebedee").await;
        push.get("/Users?filter=userName%20eq%20%22zebedee%22&startIndex=1").await;
        push.get("/Users/zebedee?zebedee@pushed.test").await;
        let operations = json!([
            { "op": "Replace", "path": "emails[type eq \"zebedee\"].value", "value": "zebedee@other.test" },
            { "op": "add", "value": { "nickName": "zebedee" } },
        ]);
        let patched = push.operate(&format!("/Users/{ana}"), operations).await;
        assert_eq!(patched.status, 200, "{}", patched.json);
        push.post("/Users/.search", json!({ "filter": "displayName sw \"zebedee\"", "count": 1 })).await;
        push.send(Method::POST, "/Groups", None, &[]).await;
        let rows = rows(site, &push, 6).await;
        let seen: Vec<(&str, &str, i64)> =
            rows.iter().rev().map(|row| (row.method.as_str(), row.path.as_str(), row.status)).collect();
        let one = format!("/Users/{ana}");
        let expected = [
            ("POST", "/Users", 201),
            ("GET", "/Users?filter(userName)&startIndex", 200),
            ("GET", "/Users/*?*", 404),
            ("PATCH", one.as_str(), 200),
            ("POST", "/Users/.search", 200),
            ("POST", "/Groups", 400),
        ];
        assert_eq!(seen, expected);
        assert!(rows.iter().all(|row| row.took_us > 0), "{rows:?}");
        let (created, patched) = (&rows[5], &rows[2]);
        assert!(created.change.is_some() && patched.change.is_some() && rows[4].change.is_none());
        assert!(created.body.contains("userName") && created.body.contains("emails[1]"), "{}", created.body);
        assert_eq!(patched.body, "replace emails[type].value; add {nickName}");
        assert!(rows[1].body.contains("(displayName)"), "{}", rows[1].body);
        assert!(!rows[0].detail.is_empty() && created.detail.is_empty());
        for row in &rows {
            let kept = format!("{} {} {}", row.path, row.body, row.detail);
            assert!(!kept.contains("zebedee"), "{kept}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_shows_when_it_was_heard_of_last_and_what_went_wrong() {
    on_both(async |site| {
        let org = site.org("acme").await;
        let push = Push::open(site, &org, ScimProfile::Auto).await;
        let other = Push::open(site, &org, ScimProfile::Auto).await;
        push.create_user("ana").await;
        push.get("/Users/0").await;
        rows(site, &push, 2).await;
        let read =
            async |push: &Push| connections::by_id(&mut site.conn().await, &push.connection).await.unwrap().unwrap();
        let well = read(&push).await;
        assert!(well.last_sync_at.is_some() && well.last_error_at.is_none(), "{well:?}");
        assert_eq!(push.post("/Users", user("ana")).await.status, 409);
        rows(site, &push, 3).await;
        let ill = read(&push).await;
        assert!(ill.last_error.as_deref().is_some_and(|error| error.starts_with("POST /Users: 409 ")), "{ill:?}");
        let untouched = read(&other).await;
        assert!(untouched.last_sync_at.is_none() && untouched.last_error_at.is_none(), "{untouched:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_leave_no_rows_and_a_stop_loses_none() {
    on_both(async |site| {
        let push = Push::open(site, &site.org("acme").await, ScimProfile::Auto).await;
        assert_eq!(push.with_token("mst_x").get("/Users").await.status, 401);
        let node = site.second_node().await;
        assert_eq!(push.at_node(&node).get("/Users?count=1").await.status, 200);
        node.close().await;
        let rows = rows(site, &push, 1).await;
        assert_eq!((rows.len(), rows[0].path.as_str(), rows[0].status), (1, "/Users?count", 200));
    })
    .await;
}
