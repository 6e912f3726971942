-- Second factors, passkeys and recovery codes.

-- What an account has besides its password and its passkeys: an app that shows codes, and the switches for codes by mail
-- and by text message.
CREATE TABLE factors (
    id           TEXT   NOT NULL PRIMARY KEY,
    user_id      TEXT   NOT NULL REFERENCES users (id),
    kind         TEXT   NOT NULL CONSTRAINT factors_kind CHECK (kind IN ('totp', 'email', 'sms')),
    -- the app's seed, sealed with the instance key and bound to the id; the others have none
    sealed       BYTEA,
    -- the newest time step of which a code was taken: none counts twice, and none before it
    last_step    BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT,
    -- one app a person; an account's factors
    CONSTRAINT factors_once UNIQUE (user_id, kind)
);

-- Passkeys (WebAuthn Level 3). Public keys: nothing here opens anything.
CREATE TABLE passkeys (
    id            TEXT   NOT NULL PRIMARY KEY,
    user_id       TEXT   NOT NULL REFERENCES users (id),
    -- what the authenticator calls it; a sign-in without a name finds the account by it
    credential_id BYTEA  NOT NULL CONSTRAINT passkeys_credential UNIQUE,
    name          TEXT   NOT NULL,
    -- the public key and what was said at its making, as JSON
    content       TEXT   NOT NULL,
    -- the newest signature counter; 0 where the authenticator counts nothing
    counter       BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    last_used_at  BIGINT
);
-- an account's passkeys
CREATE INDEX passkeys_user ON passkeys (user_id, id);

-- Challenges under way: each is taken once.
CREATE TABLE webauthn_challenges (
    id           TEXT   NOT NULL PRIMARY KEY,
    purpose      TEXT   NOT NULL CHECK (purpose IN ('register', 'sign_in', 'prove')),
    -- whose; none for a sign-in without a name
    user_id      TEXT   REFERENCES users (id),
    -- the digest of what the browser is known by
    binding_hash BYTEA  NOT NULL,
    -- what the answer is compared with, sealed and bound to the id
    sealed       BYTEA  NOT NULL,
    expires_at   BIGINT NOT NULL
);
-- pruning
CREATE INDEX webauthn_challenges_expiry ON webauthn_challenges (expires_at);
-- those of an account that goes
CREATE INDEX webauthn_challenges_user ON webauthn_challenges (user_id) WHERE user_id IS NOT NULL;

-- Recovery codes: 80 random bits each, of which only the SHA-256 is here. A new set takes the place of the old.
CREATE TABLE recovery_codes (
    user_id   TEXT   NOT NULL REFERENCES users (id),
    code_hash BYTEA  NOT NULL,
    made_at   BIGINT NOT NULL,
    used_at   BIGINT,
    PRIMARY KEY (user_id, code_hash)
);

-- The newest code that was sent to an account by mail or by text message, until it is used.
CREATE TABLE factor_codes (
    user_id    TEXT   NOT NULL REFERENCES users (id),
    kind       TEXT   NOT NULL CHECK (kind IN ('email', 'sms')),
    -- the MAC of the code with the instance key: six digits are guessed from a plain hash
    code_hash  BYTEA  NOT NULL,
    tries      BIGINT NOT NULL,
    sent_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- how many were sent in a row since this moment, none of them used
    sent       BIGINT NOT NULL,
    sent_since BIGINT NOT NULL,
    PRIMARY KEY (user_id, kind)
);
-- pruning
CREATE INDEX factor_codes_expiry ON factor_codes (expires_at);
