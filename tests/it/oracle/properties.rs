//! What must hold of any history, and of the driver itself.
use std::{cell::RefCell, collections::BTreeSet};

use ledgerline::domain::lineage::{Collapse, Direction, Level};
use proptest::prelude::*;
use serde_json::Value;

use super::{
    answer::{Options, walk},
    compare::{expected, expected_artifact},
    driver::{Asking, Question, check_history},
    generator::{History, histories, seeded},
    mirror::{Mirror, id_of},
    model::Model,
    world::World,
};

/// All that the oracle says of a history at every instant.
fn everything(history: &[(String, Value)]) -> String {
    let model = Model::new(history);
    let mut said = Vec::new();
    for at in &model.instants {
        let world = World::new(&model, *at, &id_of);
        said.push(format!("at {at:?}"));
        said.extend((0..model.datasets.len()).map(|d| expected_artifact(&world, d)));
        for level in [Level::Artifact, Level::Field] {
            let options = Options {
                direction: Direction::Both,
                level,
                collapse: Collapse::None,
                depth: 3,
                nodes_max: 200,
                per_node_max: 20,
                include_deleted: true,
                include_self_loops: true,
            };
            for place in world.graph(level).nodes.keys() {
                let answer = walk(&world, std::slice::from_ref(place), options);
                said.push(expected(&world, &answer, level));
            }
        }
    }
    said.join("\n")
}

fn play(mirror: Mirror, history: &[(String, Value)]) -> Result<usize, String> {
    let mirror = RefCell::new(mirror);
    let mut send = |integration: &str, event: &Value| mirror.borrow_mut().send(integration, event);
    let mut ask = |questions: &[Question]| questions.iter().map(|q| mirror.borrow().ask(q.query, &q.variables)).collect();
    check_history(&id_of, &mut send, &mut ask, history, Asking::Some { on_the_way: 3, in_the_end: 11 })
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_order_of_arrival_changes_nothing_at_the_full_size((history, shuffled) in histories(10).prop_flat_map(|h| (Just(h.clone()), Just(h).prop_shuffle()))) {
        prop_assert_eq!(everything(&history), everything(&shuffled));
    }

    #[test]
    fn a_repetition_changes_nothing(history in histories(8)) {
        let twice: History = history.iter().chain(&history).cloned().collect();
        prop_assert_eq!(everything(&history), everything(&twice));
    }

    #[test]
    fn an_answer_compared_with_itself_is_equal(history in histories(6)) {
        prop_assert_eq!(play(Mirror::default(), &history).map(|_| ()), Ok(()));
    }

    #[test]
    fn a_later_version_of_the_producer_is_the_same_source(history in histories(8)) {
        let upgrade = |json: &Value| {
            let text = json.to_string().replace("/tree/1.0.0/", "/tree/v2-0-0/").replace("/tree/1.1.0/", "/tree/v2-0-0/");
            serde_json::from_str::<Value>(&text).expect("still JSON")
        };
        let upgraded: History = history.iter().map(|(i, e)| (i.clone(), upgrade(e))).collect();
        let sources = |h: &[(String, Value)]| Model::new(h).streams.keys().map(|k| k.1.clone()).collect::<BTreeSet<_>>();
        prop_assert_eq!(sources(&history), sources(&upgraded));
    }
}

#[test]
fn a_seed_gives_the_same_history_again() {
    assert_eq!(seeded(7, 15), seeded(7, 15));
    assert_ne!(seeded(7, 15), seeded(8, 15));
}

#[test]
fn a_server_that_closes_no_flow_is_found_out() {
    let found = (0..10).filter(|seed| play(Mirror { deaf: true, ..Mirror::default() }, &seeded(*seed, 12)).is_err()).count();
    assert!(found >= 9, "only {found} of 10 histories showed it");
}

#[test]
fn the_generator_reaches_what_the_design_is_about() {
    let mut seen = BTreeSet::new();
    for seed in 0..20 {
        let model = Model::new(&seeded(seed, 15));
        for at in &model.instants {
            let world = World::new(&model, *at, &id_of);
            let classes = (0..model.datasets.len()).map(|d| world.class_of(d)).collect::<Vec<_>>();
            let mut saw = |what: &'static str, yes: bool| yes.then(|| seen.insert(what));
            saw("an alias", classes.iter().any(|c| c.names.len() > 1));
            saw("a dead node", classes.iter().any(|c| c.deleted_at.is_some()));
            saw("a class of three", classes.iter().any(|c| c.names.len() > 2));
            saw(
                "a second life",
                model
                    .incarnations
                    .iter()
                    .any(|i| i.born == Some(*at) && i.born.is_some() && model.datasets[i.name].base != model.incarnation(i.name, *at)),
            );
            saw("a rename", !model.renames.is_empty());
            for level in [Level::Artifact, Level::Field] {
                for (edge, standing) in &world.graph(level).edges {
                    let name = format!("{standing:?} at {level:?}");
                    seen.insert(Box::leak(name.into_boxed_str()));
                    if edge.from == edge.to {
                        seen.insert("a self-loop");
                    }
                }
            }
        }
    }
    for what in [
        "an alias",
        "a dead node",
        "a class of three",
        "a second life",
        "a rename",
        "a self-loop",
        "Known at Artifact",
        "Tombstone at Artifact",
        "Walkable at Artifact",
        "Tombstone at Field",
        "Walkable at Field",
    ] {
        assert!(seen.contains(what), "no history had {what}");
    }
}
