//! Events in, lineage out, a ledger under it.
use ledgerline::{
    app::view::LineageOptions,
    domain::lineage::{Collapse, CompletenessStatus, Direction, Level},
};
use serde_json::json;

use crate::support::{World, dataset, run_event};

pub fn options(direction: Direction, level: Level, depth: u32) -> LineageOptions {
    LineageOptions {
        direction,
        level,
        collapse: Collapse::None,
        depth,
        nodes_max: 200,
        per_node_max: 20,
        include_deleted: false,
        include_self_loops: false,
        since: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_becomes_an_entry_and_a_lineage_that_survives_a_restart() {
    let mut world = World::new();
    let first = world.send(&run_event("START", 1, 10, &["a"], &["b"])).await;
    assert_eq!((first.receipt.index, first.duplicate), (0, false));
    let again = world.send(&run_event("START", 1, 10, &["a"], &["b"])).await;
    assert_eq!((again.receipt, again.duplicate), (first.receipt, true));
    world.send(&run_event("COMPLETE", 1, 11, &["a"], &["b"])).await;
    for _ in 0..2 {
        let view = world.view().await;
        assert_eq!(view.head().size, 2);
        let as_of = view.resolve_as_of(None).await.unwrap();
        let answer = view.lineage(&[dataset("a")], options(Direction::Downstream, Level::Artifact, 5), as_of).await.unwrap();
        let names: Vec<_> = answer.nodes.iter().map(|n| (&*n.name, n.depth)).collect();
        assert_eq!(names, [("a", 0), ("etl", 1), ("b", 2)]);
        assert_eq!(answer.edges.len(), 2);
        assert_eq!(answer.completeness.status, CompletenessStatus::Complete);
        let received = view.received(&[0]).await.unwrap().pop().flatten().unwrap();
        assert_eq!(received, run_event("START", 1, 10, &["a"], &["b"]).to_string().into_bytes());
        drop(view);
        world = world.reopen();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_run_of_a_known_job_writes_no_flow() {
    let world = World::new();
    for n in 0..50u8 {
        let mut event = run_event("COMPLETE", n, 10 + u32::from(n), &["a", "c"], &["b"]);
        event["outputs"][0]["facets"] = json!({"schema": {"_producer": "p", "_schemaURL": "s", "fields": [{"name": "x", "type": "INT"}, {"name": "y", "type": "INT"}]}});
        world.send(&event).await;
    }
    let view = world.view().await;
    let as_of = view.resolve_as_of(None).await.unwrap();
    let answer = view.lineage(&[dataset("b")], options(Direction::Upstream, Level::Artifact, 5), as_of).await.unwrap();
    assert_eq!(answer.nodes.len(), 4);
    assert!(answer.edges.iter().all(|e| e.flows.len() == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_core_part_says_who_sent_the_event() {
    let world = World::new();
    world.send(&run_event("START", 1, 10, &["a"], &["b"])).await;
    let entry = world.view().await.entries(&[0]).await.unwrap().pop().flatten().unwrap();
    let ledgerline::domain::catalog::PartState::Open { bytes, .. } = &entry.parts[0].state else { panic!("core is open") };
    let core: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    assert_eq!(core["actor"], entry.actor.unwrap().text());
    assert_eq!(core["job"]["name"], "etl");
}
