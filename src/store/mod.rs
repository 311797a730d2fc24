//! What is asked of storage, one small trait an area, and the backends that answer.
pub mod embedded;
