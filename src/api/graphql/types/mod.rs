//! The types of the schema. Each wraps facts of the domain; none reads a store
//! but through the request's loaders.
pub mod artifact;
pub mod change;
pub mod counts;
pub mod coverage;
pub mod event;
pub mod facets;
pub mod history;
pub mod ledger;
pub mod lineage;
pub mod neighbours;
pub mod paths;
pub mod quality;
pub mod rollup;
pub mod run;
pub mod run_statistics;
pub mod search;
pub mod token;
pub mod versions;
pub mod viewer;

use async_graphql::{ID, SimpleObject};

use crate::domain::{id::Handle, name::Name as DomainName};

/// A name of an artifact.
#[derive(SimpleObject, Clone, Debug)]
pub struct Name {
    /// The namespace.
    pub namespace: String,
    /// The name inside the namespace.
    pub name: String,
}

impl From<&DomainName> for Name {
    fn from(n: &DomainName) -> Self {
        Self { namespace: n.namespace.to_string(), name: n.name.to_string() }
    }
}

/// A person or program, by a random handle that says nothing about them.
#[derive(SimpleObject, Clone, Debug)]
pub struct Actor {
    /// The handle. Only the vault knows whose it is.
    pub handle: ID,
}

impl From<Handle> for Actor {
    fn from(handle: Handle) -> Self {
        Self { handle: handle.text().into() }
    }
}
