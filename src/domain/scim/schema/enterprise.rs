//! The extension for people of an enterprise (RFC 7643 §4.3).

use super::{Attribute, ENTERPRISE_URN, Schema};

/// The extension for people of an enterprise.
pub static ENTERPRISE: Schema = Schema {
    urn: ENTERPRISE_URN,
    name: "EnterpriseUser",
    description: "What an enterprise knows about a person who works for it.",
    attributes: &ATTRIBUTES,
};

static ATTRIBUTES: [Attribute; 6] = [
    Attribute::text("employeeNumber", "The number or text that the enterprise gave the person."),
    Attribute::text("costCenter", "The name of the cost center."),
    Attribute::text("organization", "The name of the organization."),
    Attribute::text("division", "The name of the division."),
    Attribute::text("department", "The name of the department."),
    Attribute::complex("manager", &MANAGER_PARTS, "The person's manager."),
];

static MANAGER_PARTS: [Attribute; 3] = [
    Attribute::text("value", "The manager's id.").exact(),
    Attribute::reference("$ref", &["User"], "The manager's address."),
    Attribute::text("displayName", "The manager's name.").read_only(),
];
