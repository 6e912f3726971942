//! Applications, access keys, service accounts.

use super::super::verb::{Column, Confirm, Field, Kind, Noun, field, filter, list, show, write};
use crate::outside::api_client::Act::{Delete, Patch, Post};

pub const NOUNS: &[Noun] = &[APP, STREAM, KEY, SERVICE_ACCOUNT];

const REGISTRATION: &[Field] = &[
    field("client-id", Kind::Text, "Its client id"),
    field("name", Kind::Text, "Its name"),
    field("redirect-uri", Kind::Text, "Where codes are sent").to("redirect_uris").many(),
    field("post-logout-redirect-uri", Kind::Text, "Where people go after signing out")
        .to("post_logout_redirect_uris")
        .many(),
    field("grant-type", Kind::Text, "A grant type").to("grant_types").many(),
    field("scope", Kind::Text, "A scope it may ask for").to("scopes").many(),
    field("auth-method", Kind::Text, "How it proves who it is"),
    field("resource", Kind::Text, "The resource its tokens are for"),
    field("backchannel-logout-uri", Kind::Text, "Where logout tokens are sent"),
];

const APP: Noun = Noun {
    name: "app",
    about: "Applications that sign people in",
    verbs: &[
        list(
            "orgs/{org}/applications",
            "The applications",
            &[],
            &[Column("ID", "id"), Column("CLIENT ID", "client_id"), Column("NAME", "name"), Column("STATE", "state")],
        ),
        show("orgs/{org}/applications/{application}", "One application"),
        write(
            "create",
            Post,
            "orgs/{org}/applications",
            "Register an application; its secret is shown once",
            REGISTRATION,
        ),
        write("update", Patch, "orgs/{org}/applications/{application}", "Change its registration", REGISTRATION),
        write("delete", Delete, "orgs/{org}/applications/{application}", "Delete it; its tokens end", &[])
            .after(Confirm::Sent("the application's client id")),
        write(
            "new-secret",
            Post,
            "orgs/{org}/applications/{application}/secrets",
            "Give it a new secret beside the old one",
            &[],
        ),
        write("end-old-secret", Delete, "orgs/{org}/applications/{application}/secrets/old", "Refuse the old one", &[]),
    ],
};

const STREAM: Noun = Noun {
    name: "stream",
    about: "Streams of security events, which applications keep themselves",
    verbs: &[list(
        "orgs/{org}/streams",
        "The streams of the organisation's applications",
        &[],
        &[
            Column("ID", "id"),
            Column("CLIENT ID", "client_id"),
            Column("EVENTS", "events"),
            Column("DELIVERY", "delivery"),
            Column("HOST", "endpoint_host"),
            Column("STATUS", "status"),
            Column("WAITING", "waiting"),
            Column("LAST SENT", "last_sent_at"),
        ],
    )],
};

const KEYS: &[Column] = &[
    Column("ID", "id"),
    Column("NAME", "name"),
    Column("OF", "user_name|user_id"),
    Column("CREATOR", "created_by"),
    Column("PROJECT", "project|project_id"),
    Column("STATE", "state"),
    Column("EXPIRES", "expires_at"),
    Column("LAST USED", "last_used_at"),
];

const NEW_KEY: &[Field] = &[
    field("project", Kind::Project, "The project that it is for").required(),
    field("name", Kind::Text, "Its name").required(),
    field("expires-at", Kind::Text, "When it ends (2027-01-01T00:00:00Z), within a year").required(),
];

const KEY: Noun = Noun {
    name: "key",
    about: "Access keys, for programs (signing keys are `muster keys`)",
    verbs: &[
        list(
            "orgs/{org}/access-keys",
            "The organisation's access keys",
            &[
                filter("expired", Kind::Word(&["0", "1"]), "1: only those that have expired"),
                filter("user", Kind::User, "Of this person"),
                filter("project", Kind::Project, "For this project"),
            ],
            KEYS,
        ),
        list("orgs/{org}/users/{user}/access-keys", "Access keys of a person", &[], KEYS).named("of-user"),
        show("orgs/{org}/access-keys/{key}", "One access key, without its secret"),
        write("create", Post, "orgs/{org}/users/{user}/access-keys", "Make one; its secret is shown once", NEW_KEY),
        write(
            "update",
            Patch,
            "orgs/{org}/access-keys/{key}",
            "Rename it, or switch it off and on",
            &[
                field("name", Kind::Text, "Its name"),
                field("state", Kind::Word(&["active", "disabled"]), "Whether it works"),
            ],
        ),
        write("delete", Delete, "orgs/{org}/access-keys/{key}", "Delete it; its tokens end", &[])
            .after(Confirm::Here("the access key's id")),
    ],
};

const ACCOUNTS: &[Column] =
    &[Column("ID", "id|user_id"), Column("NAME", "name|user_name"), Column("PROJECT", "project|project_id")];

const SERVICE_ACCOUNT: Noun = Noun {
    name: "service-account",
    about: "Accounts of programs; each belongs to a project",
    verbs: &[
        list("orgs/{org}/service-accounts", "The organisation's service accounts", &[], ACCOUNTS),
        list("orgs/{org}/projects/{project}/service-accounts", "Those of a project", &[], ACCOUNTS).named("of-project"),
        show("orgs/{org}/projects/{project}/service-accounts/{account}", "One service account"),
        write(
            "create",
            Post,
            "orgs/{org}/projects/{project}/service-accounts",
            "Make one",
            &[
                field("name", Kind::Text, "Its name, unique in the project").required(),
                field("description", Kind::Text, "What it is for"),
                field("owner", Kind::User, "Who answers for it"),
                field("role", Kind::Grant, "A role that it holds").to("roles").many(),
            ],
        ),
        write(
            "update",
            Patch,
            "orgs/{org}/projects/{project}/service-accounts/{account}",
            "Change it",
            &[field("name", Kind::Text, "Its name"), field("description", Kind::Text, "What it is for")],
        ),
        write(
            "delete",
            Delete,
            "orgs/{org}/projects/{project}/service-accounts/{account}",
            "Delete it with its keys",
            &[],
        )
        .after(Confirm::Here("the service account's id")),
        list("orgs/{org}/projects/{project}/service-accounts/{account}/keys", "Its access keys", &[], KEYS)
            .named("keys"),
        write(
            "new-key",
            Post,
            "orgs/{org}/projects/{project}/service-accounts/{account}/keys",
            "Make it an access key; its secret is shown once",
            &[
                field("name", Kind::Text, "The key's name").required(),
                field("expires-at", Kind::Text, "When it ends (2027-01-01T00:00:00Z), within a year").required(),
            ],
        ),
    ],
};
