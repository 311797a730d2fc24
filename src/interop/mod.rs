//! Other systems' words: pure mappings between their formats and the domain.
pub mod openlineage;
