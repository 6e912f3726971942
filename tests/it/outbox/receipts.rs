//! What a receipt says of each application, an answer that is held until all have heard, and a delivery tried again.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::browser::Person;
use crate::support::org::Org;
use crate::support::receiver::{Manner, Receiver};
use crate::support::server::{Site, on_both};

/// Ana is signed in to a shop of Acme that is told of logouts; the binding without which she has nothing.
async fn shop(site: &Site, acme: &Org, receiver: &Receiver) -> String {
    acme.person("ana", PASSWORD).await;
    let binding = acme.give("ana", "org.reader", None).await;
    let url = receiver.url.clone();
    let registered = acme.application_with("shop", |shop| shop.backchannel_logout_uri = Some(url)).await;
    site.client(&registered).sign_in(&mut site.browser(), Person::named("ana")).await;
    format!("/bindings/{binding}")
}

/// Takes the binding away and waits so long; the change and how long it took.
async fn taken(olga: &Admin, binding: &str, wait: &str) -> (String, Duration) {
    let begun = Instant::now();
    let answer = olga.call_with(Method::DELETE, binding, None, &[("prefer", wait)]).await;
    assert_eq!((answer.status, answer.header("preference-applied")), (200, wait), "{}", answer.body);
    let receipt = &answer.json()["receipt"];
    assert_eq!(receipt["told"][0]["logout_tokens"], 1, "{receipt}");
    (receipt["change_id"].as_str().unwrap().to_owned(), begun.elapsed())
}

/// What a change says of the shop, once nothing waits or so long was waited.
async fn told(olga: &Admin, change: &str, wait: &str) -> Value {
    let path = format!("/changes/{change}");
    let answer = olga.call_with(Method::GET, &path, None, &[("prefer", wait)]).await;
    assert_eq!((answer.status, answer.header("preference-applied")), (200, wait), "{}", answer.body);
    let change = answer.json();
    assert_eq!(change["applications"].as_array().map(Vec::len), Some(1), "{change}");
    change["applications"][0].clone()
}

fn numbers(told: &Value) -> Value {
    json!([told["sent"], told["answered"], told["retrying"], told["given_up"], told["waiting"]])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_held_until_every_application_has_heard_and_the_receipt_says_so() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let receiver = Receiver::open(Manner::Take).await;
        let binding = shop(site, &acme, &receiver).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let (change, took) = taken(&olga, &binding, "wait=20").await;
        assert_eq!(receiver.tokens().len(), 1, "it is answered when the shop has answered");
        assert!(took < Duration::from_secs(10), "and not later: {took:?}");
        let shop = told(&olga, &change, "wait=20").await;
        assert_eq!((&shop["client_id"], numbers(&shop)), (&json!("shop"), json!([1, 1, 0, 0, 0])));
        assert_eq!(shop["last_answer"], "200");
        let (sent, answered) = (shop["first_sent_at"].as_str().unwrap(), shop["last_answered_at"].as_str().unwrap());
        assert!(sent <= answered, "{shop}");
        // By its id alone it is the same, and there for nobody else.
        let alone = olga.get(&format!("/api/v1/changes/{change}")).await;
        assert_eq!(alone, olga.get(&format!("/changes/{change}")).await);
        acme.person("mia", PASSWORD).await;
        let mia = Admin::of(site, &acme, "mia").await;
        let globex = owned(site, "globex").await.0;
        let stranger = Admin::of(site, &globex, "olga").await;
        for nobody in [&mia, &stranger] {
            let answer = nobody.call(Method::GET, &format!("/api/v1/changes/{change}"), None).await;
            assert_eq!(answer.status, 404, "{}", answer.body);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_fails_is_tried_again_and_at_once_when_somebody_says_so() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let receiver = Receiver::open(Manner::Refuse).await;
        let binding = shop(site, &acme, &receiver).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let (change, took) = taken(&olga, &binding, "wait=1").await;
        assert!((1..15).contains(&took.as_secs()), "it was not held for its second: {took:?}");
        let shop = told(&olga, &change, "wait=0").await;
        assert_eq!((numbers(&shop), &shop["last_answer"]), (json!([1, 0, 1, 0, 0]), &json!("500")));

        let rows = olga.get(&format!("/changes/{change}/deliveries")).await;
        let row = &rows["items"][0];
        assert_eq!((&row["state"], &row["kind"]), (&json!("waiting"), &json!("backchannel_logout")));
        let path = format!("/changes/{change}/deliveries/{}/retry", row["id"].as_str().unwrap());
        acme.person("mia", PASSWORD).await;
        let mia = Admin::of(site, &acme, "mia").await;
        assert_eq!(mia.refused(Method::POST, &path, json!({})).await, (403, "denied".to_owned()));
        receiver.behave(Manner::Take);
        olga.post(&path, json!({})).await;
        let shop = told(&olga, &change, "wait=20").await;
        assert_eq!((numbers(&shop), &shop["last_answer"]), (json!([1, 1, 0, 0, 0]), &json!("200")));
        assert_eq!(olga.refused(Method::POST, &path, json!({})).await, (409, "conflict".to_owned()));
        let record = olga.get("/audit?kind=delivery.retry").await;
        assert_eq!(record["items"].as_array().map(Vec::len), Some(1), "{record}");
    })
    .await;
}
