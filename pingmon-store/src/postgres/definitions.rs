//! Adding and editing monitors: many at once, in few statements.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use pingmon_core::{
    id::MonitorId,
    monitor::{self, Definition},
    store::catalog::{Change, Put},
    time::Timestamp,
};
use uuid::Uuid;

use super::{batch::column, transactions::Transaction};
use crate::{
    codec::{from_json, to_json},
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

    pub(super) fn name(&self) -> &str {
        &self.definition.name
    }
}

/// What is to be done to make the stored monitors as they are defined.
pub(super) struct Plan<'a> {
    puts: Vec<Put>,
    added: Vec<(MonitorId, &'a NewDefinition)>,
    edited: Vec<Edit<'a>>,
}

struct Edit<'a> {
    id: MonitorId,
    /// None when it can't be read.
    old: Option<Definition>,
    new: &'a NewDefinition,
}

impl<'a> Plan<'a> {
    /// Compares definitions with what is stored under their names. The catalog is locked.
    pub(super) async fn new(tx: &mut Transaction<'_>, definitions: &'a [NewDefinition]) -> error::Result<Self> {
        let stored = stored(tx, definitions).await?;
        let mut plan = Self { puts: Vec::with_capacity(definitions.len()), added: Vec::new(), edited: Vec::new() };
        for new in definitions {
            let name = new.definition.name.as_str();
            let (id, change) = match stored.get(name) {
                None => (MonitorId::new(), Change::Added),
                Some((id, json)) => match edit(*id, json, new) {
                    None => (*id, Change::Unchanged),
                    Some(edit) => {
                        plan.edited.push(edit);
                        (*id, Change::Changed)
                    }
                },
            };
            if change == Change::Added {
                plan.added.push((id, new));
            }
            plan.puts.push(Put::new(id, name.to_owned(), change));
        }
        Ok(plan)
    }

    /// What will have been done, in the order of the definitions.
    pub(super) fn puts(&self) -> &[Put] {
        &self.puts
    }

    /// The monitors that will be edited: to be locked before.
    pub(super) fn edited(&self) -> impl Iterator<Item = MonitorId> {
        self.edited.iter().map(|edit| edit.id)
    }

    /// Does it. The monitors to be edited are locked, and `pending` has their slots.
    pub(super) async fn carry_out(
        self,
        tx: &mut Transaction<'_>,
        pending: &HashMap<MonitorId, Timestamp>,
        now: Timestamp,
    ) -> error::Result<Vec<Put>> {
        let first = |position, (id, new): &(MonitorId, &'a NewDefinition)| {
            let slot = monitor::first_slot(&new.definition.schedule, position, now);
            Row { id: *id, new, slot }
        };
        let added: Vec<_> = self.added.iter().enumerate().map(|(position, added)| first(position, added)).collect();
        write(tx, ADD, ADD_SCHEDULE, &added).await?;
        let moved = |Edit { id, old, new }: &Edit<'a>| {
            let pending = pending.get(id).copied().unwrap_or(now);
            let schedule = &new.definition.schedule;
            let old = old.as_ref().map_or(schedule, |old| &old.schedule);
            let slot = monitor::slot_after_edit(old, schedule, pending, *id, now);
            Row { id: *id, new, slot }
        };
        write(tx, EDIT, EDIT_SCHEDULE, &column(&self.edited, moved)).await?;
        Ok(self.puts)
    }
}

/// What a stored monitor becomes; none when the definition is what it was.
fn edit<'a>(id: MonitorId, json: &str, new: &'a NewDefinition) -> Option<Edit<'a>> {
    if json == new.json {
        return None;
    }
    let old = from_json::<Definition>("definition of a monitor", json).ok();
    (old.as_ref() != Some(&new.definition)).then_some(Edit { id, old, new })
}

/// How many definitions one statement reads or writes: a server that is busy still answers it in time.
const AT_ONCE: usize = 5_000;

const STORED: &str = "SELECT name, id, definition::text FROM {schema}.monitors
    WHERE state <> 'retired' AND name = ANY($1)";

/// What is stored under the names of `definitions`.
async fn stored(
    tx: &mut Transaction<'_>,
    definitions: &[NewDefinition],
) -> error::Result<HashMap<String, (MonitorId, String)>> {
    let mut stored = HashMap::new();
    for definitions in definitions.chunks(AT_ONCE) {
        let names = column(definitions, |new| new.definition.name.as_str());
        let rows: Vec<(String, Uuid, String)> = tx.rows(STORED).bind(names).fetch_all(tx.conn()).await?;
        stored.extend(rows.into_iter().map(|(name, id, json)| (name, (MonitorId::from_uuid(id), json))));
    }
    Ok(stored)
}

/// A monitor as it is to be.
struct Row<'a> {
    id: MonitorId,
    new: &'a NewDefinition,
    slot: Timestamp,
}

const ADD: &str = "INSERT INTO {schema}.monitors (id, name, origin, definition, state)
    SELECT id, name, origin, definition::json, 'active'
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS new (id, origin, definition, name)";
const ADD_SCHEDULE: &str = "INSERT INTO {schema}.schedule (monitor, slot, kind, revision, active)
    SELECT id, slot, kind, 1, true FROM unnest($1::uuid[], $2::timestamptz[], $3::text[]) AS new (id, slot, kind)";

const EDIT: &str = "UPDATE {schema}.monitors m SET origin = new.origin, definition = new.definition::json
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS new (id, origin, definition, name)
    WHERE m.id = new.id";
// Whoever claims it next has the new definition.
const EDIT_SCHEDULE: &str = "UPDATE {schema}.schedule s
    SET revision = s.revision + 1, owner = NULL, slot = new.slot, kind = new.kind
    FROM unnest($1::uuid[], $2::timestamptz[], $3::text[]) AS new (id, slot, kind) WHERE s.monitor = new.id";

/// Writes monitors and where they stand.
async fn write(
    tx: &mut Transaction<'_>,
    monitors: &'static str,
    schedule: &'static str,
    rows: &[Row<'_>],
) -> error::Result<()> {
    for rows in rows.chunks(AT_ONCE) {
        let ids = column(rows, |row| *row.id.as_uuid());
        let query = tx.query(monitors).bind(&ids).bind(column(rows, |row| row.new.definition.origin.as_str()));
        let query = query.bind(column(rows, |row| row.new.json.as_str()));
        query.bind(column(rows, |row| row.new.definition.name.as_str())).execute(tx.conn()).await?;
        let slots: Vec<DateTime<Utc>> = column(rows, |row| row.slot.to_datetime());
        let query = tx.query(schedule).bind(ids).bind(slots);
        query.bind(column(rows, |row| row.new.definition.kind.as_str())).execute(tx.conn()).await?;
    }
    Ok(())
}
