//! The schema of groups (RFC 7643 §4.2).

use super::{Attribute, GROUP_URN, Mutability, Returned, Schema, Uniqueness};

/// The core schema of groups.
pub static GROUP: Schema =
    Schema { urn: GROUP_URN, name: "Group", description: "A group of users.", attributes: &ATTRIBUTES };

static ATTRIBUTES: [Attribute; 2] = [
    Attribute::text("displayName", "The group's name: unique in the organisation, compared without regard to case.")
        .required()
        .unique(Uniqueness::Server),
    Attribute::complex("members", &MEMBER_PARTS, "The users in the group. A member is added or removed as a whole.")
        .many(),
];

static MEMBER_PARTS: [Attribute; 4] = [
    Attribute::text("value", "The user's id.").required().exact().written(Mutability::Immutable),
    Attribute::reference("$ref", &["User"], "The user's address.").written(Mutability::Immutable),
    Attribute::text("display", "The user's name.").read_only().returned(Returned::Request),
    Attribute::text("type", "The type of the member: groups have no groups in them.")
        .usually(&["User"])
        .written(Mutability::Immutable),
];
