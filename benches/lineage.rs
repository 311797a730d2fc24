//! Lineage through GraphQL over HTTP, on loopback: identifiers, names and edges
//! from the middle of a layered estate.
//!
//!     cargo bench --bench lineage -- [--layers 10] [--width 100] [--columns 8] [--seconds 1]
//!                                    [--depths 1,5,20] [--past] [--data DIR]
//!
//! One JSON line a depth: nodes, edges, bytes, latency as the client sees it, CPU
//! milliseconds a request of the whole process (server and client together).
//! `--past` asks for the same at half the ledger.
mod estate;
mod served;
mod stand;

use std::{path::PathBuf, time::Duration};

use estate::Estate;
use served::{Served, clients};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let option = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1).cloned());
    let number = |name: &str, default: usize| option(name).map_or(default, |v| v.parse().unwrap());
    let (layers, width, columns) = (number("--layers", 10), number("--width", 100), number("--columns", 8));
    let served = Served::open(option("--data").map(PathBuf::from));
    let estate = Estate { layers, width, columns, pass: 0, minute: 0 };
    served.stand.ingest((0..estate.jobs()).map(|n| estate.event(n)));
    let size = served.stand.app.ledger_size();
    let agent = ureq::Agent::new_with_defaults();
    let middle = estate.jobs() / 2 + width / 2;
    let job = format!("l{:03}_build_{:06}", middle / width, middle % width);
    let as_of = if args.iter().any(|a| a == "--past") {
        format!(", asOf: {{validAt: \"2026-01-01T00:00:00Z\", ledgerSize: {size}}}")
    } else {
        String::new()
    };
    for depth in option("--depths").unwrap_or("1,5,20".into()).split(',') {
        let query = format!(
            "{{ lineage(from: [{{job: {{namespace: \"bench\", name: \"{job}\"}}}}], options: {{direction: BOTH, depth: {depth}, maxNodes: 20000, perNodeLimit: 10000}}{as_of}) \
             {{ nodes {{ id namespace name kind }} edges {{ from to kind }} completeness {{ status }} }} }}"
        );
        let text = served.ask(&agent, &query);
        let body: serde_json::Value = serde_json::from_str(&text).unwrap();
        let lineage = &body["data"]["lineage"];
        let (nodes, edges) = (lineage["nodes"].as_array().unwrap().len(), lineage["edges"].as_array().unwrap().len());
        assert_eq!(lineage["completeness"]["status"], "COMPLETE");
        let seen = clients(1, Duration::from_secs(number("--seconds", 1) as u64), |_, _| drop(served.ask(&agent, &query)));
        println!(
            "{{\"label\":\"lineage{}\",\"depth\":{depth},\"nodes\":{nodes},\"edges\":{edges},\"bytes\":{},{}}}",
            if as_of.is_empty() { "" } else { " in the past" },
            text.len(),
            seen.row()
        );
    }
    served.stand.finish();
}
