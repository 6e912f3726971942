//! People, their sessions, and groups.

use super::super::verb::{Column, Confirm, Field, Kind, Noun, Shows, Verb, field, filter, list, show, write};
use super::orgs::read;
use super::sign_in;
use crate::outside::api_client::Act::{Delete, Patch, Post, Put};

const STATE: Kind = Kind::Word(&["active", "suspended"]);
const PASSWORD: Field = field("password-stdin", Kind::Secret, "Read the password from standard input").to("password");
const MUST_CHANGE: Field =
    field("must-change", Kind::Json, "Whether a generated or set password must be changed next time: true, false");
const LANGUAGE: Field = field("language", Kind::Word(&["en", "ko"]), "The language of mails to them");
const CONFIRM: Confirm = Confirm::Sent("\"Delete user from organization\"");

pub const NOUNS: &[Noun] = &[USER, SESSION, GROUP, INVITATION, ME];

const LIST: &[Column] = &[
    Column("ID", "user_id|id"),
    Column("USER NAME", "user_name"),
    Column("NAME", "name"),
    Column("E-MAIL", "email"),
    Column("STATE", "state|membership_state"),
];

const NEW: &[Field] = &[
    field("user-name", Kind::Text, "The user name; it never changes").required(),
    field("name", Kind::Text, "The full name"),
    field("given-name", Kind::Text, "The given name"),
    field("family-name", Kind::Text, "The family name"),
    field("email", Kind::Text, "The e-mail address"),
    field("phone", Kind::Text, "The phone number"),
    LANGUAGE,
    field("access-type", Kind::Word(&["password", "key"]), "How they get in: by password, or by access key only"),
    field(
        "credential",
        Kind::Word(&["link", "generated", "set"]),
        "The first password: by a mailed link, made and shown once, or --password-stdin",
    ),
    PASSWORD,
    MUST_CHANGE,
    field("group", Kind::Group, "A group to be in").to("groups").many(),
    field("role", Kind::Grant, "A role to hold").to("roles").many(),
    field("key", Kind::Json, "For access by key: project, role, name, expires_at"),
];

const CHANGED: &[Field] = &[
    field("name", Kind::Text, "The full name"),
    field("given-name", Kind::Text, "The given name"),
    field("family-name", Kind::Text, "The family name"),
    field("email", Kind::Text, "The e-mail address"),
    field("phone", Kind::Text, "The phone number"),
    field("access-type", Kind::Word(&["password", "key"]), "How they get in"),
    field("state", STATE, "Whether they get in"),
    field("group", Kind::Group, "The groups to be in from now on").to("groups").many(),
];

const SIMULATE: Verb = Verb {
    name: "simulate",
    about: "The claims an application would get, now and after changes that are only described",
    act: Post,
    path: "orgs/{org}/users/{user}/access/simulate",
    fields: &[
        field("application", Kind::Text, "The application's client id"),
        field("scope", Kind::Text, "A scope").to("scopes").many(),
        field("project", Kind::Text, "The project of a narrowed token"),
        field(
            "change",
            Kind::Json,
            "A change: {\"give\": {…}}, {\"take\": BINDING}, {\"join\": GROUP}, {\"leave\": GROUP}",
        )
        .to("changes")
        .many(),
    ],
    shows: Shows::Object,
    confirm: Confirm::No,
};

const IMPORT: Verb = Verb {
    name: "import",
    about: "Register up to 100 people from a CSV file, or from lines of name, e-mail and groups",
    act: Post,
    path: "orgs/{org}/users/bulk",
    fields: &[
        field("file", Kind::File, "The file; `-` is standard input").to("text").bare(),
        field("credential", Kind::Word(&["link", "generated"]), "The first passwords: by mailed links, or made"),
        MUST_CHANGE,
        LANGUAGE,
        field("group", Kind::Group, "A group for everybody").to("groups").many(),
        field("role", Kind::Grant, "A role for everybody").to("roles").many(),
    ],
    shows: Shows::Rows(
        "rows",
        &[
            Column("ROW", "row"),
            Column("WHO", "label"),
            Column("STATE", "state"),
            Column("USER", "user_id"),
            Column("PASSWORD", "password"),
            Column("FIELD", "problem.field"),
            Column("WHY NOT", "problem.reason"),
        ],
    ),
    confirm: Confirm::No,
};

const EXPLAIN: &[Field] = &[
    filter("role", Kind::Text, "The role").required(),
    filter("project", Kind::Text, "On which project; else on the organisation"),
];

const USER: Noun = Noun {
    name: "user",
    about: "People of the organisation",
    verbs: &[
        list(
            "orgs/{org}/users",
            "The people",
            &[
                filter(
                    "search",
                    Kind::Text,
                    "Those whose user name, address, number, or a word of whose name begins so",
                ),
                filter("state", Kind::Text, "Those in this state"),
            ],
            LIST,
        ),
        show("orgs/{org}/users/{user}", "One person"),
        write("create", Post, "orgs/{org}/users", "Register somebody", NEW),
        write("register", Post, "orgs/{org}/users", "Register somebody, as `create` does", NEW),
        IMPORT,
        write(
            "resend",
            Post,
            "orgs/{org}/users/{user}/resend",
            "Send the link for the first password again; the one before is dead",
            &[],
        ),
        write(
            "reset-password",
            Post,
            "orgs/{org}/users/{user}/reset-password",
            "Give a managed account a new password in one of three ways",
            &[
                field("kind", Kind::Word(&["link", "generated", "set"]), "By a mailed link, made here, or set")
                    .required(),
                PASSWORD,
                MUST_CHANGE,
            ],
        ),
        read(
            "factors",
            "orgs/{org}/users/{user}/factors",
            "Which second factors they have, and whether the account is locked",
        ),
        write(
            "reset-factors",
            Delete,
            "orgs/{org}/users/{user}/factors",
            "Take every second factor away from somebody who lost them (a fresh sign-in)",
            &[],
        ),
        write("unlock", Post, "orgs/{org}/users/{user}/unlock", "Lift the lock after too many failures", &[]),
        write("update", Patch, "orgs/{org}/users/{user}", "Change what is said of them, all at once", CHANGED),
        write("suspend", Post, "orgs/{org}/users/{user}/suspend", "Let them in no more; sessions and tokens end", &[]),
        write("resume", Post, "orgs/{org}/users/{user}/resume", "Let them in again", &[]),
        sign_in::BREAK_GLASS,
        sign_in::NO_BREAK_GLASS,
        write(
            "delete",
            Delete,
            "orgs/{org}/users/{user}",
            "Delete a managed account, or take an own one out",
            &[filter("reassign-to", Kind::User, "Who takes over what they own")],
        )
        .after(CONFIRM),
        write(
            "remove",
            Delete,
            "orgs/{org}/memberships",
            "Take somebody out of the organisation, deleting nobody",
            &[
                filter("user", Kind::User, "Who").to("user_id"),
                filter("email", Kind::Text, "Or: whose e-mail address this is; with --realm"),
                filter("realm", Kind::Word(&["own", "managed"]), "Of which kind of account"),
                filter("reassign-to", Kind::User, "Who takes over what they own"),
            ],
        ),
        write(
            "set-password",
            Post,
            "orgs/{org}/users/{user}/password",
            "Give a managed account a password",
            &[PASSWORD, MUST_CHANGE],
        ),
        write(
            "set-groups",
            Put,
            "orgs/{org}/users/{user}/groups",
            "Put them into these groups and no others",
            &[field("group", Kind::Group, "A group").to("groups").many()],
        ),
        write(
            "set-roles",
            Post,
            "orgs/{org}/users/{user}/roles",
            "Give and take roles, all at once",
            &[
                field("add", Kind::Grant, "A role to give").many(),
                field("remove", Kind::Text, "The binding to take").many(),
            ],
        ),
        write(
            "restrict",
            Put,
            "orgs/{org}/users/{user}/restriction",
            "Let them reach these applications only",
            &[field("application", Kind::Text, "A client id; --set applications=null lifts it")
                .to("applications")
                .many()],
        ),
        write(
            "replace-identity",
            Post,
            "orgs/{org}/users/{user}/replace-identity",
            "Let another account stand in",
            &[
                field("by", Kind::User, "The account"),
                field("by-email", Kind::Text, "Or: its e-mail address").to("by.email"),
                field("by-realm", Kind::Word(&["own", "managed"]), "And its kind").to("by.realm"),
            ],
        ),
        list(
            "orgs/{org}/users/{user}/access",
            "Every grant, and where it comes from",
            &[],
            &[Column("ROLE", "role"), Column("ON", "scope"), Column("FROM", "ways")],
        )
        .named("access"),
        read("explain", "orgs/{org}/users/{user}/access/explain", "Why they hold a role, or why not").taking(EXPLAIN),
        SIMULATE,
        list("orgs/{org}/users/{user}/log", "What happened to them and by them", &[], super::records::ROWS)
            .named("log"),
    ],
};

const SESSION: Noun = Noun {
    name: "session",
    about: "Sessions of a person",
    verbs: &[
        list(
            "orgs/{org}/users/{user}/sessions",
            "Where they are signed in",
            &[],
            &[
                Column("ID", "id|session_id"),
                Column("DEVICE", "device|user_agent"),
                Column("ADDRESS", "address|ip"),
                Column("STARTED", "created_at|started_at|started"),
                Column("LAST USED", "last_used_at|last_used"),
            ],
        ),
        write("end", Delete, "orgs/{org}/users/{user}/sessions/{session}", "End one", &[]),
        write("end-all", Delete, "orgs/{org}/users/{user}/sessions", "End them all", &[]),
    ],
};

const MEMBERS: &[Field] = &[field("member", Kind::User, "Who; user names, e-mails or ids").to("users").many().bare()];

const GROUP: Noun = Noun {
    name: "group",
    about: "Groups: people who hold roles together",
    verbs: &[
        list(
            "orgs/{org}/groups",
            "The groups",
            &[filter("search", Kind::Text, "Those that have this text in their name")],
            &[
                Column("ID", "id"),
                Column("NAME", "name"),
                Column("SOURCE", "source"),
                Column("MEMBERS", "members"),
                Column("ROLES", "roles"),
            ],
        ),
        show("orgs/{org}/groups/{group}", "One group"),
        write(
            "create",
            Post,
            "orgs/{org}/groups",
            "Make a group",
            &[
                field("name", Kind::Text, "Its name").required(),
                field("description", Kind::Text, "What it is for, to 100 characters"),
                field("role", Kind::Grant, "A role that it gives").to("roles").many(),
            ],
        ),
        write(
            "update",
            Patch,
            "orgs/{org}/groups/{group}",
            "Rename it, or describe it anew",
            &[
                field("name", Kind::Text, "Its name"),
                field("description", Kind::Text, "What it is for, to 100 characters"),
            ],
        ),
        write("delete", Delete, "orgs/{org}/groups/{group}", "Delete it, with every role that it gives", &[])
            .after(Confirm::Sent("the group's name")),
        list(
            "orgs/{org}/groups/{group}/members",
            "Who is in it",
            &[],
            &[Column("USER", "user_id"), Column("USER NAME", "user_name"), Column("NAME", "name")],
        )
        .named("members"),
        write("add-members", Post, "orgs/{org}/groups/{group}/members/add", "Put people into it", MEMBERS),
        write("remove-members", Post, "orgs/{org}/groups/{group}/members/remove", "Take people out of it", MEMBERS),
    ],
};

const SEND: Verb = Verb {
    name: "send",
    about: "Invite people, all with the same groups and roles, or with none",
    act: Post,
    path: "orgs/{org}/invitations",
    fields: &[
        field("person", Kind::Invitee, "Whom: \"Ana Kim <ana@acme.example>\"").to("people").many().bare(),
        field("groups", Kind::Groups, "Groups to be in, with commas between them").many(),
        field("role", Kind::Grant, "A role to hold").to("roles").many(),
        field("bundle", Kind::Text, "The id of a bundle of roles"),
        LANGUAGE,
    ],
    shows: Shows::Rows(
        "people",
        &[
            Column("E-MAIL", "email"),
            Column("STATE", "state"),
            Column("INVITATION", "invitation_id"),
            Column("FIELD", "problem.field"),
            Column("WHY NOT", "problem.reason"),
        ],
    ),
    confirm: Confirm::No,
};

const STATES: Kind = Kind::Word(&["processing", "pending", "accepted", "declined", "cancelled", "expired", "failed"]);

const INVITATION: Noun = Noun {
    name: "invitation",
    about: "Invitations into the organisation, and those that others sent to you",
    verbs: &[
        SEND,
        list(
            "orgs/{org}/invitations",
            "The invitations, the oldest first",
            &[filter("state", STATES, "Those in this state")],
            &[
                Column("ID", "id"),
                Column("E-MAIL", "email"),
                Column("NAME", "name"),
                Column("STATE", "state"),
                Column("MAILS", "sent"),
                Column("EXPIRES", "expires_at"),
            ],
        ),
        show("orgs/{org}/invitations/{invitation}", "One invitation"),
        write(
            "resend",
            Post,
            "orgs/{org}/invitations/{invitation}/resend",
            "Send its mail again, with a new link; the one before is dead",
            &[],
        ),
        write("cancel", Delete, "orgs/{org}/invitations/{invitation}", "Take it back", &[]),
        write(
            "accept",
            Post,
            "me/invitations/{organisation}/accept",
            "Accept the invitation of an organisation, with the account that you are signed in with",
            &[],
        ),
        write("decline", Post, "me/invitations/{organisation}/decline", "Say no to an organisation's invitation", &[]),
    ],
};

const ME: Noun = Noun {
    name: "me",
    about: "Your own account",
    verbs: &[
        show("me", "Who you are, and what the token reaches"),
        Verb {
            shows: Shows::Object,
            ..write(
                "update",
                Patch,
                "me",
                "Change your names; or your address (a link is sent there) or number, with your password",
                &[
                    field("name", Kind::Text, "The full name"),
                    field("given-name", Kind::Text, "The given name"),
                    field("family-name", Kind::Text, "The family name"),
                    field("locale", Kind::Text, "The language, like ko-KR"),
                    field("zoneinfo", Kind::Text, "The time zone, like Asia/Seoul"),
                    field("email", Kind::Text, "A new e-mail address"),
                    field("phone", Kind::Text, "The phone number"),
                    PASSWORD,
                ],
            )
        },
        Verb {
            shows: Shows::Object,
            ..write(
                "set-password",
                Post,
                "me/password",
                "Change your password: standard input holds the old one and, on the next line, the new one",
                &[
                    field("old-stdin", Kind::Secret, "Read the old password from standard input").to("old"),
                    field("new-stdin", Kind::Secret, "Read the new password from the line after it").to("new"),
                    field("end-others", Kind::Json, "Whether your other sessions and tokens end: true, false"),
                ],
            )
        },
        list(
            "me/invitations",
            "Invitations that wait for your answer",
            &[],
            &[
                Column("ORG", "org_slug"),
                Column("NAME", "org_name"),
                Column("FROM", "inviter"),
                Column("GROUPS", "groups"),
                Column("ROLES", "roles"),
                Column("EXPIRES", "expires_at"),
            ],
        )
        .named("invitations"),
        sign_in::MINE,
        sign_in::UNLINK_MINE,
    ],
};
