//! How far apart two words are: insertions, deletions, substitutions and swaps of
//! neighbours (optimal string alignment), up to a bound.

/// The most edits that are taken for a slip.
pub const TYPOS_MAX: u8 = 2;

/// How many edits a word of so many characters may be off: in short ones every
/// edit makes another word, and a digit is never a slip of another digit.
#[must_use]
pub fn typos_allowed(word: &str) -> u8 {
    if word.chars().any(char::is_numeric) {
        return 0;
    }
    match word.chars().count() {
        0..=3 => 0,
        4..=7 => 1,
        _ => TYPOS_MAX,
    }
}

/// A set of the characters of a word, each in one of 32 places: what a word has
/// and another lacks is at least as many edits.
#[must_use]
pub(super) fn signature(word: &[char]) -> u32 {
    word.iter().fold(0, |set, c| set | 1 << (u32::from(*c) & 31))
}

/// Fewest edits that two words with these signatures can be apart.
pub(super) const fn at_least(a: u32, b: u32) -> u32 {
    let (missing, added) = ((a & !b).count_ones(), (b & !a).count_ones());
    if missing > added { missing } else { added }
}

/// The edits between two words where they are at most `max`.
#[must_use]
pub fn distance_within(a: &[char], b: &[char], max: u8) -> Option<u8> {
    let max = usize::from(max);
    if a.len().abs_diff(b.len()) > max {
        return None;
    }
    // Three rows of the table: two before, one before, this one.
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(i + 1);
        let mut least = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let at = |r: &[usize], k: usize| r.get(k).copied().unwrap_or(usize::MAX - 1);
            let mut edits = (at(&row, j + 1) + 1).min(at(&next, j) + 1).min(at(&row, j) + usize::from(ca != cb));
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(cb) && b.get(j - 1) == Some(ca);
            if swapped {
                edits = edits.min(at(&before, j - 1) + 1);
            }
            least = least.min(edits);
            next.push(edits);
        }
        // A swap reaches two rows back, so one row over the bound is not the end yet.
        if least > max + 1 {
            return None;
        }
        before = std::mem::replace(&mut row, next);
    }
    let edits = *row.last()?;
    if edits <= max { u8::try_from(edits).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chars(s: &str) -> Vec<char> {
        s.chars().collect()
    }

    /// The definition, as it is written down.
    fn naive(a: &[char], b: &[char]) -> usize {
        let (Some((la, ra)), Some((lb, rb))) = (a.split_last(), b.split_last()) else { return a.len().max(b.len()) };
        let mut edits = (naive(ra, b) + 1).min(naive(a, rb) + 1).min(naive(ra, rb) + usize::from(la != lb));
        if let (Some((la2, ra2)), Some((lb2, rb2))) = (ra.split_last(), rb.split_last())
            && la == lb2
            && la2 == lb
        {
            edits = edits.min(naive(ra2, rb2) + 1);
        }
        edits
    }

    #[test]
    fn slips_are_counted() {
        for (a, b, edits) in
            [("orders", "orders", Some(0)), ("ordres", "orders", Some(1)), ("oders", "orders", Some(1)), ("cutsomr", "customer", Some(2))]
        {
            assert_eq!(distance_within(&chars(a), &chars(b), 2), edits, "{a} {b}");
        }
        assert_eq!(distance_within(&chars("orders"), &chars("invoices"), 2), None);
        assert_eq!([typos_allowed("abc"), typos_allowed("abcd"), typos_allowed("abcdefgh"), typos_allowed("abcdefg7")], [0, 1, 2, 0]);
    }

    proptest! {
        #[test]
        fn the_distance_is_the_definition_and_signatures_bound_it(a in "[abcé]{0,6}", b in "[abcé]{0,6}", max in 0u8..=3) {
            let (a, b) = (chars(&a), chars(&b));
            let edits = naive(&a, &b);
            let expected = u8::try_from(edits).ok().filter(|e| *e <= max);
            prop_assert_eq!(distance_within(&a, &b, max), expected);
            prop_assert!(at_least(signature(&a), signature(&b)) as usize <= edits);
        }
    }
}
