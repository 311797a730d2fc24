//! JSON strings: finding their ends, reading their escapes, writing them in the
//! one spelling of RFC 8785 §3.2.2.2.
use std::borrow::Cow;

/// How many bytes from the start of `bytes` are plain: neither a quote, a
/// backslash nor a control character. Eight at a time.
#[inline]
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let mut at = 0;
    let (words, _) = bytes.as_chunks::<8>();
    for word in words {
        let w = u64::from_le_bytes(*word);
        let quote = w ^ (ONES * b'"' as u64);
        let backslash = w ^ (ONES * b'\\' as u64);
        // The lowest set high bit is exact; those above it may be false, which is why only it is used.
        let hit = (quote.wrapping_sub(ONES) & !quote | backslash.wrapping_sub(ONES) & !backslash | w.wrapping_sub(ONES * 0x20) & !w) & HIGH;
        if hit != 0 {
            return at + (hit.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    at + bytes[at..].iter().take_while(|&&b| b != b'"' && b != b'\\' && b >= 0x20).count()
}

/// A stretch of a string's interior.
pub(super) enum Piece<'a> {
    /// Bytes that stand for themselves.
    Plain(&'a str),
    /// A character that was spelled as an escape.
    Char(char),
    /// Half a surrogate pair, spelled as an escape: no character.
    Lone(u16),
}

/// The stretches of a string's interior with the bytes that each takes. The
/// escapes must be well-formed, as the tape's scanner found them.
pub(super) struct Pieces<'a> {
    raw: &'a str,
    at: usize,
}

pub(super) const fn pieces(raw: &str) -> Pieces<'_> {
    Pieces { raw, at: 0 }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = (std::ops::Range<usize>, Piece<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.at;
        let rest = self.raw.get(start..).filter(|r| !r.is_empty())?;
        let plain = rest.find('\\').unwrap_or(rest.len());
        if plain > 0 {
            self.at += plain;
            return Some((start..self.at, Piece::Plain(&rest[..plain])));
        }
        let bytes = rest.as_bytes();
        let (len, piece) = match bytes.get(1) {
            Some(b'b') => (2, Piece::Char('\u{8}')),
            Some(b'f') => (2, Piece::Char('\u{c}')),
            Some(b'n') => (2, Piece::Char('\n')),
            Some(b'r') => (2, Piece::Char('\r')),
            Some(b't') => (2, Piece::Char('\t')),
            Some(b'u') => {
                let first = unit(bytes, 2);
                let second = (bytes.get(6..8) == Some(b"\\u")).then(|| unit(bytes, 8));
                match char::decode_utf16(std::iter::once(first).chain(second)).next() {
                    Some(Ok(c)) => (if c > '\u{ffff}' { 12 } else { 6 }, Piece::Char(c)),
                    _ => (6, Piece::Lone(first)),
                }
            }
            Some(&b) => (2, Piece::Char(char::from(b))),
            None => (1, Piece::Char('\\')),
        };
        self.at = (start + len).min(self.raw.len());
        Some((start..self.at, piece))
    }
}

/// Four hexadecimal digits.
fn unit(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 4).and_then(|h| std::str::from_utf8(h).ok()).and_then(|h| u16::from_str_radix(h, 16).ok()).unwrap_or(0xFFFD)
}

/// The value of an interior; `None` if half a surrogate pair is in it.
pub(super) fn decode(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.contains('\\') {
        return Some(Cow::Borrowed(raw));
    }
    let mut out = String::with_capacity(raw.len());
    for (_, piece) in pieces(raw) {
        match piece {
            Piece::Plain(s) => out.push_str(s),
            Piece::Char(c) => out.push(c),
            Piece::Lone(_) => return None,
        }
    }
    Some(Cow::Owned(out))
}

/// The value of an interior; half surrogates read as U+FFFD.
pub(super) fn decode_lossy(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    for (_, piece) in pieces(raw) {
        match piece {
            Piece::Plain(s) => out.push_str(s),
            Piece::Char(c) => out.push(c),
            Piece::Lone(_) => out.push(char::REPLACEMENT_CHARACTER),
        }
    }
    Cow::Owned(out)
}

/// Writes an interior in its canonical spelling: RFC 8785's, and half surrogates
/// (which it does not know) as `\udxxx`. One value has one spelling.
pub(super) fn respell(raw: &str, out: &mut Vec<u8>) {
    for (_, piece) in pieces(raw) {
        match piece {
            Piece::Plain(s) => out.extend_from_slice(s.as_bytes()),
            Piece::Char(c) => push_char(c, out),
            Piece::Lone(unit) => push_unit(unit, out),
        }
    }
}

/// Writes a value as a JSON string with quotes, RFC 8785 §3.2.2.2.
pub(super) fn quote(value: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = value;
    loop {
        let plain = plain_run(rest.as_bytes());
        out.extend_from_slice(&rest.as_bytes()[..plain]);
        let mut chars = rest[plain..].chars();
        match chars.next() {
            Some(c) => push_char(c, out),
            None => break,
        }
        rest = chars.as_str();
    }
    out.push(b'"');
}

fn push_char(c: char, out: &mut Vec<u8>) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\u{8}' => out.extend_from_slice(b"\\b"),
        '\t' => out.extend_from_slice(b"\\t"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\u{c}' => out.extend_from_slice(b"\\f"),
        '\r' => out.extend_from_slice(b"\\r"),
        c if c < ' ' => push_unit(c as u16, out),
        c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

fn push_unit(unit: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_run_ends_before_the_first_byte_that_means_something() {
        for len in 0..40 {
            for stop in ["\"", "\\", "\u{1f}", "\u{0}"] {
                let text = "é".repeat(len / 2) + &"~".repeat(len % 2);
                assert_eq!(plain_run((text.clone() + stop + "tail of it all").as_bytes()), text.len());
            }
            assert_eq!(plain_run("x".repeat(len).as_bytes()), len);
        }
        assert_eq!(plain_run(b"\x7f \x80\xff!#[]\""), 8);
    }

    #[test]
    fn every_value_has_one_spelling() {
        for (raw, canonical) in [
            ("a", "a"),
            ("\\u0061\\/", "a/"),
            ("\\u00E9", "é"),
            ("\\uD83D\\uDE00", "😀"),
            ("\\ud83d", "\\ud83d"),
            ("\\uDE00\\uD83D", "\\ude00\\ud83d"),
            ("\\ud83d\\n", "\\ud83d\\n"),
            ("\\u000a\\u0008\\u001F\\u0022\\u005c", "\\n\\b\\u001f\\\"\\\\"),
            ("\\u007f", "\u{7f}"),
        ] {
            let mut out = Vec::new();
            respell(raw, &mut out);
            assert_eq!(String::from_utf8(out).expect("UTF-8"), canonical, "{raw}");
        }
    }

    proptest::proptest! {
        #[test]
        fn quoting_agrees_with_rfc_8785(value in ".{0,40}") {
            let mut out = Vec::new();
            quote(&value, &mut out);
            proptest::prop_assert_eq!(&out, &serde_json_canonicalizer::to_vec(&value).expect("canonical"));
            let text = String::from_utf8(out).expect("UTF-8");
            proptest::prop_assert_eq!(decode(&text[1..text.len() - 1]).expect("no surrogates"), value);
        }
    }
}
