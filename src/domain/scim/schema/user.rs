//! The schema of users (RFC 7643 §4.1).

use super::{Attribute, Mutability, Returned, Schema, USER_URN, Uniqueness};

/// The core schema of users.
pub static USER: Schema =
    Schema { urn: USER_URN, name: "User", description: "A person's account.", attributes: &ATTRIBUTES };

static ATTRIBUTES: [Attribute; 21] = [
    Attribute::text(
        "userName",
        "The name that the person signs in with: unique in the organisation, compared without regard to case.",
    )
    .required()
    .unique(Uniqueness::Server),
    Attribute::complex("name", &NAME_PARTS, "The person's name in its parts."),
    Attribute::text("displayName", "The name that others are shown."),
    Attribute::text("nickName", "What the person is called in everyday life."),
    Attribute::reference("profileUrl", &["external"], "The address of a page about the person."),
    Attribute::text("title", "The person's title, for instance 'Vice President'."),
    Attribute::text("userType", "How the person belongs to the organisation, for instance 'Employee' or 'Contractor'."),
    Attribute::text("preferredLanguage", "The languages that the person likes to read, for instance 'ko, en;q=0.8'."),
    Attribute::text("locale", "How dates and numbers are written for the person: a language tag like 'en-US'."),
    Attribute::text("timezone", "The person's time zone by its name in the IANA database, for instance 'Asia/Seoul'."),
    Attribute::flag("active", "Whether the person may sign in. False ends all sessions at once; memberships stay.")
        .required(),
    Attribute::text("password", "Taken and dropped: people of a connection sign in with their own provider.")
        .exact()
        .written(Mutability::WriteOnly)
        .returned(Returned::Never),
    Attribute::complex(
        "emails",
        &EMAIL_PARTS,
        "E-mail addresses. The primary one, else one for work, else the first is the account's address.",
    )
    .many(),
    Attribute::complex("phoneNumbers", &PHONE_PARTS, "Phone numbers, kept as they were sent.").many(),
    Attribute::complex("ims", &IM_PARTS, "Addresses for instant messages.").many(),
    Attribute::complex("photos", &PHOTO_PARTS, "Pictures of the person.").many(),
    Attribute::complex("addresses", &ADDRESS_PARTS, "Postal addresses.").many(),
    Attribute::complex("groups", &GROUP_PARTS, "The person's groups. They change by the members of a group.")
        .many()
        .read_only(),
    Attribute::complex("entitlements", &ENTITLEMENT_PARTS, "What the person is entitled to. Kept, not interpreted.")
        .many(),
    Attribute::complex("roles", &ROLE_PARTS, "The person's roles. Kept, not interpreted: access follows from groups.")
        .many(),
    Attribute::complex("x509Certificates", &CERTIFICATE_PARTS, "Certificates. Kept, not used for signing in.").many(),
];

static NAME_PARTS: [Attribute; 6] = [
    Attribute::text("formatted", "The whole name, as it is written."),
    Attribute::text("familyName", "The family name."),
    Attribute::text("givenName", "The given name."),
    Attribute::text("middleName", "Names in between."),
    Attribute::text("honorificPrefix", "What is put before the name, for instance 'Dr.'."),
    Attribute::text("honorificSuffix", "What is put behind the name, for instance 'III'."),
];

const fn display() -> Attribute {
    Attribute::text("display", "The value as people are shown it.")
}

const fn label(description: &'static str) -> Attribute {
    Attribute::text("type", description)
}

const fn primary() -> Attribute {
    Attribute::flag("primary", "Whether this is the preferred value. At most one is.")
}

static EMAIL_PARTS: [Attribute; 4] = [
    Attribute::text("value", "The address."),
    display(),
    label("What the address is for.").usually(&["work", "home", "other"]),
    primary(),
];

static PHONE_PARTS: [Attribute; 4] = [
    Attribute::text("value", "The number."),
    display(),
    label("What the number is for.").usually(&["work", "home", "mobile", "fax", "pager", "other"]),
    primary(),
];

static IM_PARTS: [Attribute; 4] = [
    Attribute::text("value", "The address."),
    display(),
    label("The service.").usually(&["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"]),
    primary(),
];

static PHOTO_PARTS: [Attribute; 4] = [
    Attribute::reference("value", &["external"], "Where the picture is."),
    display(),
    label("The size of the picture.").usually(&["photo", "thumbnail"]),
    primary(),
];

static ADDRESS_PARTS: [Attribute; 8] = [
    Attribute::text("formatted", "The whole address, as it is written on a letter; it may have several lines."),
    Attribute::text("streetAddress", "Street and number; it may have several lines."),
    Attribute::text("locality", "The city or village."),
    Attribute::text("region", "The state or region."),
    Attribute::text("postalCode", "The postal code."),
    Attribute::text("country", "The country by its two letters (ISO 3166-1), for instance 'KR'."),
    label("What the address is for.").usually(&["work", "home", "other"]),
    primary(),
];

static GROUP_PARTS: [Attribute; 4] = [
    Attribute::text("value", "The group's id.").exact().read_only(),
    Attribute::reference("$ref", &["Group"], "The group's address.").read_only(),
    Attribute::text("display", "The group's name.").read_only(),
    label("How the person is in the group: groups have no groups in them.").usually(&["direct"]).read_only(),
];

static ENTITLEMENT_PARTS: [Attribute; 4] =
    [Attribute::text("value", "The entitlement."), display(), label("A label of the client's."), primary()];

static ROLE_PARTS: [Attribute; 4] =
    [Attribute::text("value", "The role."), display(), label("A label of the client's."), primary()];

static CERTIFICATE_PARTS: [Attribute; 4] = [
    Attribute::binary("value", "The certificate (DER) in base64."),
    display(),
    label("A label of the client's."),
    primary(),
];
