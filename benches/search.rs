//! Search: the index in memory, SQLite's FTS5 over the same texts beside it, and the
//! whole way from an event to an answer.
//!
//!     cargo bench --bench search -- [--artifacts 10000] [--queries 300] [--jobs 0]
//!
//! One JSON line a row: seconds to build, resident megabytes it took, and the
//! milliseconds of each kind of query (20 hits, counted; with facets where said),
//! beside the CPU of the process. `--jobs N` also ingests N jobs with 8 columns and
//! searches among them.
mod estate;
mod stand;

use std::{hint::black_box, time::Instant};

use estate::Estate;
use ledgerline::domain::{
    id::{Handle, NodeId},
    kind::ArtifactKind,
    lineage::NodeKey,
    name::Name,
    search::{SearchIndex, SearchQuery, Searchable, TagText},
};
use stand::{Stand, cpu_ms};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WORDS: [&str; 24] = [
    "customer",
    "order",
    "invoice",
    "shipment",
    "payment",
    "product",
    "region",
    "account",
    "ledger",
    "price",
    "stock",
    "return",
    "visit",
    "session",
    "campaign",
    "contract",
    "supplier",
    "warehouse",
    "employee",
    "budget",
    "forecast",
    "ticket",
    "device",
    "sensor",
];

fn resident_mb() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4096.0 / 1e6
}

/// An artifact as catalogs have them: a name of four words, 12 columns, a sentence, a tag, an owner.
fn artifact(n: usize) -> Searchable {
    let word = |salt: usize| WORDS[(n.wrapping_mul(2_654_435_761) >> (salt % 24)).wrapping_add(n / 24 + salt) % WORDS.len()];
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(n as u64).to_be_bytes());
    let mut owner = [7; 16];
    owner[0] = (n % 50) as u8;
    Searchable {
        key: NodeKey::Artifact(NodeId(id)),
        kind: if n.is_multiple_of(3) { ArtifactKind::Job } else { ArtifactKind::Dataset },
        name: Name::new(format!("postgres://host{}:5432", n % 40), format!("shop.{}_{}.{}_{n}", word(0), word(1), word(2))),
        aliases: Vec::new(),
        alive: true,
        owners: vec![Handle(owner)],
        tags: vec![TagText { key: "domain".into(), value: word(3).into() }],
        columns: (0..12).map(|c| format!("{}_{}", word(c + 4), ["id", "name", "amount", "at"][c % 4]).into()).collect(),
        descriptions: vec![
            format!("Every {} of a {} by {}, loaded each night from the {} system", word(5), word(6), word(7), word(8)).into(),
        ],
    }
}

/// Kinds of queries, each in several spellings.
fn queries(artifacts: usize) -> Vec<(&'static str, Vec<String>)> {
    let name = |n: usize| artifact(n % artifacts).name.name.to_string();
    vec![
        ("exact name", (0..24).map(|i| name(i * 997)).collect()),
        ("word", WORDS.iter().map(|w| (*w).to_owned()).collect()),
        ("prefix of four letters", WORDS.iter().map(|w| w[..4].to_owned()).collect()),
        ("one letter", WORDS.iter().map(|w| w[..1].to_owned()).collect()),
        ("two words", (0..24).map(|i| format!("{} {}", WORDS[i], WORDS[(i + 5) % 24])).collect()),
        ("a slip", WORDS.iter().map(|w| format!("{}{}", &w[..2], &w[3..])).collect()),
        ("nothing", (0..24).map(|i| format!("qxz{}", WORDS[i])).collect()),
    ]
}

fn report(label: &str, artifacts: usize, kind: &str, requests: usize, mut ask: impl FnMut(usize) -> usize) {
    let cpu = cpu_ms();
    let mut hits = 0;
    let mut ms: Vec<f64> = (0..requests)
        .map(|i| {
            let begun = Instant::now();
            hits += black_box(ask(i));
            begun.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    let cpu = (cpu_ms() - cpu) / requests as f64;
    ms.sort_by(f64::total_cmp);
    let pct = |p: usize| ms[(ms.len() * p / 100).min(ms.len() - 1)];
    println!(
        "{{\"label\":\"{label}\",\"artifacts\":{artifacts},\"query\":\"{kind}\",\"hits\":{},\"ms\":{{\"p50\":{:.3},\"p95\":{:.3}}},\"cpu_ms_each\":{cpu:.3}}}",
        hits / requests,
        pct(50),
        pct(95)
    );
}

fn built(label: &str, artifacts: usize, begun: Instant, resident: f64, cpu: f64) {
    println!(
        "{{\"label\":\"{label} built\",\"artifacts\":{artifacts},\"seconds\":{:.3},\"cpu_ms\":{:.0},\"resident_mb\":{:.1}}}",
        begun.elapsed().as_secs_f64(),
        cpu_ms() - cpu,
        resident_mb() - resident
    );
}

fn ours(artifacts: usize, requests: usize) {
    let (resident, cpu, begun) = (resident_mb(), cpu_ms(), Instant::now());
    let mut index = SearchIndex::default();
    for n in 0..artifacts {
        let a = artifact(n);
        index.put(&a.key, Some(&a));
    }
    built("index", artifacts, begun, resident, cpu);
    for (kind, texts) in queries(artifacts) {
        for facets in [false, true] {
            let label = if facets { "index, facets" } else { "index" };
            report(label, artifacts, kind, requests, |i| {
                let text = texts[i % texts.len()].as_str().into();
                index.find(&SearchQuery { text, limit: 20, count_facets: facets, ..SearchQuery::default() }, |_| true, &[]).total as usize
            });
        }
    }
}

/// The same texts in FTS5, in memory too: whole words and prefixes; it knows no slips.
fn fts5(artifacts: usize, requests: usize) {
    let (resident, cpu, begun) = (resident_mb(), cpu_ms(), Instant::now());
    let db = rusqlite::Connection::open_in_memory().unwrap();
    db.execute_batch("CREATE VIRTUAL TABLE t USING fts5(name, namespace, tags, columns, descriptions, prefix='1 2 3'); BEGIN").unwrap();
    for n in 0..artifacts {
        let a = artifact(n);
        let tags: Vec<String> = a.tags.iter().map(|t| format!("{} {}", t.key, t.value)).collect();
        db.prepare_cached("INSERT INTO t VALUES(?1, ?2, ?3, ?4, ?5)")
            .unwrap()
            .execute((&*a.name.name, &*a.name.namespace, tags.join(" "), a.columns.join(" "), a.descriptions.join(" ")))
            .unwrap();
    }
    db.execute_batch("COMMIT").unwrap();
    built("fts5", artifacts, begun, resident, cpu);
    for (kind, texts) in queries(artifacts).into_iter().filter(|q| q.0 != "a slip") {
        report("fts5", artifacts, kind, requests, |i| {
            let words =
                texts[i % texts.len()].split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(|w| format!("\"{w}\" *"));
            let text = words.collect::<Vec<_>>().join(" ");
            let mut s = db.prepare_cached("SELECT rowid FROM t WHERE t MATCH ?1 ORDER BY bm25(t, 16, 4, 3, 2, 1) LIMIT 20").unwrap();
            let page: Vec<i64> = s.query_map([&text], |r| r.get(0)).unwrap().map(Result::unwrap).collect();
            let mut s = db.prepare_cached("SELECT count(*) FROM t WHERE t MATCH ?1").unwrap();
            black_box(page);
            s.query_row([&text], |r| r.get(0)).unwrap()
        });
    }
}

fn whole(jobs: usize, requests: usize) {
    let (stand, _) = Stand::open(None);
    let estate = Estate { layers: 10, width: jobs / 10, columns: 8, pass: 0, minute: 0 };
    let (cpu, begun) = (cpu_ms(), Instant::now());
    stand.ingest((0..estate.jobs()).map(|n| estate.event(n)));
    println!(
        "{{\"label\":\"ingest before any search\",\"jobs\":{jobs},\"cpu_ms_each\":{:.4},\"seconds\":{:.1}}}",
        (cpu_ms() - cpu) / jobs as f64,
        begun.elapsed().as_secs_f64()
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let ask = |text: &str| {
        runtime.block_on(async {
            let query = SearchQuery { text: text.into(), limit: 20, count_facets: true, ..SearchQuery::default() };
            stand.app.view(stand.by.clone(), None).await.unwrap().search(query).await
        })
    };
    let (resident, cpu, begun) = (resident_mb(), cpu_ms(), Instant::now());
    // A search waits for the index for a while only.
    while ask("order").is_err() {}
    built("whole", 2 * jobs, begun, resident, cpu);
    for (kind, text) in [("word", "order"), ("exact name", "l005.order_000001"), ("a slip", "ordre")] {
        report("whole", 2 * jobs, kind, requests, |_| ask(text).unwrap().found.total as usize);
    }
    stand.finish();
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let option = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1).cloned());
    let number = |name: &str, default: usize| option(name).map_or(default, |v| v.parse().unwrap());
    let (artifacts, requests) = (number("--artifacts", 10_000), number("--queries", 300));
    ours(artifacts, requests);
    fts5(artifacts, requests);
    match number("--jobs", 0) {
        0 => {}
        jobs => whole(jobs, requests),
    }
}
