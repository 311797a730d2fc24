//! The border: GraphQL and HTTP, over a real application and a real socket.
mod audits;
mod auth;
mod graphql;
mod ingest;
mod ledger;
mod schema;
mod search;
pub mod stand;
