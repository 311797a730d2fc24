//! The contract's level `RUN`: runs and the datasets that they used or made.
use ledgerline::domain::lineage::Direction::{Downstream, Upstream};

use super::{Level, Options, Sent, WIDE, at, dataset, id_of, model, run, served::agree};
use crate::oracle::{
    answer::walk,
    world::{Place, World},
};

const RUNS: Options = Options { level: Level::Run, ..WIDE };

/// Names of what a walk from `a` or `run 1` finds: runs by the last figures of their ids.
fn found(sent: &[Sent], since: Option<i64>, minute: i64, from: &str, options: Options) -> String {
    let model = model(sent);
    let world = World::observed(&model, at(minute), since.map(at), &id_of);
    let start: Place = match from.strip_prefix("run ") {
        Some(n) => world.run_place(&format!("00000000-0000-4000-8000-00000000000{n}")),
        None => world.place(ledgerline::domain::kind::ArtifactKind::Dataset, &super::name(from)).expect("a known start"),
    };
    let answer = walk(&world, &[start], options);
    let called = |p: &Place| match &*answer.nodes[p].shown.name.name {
        run if run.len() == 36 => run[35..].to_owned(),
        name => name.to_owned(),
    };
    let rest = |n: usize| if n > 0 { format!("+{n}") } else { String::new() };
    let mut nodes: Vec<String> = answer.nodes.iter().map(|(p, n)| format!("{}@{}{}", called(p), n.depth, rest(n.remaining))).collect();
    let mut edges: Vec<String> = answer.edges.keys().map(|e| format!("{}→{}", called(&e.from), called(&e.to))).collect();
    nodes.sort();
    edges.sort();
    format!("{} | {}{}", nodes.join(" "), edges.join(" "), if answer.reasons.is_empty() { "" } else { " | cut" })
}

/// Two runs make b; a run of k reads it between them, and one after.
fn estate() -> Vec<Sent> {
    vec![
        run(1, 1, "COMPLETE").sides("a", "b"),
        run(3, 2, "COMPLETE").sides("b", "c").job("k"),
        run(5, 3, "COMPLETE").sides("a", "b"),
        run(7, 4, "COMPLETE").sides("b", "c").job("k"),
    ]
}

#[test]
fn up_from_a_run_lie_the_runs_that_had_begun_by_its_end() {
    let up = Options { direction: Upstream, ..RUNS };
    assert_eq!(found(&estate(), None, 9, "run 2", up), "1@2 2@0 a@3 b@1 | 1→b a→1 b→2");
    assert_eq!(found(&estate(), None, 9, "run 4", up), "1@2 3@2 4@0 a@3 b@1 | 1→b 3→b a→1 a→3 b→4");
    agree(&estate());
}

#[test]
fn down_from_a_run_lie_the_runs_that_are_heard_of_after_it_began() {
    let down = Options { direction: Downstream, ..RUNS };
    assert_eq!(found(&estate(), None, 9, "run 3", down), "3@0 4@2 b@1 c@3 | 3→b 4→c b→4");
    assert_eq!(found(&estate(), None, 9, "run 1", down), "1@0 2@2 4@2 b@1 c@3 | 1→b 2→c 4→c b→2 b→4");
    // At 6 the fourth run had not begun.
    assert_eq!(found(&estate(), None, 6, "run 3", down), "3@0 b@1 | 3→b");
}

#[test]
fn runs_that_overlap_may_have_read_what_the_other_made() {
    let sent = [
        run(1, 1, "START").sides("b", "c").job("k"),
        run(2, 2, "START").sides("a", "b"),
        run(3, 2, "COMPLETE").sides("a", "b"),
        run(4, 1, "COMPLETE").sides("b", "c").job("k"),
        run(5, 3, "COMPLETE").sides("x", "a").job("l"),
    ];
    let up = Options { direction: Upstream, ..RUNS };
    // What was made of a at 5 no run can have read that ended by 3.
    assert_eq!(found(&sent, None, 9, "run 1", up), "1@0 2@2 a@3 b@1 | 2→b a→2 b→1");
    assert_eq!(found(&sent, None, 9, "run 3", Options { direction: Downstream, ..RUNS }), "3@0 a@1 | 3→a");
    agree(&sent);
}

#[test]
fn a_node_that_is_reached_again_with_more_time_is_looked_at_again() {
    // d ← 5 ← c ← 4 and d ← 6 ← b; b is reached from the early run first.
    let sent = [
        run(1, 1, "COMPLETE").sides("", "b").job("w"),
        run(3, 2, "COMPLETE").sides("", "b").job("w"),
        run(2, 5, "COMPLETE").sides("b", "d").job("early"),
        run(4, 4, "COMPLETE").sides("b", "c").job("late"),
        run(5, 6, "COMPLETE").sides("c", "d").job("last"),
    ];
    let told = found(&sent, None, 9, "d", Options { direction: Upstream, ..RUNS });
    assert!(told.contains("2→b") && told.contains("1→b"), "{told}");
    agree(&sent);
}

#[test]
fn the_latest_runs_come_first_and_a_window_bounds_them_from_below() {
    let both = Options { depth: 1, ..RUNS };
    assert_eq!(found(&estate(), None, 9, "b", Options { per_node_max: 2, ..both }), "3@1+1 4@1+1 b@0+2 | 3→b b→4 | cut");
    assert_eq!(found(&estate(), Some(3), 9, "b", both), "2@1+1 3@1+1 4@1+1 b@0 | 3→b b→2 b→4");
    assert_eq!(found(&estate(), None, 4, "b", both), "1@1+1 2@1+1 b@0 | 1→b b→2");
}

#[test]
fn a_run_belongs_to_the_dataset_that_its_name_was_when_it_started() {
    let mut sent = estate();
    sent.push(dataset(6, "b").dropped("b"));
    sent.push(run(8, 5, "COMPLETE").sides("b", "").job("k"));
    assert_eq!(found(&sent, None, 9, "b", Options { depth: 1, ..RUNS }), "4@1+1 5@1 b@0 | b→4 b→5");
    assert_eq!(found(&sent, None, 6, "run 1", Options { depth: 1, ..RUNS }), "1@0 a@1 | a→1");
    agree(&sent);
}
