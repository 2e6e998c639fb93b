//! Monitors that people insert by plain SQL, on their way into the catalog. What each column means stands in
//! `docs/postgresql.md`.

use std::{collections::BTreeMap, time::Duration};

use pingmon_core::{
    error::{Error, Result},
    monitor::{Definition, Origin},
    policy::Policy,
    schedule::Schedule,
    store::catalog::Adoption,
    time::Span,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    PgStore,
    catalog::lock_catalog,
    definitions::{NewDefinition, Plan},
    rows::limit as row_limit,
    sessions,
    transactions::Transaction,
};
use crate::error;

pub(super) async fn adopt(store: &PgStore, limit: usize) -> Result<Vec<Adoption>> {
    let adopted = store.write("take in monitors", move |mut tx| {
        Box::pin(async move {
            let rows: Vec<NewMonitor> = tx.rows(NEW).bind(row_limit(limit)).fetch_all(tx.conn()).await?;
            if rows.is_empty() {
                return Ok(Vec::new());
            }
            lock_catalog(&mut tx).await?;
            let taken = taken(&mut tx, &rows).await?;
            let (good, bad) = sort(rows, &taken);
            take_in(&mut tx, &good).await?;
            report(&mut tx, &bad).await?;
            let good = good.into_iter().map(|new| Adoption::new(new.name(), None));
            let bad = bad.into_iter().map(|(name, problem)| Adoption::new(name, Some(problem)));
            Ok(good.chain(bad).collect())
        })
    });
    adopted.await
}

/// A row as a person wrote it; what is none has its usual value.
#[derive(sqlx::FromRow)]
struct NewMonitor {
    name: String,
    kind: String,
    config: Option<String>,
    every: Option<String>,
    cron: Option<String>,
    timezone: Option<String>,
    timeout: Option<String>,
    policy: Option<String>,
    notify: Option<Vec<Option<String>>>,
    labels: Option<String>,
}

impl NewMonitor {
    fn definition(self) -> Result<Definition> {
        let mut definition = Definition::new(self.name, self.kind).origin(Origin::new(Origin::SQL));
        definition = match (self.every, self.cron) {
            (Some(_), Some(_)) => return Err(Error::config("cron", "stands beside every: keep one of the two")),
            (Some(every), None) => definition.every(span("every", &every)?),
            (None, Some(cron)) => {
                definition.schedule(Schedule::cron(&cron, self.timezone.as_deref().unwrap_or("UTC"))?)
            }
            (None, None) => definition,
        };
        if let Some(timeout) = self.timeout {
            definition = definition.timeout(span("timeout", &timeout)?);
        }
        if let Some(config) = self.config {
            definition = definition.config(json::<Value>("config", &config)?);
        }
        if let Some(policy) = self.policy {
            definition = definition.policy(json::<Policy>("policy", &policy)?);
        }
        if let Some(labels) = self.labels {
            definition.labels = json::<BTreeMap<String, String>>("labels", &labels)?;
        }
        definition = definition.notify(self.notify.unwrap_or_default().into_iter().flatten());
        definition.validate()?;
        Ok(definition)
    }
}

fn span(field: &str, text: &str) -> Result<Duration> {
    text.parse::<Span>().map(|span| span.0).map_err(|reason| Error::config(field, format!("\"{text}\" is {reason}")))
}

fn json<T: DeserializeOwned>(field: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::config(field, error.to_string()))
}

/// The rows that can be taken in, and the names of the others with what is wrong about them.
fn sort(rows: Vec<NewMonitor>, taken: &[String]) -> (Vec<NewDefinition>, Vec<(String, String)>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for row in rows {
        let name = row.name.clone();
        let definition = if taken.contains(&name) {
            Err(Error::config("name", "is that of a monitor that there is already: choose another one").into())
        } else {
            row.definition().map_err(error::Failure::from).and_then(NewDefinition::new)
        };
        match definition {
            Ok(definition) => good.push(definition),
            Err(failure) => bad.push((name, failure.into_error("read the row", |_| false).chain().to_string())),
        }
    }
    (good, bad)
}

const NEW: &str = "SELECT name, kind, config::text, every, cron, timezone, timeout, policy::text, notify, labels::text
    FROM {schema}.new_monitors WHERE problem IS NULL ORDER BY name LIMIT $1 FOR UPDATE SKIP LOCKED";
const TAKEN: &str = "SELECT name FROM {schema}.monitors WHERE state <> 'retired' AND name = ANY($1)";
const REMOVE: &str = "DELETE FROM {schema}.new_monitors WHERE name = ANY($1)";
const REPORT: &str = "UPDATE {schema}.new_monitors n SET problem = bad.problem
    FROM unnest($1::text[], $2::text[]) AS bad (name, problem) WHERE n.name = bad.name";

/// Names that others have. The catalog is locked.
async fn taken(tx: &mut Transaction<'_>, rows: &[NewMonitor]) -> error::Result<Vec<String>> {
    let names: Vec<_> = rows.iter().map(|row| row.name.as_str()).collect();
    Ok(tx.values(TAKEN).bind(names).fetch_all(tx.conn()).await?)
}

/// Puts monitors, none of which is there, and removes their rows.
async fn take_in(tx: &mut Transaction<'_>, good: &[NewDefinition]) -> error::Result<()> {
    let plan = Plan::new(tx, good).await?;
    let now = sessions::now(tx).await?;
    plan.carry_out(tx, &[].into(), now).await?;
    let names: Vec<_> = good.iter().map(NewDefinition::name).collect();
    tx.query(REMOVE).bind(names).execute(tx.conn()).await?;
    Ok(())
}

/// Writes beside the rows what is wrong about them.
async fn report(tx: &mut Transaction<'_>, bad: &[(String, String)]) -> error::Result<()> {
    let (names, problems): (Vec<_>, Vec<_>) =
        bad.iter().map(|(name, problem)| (name.as_str(), problem.as_str())).unzip();
    tx.query(REPORT).bind(names).bind(problems).execute(tx.conn()).await?;
    Ok(())
}
