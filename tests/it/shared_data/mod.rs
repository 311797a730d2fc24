//! Tests over the real data that lies beside the project where there is some.
//! `scripts/test` leaves them out by name where there is none.
pub mod openlineage;
mod spine;

use std::path::PathBuf;

/// The folder of shared data: `LEDGERLINE_SHARED`, else `../shared`.
fn folder() -> PathBuf {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    std::env::var_os("LEDGERLINE_SHARED").map_or_else(beside, PathBuf::from)
}
