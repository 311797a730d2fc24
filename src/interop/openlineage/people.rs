//! Which stretches of an event name people: the members that the vocabulary
//! lists, and e-mail addresses in the texts of facets.
use std::{borrow::Cow, ops::Range};

use super::{
    email,
    tape::{Doc, Id, Kind},
    text::{self, Piece},
    vocabulary::{FacetRule, PersonKind, Segment},
};

/// The longest text that names a person, in bytes as received.
pub const PERSON_BYTES_MAX: usize = 4096;
/// How many stretches of one event may name people.
pub const PEOPLE_MAX: usize = 4096;

/// A stretch of an event that names a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PersonValue<'a> {
    pub kind: PersonKind,
    /// Without JSON's escapes.
    pub value: Cow<'a, str>,
    /// Bytes of the received event, inside the quotes of one string.
    pub span: Range<usize>,
}

/// Gathers the values of one event.
pub(super) struct Search<'d, 'a> {
    pub(super) doc: &'d Doc<'a>,
    pub(super) found: Vec<PersonValue<'a>>,
}

impl<'a> Search<'_, 'a> {
    /// Takes what a rule says of a facet.
    pub(super) fn by_rule(&mut self, facet: Id, rule: &FacetRule) {
        for (path, kind) in &rule.people {
            self.follow(facet, path, *kind);
        }
    }

    // INVARIANT: recursion is as deep as the text is nested plus the path's length.
    fn follow(&mut self, id: Id, path: &[Segment], kind: PersonKind) {
        let Some((segment, rest)) = path.split_first() else {
            self.whole(id, kind);
            return;
        };
        if *segment == Segment::Deep {
            self.follow(id, rest, kind);
        }
        let deeper = |segment: &Segment, key: Option<Id>| match segment {
            Segment::Name(name) => key.is_some_and(|k| self.doc.key_is(k, name)).then_some(rest),
            Segment::Each => Some(rest),
            Segment::Deep => Some(path),
        };
        let mut next: Vec<(Id, &[Segment])> = Vec::new();
        next.extend(self.doc.members(id).filter_map(|(key, value)| Some((value, deeper(segment, Some(key))?))));
        next.extend(self.doc.elements(id).filter_map(|value| Some((value, deeper(segment, None)?))));
        for (value, rest) in next {
            self.follow(value, rest, kind);
        }
    }

    /// A value without a letter or digit names nobody: blank, or masked (`***`).
    fn whole(&mut self, id: Id, kind: PersonKind) {
        let Some(value) = self.doc.string(id).filter(|v| v.contains(char::is_alphanumeric)) else { return };
        let is_address = kind == PersonKind::Name && email::find(&value).first().is_some_and(|r| r.len() == value.len());
        let kind = if is_address { PersonKind::Email } else { kind };
        self.found.push(PersonValue { kind, value, span: self.doc.node(id).interior() });
    }

    /// Looks for addresses in every string, names of members too, but those within `kept`
    /// (sorted ranges of node ids).
    pub(super) fn addresses(&mut self, kept: &[Range<Id>]) {
        if !self.doc.text.contains('@') && !self.doc.text.contains("\\u0040") {
            return;
        }
        let mut kept = kept.iter().peekable();
        let mut id: Id = 0;
        while let Some(node) = self.doc.nodes.get(id as usize) {
            while kept.peek().is_some_and(|r| r.end <= id) {
                kept.next();
            }
            if let Some(r) = kept.peek().filter(|r| r.start <= id) {
                id = r.end;
                continue;
            }
            if node.kind == Kind::String {
                self.addresses_in(id);
            }
            id += 1;
        }
    }

    fn addresses_in(&mut self, id: Id) {
        let interior = self.doc.interior(id);
        let base = self.doc.node(id).interior().start;
        if !self.doc.node(id).escaped {
            if interior.contains('@') {
                let values = email::find(interior).into_iter().map(|r| PersonValue {
                    kind: PersonKind::Email,
                    value: Cow::Borrowed(&interior[r.clone()]),
                    span: base + r.start..base + r.end,
                });
                self.found.extend(values);
            }
            return;
        }
        // Where each character of the value lies among the received bytes.
        let mut value = String::with_capacity(interior.len());
        let mut places: Vec<(usize, Range<usize>)> = Vec::new();
        for (range, piece) in text::pieces(interior) {
            match piece {
                Piece::Plain(s) => {
                    places.extend(s.char_indices().map(|(i, c)| (value.len() + i, range.start + i..range.start + i + c.len_utf8())));
                    value.push_str(s);
                }
                Piece::Char(c) => {
                    places.push((value.len(), range));
                    value.push(c);
                }
                Piece::Lone(_) => {
                    places.push((value.len(), range));
                    value.push(char::REPLACEMENT_CHARACTER);
                }
            }
        }
        for r in email::find(&value) {
            let first = places.partition_point(|(at, _)| *at < r.start);
            let last = places.partition_point(|(at, _)| *at < r.end);
            let (Some((_, from)), Some((_, to))) = (places.get(first), last.checked_sub(1).and_then(|i| places.get(i))) else { continue };
            let span = base + from.start..base + to.end;
            self.found.push(PersonValue { kind: PersonKind::Email, value: Cow::Owned(value[r].to_owned()), span });
        }
    }

    /// The values in order, each stretch once; what the vocabulary names wins over
    /// an address inside it.
    pub(super) fn finish(mut self) -> Vec<PersonValue<'a>> {
        self.found.sort_by(|a, b| a.span.start.cmp(&b.span.start).then(b.span.end.cmp(&a.span.end)));
        let mut end = 0;
        self.found.retain(|p| {
            let apart = p.span.start >= end;
            end = end.max(p.span.end);
            apart
        });
        self.found
    }
}
