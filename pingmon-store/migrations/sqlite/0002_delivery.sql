-- Deliveries that aren't needed any more are folded; a channel's receipts are kept for the notices that follow. The table is
-- made anew because SQLite changes no CHECK. What is looked for by incident is read out of the notification.
CREATE TABLE pingmon_deliveries_new (
    id           BLOB    NOT NULL PRIMARY KEY,
    monitor      BLOB    NOT NULL REFERENCES pingmon_monitors (id) ON DELETE CASCADE,
    channel      TEXT    NOT NULL,
    at           INTEGER NOT NULL,
    sequence     INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('pending', 'sent', 'dead', 'folded')),
    attempts     INTEGER NOT NULL,
    taken_by     BLOB,
    last_error   TEXT,
    receipt      TEXT,
    notification TEXT    NOT NULL,
    incident     TEXT    GENERATED ALWAYS AS (notification ->> '$.incident.id') STORED,
    event        TEXT    GENERATED ALWAYS AS (notification ->> '$.event') STORED
) STRICT;
INSERT INTO pingmon_deliveries_new
    (id, monitor, channel, at, sequence, due_at, expires_at, state, attempts, taken_by, last_error, notification)
    SELECT id, monitor, channel, at, sequence, due_at, expires_at, state, attempts, taken_by, last_error, notification
    FROM pingmon_deliveries;
DROP TABLE pingmon_deliveries;
ALTER TABLE pingmon_deliveries_new RENAME TO pingmon_deliveries;
CREATE INDEX pingmon_deliveries_at ON pingmon_deliveries (at, sequence);
CREATE INDEX pingmon_deliveries_monitor ON pingmon_deliveries (monitor, at, sequence);
CREATE INDEX pingmon_deliveries_pending ON pingmon_deliveries (channel, monitor, at, sequence) WHERE state = 'pending';
CREATE INDEX pingmon_deliveries_incident ON pingmon_deliveries (incident, channel, at, sequence, id);

-- Who has said to see to an incident, and when.
ALTER TABLE pingmon_incidents ADD COLUMN acknowledged_at INTEGER;
ALTER TABLE pingmon_incidents ADD COLUMN acknowledged_by TEXT;
