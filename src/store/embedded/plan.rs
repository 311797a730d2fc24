//! What a shape means for the projection, in dense numbers: made once, then every
//! event of the shape is decided without looking a name up.
use std::sync::Arc;

use smallvec::SmallVec;

use super::topology::{NodeNo, PairNo, SourceNo};
use crate::{domain::assertion::Digest, store::StoreError};

/// A shape, resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub source: SourceNo,
    /// Decides between equal times (run state; 0 for design-time events).
    pub rank: u8,
    /// Of run and job events.
    pub pair: Option<PairNo>,
    pub job: Option<NodeNo>,
    /// Sorted, each once. `None`: the member was absent.
    pub inputs: Option<Box<[NodeNo]>>,
    pub outputs: Option<Box<[NodeNo]>>,
    pub dataset: Option<NodeNo>,
    /// Nodes whose life an event of this shape witnesses: everything it names
    /// but the datasets that it drops.
    pub named: Box<[NodeNo]>,
    /// Datasets whose life it ends (`DROP`, and the old name of a `RENAME`).
    pub ends: Box<[NodeNo]>,
    /// Those of them that it drops. Sorted.
    pub drops: Box<[NodeNo]>,
    /// (old, new) names.
    pub renames: Box<[(NodeNo, NodeNo)]>,
    pub facets: Box<[PlanFacet]>,
    /// Interned content by digest, for putting received bytes together again.
    pub blobs: Box<[(Digest, u32)]>,
}

/// One facet that every event of the shape asserts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanFacet {
    pub node: NodeNo,
    pub name: u32,
    /// `source * 2`, or `pair * 2 + 1` for facets kept per job.
    pub owner: u32,
    pub digest: Digest,
    pub deleted: bool,
    pub blob: Option<u32>,
    /// Of `symlinks`: the other names, and whether each is a location.
    pub symlinks: SmallVec<[(NodeNo, bool); 1]>,
}

/// Facets that belong to the source as a whole.
pub const fn owner_of_source(source: SourceNo) -> u32 {
    source * 2
}

/// Facets kept per (job, source).
pub const fn owner_of_pair(pair: PairNo) -> u32 {
    pair * 2 + 1
}

impl Plan {
    /// The members of a side; absent counts as none.
    pub fn members(&self, output: bool) -> &[NodeNo] {
        (if output { &self.outputs } else { &self.inputs }).as_deref().unwrap_or_default()
    }

    pub fn names(&self, node: NodeNo) -> bool {
        self.named.binary_search(&node).is_ok()
    }

    pub fn facet(&self, node: NodeNo, name: u32, owner: u32) -> Option<&PlanFacet> {
        self.facets.iter().find(|f| f.node == node && f.name == name && f.owner == owner)
    }

    pub fn blob(&self, digest: &Digest) -> Option<u32> {
        self.blobs.iter().find(|(d, _)| d == digest).map(|(_, b)| *b)
    }

    /// The bytes of the `plan` column.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer(Vec::with_capacity(256));
        w.number(1); // layout
        w.number(self.source);
        w.number(self.rank.into());
        w.option(self.pair);
        w.option(self.job);
        w.option(self.dataset);
        for side in [&self.inputs, &self.outputs] {
            match side {
                None => w.number(0),
                Some(s) => {
                    w.number(u32::try_from(s.len()).unwrap_or(u32::MAX - 1) + 1);
                    s.iter().for_each(|n| w.number(*n));
                }
            }
        }
        w.list(&self.named, |w, n| w.number(*n));
        w.list(&self.ends, |w, n| w.number(*n));
        w.list(&self.drops, |w, n| w.number(*n));
        w.list(&self.renames, |w, (a, b)| {
            w.number(*a);
            w.number(*b);
        });
        w.list(&self.facets, |w, f| {
            w.number(f.node);
            w.number(f.name);
            w.number(f.owner);
            w.0.extend_from_slice(&f.digest);
            w.number(u32::from(f.deleted));
            w.option(f.blob);
            w.list(&f.symlinks, |w, (n, location)| {
                w.number(*n);
                w.number(u32::from(*location));
            });
        });
        w.list(&self.blobs, |w, (d, b)| {
            w.0.extend_from_slice(d);
            w.number(*b);
        });
        w.0
    }

    /// Reads the `plan` column.
    ///
    /// # Errors
    /// Bytes that `encode` did not write.
    pub fn decode(bytes: &[u8]) -> Result<Arc<Self>, StoreError> {
        let mut r = Reader(bytes);
        let plan = (|| {
            if r.number()? != 1 {
                return None;
            }
            let (source, rank) = (r.number()?, u8::try_from(r.number()?).ok()?);
            let (pair, job, dataset) = (r.option()?, r.option()?, r.option()?);
            let mut sides = [None, None];
            for side in &mut sides {
                let n = r.number()?;
                if n > 0 {
                    *side = Some((1..n).map(|_| r.number()).collect::<Option<Box<[_]>>>()?);
                }
            }
            let [inputs, outputs] = sides;
            let named = r.list(Reader::number)?;
            let ends = r.list(Reader::number)?;
            let drops = r.list(Reader::number)?;
            let renames = r.list(|r| Some((r.number()?, r.number()?)))?;
            let facets = r.list(|r| {
                Some(PlanFacet {
                    node: r.number()?,
                    name: r.number()?,
                    owner: r.number()?,
                    digest: r.digest()?,
                    deleted: r.number()? == 1,
                    blob: r.option()?,
                    symlinks: r.list(|r| Some((r.number()?, r.number()? == 1)))?.into_vec().into(),
                })
            })?;
            let blobs = r.list(|r| Some((r.digest()?, r.number()?)))?;
            Some(Self { source, rank, pair, job, inputs, outputs, dataset, named, ends, drops, renames, facets, blobs })
        })();
        plan.filter(|_| r.0.is_empty()).map(Arc::new).ok_or(StoreError::Inconsistent { place: "shape.plan" })
    }
}

/// Little-endian base-128 numbers, lists with their length in front.
pub struct Writer(pub Vec<u8>);

impl Writer {
    pub fn long(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push((n as u8) | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    pub fn number(&mut self, n: u32) {
        self.long(n.into());
    }

    fn option(&mut self, n: Option<u32>) {
        self.long(n.map_or(0, |n| u64::from(n) + 1));
    }

    fn list<T>(&mut self, items: &[T], each: impl Fn(&mut Self, &T)) {
        self.long(items.len() as u64);
        items.iter().for_each(|i| each(self, i));
    }
}

/// Reads what [`Writer`] wrote.
pub struct Reader<'a>(pub &'a [u8]);

impl Reader<'_> {
    pub fn long(&mut self) -> Option<u64> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let (b, rest) = self.0.split_first()?;
            self.0 = rest;
            n |= u64::from(b & 0x7f) << shift;
            if b & 0x80 == 0 {
                return Some(n);
            }
        }
        None
    }

    pub fn number(&mut self) -> Option<u32> {
        u32::try_from(self.long()?).ok()
    }

    fn option(&mut self) -> Option<Option<u32>> {
        Some(match self.long()? {
            0 => None,
            n => Some(u32::try_from(n - 1).ok()?),
        })
    }

    fn digest(&mut self) -> Option<Digest> {
        let (d, rest) = self.0.split_first_chunk::<32>()?;
        self.0 = rest;
        Some(*d)
    }

    fn list<T>(&mut self, each: impl Fn(&mut Self) -> Option<T>) -> Option<Box<[T]>> {
        let n = self.long()?;
        (0..n).map(|_| each(self)).collect()
    }
}

/// Which shapes a run's events had: (shape, time of its first event, that entry).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunShapes(pub SmallVec<[(u32, i64, u64); 2]>);

impl RunShapes {
    /// Bytes of the `shapes` column; times as distance from the run's start.
    pub fn encode(&self, start: i64) -> Vec<u8> {
        let mut w = Writer(Vec::with_capacity(16));
        for (shape, us, ix) in &self.0 {
            w.number(*shape);
            w.long(us.saturating_sub(start).unsigned_abs());
            w.long(*ix);
        }
        w.0
    }

    /// Reads the `shapes` column.
    ///
    /// # Errors
    /// Bytes that `encode` did not write.
    pub fn decode(bytes: &[u8], start: i64) -> Result<Self, StoreError> {
        let mut r = Reader(bytes);
        let mut out = SmallVec::new();
        while !r.0.is_empty() {
            let one = (|| Some((r.number()?, start.checked_add_unsigned(r.long()?)?, r.long()?)))();
            out.push(one.ok_or(StoreError::Inconsistent { place: "run.shapes" })?);
        }
        Ok(Self(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_comes_back_as_it_went() {
        let plan = Plan {
            source: 3,
            rank: 6,
            pair: Some(0),
            job: Some(9),
            inputs: Some(Box::new([1, 300])),
            outputs: None,
            dataset: None,
            named: Box::new([1, 9, 300]),
            ends: Box::new([7]),
            drops: Box::new([7]),
            renames: Box::new([(1, 2)]),
            facets: Box::new([PlanFacet {
                node: 1,
                name: 2,
                owner: 5,
                digest: [7; 32],
                deleted: true,
                blob: Some(0),
                symlinks: SmallVec::from_slice(&[(4, true)]),
            }]),
            blobs: Box::new([([9; 32], 70_000)]),
        };
        assert_eq!(*Plan::decode(&plan.encode()).unwrap(), plan);
        let bytes = plan.encode();
        for cut in 0..bytes.len() {
            assert!(Plan::decode(&bytes[..cut]).is_err());
        }
    }

    #[test]
    fn a_runs_shapes_come_back_as_they_went() {
        let shapes = RunShapes(SmallVec::from_slice(&[(1, 1_000, 5), (2, 2_000_000, 9)]));
        assert_eq!(RunShapes::decode(&shapes.encode(1_000), 1_000).unwrap(), shapes);
    }
}
