//! A security event token on its way to its receiver (RFC 8935 §2): what was posted, and what was answered.

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde_json::Value;

use super::{MOST_BODY_BYTES, RelyingParty, SendError, why};
use crate::domain::ssf::poll;

/// What a token is sent as (RFC 8417 §2.3).
const MEDIA: &str = "application/secevent+jwt";

/// What a receiver answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushAnswer {
    /// The status.
    pub status: u16,
    /// The word for what is wrong with the token, where one was refused (RFC 8935 §2.4).
    pub err: Option<String>,
}

impl RelyingParty {
    /// Posts a security event token, with this `Authorization` header or none.
    ///
    /// # Errors
    /// As [`RelyingParty::post_form`]; [`SendError::BadUrl`] also for a header that is none.
    pub async fn push(&self, url: &str, authorization: Option<&str>, token: String) -> Result<PushAnswer, SendError> {
        let (url, client) = self.admit(url)?;
        let mut request = client.post(url).header(CONTENT_TYPE, MEDIA).header(ACCEPT, "application/json");
        if let Some(text) = authorization {
            let mut value = HeaderValue::from_str(text).map_err(|_| SendError::BadUrl)?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let mut answer = request.body(token).send().await.map_err(|failed| why(&failed))?;
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        // The status is the answer; a body that is cut off or never ends says no more.
        while let Ok(Some(chunk)) = answer.chunk().await {
            if body.len() + chunk.len() > MOST_BODY_BYTES {
                body.clear();
                break;
            }
            body.extend_from_slice(&chunk);
        }
        let said = (status == 400).then(|| serde_json::from_slice::<Value>(&body).unwrap_or_default());
        Ok(PushAnswer { status, err: said.map(|said| poll::word(&said)) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::outside::relying_party::RelyingPartyConfig;

    /// Answers every connection with this text, and keeps what it was sent.
    async fn server(answer: &'static str) -> (String, Arc<Mutex<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(String::new()));
        let keeps = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut bytes = vec![0; 4096];
                let mut text = String::new();
                while !text.ends_with("a.b.c") {
                    let read = stream.read(&mut bytes).await.unwrap_or(0);
                    if read == 0 {
                        break;
                    }
                    text.push_str(&String::from_utf8_lossy(&bytes[..read]));
                }
                *keeps.lock().unwrap() = text;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        (url, seen)
    }

    fn client() -> RelyingParty {
        let config = RelyingPartyConfig { allow_hosts: vec!["127.0.0.1".to_owned()], ..Default::default() };
        RelyingParty::new(config).unwrap()
    }

    #[tokio::test]
    async fn a_token_goes_out_with_the_receivers_header_or_with_none() {
        let (url, seen) = server("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        let taken = PushAnswer { status: 202, err: None };
        assert_eq!(client().push(&url, Some("Bearer x"), "a.b.c".to_owned()).await, Ok(taken.clone()));
        let sent = seen.lock().unwrap().to_lowercase();
        for line in ["content-type: application/secevent+jwt", "accept: application/json", "authorization: bearer x"] {
            assert!(sent.contains(line), "{sent}");
        }
        assert_eq!(client().push(&url, None, "a.b.c".to_owned()).await, Ok(taken));
        assert!(!seen.lock().unwrap().to_lowercase().contains("authorization"));
    }

    #[tokio::test]
    async fn a_refusal_has_its_word_whatever_the_body_is() {
        let (url, _) = server(
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 21\r\nconnection: close\r\n\r\n{\"err\":\"invalid_key\"}",
        )
        .await;
        let refused = client().push(&url, None, "a.b.c".to_owned()).await.unwrap();
        assert_eq!((refused.status, refused.err.as_deref()), (400, Some("invalid_key")));
        let (url, _) = server("HTTP/1.1 400 Bad Request\r\ncontent-length: 4\r\nconnection: close\r\n\r\nwhat").await;
        let refused = client().push(&url, None, "a.b.c".to_owned()).await.unwrap();
        assert_eq!(refused.err.as_deref(), Some("unspecified"));
    }

    #[tokio::test]
    async fn a_header_that_is_none_sends_nothing() {
        let (url, seen) = server("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(client().push(&url, Some("a\r\nb: c"), "a.b.c".to_owned()).await, Err(SendError::BadUrl));
        assert!(seen.lock().unwrap().is_empty());
    }
}
