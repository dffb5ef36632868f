//! Words for neurons: a classifier's classes by their names, and by what they are a kind of, as people say it.
//!
//! ```text
//! castle | Burg, Schloss | château = 483
//! dog | Hund | chien = 151-268
//! ```
//!
//! A line for each meaning (one that begins with `#` is for people): names, separated by commas, the English ones first, behind a bar the German,
//! behind another the French; then the channels. What has names in several languages is among the commonest words. Found is a word with an article
//! before it, in the plural of its language, with and without accents and hyphens.

use std::collections::BTreeMap;

/// Words longer than this are none.
const MAX_LENGTH: usize = 64;
/// The largest file of words, bytes.
pub const MAX_FILE: u64 = 1 << 20;

/// Everyday words, each for some channels of a layer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Words {
    /// The channels of each line, first and last of each range.
    meanings: Vec<Vec<(usize, usize)>>,
    /// By plain name: its language, and the lines that have it.
    names: BTreeMap<String, (usize, Vec<usize>)>,
    /// As they are written: the first name of each line, the commonest first.
    first: Vec<String>,
    /// How many of these are among the commonest.
    common: usize,
}

const ARTICLES: [&str; 24] = [
    "a", "an", "the", "some", "many", "ein", "eine", "einen", "einer", "der", "die", "das", "den", "viele", "un",
    "une", "des", "du", "de", "le", "la", "les", "l", "d",
];

/// Endings of plurals in English, German and French, and what stands in their place in the singular.
const PLURALS: [&[(&str, &str)]; 3] = [
    &[("s", ""), ("es", ""), ("ies", "y"), ("ves", "f"), ("ves", "fe")],
    &[("n", ""), ("en", ""), ("e", ""), ("er", ""), ("s", "")],
    &[("s", ""), ("x", ""), ("aux", "al")],
];

/// Whether `name` can stand in a choice of neurons as a name.
pub fn is_name(name: &str) -> bool {
    let begins = |c: char| c.is_ascii_digit() || c == '-';
    !name.is_empty()
        && name != "all"
        && name.chars().count() <= MAX_LENGTH
        && !name.starts_with(begins)
        && name.chars().all(|c| c.is_alphanumeric() || "_- '’.".contains(c))
}

impl Words {
    /// Reads the lines of a pack's file, of a layer with so many `channels`. The error names the line.
    pub fn read(text: &str, channels: usize) -> Result<Words, String> {
        let mut words = Words::default();
        let mut others = Vec::new();
        for (number, line) in text.lines().enumerate() {
            if matches!(line.trim().chars().next(), None | Some('#')) {
                continue;
            }
            let wrong = |why: &str| format!("line {}: {why}", number + 1);
            let (names, ranges) = line.split_once('=').ok_or_else(|| wrong("there is no `=`"))?;
            let ranges: Option<Vec<_>> = ranges.split(',').map(|range| read_range(range, channels)).collect();
            let mut ranges = ranges.ok_or_else(|| wrong("behind `=` stand channels of the layer, such as 3,7-9"))?;
            ranges.sort_unstable();
            ranges.dedup();
            let meaning = words.meanings.len();
            words.meanings.push(ranges);
            let mut first = None;
            for (language, names) in names.split('|').enumerate() {
                for name in names.split(',').map(str::trim).filter(|name| !plain(name).is_empty()) {
                    first.get_or_insert(name);
                    let (_, known) = words.names.entry(plain(name)).or_insert((language, Vec::new()));
                    if known.last() != Some(&meaning) {
                        known.push(meaning);
                    }
                }
            }
            let first = first.ok_or_else(|| wrong("there is no name before `=`"))?;
            if is_name(first) {
                if names.contains('|') { &mut words.first } else { &mut others }.push(first.to_owned());
            }
        }
        words.common = words.first.len();
        words.first.append(&mut others);
        Ok(words)
    }

    /// The channels that `word` stands for, in order; none where it is not known.
    pub fn find(&self, word: &str) -> Option<Vec<usize>> {
        let word = plain(word);
        let lines = [word.as_str(), without_article(&word)].into_iter().find_map(|word| self.find_plain(word))?;
        let ranges = lines.iter().flat_map(|line| &self.meanings[*line]);
        let mut channels: Vec<usize> = ranges.flat_map(|&(first, last)| first..=last).collect();
        channels.sort_unstable();
        channels.dedup();
        Some(channels)
    }

    fn find_plain(&self, word: &str) -> Option<&[usize]> {
        if let Some((_, lines)) = self.names.get(word) {
            return Some(lines);
        }
        PLURALS.iter().enumerate().find_map(|(language, endings)| {
            endings.iter().find_map(|(ending, instead)| {
                let stem = word.strip_suffix(ending).filter(|stem| stem.chars().count() > 1)?;
                let (own, lines) = self.names.get(&format!("{stem}{instead}"))?;
                (*own == language).then_some(lines.as_slice())
            })
        })
    }

    /// The known word most like `word`.
    pub fn nearest(&self, word: &str) -> Option<&str> {
        let word = plain(word);
        crate::nearest(without_article(&word), self.names.keys().map(String::as_str))
    }

    /// The first name of each of the commonest meanings; of all where there is no such difference.
    pub fn common(&self) -> &[String] {
        if self.common == 0 { &self.first } else { &self.first[..self.common] }
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

    fn found(said: &str) -> Option<Vec<usize>> {
        words().find(said)
    }

    fn words() -> Words {
        Words::read(FILE, 10).unwrap()
    }

    #[test]
    fn a_word_is_found_as_people_say_it() {
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
            assert_eq!(found(said), Some(vec![4]), "{said}");
        }
        for said in ["dogs", "some dogs", "viele Hunde", "les chiens"] {
            assert_eq!(found(said), Some(vec![1, 2, 3, 6]), "{said}");
        }
        for (said, channel) in [("l’étoile de mer", 5), ("Sea-Stars", 5), ("jack o lanterns", 7), ("foxes", 0)] {
            assert_eq!(found(said), Some(vec![channel]), "{said}");
        }
        assert_eq!(found("cranes"), Some(vec![8, 9]), "both meanings");
        for unknown in ["", "a", "castel", "s", "-"] {
            assert_eq!(found(unknown), None, "{unknown}");
        }
        // Those would be plurals in another language than their word's.
        for unknown in ["foxer", "doge", "castlen", "craner", "burgx"] {
            assert_eq!(found(unknown), None, "{unknown}");
        }
        assert_eq!(words().nearest("a castel"), Some("castle"));
        assert_eq!(words().common(), ["castle", "dog", "sea star"]);
        assert_eq!(words().first, ["castle", "dog", "sea star", "jack-o'-lantern", "fox", "crane", "crane"]);
    }

    #[test]
    fn a_long_line_takes_no_more_memory_than_it_is_long() {
        let names: Vec<String> = (0..2000).map(|number| format!("name{number}")).collect();
        let line = format!("{} = {}", names.join(","), vec!["0"; 20_000].join(","));
        let words = Words::read(&line, 1).unwrap();
        assert_eq!((words.meanings.iter().map(Vec::len).sum::<usize>(), words.find("name7")), (1, Some(vec![0])));
    }

    #[test]
    fn what_no_choice_can_hold_is_not_offered() {
        let words = Words::read("4-wheel = 0\ncrane (bird) = 1\nall = 2\nox = 3\n", 4).unwrap();
        assert_eq!((words.first.as_slice(), words.common()), (&["ox".to_owned()][..], &["ox".to_owned()][..]));
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
