//! Reads that pages and API share: pages of incidents, and many small reads at once.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use pingmon_core::{
    error::{Error, Result},
    id::MonitorId,
    incident::Incident,
    store::{Store, history::Record, incidents::IncidentFilter},
    time::Timestamp,
};

use crate::query::Cursor;

/// How long the reads behind one answer may take together.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);
/// How many small reads run at once.
const ABREAST: usize = 8;

/// Incidents of `filter` that come after `cursor`, at most `limit`.
pub(crate) async fn incidents(
    store: &dyn Store,
    filter: IncidentFilter,
    cursor: Option<Cursor>,
    limit: usize,
) -> Result<Vec<Incident>> {
    let Some(Cursor { at, seen }) = cursor else { return store.incidents(filter, limit).await };
    // With rows of that instant seen, it is asked for once more and those rows are passed over.
    let before = if seen == 0 { at } else { at + Duration::from_micros(1) };
    let mut rows = store.incidents(filter.before(before), limit + seen).await?;
    rows.drain(..seen.min(rows.iter().take_while(|incident| incident.opened_at == at).count()));
    Ok(rows)
}

/// The instants that order incidents.
pub(crate) fn opened(incidents: &[Incident]) -> Vec<Timestamp> {
    incidents.iter().map(|incident| incident.opened_at).collect()
}

/// The names of monitors. One that was deleted meanwhile is left out.
pub(crate) async fn names(
    store: &Arc<dyn Store>,
    ids: impl Iterator<Item = MonitorId>,
) -> Result<HashMap<MonitorId, String>> {
    let ids: BTreeSet<MonitorId> = ids.collect();
    let named = stream::iter(ids).map(|id| {
        let store = Arc::clone(store);
        async move {
            match store.monitor(id).await {
                Ok(overview) => Ok(Some((id, overview.monitor.definition.name))),
                Err(Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        }
    });
    named.buffer_unordered(ABREAST).try_filter_map(|named| async move { Ok(named) }).try_collect().await
}

/// The latest `limit` runs of each monitor, newest first, in the order of `ids`.
pub(crate) async fn histories(store: &Arc<dyn Store>, ids: Vec<MonitorId>, limit: usize) -> Result<Vec<Vec<Record>>> {
    let histories = stream::iter(ids).map(|id| {
        let store = Arc::clone(store);
        async move { store.records(id, None, limit).await }
    });
    histories.buffered(ABREAST).try_collect().await
}
