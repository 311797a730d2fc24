//! Cutting an event into the parts of an entry.
use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};
use sha2::{Digest as _, Sha256};

use super::{
    canonical::{Substitute, canonical, substituted},
    core_part,
    reading::{EntityAt, FacetAt, Reading},
    rest::{self, Hole, HoleAt},
    tape::{Doc, Id, Kind},
    text,
};
use crate::domain::{
    assertion::{Assertion, Digest, Entity, FacetRef, Owner},
    declared::Declared,
    id::Handle,
    name::Name,
    sight::Sensitivity,
    source::Source,
};

/// An event as the parts of an entry and what its writer needs beside them.
#[derive(Debug)]
pub struct Cut<'a> {
    pub assertion: Assertion,
    /// RFC 8785 JSON; schema `seeds/schemas/openlineage.*.v1.json`.
    pub core: Vec<u8>,
    /// Layout version 1 of `docs/entry-format.md`.
    pub rest: Vec<u8>,
    /// The interned facets, each once.
    pub blobs: Vec<BlobRef<'a>>,
    /// One part per person, in the order of first mention: `rest` counts them so.
    pub people: Vec<PersonPart>,
    /// SHA-256 of `prefix`. Equal shapes: equal source, subject kind, state, names,
    /// facets, owners and layout; only what varies by run may differ: times, run ids,
    /// dataset versions, run, input and output facets, facets that the vocabulary
    /// lists as varying, members that the specification does not know.
    pub shape: Digest,
    /// What all events of the shape have in common of `core` and `rest`: a zstd
    /// prefix under which a repetition is nearly nothing.
    pub prefix: Vec<u8>,
    /// Where `core`'s share of `prefix` ends and `rest`'s begins.
    pub prefix_core: usize,
}

/// The received bytes of an interned facet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlobRef<'a> {
    /// SHA-256 of `bytes`.
    pub digest: Digest,
    pub bytes: &'a [u8],
}

/// Everything that one person is called in an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PersonPart {
    pub handle: Handle,
    /// Layout of `docs/entry-format.md`: a JSON array of strings.
    pub bytes: Vec<u8>,
}

impl<'a> Reading<'a> {
    /// Cuts the event, with one handle for each of [`Self::people`].
    ///
    /// # Panics
    /// If there are more or fewer handles: a value would stay in `rest`.
    #[must_use]
    pub fn cut(&self, source: &Source, handles: &[Handle]) -> Cut<'a> {
        self.cut_by(None, source, handles)
    }

    /// As [`Self::cut`], with the handle of who sent the event in `core`: so the
    /// entry commits to it.
    ///
    /// # Panics
    /// As [`Self::cut`].
    #[must_use]
    pub fn cut_by(&self, actor: Option<Handle>, source: &Source, handles: &[Handle]) -> Cut<'a> {
        self.cut_as(None, actor, source, handles)
    }

    /// As [`Self::cut_by`], as a declaration rather than as an integration's event.
    ///
    /// # Panics
    /// As [`Self::cut`].
    #[must_use]
    pub fn cut_as(&self, declared: Option<Declared>, actor: Option<Handle>, source: &Source, handles: &[Handle]) -> Cut<'a> {
        assert_eq!(handles.len(), self.people.len(), "one handle for each value that names a person");
        let substitutes: Vec<Substitute> =
            self.people.iter().zip(handles).map(|(p, handle)| Substitute { span: p.span.clone(), handle: *handle }).collect();
        let mut cutter = Cutter {
            doc: &self.doc,
            substitutes: &substitutes,
            holes: Vec::with_capacity(16 + substitutes.len()),
            blobs: Vec::new(),
            seen: FxHashSet::default(),
            varying: Vec::with_capacity(16),
        };
        let mut assertion = cutter.assertion(self, source);
        assertion.declared = declared;
        let people = cutter.people();
        cutter.vary(self);
        let Cutter { mut holes, mut varying, blobs, .. } = cutter;
        holes.sort_unstable_by_key(|h| h.span.start);
        varying.sort_unstable_by_key(|r| r.start);
        let core = core_part::write(&assertion, actor);
        let (prefix, prefix_core) = prefix(&core, self.body(), &holes, &varying, &people);
        Cut {
            rest: rest::write(self.body(), &holes),
            shape: Sha256::digest(&prefix).into(),
            assertion,
            core: core.bytes,
            blobs,
            people,
            prefix,
            prefix_core,
        }
    }
}

struct Cutter<'c, 'a> {
    doc: &'c Doc<'a>,
    substitutes: &'c [Substitute],
    holes: Vec<HoleAt>,
    blobs: Vec<BlobRef<'a>>,
    seen: FxHashSet<Digest>,
    /// Received bytes that differ between events of one shape.
    varying: Vec<Range<usize>>,
}

impl Cutter<'_, '_> {
    fn assertion(&mut self, reading: &Reading<'_>, source: &Source) -> Assertion {
        let run = reading.run.as_ref();
        let mut side = |side: &Option<Vec<EntityAt<'_>>>| side.as_ref().map(|list| list.iter().map(|e| self.entity(e)).collect());
        let (inputs, outputs) = (side(&reading.inputs), side(&reading.outputs));
        Assertion {
            subject: reading.subject.clone(),
            time: reading.time,
            digest: self.digest(reading),
            source: source.clone(),
            job: reading.job.as_ref().map(|e| self.entity(e)),
            inputs,
            outputs,
            dataset: reading.dataset.as_ref().map(|e| self.entity(e)),
            parent: run.and_then(|r| r.parent.clone()),
            root: run.and_then(|r| r.root.clone()),
            nominal_start: run.and_then(|r| r.nominal_start),
            nominal_end: run.and_then(|r| r.nominal_end),
            declared: None,
        }
    }

    /// Of the canonical event with handles for people: a digest of names that are
    /// easily guessed would tell them to whoever reads `core`.
    fn digest(&self, reading: &Reading<'_>) -> Digest {
        if self.substitutes.is_empty() {
            return reading.canonical;
        }
        // No key repeats, as reading found, so there is always a form.
        let form = canonical(self.doc, 0, self.substitutes).unwrap_or_default();
        Sha256::digest(form).into()
    }

    fn entity(&mut self, e: &EntityAt<'_>) -> Entity {
        let mut facets: Vec<FacetRef> = e.facets.iter().map(|f| self.facet(f)).collect();
        facets.sort_by(|a, b| a.name.encode_utf16().cmp(b.name.encode_utf16()));
        // Two names that are two spellings of one person have become one.
        facets.dedup_by(|later, earlier| later.name == earlier.name);
        let owners = e.owners.as_ref().map(|list| {
            let owner = |o: &super::reading::OwnerAt<'_>| {
                let start = self.doc.node(o.name).interior().start;
                let at = self.substitutes.binary_search_by_key(&start, |s| s.span.start).ok()?;
                Some(Owner { handle: self.substitutes.get(at)?.handle, role: o.role.as_deref().map(Box::from) })
            };
            list.iter().filter_map(owner).collect()
        });
        let name = Name::new(e.namespace.as_ref(), e.name.as_ref());
        let sensitivity = e.facets.iter().filter(|f| f.name == "tags" && !f.deleted).filter_map(|f| self.sensitivity(f)).max();
        Entity { name, facets, owners, sensitivity, lifecycle: e.lifecycle.clone(), version: e.version.clone() }
    }

    /// The highest level that the tags of an artifact and its columns say.
    fn sensitivity(&self, tags: &FacetAt<'_>) -> Option<Sensitivity> {
        let doc = self.doc;
        let list = doc.get(tags.value, "tags").filter(|list| doc.kind(*list) == Kind::Array)?;
        let of_key = |tag: &Id| {
            let key = Some(*tag).filter(|tag| doc.kind(*tag) == Kind::Object).and_then(|tag| doc.get(tag, "key"));
            key.is_some_and(|key| doc.kind(key) == Kind::String && doc.lossy(key).trim().eq_ignore_ascii_case(Sensitivity::TAG))
        };
        let level = |tag: Id| match doc.get(tag, "value") {
            Some(value) if doc.kind(value) == Kind::String => Sensitivity::of_tag(&doc.lossy(value)),
            _ => Sensitivity::Restricted,
        };
        doc.elements(list).filter(of_key).map(level).max()
    }

    fn facet(&mut self, f: &FacetAt<'_>) -> FacetRef {
        let span = self.doc.node(f.value).range();
        if f.varies {
            self.varying.push(span.clone());
        }
        let people = self.people_in(&span);
        let interned = people.is_empty() && !f.varies && !span.is_empty();
        let digest = if interned {
            self.intern(span)
        } else if people.is_empty() {
            Sha256::digest(&self.doc.text[span]).into()
        } else {
            Sha256::digest(substituted(self.doc.text, span, people)).into()
        };
        FacetRef { name: self.facet_name(f), digest, deleted: f.deleted, interned }
    }

    /// A facet may be called by somebody's address.
    fn facet_name(&self, f: &FacetAt<'_>) -> Box<str> {
        let span = self.doc.node(f.key).interior();
        match self.people_in(&span) {
            [] => f.name.as_ref().into(),
            people => text::decode_lossy(&substituted(self.doc.text, span, people)).into(),
        }
    }

    fn people_in(&self, span: &Range<usize>) -> &[Substitute] {
        let from = self.substitutes.partition_point(|s| s.span.start < span.start);
        let count = self.substitutes[from..].iter().take_while(|s| s.span.end <= span.end).count();
        &self.substitutes[from..from + count]
    }

    fn intern(&mut self, span: Range<usize>) -> Digest {
        /// How far back an equal facet is looked for before it is hashed again:
        /// datasets of one event often share theirs.
        const LOOK_BACK: usize = 16;
        let bytes = self.doc.text[span.clone()].as_bytes();
        let equal = self.blobs.iter().rev().take(LOOK_BACK).find(|b| b.bytes == bytes).map(|b| b.digest);
        let digest = equal.unwrap_or_else(|| Sha256::digest(bytes).into());
        if equal.is_none() && self.seen.insert(digest) {
            self.blobs.push(BlobRef { digest, bytes });
        }
        self.holes.push(HoleAt { span, hole: Hole::Blob(digest) });
        digest
    }

    /// Makes a hole of every stretch that names a person; equal stretches of one
    /// person are one value of the part.
    fn people(&mut self) -> Vec<PersonPart> {
        let mut parts: Vec<(Handle, Vec<&str>)> = Vec::new();
        let mut part_of: FxHashMap<Handle, u16> = FxHashMap::default();
        let mut value_of: FxHashMap<(u16, &str), u16> = FxHashMap::default();
        for s in self.substitutes {
            let raw = &self.doc.text[s.span.clone()];
            // INVARIANT: there are at most `PEOPLE_MAX` values, so both numbers fit.
            let part = *part_of.entry(s.handle).or_insert_with(|| {
                parts.push((s.handle, Vec::new()));
                (parts.len() - 1) as u16
            });
            let values = &mut parts[usize::from(part)].1;
            let value = *value_of.entry((part, raw)).or_insert_with(|| {
                values.push(raw);
                (values.len() - 1) as u16
            });
            self.holes.push(HoleAt { span: s.span.clone(), hole: Hole::Person { part, value } });
        }
        parts.into_iter().map(|(handle, values)| PersonPart { handle, bytes: rest::write_person(&values) }).collect()
    }

    /// Notes which received bytes vary: everything but the members that describe a
    /// job and its datasets. Of run, input and output facets the names, producers
    /// and schema URLs stay.
    fn vary(&mut self, reading: &Reading<'_>) {
        for (key, value) in self.doc.members(0) {
            match self.doc.lossy(key).as_ref() {
                "eventType" | "producer" | "schemaURL" | "job" | "inputs" | "outputs" | "dataset" => {}
                "run" if reading.run.as_ref().is_some_and(|r| r.id == value) => {
                    let facets = self.doc.get(value, "facets");
                    self.all_but_frame(value, facets);
                }
                _ => self.varying.push(self.doc.node(value).range()),
            }
        }
        for dataset in reading.inputs.iter().flatten().chain(reading.outputs.iter().flatten()) {
            if let Some(facets) = dataset.side_facets {
                self.all_but_frame(facets, Some(facets));
            }
        }
    }

    fn all_but_frame(&mut self, id: Id, facets: Option<Id>) {
        let range = self.doc.node(id).range();
        let mut at = range.start;
        let mut stays = |piece: Range<usize>, varying: &mut Vec<Range<usize>>| {
            varying.push(at..piece.start);
            at = piece.end;
        };
        for (key, facet) in facets.into_iter().flat_map(|f| self.doc.members(f)) {
            stays(self.doc.node(key).range(), &mut self.varying);
            for (key, value) in self.doc.members(facet) {
                if (self.doc.key_is(key, "_producer") || self.doc.key_is(key, "_schemaURL")) && self.doc.kind(value) == Kind::String {
                    stays(self.doc.node(key).range().start..self.doc.node(value).range().end, &mut self.varying);
                }
            }
        }
        self.varying.push(at..range.end);
    }
}

/// `core` without what varies, a zero byte, what the holes stand for, and the
/// received bytes without holes and without what varies. And how long the first of these is.
fn prefix(core: &core_part::Written, body: &[u8], holes: &[HoleAt], varying: &[Range<usize>], people: &[PersonPart]) -> (Vec<u8>, usize) {
    let mut out = Vec::with_capacity(core.bytes.len() + body.len() / 2);
    push_all_but(&mut out, &core.bytes, core.varying.iter().cloned());
    let of_core = out.len();
    out.push(0);
    let mut left_out: Vec<Range<usize>> = Vec::with_capacity(holes.len() + varying.len());
    let mut varying = varying.iter().peekable();
    for h in holes {
        while let Some(v) = varying.next_if(|v| v.end <= h.span.start) {
            left_out.push(v.clone());
        }
        if varying.peek().is_some_and(|v| v.start <= h.span.start) {
            continue;
        }
        left_out.push(h.span.clone());
        match h.hole {
            Hole::Blob(digest) => {
                out.push(0);
                out.extend_from_slice(&digest);
            }
            Hole::Person { part, .. } => {
                out.push(1);
                out.extend(people.get(usize::from(part)).map(|p| p.handle.0).unwrap_or_default());
            }
        }
    }
    left_out.extend(varying.cloned());
    push_all_but(&mut out, body, left_out.into_iter());
    (out, of_core)
}

fn push_all_but(out: &mut Vec<u8>, bytes: &[u8], left_out: impl Iterator<Item = Range<usize>>) {
    let mut at = 0;
    for range in left_out {
        out.extend_from_slice(&bytes[at..range.start]);
        at = range.end;
    }
    out.extend_from_slice(&bytes[at..]);
}
