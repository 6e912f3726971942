//! What the targets share: resources to ask and to change, and what holds of every filter, resource and refusal.

#[path = "../../src/config/mod.rs"]
pub mod config;
#[path = "../../src/domain/mod.rs"]
pub mod domain;
#[path = "../../src/kernel/mod.rs"]
pub mod kernel;

use crate::domain::connection::ScimProfile;
use crate::domain::scim::error::{ScimError, ScimType};
use crate::domain::scim::filter::{parse_filter, Filter, MOST_BYTES, MOST_DEPTH, MOST_TERMS};
use crate::domain::scim::normalize::incoming;
use crate::domain::scim::resource::{complete, Stamp};
use crate::domain::scim::schema::{ResourceType, ENTERPRISE_URN, GROUP_URN, USER_URN};
use crate::domain::scim::Object;
use crate::kernel::time::UnixMillis;
use serde_json::{json, Value};

/// How clients speak.
pub const PROFILES: [ScimProfile; 4] =
    [ScimProfile::Auto, ScimProfile::Entra, ScimProfile::Okta, ScimProfile::RfcStrict];

/// So many `or`, `and` and `not` may stand in one another: each bracket has room for one of each.
const HIGHEST: usize = 3 * (MOST_DEPTH + 1) + 1;
/// So many values an attribute has at most, and a text so many bytes: the longest is a certificate in base64, or 4,096
/// characters of four bytes.
const MOST_VALUES: usize = 1024;
const LONGEST: usize = 32 * 1024;

/// The body of a resource as a client sends it.
#[must_use]
pub fn body(kind: ResourceType) -> Value {
    match kind {
        ResourceType::User => json!({
            "schemas": [USER_URN, ENTERPRISE_URN],
            "externalId": "Ext-1",
            "userName": "Ana@Acme.com",
            "displayName": "Ana Kim",
            "title": "Lead",
            "active": true,
            "name": { "givenName": "Ana", "familyName": "O\"Malley" },
            "emails": [
                { "value": "ana@acme.com", "type": "work", "primary": true },
                { "value": "ana@home.net", "type": "home" },
            ],
            "phoneNumbers": [{ "value": "+82 2 555 0100", "type": "mobile" }],
            "addresses": [{ "type": "work", "locality": "Seoul", "country": "KR" }],
            "roles": [{ "value": "editor" }],
            ENTERPRISE_URN: { "employeeNumber": "701984", "manager": { "value": "usr_9" } },
        }),
        ResourceType::Group => json!({
            "schemas": [GROUP_URN],
            "externalId": "G-1",
            "displayName": "Engineers",
            "members": [{ "value": "usr_1", "type": "User" }, { "value": "usr_2" }],
        }),
    }
}

/// The canonical form of [`body`].
///
/// # Panics
/// The body is refused: it is a sound one.
#[must_use]
pub fn canonical(kind: ResourceType, profile: ScimProfile) -> Object {
    incoming(kind, &body(kind), profile).expect("the sample is a sound resource").object
}

/// A resource as it is served, with its members or groups.
#[must_use]
pub fn served(kind: ResourceType) -> Object {
    let (id, name, related) = match kind {
        ResourceType::User => {
            ("usr_1", "groups", json!([{ "value": "grp_1", "display": "Engineers", "type": "direct" }]))
        }
        ResourceType::Group => {
            ("grp_1", "members", json!([{ "value": "usr_1", "display": "Ana Kim", "type": "User" }]))
        }
    };
    let mut object = canonical(kind, ScimProfile::Auto);
    object.insert(name.to_owned(), related);
    let (created, modified) = (UnixMillis(1_767_225_600_000), UnixMillis(1_767_225_600_500));
    let stamp = Stamp { kind, id: id.to_owned(), created, modified, version: 3 };
    complete(object, &stamp, "https://id.example/scim/v2")
}

/// A refusal is one of SCIM's, of the kinds that are expected, and says something.
///
/// # Panics
/// It is not.
pub fn is_refusal(error: &ScimError, kinds: &[ScimType]) {
    let expected = error.kind.is_some_and(|kind| kinds.contains(&kind));
    assert!(error.status == 400 && expected && !error.detail.is_empty(), "{error:?}");
    assert!(error.body()["detail"].is_string());
}

/// A filter that was read is within the limits, and is read as the same after it was written down.
///
/// # Panics
/// It is not.
pub fn is_sound(filter: &Filter) {
    assert!(comparisons(filter) <= MOST_TERMS, "{filter}");
    assert!(height(filter) <= HIGHEST, "{filter}");
    let written = filter.to_string();
    // `a eq b` is written `a eq "b"`: what was just short enough may be too long now.
    if written.len() <= MOST_BYTES {
        assert_eq!(parse_filter(&written).as_ref(), Ok(filter), "{written}");
    }
}

fn comparisons(filter: &Filter) -> usize {
    match filter {
        Filter::And(all) | Filter::Or(all) => all.iter().map(comparisons).sum(),
        Filter::Not(inner) => comparisons(inner),
        Filter::Present(_) | Filter::Compare(..) => 1,
        Filter::Element { filter, rest, .. } => comparisons(filter) + usize::from(rest.is_some()),
    }
}

fn height(filter: &Filter) -> usize {
    match filter {
        Filter::And(all) | Filter::Or(all) => 1 + all.iter().map(height).max().unwrap_or(0),
        Filter::Not(inner) => 1 + height(inner),
        Filter::Present(_) | Filter::Compare(..) => 1,
        Filter::Element { filter, .. } => 1 + height(filter),
    }
}

/// An object is in canonical form: it normalises to itself, to the letter, and lies within the limits.
///
/// # Panics
/// It is not.
pub fn is_canonical(kind: ResourceType, object: &Object, profile: ScimProfile) {
    let mut body = Value::Object(object.clone());
    body["schemas"] = json!([kind.schema().urn]);
    let again = incoming(kind, &body, profile).unwrap_or_else(|error| panic!("{error:?} of {body}")).object;
    assert_eq!(&again, object);
    // The text of the row too: what has not changed is not written.
    assert_eq!(Value::Object(again).to_string(), Value::Object(object.clone()).to_string());
    object.values().for_each(is_bounded);
}

fn is_bounded(value: &Value) {
    match value {
        Value::Null => panic!("canonical objects have no null"),
        Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => assert!(text.len() <= LONGEST && !text.contains('\0'), "{text:?}"),
        Value::Array(all) => {
            assert!(!all.is_empty() && all.len() <= MOST_VALUES, "{} values", all.len());
            let primary = |one: &&Value| one["primary"] == true;
            assert!(all.iter().filter(primary).count() <= 1, "two are primary in {value}");
            all.iter().for_each(is_bounded);
        }
        Value::Object(parts) => {
            assert!(!parts.is_empty(), "canonical objects have no empty object");
            parts.values().for_each(is_bounded);
        }
    }
}
