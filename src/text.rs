//! Text from outside, as messages quote it.

/// The longest excerpt, characters.
const MAX_EXCERPT: usize = 80;

/// The beginning of `text`, so that nobody's megabyte fills a reply or a log line.
pub fn excerpt(text: &str) -> String {
    match text.char_indices().nth(MAX_EXCERPT) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}
