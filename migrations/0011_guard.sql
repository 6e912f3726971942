-- What stands against guessing: failures in a row, browsers that somebody's account knows, and what one address may try.

-- failures since the last success, whatever locks lay between them
ALTER TABLE users ADD COLUMN in_a_row BIGINT NOT NULL DEFAULT 0;

-- by which way the link came that the password was set with last: a code that comes by the same way is no second factor
-- beside it. None for any other password, and after a sign-in with another factor
ALTER TABLE users ADD COLUMN password_by TEXT CONSTRAINT users_password_by CHECK (password_by IN ('email', 'sms'));

-- Browsers that carry a cookie from a sign-in to an account. Such a one gets past a lock, with a small counter of its own,
-- so that a stranger who guesses can't keep the person out.
CREATE TABLE known_devices (
    -- SHA-256 of the cookie's value
    device_hash BYTEA  NOT NULL,
    user_id     TEXT   NOT NULL REFERENCES users (id),
    made_at     BIGINT NOT NULL,
    seen_at     BIGINT NOT NULL,
    -- wrong guesses from this browser at this account since its last success: after a few it counts as a stranger's
    failures    BIGINT NOT NULL DEFAULT 0,
    -- when the second factor was proven last with the wish not to be asked here again
    factor_at   BIGINT,
    PRIMARY KEY (device_hash, user_id)
);
-- forgetting all of an account
CREATE INDEX known_devices_user ON known_devices (user_id);
-- pruning
CREATE INDEX known_devices_age ON known_devices (seen_at);

-- How often something was tried under a key, within a window that begins with its first try. All nodes count here.
CREATE TABLE address_limits (
    limit_key    TEXT   NOT NULL PRIMARY KEY,
    window_start BIGINT NOT NULL,
    ends_at      BIGINT NOT NULL,
    count        BIGINT NOT NULL
);
-- pruning
CREATE INDEX address_limits_age ON address_limits (ends_at);
