//! The one transaction of a run: read only, limited in time, and ended even when a pooler will give the server's
//! connection to somebody else.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, raw_sql};
use tokio::time::Instant;

use crate::postgres::refusal::Refusal;

/// A connection inside its transaction.
pub(super) struct Session(PgConnection);

impl Session {
    /// Begins the transaction. A statement may take nine tenths of what is left until `ends_at`, so that the server
    /// gives up before we do; if we vanish, the server ends the transaction after the same time.
    pub(super) async fn begin(mut connection: PgConnection, ends_at: Instant) -> Result<Self, Refusal> {
        let limit = millis(ends_at.saturating_duration_since(Instant::now()) * 9 / 10);
        // One message, and `set local`: nothing outlives the transaction, whoever's connection it is.
        let begin = format!(
            "begin read only; set local statement_timeout = {limit}; \
             set local idle_in_transaction_session_timeout = {limit}; set local cursor_tuple_fraction = 1"
        );
        raw_sql(AssertSqlSafe(begin)).execute(&mut connection).await.map_err(Refusal::asking)?;
        Ok(Self(connection))
    }

    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.0
    }

    /// Ends the transaction and closes the connection.
    pub(super) async fn end(mut self) -> Result<(), sqlx::Error> {
        raw_sql("rollback").execute(&mut self.0).await?;
        self.0.close().await
    }
}

/// Whole milliseconds, at least one: to PostgreSQL zero is no limit.
fn millis(limit: Duration) -> i32 {
    i32::try_from(limit.as_millis()).unwrap_or(i32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_never_zero_which_would_mean_none() {
        assert_eq!(millis(Duration::ZERO), 1);
        assert_eq!(millis(Duration::from_millis(1_500)), 1_500);
        assert_eq!(millis(Duration::MAX), i32::MAX);
    }
}
