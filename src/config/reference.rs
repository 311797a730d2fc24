//! The reference of every key, made from the table.
use std::fmt::Write as _;

use super::{KEYS, Key};

fn default_shown(key: &Key) -> String {
    if key.default.is_empty() { "not set".to_owned() } else { format!("`{}`", key.default) }
}

fn kind_shown(key: &Key) -> String {
    key.range.map_or_else(|| key.kind.to_owned(), |(least, most)| format!("{}, {least} to {most}", key.kind))
}

/// `docs/configuration.md`, whole.
#[must_use]
pub fn reference_markdown() -> String {
    let mut page = String::from(
        "# Configuration\n\
         \n\
         Made by `ledgerline config reference`; do not edit.\n\
         \n\
         Defaults < file (TOML, `--config` or `LEDGERLINE_CONFIG`) < environment < flags. A key `section.key` is the variable \
         `LEDGERLINE_SECTION__KEY`. A secret may also stand in a file: `section.key_file`, or the variable with `_FILE` at its end. \
         An unknown key is an error, so a slip cannot go unnoticed. `ledgerline config check` shows what holds and who said so; \
         secrets are never shown.\n",
    );
    let mut section = None;
    for key in KEYS {
        let this = key.name.split_once('.').map_or("", |(s, _)| s);
        if section != Some(this) {
            section = Some(this);
            let title = if this.is_empty() { "(top)" } else { this };
            // Writing to a String does not fail.
            let _ = write!(page, "\n## {title}\n\n| key | kind | default | environment | what it means |\n|---|---|---|---|---|\n");
        }
        let variable = if key.secret { format!("`{0}`, `{0}_FILE`", key.variable()) } else { format!("`{}`", key.variable()) };
        let _ = writeln!(page, "| `{}` | {} | {} | {variable} | {} |", key.name, kind_shown(key), default_shown(key), key.doc);
    }
    page
}

/// The same for programs: a list of keys.
#[must_use]
pub fn reference_json() -> serde_json::Value {
    KEYS.iter()
        .map(|key| {
            serde_json::json!({
                "key": key.name,
                "kind": key.kind,
                "default": (!key.default.is_empty()).then_some(key.default),
                "minimum": key.range.map(|r| r.0),
                "maximum": key.range.map(|r| r.1),
                "environment": key.variable(),
                "environmentFile": key.secret.then(|| format!("{}_FILE", key.variable())),
                "secret": key.secret,
                "doc": key.doc,
            })
        })
        .collect()
}
