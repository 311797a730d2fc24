//! Ledgerline: a GraphQL lineage and data-catalog server on an append-only,
//! signed, third-party-verifiable ledger. `ARCHITECTURE.md` is the map.
pub mod access;
pub mod api;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod interop;
pub mod ledger;
pub mod store;
pub mod telemetry;
pub mod vault;
