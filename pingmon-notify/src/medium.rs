//! The markup that a channel speaks. What others wrote goes into it as text and nothing else: no mention, no link, no
//! markup. The only links are those of a notice itself.

use url::Url;

use crate::text::one_line;

/// Longest address of a link, in bytes.
const MAX_URL: usize = 2_048;
/// Longest name of a link, in characters.
const MAX_CAPTION: usize = 49;
/// Separates characters that mean something together, and shows nowhere.
const GAP: char = '\u{200b}';

/// What a text is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    /// No markup at all. Whoever shows it makes links of addresses, which can't be helped here.
    Plain,
    /// HTML: mail, Matrix, Pushover.
    Html,
    /// The tags of HTML that Telegram knows; lines end as in plain text, and `@name` is a mention.
    Telegram,
    /// Slack's own.
    Mrkdwn,
    /// Markdown: Discord, Mattermost, Adaptive Cards.
    Markdown,
}

impl Medium {
    /// What separates lines.
    pub(crate) const fn newline(self) -> &'static str {
        match self {
            Self::Html => "<br>\n",
            _ => "\n",
        }
    }

    /// What others wrote, on one line of at most `most` characters before it is escaped.
    pub(crate) fn fact(self, text: &str, most: usize) -> String {
        self.escape(&one_line(text, most))
    }

    /// What others wrote, as it is written here to be nothing but text.
    pub(crate) fn escape(self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text.chars().peekable();
        let (mut before, mut before_that) = (GAP, GAP);
        while let Some(c) = rest.next() {
            self.push(c, &mut out);
            // Addresses are made links of wherever they stand: `https://…`, `www.…`.
            let begins_address = match (c, rest.peek()) {
                (':', Some('/')) => true,
                ('w' | 'W', Some('.')) => [before, before_that].iter().all(|c| c.eq_ignore_ascii_case(&'w')),
                _ => false,
            };
            if begins_address && self != Self::Plain {
                out.push(GAP);
            }
            (before_that, before) = (before, c);
        }
        out
    }

    fn push(self, c: char, out: &mut String) {
        match (self, c) {
            (Self::Plain, _) => out.push(c),
            (Self::Html | Self::Telegram | Self::Mrkdwn, '&') => out.push_str("&amp;"),
            (Self::Html | Self::Telegram | Self::Mrkdwn, '<') => out.push_str("&lt;"),
            (Self::Html | Self::Telegram | Self::Mrkdwn, '>') => out.push_str("&gt;"),
            (Self::Html | Self::Telegram, '"') => out.push_str("&quot;"),
            (Self::Html | Self::Telegram, '\'') => out.push_str("&#39;"),
            (Self::Html, _) => out.push(c),
            (_, '@') => out.extend(['@', GAP]),
            (Self::Telegram, _) => out.push(c),
            (Self::Mrkdwn, '*' | '_' | '~' | '`') => out.extend([GAP, c, GAP]),
            (Self::Mrkdwn, _) => out.push(c),
            (Self::Markdown, '\\' | '`' | '*' | '_' | '~' | '|' | '[' | ']' | '(' | ')' | '<' | '>' | '#' | '!') => {
                out.extend(['\\', c]);
            }
            (Self::Markdown, _) => out.push(c),
        }
    }

    /// Words of ours that stand out.
    pub(crate) fn strong(self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Html | Self::Telegram => format!("<b>{text}</b>"),
            Self::Mrkdwn => format!("*{text}*"),
            Self::Markdown => format!("**{text}**"),
        }
    }

    /// A link of the notice; none when its address is no `https://…` or `http://…`.
    pub(crate) fn link(self, text: &str, url: &str) -> Option<String> {
        let url = web(url)?;
        let text = self.escape(&caption(text));
        Some(match self {
            Self::Plain => format!("{text}: {url}"),
            Self::Html | Self::Telegram => format!("<a href=\"{}\">{text}</a>", url.replace('&', "&amp;")),
            Self::Mrkdwn => format!("<{}|{text}>", url.replace('&', "&amp;")),
            Self::Markdown => format!("[{text}]({url})"),
        })
    }

    /// Whether a text may be cut anywhere and still be shown: what was opened there is closed by itself.
    pub(crate) const fn may_be_cut(self) -> bool {
        !matches!(self, Self::Html | Self::Telegram)
    }
}

/// What a link of a notice is called: never nothing, which nobody could press.
pub(crate) fn caption(text: &str) -> String {
    match one_line(text, MAX_CAPTION) {
        text if text.is_empty() => "Link".to_owned(),
        text => text,
    }
}

/// An address on the web, written so that it ends no link of any medium; none when it is no address or too long.
pub(crate) fn web(text: &str) -> Option<String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let mut safe = String::with_capacity(url.as_str().len());
    for c in url.as_str().chars() {
        match c {
            '|' | '(' | ')' | '\'' | '"' | '<' | '>' | '*' | '`' | '\\' => {
                safe.push_str(&format!("%{:02X}", u32::from(c)))
            }
            _ => safe.push(c),
        }
    }
    (safe.len() <= MAX_URL).then_some(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str =
        "@everyone <!channel> <@U1> [x](http://evil) www.evil.example <script>alert('1')</script> *b* _i_ `c` & \"q\"";

    #[test]
    fn what_others_wrote_is_text_in_every_medium() {
        for (medium, forbidden) in [
            (Medium::Html, &["<", "http://", "www.evil"][..]),
            (Medium::Telegram, &["<", "http://", "www.evil", "@everyone", "@U1"]),
            (Medium::Mrkdwn, &["<", ">", "http://", "*b*", "_i_", "`c`", "@everyone"]),
            (Medium::Markdown, &["@everyone", "@U1", "http://", " [x]", " *b*", " _i_", " `c`", " <script>"]),
        ] {
            let text = medium.fact(HOSTILE, 1_000);
            for bad in forbidden {
                assert!(!text.contains(bad), "{medium:?} has {bad}: {text}");
            }
        }
        assert_eq!(Medium::Plain.fact(HOSTILE, 1_000), HOSTILE);
        assert_eq!(Medium::Html.fact("a\r\nb: c", 3), "a b…");
    }

    #[test]
    fn a_link_leads_to_the_web_and_can_not_be_left() {
        let link = |medium: Medium| medium.link("Go |> here](x)", "https://a.example/x?a=1&b=|(<\"").unwrap();
        assert_eq!(link(Medium::Plain), "Go |> here](x): https://a.example/x?a=1&b=%7C%28%3C%22");
        assert_eq!(link(Medium::Html), "<a href=\"https://a.example/x?a=1&amp;b=%7C%28%3C%22\">Go |&gt; here](x)</a>");
        assert_eq!(link(Medium::Mrkdwn), "<https://a.example/x?a=1&amp;b=%7C%28%3C%22|Go |&gt; here](x)>");
        assert_eq!(link(Medium::Markdown), "[Go \\|\\> here\\]\\(x\\)](https://a.example/x?a=1&b=%7C%28%3C%22)");
        for bad in
            ["javascript:alert(1)", "file:///etc/passwd", "a", &format!("https://a.example/{}", "x".repeat(2_048))]
        {
            assert_eq!(Medium::Html.link("x", bad), None);
        }
    }
}
