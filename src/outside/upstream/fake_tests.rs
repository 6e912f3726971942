//! A provider for the tests here: as much of one as they need, over plain HTTP on this machine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use josekit::jwk::{Jwk, KeyPair};
use josekit::jws::{self, ES256, JwsHeader, JwsSigner};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::Upstreams;
use crate::kernel::time::UnixMillis;
use crate::outside::relying_party::{RelyingParty, RelyingPartyConfig};

/// What time it is in these tests.
pub(super) const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

/// A client that may call this machine.
pub(super) fn relying_party() -> RelyingParty {
    let allow_hosts = vec!["127.0.0.1".to_owned()];
    RelyingParty::new(RelyingPartyConfig { allow_hosts, ..Default::default() }).unwrap()
}

/// Providers of whom nothing is known yet.
pub(super) fn upstreams() -> Upstreams {
    Upstreams::new(relying_party())
}

/// A key that a provider signs with.
pub(super) struct Key {
    pub(super) public: Jwk,
    pub(super) pem: Vec<u8>,
    kid: String,
    signer: Box<dyn JwsSigner>,
}

impl Key {
    /// A new key of P-256 named `kid`.
    pub(super) fn fresh(kid: &str) -> Self {
        let pair = ES256.generate_key_pair().unwrap();
        let mut public = pair.to_jwk_public_key();
        public.set_key_id(kid);
        public.set_key_use("sig");
        let signer = Box::new(ES256.signer_from_jwk(&pair.to_jwk_private_key()).unwrap());
        Self { public, pem: pair.to_pem_public_key(), kid: kid.to_owned(), signer }
    }

    /// A token with these claims.
    pub(super) fn sign(&self, claims: &Value) -> String {
        self.sign_as(Some("JWT"), claims)
    }

    /// A token of a type.
    pub(super) fn sign_as(&self, typ: Option<&str>, claims: &Value) -> String {
        let mut header = JwsHeader::new();
        header.set_key_id(&self.kid);
        if let Some(typ) = typ {
            header.set_token_type(typ);
        }
        self.sign_with(&header, claims)
    }

    /// A token with a header of the test's own.
    pub(super) fn sign_with(&self, header: &JwsHeader, claims: &Value) -> String {
        jws::serialize_compact(claims.to_string().as_bytes(), header, self.signer.as_ref()).unwrap()
    }
}

/// A provider with discovery, one key, and whatever else a test lets it answer.
pub(super) struct Fake {
    pub(super) issuer: String,
    pub(super) key: Key,
    routes: Arc<Mutex<Routes>>,
}

#[derive(Default)]
struct Routes {
    answers: BTreeMap<String, String>,
    asked: Vec<String>,
    pause: Duration,
}

impl Fake {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let fake = Self { issuer, key: Key::fresh("one"), routes: Arc::default() };
        fake.answer("/.well-known/openid-configuration", 200, &fake.document().to_string());
        fake.publish(&[&fake.key]);
        let routes = Arc::clone(&fake.routes);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&routes)));
            }
        });
        fake
    }

    /// The discovery document.
    pub(super) fn document(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.issuer);
        json!({
            "issuer": self.issuer, "authorization_endpoint": at("/authorize?tenant=a"), "token_endpoint": at("/token"),
            "jwks_uri": at("/jwks"), "userinfo_endpoint": at("/userinfo"), "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256", "RS256", "HS256", "none"],
        })
    }

    /// The claims of an ID token that holds.
    pub(super) fn claims(&self) -> Value {
        let now = NOW.seconds();
        json!({
            "iss": self.issuer, "sub": "sub-1", "aud": "muster", "iat": now - 1, "exp": now + 300, "nonce": "n-1",
            "groups": ["g-1", "g-2"],
        })
    }

    /// What a path answers from now on.
    pub(super) fn answer(&self, path: &str, status: u16, body: &str) {
        let head = format!("content-length: {}\r\ncontent-type: application/json", body.len());
        self.raw(path, format!("{status} X\r\n{head}\r\n\r\n{body}"));
    }

    /// An answer whose length nobody knows in advance.
    pub(super) fn endless(&self, path: &str, body: &str) {
        self.raw(path, format!("200 OK\r\ncontent-type: application/json\r\n\r\n{body}"));
    }

    /// A path that sends elsewhere.
    pub(super) fn redirect(&self, path: &str, to: &str) {
        let location = format!("{}{to}", self.issuer);
        self.raw(path, format!("302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"));
    }

    /// What the token endpoint gives for a code.
    pub(super) fn give(&self, id_token: &str) {
        let answer = json!({ "access_token": "at-1", "token_type": "Bearer", "expires_in": 300, "id_token": id_token });
        self.answer("/token", 200, &answer.to_string());
    }

    /// The keys that are published from now on.
    pub(super) fn publish(&self, keys: &[&Key]) {
        let keys: Vec<&Jwk> = keys.iter().map(|key| &key.public).collect();
        self.answer("/jwks", 200, &json!({ "keys": keys }).to_string());
    }

    /// Lets every answer wait.
    pub(super) fn pause(&self, pause: Duration) {
        self.routes.lock().unwrap().pause = pause;
    }

    /// The requests that a path was asked so far.
    pub(super) fn asked(&self, path: &str) -> Vec<String> {
        let routes = self.routes.lock().unwrap();
        routes.asked.iter().filter(|request| path_of(request) == path).cloned().collect()
    }

    fn raw(&self, path: &str, answer: String) {
        self.routes.lock().unwrap().answers.insert(path.to_owned(), answer);
    }
}

async fn serve(mut stream: TcpStream, routes: Arc<Mutex<Routes>>) {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    while !is_whole(&request) {
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => request.extend_from_slice(&buffer[..read]),
            _ => return,
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let (answer, pause) = {
        let mut routes = routes.lock().unwrap();
        let answer = routes.answers.get(path_of(&request)).cloned();
        routes.asked.push(request);
        (answer.unwrap_or_else(|| "404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned()), routes.pause)
    };
    tokio::time::sleep(pause).await;
    let (status, rest) = answer.split_once("\r\n").unwrap();
    // The client may have heard enough and be gone.
    let _ = stream.write_all(format!("HTTP/1.1 {status}\r\nconnection: close\r\n{rest}").as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn path_of(request: &str) -> &str {
    request.split(' ').nth(1).unwrap_or_default()
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    body.len() >= length.unwrap_or_default()
}
