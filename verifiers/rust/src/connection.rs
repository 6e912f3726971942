//! Requests to Muster: bounded in size and time, without redirects, and never to another place than the issuer's.

use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;
use url::Url;

use crate::options::{Credentials, OptionsError, Proof};

/// Longer than any answer that is wanted.
const MOST: usize = 1024 * 1024;
/// The scope that lets an application read the feed.
const SCOPE: &str = "revocations.read";

/// What went wrong on the way to Muster.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error("Muster can't be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("Muster did not answer in time")]
    Late,
    #[error("{0} was answered with {1}")]
    Status(&'static str, StatusCode),
    #[error("the answer of {0} can't be read")]
    Unreadable(&'static str),
    #[error("{0} names an address elsewhere, or none")]
    Elsewhere(&'static str),
    #[error("the service's own token provider failed")]
    Provider(#[source] crate::options::ProviderError),
}

/// Where things are, and how long tokens live.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub jwks: Url,
    pub token: Url,
    pub feed: Url,
    pub max_life: Duration,
}

/// The way to one Muster.
pub(crate) struct Connection {
    http: Client,
    issuer: Url,
    issuer_text: String,
    patience: Duration,
}

impl Connection {
    pub fn new(issuer: Url, issuer_text: &str, patience: Duration) -> Result<Self, OptionsError> {
        let agent = concat!("muster-verifier/", env!("CARGO_PKG_VERSION"));
        let http = Client::builder().redirect(Policy::none()).connect_timeout(patience).user_agent(agent);
        let http = http.build().map_err(|_| OptionsError::Http)?;
        Ok(Self { http, issuer, issuer_text: issuer_text.to_owned(), patience })
    }

    fn well_known(&self, name: &str) -> Result<Url, ConnectionError> {
        let text = format!("{}/.well-known/{name}", self.issuer_text.trim_end_matches('/'));
        Url::parse(&text).map_err(|_| ConnectionError::Elsewhere("the issuer"))
    }

    /// Reads where things are.
    pub async fn places(&self) -> Result<Places, ConnectionError> {
        const OPENID: &str = "openid-configuration";
        const FEED: &str = "muster-revocations";
        let openid = self.document(OPENID, self.well_known(OPENID)?).await?;
        if openid.get("issuer").and_then(Value::as_str) != Some(&self.issuer_text) {
            return Err(ConnectionError::Elsewhere(OPENID));
        }
        let feed = self.document(FEED, self.well_known(FEED)?).await?;
        let max_life = feed.get("max_token_life").and_then(Value::as_u64).filter(|seconds| *seconds <= 7 * 86_400);
        Ok(Places {
            jwks: self.place(&openid, "jwks_uri", OPENID)?,
            token: self.place(&openid, "token_endpoint", OPENID)?,
            feed: self.place(&feed, "revocations_endpoint", FEED)?,
            max_life: Duration::from_secs(max_life.ok_or(ConnectionError::Unreadable(FEED))?),
        })
    }

    /// A secret and a token go nowhere but to the issuer's own origin.
    fn place(&self, document: &Value, name: &str, of: &'static str) -> Result<Url, ConnectionError> {
        let url = document.get(name).and_then(Value::as_str).and_then(|text| Url::parse(text).ok());
        url.filter(|url| url.origin() == self.issuer.origin()).ok_or(ConnectionError::Elsewhere(of))
    }

    /// A JSON document.
    pub async fn document(&self, name: &'static str, url: Url) -> Result<Value, ConnectionError> {
        let response = within(self.patience, self.http.get(url).header(ACCEPT, "application/json").send()).await?;
        if response.status() != StatusCode::OK {
            return Err(ConnectionError::Status(name, response.status()));
        }
        let text = body(response, name, self.patience).await?;
        serde_json::from_str(&text).map_err(|_| ConnectionError::Unreadable(name))
    }

    /// A token for the feed, and until when it should be used.
    pub async fn token(&self, of: &Credentials, endpoint: &Url) -> Result<(String, Instant), ConnectionError> {
        const NAME: &str = "the token endpoint";
        let secret = match &of.proof {
            Proof::Secret(secret) => secret,
            Proof::Provider(provider) => {
                let token = within_provider(self.patience, provider()).await?;
                return Ok((token, Instant::now()));
            }
        };
        let form = [("grant_type", "client_credentials"), ("scope", SCOPE)];
        // RFC 6749 §2.3.1: both are form-encoded before they are joined.
        let request = self.http.post(endpoint.clone()).basic_auth(encoded(&of.client_id), Some(encoded(secret)));
        let response = within(self.patience, request.form(&form).send()).await?;
        if response.status() != StatusCode::OK {
            return Err(ConnectionError::Status(NAME, response.status()));
        }
        let text = body(response, NAME, self.patience).await?;
        let answer: Value = serde_json::from_str(&text).map_err(|_| ConnectionError::Unreadable(NAME))?;
        let token = answer.get("access_token").and_then(Value::as_str).ok_or(ConnectionError::Unreadable(NAME))?;
        let life = answer.get("expires_in").and_then(Value::as_u64).unwrap_or(60).min(86_400);
        Ok((token.to_owned(), Instant::now() + Duration::from_secs(life) * 4 / 5))
    }

    /// Opens the feed.
    pub async fn open(
        &self,
        feed: Url,
        token: &str,
        accept: &str,
        patience: Duration,
    ) -> Result<Response, ConnectionError> {
        const NAME: &str = "the feed";
        let response = within(patience, self.http.get(feed).bearer_auth(token).header(ACCEPT, accept).send()).await?;
        if response.status() != StatusCode::OK {
            return Err(ConnectionError::Status(NAME, response.status()));
        }
        Ok(response)
    }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Whether an answer is of a media type.
pub(crate) fn is_of_type(response: &Response, wanted: &str) -> bool {
    let given = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.split(';').next().is_some_and(|given| given.trim().eq_ignore_ascii_case(wanted))
}

async fn within<T>(
    patience: Duration,
    work: impl Future<Output = Result<T, reqwest::Error>>,
) -> Result<T, ConnectionError> {
    let done = tokio::time::timeout(patience, work).await.map_err(|_| ConnectionError::Late)?;
    done.map_err(|error| ConnectionError::Unreachable(error.without_url()))
}

async fn within_provider(patience: Duration, work: crate::options::ProviderFuture) -> Result<String, ConnectionError> {
    let done = tokio::time::timeout(patience, work).await.map_err(|_| ConnectionError::Late)?;
    done.map_err(ConnectionError::Provider)
}

/// The next piece of an answer.
pub(crate) async fn piece(response: &mut Response, patience: Duration) -> Result<Option<Vec<u8>>, ConnectionError> {
    Ok(within(patience, response.chunk()).await?.map(|bytes| bytes.to_vec()))
}

/// A whole answer.
pub(crate) async fn body(
    mut response: Response,
    name: &'static str,
    patience: Duration,
) -> Result<String, ConnectionError> {
    let mut whole = Vec::new();
    while let Some(bytes) = piece(&mut response, patience).await? {
        whole.extend_from_slice(&bytes);
        if whole.len() > MOST {
            return Err(ConnectionError::Unreadable(name));
        }
    }
    String::from_utf8(whole).map_err(|_| ConnectionError::Unreadable(name))
}
