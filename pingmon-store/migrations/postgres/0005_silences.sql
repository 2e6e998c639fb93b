-- Monitors of which nobody is told for a time, because a person said so. One that was ended early ends when that was.
CREATE TABLE {schema}.silences (
    id          uuid        PRIMARY KEY,
    matcher     json        NOT NULL,
    starts_at   timestamptz NOT NULL,
    ends_at     timestamptz NOT NULL,
    made_by     text        NOT NULL,
    comment     text        NOT NULL,
    maintenance boolean     NOT NULL
);
CREATE INDEX silences_ends ON {schema}.silences (ends_at, id);
