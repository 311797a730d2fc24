//! Durable append in the engine: leaf, sealed part, duplicate index; no lineage.
//!
//!     cargo bench --bench append -- [--writers 64] [--size 500] [--seconds 8] [--data DIR]
//!
//! The same rule as `disk_limit` of the peers' page: each writer hands in its next
//! entry when the last one is durable. One JSON line: entries a second, latency of
//! an acknowledgement, CPU microseconds an entry (the whole process).
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use hmac::{Hmac, KeyInit, Mac};
use ledgerline::{
    app::{compose::Installation, sequencer::Sequencer},
    clock::Ambient,
    config::{Config, Sources},
    domain::{
        entry::{PartClass, commitment},
        id::EntryId,
    },
    store::{
        embedded::{EmbeddedStore, OpenOptions, Synchronous},
        write::{Act, Change, DuplicateKey, SealedPart},
    },
    vault::{
        KeyScope,
        envelope::{PartAddress, seal},
    },
};
use sha2::Sha256;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn cpu_us() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<f64> = stat.rsplit(") ").next().unwrap().split(' ').filter_map(|x| x.parse().ok()).collect();
    (f[10] + f[11]) * 10_000.0
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let option = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1).cloned());
    let number = |name: &str, default: usize| option(name).map_or(default, |v| v.parse().unwrap());
    let (writers, size, seconds) = (number("--writers", 64), number("--size", 500), number("--seconds", 8));
    let temporary = std::env::temp_dir().join(format!("ledgerline-append-{}", std::process::id()));
    let folder = option("--data").map_or(temporary, PathBuf::from);
    let config = Config::load(&Sources { file: None, env: Vec::new(), flags: Vec::new() }).unwrap().config;
    let ambient = Ambient::system();
    let i = Installation::open(&folder, &config, &ambient).unwrap();
    let vault = i.vault.clone();
    let options = OpenOptions {
        vault: i.vault,
        log_key: i.log_key,
        secret: i.secret,
        anchor: None,
        readers: 1,
        copies_from: 4096,
        synchronous: Synchronous::Full,
    };
    let opened = EmbeddedStore::open(i.folder, options).unwrap();
    let sequencer = Arc::new(Sequencer::start(opened.writer, ambient.clock.clone(), 4096).unwrap());
    let (cpu, started) = (cpu_us(), Instant::now());
    let tasks: Vec<_> = (0..writers)
        .map(|w| {
            let (ambient, vault, sequencer) = (ambient.clone(), vault.clone(), sequencer.clone());
            tokio::spawn(async move {
                let mac = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap();
                let mut bytes: Vec<u8> = (0..size).map(|i| (i * 131 + 7) as u8).collect();
                let mut latencies = Vec::new();
                for n in 0u64.. {
                    if started.elapsed() >= Duration::from_secs(seconds as u64) {
                        break;
                    }
                    let begun = Instant::now();
                    bytes[..8].copy_from_slice(&n.to_le_bytes());
                    bytes[8] = w as u8;
                    let now = ambient.clock.now();
                    let mut random = [0; 10];
                    ambient.entropy.fill(&mut random);
                    let id = EntryId::new((now.0 / 1000) as u64, &random);
                    let salt = ambient.entropy.bytes32();
                    let scope = KeyScope::Class { class: PartClass::Core, month: now.month() };
                    let key = vault.data_key(scope).unwrap();
                    let address = PartAddress { entry: id, number: 0, class: "core" };
                    let sealed = seal(&key, &address, &salt, &bytes, &*ambient.entropy).unwrap();
                    let mut m = mac.clone();
                    m.update(&bytes);
                    let full = m.finalize().into_bytes();
                    let mut hmac = [0; 16];
                    hmac.copy_from_slice(&full[..16]);
                    let act = Act {
                        id,
                        event_type: "bench.v1",
                        time: now,
                        actor: None,
                        parts: smallvec::smallvec![SealedPart {
                            class: PartClass::Core,
                            commitment: commitment(PartClass::Core, &salt, &bytes),
                            key: key.id().0,
                            sealed
                        }],
                        concerns: smallvec::SmallVec::new(),
                        duplicate: Some(DuplicateKey { millis: now.0 / 1000, hmac }),
                        change: Change::Nothing,
                    };
                    sequencer.submit(act).await.unwrap();
                    latencies.push(begun.elapsed());
                }
                latencies
            })
        })
        .collect();
    let mut all = Vec::new();
    for t in tasks {
        all.extend(t.await.unwrap());
    }
    let (elapsed, used) = (started.elapsed().as_secs_f64(), cpu_us() - cpu);
    all.sort_unstable();
    let pct = |p: f64| all[((all.len() as f64 * p) as usize).min(all.len() - 1)].as_micros() as f64 / 1000.0;
    println!(
        "{{\"label\":\"durable append\",\"writers\":{writers},\"entry_bytes\":{size},\"per_second\":{:.0},\"ack_ms\":{{\"p50\":{},\"p99\":{},\"max\":{}}},\"cpu_us_each\":{:.1}}}",
        all.len() as f64 / elapsed,
        pct(0.5),
        pct(0.99),
        pct(1.0),
        used / all.len() as f64
    );
    sequencer.drain();
    drop(opened.store);
    if option("--data").is_none() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
