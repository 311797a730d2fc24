//! What the words mean: ids, times, names, facts, and how events become changes
//! of the graph. No I/O, no async, no wire format.
pub mod assertion;
pub mod canonical_json;
pub mod catalog;
pub mod counts;
pub mod coverage;
pub mod declared;
pub mod difference;
pub mod entry;
pub mod flow;
pub mod history;
pub mod id;
pub mod kind;
pub mod lineage;
pub mod merkle;
pub mod name;
pub mod paths;
pub mod position;
pub mod redaction;
pub mod rollup;
pub mod search;
pub mod sight;
pub mod source;
pub mod time;
