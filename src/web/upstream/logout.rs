//! `POST /upstream/{connection}/logout`: the provider says that sessions are over (OpenID Connect Back-Channel Logout 1.0
//! §2.5–2.8).
//!
//! # Why
//! A 400 says that the logout failed (§2.8), and who hears it (Muster too, where it is the provider) gives it up. Where
//! nothing was judged yet, because the provider's keys or our database can't be had, the answer is 503: come again.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::{empty, error, later, nothing, origin};
use crate::app::App;
use crate::flows::federation::signals::{NotHeard, logout};
use crate::web::extract::caller;
use crate::web::layers::{ClientIp, RequestId};

/// `POST /upstream/{connection}/logout`.
pub async fn post(
    State(app): State<App>,
    Path(connection): Path<String>,
    address: ClientIp,
    id: RequestId,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // Who asks at a connection that doesn't work learns nothing about what it was asked.
    let form = caller::form(&headers, &body);
    let token = form.as_ref().ok().and_then(|params| params.get("logout_token")).unwrap_or_default();
    match logout::hear(&app, &connection, token, &origin(address, id)).await {
        Ok(()) => empty(StatusCode::OK),
        Err(failed) => answer(failed, form.err().map(|error| error.description)),
    }
}

/// The answer to a logout that failed. Where the form itself was none, that is what is said.
fn answer(failed: NotHeard, form: Option<String>) -> Response {
    let bad = StatusCode::BAD_REQUEST;
    match failed {
        NotHeard::Unknown => nothing(),
        NotHeard::Malformed(why) => error(bad, "invalid_request", &form.unwrap_or(why)),
        NotHeard::NotVerified(why) => error(bad, "invalid_request", why),
        NotHeard::Used => error(bad, "invalid_request", "a token with this jti was used before"),
        NotHeard::NobodyThere => empty(StatusCode::OK),
        NotHeard::NoKeys(_) => later(),
        NotHeard::Store(failure) => {
            tracing::error!(error = %failure, "the database failed");
            later()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logout_that_does_not_count_is_given_up_and_one_that_was_not_judged_comes_again() {
        let status = |failed| answer(failed, None).status().as_u16();
        assert_eq!(status(NotHeard::Malformed("no token".to_owned())), 400);
        assert_eq!((status(NotHeard::NotVerified("no")), status(NotHeard::Used)), (400, 400));
        assert_eq!((status(NotHeard::Unknown), status(NotHeard::NobodyThere)), (404, 200));
        assert_eq!((status(NotHeard::NoKeys("no")), status(NotHeard::Store(sqlx::Error::PoolTimedOut))), (503, 503));
    }
}
