//! OpenLineage events into the application without HTTP, durable: what reading,
//! cutting, sealing, deciding and committing cost.
//!
//!     cargo bench --bench ingest -- [--layers 10] [--width 100] [--columns 8] [--repeat 3]
//!                                   [--quiet N] [--clients 8] [--late 0] [--data DIR] [--write FILE]
//!
//! The estate is sent once (new jobs), then `--repeat` times more as later runs of
//! the same jobs; of more than ten passes every `--quiet`-th is told. `--late N`
//! sends N events of days long past at the end, one by one. One JSON line a pass:
//! events a second, CPU microseconds an event (the whole process, generating
//! apart), bytes at rest. `--write` writes the first pass as NDJSON and ends.
mod estate;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use estate::Estate;
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
    let f: Vec<f64> = stat.rsplit(") ").next().unwrap().split(' ').filter_map(|x| x.parse().ok()).collect();
    (f[10] + f[11]) * 10_000.0
}

fn bytes_at_rest(folder: &Path) -> u64 {
    std::fs::read_dir(folder).unwrap().flatten().filter_map(|e| e.metadata().ok()).filter(|m| m.is_file()).map(|m| m.len()).sum()
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let option = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1).cloned());
    let number = |name: &str, default: usize| option(name).map_or(default, |v| v.parse().unwrap());
    let (layers, width, columns) = (number("--layers", 10), number("--width", 100), number("--columns", 8));
    let (clients, repeat, quiet, late) = (number("--clients", 8), number("--repeat", 3), number("--quiet", 1), number("--late", 0));
    // A pass a day; many passes over few jobs follow each other faster.
    let step = if repeat > 2_500 { 30 } else { 1_440 };
    let on = |pass: i64| Estate { layers, width, columns, pass, minute: 14_400 + pass * step };
    if let Some(file) = option("--write") {
        let mut out = std::io::BufWriter::new(std::fs::File::create(file).unwrap());
        let estate = on(number("--pass", 0) as i64);
        (0..estate.jobs()).for_each(|n| writeln!(out, "{}", estate.event(n)).unwrap());
        return;
    }
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
    for pass in 0..=repeat {
        let estate = on(pass as i64);
        let events: Arc<Vec<Bytes>> = Arc::new((0..estate.jobs()).map(|n| Bytes::from(estate.event(n))).collect());
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
        if pass > 3 && pass % quiet != 0 {
            continue;
        }
        let n = events.len() as f64;
        let bytes: usize = events.iter().map(Bytes::len).sum();
        println!(
            "{{\"label\":\"{}\",\"pass\":{pass},\"events\":{},\"event_bytes\":{:.0},\"clients\":{clients},\"per_second\":{:.0},\"cpu_us_each\":{:.1},\"bytes_at_rest_each\":{:.0}}}",
            if pass == 0 { "new jobs" } else { "repeated runs" },
            events.len(),
            bytes as f64 / n,
            n / seconds,
            used / n,
            (bytes_at_rest(&folder).saturating_sub(before)) as f64 / n,
        );
    }
    if late > 0 {
        // Between runs long past, and with another input: opens and closes flows in the past.
        let mut ms: Vec<f64> = Vec::new();
        for n in 0..late {
            let pass = (n * repeat / late) as i64;
            let estate = Estate { minute: 14_400 + pass * step + step / 2, ..on(pass) };
            let event = estate.event(0).replace("-0000-4000-8000-", "-ffff-4000-8000-").replacen("l000.", "l000x.", 1);
            let begun = Instant::now();
            app.ingest(&by, Bytes::from(event)).await.unwrap();
            ms.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        ms.sort_by(f64::total_cmp);
        println!(
            "{{\"label\":\"late events, one client\",\"runs_before\":{},\"events\":{late},\"ms\":{{\"p50\":{:.3},\"max\":{:.3}}}}}",
            repeat + 1,
            ms[ms.len() / 2],
            ms[ms.len() - 1]
        );
    }
    app.drain();
    drop(app);
    if option("--data").is_none() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
