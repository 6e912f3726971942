//! What a refusal says to the administrator who reads it: which field, what to do, with which status.

use axum::http::StatusCode;
use axum::response::Response;

use crate::domain::people::password::Shortfall;
use crate::flows::change_access::Refusal;
use crate::flows::register::NotRegistered;
use crate::web::pages::error;
use crate::web::pages::view::admin::Errors;

/// A refusal as the page shows it.
#[derive(Debug)]
pub struct Said {
    /// The status.
    pub status: StatusCode,
    /// What is said at which field.
    pub errors: Errors,
}

impl Said {
    fn at(status: StatusCode, field: &str, text: impl Into<String>) -> Self {
        Self { status, errors: Errors::one(field, text) }
    }
}

/// Whether a word of ours names a field of the form; else what is wrong is said at the first one.
fn field_of(word: &str, fields: &[&'static str]) -> &'static str {
    let bare = word.split('.').next().unwrap_or(word);
    let bare = match bare {
        "user_name" | "username" => "username",
        "name" => "given_name",
        "phone_number" => "phone",
        "groups" | "roles" | "role" | "scope" | "access" => "access",
        "domain" | "invitations" => "email",
        other => other,
    };
    fields.iter().find(|field| **field == bare).or(fields.first()).copied().unwrap_or("form")
}

/// The words of a refusal, for a form with these fields.
///
/// # Errors
/// It is ours to mend: the page that says so.
pub fn refusal(refusal: Refusal, fields: &[&'static str]) -> Result<Said, Box<Response>> {
    let first = field_of("", fields);
    Ok(match refusal {
        Refusal::Store(fault) => return Err(Box::new(error::of_fault(fault.into()))),
        Refusal::Denied { needs, .. } => Said::at(
            StatusCode::FORBIDDEN,
            field_of("access", fields),
            format!("You can't give this: it needs {needs}."),
        ),
        Refusal::Invalid { field, reason } => {
            Said::at(StatusCode::BAD_REQUEST, field_of(field, fields), sentence(&reason))
        }
        Refusal::NotFound(what) => {
            let text =
                format!("{} was not found. It may have been removed meanwhile; choose again.", sentence_start(&what));
            Said::at(StatusCode::CONFLICT, field_of("access", fields), text)
        }
        other => Said::at(StatusCode::CONFLICT, first, sentence(&other.to_string())),
    })
}

/// Why somebody was not registered.
///
/// # Errors
/// As [`refusal`], and 429 when too many passwords wait to be hashed.
pub fn not_registered(why: NotRegistered, fields: &[&'static str]) -> Result<Said, Box<Response>> {
    match why {
        NotRegistered::Invalid { field, reason } => {
            Ok(Said::at(StatusCode::BAD_REQUEST, field_of(&field, fields), sentence(&reason)))
        }
        NotRegistered::Short(found) => Ok(Said { status: StatusCode::BAD_REQUEST, errors: short(&found) }),
        NotRegistered::Refused(why) => refusal(why, fields),
        NotRegistered::Busy(busy) => Err(Box::new(error::of_fault(busy.into()))),
    }
}

/// Each broken rule of a password, named.
fn short(found: &[Shortfall]) -> Errors {
    let mut errors = Errors::default();
    for shortfall in found {
        errors.add("password", shortfall.to_string());
    }
    errors
}

/// A refusal in one sentence, for a row of a list.
#[must_use]
pub fn in_a_row(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Denied { needs, .. } => format!("You can't give this: it needs {needs}."),
        Refusal::Invalid { reason, .. } => sentence(reason),
        Refusal::Store(_) => "Something isn't working on our side. Try this one again.".to_owned(),
        other => sentence(&other.to_string()),
    }
}

fn sentence_start(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A text as a sentence: a capital letter, a full stop.
#[must_use]
pub fn sentence(text: &str) -> String {
    let text = sentence_start(text.trim());
    if text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: [&str; 4] = ["username", "given_name", "email", "access"];

    #[test]
    fn a_refusal_is_said_at_the_field_that_it_is_about() {
        let said = |why: Refusal| refusal(why, &FIELDS).unwrap();
        let bad = said(Refusal::Invalid { field: "email", reason: "this is not complete".to_owned() });
        assert_eq!((bad.status.as_u16(), bad.errors.of("email")), (400, Some("This is not complete.")));
        let taken = said(Refusal::Conflict("the user name ana is taken".to_owned()));
        assert_eq!((taken.status.as_u16(), taken.errors.of("username")), (409, Some("The user name ana is taken.")));
        let beyond =
            said(Refusal::Denied { act: "bind".to_owned(), needs: "a reach that covers org.admin".to_owned() });
        assert_eq!(beyond.status.as_u16(), 403);
        assert_eq!(beyond.errors.of("access"), Some("You can't give this: it needs a reach that covers org.admin."));
        let odd = said(Refusal::Invalid { field: "locale", reason: "No.".to_owned() });
        assert_eq!(odd.errors.of("username"), Some("No."));
    }
}
