//! E-mail addresses in text: found where a person would see one, not wherever
//! RFC 5322 would admit one.
use std::ops::Range;

/// Every address in `text`, in order, as byte ranges.
///
/// An address is a local part of letters, digits and `._%+-'` that begins with no
/// punctuation but `_`, an `@`, and a host of two labels or more whose last is
/// letters. Not an address: the user part of a URL
/// (`postgres://user:word@db.example.com`) and of an scp path
/// (`git@host.example:team/repository`).
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    // Behind the last candidate: no byte is looked at more than a few times.
    let mut floor = 0;
    for (at, _) in text.match_indices('@') {
        if at < floor {
            continue;
        }
        let Some(start) = local_start(text, floor, at) else { continue };
        let Some(end) = host_end(text, at + 1) else { continue };
        if !is_user_of_a_url(&text[floor..start]) && !is_scp_path(&text[end..]) {
            found.push(start..end);
        }
        floor = end;
    }
    found
}

/// Latin letters of names count, letters of scripts that are written without
/// spaces do not: the words before an address would be taken for a part of it.
fn is_letter_or_digit(c: char) -> bool {
    c.is_ascii_alphanumeric() || ('\u{C0}'..='\u{24F}').contains(&c)
}

fn local_start(text: &str, floor: usize, at: usize) -> Option<usize> {
    let before = &text[floor..at];
    let is_local = |c: char| is_letter_or_digit(c) || "._%+-'".contains(c);
    let mut start = at;
    for (i, c) in before.char_indices().rev().take_while(|&(_, c)| is_local(c)) {
        if is_letter_or_digit(c) || c == '_' {
            start = floor + i;
        }
    }
    (start < at).then_some(start)
}

fn host_end(text: &str, from: usize) -> Option<usize> {
    let host = &text[from..];
    let len = host.find(|c: char| !(is_letter_or_digit(c) || c == '-' || c == '.')).unwrap_or(host.len());
    let host = host[..len].trim_end_matches(['.', '-']);
    let (labels, last) = host.rsplit_once('.')?;
    let well_formed =
        labels.split('.').all(|l| !l.is_empty()) && last.len() >= 2 && last.chars().all(|c| is_letter_or_digit(c) && !c.is_ascii_digit());
    well_formed.then_some(from + host.len())
}

/// Whether `before` ends within the authority of a URL.
fn is_user_of_a_url(before: &str) -> bool {
    before.rfind("://").is_some_and(|i| before[i + 3..].chars().all(|c| !c.is_whitespace() && !"/?#\"'<>,;()".contains(c)))
}

/// `:path` right behind the host; a port or a colon of prose is not one.
fn is_scp_path(after: &str) -> bool {
    after.strip_prefix(':').is_some_and(|p| p.starts_with(|c: char| c.is_alphabetic() || c == '/' || c == '~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_where_people_see_them() {
        for (text, expected) in [
            ("jane@example.org", &["jane@example.org"][..]),
            ("Ask Jane Roe <jane.roe+etl@mail.example.co.uk>.", &["jane.roe+etl@mail.example.co.uk"]),
            ("'jane@example.org',bob@example.org;", &["jane@example.org", "bob@example.org"]),
            ("mailto:jane@example.org?subject=x", &["jane@example.org"]),
            ("jane@example.org: owner. Or o'brien@example.org!", &["jane@example.org", "o'brien@example.org"]),
            ("请联系jane@example.org谢谢", &["jane@example.org"]),
            ("jürgen@müller.example", &["jürgen@müller.example"]),
            ("see http://x.example/ or jane@example.org", &["jane@example.org"]),
            ("a@b@example.org", &["b@example.org"]),
            ("jane@example.org@example.com", &["jane@example.org"]),
            ("postgres://user:word@db.example.com:5432/x", &[]),
            ("postgres://food_delivery:food_delivery@postgres:5432/food_delivery", &[]),
            ("git@github.example:team/repo.git", &[]),
            ("ssh://git@github.example/team", &[]),
            ("@example.org jane@ jane@localhost x@1.2.3 image@sha256:abc a@b.c @", &[]),
            ("com.example.Thing@6d06d69c", &[]),
            ("jane@.org jane@example..org", &[]),
        ] {
            let found: Vec<&str> = find(text).into_iter().map(|r| &text[r]).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn ranges_are_apart_and_on_character_borders(text in r"[a-zäß客@.:/ '-]{0,40}") {
            let mut at = 0;
            for r in find(&text) {
                proptest::prop_assert!(r.start >= at && r.start < r.end);
                proptest::prop_assert!(text[r.clone()].contains('@'));
                at = r.end;
            }
        }
    }
}
