//! Pages that are made from the code: committed, compared, and written anew with
//! `RENEW=1 cargo test`.
use std::{fs, path::Path};

/// Fails when the committed file differs from what the code makes now.
pub fn assert_committed(path: &str, made: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("RENEW").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, made).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == made, "{path} is not what the code makes; `RENEW=1 cargo test` writes it");
}
