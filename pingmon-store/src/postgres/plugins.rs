//! The plug-ins in the store. Their bytes come and go in parts, a statement each: on a slow line too, each is answered in
//! time.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use pingmon_core::{
    error::Result,
    store::{
        catalog::Change,
        plugins::{NewPlugin, Plugins, StoredPlugin, no_bytes, no_plugin},
    },
    time::Timestamp,
};

use super::{PgStore, sessions, transactions::Transaction};
use crate::{error, parts::parts};

#[async_trait]
impl Plugins for PgStore {
    async fn put_plugin(&self, plugin: NewPlugin) -> Result<Change> {
        plugin.validate()?;
        let put = self.administer("put a plug-in", move |mut tx| {
            Box::pin(async move {
                lock(&mut tx).await?;
                let now = sessions::now(&mut tx).await?;
                put(&mut tx, &plugin, now).await
            })
        });
        put.await
    }

    async fn remove_plugin(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        let removed = self.administer("remove a plug-in", move |mut tx| {
            Box::pin(async move {
                lock(&mut tx).await?;
                if tx.query(REMOVE).bind(&name).execute(tx.conn()).await?.rows_affected() == 0 {
                    return Err(no_plugin(&name).into());
                }
                tx.query(REMOVE_PARTS).execute(tx.conn()).await?;
                Ok(())
            })
        });
        removed.await
    }

    async fn plugins(&self) -> Result<Vec<StoredPlugin>> {
        self.read("list plug-ins", |mut tx| Box::pin(async move { list(&mut tx).await })).await
    }

    async fn plugin_bytes(&self, sha256: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for number in 0.. {
            let hash = sha256.to_owned();
            let read = self.read("read a plug-in", move |mut tx| {
                Box::pin(async move {
                    let part = tx.rows::<(i64, Vec<u8>)>(PART).bind(hash).bind(number);
                    Ok(part.fetch_optional(tx.conn()).await?)
                })
            });
            // It may have been removed since the part before.
            let (size, part) = read.await?.ok_or_else(|| no_bytes(sha256))?;
            bytes.extend(part);
            if bytes.len() as u64 >= size.unsigned_abs() {
                break;
            }
        }
        Ok(bytes)
    }
}

// Keeps others who change plug-ins away, and nobody who reads them: parts that somebody is about to refer to would else be
// removed.
const LOCK: &str = "LOCK TABLE {schema}.plugins IN SHARE ROW EXCLUSIVE MODE";
const FIND: &str = "SELECT sha256, signature FROM {schema}.plugins WHERE name = $1";
const PUT: &str = "INSERT INTO {schema}.plugins (name, sha256, size, signature, added_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, size = excluded.size, signature = excluded.signature,
        added_at = excluded.added_at";
const PUT_PART: &str = "INSERT INTO {schema}.plugin_parts (sha256, part, bytes) VALUES ($1, $2, $3)
    ON CONFLICT DO NOTHING";
const REMOVE: &str = "DELETE FROM {schema}.plugins WHERE name = $1";
/// Parts of which no plug-in speaks.
const REMOVE_PARTS: &str = "DELETE FROM {schema}.plugin_parts p
    WHERE NOT EXISTS (SELECT FROM {schema}.plugins WHERE sha256 = p.sha256)";
const LIST: &str = "SELECT name, sha256, size, signature, added_at FROM {schema}.plugins ORDER BY name";
const PART: &str = "SELECT p.size, part.bytes FROM {schema}.plugins p JOIN {schema}.plugin_parts part USING (sha256)
    WHERE p.sha256 = $1 AND part.part = $2 LIMIT 1";

async fn lock(tx: &mut Transaction<'_>) -> error::Result<()> {
    tx.query(LOCK).execute(tx.conn()).await?;
    Ok(())
}

async fn put(tx: &mut Transaction<'_>, plugin: &NewPlugin, now: Timestamp) -> error::Result<Change> {
    let NewPlugin { name, sha256, signature, bytes, .. } = plugin;
    let found = tx.rows::<(String, Option<String>)>(FIND).bind(name).fetch_optional(tx.conn()).await?;
    let change = match &found {
        None => Change::Added,
        Some((hash, signed)) if (hash, signed) == (sha256, signature) => return Ok(Change::Unchanged),
        Some(_) => Change::Changed,
    };
    for (part, bytes) in parts(bytes) {
        tx.query(PUT_PART).bind(sha256).bind(part).bind(bytes).execute(tx.conn()).await?;
    }
    let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let query = tx.query(PUT).bind(name).bind(sha256).bind(size).bind(signature).bind(now.to_datetime());
    query.execute(tx.conn()).await?;
    tx.query(REMOVE_PARTS).execute(tx.conn()).await?;
    Ok(change)
}

async fn list(tx: &mut Transaction<'_>) -> error::Result<Vec<StoredPlugin>> {
    type Row = (String, String, i64, Option<String>, DateTime<Utc>);
    let plugin = |(name, sha256, size, signature, added_at): Row| {
        StoredPlugin::new(name, sha256, size.unsigned_abs(), signature, added_at.into())
    };
    Ok(tx.rows::<Row>(LIST).fetch_all(tx.conn()).await?.into_iter().map(plugin).collect())
}
