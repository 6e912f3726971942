-- Sign-in through a customer's own OpenID provider: how it is set up, who somebody is there, and what follows here.

-- A connection's sign-in; a connection has at most one.
CREATE TABLE sign_ins_upstream (
    connection_id     TEXT    NOT NULL PRIMARY KEY REFERENCES connections (id),
    org_id            TEXT    NOT NULL REFERENCES orgs (id),
    stage             TEXT    NOT NULL CHECK (stage IN ('draft', 'tested', 'optional', 'enforced')),
    -- rises with every new set-up
    revision          BIGINT  NOT NULL,
    -- the set-up but for secrets, as JSON
    settings          TEXT    NOT NULL,
    -- sealed, each bound to the connection
    sealed_secret     BYTEA,
    sealed_key        BYTEA,
    sealed_poll_token BYTEA,
    -- the public half of the key, a JWK as JSON
    public_key        TEXT,
    -- whether the provider's events are fetched
    polls             BOOLEAN NOT NULL,
    -- when somebody came through with the provider that is set now; NULL while nobody has
    tested_at         BIGINT,
    -- the rules by which its people come into groups, as JSON
    mapping           TEXT    NOT NULL,
    mapping_version   BIGINT  NOT NULL,
    created_at        BIGINT  NOT NULL,
    last_sign_in_at   BIGINT,
    last_error_at     BIGINT,
    last_error        TEXT,
    -- the provider's failures in a row, since when, and when somebody was told
    failures          BIGINT  NOT NULL DEFAULT 0,
    failing_since     BIGINT,
    told_at           BIGINT
);
-- what an organisation offers, and what its mapping names
CREATE INDEX sign_ins_upstream_org ON sign_ins_upstream (org_id, connection_id);
-- an organisation enforces one at most
CREATE UNIQUE INDEX sign_ins_upstream_enforced ON sign_ins_upstream (org_id) WHERE stage = 'enforced';
-- those whose events are fetched
CREATE INDEX sign_ins_upstream_polled ON sign_ins_upstream (polls, connection_id);

-- Sign-ins under way: each is taken once, by the browser that began it.
CREATE TABLE upstream_flows (
    id            TEXT   NOT NULL PRIMARY KEY,
    state_hash    BYTEA  NOT NULL CONSTRAINT upstream_flows_state UNIQUE,
    connection_id TEXT   NOT NULL REFERENCES connections (id),
    -- the revision of the set-up that it began with
    revision      BIGINT NOT NULL,
    -- the digest of the browser's cookie
    binding_hash  BYTEA  NOT NULL,
    -- what it is for, the nonce and the verifier
    sealed        BYTEA  NOT NULL,
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL
);
-- pruning
CREATE INDEX upstream_flows_expiry ON upstream_flows (expires_at);

-- Who somebody is upstream; never an e-mail address.
CREATE TABLE upstream_identities (
    id              TEXT   NOT NULL PRIMARY KEY,
    connection_id   TEXT   NOT NULL REFERENCES connections (id),
    org_id          TEXT   NOT NULL REFERENCES orgs (id),
    issuer          TEXT   NOT NULL,
    subject         TEXT   NOT NULL,
    user_id         TEXT   NOT NULL REFERENCES users (id),
    membership_id   TEXT   NOT NULL,
    -- what was said last, cut down to what is kept, as JSON
    claims          TEXT   NOT NULL,
    linked_at       BIGINT NOT NULL,
    linked_by       TEXT   NOT NULL,
    last_sign_in_at BIGINT,
    -- what came through it before is over
    ended_at        BIGINT,
    -- the moment of the provider's last word on whether the account is active
    account_said_at BIGINT,
    CONSTRAINT upstream_identities_who UNIQUE (connection_id, issuer, subject),
    CONSTRAINT upstream_identities_whose UNIQUE (user_id, connection_id)
);
-- pages
CREATE INDEX upstream_identities_list ON upstream_identities (connection_id, id);
-- those of a member who goes
CREATE INDEX upstream_identities_member ON upstream_identities (membership_id);

-- What sign-ins through a connection came to, without values; pruned.
CREATE TABLE sign_in_log (
    id            TEXT   NOT NULL PRIMARY KEY,
    connection_id TEXT   NOT NULL REFERENCES connections (id),
    at            BIGINT NOT NULL,
    outcome       TEXT   NOT NULL,
    user_id       TEXT,
    claims        TEXT   NOT NULL
);
CREATE INDEX sign_in_log_list ON sign_in_log (connection_id, id);
-- what was said of an account that is deleted
CREATE INDEX sign_in_log_user ON sign_in_log (user_id) WHERE user_id IS NOT NULL;
-- pruning
CREATE INDEX sign_in_log_age ON sign_in_log (at);

-- Logout tokens and events that were heard once.
CREATE TABLE upstream_replays (
    connection_id TEXT   NOT NULL REFERENCES connections (id),
    jti_hash      BYTEA  NOT NULL,
    expires_at    BIGINT NOT NULL,
    PRIMARY KEY (connection_id, jti_hash)
);
-- pruning
CREATE INDEX upstream_replays_expiry ON upstream_replays (expires_at);

-- Connections whose provider's events are fetched: by one node at a time.
CREATE TABLE upstream_polls (
    connection_id TEXT   NOT NULL PRIMARY KEY REFERENCES connections (id),
    -- nobody begins before: the end of a lease, or of a rest
    next_at       BIGINT NOT NULL,
    -- rounds that failed one after the other, since when, and when somebody was told
    failures      BIGINT NOT NULL,
    failing_since BIGINT,
    told_at       BIGINT
);

-- Through which connection a browser session came, as whom, and the digest of the provider's `sid`.
ALTER TABLE sessions ADD COLUMN connection_id TEXT;
ALTER TABLE sessions ADD COLUMN identity_id TEXT;
ALTER TABLE sessions ADD COLUMN upstream_sid BYTEA;
-- ending what came through a connection
CREATE INDEX sessions_connection ON sessions (connection_id, upstream_sid) WHERE connection_id IS NOT NULL;
-- ending what came through an identity
CREATE INDEX sessions_identity ON sessions (identity_id) WHERE identity_id IS NOT NULL;

-- The same of the session that a token family began in, which it may outlive.
ALTER TABLE token_families ADD COLUMN connection_id TEXT;
ALTER TABLE token_families ADD COLUMN identity_id TEXT;
ALTER TABLE token_families ADD COLUMN upstream_sid BYTEA;
CREATE INDEX token_families_connection ON token_families (connection_id, upstream_sid) WHERE connection_id IS NOT NULL;
CREATE INDEX token_families_identity ON token_families (identity_id) WHERE identity_id IS NOT NULL;

-- A place in a group that a mapping gives is over at this moment unless it is renewed; NULL lasts.
ALTER TABLE group_members ADD COLUMN expires_at BIGINT;
-- the sweep of places that are over
CREATE INDEX group_members_expiry ON group_members (expires_at) WHERE expires_at IS NOT NULL;
-- what a connection's mapping has given
CREATE INDEX group_members_mapped ON group_members (source, membership_id) WHERE expires_at IS NOT NULL;

-- Whether the member may sign in with a password though a connection is enforced.
ALTER TABLE memberships ADD COLUMN break_glass BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX memberships_break_glass ON memberships (org_id, id) WHERE break_glass = TRUE;

-- The connection that the people of a verified domain sign in through; NULL leaves it to the organisation's only one.
ALTER TABLE org_domains ADD COLUMN connection_id TEXT REFERENCES connections (id);
