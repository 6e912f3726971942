-- Connections: a customer's own identity provider, what it pushes by SCIM, and the domains that prove whose people they are.

CREATE TABLE connections (
    id            TEXT    NOT NULL PRIMARY KEY,
    org_id        TEXT    NOT NULL REFERENCES orgs (id),
    name          TEXT    NOT NULL,
    name_key      TEXT    NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('active', 'disabled', 'deleted')),
    -- how its client speaks: 'auto', 'entra', 'okta', 'rfc-strict'
    profile       TEXT    NOT NULL,
    -- whether its people may be put into local groups and be given roles directly
    local_grants  BOOLEAN NOT NULL,
    -- the rest, as JSON
    settings      TEXT    NOT NULL,
    -- how many users and groups it owns: written with them, so that no list counts
    user_count    BIGINT  NOT NULL,
    group_count   BIGINT  NOT NULL,
    created_at    BIGINT  NOT NULL,
    -- the last request that was carried out, and the last that was not
    last_sync_at  BIGINT,
    last_error_at BIGINT,
    last_error    TEXT
);
-- the connections of an organisation
CREATE INDEX connections_org ON connections (org_id, id);
CREATE UNIQUE INDEX connections_name ON connections (org_id, name_key) WHERE state <> 'deleted';

-- What a connection's client shows: a bearer token, or the secret of an OAuth client.
CREATE TABLE scim_credentials (
    -- of an OAuth client also its `client_id`
    id            TEXT   NOT NULL PRIMARY KEY,
    connection_id TEXT   NOT NULL REFERENCES connections (id),
    org_id        TEXT   NOT NULL REFERENCES orgs (id),
    kind          TEXT   NOT NULL CHECK (kind IN ('token', 'client')),
    name          TEXT   NOT NULL,
    secret_hash   BYTEA  NOT NULL CONSTRAINT scim_credentials_secret UNIQUE,
    created_at    BIGINT NOT NULL,
    created_by    TEXT   NOT NULL,
    expires_at    BIGINT NOT NULL,
    last_used_at  BIGINT,
    -- when somebody was told that it ends soon
    warned_at     BIGINT
);
CREATE INDEX scim_credentials_connection ON scim_credentials (connection_id, id);
-- those that end soon
CREATE INDEX scim_credentials_end ON scim_credentials (expires_at);

-- What a connection says of an account that it owns.
CREATE TABLE scim_users (
    user_id       TEXT    NOT NULL PRIMARY KEY REFERENCES users (id),
    connection_id TEXT    NOT NULL REFERENCES connections (id),
    membership_id TEXT    NOT NULL,
    external_id   TEXT,
    -- the user name, prepared for comparing (RFC 8265)
    user_name_key TEXT    NOT NULL,
    -- what upstream says; a local suspension stands on the membership
    active        BOOLEAN NOT NULL,
    -- the attributes as they were sent, as JSON, without id, meta, groups and password
    resource      TEXT    NOT NULL,
    version       BIGINT  NOT NULL,
    created_at    BIGINT  NOT NULL,
    modified_at   BIGINT  NOT NULL
);
CREATE UNIQUE INDEX scim_users_name ON scim_users (connection_id, user_name_key);
-- lists and pages
CREATE INDEX scim_users_list ON scim_users (connection_id, user_id);
CREATE INDEX scim_users_external ON scim_users (connection_id, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX scim_users_modified ON scim_users (connection_id, modified_at, user_id);

-- The e-mail addresses of provisioned users, as filters ask for them.
CREATE TABLE scim_emails (
    connection_id TEXT NOT NULL,
    user_id       TEXT NOT NULL REFERENCES users (id),
    -- lower case; empty where none was said
    type_key      TEXT NOT NULL,
    value_key     TEXT NOT NULL,
    PRIMARY KEY (user_id, type_key, value_key)
);
CREATE INDEX scim_emails_value ON scim_emails (connection_id, value_key, user_id);

-- What a connection says of a group that it owns; its name and its members stand where every group's stand.
CREATE TABLE scim_groups (
    group_id      TEXT   NOT NULL PRIMARY KEY REFERENCES groups (id),
    connection_id TEXT   NOT NULL REFERENCES connections (id),
    external_id   TEXT,
    name_key      TEXT   NOT NULL,
    -- the attributes as they were sent, as JSON, without id, meta and members
    resource      TEXT   NOT NULL,
    version       BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    modified_at   BIGINT NOT NULL
);
CREATE UNIQUE INDEX scim_groups_name ON scim_groups (connection_id, name_key);
CREATE INDEX scim_groups_list ON scim_groups (connection_id, group_id);
CREATE INDEX scim_groups_external ON scim_groups (connection_id, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX scim_groups_modified ON scim_groups (connection_id, modified_at, group_id);

-- What a connection's client asked, and what became of it; pruned.
CREATE TABLE scim_requests (
    id            TEXT   NOT NULL PRIMARY KEY,
    connection_id TEXT   NOT NULL REFERENCES connections (id),
    at            BIGINT NOT NULL,
    method        TEXT   NOT NULL,
    path          TEXT   NOT NULL,
    status        BIGINT NOT NULL,
    -- the SCIM error's words, empty when it went well
    detail        TEXT   NOT NULL,
    -- the shape of the body: names and operations, no values
    body          TEXT   NOT NULL,
    change_id     TEXT,
    took_us       BIGINT NOT NULL
);
CREATE INDEX scim_requests_list ON scim_requests (connection_id, id);
-- those that were not carried out, among very many that were
CREATE INDEX scim_requests_errors ON scim_requests (connection_id, id) WHERE status >= 400;

-- Requests that would take access from very many, waiting for an administrator.
CREATE TABLE scim_held (
    id            TEXT   NOT NULL PRIMARY KEY,
    org_id        TEXT   NOT NULL REFERENCES orgs (id),
    connection_id TEXT   NOT NULL REFERENCES connections (id),
    state         TEXT   NOT NULL CHECK (state IN ('held', 'released', 'rejected')),
    method        TEXT   NOT NULL,
    path          TEXT   NOT NULL,
    body          TEXT   NOT NULL,
    -- how many would lose something, of how many
    losing        BIGINT NOT NULL,
    of_members    BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    -- when it is decided without anybody
    decide_at     BIGINT NOT NULL,
    decided_at    BIGINT,
    decided_by    TEXT
);
CREATE INDEX scim_held_list ON scim_held (org_id, id);
-- the same request again is the same row
CREATE INDEX scim_held_open ON scim_held (connection_id, path) WHERE state = 'held';
CREATE INDEX scim_held_due ON scim_held (decide_at) WHERE state = 'held';

-- Accounts that stand in the way of one that a connection pushes, until an administrator decides.
CREATE TABLE scim_adoptions (
    id            TEXT   NOT NULL PRIMARY KEY,
    org_id        TEXT   NOT NULL REFERENCES orgs (id),
    connection_id TEXT   NOT NULL REFERENCES connections (id),
    user_id       TEXT   NOT NULL REFERENCES users (id),
    state         TEXT   NOT NULL CHECK (state IN ('waiting', 'adopted', 'kept_apart', 'rejected')),
    -- what was pushed, as JSON
    resource      TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    asked_at      BIGINT NOT NULL,
    decided_at    BIGINT,
    decided_by    TEXT,
    CONSTRAINT scim_adoptions_pair UNIQUE (connection_id, user_id)
);
CREATE INDEX scim_adoptions_list ON scim_adoptions (org_id, id);
-- those of an account that is deleted
CREATE INDEX scim_adoptions_user ON scim_adoptions (user_id);

-- E-mail domains of organisations.
CREATE TABLE org_domains (
    id          TEXT   NOT NULL PRIMARY KEY,
    org_id      TEXT   NOT NULL REFERENCES orgs (id),
    -- lower case, A-labels
    domain      TEXT   NOT NULL,
    state       TEXT   NOT NULL CHECK (state IN ('pending', 'verified')),
    -- what the TXT record says: no secret
    token       TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    checked_at  BIGINT,
    verified_at BIGINT,
    -- since when the record is gone
    missing_since BIGINT,
    CONSTRAINT org_domains_pair UNIQUE (org_id, domain)
);
-- one organisation owns a domain
CREATE UNIQUE INDEX org_domains_owner ON org_domains (domain) WHERE state = 'verified';
-- those to be looked at again
CREATE INDEX org_domains_due ON org_domains ((COALESCE(checked_at, 0))) WHERE state = 'verified';

-- Set while the owner can't act because a connection took the person away.
ALTER TABLE orgs ADD COLUMN owner_barred_at BIGINT;
