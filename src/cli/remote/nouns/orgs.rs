//! Organisations, their policies, their projects.

use super::super::verb::{Column, Confirm, Field, Kind, Noun, Verb, field, filter, list, show, write};
use crate::outside::api_client::Act::{Delete, Patch, Post};

const SEARCH: &[Field] = &[filter("search", Kind::Text, "Those that have this text in their name")];
const POLICY: Kind = Kind::Word(&["strict", "standing", "narrow"]);

pub const NOUNS: &[Noun] = &[ORG, POLICIES, PROJECT];

const ORG: Noun = Noun {
    name: "org",
    about: "Organisations; --org says which",
    verbs: &[
        list(
            "orgs",
            "The organisations (the operator's: all)",
            &[],
            &[Column("ID", "id"), Column("SLUG", "slug"), Column("NAME", "name"), Column("STATE", "state")],
        ),
        show("orgs/{org}", "One organisation"),
        write(
            "create",
            Post,
            "orgs",
            "Make an organisation",
            &[
                field("slug", Kind::Text, "Its slug, for addresses").required(),
                field("name", Kind::Text, "Its name").required(),
                field("policy", POLICY, "What a lost role ends"),
                field("owner", Kind::Text, "The id of the own account that owns it"),
                field("new-owner", Kind::Json, "The managed account to make for its owner: user_name, email, password")
                    .to("owner"),
            ],
        ),
        write("update", Patch, "orgs/{org}", "Rename it", &[field("name", Kind::Text, "Its name")]),
        write("suspend", Post, "orgs/{org}/suspend", "Let nobody in; every session and token ends", &[])
            .after(Confirm::Here("the organisation's slug, as in --org")),
        write("resume", Post, "orgs/{org}/resume", "Let people in again", &[]),
        write("restore", Post, "orgs/{org}/restore", "Take back a deletion, within 30 days", &[]),
        write(
            "transfer",
            Post,
            "orgs/{org}/transfer",
            "Give it another owner (a fresh sign-in)",
            &[field("to", Kind::User, "The new owner").required()],
        ),
        write("delete", Delete, "orgs/{org}", "Delete it; it can be restored for 30 days (a fresh sign-in)", &[])
            .after(Confirm::Sent("the organisation's slug")),
    ],
};

const POLICIES: Noun = Noun {
    name: "policy",
    about: "The rules of an organisation",
    verbs: &[
        show("orgs/{org}/policies", "The rules"),
        write(
            "update",
            Patch,
            "orgs/{org}/policies",
            "Change some of them; --set for those without a flag",
            &[
                field("policy", POLICY, "What a lost role ends"),
                field("session-idle-seconds", Kind::Number, "How long a session may lie unused"),
                field("session-absolute-seconds", Kind::Number, "How long a session may live"),
                field(
                    "second-factor",
                    Kind::Word(&["none", "optional", "admins", "everyone"]),
                    "Who must have a second factor",
                )
                .to("second_factor.require"),
                field("factor-kind", Kind::Word(&["totp", "passkey", "email", "sms"]), "A kind that is taken")
                    .to("second_factor.kinds")
                    .many(),
                field("remember-days", Kind::Number, "How long a browser is remembered; 0 is not at all")
                    .to("second_factor.remember_days"),
                field(
                    "exempt-federated",
                    Kind::Json,
                    "Whether who comes through a connection shows none here: true, false",
                )
                .to("second_factor.exempt_federated"),
                field("lock-mode", Kind::Word(&["pause", "reset"]), "How a lock against guessing ends").to("lock.mode"),
                field("lock-failures", Kind::Number, "After how many failures it begins").to("lock.failures"),
                field("lock-minutes", Kind::Number, "How long it lasts").to("lock.minutes"),
            ],
        ),
    ],
};

const PROJECT: Noun = Noun {
    name: "project",
    about: "Projects, and who holds what on them",
    verbs: &[
        list(
            "orgs/{org}/projects",
            "The projects that one may see",
            SEARCH,
            &[Column("ID", "id"), Column("KEY", "key"), Column("NAME", "name")],
        ),
        show("orgs/{org}/projects/{project}", "One project"),
        write(
            "create",
            Post,
            "orgs/{org}/projects",
            "Make a project",
            &[
                field("key", Kind::Text, "Its key, as it stands in tokens").required(),
                field("name", Kind::Text, "Its name").required(),
            ],
        ),
        write("update", Patch, "orgs/{org}/projects/{project}", "Rename it", &[field("name", Kind::Text, "Its name")]),
        write(
            "delete",
            Delete,
            "orgs/{org}/projects/{project}",
            "Delete it, with its roles, keys and service accounts",
            &[],
        )
        .after(Confirm::Sent("the project's key")),
        list(
            "orgs/{org}/projects/{project}/members",
            "Who holds what on it",
            &[],
            &[Column("USER", "user_id"), Column("USER NAME", "user_name"), Column("ROLES", "roles")],
        )
        .named("members"),
        write(
            "remove-member",
            Delete,
            "orgs/{org}/projects/{project}/members/{user}",
            "Take from somebody what they hold on it themselves",
            &[],
        ),
    ],
};

/// A GET that isn't called `show`.
pub const fn read(name: &'static str, path: &'static str, about: &'static str) -> Verb {
    show(path, about).named(name)
}
