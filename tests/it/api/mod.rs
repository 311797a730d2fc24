//! The border: GraphQL and HTTP, over a real application and a real socket.
mod auth;
mod graphql;
mod ingest;
mod ledger;
mod page;
mod schema;
pub mod stand;
