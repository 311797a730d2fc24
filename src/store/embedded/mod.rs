//! The embedded backend: SQLite files in the data folder.
pub mod vault_db;
mod vault_rows;
mod vault_scrub;
