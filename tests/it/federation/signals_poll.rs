//! Security events that are fetched (RFC 8936): one node at a time asks, what was taken is acknowledged and what was not
//! is told why, and a transmitter that keeps failing is told of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use muster::domain::change::Change;
use muster::domain::federation::{NewSignIn, SignInSettings};
use muster::flows::federation::POLL_TOKEN;
use muster::flows::federation::signals::poll;
use muster::kernel::time::{MINUTE, SECOND};
use muster::store::federation::upstreams;
use serde_json::{Value, json};

use super::failing::{letters, staffed};
use super::signals_scene::{REVOKED, SECEVENT, Scene, VERIFICATION};
use crate::support::client::random;
use crate::support::server::{Site, on_both};
use crate::support::world::Kind;

/// The job asks every fifteen seconds which connections are due.
const ROUND: Duration = Duration::from_secs(45);
const PAUSE: Duration = Duration::from_millis(100);
/// How long the transmitter takes to answer: long enough for two who ask at once to meet there.
const SLOWNESS: Duration = Duration::from_millis(100);
const TOKEN: &str = "a-token-for-events";

#[derive(Debug, Default)]
struct Desk {
    is_down: bool,
    waiting: BTreeMap<String, String>,
    /// How often each event was handed out.
    given: BTreeMap<String, u32>,
    taken: BTreeSet<String>,
    refused: BTreeMap<String, String>,
    inside: u32,
    most_inside: u32,
}

/// A transmitter's desk, where events wait until somebody takes them; it is gone with the runtime.
#[derive(Clone, Debug)]
struct Transmitter {
    url: String,
    desk: Arc<Mutex<Desk>>,
}

impl Transmitter {
    async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}/poll", listener.local_addr().unwrap());
        let desk = Arc::new(Mutex::new(Desk::default()));
        let router = Router::new().route("/poll", post(answer)).with_state(Arc::clone(&desk));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, desk }
    }

    /// An event waits from now on, under its `jti`.
    fn puts(&self, scene: &Scene, claims: &Value) -> String {
        let jti = claims["jti"].as_str().expect("it has one").to_owned();
        self.desk.lock().unwrap().waiting.insert(jti.clone(), scene.provider.sign(SECEVENT, claims));
        jti
    }

    fn set_down(&self, is_down: bool) {
        self.desk.lock().unwrap().is_down = is_down;
    }

    fn has_none(&self) -> bool {
        self.desk.lock().unwrap().waiting.is_empty()
    }
}

async fn answer(
    State(desk): State<Arc<Mutex<Desk>>>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, [(header::HeaderName, &'static str); 1], String) {
    {
        let mut desk = desk.lock().unwrap();
        desk.inside += 1;
        desk.most_inside = desk.most_inside.max(desk.inside);
    }
    tokio::time::sleep(SLOWNESS).await;
    let mut desk = desk.lock().unwrap();
    desk.inside -= 1;
    let (status, body) = judged(&mut desk, &headers, &body);
    (status, [(header::CONTENT_TYPE, "application/json")], body)
}

/// RFC 8936 §2.4: what is acknowledged or refused does not come again.
fn judged(desk: &mut Desk, headers: &HeaderMap, body: &str) -> (StatusCode, String) {
    let asked: Value = serde_json::from_str(body).unwrap_or_default();
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if desk.is_down {
        return (StatusCode::BAD_GATEWAY, String::new());
    }
    if bearer != format!("Bearer {TOKEN}") || asked["returnImmediately"] != true {
        return (StatusCode::UNAUTHORIZED, String::new());
    }
    for jti in asked["ack"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        desk.waiting.remove(jti);
        desk.taken.insert(jti.to_owned());
    }
    for (jti, error) in asked["setErrs"].as_object().into_iter().flatten() {
        desk.waiting.remove(jti);
        desk.refused.insert(jti.clone(), error["err"].as_str().unwrap_or_default().to_owned());
    }
    let sets = desk.waiting.clone();
    for jti in sets.keys() {
        *desk.given.entry(jti.clone()).or_default() += 1;
    }
    (StatusCode::OK, json!({ "sets": sets, "moreAvailable": false }).to_string())
}

/// Acme, whose provider's events are fetched at a transmitter's desk.
async fn acme(site: &Site) -> (Scene, Transmitter) {
    let (scene, transmitter) = (Scene::acme(site, |_| {}).await, Transmitter::open().await);
    let found = upstreams::by_id(&mut site.conn().await, &scene.okta.connection).await.unwrap();
    let mut settings: SignInSettings = found.expect("it is set up").settings;
    settings.signals.issuer = Some(scene.provider.issuer.clone());
    settings.signals.audience = Some("https://acme.test/muster".to_owned());
    settings.signals.poll_url = Some(transmitter.url.clone());
    let connection = scene.okta.connection.clone();
    let new = NewSignIn {
        sealed_poll_token: Some(site.sealer.seal(POLL_TOKEN, connection.as_str(), TOKEN.as_bytes())),
        connection,
        org: scene.org.id.clone(),
        settings,
        sealed_secret: None,
        sealed_key: None,
        public_key: None,
    };
    site.act(vec![Change::PutSignIn(Box::new(new))]).await;
    (scene, transmitter)
}

/// The claims of an event for whoever fetches it.
fn event(site: &Site, scene: &Scene, kind: &str, subject: Value) -> Value {
    scene.event(site, kind, subject, json!({ "aud": "https://acme.test/muster" }))
}

async fn fetch(site: &Site, scene: &Scene) {
    poll::fetch(site, &scene.okta.connection).await.expect("the database works");
}

/// Asks as the job does until nothing waits: the job may be at it just now, or have been a moment ago.
async fn fetched(site: &Site, scene: &Scene, transmitter: &Transmitter) {
    for _ in 0..100 {
        fetch(site, scene).await;
        if transmitter.has_none() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
        site.advance(SECOND);
    }
    panic!("nobody took them: {:?}", transmitter.desk.lock().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_at_the_transmitter_is_carried_out_and_acknowledged_and_what_is_wrong_is_told() {
    on_both(async |site| {
        let (scene, transmitter) = acme(site).await;
        let (ana, mut bo) = (scene.comes("ana", "s-ana").await, scene.comes("bo", "s-bo").await);
        let revoked = event(site, &scene, REVOKED, scene.person("ana"));
        let taken = [
            transmitter.puts(&scene, &revoked),
            transmitter.puts(&scene, &event(site, &scene, VERIFICATION, json!({ "format": "opaque", "id": "1" }))),
        ];
        let foreign = scene.event(site, REVOKED, scene.person("bo"), json!({ "aud": "https://else.test" }));
        let foreign = transmitter.puts(&scene, &foreign);
        let unsigned = random();
        transmitter.desk.lock().unwrap().waiting.insert(unsigned.clone(), "no.token.atall".to_owned());

        fetched(site, &scene, &transmitter).await;
        ana.is_out(&scene.shop).await;
        bo.is_in(&scene.shop).await;
        scene.has_told_of(site, &[&ana]).await;
        {
            let desk = transmitter.desk.lock().unwrap();
            assert_eq!(desk.taken, BTreeSet::from(taken));
            let wrong = [(foreign, "invalid_audience".to_owned()), (unsigned, "authentication_failed".to_owned())];
            assert_eq!(desk.refused, BTreeMap::from(wrong));
            assert!(desk.given.values().all(|times| *times == 1), "{desk:?}");
        }

        // What comes again, because its acknowledgement was lost, is acknowledged again and does nothing.
        site.advance(MINUTE);
        let mut again = scene.comes("ana", "s-again").await;
        transmitter.puts(&scene, &revoked);
        fetched(site, &scene, &transmitter).await;
        again.is_in(&scene.shop).await;
        scene.has_told_of(site, &[&ana]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_nodes_one_asks_at_a_time_and_what_it_hears_holds_at_the_other() {
    let Some(one) = Site::open(Kind::Postgres, |_| {}).await else {
        return;
    };
    let other = one.second_node().await;
    let (scene, transmitter) = acme(&one).await;
    let (ana, mut bo) = (scene.comes("ana", "s-ana").await, scene.comes("bo", "s-bo").await);
    let connection = &scene.okta.connection;
    for _ in 0..5 {
        transmitter.puts(&scene, &event(&one, &scene, VERIFICATION, json!({ "format": "opaque", "id": "1" })));
        let (here, there) = tokio::join!(poll::fetch(&one, connection), poll::fetch(&other, connection));
        here.and(there).expect("the database works");
        fetched(&one, &scene, &transmitter).await;
        one.advance(MINUTE);
    }
    // And nobody has to say when: each node looks by itself what is due.
    let last = transmitter.puts(&scene, &event(&one, &scene, REVOKED, scene.person("ana")));
    let begun = Instant::now();
    while !transmitter.has_none() {
        assert!(begun.elapsed() < ROUND, "no node looked");
        tokio::time::sleep(PAUSE).await;
    }
    {
        let desk = transmitter.desk.lock().unwrap();
        assert!(desk.taken.contains(&last) && desk.taken.len() == 6 && desk.refused.is_empty(), "{desk:?}");
        assert!(desk.most_inside == 1 && desk.given.values().all(|times| *times == 1), "{desk:?}");
    }
    let mut there = scene.shop.clone();
    there.at = other.at.clone();
    ana.is_out(&there).await;
    bo.is_in(&there).await;
    scene.has_told_of(&one, &[&ana]).await;
    other.close().await;
    one.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transmitter_that_keeps_failing_is_told_of_once_a_day_and_its_events_are_not_lost() {
    on_both(async |site| {
        staffed(site).await;
        let (scene, transmitter) = acme(site).await;
        transmitter.set_down(true);
        let old = event(site, &scene, VERIFICATION, json!({ "format": "opaque", "id": "1" }));
        let old = transmitter.puts(&scene, &old);
        fetch(site, &scene).await;
        assert_eq!(letters(site).await, [0; 3], "it began a moment ago");
        for _ in 0..12 {
            site.advance(16 * MINUTE);
            fetch(site, &scene).await;
        }
        assert_eq!(letters(site).await, [1, 1, 0]);
        for _ in 0..5 {
            site.advance(16 * MINUTE);
            fetch(site, &scene).await;
        }
        assert_eq!(letters(site).await, [1, 1, 0], "once a day");

        transmitter.set_down(false);
        site.advance(16 * MINUTE);
        let ana = scene.comes("ana", "s-ana").await;
        transmitter.puts(&scene, &event(site, &scene, REVOKED, scene.person("ana")));
        fetched(site, &scene, &transmitter).await;
        ana.is_out(&scene.shop).await;
        scene.has_told_of(site, &[&ana]).await;
        assert!(transmitter.desk.lock().unwrap().taken.contains(&old));
    })
    .await;
}
