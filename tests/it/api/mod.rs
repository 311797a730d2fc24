//! The border: GraphQL and HTTP, over a real application and a real socket.
mod audits;
mod auth;
mod documents;
mod graphql;
mod ingest;
mod ledger;
mod schema;
mod search;
mod pages;
mod schema;
mod schema_changes;
pub mod stand;
