//! What monitors keep from run to run.

use pingmon_core::{error::Result, id::MonitorId};
use sqlx::SqliteConnection;

use super::SqliteStore;
use crate::error;

const KEPT: &str = "SELECT bytes FROM pingmon_kept WHERE monitor = ?";
const KEEP: &str = "INSERT INTO pingmon_kept (monitor, bytes) VALUES (?, ?)
    ON CONFLICT (monitor) DO UPDATE SET bytes = excluded.bytes";
const FORGET: &str = "DELETE FROM pingmon_kept WHERE monitor = ?";

/// What a monitor keeps.
pub(super) async fn kept(store: &SqliteStore, monitor: MonitorId) -> Result<Option<Vec<u8>>> {
    let kept = store.read("read what a monitor keeps", move |conn| {
        Box::pin(async move { Ok(sqlx::query_scalar(KEPT).bind(*monitor.as_uuid()).fetch_optional(conn).await?) })
    });
    kept.await
}

/// Has a monitor keep these bytes in place of what it kept.
pub(super) async fn keep(conn: &mut SqliteConnection, monitor: MonitorId, bytes: &[u8]) -> error::Result<()> {
    sqlx::query(KEEP).bind(*monitor.as_uuid()).bind(bytes).execute(conn).await?;
    Ok(())
}

/// Has a monitor keep nothing any more.
pub(super) async fn forget(conn: &mut SqliteConnection, monitor: MonitorId) -> error::Result<()> {
    sqlx::query(FORGET).bind(*monitor.as_uuid()).execute(conn).await?;
    Ok(())
}
