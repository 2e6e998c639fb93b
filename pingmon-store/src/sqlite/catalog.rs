//! The monitors that are defined. How they are added and edited stands in `definitions`.

use std::collections::HashSet;

use async_trait::async_trait;
use pingmon_core::{
    error::{Error, Result},
    id::{IncidentId, MonitorId},
    incident::Closed,
    monitor::{self, Definition, Origin, State},
    notification::{Affected, Subject, announce_end},
    schedule::Phase,
    store::{
        catalog::{Catalog, Change, Overview, Put},
        claims::{Gap, GapReason},
    },
    time::Timestamp,
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{
    SqliteStore,
    definitions::{self, NewDefinition},
    deliveries::DeliveryRow,
    groups, history, incidents, kept, outbox,
    rows::{MonitorRow, health_to, limit as row_limit},
};
use crate::{
    codec::{instant, to_json},
    error,
};

#[async_trait]
impl Catalog for SqliteStore {
    async fn put(&self, definitions: Vec<Definition>) -> Result<Vec<Put>> {
        const ACTION: &str = "put monitors";
        let definitions = prepare(ACTION, definitions)?;
        self.write(ACTION, move |conn, now| Box::pin(async move { definitions::put(conn, &definitions, now).await }))
            .await
    }

    async fn reconcile(&self, origin: &Origin, definitions: Vec<Definition>) -> Result<Vec<Put>> {
        const ACTION: &str = "reconcile monitors";
        let definitions = prepare(ACTION, definitions)?;
        let origin = origin.clone();
        let reconciled = self.write(ACTION, move |conn, now| {
            Box::pin(async move {
                let mut puts = definitions::put(conn, &definitions, now).await?;
                let kept: HashSet<_> = puts.iter().map(|put| put.id).collect();
                puts.extend(retire_others(conn, &origin, &kept, now).await?);
                Ok(puts)
            })
        });
        reconciled.await
    }

    async fn set_state(&self, id: MonitorId, state: State) -> Result<()> {
        let set = self.write("change the state of a monitor", move |conn, now| {
            Box::pin(async move {
                let row = find(conn, id).await?;
                let old = row.monitor()?.state;
                match state {
                    _ if old == state => Ok(()),
                    _ if old == State::Retired => Err(unknown(id).into()),
                    State::Active => resume(conn, &row, now).await,
                    State::Paused | State::Retired => unwatch(conn, &row, state, now).await,
                }
            })
        });
        set.await
    }

    async fn delete(&self, id: MonitorId) -> Result<()> {
        let delete = self.write("delete a monitor", move |conn, _| {
            Box::pin(async move {
                groups::hand_on(conn, *id.as_uuid()).await?;
                Ok(sqlx::query(DELETE).bind(*id.as_uuid()).execute(conn).await?.rows_affected())
            })
        });
        if delete.await? == 0 { Err(unknown(id)) } else { Ok(()) }
    }

    async fn monitor(&self, id: MonitorId) -> Result<Overview> {
        let read = self.read("read a monitor", move |conn| Box::pin(async move { find(conn, id).await?.overview() }));
        read.await
    }

    async fn named(&self, names: &[String]) -> Result<Vec<Overview>> {
        let names = names.to_vec();
        let named = self.read("read monitors by name", move |conn| {
            Box::pin(async move {
                let names = to_json("list of names", &names)?;
                let rows = sqlx::query_as::<_, MonitorRow>(NAMED).bind(names).fetch_all(conn).await?;
                rows.iter().map(MonitorRow::overview).collect()
            })
        });
        named.await
    }

    async fn hasten(&self, monitors: &[MonitorId]) -> Result<()> {
        let monitors: Vec<_> = monitors.iter().map(|monitor| *monitor.as_uuid()).collect();
        let hastened = self.write("make monitors due at once", move |conn, now| {
            Box::pin(async move {
                for monitor in monitors {
                    sqlx::query(HASTEN).bind(monitor).bind(now.as_micros()).execute(&mut *conn).await?;
                }
                Ok(())
            })
        });
        hastened.await
    }

    async fn dependents(&self, name: &str, limit: usize) -> Result<Affected> {
        let name = name.to_owned();
        let dependents = self.read("look for what depends on a monitor", move |conn| {
            Box::pin(async move {
                let names: Vec<String> = sqlx::query_scalar(DEPENDENTS).bind(name).fetch_all(conn).await?;
                Ok(Affected::new(names.len() as u64, names.into_iter().take(limit).collect()))
            })
        });
        dependents.await
    }

    async fn monitors(&self, after: Option<&str>, limit: usize) -> Result<Vec<Overview>> {
        let after = after.unwrap_or_default().to_owned();
        let list = self.read("list monitors", move |conn| {
            Box::pin(async move {
                let query = sqlx::query_as::<_, MonitorRow>(LIST).bind(after).bind(row_limit(limit));
                query.fetch_all(conn).await?.iter().map(MonitorRow::overview).collect()
            })
        });
        list.await
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT m.id, m.state, m.definition, s.revision, s.slot, s.health
            FROM pingmon_monitors m JOIN pingmon_schedule s ON s.monitor = m.id ",
            $rest
        )
    };
}

const FIND: &str = select!("WHERE m.id = ?1");
const NAMED: &str =
    select!("WHERE m.name IN (SELECT value FROM json_each(?1)) AND m.state <> 'retired' ORDER BY m.name");
const HASTEN: &str = "UPDATE pingmon_schedule SET revision = revision + 1, owner = NULL, slot = ?2
    WHERE monitor = ?1 AND active AND slot > ?2";
// The condition repeats that of the index, in which stands only what depends on something.
const DEPENDENTS: &str = "WITH RECURSIVE links (child, parent) AS MATERIALIZED (
        SELECT m.name, parent.value
        FROM pingmon_monitors m INDEXED BY pingmon_monitors_depending, json_each(m.definition, '$.depends_on') AS parent
        WHERE json_type(m.definition, '$.depends_on') IS NOT NULL AND m.state = 'active'),
    below (name) AS (
        SELECT child FROM links WHERE parent = ?1
        UNION SELECT child FROM below JOIN links ON links.parent = below.name)
    SELECT name FROM below WHERE name <> ?1 ORDER BY name";
const LIST: &str = select!("WHERE m.name > ?1 AND m.state <> 'retired' ORDER BY m.name LIMIT ?2");
// Its past goes with it: what refers to a monitor is deleted on cascade.
const DELETE: &str = "DELETE FROM pingmon_monitors WHERE id = ?";

fn prepare(action: &'static str, definitions: Vec<Definition>) -> Result<Vec<NewDefinition>> {
    monitor::validate_all(&definitions)?;
    let written: error::Result<_> = definitions.into_iter().map(NewDefinition::new).collect();
    written.map_err(|failure| failure.into_error(action, |_| false))
}

fn unknown(id: MonitorId) -> Error {
    Error::not_found(format!("monitor {id}"))
}

async fn find(conn: &mut SqliteConnection, id: MonitorId) -> error::Result<MonitorRow> {
    let row = sqlx::query_as(FIND).bind(*id.as_uuid()).fetch_optional(conn).await?;
    row.ok_or_else(|| unknown(id).into())
}

const OTHERS: &str = "SELECT id, name FROM pingmon_monitors WHERE origin = ? AND state <> 'retired' ORDER BY name";

/// Retires what has this origin and isn't kept, by name.
async fn retire_others(
    conn: &mut SqliteConnection,
    origin: &Origin,
    kept: &HashSet<MonitorId>,
    now: Timestamp,
) -> error::Result<Vec<Put>> {
    let mut retired = Vec::new();
    let rows: Vec<(Uuid, String)> = sqlx::query_as(OTHERS).bind(origin.as_str()).fetch_all(&mut *conn).await?;
    for (id, name) in rows {
        let id = MonitorId::from_uuid(id);
        if !kept.contains(&id) {
            let row = find(conn, id).await?;
            unwatch(conn, &row, State::Retired, now).await?;
            retired.push(Put::new(id, name, Change::Retired));
        }
    }
    Ok(retired)
}

async fn resume(conn: &mut SqliteConnection, row: &MonitorRow, now: Timestamp) -> error::Result<()> {
    let monitor = row.monitor()?;
    let pending = instant(row.slot);
    if pending < now {
        let slots = monitor.definition.schedule.count(pending, now, Phase::of(monitor.id));
        let gap = Gap::new(pending, now, slots, GapReason::Paused);
        history::record_gaps(conn, &[(monitor.id, gap)]).await?;
    }
    set_state(conn, monitor.id, State::Active, now, row.health.as_deref()).await
}

/// Pauses or retires a monitor: closes what is open about it and tells its channels.
async fn unwatch(conn: &mut SqliteConnection, row: &MonitorRow, state: State, now: Timestamp) -> error::Result<()> {
    let monitor = row.monitor()?;
    let why = if state == State::Retired { Closed::Retired } else { Closed::Paused };
    let (health, transitions) = monitor::unwatch(&monitor, &row.health()?, why, now);
    let closed: Vec<_> = transitions.iter().map(|transition| transition.to_incident(monitor.id, "")).collect();
    incidents::write(conn, &closed).await?;
    let subject = Subject::of(&monitor);
    let mut deliveries = Vec::new();
    for end in transitions {
        deliveries.extend(announce_end(&subject, end, outbox::told(conn, end.incident.id).await?));
    }
    let deliveries: Vec<_> = deliveries.iter().map(DeliveryRow::from_delivery).collect::<error::Result<_>>()?;
    outbox::enqueue(conn, &deliveries).await?;
    if state == State::Retired {
        kept::forget(conn, monitor.id).await?;
    }
    set_state(conn, monitor.id, state, instant(row.slot), Some(&health_to(&health)?)).await
}

/// Notes in a monitor's health that an incident is acknowledged; as after an edit, nobody owns it then.
pub(super) async fn acknowledge(conn: &mut SqliteConnection, id: MonitorId, incident: IncidentId) -> error::Result<()> {
    let row = find(conn, id).await?;
    let Some(health) = row.health()?.acknowledged(incident) else { return Ok(()) };
    let state = row.monitor()?.state;
    set_state(conn, id, state, instant(row.slot), Some(&health_to(&health)?)).await
}

const SET_STATE: &str = "UPDATE pingmon_monitors SET state = ?2 WHERE id = ?1";
const RESCHEDULE: &str = "UPDATE pingmon_schedule
    SET revision = revision + 1, owner = NULL, active = ?2, slot = ?3, health = ?4 WHERE monitor = ?1";

/// A new revision in that state, which nobody owns.
async fn set_state(
    conn: &mut SqliteConnection,
    id: MonitorId,
    state: State,
    slot: Timestamp,
    health: Option<&str>,
) -> error::Result<()> {
    sqlx::query(SET_STATE).bind(*id.as_uuid()).bind(state.as_str()).execute(&mut *conn).await?;
    let reschedule = sqlx::query(RESCHEDULE).bind(*id.as_uuid()).bind(state == State::Active);
    reschedule.bind(slot.as_micros()).bind(health).execute(conn).await?;
    Ok(())
}
