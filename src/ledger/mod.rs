//! A Merkle log over opaque bytes, and everything that lets somebody else check
//! it: RFC 6962 hashing, C2SP [tlog-tiles], [tlog-checkpoint], [signed-note] and
//! [tlog-proof]. Synchronous and without I/O; it knows neither what an entry
//! means nor where hashes are kept (see [`HashStore`]).
//!
//! Entries go in through [`RightEdge`], resources come out through
//! [`TreeReader`], [`check_log`] compares a whole log with what its entries give.
//!
//! [tlog-tiles]: https://c2sp.org/tlog-tiles
//! [tlog-checkpoint]: https://c2sp.org/tlog-checkpoint
//! [signed-note]: https://c2sp.org/signed-note
//! [tlog-proof]: https://c2sp.org/tlog-proof
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod bundle;
pub mod checkpoint;
pub mod edge;
#[doc(hidden)]
pub mod fuzzing;
pub mod hash;
pub mod note;
pub mod proof;
pub mod reader;
pub mod tile;
pub mod tlog_proof;
pub mod verify;

pub use bundle::{BundleError, ENTRY_BYTES_MAX, push_entry, split_bundle};
pub use checkpoint::{Checkpoint, CheckpointError, TREE_SIZE_MAX};
pub use edge::{FullTiles, RightEdge};
pub use hash::{EMPTY_ROOT, Hash, decode_hash, encode_hash, leaf_hash, node_hash, root_of};
pub use note::{KeyError, LogKey, Note, NoteError, NoteSignature, Verifier, default_origin};
pub use proof::{ProofError, verify_consistency, verify_inclusion};
pub use reader::{HashStore, HashStoreError, TreeError, TreeReader};
pub use tile::{FullTile, TILE_BYTES, TILE_WIDTH, TilePath, TilePathError};
pub use tlog_proof::{TlogProof, TlogProofError};
pub use verify::{Expected, Fault, LogSource, check_log};
