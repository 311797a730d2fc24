//! The rights of each role, as a page that reviewers read.
use ledgerline::access::{Action, authorization_matrix_markdown};

use crate::contracts::assert_committed;

#[test]
fn the_authorization_matrix_is_the_committed_one() {
    assert_committed("docs/authorization-matrix.md", &authorization_matrix_markdown());
}

#[test]
fn every_action_has_a_row_in_the_matrix() {
    let page = authorization_matrix_markdown();
    for action in Action::ALL {
        assert_eq!(page.lines().filter(|l| l.starts_with(&format!("| {} |", action.name()))).count(), 1, "{action:?}");
    }
}
