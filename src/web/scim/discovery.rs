//! What describes the service (RFC 7644 §4): written out once, read by everybody, without a token.

use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use axum::response::Response;
use serde_json::{Value, json};

use super::path::{Deed, Document, Place};
use super::reply;
use crate::domain::scim::error::ScimError;
use crate::domain::scim::list::LIST_RESPONSE;
use crate::domain::scim::schema;
use crate::flows::scim::PATH;

/// The documents, made when somebody asks for them: a start does not wait for it.
#[derive(Clone, Debug)]
pub struct Documents {
    base: Arc<str>,
    made: Arc<OnceLock<Made>>,
}

#[derive(Debug)]
struct Made {
    config: Bytes,
    schemas: Collection,
    types: Collection,
}

/// A list, and its members by name.
#[derive(Debug)]
struct Collection {
    whole: Bytes,
    members: Vec<(String, Bytes)>,
}

impl Documents {
    /// The documents of an issuer.
    #[must_use]
    pub fn of(issuer: &str) -> Self {
        Self { base: format!("{issuer}{PATH}").into(), made: Arc::default() }
    }

    /// Answers a request for one.
    #[must_use]
    pub fn answer(&self, document: &Document, deed: Option<Deed>, query: Option<&str>) -> Response {
        match self.find(document, deed, query) {
            Ok(bytes) => reply::bytes_of(200, bytes),
            Err(error) => reply::error_at(&Place::Document(document.clone()), &error),
        }
    }

    fn find(&self, document: &Document, deed: Option<Deed>, query: Option<&str>) -> Result<Bytes, ScimError> {
        if deed != Some(Deed::Read) {
            return Err(reply::not_allowed(&Place::Document(document.clone())));
        }
        let mut parameters = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        if parameters.any(|(name, _)| name.eq_ignore_ascii_case("filter")) {
            return Err(ScimError::status(403, "These documents can't be filtered; read them whole."));
        }
        let made = self.made.get_or_init(|| Made::at(&self.base));
        match document {
            Document::Config => Ok(made.config.clone()),
            Document::Schemas(None) => Ok(made.schemas.whole.clone()),
            Document::Schemas(Some(urn)) => made.schemas.find(urn).ok_or_else(|| ScimError::not_found("The schema")),
            Document::ResourceTypes(None) => Ok(made.types.whole.clone()),
            Document::ResourceTypes(Some(name)) => {
                made.types.find(name).ok_or_else(|| ScimError::not_found("The resource type"))
            }
        }
    }
}

impl Made {
    fn at(base: &str) -> Self {
        Self {
            config: written(&schema::service_provider_config(base)),
            schemas: Collection::of(&schema::schemas(base)),
            types: Collection::of(&schema::resource_types(base)),
        }
    }
}

impl Collection {
    fn of(members: &[Value]) -> Self {
        let whole = json!({
            "schemas": [LIST_RESPONSE],
            "totalResults": members.len(),
            "itemsPerPage": members.len(),
            "startIndex": 1,
            "Resources": members,
        });
        let named = |member: &Value| {
            let name = member["id"].as_str().or_else(|| member["name"].as_str()).unwrap_or_default();
            (name.to_owned(), written(member))
        };
        Self { whole: written(&whole), members: members.iter().map(named).collect() }
    }

    fn find(&self, name: &str) -> Option<Bytes> {
        self.members.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, bytes)| bytes.clone())
    }
}

fn written(value: &Value) -> Bytes {
    Bytes::from(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(document: &Document, deed: Option<Deed>, query: &str) -> u16 {
        Documents::of("https://id.acme.test").answer(document, deed, Some(query)).status().as_u16()
    }

    #[test]
    fn documents_are_read_whole_or_one_by_one_and_never_filtered_or_written() {
        let read = Some(Deed::Read);
        let schema = |urn: &str| Document::Schemas(Some(urn.to_owned()));
        assert_eq!(status(&Document::Config, read, "startIndex=5"), 200);
        assert_eq!(status(&Document::Schemas(None), read, ""), 200);
        assert_eq!(status(&schema("URN:ietf:params:scim:schemas:core:2.0:user"), read, ""), 200);
        assert_eq!(status(&schema("urn:acme"), read, ""), 404);
        assert_eq!(status(&Document::ResourceTypes(Some("Group".to_owned())), read, ""), 200);
        assert_eq!(status(&Document::ResourceTypes(None), read, "FILTER=id+pr"), 403);
        assert_eq!(status(&Document::Config, Some(Deed::Post), ""), 405);
        assert_eq!(status(&Document::Config, None, ""), 405);
    }
}
