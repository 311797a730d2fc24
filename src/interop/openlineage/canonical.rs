//! The canonical form of an event: one text for all spellings of the same JSON.
//!
//! Members are sorted by the bytes of their canonical names, white space is gone,
//! strings are spelled as RFC 8785 does, and numbers keep their lexemes (`1.0`
//! and `1` are two values: a producer that changes its mind changed the event).
//! Where no number is spelled unusually and no name holds characters beyond the
//! Basic Multilingual Plane, this is RFC 8785.
use std::{borrow::Cow, ops::Range};

use sha2::{Digest as _, Sha256};

use super::{
    refusal::{Refusal, RefusalKind},
    tape::{Doc, Id, Kind},
    text,
};
use crate::domain::{assertion::Digest, id::Handle};

/// SHA-256 of an event's canonical form: equal for every order of members, every
/// white space and every spelling of strings.
///
/// # Errors
/// As [`super::read`] for what is no JSON, and for repeated keys.
pub fn canonical_digest(body: &[u8]) -> Result<Digest, Refusal> {
    let doc = Doc::scan(body)?;
    Ok(Sha256::digest(canonical(&doc, 0, &[])?).into())
}

/// A stretch of the text that names a person, and the handle to write instead.
pub(super) struct Substitute {
    pub(super) span: Range<usize>,
    pub(super) handle: Handle,
}

/// The canonical form of a value, `substitutes` (sorted, each inside one string)
/// replaced by handles.
///
/// # Errors
/// [`RefusalKind::Malformed`] at the first repeated key.
pub(super) fn canonical(doc: &Doc<'_>, root: Id, substitutes: &[Substitute]) -> Result<Vec<u8>, Refusal> {
    let mut writer =
        Writer { doc, substitutes, out: Vec::with_capacity(doc.node(root).range().len() + 64), members: Vec::with_capacity(64) };
    match writer.value(root) {
        Ok(()) => Ok(writer.out),
        Err(Repeated(key)) => Err(Refusal::new(RefusalKind::Malformed, doc.pointer(key), "a member's name is there twice in one object")),
    }
}

/// The key that repeats an earlier one.
struct Repeated(Id);

struct Member<'a> {
    /// The name's canonical spelling, without quotes.
    name: Cow<'a, [u8]>,
    key: Id,
}

struct Writer<'d, 'a> {
    doc: &'d Doc<'a>,
    substitutes: &'d [Substitute],
    out: Vec<u8>,
    /// The members of the objects being written, innermost last.
    members: Vec<Member<'a>>,
}

impl Writer<'_, '_> {
    // INVARIANT: recursion is as deep as the text is nested, at most `DEPTH_MAX`.
    fn value(&mut self, id: Id) -> Result<(), Repeated> {
        let node = self.doc.node(id);
        match node.kind {
            Kind::Object => self.object(id)?,
            Kind::Array => {
                self.out.push(b'[');
                let (first, end) = (id + 1, node.next);
                let mut at = first;
                while at < end {
                    if at > first {
                        self.out.push(b',');
                    }
                    self.value(at)?;
                    at = self.doc.node(at).next;
                }
                self.out.push(b']');
            }
            Kind::String => self.string(id),
            _ => self.out.extend_from_slice(self.doc.raw(id).as_bytes()),
        }
        Ok(())
    }

    fn object(&mut self, id: Id) -> Result<(), Repeated> {
        let base = self.members.len();
        let mut ascending = true;
        for (key, _) in self.doc.members(id) {
            let interior = self.doc.interior(key);
            let name = if self.doc.node(key).escaped {
                let mut out = Vec::with_capacity(interior.len());
                text::respell(interior, &mut out);
                Cow::Owned(out)
            } else {
                Cow::Borrowed(interior.as_bytes())
            };
            ascending = ascending && (self.members.len() == base || self.members[self.members.len() - 1].name < name);
            self.members.push(Member { name, key });
        }
        let end = self.members.len();
        if !ascending {
            // Among equal names the earlier first, so that the later is told as the repetition.
            self.members[base..].sort_unstable_by(|a, b| a.name.cmp(&b.name).then(a.key.cmp(&b.key)));
            if let Some(pair) = self.members[base..].windows(2).find(|pair| pair[0].name == pair[1].name) {
                return Err(Repeated(pair[1].key));
            }
        }
        self.out.push(b'{');
        for i in base..end {
            if i > base {
                self.out.push(b',');
            }
            let key = self.members[i].key;
            self.string(key);
            self.out.push(b':');
            self.value(key + 1)?;
        }
        self.out.push(b'}');
        self.members.truncate(base);
        Ok(())
    }

    #[inline]
    fn string(&mut self, id: Id) {
        let node = self.doc.node(id);
        if !self.substitutes.is_empty() {
            let from = self.substitutes.partition_point(|s| s.span.start < node.start as usize);
            let inside = self.substitutes[from..].iter().take_while(|s| s.span.end <= node.end as usize).count();
            if inside > 0 {
                let interior = substituted(self.doc.text, node.interior(), &self.substitutes[from..from + inside]);
                self.out.push(b'"');
                text::respell(&interior, &mut self.out);
                self.out.push(b'"');
                return;
            }
        }
        if node.escaped {
            self.out.push(b'"');
            text::respell(self.doc.interior(id), &mut self.out);
            self.out.push(b'"');
        } else {
            self.out.extend_from_slice(self.doc.raw(id).as_bytes());
        }
    }
}

/// A stretch of the text with handles in the place of what names people.
pub(super) fn substituted(text: &str, range: Range<usize>, substitutes: &[Substitute]) -> String {
    let mut out = String::with_capacity(range.len() + 36 * substitutes.len());
    let mut at = range.start;
    for s in substitutes {
        out.push_str(&text[at..s.span.start]);
        out.push_str(&s.handle.text());
        at = s.span.end;
    }
    out.push_str(&text[at..range.end]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> String {
        let doc = Doc::scan(text.as_bytes()).expect("JSON");
        String::from_utf8(canonical(&doc, 0, &[]).expect("canonical")).expect("UTF-8")
    }

    #[test]
    fn order_white_space_and_spelling_of_strings_do_not_matter_and_numbers_do() {
        let one = form(r#" { "b" : [ 1.0 , 1E2, -0 ] , "\u0061" : { "z" : "\u00e9\/" , "y" : null } } "#);
        assert_eq!(one, r#"{"a":{"y":null,"z":"é/"},"b":[1.0,1E2,-0]}"#);
        assert_eq!(one, form(r#"{"a":{"y":null,"z":"é/"},"b":[1.0,1E2,-0]}"#));
        assert_ne!(form("[1.0]"), form("[1]"));
    }

    #[test]
    fn a_repeated_key_is_found_anywhere_and_however_it_is_spelled() {
        for (text, pointer) in
            [(r#"{"a":1,"a":2}"#, "/a"), (r#"{"x":[0,{"b":1,"a":1,"\u0062":2}]}"#, "/x/1/b"), (r#"{"\ud800":1,"\uD800":2}"#, "/\u{fffd}")]
        {
            let doc = Doc::scan(text.as_bytes()).expect("JSON");
            let refusal = canonical(&doc, 0, &[]).expect_err("refused");
            assert_eq!((refusal.kind, refusal.pointer.as_str()), (RefusalKind::Malformed, pointer));
        }
        assert!(canonical_digest(br#"{"a":{"a":1},"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn the_digest_of_a_small_event_is_known() {
        let digest = canonical_digest(br#"{"b":1,"a":"x"}"#).expect("JSON");
        assert_eq!(digest, <[u8; 32]>::from(Sha256::digest(br#"{"a":"x","b":1}"#)));
    }
}
