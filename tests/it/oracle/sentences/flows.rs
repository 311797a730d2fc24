//! "How a flow lives."
use super::{Sent, WIDE, at, design, edge_lines, model, open, open_by, run, walked};
use ledgerline::domain::{assertion::RunState, lineage::Level};
use serde_json::json;

const IN: usize = 0;
const OUT: usize = 1;

#[test]
fn a_flow_opens_with_the_first_event_that_names_it() {
    let sent = [run(1, 1, "START").sides("a", ""), run(4, 1, "COMPLETE").sides("a b", "c")];
    assert_eq!(open(&sent, IN, "a"), "1..");
    assert_eq!(open(&sent, IN, "b"), "4..");
    assert_eq!(open(&sent, OUT, "c"), "4..");
    assert_eq!(open(&sent, OUT, "a"), "");
}

#[test]
fn a_later_run_that_completes_without_it_closes_it_at_its_completion() {
    let sent = [run(1, 1, "COMPLETE").sides("a b", ""), run(3, 2, "START").sides("b", ""), run(6, 2, "COMPLETE")];
    assert_eq!(open(&sent, IN, "a"), "1..6");
    assert_eq!(open(&sent, IN, "b"), "1..");
}

#[test]
fn only_complete_closes() {
    for state in ["START", "RUNNING", "FAIL", "ABORT", "OTHER"] {
        let sent = [run(1, 1, "COMPLETE").sides("a", ""), run(3, 2, state).sides("b", "")];
        assert_eq!(open(&sent, IN, "a"), "1..", "{state}");
        assert_eq!(open(&sent, IN, "b"), "3..", "{state}");
    }
}

#[test]
fn a_run_that_failed_after_it_completed_has_completed() {
    let sent = [run(1, 1, "COMPLETE").sides("a", ""), run(3, 2, "COMPLETE").sides("b", ""), run(4, 2, "FAIL")];
    assert_eq!(open(&sent, IN, "a"), "1..3");
}

#[test]
fn empty_or_absent_arrays_of_runs_assert_nothing() {
    for inputs in ["", "[]"] {
        let sent = [run(1, 1, "COMPLETE").sides("a", "o"), run(3, 2, "COMPLETE").sides(inputs, "p")];
        assert_eq!(open(&sent, IN, "a"), "1..");
        assert_eq!(open(&sent, OUT, "o"), "1..3");
    }
}

#[test]
fn a_completion_with_fewer_inputs_than_its_run_closes_none_of_its_own() {
    let sent = [run(1, 1, "START").sides("a b", ""), run(5, 1, "COMPLETE").sides("a", "")];
    assert_eq!(open(&sent, IN, "b"), "1..");
}

#[test]
fn the_set_of_a_run_counts_events_after_the_instant_too() {
    let sent = [run(1, 1, "COMPLETE").sides("a", ""), run(3, 2, "COMPLETE").sides("b", ""), run(8, 2, "OTHER").sides("a", "")];
    assert_eq!(open(&sent, IN, "a"), "1..");
    assert_eq!(open(&sent[..2], IN, "a"), "1..3");
}

#[test]
fn a_run_closes_at_its_last_completion() {
    let sent = [run(1, 1, "COMPLETE").sides("a", ""), run(3, 2, "COMPLETE").sides("b", ""), run(7, 2, "COMPLETE")];
    assert_eq!(open(&sent, IN, "a"), "1..7");
}

#[test]
fn an_earlier_run_that_completes_late_closes_nothing_of_a_later_one() {
    let sent = [run(1, 1, "START").sides("a", ""), run(2, 2, "START").sides("b", ""), run(5, 2, "COMPLETE"), run(9, 1, "COMPLETE")];
    assert_eq!(open(&sent, IN, "a"), "1..5");
    assert_eq!(open(&sent, IN, "b"), "2..");
}

#[test]
fn runs_that_start_together_are_ordered_by_their_ids_in_lower_case() {
    let run_b = run(1, 0xb, "COMPLETE").sides("b", "");
    let mut run_c = run(1, 0xc, "COMPLETE").sides("c", "");
    run_c.1["run"]["runId"] = run_c.1["run"]["runId"].as_str().unwrap_or_default().to_uppercase().into();
    let sent = [run_c, run_b];
    assert_eq!(open(&sent, IN, "b"), "");
    assert_eq!(open(&sent, IN, "c"), "1..");
}

#[test]
fn a_later_run_opens_again_what_was_closed() {
    let sent = [run(1, 1, "COMPLETE").sides("a", ""), run(3, 2, "COMPLETE").sides("b", ""), run(6, 3, "COMPLETE").sides("a", "")];
    assert_eq!(open(&sent, IN, "a"), "1..3 6..");
    assert_eq!(open(&sent, IN, "b"), "3..6");
}

#[test]
fn a_late_event_changes_the_past_it_speaks_of() {
    let sent = [run(1, 1, "COMPLETE").sides("a", ""), run(6, 3, "COMPLETE").sides("a", ""), run(3, 2, "COMPLETE").sides("b", "")];
    assert_eq!(open(&sent[..2], IN, "a"), "1..");
    assert_eq!(open(&sent, IN, "a"), "1..3 6..");
}

#[test]
fn one_sources_run_replaces_its_own_flows_only() {
    let sent =
        [run(1, 1, "COMPLETE").sides("a", ""), run(1, 1, "COMPLETE").sides("a", "").from("beta"), run(4, 2, "COMPLETE").sides("b", "")];
    assert_eq!(open(&sent, IN, "a"), "1..4");
    assert_eq!(open_by(&sent, "j", "beta", IN, "a"), "1..");
    assert_eq!(walked(&sent, 5, "job:j", WIDE), "a@1 b@1 j@0 | a→j b→j");
}

#[test]
fn one_jobs_run_replaces_its_own_flows_only() {
    let sent = [run(1, 1, "COMPLETE").sides("a", "").job("k"), run(4, 2, "COMPLETE").sides("b", "")];
    assert_eq!(open_by(&sent, "k", "alpha", IN, "a"), "1..");
}

#[test]
fn an_upgraded_producer_is_the_same_source() {
    let mut upgraded = run(4, 2, "COMPLETE").sides("b", "");
    upgraded.1["producer"] = "https://git.example/tools/tree/1.19.0-SNAPSHOT/etl".into();
    assert_eq!(open(&[run(1, 1, "COMPLETE").sides("a", ""), upgraded], IN, "a"), "1..4");
}

#[test]
fn design_time_flows_hold_until_a_later_job_event_has_the_member() {
    let sent = [design(1).sides("a", "o"), design(4).sides("b", ""), design(6).sides("[]", "")];
    assert_eq!(open(&sent, IN, "a"), "1..4");
    assert_eq!(open(&sent, IN, "b"), "4..6");
    assert_eq!(open(&sent, OUT, "o"), "1..");
}

#[test]
fn no_run_closes_a_design_time_flow_nor_the_other_way_round() {
    let sent =
        [design(1).sides("a", ""), run(2, 1, "COMPLETE").sides("b", ""), run(3, 2, "COMPLETE").sides("c", ""), design(5).sides("[]", "")];
    assert_eq!(open(&sent, IN, "a"), "1..5");
    assert_eq!(open(&sent, IN, "b"), "2..3");
    assert_eq!(open(&sent, IN, "c"), "3..");
}

#[test]
fn of_two_job_events_at_one_time_the_greater_digest_holds() {
    let sent = [design(1).sides("a", ""), design(1).sides("b", "")];
    let both = [open(&sent, IN, "a"), open(&sent, IN, "b")];
    assert!(both == ["1..", ""] || both == ["", "1.."], "{both:?}");
    let mirrored = [sent[1].clone(), sent[0].clone()];
    assert_eq!(both, [open(&mirrored, IN, "a"), open(&mirrored, IN, "b")]);
}

#[test]
fn an_edge_is_valid_while_some_source_holds_it_open() {
    let sent = [
        run(1, 1, "COMPLETE").sides("a", ""),
        run(3, 1, "COMPLETE").sides("a", "").from("beta"),
        run(5, 2, "COMPLETE").sides("b", ""),
        run(8, 2, "COMPLETE").sides("b", "").from("beta"),
    ];
    let spelt = |from, until| vec![format!("{:?}, {:?}", at(from), at(until))];
    assert_eq!(edge_lines(&sent, 1, "a"), spelt(1, 8));
    assert_eq!(edge_lines(&sent, 7, "a"), spelt(1, 8));
    assert_eq!(edge_lines(&sent, 8, "a"), Vec::<String>::new());
}

fn field_edges(sent: &[Sent], minute: i64, from: &str) -> String {
    walked(sent, minute, from, super::Options { level: Level::Field, ..WIDE })
}

#[test]
fn column_lineage_is_taken_whole_from_the_latest() {
    let sent =
        [run(1, 1, "COMPLETE").sides("a", "o").columns("o", "x<a.p y<a.q"), run(4, 2, "COMPLETE").sides("a", "o").columns("o", "x<a.q")];
    assert_eq!(field_edges(&sent, 1, "o.x"), "a.p@1 o.x@0 | a.p→o.x");
    assert_eq!(field_edges(&sent, 4, "o.x"), "a.q@1 o.x@0 | a.q→o.x");
    assert_eq!(field_edges(&sent, 4, "o.y"), "o.y@0 | ");
}

#[test]
fn column_lineage_of_equal_times_goes_by_rank() {
    let sent = [
        run(1, 1, "COMPLETE").sides("", "o").columns("o", "x<a.complete"),
        run(1, 1, "FAIL").sides("", "o").columns("o", "x<a.fail"),
        design(1).sides("", "o").columns("o", "x<a.design"),
    ];
    assert_eq!(field_edges(&sent, 1, "o.x"), "a.complete@1 o.x@0 | a.complete→o.x");
}

#[test]
fn a_run_without_column_lineage_leaves_it_and_a_deletion_ends_it() {
    let sent = [
        run(1, 1, "COMPLETE").sides("", "o").columns("o", "x<a.p"),
        run(4, 2, "COMPLETE").sides("", "o"),
        run(6, 3, "COMPLETE").sides("", "o").facet("o", "columnLineage", &json!({ "_deleted": true, "fields": {} })),
    ];
    assert_eq!(field_edges(&sent, 5, "o.x"), "a.p@1 o.x@0 | a.p→o.x");
    assert_eq!(edge_lines(&sent, 5, "o.x"), vec![format!("{:?}, {:?}", at(1), at(6))]);
    assert_eq!(field_edges(&sent, 6, "o.x"), "o.x@0 | ");
}

#[test]
fn field_flows_are_walkable_while_their_output_flow_is_open() {
    let sent = [run(1, 1, "COMPLETE").sides("", "o").columns("o", "x<a.p"), run(4, 2, "COMPLETE").sides("", "p")];
    assert_eq!(edge_lines(&sent, 3, "o.x"), vec![format!("{:?}, {:?}", at(1), at(4))]);
    assert_eq!(field_edges(&sent, 4, "o.x"), "o.x@0 | ");
}

#[test]
fn a_lost_column_is_a_dead_end_and_closes_no_flow() {
    let sent = [
        run(1, 1, "COMPLETE").sides("a", "o").schema("a", "p q").columns("o", "x<a.p"),
        run(3, 2, "COMPLETE").sides("a", "o").schema("a", "q"),
        run(6, 3, "COMPLETE").sides("a", "o").schema("a", "p q"),
    ];
    assert_eq!(field_edges(&sent, 1, "o.x"), "a.p@1 o.x@0 | a.p→o.x");
    assert!(field_edges(&sent, 3, "o.x").starts_with("o.x@0 | "));
    assert_eq!(edge_lines(&sent, 6, "o.x"), vec![format!("{:?}, forever", at(1))]);
}

#[test]
fn a_column_lives_while_any_source_lists_it() {
    let sent = [
        run(1, 1, "COMPLETE").sides("a", "o").schema("a", "p").columns("o", "x<a.p"),
        run(1, 1, "COMPLETE").sides("a", "").schema("a", "p").from("beta"),
        run(3, 2, "COMPLETE").sides("a", "o").schema("a", "q"),
        run(5, 2, "COMPLETE").sides("a", "").schema("a", "q").from("beta"),
    ];
    assert_eq!(field_edges(&sent, 4, "o.x"), "a.p@1 o.x@0 | a.p→o.x");
    assert!(field_edges(&sent, 5, "o.x").starts_with("o.x@0 | "));
}

#[test]
fn an_input_of_the_whole_dataset_influences_every_live_field() {
    let sent = [run(1, 1, "COMPLETE").sides("a", "o").schema("o", "x y").columns("o", "x<a.p z<a.p *<a.q")];
    assert_eq!(field_edges(&sent, 1, "a.q"), "a.q@0 o.x@1 o.y@1 | a.q→o.x a.q→o.y | pruned 1");
}

#[test]
fn the_state_of_a_run_is_that_of_its_latest_event() {
    let sent = [run(1, 1, "START"), run(5, 1, "COMPLETE"), run(5, 1, "RUNNING"), run(5, 1, "FAIL")];
    let model = model(&sent);
    let state = |minute| model.run_state("00000000-0000-4000-8000-000000000001", at(minute));
    assert_eq!([state(0), state(4), state(5)], [None, Some(RunState::Start), Some(RunState::Complete)]);
}
