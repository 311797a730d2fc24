//! Counting what a walk finds, one way, however much it is: a set of node numbers
//! instead of an answer, and flat arrays where a copy of the graph tells of a node.
//! What it does not tell of is asked of the walker, so both agree.
use std::{collections::BTreeMap, time::Instant};

use rusqlite::{Connection, OptionalExtension};
use rustc_hash::FxHashSet;
use smallvec::SmallVec;

use super::{DOWN, Standing, Walker, ways};
use crate::{
    domain::{
        counts::WalkCounts,
        kind::ArtifactKind,
        lineage::{Collapse, CompletenessStatus, Direction, IncompleteReason, Walk},
        time::{FOREVER, Micros},
    },
    store::{
        StoreError,
        embedded::{
            closure::{Bits, Copy},
            read::Reader,
            schema::backend,
            topology::NodeNo,
        },
    },
};

/// How many nodes are followed between two looks at the clock.
const NODES_A_LOOK: usize = 1 << 12;
/// The same of those that are asked of the walker.
const EXPANSIONS_A_LOOK: usize = 128;
/// How many classes are remembered, about 50 MB.
const CLASSES_MAX: usize = 1 << 17;
/// Of more nodes a bit for each that there is costs less.
const FEW: usize = 1 << 11;

/// Whether all that the question finds can be counted, without caps: the graph as
/// it is at an instant, one way, and nothing in it is kept from the asker.
pub fn fits(question: &Walk) -> bool {
    question.collapse == Collapse::None && question.direction != Direction::Both && question.since == question.as_of.valid_at
}

/// Counts. Only the deadline and the depth end it.
///
/// # Errors
/// The database's.
pub fn count(reader: &Reader<'_>, question: &Walk) -> Result<WalkCounts, StoreError> {
    let counting =
        Counting { walker: super::walker(reader, question, true), reader, question, seen: Seen::Few(FxHashSet::default()), edges: 0 };
    counting.run()
}

/// The nodes that were met, each by the number of the name that represents it.
enum Seen {
    Few(FxHashSet<NodeNo>),
    Many(Bits),
}

impl Seen {
    fn insert(&mut self, node: NodeNo) -> bool {
        match self {
            Self::Few(set) => set.insert(node),
            Self::Many(bits) => bits.insert(node),
        }
    }

    fn remove(&mut self, node: NodeNo) {
        match self {
            Self::Few(set) => drop(set.remove(&node)),
            Self::Many(bits) => bits.remove(node),
        }
    }
}

/// What one level adds.
#[derive(Default)]
struct Next {
    nodes: Vec<NodeNo>,
    /// Shown, and not walked through.
    ended: u32,
}

struct Counting<'a> {
    walker: Walker<'a>,
    reader: &'a Reader<'a>,
    question: &'a Walk,
    seen: Seen,
    edges: u64,
}

impl Counting<'_> {
    fn run(mut self) -> Result<WalkCounts, StoreError> {
        let (mut starts, mut level) = (Vec::new(), Vec::new());
        for start in &self.question.from {
            let Some(no) = self.walker.topology.find_any(start.artifact()) else { continue };
            let class = self.walker.classes.of(no)?;
            let (node, alive) = self.node_of(class)?;
            if self.seen.insert(node) {
                starts.push(node);
                level.extend(alive.then_some(node));
            }
        }
        let (mut by_depth, mut total, mut late) = (Vec::new(), starts.len(), false);
        let mut copy = None;
        for depth in 1..=self.question.depth {
            if level.is_empty() {
                break;
            }
            if total > FEW
                && let Seen::Few(set) = &self.seen
            {
                let mut bits = Bits::new(self.walker.topology.node_count());
                for node in set {
                    bits.insert(*node);
                }
                self.seen = Seen::Many(bits);
            }
            if copy.is_none() {
                copy = self.copy(total)?;
            }
            let mut next = Next::default();
            late = !self.follow(&level, copy.as_ref(), &mut next)?;
            let found = u32::try_from(next.nodes.len()).unwrap_or(u32::MAX).saturating_add(next.ended);
            if found > 0 {
                by_depth.push((depth, found));
                total += found as usize;
            }
            if late {
                break;
            }
            level = next.nodes;
        }
        starts.iter().for_each(|start| self.seen.remove(*start));
        Ok(WalkCounts {
            nodes: by_depth.iter().map(|d| d.1).fold(0, u32::saturating_add),
            edges: u32::try_from(self.edges).unwrap_or(u32::MAX),
            by_kind: self.kinds(copy.as_ref()),
            by_depth,
            status: if late { CompletenessStatus::Deadline } else { CompletenessStatus::Complete },
            reasons: if late { vec![IncompleteReason::Deadline] } else { Vec::new() },
        })
    }

    /// A copy that tells of the instant: one that is there, or a new one where the
    /// answer is large.
    fn copy(&self, nodes: usize) -> Result<Option<Copy>, StoreError> {
        let (shared, head, as_of) = (self.reader.shared, self.reader.head, self.question.as_of);
        let found = shared.copies.find(as_of);
        let copy = if shared.copies.are_worth_it(nodes) {
            let until = last_recorded(self.reader.db)?;
            let copy = found.or_else(|| shared.copies.make(&shared.topology, as_of, head, until));
            if let Some(copy) = &copy {
                shared.copies.renew(shared, copy, head, until);
            }
            copy
        } else {
            found
        };
        if let Some(copy) = &copy {
            copy.settle(&shared.topology);
        }
        Ok(copy)
    }

    /// Follows a level's nodes; `false` when the time is over.
    fn follow(&mut self, level: &[NodeNo], copy: Option<&Copy>, next: &mut Next) -> Result<bool, StoreError> {
        let mut others = Vec::new();
        match copy {
            None => others.extend_from_slice(level),
            Some(copy) => {
                let (topology, nodes) = (self.walker.topology, &mut next.nodes);
                let asked = (self.question.as_of, ways(self.question.direction) == DOWN);
                for some in level.chunks(NODES_A_LOOK) {
                    if self.is_late() {
                        return Ok(false);
                    }
                    self.edges += match &mut self.seen {
                        Seen::Few(set) => copy.follow(topology, asked, some, |n| nodes.extend(set.insert(n).then_some(n)), &mut others),
                        Seen::Many(bits) => copy.follow(
                            topology,
                            asked,
                            some,
                            |n| {
                                if bits.insert(n) {
                                    nodes.push(n);
                                }
                            },
                            &mut others,
                        ),
                    };
                }
            }
        }
        for (i, node) in others.into_iter().enumerate() {
            if i.is_multiple_of(EXPANSIONS_A_LOOK) && self.is_late() {
                return Ok(false);
            }
            self.expand(node, next)?;
            self.walker.classes.forget_beyond(CLASSES_MAX);
        }
        Ok(true)
    }

    fn is_late(&self) -> bool {
        Instant::now() >= self.question.deadline
    }

    /// Follows one node as the walker does, where it and what it flows to are one
    /// name each without an end; `false` where they are not: nothing was followed.
    fn expand_plain(&mut self, node: NodeNo, next: &mut Next) -> bool {
        let (topology, as_of) = (self.walker.topology, self.question.as_of);
        if !topology.is_plain(node) {
            return false;
        }
        let is_job = topology.node(node).is_some_and(|n| n.kind == ArtifactKind::Job);
        let list = usize::from((ways(self.question.direction) == DOWN) == is_job);
        let mut neighbours: SmallVec<[NodeNo; 16]> = SmallVec::new();
        for f in topology.flows_of(node, list).filter(|f| f.known(as_of.size) && f.open(as_of.valid_at)) {
            let neighbour = if is_job { f.dataset } else { f.job };
            if !topology.is_plain(neighbour) {
                return false;
            }
            neighbours.push(neighbour);
        }
        neighbours.sort_unstable();
        neighbours.dedup();
        for neighbour in neighbours {
            let alive = topology.life_at(neighbour, as_of.size).first().is_some_and(|life| life.0 <= as_of.valid_at);
            if alive || self.question.include_deleted {
                self.edges += 1;
                self.meet(neighbour, alive, next);
            }
        }
        true
    }

    fn meet(&mut self, node: NodeNo, alive: bool, next: &mut Next) {
        match (self.seen.insert(node), alive) {
            (true, true) => next.nodes.push(node),
            (true, false) => next.ended += 1,
            (false, _) => {}
        }
    }

    /// Follows one node as the walker does.
    fn expand(&mut self, node: NodeNo, next: &mut Next) -> Result<(), StoreError> {
        if self.expand_plain(node, next) {
            return Ok(());
        }
        let class = self.walker.classes.of(node)?;
        let least = if self.question.include_deleted { Standing::Tombstone } else { Standing::Walkable };
        for n in self.walker.collect(class, ways(self.question.direction))? {
            // An edge joins a dataset and a job, so none leads back to its node.
            if n.standing < least || n.class == class {
                continue;
            }
            self.edges += 1;
            let (node, alive) = self.node_of(n.class)?;
            self.meet(node, alive, next);
        }
        Ok(())
    }

    /// The name that represents a class, which represents no other, and whether it is alive.
    fn node_of(&self, class: u32) -> Result<(NodeNo, bool), StoreError> {
        let class = self.walker.classes.get(class).ok_or(StoreError::Inconsistent { place: "classes" })?;
        Ok((class.representative, class.alive))
    }

    fn kinds(&self, copy: Option<&Copy>) -> Vec<(ArtifactKind, u32)> {
        let mut kinds: BTreeMap<ArtifactKind, u32> = BTreeMap::new();
        let mut one = |node: NodeNo| {
            if let Some(node) = self.walker.topology.node(node) {
                *kinds.entry(node.kind).or_default() += 1;
            }
        };
        match (&self.seen, copy) {
            (Seen::Few(set), _) => set.iter().copied().for_each(one),
            (Seen::Many(bits), None) => bits.from(0).for_each(one),
            (Seen::Many(bits), Some(copy)) => {
                bits.from(copy.kinds().nodes()).for_each(&mut one);
                copy.kinds().count(bits).for_each(|(kind, n)| *kinds.entry(kind).or_default() += n);
            }
        }
        kinds.into_iter().filter(|k| k.1 > 0).collect()
    }
}

/// When the last entry was recorded: what is dated later lies ahead.
fn last_recorded(db: &Connection) -> Result<Micros, StoreError> {
    let last =
        db.prepare_cached("SELECT us FROM entry ORDER BY ix DESC LIMIT 1").and_then(|mut s| s.query_row([], |r| r.get(0)).optional());
    Ok(last.map_err(backend)?.map_or(FOREVER, Micros))
}
