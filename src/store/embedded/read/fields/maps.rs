//! `schema` and `columnLineage` facets as look-up tables.
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::{
    domain::{
        assertion::{InputField, Transformation},
        id::InstallationSecret,
        kind::ArtifactKind,
    },
    interop::openlineage::facets,
    store::embedded::topology::{NodeNo, Topology},
};

/// The fields that a schema lists, in its order.
pub struct FieldSet {
    pub paths: Vec<Arc<str>>,
    index: FxHashSet<Arc<str>>,
}

impl FieldSet {
    /// `None` for a facet that is no schema.
    pub fn read(raw: &[u8]) -> Option<Self> {
        let paths: Vec<Arc<str>> = facets::schema(raw)?.fields.into_iter().map(|f| Arc::from(f.path)).collect();
        let index = paths.iter().cloned().collect();
        Some(Self { paths, index })
    }

    pub fn has(&self, field: &str) -> bool {
        self.index.contains(field)
    }
}

/// One field that another was made from.
#[derive(Clone, Debug)]
pub struct InputOf {
    pub dataset: NodeNo,
    pub field: Arc<str>,
    pub transformations: Arc<[Transformation]>,
}

/// Column lineage of one output, both ways.
pub struct FieldMap {
    made: FxHashMap<Arc<str>, Vec<InputOf>>,
    /// Fields in the facet's order.
    pub fields: Vec<Arc<str>>,
    /// Inputs that influence every field.
    pub everywhere: Vec<InputOf>,
    /// (dataset, field) → positions in `fields`.
    read: FxHashMap<(NodeNo, Arc<str>), Vec<u32>>,
}

impl FieldMap {
    /// `None` for a facet that is no column lineage. Datasets that no entry names
    /// are left out: the projector names all that a facet names.
    pub fn read(raw: &[u8], topology: &Topology, secret: &InstallationSecret) -> Option<Self> {
        let facet = facets::column_lineage(raw)?;
        let resolve = |i: InputField| {
            let dataset = topology.find_any(secret.node_id(ArtifactKind::Dataset, &i.dataset))?;
            Some(InputOf { dataset, field: i.field.into(), transformations: i.transformations.into() })
        };
        let mut map = Self { made: FxHashMap::default(), fields: Vec::new(), everywhere: Vec::new(), read: FxHashMap::default() };
        map.everywhere = facet.dataset.into_iter().filter_map(resolve).collect();
        for f in facet.fields {
            let field: Arc<str> = f.field.into();
            let position = u32::try_from(map.fields.len()).ok()?;
            let inputs: Vec<InputOf> = f.inputs.into_iter().filter_map(resolve).collect();
            for i in &inputs {
                let readers = map.read.entry((i.dataset, i.field.clone())).or_default();
                if readers.last() != Some(&position) {
                    readers.push(position);
                }
            }
            map.fields.push(field.clone());
            map.made.insert(field, inputs);
        }
        Some(map)
    }

    pub fn makes(&self, field: &str) -> bool {
        self.made.contains_key(field)
    }

    pub fn reads(&self, dataset: NodeNo, field: &str) -> bool {
        self.read.contains_key(&(dataset, Arc::from(field))) || self.everywhere.iter().any(|i| i.dataset == dataset && *i.field == *field)
    }

    /// What a field was made from: its own inputs, then those of every field.
    pub fn inputs_of<'a>(&'a self, field: &str) -> impl Iterator<Item = &'a InputOf> {
        self.made.get(field).into_iter().flatten().chain(&self.everywhere)
    }

    /// Which fields were made from that one: (field, how).
    pub fn made_from<'a>(&'a self, dataset: NodeNo, field: &'a str) -> impl Iterator<Item = (&'a Arc<str>, &'a InputOf)> {
        let positions = self.read.get(&(dataset, Arc::from(field))).map_or(&[][..], Vec::as_slice);
        positions.iter().filter_map(|p| self.fields.get(*p as usize)).flat_map(move |made| {
            let inputs = self.made.get(made).into_iter().flatten();
            inputs.filter(move |i| i.dataset == dataset && *i.field == *field).map(move |i| (made, i))
        })
    }

    /// How the field influences all fields, if it does.
    pub fn influence<'a>(&'a self, dataset: NodeNo, field: &'a str) -> impl Iterator<Item = &'a InputOf> {
        self.everywhere.iter().filter(move |i| i.dataset == dataset && *i.field == *field)
    }
}
