//! Many rows in one statement: a column of a batch travels as one array, and `unnest` makes rows of them again.

use std::{collections::HashMap, hash::Hash};

/// One column of the rows.
pub(super) fn column<'r, R, C>(rows: &'r [R], value: impl Fn(&'r R) -> C) -> Vec<C> {
    rows.iter().map(value).collect()
}

/// Deals rows out so that none of the batches has two of one key, each key's in their order: a statement touches a row
/// once, so what follows on it goes into the next batch. Nearly always there is one.
pub(super) fn waves<R, K: Eq + Hash>(rows: impl IntoIterator<Item = R>, key: impl Fn(&R) -> K) -> Vec<Vec<R>> {
    let mut seen: HashMap<K, usize> = HashMap::new();
    let mut waves: Vec<Vec<R>> = Vec::new();
    for row in rows {
        let wave = seen.entry(key(&row)).or_insert(0);
        if waves.len() == *wave {
            waves.push(Vec::new());
        }
        waves[*wave].push(row);
        *wave += 1;
    }
    waves
}

#[cfg(test)]
mod tests {
    use super::waves;

    #[test]
    fn no_wave_has_a_key_twice_and_each_key_keeps_its_order() {
        let rows = [('a', 1), ('b', 1), ('a', 2), ('c', 1), ('a', 3), ('b', 2)];
        let dealt = waves(rows, |(key, _)| *key);
        assert_eq!(dealt, [vec![('a', 1), ('b', 1), ('c', 1)], vec![('a', 2), ('b', 2)], vec![('a', 3)]]);
        assert!(waves(Vec::<char>::new(), |key| *key).is_empty());
    }
}
