-- Administration: settings of an organisation, service accounts, access keys, bundles, alerts, device sign-in,
-- repeated requests, and what the audit record is searched by.

-- what an organisation may set besides what has a column of its own, as JSON
ALTER TABLE orgs ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
-- when it was deleted; it can be brought back for thirty days
ALTER TABLE orgs ADD COLUMN deleted_at BIGINT;

-- A service account is a managed account of one project that never signs in. No reference: its row outlives the project.
ALTER TABLE users ADD COLUMN project_id TEXT;
ALTER TABLE users ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN access_type TEXT NOT NULL DEFAULT 'password' CHECK (access_type IN ('password', 'key'));
-- the membership that answers for a service account
ALTER TABLE users ADD COLUMN owner_id TEXT;
-- a project's service accounts, each name once
CREATE UNIQUE INDEX users_service ON users (project_id, user_name) WHERE project_id IS NOT NULL AND state <> 'deleted';

-- the applications that a restricted member may sign in to, as a JSON list of ids; NULL is no restriction
ALTER TABLE memberships ADD COLUMN restricted_to TEXT;
-- the last sign-in to this organisation
ALTER TABLE memberships ADD COLUMN last_sign_in_at BIGINT;

-- who gave it
ALTER TABLE bindings ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
ALTER TABLE group_members ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
-- what a role is bound to
CREATE INDEX bindings_role ON bindings (org_id, role);

-- the membership that answers for an application
ALTER TABLE applications ADD COLUMN owner_id TEXT;

-- Long-lived ids and secrets for tools, each for one member and one project.
CREATE TABLE access_keys (
    id            TEXT   NOT NULL PRIMARY KEY,
    org_id        TEXT   NOT NULL REFERENCES orgs (id),
    project_id    TEXT   NOT NULL REFERENCES projects (id),
    -- no reference: a key ends with its membership, and says so
    membership_id TEXT   NOT NULL,
    user_id       TEXT   NOT NULL REFERENCES users (id),
    name          TEXT   NOT NULL,
    secret_hash   BYTEA  NOT NULL,
    state         TEXT   NOT NULL CHECK (state IN ('active', 'disabled', 'ended')),
    -- tokens that were made from it before this moment are refused: set when it is disabled
    tokens_from   BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    last_used_at  BIGINT,
    created_by    TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    end_reason    TEXT
);
-- an organisation's keys
CREATE INDEX access_keys_org ON access_keys (org_id, id);
-- a member's keys, and how many there are on a project
CREATE INDEX access_keys_member ON access_keys (membership_id, project_id);
-- a project's keys
CREATE INDEX access_keys_project ON access_keys (project_id);

-- Presets: several roles under one name.
CREATE TABLE role_bundles (
    id         TEXT   NOT NULL PRIMARY KEY,
    org_id     TEXT   NOT NULL REFERENCES orgs (id),
    name       TEXT   NOT NULL,
    name_key   TEXT   NOT NULL,
    -- a JSON list of roles with their scopes
    grants     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT role_bundles_name UNIQUE (org_id, name_key)
);

-- Whom to tell of which events.
CREATE TABLE alert_rules (
    id         TEXT   NOT NULL PRIMARY KEY,
    org_id     TEXT   NOT NULL REFERENCES orgs (id),
    name       TEXT   NOT NULL,
    state      TEXT   NOT NULL CHECK (state IN ('active', 'disabled')),
    -- which events, and how they are told, as JSON
    rule       TEXT   NOT NULL,
    -- the webhook's signing secret, sealed and bound to the id
    sealed     BYTEA,
    created_by TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX alert_rules_org ON alert_rules (org_id, id);

-- Sign-ins on another device (RFC 8628). Both codes are kept as digests.
CREATE TABLE device_grants (
    device_hash    BYTEA  NOT NULL PRIMARY KEY,
    user_code_hash BYTEA  NOT NULL CONSTRAINT device_grants_user_code UNIQUE,
    application_id TEXT   NOT NULL REFERENCES applications (id),
    state          TEXT   NOT NULL CHECK (state IN ('pending', 'allowed', 'denied', 'used')),
    -- what was asked for, as JSON
    asked          TEXT   NOT NULL,
    -- what was allowed, as JSON: the content of a code
    granted        TEXT,
    family_id      TEXT   NOT NULL,
    -- where the device asked from
    address        TEXT   NOT NULL,
    polled_at      BIGINT NOT NULL,
    interval_ms    BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL
);
CREATE INDEX device_grants_expiry ON device_grants (expires_at);

-- Requests that a caller may repeat without their being carried out twice.
CREATE TABLE repeatable_requests (
    caller      TEXT   NOT NULL,
    request_key TEXT   NOT NULL,
    fingerprint BYTEA  NOT NULL,
    -- the answer, without any secret; NULL while it is not known
    status      BIGINT,
    answer      TEXT,
    -- the change that it became
    change_id   TEXT,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (caller, request_key)
);
CREATE INDEX repeatable_requests_age ON repeatable_requests (created_at);

-- The machine's word for what was done, and where it was asked from.
ALTER TABLE audit ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN request_id TEXT NOT NULL DEFAULT '';
-- whom and what an act concerned
CREATE TABLE audit_targets (
    target   TEXT   NOT NULL,
    audit_id TEXT   NOT NULL REFERENCES audit (id),
    PRIMARY KEY (target, audit_id)
);

-- Lists of people are read in the order of user names …
ALTER TABLE memberships ADD COLUMN user_key TEXT NOT NULL DEFAULT '';
UPDATE memberships SET user_key = COALESCE((SELECT LOWER(u.user_name) FROM users u WHERE u.id = memberships.user_id), '');
CREATE INDEX memberships_list ON memberships (org_id, user_key, id);
-- … and searched by how user names, the words of names, addresses and numbers begin: folded, as bytes, so that their
-- order is the same in both databases.
CREATE TABLE member_terms (
    org_id        TEXT  NOT NULL,
    term          BYTEA NOT NULL,
    membership_id TEXT  NOT NULL REFERENCES memberships (id) ON DELETE CASCADE,
    PRIMARY KEY (org_id, term, membership_id)
);
CREATE INDEX member_terms_member ON member_terms (membership_id);
