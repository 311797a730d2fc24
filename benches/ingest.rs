//! OpenLineage events into the application without HTTP, durable: what reading,
//! cutting, sealing, deciding and committing cost.
//!
//!     cargo bench --bench ingest -- EVENTS.ndjson [--clients 8] [--repeat 3] [--limit N] [--data DIR]
//!
//! The file is sent once (new jobs), then `--repeat` times more with fresh run
//! ids and later times (repeated runs of the same jobs). One JSON line a pass:
//! events a second, CPU microseconds an event (the whole process), bytes at rest.
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use ledgerline::{
    access::{Principal, Role, RoleSet, Scope},
    app::App,
    clock::Ambient,
    config::{Config, Sources},
    domain::id::Handle,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn cpu_us() -> f64 {
    // Fields 14 and 15 of stat(5): user and system time in clock ticks of 10 ms.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after = stat.rsplit(") ").next().unwrap();
    let f: Vec<f64> = after.split(' ').filter_map(|x| x.parse().ok()).collect();
    (f[10] + f[11]) * 10_000.0
}

fn bytes_at_rest(folder: &Path) -> u64 {
    std::fs::read_dir(folder).unwrap().flatten().filter_map(|e| e.metadata().ok()).filter(|m| m.is_file()).map(|m| m.len()).sum()
}

/// The same event as a later run: another run id, another time.
fn again(event: &str, pass: usize, n: usize) -> String {
    if pass == 0 {
        return event.to_owned();
    }
    // Only what a later run changes: its id and its times.
    let run = event.find("\"runId\":\"").map(|i| i + 9).unwrap();
    let fresh = format!("{:08x}-0000-4000-8000-{:012x}", pass, n);
    let event = format!("{}{fresh}{}", &event[..run], &event[run + 36..]);
    event.replace("2025-01-01", &format!("2025-{:02}-{:02}", 1 + (pass / 28) % 12, 1 + pass % 28))
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let option = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1).cloned());
    let file = args.first().expect("EVENTS.ndjson");
    let number = |name: &str, default: usize| option(name).map_or(default, |v| v.parse().unwrap());
    let (clients, repeat, limit) = (number("--clients", 8), number("--repeat", 3), number("--limit", usize::MAX));
    let temporary = std::env::temp_dir().join(format!("ledgerline-bench-{}", std::process::id()));
    let folder = option("--data").map_or(temporary, PathBuf::from);
    let config = Config::load(&Sources { file: None, env: Vec::new(), flags: Vec::new() }).unwrap().config;
    let app = App::open(&folder, &config, Ambient::system()).unwrap();
    let by = Arc::new(Principal {
        actor: Handle([9; 16]),
        person: false,
        roles: RoleSet::of(&[Role::Producer]),
        integration: "bench".into(),
        scope: Scope::everything(),
        expires: None,
    });
    let lines: Vec<String> = std::fs::read_to_string(file).unwrap().lines().take(limit).map(str::to_owned).collect();
    for pass in 0..=repeat {
        let events: Arc<Vec<Bytes>> = Arc::new(lines.iter().enumerate().map(|(n, l)| Bytes::from(again(l, pass, n))).collect());
        let before = bytes_at_rest(&folder);
        let cursor = Arc::new(AtomicUsize::new(0));
        let (cpu, started) = (cpu_us(), Instant::now());
        let tasks: Vec<_> = (0..clients)
            .map(|_| {
                let (app, by, events, cursor) = (app.clone(), by.clone(), events.clone(), cursor.clone());
                tokio::spawn(async move {
                    while let Some(e) = events.get(cursor.fetch_add(1, Ordering::Relaxed)) {
                        app.ingest(&by, e.clone()).await.unwrap();
                    }
                })
            })
            .collect();
        for t in tasks {
            t.await.unwrap();
        }
        let (seconds, used) = (started.elapsed().as_secs_f64(), cpu_us() - cpu);
        let n = events.len() as f64;
        println!(
            "{{\"label\":\"{}\",\"events\":{},\"clients\":{clients},\"per_second\":{:.0},\"cpu_us_each\":{:.1},\"bytes_at_rest_each\":{:.0}}}",
            if pass == 0 { "new jobs" } else { "repeated runs" },
            events.len(),
            n / seconds,
            used / n,
            (bytes_at_rest(&folder).saturating_sub(before)) as f64 / n,
        );
    }
    app.drain();
    drop(app);
    if option("--data").is_none() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
