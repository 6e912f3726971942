//! An application: it asks, exchanges, refreshes, introspects and revokes, and proves who it is as it was registered.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use josekit::jws::{self, ES256, JwsHeader};
use muster::kernel::secret::{Chance as _, Digest};
use muster::kernel::time::Clock as _;
use muster::outside::chance::SystemChance;
use muster::outside::clock::SystemClock;
use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde_json::{Map, Value, json};

use super::application::{Credentials, Registered};
use super::browser::{Arrival, Browser, Person};
use super::http::{Address, Answer};

/// 43 characters that nobody guesses.
pub fn random() -> String {
    URL_SAFE_NO_PAD.encode(SystemChance.bytes32())
}

/// An authorization request.
#[derive(Clone, Debug)]
pub struct Ask {
    params: Vec<(String, String)>,
    /// The PKCE verifier that goes with it.
    pub verifier: String,
}

impl Ask {
    /// An ordinary request of an application: code, PKCE, state and nonce, with roles.
    pub fn of(client: &Client) -> Self {
        let (verifier, state, nonce) = (random(), random(), random());
        let challenge = Digest::of(verifier.as_bytes()).base64url();
        let params: [(&str, &str); 8] = [
            ("response_type", "code"),
            ("client_id", client.client_id.as_str()),
            ("redirect_uri", client.redirect_uri.as_str()),
            ("scope", "openid profile email roles"),
            ("state", state.as_str()),
            ("nonce", nonce.as_str()),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ];
        Self { params: params.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(), verifier }
    }

    /// The request with a parameter set.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.params.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The request without a parameter.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.params.retain(|(given, _)| given != name);
        self
    }

    /// A parameter; empty when it isn't there.
    pub fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value)
    }

    /// Where the browser is sent.
    pub fn url(&self, at: &Address) -> String {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.params).finish();
        at.url(&format!("/authorize?{query}"))
    }
}

/// What the token endpoint gave.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The whole answer.
    pub answer: Value,
}

impl Tokens {
    /// Reads an answer that must be one with tokens.
    pub fn read(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "no tokens: {}", answer.body);
        assert_eq!(answer.header("cache-control"), "no-store");
        Self { answer: answer.json() }
    }

    fn text(&self, name: &str) -> &str {
        self.answer[name].as_str().unwrap_or_default()
    }

    /// The access token.
    pub fn access(&self) -> &str {
        self.text("access_token")
    }

    /// The refresh token; empty without one.
    pub fn refresh(&self) -> &str {
        self.text("refresh_token")
    }

    /// The ID token; empty without one.
    pub fn id(&self) -> &str {
        self.text("id_token")
    }

    /// The claims of the access token.
    pub fn claims(&self) -> Value {
        claims(self.access())
    }

    /// The claims of the ID token.
    pub fn id_claims(&self) -> Value {
        claims(self.id())
    }
}

/// The claims of a token, whoever signed it.
pub fn claims(token: &str) -> Value {
    part(token, 1)
}

/// A part of a token: 0 its header, 1 its claims.
pub fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    part.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// An application that talks to a node.
#[derive(Clone, Debug)]
pub struct Client {
    /// The node it talks to.
    pub at: Address,
    /// Its `client_id`.
    pub client_id: String,
    /// Its first redirect URI.
    pub redirect_uri: String,
    credentials: Credentials,
}

impl Client {
    /// The application that was registered.
    pub fn new(at: Address, registered: &Registered) -> Self {
        let application = &registered.application;
        let redirect_uri = application.redirect_uris.first().cloned().unwrap_or_default();
        Self { at, client_id: application.client_id.clone(), redirect_uri, credentials: registered.credentials.clone() }
    }

    /// Posts a form to one of its endpoints, authenticated.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let url = self.at.url(path);
        let mut fields: Vec<(String, String)> =
            fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let mut request = self.at.request(Method::POST, &url);
        let mut put = |name: &str, value: &str| fields.push((name.to_owned(), value.to_owned()));
        match &self.credentials {
            Credentials::None => put("client_id", &self.client_id),
            Credentials::Basic(secret) => {
                let pair = STANDARD.encode(format!("{}:{secret}", self.client_id));
                request = request.header(AUTHORIZATION, format!("Basic {pair}"));
            }
            Credentials::Post(secret) => {
                put("client_id", &self.client_id);
                put("client_secret", secret);
            }
            Credentials::Key(_) => {
                put("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
                put("client_assertion", &self.assertion());
            }
        }
        Answer::to(request.form(&fields)).await
    }

    /// An assertion of who it is (RFC 7523), good once.
    pub fn assertion(&self) -> String {
        let Credentials::Key(key) = &self.credentials else { panic!("{} has no key", self.client_id) };
        let now = SystemClock.now().seconds();
        let claims = json!({
            "iss": self.client_id, "sub": self.client_id, "aud": self.at.issuer, "iat": now, "exp": now + 60, "jti": random(),
        });
        let signer = ES256.signer_from_jwk(key).expect("a key for ES256");
        let header = JwsHeader::new();
        jws::serialize_compact(claims.to_string().as_bytes(), &header, &signer).expect("it can be signed")
    }

    /// Exchanges a code.
    pub async fn exchange(&self, code: &str, verifier: &str) -> Answer {
        let redirect_uri = self.redirect_uri.as_str();
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ];
        self.post("/token", &fields).await
    }

    /// Uses a refresh token.
    pub async fn refresh(&self, token: &str) -> Answer {
        self.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    /// A token of its own.
    pub async fn own_token(&self) -> Answer {
        self.post("/token", &[("grant_type", "client_credentials")]).await
    }

    /// What introspection says of a token.
    pub async fn introspect(&self, token: &str) -> Value {
        let answer = self.post("/introspect", &[("token", token)]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    /// Whether a token is honoured. What isn't is told with nothing else.
    pub async fn is_active(&self, token: &str) -> bool {
        let told = self.introspect(token).await;
        let active = told["active"] == true;
        assert!(active || told == json!({ "active": false }), "{told} says more than that the token is dead");
        active
    }

    /// Asks userinfo with an access token.
    pub async fn userinfo(&self, token: &str) -> Answer {
        let request = self.at.request(Method::GET, &self.at.url("/userinfo"));
        Answer::to(request.header(AUTHORIZATION, format!("Bearer {token}"))).await
    }

    /// Revokes a token.
    pub async fn revoke(&self, token: &str) -> Answer {
        self.post("/revoke", &[("token", token)]).await
    }

    /// Signs a person in through the pages and makes tokens of the code.
    pub async fn sign_in(&self, browser: &mut Browser, person: Person<'_>) -> Tokens {
        self.sign_in_with(browser, person, Ask::of(self)).await
    }

    /// As [`Client::sign_in`], with a request of one's own.
    pub async fn sign_in_with(&self, browser: &mut Browser, person: Person<'_>, ask: Ask) -> Tokens {
        let arrival = browser.authorize(&ask, person).await;
        self.tokens_of(&arrival, &ask).await
    }

    /// Checks what came with the redirect and makes tokens of the code.
    pub async fn tokens_of(&self, arrival: &Arrival, ask: &Ask) -> Tokens {
        assert_eq!(arrival.address.trim_end_matches('?'), self.redirect_uri);
        assert_eq!((arrival.param("error"), arrival.param("error_description")), ("", ""));
        assert_eq!((arrival.param("state"), arrival.param("iss")), (ask.param("state"), self.at.issuer.as_str()));
        Tokens::read(&self.exchange(arrival.param("code"), &ask.verifier).await)
    }

    /// Whether the browser's session still stands for this application: no page is shown to find out.
    pub async fn is_signed_in(&self, browser: &mut Browser) -> bool {
        let answer = browser.ask_silently(&Ask::of(self)).await;
        match answer.param("error") {
            "" => !answer.param("code").is_empty(),
            "login_required" | "interaction_required" | "consent_required" | "access_denied" => false,
            other => panic!("answered with {other}"),
        }
    }
}

/// Claims as a sorted list of texts, for roles.
pub fn list(value: &Value) -> Vec<String> {
    let mut words: Vec<String> =
        value.as_array().into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect();
    words.sort();
    words
}

/// The names of the members of an object.
pub fn names(value: &Value) -> Vec<String> {
    let empty = Map::new();
    value.as_object().unwrap_or(&empty).keys().cloned().collect()
}
