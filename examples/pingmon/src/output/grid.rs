//! The look of every table: columns without lines, as wide as the terminal when it is one, else as wide as they are.
//! Coloured always: whoever prints it takes the colours out where they don't belong.

use comfy_table::{Attribute, Cell, ContentArrangement, Table, presets::NOTHING};

/// A terminal narrower than this, in columns, doesn't tell its width, or breaks long lines better than we do.
const MIN_WIDTH: u16 = 60;

/// An empty table with these titles.
pub(super) fn titled<const N: usize>(titles: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).enforce_styling();
    table.set_header(titles.map(|title| Cell::new(title).add_attribute(Attribute::Dim)));
    table
}

/// Its text, without its last line end.
pub(super) fn text(mut table: Table) -> String {
    if table.width().is_some_and(|width| width < MIN_WIDTH) {
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    table.trim_fmt()
}
