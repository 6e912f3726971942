//! What one simulated caller does over and over: a fixed request, a chain of refreshes, a sign-in.
//!
//! A step is one operation; its answer is checked, because a server that refuses quickly is not a fast server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::browser::{Browser, Landing};
use crate::http::{self, Answer, Connection};
use crate::scim_caller::Caller;
use crate::world::{Application, REDIRECT_URI};

/// The scopes of a sign-in whose refresh tokens outlive the session.
pub const OFFLINE: &str = "openid profile email roles offline_access";
/// The scopes of an ordinary sign-in.
pub const ONLINE: &str = "openid profile email roles";

/// What a step came to.
pub enum Step {
    /// It was done, in so many requests.
    Did(u32),
    /// There is nothing more to do.
    Exhausted,
}

/// What an answer must be like.
#[derive(Clone, Copy)]
pub struct Expected {
    /// The status.
    pub status: u16,
    /// A text that the body must hold; the empty text is in every body.
    pub text: &'static str,
}

impl Expected {
    /// Fails unless the answer is as expected.
    ///
    /// # Errors
    /// It is not.
    pub fn check(self, answer: &Answer) -> Result<()> {
        ensure!(answer.status == self.status, "expected {}: {}", self.status, answer.summary());
        let held = self.text.is_empty() || answer.text().contains(self.text);
        ensure!(held, "expected {}: {}", self.text, answer.summary());
        Ok(())
    }
}

/// One caller.
pub enum Flow {
    /// The same request again and again.
    Same(Connection, Arc<[u8]>, Expected),
    /// Each request of a shared list once.
    Series(Connection, Arc<Series>, Expected),
    /// An authorization request under a live session, then the code's exchange.
    AuthCode(Box<Browser>, Client),
    /// Refreshing, each time with the token that the last time gave.
    Refresh(Connection, Client, String),
    /// Signing in with a password, each time as a browser that has no session.
    Password(Box<Browser>, Client),
    /// What a directory's client does.
    Scim(Box<Caller>),
}

/// Requests to be sent once each, by whichever caller comes first.
pub struct Series {
    requests: Vec<Vec<u8>>,
    next: AtomicUsize,
}

impl Series {
    /// A series of these requests.
    pub const fn new(requests: Vec<Vec<u8>>) -> Self {
        Self { requests, next: AtomicUsize::new(0) }
    }

    fn next(&self) -> Option<&[u8]> {
        self.requests.get(self.next.fetch_add(1, Ordering::Relaxed)).map(Vec::as_slice)
    }
}

impl Flow {
    /// Does one operation.
    ///
    /// # Errors
    /// The connection broke, or an answer is not what it must be.
    pub async fn step(&mut self) -> Result<Step> {
        match self {
            Self::Same(connection, request, expected) => {
                expected.check(&connection.send(request).await?)?;
                Ok(Step::Did(1))
            }
            Self::Series(connection, series, expected) => {
                let Some(request) = series.next() else {
                    return Ok(Step::Exhausted);
                };
                expected.check(&connection.send(request).await?)?;
                Ok(Step::Did(1))
            }
            Self::AuthCode(browser, client) => {
                client.tokens(browser, ONLINE).await?;
                Ok(Step::Did(browser.count() + 1))
            }
            Self::Refresh(connection, client, token) => {
                *token = client.refresh(connection, token).await?;
                Ok(Step::Did(1))
            }
            Self::Password(browser, client) => {
                browser.forget();
                let attempt = Attempt::new();
                let landed = browser.sign_in(&client.authorize(ONLINE, &attempt)).await?;
                attempt.code(&landed)?;
                Ok(Step::Did(browser.count()))
            }
            Self::Scim(caller) => caller.step().await,
        }
    }
}

/// One authorization request's secrets.
pub struct Attempt {
    state: String,
    verifier: String,
}

impl Attempt {
    /// Fresh ones.
    pub fn new() -> Self {
        let mut bytes = [0; 48];
        aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
        let (state, verifier) = bytes.split_at(16);
        Self { state: URL_SAFE_NO_PAD.encode(state), verifier: URL_SAFE_NO_PAD.encode(verifier) }
    }

    /// RFC 7636 §4.2.
    fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.as_bytes()))
    }

    /// The code in the URL that the browser was sent to.
    fn code(&self, landed: &str) -> Result<String> {
        ensure!(landed.starts_with(REDIRECT_URI), "the browser was sent to {landed}");
        let url = Url::parse(landed)?;
        let value = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        ensure!(value("state").as_deref() == Some(self.state.as_str()), "another state came back");
        let Some(code) = value("code") else {
            bail!(
                "no code but {}: {}",
                value("error").unwrap_or_default(),
                value("error_description").unwrap_or_default()
            );
        };
        Ok(code)
    }
}

/// What a token request gave.
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: Option<String>,
}

/// An application at work: its name, its secret and the server that it knows.
#[derive(Clone)]
pub struct Client {
    host: String,
    client_id: &'static str,
    authorization: String,
}

impl Client {
    /// This application, at the server of this host.
    pub fn new(host: &str, application: Application) -> Self {
        Self::named(host, application.client_id, &application.secret())
    }

    /// The application with this name and secret, at the server of this host.
    pub fn named(host: &str, client_id: &'static str, secret: &str) -> Self {
        Self { host: host.to_owned(), client_id, authorization: http::basic(client_id, secret) }
    }

    /// A form posted under the application's own name.
    pub fn request(&self, target: &str, fields: &[(&str, &str)]) -> Vec<u8> {
        http::post(&self.host, target, &[("Authorization", self.authorization.as_str())], fields)
    }

    /// An authorization request, as the browser's target.
    fn authorize(&self, scope: &str, attempt: &Attempt) -> String {
        let challenge = attempt.challenge();
        let fields = [
            ("response_type", "code"),
            ("client_id", self.client_id),
            ("redirect_uri", REDIRECT_URI),
            ("scope", scope),
            ("state", attempt.state.as_str()),
            ("nonce", attempt.state.as_str()),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ];
        format!("/authorize?{}", http::form(&fields))
    }

    /// Signs the person in where there is no session yet.
    ///
    /// # Errors
    /// She is not let in, or no code comes back.
    pub async fn sign_in(&self, browser: &mut Browser) -> Result<()> {
        let attempt = Attempt::new();
        let landed = browser.sign_in(&self.authorize(ONLINE, &attempt)).await?;
        attempt.code(&landed).map(drop)
    }

    /// As [`Client::sign_in`], as somebody with the same password, and exchanges the code.
    ///
    /// # Errors
    /// The person is not let in, or the exchange is refused.
    pub async fn sign_in_as(&self, browser: &mut Browser, user_name: &str, scope: &str) -> Result<Tokens> {
        let attempt = Attempt::new();
        let landed = browser.sign_in_as(&self.authorize(scope, &attempt), user_name).await?;
        self.exchange(browser.connection(), &attempt, &landed).await
    }

    /// An authorization request under the browser's live session, and the code's exchange.
    ///
    /// # Errors
    /// A page is shown instead of a redirect, or the exchange is refused.
    pub async fn tokens(&self, browser: &mut Browser, scope: &str) -> Result<Tokens> {
        let attempt = Attempt::new();
        let landed = match browser.open(&self.authorize(scope, &attempt)).await? {
            Landing::Away(url) => url,
            Landing::Page(page) => bail!("a page under a live session: {}", page.summary()),
        };
        self.exchange(browser.connection(), &attempt, &landed).await
    }

    async fn exchange(&self, connection: &mut Connection, attempt: &Attempt, landed: &str) -> Result<Tokens> {
        let code = attempt.code(landed)?;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", attempt.verifier.as_str()),
        ];
        self.redeem(connection, &fields).await
    }

    /// The next refresh token of a chain.
    ///
    /// # Errors
    /// The connection broke, or the refresh is refused.
    pub async fn refresh(&self, connection: &mut Connection, token: &str) -> Result<String> {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.redeem(connection, &fields).await?.refresh.context("a refresh gave no refresh token")
    }

    async fn redeem(&self, connection: &mut Connection, fields: &[(&str, &str)]) -> Result<Tokens> {
        let answer = connection.send(&self.request("/token", fields)).await?;
        Expected { status: 200, text: "\"id_token\"" }.check(&answer)?;
        let tokens = answer.json()?;
        let text = |name: &str| tokens[name].as_str().map(str::to_owned);
        Ok(Tokens { access: text("access_token").context("no access token")?, refresh: text("refresh_token") })
    }

    /// An access token for the application itself.
    ///
    /// # Errors
    /// The grant is refused.
    pub async fn own_token(&self, connection: &mut Connection) -> Result<String> {
        let answer = connection.send(&self.request("/token", &[("grant_type", "client_credentials")])).await?;
        Expected { status: 200, text: "" }.check(&answer)?;
        answer.json()?["access_token"].as_str().map(str::to_owned).context("no access token")
    }
}
