//! How an application keeps its streams: makes, reads, changes, starts, stops and deletes them, each its own and no
//! other's.

use muster::domain::change::Change;
use muster::domain::oauth::application::{Application, ApplicationState};
use muster::kernel::id::StreamId;
use muster::store::streams;
use reqwest::Method;
use serde_json::{Value, json};

use super::scene::{CAEP, Inbox, Keeper, STREAMS, call, id_of, own_token};
use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::browser::Person;
use crate::support::client::{Ask, list};
use crate::support::server::on_both;

fn one(id: &str) -> String {
    format!("{STREAMS}?stream_id={id}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metadata_says_where_everything_is() {
    on_both(async |site| {
        let answer = site.at.get("/.well-known/ssf-configuration").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
        let told = answer.json();
        assert_eq!((&told["issuer"], &told["spec_version"]), (&json!(site.at.issuer), &json!("1_0")));
        assert_eq!(told["jwks_uri"], site.at.get("/.well-known/openid-configuration").await.json()["jwks_uri"]);
        assert_eq!(list(&told["delivery_methods_supported"]), ["urn:ietf:rfc:8935", "urn:ietf:rfc:8936"]);
        assert_eq!(told["authorization_schemes"], json!([{ "spec_urn": "urn:ietf:rfc:6749" }]));
        let keeper = Keeper::of(site, &site.org("acme").await, "shop").await;
        for name in ["configuration", "status", "verification", "add_subject", "remove_subject"] {
            let address = told[format!("{name}_endpoint")].as_str().unwrap_or_default().to_owned();
            let path = address.strip_prefix(&site.at.issuer).expect("an address of ours").to_owned();
            // There is somebody: a body that is none is told so.
            let answer = call(&site.at, &keeper.token, Method::POST, &path, Some(";{ broken")).await;
            assert_eq!((answer.status, &answer.json()["err"]), (400, &json!("invalid_request")), "{path}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_made_read_changed_replaced_and_deleted() {
    on_both(async |site| {
        let keeper = Keeper::of(site, &site.org("acme").await, "shop").await;
        let empty = keeper.call(Method::GET, STREAMS, None).await;
        assert_eq!((empty.status, empty.json()), (200, json!([])));

        let names = ["credential-change", "device-compliance-change", "session-revoked"];
        let requested = names.map(|name| format!("{CAEP}{name}"));
        let inbox = Inbox::open().await;
        let push = json!({
            "method": "urn:ietf:rfc:8935", "endpoint_url": inbox.url, "authorization_header": "Bearer s3cret",
        });
        let wanted = json!({ "description": "Shop", "events_requested": requested, "delivery": push, "extra": 1 });
        let made = keeper.make(wanted).await;
        assert_eq!((&made["iss"], &made["aud"]), (&json!(site.at.issuer), &json!("shop")));
        assert_eq!(made["events_delivered"], json!([requested[0], requested[2]]));
        assert_eq!(made["events_requested"], json!(requested));
        assert_eq!(made["events_supported"].as_array().unwrap().len(), 3);
        assert_eq!(made["delivery"], json!({ "method": "urn:ietf:rfc:8935", "endpoint_url": inbox.url }));
        assert_eq!(made["min_verification_interval"], 30);
        let id = id_of(&made);
        assert_eq!(keeper.call(Method::GET, &one(&id), None).await.json(), made);
        assert_eq!(keeper.call(Method::GET, STREAMS, None).await.json(), json!([made]));

        let narrower = json!({ "stream_id": id, "events_requested": [requested[2]] });
        let changed = keeper.call(Method::PATCH, STREAMS, Some(&narrower)).await;
        assert_eq!((changed.status, &changed.json()["description"]), (200, &json!("Shop")));
        assert_eq!(changed.json()["events_delivered"], json!([requested[2]]));
        // What is shown may be sent back as it is.
        let again = keeper.call(Method::PUT, STREAMS, Some(&changed.json())).await;
        assert_eq!((again.status, again.json()), (200, changed.json()));
        let whole = json!({ "stream_id": id, "delivery": { "method": "urn:ietf:rfc:8936" } });
        let replaced = keeper.call(Method::PUT, STREAMS, Some(&whole)).await.json();
        assert_eq!(replaced["description"], Value::Null);
        assert_eq!(replaced["events_delivered"].as_array().unwrap().len(), 3);
        assert_eq!(replaced["delivery"]["endpoint_url"], site.at.url(&format!("/ssf/poll/{id}")));
        keeper.set_status(&id, "disabled").await;
        assert_eq!(keeper.call(Method::DELETE, &one(&id), None).await.status, 204);
        for method in [Method::GET, Method::DELETE] {
            assert_eq!(keeper.call(method, &one(&id), None).await.status, 404);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_makes_no_sense_is_told_so_and_changes_nothing() {
    on_both(async |site| {
        let keeper = Keeper::of(site, &site.org("acme").await, "shop").await;
        let id = keeper.make_polled().await;
        let before = keeper.call(Method::GET, &one(&id), None).await.json();
        let nested = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        let bodies = [
            ";{ broken".to_owned(),
            String::new(),
            "[]".to_owned(),
            "null".to_owned(),
            nested,
            json!({ "stream_id": id, "description": 7 }).to_string(),
            json!({ "stream_id": id, "events_requested": "all" }).to_string(),
            json!({ "stream_id": id, "delivery": [] }).to_string(),
            json!({ "stream_id": id, "iss": "https://other.example" }).to_string(),
            json!({ "stream_id": id, "delivery": { "method": "urn:ietf:rfc:8935", "endpoint_url": 7 } }).to_string(),
        ];
        for body in &bodies {
            for method in [Method::POST, Method::PATCH, Method::PUT] {
                let answer = call(&site.at, &keeper.token, method.clone(), STREAMS, Some(body)).await;
                assert_eq!(
                    (answer.status, &answer.json()["err"]),
                    (400, &json!("invalid_request")),
                    "{method} {body:.80}"
                );
                assert!(answer.json()["description"].is_string());
            }
        }
        // Where nothing is posted but to the public internet, by https, and without a password in the address.
        for endpoint in [
            "https://10.0.0.1/x",
            "http://shop.example/x",
            "https://u:p@shop.example/",
            "unix:/x",
            "https://a.example/#x",
        ] {
            let body = json!({ "delivery": { "method": "urn:ietf:rfc:8935", "endpoint_url": endpoint } });
            assert_eq!(keeper.post(STREAMS, body).await.status, 400, "{endpoint}");
        }
        for (path, body) in [
            ("/ssf/status", json!({ "stream_id": id, "status": "sleeping" })),
            ("/ssf/status", json!({ "status": "paused" })),
            ("/ssf/verify", json!({ "stream_id": id, "state": {} })),
            ("/ssf/subjects:add", json!({ "stream_id": id })),
            ("/ssf/subjects:remove", json!({ "stream_id": id, "subject": "ana" })),
        ] {
            assert_eq!(keeper.post(path, body).await.status, 400, "{path}");
        }
        for body in [json!({ "ack": 1 }), json!({ "maxEvents": "x" }), json!([])] {
            assert_eq!(keeper.post(&format!("/ssf/poll/{id}"), body).await.status, 400);
        }
        for path in [STREAMS, "/ssf/status"] {
            let twice = format!("{path}?stream_id={id}&stream_id={id}");
            assert_eq!(keeper.call(Method::GET, &twice, None).await.status, 400, "{path}");
        }
        let long = json!({ "description": "x".repeat(80_000) });
        assert_eq!(keeper.post(STREAMS, long).await.status, 413);
        assert_eq!(keeper.call(Method::GET, STREAMS, None).await.json(), json!([before]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_must_be_the_applications_own_and_allow_it() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        acme.give("ana", "org.reader", None).await;
        let keeper = Keeper::of(site, &acme, "shop").await;
        let id = keeper.make_polled().await;
        let get = async |token: &str| call(&site.at, token, Method::GET, STREAMS, None).await;
        for token in ["", "nonsense", "a.b.c"] {
            let answer = get(token).await;
            assert_eq!(answer.status, 401);
            assert!(answer.header("www-authenticate").starts_with("Bearer"), "{token}");
        }
        // A person's token never has these scopes, whatever is asked for.
        let ask = Ask::of(&keeper.client).with("scope", "openid ssf.read ssf.manage");
        let ana = keeper.client.sign_in_with(&mut site.browser(), Person::named("ana"), ask).await;
        assert!(!ana.answer["scope"].to_string().contains("ssf"), "{}", ana.answer);
        assert_eq!(get(ana.access()).await.refusal(), (403, "insufficient_scope".to_owned()));
        // One for reading reads, fetches and tries, and does no more.
        let reading = own_token(&keeper.client, "ssf.read").await;
        assert_eq!(get(&reading).await.status, 200);
        let body =
            json!({ "stream_id": id, "status": "paused", "subject": { "format": "opaque", "id": "x" } }).to_string();
        let ask = async |method: Method, path: &str| call(&site.at, &reading, method, path, Some(&body)).await.status;
        assert_eq!(ask(Method::POST, "/ssf/verify").await, 204);
        assert_eq!(ask(Method::POST, &format!("/ssf/poll/{id}")).await, 200);
        for (method, path) in [
            (Method::POST, STREAMS.to_owned()),
            (Method::PATCH, STREAMS.to_owned()),
            (Method::PUT, STREAMS.to_owned()),
            (Method::DELETE, one(&id)),
            (Method::POST, "/ssf/status".to_owned()),
            (Method::POST, "/ssf/subjects:add".to_owned()),
            (Method::POST, "/ssf/subjects:remove".to_owned()),
        ] {
            assert_eq!(ask(method.clone(), &path).await, 403, "{method} {path}");
        }
        // An application that was not registered for them doesn't get them.
        let plain = site.client(&acme.application("plain").await);
        let fields = [("grant_type", "client_credentials"), ("scope", "ssf.read ssf.manage")];
        let token = plain.post("/token", &fields).await.json()["access_token"].as_str().unwrap_or_default().to_owned();
        assert_eq!(get(&token).await.refusal(), (403, "insufficient_scope".to_owned()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_its_applications_alone() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let (shop, other) = (Keeper::of(site, &acme, "shop").await, Keeper::of(site, &acme, "other").await);
        let id = shop.make_polled().await;
        assert_eq!(other.call(Method::GET, STREAMS, None).await.json(), json!([]));
        let body = json!({
            "stream_id": id, "status": "disabled", "state": "x", "delivery": { "method": "urn:ietf:rfc:8936" },
            "subject": { "format": "opaque", "id": "x" },
        });
        for (method, path) in [
            (Method::GET, one(&id)),
            (Method::PATCH, STREAMS.to_owned()),
            (Method::PUT, STREAMS.to_owned()),
            (Method::DELETE, one(&id)),
            (Method::GET, format!("/ssf/status?stream_id={id}")),
            (Method::POST, "/ssf/status".to_owned()),
            (Method::POST, "/ssf/verify".to_owned()),
            (Method::POST, "/ssf/subjects:add".to_owned()),
            (Method::POST, "/ssf/subjects:remove".to_owned()),
            (Method::POST, format!("/ssf/poll/{id}")),
        ] {
            let sent = (method != Method::GET).then_some(&body);
            let theirs = other.call(method.clone(), &path, sent).await;
            assert_eq!(theirs.status, 404, "{method} {path}: {}", theirs.body);
            // As one that was never made.
            let never = StreamId::fresh().into_string();
            let text = body.to_string().replace(&id, &never);
            let body = sent.map(|_| text.as_str());
            let nobodys = call(&site.at, &other.token, method, &path.replace(&id, &never), body).await;
            assert_eq!((nobodys.status, nobodys.body), (theirs.status, theirs.body));
        }
        assert_eq!(shop.status(&id).await, "enabled");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_has_five_streams_at_most_however_many_are_asked_for_at_once() {
    on_both(async |site| {
        let keeper = Keeper::of(site, &site.org("acme").await, "shop").await;
        let asked = (0..8).map(|_| keeper.post(STREAMS, json!({})));
        let answers = futures_util::future::join_all(asked).await;
        let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
        assert_eq!((count(201), count(409)), (5, 3));
        let all = keeper.call(Method::GET, STREAMS, None).await.json();
        let first = id_of(&all[0]);
        assert_eq!(keeper.call(Method::DELETE, &one(&first), None).await.status, 204);
        assert_eq!(keeper.post(STREAMS, json!({})).await.status, 201);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_stream_leaves_out_nobody_can_tell_from_the_answer() {
    on_both(async |site| {
        let (acme, globex) = (site.org("acme").await, site.org("globex").await);
        let (ana, bo) = (acme.person("ana", PASSWORD).await, acme.person("bo", PASSWORD).await);
        let stranger = globex.person("eve", PASSWORD).await;
        let keeper = Keeper::of(site, &acme, "shop").await;
        let id = keeper.make_polled().await;
        let stream: StreamId = id.parse().unwrap();
        let turn = async |how: &str, subject: Value| {
            let body = json!({ "stream_id": id, "subject": subject, "verified": true });
            let answer = keeper.post(&format!("/ssf/subjects:{how}"), body).await;
            (answer.status, answer.body)
        };
        let iss_sub = |user: &str| json!({ "format": "iss_sub", "iss": site.at.issuer, "sub": user });
        let email = |address: &str| json!({ "format": "email", "email": address });
        let gone = (204, String::new());
        assert_eq!(turn("remove", iss_sub(ana.as_str())).await, gone);
        assert_eq!(turn("remove", email("BO@example.test")).await, gone);
        for nobody in [
            iss_sub(stranger.as_str()),
            iss_sub("usr_00000000000000000000000000"),
            email("eve@example.test"),
            email("example.user@example.com"),
            json!({ "format": "opaque", "id": stranger }),
        ] {
            assert_eq!(turn("remove", nobody).await, gone);
        }
        let out = async || streams::excluded(&mut site.conn().await, std::slice::from_ref(&stream)).await.unwrap();
        let left_out: Vec<_> = out().await.into_iter().map(|(_, user)| user).collect();
        assert_eq!(left_out.len(), 2);
        assert!(left_out.contains(&ana) && left_out.contains(&bo));
        assert!(streams::excludes(&mut site.conn().await, &stream, &ana).await.unwrap());
        let back = turn("add", json!({ "format": "opaque", "id": ana })).await;
        assert_eq!((back.0, turn("add", email("example.user@example.com")).await), (200, back.clone()));
        assert_eq!(out().await.into_iter().map(|(_, user)| user).collect::<Vec<_>>(), [bo]);
        keeper.call(Method::DELETE, &one(&id), None).await;
        assert!(out().await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_go_with_their_application_and_stop_while_it_is_disabled() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let registered = acme.application_with("shop", super::scene::keeps_streams).await;
        let client = site.client(&registered);
        let keeper = Keeper { token: own_token(&client, "ssf.read ssf.manage").await, client };
        let id = keeper.make_polled().await;
        let application = registered.application.id.clone();
        let receiving = async || {
            let of = std::collections::BTreeSet::from([application.clone()]);
            streams::of_applications(&mut site.conn().await, &of).await.unwrap().len()
        };
        assert_eq!((receiving().await, streams::any(&mut site.conn().await).await.unwrap()), (1, true));
        keeper.set_status(&id, "disabled").await;
        assert_eq!((receiving().await, streams::any(&mut site.conn().await).await.unwrap()), (0, false));
        keeper.set_status(&id, "enabled").await;
        let disabled = Application { state: ApplicationState::Disabled, ..registered.application.clone() };
        site.act(vec![Change::PutApplication(Box::new(disabled))]).await;
        assert_eq!(receiving().await, 0);
        assert_eq!(keeper.call(Method::GET, STREAMS, None).await.status, 401);
        site.act(vec![Change::RemoveApplication { application: application.clone() }]).await;
        assert!(!streams::any(&mut site.conn().await).await.unwrap());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_see_the_streams_of_their_applications_and_no_secret() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let (globex, _) = owned(site, "globex").await;
        let keeper = Keeper::of(site, &acme, "shop").await;
        let inbox = Inbox::open().await;
        let pushed = keeper.make_pushed(&inbox, Some("Bearer s3cret")).await;
        let polled = keeper.make_polled().await;
        assert_eq!((keeper.verify(&polled, "x").await, keeper.verify(&pushed, "y").await), (204, 204));
        inbox.wait_for(1).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let begun = std::time::Instant::now();
        let shown = loop {
            let shown = olga.get("/streams").await;
            if shown["items"][0]["last_sent_at"].is_string() || begun.elapsed().as_secs() > 5 {
                break shown;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        };
        assert!(!shown.to_string().contains("s3cret"));
        let (first, second) = (&shown["items"][0], &shown["items"][1]);
        assert_eq!(
            (&first["id"], &first["client_id"], &first["delivery"]),
            (&json!(pushed), &json!("shop"), &json!("push"))
        );
        assert_eq!((&first["endpoint_host"], &first["status"]), (&json!("127.0.0.1"), &json!("enabled")));
        assert!(first["last_sent_at"].is_string(), "{first}");
        assert_eq!((&second["waiting"], &second["endpoint_host"]), (&json!(1), &Value::Null));
        assert_eq!(list(&second["events"]), ["credential-change", "session-revoked", "token-claims-change"]);
        let page = olga.get("/streams?limit=1").await;
        let next = page["next"].as_str().unwrap();
        assert_eq!(olga.get(&format!("/streams?limit=1&cursor={next}")).await["items"][0]["id"], json!(polled));
        let theirs = Admin::of(site, &globex, "olga").await;
        assert_eq!(theirs.get("/streams").await["items"], json!([]));
    })
    .await;
}
