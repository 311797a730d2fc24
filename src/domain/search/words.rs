//! Cutting texts into words, and making spellings equal that people take for equal.
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

/// The longest word in characters; what is longer is found by so much of it.
const CHARS_MAX: usize = 64;

/// Lower case, compatibility forms resolved, accents dropped: `Größe` and `grösse`
/// differ, `Crème` and `creme` do not.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}

/// Calls `each` with every stretch of letters and digits.
fn stretches<'t>(text: &'t str, mut each: impl FnMut(&'t str)) {
    // A combining mark belongs to the letter before it.
    text.split(|c: char| !c.is_alphanumeric() && !is_combining_mark(c)).filter(|s| !s.is_empty()).for_each(&mut each);
}

/// Calls `each` with the parts of a stretch that capitals divide (`customerId`,
/// `HTTPServer`); once with all of it where none do.
fn parts<'t>(stretch: &'t str, mut each: impl FnMut(&'t str)) {
    let mut begin = 0;
    let mut chars = stretch.char_indices().peekable();
    let mut before: Option<char> = None;
    while let Some((at, c)) = chars.next() {
        let after_lower = before.is_some_and(|b| b.is_lowercase() || b.is_numeric());
        let before_lower = chars.peek().is_some_and(|(_, n)| n.is_lowercase()) && before.is_some_and(char::is_uppercase);
        if c.is_uppercase() && at > begin && (after_lower || before_lower) {
            each(stretch.get(begin..at).unwrap_or_default());
            begin = at;
        }
        before = Some(c);
    }
    each(stretch.get(begin..).unwrap_or_default());
}

fn word(text: &str) -> Option<String> {
    let mut folded = fold(text);
    if let Some((end, _)) = folded.char_indices().nth(CHARS_MAX) {
        folded.truncate(end);
    }
    Some(folded).filter(|w| !w.is_empty())
}

/// The words that a text is found by, folded, in its order: its stretches of
/// letters and digits, and the parts that capitals divide them into.
pub fn words(text: &str, mut each: impl FnMut(String)) {
    stretches(text, |stretch| {
        parts(stretch, |part| {
            if part.len() < stretch.len() {
                word(part).into_iter().for_each(&mut each);
            }
        });
        // Whoever writes it in one piece finds it too.
        word(stretch).into_iter().for_each(&mut each);
    });
}

/// The words that a text asks for, folded, each once: only the parts, so that
/// `customerId` finds `customer_id` as well.
#[must_use]
pub fn query_words(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    stretches(text, |stretch| {
        parts(stretch, |part| found.extend(word(part).filter(|w| !found.contains(w))));
    });
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        words(text, |w| found.push(w));
        found
    }

    #[test]
    fn names_fall_into_words_at_signs_and_capitals() {
        assert_eq!(all("shop.public.order_items"), ["shop", "public", "order", "items"]);
        assert_eq!(all("customerId"), ["customer", "id", "customerid"]);
        assert_eq!(all("HTTPServer2Log"), ["http", "server2", "log", "httpserver2log"]);
        assert_eq!(all("s3://bucket/a-b"), ["s3", "bucket", "a", "b"]);
        assert_eq!(all("Crème brûlée"), ["creme", "brulee"]);
        assert_eq!(all("cre\u{300}me"), ["creme"]);
        assert_eq!(all("… -- ."), [""; 0]);
        assert_eq!(query_words("customerId customer"), ["customer", "id"]);
    }

    proptest! {
        #[test]
        fn words_are_folded_alphanumeric_and_bounded(text in "\\PC{0,80}") {
            for w in all(&text) {
                prop_assert!(!w.is_empty() && w.chars().count() <= CHARS_MAX);
                prop_assert_eq!(fold(&w), w.clone());
            }
        }

        #[test]
        fn what_a_text_asks_for_the_text_itself_holds(text in "[a-zA-Z0-9éÄß_. -]{0,40}") {
            let held = all(&text);
            prop_assert!(query_words(&text).iter().all(|w| held.contains(w)), "{:?}", held);
        }
    }
}
