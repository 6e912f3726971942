-- An organisation's console hangs on a session entry like an application.

-- when a page of the console was asked for with it last; NULL for never
ALTER TABLE session_entries ADD COLUMN console_at BIGINT;
