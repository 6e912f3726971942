//! The door's refusals, and the database's failures, in SCIM's words. Nothing of a statement is ever told.

use crate::app::App;
use crate::domain::scim::error::{ScimError, ScimType};
use crate::flows::change_access::Refusal;
use crate::kernel::id::ConnectionId;
use crate::store::connections;

/// Whole seconds after which a request is tried again that met a database which did not answer.
const RETRY_STORE: u64 = 5;
/// Whole seconds after which a request is tried again that met a limit.
const RETRY_LIMIT: u64 = 60;
/// The longest id of a connection that is looked up, in bytes.
const LONGEST_ID: usize = 64;

/// What a connection's client is told of a refusal.
pub async fn of_refusal(app: &App, refusal: Refusal) -> ScimError {
    match refusal {
        Refusal::ManagedByIdp { connection } => {
            let name = name_of(app, connection).await;
            ScimError::bad(ScimType::Mutability, format!("This is managed by {name}; change it there."))
        }
        Refusal::Store(error) => unavailable(error),
        other => translated(&other),
    }
}

/// What the client is told when the database failed: nothing was changed, try again.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
pub fn unavailable(error: sqlx::Error) -> ScimError {
    tracing::error!(%error, "a SCIM request was not carried out");
    let detail = "The service can't answer now; nothing was changed. Try again.";
    ScimError { retry_after: Some(RETRY_STORE), ..ScimError::status(503, detail) }
}

/// 412: another version than the one that `If-Match` names.
#[must_use]
pub fn stale() -> ScimError {
    ScimError::status(412, "The resource was changed since it was read; read it again.")
}

/// 405: what is named can't be written by this method.
#[must_use]
pub(super) fn no_method() -> ScimError {
    ScimError::status(405, "This method is of no use there: POST makes, PUT, PATCH and DELETE name what they change.")
}

fn translated(refusal: &Refusal) -> ScimError {
    match refusal {
        Refusal::Conflict(reason) => ScimError::taken(sentence(reason)),
        Refusal::Invalid { field, reason } => ScimError::value(format!("{field}: {}", sentence(reason))),
        Refusal::NotFound(what) => ScimError::not_found(&capital(what)),
        Refusal::Blocked { reason, .. } => ScimError::value(sentence(reason)),
        Refusal::Stale => stale(),
        Refusal::Denied { .. } => ScimError::status(403, "The connection may not do this."),
        Refusal::UserRequired { .. } => ScimError::status(403, "Only a person may do this."),
        Refusal::Limit(reason) => {
            ScimError { retry_after: Some(RETRY_LIMIT), ..ScimError::status(429, sentence(reason)) }
        }
        Refusal::ManagedByIdp { .. } => ScimError::bad(ScimType::Mutability, "This is managed by a connection."),
        Refusal::Store(_) => ScimError::status(503, "The service can't answer now."),
    }
}

/// The connection's name; the id, where it can't be read now.
async fn name_of(app: &App, id: String) -> String {
    if id.len() > LONGEST_ID || id.parse::<ConnectionId>().is_err() {
        return id;
    }
    let Ok(mut conn) = app.db.read().await else {
        return id;
    };
    connections::name_of(&mut conn, &id).await.ok().flatten().unwrap_or(id)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn sentence(text: &str) -> String {
    let text = capital(text);
    if text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(refusal: &Refusal) -> (u16, Option<&'static str>, Option<u64>) {
        let error = translated(refusal);
        (error.status, error.kind.map(ScimType::as_str), error.retry_after)
    }

    #[test]
    fn each_refusal_has_its_status_and_its_word() {
        let blocked = Refusal::Blocked { reason: "x".into(), object: String::new(), clear: String::new() };
        let denied = Refusal::Denied { act: "x".into(), needs: "y".into() };
        assert_eq!(told(&Refusal::Conflict("the name is taken".into())), (409, Some("uniqueness"), None));
        assert_eq!(told(&Refusal::Invalid { field: "f", reason: "r".into() }), (400, Some("invalidValue"), None));
        assert_eq!(told(&blocked), (400, Some("invalidValue"), None));
        assert_eq!(told(&Refusal::NotFound("the group".into())), (404, None, None));
        assert_eq!(told(&Refusal::Stale), (412, None, None));
        assert_eq!(told(&denied), (403, None, None));
        assert_eq!(told(&Refusal::Limit("too many".into())), (429, None, Some(60)));
    }

    #[test]
    fn a_database_that_fails_is_worth_another_try_and_tells_nothing() {
        let error = unavailable(sqlx::Error::Protocol("near SELECT: secret".into()));
        assert_eq!((error.status, error.retry_after), (503, Some(5)));
        assert!(!error.detail.contains("SELECT"));
    }

    #[test]
    fn reasons_become_sentences() {
        assert_eq!(sentence("the name is taken"), "The name is taken.");
        assert_eq!(sentence("Done."), "Done.");
        assert_eq!(capital(""), "");
    }
}
