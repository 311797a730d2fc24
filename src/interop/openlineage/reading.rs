//! An event that was understood, with its received bytes.
use std::borrow::Cow;

use super::{
    facets,
    people::PersonValue,
    refusal::Warning,
    tape::{Doc, Id},
};
use crate::domain::{
    assertion::{Digest, Lifecycle, ParentRun, Subject},
    name::Name,
    time::Micros,
};

/// A lineage event that [`super::read`] understood. Borrows the received bytes.
#[derive(Debug)]
pub struct Reading<'a> {
    pub(super) doc: Doc<'a>,
    pub(super) subject: Subject,
    pub(super) time: Micros,
    pub(super) producer: Cow<'a, str>,
    pub(super) canonical: Digest,
    pub(super) run: Option<RunAt>,
    pub(super) job: Option<EntityAt<'a>>,
    pub(super) inputs: Option<Vec<EntityAt<'a>>>,
    pub(super) outputs: Option<Vec<EntityAt<'a>>>,
    pub(super) dataset: Option<EntityAt<'a>>,
    pub(super) people: Vec<PersonValue<'a>>,
    pub(super) warnings: Vec<Warning>,
}

/// Where the run is, and what its facets say that acts on the graph.
#[derive(Debug)]
pub(super) struct RunAt {
    pub(super) id: Id,
    pub(super) parent: Option<ParentRun>,
    pub(super) root: Option<ParentRun>,
    pub(super) nominal_start: Option<Micros>,
    pub(super) nominal_end: Option<Micros>,
}

/// A job or dataset, and where its facets are.
#[derive(Debug)]
pub(super) struct EntityAt<'a> {
    pub(super) namespace: Cow<'a, str>,
    pub(super) name: Cow<'a, str>,
    pub(super) facets: Vec<FacetAt<'a>>,
    /// The `inputFacets` or `outputFacets` object.
    pub(super) side_facets: Option<Id>,
    pub(super) owners: Option<Vec<OwnerAt<'a>>>,
    pub(super) lifecycle: Option<Lifecycle>,
    pub(super) version: Option<Box<str>>,
}

/// A facet of a job or dataset.
#[derive(Debug)]
pub(super) struct FacetAt<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) key: Id,
    pub(super) value: Id,
    pub(super) deleted: bool,
    pub(super) varies: bool,
}

/// An owner: the string that names it, and its role.
#[derive(Debug)]
pub(super) struct OwnerAt<'a> {
    pub(super) name: Id,
    pub(super) role: Option<Cow<'a, str>>,
}

impl<'a> Reading<'a> {
    /// What deviates from the specification, at most 64 and a note that there are more.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// What the event is about.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The event's own time.
    #[must_use]
    pub const fn time(&self) -> Micros {
        self.time
    }

    /// The producer as it was received; empty if it was not.
    #[must_use]
    pub fn producer(&self) -> &str {
        &self.producer
    }

    /// Namespace and name of the job, of run and job events.
    #[must_use]
    pub fn job_name(&self) -> Option<(&str, &str)> {
        self.job.as_ref().map(|job| (job.namespace.as_ref(), job.name.as_ref()))
    }

    /// Namespace and name of every dataset: inputs, outputs, or that of a dataset event.
    pub fn dataset_names(&self) -> impl Iterator<Item = (&str, &str)> {
        let sides = self.inputs.iter().flatten().chain(self.outputs.iter().flatten());
        sides.chain(&self.dataset).map(|d| (d.namespace.as_ref(), d.name.as_ref()))
    }

    /// The namespaces of its job and datasets, for the check of a token's scope;
    /// what facets name beyond them tells [`Self::named_by_facets`].
    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.job_name().into_iter().chain(self.dataset_names()).map(|(namespace, _)| namespace)
    }

    /// The datasets that facets act on or read from beside the event's own: names
    /// that `symlinks` joins, that a rename ends, that `columnLineage` reads.
    #[must_use]
    pub fn named_by_facets(&self) -> Vec<Name> {
        let entities = self.job.iter().chain(self.inputs.iter().flatten()).chain(self.outputs.iter().flatten()).chain(&self.dataset);
        let mut names = Vec::new();
        for entity in entities {
            names.extend(entity.lifecycle.as_ref().and_then(|l| l.previous.clone()));
            for facet in entity.facets.iter().filter(|f| !f.deleted) {
                let raw = || self.doc.raw(facet.value).as_bytes();
                match facet.name.as_ref() {
                    "symlinks" => names.extend(facets::symlinks(raw()).into_iter().map(|s| s.name)),
                    "columnLineage" => {
                        let lineage = facets::column_lineage(raw()).unwrap_or_default();
                        names.extend(lineage.fields.into_iter().flat_map(|f| f.inputs).chain(lineage.dataset).map(|i| i.dataset));
                    }
                    _ => {}
                }
            }
        }
        names
    }

    /// Every stretch that names a person, in the order of the received bytes.
    #[must_use]
    pub fn people(&self) -> &[PersonValue<'a>] {
        &self.people
    }

    /// SHA-256 of the canonical form as it was received. Tells who is named to
    /// anyone who guesses, so it leaves this process only under a key.
    #[must_use]
    pub const fn canonical_digest(&self) -> &Digest {
        &self.canonical
    }

    /// The received bytes.
    #[must_use]
    pub const fn body(&self) -> &'a [u8] {
        self.doc.text.as_bytes()
    }
}
