//! A row on its way, and the hash over many.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// What the columns of a table hold, in their order.
pub(crate) type Row = Vec<Value>;

/// What a column holds, the same whichever store it was read from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Id(Uuid),
    /// A number, microseconds since 1970, or a flag as 0 or 1.
    Number(i64),
    /// A text, or JSON as it is written.
    Text(String),
    Bytes(Vec<u8>),
}

impl Value {
    /// About how many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Null | Self::Id(_) | Self::Number(_) => size_of::<Self>(),
            Self::Text(text) => size_of::<Self>() + text.len(),
            Self::Bytes(bytes) => size_of::<Self>() + bytes.len(),
        }
    }

    pub(crate) fn id(self) -> Option<Uuid> {
        if let Self::Id(id) = self { Some(id) } else { None }
    }

    pub(crate) fn number(self) -> Option<i64> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }

    pub(crate) fn bytes(self) -> Option<Vec<u8>> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    pub(crate) fn text(self) -> Option<String> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// SHA-256 over rows in a form that no two different rows share: each value is a byte for its kind and then itself, texts and
/// bytes with their length before them.
#[derive(Default)]
pub(super) struct Digest {
    hash: Sha256,
    rows: u64,
    /// The form of the present row.
    form: Vec<u8>,
}

impl Digest {
    pub(super) fn add(&mut self, row: &Row) {
        self.form.clear();
        for value in row {
            match value {
                Value::Null => self.form.push(0),
                Value::Id(id) => {
                    self.form.push(1);
                    self.form.extend_from_slice(id.as_bytes());
                }
                Value::Number(number) => {
                    self.form.push(2);
                    self.form.extend_from_slice(&number.to_be_bytes());
                }
                Value::Text(text) => {
                    self.form.push(3);
                    self.form.extend_from_slice(&(text.len() as u64).to_be_bytes());
                    self.form.extend_from_slice(text.as_bytes());
                }
                Value::Bytes(bytes) => {
                    self.form.push(4);
                    self.form.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
                    self.form.extend_from_slice(bytes);
                }
            }
        }
        self.hash.update(&self.form);
        self.rows += 1;
    }

    /// How many rows there were so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// The hash, in hexadecimal.
    pub(super) fn finish(self) -> String {
        hex::encode(self.hash.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(rows: &[Row]) -> String {
        let mut digest = Digest::default();
        rows.iter().for_each(|row| digest.add(row));
        digest.finish()
    }

    #[test]
    fn rows_that_differ_in_any_way_have_different_hashes() {
        let text = |text: &str| Value::Text(text.to_owned());
        let rows = [
            vec![],
            vec![Value::Null],
            vec![Value::Number(0)],
            vec![Value::Id(Uuid::nil())],
            vec![text("")],
            vec![Value::Bytes(vec![])],
            vec![Value::Bytes(vec![0])],
            vec![text("a"), text("b")],
            vec![text("ab"), text("")],
            vec![text("b"), text("a")],
        ];
        let hashes: std::collections::HashSet<_> = rows.iter().map(|row| hash(std::slice::from_ref(row))).collect();
        assert_eq!(hashes.len(), rows.len());
        assert_eq!(
            hash(&[]),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "as sha256sum has it"
        );
    }
}
