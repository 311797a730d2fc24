//! How many artifacts a page's filter lets through, without reading one of them:
//! names and lives are in memory. Only a name that was ever ended or joined to
//! another is looked at more closely.
use super::{Reader, classes::Classes};
use crate::{
    domain::{catalog::ArtifactPage, lineage::AsOf},
    store::{
        StoreError,
        embedded::{
            schema::backend,
            topology::{NodeFixed, NodeNo},
        },
    },
};

/// Counts the artifacts alive at the instant that the page's filter lets through and
/// the asker sees: as many as its pages list together.
///
/// # Errors
/// The database's.
pub fn count(r: &Reader<'_>, page: &ArtifactPage, as_of: AsOf) -> Result<u64, StoreError> {
    let topology = &r.shared.topology;
    let mut counter = Counter { r, page, as_of, classes: r.classes(as_of), count: 0 };
    if let Some(namespace) = page.namespace.as_deref() {
        let prefix = page.name_prefix.as_deref().unwrap_or_default();
        // One past every name that begins so, by bytes.
        let end = format!("{prefix}{}", char::MAX);
        let mut s =
            r.db.prepare_cached("SELECT no FROM node WHERE namespace = ?1 AND name >= ?2 AND (?4 OR name <= ?3)").map_err(backend)?;
        let mut rows = s.query((namespace, prefix, end, prefix.is_empty())).map_err(backend)?;
        while let Some(row) = rows.next().map_err(backend)? {
            counter.look(row.get(0).map_err(backend)?)?;
        }
    } else {
        for no in 0..topology.node_count() {
            counter.look(no)?;
        }
    }
    Ok(counter.count)
}

struct Counter<'a> {
    r: &'a Reader<'a>,
    page: &'a ArtifactPage,
    as_of: AsOf,
    classes: Classes<'a>,
    count: u64,
}

impl Counter<'_> {
    fn look(&mut self, no: NodeNo) -> Result<(), StoreError> {
        let topology = &self.r.shared.topology;
        let Some(fixed) = topology.node(no).filter(|f| u64::from(f.recorded_from) < self.as_of.size) else { return Ok(()) };
        if self.wanted(fixed) && self.r.sees(no) {
            let listed = if topology.has_ends(no) || topology.has_aliases(no) {
                let class = self.classes.of(no)?;
                self.classes.get(class).is_some_and(|c| c.alive && !c.hidden && c.representative == no)
                    && self.classes.first_named(class)? <= self.as_of.valid_at
            } else {
                topology.life_at(no, self.as_of.size).first().is_some_and(|l| l.0 <= self.as_of.valid_at)
            };
            self.count += u64::from(listed);
        }
        Ok(())
    }

    fn wanted(&self, fixed: &NodeFixed) -> bool {
        let page = self.page;
        (page.kinds.is_empty() || page.kinds.contains(&fixed.kind))
            && page.namespace.as_deref().is_none_or(|ns| ns == &*fixed.namespace)
            && page.name_prefix.as_deref().is_none_or(|prefix| fixed.name.starts_with(prefix))
    }
}
