//! What is asked of a PostgreSQL server.

use super::database::Queries;

pub(super) const QUERIES: Queries = Queries {
    schedule:
        "SELECT name, (extract(epoch FROM slot) * 1000000)::bigint AS pending, replace(owner::text, '-', '') AS owner,
        state FROM pingmon.schedule JOIN pingmon.monitors ON id = monitor",
    runs: "SELECT name, (extract(epoch FROM slot) * 1000000)::bigint AS slot,
        (extract(epoch FROM started_at) * 1000000)::bigint AS started_at, latency, status, message,
        (extract(epoch FROM pg_xact_commit_timestamp(r.xmin)) * 1000000)::bigint AS committed_at
        FROM pingmon.results r JOIN pingmon.monitors ON id = monitor ORDER BY monitor, slot",
    gaps: "SELECT name, (extract(epoch FROM from_slot) * 1000000)::bigint AS from_slot,
        (extract(epoch FROM until_slot) * 1000000)::bigint AS until_slot, slots, reason
        FROM pingmon.gaps JOIN pingmon.monitors ON id = monitor ORDER BY monitor, from_slot",
    incidents: "SELECT name, replace(i.id::text, '-', '') AS key, about,
        (extract(epoch FROM opened_slot) * 1000000)::bigint AS opened_slot,
        (extract(epoch FROM opened_at) * 1000000)::bigint AS opened_at,
        (extract(epoch FROM closed_at) * 1000000)::bigint AS closed_at
        FROM pingmon.incidents i JOIN pingmon.monitors m ON m.id = monitor ORDER BY i.opened_at",
    deliveries: "SELECT replace(id::text, '-', '') AS key, notification ->> 'event' AS event,
        replace(notification -> 'incident' ->> 'id', '-', '') AS incident, state, taken_by IS NOT NULL AS is_taken
        FROM pingmon.deliveries",
    open_sessions: "SELECT count(*) FROM pingmon.sessions WHERE NOT ended",
    recorded: "SELECT count(*) FROM pingmon.results",
    unsettled: "SELECT (SELECT count(*) FROM pingmon.incidents WHERE closed_at IS NULL)
        + (SELECT count(*) FROM pingmon.deliveries WHERE state = 'pending')
        + (SELECT count(*) FROM pingmon.schedule WHERE active AND slot < now() - interval '1 second')",
};
