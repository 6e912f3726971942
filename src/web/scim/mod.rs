//! `/scim/v2` (RFC 7644): where customers' identity providers push their people.
//!
//! A request passes these in order: where it leads (`path`), whose it is (`gate`), whether the connection may ask so much
//! (`app/lanes.rs`), whether its media types are ours (`media`), its body (`body`); only then is anything of it understood.
//! What it means is decided in `flows::scim`; every answer is put together in `reply`, an error too. Each request of a
//! connection leaves a line in its log (`log`, `shape`).

mod body;
mod bulk;
mod discovery;
mod gate;
mod log;
mod media;
mod path;
mod query;
pub(in crate::web) mod reply;
mod search;
mod shape;
mod users_and_groups;

use axum::Router;
use axum::routing::any;

use self::discovery::Documents;
use self::gate::Desk;
use crate::app::App;

/// Everything under `/scim`, known or not. One handler reads the path: what it doesn't know, no other route answers.
pub fn routes<S>(app: &App) -> Router<S> {
    let desk = Desk { app: app.clone(), documents: Documents::of(app.issuer()) };
    Router::new()
        .route("/scim", any(gate::serve))
        .route("/scim/", any(gate::serve))
        .route("/scim/{*path}", any(gate::serve))
        .with_state(desk)
}

/// Whether a path belongs to us: then the edge words its refusals as SCIM does, and leaves the body to us.
#[must_use]
pub fn is_ours(path: &str) -> bool {
    path.strip_prefix("/scim").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_under_the_word_itself_is_ours() {
        assert!(is_ours("/scim") && is_ours("/scim/v2/Users") && is_ours("/scim//v3"));
        assert!(!is_ours("/scimitar") && !is_ours("//scim/v2") && !is_ours("/o/scim/login") && !is_ours("/scim%2Fv2"));
    }
}
