//! What a monitor's plug-in keeps between runs: values by key. They're read when a run asks for one, and handed over with
//! its outcome when it changed one: stored with the run or not at all.

use std::{collections::BTreeMap, fmt, sync::Arc};

use pingmon_core::check::CheckContext;

/// Most keys.
const MAX_KEYS: usize = 64;
/// Longest key, in bytes.
const MAX_KEY: usize = 256;
/// Most bytes of all values.
const MAX_VALUES: usize = 16 * 1024;

/// The state of a monitor, as one run sees it.
#[derive(Default)]
pub(super) struct State {
    /// Who knows what is kept; none while a plug-in is asked what it is.
    context: Option<CheckContext>,
    /// None until it's asked for.
    values: Option<Values>,
    changed: bool,
}

/// Why there is no state to work with.
#[derive(Clone, Debug)]
pub(super) struct Unreadable(pub(super) String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

impl State {
    /// The state of the monitor that is run.
    pub(super) fn of(context: &CheckContext) -> Self {
        Self { context: Some(context.clone()), ..Self::default() }
    }

    /// # Errors
    /// When what is kept can't be read.
    pub(super) async fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, Unreadable> {
        Ok(self.values().await?.0.get(key).cloned())
    }

    /// Keeps a value, or forgets it; or says what limit that would pass, and changes nothing.
    ///
    /// # Errors
    /// When what is kept can't be read.
    pub(super) async fn set(&mut self, key: String, value: Option<Vec<u8>>) -> Result<Result<(), String>, Unreadable> {
        let set = self.values().await?.set(key, value);
        self.changed |= set == Ok(true);
        Ok(set.map(drop))
    }

    /// What the monitor is to keep from now on, if that is new.
    pub(super) fn into_keep(self) -> Option<Arc<[u8]>> {
        self.values.filter(|_| self.changed).map(|values| values.to_bytes().into())
    }

    async fn values(&mut self) -> Result<&mut Values, Unreadable> {
        if self.values.is_none() {
            let kept = match &self.context {
                Some(context) => context.kept().await.map_err(|error| Unreadable(error.chain()))?,
                None => None,
            };
            let read = kept.map(|bytes| Values::from_bytes(&bytes).ok_or(bytes.len())).transpose();
            self.values = Some(
                read.unwrap_or_else(|bytes| {
                    tracing::warn!(bytes, "what a plug-in kept can't be read: it begins anew");
                    None
                })
                .unwrap_or_default(),
            );
        }
        Ok(self.values.get_or_insert_default())
    }
}

/// Values by key.
#[derive(Debug, Default, PartialEq)]
struct Values(BTreeMap<String, Vec<u8>>);

/// The first byte of values in their stored form.
const FORM: u8 = 1;

impl Values {
    /// Says whether that changed anything.
    fn set(&mut self, key: String, value: Option<Vec<u8>>) -> Result<bool, String> {
        let Some(value) = value else { return Ok(self.0.remove(&key).is_some()) };
        if key.len() > MAX_KEY {
            return Err(format!("the key has more than {MAX_KEY} bytes"));
        }
        if self.0.len() >= MAX_KEYS && !self.0.contains_key(&key) {
            return Err(format!("there are {MAX_KEYS} keys already; forget one first"));
        }
        let others: usize = self.0.iter().filter(|(other, _)| **other != key).map(|(_, value)| value.len()).sum();
        if others + value.len() > MAX_VALUES {
            return Err(format!("the values would have more than {MAX_VALUES} bytes in all"));
        }
        if self.0.get(&key) == Some(&value) {
            return Ok(false);
        }
        self.0.insert(key, value);
        Ok(true)
    }

    /// Each key and value after its length, two bytes: both limits fit.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![FORM];
        for part in self.0.iter().flat_map(|(key, value)| [key.as_bytes(), value]) {
            bytes.extend(u16::try_from(part.len()).unwrap_or(u16::MAX).to_le_bytes());
            bytes.extend(part);
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&FORM, mut rest) = bytes.split_first()? else { return None };
        let mut values = BTreeMap::new();
        while !rest.is_empty() {
            let key = take(&mut rest)?;
            values.insert(String::from_utf8(key.to_vec()).ok()?, take(&mut rest)?.to_vec());
        }
        Some(Self(values))
    }
}

/// A part and the length before it.
fn take<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (length, after) = rest.split_first_chunk()?;
    let (part, after) = after.split_at_checked(u16::from_le_bytes(*length).into())?;
    *rest = after;
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_and_forgotten_within_their_limits() {
        let mut values = Values::default();
        assert_eq!(values.set("a".into(), Some(vec![1])), Ok(true));
        assert_eq!(values.set("a".into(), Some(vec![1])), Ok(false), "the same again changes nothing");
        assert_eq!(values.set("a".into(), Some(vec![0; MAX_VALUES])), Ok(true));
        assert!(values.set("b".into(), Some(vec![1])).unwrap_err().contains("16384 bytes"));
        assert_eq!(values.set("a".into(), None), Ok(true));
        assert_eq!(values.set("a".into(), None), Ok(false));
        assert_eq!(values, Values::default());
        for key in 0..MAX_KEYS {
            assert_eq!(values.set(key.to_string(), Some(vec![])), Ok(true));
        }
        assert!(values.set("one more".into(), Some(vec![])).unwrap_err().contains("64 keys"));
        assert!(values.set("k".repeat(MAX_KEY + 1), Some(vec![])).is_err());
    }

    #[test]
    fn values_read_back_as_they_were_and_what_is_cut_or_strange_is_refused() {
        let mut values = Values::default();
        assert_eq!(Values::from_bytes(&values.to_bytes()).as_ref(), Some(&values));
        for (key, value) in [("", vec![]), ("ü", vec![0; 10_000]), ("k", (0..=255).collect())] {
            values.set(key.to_owned(), Some(value)).unwrap();
        }
        let bytes = values.to_bytes();
        assert_eq!(Values::from_bytes(&bytes).as_ref(), Some(&values));
        for strange in [&bytes[..bytes.len() - 1], &bytes[..2], &[], &[2], b"\x01\x01\0\xff\0\0"] {
            assert_eq!(Values::from_bytes(strange), None);
        }
    }

    #[test]
    fn the_largest_state_is_small_enough_to_be_kept() {
        let lengths = MAX_KEYS * 2 * size_of::<u16>();
        assert!(1 + lengths + MAX_KEYS * MAX_KEY + MAX_VALUES <= pingmon_core::outcome::MAX_KEPT);
    }
}
