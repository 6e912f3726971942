//! A request's body: read only once it is known who sends it, never further than the limit, and then JSON or an error.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::time::timeout;

use super::reply;
use crate::domain::scim::error::ScimError;
use crate::domain::scim::schema::PAYLOAD_BYTES as MOST;

/// What follows beyond the limit is read and thrown away up to here, so that whoever sends it gets to read the answer.
const PATIENCE: usize = 4 * MOST;
/// Of those who did not say who they are, so much is thrown away.
const PATIENCE_WITH_STRANGERS: usize = 64 * 1024;
/// So many objects, arrays and members a body may have: in memory each is many times as large as on its way.
const MOST_THINGS: usize = 1_000_000;
/// A larger body is parsed on a thread that may block.
const LARGE: usize = 512 * 1024;

/// Why a body can't be had.
#[derive(Debug, PartialEq, Eq)]
enum Unread {
    TooLong,
    Broken,
}

/// Reads a body to its end, within a time.
///
/// # Errors
/// 400, 408 or 413.
pub async fn read(body: &mut Body, within: Duration) -> Result<Value, ScimError> {
    let bytes = match timeout(within, gather(body)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(Unread::TooLong)) => return Err(too_long()),
        Ok(Err(Unread::Broken)) => return Err(ScimError::syntax("The body ended too early.")),
        Err(_) => return Err(ScimError::status(408, "The body took too long to come.")),
    };
    if bytes.len() < LARGE {
        return parse(&bytes);
    }
    let parsed = tokio::task::spawn_blocking(move || parse(&bytes)).await;
    parsed.unwrap_or_else(|_| Err(reply::unavailable()))
}

/// 413, which names the limit (RFC 7644 §3.7.4).
fn too_long() -> ScimError {
    ScimError::status(413, format!("The body is longer than {MOST} bytes (maxPayloadSize); send it in parts."))
}

/// Throws away what is left of a body, within reason: a connection that is closed on somebody who is still sending takes
/// our answer with it.
pub async fn discard(body: &mut Body, is_known: bool, within: Duration) {
    let most = if is_known { PATIENCE } else { PATIENCE_WITH_STRANGERS };
    let all = async {
        let mut length = 0_usize;
        while let Some(Ok(frame)) = body.frame().await {
            length = length.saturating_add(frame.data_ref().map_or(0, Bytes::len));
            if length > most {
                return;
            }
        }
    };
    // Whoever is slower than that loses the answer.
    let _ = timeout(within, all).await;
}

async fn gather(body: &mut Body) -> Result<Vec<u8>, Unread> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut kept = Vec::with_capacity(if announced > MOST { 0 } else { announced });
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else {
            continue;
        };
        length = length.saturating_add(data.len());
        if length <= MOST {
            kept.extend_from_slice(&data);
        } else if length <= PATIENCE {
            kept = Vec::new();
        } else {
            return Err(Unread::TooLong);
        }
    }
    if length > MOST { Err(Unread::TooLong) } else { Ok(kept) }
}

/// A JSON object out of bytes.
fn parse(bytes: &[u8]) -> Result<Value, ScimError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.is_empty() {
        return Err(ScimError::syntax("The body is empty; send a JSON object."));
    }
    if bytes.iter().filter(|byte| matches!(byte, b'{' | b'[' | b',')).count() > MOST_THINGS {
        let detail = format!("The body says more than {MOST_THINGS} things; send it in parts.");
        return Err(ScimError::status(413, detail));
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        ScimError::syntax(format!("The body is no JSON: look at line {line}, column {column}."))
    })?;
    if !value.is_object() {
        return Err(ScimError::syntax("The body must be a JSON object."));
    }
    // No database keeps this character, and no name has it.
    let escaped = std::str::from_utf8(bytes).is_ok_and(|text| text.contains("\\u0000"));
    if escaped && has_nul(&value) {
        return Err(ScimError::value("A text holds the character U+0000, which none may."));
    }
    Ok(value)
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    const SOON: Duration = Duration::from_millis(200);

    fn in_parts(part: &'static [u8], times: usize) -> Body {
        Body::from_stream(stream::iter((0..times).map(move |_| Ok::<_, std::io::Error>(Bytes::from_static(part)))))
    }

    async fn status_of(mut body: Body) -> u16 {
        read(&mut body, SOON).await.err().map_or(200, |error| error.status)
    }

    #[tokio::test]
    async fn a_body_is_an_object_or_it_is_told_where_it_is_not() {
        let mut body = Body::from("\u{feff}{\"userName\":\"ana\"}");
        assert_eq!(read(&mut body, SOON).await.unwrap()["userName"], "ana");
        for (text, word) in
            [("{\"a\":\n,}", "line 2"), ("[]", "object"), ("", "empty"), ("{\"a\":\"\\u0000\"}", "U+0000")]
        {
            let error = read(&mut Body::from(text), SOON).await.unwrap_err();
            assert_eq!(error.status, 400);
            assert!(error.detail.contains(word), "{}", error.detail);
        }
        assert!(read(&mut Body::from("{\"a\":\"\\\\u0000\"}"), SOON).await.is_ok());
        let deep = format!("{}{}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
        assert_eq!(status_of(Body::from(deep)).await, 400);
    }

    #[tokio::test]
    async fn a_longer_body_is_refused_with_the_limit_whether_or_not_it_says_how_long_it_is() {
        static MEBIBYTE: [u8; 1 << 20] = [b' '; 1 << 20];
        let mut body = in_parts(&MEBIBYTE, 17);
        let error = read(&mut body, Duration::from_secs(20)).await.unwrap_err();
        assert_eq!(error.status, 413);
        assert!(error.detail.contains("16777216"), "{}", error.detail);
        assert_eq!(status_of(Body::from(vec![b' '; MOST + 1])).await, 413);
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up_and_a_broken_one_is_bad() {
        let endless = || Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(status_of(endless()).await, 408);
        discard(&mut endless(), false, SOON).await;
        let broken = Body::from_stream(stream::iter([Err::<Bytes, _>(std::io::Error::other("gone"))]));
        assert_eq!(status_of(broken).await, 400);
    }
}
