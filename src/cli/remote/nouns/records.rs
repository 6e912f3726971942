//! What happened, and who is told of it: the audit record, changes, alerts.

use super::super::verb::{Column, Confirm, Field, Kind, Noun, Shows, Verb, field, filter, list, show, write};
use super::orgs::read;
use crate::outside::api_client::Act::{Delete, Get, Patch, Post};

pub const NOUNS: &[Noun] = &[CHANGE, ALERT];

/// The columns of audit rows.
pub const ROWS: &[Column] = &[
    Column("AT", "at"),
    Column("OUTCOME", "outcome"),
    Column("ACTOR", "actor"),
    Column("ACTION", "action"),
    Column("KINDS", "kinds"),
    Column("TARGETS", "targets"),
    Column("ADDRESS", "address"),
];

const FILTERS: &[Field] = &[
    filter("kind", Kind::Text, "Of this kind"),
    filter("outcome", Kind::Text, "That ended so"),
    filter("actor", Kind::Text, "By this actor"),
    filter("target", Kind::Text, "About this id"),
    filter("change", Kind::Text, "Of this change"),
    filter("from", Kind::Text, "Since (2027-01-01T00:00:00Z)"),
    filter("to", Kind::Text, "Until"),
];

const EXPORT: Verb = Verb {
    name: "export",
    about: "The record, whole, to standard output",
    act: Get,
    path: "orgs/{org}/audit/export",
    fields: &[
        filter("format", Kind::Word(&["csv", "jsonl"]), "As a table, or a line of JSON a row").required(),
        filter("kind", Kind::Text, "Of this kind"),
        filter("outcome", Kind::Text, "That ended so"),
        filter("actor", Kind::Text, "By this actor"),
        filter("target", Kind::Text, "About this id"),
        filter("change", Kind::Text, "Of this change"),
        filter("from", Kind::Text, "Since (2027-01-01T00:00:00Z)"),
        filter("to", Kind::Text, "Until"),
    ],
    shows: Shows::Stream,
    confirm: Confirm::No,
};

/// Beside `muster audit verify`, which asks the database itself.
pub const AUDIT: Noun = Noun {
    name: "audit",
    about: "The audit record: every act, accepted or refused",
    verbs: &[
        list("orgs/{org}/audit", "The record, newest first", FILTERS, ROWS),
        EXPORT,
        read(
            "check",
            "orgs/{org}/audit/verify",
            "Whether the server finds the record whole: no row changed, none missing",
        ),
    ],
};

const CHANGE: Noun = Noun {
    name: "change",
    about: "Changes and their receipts",
    verbs: &[
        list(
            "orgs/{org}/changes",
            "The changes",
            &[],
            &[Column("ID", "id"), Column("AT", "at"), Column("ACTOR", "actor"), Column("WHAT", "summary")],
        ),
        show("orgs/{org}/changes/{change}", "One change: who was told, and what they answered"),
        list(
            "orgs/{org}/changes/{change}/members",
            "Who lost and gained what",
            &[],
            &[
                Column("USER NAME", "user_name"),
                Column("LOST", "lost"),
                Column("GAINED", "gained"),
                Column("VERDICT", "verdict"),
            ],
        )
        .named("members"),
        list(
            "orgs/{org}/changes/{change}/deliveries",
            "Who is told, and what they answered",
            &[],
            &[
                Column("RECEIVER", "receiver"),
                Column("KIND", "kind"),
                Column("STATE", "state"),
                Column("ATTEMPTS", "attempts"),
                Column("LAST ANSWER", "last_answer"),
            ],
        )
        .named("deliveries"),
        write(
            "retry",
            Post,
            "orgs/{org}/changes/{change}/deliveries/{delivery}/retry",
            "Try a delivery now that was given up, or waits for its next attempt",
            &[],
        ),
    ],
};

const RULE: &[Field] = &[
    field("name", Kind::Text, "Its name"),
    field("filter", Kind::Json, "Which rows of the record, as the API has it"),
    field("channel", Kind::Json, "Who is told and how, as the API has it"),
];

const ALERT: Noun = Noun {
    name: "alert",
    about: "Alerts: messages about rows of the audit record",
    verbs: &[
        list(
            "orgs/{org}/alerts",
            "The alerts",
            &[],
            &[
                Column("ID", "id"),
                Column("NAME", "name"),
                Column("STATE", "state"),
                Column("FILTER", "filter"),
                Column("CHANNEL", "channel"),
            ],
        ),
        show("orgs/{org}/alerts/{alert}", "One alert"),
        write("create", Post, "orgs/{org}/alerts", "Make one; a webhook's secret is shown once", RULE),
        write("update", Patch, "orgs/{org}/alerts/{alert}", "Change it; --set state=… switches it off and on", RULE),
        write("new-secret", Post, "orgs/{org}/alerts/{alert}/secret", "Give its webhook a new secret, shown once", &[]),
        write("delete", Delete, "orgs/{org}/alerts/{alert}", "Delete it", &[]).after(Confirm::Here("the alert's id")),
    ],
};
