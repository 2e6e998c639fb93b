//! What is asked of an SQLite file.

use super::database::Queries;

pub(super) const QUERIES: Queries = Queries {
    schedule: "SELECT name, slot AS pending, CASE WHEN owner IS NOT NULL THEN lower(hex(owner)) END AS owner, state
        FROM pingmon_schedule JOIN pingmon_monitors ON id = monitor",
    runs: "SELECT name, slot, started_at, latency, status, message, NULL AS committed_at
        FROM pingmon_results JOIN pingmon_monitors ON id = monitor ORDER BY monitor, slot",
    gaps: "SELECT name, from_slot, until_slot, slots, reason FROM pingmon_gaps
        JOIN pingmon_monitors ON id = monitor ORDER BY monitor, from_slot",
    incidents: "SELECT name, lower(hex(i.id)) AS key, about, opened_slot, opened_at, closed_at
        FROM pingmon_incidents i JOIN pingmon_monitors m ON m.id = monitor ORDER BY opened_at",
    deliveries: "SELECT lower(hex(id)) AS key, notification ->> '$.event' AS event,
        replace(notification ->> '$.incident.id', '-', '') AS incident, state, taken_by IS NOT NULL AS is_taken
        FROM pingmon_deliveries",
    open_sessions: "SELECT count(*) FROM pingmon_sessions WHERE NOT ended",
    recorded: "SELECT count(*) FROM pingmon_results",
    unsettled: "SELECT (SELECT count(*) FROM pingmon_incidents WHERE closed_at IS NULL)
        + (SELECT count(*) FROM pingmon_deliveries WHERE state = 'pending')
        + (SELECT count(*) FROM pingmon_schedule JOIN pingmon_monitors ON id = monitor
            WHERE state = 'active' AND slot < (unixepoch('subsec') - 1) * 1000000)",
};
