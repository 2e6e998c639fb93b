//! Silences: what people don't want to be told of for a time.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use pingmon_core::{
    error::Result,
    id::SilenceId,
    silence::{Draft, MAX_ALIVE, Silence, over, too_many},
    store::silences::{SilenceFilter, Silences},
};
use uuid::Uuid;

use super::{PgStore, rows::limit as row_limit, sessions, transactions::Transaction};
use crate::{
    codec::{from_json, to_json},
    error,
};

#[async_trait]
impl Silences for PgStore {
    async fn silence(&self, draft: Draft) -> Result<Silence> {
        let silence = self.write("silence monitors", move |mut tx| {
            Box::pin(async move {
                let silence = draft.begin(SilenceId::new(), sessions::now(&mut tx).await?)?;
                if write(&mut tx, &silence).await? { Ok(silence) } else { Err(too_many().into()) }
            })
        });
        silence.await
    }

    async fn end_silence(&self, id: SilenceId) -> Result<Silence> {
        let ended = self.write("end a silence", move |mut tx| {
            Box::pin(async move {
                let now = sessions::now(&mut tx).await?;
                let end = tx.rows::<SilenceRow>(END).bind(*id.as_uuid()).bind(now.to_datetime());
                end.fetch_optional(tx.conn()).await?.map(SilenceRow::into_silence).transpose()
            })
        });
        ended.await?.ok_or_else(|| over(id))
    }

    async fn silences(&self, filter: SilenceFilter, limit: usize) -> Result<Vec<Silence>> {
        self.read("list silences", move |mut tx| {
            Box::pin(async move {
                let rows = tx.rows::<SilenceRow>(if filter.alive { ALIVE } else { ALL }).bind(row_limit(limit));
                rows.fetch_all(tx.conn()).await?.into_iter().map(SilenceRow::into_silence).collect()
            })
        })
        .await
    }
}

// Two that come at once may be one too many: the limit is there to keep the list short.
const WRITE: &str = "INSERT INTO {schema}.silences (id, matcher, starts_at, ends_at, made_by, comment, maintenance)
    SELECT $1, $2::json, $3, $4, $5, $6, $7
    WHERE (SELECT count(*) FROM {schema}.silences WHERE ends_at > {schema}.clock()) < $8";

/// Writes a silence; answers whether there was room for it.
async fn write(tx: &mut Transaction<'_>, silence: &Silence) -> error::Result<bool> {
    let write = tx.query(WRITE).bind(*silence.id.as_uuid()).bind(to_json("matcher of a silence", &silence.matcher)?);
    let write = write.bind(silence.from.to_datetime()).bind(silence.until.to_datetime());
    let write = write.bind(silence.by.as_str()).bind(silence.comment.as_str()).bind(silence.maintenance);
    Ok(write.bind(row_limit(MAX_ALIVE)).execute(tx.conn()).await?.rows_affected() > 0)
}

macro_rules! columns {
    ($($rest:literal),*) => {
        concat!($($rest,)* " id, matcher::text AS matcher, starts_at, ends_at, made_by, comment, maintenance ")
    };
}

const END: &str = columns!(
    "UPDATE {schema}.silences SET starts_at = least(starts_at, $2), ends_at = $2 WHERE id = $1 AND ends_at > $2 RETURNING"
);
const ALL: &str = concat!(columns!("SELECT"), "FROM {schema}.silences ORDER BY ends_at DESC, id DESC LIMIT $1");
const ALIVE: &str = concat!(
    columns!("SELECT"),
    "FROM {schema}.silences WHERE ends_at > {schema}.clock() ORDER BY ends_at DESC, id DESC LIMIT $1"
);

#[derive(sqlx::FromRow)]
struct SilenceRow {
    id: Uuid,
    matcher: String,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    made_by: String,
    comment: String,
    maintenance: bool,
}

impl SilenceRow {
    fn into_silence(self) -> error::Result<Silence> {
        let matcher = from_json("matcher of a silence", &self.matcher)?;
        let (id, from, until) = (SilenceId::from_uuid(self.id), self.starts_at.into(), self.ends_at.into());
        let mut silence = Silence::new(id, matcher, from, until, self.made_by);
        (silence.comment, silence.maintenance) = (self.comment, self.maintenance);
        Ok(silence)
    }
}
