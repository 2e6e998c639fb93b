//! What monitors keep from run to run.

use pingmon_core::{error::Result, id::MonitorId};

use super::{
    PgStore,
    batch::{column, waves},
    transactions::Transaction,
};
use crate::error;

const KEPT: &str = "SELECT bytes FROM {schema}.kept WHERE monitor = $1";
const KEEP: &str = "INSERT INTO {schema}.kept (monitor, bytes) SELECT * FROM unnest($1::uuid[], $2::bytea[])
    ON CONFLICT (monitor) DO UPDATE SET bytes = excluded.bytes";
const FORGET: &str = "DELETE FROM {schema}.kept WHERE monitor = $1";

/// What a monitor keeps.
pub(super) async fn kept(store: &PgStore, monitor: MonitorId) -> Result<Option<Vec<u8>>> {
    let kept = store.read("read what a monitor keeps", move |mut tx| {
        Box::pin(async move { Ok(tx.values(KEPT).bind(*monitor.as_uuid()).fetch_optional(tx.conn()).await?) })
    });
    kept.await
}

/// Has monitors keep these bytes in place of what they kept. They are locked.
pub(super) async fn keep(
    tx: &mut Transaction<'_>,
    keep: impl IntoIterator<Item = (MonitorId, &[u8])>,
) -> error::Result<()> {
    for keep in waves(keep, |(monitor, _)| *monitor) {
        let query = tx.query(KEEP).bind(column(&keep, |(monitor, _)| *monitor.as_uuid()));
        query.bind(column(&keep, |(_, bytes)| *bytes)).execute(tx.conn()).await?;
    }
    Ok(())
}

/// Has a monitor keep nothing any more.
pub(super) async fn forget(tx: &mut Transaction<'_>, monitor: MonitorId) -> error::Result<()> {
    tx.query(FORGET).bind(*monitor.as_uuid()).execute(tx.conn()).await?;
    Ok(())
}
