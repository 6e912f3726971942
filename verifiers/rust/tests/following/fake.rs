//! A Muster as the verifier sees it: documents, keys, tokens, and a feed that does what a test has it do.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use futures_util::stream;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use muster_verifier::{Credentials, Options};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub const AUDIENCE: &str = "https://orders.example";

/// What is wrong with the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    Nothing,
    /// They begin later than where the reader is.
    Gap,
    /// Somebody else signed them.
    Signature,
    /// They are for another application.
    Audience,
    /// They are no pages by their type.
    Type,
    /// They were signed long ago.
    Old,
    /// They have an entry that nobody knows.
    Entry,
}

/// What the fake does, and what was asked of it.
pub struct World {
    pub issuer: String,
    pub generation: String,
    /// The entries; the number of the first is 1.
    pub log: Vec<Value>,
    /// What is no longer kept.
    pub floor: usize,
    pub wrong: Wrong,
    pub silent: bool,
    pub streams: bool,
    /// Only this access token is taken at the feed.
    pub token: String,
    /// Where the documents say that the token endpoint is.
    pub token_endpoint: String,
    /// The queries of the feed, with `stream` or `poll` before each.
    pub asked: Vec<String>,
    pub keys_fetched: usize,
    pub tokens_fetched: usize,
    /// The id of the key that signs, and the ids of those that are published.
    pub signs: &'static str,
    pub published: Vec<&'static str>,
}

#[derive(Clone)]
pub struct Fake {
    pub world: Arc<Mutex<World>>,
    key: EncodingKey,
    strange: EncodingKey,
}

fn new_key() -> EncodingKey {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    EncodingKey::from_ec_der(document.expect("a key can be made").as_ref())
}

pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    i64::try_from(since.as_secs()).expect("small")
}

impl Fake {
    /// A fake that listens.
    pub async fn start() -> Self {
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let issuer = format!("http://{}", listener.local_addr().expect("it is bound"));
        let world = World {
            token_endpoint: format!("{issuer}/token"),
            issuer,
            generation: "g1".to_owned(),
            log: Vec::new(),
            floor: 0,
            wrong: Wrong::Nothing,
            silent: false,
            streams: true,
            token: "good-1".to_owned(),
            asked: Vec::new(),
            keys_fetched: 0,
            tokens_fetched: 0,
            signs: "k1",
            published: vec!["k1"],
        };
        let fake = Self { world: Arc::new(Mutex::new(world)), key: new_key(), strange: new_key() };
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(openid))
            .route("/.well-known/muster-revocations", get(metadata))
            .route("/jwks", get(jwks))
            .route("/token", post(token))
            .route("/revocations", get(feed))
            .with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        fake
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no test panicked with it")
    }

    /// A verifier's settings: 2 seconds of silence mean long polls, 10 and more a stream.
    pub fn options(&self, silence: u64) -> Options {
        let credentials = Credentials::secret("orders", "hush");
        Options::new(self.world().issuer.clone(), AUDIENCE, credentials).max_silence(Duration::from_secs(silence))
    }

    /// An access token of ana at acme, with a version.
    pub fn access_token(&self, acv: i64) -> String {
        let (issuer, signs) = {
            let world = self.world();
            (world.issuer.clone(), world.signs)
        };
        let claims = json!({
            "iss": issuer, "aud": AUDIENCE, "sub": "usr_ana", "client_id": "shop", "jti": "fam_1.aa", "iat": now(),
            "exp": now() + 600, "org_id": "org_acme", "acv": acv, "org_roles": ["org.reader"],
        });
        signed(&self.key, signs, "at+jwt", &claims)
    }

    /// An access token that names a key.
    pub fn access_token_by(&self, id: &str) -> String {
        signed(&self.key, id, "at+jwt", &json!({ "sub": "usr_ana" }))
    }

    /// Whether it is silent, and the last number.
    fn state(&self) -> (bool, usize) {
        let world = self.world();
        (world.silent, world.log.len())
    }

    /// Makes an entry known.
    pub fn tell(&self, entry: Value) {
        self.world().log.push(entry);
    }

    /// The page that follows a number, and where it ends.
    fn page(&self, after: Option<usize>, generation: Option<&str>) -> (String, usize) {
        let world = self.world();
        let known = after.filter(|after| *after >= world.floor && *after <= world.log.len());
        let known = known.filter(|_| generation.is_none_or(|generation| generation == world.generation));
        let from = known.unwrap_or(world.floor);
        let to = world.log.len();
        let mut claims = json!({
            "iss": world.issuer, "aud": "orders", "iat": now(), "generation": world.generation, "from": from, "to": to,
            "head": true, "entries": world.log[from..to],
        });
        if known.is_none() {
            claims["reset"] = true.into();
        }
        let (mut key, mut typ) = (&self.key, "muster-revocations+jwt");
        match world.wrong {
            Wrong::Nothing => {}
            Wrong::Gap => {
                (claims["from"], claims["to"], claims["reset"]) = (json!(to + 1), json!(to + 1), json!(false));
            }
            Wrong::Signature => key = &self.strange,
            Wrong::Audience => claims["aud"] = "billing".into(),
            Wrong::Type => typ = "at+jwt",
            Wrong::Old => claims["iat"] = (now() - 60).into(),
            Wrong::Entry => claims["entries"] = json!([["new", "usr_ana"]]),
        }
        (signed(key, world.signs, typ, &claims), to)
    }
}

fn signed(key: &EncodingKey, id: &str, typ: &str, claims: &Value) -> String {
    let header = Header { typ: Some(typ.to_owned()), kid: Some(id.to_owned()), ..Header::new(Algorithm::ES256) };
    encode(&header, claims, key).expect("it can be signed")
}

async fn openid(State(fake): State<Fake>) -> Json<Value> {
    let world = fake.world();
    let jwks = format!("{}/jwks", world.issuer);
    Json(json!({ "issuer": world.issuer, "jwks_uri": jwks, "token_endpoint": world.token_endpoint }))
}

async fn metadata(State(fake): State<Fake>) -> Json<Value> {
    let issuer = fake.world().issuer.clone();
    Json(json!({ "revocations_endpoint": format!("{issuer}/revocations"), "max_token_life": 3600 }))
}

async fn jwks(State(fake): State<Fake>) -> Json<Value> {
    let mut world = fake.world();
    world.keys_fetched += 1;
    let jwk = Jwk::from_encoding_key(&fake.key, Algorithm::ES256).expect("it has a public half");
    let jwk = serde_json::to_value(jwk).expect("a JWK is JSON");
    let keys: Vec<Value> = world
        .published
        .iter()
        .map(|id| {
            let mut jwk = jwk.clone();
            jwk["kid"] = (*id).into();
            jwk
        })
        .collect();
    Json(json!({ "keys": keys }))
}

async fn token(State(fake): State<Fake>, headers: HeaderMap, body: String) -> Response {
    let mut world = fake.world();
    world.tokens_fetched += 1;
    // orders:hush
    let right = headers.get(AUTHORIZATION).is_some_and(|value| value == "Basic b3JkZXJzOmh1c2g=");
    if !right || body != "grant_type=client_credentials&scope=revocations.read" {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    Json(json!({ "access_token": world.token, "expires_in": 600 })).into_response()
}

#[derive(serde::Deserialize)]
struct Asked {
    after: Option<usize>,
    generation: Option<String>,
    wait: Option<u64>,
}

async fn feed(State(fake): State<Fake>, headers: HeaderMap, Query(asked): Query<Asked>) -> Response {
    let stream = headers.get(ACCEPT).is_some_and(|value| value == "text/event-stream");
    {
        let mut world = fake.world();
        if headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) != Some(&format!("Bearer {}", world.token))
        {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        let kind = if stream { "stream" } else { "poll" };
        world.asked.push(format!("{kind} {:?} {:?}", asked.after, asked.generation));
        if stream && !world.streams {
            return StatusCode::NOT_ACCEPTABLE.into_response();
        }
    }
    if stream { as_stream(fake, asked) } else { as_poll(fake, asked).await }
}

async fn as_poll(fake: Fake, asked: Asked) -> Response {
    let until = Instant::now() + Duration::from_secs(asked.wait.unwrap_or_default());
    loop {
        let (silent, end) = fake.state();
        if !silent && (asked.after != Some(end) || Instant::now() >= until) {
            let (page, _) = fake.page(asked.after, asked.generation.as_deref());
            return ([(CONTENT_TYPE, "application/jwt")], page).into_response();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Says something at least every 200 ms, unless it is silent.
fn as_stream(fake: Fake, asked: Asked) -> Response {
    let begin = (asked.after, asked.generation, None::<Instant>);
    let events = stream::unfold((fake, begin), async |(fake, (after, generation, said))| {
        loop {
            let (silent, end) = fake.state();
            let due = said.is_none_or(|said| said.elapsed() > Duration::from_millis(200)) || after != Some(end);
            if !silent && due {
                let (page, to) = fake.page(after, generation.as_deref());
                let event = format!(": hello\r\nid: {to}\r\ndata: {page}\r\n\r\n");
                let generation = Some(fake.world().generation.clone());
                return Some((Ok::<_, Infallible>(event), (fake, (Some(to), generation, Some(Instant::now())))));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
}
