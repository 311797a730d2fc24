//! Every real event goes in, comes out byte for byte, and a restart changes nothing.
use bytes::Bytes;
use ledgerline::{
    access::Role,
    app::view::LineageOptions,
    domain::{
        catalog::ArtifactPage,
        lineage::{Collapse, Direction, Level},
    },
};

use super::openlineage::events;
use crate::support::{World, principal};

#[tokio::test(flavor = "multi_thread")]
async fn every_real_event_is_recorded_once_and_comes_back_byte_for_byte() {
    let mut world = World::new();
    let by = principal(&[Role::Producer], "default");
    let mut kept: Vec<(u64, Vec<u8>)> = Vec::new();
    for (place, line) in events() {
        let body = Bytes::from(line.clone());
        let done = world.app.ingest(&by, body.clone()).await.unwrap_or_else(|e| panic!("{place}: {e} at {:?}: {:?}", e.pointer, e.source));
        if !done.duplicate {
            kept.push((done.receipt.index, body.to_vec()));
        }
        let again = world.app.ingest(&by, body).await.unwrap();
        assert!(again.duplicate && again.receipt == done.receipt, "{place}");
    }
    assert_eq!(world.app.ledger_size(), kept.len() as u64);
    for _ in 0..2 {
        let reader = world.app.view(principal(&[Role::Engineer, Role::Auditor, Role::PrivacyOfficer], "default"), None).await.unwrap();
        for chunk in kept.chunks(50) {
            let indexes: Vec<u64> = chunk.iter().map(|k| k.0).collect();
            for ((index, sent), back) in chunk.iter().zip(reader.received(&indexes).await.unwrap()) {
                assert!(back.as_deref() == Some(&sent[..]), "entry {index}");
            }
        }
        let as_of = reader.resolve_as_of(None).await.unwrap();
        let page = reader.artifact_page(&ArtifactPage { limit: 1000, ..ArtifactPage::default() }, as_of).await.unwrap();
        assert!(page.len() > 200, "{} artifacts", page.len());
        let mut nodes = 0;
        for a in &page {
            for level in [Level::Artifact, Level::Field] {
                let options = LineageOptions {
                    direction: Direction::Both,
                    level,
                    collapse: Collapse::None,
                    depth: 10,
                    nodes_max: 500,
                    per_node_max: 50,
                    include_deleted: true,
                    include_self_loops: true,
                    since: None,
                };
                let start = ledgerline::domain::catalog::ArtifactRef::Key(a.key.clone());
                nodes += reader.lineage(&[start], options, as_of).await.unwrap().nodes.len();
            }
        }
        assert!(nodes > 1000, "{nodes} nodes");
        drop(reader);
        world = world.reopen();
    }
}
