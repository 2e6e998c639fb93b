-- Monitors of which nobody is told for a time, because a person said so. One that was ended early ends when that was.
CREATE TABLE pingmon_silences (
    id          BLOB    NOT NULL PRIMARY KEY,
    matcher     TEXT    NOT NULL,
    starts_at   INTEGER NOT NULL,
    ends_at     INTEGER NOT NULL,
    made_by     TEXT    NOT NULL,
    comment     TEXT    NOT NULL,
    maintenance INTEGER NOT NULL CHECK (maintenance IN (0, 1))
) STRICT;
CREATE INDEX pingmon_silences_ends ON pingmon_silences (ends_at, id);
