-- The monitors that depend on others, so that whoever reports a failure finds what it takes with it.
CREATE INDEX pingmon_monitors_depending ON pingmon_monitors (id)
    WHERE json_type(definition, '$.depends_on') IS NOT NULL;
