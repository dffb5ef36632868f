//! Words for neurons: a classifier's classes by their names, and by what they are a kind of, as people say it.
//!
//! ```text
//! castle | Burg, Schloss | château = 483
//! dog | Hund | chien = 151-268
//! ```
//!
//! A line for each meaning (one that begins with `#` is for people): names, separated by commas, those of different languages by bars; then the channels. What has names in several
//! languages is among the commonest words. Found is a word with an article before it, in the plural, with and without accents and hyphens.

use std::collections::BTreeMap;

/// Words longer than this are none.
pub const MAX_LENGTH: usize = 64;

/// Everyday words, each for some channels of a layer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Words {
    /// Channels, first and last of each range, by plain name.
    meanings: BTreeMap<String, Vec<(usize, usize)>>,
    /// As they are written: the first name of each line.
    names: Vec<String>,
    /// How many of these are among the commonest.
    common: usize,
}

const ARTICLES: [&str; 24] = [
    "a", "an", "the", "some", "many", "ein", "eine", "einen", "einer", "der", "die", "das", "den", "viele", "un",
    "une", "des", "du", "de", "le", "la", "les", "l", "d",
];

/// Endings of plurals in English, German and French, and what stands in their place in the singular.
const PLURALS: [(&str, &str); 11] = [
    ("s", ""),
    ("es", ""),
    ("ies", "y"),
    ("ves", "f"),
    ("ves", "fe"),
    ("x", ""),
    ("aux", "al"),
    ("n", ""),
    ("en", ""),
    ("e", ""),
    ("er", ""),
];

impl Words {
    /// Reads the lines of a pack's file, of a layer with so many `channels`. The error names the line.
    pub fn read(text: &str, channels: usize) -> Result<Words, String> {
        let mut words = Words::default();
        for (number, line) in
            text.lines().enumerate().filter(|(_, line)| !matches!(line.trim().chars().next(), None | Some('#')))
        {
            let wrong = |why: &str| format!("line {}: {why}", number + 1);
            let (names, ranges) = line.split_once('=').ok_or_else(|| wrong("there is no `=`"))?;
            let ranges: Option<Vec<_>> = ranges.split(',').map(|range| read_range(range, channels)).collect();
            let ranges = ranges.ok_or_else(|| wrong("behind `=` stand channels of the layer, such as 3,7-9"))?;
            let mut all = names.split(['|', ',']).map(str::trim).filter(|name| !plain(name).is_empty()).peekable();
            let first = all.peek().ok_or_else(|| wrong("there is no name before `=`"))?;
            words.names.push((*first).to_owned());
            if names.contains('|') {
                words.common = words.names.len();
            }
            for name in all {
                let meaning = words.meanings.entry(plain(name)).or_default();
                meaning.extend(ranges.iter().filter(|range| !meaning.contains(range)).copied().collect::<Vec<_>>());
            }
        }
        Ok(words)
    }

    /// The channels that `word` stands for, as ranges; none where it is not known.
    pub fn find(&self, word: &str) -> Option<&[(usize, usize)]> {
        let word = plain(word);
        let bare = without_article(&word);
        [word.as_str(), bare].into_iter().find_map(|word| self.find_plain(word)).map(Vec::as_slice)
    }

    fn find_plain(&self, word: &str) -> Option<&Vec<(usize, usize)>> {
        let singular = |(ending, instead): &(&str, &str)| {
            let stem = word.strip_suffix(ending).filter(|stem| stem.chars().count() > 1)?;
            self.meanings.get(&format!("{stem}{instead}"))
        };
        self.meanings.get(word).or_else(|| PLURALS.iter().find_map(singular))
    }

    /// The known word most like `word`.
    pub fn nearest(&self, word: &str) -> Option<&str> {
        let word = plain(word);
        crate::nearest(without_article(&word), self.meanings.keys().map(String::as_str))
    }

    /// The first name of each meaning, the commonest first, in the order of the file.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Of these the commonest.
    pub fn common(&self) -> &[String] {
        &self.names[..self.common]
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

fn read_range(text: &str, channels: usize) -> Option<(usize, usize)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (range.0 <= range.1 && range.1 < channels).then_some(range)
}

/// Small letters without accents; one space where spaces, hyphens and apostrophes are.
fn plain(word: &str) -> String {
    let mut plain = String::new();
    for letter in word.chars().take(2 * MAX_LENGTH).flat_map(char::to_lowercase) {
        match letter {
            'à' | 'á' | 'â' | 'ä' | 'å' | 'ã' => plain.push('a'),
            'è' | 'é' | 'ê' | 'ë' => plain.push('e'),
            'ì' | 'í' | 'î' | 'ï' => plain.push('i'),
            'ò' | 'ó' | 'ô' | 'ö' | 'õ' => plain.push('o'),
            'ù' | 'ú' | 'û' | 'ü' => plain.push('u'),
            'ç' => plain.push('c'),
            'ñ' => plain.push('n'),
            'ß' => plain.push_str("ss"),
            'œ' => plain.push_str("oe"),
            'æ' => plain.push_str("ae"),
            letter if letter.is_alphanumeric() => plain.push(letter),
            _ if plain.is_empty() || plain.ends_with(' ') => {}
            _ => plain.push(' '),
        }
    }
    plain.truncate(plain.trim_end().len());
    plain
}

fn without_article(word: &str) -> &str {
    match word.split_once(' ') {
        Some((article, rest)) if ARTICLES.contains(&article) => without_article(rest),
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: &str = "# Of a castle = 1.\n\n\
                        castle | Burg, Schloss | château, châteaux = 4\n\
                        dog | Hund | chien = 1-3,6\n\
                        sea star, starfish | Seestern | étoile de mer = 5\n\
                        jack-o'-lantern = 7\n\
                        fox = 0\ncrane = 8\ncrane = 9\n";

    fn words() -> Words {
        Words::read(FILE, 10).unwrap()
    }

    #[test]
    fn a_word_is_found_as_people_say_it() {
        let castle: &[(usize, usize)] = &[(4, 4)];
        for said in [
            "castle",
            "a castle",
            "The Castles",
            "eine Burg",
            "Burgen",
            "BURG",
            "un château",
            "chateaux",
            "les châteaux",
        ] {
            assert_eq!(words().find(said), Some(castle), "{said}");
        }
        for said in ["dogs", "some dogs", "viele Hunde", "les chiens"] {
            assert_eq!(words().find(said), Some(&[(1, 3), (6, 6)][..]), "{said}");
        }
        for (said, channel) in [("l’étoile de mer", 5), ("Sea-Stars", 5), ("jack o lanterns", 7), ("foxes", 0)] {
            assert_eq!(words().find(said), Some(&[(channel, channel)][..]), "{said}");
        }
        assert_eq!(words().find("cranes"), Some(&[(8, 8), (9, 9)][..]), "both meanings");
        for unknown in ["", "a", "castel", "s", "-"] {
            assert_eq!(words().find(unknown), None, "{unknown}");
        }
        assert_eq!(words().nearest("a castel"), Some("castle"));
        assert_eq!(words().common(), ["castle", "dog", "sea star"]);
        assert_eq!(words().names().len(), 7);
    }

    #[test]
    fn a_wrong_line_is_named() {
        let error = |text: &str| Words::read(text, 10).unwrap_err();
        assert_eq!(error("castle = 4\ndog\n"), "line 2: there is no `=`");
        for channels in ["", "10", "3-2", "x", "1,,2", "-1", "99999999999999999999"] {
            assert!(error(&format!("dog = {channels}")).contains("stand channels of the layer"), "{channels}");
        }
        assert_eq!(error(" , | = 4"), "line 1: there is no name before `=`");
    }

    proptest! {
        #[test]
        fn whatever_is_said_is_looked_up(said in "\\PC{0,200}", file in "[a-z|,=0-9\\- \n]{0,80}") {
            let _ = words().find(&said);
            let _ = words().nearest(&said);
            let _ = Words::read(&file, 10);
        }
    }
}
