//! Lineage through GraphQL over HTTP, on loopback: identifiers, names and edges
//! from the middle of a layered estate.
//!
//!     cargo bench --bench lineage -- [--layers 10] [--width 100] [--columns 8] [--requests 100]
//!                                    [--depths 1,5,20] [--past] [--data DIR]
//!
//! One JSON line a depth: nodes, edges, bytes, latency as the client sees it, CPU
//! milliseconds a request of the whole process (server and client together).
//! `--past` asks for the same at half the ledger.
mod estate;

use std::{path::PathBuf, sync::Arc, time::Instant};

use bytes::Bytes;
use estate::Estate;
use ledgerline::{
    access::Role,
    api::http::{HttpSettings, server},
    app::{App, tokens::NewToken},
    clock::Ambient,
    config::{Config, Sources},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<f64> = stat.rsplit(") ").next().unwrap().split(' ').filter_map(|x| x.parse().ok()).collect();
    (f[10] + f[11]) * 10.0
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let option = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1).cloned());
    let number = |name: &str, default: usize| option(name).map_or(default, |v| v.parse().unwrap());
    let (layers, width, columns) = (number("--layers", 10), number("--width", 100), number("--columns", 8));
    let temporary = std::env::temp_dir().join(format!("ledgerline-lineage-{}", std::process::id()));
    let folder = option("--data").map_or(temporary.clone(), PathBuf::from);
    let config = Config::load(&Sources { file: None, env: Vec::new(), flags: Vec::new() }).unwrap().config;
    let begun = Instant::now();
    let app = App::open(&folder, &config, Ambient::system()).unwrap();
    println!("{{\"label\":\"open\",\"entries\":{},\"seconds\":{:.2}}}", app.ledger_size(), begun.elapsed().as_secs_f64());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let new = NewToken {
        actor: "bench".into(),
        person: false,
        roles: vec![Role::Engineer],
        integration: "bench".into(),
        namespaces: vec![],
        expires_at: None,
        reason: "a benchmark".into(),
    };
    let (token, ..) = runtime.block_on(app.create_token_locally(new)).unwrap();
    let by = app.authenticate(&token).unwrap();
    let estate = Estate { layers, width, columns, pass: 0, minute: 0 };
    let events: Vec<Bytes> = (0..estate.jobs()).map(|n| Bytes::from(estate.event(n))).collect();
    runtime.block_on(async {
        use futures::StreamExt;
        futures::stream::iter(events).for_each_concurrent(64, |e| async { drop(app.ingest(&by, e).await.unwrap()) }).await;
    });
    let size = app.ledger_size();

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = app.clone();
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let server = server(Arc::clone(&served), listener, HttpSettings::new(Ambient::system())).unwrap();
            tokio::task::LocalSet::new().run_until(server).await.unwrap();
        });
    });
    let agent = ureq::Agent::new_with_defaults();
    let middle = estate.jobs() / 2 + width / 2;
    let job = format!("l{:03}_build_{:06}", middle / width, middle % width);
    let as_of = if args.iter().any(|a| a == "--past") {
        format!(", asOf: {{validAt: \\\"2026-01-01T00:00:00Z\\\", ledgerSize: {size}}}")
    } else {
        String::new()
    };
    for depth in option("--depths").unwrap_or("1,5,20".into()).split(',') {
        let query = format!(
            "{{\"query\":\"{{ lineage(from: [{{job: {{namespace: \\\"bench\\\", name: \\\"{job}\\\"}}}}], options: {{direction: BOTH, depth: {depth}, maxNodes: 20000, perNodeLimit: 10000}}{as_of}) {{ nodes {{ id namespace name kind }} edges {{ from to kind }} completeness {{ status }} }} }}\"}}"
        );
        let ask = || {
            let mut answer = agent
                .post(format!("http://{address}/graphql"))
                .header("authorization", format!("Bearer {token}"))
                .content_type("application/json")
                .send(query.as_bytes())
                .unwrap();
            answer.body_mut().with_config().limit(64 << 20).read_to_string().unwrap()
        };
        let body: serde_json::Value = serde_json::from_str(&ask()).unwrap();
        let lineage = &body["data"]["lineage"];
        let (nodes, edges) = (lineage["nodes"].as_array().unwrap().len(), lineage["edges"].as_array().unwrap().len());
        assert_eq!(lineage["completeness"]["status"], "COMPLETE");
        let requests = number("--requests", 100);
        let cpu = cpu_ms();
        let mut bytes = 0;
        let mut ms: Vec<f64> = (0..requests)
            .map(|_| {
                let begun = Instant::now();
                bytes = ask().len();
                begun.elapsed().as_secs_f64() * 1000.0
            })
            .collect();
        let cpu = (cpu_ms() - cpu) / requests as f64;
        ms.sort_by(f64::total_cmp);
        let pct = |p: usize| ms[(ms.len() * p / 100).min(ms.len() - 1)];
        println!(
            "{{\"label\":\"lineage{}\",\"depth\":{depth},\"nodes\":{nodes},\"edges\":{edges},\"bytes\":{bytes},\"ms\":{{\"p50\":{:.2},\"p95\":{:.2},\"p99\":{:.2}}},\"cpu_ms_each\":{cpu:.2}}}",
            if as_of.is_empty() { "" } else { " in the past" },
            pct(50),
            pct(95),
            pct(99)
        );
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kb = |key: &str| status.lines().find_map(|l| l.strip_prefix(key)).map_or("?".into(), |v| v.trim().to_owned());
    println!("{{\"label\":\"memory\",\"entries\":{size},\"resident\":\"{}\",\"peak\":\"{}\"}}", kb("VmRSS:"), kb("VmHWM:"));
    app.drain();
    if option("--data").is_none() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::process::exit(0);
}
