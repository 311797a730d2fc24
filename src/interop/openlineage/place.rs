//! Where the facets of an event are: for readers of reassembled bytes.
use std::borrow::Cow;

use super::{
    refusal::Refusal,
    tape::{Doc, Id},
};

/// What a facet is about. Datasets are counted from 0 on their side.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Place {
    Run,
    Job,
    /// The dataset of a dataset event.
    Dataset,
    /// `facets` of an input.
    Input(usize),
    /// `inputFacets`: the input as this run saw it.
    InputSide(usize),
    /// `facets` of an output.
    Output(usize),
    /// `outputFacets`: the output as this run made it.
    OutputSide(usize),
}

/// A facet in an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FacetAtPlace<'a> {
    pub place: Place,
    pub name: Cow<'a, str>,
    /// Namespace and name of the dataset that it is about; none of runs and jobs.
    pub dataset: Option<(Cow<'a, str>, Cow<'a, str>)>,
    /// Its bytes as they stand in the event.
    pub raw: &'a str,
}

/// Every facet of an event, in the order run, job, inputs, outputs, dataset.
///
/// # Errors
/// A [`Refusal`] for what is no JSON; received events always are.
pub fn facets_of(body: &[u8]) -> Result<Vec<FacetAtPlace<'_>>, Refusal> {
    let doc = Doc::scan(body)?;
    let mut list = List { doc: &doc, found: Vec::new() };
    list.of("run", Place::Run);
    list.of("job", Place::Job);
    list.side("inputs", "inputFacets", Place::Input, Place::InputSide);
    list.side("outputs", "outputFacets", Place::Output, Place::OutputSide);
    list.of("dataset", Place::Dataset);
    Ok(list.found)
}

struct List<'d, 'a> {
    doc: &'d Doc<'a>,
    found: Vec<FacetAtPlace<'a>>,
}

impl<'a> List<'_, 'a> {
    fn of(&mut self, member: &str, place: Place) {
        if let Some(id) = self.doc.get(0, member) {
            self.facets(id, "facets", place, (place == Place::Dataset).then_some(id));
        }
    }

    fn side(&mut self, side: &str, side_facets: &str, place: fn(usize) -> Place, side_place: fn(usize) -> Place) {
        let Some(id) = self.doc.get(0, side) else { return };
        for (i, dataset) in self.doc.elements(id).enumerate() {
            self.facets(dataset, "facets", place(i), Some(dataset));
            self.facets(dataset, side_facets, side_place(i), Some(dataset));
        }
    }

    fn facets(&mut self, of: Id, member: &str, place: Place, dataset: Option<Id>) {
        let Some(facets) = self.doc.get(of, member) else { return };
        let text = |id, member| self.doc.get_string(id, member);
        let dataset: Option<(Cow<'a, str>, Cow<'a, str>)> = dataset.and_then(|id| Some((text(id, "namespace")?, text(id, "name")?)));
        let found = self.doc.members(facets).map(|(key, value)| FacetAtPlace {
            place,
            name: self.doc.lossy(key),
            dataset: dataset.clone(),
            raw: self.doc.raw(value),
        });
        self.found.extend(found);
    }
}
