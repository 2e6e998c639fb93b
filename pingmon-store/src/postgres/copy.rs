//! Rows in COPY's binary form, which the server takes in with the least work
//! (<https://www.postgresql.org/docs/current/sql-copy.html>).

use chrono::{DateTime, Utc};
use uuid::Uuid;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// 2000-01-01T00:00:00Z, from which PostgreSQL counts.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Rows of one table, column by column.
pub(super) struct Rows {
    bytes: Vec<u8>,
    columns: i16,
}

impl Rows {
    pub(super) fn new(columns: i16, capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.extend_from_slice(SIGNATURE);
        // No flags, no extension of the header.
        bytes.extend_from_slice(&[0; 8]);
        Self { bytes, columns }
    }

    /// Begins a row: its columns follow.
    pub(super) fn row(&mut self) {
        self.bytes.extend_from_slice(&self.columns.to_be_bytes());
    }

    pub(super) fn uuid(&mut self, uuid: Uuid) {
        self.field(uuid.as_bytes());
    }

    pub(super) fn instant(&mut self, instant: DateTime<Utc>) {
        self.field(&(instant.timestamp_micros() - EPOCH_MICROS).to_be_bytes());
    }

    pub(super) fn integer(&mut self, integer: Option<i64>) {
        match integer {
            Some(integer) => self.field(&integer.to_be_bytes()),
            None => self.null(),
        }
    }

    /// Text, or JSON: under 1 GiB, as all that PostgreSQL holds.
    pub(super) fn text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.field(text.as_bytes()),
            None => self.null(),
        }
    }

    /// What is sent.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&(-1_i16).to_be_bytes());
        self.bytes
    }

    fn field(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(&(value.len() as u32).to_be_bytes());
        self.bytes.extend_from_slice(value);
    }

    fn null(&mut self) {
        self.bytes.extend_from_slice(&(-1_i32).to_be_bytes());
    }
}
