//! The dictionary: every word once, found by itself, by its beginning, or by
//! words close to it.
use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use super::{
    Manner,
    distance::{at_least, distance_within, signature, typos_allowed},
};

/// A word's number.
pub type TermNo = u32;

struct Close {
    signature: u32,
    term: TermNo,
}

/// Words by number, in order, and by length.
#[derive(Default)]
pub struct Terms {
    words: Vec<Arc<str>>,
    ordered: BTreeMap<Arc<str>, TermNo>,
    /// Words that can be slips, by their count of characters.
    by_length: Vec<Vec<Close>>,
}

impl Terms {
    pub fn len(&self) -> usize {
        self.words.len()
    }

    pub fn word(&self, term: TermNo) -> Option<&Arc<str>> {
        self.words.get(term as usize)
    }

    /// The number of a word, a new one for a new word.
    pub fn intern(&mut self, word: &str) -> TermNo {
        if let Some(term) = self.ordered.get(word) {
            return *term;
        }
        let term = TermNo::try_from(self.words.len()).unwrap_or(TermNo::MAX);
        let text: Arc<str> = word.into();
        self.words.push(text.clone());
        self.ordered.insert(text, term);
        if !word.chars().any(char::is_numeric) {
            let chars: Vec<char> = word.chars().collect();
            if self.by_length.len() <= chars.len() {
                self.by_length.resize_with(chars.len() + 1, Vec::new);
            }
            if let Some(same) = self.by_length.get_mut(chars.len()) {
                same.push(Close { signature: signature(&chars), term });
            }
        }
        term
    }

    /// The words that answer one that is asked for, each once, in its best manner.
    pub fn answering(&self, asked: &str) -> Vec<(TermNo, Manner)> {
        let mut found: Vec<(TermNo, Manner)> = self
            .ordered
            .range::<str, _>((Bound::Included(asked), Bound::Unbounded))
            .take_while(|(word, _)| word.starts_with(asked))
            .map(|(word, term)| (*term, if **word == *asked { Manner::Whole } else { Manner::Prefix }))
            .collect();
        let edits = typos_allowed(asked);
        if edits > 0 {
            let chars: Vec<char> = asked.chars().collect();
            let mine = signature(&chars);
            let lengths = chars.len().saturating_sub(edits.into())..=chars.len() + usize::from(edits);
            let close = lengths.filter_map(|n| self.by_length.get(n)).flatten().filter(|c| at_least(mine, c.signature) <= edits.into());
            let mut other: Vec<char> = Vec::new();
            for c in close {
                let Some(word) = self.word(c.term).filter(|w| !w.starts_with(asked)) else { continue };
                other.clear();
                other.extend(word.chars());
                if let Some(n) = distance_within(&chars, &other, edits) {
                    found.push((c.term, Manner::Similar(n)));
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_dictionary_answers_as_looking_at_every_word_does(words in prop::collection::hash_set("[abcd1]{1,9}", 0..40), asked in "[abcd1]{1,9}") {
            let mut terms = Terms::default();
            for w in &words {
                prop_assert_eq!(terms.intern(w), terms.intern(w));
            }
            prop_assert_eq!(terms.len(), words.len());
            let mut found: Vec<(String, Manner)> =
                terms.answering(&asked).into_iter().map(|(t, m)| (terms.word(t).unwrap().to_string(), m)).collect();
            found.sort();
            let chars: Vec<char> = asked.chars().collect();
            let mut naive: Vec<(String, Manner)> = words
                .iter()
                .filter_map(|w| {
                    let close = || {
                        let slips = typos_allowed(&asked);
                        let plain = slips > 0 && !w.chars().any(char::is_numeric);
                        plain.then(|| distance_within(&chars, &w.chars().collect::<Vec<_>>(), slips)).flatten().map(Manner::Similar)
                    };
                    let manner = if *w == asked { Some(Manner::Whole) } else if w.starts_with(&asked) { Some(Manner::Prefix) } else { close() };
                    Some((w.clone(), manner?))
                })
                .collect();
            naive.sort();
            prop_assert_eq!(found, naive);
        }
    }
}
