-- Plug-ins that all engines of the store run. Their bytes lie in parts under their hash, so that each statement is short,
-- and two names may share them.
CREATE TABLE {schema}.plugins (
    name      text COLLATE "C" PRIMARY KEY,
    sha256    text        NOT NULL,
    size      bigint      NOT NULL,
    signature text,
    added_at  timestamptz NOT NULL
);
CREATE TABLE {schema}.plugin_parts (
    sha256 text COLLATE "C" NOT NULL,
    part   bigint NOT NULL,
    bytes  bytea  NOT NULL,
    PRIMARY KEY (sha256, part)
);

-- What monitors keep from run to run: written by runs that have something new to keep, read after a claim. It refers to
-- its monitor, since older programs, which don't know of it, delete monitors too.
CREATE TABLE {schema}.kept (
    monitor uuid  PRIMARY KEY REFERENCES {schema}.monitors (id) ON DELETE CASCADE,
    bytes   bytea NOT NULL
);
