//! What facets say, and who may read which of them.
use crate::{
    access::{Action, Principal},
    domain::catalog::FacetFacts,
};

/// Facets that describe an artifact: part of the catalog.
const CATALOG: &[&str] = &[
    "catalog",
    "columnLineage",
    "dataSource",
    "datasetType",
    "documentation",
    "hierarchy",
    "jobType",
    "lifecycleStateChange",
    "ownership",
    "schema",
    "sourceCodeLocation",
    "storage",
    "symlinks",
    "tags",
    "version",
];

/// Facets that quote data or code: raw SQL, error texts, statistics.
const OPERATIONAL: &[&str] = &[
    "dataQualityAssertions",
    "dataQualityMetrics",
    "environmentVariables",
    "errorMessage",
    "extractionError",
    "inputStatistics",
    "outputStatistics",
    "sourceCode",
    "sql",
];

/// What one must be permitted to read a facet's content. A facet that nobody
/// knows may hold anything that was sent.
#[must_use]
pub fn needed(facet: &str) -> Action {
    if CATALOG.contains(&facet) {
        Action::ReadCatalog
    } else if OPERATIONAL.contains(&facet) {
        Action::ReadOperational
    } else {
        Action::ReadRest
    }
}

/// A facet's bytes for a caller.
#[must_use]
pub fn readable<'f>(facet: &'f FacetFacts, principal: &Principal) -> Option<&'f [u8]> {
    facet.bytes.as_deref().filter(|_| principal.may(needed(&facet.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facets_that_quote_data_need_operational_rights_and_unknown_ones_the_rest() {
        assert_eq!(needed("schema"), Action::ReadCatalog);
        for facet in ["sql", "errorMessage", "outputStatistics"] {
            assert_eq!(needed(facet), Action::ReadOperational);
        }
        assert_eq!(needed("spark.logicalPlan"), Action::ReadRest);
    }
}
