//! Monitors that depend on each other in a circle: each would wait for the others to be well.

use std::collections::HashMap;

/// How far the search has come with a monitor.
#[derive(Clone, Copy, PartialEq)]
enum Seen {
    OnTheWay,
    Done,
}

/// A circle for each monitor at which one was found to close, as the names on the way round: first and last are the same.
/// `depends_on` has what each monitor depends on, in the order of the file.
pub(super) fn circles<'n>(depends_on: &[(&'n str, &'n [String])]) -> Vec<Vec<&'n str>> {
    let parents: HashMap<_, _> = depends_on.iter().copied().collect();
    let mut seen = HashMap::new();
    let mut circles = Vec::new();
    for (start, _) in depends_on {
        // Names on the way, each with how many of its parents have been gone through.
        let mut way = vec![(*start, 0)];
        while let Some((name, next)) = way.last_mut() {
            if *next == 0 && seen.insert(*name, Seen::OnTheWay).is_some_and(|seen| seen == Seen::Done) {
                seen.insert(*name, Seen::Done);
                way.pop();
                continue;
            }
            let parent = parents.get(name).and_then(|parents| parents.get(*next)).map(String::as_str);
            *next += 1;
            match parent {
                None => {
                    seen.insert(*name, Seen::Done);
                    way.pop();
                }
                Some(parent) if seen.get(parent) == Some(&Seen::OnTheWay) => {
                    let from = way.iter().position(|(name, _)| *name == parent).unwrap_or_default();
                    circles.push(way[from..].iter().map(|(name, _)| *name).chain([parent]).collect());
                }
                Some(parent) if seen.contains_key(parent) => {}
                Some(parent) => way.push((parent, 0)),
            }
        }
    }
    circles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_are_found_and_other_ways_to_the_same_monitor_are_none() {
        type Row<'a> = (&'a [(&'a str, &'a [&'a str])], &'a [&'a [&'a str]]);
        let table: &[Row<'_>] = &[
            (&[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d"]), ("d", &[])], &[]),
            (&[("a", &["b"]), ("b", &["a"])], &[&["a", "b", "a"]]),
            (&[("x", &["a"]), ("a", &["b"]), ("b", &["c"]), ("c", &["a"])], &[&["a", "b", "c", "a"]]),
            (&[("a", &["not there"])], &[]),
            (&[("a", &["b"]), ("b", &["a"]), ("c", &["d"]), ("d", &["c"])], &[&["a", "b", "a"], &["c", "d", "c"]]),
        ];
        for (given, expected) in table {
            let owned: Vec<(&str, Vec<String>)> =
                given.iter().map(|(name, on)| (*name, on.iter().map(ToString::to_string).collect())).collect();
            let borrowed: Vec<_> = owned.iter().map(|(name, on)| (*name, on.as_slice())).collect();
            assert_eq!(circles(&borrowed), *expected, "{given:?}");
        }
    }

    #[test]
    fn a_chain_of_a_hundred_thousand_is_no_trouble() {
        let names: Vec<_> = (0..100_000).map(|n| n.to_string()).collect();
        let on: Vec<_> = names.iter().skip(1).map(|name| vec![name.clone()]).chain([Vec::new()]).collect();
        let chain: Vec<_> = names.iter().map(String::as_str).zip(on.iter().map(Vec::as_slice)).collect();
        assert!(circles(&chain).is_empty());
    }
}
