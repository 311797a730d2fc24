//! The graph with one sort of node left out: what lies before and what lies
//! behind such a node is joined, while data goes in and out of it at once. The
//! starts of a walk stay in, whatever they are.
use std::{rc::Rc, time::Instant};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::{DOWN, Neighbour, Standing, UP, Walker};
use crate::{
    domain::{
        kind::ArtifactKind,
        lineage::{Collapse, FlowKind, Walk},
        time::Micros,
    },
    store::StoreError,
};

/// How many joins are made between two looks at the clock.
const JOINS_A_LOOK: usize = 1 << 14;

/// Neighbours by class, way, and the job between.
#[derive(Default)]
struct Joined {
    neighbours: Vec<Neighbour>,
    at: FxHashMap<(u32, u8, Option<u32>), usize>,
}

impl Walker<'_> {
    /// The neighbours of a class in the graph as shown.
    ///
    /// # Errors
    /// The database's.
    pub(super) fn neighbours(&mut self, class: u32, ways: u8) -> Result<Vec<Neighbour>, StoreError> {
        if self.question.collapse == Collapse::None || self.is_left_out(class) {
            return self.collect(class, ways);
        }
        let mut joined = Joined::default();
        let (mut shown, mut joins) = (Vec::new(), 0);
        for way in [UP, DOWN].into_iter().filter(|way| ways & way != 0) {
            for near in self.collect(class, way)? {
                if self.is_hidden(near.class) {
                    // Never passed through.
                    self.met_hidden |= near.standing == Standing::Walkable;
                } else if self.is_alive(near.class) {
                    let behind = self.behind(near.class, way)?;
                    for far in behind.iter() {
                        joins += 1;
                        joined.join(&near, far, self.question);
                    }
                    if joins > JOINS_A_LOOK {
                        joins = 0;
                        if Instant::now() >= self.question.deadline {
                            self.late = true;
                            return Ok(joined.neighbours);
                        }
                    }
                }
                if self.starts_at.contains(&near.class) {
                    shown.push(near);
                }
            }
        }
        joined.neighbours.append(&mut shown);
        Ok(joined.neighbours)
    }

    /// Whether a class is of the sort that is left out: then it is a start.
    fn is_left_out(&self, class: u32) -> bool {
        let kind = self.classes.get(class).and_then(|c| self.topology.node(c.representative)).map(|n| n.kind);
        (kind == Some(ArtifactKind::Job)) == (self.question.collapse == Collapse::Jobs)
    }

    fn behind(&mut self, class: u32, way: u8) -> Result<Rc<Vec<Neighbour>>, StoreError> {
        if let Some(known) = self.behind.get(&(class, way)) {
            return Ok(known.clone());
        }
        let found = Rc::new(self.collect(class, way)?);
        self.behind.insert((class, way), found.clone());
        Ok(found)
    }
}

impl Joined {
    fn join(&mut self, near: &Neighbour, far: &Neighbour, question: &Walk) {
        let job = (question.collapse == Collapse::Jobs).then_some(near.class);
        let both = near.spans.iter().flat_map(|a| far.spans.iter().map(|b| (a.0.max(b.0), a.1.min(b.1))));
        let both = both.filter(|(from, until): &(Micros, Micros)| from < until);
        let both: SmallVec<[(Micros, Micros); 2]> = both.collect();
        // Each may have been open at a time of its own.
        let together = both.iter().any(|(from, until)| *from <= question.as_of.valid_at && question.since < *until);
        let standing = if together { near.standing.min(far.standing) } else { Standing::Known };
        let i = *self.at.entry((far.class, near.way, job)).or_insert(self.neighbours.len());
        if i == self.neighbours.len() {
            let (spans, open) = (SmallVec::new(), SmallVec::new());
            let kind = FlowKind::WasDerivedFrom;
            self.neighbours.push(Neighbour { class: far.class, kind, job, way: near.way, standing, spans, open });
        }
        let Some(n) = self.neighbours.get_mut(i) else { return };
        n.standing = n.standing.max(standing);
        n.spans.extend(both);
        if standing > Standing::Known {
            for flow in near.open.iter().chain(&far.open) {
                if !n.open.iter().any(|f| f.slot == flow.slot) {
                    n.open.push(*flow);
                }
            }
        }
    }
}
