//! What `pingmon store copy` brought over, for people and for programs.

use std::time::Duration;

use comfy_table::{Cell, CellAlignment};
use pingmon_store::copy::{Report, TableReport};
use serde_json::{Value, json};

use super::grid;

/// The table and a line that sums it up.
pub(crate) fn table(report: &Report, took: Duration) -> String {
    let mut table = grid::titled(["TABLE", "ROWS", "COPIED NOW", "SHA-256 ON BOTH SIDES"]);
    let right = |number: u64| Cell::new(number).set_alignment(CellAlignment::Right);
    for TableReport { table: name, rows, copied, sha256, .. } in &report.tables {
        table.add_row([Cell::new(name), right(*rows), right(*copied), Cell::new(sha256)]);
    }
    let (rows, copied) = total(report);
    format!("{}\n{copied} of {rows} rows copied and all verified in {:.1} s", grid::text(table), took.as_secs_f64())
}

/// One object.
pub(crate) fn json(report: &Report, took: Duration) -> String {
    let table = |table: &TableReport| json!({ "table": table.table, "rows": table.rows, "copied": table.copied, "sha256": table.sha256 });
    let (rows, copied) = total(report);
    let tables: Vec<Value> = report.tables.iter().map(table).collect();
    json!({ "verified": true, "rows": rows, "copied": copied, "took_s": took.as_secs_f64(), "tables": tables })
        .to_string()
}

/// How many rows there are, and how many came over now.
fn total(report: &Report) -> (u64, u64) {
    let tables = report.tables.iter();
    tables.fold((0, 0), |(rows, copied), table| (rows + table.rows, copied + table.copied))
}
