//! `POST /upstream/{connection}/revocation`: everything of a person is to end (`draft-parecki-oauth-global-token-revocation`
//! §4; Okta calls it Universal Logout).

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::{empty, error, is_of, later, nothing, origin};
use crate::app::App;
use crate::flows::federation::signals::{NotHeard, revocation};
use crate::kernel::secret::Secret;
use crate::web::extract::bearer;
use crate::web::layers::{ClientIp, RequestId};

/// `POST /upstream/{connection}/revocation`.
pub async fn post(
    State(app): State<App>,
    Path(connection): Path<String>,
    address: ClientIp,
    id: RequestId,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let token = bearer::token(&headers, None).ok().flatten().map(Secret::presented);
    // A body of another type is read as one that says nothing.
    let body = if is_of(&headers, "application/json") { &body[..] } else { &[] };
    match revocation::hear(&app, &connection, (token.as_ref(), body), &origin(address, id)).await {
        Ok(()) => empty(StatusCode::NO_CONTENT),
        Err(failed) => answer(failed, token.is_some()),
    }
}

fn answer(failed: NotHeard, has_token: bool) -> Response {
    match failed {
        NotHeard::Unknown => nothing(),
        NotHeard::Malformed(why) => error(StatusCode::BAD_REQUEST, "invalid_request", &why),
        NotHeard::NotVerified(why) => unauthorized(why, has_token),
        NotHeard::Used => unauthorized("a token with this jti was used before", has_token),
        NotHeard::NobodyThere => {
            error(StatusCode::NOT_FOUND, "not_found", "Nobody here is known by this subject identifier.")
        }
        NotHeard::NoKeys(_) => later(),
        NotHeard::Store(error) => {
            tracing::error!(%error, "the database failed");
            later()
        }
    }
}

/// RFC 6750 §3: who sends no token is told that one is needed, and nothing of what is wrong with it.
fn unauthorized(why: &str, has_token: bool) -> Response {
    let mut response = error(StatusCode::UNAUTHORIZED, "invalid_token", why);
    let challenge =
        if has_token { "Bearer realm=\"muster\", error=\"invalid_token\"" } else { "Bearer realm=\"muster\"" };
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_the_status_that_the_draft_gives_it() {
        let status = |failed| answer(failed, true).status().as_u16();
        assert_eq!(status(NotHeard::Unknown), 404);
        assert_eq!(status(NotHeard::NobodyThere), 404);
        assert_eq!(status(NotHeard::Malformed("no sub_id".to_owned())), 400);
        assert_eq!((status(NotHeard::NotVerified("no")), status(NotHeard::Used)), (401, 401));
        assert_eq!(status(NotHeard::NoKeys("unreachable")), 503);
        assert_eq!(status(NotHeard::Store(sqlx::Error::PoolTimedOut)), 503);
        let without = answer(NotHeard::NotVerified("no token"), false);
        assert_eq!(without.headers()["www-authenticate"], "Bearer realm=\"muster\"");
    }
}
