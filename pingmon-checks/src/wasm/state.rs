//! What a monitor's plug-in keeps between runs, in this process's memory: gone when another worker takes the monitor over.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Most keys.
const MAX_KEYS: usize = 64;
/// Longest key, in bytes.
const MAX_KEY: usize = 256;
/// Most bytes of all values.
const MAX_VALUES: usize = 16 * 1024;

/// Values by key.
#[derive(Debug, Default)]
pub(super) struct State(Mutex<BTreeMap<String, Vec<u8>>>);

impl State {
    pub(super) fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.values().get(key).cloned()
    }

    /// Keeps a value, or forgets it.
    ///
    /// # Errors
    /// What limit it would pass; then nothing is changed.
    pub(super) fn set(&self, key: String, value: Option<Vec<u8>>) -> Result<(), String> {
        let mut values = self.values();
        let Some(value) = value else {
            values.remove(&key);
            return Ok(());
        };
        if key.len() > MAX_KEY {
            return Err(format!("the key has more than {MAX_KEY} bytes"));
        }
        if values.len() >= MAX_KEYS && !values.contains_key(&key) {
            return Err(format!("there are {MAX_KEYS} keys already; forget one first"));
        }
        let others: usize = values.iter().filter(|(other, _)| **other != key).map(|(_, value)| value.len()).sum();
        if others + value.len() > MAX_VALUES {
            return Err(format!("the values would have more than {MAX_VALUES} bytes in all"));
        }
        values.insert(key, value);
        Ok(())
    }

    fn values(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_and_forgotten_within_their_limits() {
        let state = State::default();
        assert_eq!(state.set("a".into(), Some(vec![1])), Ok(()));
        assert_eq!(state.set("a".into(), Some(vec![0; MAX_VALUES])), Ok(()));
        assert!(state.set("b".into(), Some(vec![1])).unwrap_err().contains("16384 bytes"));
        assert_eq!(state.set("a".into(), None), Ok(()));
        assert_eq!(state.get("a"), None);
        for key in 0..MAX_KEYS {
            assert_eq!(state.set(key.to_string(), Some(vec![])), Ok(()));
        }
        assert!(state.set("one more".into(), Some(vec![])).unwrap_err().contains("64 keys"));
        assert!(state.set("k".repeat(MAX_KEY + 1), Some(vec![])).is_err());
    }
}
