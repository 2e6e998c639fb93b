//! The plug-ins in the store.

use async_trait::async_trait;
use pingmon_core::{
    error::Result,
    store::{
        catalog::Change,
        plugins::{NewPlugin, Plugins, StoredPlugin, no_bytes, no_plugin},
    },
    time::Timestamp,
};
use sqlx::SqliteConnection;

use super::SqliteStore;
use crate::{codec::instant, error, parts::parts};

#[async_trait]
impl Plugins for SqliteStore {
    async fn put_plugin(&self, plugin: NewPlugin) -> Result<Change> {
        plugin.validate()?;
        self.write("put a plug-in", move |conn, now| Box::pin(async move { put(conn, &plugin, now).await })).await
    }

    async fn remove_plugin(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        let removed = self.write("remove a plug-in", move |conn, _| {
            Box::pin(async move {
                if sqlx::query(REMOVE).bind(&name).execute(&mut *conn).await?.rows_affected() == 0 {
                    return Err(no_plugin(&name).into());
                }
                sqlx::query(REMOVE_PARTS).execute(conn).await?;
                Ok(())
            })
        });
        removed.await
    }

    async fn plugins(&self) -> Result<Vec<StoredPlugin>> {
        self.read("list plug-ins", |conn| Box::pin(list(conn))).await
    }

    async fn plugin_bytes(&self, sha256: &str) -> Result<Vec<u8>> {
        let hash = sha256.to_owned();
        let parts = self.read("read a plug-in", move |conn| {
            Box::pin(async move { Ok(sqlx::query_scalar::<_, Vec<u8>>(BYTES).bind(hash).fetch_all(conn).await?) })
        });
        let parts = parts.await?;
        if parts.is_empty() { Err(no_bytes(sha256)) } else { Ok(parts.concat()) }
    }
}

const FIND: &str = "SELECT sha256, signature FROM pingmon_plugins WHERE name = ?";
const PUT: &str = "INSERT INTO pingmon_plugins (name, sha256, size, signature, added_at) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, size = excluded.size, signature = excluded.signature,
        added_at = excluded.added_at";
const PUT_PART: &str = "INSERT INTO pingmon_plugin_parts (sha256, part, bytes) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
const REMOVE: &str = "DELETE FROM pingmon_plugins WHERE name = ?";
/// Parts of which no plug-in speaks.
const REMOVE_PARTS: &str = "DELETE FROM pingmon_plugin_parts WHERE sha256 NOT IN (SELECT sha256 FROM pingmon_plugins)";
const LIST: &str = "SELECT name, sha256, size, signature, added_at FROM pingmon_plugins ORDER BY name";
const BYTES: &str = "SELECT bytes FROM pingmon_plugin_parts WHERE sha256 = ? ORDER BY part";

async fn put(conn: &mut SqliteConnection, plugin: &NewPlugin, now: Timestamp) -> error::Result<Change> {
    let NewPlugin { name, sha256, signature, bytes, .. } = plugin;
    let found = sqlx::query_as::<_, (String, Option<String>)>(FIND).bind(name).fetch_optional(&mut *conn).await?;
    let change = match &found {
        None => Change::Added,
        Some((hash, signed)) if (hash, signed) == (sha256, signature) => return Ok(Change::Unchanged),
        Some(_) => Change::Changed,
    };
    for (part, bytes) in parts(bytes) {
        sqlx::query(PUT_PART).bind(sha256).bind(part).bind(bytes).execute(&mut *conn).await?;
    }
    let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let put = sqlx::query(PUT).bind(name).bind(sha256).bind(size).bind(signature).bind(now.as_micros());
    put.execute(&mut *conn).await?;
    sqlx::query(REMOVE_PARTS).execute(conn).await?;
    Ok(change)
}

async fn list(conn: &mut SqliteConnection) -> error::Result<Vec<StoredPlugin>> {
    type Row = (String, String, i64, Option<String>, i64);
    let plugin = |(name, sha256, size, signature, added_at): Row| {
        StoredPlugin::new(name, sha256, size.unsigned_abs(), signature, instant(added_at))
    };
    Ok(sqlx::query_as::<_, Row>(LIST).fetch_all(conn).await?.into_iter().map(plugin).collect())
}
