-- The ledger of what applications are told: when each thing went out, and whose turn it is.

-- when a row went out first, and when its last attempt ended; NULL until then, and for rows from before
ALTER TABLE outbox ADD COLUMN first_sent_at BIGINT;
ALTER TABLE outbox ADD COLUMN answered_at BIGINT;

-- The workers' claim, a sort each. A leased row is due when its lease ends, a held one at the end of time, so that one
-- column says whose turn it is; receivers that are left alone are skipped in the index.
DROP INDEX outbox_due;
CREATE INDEX outbox_due_calls ON outbox (next_at, receiver)
  WHERE state = 'waiting' AND kind <> 'mail' AND kind <> 'security_event';
CREATE INDEX outbox_due_mail ON outbox (next_at) WHERE state = 'waiting' AND kind = 'mail';
CREATE INDEX outbox_due_events ON outbox (next_at, receiver, id) WHERE state = 'waiting' AND kind = 'security_event';
-- what waits for a stream, in its order
CREATE INDEX outbox_stream ON outbox (receiver, id) WHERE state = 'waiting' AND kind = 'security_event';
-- pruning
CREATE INDEX outbox_done ON outbox (done_at) WHERE done_at IS NOT NULL;
-- whether a delivery of a change waits still
CREATE INDEX outbox_change_waiting ON outbox (change_id) WHERE state = 'waiting';
-- workers take events in turns: the order within a stream is that of their rows
INSERT INTO instance (name, value) VALUES ('outbox_turn', '');

-- entries that have run out, and sessions that stand idle
CREATE INDEX session_entries_expiry ON session_entries (expires_at) WHERE ended_at IS NULL;
CREATE INDEX sessions_idle ON sessions (last_used_at) WHERE ended_at IS NULL;
