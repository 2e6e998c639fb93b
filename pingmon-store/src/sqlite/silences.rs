//! Silences: what people don't want to be told of for a time.

use async_trait::async_trait;
use pingmon_core::{
    error::Result,
    id::SilenceId,
    silence::{Draft, MAX_ALIVE, Silence, over, too_many},
    store::silences::{SilenceFilter, Silences},
    time::Timestamp,
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{SqliteStore, rows::limit as row_limit};
use crate::{
    codec::{from_json, instant, to_json},
    error,
};

#[async_trait]
impl Silences for SqliteStore {
    async fn silence(&self, draft: Draft) -> Result<Silence> {
        let silence = self.write("silence monitors", move |conn, now| {
            Box::pin(async move {
                let silence = draft.begin(SilenceId::new(), now)?;
                if write(conn, &silence, now).await? { Ok(silence) } else { Err(too_many().into()) }
            })
        });
        silence.await
    }

    async fn end_silence(&self, id: SilenceId) -> Result<Silence> {
        let ended = self.write("end a silence", move |conn, now| {
            Box::pin(async move {
                let end = sqlx::query_as::<_, SilenceRow>(END).bind(*id.as_uuid()).bind(now.as_micros());
                end.fetch_optional(conn).await?.map(SilenceRow::into_silence).transpose()
            })
        });
        ended.await?.ok_or_else(|| over(id))
    }

    async fn silences(&self, filter: SilenceFilter, limit: usize) -> Result<Vec<Silence>> {
        let after = if filter.alive { self.clock.now().as_micros() } else { i64::MIN };
        self.read("list silences", move |conn| {
            Box::pin(async move {
                let rows = sqlx::query_as::<_, SilenceRow>(LIST).bind(after).bind(row_limit(limit));
                rows.fetch_all(conn).await?.into_iter().map(SilenceRow::into_silence).collect()
            })
        })
        .await
    }
}

const WRITE: &str = "INSERT INTO pingmon_silences (id, matcher, starts_at, ends_at, made_by, comment, maintenance)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE (SELECT count(*) FROM pingmon_silences WHERE ends_at > ?8) < ?9";

/// Writes a silence; answers whether there was room for it.
async fn write(conn: &mut SqliteConnection, silence: &Silence, now: Timestamp) -> error::Result<bool> {
    let write = sqlx::query(WRITE).bind(*silence.id.as_uuid()).bind(to_json("matcher of a silence", &silence.matcher)?);
    let write = write.bind(silence.from.as_micros()).bind(silence.until.as_micros());
    let write = write.bind(silence.by.as_str()).bind(silence.comment.as_str()).bind(silence.maintenance);
    let written = write.bind(now.as_micros()).bind(row_limit(MAX_ALIVE)).execute(conn).await?;
    Ok(written.rows_affected() > 0)
}

const END: &str = "UPDATE pingmon_silences SET starts_at = min(starts_at, ?2), ends_at = ?2
    WHERE id = ?1 AND ends_at > ?2
    RETURNING id, matcher, starts_at, ends_at, made_by, comment, maintenance";

const LIST: &str = "SELECT id, matcher, starts_at, ends_at, made_by, comment, maintenance FROM pingmon_silences
    WHERE ends_at > ?1 ORDER BY ends_at DESC, id DESC LIMIT ?2";

#[derive(sqlx::FromRow)]
struct SilenceRow {
    id: Uuid,
    matcher: String,
    starts_at: i64,
    ends_at: i64,
    made_by: String,
    comment: String,
    maintenance: bool,
}

impl SilenceRow {
    fn into_silence(self) -> error::Result<Silence> {
        let matcher = from_json("matcher of a silence", &self.matcher)?;
        let (id, from, until) = (SilenceId::from_uuid(self.id), instant(self.starts_at), instant(self.ends_at));
        let mut silence = Silence::new(id, matcher, from, until, self.made_by);
        (silence.comment, silence.maintenance) = (self.comment, self.maintenance);
        Ok(silence)
    }
}
