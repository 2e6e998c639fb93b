-- What monitors depend on, so that whoever reports a failure finds what it takes with it. Monitors that depend on nothing
-- take no place in it.
CREATE INDEX monitors_depending ON {schema}.monitors USING gin (((definition -> 'depends_on')::jsonb))
    WHERE (definition -> 'depends_on') IS NOT NULL;
