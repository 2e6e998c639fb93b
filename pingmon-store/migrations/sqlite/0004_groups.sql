-- Deliveries that go as one message: those of a group wait together, and once they are taken all are tied to one of them.
ALTER TABLE pingmon_deliveries ADD COLUMN group_key TEXT;
ALTER TABLE pingmon_deliveries ADD COLUMN leader BLOB;
CREATE INDEX pingmon_deliveries_group ON pingmon_deliveries (channel, group_key, at, sequence, id)
    WHERE state = 'pending' AND attempts = 0 AND group_key IS NOT NULL;
CREATE INDEX pingmon_deliveries_leader ON pingmon_deliveries (leader) WHERE leader IS NOT NULL;
