//! The border: GraphQL and HTTP, over a real application and a real socket.
mod audits;
mod auth;
mod correct;
mod dataset_runs;
mod declare;
pub mod documents;
mod events;
mod graphql;
mod ingest;
mod ledger;
mod lineage_options;
mod page;
mod pages;
mod recorded_from;
mod schema;
mod schema_changes;
mod search;
pub mod stand;
