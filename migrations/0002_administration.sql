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

-- since when it is active, where it was not from the beginning: disuse is counted from here
ALTER TABLE memberships ADD COLUMN active_from BIGINT;

-- who gave it
ALTER TABLE bindings ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
ALTER TABLE group_members ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
-- what a role is bound to
CREATE INDEX bindings_role ON bindings (org_id, role, id);
-- a project's bindings, in pages
DROP INDEX bindings_project;
CREATE INDEX bindings_project ON bindings (project_id, id) WHERE project_id IS NOT NULL;
-- an organisation's applications, in pages
DROP INDEX applications_org;
CREATE INDEX applications_org ON applications (org_id, client_id);

-- the membership that answers for an application
ALTER TABLE applications ADD COLUMN owner_id TEXT;
-- what a member answers for
CREATE INDEX applications_owner ON applications (owner_id) WHERE owner_id IS NOT NULL;
CREATE INDEX users_owner ON users (owner_id) WHERE owner_id IS NOT NULL;

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
    ended_at      BIGINT,
    end_reason    TEXT
);
-- an organisation's keys
CREATE INDEX access_keys_org ON access_keys (org_id, id);
-- a member's keys, and how many there are on a project
CREATE INDEX access_keys_member ON access_keys (membership_id, project_id);
-- a project's keys
CREATE INDEX access_keys_project ON access_keys (project_id);
-- pruning
CREATE INDEX access_keys_ended ON access_keys (ended_at) WHERE ended_at IS NOT NULL;

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

-- The machine's words for what was done, a space between them, and where it was asked from.
ALTER TABLE audit ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN request_id TEXT NOT NULL DEFAULT '';
-- whom and what an act concerned
CREATE TABLE audit_targets (
    target   TEXT   NOT NULL,
    audit_id TEXT   NOT NULL REFERENCES audit (id),
    PRIMARY KEY (target, audit_id)
);
-- a row's targets, when the record is verified
CREATE INDEX audit_targets_row ON audit_targets (audit_id);
-- the same ids as a JSON list, which the row's hash covers
ALTER TABLE audit ADD COLUMN targets TEXT NOT NULL DEFAULT '[]';
-- what became of a change
CREATE INDEX audit_change ON audit (change_id);
-- the instance's own acts
CREATE INDEX audit_instance ON audit (id) WHERE org_id IS NULL;
-- the workers' claim: mail waits in the same table, and nothing of it is leased here
DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (next_at) WHERE state = 'waiting' AND kind <> 'mail';

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

-- Every organisation has two groups from its first day; those that were made before get them here. Their ids are made
-- from the organisation's, as `store/orgs.rs` makes them.
INSERT INTO groups (id, org_id, name, name_key, description, source, created_at)
SELECT 'grp_' || SUBSTR(o.id, 5), o.id, 'Organization Admins', 'organization admins', 'Administer the organisation.',
  'system', o.created_at
FROM orgs o WHERE NOT EXISTS (SELECT 1 FROM groups g WHERE g.org_id = o.id AND g.name_key = 'organization admins');
INSERT INTO groups (id, org_id, name, name_key, description, source, created_at)
SELECT 'grp_7' || SUBSTR(o.id, 6), o.id, 'Organization Readers', 'organization readers',
  'See the organisation and change nothing.', 'system', o.created_at
FROM orgs o WHERE NOT EXISTS (SELECT 1 FROM groups g WHERE g.org_id = o.id AND g.name_key = 'organization readers');
INSERT INTO bindings (id, org_id, role, scope, group_id, not_before, not_after, source, created_at)
SELECT 'bnd_' || SUBSTR(g.id, 5), g.org_id, CASE WHEN g.name_key = 'organization admins' THEN 'org.admin' ELSE 'org.reader' END,
  'org', g.id, 0, 9223372036854775807, 'system', g.created_at
FROM groups g WHERE g.source = 'system';

-- which organisations a change concerned
CREATE INDEX change_orgs_change ON change_orgs (change_id);
-- a receipt's deliveries, page by page
DROP INDEX outbox_change;
CREATE INDEX outbox_change ON outbox (change_id, id);

-- what is held on every project
CREATE INDEX bindings_all_projects ON bindings (org_id) WHERE scope = 'all_projects';
-- what people allowed an application
CREATE INDEX consents_application ON consents (application_id);
-- mail that waits for somebody
CREATE INDEX outbox_mail ON outbox (receiver) WHERE state = 'waiting' AND kind = 'mail';
