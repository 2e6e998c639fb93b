//! What is copied: the tables with their columns, said once for every store.

use super::{Row, Value};

/// Most rows of one page.
pub(crate) const PAGE_ROWS: usize = 5_000;
/// A page ends early when its rows hold this many bytes.
pub(crate) const PAGE_BYTES: usize = 8 << 20;

/// A table, in each store under its own full name.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// The key comes first.
    pub(crate) columns: &'static [Column],
    /// Of how many columns the key consists.
    pub(crate) key: usize,
}

/// A column, named the same in every store.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

/// What a column holds; each store has a type for it. Any of them but a key may be null.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Id,
    Number,
    Instant,
    Flag,
    Text,
    Json,
    Bytes,
}

const fn id(name: &'static str) -> Column {
    Column { name, kind: Kind::Id }
}

const fn number(name: &'static str) -> Column {
    Column { name, kind: Kind::Number }
}

const fn instant(name: &'static str) -> Column {
    Column { name, kind: Kind::Instant }
}

const fn flag(name: &'static str) -> Column {
    Column { name, kind: Kind::Flag }
}

const fn text(name: &'static str) -> Column {
    Column { name, kind: Kind::Text }
}

const fn json(name: &'static str) -> Column {
    Column { name, kind: Kind::Json }
}

const fn bytes(name: &'static str) -> Column {
    Column { name, kind: Kind::Bytes }
}

/// Everything, what others refer to first. Left behind are the sessions, `schedule.owner` and `deliveries.taken_by`; what a
/// store generates of other columns it generates anew.
pub(crate) const TABLES: [Table; 10] = [
    Table {
        name: "monitors",
        columns: &[id("id"), text("name"), text("origin"), text("state"), json("definition")],
        key: 1,
    },
    Table {
        name: "schedule",
        columns: &[id("monitor"), number("revision"), instant("slot"), flag("active"), text("kind"), json("health")],
        key: 1,
    },
    Table {
        name: "results",
        columns: &[
            id("monitor"),
            instant("slot"),
            instant("started_at"),
            text("status"),
            number("latency"),
            text("message"),
            json("detail"),
        ],
        key: 2,
    },
    Table {
        name: "gaps",
        columns: &[id("monitor"), instant("from_slot"), instant("until_slot"), number("slots"), text("reason")],
        key: 2,
    },
    Table {
        name: "incidents",
        columns: &[
            id("id"),
            id("monitor"),
            text("about"),
            text("level"),
            instant("failing_since"),
            instant("opened_at"),
            instant("opened_slot"),
            text("message"),
            instant("closed_at"),
            text("closed"),
            instant("acknowledged_at"),
            text("acknowledged_by"),
        ],
        key: 1,
    },
    Table {
        name: "deliveries",
        columns: &[
            id("id"),
            id("monitor"),
            text("channel"),
            instant("at"),
            number("sequence"),
            instant("due_at"),
            instant("expires_at"),
            text("state"),
            number("attempts"),
            text("last_error"),
            text("receipt"),
            text("group_key"),
            id("leader"),
            json("notification"),
        ],
        key: 1,
    },
    Table { name: "kept", columns: &[id("monitor"), bytes("bytes")], key: 1 },
    Table {
        name: "plugins",
        columns: &[text("name"), text("sha256"), number("size"), text("signature"), instant("added_at")],
        key: 1,
    },
    Table { name: "plugin_parts", columns: &[text("sha256"), number("part"), bytes("bytes")], key: 2 },
    Table {
        name: "silences",
        columns: &[
            id("id"),
            json("matcher"),
            instant("starts_at"),
            instant("ends_at"),
            text("made_by"),
            text("comment"),
            flag("maintenance"),
        ],
        key: 1,
    },
];

impl Table {
    /// The columns of the key.
    pub(crate) fn key(&self) -> &'static [Column] {
        &self.columns[..self.key]
    }

    /// What a row has in them.
    pub(crate) fn key_of<'r>(&self, row: &'r Row) -> &'r [Value] {
        &row[..self.key]
    }

    /// A list with something for each column.
    pub(crate) fn list(columns: &[Column], say: impl Fn(&Column) -> String) -> String {
        columns.iter().map(say).collect::<Vec<_>>().join(", ")
    }
}
