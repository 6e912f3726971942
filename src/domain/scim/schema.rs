//! The schemas of what is provisioned (RFC 7643 §2.2, §3.1, §7): each attribute with its characteristics, as served.
//!
//! Parsers, filters, patches and projections ask these tables, and `/Schemas` shows them: what is said and what is done
//! can't differ.
//!
//! # Why
//!
//! Where RFC 7643's text and its figure in §8.7.1 disagree, the text is followed: references, ids and binary values
//! compare exactly (§2.3.6, §2.3.7), a group's `displayName` is required (§4.2). What Muster narrows, it says: members
//! are users, memberships are direct.

mod documents;
mod enterprise;
mod group;
mod user;

pub use documents::{BULK_OPERATIONS, CURSOR_SECONDS, PAYLOAD_BYTES, resource_types, schemas, service_provider_config};

use enterprise::ENTERPRISE;
use group::GROUP;
use user::USER;

/// The core schema of users.
pub const USER_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The core schema of groups.
pub const GROUP_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// The extension for people of an enterprise.
pub const ENTERPRISE_URN: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// What older clients call the extension: Entra's jobs from before 2018, `OneLogin`.
const ENTERPRISE_OF_OLD: [&str; 2] =
    ["urn:scim:schemas:extension:enterprise:1.0", "urn:scim:schemas:extension:enterprise:2.0"];

/// The type of an attribute's values (RFC 7643 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    String,
    /// `true` or `false`.
    Boolean,
    /// A number with a fraction.
    Decimal,
    /// A whole number.
    Integer,
    /// A moment (`xsd:dateTime`).
    DateTime,
    /// Bytes in base64.
    Binary,
    /// The address of something.
    Reference,
    /// An object of sub-attributes.
    Complex,
}

impl Kind {
    /// The word in a schema.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Decimal => "decimal",
            Self::Integer => "integer",
            Self::DateTime => "dateTime",
            Self::Binary => "binary",
            Self::Reference => "reference",
            Self::Complex => "complex",
        }
    }
}

/// Who may write an attribute, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutability {
    /// Muster alone.
    ReadOnly,
    /// The client, at any time.
    ReadWrite,
    /// The client, once.
    Immutable,
    /// The client; nobody reads it.
    WriteOnly,
}

impl Mutability {
    /// The word in a schema.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "readOnly",
            Self::ReadWrite => "readWrite",
            Self::Immutable => "immutable",
            Self::WriteOnly => "writeOnly",
        }
    }
}

/// When an attribute stands in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// Whatever was asked for.
    Always,
    /// Not even when it was asked for.
    Never,
    /// Unless others were asked for, or it was excluded.
    Default,
    /// Only when it was asked for.
    Request,
}

impl Returned {
    /// The word in a schema.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Never => "never",
            Self::Default => "default",
            Self::Request => "request",
        }
    }
}

/// Among whom a value occurs once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uniqueness {
    /// It may occur often.
    None,
    /// Among what is behind one endpoint: the people, or the groups, of an organisation.
    Server,
    /// Everywhere.
    Global,
}

impl Uniqueness {
    /// The word in a schema.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Server => "server",
            Self::Global => "global",
        }
    }
}

/// An attribute, or a sub-attribute of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name, as spelled in canonical form.
    pub name: &'static str,
    /// The type of its values.
    pub kind: Kind,
    /// Whether it has many.
    pub multi: bool,
    /// What it is, for people.
    pub description: &'static str,
    /// Whether a resource can't be without it.
    pub required: bool,
    /// Whether its values compare with regard to case.
    pub case_exact: bool,
    /// Who may write it.
    pub mutability: Mutability,
    /// When it stands in an answer.
    pub returned: Returned,
    /// Among whom a value occurs once.
    pub uniqueness: Uniqueness,
    /// Usual values; others are taken too.
    pub canonical: &'static [&'static str],
    /// To what a reference leads: names of resource types, or `external`, or `uri`.
    pub reference_types: &'static [&'static str],
    /// Its sub-attributes, if it is complex.
    pub sub: &'static [Attribute],
}

impl Attribute {
    /// A sub-attribute by its name in any case.
    #[must_use]
    pub fn sub(&self, name: &str) -> Option<&'static Self> {
        find(self.sub, name)
    }

    /// Whether its values are objects of sub-attributes.
    #[must_use]
    pub const fn is_complex(&self) -> bool {
        matches!(self.kind, Kind::Complex)
    }

    /// The characteristics that RFC 7643 §2.2 has for an attribute of which nothing is said.
    const fn of(kind: Kind, name: &'static str, description: &'static str) -> Self {
        Self {
            name,
            kind,
            multi: false,
            description,
            required: false,
            case_exact: false,
            mutability: Mutability::ReadWrite,
            returned: Returned::Default,
            uniqueness: Uniqueness::None,
            canonical: &[],
            reference_types: &[],
            sub: &[],
        }
    }

    const fn text(name: &'static str, description: &'static str) -> Self {
        Self::of(Kind::String, name, description)
    }

    const fn flag(name: &'static str, description: &'static str) -> Self {
        Self::of(Kind::Boolean, name, description)
    }

    const fn moment(name: &'static str, description: &'static str) -> Self {
        Self::of(Kind::DateTime, name, description)
    }

    const fn binary(name: &'static str, description: &'static str) -> Self {
        Self::of(Kind::Binary, name, description).exact()
    }

    const fn reference(name: &'static str, types: &'static [&'static str], description: &'static str) -> Self {
        Self { reference_types: types, ..Self::of(Kind::Reference, name, description).exact() }
    }

    const fn complex(name: &'static str, sub: &'static [Self], description: &'static str) -> Self {
        Self { sub, ..Self::of(Kind::Complex, name, description) }
    }

    const fn many(self) -> Self {
        Self { multi: true, ..self }
    }

    const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    const fn exact(self) -> Self {
        Self { case_exact: true, ..self }
    }

    const fn usually(self, canonical: &'static [&'static str]) -> Self {
        Self { canonical, ..self }
    }

    const fn unique(self, uniqueness: Uniqueness) -> Self {
        Self { uniqueness, ..self }
    }

    const fn returned(self, returned: Returned) -> Self {
        Self { returned, ..self }
    }

    const fn written(self, mutability: Mutability) -> Self {
        Self { mutability, ..self }
    }

    const fn read_only(self) -> Self {
        self.written(Mutability::ReadOnly)
    }
}

/// A schema: a URN and its attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Its id.
    pub urn: &'static str,
    /// Its name, for people.
    pub name: &'static str,
    /// What it is about, for people.
    pub description: &'static str,
    /// Its attributes; those that all resources have are not among them.
    pub attributes: &'static [Attribute],
}

impl Schema {
    /// An attribute by its name in any case.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        find(self.attributes, name)
    }
}

fn find(among: &'static [Attribute], name: &str) -> Option<&'static Attribute> {
    among.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

/// What can be provisioned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceType {
    /// A person's account.
    User,
    /// A group of users.
    Group,
}

impl ResourceType {
    /// Both.
    pub const ALL: [Self; 2] = [Self::User, Self::Group];

    /// Its name, as in `meta.resourceType`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }

    /// Its endpoint, without slashes.
    #[must_use]
    pub const fn endpoint(self) -> &'static str {
        match self {
            Self::User => "Users",
            Self::Group => "Groups",
        }
    }

    /// Its core schema.
    #[must_use]
    pub fn schema(self) -> &'static Schema {
        match self {
            Self::User => &USER,
            Self::Group => &GROUP,
        }
    }

    /// The extensions that it may have.
    #[must_use]
    pub fn extensions(self) -> &'static [&'static Schema] {
        match self {
            Self::User => &USER_EXTENSIONS,
            Self::Group => &[],
        }
    }

    /// An attribute of the core schema, or one that all resources have, by its name in any case.
    #[must_use]
    pub fn attribute(self, name: &str) -> Option<&'static Attribute> {
        self.schema().attribute(name).or_else(|| find(&COMMON, name))
    }

    /// An extension by its URN in any case, also by those that older clients use.
    #[must_use]
    pub fn extension(self, urn: &str) -> Option<&'static Schema> {
        let old = ENTERPRISE_OF_OLD.iter().any(|old| old.eq_ignore_ascii_case(urn));
        let urn = if old { ENTERPRISE_URN } else { urn };
        self.extensions().iter().find(|schema| schema.urn.eq_ignore_ascii_case(urn)).copied()
    }
}

static USER_EXTENSIONS: [&Schema; 1] = [&ENTERPRISE];

/// What all resources have (RFC 7643 §3 and §3.1); schemas do not list it.
static COMMON: [Attribute; 4] = [
    Attribute::text("schemas", "The URNs of the schemas of which the resource has attributes.")
        .many()
        .required()
        .read_only()
        .returned(Returned::Always),
    Attribute::text("id", "Muster's id of the resource. It never changes and is never given again.")
        .required()
        .exact()
        .read_only()
        .returned(Returned::Always)
        .unique(Uniqueness::Global),
    Attribute::text("externalId", "The client's own id of the resource. Each connection has its own.").exact(),
    Attribute::complex("meta", &META_PARTS, "What Muster says about the resource.").read_only(),
];

static META_PARTS: [Attribute; 5] = [
    Attribute::text("resourceType", "The name of the resource's type.").exact().read_only(),
    Attribute::moment("created", "When the resource came to be.").read_only(),
    Attribute::moment("lastModified", "When the resource changed last.").read_only(),
    Attribute::reference("location", &["uri"], "The address of the resource.").read_only(),
    Attribute::text("version", "The version of the resource, as in its ETag.").exact().read_only(),
];

#[cfg(test)]
mod tests;
