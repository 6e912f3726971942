//! `Idempotency-Key`: a request that a caller sends again under the same key is carried out once.
//!
//! The key is taken before the request is carried out; the change notes it in its own transaction; the answer is kept
//! afterwards, without any secret. A process that dies in between leaves the change's id, and so the receipt.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::asked::Asked;
use super::problem::Problem;
use super::words::ReceiptBody;
use crate::app::App;
use crate::flows::repeatable::{self, Taken};
use crate::kernel::secret::Digest;

const MOST_BODY: usize = 16 * 1024 * 1024;
const MOST_ANSWER: usize = 64 * 1024 * 1024;

/// Carries a write out, once for each key of a caller.
pub async fn once(app: &App, mut asked: Asked, mut request: Request, dry_run: bool, next: Next) -> Response {
    let key = match request.headers().get("idempotency-key") {
        None => None,
        Some(value) => match value.to_str() {
            Ok(key) if (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()) => {
                Some(key.to_owned())
            }
            _ => {
                return Problem::invalid("Idempotency-Key", "Use 1 to 255 visible ASCII characters.").into_response();
            }
        },
    };
    let Some(key) = key.filter(|_| !dry_run) else {
        request.extensions_mut().insert(asked);
        return next.run(request).await;
    };
    let caller = asked.actor.label();
    let (request, fingerprint) = match fingerprint(app, request).await {
        Ok(read) => read,
        Err(problem) => return problem.into_response(),
    };
    match repeatable::take(app, &caller, &key, fingerprint).await {
        Ok(Taken::Fresh) => {}
        Ok(Taken::Other) => {
            let detail = "This Idempotency-Key was used for another request: use a new one.";
            return Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail).into_response();
        }
        Ok(Taken::UnderWay) => {
            let detail = "The same request is still being carried out: ask again in a moment.";
            return Problem::new(StatusCode::CONFLICT, "request_under_way", detail).into_response();
        }
        Ok(Taken::Answered(status, answer)) => return replay(status, answer),
        Ok(Taken::Carried(receipt)) => {
            return replay(200, json!({ "receipt": ReceiptBody::of(&receipt) }).to_string());
        }
        Err(error) => return Problem::from(error).into_response(),
    }
    asked.origin.repeatable = Some((caller.clone(), key.clone()));
    let mut request = request;
    request.extensions_mut().insert(asked);
    keep(app, &caller, &key, next.run(request).await).await
}

/// The digest of what was asked: method, address and body, under the instance's key, for a body may hold a password.
async fn fingerprint(app: &App, request: Request) -> Result<(Request, Digest), Problem> {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, MOST_BODY).await.map_err(|_| {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The body is larger than Muster reads.")
    })?;
    let mut all = format!("{} {}\n", parts.method, parts.uri).into_bytes();
    all.extend_from_slice(&bytes);
    let digest = Digest::of(&app.sealer.mac("repeatable.request", &[all.as_slice()]));
    Ok((Request::from_parts(parts, Body::from(bytes)), digest))
}

fn replay(status: u16, answer: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let kind = if status.is_success() { "application/json" } else { "application/problem+json" };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::HeaderName::from_static("idempotency-replayed"), HeaderValue::from_static("true")),
    ];
    (status, headers, answer).into_response()
}

/// Keeps what was answered, without secrets; an answer that says "try again" is not kept.
async fn keep(app: &App, caller: &str, key: &str, response: Response) -> Response {
    let status = response.status();
    let (parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, MOST_ANSWER).await else {
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again in a moment.").into_response();
    };
    let outcome = if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        repeatable::forget(app, caller, key).await
    } else {
        let mut answer: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        blank_secrets(&mut answer);
        repeatable::keep(app, caller, key, status.as_u16(), answer.to_string()).await
    };
    if let Err(error) = outcome {
        tracing::error!(%error, "an answer was not kept for its Idempotency-Key");
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// What is answered once and kept nowhere.
const SECRETS: [&str; 4] = ["secret", "password", "recovery_codes", "otpauth_uri"];

/// Every member that is a secret, however deep, becomes null.
fn blank_secrets(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                if SECRETS.contains(&name.as_str()) { *member = Value::Null } else { blank_secrets(member) }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(blank_secrets),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_kept_however_deep_it_stands() {
        let mut value = json!({ "secret": "a", "key": { "password": "b", "id": 1 }, "list": [{ "secret": "c" }] });
        blank_secrets(&mut value);
        assert_eq!(
            value,
            json!({ "secret": null, "key": { "password": null, "id": 1 }, "list": [{ "secret": null }] })
        );
    }
}
