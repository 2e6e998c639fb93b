//! Figures that the server keeps about itself. Each is one statement in the simple protocol, which needs no name a
//! pooler could lose, and is measured before it is judged.

use std::time::Duration;

use pingmon_core::{
    outcome::{Metric, millis},
    time::Span,
};
use sqlx::{
    PgConnection, Row as _,
    postgres::PgRow,
    raw_sql,
    types::chrono::{DateTime, Utc},
};

use crate::{judgement::Judgement, levels::Levels, percent::Percent, postgres::refusal::Refusal};

/// The first statement of the transaction: it takes the snapshot, after which no later one can leave read only.
const SERVER: &str = "select current_setting('server_version'), pg_is_in_recovery(), clock_timestamp()";

/// Sessions of clients. What they are is hidden from roles that may not see them; that they exist isn't.
const CONNECTIONS: &str = "
    select count(*)::int8,
           current_setting('max_connections')::int8
               - current_setting('superuser_reserved_connections')::int8
               - coalesce(current_setting('reserved_connections', true), '0')::int8
      from pg_stat_activity
     where datid is not null and usesysid is not null
       and coalesce(backend_type, 'client backend') = 'client backend'";

/// Age of the oldest transaction that we see in seconds, and how many sessions hide theirs from us.
const LONGEST_TRANSACTION: &str = "
    select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0)::float8,
           count(*) filter (where backend_type is null)::int8
      from pg_stat_activity
     where pid <> pg_backend_pid() and datid is not null and usesysid is not null
       and coalesce(backend_type, 'client backend') = 'client backend'";

const BLOCKED_LOCKS: &str = "select count(distinct pid)::int8 from pg_locks where not granted";

/// What a server says about itself.
pub(super) struct Server {
    /// One line for people.
    pub(super) summary: String,
    /// Its time at the start of the run.
    pub(super) clock: DateTime<Utc>,
}

/// Asks for version, role and time.
pub(super) async fn server(connection: &mut PgConnection, judgement: &mut Judgement) -> Result<Server, Refusal> {
    let row = one(connection, SERVER).await?;
    let (version, standby): (String, bool) = (get(&row, 0)?, get(&row, 1)?);
    let role = if standby { "standby" } else { "primary" };
    let summary = format!("PostgreSQL {version} ({role})");
    judgement.evidence("server_version", version);
    judgement.evidence("role", role);
    Ok(Server { summary, clock: get(&row, 2)? })
}

/// Connections against what ordinary roles may have.
pub(super) async fn connections(
    connection: &mut PgConnection,
    levels: &Levels<Percent>,
    judgement: &mut Judgement,
) -> Result<(), Refusal> {
    let row = one(connection, CONNECTIONS).await?;
    let (open, most): (i64, i64) = (get(&row, 0)?, get(&row, 1)?);
    judgement.metric(Metric::new("connections", open as f64, ""));
    judgement.metric(Metric::new("connections_max", most as f64, ""));
    let Some(used) = Percent::of(open as f64, most as f64) else {
        judgement.unjudged("connections", "the server reserves all of max_connections");
        return Ok(());
    };
    judgement.metric(Metric::new("connections_used", used.value(), "percent"));
    judgement.level(levels, "connections", used);
    Ok(())
}

/// The oldest open transaction.
pub(super) async fn longest_transaction(
    connection: &mut PgConnection,
    levels: &Levels<Span>,
    judgement: &mut Judgement,
) -> Result<(), Refusal> {
    const NAME: &str = "longest_transaction";
    let row = one(connection, LONGEST_TRANSACTION).await?;
    let (seconds, hidden): (f64, i64) = (get(&row, 0)?, get(&row, 1)?);
    // To the millisecond: what lies below is noise in a message.
    let longest = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let longest = Duration::from_millis(u64::try_from(longest.as_millis()).unwrap_or(u64::MAX));
    judgement.metric(Metric::new(NAME, millis(longest), "ms"));
    if hidden > 0 && levels.reached(Span(longest)).is_none() {
        let reason = format!("{hidden} sessions hide theirs; grant pg_read_all_stats to pingmon's role");
        judgement.unjudged(NAME, reason);
    }
    judgement.level(levels, NAME, Span(longest));
    Ok(())
}

/// Sessions that wait for a lock.
pub(super) async fn blocked_locks(
    connection: &mut PgConnection,
    levels: &Levels<u64>,
    judgement: &mut Judgement,
) -> Result<(), Refusal> {
    let waiting: i64 = get(&one(connection, BLOCKED_LOCKS).await?, 0)?;
    let waiting = u64::try_from(waiting).unwrap_or(0);
    judgement.metric(Metric::new("blocked_locks", waiting as f64, ""));
    judgement.level(levels, "blocked_locks", waiting);
    Ok(())
}

async fn one(connection: &mut PgConnection, sql: &'static str) -> Result<PgRow, Refusal> {
    raw_sql(sql).fetch_one(connection).await.map_err(Refusal::measuring)
}

fn get<'r, T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>>(
    row: &'r PgRow,
    column: usize,
) -> Result<T, Refusal> {
    row.try_get(column).map_err(Refusal::measuring)
}
