-- Deliveries that aren't needed any more are folded; a channel's receipts are kept for the notices that follow. What is
-- looked for by incident is read out of the notification, so that programs from before go on writing rows.
ALTER TABLE {schema}.deliveries
    DROP CONSTRAINT deliveries_state_check,
    ADD CONSTRAINT deliveries_state_check CHECK (state IN ('pending', 'sent', 'dead', 'folded')),
    ADD COLUMN incident uuid GENERATED ALWAYS AS ((notification -> 'incident' ->> 'id')::uuid) STORED,
    ADD COLUMN event text GENERATED ALWAYS AS (notification ->> 'event') STORED,
    ADD COLUMN receipt text;
CREATE INDEX deliveries_incident ON {schema}.deliveries (incident, channel, at, sequence, id);

-- Who has said to see to an incident, and when.
ALTER TABLE {schema}.incidents
    ADD COLUMN acknowledged_at timestamptz,
    ADD COLUMN acknowledged_by text;
