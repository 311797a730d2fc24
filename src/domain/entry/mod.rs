//! An entry of the ledger as bytes: its leaf, the parts that the leaf commits to,
//! the opening that shows them again, and what a sealed part is bound to. The law
//! is the format document; nothing here may ever give other bytes for version 1.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod aad;
mod b64u;
#[doc(hidden)]
pub mod fuzzing;
pub mod leaf;
pub mod opening;
pub mod part;

pub use aad::{Aad, KeyIdTooLong, aad};
pub use leaf::{Leaf, LeafError, REFS_MAX};
pub use opening::{Opening, OpeningError, OpeningPart, PartState};
pub use part::{PartClass, commitment, root_of_parts};
