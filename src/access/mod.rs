//! Who may do what. `app` asks [`decide`] before each use case; nothing else
//! knows the table of roles (`action.rs`).
//!
//! A decision permits or denies and says by which rules, so that the engine behind
//! it can be exchanged without its callers noticing.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]
mod action;
mod clearance;
mod decision;
mod matrix;
mod principal;
mod role;
mod scope;
mod token;

pub use action::Action;
pub use clearance::Clearances;
pub use decision::{Attributes, Decision, DenyReason, Rules, decide};
pub use matrix::authorization_matrix_markdown;
pub use principal::Principal;
pub use role::{Role, RoleSet};
pub use scope::{NotAGlob, Scope};
pub use token::{NotAToken, TOKEN_PREFIX, Token, TokenDigest};
