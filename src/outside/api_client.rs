//! Muster's own REST API and token endpoint, called from another machine: one server, a bearer token, JSON both ways.
//!
//! No redirects; plain http only to this machine; nothing that a caller names can leave the server's origin. What the
//! server refuses comes back as its own problem (RFC 9457).

use std::fmt;
use std::io::Write;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Method, RequestBuilder, Response};
use serde::Deserialize;
use serde_json::Value;
use url::{Host, Url};

use crate::kernel::secret::Secret;

/// So long a silence is not waited for longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// An answer that is read whole is never larger.
const MOST_BODY_BYTES: usize = 64 * 1024 * 1024;

/// What is done to what a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

/// One call of the API.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What is done.
    pub act: Act,
    /// The segments of the path behind `/api/v1`.
    pub path: Vec<String>,
    /// The query.
    pub query: Vec<(String, String)>,
    /// The body.
    pub body: Option<Value>,
}

impl Ask {
    /// A GET of a path.
    #[must_use]
    pub fn get(path: &[&str]) -> Self {
        let path = path.iter().map(|segment| (*segment).to_owned()).collect();
        Self { act: Act::Get, path, query: Vec::new(), body: None }
    }

    /// The same with one more parameter in the query.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A field that can't be meant so.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct InvalidParameter {
    /// Its name.
    pub field: String,
    /// What to do.
    pub reason: String,
}

/// What the server refuses with.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// A word for programs.
    pub code: String,
    /// A sentence for people.
    pub detail: String,
    /// Each field that can't be meant so.
    pub invalid_parameters: Vec<InvalidParameter>,
    /// The id of what is in the way.
    pub object: Option<String>,
    /// The call that clears it.
    pub clear: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() {
            write!(f, "the server answers with status {}", self.status)?;
        } else {
            f.write_str(&self.detail)?;
        }
        for one in &self.invalid_parameters {
            write!(f, "\n  {}: {}", one.field, one.reason)?;
        }
        if let Some(object) = &self.object {
            write!(f, "\n  in the way: {object}")?;
        }
        if let Some(clear) = &self.clear {
            write!(f, "\n  cleared by: {clear}")?;
        }
        Ok(())
    }
}

/// Why there is no good answer.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Not the https origin of a server.
    #[error("{0} is not a server's address: use https:// and a name (http:// only for this machine), without a path")]
    BadServer(String),
    /// The certificates to trust are no PEM.
    #[error("the certificates to trust can't be used")]
    Certificates,
    /// A segment of a path that would mean another path.
    #[error("\"{0}\" names nothing")]
    BadName(String),
    /// No answer in time.
    #[error("{0} does not answer in time")]
    TimedOut(String),
    /// No connection, no TLS, or no HTTP.
    #[error("{0} can't be reached, or its certificate is not trusted")]
    Unreachable(String),
    /// An answer that isn't what the API answers with.
    #[error("the answer of {0} can't be read (status {1})")]
    Unreadable(String, u16),
    /// The server refuses.
    #[error("{0}")]
    Refused(Box<Problem>),
}

/// Where sign-in and tokens are to be had, as the discovery document says.
#[derive(Clone, Debug, Deserialize)]
pub struct Endpoints {
    issuer: String,
    /// The token endpoint.
    #[serde(rename = "token_endpoint")]
    pub token: String,
    /// The device authorization endpoint (RFC 8628).
    #[serde(rename = "device_authorization_endpoint", default)]
    pub device_authorization: String,
    /// The revocation endpoint (RFC 7009).
    #[serde(rename = "revocation_endpoint", default)]
    pub revocation: String,
}

/// The client of one server.
#[derive(Clone, Debug)]
pub struct ApiClient {
    client: Client,
    server: String,
}

impl ApiClient {
    /// A client of the server at an origin, which may have a certificate by one of `extra_ca_pem`.
    ///
    /// # Errors
    /// [`ApiError::BadServer`], [`ApiError::Certificates`].
    pub fn new(server: &str, extra_ca_pem: Option<&[u8]>) -> Result<Self, ApiError> {
        let (server, local) = origin(server).ok_or_else(|| ApiError::BadServer(server.to_owned()))?;
        let extra = match extra_ca_pem {
            None => Vec::new(),
            Some(pem) => match Certificate::from_pem_bundle(pem) {
                Ok(found) if !found.is_empty() => found,
                _ => return Err(ApiError::Certificates),
            },
        };
        let builder = || {
            let builder = Client::builder()
                .redirect(Policy::none())
                .referer(false)
                .connect_timeout(PATIENCE)
                .read_timeout(PATIENCE)
                .user_agent(concat!("muster/", env!("CARGO_PKG_VERSION")));
            // What is said to this machine is not handed to another one.
            if local { builder.no_proxy() } else { builder }
        };
        // A machine without any certificates can still call a server whose certificate is given.
        let client = builder()
            .tls_certs_merge(extra.iter().cloned())
            .build()
            .or_else(|_| builder().tls_certs_only(extra.iter().cloned()).build())
            .map_err(|_| ApiError::Certificates)?;
        Ok(Self { client, server })
    }

    /// The server's origin, in its canonical spelling.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Calls the API and reads its JSON.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn call(&self, token: &Secret, ask: &Ask) -> Result<Value, ApiError> {
        let answer = self.ask(token, ask).await?;
        let status = answer.status().as_u16();
        let bytes = self.whole(answer).await?;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|_| self.unreadable(status))
    }

    /// Calls the API and passes what it answers on, piece by piece. Whoever stops listening ends it.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn stream(&self, token: &Secret, ask: &Ask, into: &mut (dyn Write + Send)) -> Result<(), ApiError> {
        let mut answer = self.ask(token, ask).await?;
        while let Some(piece) = answer.chunk().await.map_err(|failed| self.why(&failed))? {
            if into.write_all(&piece).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Posts a form to one of the server's own endpoints: status and JSON, whatever they say.
    ///
    /// # Errors
    /// No answer, or none with JSON. An OAuth error is an answer.
    pub async fn form(&self, endpoint: &str, fields: &[(&str, &str)]) -> Result<(u16, Value), ApiError> {
        let answer = self.client.post(endpoint).form(fields).send().await.map_err(|failed| self.why(&failed))?;
        let status = answer.status().as_u16();
        let bytes = self.whole(answer).await?;
        if bytes.is_empty() {
            return Ok((status, Value::Null));
        }
        let body = serde_json::from_slice(&bytes).map_err(|_| self.unreadable(status))?;
        Ok((status, body))
    }

    /// What the server says of itself. Endpoints of another origin, or of another issuer, are not believed.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn endpoints(&self) -> Result<Endpoints, ApiError> {
        let url = format!("{}/.well-known/openid-configuration", self.server);
        let answer = self.client.get(url).send().await.map_err(|failed| self.why(&failed))?;
        let status = answer.status().as_u16();
        let bytes = self.whole(answer).await?;
        let found: Endpoints = serde_json::from_slice(&bytes).map_err(|_| self.unreadable(status))?;
        let own =
            |url: &str| url.is_empty() || url.strip_prefix(&self.server).is_some_and(|rest| rest.starts_with('/'));
        let all_own = own(&found.token) && own(&found.device_authorization) && own(&found.revocation);
        if found.issuer != self.server || !all_own { Err(self.unreadable(status)) } else { Ok(found) }
    }

    async fn ask(&self, token: &Secret, ask: &Ask) -> Result<Response, ApiError> {
        let answer = self.request(token, ask)?.send().await.map_err(|failed| self.why(&failed))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let bytes = self.whole(answer).await?;
        let mut problem: Problem = serde_json::from_slice(&bytes).unwrap_or_default();
        problem.status = status.as_u16();
        Err(ApiError::Refused(Box::new(problem)))
    }

    fn request(&self, token: &Secret, ask: &Ask) -> Result<RequestBuilder, ApiError> {
        let bad = || ApiError::BadServer(self.server.clone());
        let mut url = Url::parse(&format!("{}/api/v1", self.server)).map_err(|_| bad())?;
        if let Some(strange) = ask.path.iter().find(|segment| matches!(segment.as_str(), "" | "." | "..")) {
            return Err(ApiError::BadName(strange.clone()));
        }
        url.path_segments_mut().map_err(|()| bad())?.extend(&ask.path);
        if !ask.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&ask.query);
        }
        let method = match ask.act {
            Act::Get => Method::GET,
            Act::Post => Method::POST,
            Act::Put => Method::PUT,
            Act::Patch => Method::PATCH,
            Act::Delete => Method::DELETE,
        };
        let request = self.client.request(method, url).bearer_auth(token.expose());
        Ok(match &ask.body {
            Some(body) => request.json(body),
            None => request,
        })
    }

    async fn whole(&self, mut answer: Response) -> Result<Vec<u8>, ApiError> {
        let status = answer.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|failed| self.why(&failed))? {
            if bytes.len() + piece.len() > MOST_BODY_BYTES {
                return Err(self.unreadable(status));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    fn unreadable(&self, status: u16) -> ApiError {
        ApiError::Unreadable(self.server.clone(), status)
    }

    fn why(&self, failed: &reqwest::Error) -> ApiError {
        let server = self.server.clone();
        if failed.is_timeout() { ApiError::TimedOut(server) } else { ApiError::Unreachable(server) }
    }
}

/// A server's origin, and whether it is on this machine; `None` for what tokens must not be sent to.
fn origin(text: &str) -> Option<(String, bool)> {
    let url = Url::parse(text.trim()).ok()?;
    let local = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    let secure = url.scheme() == "https" || (url.scheme() == "http" && local);
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let nameless = url.username().is_empty() && url.password().is_none();
    (secure && bare && nameless).then(|| (url.origin().ascii_serialization(), local))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_sent_over_tls_or_stay_on_this_machine() {
        for (text, wanted) in [
            ("https://id.example", "https://id.example"),
            ("https://ID.example:443/", "https://id.example"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://localhost:8080/", "http://localhost:8080"),
            ("http://[::1]:9", "http://[::1]:9"),
        ] {
            assert_eq!(origin(text).map(|(origin, _)| origin).as_deref(), Some(wanted), "{text}");
        }
        for bad in
            ["http://id.example", "https://id.example/x", "https://u:p@id.example", "https://a.b/?x", "id.example", ""]
        {
            assert!(origin(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn no_name_leads_to_another_path() {
        let client = ApiClient::new("https://id.example", None).expect("a client");
        let token = Secret::presented("t");
        let url = |segment: &str| {
            let ask = Ask::get(&["orgs", segment]).with("search", "a&b");
            client.request(&token, &ask).map(|request| request.build().expect("a request").url().to_string())
        };
        assert_eq!(url("a/../b?c").ok().as_deref(), Some("https://id.example/api/v1/orgs/a%2F..%2Fb%3Fc?search=a%26b"));
        for bad in ["", ".", ".."] {
            assert!(matches!(url(bad), Err(ApiError::BadName(_))), "{bad}");
        }
    }

    #[test]
    fn a_problem_tells_its_fields_and_what_clears_it() {
        let problem = Problem {
            detail: "No.".to_owned(),
            invalid_parameters: vec![InvalidParameter { field: "name".to_owned(), reason: "Shorter.".to_owned() }],
            clear: Some("POST /x".to_owned()),
            ..Problem::default()
        };
        assert_eq!(problem.to_string(), "No.\n  name: Shorter.\n  cleared by: POST /x");
        assert_eq!(Problem { status: 502, ..Problem::default() }.to_string(), "the server answers with status 502");
    }
}
