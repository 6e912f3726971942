//! What holds for every request: tags, repeats, dry runs, errors that say what to do.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::admin::{Admin, owned};
use crate::support::server::on_both;

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_what_was_changed_meanwhile_is_refused() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let olga = Admin::of(site, &acme, "olga").await;
        let id = olga.post("/groups", json!({ "name": "Devs" })).await["object"]["id"].as_str().unwrap().to_owned();
        let path = format!("/groups/{id}");
        let read = olga.call(Method::GET, &path, None).await;
        let tag = read.header("etag").to_owned();
        assert!(tag.starts_with('"'), "{:?}", read.headers);
        let same = olga.call_with(Method::GET, &path, None, &[("if-none-match", &tag)]).await;
        assert_eq!((same.status, same.body.as_str()), (304, ""));
        // Something else in the organisation changes: the tag still holds.
        olga.post("/groups", json!({ "name": "Ops" })).await;
        let body = json!({ "description": "first" });
        let first = olga.call_with(Method::PATCH, &path, Some(&body), &[("if-match", &tag)]).await;
        assert_eq!(first.status, 200, "{}", first.body);
        let second = olga.call_with(Method::PATCH, &path, Some(&json!({ "name": "X" })), &[("if-match", &tag)]).await;
        assert_eq!((second.status, second.json()["code"].as_str()), (412, Some("stale")));
        assert_eq!(olga.get(&path).await["name"], "Devs");
    })
    .await;
}

// I18
#[tokio::test(flavor = "multi_thread")]
async fn a_request_repeated_under_its_key_is_carried_out_once_and_answered_alike() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let olga = Admin::of(site, &acme, "olga").await;
        let (body, key) = (json!({ "name": "Devs" }), [("idempotency-key", "make-devs-1")]);
        let first = olga.call_with(Method::POST, "/groups", Some(&body), &key).await;
        assert_eq!(first.status, 201, "{}", first.body);
        let again = olga.call_with(Method::POST, "/groups", Some(&body), &key).await;
        assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
        assert_eq!(first.json(), again.json());
        let other = olga.call_with(Method::POST, "/groups", Some(&json!({ "name": "Ops" })), &key).await;
        assert_eq!((other.status, other.json()["code"].as_str()), (422, Some("idempotency_key_reused")));
        let refused = [("idempotency-key", "make-devs-2")];
        for _ in 0..2 {
            let taken = olga.call_with(Method::POST, "/groups", Some(&body), &refused).await;
            assert_eq!((taken.status, taken.json()["code"].as_str()), (409, Some("conflict")), "{}", taken.body);
        }
        let bad = olga.call_with(Method::POST, "/groups", Some(&body), &[("idempotency-key", "")]).await;
        assert_eq!(bad.status, 400);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_at_once_under_one_key_make_one_group() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let olga = Admin::of(site, &acme, "olga").await;
        let body = json!({ "name": "Devs" });
        let calls = (0..20).map(|_| olga.call_with(Method::POST, "/groups", Some(&body), &[("idempotency-key", "k")]));
        let answers = futures_util::future::join_all(calls).await;
        assert!(answers.iter().all(|answer| [201, 409].contains(&answer.status)), "{answers:?}");
        assert!(answers.iter().any(|answer| answer.status == 201));
        let groups = olga.get("/groups?search=devs").await;
        assert_eq!(groups["items"].as_array().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_answers_with_the_receipt_and_changes_nothing() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let olga = Admin::of(site, &acme, "olga").await;
        let body = json!({ "name": "Devs", "roles": [{ "role": "org.reader" }] });
        let told = olga.call(Method::POST, "/groups?dry_run=true", Some(&body)).await;
        assert_eq!((told.status, told.json()["receipt"]["dry_run"].as_bool()), (200, Some(true)), "{}", told.body);
        assert_eq!(told.json()["object"], Value::Null);
        assert_eq!(olga.get("/groups?search=devs").await["items"], json!([]));
        assert_eq!(olga.refused(Method::POST, "/groups?dry_run=yes", body).await, (400, "invalid".into()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_with_the_field_and_changes_nothing() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let olga = Admin::of(site, &acme, "olga").await;
        for (body, field) in [
            (json!({ "nmae": "Devs" }), "nmae"),
            (json!({}), "name"),
            (json!({ "name": "x", "roles": [{ "role": "no.body" }] }), "roles.0.role"),
            (json!({ "name": "x", "roles": [{ "role": "org.reader", "not_after": "soon" }] }), "roles.0.not_after"),
        ] {
            let answer = olga.call(Method::POST, "/groups", Some(&body)).await;
            let problem = answer.json();
            assert_eq!(
                (answer.status, problem["invalid_parameters"][0]["field"].as_str()),
                (400, Some(field)),
                "{problem}"
            );
        }
        for path in
            ["/groups?limit=0", "/groups?limit=x", "/groups?cursor=x", "/groups?unknown=1", "/groups?limit=1&limit=2"]
        {
            assert_eq!(olga.call(Method::GET, path, None).await.status, 400, "{path}");
        }
        let nobody = Admin::nobody(site, &acme).call(Method::GET, "/groups", None).await;
        assert_eq!((nobody.status, nobody.header("www-authenticate")), (401, "Bearer realm=\"muster\""));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_organisation_is_not_there_whether_it_exists_or_not() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let (globex, _) = owned(site, "globex").await;
        let olga = Admin::of(site, &acme, "olga").await;
        let group = globex.group("secret", &[]).await;
        let there = olga.at_org("globex").call(Method::GET, "/groups", None).await;
        let not = olga.at_org("nothing").call(Method::GET, "/groups", None).await;
        assert_eq!((there.status, &there.body), (404, &not.body));
        assert_eq!(olga.call(Method::GET, &format!("/groups/{group}"), None).await.status, 404);
    })
    .await;
}
