//! The monitors that are defined. How they are added and edited stands in `definitions`.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use pingmon_core::{
    error::{Error, Result},
    id::{IncidentId, MonitorId},
    incident::Closed,
    monitor::{self, Definition, Origin, State},
    notification::{Affected, Subject, announce_end},
    schedule::Phase,
    store::{
        catalog::{Adoption, Catalog, Change, Overview, Put},
        claims::{Gap, GapReason},
    },
    time::Timestamp,
};
use uuid::Uuid;

use super::{
    PgStore,
    definitions::{NewDefinition, Plan},
    deliveries::DeliveryRow,
    groups, history, incidents, intake, kept, outbox,
    rows::{MonitorRow, health_to, limit as row_limit, uuids},
    sessions,
    transactions::Transaction,
    unreadable::readable,
};
use crate::error;

#[async_trait]
impl Catalog for PgStore {
    async fn put(&self, definitions: Vec<Definition>) -> Result<Vec<Put>> {
        const ACTION: &str = "put monitors";
        let definitions = prepare(ACTION, definitions)?;
        let put = self.administer(ACTION, move |mut tx| {
            Box::pin(async move {
                lock_catalog(&mut tx).await?;
                let plan = Plan::new(&mut tx, &definitions).await?;
                let pending = lock(&mut tx, plan.edited()).await?;
                let now = sessions::now(&mut tx).await?;
                plan.carry_out(&mut tx, &pending, now).await
            })
        });
        put.await
    }

    async fn reconcile(&self, origin: &Origin, definitions: Vec<Definition>) -> Result<Vec<Put>> {
        const ACTION: &str = "reconcile monitors";
        let definitions = prepare(ACTION, definitions)?;
        let origin = origin.clone();
        let reconciled = self.administer(ACTION, move |mut tx| {
            Box::pin(async move {
                lock_catalog(&mut tx).await?;
                let plan = Plan::new(&mut tx, &definitions).await?;
                let others = others(&mut tx, &origin, plan.puts()).await?;
                let pending = lock(&mut tx, plan.edited().chain(others.iter().map(|put| put.id))).await?;
                let now = sessions::now(&mut tx).await?;
                let mut puts = plan.carry_out(&mut tx, &pending, now).await?;
                for retired in &others {
                    let row = find(&mut tx, retired.id).await?;
                    unwatch(&mut tx, &row, State::Retired, now).await?;
                }
                puts.extend(others);
                Ok(puts)
            })
        });
        reconciled.await
    }

    async fn set_state(&self, id: MonitorId, state: State) -> Result<()> {
        let set = self.write("change the state of a monitor", move |mut tx| {
            Box::pin(async move {
                lock_catalog(&mut tx).await?;
                lock(&mut tx, [id]).await?;
                let now = sessions::now(&mut tx).await?;
                let row = find(&mut tx, id).await?;
                let old = row.monitor()?.state;
                match state {
                    _ if old == state => Ok(()),
                    _ if old == State::Retired => Err(unknown(id).into()),
                    State::Active => resume(&mut tx, &row, now).await,
                    State::Paused | State::Retired => unwatch(&mut tx, &row, state, now).await,
                }
            })
        });
        set.await
    }

    async fn delete(&self, id: MonitorId) -> Result<()> {
        let delete = self.administer("delete a monitor", move |mut tx| {
            Box::pin(async move {
                lock_catalog(&mut tx).await?;
                if lock(&mut tx, [id]).await?.is_empty() {
                    return Err(unknown(id).into());
                }
                for statement in DELETE {
                    tx.query(statement).bind(*id.as_uuid()).execute(tx.conn()).await?;
                }
                Ok(())
            })
        });
        delete.await
    }

    async fn monitor(&self, id: MonitorId) -> Result<Overview> {
        let read =
            self.read("read a monitor", move |mut tx| Box::pin(async move { find(&mut tx, id).await?.overview() }));
        read.await
    }

    async fn named(&self, names: &[String]) -> Result<Vec<Overview>> {
        let names = names.to_vec();
        let named = self.read("read monitors by name", move |mut tx| {
            Box::pin(async move {
                let rows: Vec<MonitorRow> = tx.rows(NAMED).bind(names).fetch_all(tx.conn()).await?;
                Ok(readable(rows, MonitorRow::overview).0)
            })
        });
        named.await
    }

    async fn hasten(&self, monitors: &[MonitorId]) -> Result<()> {
        let monitors = uuids(monitors);
        let hastened = self.write("make monitors due at once", move |mut tx| {
            Box::pin(async move {
                tx.query(HASTEN).bind(monitors).execute(tx.conn()).await?;
                Ok(())
            })
        });
        hastened.await
    }

    async fn dependents(&self, name: &str, limit: usize) -> Result<Affected> {
        let name = name.to_owned();
        let dependents = self.read("look for what depends on a monitor", move |mut tx| {
            Box::pin(async move {
                let query = tx.rows::<(i64, Vec<String>)>(DEPENDENTS).bind(name).bind(row_limit(limit));
                let (count, names) = query.fetch_one(tx.conn()).await?;
                Ok(Affected::new(count.unsigned_abs(), names))
            })
        });
        dependents.await
    }

    async fn monitors(&self, after: Option<&str>, limit: usize) -> Result<Vec<Overview>> {
        let after = after.unwrap_or_default().to_owned();
        self.read("list monitors", move |mut tx| Box::pin(async move { list(&mut tx, after, limit).await })).await
    }

    async fn adopt(&self, limit: usize) -> Result<Vec<Adoption>> {
        intake::adopt(self, limit).await
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT m.id, m.name, m.state, m.definition::text, s.revision, s.slot, s.health::text
            FROM {schema}.monitors m JOIN {schema}.schedule s ON s.monitor = m.id ",
            $rest
        )
    };
}

const FIND: &str = select!("WHERE m.id = $1");
const NAMED: &str = select!("WHERE m.name = ANY($1) AND m.state <> 'retired' ORDER BY m.name");
// In the order in which all lock them.
const HASTEN: &str = "WITH late AS MATERIALIZED (
        SELECT monitor FROM {schema}.schedule WHERE monitor = ANY($1) AND active ORDER BY monitor FOR UPDATE)
    UPDATE {schema}.schedule s SET revision = s.revision + 1, owner = NULL, slot = {schema}.clock()
    FROM late WHERE s.monitor = late.monitor AND s.slot > {schema}.clock()";
// Step by step along the index of what monitors depend on.
const DEPENDENTS: &str = "WITH RECURSIVE below (name) AS (
        SELECT m.name FROM {schema}.monitors m
        WHERE (m.definition -> 'depends_on') IS NOT NULL
            AND (m.definition -> 'depends_on')::jsonb @> to_jsonb($1::text) AND m.state = 'active'
        UNION SELECT m.name FROM below JOIN {schema}.monitors m
            ON (m.definition -> 'depends_on') IS NOT NULL
            AND (m.definition -> 'depends_on')::jsonb @> to_jsonb(below.name) AND m.state = 'active'),
    others AS (SELECT name FROM below WHERE name <> $1)
    SELECT (SELECT count(*) FROM others),
        coalesce((SELECT array_agg(name ORDER BY name) FROM (SELECT name FROM others ORDER BY name LIMIT $2) AS f), '{}')";
const LIST: &str = select!("WHERE m.name > $1 AND m.state <> 'retired' ORDER BY m.name LIMIT $2");
// Its past goes first, its schedule row with it: nobody writes of it while that is locked. Of results there may be too
// many for one transaction: they can't be read from now on, and `retention` removes them.
const DELETE: [&str; 6] = [
    "INSERT INTO {schema}.deleted (monitor) VALUES ($1)",
    "DELETE FROM {schema}.gaps WHERE monitor = $1",
    "DELETE FROM {schema}.incidents WHERE monitor = $1",
    groups::HAND_ON,
    "DELETE FROM {schema}.deliveries WHERE monitor = $1",
    "DELETE FROM {schema}.monitors WHERE id = $1",
];

/// Up to `limit` monitors that can be read: what lies between them takes no place, or a page would end too early.
async fn list(tx: &mut Transaction<'_>, mut after: String, limit: usize) -> error::Result<Vec<Overview>> {
    let mut list = Vec::new();
    loop {
        let room = limit - list.len();
        let rows: Vec<MonitorRow> = tx.rows(LIST).bind(&after).bind(row_limit(room)).fetch_all(tx.conn()).await?;
        let last = rows.last().filter(|_| rows.len() == room).map(|row| row.name.clone());
        list.extend(readable(rows, MonitorRow::overview).0);
        match last {
            Some(name) if list.len() < limit => after = name,
            _ => return Ok(list),
        }
    }
}

fn prepare(action: &'static str, definitions: Vec<Definition>) -> Result<Vec<NewDefinition>> {
    monitor::validate_all(&definitions)?;
    let written: error::Result<_> = definitions.into_iter().map(NewDefinition::new).collect();
    written.map_err(|failure| failure.into_error(action, |_| false))
}

fn unknown(id: MonitorId) -> Error {
    Error::not_found(format!("monitor {id}"))
}

// Keeps other editors away, and nobody else: claims and runs only read the monitors.
const LOCK_CATALOG: &str = "LOCK TABLE {schema}.monitors IN SHARE ROW EXCLUSIVE MODE";

/// Waits until nobody else edits the catalog: two that add one name at once would both find it free.
pub(super) async fn lock_catalog(tx: &mut Transaction<'_>) -> error::Result<()> {
    tx.query(LOCK_CATALOG).execute(tx.conn()).await?;
    Ok(())
}

const LOCK: &str = "SELECT monitor, slot FROM {schema}.schedule WHERE monitor = ANY($1) ORDER BY monitor FOR UPDATE";

/// Locks monitors: their runs are stored before or, as late ones, refused. Answers the pending slots of those that there
/// are.
async fn lock(
    tx: &mut Transaction<'_>,
    monitors: impl IntoIterator<Item = MonitorId>,
) -> error::Result<HashMap<MonitorId, Timestamp>> {
    let monitors: Vec<_> = monitors.into_iter().collect();
    let rows = tx.rows::<(Uuid, DateTime<Utc>)>(LOCK).bind(uuids(&monitors)).fetch_all(tx.conn()).await?;
    Ok(rows.into_iter().map(|(monitor, slot)| (MonitorId::from_uuid(monitor), slot.into())).collect())
}

async fn find(tx: &mut Transaction<'_>, id: MonitorId) -> error::Result<MonitorRow> {
    let row = tx.rows(FIND).bind(*id.as_uuid()).fetch_optional(tx.conn()).await?;
    row.ok_or_else(|| unknown(id).into())
}

const OTHERS: &str = "SELECT id, name FROM {schema}.monitors WHERE origin = $1 AND state <> 'retired' ORDER BY name";

/// What has this origin and isn't put, by name: to be retired.
async fn others(tx: &mut Transaction<'_>, origin: &Origin, puts: &[Put]) -> error::Result<Vec<Put>> {
    let kept: HashSet<_> = puts.iter().map(|put| put.id).collect();
    let rows: Vec<(Uuid, String)> = tx.rows(OTHERS).bind(origin.as_str()).fetch_all(tx.conn()).await?;
    let rows = rows.into_iter().map(|(id, name)| Put::new(MonitorId::from_uuid(id), name, Change::Retired));
    Ok(rows.filter(|put| !kept.contains(&put.id)).collect())
}

async fn resume(tx: &mut Transaction<'_>, row: &MonitorRow, now: Timestamp) -> error::Result<()> {
    let monitor = row.monitor()?;
    let pending = row.slot.into();
    if pending < now {
        let slots = monitor.definition.schedule.count(pending, now, Phase::of(monitor.id));
        let gap = Gap::new(pending, now, slots, GapReason::Paused);
        history::record_gaps(tx, &[(monitor.id, gap)]).await?;
    }
    set_state(tx, monitor.id, State::Active, now, row.health.as_deref()).await
}

/// Pauses or retires a monitor: closes what is open about it and tells its channels.
async fn unwatch(tx: &mut Transaction<'_>, row: &MonitorRow, state: State, now: Timestamp) -> error::Result<()> {
    let monitor = row.monitor()?;
    let why = if state == State::Retired { Closed::Retired } else { Closed::Paused };
    let (health, transitions) = monitor::unwatch(&monitor, &row.health()?, why, now);
    let closed: Vec<_> = transitions.iter().map(|transition| transition.to_incident(monitor.id, "")).collect();
    incidents::write(tx, &closed).await?;
    let subject = Subject::of(&monitor);
    let mut deliveries = Vec::new();
    for end in transitions {
        deliveries.extend(announce_end(&subject, end, outbox::told(tx, end.incident.id).await?));
    }
    let deliveries: Vec<_> = deliveries.iter().map(DeliveryRow::from_delivery).collect::<error::Result<_>>()?;
    outbox::enqueue(tx, &deliveries.iter().collect::<Vec<_>>()).await?;
    if state == State::Retired {
        kept::forget(tx, monitor.id).await?;
    }
    set_state(tx, monitor.id, state, row.slot.into(), Some(&health_to(&health)?)).await
}

/// Locks a monitor and notes in its health that an incident is acknowledged; as after an edit, nobody owns it then.
pub(super) async fn acknowledge(tx: &mut Transaction<'_>, id: MonitorId, incident: IncidentId) -> error::Result<()> {
    lock(tx, [id]).await?;
    let row = find(tx, id).await?;
    let Some(health) = row.health()?.acknowledged(incident) else { return Ok(()) };
    let reschedule = tx.query(RESCHEDULE).bind(*id.as_uuid()).bind(row.monitor()?.state == State::Active);
    reschedule.bind(row.slot).bind(health_to(&health)?).execute(tx.conn()).await?;
    Ok(())
}

const SET_STATE: &str = "UPDATE {schema}.monitors SET state = $2 WHERE id = $1";
const RESCHEDULE: &str = "UPDATE {schema}.schedule
    SET revision = revision + 1, owner = NULL, active = $2, slot = $3, health = $4::text::json WHERE monitor = $1";

/// A new revision in that state, which nobody owns.
async fn set_state(
    tx: &mut Transaction<'_>,
    id: MonitorId,
    state: State,
    slot: Timestamp,
    health: Option<&str>,
) -> error::Result<()> {
    tx.query(SET_STATE).bind(*id.as_uuid()).bind(state.as_str()).execute(tx.conn()).await?;
    let reschedule = tx.query(RESCHEDULE).bind(*id.as_uuid()).bind(state == State::Active);
    reschedule.bind(slot.to_datetime()).bind(health).execute(tx.conn()).await?;
    Ok(())
}
