//! Text that others wrote, made fit for one line.

/// `text` on one line: control characters and runs of white space become one space each, characters that turn the
/// writing direction are left out, and what is longer than `most` characters is cut.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let mut line = String::with_capacity(text.len().min(4 * most));
    let (mut length, mut gap) = (0, false);
    for c in text.chars().filter(|c| !turns_direction(*c)) {
        if c.is_control() || c.is_whitespace() {
            gap = length > 0;
            continue;
        }
        let needed = 1 + usize::from(gap);
        if length + needed > most {
            line.push('…');
            break;
        }
        if std::mem::take(&mut gap) {
            line.push(' ');
        }
        line.push(c);
        length += needed;
    }
    line
}

/// Whether a character has what follows it read in another order than it is written in.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
        assert_eq!(one_line("a b", 2), "a…");
        assert_eq!(one_line("pay \u{202e}gnp.exe", 20), "pay gnp.exe");
    }
}
