//! Resources as types (RFC 7643 §3.1, §4), and what Muster adds to each: its id, its schemas, its `meta`.
//!
//! Requests are worked on as canonical objects, for a PATCH may name any attribute. The types say the same once more, one
//! field for each attribute of the schemas that can be shown: what is canonical reads into them and comes out the same.
//! `password` is none of their fields; it is never kept.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::Object;
use super::schema::ResourceType;
use crate::kernel::time::UnixMillis;

/// Structs whose fields are not written when there is nothing in them.
macro_rules! resources {
    ($($(#[$about:meta])* $name:ident { $($(#[$note:meta])* $field:ident: $kind:ty,)+ })+) => {$(
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {$(
            $(#[$note])*
            #[serde(skip_serializing_if = "Unassigned::is_unassigned")]
            pub $field: $kind,
        )+}
    )+};
}

/// Whether an attribute has no value (RFC 7643 §2.5).
trait Unassigned {
    fn is_unassigned(&self) -> bool;
}

impl<T> Unassigned for Option<T> {
    fn is_unassigned(&self) -> bool {
        self.is_none()
    }
}

impl<T> Unassigned for Vec<T> {
    fn is_unassigned(&self) -> bool {
        self.is_empty()
    }
}

/// What is required is always written.
impl Unassigned for String {
    fn is_unassigned(&self) -> bool {
        false
    }
}

resources! {
    /// A user (RFC 7643 §4.1).
    User {
        /// The URNs of the schemas that it has attributes of.
        #[serde(default)]
        schemas: Vec<String>,
        /// Muster's id.
        id: Option<String>,
        /// The client's id.
        external_id: Option<String>,
        /// What the person signs in with.
        user_name: String,
        /// The name in its parts.
        name: Option<Name>,
        /// The name that others are shown.
        display_name: Option<String>,
        /// What the person is called in everyday life.
        nick_name: Option<String>,
        /// A page about the person.
        profile_url: Option<String>,
        /// A title.
        title: Option<String>,
        /// How the person belongs to the organisation.
        user_type: Option<String>,
        /// Languages to read.
        preferred_language: Option<String>,
        /// How dates and numbers are written.
        locale: Option<String>,
        /// The time zone.
        timezone: Option<String>,
        /// Whether the person may sign in.
        active: Option<bool>,
        /// E-mail addresses.
        #[serde(default)]
        emails: Vec<Email>,
        /// Phone numbers.
        #[serde(default)]
        phone_numbers: Vec<PhoneNumber>,
        /// Addresses for instant messages.
        #[serde(default)]
        ims: Vec<Im>,
        /// Pictures.
        #[serde(default)]
        photos: Vec<Photo>,
        /// Postal addresses.
        #[serde(default)]
        addresses: Vec<Address>,
        /// The groups that the person is in.
        #[serde(default)]
        groups: Vec<GroupOfUser>,
        /// What the person is entitled to.
        #[serde(default)]
        entitlements: Vec<Entitlement>,
        /// The person's roles, as the client has them.
        #[serde(default)]
        roles: Vec<Role>,
        /// Certificates.
        #[serde(default)]
        x509_certificates: Vec<X509Certificate>,
        /// What an enterprise knows about the person.
        #[serde(rename = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User")]
        enterprise: Option<Enterprise>,
        /// What Muster says about it.
        meta: Option<Meta>,
    }

    /// A group (RFC 7643 §4.2).
    Group {
        /// The URNs of the schemas that it has attributes of.
        #[serde(default)]
        schemas: Vec<String>,
        /// Muster's id.
        id: Option<String>,
        /// The client's id.
        external_id: Option<String>,
        /// Its name.
        display_name: String,
        /// The users in it.
        #[serde(default)]
        members: Vec<Member>,
        /// What Muster says about it.
        meta: Option<Meta>,
    }

    /// What an enterprise knows about a person (RFC 7643 §4.3).
    Enterprise {
        /// The number that the enterprise gave the person.
        employee_number: Option<String>,
        /// The cost center.
        cost_center: Option<String>,
        /// The organization.
        organization: Option<String>,
        /// The division.
        division: Option<String>,
        /// The department.
        department: Option<String>,
        /// The manager.
        manager: Option<Manager>,
    }

    /// A person's manager.
    Manager {
        /// The manager's id.
        value: Option<String>,
        /// The manager's address.
        #[serde(rename = "$ref")]
        reference: Option<String>,
        /// The manager's name.
        display_name: Option<String>,
    }

    /// What Muster says about a resource (RFC 7643 §3.1).
    Meta {
        /// The name of its type.
        resource_type: Option<String>,
        /// When it came to be.
        created: Option<String>,
        /// When it changed last.
        last_modified: Option<String>,
        /// Its address.
        location: Option<String>,
        /// Its version, as in its ETag.
        version: Option<String>,
    }

    /// A person's name in its parts.
    Name {
        /// The whole name.
        formatted: Option<String>,
        /// The family name.
        family_name: Option<String>,
        /// The given name.
        given_name: Option<String>,
        /// Names in between.
        middle_name: Option<String>,
        /// What is put before the name.
        honorific_prefix: Option<String>,
        /// What is put behind the name.
        honorific_suffix: Option<String>,
    }

    /// A postal address.
    Address {
        /// The whole address.
        formatted: Option<String>,
        /// Street and number.
        street_address: Option<String>,
        /// The city or village.
        locality: Option<String>,
        /// The state or region.
        region: Option<String>,
        /// The postal code.
        postal_code: Option<String>,
        /// The country.
        country: Option<String>,
        /// What it is for.
        #[serde(rename = "type")]
        kind: Option<String>,
        /// Whether it is the preferred one.
        primary: Option<bool>,
    }

    /// A value with the sub-attributes that RFC 7643 §2.4 has for what occurs often.
    Labelled {
        /// The value.
        value: Option<String>,
        /// The value as people are shown it.
        display: Option<String>,
        /// A label.
        #[serde(rename = "type")]
        kind: Option<String>,
        /// Whether it is the preferred one.
        primary: Option<bool>,
    }

    /// What leads from a group to a member, and from a user to a group.
    Link {
        /// The id of what it leads to.
        value: Option<String>,
        /// The address of what it leads to.
        #[serde(rename = "$ref")]
        reference: Option<String>,
        /// The name of what it leads to.
        display: Option<String>,
        /// Of a member its resource type; of a user's group, how the user is in it.
        #[serde(rename = "type")]
        kind: Option<String>,
    }
}

/// An e-mail address.
pub type Email = Labelled;
/// A phone number.
pub type PhoneNumber = Labelled;
/// An address for instant messages.
pub type Im = Labelled;
/// A picture.
pub type Photo = Labelled;
/// What a person is entitled to.
pub type Entitlement = Labelled;
/// A role.
pub type Role = Labelled;
/// A certificate, in base64.
pub type X509Certificate = Labelled;
/// A member of a group.
pub type Member = Link;
/// A group that a user is in.
pub type GroupOfUser = Link;

/// What Muster knows of a resource besides its attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its type.
    pub kind: ResourceType,
    /// Its id.
    pub id: String,
    /// When it came to be.
    pub created: UnixMillis,
    /// When it changed last.
    pub modified: UnixMillis,
    /// How often it was written.
    pub version: i64,
}

/// The resource as it is served: with `schemas`, `id` and `meta`, whatever stood there.
#[must_use]
pub fn complete(mut object: Object, stamp: &Stamp, base: &str) -> Object {
    let kind = stamp.kind;
    let mut schemas = vec![kind.schema().urn];
    for extension in kind.extensions() {
        if object.get(extension.urn).and_then(Value::as_object).is_some_and(|parts| !parts.is_empty()) {
            schemas.push(extension.urn);
        }
    }
    object.insert("schemas".to_owned(), json!(schemas));
    object.insert("id".to_owned(), json!(stamp.id));
    let meta = json!({
        "resourceType": kind.name(),
        "created": timestamp(stamp.created),
        "lastModified": timestamp(stamp.modified),
        "location": location(base, kind, &stamp.id),
        "version": etag(stamp.version),
    });
    object.insert("meta".to_owned(), meta);
    object
}

/// The entity tag of a version, and `meta.version`: weak, for projections of one version differ in their bytes.
#[must_use]
pub fn etag(version: i64) -> String {
    format!("W/\"{version}\"")
}

/// The address of a resource.
#[must_use]
pub fn location(base: &str, kind: ResourceType, id: &str) -> String {
    format!("{base}/{}/{id}", kind.endpoint())
}

/// The end of the years with four digits: 9999-12-31T23:59:59.999Z.
const LAST: i64 = 253_402_300_799_999;

/// A moment as `xsd:dateTime`: always with milliseconds, always in UTC. What lies outside of 1970 to 9999 stops there.
#[must_use]
pub fn timestamp(at: UnixMillis) -> String {
    let nanos = i128::from(at.0.clamp(0, LAST)) * 1_000_000;
    let moment = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = moment.to_calendar_date();
    let (hour, minute, second, millis) = moment.to_hms_milli();
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z", u8::from(month))
}

#[cfg(test)]
mod tests;
