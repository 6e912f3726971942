//! SCIM's errors: RFC 7644 §3.12, and RFC 9865 §2.1 for cursors.

use serde_json::{Value, json};

/// The schema of an error's body.
pub const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// `scimType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScimType {
    /// The filter can't be read, or compares what can't be compared.
    InvalidFilter,
    /// The answer would be too large.
    TooMany,
    /// A name is taken.
    Uniqueness,
    /// What the change would write is not for the client to write.
    Mutability,
    /// The body is not what the message's schema says.
    InvalidSyntax,
    /// The path of a PATCH can't be read, or names nothing.
    InvalidPath,
    /// The path of a PATCH found no value.
    NoTarget,
    /// A value is missing, or not of the attribute's type.
    InvalidValue,
    /// The version of the protocol is none of ours.
    InvalidVers,
    /// What was asked may not stand in a URI.
    Sensitive,
    /// The cursor is none of ours, or goes with other parameters.
    InvalidCursor,
    /// The cursor is too old.
    ExpiredCursor,
    /// `count` is not what the cursor was made with.
    InvalidCount,
}

impl ScimType {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::TooMany => "tooMany",
            Self::Uniqueness => "uniqueness",
            Self::Mutability => "mutability",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
            Self::InvalidVers => "invalidVers",
            Self::Sensitive => "sensitive",
            Self::InvalidCursor => "invalidCursor",
            Self::ExpiredCursor => "expiredCursor",
            Self::InvalidCount => "invalidCount",
        }
    }
}

/// Why a SCIM request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScimError {
    /// The HTTP status.
    pub status: u16,
    /// The machine's word, where the RFC has one.
    pub kind: Option<ScimType>,
    /// A sentence that says what to do.
    pub detail: String,
    /// Whole seconds after which it may be tried again.
    pub retry_after: Option<u64>,
}

impl ScimError {
    /// An error without a `scimType`.
    #[must_use]
    pub fn status(status: u16, detail: impl Into<String>) -> Self {
        Self { status, kind: None, detail: detail.into(), retry_after: None }
    }

    /// 400 with a `scimType`.
    #[must_use]
    pub fn bad(kind: ScimType, detail: impl Into<String>) -> Self {
        Self { status: 400, kind: Some(kind), detail: detail.into(), retry_after: None }
    }

    /// 400 `invalidValue`.
    #[must_use]
    pub fn value(detail: impl Into<String>) -> Self {
        Self::bad(ScimType::InvalidValue, detail)
    }

    /// 400 `invalidSyntax`.
    #[must_use]
    pub fn syntax(detail: impl Into<String>) -> Self {
        Self::bad(ScimType::InvalidSyntax, detail)
    }

    /// 404.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::status(404, format!("{what} was not found."))
    }

    /// 409 `uniqueness`.
    #[must_use]
    pub fn taken(detail: impl Into<String>) -> Self {
        Self { status: 409, kind: Some(ScimType::Uniqueness), detail: detail.into(), retry_after: None }
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = json!({ "schemas": [ERROR], "status": self.status.to_string(), "detail": self.detail });
        if let Some(kind) = self.kind {
            body["scimType"] = kind.as_str().into();
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_a_text_and_the_word_stands_where_there_is_one() {
        let body = ScimError::taken("The user name is taken.").body();
        assert_eq!((body["status"].as_str(), body["scimType"].as_str()), (Some("409"), Some("uniqueness")));
        assert!(ScimError::not_found("The user").body().get("scimType").is_none());
    }
}
