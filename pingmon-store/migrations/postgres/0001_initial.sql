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
    ended       boolean     NOT NULL DEFAULT false,
    freed       boolean     NOT NULL DEFAULT false -- once it has ended: that nothing names it any more
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

-- Where people insert monitors. Engines take them in within a poll, and their rows vanish from here; what is wrong about
-- a row that stays is its `problem`, and an update of anything else has it tried again.
CREATE TABLE {schema}.new_monitors (
    name     text PRIMARY KEY,
    kind     text NOT NULL,
    config   json CHECK (octet_length(config::text) <= 262144),
    every    text,
    cron     text,
    timezone text,
    timeout  text,
    policy   json CHECK (octet_length(policy::text) <= 65536),
    notify   text[],
    labels   json CHECK (octet_length(labels::text) <= 65536),
    problem  text
);
CREATE FUNCTION {schema}.try_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.problem := NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER try_again
    BEFORE UPDATE OF name, kind, config, every, cron, timezone, timeout, policy, notify, labels ON {schema}.new_monitors
    FOR EACH ROW EXECUTE FUNCTION {schema}.try_again();

-- Where a monitor stands: narrow, written by every run. `active` and `kind` repeat the monitor's, so that a claim finds
-- its rows without reading the wide ones. `due` is the slot while anybody may claim it: claims and whoever looks for what
-- nobody runs go along its index. A run changes slot and health of an owned monitor, whose `due` is null and stays so:
-- no index holds what it changes, and pages keep room, so that such an update stays in its page and touches no index (HOT).
CREATE TABLE {schema}.schedule (
    monitor  uuid        PRIMARY KEY REFERENCES {schema}.monitors (id) ON DELETE CASCADE,
    revision bigint      NOT NULL,
    slot     timestamptz NOT NULL,
    owner    uuid,
    active   boolean     NOT NULL,
    kind     text        NOT NULL,
    health   json,
    due      timestamptz GENERATED ALWAYS AS (CASE WHEN owner IS NULL AND active THEN slot END) STORED
) WITH (fillfactor = 60);
CREATE INDEX schedule_free ON {schema}.schedule (kind, due) WHERE due IS NOT NULL;
CREATE INDEX schedule_owner ON {schema}.schedule (owner, monitor) WHERE owner IS NOT NULL;

-- Monitors that were deleted and whose results, which nobody can read any more, are still to be removed piece by piece.
CREATE TABLE {schema}.deleted (
    monitor uuid PRIMARY KEY
);

-- What runs found: a partition for each UTC day of their slots, so that retention drops whole days. The key is the only
-- index.
CREATE TABLE {schema}.results (
    monitor    uuid        NOT NULL,
    slot       timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    latency    bigint,
    status     text        NOT NULL,
    message    text        NOT NULL,
    detail     json,
    PRIMARY KEY (monitor, slot)
) PARTITION BY RANGE (slot);
-- Slots of days that have no partition: retention goes through them row by row.
CREATE TABLE {schema}.results_default PARTITION OF {schema}.results DEFAULT;
CREATE INDEX results_default_slot ON {schema}.results_default (slot);

-- Adds the partitions of today and so many days more, as far as they are missing and the default partition has none of
-- their rows; answers how many. Each is made apart and then attached, which keeps nobody from reading or writing other
-- days. What is in the way (a reader of the default partition) is waited for so briefly that those who queue up behind
-- don't notice: try again later. Of several who do it at once, one does.
CREATE FUNCTION {schema}.add_days(ahead integer) RETURNS integer LANGUAGE plpgsql SET lock_timeout = '200ms' AS $$
DECLARE
    today date := ({schema}.clock() AT TIME ZONE 'UTC')::date;
    added integer := 0;
    day date;
    name text;
    first timestamptz;
    past timestamptz;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('{schema}.results', 0)) THEN
        RETURN 0;
    END IF;
    FOR day IN SELECT today + n FROM generate_series(0, ahead) AS n LOOP
        name := 'results_' || to_char(day, 'YYYYMMDD');
        first := day::timestamp AT TIME ZONE 'UTC';
        past := (day + 1)::timestamp AT TIME ZONE 'UTC';
        CONTINUE WHEN to_regclass(format('{schema}.%I', name)) IS NOT NULL
            OR EXISTS (SELECT FROM {schema}.results_default WHERE slot >= first AND slot < past);
        EXECUTE format('CREATE TABLE {schema}.%I (LIKE {schema}.results INCLUDING ALL)', name);
        EXECUTE format('ALTER TABLE {schema}.results ATTACH PARTITION {schema}.%I FOR VALUES FROM (%L) TO (%L)',
            name, first, past);
        added := added + 1;
    END LOOP;
    RETURN added;
END $$;

-- Drops the oldest day that has gone by and ended before an instant; answers about how many rows it had, null when there
-- is no such day. Everybody who reads or writes results waits for it, so it waits but briefly itself.
CREATE FUNCTION {schema}.drop_day(before timestamptz) RETURNS bigint LANGUAGE plpgsql SET lock_timeout = '200ms' AS $$
DECLARE
    bound text := 'results_' || to_char(least(before, {schema}.clock()) AT TIME ZONE 'UTC', 'YYYYMMDD');
    oldest record;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('{schema}.results', 0)) THEN
        RETURN NULL;
    END IF;
    SELECT relname AS name, greatest(reltuples, 0)::bigint AS rows INTO oldest
        FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = '{schema}.results'::regclass AND relname ~ '^results_[0-9]{8}$' AND relname < bound::name
        ORDER BY relname LIMIT 1;
    IF oldest.name IS NOT NULL THEN
        EXECUTE format('DROP TABLE {schema}.%I', oldest.name);
    END IF;
    RETURN oldest.rows;
END $$;

CREATE TABLE {schema}.gaps (
    monitor    uuid        NOT NULL,
    from_slot  timestamptz NOT NULL,
    until_slot timestamptz NOT NULL,
    slots      bigint      NOT NULL,
    reason     text        NOT NULL,
    PRIMARY KEY (monitor, from_slot)
);
CREATE INDEX gaps_from ON {schema}.gaps (from_slot);

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
CREATE INDEX deliveries_pending ON {schema}.deliveries (channel, at, sequence, id) WHERE state = 'pending';
CREATE INDEX deliveries_first ON {schema}.deliveries (channel, monitor, at, sequence, id) WHERE state = 'pending';
CREATE INDEX deliveries_taken ON {schema}.deliveries (taken_by) WHERE taken_by IS NOT NULL;
