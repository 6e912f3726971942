-- What no longer counts, for those who check tokens without asking: a numbered feed, and lists of bits.

-- What was numbered. Rows stay until no token that they speak of can be alive.
CREATE TABLE revocations (
    seq     BIGINT NOT NULL PRIMARY KEY,
    -- 'm' a member's older tokens, 'f' a family or an access key, 't' one token, 'c' a client's older tokens, 'all' all older
    kind    TEXT   NOT NULL CHECK (kind IN ('m', 'f', 't', 'c', 'all')),
    -- the organisation of the holder, and that of the application: whose applications may read it
    org_id  TEXT,
    home_id TEXT,
    subject TEXT   NOT NULL,
    -- the least version that counts, or the second before which nothing counts; 0 where there is neither
    value   BIGINT NOT NULL,
    until   BIGINT NOT NULL
);
-- where the versions of somebody who becomes a member again must begin
CREATE INDEX revocations_member ON revocations (subject, org_id) WHERE kind = 'm';

-- How far the numbers are; whoever numbers takes this row first.
CREATE TABLE revocation_feed (
    one        BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    seq        BIGINT NOT NULL,
    -- everything up to this number was pruned
    floor      BIGINT NOT NULL,
    -- the generation that readers were told of; the instance's own is another one after a restore
    generation TEXT   NOT NULL
);
INSERT INTO revocation_feed (one, seq, floor, generation) VALUES (1, 0, 0, '');

-- What rows said that were deleted: to be numbered like what still has a row.
CREATE TABLE revocations_due (
    id      TEXT   NOT NULL PRIMARY KEY,
    kind    TEXT   NOT NULL CHECK (kind IN ('m', 'f', 'c')),
    org_id  TEXT,
    home_id TEXT,
    subject TEXT   NOT NULL,
    value   BIGINT NOT NULL,
    at      BIGINT NOT NULL
);
-- pruning
CREATE INDEX revocations_due_at ON revocations_due (at);
-- where the versions of somebody who becomes a member again must begin
CREATE INDEX revocations_due_member ON revocations_due (subject, org_id) WHERE kind = 'm';

-- What was numbered of each. Each index has the rows that are still to be: few, and most of the time none.
ALTER TABLE token_families ADD COLUMN fed BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX token_families_unfed ON token_families (ended_at) WHERE ended_at IS NOT NULL AND fed = FALSE;

ALTER TABLE memberships ADD COLUMN fed_least BIGINT NOT NULL DEFAULT 1;
UPDATE memberships SET fed_least = acv_least;
CREATE INDEX memberships_unfed ON memberships (id) WHERE acv_least > fed_least;

ALTER TABLE access_keys ADD COLUMN fed BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX access_keys_unfed ON access_keys (ended_at) WHERE ended_at IS NOT NULL AND fed = FALSE;
ALTER TABLE access_keys ADD COLUMN fed_from BIGINT NOT NULL DEFAULT 0;
UPDATE access_keys SET fed_from = tokens_from;
CREATE INDEX access_keys_cut ON access_keys (id) WHERE tokens_from > fed_from;

ALTER TABLE revoked_tokens ADD COLUMN fed BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX revoked_tokens_unfed ON revoked_tokens (expires_at) WHERE fed = FALSE;

ALTER TABLE applications ADD COLUMN fed_from BIGINT NOT NULL DEFAULT 0;
UPDATE applications SET fed_from = tokens_from;
CREATE INDEX applications_cut ON applications (id) WHERE tokens_from > fed_from;

ALTER TABLE orgs ADD COLUMN fed_from BIGINT NOT NULL DEFAULT 0;
UPDATE orgs SET fed_from = tokens_from;
CREATE INDEX orgs_cut ON orgs (id) WHERE tokens_from > fed_from;

-- The indexes of status lists. What an index says is read from what stands behind it.
CREATE TABLE status_indexes (
    idx       BIGINT  NOT NULL PRIMARY KEY,
    -- a token family or an access key
    holder    TEXT    NOT NULL,
    -- the member's least version, and the moment before which the key's tokens don't count, when it was given out
    least_acv BIGINT  NOT NULL,
    since     BIGINT  NOT NULL,
    -- whether a token that carries it was revoked by itself
    cut       BOOLEAN NOT NULL DEFAULT FALSE,
    -- no token that carries it can be alive then
    until     BIGINT  NOT NULL
);
-- the one that is given out
CREATE UNIQUE INDEX status_indexes_holder ON status_indexes (holder, least_acv, since) WHERE cut = FALSE;
-- pruning
CREATE INDEX status_indexes_until ON status_indexes (until);

-- The next index. Whoever gives one out takes this row first.
CREATE TABLE status_counter (
    one      BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    next_idx BIGINT NOT NULL
);
INSERT INTO status_counter (one, next_idx) VALUES (1, 0);
