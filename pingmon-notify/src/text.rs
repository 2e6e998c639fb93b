//! Text that others wrote, made fit for one line of a log or an error.

/// `text` on one line: control characters and runs of white space become one space each, and what is longer than
/// `most` characters is cut.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let mut words = text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty());
    let mut line = words.next().unwrap_or_default().to_owned();
    for word in words {
        line.push(' ');
        line.push_str(word);
    }
    if let Some((end, _)) = line.char_indices().nth(most) {
        line.truncate(end);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_fits_on_one_line() {
        assert_eq!(one_line("  a\r\n\tb\0c \u{1b}[31md  ", 100), "a b c [31md");
        assert_eq!(one_line("äöü", 2), "äö…");
        assert_eq!(one_line("äö", 2), "äö");
        assert_eq!(one_line(" \n", 2), "");
    }
}
