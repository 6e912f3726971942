//! Roles, bundles of them, and who is given which.

use super::super::verb::{Column, Confirm, Field, Kind, Noun, field, filter, list, show, write};
use crate::outside::api_client::Act::{Delete, Patch, Post};

pub const NOUNS: &[Noun] = &[ROLE, BUNDLE, BINDING];

const PERMISSION: Field = field("permission", Kind::Text, "A permission of the catalogue").to("permissions").many();

const ROLE: Noun = Noun {
    name: "role",
    about: "Roles, the built-in ones and the organisation's own",
    verbs: &[
        list(
            "orgs/{org}/roles",
            "The roles",
            &[],
            &[
                Column("KEY", "key"),
                Column("NAME", "name"),
                Column("LEVEL", "level"),
                Column("PERMISSIONS", "permissions"),
            ],
        ),
        show("orgs/{org}/roles/{role}", "One role with its permissions"),
        write(
            "create",
            Post,
            "orgs/{org}/roles",
            "Make a role, within one's own reach",
            &[
                field("key", Kind::Text, "Its key, as it stands in tokens").required(),
                field("name", Kind::Text, "Its name").required(),
                PERMISSION,
            ],
        ),
        write(
            "update",
            Patch,
            "orgs/{org}/roles/{role}",
            "Rename it, or give it these permissions and no others",
            &[field("name", Kind::Text, "Its name"), PERMISSION],
        ),
        write("delete", Delete, "orgs/{org}/roles/{role}", "Delete an own role, with every binding of it", &[])
            .after(Confirm::Sent("the role's key")),
        list(
            "permissions",
            "The catalogue of permissions",
            &[],
            &[Column("PERMISSION", "key|name|permission"), Column("MEANING", "description|meaning|text")],
        )
        .named("permissions"),
        list(
            "account-roles",
            "What the four account roles stand for",
            &[],
            &[
                Column("ACCOUNT ROLE", "account_role|key|name"),
                Column("ROLE", "role|roles"),
                Column("PERMISSIONS", "permissions"),
            ],
        )
        .named("account-roles"),
    ],
};

const BUNDLE: Noun = Noun {
    name: "bundle",
    about: "Bundles: roles that are given together",
    verbs: &[
        list(
            "orgs/{org}/bundles",
            "The bundles",
            &[],
            &[Column("ID", "id"), Column("NAME", "name"), Column("ROLES", "roles|grants")],
        ),
        show("orgs/{org}/bundles/{bundle}", "One bundle"),
        write(
            "create",
            Post,
            "orgs/{org}/bundles",
            "Make a bundle",
            &[
                field("name", Kind::Text, "Its name").required(),
                field("role", Kind::Grant, "A role in it").to("roles").many(),
            ],
        ),
        write(
            "update",
            Patch,
            "orgs/{org}/bundles/{bundle}",
            "Change it; what it gave stays given",
            &[
                field("name", Kind::Text, "Its name"),
                field("role", Kind::Grant, "The roles in it from now on").to("roles").many(),
            ],
        ),
        write("delete", Delete, "orgs/{org}/bundles/{bundle}", "Delete it; what it gave stays given", &[])
            .after(Confirm::Here("the bundle's id")),
    ],
};

const BINDING: Noun = Noun {
    name: "binding",
    about: "Bindings: a role, given to somebody, on something",
    verbs: &[
        list(
            "orgs/{org}/bindings",
            "The bindings",
            &[
                filter("role", Kind::Text, "Of this role"),
                filter("user", Kind::User, "Of this person"),
                filter("group", Kind::Group, "Of this group"),
                filter("project", Kind::Project, "On this project"),
            ],
            &[
                Column("ID", "id|binding_id"),
                Column("ROLE", "role|grant.role"),
                Column("ON", "scope|grant.scope"),
                Column("OF", "subject.name|subject.id"),
                Column("FROM", "not_before|grant.not_before"),
                Column("UNTIL", "not_after|grant.not_after"),
            ],
        ),
        show("orgs/{org}/bindings/{binding}", "One binding"),
        write(
            "create",
            Post,
            "orgs/{org}/bindings",
            "Give a role",
            &[
                field("user", Kind::User, "To this person"),
                field("group", Kind::Group, "Or: to this group"),
                field("service-account", Kind::Text, "Or: to this service account"),
                field("role", Kind::Grant, "The role, and on what").to("*").required(),
                field("not-before", Kind::Text, "From when (2027-01-01T00:00:00Z)"),
                field("not-after", Kind::Text, "Until when"),
            ],
        ),
        write("delete", Delete, "orgs/{org}/bindings/{binding}", "Take it back", &[]),
        write(
            "batch",
            Post,
            "orgs/{org}/bindings/batch",
            "Give and take several, all or nothing",
            &[
                field("add", Kind::Json, "A binding to make, as the API has it").many(),
                field("remove", Kind::Text, "The id of a binding to take back").many(),
            ],
        ),
        write(
            "apply-bundle",
            Post,
            "orgs/{org}/bindings/apply-bundle",
            "Give the roles of a bundle",
            &[
                field("bundle", Kind::Text, "The bundle's id").required(),
                field("user", Kind::User, "To this person"),
                field("group", Kind::Group, "Or: to this group"),
                field("service-account", Kind::Text, "Or: to this service account"),
            ],
        ),
    ],
};
