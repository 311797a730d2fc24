//! The border: the only place that knows async-graphql, actix-web and the wire.
//! Translates requests into use cases and answers into bytes; decides nothing.
pub mod graphql;
pub mod http;
pub mod serve;
