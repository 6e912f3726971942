//! HTTP for the `openidconnect` crate: its custom client is a closure over `reqwest`, without redirects or proxy.

use std::pin::Pin;

use openidconnect::{HttpRequest, HttpResponse, http};

/// The largest answer the shop reads.
const LARGEST: usize = 1024 * 1024;

/// Why one HTTP request failed.
#[derive(Debug, thiserror::Error)]
pub enum HttpFault {
    /// It could not be sent, or its answer not be read.
    #[error("the request failed")]
    Sending(#[from] reqwest::Error),
    /// The request or its answer could not be put together.
    #[error("the message is malformed")]
    Malformed(#[from] http::Error),
    /// The answer does not end.
    #[error("the answer is larger than the shop reads")]
    TooLarge,
}

/// The answer to one request of the crate's.
pub type Answering = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpFault>> + Send>>;

/// The crate's HTTP client: a closure over ours.
pub fn asker(client: reqwest::Client) -> impl Fn(HttpRequest) -> Answering + Send + Sync {
    move |request: HttpRequest| -> Answering { Box::pin(send(client.clone(), request)) }
}

/// Sends one request and reads its answer, up to [`LARGEST`].
pub async fn send(client: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, HttpFault> {
    let mut answer = client.execute(reqwest::Request::try_from(request)?).await?;
    let mut builder = http::Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        builder = builder.header(name, value);
    }
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        if body.len() + piece.len() > LARGEST {
            return Err(HttpFault::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(builder.body(body)?)
}

/// An error with its causes.
pub fn whole(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
