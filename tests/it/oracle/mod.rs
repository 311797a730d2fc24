//! The oracle of the behaviour suite: a naive, independent reading of design §4
//! and of the contract's lineage, a generator of small wild histories, and a
//! driver that holds a server's answers against it.
//!
//! [`event`] reads OpenLineage, [`stream`] holds what one job said through one
//! source, [`model`] all facts that a ledger of one size knows, [`world`] joins
//! them at an instant, [`answer`] walks, [`runs`] walks at the level of runs, [`derived`] counts and
//! finds paths, [`compare`] writes answers as text, [`driver`] asks. `model` says how the text is read
//! where it leaves something open.
pub mod answer;
pub mod collapsed;
pub mod compare;
pub mod derived;
pub mod driver;
pub mod event;
pub mod generator;
pub mod hidden;
pub mod model;
pub mod runs;
pub mod served;
pub mod stream;
pub mod world;

mod agreement;
mod counted;
mod destroyed;
mod mirror;
mod properties;
mod restricted;
mod sentences;
mod shared_data;
