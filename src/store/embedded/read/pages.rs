//! Pages of artifacts: keyset over (namespace, name, kind) by bytes.
use super::{Reader, facts::artifacts};
use crate::{
    domain::{
        catalog::{ArtifactFacts, ArtifactPage},
        id::NodeId,
        kind::ArtifactKind,
        lineage::{AsOf, NodeKey},
    },
    store::{StoreError, embedded::schema::backend},
};

/// One past every string that starts with `prefix`, by bytes.
fn after_prefix(prefix: &str) -> String {
    let mut s = prefix.to_owned();
    s.push(char::MAX);
    s
}

/// A page of artifacts alive at the instant; of joined names the one that stands for them.
///
/// # Errors
/// The database's.
pub fn page(reader: &Reader<'_>, page: &ArtifactPage, as_of: AsOf) -> Result<Vec<ArtifactFacts>, StoreError> {
    let mut found: Vec<ArtifactFacts> = Vec::with_capacity(page.limit);
    let (mut namespace, mut name, mut kind) = match &page.after {
        Some((n, k)) => (n.namespace.to_string(), n.name.to_string(), *k as u8),
        None => (page.namespace.as_deref().unwrap_or_default().to_owned(), page.name_prefix.as_deref().unwrap_or_default().to_owned(), 0),
    };
    // With a namespace the prefix bounds the scan; without one it is a filter.
    let chunk = i64::try_from(page.limit.clamp(16, 512)).unwrap_or(512);
    loop {
        let rows: Vec<([u8; 16], u8, String, String)> = reader
            .db
            .prepare_cached(
                "SELECT id, kind, namespace, name FROM node WHERE (namespace, name, kind) > (?1, ?2, ?3) AND ix < ?4 \
                 AND (?5 IS NULL OR namespace <= ?5) ORDER BY namespace, name, kind LIMIT ?6",
            )
            .and_then(|mut s| {
                s.query_map((&namespace, &name, kind, as_of.size, page.namespace.as_deref(), chunk), |r| {
                    Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?))
                })?
                .collect()
            })
            .map_err(backend)?;
        let full = i64::try_from(rows.len()).unwrap_or(0) == chunk;
        let mut keys = Vec::with_capacity(rows.len());
        let mut ended = false;
        for (id, k, ns, n) in &rows {
            if let Some(prefix) = page.name_prefix.as_deref() {
                if page.namespace.is_some() && n.as_str() > after_prefix(prefix).as_str() {
                    ended = true;
                    break;
                }
                if !n.starts_with(prefix) {
                    continue;
                }
            }
            if page.namespace.as_deref().is_some_and(|wanted| wanted != ns) {
                continue;
            }
            let Some(k) = ArtifactKind::from_u8(*k) else { continue };
            let seen = reader.seen.is_none() || reader.find(NodeId(*id), as_of.size).is_some();
            if seen && (page.kinds.is_empty() || page.kinds.contains(&k)) {
                keys.push(NodeKey::Artifact(NodeId(*id)));
            }
        }
        for (key, facts) in keys.iter().zip(artifacts(reader, &keys, as_of)?) {
            let Some(facts) = facts else { continue };
            // Names joined to another are shown under that one; what is not alive is not listed.
            let alive = facts.deleted_at.is_none() && facts.valid_from <= as_of.valid_at;
            if facts.key == *key && alive {
                found.push(facts);
                if found.len() == page.limit {
                    return Ok(found);
                }
            }
        }
        match rows.last() {
            Some((_, k, ns, n)) if full && !ended => {
                // Of a namespace that is hidden nothing more needs to be looked at.
                let hidden = reader.seen.is_some_and(|seen| !seen.sight.admits(ns));
                (namespace, name, kind) = (ns.clone(), if hidden { after_prefix("") } else { n.clone() }, *k);
            }
            _ => return Ok(found),
        }
    }
}
