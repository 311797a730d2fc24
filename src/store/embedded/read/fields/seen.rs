//! Which schemas were in force in the time that a walk is about: one instant, or
//! a window in which they may have changed.
use std::sync::Arc;

use super::{
    super::{Reader, classes::Classes},
    FieldSet,
};
use crate::{
    domain::{
        lineage::{AsOf, Walk},
        time::Micros,
    },
    store::{
        StoreError,
        embedded::{schema::backend, topology::NodeNo},
    },
};

/// The schemas in force together at some time, one a source.
pub type Schemas = Vec<Arc<FieldSet>>;

impl Reader<'_> {
    /// The schemas of a class at each time in the walk's window at which it lived
    /// and they were others; of one that did not live then, at any time in it.
    pub(super) fn schemas_seen(
        &self,
        classes: &mut Classes<'_>,
        class: u32,
        names: &[NodeNo],
        walk: &Walk,
    ) -> Result<Vec<Schemas>, StoreError> {
        if walk.since == walk.as_of.valid_at {
            return Ok(vec![self.schemas(names, walk.as_of)?]);
        }
        let mut instants = vec![walk.since];
        instants.extend(classes.births(class)?);
        for name in names {
            instants.extend(self.schema_changes(*name, walk)?);
        }
        instants.sort_unstable();
        instants.dedup();
        let lived = classes.get(class).is_some_and(|c| c.alive);
        let mut seen: Vec<Schemas> = Vec::new();
        for at in instants {
            if lived && !classes.was_alive(class, at)? {
                continue;
            }
            let schemas = self.schemas(names, AsOf { valid_at: at, ..walk.as_of })?;
            let is_known = |s: &Schemas| s.len() == schemas.len() && s.iter().zip(&schemas).all(|(a, b)| Arc::ptr_eq(a, b));
            if !seen.iter().any(is_known) {
                seen.push(schemas);
            }
        }
        Ok(seen)
    }

    /// When what is said of a name's schema changed inside the window.
    fn schema_changes(&self, name: NodeNo, walk: &Walk) -> Result<Vec<Micros>, StoreError> {
        let Some(facet) = self.facet_no("schema")? else { return Ok(Vec::new()) };
        self.db
            .prepare_cached(
                "SELECT DISTINCT vf FROM facet WHERE node = ?1 AND name = ?2 AND vf > ?3 AND vf <= ?4 AND rf < ?5 AND (ru IS NULL OR ru >= ?5)",
            )
            .and_then(|mut s| {
                s.query_map((name, facet, walk.since.0, walk.as_of.valid_at.0, walk.as_of.size), |r| r.get(0).map(Micros))?.collect()
            })
            .map_err(backend)
    }
}
