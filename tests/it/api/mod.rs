//! The border: GraphQL and HTTP, over a real application and a real socket.
mod auth;
mod events;
mod graphql;
mod ingest;
mod ledger;
mod page;
mod schema;
mod search;
pub mod stand;
