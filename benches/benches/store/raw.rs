//! The same work said in plain SQL on one connection: how fast the statements are without the store around them. And
//! the form that pingmon grew out of: one monitor at a time, its transaction open while the check runs.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use pingmon_core::store::claims::Completion;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::work::Worker;

// As the store does, for the same reasons.
const BEGIN: &str = "BEGIN; SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off;
    SET LOCAL enable_mergejoin = off; SET LOCAL jit = off";
const HOLD: &str = "SELECT 1 FROM pingmon.sessions
    WHERE id = $1 AND NOT ended AND lease_until > clock_timestamp() FOR KEY SHARE";
const PASS: &str = "UPDATE pingmon.schedule s SET slot = run.next_slot
    FROM unnest($2::uuid[], $3::bigint[], $4::timestamptz[], $5::timestamptz[]) AS run (monitor, revision, slot, next_slot)
    WHERE s.monitor = run.monitor AND s.owner IS NOT DISTINCT FROM $1 AND s.revision = run.revision AND s.slot = run.slot
    RETURNING s.monitor";
const RECORD: &str = "COPY pingmon.results (monitor, slot, started_at, latency, status, message, detail) FROM STDIN";

pub(crate) async fn complete(conn: &mut PgConnection, worker: &mut Worker, size: usize) {
    let mut runs = worker.due(size);
    runs.sort_by_key(|run| run.monitor);
    let session = *worker.session.as_uuid();
    sqlx::raw_sql(BEGIN).execute(&mut *conn).await.unwrap();
    sqlx::query_scalar::<_, i32>(HOLD).bind(session).fetch_one(&mut *conn).await.unwrap();
    let pass = sqlx::query_scalar::<_, Uuid>(PASS).bind(session);
    let pass = pass.bind(runs.iter().map(|run| *run.monitor.as_uuid()).collect::<Vec<_>>());
    let pass = pass.bind(runs.iter().map(|run| run.revision).collect::<Vec<_>>());
    let pass = pass.bind(runs.iter().map(|run| run.slot.to_datetime()).collect::<Vec<_>>());
    let pass = pass.bind(runs.iter().map(|run| run.next_slot.to_datetime()).collect::<Vec<_>>());
    assert_eq!(pass.fetch_all(&mut *conn).await.unwrap().len(), size);
    let mut copy = conn.copy_in_raw(RECORD).await.unwrap();
    copy.send(lines(&runs).into_bytes()).await.unwrap();
    copy.finish().await.unwrap();
    sqlx::raw_sql("COMMIT").execute(conn).await.unwrap();
    worker.done(size);
}

/// The runs in COPY's text form.
fn lines(runs: &[Completion]) -> String {
    let mut lines = String::with_capacity(runs.len() * 200);
    for run in runs {
        let outcome = &run.outcome;
        let latency = outcome.latency.unwrap_or_default().as_micros();
        let _ = writeln!(
            lines,
            "{}\t{}\t{}\t{latency}\t{}\t{}\t{{\"phases\":[[\"dns\",3000],[\"connect\",9000],[\"tls\",20000]]}}",
            run.monitor, run.slot, run.started_at, outcome.status, outcome.message
        );
    }
    lines
}

/// A table for the original's form: the wide one, its next run indexed.
pub(crate) const ORIGINAL: &str = "CREATE TABLE original AS
        SELECT id, name, definition::jsonb, health::jsonb, 'up' AS status, slot AS next_run
        FROM pingmon.monitors JOIN pingmon.schedule ON monitor = id;
    ALTER TABLE original ADD PRIMARY KEY (id);
    CREATE INDEX ON original (next_run);
    CREATE TABLE original_results (id bigserial PRIMARY KEY, monitor uuid, at timestamptz, latency bigint, status text,
        message text, detail jsonb);
    CREATE INDEX ON original_results (monitor, at);
    VACUUM ANALYZE original";
const NEXT: &str = "SELECT id, next_run, definition::text FROM original WHERE next_run <= 'infinity' ORDER BY next_run
    LIMIT 1 FOR UPDATE SKIP LOCKED";
const RESULT: &str = "INSERT INTO original_results (monitor, at, latency, status, message, detail)
    VALUES ($1, $2, 42000, 'up', '200 OK', '{\"phases\":[[\"dns\",3000],[\"connect\",9000],[\"tls\",20000]]}')";
const LATER: &str = "UPDATE original SET next_run = $2 + interval '30 seconds', status = 'up' WHERE id = $1";

/// One run as the original made it.
pub(crate) async fn run_original(conn: &mut PgConnection) {
    sqlx::raw_sql("BEGIN").execute(&mut *conn).await.unwrap();
    let (id, at, _): (Uuid, DateTime<Utc>, String) = sqlx::query_as(NEXT).fetch_one(&mut *conn).await.unwrap();
    // Here the check would run.
    sqlx::query(RESULT).bind(id).bind(at).execute(&mut *conn).await.unwrap();
    sqlx::query(LATER).bind(id).bind(at).execute(&mut *conn).await.unwrap();
    sqlx::raw_sql("COMMIT").execute(conn).await.unwrap();
}
