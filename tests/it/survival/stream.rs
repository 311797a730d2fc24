//! What is written while things go wrong: a repeatable stream of events, sent by
//! a few clients at once, each telling what it was promised.
use std::{
    path::Path,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use ledgerline::{
    access::{Principal, Role},
    app::{App, AppError},
    clock::Ambient,
    config::Config,
    domain::id::EntryId,
    ledger::{Checkpoint, Hash, Verifier, decode_hash, encode_hash},
};
use tokio::runtime::Runtime;

use crate::support::{NOON, config, principal};

/// One runtime for all of it: many small worlds are opened here.
pub static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap());

/// Opens an application; the error is its whole chain, as an operator sees it.
pub fn open_with(folder: &Path, config: &Config) -> Result<Arc<App>, String> {
    App::open(folder, config, ambient()).map_err(|e| chain(&e))
}

pub fn open(folder: &Path) -> Result<Arc<App>, String> {
    open_with(folder, &small())
}

/// Few readers: many worlds are opened.
pub fn small() -> Config {
    let mut config = config();
    config.store.readers = 1;
    config
}

/// A fixed time, and randomness that no two openings share.
pub fn ambient() -> Ambient {
    static OPENED: AtomicU64 = AtomicU64::new(0);
    let seed = (u64::from(std::process::id()) << 32) | OPENED.fetch_add(1, Ordering::Relaxed);
    Ambient::fixed(NOON, seed.wrapping_mul(0xD129_0B26_8A5F_4C11)).0
}

pub fn chain(e: &dyn std::error::Error) -> String {
    let mut text = e.to_string();
    let mut source = e.source();
    while let Some(e) = source {
        text.push_str(": ");
        text.push_str(&e.to_string());
        source = e.source();
    }
    text
}

/// Event `n`, always the same bytes. Jobs recur, some facets change; some events name people.
pub fn event(n: u32) -> Bytes {
    let dataset = |k: u32| serde_json::json!({"namespace": "db", "name": format!("table-{}", k % 23)});
    let mut event = serde_json::json!({
        "eventType": if n.is_multiple_of(3) { "START" } else { "COMPLETE" },
        "eventTime": format!("2026-11-23T{:02}:{:02}:{:02}.{:03}Z", n / 3600 % 24, n / 60 % 60, n % 60, n % 1000),
        "run": {"runId": run_id(n)},
        "job": {"namespace": "jobs", "name": format!("job-{}", n % 7), "facets": {
            "documentation": {"_producer": "https://example.org/p", "_schemaURL": "https://example.org/s", "description": "d".repeat((n as usize / 4 * 97) % 6000)},
        }},
        "inputs": [dataset(n), dataset(n * 5 + 1)],
        "outputs": [dataset(n * 7 + 3)],
        "producer": "https://example.org/producer",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    });
    if n.is_multiple_of(5) {
        event["job"]["facets"]["ownership"] = serde_json::json!({
            "_producer": "https://example.org/p", "_schemaURL": "https://example.org/s",
            "owners": [{"name": format!("person{}@example.org", n / 5 % 40), "type": "MAINTAINER"}],
        });
    }
    Bytes::from(event.to_string())
}

pub fn run_id(n: u32) -> String {
    format!("00000000-0000-4000-8000-{n:012x}")
}

/// Which event a received body was.
pub fn number_of(received: &[u8]) -> Option<u32> {
    let event: serde_json::Value = serde_json::from_slice(received).ok()?;
    u32::from_str_radix(event["run"]["runId"].as_str()?.rsplit('-').next()?, 16).ok()
}

pub fn producer() -> Arc<Principal> {
    principal(&[Role::Producer], "default")
}

/// An acknowledged event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Acknowledged {
    pub event: u32,
    pub index: u64,
    pub id: EntryId,
    pub leaf_hash: Hash,
}

/// What a client was told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// Sent when the client sees the receipt, never before.
    Acknowledged(Acknowledged),
    /// A signed checkpoint that anybody could see.
    Checkpoint { size: u64, root: Hash },
    /// Whether it is recorded is not known to the client.
    Refused { event: u32, code: &'static str },
}

impl Told {
    /// One line of text; [`Self::parse`] reads it.
    pub fn line(&self) -> String {
        match self {
            Self::Acknowledged(a) => format!("A {} {} {} {}\n", a.event, a.index, a.id.text(), encode_hash(&a.leaf_hash)),
            Self::Checkpoint { size, root } => format!("C {size} {}\n", encode_hash(root)),
            Self::Refused { event, code } => format!("R {event} {code}\n"),
        }
    }

    /// None for a line of something else, or one that was cut short.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let mut next = || words.next();
        Some(match next()? {
            "A" => Self::Acknowledged(Acknowledged {
                event: next()?.parse().ok()?,
                index: next()?.parse().ok()?,
                id: EntryId::parse(next()?)?,
                leaf_hash: decode_hash(next()?)?,
            }),
            "C" => Self::Checkpoint { size: next()?.parse().ok()?, root: decode_hash(next()?)? },
            "R" => Self::Refused { event: next()?.parse().ok()?, code: "refused" },
            _ => return None,
        })
    }
}

/// Sends one event and tells what came back.
pub async fn send(app: &App, n: u32, tell: &(dyn Fn(Told) + Send + Sync)) -> Result<(), AppError> {
    match app.ingest(&producer(), event(n)).await {
        Ok(done) => {
            let r = done.receipt;
            tell(Told::Acknowledged(Acknowledged { event: n, index: r.index, id: r.event_id, leaf_hash: r.leaf_hash }));
            if n % 8 == 7 && app.tlog_proof(r.index).await.is_ok() {
                tell(checkpoint(app));
            }
            Ok(())
        }
        Err(e) => {
            tell(Told::Refused { event: n, code: e.code.word() });
            Err(e)
        }
    }
}

/// The checkpoint that the application shows, its signature checked.
pub fn checkpoint(app: &App) -> Told {
    let c = Checkpoint::open(app.checkpoint_note(), &Verifier::parse(&app.vkey()).unwrap()).unwrap();
    Told::Checkpoint { size: c.size, root: c.root }
}

/// Clients that share a counter of events and stop at the first refusal.
pub fn run_clients(app: &Arc<App>, clients: usize, events: std::ops::Range<u32>, tell: Arc<dyn Fn(Told) + Send + Sync>) {
    let next = Arc::new(AtomicU32::new(events.start));
    let clients: Vec<_> = (0..clients)
        .map(|_| {
            let (app, next, tell) = (app.clone(), next.clone(), tell.clone());
            RUNTIME.spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= events.end || send(&app, n, &*tell).await.is_err() {
                        return;
                    }
                }
            })
        })
        .collect();
    for client in clients {
        RUNTIME.block_on(client).unwrap();
    }
}
