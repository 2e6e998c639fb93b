//! Moves everything that a store keeps into another one: between SQLite and PostgreSQL either way, or between two of a
//! kind. No part of the contract: it reads and writes the tables themselves, while no engine works on either store.
//!
//! Rows go over in the order of their keys, a page a transaction. While that lasts the target bears a mark: whoever opens
//! it is refused, and no engine can join it. A copy that was cut off is taken up where the target's last rows are. At the
//! end both stores are read once more and compared, row by row into one hash a table; only then the mark comes off.
//!
//! What belongs to running engines stays behind: sessions, owners, who has taken a delivery. On arrival everything is
//! free to be claimed.

mod row;
mod side;
mod tables;

use std::fmt;

use pingmon_core::error::{Error, Result};

use self::row::Digest;
pub(crate) use self::{
    row::{Row, Value},
    side::{End, Side, admit, unusable},
    tables::{Column, Kind, PAGE_BYTES, PAGE_ROWS, TABLES, Table},
};
use crate::error;

/// Where a store lies.
#[derive(Clone)]
pub struct Place {
    url: String,
    schema: String,
}

impl Place {
    /// The store of a URL, `sqlite:…` or `postgres://…`; on PostgreSQL in the schema `pingmon`.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), schema: "pingmon".to_owned() }
    }

    /// Sets the schema, which means nothing to SQLite.
    #[must_use]
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }
}

impl fmt::Debug for Place {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// What a copy is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Rows go over.
    Copying,
    /// Both stores are read and compared.
    Verifying,
}

/// How far a copy is with one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The table, by its bare name.
    pub table: &'static str,
    /// What is done with it.
    pub stage: Stage,
    /// How many rows are done.
    pub done: u64,
    /// How many the source has.
    pub total: u64,
}

/// What came over, table by table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// In the order in which they were copied.
    pub tables: Vec<TableReport>,
}

/// What came over of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableReport {
    /// The table, by its bare name.
    pub table: &'static str,
    /// How many rows both stores have.
    pub rows: u64,
    /// How many of them this call copied; the others came over in a call before, which was cut off.
    pub copied: u64,
    /// SHA-256 over all rows in the order of their keys, the same on both sides, in hexadecimal.
    pub sha256: String,
}

/// Copies everything `from` one store `to` another, whose tables are there and empty, and verifies it. Tells `watch` after
/// each page of up to 5,000 rows. Dropped or failed half-way, it leaves a target that no engine can use; the same call
/// takes it up again.
///
/// # Errors
/// [`Error::Config`] naming `from`, `to` or `schema` when an engine is alive there, when the target has rows of its own or a copy
/// from elsewhere was begun there, or when the store can't be used at all; store errors, also when the two differ in the
/// end.
pub async fn copy(from: &Place, to: &Place, watch: &mut (dyn FnMut(Progress) + Send)) -> Result<Report> {
    let mut source = side::open(End::From, from).await.map_err(side::from)?;
    let mut target = side::open(End::To, to).await.map_err(side::to)?;
    if source.name() == target.name() {
        return Err(Error::config("to", "is the same store as the one to copy from: name another"));
    }
    refuse_worker(&mut *source).await?;
    target.begin(&source.name()).await.map_err(side::to)?;
    let mut copied = Vec::with_capacity(TABLES.len());
    for table in &TABLES {
        copied.push(copy_table(&mut *source, &mut *target, table, watch).await?);
    }
    let mut tables = Vec::with_capacity(TABLES.len());
    for (table, copied) in TABLES.iter().zip(copied) {
        let (rows, sha256) = verify(&mut *source, &mut *target, table, watch).await?;
        tables.push(TableReport { table: table.name, rows, copied, sha256 });
    }
    // Had one joined meanwhile, the source would go on while its copy stands still.
    refuse_worker(&mut *source).await?;
    target.end().await.map_err(side::to)?;
    source.close().await;
    target.close().await;
    Ok(Report { tables })
}

async fn refuse_worker(source: &mut dyn Side) -> Result<()> {
    match source.worker().await.map_err(side::from)? {
        None => Ok(()),
        Some(host) => Err(side::from(side::busy(&host))),
    }
}

/// Copies what the target doesn't have yet; answers how many rows that were.
async fn copy_table(
    source: &mut dyn Side,
    target: &mut dyn Side,
    table: &'static Table,
    watch: &mut (dyn FnMut(Progress) + Send),
) -> Result<u64> {
    let total = source.count(table).await.map_err(side::from)?;
    let before = target.count(table).await.map_err(side::to)?;
    let last = target.last(table).await.map_err(side::to)?;
    let mut done = before;
    let mut tell = |done| watch(Progress { table: table.name, stage: Stage::Copying, done, total });
    tell(done);
    let mut page = source.page(table, last.as_deref()).await.map_err(side::from)?;
    while let Some(last) = page.last() {
        let (key, rows) = (table.key_of(last).to_vec(), page.len() as u64);
        let (written, next) = tokio::join!(target.write(table, page), source.page(table, Some(&key)));
        written.map_err(side::to)?;
        page = next.map_err(side::from)?;
        done += rows;
        tell(done);
    }
    Ok(done - before)
}

/// Reads a table on both sides and compares; answers how many rows there are and their hash.
async fn verify(
    source: &mut dyn Side,
    target: &mut dyn Side,
    table: &'static Table,
    watch: &mut (dyn FnMut(Progress) + Send),
) -> Result<(u64, String)> {
    let total = source.count(table).await.map_err(side::from)?;
    let mut tell = |done| watch(Progress { table: table.name, stage: Stage::Verifying, done, total });
    tell(0);
    let mut hush = |_| {};
    let (read, copied) = tokio::join!(digest(source, table, &mut tell), digest(target, table, &mut hush));
    let read = read.map_err(side::from)?;
    let copied = copied.map_err(side::to)?;
    if read == copied {
        return Ok(read);
    }
    let told = |(rows, sha256): (u64, String)| format!("{rows} rows, SHA-256 {sha256}");
    let reason = format!(
        "the table {} differs: {} in the source, {} in the target, which stays closed to engines; empty it and copy anew",
        table.name,
        told(read),
        told(copied)
    );
    Err(Error::Store { action: "verify the copy", retryable: false, source: reason.into() })
}

async fn digest(
    side: &mut dyn Side,
    table: &'static Table,
    tell: &mut (dyn FnMut(u64) + Send),
) -> error::Result<(u64, String)> {
    let mut digest = Digest::default();
    let mut page = side.page(table, None).await?;
    while let Some(last) = page.last() {
        page.iter().for_each(|row| digest.add(row));
        tell(digest.rows());
        page = side.page(table, Some(table.key_of(last))).await?;
    }
    Ok((digest.rows(), digest.finish()))
}
