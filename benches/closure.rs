//! Counting over a whole graph, against a breadth-first search on a bare `u32`
//! adjacency of the same edges in the same run.
//!
//!     cargo bench --bench closure -- [--nodes 1000000] [--rounds 7] [--seconds 4]
//!
//! Half the nodes are datasets, half jobs; each job reads three datasets and writes
//! three, anywhere or near itself; and a fifth as many flows were closed. The graph
//! is put into the store's memory, and asked through its public traits. One JSON
//! line a case: edges followed a second of CPU of both, and the share; then commits
//! and closures, each alone and both at once.
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use ledgerline::{
    app::{compose::Installation, sequencer::Sequencer},
    clock::Ambient,
    config::{Config, Sources},
    domain::{
        counts::WalkCounts,
        entry::{PartClass, commitment},
        id::{EntryId, NodeId},
        kind::ArtifactKind,
        lineage::{AsOf, Collapse, CompletenessStatus, Direction, Level, NodeKey, Walk},
        time::{FOREVER, HOUR, Micros, SECOND},
    },
    store::{
        Store,
        embedded::{EmbeddedStore, OpenOptions, Synchronous, Unlogged},
        write::{Act, Change, SealedPart},
    },
    vault::{
        KeyScope, Vault,
        envelope::{PartAddress, seal},
    },
};
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Entries that tell of the graph.
const ENTRIES: u64 = 4_096;

/// How often each is run between two looks at its time.
const AT_ONCE: usize = 3;

/// Nanoseconds on a CPU of the threads with a name.
fn cpu_of(name: &str) -> f64 {
    let mut sum = 0.0;
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let read = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        if read("comm").starts_with(name) {
            sum += read("schedstat").split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0.0);
        }
    }
    sum
}

/// The same of this thread, up to now.
fn own_cpu() -> f64 {
    // The kernel adds up when a thread is put aside.
    std::thread::yield_now();
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap()
}

/// Nanoseconds of all threads, also of those that ended; in ticks of 10 ms.
fn cpu_of_all() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<f64> = stat.rsplit(") ").next().unwrap().split(' ').filter_map(|x| x.parse().ok()).collect();
    (f[10] + f[11]) * 1e7
}

fn below(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (((z ^ (z >> 31)) as u128 * n as u128) >> 64) as u64
}

/// A flow as the bench remembers it.
#[derive(Clone, Copy)]
struct Flow {
    job: u32,
    dataset: u32,
    output: bool,
    /// The entry that told it, and the one that closed it.
    opened: u64,
    closed: u64,
}

/// The adjacency that ours is measured against: downstream.
struct Bare {
    begins: Vec<u32>,
    targets: Vec<u32>,
}

impl Bare {
    fn of(nodes: u32, flows: &[Flow], at: u64) -> Self {
        let is_open = |f: &&Flow| f.opened < at && at <= f.closed;
        let mut edges: Vec<(u32, u32)> =
            flows.iter().filter(is_open).map(|f| if f.output { (f.job, f.dataset) } else { (f.dataset, f.job) }).collect();
        edges.sort_unstable();
        edges.dedup();
        let mut begins = vec![0; nodes as usize + 1];
        edges.iter().for_each(|e| begins[e.0 as usize + 1] += 1);
        (0..nodes as usize).for_each(|n| begins[n + 1] += begins[n]);
        Self { begins, targets: edges.iter().map(|e| e.1).collect() }
    }

    /// Nodes beside the start, and edges followed.
    fn search(&self, start: u32) -> (u32, u32) {
        let mut seen = vec![0_u64; self.begins.len().div_ceil(64)];
        seen[start as usize / 64] |= 1 << (start % 64);
        let mut queue = vec![start];
        let (mut next, mut edges) = (0, 0);
        while next < queue.len() {
            let node = queue[next] as usize;
            next += 1;
            let row = &self.targets[self.begins[node] as usize..self.begins[node + 1] as usize];
            edges += row.len() as u32;
            for target in row {
                let (word, bit) = (*target as usize / 64, 1 << (target % 64));
                if seen[word] & bit == 0 {
                    seen[word] |= bit;
                    queue.push(*target);
                }
            }
        }
        (queue.len() as u32 - 1, edges)
    }
}

struct Bench {
    store: Arc<EmbeddedStore>,
    graph: Unlogged,
    sequencer: Arc<Sequencer>,
    vault: Arc<Vault>,
    ambient: Ambient,
    flows: Vec<Flow>,
    start: u32,
    began: Micros,
    runtime: Runtime,
    rounds: usize,
}

fn id(node: u32) -> NodeId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&below(u64::from(node) * 2 + 1, u64::MAX).to_be_bytes());
    id[8..].copy_from_slice(&u64::from(node).to_be_bytes());
    NodeId(id)
}

/// A sealed entry that changes nothing.
fn act(vault: &Vault, ambient: &Ambient, n: u64) -> Act {
    let mut bytes = [0x5a; 500];
    bytes[..8].copy_from_slice(&n.to_le_bytes());
    let now = ambient.clock.now();
    let mut random = [0; 10];
    ambient.entropy.fill(&mut random);
    let id = EntryId::new((now.0 / 1000) as u64, &random);
    let salt = ambient.entropy.bytes32();
    let key = vault.data_key(KeyScope::Class { class: PartClass::Core, month: now.month() }).unwrap();
    let sealed = seal(&key, &PartAddress { entry: id, number: 0, class: "core" }, &salt, &bytes, &*ambient.entropy).unwrap();
    let core = SealedPart { class: PartClass::Core, commitment: commitment(PartClass::Core, &salt, &bytes), key: key.id().0, sealed };
    Act {
        id,
        event_type: "bench.v1",
        time: now,
        actor: None,
        parts: smallvec::smallvec![core],
        concerns: smallvec::SmallVec::new(),
        duplicate: None,
        change: Change::Nothing,
    }
}

impl Bench {
    fn new(folder: &Path, nodes: u32, near: bool, rounds: usize) -> Self {
        let config = Config::load(&Sources { file: None, env: Vec::new(), flags: Vec::new() }).unwrap().config;
        let ambient = Ambient::system();
        let i = Installation::open(folder, &config, &ambient).unwrap();
        let vault = i.vault.clone();
        let options = OpenOptions {
            vault: i.vault,
            log_key: i.log_key,
            secret: i.secret,
            anchor: None,
            readers: 4,
            copies_from: config.lineage.copy_from as usize,
            synchronous: Synchronous::Full,
        };
        let opened = EmbeddedStore::open(i.folder, options).unwrap();
        let sequencer = Arc::new(Sequencer::start(opened.writer, ambient.clock.clone(), 4096).unwrap());
        // One thread name for all that asks, so that its time can be told apart.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("asker")
            .thread_keep_alive(Duration::from_secs(3_600))
            .enable_all()
            .build()
            .unwrap();
        let began = Micros(ambient.clock.now().0 - 2 * HOUR);
        let graph = opened.store.unlogged();
        for n in 0..nodes {
            let kind = if n % 2 == 0 { ArtifactKind::Dataset } else { ArtifactKind::Job };
            graph.node(id(n), kind, &format!("n{n}"), began, 0).unwrap();
        }
        let half = u64::from(nodes) / 2;
        let random_flow = |n: u64, job: u64| {
            let dataset = if near { (job + half - 500 + below(n * 5 + 1, 1_000)) % half } else { below(n * 5 + 1, half) };
            let opened = 1 + below(n * 5 + 2, ENTRIES - 1);
            Flow { job: job as u32 * 2 + 1, dataset: dataset as u32 * 2, output: n.is_multiple_of(2), opened, closed: u64::MAX }
        };
        let mut flows: Vec<Flow> = (0..half * 6).map(|n| random_flow(n, n / 6)).collect();
        flows.extend((half * 6..half * 36 / 5).map(|n| {
            let f = random_flow(n, below(n * 5 + 3, half));
            Flow { closed: f.opened + 1 + below(n * 5 + 4, ENTRIES - f.opened), ..f }
        }));
        flows.sort_by_key(|f| f.opened);
        let mut bench = Self { store: opened.store, graph, sequencer, vault, ambient, flows: Vec::new(), start: 0, began, runtime, rounds };
        flows.iter().for_each(|f| bench.link(f));
        bench.flows = flows;
        for n in 0..ENTRIES {
            bench.runtime.block_on(bench.sequencer.submit(act(&bench.vault, &bench.ambient, n))).unwrap();
        }
        bench
    }

    fn time(&self, entry: u64) -> Micros {
        Micros(self.began.0 + entry as i64 * SECOND)
    }

    fn link(&self, f: &Flow) {
        let from = self.time(f.opened);
        let place = self.graph.flow(f.job, f.dataset, f.output, (from, FOREVER), f.opened).unwrap();
        if f.closed < u64::MAX {
            self.graph.supersede(place, f.closed);
            self.graph.flow(f.job, f.dataset, f.output, (from, self.time(f.closed)), f.closed).unwrap();
        }
    }

    fn count(&self, as_of: AsOf) -> WalkCounts {
        let walk = Walk {
            from: vec![NodeKey::Artifact(id(self.start))],
            direction: Direction::Downstream,
            level: Level::Artifact,
            collapse: Collapse::None,
            depth: u32::MAX,
            nodes_max: 1,
            per_node_max: 1,
            include_deleted: false,
            include_self_loops: false,
            leave_out_hidden: false,
            as_of,
            since: as_of.valid_at,
            deadline: Instant::now() + Duration::from_secs(600),
        };
        let counts = self.runtime.block_on(async { self.store.snapshot().await.unwrap().walk_counts(vec![walk]).await.unwrap() });
        assert_eq!(counts[0].status, CompletenessStatus::Complete);
        counts.into_iter().next().unwrap()
    }

    fn now(&self) -> AsOf {
        AsOf { valid_at: self.ambient.clock.now(), size: self.store.head().size }
    }

    /// The medians of ours and of the bare search in turn: million edges a second of CPU.
    fn compare(&self, label: &str, bare: &Bare, as_of: impl Fn() -> AsOf, exact: bool) {
        let first = Instant::now();
        let found = self.count(as_of());
        let first = first.elapsed().as_secs_f64() * 1000.0;
        let (nodes, edges) = bare.search(self.start);
        if exact {
            assert_eq!((found.nodes, found.edges), (nodes, edges), "{label}");
        }
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        // Copies are made by threads that end with them.
        let ended = || cpu_of_all() - cpu_of("");
        let copying = ended();
        for _ in 0..self.rounds {
            let cpu = own_cpu();
            let followed: u32 = (0..AT_ONCE).map(|_| bare.search(self.start).1).sum();
            theirs.push(f64::from(followed) * 1000.0 / (own_cpu() - cpu));
            let cpu = cpu_of("asker");
            let followed: u32 = (0..AT_ONCE).map(|_| self.count(as_of()).edges).sum();
            ours.push(f64::from(followed) * 1000.0 / (cpu_of("asker") - cpu));
        }
        let copying = (ended() - copying).max(0.0) / 1e6;
        let median = |values: &mut Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let (ours, theirs) = (median(&mut ours), median(&mut theirs));
        println!(
            "{{\"label\":\"{label}\",\"nodes\":{nodes},\"edges\":{edges},\"first_ms\":{first:.0},\"medges_per_cpu_s\":{ours:.1},\"bare\":{theirs:.1},\"percent\":{:.0},\"copying_cpu_ms\":{copying:.0}}}",
            ours * 100.0 / theirs
        );
    }

    /// Links flows that a next entry tells, and has it told.
    fn append(&self, flows: impl Iterator<Item = (u32, u32, bool)>, n: u64) {
        let (from, by) = (self.ambient.clock.now(), self.store.head().size);
        for (job, dataset, output) in flows {
            self.graph.flow(job, dataset, output, (from, FOREVER), by).unwrap();
        }
        self.runtime.block_on(self.sequencer.submit(act(&self.vault, &self.ambient, n))).unwrap();
    }

    /// Commits by 16 writers for some seconds, if any; and closures meanwhile, if any.
    fn beside(&self, label: &str, writers: usize, closures: bool, seconds: u64) {
        let until = Instant::now() + Duration::from_secs(seconds);
        let stop = AtomicBool::new(false);
        let before = ["writers", "sequencer", "asker"].map(cpu_of);
        let (commits, counted) = std::thread::scope(|scope| {
            let committing = (writers > 0).then(|| {
                let (stop, sequencer, vault, ambient) = (&stop, &self.sequencer, &self.vault, &self.ambient);
                std::thread::Builder::new()
                    .name("writers".into())
                    .spawn_scoped(scope, move || {
                        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                        let one = |writer: usize| async move {
                            let mut done = 0_u64;
                            while !stop.load(Ordering::Relaxed) {
                                sequencer.submit(act(vault, ambient, done << 8 | writer as u64)).await.unwrap();
                                done += 1;
                            }
                            done
                        };
                        let done: u64 = runtime.block_on(futures::future::join_all((0..writers).map(one))).into_iter().sum();
                        (done, cpu_of("writers"))
                    })
                    .unwrap()
            });
            let mut counted = 0;
            while Instant::now() < until {
                if closures {
                    self.count(self.now());
                    counted += 1;
                } else {
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
            stop.store(true, Ordering::Relaxed);
            (committing.map_or((0, 0.0), |c| c.join().unwrap()), counted)
        });
        let cpu = [commits.1, cpu_of("sequencer") - before[1], cpu_of("asker") - before[2]];
        let each = |ns: f64, n: u64, unit: f64| if n == 0 { 0.0 } else { ns / unit / n as f64 };
        println!(
            "{{\"label\":\"{label}\",\"commits_per_s\":{:.0},\"cpu_us_each\":{:.1},\"closures_per_s\":{:.2},\"cpu_ms_each\":{:.1}}}",
            commits.0 as f64 / seconds as f64,
            each(cpu[0] + cpu[1], commits.0, 1e3),
            counted as f64 / seconds as f64,
            each(cpu[2], counted, 1e6)
        );
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let option = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1).cloned());
    let number = |name: &str, default: u64| option(name).map_or(default, |v| v.parse().unwrap());
    let (nodes, rounds, seconds) = (number("--nodes", 1_000_000) as u32, number("--rounds", 7) as usize, number("--seconds", 4));
    // The bare search runs in a thread whose time can be told apart.
    std::thread::Builder::new().name("bench".into()).spawn(move || all(nodes, rounds, seconds)).unwrap().join().unwrap();
}

fn all(nodes: u32, rounds: usize, seconds: u64) {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        status.lines().find_map(|l| l.strip_prefix("VmRSS:")).map_or("?".to_owned(), |v| v.trim().to_owned())
    };
    for (word, near) in [("anywhere", false), ("near", true)] {
        let folder = std::env::temp_dir().join(format!("ledgerline-closure-{}-{word}", std::process::id()));
        let mut bench = Bench::new(&folder, nodes, near, rounds);
        println!("{{\"label\":\"graph, edges {word}\",\"nodes\":{nodes},\"flows\":{},\"resident\":\"{}\"}}", bench.flows.len(), resident());
        let bare = Bare::of(nodes, &bench.flows, ENTRIES);
        bench.start = (0..nodes).step_by(2).find(|start| bare.search(*start).0 > nodes / 2).unwrap();
        bench.compare(&format!("now, edges {word}"), &bare, || bench.now(), true);

        let half = ENTRIES / 2;
        let past = Bare::of(nodes, &bench.flows, half);
        let size = AsOf { valid_at: bench.time(ENTRIES), size: half };
        bench.compare(&format!("half the ledger, edges {word}"), &past, || size, true);
        // What was open then, as all entries tell it.
        let valid = AsOf { valid_at: bench.time(half - 1), size: ENTRIES };
        bench.compare(&format!("half the time, edges {word}"), &past, || valid, true);
        let (present, history) = bench.graph.copied_bytes();
        let each = |bytes: usize| bytes as f64 / f64::from(nodes);
        println!(
            "{{\"label\":\"memory of copies, edges {word}\",\"present_mb\":{:.0},\"history_mb\":{:.0},\"present_bytes_a_node\":{:.0},\"history_bytes_a_node\":{:.0},\"resident\":\"{}\"}}",
            present as f64 / 1e6,
            history as f64 / 1e6,
            each(present),
            each(history),
            resident()
        );

        let half_nodes = u64::from(nodes) / 2;
        let random = |n: u64| {
            let job = below(n * 7 + 3, half_nodes);
            let dataset = if near { (job + half_nodes - 500 + below(n * 7 + 4, 1_000)) % half_nodes } else { below(n * 7 + 4, half_nodes) };
            (job as u32 * 2 + 1, dataset as u32 * 2, n.is_multiple_of(2))
        };
        let touching = u64::from(nodes) / 200;
        bench.append((0..touching).map(random), 0);
        let by = bench.store.head().size;
        let mut flows = bench.flows.clone();
        flows.extend((0..touching).map(random).map(|(job, dataset, output)| Flow {
            job,
            dataset,
            output,
            opened: by - 1,
            closed: u64::MAX,
        }));
        let touched = Bare::of(nodes, &flows, by);
        bench.compare(&format!("now, 1 % of nodes touched, edges {word}"), &touched, || bench.now(), true);

        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (bench, stop) = (&bench, &stop);
            let append = move || {
                let mut n = touching;
                let begun = Instant::now();
                while !stop.load(Ordering::Relaxed) {
                    bench.append((n..n + 100).map(random), n);
                    n += 100;
                    let due = begun + Duration::from_micros((n - touching) * 50);
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                }
                let took = begun.elapsed().as_secs_f64();
                println!("{{\"label\":\"the writer beside, edges {word}\",\"edges_per_s\":{:.0}}}", (n - touching) as f64 / took);
            };
            let appending = std::thread::Builder::new().name("appender".into()).spawn_scoped(scope, append).unwrap();
            bench.compare(&format!("now, a writer beside, edges {word}"), &touched, || bench.now(), false);
            stop.store(true, Ordering::Relaxed);
            appending.join().unwrap();
        });

        if !near {
            bench.beside("commits alone", 16, false, seconds);
            bench.beside("closures alone", 0, true, seconds);
            bench.beside("commits and closures", 16, true, seconds);
        }
        bench.sequencer.drain();
        drop(bench);
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::process::exit(0);
}
