//! Names, classes, lives, facets.
use serde_json::{Value, json};

use super::{Sent, WIDE, at, dataset, design, edge_lines, id_of, model, name, node, run, walked};
use crate::oracle::{answer::Options, world::World};

#[test]
fn a_node_lives_from_the_earliest_event_that_names_it_whatever_its_source() {
    let sent = [run(4, 1, "COMPLETE").sides("a", ""), dataset(2, "a").from("beta")];
    assert_eq!(node(&sent, 1, "a"), "a dead");
    assert_eq!(node(&sent, 2, "a"), "a");
}

#[test]
fn parents_symlinks_and_inputs_of_columns_are_named_too() {
    let mut event = run(1, 1, "COMPLETE").sides("", "o").symlinks("o", "s").columns("o", "x<a.p *<b.q");
    let job = |n: &str| json!({ "namespace": "n", "name": n });
    event.1["run"]["facets"]["parent"] = json!({ "run": {}, "job": job("dag"), "root": { "run": {}, "job": job("root") } });
    let model = model(&[event]);
    let datasets: Vec<&str> = model.datasets.iter().map(|d| &*d.name.name).collect();
    let jobs: Vec<&str> = model.jobs.iter().map(|d| &*d.name.name).collect();
    assert_eq!((datasets, jobs), (vec!["a", "b", "o", "s"], vec!["dag", "j", "root"]));
}

#[test]
fn a_drop_ends_a_node_for_every_source_and_rewrites_no_flow() {
    let sent = [run(1, 1, "COMPLETE").sides("a", ""), run(1, 1, "COMPLETE").sides("a", "").from("beta"), dataset(5, "a").dropped("a")];
    assert_eq!(node(&sent, 4, "a"), "a");
    assert_eq!(node(&sent, 5, "a"), "a dead since 5");
    assert_eq!(super::open(&sent, 0, "a"), "1..");
    assert_eq!(walked(&sent, 5, "job:j", WIDE), "j@0 |  | pruned 1");
}

#[test]
fn a_failed_drop_or_rename_ends_nothing() {
    for state in ["FAIL", "ABORT"] {
        let sent = [dataset(1, "a"), run(5, 1, state).sides("", "a").dropped("a"), run(6, 1, state).sides("", "b").renamed("a", "b")];
        assert_eq!(node(&sent, 7, "a"), "a", "{state}");
        assert_eq!(node(&sent, 7, "b"), "b", "{state}");
    }
    let sent = [dataset(1, "a"), run(5, 1, "RUNNING").sides("", "a").dropped("a")];
    assert_eq!(node(&sent, 7, "a"), "a dead since 5");
}

#[test]
fn the_event_that_carries_the_drop_begins_no_life() {
    let sent = [dataset(5, "a").dropped("a")];
    assert_eq!(node(&sent, 5, "a"), "a dead since 5");
    let again = [dataset(1, "a"), dataset(5, "a").dropped("a"), dataset(8, "a").dropped("a")];
    assert_eq!(node(&again, 9, "a"), "a dead since 5");
}

#[test]
fn only_a_run_that_starts_after_the_drop_begins_a_new_incarnation() {
    let old = [run(1, 1, "START").sides("", "a"), dataset(5, "a").dropped("a"), run(7, 1, "COMPLETE").sides("", "a")];
    assert_eq!(node(&old, 8, "a"), "a dead since 5");
    let same_time =
        [dataset(1, "a"), dataset(5, "a").dropped("a"), run(5, 1, "START").sides("", "a"), run(7, 1, "COMPLETE").sides("", "a")];
    assert_eq!(node(&same_time, 8, "a"), "a dead since 5");
    let new = [dataset(1, "a"), dataset(5, "a").dropped("a"), run(6, 1, "START"), run(7, 1, "COMPLETE").sides("", "a")];
    assert_eq!(node(&new, 6, "a"), "a dead since 5");
    assert_eq!(node(&new, 7, "a"), "a");
}

#[test]
fn re_creation_revives_no_flow() {
    let sent = [
        run(1, 1, "COMPLETE").sides("a", ""),
        run(2, 2, "COMPLETE").sides("", "a").job("k"),
        dataset(5, "a").dropped("a"),
        run(7, 3, "COMPLETE").sides("", "a").job("k"),
    ];
    assert_eq!(walked(&sent, 4, "a", WIDE), "a@0 j@1 k@1 | a→j k→a");
    assert_eq!(walked(&sent, 8, "a", WIDE), "a@0 k@1 | k→a | pruned 1");
    assert_eq!(edge_lines(&sent, 8, "a"), vec![format!("{:?}, forever", at(7))]);
}

#[test]
fn re_creation_revives_no_field_flow() {
    let sent = [
        run(1, 1, "COMPLETE").sides("a", "o").columns("o", "x<a.p"),
        dataset(5, "o").dropped("o"),
        run(7, 2, "COMPLETE").sides("a", "o"),
        dataset(9, "o").schema("o", "x"),
    ];
    let field = Options { level: super::Level::Field, ..WIDE };
    assert_eq!(walked(&sent, 4, "o.x", field), "a.p@1 o.x@0 | a.p→o.x");
    assert_eq!(walked(&sent, 9, "o.x", field), "o.x@0 | ");
}

#[test]
fn job_and_dataset_events_count_by_their_own_time() {
    let sent = [design(1).sides("a", ""), dataset(5, "a").dropped("a"), design(7).sides("a", "")];
    assert_eq!(walked(&sent, 6, "job:j", WIDE), "j@0 |  | pruned 1");
    assert_eq!(walked(&sent, 7, "job:j", WIDE), "a@1 j@0 | a→j");
}

#[test]
fn a_rename_joins_the_old_incarnation_to_the_new_name() {
    let sent = [run(1, 1, "COMPLETE").sides("a", ""), dataset(5, "b").renamed("a", "b"), run(7, 2, "COMPLETE").sides("b", "")];
    assert_eq!(node(&sent, 4, "a"), "a");
    assert_eq!(node(&sent, 4, "b"), "b dead");
    assert_eq!(node(&sent, 5, "a"), "a, b");
    assert_eq!(node(&sent, 5, "b"), "a, b");
    assert_eq!(walked(&sent, 5, "b", WIDE), "a@0 j@1 | a→j");
    assert_eq!(edge_lines(&sent, 8, "b"), vec![format!("{:?}, forever", at(1))]);
}

#[test]
fn after_a_rename_the_old_name_may_begin_anew_as_another_node() {
    let sent = [run(1, 1, "COMPLETE").sides("a", ""), dataset(5, "b").renamed("a", "b"), run(7, 1, "COMPLETE").sides("a", "").job("k")];
    assert_eq!(node(&sent, 6, "a"), "a, b");
    assert_eq!(node(&sent, 7, "a"), "a");
    assert_eq!(node(&sent, 7, "b"), "b");
    assert_eq!(walked(&sent, 7, "a", WIDE), "a@0 k@1 | a→k | pruned 1");
    assert_eq!(walked(&sent, 7, "b", WIDE), "b@0 j@1 | b→j | pruned 1");
}

#[test]
fn a_rename_back_joins_all_incarnations() {
    let sent = [
        run(1, 1, "COMPLETE").sides("a", ""),
        dataset(5, "b").renamed("a", "b"),
        run(6, 2, "COMPLETE").sides("", "b").job("k"),
        dataset(8, "a").renamed("b", "a"),
    ];
    assert_eq!(node(&sent, 9, "a"), "a, b");
    assert_eq!(walked(&sent, 9, "a", WIDE), "a@0 j@1 k@1 | a→j k→a");
}

#[test]
fn a_rename_of_an_unheard_of_name_makes_it_an_alias() {
    let sent = [dataset(5, "b").renamed("a", "b")];
    assert_eq!(node(&sent, 5, "a"), "a, b");
    assert_eq!(node(&sent, 4, "a"), "a dead");
}

#[test]
fn blue_and_green_tables_do_not_end_each_other() {
    let sent = [
        run(1, 1, "COMPLETE").sides("", "t"),
        run(2, 2, "COMPLETE").sides("", "new").job("k"),
        dataset(5, "old").renamed("t", "old"),
        dataset(6, "t").renamed("new", "t"),
        dataset(7, "old").dropped("old"),
    ];
    assert_eq!(node(&sent, 7, "old"), "old dead since 7");
    assert_eq!(node(&sent, 7, "t"), "t, new");
    assert_eq!(walked(&sent, 7, "t", WIDE), "k@1 t@0 | k→t | pruned 1");
}

#[test]
fn symlinks_join_while_they_are_in_force_and_transitively() {
    let sent = [
        dataset(1, "a"),
        dataset(2, "b"),
        dataset(3, "c").symlinks("c", "a"),
        dataset(4, "b").symlinks("b", "a"),
        dataset(7, "b").facet("b", "symlinks", &json!({ "_deleted": true })),
    ];
    assert_eq!(node(&sent, 2, "a"), "a");
    assert_eq!(node(&sent, 3, "a"), "a, c");
    assert_eq!(node(&sent, 4, "c"), "a, b, c");
    assert_eq!(node(&sent, 7, "b"), "b");
    assert_eq!(node(&sent, 7, "c"), "a, c");
}

#[test]
fn a_class_is_represented_by_the_earliest_name_then_by_bytes() {
    assert_eq!(node(&[dataset(1, "z"), dataset(3, "a").symlinks("a", "z")], 3, "a"), "z, a");
    assert_eq!(node(&[dataset(3, "z").symlinks("z", "a b")], 3, "z"), "a, b, z");
}

#[test]
fn a_symlink_of_another_source_stays_when_one_withdraws_it() {
    let withdrawn = dataset(5, "a").symlinks("a", "");
    let sent =
        [dataset(1, "a").symlinks("a", "b"), dataset(1, "a").symlinks("a", "b").from("beta"), withdrawn.clone(), withdrawn.from("beta")];
    assert_eq!(node(&sent[..3], 6, "a"), "a, b");
    assert_eq!(node(&sent, 6, "a"), "a");
}

#[test]
fn a_location_joins_the_one_table_that_claims_it_and_never_two() {
    let sent = [dataset(1, "a").symlinks("a", "/dir"), dataset(3, "b").symlinks("b", "/dir"), dataset(6, "b").symlinks("b", "a /dir")];
    assert_eq!(node(&sent, 2, "/dir"), "/dir, a");
    assert_eq!(node(&sent, 3, "/dir"), "/dir");
    assert_eq!(node(&sent, 3, "a"), "a");
    assert_eq!(node(&sent, 6, "b"), "/dir, a, b");
}

#[test]
fn flows_by_any_name_of_a_class_are_flows_of_the_node() {
    let sent = [run(1, 1, "COMPLETE").sides("", "a").job("k"), run(2, 2, "COMPLETE").sides("s", ""), dataset(4, "a").symlinks("a", "s")];
    assert_eq!(walked(&sent, 3, "a", WIDE), "a@0 k@1 | k→a");
    assert_eq!(walked(&sent, 4, "s", WIDE), "a@0 j@1 k@1 | a→j k→a");
}

#[test]
fn a_drop_ends_the_names_that_were_joined_then() {
    let sent = [
        dataset(1, "s"),
        run(1, 1, "COMPLETE").sides("s", ""),
        dataset(2, "a").symlinks("a", "s"),
        dataset(5, "a").dropped("a"),
        run(8, 2, "COMPLETE").sides("", "a").job("k"),
    ];
    assert_eq!(node(&sent, 5, "s"), "s, a dead since 5");
    assert_eq!(walked(&sent, 8, "s", WIDE), "k@1 s@0 | k→s | pruned 1");
}

#[test]
fn a_drop_of_a_name_that_was_renamed_away_does_not_end_the_new_one() {
    let sent = [dataset(1, "a"), dataset(5, "b").renamed("a", "b"), dataset(7, "a").dropped("a")];
    assert_eq!(node(&sent, 8, "b"), "a, b");
}

fn facets(sent: &[Sent], minute: i64) -> Vec<String> {
    let model = model(sent);
    let world = World::new(&model, at(minute), &id_of);
    let facets = world.facets(model.dataset(&name("a")).expect("a known name"));
    facets.iter().map(|((f, s), v)| format!("{f} {} {}", s.integration, v["v"])).collect()
}

#[test]
fn facets_are_replaced_whole_by_their_name_and_source_and_end_when_deleted() {
    let with = |minute, v: Value| dataset(minute, "a").facet("a", "f", &v);
    let sent = [
        with(1, json!({ "v": 1 })),
        with(1, json!({ "v": 9 })).from("beta"),
        with(4, json!({ "v": 2 })),
        with(7, json!({ "_deleted": true })),
    ];
    assert_eq!(facets(&sent, 1), ["f alpha 1", "f beta 9"]);
    assert_eq!(facets(&sent, 4), ["f alpha 2", "f beta 9"]);
    assert_eq!(facets(&sent, 7), ["f beta 9"]);
}

#[test]
fn facets_of_jobs_are_kept_per_source_too() {
    let mut sent = [design(1), design(3), design(3).from("beta")];
    for (i, event) in sent.iter_mut().enumerate() {
        event.1["job"]["facets"] = json!({ "f": { "v": i } });
    }
    let model = model(&sent);
    let world = World::new(&model, at(3), &id_of);
    let facets = world.job_facets(model.job(&name("j")).expect("a known job"));
    assert_eq!(facets.values().map(|v| v["v"].clone()).collect::<Vec<_>>(), [json!(1), json!(2)]);
}

#[test]
fn a_renamed_dataset_has_one_latest_schema_a_source() {
    let sent = [dataset(1, "a").schema("a", "x y"), dataset(5, "b").renamed("a", "b"), dataset(7, "b").schema("b", "x")];
    let model = model(&sent);
    let columns = |minute| {
        let world = World::new(&model, at(minute), &id_of);
        world.schema_columns(model.dataset(&name("b")).expect("a known name")).map(|c| c.into_iter().collect::<Vec<_>>().join(" "))
    };
    assert_eq!([columns(4), columns(5), columns(7)], [None, Some("x y".into()), Some("x".into())]);
    assert_eq!(World::new(&model, at(7), &id_of).schemas(0).len(), 1);
}
