//! Small histories on which the server and the oracle once differed, or easily
//! could: played as they happened and backwards, everything asked at every instant.
use serde_json::json;

use super::{Sent, dataset, design, run};
use crate::oracle::{driver::Asking, served::Served};

pub fn agree(sent: &[Sent]) {
    let served = Served::start();
    let mut history: Vec<_> = sent.iter().map(|s| (s.0.clone(), s.1.clone())).collect();
    for order in ["as it happened", "backwards"] {
        if let Err(difference) = served.check(&history, Asking::All) {
            panic!("{order}: {difference}");
        }
        history.reverse();
    }
}

#[test]
fn the_second_event_of_a_job_closes_what_the_first_one_opened() {
    agree(&[run(1, 1, "COMPLETE").sides("a", ""), run(3, 2, "COMPLETE").sides("b", "")]);
}

#[test]
fn a_run_that_completes_again_closes_no_earlier_than_that() {
    agree(&[
        run(1, 1, "COMPLETE").sides("a", ""),
        run(3, 2, "COMPLETE").sides("b", ""),
        run(6, 2, "COMPLETE").sides("b", ""),
        run(8, 3, "COMPLETE").sides("b", ""),
    ]);
}

#[test]
fn a_run_that_lists_a_dataset_after_its_end_did_not_close_it() {
    agree(&[
        run(1, 1, "COMPLETE").sides("a", ""),
        run(3, 2, "COMPLETE").sides("b", ""),
        run(5, 3, "COMPLETE").sides("a b", ""),
        run(7, 2, "OTHER").sides("a", ""),
    ]);
}

#[test]
fn both_ways_shows_what_lies_up_and_what_lies_down_and_no_siblings() {
    agree(&[run(1, 1, "COMPLETE").sides("a b", "c"), run(1, 2, "COMPLETE").sides("a", "d").job("k")]);
}

#[test]
fn a_drop_reaches_a_name_that_is_linked_by_a_later_entry() {
    agree(&[
        run(1, 1, "COMPLETE").sides("s", ""),
        dataset(2, "a").symlinks("a", "s"),
        dataset(5, "a").dropped("a"),
        run(8, 2, "COMPLETE").sides("", "a").job("k"),
    ]);
}

#[test]
fn a_drop_does_not_reach_a_name_that_was_linked_before_or_after() {
    let withdrawn = dataset(4, "a").facet("a", "symlinks", &json!({ "_deleted": true }));
    agree(&[dataset(2, "a").symlinks("a", "s"), withdrawn, dataset(5, "a").dropped("a"), dataset(7, "a").symlinks("a", "s")]);
}

#[test]
fn a_drop_of_the_table_ends_the_place_that_it_alone_claims() {
    agree(&[
        dataset(1, "a").symlinks("a", "/dir"),
        dataset(3, "a").dropped("a"),
        dataset(5, "b").symlinks("b", "/dir"),
        dataset(2, "b").symlinks("b", "/dir").from("beta"),
    ]);
}

#[test]
fn a_name_begun_at_the_instant_of_a_drop_that_reaches_it_was_begun() {
    agree(&[
        dataset(1, "g"),
        dataset(4, "p").renamed("g", "p"),
        run(9, 1, "COMPLETE").sides("g", "o").symlinks("g", "o").dropped("o"),
        dataset(9, "late").symlinks("late", "g"),
    ]);
}

#[test]
fn a_drop_reaches_the_incarnation_that_a_late_rename_makes() {
    agree(&[
        run(2, 1, "OTHER").sides("", "p o").columns("p", "x<c.y").symlinks("o", "d s"),
        dataset(8, "o").renamed("c", "o"),
        run(9, 2, "OTHER").sides("", "c d").symlinks("c", "/dir").dropped("d"),
    ]);
}

#[test]
fn a_rename_and_a_drop_at_one_instant_end_the_name_once() {
    agree(&[
        dataset(4, "w").symlinks("w", "g"),
        run(4, 1, "COMPLETE").sides("", "g").dropped("g"),
        dataset(4, "p").renamed("w", "p").from("beta"),
    ]);
}

#[test]
fn a_node_heard_of_first_by_its_drop_tells_when_it_was_dropped() {
    agree(&[dataset(3, "a").dropped("a"), dataset(6, "a").dropped("a"), dataset(9, "a")]);
}

#[test]
fn names_that_only_dataset_events_link_live_again_by_them() {
    agree(&[dataset(1, "a").symlinks("a", "s"), dataset(3, "s").dropped("s"), dataset(5, "a").symlinks("a", "s t")]);
}

#[test]
fn a_name_listed_as_a_table_and_as_a_place_is_a_table() {
    let twice = json!({ "identifiers": [
        { "namespace": "n", "name": "s", "type": "LOCATION" },
        { "namespace": "n", "name": "s", "type": "TABLE" },
    ] });
    agree(&[dataset(1, "a").facet("a", "symlinks", &twice), dataset(2, "b").facet("b", "symlinks", &twice)]);
}

#[test]
fn tables_that_are_swapped_in_one_run_keep_their_own_flows() {
    agree(&[
        run(1, 1, "COMPLETE").sides("", "t").job("k"),
        run(4, 2, "START").sides("", "new").job("k"),
        run(6, 2, "RUNNING").sides("", "old").renamed("t", "old").job("k"),
        run(6, 2, "RUNNING").sides("", "t").renamed("new", "t").job("k"),
    ]);
}

#[test]
fn a_flow_begins_anew_with_the_incarnation_that_it_belongs_to() {
    agree(&[
        run(1, 1, "COMPLETE").sides("a", "o"),
        dataset(4, "o").dropped("o"),
        run(6, 2, "COMPLETE").sides("a", "o"),
        run(3, 3, "COMPLETE").sides("a", "o").from("beta"),
    ]);
}

#[test]
fn flows_of_a_name_that_was_renamed_away_stay_with_the_node() {
    agree(&[
        run(1, 1, "COMPLETE").sides("a", ""),
        dataset(4, "b").renamed("a", "b"),
        run(6, 2, "COMPLETE").sides("a", "").job("k"),
        run(8, 3, "COMPLETE").sides("a b", ""),
    ]);
}

#[test]
fn job_events_hold_and_clear_by_side() {
    agree(&[design(1).sides("a", "b"), design(3).sides("[]", ""), design(5).sides("a c", "[]")]);
}

#[test]
fn a_node_that_was_renamed_and_described_anew_has_one_schema_a_source() {
    agree(&[
        dataset(1, "a").schema("a", "x y"),
        dataset(3, "b").renamed("a", "b"),
        dataset(5, "b").schema("b", "x"),
        dataset(7, "a").schema("a", "z"),
    ]);
}

#[test]
fn facets_that_are_never_in_force_name_their_fields() {
    agree(&[
        run(2, 1, "FAIL").sides("", "o").columns("o", "x<a.y"),
        run(2, 1, "COMPLETE").sides("", "o").columns("o", "z<b.w"),
        run(2, 1, "ABORT").sides("", "o").columns("o", "x<a.y").schema("o", "only"),
    ]);
}

#[test]
fn columns_told_of_an_output_whose_flow_was_never_open_are_named() {
    agree(&[run(1, 1, "START"), run(2, 2, "COMPLETE").sides("", "b"), run(5, 1, "OTHER").sides("", "o").columns("o", "x<a.y")]);
}

#[test]
fn a_field_flow_lasts_over_what_is_told_again_in_other_words() {
    agree(&[
        run(1, 1, "COMPLETE").sides("a", "o").columns("o", "x<a.y"),
        run(4, 2, "COMPLETE").sides("a", "o").columns("o", "x<a.y z<a.w"),
        run(6, 3, "COMPLETE").sides("a", "p"),
    ]);
}

#[test]
fn re_creation_revives_no_field_flow_of_the_input_or_of_the_output() {
    agree(&[
        run(1, 1, "COMPLETE").sides("a", "o").columns("o", "x<a.p"),
        dataset(3, "a").dropped("a"),
        dataset(5, "a").schema("a", "p"),
        run(7, 2, "COMPLETE").sides("a", "o").columns("o", "x<a.p"),
    ]);
}

#[test]
fn what_influences_every_field_influences_those_of_the_schema_too() {
    agree(&[run(1, 1, "COMPLETE").sides("a", "o").columns("o", "x<a.p *<a.q").schema("o", "x y"), dataset(3, "o").schema("o", "y")]);
}
