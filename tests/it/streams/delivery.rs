//! How events reach their receiver: posted, with its header and signed, again until they are taken and in their order;
//! or fetched, and kept until they are acknowledged. What is paused is held, what is disabled is given up.

use std::time::{Duration, Instant};

use muster::flows::streams::{push, stale};
use muster::kernel::id::StreamId;
use muster::kernel::time::{DAY, MINUTE, SECOND};
use muster::store::outbox;
use reqwest::Method;
use serde_json::{Value, json};

use super::scene::{Inbox, Keeper, Posted, STREAMS, VERIFICATION, call, jtis};
use crate::support::client::part;
use crate::support::server::{Site, on_both};
use crate::support::verifier::Verifier;

/// As long as a receiver waits before it tries its stream again, and a little.
const BREATH: i64 = 31 * SECOND;
const UPDATED: &str = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated";

async fn keeper(site: &Site) -> Keeper {
    Keeper::of(site, &site.org("acme").await, "shop").await
}

/// How many rows wait, were sent and were given up, once that is so.
async fn settles(site: &Site, expected: (i64, i64, i64)) {
    let begun = Instant::now();
    loop {
        let counts = outbox::counts(&mut site.conn().await).await.unwrap();
        if counts == expected {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{counts:?} instead of {expected:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn states(posted: &[Posted]) -> Vec<String> {
    posted.iter().map(Posted::state).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_posted_at_once_with_the_receivers_header_and_our_signature() {
    on_both(async |site| {
        let keeper = keeper(site).await;
        let (open, closed) = (Inbox::open().await, Inbox::open().await);
        let header = "Bearer push_token_5f-3";
        let with = keeper.make_pushed(&closed, Some(header)).await;
        let without = keeper.make_pushed(&open, None).await;
        let begun = Instant::now();
        assert_eq!((keeper.verify(&with, "4/\"é").await, keeper.verify(&without, "").await), (204, 204));
        let posted = closed.wait_for(1).await.remove(0);
        assert!(begun.elapsed() < Duration::from_secs(5), "it took {:?}", begun.elapsed());
        assert_eq!(posted.header("authorization"), header);
        assert_eq!(posted.header("content-type"), "application/secevent+jwt");
        assert_eq!(posted.header("accept"), "application/json");
        assert!(!open.wait_for(1).await[0].headers.contains_key("authorization"));

        let header = part(&posted.token, 0);
        assert_eq!((&header["typ"], &header["alg"]), (&json!("secevent+jwt"), &json!("RS256")));
        let said = Verifier::new(site.at.clone()).verify(&posted.token).await.expect("its signature holds");
        assert_eq!((&said["iss"], &said["aud"]), (&json!(site.at.issuer), &json!("shop")));
        assert_eq!(said["sub_id"], json!({ "format": "opaque", "id": with }));
        assert_eq!(said["events"], json!({ VERIFICATION: { "state": "4/\"é" } }));
        for name in ["sub", "exp", "txn", "nonce"] {
            assert_eq!(said[name], Value::Null, "{name}");
        }
        assert!(said["jti"].as_str().unwrap().starts_with("out_") && said["iat"].is_i64());
        settles(site, (0, 2, 0)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_tried_again_after_half_a_minute_and_a_disabled_one_not_at_all() {
    on_both(async |site| {
        let (keeper, inbox) = (keeper(site).await, Inbox::open().await);
        let stream = keeper.make_pushed(&inbox, None).await;
        assert_eq!(keeper.verify(&stream, "1").await, 204);
        let soon = keeper.post("/ssf/verify", json!({ "stream_id": stream })).await;
        assert_eq!((soon.status, soon.header("retry-after")), (429, "30"));
        site.advance(BREATH);
        assert_eq!(keeper.post("/ssf/verify", json!({ "stream_id": stream })).await.status, 204);
        let posted = inbox.wait_for(2).await;
        assert_eq!(posted[1].claims()["events"], json!({ VERIFICATION: {} }), "no state was given");
        settles(site, (0, 2, 0)).await; // what is under way when a stream is disabled is given up
        keeper.set_status(&stream, "disabled").await;
        site.advance(BREATH);
        assert_eq!(keeper.verify(&stream, "3").await, 409);
        settles(site, (0, 2, 0)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_fetched_stays_until_it_is_acknowledged() {
    on_both(async |site| {
        let keeper = keeper(site).await;
        let (stream, beside) = (keeper.make_polled().await, keeper.make_polled().await);
        assert_eq!(keeper.poll(&stream, json!({ "returnImmediately": true })).await["sets"], json!({}));
        for state in ["1", "2", "3"] {
            assert_eq!(keeper.verify(&stream, state).await, 204);
            site.advance(BREATH);
        }
        let first = keeper.poll(&stream, json!({ "maxEvents": 2, "returnImmediately": true })).await;
        assert_eq!((jtis(&first).len(), &first["moreAvailable"]), (2, &json!(true)));
        let all = keeper.poll(&stream, json!({ "maxEvents": 10, "returnImmediately": true })).await;
        let ids = jtis(&all);
        assert_eq!((ids.len(), &all["moreAvailable"]), (3, &json!(false)));
        assert_eq!(all["sets"][&ids[0]], first["sets"][&ids[0]], "the same token");
        let said = Verifier::new(site.at.clone()).verify(all["sets"][&ids[1]].as_str().unwrap()).await.unwrap();
        assert_eq!((&said["jti"], &said["events"][VERIFICATION]["state"]), (&json!(ids[1]), &json!("2")));

        // Another stream, and another application, take nothing of it.
        keeper.poll(&beside, json!({ "maxEvents": 0, "ack": ids, "returnImmediately": true })).await;
        let other = Keeper::of(site, &site.org("acme").await, "other").await;
        let theirs = other.post(&format!("/ssf/poll/{stream}"), json!({ "ack": ids, "returnImmediately": true })).await;
        assert_eq!(theirs.status, 404);
        assert_eq!(keeper.waiting(&stream).await, ids);

        let told = json!({
            "ack": [ids[0], "unknown"], "maxEvents": 0,
            "setErrs": { ids[1].clone(): { "err": "invalid_key", "description": "it is not known" } },
        });
        assert_eq!(keeper.poll(&stream, told).await["sets"], json!({}));
        assert_eq!(keeper.waiting(&stream).await, ids[2..]);
        settles(site, (1, 1, 1)).await;
        let last = keeper.poll(&stream, json!({ "ack": [ids[2]], "returnImmediately": true })).await;
        assert_eq!(last, json!({ "sets": {}, "moreAvailable": false }));
        settles(site, (0, 2, 1)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_waits_is_answered_as_soon_as_there_is_something() {
    on_both(async |site| {
        let keeper = keeper(site).await;
        let stream = keeper.make_polled().await;
        let path = format!("/ssf/poll/{stream}");
        let (at, token) = (site.at.clone(), keeper.token.clone());
        let waits = tokio::spawn(async move { call(&at, &token, Method::POST, &path, Some("{}")).await });
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert!(!waits.is_finished(), "there is nothing to be told");
        let begun = Instant::now();
        assert_eq!(keeper.verify(&stream, "x").await, 204);
        let answer = waits.await.unwrap();
        assert_eq!((answer.status, jtis(&answer.json()).len()), (200, 1));
        assert!(begun.elapsed() < Duration::from_secs(5), "it took {:?}", begun.elapsed());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_stream_holds_its_events_and_goes_on_with_them_in_their_order() {
    on_both(async |site| {
        let (keeper, inbox) = (keeper(site).await, Inbox::open().await);
        let (pushed, polled) = (keeper.make_pushed(&inbox, None).await, keeper.make_polled().await);
        for stream in [&pushed, &polled] {
            keeper.set_status(stream, "paused").await;
        }
        for state in ["1", "2", "3"] {
            for stream in [&pushed, &polled] {
                assert_eq!(keeper.verify(stream, state).await, 204);
            }
            site.advance(BREATH);
        }
        site.outbox_bell.notify_one();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(inbox.posted().is_empty() && keeper.waiting(&polled).await.is_empty());
        for stream in [&pushed, &polled] {
            keeper.set_status(stream, "enabled").await;
        }
        assert_eq!(states(&inbox.wait_for(3).await), ["1", "2", "3"]);
        assert_eq!(keeper.waiting(&polled).await.len(), 3);
        settles(site, (3, 3, 0)).await;

        // One that is disabled has none left, and gets none back.
        keeper.set_status(&polled, "disabled").await;
        settles(site, (0, 3, 3)).await;
        keeper.set_status(&polled, "enabled").await;
        assert!(keeper.waiting(&polled).await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_posted_again_and_what_comes_after_it_waits() {
    on_both(async |site| {
        let (keeper, inbox) = (keeper(site).await, Inbox::open().await);
        let stream = keeper.make_pushed(&inbox, None).await;
        inbox.answer(401, "");
        assert_eq!(keeper.verify(&stream, "1").await, 204);
        inbox.wait_for(1).await;
        settles(site, (1, 0, 0)).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        site.advance(BREATH);
        inbox.answer(503, "");
        assert_eq!(keeper.verify(&stream, "2").await, 204);
        inbox.wait_for(2).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        inbox.answer(202, "");
        site.advance(2 * MINUTE);
        site.outbox_bell.notify_one();
        let posted = inbox.wait_for(4).await;
        assert_eq!(states(&posted), ["1", "1", "1", "2"], "the first is posted until it is taken");
        assert_eq!(posted[0].claims()["jti"], posted[2].claims()["jti"]);
        settles(site, (0, 2, 0)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_receiver_does_not_understand_is_not_posted_again() {
    on_both(async |site| {
        let (keeper, inbox) = (keeper(site).await, Inbox::open().await);
        let stream = keeper.make_pushed(&inbox, None).await;
        for (number, (status, body)) in [(400, "{\"err\":\"invalid_audience\"}"), (410, "")].into_iter().enumerate() {
            inbox.answer(status, body);
            assert_eq!(keeper.verify(&stream, "x").await, 204);
            settles(site, (0, 0, i64::try_from(number).unwrap() + 1)).await;
            site.advance(BREATH);
        }
        assert_eq!((inbox.posted().len(), keeper.status(&stream).await.as_str()), (2, "enabled"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_events_given_up_in_a_row_pause_a_stream_and_its_receiver_is_told() {
    on_both(async |site| {
        let (keeper, inbox) = (keeper(site).await, Inbox::open().await);
        let stream = keeper.make_pushed(&inbox, None).await;
        let id: StreamId = stream.parse().unwrap();
        inbox.answer(500, "");
        assert_eq!(keeper.verify(&stream, "waits").await, 204);
        inbox.wait_for(1).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        for _ in 0..9 {
            push::note_given_up(site, &id).await.unwrap();
        }
        assert_eq!(keeper.status(&stream).await, "enabled");
        push::note_given_up(site, &id).await.unwrap();
        assert_eq!(keeper.status(&stream).await, "paused");
        let told = inbox.wait_for(2).await.remove(1).claims();
        assert_eq!(told["events"][UPDATED]["status"], "paused");
        assert!(told["events"][UPDATED]["reason"].is_string() && told["sub_id"]["id"] == json!(stream));
        site.advance(2 * MINUTE);
        site.outbox_bell.notify_one();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(inbox.posted().len(), 2, "what failed before is held");
        inbox.answer(202, "");
        keeper.set_status(&stream, "enabled").await;
        assert_eq!(inbox.wait_for(3).await[2].state(), "waits");
        settles(site, (0, 2, 0)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_follow_a_stream_that_changes_its_way() {
    on_both(async |site| {
        let (keeper, inbox) = (keeper(site).await, Inbox::open().await);
        let stream = keeper.make_polled().await;
        assert_eq!(keeper.verify(&stream, "1").await, 204);
        let push =
            json!({ "method": "urn:ietf:rfc:8935", "endpoint_url": inbox.url, "authorization_header": "Basic eDp5" });
        let change = async |delivery: &Value| {
            let body = json!({ "stream_id": stream, "delivery": delivery });
            let answer = keeper.call(Method::PATCH, STREAMS, Some(&body)).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert!(!answer.body.contains("eDp5"), "the header is shown to nobody");
        };
        change(&push).await;
        assert_eq!(inbox.wait_for(1).await[0].header("authorization"), "Basic eDp5");
        let gone = keeper.post(&format!("/ssf/poll/{stream}"), json!({ "returnImmediately": true })).await;
        assert_eq!(gone.status, 404, "nothing is fetched from a stream that is posted");
        // The header stays with its address, and goes to no other.
        let elsewhere = Inbox::open().await;
        for (to, headers) in [(&inbox, "Basic eDp5"), (&elsewhere, "")] {
            change(&json!({ "method": "urn:ietf:rfc:8935", "endpoint_url": to.url })).await;
            site.advance(BREATH);
            let before = to.posted().len();
            assert_eq!(keeper.verify(&stream, "2").await, 204);
            assert_eq!(to.wait_for(before + 1).await[before].header("authorization"), headers);
        }
        change(&json!({ "method": "urn:ietf:rfc:8936" })).await;
        site.advance(BREATH);
        assert_eq!(keeper.verify(&stream, "3").await, 204);
        assert_eq!(keeper.waiting(&stream).await.len(), 1);
        settles(site, (1, 3, 0)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_fetches_is_given_up_after_a_week() {
    on_both(async |site| {
        let keeper = keeper(site).await;
        let stream = keeper.make_polled().await;
        assert_eq!(keeper.verify(&stream, "x").await, 204);
        site.advance(7 * DAY - MINUTE);
        assert_eq!(stale::mend(site).await.unwrap(), stale::Mended::default());
        site.advance(2 * MINUTE);
        assert_eq!(stale::mend(site).await.unwrap(), stale::Mended { released: 0, given_up: 1 });
        settles(site, (0, 0, 1)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_of_a_stream_that_is_deleted_go_nowhere() {
    on_both(async |site| {
        let (keeper, inbox) = (keeper(site).await, Inbox::open().await);
        let stream = keeper.make_pushed(&inbox, None).await;
        keeper.set_status(&stream, "paused").await;
        assert_eq!(keeper.verify(&stream, "x").await, 204);
        let answer = keeper.call(Method::DELETE, &format!("{STREAMS}?stream_id={stream}"), None).await;
        assert_eq!(answer.status, 204);
        settles(site, (0, 0, 1)).await;
        assert!(inbox.posted().is_empty());
    })
    .await;
}
