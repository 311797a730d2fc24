//! What readers ask for, over HTTP on loopback under several clients, in a layered
//! estate with a hub.
//!
//!     cargo bench --bench reads -- [--edges 100000] [--columns 20] [--hub 10000]
//!                                  [--clients 8] [--seconds 3] [--data DIR] [--only CASE] [--page FIELDS]
//!
//! One JSON line a case: latency as clients see it, CPU milliseconds a request of
//! the whole process (server and clients together). Each client goes from start to
//! start, so no answer is asked for twice in a row. The last rows put commits beside
//! walks: each alone, then both together. `--data` keeps the estate for the next run,
//! `--page` asks for other fields of the artifact.
mod estate;
mod served;
mod stand;

use std::{
    path::PathBuf,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use estate::Estate;
use served::{Latency, Served, clients};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LAYERS: usize = 20;
/// Edges of a job: three inputs (fewer where two are the same) and an output.
const EDGES_A_JOB: usize = 4;

/// A governance UI's page of one dataset, in one request.
const PAGE: &str = "id kind namespace name description validFrom aliases { namespace name } owners { actor { handle } role source since } \
    tags { key value field source } schema { source fields { path type description } } \
    schemaHistory(first: 5) { hash source validFrom validUntil changes { kind path typeBefore typeAfter } event { index leafHash } } \
    quality { failed rows bytes assertions { success } run { runId } } runs(first: 10) { runId state startedAt endedAt durationMs } \
    upstream: neighbours(direction: UPSTREAM) { count nodes { id name } } \
    downstream: neighbours(direction: DOWNSTREAM) { count nodes { id name } } \
    changes(first: 10) { nodes { index recordedAt reason kinds actor { handle } event { leafHash } } } viewerCan";

struct Asked {
    name: &'static str,
    /// How many different starts.
    starts: usize,
    query: Box<dyn Fn(usize) -> String + Sync>,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let option = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1).cloned());
    let number = |name: &str, default: usize| option(name).map_or(default, |v| v.parse().unwrap());
    let (edges, columns, hub) = (number("--edges", 100_000), number("--columns", 20), number("--hub", 10_000));
    let (count, span) = (number("--clients", 8), Duration::from_secs(number("--seconds", 3) as u64));
    let width = (edges / EDGES_A_JOB / LAYERS).max(1);
    let estate = Estate { layers: LAYERS, width, columns, pass: 0, minute: 0 };
    let served = Served::open(option("--data").map(PathBuf::from));
    if served.stand.app.ledger_size() < estate.jobs() as u64 {
        let (begun, cpu) = (std::time::Instant::now(), stand::cpu_ms());
        served.stand.ingest((0..estate.jobs()).map(|n| estate.event(n)));
        served.stand.ingest((0..hub).map(reads_the_hub));
        let events = estate.jobs() + hub;
        println!(
            "{{\"label\":\"ingest\",\"events\":{events},\"seconds\":{:.1},\"cpu_ms_each\":{:.3}}}",
            begun.elapsed().as_secs_f64(),
            (stand::cpu_ms() - cpu) / events as f64
        );
    }
    let size = served.stand.app.ledger_size();
    let (middle, starts) = (LAYERS / 2, width.min(1000));
    let lineage = move |options: &str, as_of: &str, i: usize| {
        let start = estate::dataset(middle, i % width);
        format!(
            "{{ lineage(from: [{{dataset: {{namespace: \"bench\", name: \"{start}\"}}}}], options: {{{options}}}{as_of}) \
             {{ nodes {{ id namespace name kind }} edges {{ from to kind }} completeness {{ status }} }} }}"
        )
    };
    // An instant long after the estate's day, and what was known then: the same answer.
    let past = format!(", asOf: {{validAt: \"2026-01-01T00:00:00Z\", ledgerSize: {}}}", size - 1);
    let whole = "maxNodes: 20000, perNodeLimit: 10000";
    let deep = format!("depth: 5, {whole}");
    let deep_past = deep.clone();
    let page = option("--page").unwrap_or_else(|| PAGE.to_owned());
    let asked = [
        Asked {
            name: "unknown name",
            starts: 1000,
            query: Box::new(|i| format!("{{ artifact(ref: {{dataset: {{namespace: \"bench\", name: \"nobody.{i}\"}}}}) {{ id }} }}")),
        },
        Asked { name: "depth 1", starts, query: Box::new(move |i| lineage("depth: 1", "", i)) },
        Asked { name: "depth 5", starts, query: Box::new(move |i| lineage(&deep, "", i)) },
        Asked {
            name: "depth 5 from many",
            starts,
            query: Box::new(move |i| {
                let from: Vec<String> = (0..50)
                    .map(|k| format!("{{dataset: {{namespace: \"bench\", name: \"{}\"}}}}", estate::dataset(middle, (i + k * 7) % width)))
                    .collect();
                format!(
                    "{{ lineage(from: [{}], options: {{depth: 5, {whole}}}) \
                     {{ nodes {{ id namespace name kind }} edges {{ from to kind }} completeness {{ status }} }} }}",
                    from.join(", ")
                )
            }),
        },
        Asked { name: "depth 5 in the past", starts, query: Box::new(move |i| lineage(&deep_past, &past, i)) },
        Asked { name: "hub, a page", starts: 1, query: Box::new(|_| hub_lineage("depth: 1")) },
        Asked { name: "hub, all", starts: 1, query: Box::new(move |_| hub_lineage(&format!("depth: 1, {whole}"))) },
        Asked {
            name: "artifact page",
            starts,
            query: Box::new(move |i| {
                let name = estate::dataset(middle, i % width);
                format!("{{ artifact(ref: {{dataset: {{namespace: \"bench\", name: \"{name}\"}}}}) {{ {} }} }}", page)
            }),
        },
        Asked {
            name: "column, depth 5",
            starts,
            query: Box::new(move |i| {
                let (dataset, field) = (estate::dataset(middle, i % width), estate::column(i % columns));
                format!(
                    "{{ lineage(from: [{{field: {{namespace: \"bench\", dataset: \"{dataset}\", field: \"{field}\"}}}}], \
                     options: {{level: FIELD, depth: 5, {whole}}}) {{ nodes {{ id namespace name kind }} edges {{ from to kind }} completeness {{ status }} }} }}"
                )
            }),
        },
    ];
    let only = option("--only");
    for a in asked.iter().filter(|a| only.as_deref().is_none_or(|only| a.name == only)) {
        let agents: Vec<ureq::Agent> = (0..count).map(|_| ureq::Agent::new_with_defaults()).collect();
        let first: serde_json::Value = serde_json::from_str(&served.ask(&agents[0], &(a.query)(0))).unwrap();
        assert!(first.get("errors").is_none(), "{}: {first}", a.name);
        let members = |name: &str| first["data"]["lineage"][name].as_array().map_or(0, Vec::len);
        let (nodes, edges) = (members("nodes"), members("edges"));
        let seen = clients(count, span, |client, n| {
            // Far from each other, and each another one every time.
            drop(served.ask(&agents[client], &(a.query)((client * 131 + n * 17) % a.starts)));
        });
        println!("{{\"label\":\"{}\",\"nodes\":{nodes},\"edges\":{edges},{}}}", a.name, seen.row());
    }
    if only.is_some() {
        served.stand.finish();
    }
    beside(&served, &estate, &asked[2], count, span);
    served.stand.finish();
}

/// A job of its own that reads the one dataset.
fn reads_the_hub(n: usize) -> String {
    format!(
        "{{\"eventType\":\"COMPLETE\",\"eventTime\":\"2018-01-02T00:00:00.000Z\",\"run\":{{\"runId\":\"f0000000-0000-4000-8000-{n:012x}\"}},\"job\":{{\"namespace\":\"bench\",\"name\":\"reads_hub_{n:06}\"}},\"inputs\":[{{\"namespace\":\"bench\",\"name\":\"hub\"}}],\"outputs\":[],\"producer\":\"https://ledgerline.example/bench\",\"schemaURL\":\"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent\"}}"
    )
}

fn hub_lineage(options: &str) -> String {
    format!(
        "{{ lineage(from: [{{dataset: {{namespace: \"bench\", name: \"hub\"}}}}], options: {{{options}}}) \
         {{ nodes {{ id namespace name kind }} edges {{ from to kind }} completeness {{ status }} }} }}"
    )
}

/// Walks alone, commits alone, and both together: four clients of each.
fn beside(served: &Served, estate: &Estate, walk: &Asked, count: usize, span: Duration) {
    let half = (count / 2).max(1);
    #[expect(clippy::disallowed_methods, reason = "names that no earlier pass has sent")]
    let pass =
        AtomicI64::new(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64 % 100_000_000 * 8);
    let agents: Vec<ureq::Agent> = (0..half).map(|_| ureq::Agent::new_with_defaults()).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let walks = |over: Duration| {
        clients(half, over, |client, n| drop(served.ask(&agents[client], &(walk.query)((client * 131 + n * 17) % walk.starts))))
    };
    // Repeated runs of the estate's jobs: what most commits are.
    let commits = |over: Duration| {
        let estates: Vec<Estate> = (0..half)
            .map(|_| Estate {
                layers: estate.layers,
                width: estate.width,
                columns: estate.columns,
                pass: pass.fetch_add(1, Ordering::Relaxed),
                minute: 2000,
            })
            .collect();
        clients(half, over, |client, n| {
            let event = estates[client].event((client * 997 + n) % estate.jobs());
            drop(runtime.block_on(served.stand.app.ingest(&served.stand.by, event.into())).unwrap());
        })
    };
    let row = |label: &str, of: &Latency| println!("{{\"label\":\"{label}\",{}}}", of.row());
    row("walks alone", &walks(span));
    row("commits alone", &commits(span));
    let cpu = stand::cpu_ms();
    // Both run in this process: the CPU of each cannot be told apart, their sum can.
    let (walked, committed) = std::thread::scope(|scope| {
        let walked = scope.spawn(|| walks(span));
        let committed = commits(span);
        (walked.join().unwrap(), committed)
    });
    let all = stand::cpu_ms() - cpu;
    println!(
        "{{\"label\":\"both\",\"walks\":{{\"a_second\":{:.0},\"p50\":{:.2},\"p99\":{:.2}}},\"commits\":{{\"a_second\":{:.0},\"p50\":{:.2},\"p99\":{:.2}}},\"cpu_ms\":{all:.0},\"seconds\":{:.1}}}",
        walked.a_second(),
        walked.percentile(50),
        walked.percentile(99),
        committed.a_second(),
        committed.percentile(50),
        committed.percentile(99),
        span.as_secs_f64()
    );
}
