//! Text from outside, as messages quote it.

/// The longest excerpt, characters.
const MAX_EXCERPT: usize = 80;

/// The beginning of `text`, so that nobody's megabyte fills a reply or a log line, and nobody's control characters forge one.
pub fn excerpt(text: &str) -> String {
    match text.char_indices().nth(MAX_EXCERPT) {
        Some((cut, _)) => format!("{}…", printable(&text[..cut])),
        None => printable(text),
    }
}

/// `text` with a space for each control character, so that it stays on its line and a terminal obeys none of it.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_s_megabyte_is_quoted_in_a_line() {
        assert_eq!(excerpt("Grüße"), "Grüße");
        let exact = "ü".repeat(80);
        assert_eq!(excerpt(&exact), exact);
        assert_eq!(excerpt(&"ü".repeat(1 << 20)), exact + "…");
        assert_eq!(excerpt("a\nERROR forged\u{1b}[2J"), "a ERROR forged [2J");
    }
}
