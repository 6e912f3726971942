//! SCIM 2.0 (RFC 7643, RFC 7644, RFC 9865): schemas, the languages of filters and paths, and what a request means.
//!
//! Resources are JSON objects in canonical form: attribute names as their schemas spell them, extensions under their URNs,
//! no null, no empty array or object. [`normalize`] makes that form of what clients send; everything else relies on it.

pub mod bulk;
pub mod derive;
pub mod error;
pub mod evaluate;
pub mod filter;
pub mod list;
pub mod normalize;
pub mod patch;
pub mod path;
pub mod plan;
pub mod project;
pub mod resource;
pub mod schema;
pub mod sort;
pub mod target;
pub mod username;

/// A resource, or a complex value of one, in canonical form.
pub type Object = serde_json::Map<String, serde_json::Value>;
