//! Requests as everybody outside sends them: no redirects followed, no cookies kept, a connection each.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::{HOST, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use url::Url;

/// The one HTTP client. It keeps no connection, because each test has a runtime of its own for them to die with.
fn wire() -> &'static Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        let client = Client::builder().redirect(Policy::none()).no_proxy().pool_max_idle_per_host(0);
        client.timeout(Duration::from_secs(30)).build().expect("a client can be made")
    })
}

/// How a node is reached: by what name everybody calls it, and where it really listens.
#[derive(Clone, Debug)]
pub struct Address {
    /// The issuer, as it stands in tokens and links.
    pub issuer: String,
    /// The origin of the node that is asked; the issuer's own unless there are several nodes.
    pub node: String,
}

impl Address {
    /// A node that listens where its issuer says.
    pub fn of(issuer: &str) -> Self {
        Self { issuer: issuer.to_owned(), node: issuer.to_owned() }
    }

    /// An address under the issuer.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// Whether an address is the issuer's.
    pub fn owns(&self, url: &str) -> bool {
        url.strip_prefix(&self.issuer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
    }

    /// A request to an address under the issuer, sent to this node under the issuer's name.
    pub fn request(&self, method: Method, url: &str) -> RequestBuilder {
        let path = url.strip_prefix(&self.issuer).unwrap_or(url);
        let name = Url::parse(&self.issuer).expect("the issuer is a URL");
        let name =
            format!("{}:{}", name.host_str().unwrap_or_default(), name.port_or_known_default().unwrap_or_default());
        wire().request(method, format!("{}{path}", self.node)).header(HOST, name)
    }

    /// Gets a page or a document without being anybody.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::GET, &self.url(path))).await
    }
}

/// An answer, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The answer to a request.
    pub async fn to(request: RequestBuilder) -> Self {
        Self::try_to(request).await.expect("the server answers")
    }

    /// The answer to a request, if there is one.
    pub async fn try_to(request: RequestBuilder) -> Result<Self, reqwest::Error> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, body: response.text().await? })
    }

    /// The body as JSON; `null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The OAuth error of the body; empty when there is none.
    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    /// A header's text; empty when it isn't there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Status and OAuth error together.
    pub fn refusal(&self) -> (u16, String) {
        (self.status, self.error())
    }
}
