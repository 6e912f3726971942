//! What the discovery endpoints show (RFC 7643 §5 to §7, RFC 9865 §4): plain JSON, made from the tables.

use std::iter::once;

use serde_json::{Value, json};

use super::{Attribute, ResourceType, Schema};
use crate::domain::scim::list::{DEFAULT_COUNT, MOST};

/// So many operations one bulk request may have.
pub const BULK_OPERATIONS: usize = 1000;
/// So many bytes the body of any request may have.
pub const PAYLOAD_BYTES: usize = 16 * 1024 * 1024;
/// So long a cursor is good for.
pub const CURSOR_SECONDS: i64 = 3600;

const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";
const RESOURCE_TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
const CONFIG: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";

/// What `/Schemas` lists: the core schemas and their extensions.
#[must_use]
pub fn schemas(base: &str) -> Vec<Value> {
    let all =
        ResourceType::ALL.into_iter().flat_map(|kind| once(kind.schema()).chain(kind.extensions().iter().copied()));
    all.map(|schema| schema_document(schema, base)).collect()
}

fn schema_document(schema: &Schema, base: &str) -> Value {
    json!({
        "schemas": [SCHEMA],
        "id": schema.urn,
        "name": schema.name,
        "description": schema.description,
        "attributes": schema.attributes.iter().map(characteristics).collect::<Vec<_>>(),
        "meta": { "resourceType": "Schema", "location": format!("{base}/Schemas/{}", schema.urn) },
    })
}

/// One attribute with its sub-attributes (RFC 7643 §7).
fn characteristics(attribute: &Attribute) -> Value {
    let mut shown = json!({
        "name": attribute.name,
        "type": attribute.kind.as_str(),
        "multiValued": attribute.multi,
        "description": attribute.description,
        "required": attribute.required,
        "caseExact": attribute.case_exact,
        "mutability": attribute.mutability.as_str(),
        "returned": attribute.returned.as_str(),
        "uniqueness": attribute.uniqueness.as_str(),
    });
    if !attribute.canonical.is_empty() {
        shown["canonicalValues"] = json!(attribute.canonical);
    }
    if !attribute.reference_types.is_empty() {
        shown["referenceTypes"] = json!(attribute.reference_types);
    }
    if attribute.is_complex() {
        shown["subAttributes"] = attribute.sub.iter().map(characteristics).collect();
    }
    shown
}

/// What `/ResourceTypes` lists.
#[must_use]
pub fn resource_types(base: &str) -> Vec<Value> {
    ResourceType::ALL.into_iter().map(|kind| resource_type_document(kind, base)).collect()
}

fn resource_type_document(kind: ResourceType, base: &str) -> Value {
    let name = kind.name();
    let mut shown = json!({
        "schemas": [RESOURCE_TYPE],
        "id": name,
        "name": name,
        "description": kind.schema().description,
        "endpoint": format!("/{}", kind.endpoint()),
        "schema": kind.schema().urn,
        "meta": { "resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/{name}") },
    });
    let extensions = kind.extensions();
    if !extensions.is_empty() {
        shown["schemaExtensions"] =
            extensions.iter().map(|schema| json!({ "schema": schema.urn, "required": false })).collect();
    }
    shown
}

/// What `/ServiceProviderConfig` shows.
#[must_use]
pub fn service_provider_config(base: &str) -> Value {
    json!({
        "schemas": [CONFIG],
        "patch": { "supported": true },
        "bulk": { "supported": true, "maxOperations": BULK_OPERATIONS, "maxPayloadSize": PAYLOAD_BYTES },
        "filter": { "supported": true, "maxResults": MOST },
        "changePassword": { "supported": false },
        "sort": { "supported": true },
        "etag": { "supported": true },
        "pagination": {
            "cursor": true,
            "index": true,
            "defaultPaginationMethod": "index",
            "defaultPageSize": DEFAULT_COUNT,
            "maxPageSize": MOST,
            "cursorTimeout": CURSOR_SECONDS,
        },
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "Bearer token",
                "description": "A token of the connection, shown once when it is made, good for a year at most.",
                "specUri": "https://www.rfc-editor.org/info/rfc6750",
                "primary": true,
            },
            {
                "type": "oauth2",
                "name": "OAuth 2.0 client credentials",
                "description": "The id and secret of a client of the connection, good for access tokens of an hour.",
                "specUri": "https://www.rfc-editor.org/info/rfc6749",
                "primary": false,
            },
        ],
        "meta": { "resourceType": "ServiceProviderConfig", "location": format!("{base}/ServiceProviderConfig") },
    })
}
