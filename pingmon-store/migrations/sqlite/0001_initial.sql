-- Instants and lengths of time are microseconds (UTC, since 1970), ids the 16 bytes of a UUID, words those of the JSON
-- forms. Every name begins with pingmon_, so that a host application can share the file.

-- A running engine. Once `ended` is set, nothing names the session as owner or taker any more.
CREATE TABLE pingmon_sessions (
    id          BLOB    NOT NULL PRIMARY KEY,
    host        TEXT    NOT NULL,
    version     TEXT    NOT NULL,
    capacity    INTEGER NOT NULL,
    weight      INTEGER NOT NULL,
    share       INTEGER NOT NULL,
    held        INTEGER NOT NULL,
    running     INTEGER NOT NULL,
    concurrency INTEGER NOT NULL,
    lateness    INTEGER NOT NULL,
    joined_at   INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    ended       INTEGER NOT NULL DEFAULT 0 CHECK (ended IN (0, 1))
) STRICT;

-- What a person decided about a monitor: wide, seldom written.
CREATE TABLE pingmon_monitors (
    id         BLOB NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,
    origin     TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('active', 'paused', 'retired')),
    definition TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX pingmon_monitors_name ON pingmon_monitors (name) WHERE state <> 'retired';
CREATE INDEX pingmon_monitors_state ON pingmon_monitors (state);

-- Where a monitor stands: narrow, written by every run. `active` and `kind` repeat the monitor's, so that a claim finds
-- its rows without reading the wide ones.
CREATE TABLE pingmon_schedule (
    monitor  BLOB    NOT NULL PRIMARY KEY REFERENCES pingmon_monitors (id) ON DELETE CASCADE,
    revision INTEGER NOT NULL,
    slot     INTEGER NOT NULL,
    owner    BLOB,
    active   INTEGER NOT NULL CHECK (active IN (0, 1)),
    kind     TEXT    NOT NULL,
    health   TEXT
) STRICT, WITHOUT ROWID;
-- Serves claims in due order. A monitor that a session owns isn't in it, so a run never rewrites it.
CREATE INDEX pingmon_schedule_free ON pingmon_schedule (slot, kind) WHERE owner IS NULL AND active;

-- Runs lie clustered by monitor and slot: the key is the only index.
CREATE TABLE pingmon_results (
    monitor    BLOB    NOT NULL REFERENCES pingmon_monitors (id) ON DELETE CASCADE,
    slot       INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    status     TEXT    NOT NULL,
    latency    INTEGER,
    message    TEXT    NOT NULL,
    detail     TEXT,
    PRIMARY KEY (monitor, slot)
) STRICT, WITHOUT ROWID;

CREATE TABLE pingmon_gaps (
    monitor    BLOB    NOT NULL REFERENCES pingmon_monitors (id) ON DELETE CASCADE,
    from_slot  INTEGER NOT NULL,
    until_slot INTEGER NOT NULL,
    slots      INTEGER NOT NULL,
    reason     TEXT    NOT NULL,
    PRIMARY KEY (monitor, from_slot)
) STRICT, WITHOUT ROWID;

CREATE TABLE pingmon_incidents (
    id            BLOB    NOT NULL PRIMARY KEY,
    monitor       BLOB    NOT NULL REFERENCES pingmon_monitors (id) ON DELETE CASCADE,
    about         TEXT    NOT NULL,
    level         TEXT    NOT NULL,
    failing_since INTEGER NOT NULL,
    opened_at     INTEGER NOT NULL,
    opened_slot   INTEGER NOT NULL,
    message       TEXT    NOT NULL,
    closed_at     INTEGER,
    closed        TEXT
) STRICT;
CREATE INDEX pingmon_incidents_opened ON pingmon_incidents (opened_at, id);
CREATE INDEX pingmon_incidents_monitor ON pingmon_incidents (monitor, opened_at, id);
CREATE UNIQUE INDEX pingmon_incidents_open ON pingmon_incidents (monitor, about) WHERE closed_at IS NULL;
CREATE INDEX pingmon_incidents_closed ON pingmon_incidents (closed_at) WHERE closed_at IS NOT NULL;

-- The outbox. `notification` is what is sent; the columns repeat what is searched and sorted by.
CREATE TABLE pingmon_deliveries (
    id           BLOB    NOT NULL PRIMARY KEY,
    monitor      BLOB    NOT NULL REFERENCES pingmon_monitors (id) ON DELETE CASCADE,
    channel      TEXT    NOT NULL,
    at           INTEGER NOT NULL,
    sequence     INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('pending', 'sent', 'dead')),
    attempts     INTEGER NOT NULL,
    taken_by     BLOB,
    last_error   TEXT,
    notification TEXT    NOT NULL
) STRICT;
CREATE INDEX pingmon_deliveries_at ON pingmon_deliveries (at, sequence);
CREATE INDEX pingmon_deliveries_monitor ON pingmon_deliveries (monitor, at, sequence);
CREATE INDEX pingmon_deliveries_pending ON pingmon_deliveries (channel, monitor, at, sequence) WHERE state = 'pending';
