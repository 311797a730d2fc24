//! The contract's lineage: directions, depth, caps, what is told of them.
use ledgerline::domain::lineage::Direction::{Downstream, Upstream};

use super::{Collapse, Level, Options, Sent, WIDE, dataset, run, walked};

/// a, b → j → c → k → d; a → other → e.
fn estate() -> Vec<Sent> {
    vec![
        run(1, 1, "COMPLETE").sides("a b", "c"),
        run(1, 2, "COMPLETE").sides("c", "d").job("k"),
        run(1, 3, "COMPLETE").sides("a", "e").job("other"),
    ]
}

#[test]
fn directions_are_exact_and_both_shows_no_siblings() {
    let sent = estate();
    let walk = |direction| walked(&sent, 1, "c", Options { direction, ..WIDE });
    assert_eq!(walk(Upstream), "a@2 b@2 c@0 j@1 | a→j b→j j→c");
    assert_eq!(walk(Downstream), "c@0 d@2 k@1 | c→k k→d");
    assert_eq!(walked(&sent, 1, "c", WIDE), "a@2 b@2 c@0 d@2 j@1 k@1 | a→j b→j c→k j→c k→d");
    assert_eq!(walked(&sent, 1, "b", WIDE), "b@0 c@2 d@4 j@1 k@3 | b→j c→k j→c k→d");
}

#[test]
fn reaching_the_depth_is_no_cut_and_remaining_tells_what_lies_behind() {
    let walk = |depth| walked(&estate(), 1, "c", Options { direction: Upstream, depth, ..WIDE });
    assert_eq!(walk(0), "c@0+1 | ");
    assert_eq!(walk(1), "c@0 j@1+2 | j→c");
}

#[test]
fn too_many_neighbours_leave_a_frontier() {
    let sent = [run(1, 1, "COMPLETE").sides("a b c d", "")];
    let cut = walked(&sent, 1, "job:j", Options { per_node_max: 3, ..WIDE });
    assert!(cut.contains("j@0+1") && cut.ends_with("| cut at j"), "{cut}");
    assert!(!walked(&sent, 1, "job:j", Options { per_node_max: 4, ..WIDE }).contains("cut"));
}

#[test]
fn too_many_nodes_leave_a_frontier_and_the_edges_between_those_shown() {
    let sent = [run(1, 1, "COMPLETE").sides("a b", "c"), run(1, 2, "COMPLETE").sides("c", "a").job("k")];
    let walk = |nodes_max| walked(&sent, 1, "c", Options { nodes_max, direction: Upstream, ..WIDE });
    assert_eq!(walk(1), "c@0+1 |  | cut at c");
    assert_eq!(walk(2), "c@0 j@1+2 | j→c | cut at j");
    assert_eq!(walk(5), "a@2 b@2 c@0 j@1 k@3 | a→j b→j c→k j→c k→a");
}

#[test]
fn cycles_end_and_a_dataset_read_and_written_is_two_edges() {
    let sent = [run(1, 1, "COMPLETE").sides("a", "a")];
    assert_eq!(walked(&sent, 1, "a", Options { direction: Downstream, ..WIDE }), "a@0 j@1 | a→j j→a");
    assert_eq!(walked(&sent, 1, "a", Options { direction: Downstream, depth: 1, ..WIDE }), "a@0 j@1 | a→j");
}

#[test]
fn self_loops_are_told_and_shown_when_asked_for() {
    let sent = [run(1, 1, "COMPLETE").sides("a", "a").columns("a", "x<a.x y<a.x")];
    let field = Options { level: Level::Field, ..WIDE };
    assert_eq!(walked(&sent, 1, "a.x", field), "a.x@0↺ a.y@1 | a.x→a.y");
    assert_eq!(walked(&sent, 1, "a.x", Options { include_self_loops: true, ..field }), "a.x@0↺ a.y@1 | a.x→a.x a.x→a.y");
}

#[test]
fn a_start_that_is_not_alive_or_has_no_edges_is_alone() {
    let mut sent = estate();
    sent.push(dataset(1, "lonely"));
    sent.push(dataset(5, "c").dropped("c"));
    assert_eq!(walked(&sent, 5, "lonely", WIDE), "lonely@0 | ");
    assert_eq!(walked(&sent, 5, "c", WIDE), "c@0† | ");
    assert_eq!(walked(&sent, 0, "c", WIDE), "c@0† | ");
}

#[test]
fn dead_nodes_are_never_walked_through() {
    let mut sent = estate();
    sent.push(dataset(5, "c").dropped("c"));
    let down = Options { direction: Downstream, ..WIDE };
    assert_eq!(walked(&sent, 5, "a", down), "a@0 e@2 j@1 other@1 | a→j a→other other→e | pruned 1");
    assert_eq!(
        walked(&sent, 5, "a", Options { include_deleted: true, ..down }),
        "a@0 c@2† e@2 j@1 other@1 | a→j a→other j→c other→e | pruned 1"
    );
}

#[test]
fn edges_that_are_closed_or_not_yet_open_are_counted_as_pruned() {
    let sent = [run(1, 1, "COMPLETE").sides("a", ""), run(3, 2, "COMPLETE").sides("b", ""), run(8, 3, "COMPLETE").sides("b c", "")];
    assert_eq!(walked(&sent, 4, "job:j", WIDE), "b@1 j@0 | b→j | pruned 2");
}

#[test]
fn aliases_cost_no_depth() {
    let sent = [run(1, 1, "COMPLETE").sides("", "path").job("k").symlinks("path", "table"), run(2, 2, "COMPLETE").sides("table", "o")];
    assert_eq!(walked(&sent, 2, "o", Options { direction: Upstream, ..WIDE }), "j@1 k@3 o@0 path@2 | j→o k→path path→j");
}

#[test]
fn columns_are_walked_over_several_hops() {
    let sent = [
        run(1, 1, "COMPLETE").sides("a", "b").columns("b", "y<a.x"),
        run(1, 2, "COMPLETE").sides("b", "c").job("k").columns("c", "z<b.y other<b.w"),
    ];
    let field = Options { level: Level::Field, ..WIDE };
    assert_eq!(walked(&sent, 1, "c.z", Options { direction: Upstream, ..field }), "a.x@2 b.y@1 c.z@0 | a.x→b.y b.y→c.z");
    assert_eq!(walked(&sent, 1, "a.x", Options { depth: 1, ..field }), "a.x@0 b.y@1+1 | a.x→b.y");
}

#[test]
fn without_jobs_depth_counts_datasets_and_each_job_between_is_an_edge() {
    let mut sent = estate();
    sent.push(run(1, 4, "COMPLETE").sides("a", "c").job("too"));
    let jobs = Options { collapse: Collapse::Jobs, direction: Downstream, ..WIDE };
    assert_eq!(walked(&sent, 1, "a", Options { depth: 1, ..jobs }), "a@0 c@1+1 e@1 | a→c a→c a→e");
    assert_eq!(walked(&sent, 1, "a", jobs), "a@0 c@1 d@2 e@1 | a→c a→c a→e c→d");
}

#[test]
fn without_datasets_jobs_follow_each_other() {
    let datasets = Options { collapse: Collapse::Datasets, direction: Downstream, ..WIDE };
    assert_eq!(walked(&estate(), 1, "job:j", datasets), "j@0 k@1 | j→k");
}

#[test]
fn a_start_that_is_left_out_is_shown_with_its_own_edges() {
    let jobs = Options { collapse: Collapse::Jobs, direction: Downstream, ..WIDE };
    assert_eq!(walked(&estate(), 1, "job:j", jobs), "c@1 d@2 j@0 | c→d j→c");
}

#[test]
fn a_dataset_read_and_written_by_a_job_is_a_self_loop_without_jobs() {
    let sent = [run(1, 1, "COMPLETE").sides("a", "a b")];
    let jobs = Options { collapse: Collapse::Jobs, ..WIDE };
    assert_eq!(walked(&sent, 1, "a", jobs), "a@0↺ b@1 | a→b");
    assert_eq!(walked(&sent, 1, "a", Options { include_self_loops: true, ..jobs }), "a@0↺ b@1 | a→a a→b");
}
