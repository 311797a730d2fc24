//! One strict pass over JSON text (RFC 8259) that keeps what parsers throw away:
//! where every value lies, which spelling it has, which keys were repeated.
//!
//! The result is a flat list of nodes in the order of the text. A container is
//! followed by its content and knows where that ends, so a subtree is skipped in
//! one step and a value's received bytes are one slice.
use std::borrow::Cow;

use super::{
    refusal::{Refusal, RefusalKind, push_pointer},
    text,
};

/// The deepest nesting that is read, in containers.
pub(super) const DEPTH_MAX: usize = 128;

/// Keys that start so mean something to `serde_json` itself, so that a value
/// behind them would be shown as another one than was received.
const PRIVATE_KEYS: &str = "$serde_json::private::";

/// What a node is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Null,
    True,
    False,
    Number,
    String,
    Array,
    Object,
}

impl Kind {
    /// The word that people use for it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::True | Self::False => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

/// A node's number: its place in the text's order. 0 is the root.
pub(super) type Id = u32;

/// One value or key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// A string with a backslash in it.
    pub(super) escaped: bool,
    /// Bytes `start..end` of the text, quotes included.
    pub(super) start: u32,
    pub(super) end: u32,
    /// The node after this one and its content; 0 while it is still open.
    pub(super) next: Id,
}

impl Node {
    pub(super) const fn range(&self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The bytes between a string's quotes.
    pub(super) const fn interior(&self) -> std::ops::Range<usize> {
        self.start as usize + 1..self.end as usize - 1
    }
}

/// A text and its nodes.
#[derive(Debug)]
pub(super) struct Doc<'a> {
    pub(super) text: &'a str,
    pub(super) nodes: Vec<Node>,
}

impl<'a> Doc<'a> {
    /// Reads `bytes`, which must be one JSON value in UTF-8.
    ///
    /// # Errors
    /// [`RefusalKind::Malformed`] with the place, also for nesting deeper than
    /// [`DEPTH_MAX`] and for keys that are private to `serde_json`. Repeated keys
    /// are found by [`super::canonical::canonical`]. [`RefusalKind::TooLarge`] for
    /// 4 GiB and more.
    pub(super) fn scan(bytes: &'a [u8]) -> Result<Self, Refusal> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(Refusal::new(RefusalKind::TooLarge, String::new(), "an event must be smaller than 4 GiB"));
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(e) => {
                let (line, column) = line_and_column(bytes, e.valid_up_to());
                let message = format!("the text is not valid UTF-8 at line {line}, column {column}");
                return Err(Refusal::new(RefusalKind::Malformed, String::new(), message));
            }
        };
        let mut scanner = Scanner { bytes, at: 0, nodes: Vec::with_capacity(bytes.len() / 10 + 4), open: Vec::new() };
        match scanner.run() {
            Ok(()) => Ok(Self { text, nodes: scanner.nodes }),
            Err(fault) => {
                let (line, column) = line_and_column(bytes, fault.at);
                let last = Id::try_from(scanner.nodes.len()).unwrap_or(Id::MAX).saturating_sub(1);
                let pointer = Self { text, nodes: scanner.nodes }.pointer(last);
                let message = format!("{} at line {line}, column {column}", fault.what);
                Err(Refusal::new(RefusalKind::Malformed, pointer, message))
            }
        }
    }

    pub(super) fn node(&self, id: Id) -> &Node {
        &self.nodes[id as usize]
    }

    pub(super) fn kind(&self, id: Id) -> Kind {
        self.node(id).kind
    }

    /// The received bytes of a value.
    pub(super) fn raw(&self, id: Id) -> &'a str {
        &self.text[self.node(id).range()]
    }

    /// What lies between a string's quotes, as received.
    pub(super) fn interior(&self, id: Id) -> &'a str {
        &self.text[self.node(id).interior()]
    }

    /// A string's value; half surrogates read as U+FFFD.
    pub(super) fn lossy(&self, id: Id) -> Cow<'a, str> {
        if self.node(id).escaped { text::decode_lossy(self.interior(id)) } else { Cow::Borrowed(self.interior(id)) }
    }

    /// A string's value; `None` if half a surrogate pair is in it.
    pub(super) fn exact(&self, id: Id) -> Option<Cow<'a, str>> {
        if self.node(id).escaped { text::decode(self.interior(id)) } else { Some(Cow::Borrowed(self.interior(id))) }
    }

    /// A string's value, or nothing for what is no string.
    pub(super) fn string(&self, id: Id) -> Option<Cow<'a, str>> {
        (self.kind(id) == Kind::String).then(|| self.lossy(id))
    }

    /// Whether a key reads `name`.
    pub(super) fn key_is(&self, key: Id, name: &str) -> bool {
        if self.node(key).escaped { self.lossy(key) == name } else { self.interior(key) == name }
    }

    /// The members of an object as (key, value); none for anything else.
    pub(super) fn members(&self, object: Id) -> Members<'_> {
        let node = self.node(object);
        let end = if node.kind == Kind::Object { self.end_of(object) } else { object };
        Members { nodes: &self.nodes, at: object + 1, end }
    }

    /// The elements of an array; none for anything else.
    pub(super) fn elements(&self, array: Id) -> Elements<'_> {
        let node = self.node(array);
        let end = if node.kind == Kind::Array { self.end_of(array) } else { array };
        Elements { nodes: &self.nodes, at: array + 1, end }
    }

    /// The value of a member that is there and not `null`.
    pub(super) fn get(&self, object: Id, name: &str) -> Option<Id> {
        self.members(object).find(|&(key, _)| self.key_is(key, name)).map(|(_, value)| value).filter(|&v| self.kind(v) != Kind::Null)
    }

    /// A member that is a string.
    pub(super) fn get_string(&self, object: Id, name: &str) -> Option<Cow<'a, str>> {
        self.get(object, name).and_then(|id| self.string(id))
    }

    /// The JSON pointer (RFC 6901) of a value; that of a key is its value's.
    pub(super) fn pointer(&self, target: Id) -> String {
        let mut pointer = String::new();
        let mut at: Id = 0;
        while at < target {
            let inside = |value: Id| target < self.end_of(value);
            match self.kind(at) {
                Kind::Object => {
                    let Some((key, value)) = self.open_members(at).find(|&(key, value)| target == key || inside(value)) else { break };
                    push_pointer(&mut pointer, &self.lossy(key));
                    if target == key {
                        break;
                    }
                    at = value;
                }
                Kind::Array => {
                    let Some((i, value)) = self.elements(at).enumerate().find(|&(_, value)| inside(value)) else { break };
                    push_pointer(&mut pointer, &i.to_string());
                    at = value;
                }
                _ => break,
            }
        }
        pointer
    }

    /// As [`Self::members`], also where the text ended after a key.
    fn open_members(&self, object: Id) -> impl Iterator<Item = (Id, Id)> + '_ {
        let count = self.nodes.len() as Id;
        let mut at = object + 1;
        let end = self.end_of(object);
        std::iter::from_fn(move || {
            (at < end && at < count).then(|| {
                let key = at;
                at = if key + 1 < count { self.end_of(key + 1) } else { end };
                (key, key + 1)
            })
        })
    }

    fn end_of(&self, id: Id) -> Id {
        match self.nodes.get(id as usize) {
            Some(node) if node.next != 0 => node.next,
            _ => self.nodes.len() as Id,
        }
    }
}

/// See [`Doc::members`].
pub(super) struct Members<'d> {
    nodes: &'d [Node],
    at: Id,
    end: Id,
}

impl Iterator for Members<'_> {
    type Item = (Id, Id);

    #[inline]
    fn next(&mut self) -> Option<(Id, Id)> {
        if self.at >= self.end {
            return None;
        }
        let key = self.at;
        self.at = self.nodes.get(key as usize + 1)?.next;
        Some((key, key + 1))
    }
}

/// See [`Doc::elements`].
pub(super) struct Elements<'d> {
    nodes: &'d [Node],
    at: Id,
    end: Id,
}

impl Iterator for Elements<'_> {
    type Item = Id;

    #[inline]
    fn next(&mut self) -> Option<Id> {
        if self.at >= self.end {
            return None;
        }
        let value = self.at;
        self.at = match self.nodes.get(value as usize)?.next {
            0 => self.end,
            next => next,
        };
        Some(value)
    }
}

/// Line and column (in characters of UTF-8, both from 1) of a byte.
fn line_and_column(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = &bytes[..at.min(bytes.len())];
    let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
    let start = before.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
    (line, before[start..].iter().filter(|&&b| b & 0xC0 != 0x80).count() + 1)
}

/// What is wrong, and where.
struct Fault {
    at: usize,
    what: &'static str,
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    /// The containers that are open, outermost first.
    open: Vec<Id>,
}

impl Scanner<'_> {
    fn run(&mut self) -> Result<(), Fault> {
        'value: loop {
            self.space();
            match self.peek() {
                Some(b'{') => {
                    self.begin(Kind::Object)?;
                    self.space();
                    if self.peek() != Some(b'}') {
                        self.key()?;
                        continue 'value;
                    }
                    self.end();
                }
                Some(b'[') => {
                    self.begin(Kind::Array)?;
                    self.space();
                    if self.peek() != Some(b']') {
                        continue 'value;
                    }
                    self.end();
                }
                Some(b'"') => {
                    self.string()?;
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word(b"true", Kind::True)?,
                Some(b'f') => self.word(b"false", Kind::False)?,
                Some(b'n') => self.word(b"null", Kind::Null)?,
                Some(_) => return Err(self.fault("a JSON value was expected")),
                None => return Err(self.fault("the text ends where a JSON value was expected")),
            }
            loop {
                self.space();
                let Some(&top) = self.open.last() else {
                    return if self.at == self.bytes.len() { Ok(()) } else { Err(self.fault("something follows the JSON value")) };
                };
                match (self.peek(), self.nodes[top as usize].kind) {
                    (Some(b','), Kind::Object) => {
                        self.at += 1;
                        self.space();
                        self.key()?;
                        continue 'value;
                    }
                    (Some(b','), _) => {
                        self.at += 1;
                        continue 'value;
                    }
                    (Some(b'}'), Kind::Object) | (Some(b']'), Kind::Array) => self.end(),
                    (None, Kind::Object) => return Err(self.fault("the text ends inside an object")),
                    (None, _) => return Err(self.fault("the text ends inside an array")),
                    (Some(_), Kind::Object) => return Err(self.fault("a comma or the end of the object was expected")),
                    (Some(_), _) => return Err(self.fault("a comma or the end of the array was expected")),
                }
            }
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn fault(&self, what: &'static str) -> Fault {
        Fault { at: self.at, what }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the text is smaller than 4 GiB")]
    fn begin(&mut self, kind: Kind) -> Result<(), Fault> {
        if self.open.len() == DEPTH_MAX {
            return Err(self.fault("values are nested deeper than 128 levels"));
        }
        self.open.push(self.nodes.len() as Id);
        self.nodes.push(Node { kind, escaped: false, start: self.at as u32, end: 0, next: 0 });
        self.at += 1;
        Ok(())
    }

    #[expect(clippy::cast_possible_truncation, reason = "the text is smaller than 4 GiB")]
    fn end(&mut self) {
        self.at += 1;
        let next = self.nodes.len() as Id;
        if let Some(node) = self.open.pop().and_then(|top| self.nodes.get_mut(top as usize)) {
            node.end = self.at as u32;
            node.next = next;
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the text is smaller than 4 GiB")]
    fn leaf(&mut self, kind: Kind, start: usize, escaped: bool) {
        let next = self.nodes.len() as Id + 1;
        self.nodes.push(Node { kind, escaped, start: start as u32, end: self.at as u32, next });
    }

    fn key(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Some(b'"') => {}
            Some(_) => return Err(self.fault("a member's name in double quotes was expected")),
            None => return Err(self.fault("the text ends inside an object")),
        }
        let start = self.at;
        let escaped = self.string()?;
        let interior = &self.bytes[start + 1..self.at - 1];
        let private = if escaped {
            std::str::from_utf8(interior).is_ok_and(|raw| text::decode_lossy(raw).starts_with(PRIVATE_KEYS))
        } else {
            interior.starts_with(PRIVATE_KEYS.as_bytes())
        };
        if private {
            return Err(Fault { at: start, what: "a member's name starts with a prefix that is reserved" });
        }
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.fault("a colon was expected"));
        }
        self.at += 1;
        Ok(())
    }

    /// Reads a string, which starts here; tells whether it holds a backslash.
    #[inline]
    fn string(&mut self) -> Result<bool, Fault> {
        let start = self.at;
        self.at += 1;
        let mut escaped = false;
        loop {
            self.at += text::plain_run(&self.bytes[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    self.leaf(Kind::String, start, escaped);
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return Err(self.fault("a control character stands unescaped in a string")),
                None => return Err(Fault { at: start, what: "a string is not closed that starts" }),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') if self.bytes.get(self.at + 2..self.at + 6).is_some_and(|h| h.iter().all(u8::is_ascii_hexdigit)) => self.at += 6,
            _ => return Err(self.fault("an escape in a string is not one that JSON knows")),
        }
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let n = self.bytes[self.at..].iter().take_while(|b| b.is_ascii_digit()).count();
        self.at += n;
        n
    }

    fn number(&mut self) -> Result<(), Fault> {
        const WHAT: &str = "a number is not spelled as JSON demands";
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let leading_zero = self.peek() == Some(b'0');
        let digits = self.digits();
        if digits == 0 || (leading_zero && digits > 1) {
            return Err(self.fault(WHAT));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.fault(WHAT));
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.fault(WHAT));
            }
        }
        self.leaf(Kind::Number, start, false);
        Ok(())
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<(), Fault> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(self.fault("a JSON value was expected"));
        }
        let start = self.at;
        self.at += word.len();
        self.leaf(kind, start, false);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
