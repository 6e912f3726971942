//! An application that keeps streams, and the place where their events are posted.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use muster::domain::oauth::application::Application;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::support::client::{Client, Tokens, claims};
use crate::support::http::{Address, Answer};
use crate::support::org::Org;
use crate::support::server::Site;

/// Where streams are kept.
pub const STREAMS: &str = "/ssf/streams";
/// What the names of CAEP's events begin with.
pub const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
/// The name of the event that tries a stream.
pub const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";

/// The scopes of an application that keeps streams.
pub fn keeps_streams(application: &mut Application) {
    application.scopes.extend(["ssf.read", "ssf.manage"].map(str::to_owned));
}

/// An application that keeps streams, with a token of its own.
pub struct Keeper {
    /// The application.
    pub client: Client,
    /// The token.
    pub token: String,
}

impl Keeper {
    /// Registers one in an organisation.
    pub async fn of(site: &Site, org: &Org, client_id: &str) -> Self {
        let client = site.client(&org.application_with(client_id, keeps_streams).await);
        Self { token: own_token(&client, "ssf.read ssf.manage").await, client }
    }

    /// Calls one of the transmitter's addresses.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        call(&self.client.at, &self.token, method, path, body.map(Value::to_string).as_deref()).await
    }

    /// Posts to one of them.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(&body)).await
    }

    /// Makes a stream; as it is shown.
    pub async fn make(&self, body: Value) -> Value {
        let answer = self.post(STREAMS, body).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.json()
    }

    /// Makes a stream whose events are fetched; its id.
    pub async fn make_polled(&self) -> String {
        id_of(&self.make(json!({ "delivery": { "method": "urn:ietf:rfc:8936" } })).await)
    }

    /// Makes a stream whose events are posted, with a header or without; its id.
    pub async fn make_pushed(&self, inbox: &Inbox, header: Option<&str>) -> String {
        let mut delivery = json!({ "method": "urn:ietf:rfc:8935", "endpoint_url": inbox.url });
        if let Some(header) = header {
            delivery["authorization_header"] = header.into();
        }
        id_of(&self.make(json!({ "delivery": delivery })).await)
    }

    /// Tries a stream; the status of the answer.
    pub async fn verify(&self, stream: &str, state: &str) -> u16 {
        self.post("/ssf/verify", json!({ "stream_id": stream, "state": state })).await.status
    }

    /// Has a stream stand otherwise.
    pub async fn set_status(&self, stream: &str, status: &str) {
        let answer = self.post("/ssf/status", json!({ "stream_id": stream, "status": status })).await;
        assert_eq!((answer.status, &answer.json()["status"]), (200, &json!(status)), "{}", answer.body);
    }

    /// How a stream stands.
    pub async fn status(&self, stream: &str) -> String {
        let answer = self.call(Method::GET, &format!("/ssf/status?stream_id={stream}"), None).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["status"].as_str().unwrap_or_default().to_owned()
    }

    /// Fetches; the whole answer.
    pub async fn poll(&self, stream: &str, body: Value) -> Value {
        let answer = self.post(&format!("/ssf/poll/{stream}"), body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    /// Fetches without waiting; the ids of what came.
    pub async fn waiting(&self, stream: &str) -> Vec<String> {
        jtis(&self.poll(stream, json!({ "returnImmediately": true })).await)
    }
}

/// A token of an application's own with these scopes.
pub async fn own_token(client: &Client, scope: &str) -> String {
    let answer = client.post("/token", &[("grant_type", "client_credentials"), ("scope", scope)]).await;
    let tokens = Tokens::read(&answer);
    assert_eq!(tokens.answer["scope"].as_str().unwrap_or_default().split(' ').count(), scope.split(' ').count());
    tokens.access().to_owned()
}

/// Calls an address with a token, or with none.
pub async fn call(at: &Address, token: &str, method: Method, path: &str, body: Option<&str>) -> Answer {
    let mut request = at.request(method, &at.url(path));
    if !token.is_empty() {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    if let Some(body) = body {
        request = request.header(CONTENT_TYPE, "application/json").body(body.to_owned());
    }
    Answer::to(request).await
}

/// The id of a stream as it is shown.
pub fn id_of(shown: &Value) -> String {
    shown["stream_id"].as_str().unwrap_or_default().to_owned()
}

/// The ids of what was fetched, in their order.
pub fn jtis(fetched: &Value) -> Vec<String> {
    fetched["sets"].as_object().unwrap().keys().cloned().collect()
}

/// Something that was posted.
#[derive(Clone, Debug)]
pub struct Posted {
    /// The headers.
    pub headers: HeaderMap,
    /// The token.
    pub token: String,
}

impl Posted {
    /// The claims.
    pub fn claims(&self) -> Value {
        claims(&self.token)
    }

    /// A header's text; empty when it isn't there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The `state` of a verification.
    pub fn state(&self) -> String {
        self.claims()["events"][VERIFICATION]["state"].as_str().unwrap_or_default().to_owned()
    }
}

type Kept = Arc<Mutex<(StatusCode, &'static str, Vec<Posted>)>>;

/// Where a stream's events are posted; it is gone with the runtime.
#[derive(Clone, Debug)]
pub struct Inbox {
    /// Its address.
    pub url: String,
    kept: Kept,
}

impl Inbox {
    /// One on a free port, which takes what comes.
    pub async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let kept: Kept = Arc::new(Mutex::new((StatusCode::ACCEPTED, "", Vec::new())));
        let router = Router::new().route("/events", post(take)).with_state(Arc::clone(&kept));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, kept }
    }

    /// Has it answer verifications otherwise from now on; whatever else comes it takes.
    pub fn answer(&self, status: u16, body: &'static str) {
        let mut kept = self.kept.lock().unwrap();
        (kept.0, kept.1) = (StatusCode::from_u16(status).unwrap(), body);
    }

    /// What was posted so far.
    pub fn posted(&self) -> Vec<Posted> {
        self.kept.lock().unwrap().2.clone()
    }

    /// Waits until so much was posted.
    pub async fn wait_for(&self, count: usize) -> Vec<Posted> {
        let begun = Instant::now();
        loop {
            let posted = self.posted();
            if posted.len() >= count {
                return posted;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "{} of {count} events were posted", posted.len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn take(State(kept): State<Kept>, headers: HeaderMap, token: String) -> (StatusCode, &'static str) {
    let mut kept = kept.lock().unwrap();
    let tries = claims(&token)["events"][VERIFICATION].is_object();
    kept.2.push(Posted { headers, token });
    if tries { (kept.0, kept.1) } else { (StatusCode::ACCEPTED, "") }
}
