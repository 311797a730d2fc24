//! The contract's `window`: what was so at any time since.
use ledgerline::domain::lineage::Direction::{Downstream, Upstream};
use serde_json::json;

use super::{Collapse, Level, Options, Sent, WIDE, dataset, observed, run, served::agree, walked};

/// b ← j ← a until 3, then c; k reads b from 5 on.
fn moved() -> Vec<Sent> {
    vec![run(1, 1, "COMPLETE").sides("a", "b"), run(3, 2, "COMPLETE").sides("c", "b"), run(5, 3, "COMPLETE").sides("b", "d").job("k")]
}

#[test]
fn an_edge_that_was_open_in_the_window_is_walked_and_says_until_when() {
    let up = Options { direction: Upstream, ..WIDE };
    assert_eq!(walked(&moved(), 5, "b", up), "b@0 c@2 j@1 | c→j j→b | pruned 1");
    assert_eq!(observed(&moved(), 2, 5, "b", up), "a@2 b@0 c@2 j@1 | a⇢j c→j j→b");
    // Half-open: at 3 it is closed already.
    assert_eq!(observed(&moved(), 3, 5, "b", up), "b@0 c@2 j@1 | c→j j→b | pruned 1");
    agree(&moved());
}

#[test]
fn a_window_of_no_length_is_the_instant() {
    for minute in 0..7 {
        for from in ["a", "b", "job:j"] {
            assert_eq!(observed(&moved(), minute, minute, from, WIDE), walked(&moved(), minute, from, WIDE));
        }
    }
}

#[test]
fn what_was_dropped_in_the_window_is_walked_through_and_what_was_dropped_before_is_not() {
    let mut sent = moved();
    sent.push(dataset(7, "b").dropped("b"));
    let down = Options { direction: Downstream, ..WIDE };
    assert_eq!(walked(&sent, 9, "c", down), "c@0 j@1 | c→j | pruned 1");
    assert_eq!(observed(&sent, 6, 9, "c", down), "b@2 c@0 d@4 j@1 k@3 | b⇢k c→j j⇢b k→d");
    assert_eq!(observed(&sent, 7, 9, "c", down), "c@0 j@1 | c→j | pruned 1");
    agree(&sent);
}

#[test]
fn a_name_begun_anew_is_another_node_than_before_its_drop() {
    let sent = [run(1, 1, "COMPLETE").sides("a", "b"), dataset(3, "b").dropped("b"), run(5, 2, "COMPLETE").sides("c", "b").job("k")];
    assert_eq!(observed(&sent, 0, 7, "b", WIDE), "b@0 c@2 k@1 | c→k k→b | pruned 1");
    agree(&sent);
}

#[test]
fn between_two_drops_of_a_joined_name_what_was_open_then_is_found() {
    // s is joined with a; each drop of a ends its life, not its incarnation.
    let sent = [
        dataset(1, "a").symlinks("a", "s"),
        run(2, 1, "COMPLETE").sides("x", "s"),
        dataset(3, "a").dropped("a"),
        run(4, 2, "COMPLETE").sides("y", "s").job("k"),
        dataset(4, "a"),
        dataset(5, "a").dropped("a"),
        run(6, 3, "COMPLETE").sides("z", "s").job("l"),
    ];
    let sources = |since| {
        let told = observed(&sent, since, 7, "s", Options { direction: Upstream, ..WIDE });
        ["x@2", "y@2", "z@2"].map(|source| told.contains(source))
    };
    assert_eq!(sources(5), [false, false, true]);
    assert_eq!(sources(3), [false, true, true]);
    assert_eq!(sources(2), [true, true, true]);
    agree(&sent);
}

#[test]
fn what_is_collapsed_was_open_on_both_sides_at_one_time() {
    let sent = [run(1, 1, "COMPLETE").sides("a", "b"), run(3, 2, "COMPLETE").sides("c", "d")];
    let jobs = Options { collapse: Collapse::Jobs, ..WIDE };
    assert_eq!(observed(&sent, 1, 5, "a", jobs), "a@0 b@1 | a⇢b | pruned 1");
    assert_eq!(observed(&sent, 1, 5, "c", jobs), "c@0 d@1 | c→d | pruned 1");
    assert_eq!(observed(&sent, 3, 5, "a", jobs), "a@0 |  | pruned 2");
    agree(&sent);
}

#[test]
fn a_column_lives_in_a_window_if_a_schema_listed_it_at_any_time_in_it() {
    let sent = [
        run(1, 1, "COMPLETE").sides("a", "b").schema("a", "x y").schema("b", "x").columns("b", "x<a.y"),
        run(3, 2, "COMPLETE").sides("a", "b").schema("a", "x"),
        dataset(5, "a").facet("a", "documentation", &json!({ "description": "" })),
    ];
    let field = Options { level: Level::Field, ..WIDE };
    assert_eq!(walked(&sent, 5, "b.x", field), "b.x@0 |  | pruned 1");
    assert_eq!(observed(&sent, 2, 5, "b.x", field), "a.y@1 b.x@0 | a.y→b.x");
    agree(&sent);
}
