//! The table of roles as a page, so that a change of rights is a readable diff.
use std::fmt::Write as _;

use super::{
    action::Action,
    decision::{Attributes, decide},
    principal::Principal,
    role::{Role, RoleSet},
    scope::Scope,
};
use crate::domain::{id::Handle, time::Micros};

/// `docs/authorization-matrix.md`, whole. Each cell is asked of
/// [`decide`] itself, not read from the table.
#[must_use]
pub fn authorization_matrix_markdown() -> String {
    let mut page = String::from(
        "# Who may do what\n\
         \n\
         Made from the code (`RENEW=1 cargo test` writes it anew); do not edit. Roles only permit: several are their union. \
         Each right ends at the token's expiry. All of them but those about tokens, metrics and the log itself also end at the token's \
         scope of namespaces: what lies outside is refused when it is sent, and to readers it is as if nobody had named it. The same \
         holds for artifacts whose tag `sensitivity` is above what the roles may see (`access.*` in [the configuration](configuration.md)). \
         In lineage such nodes stand without a name, and nothing behind them is shown; entries that name one are listed, their `core` and \
         `rest` parts not shown.\n\
         \n| action |",
    );
    for role in Role::ALL {
        // Writing to a String does not fail.
        let _ = write!(page, " {} |", role.word());
    }
    page.push_str(" what it is |\n|---|");
    page.push_str(&":-:|".repeat(Role::ALL.len()));
    page.push_str("---|\n");
    for &action in Action::ALL {
        let _ = write!(page, "| {} |", action.name());
        for role in Role::ALL {
            let _ = write!(page, " {} |", if permits(role, action) { '✔' } else { '✘' });
        }
        let _ = writeln!(page, " {} |", action.doc());
    }
    page
}

fn permits(role: Role, action: Action) -> bool {
    let principal = Principal {
        actor: Handle([0; 16]),
        person: false,
        roles: RoleSet::of(&[role]),
        integration: "".into(),
        scope: Scope::everything(),
        expires: None,
    };
    decide(&principal, action, Attributes { at: Micros(0), namespaces: &[] }).permits()
}
