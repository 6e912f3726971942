//! What holds for every request of a SCIM client, whatever it is about: who is let in, where paths lead, which media types
//! are spoken, and that nothing is ever said but in SCIM (RFC 7644 §3.1 to §3.14, §4).

use muster::domain::change::Change;
use muster::domain::connection::{ConnectionSettings, ConnectionState, ScimProfile};
use muster::kernel::time::{HOUR, MINUTE};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::client::{ERROR, Push, SCIM_JSON, patch_of, user};
use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::server::{Site, on_both};

const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// Sends a request whose target stands on the wire as it stands here; the status and the body.
async fn raw(site: &Site, target: &str, token: &str) -> (u16, String) {
    let host = site.at.node.trim_start_matches("http://");
    let authorization = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let message = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{authorization}Connection: close\r\n\r\n");
    let mut wire = TcpStream::connect(host).await.unwrap();
    wire.write_all(message.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    wire.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no status in {answer:?}")), answer)
}

async fn acme(site: &Site) -> Push {
    let org = site.org("acme").await;
    Push::open(site, &org, ScimProfile::Auto).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_describes_itself_to_everybody_and_lets_nobody_filter_or_write_it() {
    on_both(async |site| {
        let nobody = acme(site).await.with_token("");
        let schema = "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User";
        for path in ["/ServiceProviderConfig", "/Schemas", schema, "/ResourceTypes", "/ResourceTypes/Group"] {
            let answer = nobody.get(path).await;
            assert_eq!((answer.status, answer.header("content-type")), (200, SCIM_JSON), "{path}");
            assert!(answer.json["schemas"].is_array(), "{path}: {}", answer.json);
            assert_eq!(nobody.get(&format!("{path}?count=1&x=y")).await.json, answer.json, "{path}");
            assert_eq!(nobody.get(&format!("{path}?Filter=id%20pr")).await.error(), (403, ""), "{path}");
            let head = nobody.send(Method::HEAD, path, None, &[]).await;
            assert_eq!((head.status, head.json), (200, Value::Null), "{path}");
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
                let refused = nobody.send(method.clone(), path, Some(&json!({})), &[]).await;
                assert_eq!((refused.error(), refused.header("allow")), ((405, ""), "GET, HEAD"), "{method} {path}");
            }
        }
        assert_eq!(nobody.get("/Schemas/urn:acme:Thing").await.error(), (404, ""));
        assert_eq!(nobody.get("/ResourceTypes/Thing").await.error(), (404, ""));
        let types = nobody.get("/ResourceTypes").await.json;
        assert_eq!((types["totalResults"].as_i64(), types["itemsPerPage"].as_i64()), (Some(2), Some(2)));
        let config = nobody.get("/ServiceProviderConfig").await.json;
        assert_eq!(
            (&config["bulk"]["maxOperations"], &config["bulk"]["maxPayloadSize"]),
            (&json!(1000), &json!(16_777_216))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_that_is_honoured_every_method_at_every_path_is_401() {
    on_both(async |site| {
        let push = acme(site).await;
        let (globex, _) = owned(site, "globex").await;
        let short = push.with_new_token(site, HOUR).await;
        let olga = Admin::of(site, &globex, "olga").await;
        let mut changed = push.token.clone();
        changed.pop();
        site.advance(HOUR + MINUTE);
        let tokens = ["", "x", "mst_", &changed, &olga.token, &short.token, "a.b.c"];
        let paths = [
            "",
            "/Users",
            "/Users/usr_1",
            "/Groups",
            "/Groups/x",
            "/.search",
            "/Users/.search",
            "/Bulk",
            "/Me",
            "/Nothing",
        ];
        for token in tokens {
            let stranger = push.with_token(token);
            for path in paths {
                for method in METHODS {
                    let body = (method != Method::GET && method != Method::HEAD).then(|| json!({ "userName": "eve" }));
                    let answer = stranger.send(method.clone(), path, body.as_ref(), &[]).await;
                    assert_eq!(answer.status, 401, "{method} {path} with {token:?}");
                    assert!(answer.header("www-authenticate").starts_with("Bearer"), "{method} {path}");
                    if method != Method::HEAD {
                        assert_eq!(answer.error(), (401, ""));
                    }
                }
            }
        }
        assert_eq!(push.get("/Users").await.status, 200);
        let basic = push.with_token("").send(Method::GET, "/Users", None, &[("authorization", "Basic eDp5")]).await;
        assert_eq!(basic.error(), (401, ""));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_taken_away_and_one_of_a_disabled_connection_open_nothing_from_the_next_request_on() {
    on_both(async |site| {
        let push = acme(site).await;
        let second = push.with_new_token(site, HOUR).await;
        assert_eq!((push.get("/Users").await.status, second.get("/Users").await.status), (200, 200));
        let take = Change::RemoveScimCredential { org: push.org.clone(), credential: push.credential.clone() };
        site.act(vec![take]).await;
        assert_eq!((push.get("/Users").await.status, second.get("/Users").await.status), (401, 200));
        let (org, connection) = (push.org.clone(), push.connection.clone());
        let disable = Change::SetConnectionState { org, connection, state: ConnectionState::Disabled };
        site.act(vec![disable]).await;
        assert_eq!(second.get("/Users").await.error(), (401, ""));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odd_spelling_of_a_path_never_opens_anything_without_a_token() {
    on_both(async |site| {
        let push = acme(site).await;
        push.create_user("zebedee").await;
        let odd = [
            "/scim%2Fv2/Users",
            "/scim/v2%2FUsers",
            "/scim/v2/%55sers",
            "//scim/v2/Users",
            "/scim//v2/Users",
            "/scim/v2//Users",
            "/scim/v2/./Users",
            "/scim/v2/%2e/Users",
            "/scim/v2/Schemas/../Users",
            "/scim/v2/Schemas/%2e%2e/Users",
            "/scim/v2/Schemas/..%2fUsers",
            "/scim/v2/ServiceProviderConfig/../Users",
            "/scim/v2/ServiceProviderConfig;/../Users",
            "/scim/v2/Users;x",
            "/scim/v2;x/Users",
            "/scim/v2/Users/",
            "/scim/v2/Users/?",
            "/scim/v2/users",
            "/SCIM/v2/Users",
            "/Scim/V2/Users",
            "/scim/v2/Users%00",
            "/scim/v2/Users%20",
            "/scim/v2/Users%3Fx",
            "/scim/v2/Users#x",
            "/scim/v2/%ff",
            "/scim/v2/\\Users",
            "/./scim/v2/Users",
            "/assets/../scim/v2/Users",
        ];
        for target in odd {
            let (status, body) = raw(site, target, "").await;
            assert!([400, 401, 404].contains(&status), "{target}: {status}");
            assert!(!body.contains("zebedee"), "{target}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_a_slash_a_question_mark_or_an_ampersand_too_many_does_no_harm() {
    on_both(async |site| {
        let push = acme(site).await;
        let ana = push.create_user("ana").await;
        for target in ["/scim/v2/Users/", "/scim/v2//Users", "/scim/v2/Users?", "/scim/v2/Users?&", "/scim/v2/%55sers"]
        {
            let (status, body) = raw(site, target, &push.token).await;
            assert!(status == 200 && body.contains(&ana), "{target}: {body}");
        }
        for target in
            [format!("/scim/v2/Users/{ana}/"), format!("/scim/v2/Users/{ana}?"), format!("/scim/v2//Users//{ana}")]
        {
            assert_eq!(raw(site, &target, &push.token).await.0, 200, "{target}");
        }
        assert_eq!(push.put(&format!("/Users/{ana}?"), user("ana")).await.status, 200);
        for target in
            ["/scim/v2/./Users", "/scim/v2/Users;x", "/scim/v2/users", "/scim/v2/Users%2F", "/scim/v2/Nothing"]
        {
            let (status, body) = raw(site, target, &push.token).await;
            assert!(status == 404 && body.contains(ERROR), "{target}: {body}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_refused_is_refused_in_scim() {
    on_both(async |site| {
        let push = acme(site).await;
        let missing = "/Users/usr_00000000000000000000000000";
        assert_eq!(push.get(missing).await.error(), (404, ""));
        assert_eq!(push.get("/Users/0").await.error(), (404, ""));
        assert_eq!(push.get("/Nothing").await.error(), (404, ""));
        for path in ["/scim/v3/Users", "/scim/v1/Users", "/scim"] {
            assert_eq!(push.get(path).await.error(), (404, "invalidVers"), "{path}");
        }
        for method in [Method::GET, Method::POST, Method::DELETE] {
            assert_eq!(push.send(method, "/Me", None, &[]).await.error(), (501, ""));
        }
        for (method, path, allow) in [
            (Method::PUT, "/Users", "GET, HEAD, POST"),
            (Method::DELETE, "/Groups", "GET, HEAD, POST"),
            (Method::POST, missing, "GET, HEAD, PUT, PATCH, DELETE"),
            (Method::GET, "/Bulk", "POST"),
            (Method::GET, "/.search", "POST"),
            (Method::OPTIONS, "/Users", "GET, HEAD, POST"),
        ] {
            let answer = push.send(method.clone(), path, None, &[]).await;
            assert_eq!((answer.error(), answer.header("allow")), ((405, ""), allow), "{method} {path}");
        }
        let long = push.get(&format!("/Users?filter={}", "x".repeat(9_000))).await;
        assert_eq!(long.error(), (414, ""));
        assert_eq!(push.get("/Users?filter=userName%20eq%20%22%00%22").await.error(), (400, "invalidValue"));
        assert_eq!(push.get("/Users?filter=userName%20eq").await.error(), (400, "invalidFilter"));
        let (status, body) = raw(site, "http://evil.test/scim/v2/Users", &push.token).await;
        assert!(status == 421 && body.contains(ERROR), "{body}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_read_as_scim_or_plain_json_in_utf8_and_as_nothing_else() {
    on_both(async |site| {
        let push = acme(site).await;
        let kinds = [
            "application/scim+json",
            "application/json",
            "application/json; charset=utf-8",
            "APPLICATION/SCIM+JSON;charset=UTF-8",
        ];
        for (number, kind) in kinds.iter().enumerate() {
            let body = user(&format!("ana{number}"));
            let answer = push.send(Method::POST, "/Users", Some(&body), &[("content-type", kind)]).await;
            assert_eq!((answer.status, answer.header("content-type")), (201, SCIM_JSON), "{kind}: {}", answer.json);
        }
        for kind in
            ["text/plain", "application/xml", "application/json; charset=latin1", "application/x-www-form-urlencoded"]
        {
            let answer = push.send(Method::POST, "/Users", Some(&user("eve")), &[("content-type", kind)]).await;
            assert_eq!(answer.error(), (415, ""), "{kind}");
        }
        let packed = [("content-encoding", "gzip")];
        assert_eq!(push.send(Method::POST, "/Users", Some(&user("eve")), &packed).await.error(), (415, ""));
        for body in ["{", "", "[]", "\"x\"", "{\"userName\":\"eve\"} x"] {
            let request = push.request(Method::POST, "/Users").header("content-type", SCIM_JSON).body(body);
            let answer: super::client::Answer = crate::support::http::Answer::to(request).await.into();
            assert_eq!(answer.error(), (400, "invalidSyntax"), "{body:?}");
        }
        assert_eq!(push.get("/Users?filter=userName%20eq%20%22eve%22").await.json["totalResults"], 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_scim_json_whatever_is_accepted_and_only_the_letter_of_the_rfc_refuses() {
    on_both(async |site| {
        let push = acme(site).await;
        let accepts =
            ["*/*", "application/json", "application/scim+json; charset=utf-8", "text/html", "application/*;q=0.5"];
        for accept in accepts {
            let answer = push.send(Method::GET, "/Users", None, &[("accept", accept)]).await;
            assert_eq!((answer.status, answer.header("content-type")), (200, SCIM_JSON), "{accept}");
        }
        let org = site.org("acme").await;
        let strict = Push::open(site, &org, ScimProfile::RfcStrict).await;
        assert_eq!(strict.get("/Users").await.status, 200);
        assert_eq!(strict.send(Method::GET, "/Users", None, &[("accept", "text/html")]).await.error(), (406, ""));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_says_where_it_is_and_which_version_this_was() {
    on_both(async |site| {
        let push = acme(site).await;
        let made = push.post("/Users", user("ana")).await;
        let (place, tag) = (made.header("location").to_owned(), made.header("etag").to_owned());
        assert_eq!(made.status, 201);
        assert_eq!(
            (made.json["meta"]["location"].as_str(), made.json["meta"]["version"].as_str()),
            (Some(&*place), Some(&*tag))
        );
        assert_eq!(place, site.at.url(&format!("/scim/v2/Users/{}", made.id())));
        let path = format!("/Users/{}", made.id());
        let read = push.get(&path).await;
        assert_eq!(
            (read.header("location"), read.header("content-location"), read.header("etag")),
            (&*place, &*place, &*tag)
        );
        let head = push.send(Method::HEAD, &path, None, &[]).await;
        assert_eq!((head.status, head.header("etag"), head.json.clone()), (200, &*tag, Value::Null));
        for known in [&*tag, "*", &format!("W/\"99\", {tag}")] {
            let same = push.send(Method::GET, &path, None, &[("if-none-match", known)]).await;
            assert_eq!((same.status, same.header("etag"), same.json.clone()), (304, &*tag, Value::Null), "{known}");
        }
        assert_eq!(push.send(Method::GET, &path, None, &[("if-none-match", "W/\"99\"")]).await.status, 200);
        let rename = patch_of(&json!([{ "op": "replace", "path": "nickName", "value": "Ani" }]));
        let wrong = [("if-match", "W/\"99\"")];
        for (method, body) in [(Method::PATCH, &rename), (Method::PUT, &user("ana"))] {
            assert_eq!(push.send(method, &path, Some(body), &wrong).await.error(), (412, ""));
        }
        assert_eq!(push.send(Method::DELETE, &path, None, &wrong).await.error(), (412, ""));
        let list = format!("W/\"99\", {tag}");
        let changed = push.send(Method::PATCH, &path, Some(&rename), &[("if-match", &list)]).await;
        assert_eq!((changed.status, changed.header("location")), (200, &*place));
        assert_ne!(changed.header("etag"), tag);
        assert_eq!(push.send(Method::PATCH, &path, Some(&rename), &[("if-match", &tag)]).await.error(), (412, ""));
        let put = push.send(Method::PUT, &path, Some(&user("ana")), &[("if-match", "*")]).await;
        assert_eq!((put.status, put.header("location")), (200, &*place));
        let gone = push.send(Method::DELETE, &path, None, &[("if-match", put.header("etag"))]).await;
        assert_eq!((gone.status, gone.json.clone()), (204, Value::Null));
        assert_eq!(push.get(&path).await.error(), (404, ""));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_answers_with_the_user_but_not_with_the_group_unless_somebody_asks() {
    on_both(async |site| {
        let push = acme(site).await;
        let ana = push.create_user("ana").await;
        let devs = push.create_group("Devs", &[&ana]).await;
        let (user, group) = (format!("/Users/{ana}"), format!("/Groups/{devs}"));
        let name = |name: &str| json!([{ "op": "replace", "path": "displayName", "value": name }]);
        assert_eq!(push.operate(&user, name("A")).await.status, 200);
        let silent = push.operate(&group, name("B")).await;
        assert_eq!((silent.status, silent.json.clone()), (204, Value::Null));
        assert!(!silent.header("etag").is_empty());
        let told = push.operate(&format!("{group}?attributes=displayName"), name("C")).await;
        assert_eq!((told.status, told.json["displayName"].as_str()), (200, Some("C")));
        assert_eq!(push.operate(&format!("{group}?excludedAttributes=members"), name("D")).await.status, 200);
        let settings = |body| ConnectionSettings { patch_answers_body: Some(body), ..ConnectionSettings::default() };
        let org = site.org("acme").await;
        let quiet = Push::open_with(site, &org, ScimProfile::Auto, settings(false)).await;
        let ben = quiet.create_user("ben").await;
        assert_eq!(quiet.operate(&format!("/Users/{ben}"), name("B")).await.status, 204);
        let talkative = Push::open_with(site, &org, ScimProfile::Auto, settings(true)).await;
        let ops = talkative.create_group("Ops", &[]).await;
        assert_eq!(talkative.operate(&format!("/Groups/{ops}"), name("Operations")).await.status, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_the_same_by_parameters_in_any_case_and_by_a_body() {
    on_both(async |site| {
        let push = acme(site).await;
        let (ana, _) = (push.create_user("ana").await, push.create_user("ben").await);
        push.create_group("Devs", &[&ana]).await;
        let total = |answer: &super::client::Answer| answer.json["totalResults"].as_i64();
        let asked = push.get("/Users?FILTER=userName+eq+%22nobody%22&filter=userName+eq+%22ana%22&unknown=1&").await;
        assert_eq!((asked.status, total(&asked)), (200, Some(1)), "{}", asked.json);
        assert_eq!(asked.json["Resources"][0]["id"], json!(ana));
        let search = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": "userName eq \"ana\"", "count": 10,
        });
        for path in ["/.search", "/Users/.search", "/Users/.search/"] {
            let found = push.post(path, &search).await;
            assert_eq!((found.status, total(&found)), (200, Some(1)), "{path}: {}", found.json);
            assert_eq!(found.json["Resources"][0]["id"], json!(ana), "{path}");
        }
        let groups = push.post("/Groups/.search", json!({ "filter": "displayName eq \"devs\"" })).await;
        assert_eq!(total(&groups), Some(1), "{}", groups.json);
        for path in ["", "/", "/.search"] {
            let all = if path == "/.search" { push.post(path, json!({})).await } else { push.get(path).await };
            assert_eq!((all.status, total(&all)), (200, Some(3)), "{path}: {}", all.json);
        }
        let nobody = push.get("/Users?filter=userName%20eq%20%22zoe%22").await;
        assert_eq!((nobody.status, total(&nobody), &nobody.json["Resources"]), (200, Some(0), &json!([])));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_request_runs_operation_by_operation() {
    on_both(async |site| {
        let push = acme(site).await;
        let operations = json!([
            { "method": "POST", "path": "/Users", "bulkId": "a", "data": user("ana") },
            { "method": "POST", "path": "/Users", "bulkId": "b", "data": user("ana") },
            { "method": "DELETE", "path": "/Users/usr_00000000000000000000000000" },
        ]);
        let schemas = json!(["urn:ietf:params:scim:api:messages:2.0:BulkRequest"]);
        let answer = push.post("/Bulk", json!({ "schemas": schemas, "Operations": operations })).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, SCIM_JSON), "{}", answer.json);
        let statuses: Vec<&str> =
            answer.json["Operations"].as_array().unwrap().iter().map(|one| one["status"].as_str().unwrap()).collect();
        assert_eq!(statuses, ["201", "409", "404"], "{}", answer.json);
        assert_eq!(answer.json["Operations"][0]["bulkId"], "a");
        let many: Vec<Value> =
            (0..1001).map(|n| json!({ "method": "DELETE", "path": format!("/Users/{n}") })).collect();
        let refused = push.post("/Bulk", json!({ "schemas": schemas, "Operations": many })).await;
        assert_eq!(refused.error(), (413, ""));
        assert!(refused.json["detail"].as_str().unwrap().contains("1000"), "{}", refused.json);
        assert_eq!(push.post("/Bulk", json!({ "Operations": "x" })).await.error(), (400, "invalidSyntax"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_access_token_is_for_the_api_and_not_for_scim() {
    on_both(async |site| {
        let push = acme(site).await;
        let (globex, _) = owned(site, "globex").await;
        globex.person("ana", PASSWORD).await;
        let olga = Admin::of(site, &globex, "olga").await;
        assert!(!olga.get("/users").await.is_null());
        assert_eq!(push.with_token(&olga.token).get("/Users").await.error(), (401, ""));
        // And the other way round: a connection's token is nobody's at the REST API.
        let turned = Admin::with_token(site, &globex, &push.token).call(Method::GET, "/users", None).await;
        assert_eq!(turned.status, 401);
    })
    .await;
}
