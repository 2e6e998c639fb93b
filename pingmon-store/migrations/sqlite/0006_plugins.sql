-- Plug-ins that all processes of the store run. Their bytes lie in parts under their hash, so that none has to be read or
-- written at once, and two names may share them.
CREATE TABLE pingmon_plugins (
    name      TEXT    NOT NULL PRIMARY KEY,
    sha256    TEXT    NOT NULL,
    size      INTEGER NOT NULL,
    signature TEXT,
    added_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE pingmon_plugin_parts (
    sha256 TEXT    NOT NULL,
    part   INTEGER NOT NULL,
    bytes  BLOB    NOT NULL,
    PRIMARY KEY (sha256, part)
) STRICT;

-- What monitors keep from run to run: written by runs that have something new to keep, read after a claim.
CREATE TABLE pingmon_kept (
    monitor BLOB NOT NULL PRIMARY KEY REFERENCES pingmon_monitors (id) ON DELETE CASCADE,
    bytes   BLOB NOT NULL
) STRICT;
