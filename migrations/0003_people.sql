-- How people come in: invitations, mailed links, passwords with a history, mail that is delivered.

-- when the password was set: its age counts from here
ALTER TABLE users ADD COLUMN password_at BIGINT;

-- Hashes of passwords that an account had before, as far back as its policy looks.
CREATE TABLE password_history (
    user_id  TEXT   NOT NULL REFERENCES users (id),
    set_at   BIGINT NOT NULL,
    password TEXT   NOT NULL,
    PRIMARY KEY (user_id, set_at)
);

-- One-time links that are mailed or texted. The secret is not here, only its SHA-256.
CREATE TABLE links (
    secret_hash   BYTEA  NOT NULL PRIMARY KEY,
    purpose       TEXT   NOT NULL
      CHECK (purpose IN ('set_password', 'reset_password', 'invitation', 'confirm_account', 'confirm_email')),
    user_id       TEXT   REFERENCES users (id),
    -- no reference: a link dies with its invitation, and says so
    invitation_id TEXT,
    -- where it was sent; for confirm_email and confirm_account the address that it proves
    address       TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    -- whether the reminder was sent
    reminded      BOOLEAN NOT NULL,
    ended_at      BIGINT,
    -- 'used', 'replaced', 'withdrawn'
    end_reason    TEXT
);
-- an account's links
CREATE INDEX links_user ON links (user_id, purpose, created_at) WHERE user_id IS NOT NULL;
-- an invitation's links
CREATE INDEX links_invitation ON links (invitation_id) WHERE invitation_id IS NOT NULL;
-- links to one address, for its limit
CREATE INDEX links_address ON links (address, created_at);
-- reminders and pruning
CREATE INDEX links_expiry ON links (expires_at);

CREATE TABLE invitations (
    id              TEXT   NOT NULL PRIMARY KEY,
    org_id          TEXT   NOT NULL REFERENCES orgs (id),
    email           TEXT   NOT NULL,
    email_key       TEXT   NOT NULL,
    name            TEXT   NOT NULL,
    given_name      TEXT   NOT NULL,
    family_name     TEXT   NOT NULL,
    language        TEXT   NOT NULL,
    state           TEXT   NOT NULL
      CHECK (state IN ('processing', 'pending', 'accepted', 'declined', 'cancelled', 'expired', 'failed')),
    -- why it is cancelled or failed, for people
    reason          TEXT   NOT NULL,
    -- the roles that it brings, as JSON; the groups have a table of their own
    roles           TEXT   NOT NULL,
    -- who sent it: the label for people, and the account whose reach counts at the acceptance (NULL: the instance)
    created_by      TEXT   NOT NULL,
    inviter_id      TEXT   REFERENCES users (id),
    -- mails: how many in all, how many since, the last one
    sent            BIGINT NOT NULL,
    sent_since      BIGINT NOT NULL,
    sent_in_a_day   BIGINT NOT NULL,
    last_sent_at    BIGINT NOT NULL,
    link_expires_at BIGINT NOT NULL,
    expires_at      BIGINT NOT NULL,
    -- who came of it
    user_id         TEXT   REFERENCES users (id),
    membership_id   TEXT,
    created_at      BIGINT NOT NULL,
    decided_at      BIGINT
);
-- one open invitation for each address
CREATE UNIQUE INDEX invitations_open ON invitations (org_id, email_key) WHERE state IN ('processing', 'pending');
-- an organisation's invitations, in pages, all or in one state
CREATE INDEX invitations_org ON invitations (org_id, id);
CREATE INDEX invitations_state ON invitations (org_id, state, id);
-- what was mailed to an address lately, whatever became of it
CREATE INDEX invitations_address ON invitations (org_id, email_key, last_sent_at);
-- a person's inbox
CREATE INDEX invitations_email ON invitations (email_key) WHERE state IN ('processing', 'pending');
-- what somebody sent who is gone
CREATE INDEX invitations_inviter ON invitations (inviter_id) WHERE state IN ('processing', 'pending');
-- the sweep of those that are over
CREATE INDEX invitations_expiry ON invitations (expires_at) WHERE state IN ('processing', 'pending');

CREATE TABLE invitation_groups (
    group_id      TEXT NOT NULL,
    invitation_id TEXT NOT NULL REFERENCES invitations (id),
    PRIMARY KEY (group_id, invitation_id)
);
CREATE INDEX invitation_groups_invitation ON invitation_groups (invitation_id);

-- mail is delivered like everything else; the invitation that a mail belongs to hears what became of it
ALTER TABLE outbox ADD COLUMN invitation_id TEXT;
DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (next_at) WHERE state = 'waiting';

-- browsers that somebody signed in with, so that a new one is told of; the hash is of the user agent's text
CREATE TABLE known_browsers (
    user_id    TEXT   NOT NULL REFERENCES users (id),
    agent_hash BYTEA  NOT NULL,
    seen_at    BIGINT NOT NULL,
    PRIMARY KEY (user_id, agent_hash)
);
-- pruning
CREATE INDEX known_browsers_age ON known_browsers (seen_at);

-- access keys whose end was announced
ALTER TABLE access_keys ADD COLUMN warned_at BIGINT;
CREATE INDEX access_keys_expiry ON access_keys (expires_at) WHERE state = 'active' AND warned_at IS NULL;
