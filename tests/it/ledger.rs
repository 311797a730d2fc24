//! The Merkle log as outsiders see it: published vectors, a naive tree, an
//! independent implementation, and logs that were tampered with.
mod differential;
mod entry;
mod notes;
mod paths;
mod support;
mod tamper;
mod tree;
mod vectors;
