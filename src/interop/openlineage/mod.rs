//! OpenLineage events: reading them, cutting them into the parts of a ledger
//! entry, and putting the parts together again, byte for byte.
//!
//! [`read`] understands one event or says what is wrong with it; [`Reading::cut`]
//! makes `core`, `rest`, `person` parts and interned facets of it; [`reassemble`]
//! undoes that; [`read_core`] gives back the [`Assertion`] for replay. The layout
//! of the parts is `docs/entry-format.md`. Nothing here does I/O, asks for the time
//! or parses into a tree of values: the received bytes are walked once, as a flat
//! list of nodes.
//!
//! Specification: OpenLineage 2-0-2 and its facets; versions 0-x and 1-x differ
//! in nothing that is read here.
//!
//! [`Assertion`]: crate::domain::assertion::Assertion
mod batch;
mod canonical;
mod core_part;
mod cut;
mod email;
pub mod facets;
mod fuzzing;
mod people;
mod place;
mod reading;
mod refusal;
mod rest;
mod sql;
mod tape;
mod text;
mod validate;
mod vocabulary;

pub use self::{
    batch::{Batch, batch},
    canonical::canonical_digest,
    core_part::{CoreError, read_core},
    cut::{BlobRef, Cut, PersonPart},
    people::{PEOPLE_MAX, PERSON_BYTES_MAX, PersonValue},
    place::{FacetAtPlace, Place, facets_of},
    reading::Reading,
    refusal::{Refusal, RefusalKind, Warning, code},
    rest::{ERASED, Gap, Readable, reassemble, reassemble_readable},
    sql::readable_sql,
    validate::read,
    vocabulary::PersonKind,
};
#[doc(hidden)]
pub use self::{fuzzing::fuzz_event, vocabulary::person_members};
