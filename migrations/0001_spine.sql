-- The spine: organisations, people, access, sign-in, tokens, audit and outbox.
-- Portable types only: TEXT ids, BIGINT milliseconds since 1970, BOOLEAN, BYTEA, JSON as TEXT.
-- `*_key` columns hold the case-folded text that uniqueness is about.

CREATE TABLE instance (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
INSERT INTO instance (name, value) VALUES ('schema', '1');

CREATE TABLE orgs (
    id                  TEXT    NOT NULL PRIMARY KEY,
    slug                TEXT    NOT NULL CONSTRAINT orgs_slug UNIQUE,
    name                TEXT    NOT NULL,
    state               TEXT    NOT NULL CHECK (state IN ('active', 'suspended', 'deleted')),
    policy              TEXT    NOT NULL CHECK (policy IN ('strict', 'standing', 'narrow')),
    -- the membership that owns the organisation: exactly one, or none while it is being made
    owner_id            TEXT,
    -- taken FOR UPDATE in effect by raising it: the lock under which access is edited
    access_version      BIGINT  NOT NULL,
    audit_seq           BIGINT  NOT NULL,
    audit_hash          BYTEA   NOT NULL,
    session_idle_ms     BIGINT,
    session_absolute_ms BIGINT,
    -- tokens that its applications got for themselves before this moment are refused: set when it is suspended
    tokens_from         BIGINT  NOT NULL,
    created_at          BIGINT  NOT NULL
);

CREATE TABLE projects (
    id         TEXT   NOT NULL PRIMARY KEY,
    org_id     TEXT   NOT NULL REFERENCES orgs (id),
    project_key TEXT  NOT NULL,
    name       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT projects_key UNIQUE (org_id, project_key)
);

CREATE TABLE users (
    id              TEXT    NOT NULL PRIMARY KEY,
    -- 'managed' belongs to org_id; 'own' belongs to the person; 'operator' stands outside every organisation
    kind            TEXT    NOT NULL CHECK (kind IN ('managed', 'own', 'operator')),
    org_id          TEXT    REFERENCES orgs (id),
    realm           TEXT    NOT NULL,
    user_name       TEXT    NOT NULL,
    email           TEXT,
    phone           TEXT,
    name            TEXT    NOT NULL,
    -- the rest of the standard claims (OpenID Connect Core §5.1), as JSON
    profile         TEXT    NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('pending', 'active', 'suspended', 'deactivated', 'deleted')),
    source          TEXT    NOT NULL,
    password        TEXT,
    must_change     BOOLEAN NOT NULL,
    -- one counter of failures over every way in
    failures        BIGINT  NOT NULL,
    failures_since  BIGINT  NOT NULL,
    locked_until    BIGINT  NOT NULL,
    last_sign_in_at BIGINT,
    created_at      BIGINT  NOT NULL,
    updated_at      BIGINT  NOT NULL
);
-- people of one organisation
CREATE INDEX users_org ON users (org_id, id);

-- User names, e-mail addresses and phone numbers share one name space in each realm.
CREATE TABLE identifiers (
    realm     TEXT NOT NULL,
    name_key  TEXT NOT NULL,
    user_id   TEXT NOT NULL REFERENCES users (id),
    PRIMARY KEY (realm, name_key)
);
-- sign-in without an organisation's context
CREATE INDEX identifiers_key ON identifiers (name_key, realm);
-- renaming and deleting
CREATE INDEX identifiers_user ON identifiers (user_id);

CREATE TABLE memberships (
    id         TEXT   NOT NULL PRIMARY KEY,
    org_id     TEXT   NOT NULL REFERENCES orgs (id),
    user_id    TEXT   NOT NULL REFERENCES users (id),
    state      TEXT   NOT NULL CHECK (state IN ('pending', 'active', 'suspended', 'deactivated')),
    source     TEXT   NOT NULL,
    -- rises with every change of the member's grants
    acv        BIGINT NOT NULL,
    -- access tokens below it are refused
    acv_least  BIGINT NOT NULL,
    -- session entries and token families below it are refused
    epoch      BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT memberships_user UNIQUE (user_id, org_id)
);
-- members of an organisation
CREATE INDEX memberships_org ON memberships (org_id, id);

CREATE TABLE groups (
    id          TEXT   NOT NULL PRIMARY KEY,
    org_id      TEXT   NOT NULL REFERENCES orgs (id),
    name        TEXT   NOT NULL,
    name_key    TEXT   NOT NULL,
    description TEXT   NOT NULL,
    source      TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    CONSTRAINT groups_name UNIQUE (org_id, name_key)
);

CREATE TABLE group_members (
    group_id      TEXT   NOT NULL REFERENCES groups (id),
    membership_id TEXT   NOT NULL REFERENCES memberships (id),
    source        TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    PRIMARY KEY (group_id, membership_id)
);
-- the groups of a member
CREATE INDEX group_members_member ON group_members (membership_id, group_id);

-- An organisation's own roles; `role_key` never changes and never has a dot, so that it can't be a built-in one.
CREATE TABLE roles (
    id          TEXT   NOT NULL PRIMARY KEY,
    org_id      TEXT   NOT NULL REFERENCES orgs (id),
    role_key    TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    permissions TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    CONSTRAINT roles_key UNIQUE (org_id, role_key)
);

CREATE TABLE bindings (
    id            TEXT   NOT NULL PRIMARY KEY,
    org_id        TEXT   NOT NULL REFERENCES orgs (id),
    role          TEXT   NOT NULL,
    -- 'org', 'project' or 'all_projects'
    scope         TEXT   NOT NULL CHECK (scope IN ('org', 'project', 'all_projects')),
    project_id    TEXT   REFERENCES projects (id),
    membership_id TEXT   REFERENCES memberships (id),
    group_id      TEXT   REFERENCES groups (id),
    -- live in [not_before, not_after)
    not_before    BIGINT NOT NULL,
    not_after     BIGINT NOT NULL,
    source        TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    CHECK ((scope = 'project') = (project_id IS NOT NULL)),
    CHECK ((membership_id IS NULL) <> (group_id IS NULL))
);
-- a member's direct roles
CREATE INDEX bindings_member ON bindings (membership_id) WHERE membership_id IS NOT NULL;
-- a group's roles
CREATE INDEX bindings_group ON bindings (group_id) WHERE group_id IS NOT NULL;
-- what an organisation has bound
CREATE INDEX bindings_org ON bindings (org_id, id);
-- what hangs on a project
CREATE INDEX bindings_project ON bindings (project_id) WHERE project_id IS NOT NULL;
-- the sweep of windows that are over
CREATE INDEX bindings_window ON bindings (not_after);

CREATE TABLE applications (
    id            TEXT   NOT NULL PRIMARY KEY,
    client_id     TEXT   NOT NULL CONSTRAINT applications_client_id UNIQUE,
    org_id        TEXT   REFERENCES orgs (id),
    state         TEXT   NOT NULL CHECK (state IN ('active', 'disabled')),
    -- tokens that the application got for itself before this moment are refused: set when it is disabled
    tokens_from   BIGINT NOT NULL,
    -- the registration, as JSON; secrets are SHA-256 digests in base64url
    registration  TEXT   NOT NULL,
    secrets       TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL
);
-- applications of an organisation
CREATE INDEX applications_org ON applications (org_id);

-- Where the pages of public applications come from: who may read an answer across origins.
CREATE TABLE application_origins (
    origin         TEXT NOT NULL,
    application_id TEXT NOT NULL REFERENCES applications (id),
    PRIMARY KEY (origin, application_id)
);

CREATE TABLE consents (
    user_id        TEXT   NOT NULL REFERENCES users (id),
    application_id TEXT   NOT NULL REFERENCES applications (id),
    scopes         TEXT   NOT NULL,
    created_at     BIGINT NOT NULL,
    PRIMARY KEY (user_id, application_id)
);

-- Browser sessions. The cookie's value is not here, only its SHA-256.
CREATE TABLE sessions (
    cookie_hash  BYTEA  NOT NULL PRIMARY KEY,
    id           TEXT   NOT NULL CONSTRAINT sessions_id UNIQUE,
    user_id      TEXT   REFERENCES users (id),
    data         TEXT   NOT NULL,
    auth_time    BIGINT NOT NULL,
    acr          TEXT   NOT NULL,
    amr          TEXT   NOT NULL,
    user_agent   TEXT   NOT NULL,
    address      TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    ended_at     BIGINT
);
-- a person's sessions
CREATE INDEX sessions_user ON sessions (user_id, ended_at);
-- pruning
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- One organisation's entry in a browser session; its id is the `sid` claim.
CREATE TABLE session_entries (
    id            TEXT   NOT NULL PRIMARY KEY,
    session_id    TEXT   NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    user_id       TEXT   NOT NULL REFERENCES users (id),
    org_id        TEXT,
    -- no reference: a membership may go first, and then the entry is refused
    membership_id TEXT,
    epoch         BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    ended_at      BIGINT
);
-- the entries of a browser session
CREATE INDEX session_entries_session ON session_entries (session_id);
-- ending a member's entries
CREATE INDEX session_entries_member ON session_entries (membership_id, ended_at);
-- ending a person's entries
CREATE INDEX session_entries_user ON session_entries (user_id, ended_at);

-- Which applications were signed in through an entry, and so are told when it ends.
CREATE TABLE entry_applications (
    entry_id       TEXT   NOT NULL REFERENCES session_entries (id) ON DELETE CASCADE,
    application_id TEXT   NOT NULL REFERENCES applications (id),
    created_at     BIGINT NOT NULL,
    PRIMARY KEY (entry_id, application_id)
);

CREATE TABLE authorization_codes (
    code_hash  BYTEA  NOT NULL PRIMARY KEY,
    family_id  TEXT   NOT NULL,
    -- what the code stands for, as JSON
    granted    TEXT   NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT
);
-- pruning
CREATE INDEX authorization_codes_expiry ON authorization_codes (expires_at);

-- A family of tokens from one code: one row, updated in place at every rotation.
CREATE TABLE token_families (
    id             TEXT    NOT NULL PRIMARY KEY,
    application_id TEXT    NOT NULL REFERENCES applications (id),
    user_id        TEXT    NOT NULL REFERENCES users (id),
    org_id         TEXT,
    -- no reference: a membership may go first, and then the family is refused
    membership_id  TEXT,
    -- NULL for offline access, which outlives the browser session
    entry_id       TEXT,
    sid            TEXT    NOT NULL,
    epoch          BIGINT  NOT NULL,
    -- scopes, claims request, nonce, authentication, project and resource, as JSON
    granted        TEXT    NOT NULL,
    generation     BIGINT  NOT NULL,
    secret_hash    BYTEA,
    previous_hash  BYTEA,
    rotated_at     BIGINT  NOT NULL,
    created_at     BIGINT  NOT NULL,
    idle_until     BIGINT  NOT NULL,
    expires_at     BIGINT  NOT NULL,
    ended_at       BIGINT,
    end_reason     TEXT
);
-- ending a member's families
CREATE INDEX token_families_member ON token_families (membership_id, ended_at);
-- ending a person's families
CREATE INDEX token_families_user ON token_families (user_id, ended_at);
-- ending an entry's families
CREATE INDEX token_families_entry ON token_families (entry_id);
-- ending an application's families
CREATE INDEX token_families_application ON token_families (application_id, ended_at);
-- pruning
CREATE INDEX token_families_expiry ON token_families (expires_at);

-- Access tokens that were revoked one by one (RFC 7009), until they would have expired.
CREATE TABLE revoked_tokens (
    jti        TEXT   NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX revoked_tokens_expiry ON revoked_tokens (expires_at);

-- Client assertions that were used (RFC 7523 §3, item 7), until they expire.
CREATE TABLE used_assertions (
    application_id TEXT   NOT NULL REFERENCES applications (id),
    jti_hash       BYTEA  NOT NULL,
    expires_at     BIGINT NOT NULL,
    PRIMARY KEY (application_id, jti_hash)
);
CREATE INDEX used_assertions_expiry ON used_assertions (expires_at);

CREATE TABLE signing_keys (
    kid          TEXT   NOT NULL PRIMARY KEY,
    alg          TEXT   NOT NULL,
    -- PKCS#8, sealed with the instance key and bound to the kid
    sealed       BYTEA  NOT NULL,
    public_jwk   TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    publish_from BIGINT NOT NULL,
    sign_from    BIGINT NOT NULL,
    sign_until   BIGINT NOT NULL,
    verify_until BIGINT NOT NULL
);

-- Accepted changes and their receipts.
CREATE TABLE changes (
    id         TEXT   NOT NULL PRIMARY KEY,
    actor      TEXT   NOT NULL,
    summary    TEXT   NOT NULL,
    receipt    TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE change_orgs (
    change_id TEXT NOT NULL REFERENCES changes (id),
    org_id    TEXT NOT NULL REFERENCES orgs (id),
    PRIMARY KEY (org_id, change_id)
);

-- The audit record: per organisation a chain, each row with the hash of the one before.
CREATE TABLE audit (
    id        TEXT   NOT NULL PRIMARY KEY,
    org_id    TEXT   REFERENCES orgs (id),
    seq       BIGINT,
    at        BIGINT NOT NULL,
    actor     TEXT   NOT NULL,
    action    TEXT   NOT NULL,
    outcome   TEXT   NOT NULL CHECK (outcome IN ('accepted', 'denied')),
    change_id TEXT,
    detail    TEXT   NOT NULL,
    hash      BYTEA,
    CONSTRAINT audit_chain UNIQUE (org_id, seq)
);

-- Sign-in and token events: outside the chain, written in batches.
CREATE TABLE events (
    id             TEXT   NOT NULL PRIMARY KEY,
    at             BIGINT NOT NULL,
    kind           TEXT   NOT NULL,
    org_id         TEXT,
    user_id        TEXT,
    application_id TEXT,
    detail         TEXT   NOT NULL
);
-- a person's activity
CREATE INDEX events_user ON events (user_id, at);

-- What must still be told to somebody outside; written in the change's transaction, delivered by workers.
CREATE TABLE outbox (
    id           TEXT   NOT NULL PRIMARY KEY,
    kind         TEXT   NOT NULL,
    -- the application that is told
    receiver     TEXT   NOT NULL,
    change_id    TEXT,
    payload      TEXT   NOT NULL,
    state        TEXT   NOT NULL CHECK (state IN ('waiting', 'sent', 'given_up')),
    attempts     BIGINT NOT NULL,
    next_at      BIGINT NOT NULL,
    leased_until BIGINT NOT NULL,
    last_answer  TEXT,
    created_at   BIGINT NOT NULL,
    done_at      BIGINT
);
-- the workers' claim
CREATE INDEX outbox_due ON outbox (next_at) WHERE state = 'waiting';
-- a receipt's deliveries
CREATE INDEX outbox_change ON outbox (change_id);

-- The one-time link that makes the first operator.
CREATE TABLE setup_links (
    secret_hash BYTEA  NOT NULL PRIMARY KEY,
    expires_at  BIGINT NOT NULL,
    used_at     BIGINT
);
