-- Deliveries that go as one message: those of a group wait together, and once they are taken all are tied to one of them.
-- Programs from before write none, and take each of them by itself.
ALTER TABLE {schema}.deliveries
    ADD COLUMN group_key text,
    ADD COLUMN leader uuid;
CREATE INDEX deliveries_group ON {schema}.deliveries (channel, group_key, at, sequence, id)
    WHERE state = 'pending' AND attempts = 0 AND group_key IS NOT NULL;
CREATE INDEX deliveries_leader ON {schema}.deliveries (leader) WHERE leader IS NOT NULL;
