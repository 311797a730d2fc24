//! The embedded backend: SQLite files in the data folder, and the graph's shape
//! in memory.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]
mod anchor;
mod arena;
mod blocks;
mod closure;
mod entries;
mod examine;
mod intern;
mod open;
mod plan;
mod postings;
mod project;
mod read;
mod redaction;
mod schema;
mod shared;
mod snapshot;
mod tokens;
mod topology;
mod tree;
mod unlogged;
pub mod vault_db;
mod vault_rows;
mod vault_scrub;
mod wal;
mod writer;

pub use anchor::{Anchor, AnchorError};

pub use examine::{Access, Examiner};
pub use open::{EmbeddedStore, Folder, OpenFolderError, OpenOptions, Opened};
pub use schema::{OpenError, Synchronous};
pub use unlogged::Unlogged;
pub use writer::Writer;
