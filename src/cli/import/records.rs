//! Cuts a file into events: the lines of NDJSON, or the elements of one JSON array.
//! Reads as a stream; an event that is too long is passed over, not held.
use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

const BUFFER_BYTES: usize = 256 << 10;
/// How much of an event that cannot be sent is kept for the report.
const EXCERPT_BYTES: usize = 2 << 10;

/// One event, or what stands in its place.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// The line that it begins on, from 1.
    pub line: u64,
    pub body: Body,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Body {
    /// Bytes without line ends: may stand in NDJSON.
    Event(Vec<u8>),
    /// Nothing that a server could take; `text` is its beginning.
    Unsendable { reason: String, text: Vec<u8> },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Lines,
    Array,
    /// After the end of the array, or after it broke.
    Over,
}

/// The events of a file, in order.
pub struct Records {
    bytes: Bytes,
    form: Form,
    event_bytes_max: usize,
}

impl Records {
    /// Looks at the first byte that says anything: `[` begins an array, everything
    /// else lines.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn new(reader: Box<dyn Read>, event_bytes_max: usize) -> io::Result<Self> {
        let mut bytes =
            Bytes { reader, buffer: vec![0; BUFFER_BYTES], filled: 0, at: 0, hashed: 0, hash: Sha256::new(), offset: 0, line: 1 };
        for mark in [0xef, 0xbb, 0xbf] {
            if bytes.peek()? != Some(mark) {
                break;
            }
            bytes.next()?;
        }
        bytes.skip_space()?;
        let form = if bytes.peek()? == Some(b'[') { Form::Array } else { Form::Lines };
        if form == Form::Array {
            bytes.next()?;
        }
        Ok(Self { bytes, form, event_bytes_max })
    }

    /// Bytes read so far: right behind the last event.
    pub fn offset(&self) -> u64 {
        self.bytes.offset
    }

    /// The line that the offset lies on, from 1.
    pub fn line(&self) -> u64 {
        self.bytes.line
    }

    /// SHA-256 of all bytes before the offset.
    pub fn prefix_sha256(&self) -> [u8; 32] {
        self.bytes.digest()
    }

    /// Goes to an offset that [`offset`](Self::offset) gave earlier. `false` when
    /// the file ends before it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn skip_to(&mut self, offset: u64, line: u64) -> io::Result<bool> {
        while self.bytes.offset < offset {
            if self.bytes.next()?.is_none() {
                return Ok(false);
            }
        }
        self.bytes.line = line;
        Ok(self.bytes.offset == offset)
    }

    /// The next event; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next(&mut self) -> io::Result<Option<Record>> {
        match self.form {
            Form::Lines => self.next_line(),
            Form::Array => self.next_element(),
            Form::Over => Ok(None),
        }
    }

    fn next_line(&mut self) -> io::Result<Option<Record>> {
        self.bytes.skip_space()?;
        let line = self.bytes.line;
        let mut event = Gathered::new(self.event_bytes_max);
        while let Some(byte) = self.bytes.next()? {
            if byte == b'\n' {
                break;
            }
            event.push(byte);
        }
        while event.kept.last() == Some(&b'\r') {
            event.kept.pop();
        }
        Ok((event.length > 0).then(|| Record { line, body: event.body() }))
    }

    fn next_element(&mut self) -> io::Result<Option<Record>> {
        loop {
            self.bytes.skip_space()?;
            match self.bytes.peek()? {
                Some(b',') => {
                    self.bytes.next()?;
                }
                // Not taken, so that an import that is started once more finds it here.
                Some(b']') => {
                    self.form = Form::Over;
                    return Ok(None);
                }
                Some(_) => break,
                None => return Ok(Some(self.broken("the array ends without `]`"))),
            }
        }
        let line = self.bytes.line;
        let mut event = Gathered::new(self.event_bytes_max);
        let (mut depth, mut in_text, mut escaped) = (0_u32, false, false);
        loop {
            let Some(byte) = self.bytes.peek()? else {
                return Ok(Some(self.broken("the array ends inside an event")));
            };
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_text => escaped = true,
                b'"' => in_text = !in_text,
                _ if in_text => {}
                b'{' | b'[' => depth += 1,
                // A scalar ends before these; they are not part of it.
                b',' | b']' | b'}' if depth == 0 => {
                    if byte == b'}' {
                        return Ok(Some(self.broken("a `}` without its `{`")));
                    }
                    break;
                }
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.bytes.next()?;
            // In JSON a line end between tokens means nothing; in NDJSON it would
            // end the event.
            event.push(if !in_text && matches!(byte, b'\n' | b'\r') { b' ' } else { byte });
            if depth == 0 && !in_text && matches!(byte, b'}' | b']' | b'"') {
                break;
            }
        }
        let body = match event.body() {
            Body::Event(bytes) => match serde_json::from_slice::<serde::de::IgnoredAny>(&bytes) {
                Ok(_) => Body::Event(bytes),
                Err(error) => Body::Unsendable { reason: format!("not JSON: {error}"), text: excerpt(bytes) },
            },
            unsendable => unsendable,
        };
        Ok(Some(Record { line, body }))
    }

    /// What remains of the array cannot be told apart any more.
    fn broken(&mut self, reason: &str) -> Record {
        self.form = Form::Over;
        Record { line: self.bytes.line, body: Body::Unsendable { reason: format!("not a JSON array: {reason}"), text: Vec::new() } }
    }
}

fn excerpt(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(EXCERPT_BYTES);
    bytes
}

/// An event's bytes, as far as it may be long.
struct Gathered {
    kept: Vec<u8>,
    length: usize,
    most: usize,
}

impl Gathered {
    fn new(most: usize) -> Self {
        Self { kept: Vec::new(), length: 0, most }
    }

    fn push(&mut self, byte: u8) {
        self.length += 1;
        if self.length <= self.most {
            self.kept.push(byte);
        }
    }

    fn body(self) -> Body {
        if self.length > self.most {
            return Body::Unsendable { reason: format!("{} bytes long, more than {}", self.length, self.most), text: excerpt(self.kept) };
        }
        Body::Event(self.kept)
    }
}

/// A buffered reader that counts, and hashes what was taken from it.
struct Bytes {
    reader: Box<dyn Read>,
    buffer: Vec<u8>,
    filled: usize,
    at: usize,
    hashed: usize,
    hash: Sha256,
    offset: u64,
    line: u64,
}

impl Bytes {
    fn peek(&mut self) -> io::Result<Option<u8>> {
        if self.at == self.filled {
            self.hash.update(&self.buffer[self.hashed..self.at]);
            (self.at, self.hashed, self.filled) = (0, 0, 0);
            self.filled = loop {
                match self.reader.read(&mut self.buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    outcome => break outcome?,
                }
            };
        }
        Ok((self.at < self.filled).then(|| self.buffer[self.at]))
    }

    fn next(&mut self) -> io::Result<Option<u8>> {
        let byte = self.peek()?;
        if let Some(byte) = byte {
            self.at += 1;
            self.offset += 1;
            self.line += u64::from(byte == b'\n');
        }
        Ok(byte)
    }

    fn skip_space(&mut self) -> io::Result<()> {
        while self.peek()?.is_some_and(|b| b.is_ascii_whitespace()) {
            self.next()?;
        }
        Ok(())
    }

    fn digest(&self) -> [u8; 32] {
        let mut hash = self.hash.clone();
        hash.update(&self.buffer[self.hashed..self.at]);
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(text: &str) -> Vec<(u64, Result<String, String>)> {
        let mut records = Records::new(Box::new(io::Cursor::new(text.as_bytes().to_vec())), 100).unwrap();
        let mut all = Vec::new();
        while let Some(record) = records.next().unwrap() {
            all.push((
                record.line,
                match record.body {
                    Body::Event(bytes) => Ok(String::from_utf8(bytes).unwrap()),
                    Body::Unsendable { reason, .. } => Err(reason),
                },
            ));
        }
        all
    }

    fn ok(line: u64, text: &str) -> (u64, Result<String, String>) {
        (line, Ok(text.to_owned()))
    }

    #[test]
    fn lines_are_events_whatever_ends_them() {
        assert_eq!(
            cut("{\"a\":1}\n\n{\"b\":2}\r\n  {broken\n{\"c\":3}"),
            [ok(1, "{\"a\":1}"), ok(3, "{\"b\":2}"), ok(4, "{broken"), ok(5, "{\"c\":3}")]
        );
        assert_eq!(cut("\u{feff}{}\n"), [ok(1, "{}")]);
        assert_eq!(cut(""), []);
        assert_eq!(cut(" \n \n"), []);
    }

    #[test]
    fn elements_of_an_array_are_events_on_one_line_each() {
        assert_eq!(cut("[\n {\"a\": \"],}\\\"\",\n \"b\": [1]},\n{}\n]\n"), [ok(2, "{\"a\": \"],}\\\"\",  \"b\": [1]}"), ok(4, "{}")]);
        assert_eq!(cut("[]"), []);
        assert_eq!(cut("[1, \"x\" ,null]"), [ok(1, "1"), ok(1, "\"x\""), ok(1, "null")]);
    }

    #[test]
    fn a_broken_array_is_told_once_and_ends() {
        for (text, reason) in [("[{}", "ends without `]`"), ("[{", "ends inside an event"), ("[}", "a `}` without its `{`")] {
            let last = cut(text).pop().unwrap().1.unwrap_err();
            assert!(last.contains(reason), "{text}: {last}");
        }
    }

    #[test]
    fn an_element_that_is_not_json_does_not_spoil_the_next() {
        let all = cut("[{a:1},{}]");
        assert!(all[0].1.as_ref().unwrap_err().starts_with("not JSON"));
        assert_eq!(all[1], ok(1, "{}"));
    }

    #[test]
    fn an_event_that_is_too_long_is_passed_over() {
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(100));
        for text in [format!("{long}\n{{}}\n"), format!("[{long},\n{{}}]")] {
            let all = cut(&text);
            assert!(all[0].1.as_ref().unwrap_err().contains("more than 100"), "{all:?}");
            assert_eq!(all[1], ok(2, "{}"));
        }
    }

    proptest! {
        /// Stopping after any event and going on from its offset gives the rest.
        #[test]
        fn any_stop_can_be_resumed(events in prop::collection::vec("\\{\"[a-z\\]\\[,]{0,20}\": ?[1-9][0-9]{0,2}\\}", 1..8), array: bool, stop in 0_usize..8) {
            let text = if array { format!("[{}]", events.join(",\n ")) } else { events.join("\n") };
            let stop = stop.min(events.len());
            let open = || Records::new(Box::new(io::Cursor::new(text.clone().into_bytes())), 1000).unwrap();
            let mut first = open();
            for event in &events[..stop] {
                prop_assert_eq!(first.next().unwrap().unwrap().body, Body::Event(event.clone().into_bytes()));
            }
            let mut second = open();
            prop_assert!(second.skip_to(first.offset(), first.line()).unwrap());
            prop_assert_eq!(second.prefix_sha256(), first.prefix_sha256());
            prop_assert_eq!(second.prefix_sha256(), <[u8; 32]>::from(Sha256::digest(&text.as_bytes()[..first.offset() as usize])));
            for event in &events[stop..] {
                prop_assert_eq!(second.next().unwrap().unwrap().body, Body::Event(event.clone().into_bytes()));
            }
            prop_assert_eq!(second.next().unwrap(), None);
        }
    }
}
