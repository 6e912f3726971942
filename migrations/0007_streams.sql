-- Streams of security events to applications (Shared Signals). The events themselves wait in the outbox.

CREATE TABLE streams (
    id                   TEXT   NOT NULL PRIMARY KEY,
    application_id       TEXT   NOT NULL REFERENCES applications (id),
    status               TEXT   NOT NULL CHECK (status IN ('enabled', 'paused', 'disabled')),
    -- why it is not what it was, in the words of whoever changed it last
    reason               TEXT,
    description          TEXT,
    -- the URIs that were asked for, as JSON
    requested            TEXT   NOT NULL,
    delivery             TEXT   NOT NULL CHECK (delivery IN ('push', 'poll')),
    -- where events are posted; NULL where they are fetched
    endpoint             TEXT,
    -- the header that goes with each push, sealed and bound to the stream
    sealed_authorization BYTEA,
    -- pushes that were given up, in a row
    failures             BIGINT NOT NULL,
    -- when its receiver tried it last
    verified_at          BIGINT,
    -- when an event was taken last; written at most once a minute
    last_sent_at         BIGINT,
    created_at           BIGINT NOT NULL,
    updated_at           BIGINT NOT NULL
);
-- the streams of an application
CREATE INDEX streams_application ON streams (application_id, id);
-- whether there is anybody to tell
CREATE INDEX streams_open ON streams (status) WHERE status <> 'disabled';

-- Whom a receiver leaves out of its stream.
CREATE TABLE stream_exclusions (
    stream_id TEXT NOT NULL REFERENCES streams (id) ON DELETE CASCADE,
    -- no reference: an account may go first
    user_id   TEXT NOT NULL,
    PRIMARY KEY (stream_id, user_id)
);
