//! "Did you mean": the nearest known word to an unknown one.

/// Longest word that is compared, in bytes.
const MAX_WORD: usize = 200;

/// The known word that `word` was most likely meant to be.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if word.len() > MAX_WORD {
        return None;
    }
    let lower = word.to_lowercase();
    let distance = |known: &str| strsim::damerau_levenshtein(&lower, &known.to_lowercase());
    let candidates = known.into_iter().filter(|known| known.len() <= MAX_WORD).map(|known| (distance(known), known));
    let close = candidates.filter(|(distance, known)| *distance <= (known.chars().count() / 3).max(1));
    close.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// What to say after naming an unknown word: the nearest known one, or else all of them.
pub(crate) fn hint<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let known: Vec<_> = known.into_iter().collect();
    match (nearest(word, known.iter().copied()), known.as_slice()) {
        (Some(meant), _) => format!("did you mean \"{meant}\"?"),
        (None, []) => "none is known".to_owned(),
        (None, [one]) => format!("\"{one}\" is the only one known"),
        (None, many) if many.len() > 40 => format!("{} are known", many.len()),
        (None, many) => format!("known are {}", many.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_nonsense_finds_none() {
        let known = ["http", "tcp", "postgres", "open_after"];
        assert_eq!(nearest("htpp", known), Some("http"));
        assert_eq!(nearest("HTTP", known), Some("http"));
        assert_eq!(nearest("openafter", known), Some("open_after"));
        assert_eq!(nearest("banana", known), None);
        assert_eq!(nearest(&"x".repeat(10_000_000), known), None);
        assert_eq!(hint("banana", known), "known are http, tcp, postgres, open_after");
    }
}
