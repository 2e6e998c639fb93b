//! Adding and editing monitors: many at once, in few statements.

use std::collections::HashMap;

use pingmon_core::{
    id::MonitorId,
    monitor::{self, Definition},
    store::catalog::{Change, Put},
    time::Timestamp,
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::batch::{ROWS, rows};
use crate::{
    codec::{from_json, instant, to_json},
    error,
};

/// A definition with its stored form.
pub(super) struct NewDefinition {
    definition: Definition,
    json: String,
}

impl NewDefinition {
    pub(super) fn new(definition: Definition) -> error::Result<Self> {
        let json = to_json("definition of a monitor", &definition)?;
        Ok(Self { definition, json })
    }
}

/// Adds or edits monitors by name; answers in the order of `definitions`.
pub(super) async fn put(
    conn: &mut SqliteConnection,
    definitions: &[NewDefinition],
    now: Timestamp,
) -> error::Result<Vec<Put>> {
    let stored = stored(conn, definitions).await?;
    let mut puts = Vec::with_capacity(definitions.len());
    let mut added = Vec::new();
    let mut edited = Vec::new();
    for new in definitions {
        let (id, change) = match stored.get(new.definition.name.as_str()) {
            None => {
                let row = Row::added(new, added.len(), now);
                added.push(row);
                (row.id, Change::Added)
            }
            Some(old) => match old.edited(new, now)? {
                None => (old.id(), Change::Unchanged),
                Some(row) => {
                    edited.push(row);
                    (row.id, Change::Changed)
                }
            },
        };
        puts.push(Put::new(id, new.definition.name.clone(), change));
    }
    add(conn, &added).await?;
    edit(conn, &edited).await?;
    Ok(puts)
}

/// A monitor as it is stored under a name.
#[derive(sqlx::FromRow)]
struct Stored {
    id: Uuid,
    name: String,
    definition: String,
    slot: i64,
}

impl Stored {
    fn id(&self) -> MonitorId {
        MonitorId::from_uuid(self.id)
    }

    /// What it becomes; none when the definition is what it was.
    fn edited<'a>(&self, new: &'a NewDefinition, now: Timestamp) -> error::Result<Option<Row<'a>>> {
        if self.definition == new.json {
            return Ok(None);
        }
        let old: Definition = from_json("definition of a monitor", &self.definition)?;
        if old == new.definition {
            return Ok(None);
        }
        let schedule = &new.definition.schedule;
        let slot = monitor::slot_after_edit(&old.schedule, schedule, instant(self.slot), self.id(), now);
        Ok(Some(Row { id: self.id(), new, slot }))
    }
}

const STORED: &str = concat!(
    "SELECT m.id, m.name, m.definition, s.slot FROM pingmon_monitors m JOIN pingmon_schedule s ON s.monitor = m.id
    WHERE m.state <> 'retired' AND m.name IN (",
    rows!("?"),
    ")"
);

/// What is stored under the names of `definitions`.
async fn stored(conn: &mut SqliteConnection, definitions: &[NewDefinition]) -> error::Result<HashMap<String, Stored>> {
    let mut stored = HashMap::new();
    for definitions in definitions.chunks(ROWS) {
        let mut query = sqlx::query_as::<_, Stored>(STORED);
        for new in definitions {
            query = query.bind(new.definition.name.as_str());
        }
        stored.extend(query.fetch_all(&mut *conn).await?.into_iter().map(|row| (row.name.clone(), row)));
    }
    Ok(stored)
}

/// A monitor as it is to be.
#[derive(Clone, Copy)]
struct Row<'a> {
    id: MonitorId,
    new: &'a NewDefinition,
    slot: Timestamp,
}

impl<'a> Row<'a> {
    fn added(new: &'a NewDefinition, position: usize, now: Timestamp) -> Self {
        Self { id: MonitorId::new(), new, slot: monitor::first_slot(&new.definition.schedule, position, now) }
    }
}

const ADD: &str = concat!(
    "INSERT INTO pingmon_monitors (id, name, origin, definition, state)
    SELECT *, 'active' FROM (VALUES ",
    rows!("(?,?,?,?)"),
    ") WHERE column1 IS NOT NULL"
);
const ADD_SCHEDULE: &str = concat!(
    "INSERT INTO pingmon_schedule (monitor, slot, kind, revision, active)
    SELECT *, 1, 1 FROM (VALUES ",
    rows!("(?,?,?)"),
    ") WHERE column1 IS NOT NULL"
);

async fn add(conn: &mut SqliteConnection, added: &[Row<'_>]) -> error::Result<()> {
    for added in added.chunks(ROWS) {
        let mut monitors = sqlx::query(ADD);
        let mut schedule = sqlx::query(ADD_SCHEDULE);
        for Row { id, new, slot } in added {
            let Definition { name, origin, kind, .. } = &new.definition;
            monitors = monitors.bind(*id.as_uuid()).bind(name).bind(origin.as_str()).bind(&new.json);
            schedule = schedule.bind(*id.as_uuid()).bind(slot.as_micros()).bind(kind);
        }
        monitors.execute(&mut *conn).await?;
        schedule.execute(&mut *conn).await?;
    }
    Ok(())
}

const EDIT: &str = concat!(
    "UPDATE pingmon_monitors SET origin = new.column2, definition = new.column3 FROM (VALUES ",
    rows!("(?,?,?)"),
    ") AS new WHERE id = new.column1"
);
// Whoever claims it next has the new definition.
const EDIT_SCHEDULE: &str = concat!(
    "UPDATE pingmon_schedule SET revision = revision + 1, owner = NULL, slot = new.column2, kind = new.column3
    FROM (VALUES ",
    rows!("(?,?,?)"),
    ") AS new WHERE monitor = new.column1"
);

async fn edit(conn: &mut SqliteConnection, edited: &[Row<'_>]) -> error::Result<()> {
    for edited in edited.chunks(ROWS) {
        let mut monitors = sqlx::query(EDIT);
        let mut schedule = sqlx::query(EDIT_SCHEDULE);
        for Row { id, new, slot } in edited {
            let Definition { origin, kind, .. } = &new.definition;
            monitors = monitors.bind(*id.as_uuid()).bind(origin.as_str()).bind(&new.json);
            schedule = schedule.bind(*id.as_uuid()).bind(slot.as_micros()).bind(kind);
        }
        monitors.execute(&mut *conn).await?;
        schedule.execute(&mut *conn).await?;
    }
    Ok(())
}
