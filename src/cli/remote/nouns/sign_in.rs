//! Sign-in through connections: how it is set up and opened, the mapping, who somebody is upstream, and who may come in
//! without it.

use super::super::verb::{Column, Confirm, Field, Kind, Noun, Shows, Verb, field, list, write};
use super::orgs::read;
use crate::outside::api_client::Act::{Delete, Patch, Post, Put};

pub const NOUNS: &[Noun] = &[IDENTITY];

const SIGN_IN: &str = "orgs/{org}/connections/{connection}/sign-in";
const MAPPING: &str = "orgs/{org}/connections/{connection}/mapping";
const PRESET: Kind = Kind::Word(&["okta", "entra", "google", "keycloak", "generic"]);
const AUTH: Kind = Kind::Word(&["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]);

const SETTINGS: &[Field] = &[
    field("preset", PRESET, "What the provider is; generic if nothing is said"),
    field("issuer", Kind::Text, "The issuer, exactly as the provider spells it; Google's is known"),
    field("client-id", Kind::Text, "The client id that the provider gave"),
    field("client-auth", AUTH, "How Muster authenticates there; client_secret_basic if nothing is said"),
    field("client-secret-stdin", Kind::Secret, "Read the client secret from standard input").to("client_secret"),
    field("scope", Kind::Text, "A scope to ask for, instead of the preset's").to("scopes").many(),
    field("claims", Kind::Json, "Which claims become what: {\"groups\": \"roles\"}"),
    field("userinfo", Kind::Json, "Whether userinfo is asked for what the ID token lacks: true, false"),
    field("provision", Kind::Json, "Whether somebody unknown gets an account: true, false"),
    field(
        "scim-claim",
        Kind::Text,
        "The claim that is the externalId of pushed accounts; --set scim_claim=null for none",
    ),
    field("acr", Kind::Json, "What its acr values mean here: {\"mfa\": \"urn:acme:mfa\"}"),
    field("amr", Kind::Json, "Whether its amr is told on to applications: true, false"),
    field("trusted-acr", Kind::Text, "One of its acr values that means a second factor").to("trusted_acr").many(),
    field("trusted-amr", Kind::Text, "One of its amr values that means a second factor").to("trusted_amr").many(),
    field("events-issuer", Kind::Text, "The issuer of its security events").to("signals.issuer"),
    field("events-audience", Kind::Text, "What they name as audience").to("signals.audience"),
    field("poll-url", Kind::Text, "Where they are fetched, instead of being pushed").to("signals.poll_url"),
    field("poll-token-stdin", Kind::Secret, "Read the token for that from standard input, after any client secret")
        .to("signals.poll_token"),
    field("universal-logout", Kind::Json, "Whether Okta's Universal Logout is honoured: true, false")
        .to("signals.global_token_revocation"),
];

const RULES: &[Field] = &[
    field("on", Kind::Json, "Whether it is on: true, false"),
    field("life-hours", Kind::Number, "For how many hours a place lasts after a sign-in: 1 to 720"),
    field("require-match", Kind::Json, "Whether somebody whom nothing puts anywhere is refused: true, false"),
    field("rules", Kind::Json, "The rules; a file with all of it goes to --body"),
    field("groups", Kind::Json, "The provider's groups: [{\"external_id\": …, \"label\": …, \"group\": GROUP-ID}]"),
];

const TRIED: &[Field] = &[
    field("claims", Kind::Json, "The claims of an ID token"),
    field("identity", Kind::Text, "Or: the identity of somebody who came through before"),
    field("mapping", Kind::Json, "The mapping to try, else the saved one"),
];

pub const SHOW: Verb = read("sign-in show", SIGN_IN, "How it is set up, and what its provider is given");
pub const SET: Verb =
    write("sign-in set", Put, SIGN_IN, "Set it up, or anew: what is not said is as the preset has it", SETTINGS);
pub const STAGE: Verb = write(
    "sign-in stage",
    Patch,
    SIGN_IN,
    "Open it to people, or close it",
    &[field("stage", Kind::Word(&["draft", "tested", "optional", "enforced"]), "How far it is open").bare()],
);
pub const TEST: Verb = Verb {
    shows: Shows::Object,
    ..write(
        "sign-in test",
        Post,
        "orgs/{org}/connections/{connection}/sign-in/test",
        "Offer a trial: the address at which it begins in a browser",
        &[],
    )
};
pub const LOG: Verb = list(
    "orgs/{org}/connections/{connection}/sign-ins",
    "What sign-ins came to, newest first",
    &[],
    &[Column("AT", "at"), Column("OUTCOME", "outcome"), Column("USER", "user_id"), Column("CLAIMS", "claims")],
)
.named("sign-in log");
pub const REMOVE: Verb =
    write("sign-in remove", Delete, SIGN_IN, "Take it away with its mapping; what came through it ends", &[]);
pub const MAPPING_SHOW: Verb = read("mapping show", MAPPING, "The rules by which its people come into groups");
pub const MAPPING_SET: Verb =
    write("mapping set", Put, MAPPING, "Replace the rules; everybody is where they put them at once", RULES);
pub const MAPPING_TRY: Verb = Verb {
    name: "mapping try",
    about: "The groups and roles of now, and those that a mapping would give, with reasons",
    act: Post,
    path: "orgs/{org}/connections/{connection}/mapping/try",
    fields: TRIED,
    shows: Shows::Object,
    confirm: Confirm::No,
};

pub const BREAK_GLASS: Verb = write(
    "break-glass",
    Put,
    "orgs/{org}/users/{user}/break-glass",
    "Let an administrator in with a password though a connection is enforced",
    &[],
);
pub const NO_BREAK_GLASS: Verb =
    write("no-break-glass", Delete, "orgs/{org}/users/{user}/break-glass", "Take that back", &[]);

pub const LEAD: Verb = write(
    "lead",
    Patch,
    "orgs/{org}/domains/{domain}",
    "Say which connection its people sign in through",
    &[field("connection", Kind::Text, "The connection's id; --set connection=null leaves it to the only one")],
);

const COLUMNS: &[Column] = &[
    Column("ID", "id"),
    Column("CONNECTION", "connection.name"),
    Column("ISSUER", "issuer"),
    Column("SUBJECT", "subject"),
    Column("LINKED", "linked_at"),
    Column("LAST SIGN-IN", "last_sign_in_at"),
];

pub const MINE: Verb =
    list("me/identities", "Who you are at your organisations' providers", &[], COLUMNS).named("identities");
pub const UNLINK_MINE: Verb =
    write("unlink", Delete, "me/identities/{identity}", "Forget who you are at a provider", &[]);

const IDENTITY: Noun = Noun {
    name: "identity",
    about: "Who people are at the providers of connections",
    verbs: &[
        list("orgs/{org}/users/{user}/identities", "Who somebody is there", &[], COLUMNS),
        write(
            "unlink",
            Delete,
            "orgs/{org}/users/{user}/identities/{identity}",
            "Forget it; what came through it ends",
            &[],
        ),
    ],
};
