//! Connections of an organisation's own identity providers, what waits because of them, and e-mail domains.

use super::super::verb::{Column, Confirm, Field, Kind, Noun, field, filter, list, show, write};
use super::orgs::read;
use super::sign_in;
use crate::outside::api_client::Act::{Delete, Patch, Post};

pub const NOUNS: &[Noun] = &[CONNECTION, DOMAIN];

const PROFILE: Kind = Kind::Word(&["auto", "entra", "okta", "rfc-strict"]);
const SEARCH: &[Field] = &[filter("search", Kind::Text, "Those that have this text in their name")];

const SETTINGS: &[Field] = &[
    field("name", Kind::Text, "Its name"),
    field("profile", PROFILE, "How its client speaks"),
    field("local-grants", Kind::Json, "Whether its people may get local groups and direct roles: true, false"),
    field("admin-url", Kind::Text, "Where its administrators change things: an https address"),
    field("patch-answers-body", Kind::Json, "Whether a PATCH answers with the resource: true, false, null"),
    field("guard-share", Kind::Number, "The guard: more than so many per cent of the members").to("guard.share"),
    field("guard-least", Kind::Number, "The guard: but no fewer people than this").to("guard.least"),
    field("guard-hold", Kind::Json, "Whether such a request waits for an administrator: true, false").to("guard.hold"),
    field("guard-minutes", Kind::Number, "How long it waits").to("guard.hold_minutes"),
    field("guard-then", Kind::Word(&["release", "reject"]), "What happens then").to("guard.on_timeout"),
];

const NEW_TOKEN: &[Field] = &[
    field("kind", Kind::Fixed("token"), ""),
    field("name", Kind::Text, "Its name").required(),
    field("expires-at", Kind::Text, "When it ends (2027-01-01T00:00:00Z), within a year; else in 180 days"),
];

const NEW_CLIENT: &[Field] = &[
    field("kind", Kind::Fixed("client"), ""),
    field("name", Kind::Text, "Its name").required(),
    field("expires-at", Kind::Text, "When it ends (2027-01-01T00:00:00Z), within a year; else in 180 days"),
];

const CREDENTIALS: &[Column] = &[
    Column("ID", "id"),
    Column("KIND", "kind"),
    Column("NAME", "name"),
    Column("EXPIRES", "expires_at"),
    Column("EXPIRED", "expired"),
    Column("LAST USED", "last_used_at"),
    Column("CREATOR", "created_by"),
];

const HELD: &[Column] = &[
    Column("ID", "id"),
    Column("CONNECTION", "connection.name"),
    Column("STATE", "state"),
    Column("METHOD", "method"),
    Column("PATH", "path"),
    Column("LOSING", "losing"),
    Column("OF", "of_members"),
    Column("WAITS UNTIL", "decide_at"),
    Column("THEN", "on_timeout"),
];

const ADOPTIONS: &[Column] = &[
    Column("ID", "id"),
    Column("CONNECTION", "connection.name"),
    Column("STATE", "state"),
    Column("USER", "user.user_name"),
    Column("E-MAIL", "user.email"),
    Column("PUSHED AS", "pushed.user_name"),
    Column("ASKED", "asked_at"),
];

const CONNECTION: Noun = Noun {
    name: "connection",
    about: "Connections: an organisation's own identity providers, which push people by SCIM and sign them in",
    verbs: &[
        list(
            "orgs/{org}/connections",
            "The connections",
            SEARCH,
            &[
                Column("ID", "id"),
                Column("NAME", "name"),
                Column("STATE", "state"),
                Column("PROFILE", "profile"),
                Column("SIGN-IN", "sign_in.stage"),
                Column("USERS", "users"),
                Column("GROUPS", "groups"),
                Column("LAST SYNC", "last_sync_at"),
                Column("LAST ERROR", "last_error_at"),
            ],
        ),
        show("orgs/{org}/connections/{connection}", "One connection"),
        write(
            "create",
            Post,
            "orgs/{org}/connections",
            "Make a connection; its client needs a token besides",
            SETTINGS,
        ),
        write("set", Patch, "orgs/{org}/connections/{connection}", "Change it", SETTINGS),
        write(
            "disable",
            Patch,
            "orgs/{org}/connections/{connection}",
            "Refuse its requests; what it keeps stays, read-only",
            &[field("state", Kind::Fixed("disabled"), "")],
        ),
        write(
            "enable",
            Patch,
            "orgs/{org}/connections/{connection}",
            "Take its requests again",
            &[field("state", Kind::Fixed("active"), "")],
        ),
        write(
            "delete",
            Delete,
            "orgs/{org}/connections/{connection}",
            "Delete it with its tokens; what it keeps stays, read-only, until it is released",
            &[],
        )
        .after(Confirm::Sent("the connection's name")),
        write(
            "release",
            Post,
            "orgs/{org}/connections/{connection}/release",
            "Make what a disabled or deleted one keeps the organisation's own",
            &[],
        ),
        read("health", "orgs/{org}/connections/{connection}/health", "How it fares, and what waits"),
        list(
            "orgs/{org}/connections/{connection}/requests",
            "What its client asked, newest first",
            &[filter("errors", Kind::Word(&["true", "false"]), "true: only what was not carried out")],
            &[
                Column("AT", "at"),
                Column("METHOD", "method"),
                Column("PATH", "path"),
                Column("STATUS", "status"),
                Column("DETAIL", "detail"),
                Column("BODY", "body"),
                Column("CHANGE", "change_id"),
            ],
        )
        .named("log"),
        sign_in::SHOW,
        sign_in::SET,
        sign_in::STAGE,
        sign_in::TEST,
        sign_in::LOG,
        sign_in::REMOVE,
        sign_in::MAPPING_SHOW,
        sign_in::MAPPING_SET,
        sign_in::MAPPING_TRY,
        write(
            "token add",
            Post,
            "orgs/{org}/connections/{connection}/credentials",
            "Give it a bearer token, shown once",
            NEW_TOKEN,
        ),
        list("orgs/{org}/connections/{connection}/credentials", "Its tokens and clients", &[], CREDENTIALS)
            .named("token list"),
        write(
            "token remove",
            Delete,
            "orgs/{org}/connections/{connection}/credentials/{credential}",
            "Refuse it from now on",
            &[],
        ),
        write(
            "client add",
            Post,
            "orgs/{org}/connections/{connection}/credentials",
            "Give it an OAuth client (client credentials); the secret is shown once",
            NEW_CLIENT,
        ),
        write(
            "client remove",
            Delete,
            "orgs/{org}/connections/{connection}/credentials/{credential}",
            "Refuse it from now on",
            &[],
        ),
        list("orgs/{org}/held", "Requests that wait, and those that were decided", &[], HELD).named("held list"),
        read("held show", "orgs/{org}/held/{held}", "One of them"),
        write("held release", Post, "orgs/{org}/held/{held}/release", "Carry it out now", &[]),
        write("held reject", Post, "orgs/{org}/held/{held}/reject", "Drop it", &[]),
        list("orgs/{org}/adoptions", "Accounts that stand in a connection's way", &[], ADOPTIONS)
            .named("adoption list"),
        read("adoption show", "orgs/{org}/adoptions/{adoption}", "One of them, with what was pushed"),
        write(
            "adoption decide",
            Post,
            "orgs/{org}/adoptions/{adoption}/decide",
            "Hand it over, keep it apart, or reject it until it is pushed again",
            &[field("decision", Kind::Word(&["adopt", "keep_apart", "reject"]), "What becomes of it").bare()],
        ),
    ],
};

const DOMAIN: Noun = Noun {
    name: "domain",
    about: "E-mail domains that the organisation has shown to be its own",
    verbs: &[
        list(
            "orgs/{org}/domains",
            "The domains",
            &[],
            &[
                Column("ID", "id"),
                Column("DOMAIN", "domain"),
                Column("STATE", "state"),
                Column("CHECKED", "checked_at"),
                Column("MISSING SINCE", "missing_since"),
                Column("CONNECTION", "connection_id"),
                Column("RECORD", "record.name"),
                Column("TEXT", "record.value"),
            ],
        ),
        show("orgs/{org}/domains/{domain}", "One domain, with the record to publish"),
        write(
            "add",
            Post,
            "orgs/{org}/domains",
            "Name a domain; the answer says which record to publish",
            &[field("domain", Kind::Text, "The domain (acme.com)").bare()],
        ),
        sign_in::LEAD,
        write("verify", Post, "orgs/{org}/domains/{domain}/verify", "Look for the record now", &[]),
        write("remove", Delete, "orgs/{org}/domains/{domain}", "Remove it; nobody is adopted by it any more", &[]),
    ],
};
