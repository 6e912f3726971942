//! Requests to other people's servers. To relying parties (back-channel logout, OpenID Connect Back-Channel Logout 1.0
//! §2.5) and webhooks: one form or one JSON text, one status, nothing else. To connections' providers: a whole answer.
//!
//! No redirects, no proxy, no cookies; five seconds in all; a body that nobody asked for is read up to 64 KiB and
//! thrown away. Hosts that the operator lists are trusted with http and with any address; all others get https and
//! [`guard`].
//!
//! # Why
//! The HTTP library asks the resolver only for names, so a literal address is tested here and a name at the moment
//! its addresses are used: an answer that changes after a test in advance (DNS rebinding) gains nothing.

mod push;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use openidconnect::{HttpRequest, HttpResponse};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, RequestBuilder};
use url::{Host, Url};

pub use self::push::PushAnswer;
use crate::outside::guard;

/// How much of an answer is read.
const MOST_BODY_BYTES: usize = 64 * 1024;

/// Who may be reached, and how long it may take.
#[derive(Clone, Debug)]
pub struct RelyingPartyConfig {
    /// `host` or `host:port` that may have any address and speak http.
    pub allow_hosts: Vec<String>,
    /// Certificates in PEM that are trusted besides the system's.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// For the whole exchange.
    pub timeout: Duration,
}

impl Default for RelyingPartyConfig {
    fn default() -> Self {
        Self { allow_hosts: Vec::new(), extra_ca_pem: None, timeout: Duration::from_secs(5) }
    }
}

/// Why nothing was sent, or no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Not an http or https URL with a host and without credentials.
    #[error("not a URL that can be posted to")]
    BadUrl,
    /// http, or an address that isn't public, and the operator hasn't listed the host.
    #[error("the address is not one that may be called; an operator can list the host")]
    Refused,
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// No connection, no TLS, or no valid HTTP.
    #[error("the other side could not be reached")]
    Unreachable,
    /// The answer is larger than the caller reads.
    #[error("the answer is too large")]
    TooLarge,
    /// The certificates in the configuration are not PEM, or there is no TLS to be had.
    #[error("the certificates for outgoing requests cannot be used")]
    Certificates,
}

/// The client for requests to relying parties; clones share its connections.
#[derive(Clone, Debug)]
pub struct RelyingParty(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    listed: Vec<Listed>,
    extra: Vec<Certificate>,
    timeout: Duration,
    // Made at first use: reading the system's certificates takes longer than all the rest of a start.
    guarded: OnceLock<Option<Client>>,
    open: OnceLock<Option<Client>>,
}

/// A host that the operator lists, in the form the URL parser gives hosts.
#[derive(Debug, PartialEq, Eq)]
struct Listed {
    host: String,
    port: Option<u16>,
}

impl RelyingParty {
    /// A client with this configuration. Nothing is connected yet.
    ///
    /// # Errors
    /// [`SendError::Certificates`] when `extra_ca_pem` holds no certificate.
    pub fn new(config: RelyingPartyConfig) -> Result<Self, SendError> {
        let RelyingPartyConfig { allow_hosts, extra_ca_pem, timeout } = config;
        let extra = match extra_ca_pem {
            None => Vec::new(),
            Some(pem) => match Certificate::from_pem_bundle(&pem) {
                Ok(found) if !found.is_empty() => found,
                _ => return Err(SendError::Certificates),
            },
        };
        let listed = allow_hosts.iter().filter_map(|text| listed(text)).collect();
        let (guarded, open) = (OnceLock::new(), OnceLock::new());
        Ok(Self(Arc::new(Inner { listed, extra, timeout, guarded, open })))
    }

    /// Posts `fields` as a form and gives the status of the answer, whatever it is.
    ///
    /// # Errors
    /// See [`SendError`]. No variant holds anything that the other side said.
    pub async fn post_form(&self, url: &str, fields: &[(&str, &str)]) -> Result<u16, SendError> {
        let (url, client) = self.admit(url)?;
        status(client.post(url).form(fields)).await
    }

    /// Posts a JSON text with some headers and gives the status of the answer, whatever it is.
    ///
    /// # Errors
    /// As [`RelyingParty::post_form`].
    pub async fn post_json(&self, url: &str, headers: &[(&str, &str)], json: String) -> Result<u16, SendError> {
        let (url, client) = self.admit(url)?;
        let mut request = client.post(url).header(CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        status(request.body(json)).await
    }

    /// Sends a request and gives the whole answer, whatever its status, if it has no more bytes than that and comes in
    /// time. A redirect is an answer like any other.
    ///
    /// # Errors
    /// As [`RelyingParty::post_form`]; [`SendError::TooLarge`].
    pub async fn fetch(
        &self,
        request: HttpRequest,
        most_bytes: usize,
        timeout: Duration,
    ) -> Result<HttpResponse, SendError> {
        let (url, client) = self.admit(&request.uri().to_string())?;
        let (parts, body) = request.into_parts();
        let request = client.request(parts.method, url).headers(parts.headers).timeout(timeout).body(body);
        let mut answer = request.send().await.map_err(|failed| why(&failed))?;
        let most = u64::try_from(most_bytes).unwrap_or(u64::MAX);
        if answer.content_length().is_some_and(|told| told > most) {
            return Err(SendError::TooLarge);
        }
        let mut whole = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|failed| why(&failed))? {
            if whole.len() + chunk.len() > most_bytes {
                return Err(SendError::TooLarge);
            }
            whole.extend_from_slice(&chunk);
        }
        let mut response = HttpResponse::new(whole);
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }

    /// Whether a URL may be called, as far as can be said without asking for its name's addresses: those are looked at
    /// when it is called.
    ///
    /// # Errors
    /// [`SendError::BadUrl`] or [`SendError::Refused`].
    pub fn may_call(&self, url: &str) -> Result<(), SendError> {
        self.judge(url).map(|_| ())
    }

    /// The parsed URL and the client it may be called with.
    fn admit(&self, url: &str) -> Result<(Url, &Client), SendError> {
        let (url, listed) = self.judge(url)?;
        let client = if listed {
            self.0.open.get_or_init(|| self.0.build(false))
        } else {
            self.0.guarded.get_or_init(|| self.0.build(true))
        };
        let client = client.as_ref().ok_or(SendError::Certificates)?;
        Ok((url, client))
    }

    /// The parsed URL, and whether the operator lists its host.
    fn judge(&self, url: &str) -> Result<(Url, bool), SendError> {
        let url = Url::parse(url).map_err(|_| SendError::BadUrl)?;
        let host = url.host().ok_or(SendError::BadUrl)?;
        let port = url.port_or_known_default().ok_or(SendError::BadUrl)?;
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
            return Err(SendError::BadUrl);
        }
        let name = host.to_string();
        let listed = self.0.listed.iter().any(|one| one.host == name && one.port.is_none_or(|only| only == port));
        let public = match host {
            Host::Ipv4(address) => guard::is_public(address.into()),
            Host::Ipv6(address) => guard::is_public(address.into()),
            // Names of the machine itself (RFC 6761 §6.3); others are looked at when they are resolved.
            Host::Domain(name) => !is_localhost(name),
        };
        if !listed && (url.scheme() != "https" || !public) {
            return Err(SendError::Refused);
        }
        Ok((url, listed))
    }
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

/// The status of the answer to a request.
async fn status(request: RequestBuilder) -> Result<u16, SendError> {
    let mut answer = request.send().await.map_err(|failed| why(&failed))?;
    let status = answer.status().as_u16();
    let mut read = 0;
    // The status is the answer; a body that is cut off or never ends changes nothing about it.
    while let Ok(Some(chunk)) = answer.chunk().await {
        read += chunk.len();
        if read > MOST_BODY_BYTES {
            break;
        }
    }
    Ok(status)
}

impl Inner {
    fn build(&self, guarded: bool) -> Option<Client> {
        let builder = || {
            let builder = Client::builder()
                .redirect(Policy::none())
                .no_proxy()
                .referer(false)
                .timeout(self.timeout)
                .connect_timeout(self.timeout)
                .pool_idle_timeout(Duration::from_secs(30))
                // As many as are told one receiver at once: none of them begins with a handshake.
                .pool_max_idle_per_host(8)
                .user_agent("muster");
            if guarded { builder.dns_resolver(Arc::new(PublicOnly)) } else { builder }
        };
        // A machine without any certificates can still call those who are trusted by name, and nobody else over TLS.
        builder()
            .tls_certs_merge(self.extra.iter().cloned())
            .build()
            .or_else(|_| builder().tls_certs_only(self.extra.iter().cloned()).build())
            .ok()
    }
}

/// `host`, `host:port`, `[v6]:port` or a bare IPv6 address; `None` for what is no host.
fn listed(text: &str) -> Option<Listed> {
    let text = text.trim();
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port.parse().ok()?)),
        _ => (text, None),
    };
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    Some(Listed { host: Host::parse(&host).ok()?.to_string(), port })
}

/// Resolves a name to its public addresses only.
#[derive(Debug)]
struct PublicOnly;

/// That none of a name's addresses is public.
#[derive(Debug, thiserror::Error)]
#[error("the name has no public address")]
struct NoPublicAddress;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(public_addresses(name))
    }
}

async fn public_addresses(name: Name) -> Result<Addrs, Box<dyn std::error::Error + Send + Sync>> {
    let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
    let public: Vec<SocketAddr> = found.filter(|address| guard::is_public(address.ip())).collect();
    if public.is_empty() {
        return Err(NoPublicAddress.into());
    }
    Ok(Box::new(public.into_iter()))
}

/// The failure in our words: the library's own text may hold the URL or what the other side sent.
fn why(failed: &reqwest::Error) -> SendError {
    if failed.is_timeout() {
        return SendError::TimedOut;
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(failed);
    while let Some(one) = cause {
        if one.is::<NoPublicAddress>() {
            return SendError::Refused;
        }
        cause = one.source();
    }
    SendError::Unreachable
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn allowing(hosts: &[&str]) -> RelyingParty {
        let allow_hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        RelyingParty::new(RelyingPartyConfig { allow_hosts, timeout: Duration::from_millis(500), ..Default::default() })
            .unwrap()
    }

    /// A server that answers once with `answer` (or never), and tells what it was sent.
    async fn server(answer: Option<String>) -> (u16, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = String::new();
            let mut buffer = [0; 4096];
            let whole =
                |text: &str| text.contains("\r\n\r\n") && (text.ends_with("token=a%2Bb") || text.ends_with('}'));
            while !whole(&request) {
                let read = stream.read(&mut buffer).await.unwrap();
                request.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
            }
            match answer {
                Some(answer) => {
                    // The client may have heard enough and be gone.
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                }
                None => std::future::pending().await,
            }
            request
        });
        (port, task)
    }

    const FIELDS: &[(&str, &str)] = &[("logout_token", "a+b")];

    #[tokio::test]
    async fn a_form_reaches_a_listed_host_and_its_status_comes_back() {
        let (port, task) = server(Some("HTTP/1.1 204 No Content\r\ncache-control: no-store\r\n\r\n".to_owned())).await;
        let client = allowing(&[&format!("127.0.0.1:{port}")]);
        assert_eq!(client.post_form(&format!("http://127.0.0.1:{port}/bcl?x=1"), FIELDS).await, Ok(204));
        let request = task.await.unwrap().to_lowercase();
        assert!(request.starts_with("post /bcl?x=1 http/1.1\r\n"), "{request}");
        assert!(
            request.contains("content-type: application/x-www-form-urlencoded")
                && request.ends_with("logout_token=a%2bb")
        );
    }

    #[tokio::test]
    async fn a_json_text_goes_out_as_it_is_with_its_headers() {
        let (port, task) = server(Some("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n".to_owned())).await;
        let client = allowing(&["127.0.0.1"]);
        let url = format!("http://127.0.0.1:{port}/hook");
        let text = "{\"a\": \"ü\"}".to_owned();
        assert_eq!(client.post_json(&url, &[("webhook-id", "out_1")], text).await, Ok(410));
        let request = task.await.unwrap();
        assert!(request.ends_with("\r\n\r\n{\"a\": \"ü\"}") && request.contains("webhook-id: out_1\r\n"), "{request}");
        assert!(request.contains("content-type: application/json\r\n"), "{request}");
    }

    /// What comes of fetching from a listed server up to so many bytes.
    async fn fetched(answer: &str, most: usize) -> Result<HttpResponse, SendError> {
        let (port, _task) = server(Some(answer.to_owned())).await;
        let request = openidconnect::http::Request::post(format!("http://127.0.0.1:{port}/a?b=c"));
        let request = request.header("x-one", "1").body(b"{}".to_vec()).unwrap();
        allowing(&["127.0.0.1"]).fetch(request, most, Duration::from_secs(5)).await
    }

    #[tokio::test]
    async fn an_answer_comes_back_whole_or_not_at_all() {
        let sized = "HTTP/1.1 400 Bad\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\nwhat";
        let open = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nwhat";
        let found = fetched(sized, 4).await.unwrap();
        assert_eq!((found.status().as_u16(), found.body().as_slice()), (400, b"what".as_slice()));
        assert_eq!(found.headers()[CONTENT_TYPE], "text/plain");
        assert_eq!(fetched(open, 4).await.unwrap().body(), b"what");
        for answer in [sized, open] {
            assert_eq!(fetched(answer, 3).await.err(), Some(SendError::TooLarge));
        }
        let away = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(fetched(away, 4).await.unwrap().status().as_u16(), 302);
        let inside = openidconnect::http::Request::get("https://10.0.0.1/").body(Vec::new()).unwrap();
        let refused = allowing(&[]).fetch(inside, 4, Duration::from_secs(5)).await;
        assert_eq!(refused.err(), Some(SendError::Refused));
    }

    #[test]
    fn whether_a_url_may_be_called_is_known_without_calling_it() {
        let client = allowing(&["127.0.0.1:9000"]);
        assert_eq!(client.may_call("https://hooks.example.com/a"), Ok(()));
        assert_eq!(client.may_call("http://127.0.0.1:9000/a"), Ok(()));
        for url in ["http://hooks.example.com/", "https://10.0.0.1/", "https://localhost./", "https://a.localhost/"] {
            assert_eq!(client.may_call(url), Err(SendError::Refused), "{url}");
        }
        assert_eq!(client.may_call("https://user@hooks.example.com/"), Err(SendError::BadUrl));
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_not_an_instruction() {
        let (port, _task) =
            server(Some("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_owned()))
                .await;
        let client = allowing(&["127.0.0.1"]);
        assert_eq!(client.post_form(&format!("http://127.0.0.1:{port}/"), FIELDS).await, Ok(302));
    }

    #[tokio::test]
    async fn an_endless_body_is_not_read_to_its_end() {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n{}", "x".repeat(1 << 20));
        let (port, _task) = server(Some(answer)).await;
        assert_eq!(allowing(&["127.0.0.1"]).post_form(&format!("http://127.0.0.1:{port}/"), FIELDS).await, Ok(200));
    }

    #[tokio::test]
    async fn a_receiver_that_never_answers_costs_the_timeout() {
        let (port, task) = server(None).await;
        let outcome = allowing(&["127.0.0.1"]).post_form(&format!("http://127.0.0.1:{port}/"), FIELDS).await;
        assert_eq!(outcome, Err(SendError::TimedOut));
        task.abort();
    }

    #[tokio::test]
    async fn addresses_that_are_not_public_are_never_connected_to() {
        let client = allowing(&[]);
        for url in [
            "http://127.0.0.1/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://0.0.0.0/",
            "https://169.254.169.254/latest",
            "https://[fd00::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://2130706433/",
            "https://0177.0.0.1/",
            "https://127.1/",
            "https://[64:ff9b::7f00:1]/",
            "http://example.com/",
        ] {
            assert_eq!(client.post_form(url, FIELDS).await, Err(SendError::Refused), "{url}");
        }
        for url in
            ["unix:/run/docker.sock", "file:///etc/passwd", "gopher://127.0.0.1/", "https://u:p@example.com/", "/x", ""]
        {
            assert_eq!(client.post_form(url, FIELDS).await, Err(SendError::BadUrl), "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_loopback_is_refused_when_it_is_resolved() {
        for name in ["localhost", "localhost."] {
            let found = PublicOnly.resolve(name.parse().unwrap()).await;
            assert!(found.is_err(), "{name}");
        }
        assert_eq!(allowing(&[]).post_form("https://localhost:1/", FIELDS).await, Err(SendError::Refused));
    }

    #[tokio::test]
    async fn listing_one_port_opens_no_other() {
        let client = allowing(&["127.0.0.1:1", "LocalHost:2"]);
        assert_eq!(client.post_form("http://127.0.0.1:3/", FIELDS).await, Err(SendError::Refused));
        assert_eq!(client.post_form("http://127.0.0.1:1/", FIELDS).await, Err(SendError::Unreachable));
        assert_eq!(client.post_form("http://localhost:3/", FIELDS).await, Err(SendError::Refused));
    }

    #[test]
    fn hosts_are_listed_in_every_usual_form() {
        let of = |host: &str, port| Some(Listed { host: host.to_owned(), port });
        assert_eq!(listed("Rp.Example:8443"), of("rp.example", Some(8443)));
        assert_eq!(listed("127.0.0.1"), of("127.0.0.1", None));
        assert_eq!(listed("::1"), of("[::1]", None));
        assert_eq!(listed("[::1]:9000"), of("[::1]", Some(9000)));
        assert_eq!(listed("[::1]"), of("[::1]", None));
        assert_eq!(listed("a b"), None);
        assert_eq!(listed("host:notaport"), None);
    }

    #[test]
    fn certificates_that_are_none_stop_the_start() {
        let config = RelyingPartyConfig { extra_ca_pem: Some(b"no PEM".to_vec()), ..Default::default() };
        assert_eq!(RelyingParty::new(config).err(), Some(SendError::Certificates));
    }
}
