//! A customer's own OpenID provider, as much of one as stories need: a page that asks nothing, codes with PKCE, ID tokens,
//! userinfo and keys; and the ways of getting them wrong.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use hyper::http::request;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use josekit::jwk::{Jwk, KeyPair as _};
use josekit::jws::{self, ES256, HS256, JwsHeader, JwsSigner};
use muster::kernel::secret::Digest;
use muster::kernel::time::Clock as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use super::browser::{Browser, Landing};
use super::client::{claims, random};
use super::http::{Address, Answer};
use super::page::Page;
use super::world::Hands;

/// What it gets wrong. Whatever is about HTTP spares the page for browsers, which are not Muster.
#[derive(Clone, Debug)]
pub enum Spoil {
    /// Nothing.
    Nothing,
    /// These claims of the ID token, merged over the right ones; null takes one away.
    Claims(Value),
    /// The ID token's algorithm: `HS256` uses the public key as if it were a secret; any other word signs nothing.
    Algorithm(&'static str),
    /// ID tokens are signed with HS256 and the client's secret.
    SharedSecret,
    /// ID tokens are signed with another key than the one that is published under their `kid`.
    WrongKey,
    /// ID tokens are signed with a key that isn't published, under its own `kid`.
    UnknownKid,
    /// One bit of the ID token's signature.
    Flipped,
    /// It gives tokens for a code whoever brings it, with whatever verifier.
    AnyVerifier,
    /// Its answers to browsers do not say whose they are.
    NoIss,
    /// Its answers to browsers say that they are somebody else's.
    OtherIss(String),
    /// It lets nobody in, with this word.
    Error(&'static str),
    /// It hangs up on every request.
    Down,
    /// It never answers.
    Slow,
    /// Its answers are larger than anybody reads.
    Huge,
    /// It redirects every request to `/elsewhere`.
    Redirect,
    /// Userinfo is about somebody else.
    UserinfoOfOther,
}

/// A request that it got.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `GET`, `POST`.
    pub method: String,
    /// The path.
    pub path: String,
    /// The pairs of the query, and of the form.
    pub params: Vec<(String, String)>,
    authorization: String,
}

impl Asked {
    fn read(head: &request::Parts, body: &[u8]) -> Self {
        let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let query = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
        let is_form = header(CONTENT_TYPE).starts_with("application/x-www-form-urlencoded");
        let form = form_urlencoded::parse(if is_form { body } else { &[] });
        Self {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            params: query.chain(form).map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
            authorization: header(AUTHORIZATION).to_owned(),
        }
    }

    /// A parameter; empty when it isn't there.
    pub fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value)
    }
}

/// A key that it signs with.
#[derive(Clone)]
struct Key {
    kid: String,
    private: Jwk,
    public: Jwk,
    pem: Vec<u8>,
}

impl Key {
    fn fresh(kid: &str) -> Self {
        let pair = ES256.generate_key_pair().expect("a key can be made");
        let mut public = pair.to_jwk_public_key();
        public.set_key_id(kid);
        public.set_key_use("sig");
        Self { kid: kid.to_owned(), private: pair.to_jwk_private_key(), public, pem: pair.to_pem_public_key() }
    }

    fn sign(&self, typ: &str, claims: &Value) -> String {
        self.sign_by(&ES256.signer_from_jwk(&self.private).expect("a key for ES256"), typ, claims)
    }

    fn sign_shared(&self, secret: &[u8], claims: &Value) -> String {
        self.sign_by(&HS256.signer_from_bytes(secret).expect("a secret that is long enough"), "JWT", claims)
    }

    fn sign_by(&self, signer: &dyn JwsSigner, typ: &str, claims: &Value) -> String {
        let mut header = JwsHeader::new();
        header.set_key_id(&self.kid);
        header.set_token_type(typ);
        jws::serialize_compact(claims.to_string().as_bytes(), &header, signer).expect("it can be signed")
    }
}

/// What a code stands for.
struct Code {
    redirect_uri: String,
    challenge: String,
    nonce: String,
    asks_when: bool,
    says: Value,
}

struct State {
    hands: Hands,
    key: Key,
    keys_made: u32,
    says: Value,
    spoil: Spoil,
    described: Value,
    answers: BTreeMap<String, (u16, String)>,
    codes: BTreeMap<String, Code>,
    tokens: BTreeMap<String, Value>,
    asked: Vec<Asked>,
}

/// A provider on a free port; clones are the same one. It is gone with the runtime.
#[derive(Clone)]
pub struct Provider {
    /// Its issuer: `http://127.0.0.1:PORT`.
    pub issuer: String,
    /// How it calls Muster.
    pub client_id: String,
    /// What Muster shows it.
    pub client_secret: String,
    state: Arc<Mutex<State>>,
}

impl Provider {
    /// A provider that says `{"sub": "u1"}` until it is told otherwise.
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let state = State {
            hands: Hands::running(),
            key: Key::fresh("key-0"),
            keys_made: 1,
            says: json!({ "sub": "u1" }),
            spoil: Spoil::Nothing,
            described: json!({}),
            answers: BTreeMap::new(),
            codes: BTreeMap::new(),
            tokens: BTreeMap::new(),
            asked: Vec::new(),
        };
        let (client_id, client_secret) = ("muster-at-acme".to_owned(), random());
        let provider = Self { issuer, client_id, client_secret, state: Arc::new(Mutex::new(state)) };
        tokio::spawn(listen(listener, provider.clone()));
        provider
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Who signs in next, and from then on; `iss`, `aud`, `exp`, `iat` and `nonce` are added, and `auth_time` where the
    /// request has a `max_age`. What is said counts from the visit to its page: a code keeps it.
    pub fn says(&self, claims: Value) {
        self.state().says = claims;
    }

    /// What it gets wrong from now on; [`Spoil::Nothing`] mends it.
    pub fn spoil(&self, how: Spoil) {
        self.state().spoil = how;
    }

    /// What its discovery document says from now on, merged over what is right; null takes a member away.
    pub fn describes(&self, members: Value) {
        self.state().described = members;
    }

    /// What a path answers from now on, whatever is asked.
    pub fn answer(&self, path: &str, status: u16, body: &str) {
        self.state().answers.insert(path.to_owned(), (status, body.to_owned()));
    }

    /// A JWT signed by its current key.
    pub fn sign(&self, typ: &str, claims: &Value) -> String {
        self.state().key.sign(typ, claims)
    }

    /// Every request so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state().asked.clone()
    }

    /// How often a path was asked so far.
    pub fn times_asked(&self, path: &str) -> usize {
        self.state().asked.iter().filter(|asked| asked.path == path).count()
    }

    /// Signs with another key from now on, and publishes that one alone.
    pub fn rotate(&self) {
        let mut state = self.state();
        state.key = Key::fresh(&format!("key-{}", state.keys_made));
        state.keys_made += 1;
    }

    /// Goes by the clock of a story.
    pub fn goes_by(&self, hands: &Hands) {
        self.state().hands = hands.clone();
    }

    /// Where it sends a browser back to that was redirected to it, or shown the page that leads there: an address of
    /// Muster's, with a code or an error. Nobody has opened it yet.
    pub async fn sends_back(&self, landing: &Landing) -> String {
        let to = match landing {
            Landing::Page(page) => link(page),
            Landing::Away(arrival) => {
                let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&arrival.params).finish();
                format!("{}?{query}", arrival.address)
            }
        };
        let at = Address::of(&self.issuer);
        assert!(at.owns(&to), "{to} is not at {}", self.issuer);
        let answer = Answer::to(at.request(Method::GET, &to)).await;
        assert_eq!(answer.status, 302, "{to}: {}", answer.body);
        answer.header("location").to_owned()
    }

    /// Takes a browser that was sent to it through, and back to Muster.
    pub async fn pass(&self, browser: &mut Browser, landing: Landing) -> Landing {
        let back = self.sends_back(&landing).await;
        browser.open(&back).await
    }

    async fn take(&self, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let asked = Asked::read(&head, &body);
        self.state().asked.push(asked.clone());
        let spoil = self.state().spoil.clone();
        if asked.path != "/authorize" {
            match spoil {
                Spoil::Down => return Err(io::Error::other("down")),
                Spoil::Slow => std::future::pending::<()>().await,
                Spoil::Huge => return Ok(told(200, &json!({ "much": "x".repeat(5 << 20) }))),
                Spoil::Redirect => return Ok(sent(&format!("{}/elsewhere", self.issuer))),
                _ => {}
            }
        }
        let mut state = self.state();
        if let Some((status, body)) = state.answers.get(&asked.path) {
            return Ok(answered(*status, body.clone()));
        }
        Ok(match (asked.method.as_str(), asked.path.as_str()) {
            ("GET", "/.well-known/openid-configuration") => told(200, &self.document(&state)),
            ("GET", "/.well-known/ssf-configuration") => {
                told(200, &json!({ "issuer": self.issuer, "jwks_uri": format!("{}/jwks", self.issuer) }))
            }
            ("GET", "/jwks") => told(200, &json!({ "keys": [state.key.public] })),
            ("GET", "/authorize") => self.authorize(&mut state, &asked),
            ("POST", "/token") => self.token(&mut state, &asked),
            (_, "/userinfo") => userinfo(&state, &asked),
            _ => answered(404, String::new()),
        })
    }

    fn document(&self, state: &State) -> Value {
        let at = |path: &str| format!("{}{path}", self.issuer);
        let mut document = json!({
            "issuer": self.issuer, "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"),
            "userinfo_endpoint": at("/userinfo"), "jwks_uri": at("/jwks"), "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256", "RS256", "HS256", "none"],
            "authorization_response_iss_parameter_supported": true,
        });
        merge(&mut document, &state.described);
        document
    }

    /// Nobody is asked anything: the browser goes back at once.
    fn authorize(&self, state: &mut State, asked: &Asked) -> Response<Full<Bytes>> {
        let fits = asked.param("response_type") == "code"
            && asked.param("client_id") == self.client_id
            && asked.param("code_challenge_method") == "S256"
            && asked.param("scope").split(' ').any(|scope| scope == "openid")
            && ["state", "nonce", "code_challenge"].iter().all(|name| asked.param(name).len() >= 43);
        let back = Url::parse(asked.param("redirect_uri"));
        let (true, Ok(mut back)) = (fits, back) else {
            return answered(400, format!("no request for a code: {asked:?}"));
        };
        let mut put = |name: &str, value: &str| {
            back.query_pairs_mut().append_pair(name, value);
        };
        put("state", asked.param("state"));
        if let Spoil::Error(word) = state.spoil {
            put("error", word);
        } else {
            let code = random();
            put("code", &code);
            let stands_for = Code {
                redirect_uri: asked.param("redirect_uri").to_owned(),
                challenge: asked.param("code_challenge").to_owned(),
                nonce: asked.param("nonce").to_owned(),
                asks_when: !asked.param("max_age").is_empty(),
                says: state.says.clone(),
            };
            state.codes.insert(code, stands_for);
        }
        match &state.spoil {
            Spoil::NoIss => {}
            Spoil::OtherIss(other) => put("iss", other),
            _ => put("iss", &self.issuer),
        }
        sent(back.as_str())
    }

    /// A code is good once, for the client, the address and the verifier that it was made for.
    fn token(&self, state: &mut State, asked: &Asked) -> Response<Full<Bytes>> {
        if !self.is_client(asked) {
            return told(401, &json!({ "error": "invalid_client" }));
        }
        let is_lax = matches!(state.spoil, Spoil::AnyVerifier);
        let fits = |code: &Code| {
            asked.param("grant_type") == "authorization_code"
                && asked.param("redirect_uri") == code.redirect_uri
                && (is_lax || Digest::of(asked.param("code_verifier").as_bytes()).base64url() == code.challenge)
        };
        let Some(code) = state.codes.remove(asked.param("code")).filter(fits) else {
            return told(400, &json!({ "error": "invalid_grant" }));
        };
        let id_token = self.id_token(state, &self.claims(state, &code));
        let access = random();
        state.tokens.insert(access.clone(), code.says);
        told(200, &json!({ "access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": id_token }))
    }

    /// By secret, in the header or in the form; an assertion is looked at by whoever tells a story of one.
    fn is_client(&self, asked: &Asked) -> bool {
        let basic = STANDARD.encode(format!("{}:{}", self.client_id, self.client_secret));
        let posted = (asked.param("client_id"), asked.param("client_secret"));
        let assertion = claims(asked.param("client_assertion"));
        asked.authorization == format!("Basic {basic}")
            || posted == (self.client_id.as_str(), self.client_secret.as_str())
            || (assertion["iss"] == json!(self.client_id) && assertion["sub"] == json!(self.client_id))
    }

    fn claims(&self, state: &State, code: &Code) -> Value {
        let now = state.hands.now().seconds();
        let (issuer, client) = (&self.issuer, &self.client_id);
        let mut claims = json!({ "iss": issuer, "aud": client, "iat": now, "exp": now + 300, "nonce": code.nonce });
        if code.asks_when {
            claims["auth_time"] = json!(now);
        }
        merge(&mut claims, &code.says);
        if let Spoil::Claims(more) = &state.spoil {
            merge(&mut claims, more);
        }
        claims
    }

    fn id_token(&self, state: &State, claims: &Value) -> String {
        let key = &state.key;
        match &state.spoil {
            Spoil::Algorithm("HS256") => key.sign_shared(&key.pem, claims),
            Spoil::Algorithm(alg) => {
                let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
                format!("{}.{}.", part(&json!({ "alg": alg, "typ": "JWT", "kid": key.kid })), part(claims))
            }
            Spoil::SharedSecret => key.sign_shared(self.client_secret.as_bytes(), claims),
            Spoil::WrongKey => Key::fresh(&key.kid).sign("JWT", claims),
            Spoil::UnknownKid => Key::fresh("never-published").sign("JWT", claims),
            Spoil::Flipped => flipped(&key.sign("JWT", claims)),
            _ => key.sign("JWT", claims),
        }
    }
}

/// The claims that an access token stands for.
fn userinfo(state: &State, asked: &Asked) -> Response<Full<Bytes>> {
    let token = asked.authorization.strip_prefix("Bearer ").unwrap_or_default();
    let Some(says) = state.tokens.get(token) else {
        return told(401, &json!({ "error": "invalid_token" }));
    };
    let mut claims = says.clone();
    if matches!(state.spoil, Spoil::UserinfoOfOther) {
        claims["sub"] = json!("somebody-else");
    }
    told(200, &claims)
}

/// A token with one bit of its signature turned.
pub fn flipped(token: &str) -> String {
    let (head, signature) = token.rsplit_once('.').expect("a token in parts");
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).expect("a signature");
    bytes[0] ^= 1;
    format!("{head}.{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// Where the page leads that answers a form on the way to a provider.
fn link(page: &Page) -> String {
    let mark = "id=\"upstream-go\" href=\"";
    let found = page.html.split_once(mark).and_then(|(_, rest)| rest.split_once('"'));
    let (href, _) = found.unwrap_or_else(|| panic!("nothing leads to a provider: {page:?}"));
    href.replace("&#38;", "&").replace("&amp;", "&")
}

fn merge(into: &mut Value, more: &Value) {
    let into = into.as_object_mut().expect("an object");
    for (name, value) in more.as_object().expect("an object") {
        if value.is_null() {
            into.remove(name);
        } else {
            into.insert(name.clone(), value.clone());
        }
    }
}

fn answered(status: u16, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response.headers_mut().insert(CONTENT_TYPE, "application/json".parse().unwrap());
    response
}

fn told(status: u16, body: &Value) -> Response<Full<Bytes>> {
    answered(status, body.to_string())
}

fn sent(to: &str) -> Response<Full<Bytes>> {
    let mut response = answered(302, String::new());
    response.headers_mut().insert(LOCATION, to.parse().expect("an address"));
    response
}

async fn listen(listener: TcpListener, provider: Provider) {
    while let Ok((stream, _)) = listener.accept().await {
        let provider = provider.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let provider = provider.clone();
                async move { provider.take(request).await }
            });
            // Whoever hangs up, or is hung up on, is a part of the story.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
