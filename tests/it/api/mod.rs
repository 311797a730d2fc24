//! The border: GraphQL and HTTP.
mod schema;
