-- {schema} stands for the schema's name, quoted. Instants are timestamptz (microseconds), lengths of time microseconds,
-- words those of the JSON forms. JSON is json, not jsonb: it is read back as it was written, in its order.
--
-- The row in `schedule` is the lock of a monitor: whoever writes anything about it (a run, a gap, an incident, a notice,
-- its deletion) holds that row. That is why the tables that grow have no foreign keys, which would cost every run a
-- look-up: nothing can be written of a monitor that is being deleted.

-- The store's clock: every statement asks it, nobody asks another. Plain SQL, so that the planner puts clock_timestamp()
-- in its place. Unlike now() it moves within a transaction: a lease isn't judged by when a wait for a lock began.
CREATE FUNCTION {schema}.clock() RETURNS timestamptz
    LANGUAGE sql VOLATILE PARALLEL SAFE AS 'SELECT pg_catalog.clock_timestamp()';

-- A running engine. Once `ended` is set, nothing names the session as owner or taker any more.
CREATE TABLE {schema}.sessions (
    id          uuid        PRIMARY KEY,
    host        text        NOT NULL,
    version     text        NOT NULL,
    capacity    bigint      NOT NULL,
    weight      bigint      NOT NULL,
    share       bigint      NOT NULL,
    held        bigint      NOT NULL,
    running     bigint      NOT NULL,
    concurrency bigint      NOT NULL,
    lateness    bigint      NOT NULL,
    joined_at   timestamptz NOT NULL,
    lease_until timestamptz NOT NULL,
    ended       boolean     NOT NULL DEFAULT false
);

-- What a person decided about a monitor: wide, seldom written.
CREATE TABLE {schema}.monitors (
    id         uuid PRIMARY KEY,
    name       text COLLATE "C" NOT NULL,
    origin     text NOT NULL,
    state      text NOT NULL CHECK (state IN ('active', 'paused', 'retired')),
    definition json NOT NULL
);
CREATE UNIQUE INDEX monitors_name ON {schema}.monitors (name) WHERE state <> 'retired';
CREATE INDEX monitors_state ON {schema}.monitors (state);

-- Where a monitor stands: narrow, written by every run. `active` and `kind` repeat the monitor's, so that a claim finds
-- its rows without reading the wide ones. No index holds what a run changes (slot, health), and pages keep room, so that
-- such an update stays in its page and touches no index (HOT).
CREATE TABLE {schema}.schedule (
    monitor  uuid        PRIMARY KEY REFERENCES {schema}.monitors (id) ON DELETE CASCADE,
    revision bigint      NOT NULL,
    slot     timestamptz NOT NULL,
    owner    uuid,
    active   boolean     NOT NULL,
    kind     text        NOT NULL,
    health   json
) WITH (fillfactor = 60);
CREATE INDEX schedule_free ON {schema}.schedule (kind) WHERE owner IS NULL AND active;
CREATE INDEX schedule_owner ON {schema}.schedule (owner) WHERE owner IS NOT NULL;

-- The key is the only index.
CREATE TABLE {schema}.results (
    monitor    uuid        NOT NULL,
    slot       timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    latency    bigint,
    status     text        NOT NULL,
    message    text        NOT NULL,
    detail     json,
    PRIMARY KEY (monitor, slot)
);

CREATE TABLE {schema}.gaps (
    monitor    uuid        NOT NULL,
    from_slot  timestamptz NOT NULL,
    until_slot timestamptz NOT NULL,
    slots      bigint      NOT NULL,
    reason     text        NOT NULL,
    PRIMARY KEY (monitor, from_slot)
);

CREATE TABLE {schema}.incidents (
    id            uuid        PRIMARY KEY,
    monitor       uuid        NOT NULL,
    about         text        NOT NULL,
    level         text        NOT NULL,
    failing_since timestamptz NOT NULL,
    opened_at     timestamptz NOT NULL,
    opened_slot   timestamptz NOT NULL,
    message       text        NOT NULL,
    closed_at     timestamptz,
    closed        text
);
CREATE INDEX incidents_opened ON {schema}.incidents (opened_at, id);
CREATE INDEX incidents_monitor ON {schema}.incidents (monitor, opened_at, id);
CREATE UNIQUE INDEX incidents_open ON {schema}.incidents (monitor, about) WHERE closed_at IS NULL;
CREATE INDEX incidents_closed ON {schema}.incidents (closed_at) WHERE closed_at IS NOT NULL;

-- The outbox. `notification` is what is sent; the columns repeat what is searched and sorted by.
CREATE TABLE {schema}.deliveries (
    id           uuid        PRIMARY KEY,
    monitor      uuid        NOT NULL,
    channel      text        NOT NULL,
    at           timestamptz NOT NULL,
    sequence     bigint      NOT NULL,
    due_at       timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    state        text        NOT NULL CHECK (state IN ('pending', 'sent', 'dead')),
    attempts     bigint      NOT NULL,
    taken_by     uuid,
    last_error   text,
    notification json        NOT NULL
);
CREATE INDEX deliveries_at ON {schema}.deliveries (at, sequence);
CREATE INDEX deliveries_monitor ON {schema}.deliveries (monitor, at, sequence);
CREATE INDEX deliveries_pending ON {schema}.deliveries (channel, monitor, at, sequence) WHERE state = 'pending';
CREATE INDEX deliveries_taken ON {schema}.deliveries (taken_by) WHERE taken_by IS NOT NULL;
