//! Many events in one body: a JSON array, or JSON texts one a line.
use super::{
    refusal::{Refusal, RefusalKind},
    text,
};

/// Splits a body into events without parsing them, one at a time, so that what is
/// wrong with one says nothing of the next.
///
/// `application/x-ndjson` (also `ndjson`, `jsonl`, `json-seq`-like names ending in
/// `lines`) is one event a line, blank lines left out. Anything else is looked at:
/// what begins with `[` is an array, other JSON one event, other types lines. A
/// byte order mark in front is ignored, as RFC 8259 §8.1 lets readers do.
#[must_use]
pub fn batch<'a>(body: &'a [u8], content_type: Option<&str>) -> Batch<'a> {
    let media_type = content_type.map(|t| t.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()).unwrap_or_default();
    let lines = ["ndjson", "jsonl", "jsonlines", "json-lines"].iter().any(|suffix| media_type.ends_with(suffix));
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let start = body.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(body.len());
    let rest = body.get(start..).unwrap_or_default();
    let form = match rest.first() {
        None => Form::Done,
        Some(b'[') if !lines => Form::Array { rest: rest.get(1..).unwrap_or_default(), first: true },
        Some(_) if media_type == "application/json" => Form::One(rest),
        Some(_) => Form::Lines(rest),
    };
    Batch { form, index: 0 }
}

/// The events of a body as (index from 0, bytes or what is wrong with the body
/// there). An event's bytes are whole, not checked.
#[derive(Debug)]
pub struct Batch<'a> {
    form: Form<'a>,
    index: usize,
}

#[derive(Debug)]
enum Form<'a> {
    Array {
        rest: &'a [u8],
        first: bool,
    },
    Lines(&'a [u8]),
    One(&'a [u8]),
    /// What is wrong with the body behind its last event.
    Broken(&'static str),
    Done,
}

impl<'a> Iterator for Batch<'a> {
    type Item = (usize, Result<&'a [u8], Refusal>);

    fn next(&mut self) -> Option<Self::Item> {
        let item = match std::mem::replace(&mut self.form, Form::Done) {
            Form::Done => return None,
            Form::Broken(what) => Err(self.refusal(what)),
            Form::One(event) => Ok(event.trim_ascii()),
            Form::Lines(mut rest) => loop {
                if rest.is_empty() {
                    return None;
                }
                let end = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
                let (line, tail) = rest.split_at(end);
                rest = tail.get(1..).unwrap_or_default();
                if !line.trim_ascii().is_empty() {
                    self.form = Form::Lines(rest);
                    break Ok(line.trim_ascii());
                }
            },
            Form::Array { rest, first } => self.element(rest, first)?,
        };
        let index = self.index;
        self.index += 1;
        Some((index, item))
    }
}

impl<'a> Batch<'a> {
    fn element(&mut self, rest: &'a [u8], first: bool) -> Option<Result<&'a [u8], Refusal>> {
        let Some((event, tail)) = split_element(rest) else {
            return Some(Err(self.refusal("the text ends inside the array of events")));
        };
        let event = event.trim_ascii();
        if let Some(tail) = tail.strip_prefix(b",") {
            self.form = Form::Array { rest: tail, first: false };
            return Some(Ok(event));
        }
        if !tail.get(1..).unwrap_or_default().trim_ascii().is_empty() {
            self.form = Form::Broken("something follows the array of events");
        }
        // `[]` holds no event; `[a,]` one that is malformed.
        if event.is_empty() && first { self.broken() } else { Some(Ok(event)) }
    }

    fn broken(&mut self) -> Option<Result<&'a [u8], Refusal>> {
        match std::mem::replace(&mut self.form, Form::Done) {
            Form::Broken(what) => Some(Err(self.refusal(what))),
            _ => None,
        }
    }

    fn refusal(&self, what: &str) -> Refusal {
        Refusal::new(RefusalKind::Malformed, format!("/{}", self.index), what)
    }
}

/// An element and what follows, which begins with the `,` or `]` behind it.
/// `None` if neither comes.
///
/// Elements need not be well-formed: a bracket closes all that were opened since
/// its partner, one without a partner is passed over, and a line's end closes a
/// string. So one bad element rarely takes its neighbour with it.
fn split_element(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut open: Vec<u8> = Vec::new();
    let (mut objects, mut arrays) = (0_usize, 0_usize);
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = string_end(bytes, at + 1);
                continue;
            }
            b'{' => {
                objects += 1;
                open.push(byte);
            }
            b'[' => {
                arrays += 1;
                open.push(byte);
            }
            b',' if open.is_empty() => return Some(bytes.split_at(at)),
            b']' if arrays == 0 => return Some(bytes.split_at(at)),
            b'}' if objects == 0 => {}
            b'}' | b']' => {
                let partner = if byte == b'}' { b'{' } else { b'[' };
                while let Some(opened) = open.pop() {
                    *(if opened == b'{' { &mut objects } else { &mut arrays }) -= 1;
                    if opened == partner {
                        break;
                    }
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Behind the quote that closes a string, or the end of its line.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(rest) = bytes.get(at..).filter(|r| !r.is_empty()) {
        at += text::plain_run(rest);
        match bytes.get(at) {
            Some(b'"' | b'\n') => return at + 1,
            Some(b'\\') => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(body: &str, content_type: Option<&str>) -> Vec<Result<String, (String, String)>> {
        batch(body.as_bytes(), content_type)
            .enumerate()
            .map(|(i, (index, item))| {
                assert_eq!(i, index);
                item.map(|b| String::from_utf8(b.to_vec()).expect("UTF-8")).map_err(|r| (r.pointer, r.message))
            })
            .collect()
    }

    fn events(body: &str) -> Vec<String> {
        split(body, Some("application/json; charset=utf-8")).into_iter().map(|e| e.expect("an event")).collect()
    }

    #[test]
    fn an_array_is_split_into_its_elements() {
        assert_eq!(events(r#" [ {"a":[1,2]} , {"b":"],\"}"} ,3] "#), [r#"{"a":[1,2]}"#, r#"{"b":"],\"}"}"#, "3"]);
        assert!(events("[]").is_empty() && events(" [ ] ").is_empty() && events("").is_empty());
        assert_eq!(events(" {} "), ["{}"]);
    }

    #[test]
    fn a_bad_element_does_not_spoil_its_neighbours() {
        let one = r#"{"a":1}"#;
        for bad in [r#"{"b":[}"#, r#"{"b":}"#, "{}}", "{b", "", "tru", "\"b\n", r#"[{"b":[1]"#] {
            let body = format!("[{one},{bad},{one}]");
            let all = split(&body, None);
            assert_eq!(all.first(), Some(&Ok(one.to_owned())), "{bad}");
            if bad != "{b" && bad != r#"[{"b":[1]"# {
                assert_eq!(all, [Ok(one.to_owned()), Ok(bad.trim().to_owned()), Ok(one.to_owned())], "{bad}");
            }
        }
    }

    #[test]
    fn lines_are_events_and_blank_ones_are_not() {
        for kind in [Some("application/x-ndjson"), Some("application/jsonl"), None] {
            assert_eq!(
                split("{\"a\":1}\r\n\n  \n{bad\n{\"b\":2}", kind),
                [Ok("{\"a\":1}".into()), Ok("{bad".into()), Ok("{\"b\":2}".into())]
            );
        }
        assert_eq!(split("[1]\n[2]", Some("application/x-ndjson")).len(), 2);
        for kind in ["application/x-ndjson", "application/json"] {
            assert_eq!(split("\u{feff}{\"a\":1}", Some(kind)), [Ok("{\"a\":1}".into())]);
        }
    }

    #[test]
    fn a_body_that_ends_early_or_goes_on_says_so_behind_what_is_whole() {
        let err = |i: usize, what: &str| Err((format!("/{i}"), what.to_owned()));
        assert_eq!(split("[{},{\"a\":", None), [Ok("{}".into()), err(1, "the text ends inside the array of events")]);
        assert_eq!(split("[{}", None), [err(0, "the text ends inside the array of events")]);
        assert_eq!(split("[{}] x", None), [Ok("{}".into()), err(1, "something follows the array of events")]);
        assert_eq!(split("[]x", None), [err(0, "something follows the array of events")]);
        assert_eq!(split("[1,]", None), [Ok("1".into()), Ok(String::new())]);
    }

    #[test]
    fn hostile_brackets_take_linear_time() {
        let body = format!("[{}{}", "[".repeat(1_000_000), "}".repeat(1_000_000));
        assert_eq!(split(&body, None).len(), 1);
    }
}
