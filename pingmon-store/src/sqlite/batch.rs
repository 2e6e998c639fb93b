//! Many rows in one statement. A statement takes up to [`ROWS`] rows or ids; a batch is cut into as many statements as
//! it needs.
//!
//! Each statement costs a round trip to the connection's own thread, several times what a row costs, so rows go in
//! together. There is one text for every count, prepared once for the life of the connection: what isn't bound is NULL,
//! and rows and ids that are NULL match nothing.

/// How many rows or ids one statement takes.
pub(super) const ROWS: usize = 64;

/// Repeats the text of one row [`ROWS`] times, for a VALUES or an IN list.
macro_rules! rows {
    ($row:literal) => {
        $crate::sqlite::batch::rows!(@4 concat!($row, ",", $row, ",", $row, ",", $row))
    };
    (@4 $rows:expr) => {
        $crate::sqlite::batch::rows!(@16 concat!($rows, ",", $rows, ",", $rows, ",", $rows))
    };
    (@16 $rows:expr) => {
        concat!($rows, ",", $rows, ",", $rows, ",", $rows)
    };
}
pub(super) use rows;

#[cfg(test)]
mod tests {
    #[test]
    fn a_statement_takes_as_many_rows_as_it_says() {
        assert_eq!(rows!("?").split(',').count(), super::ROWS);
    }
}
