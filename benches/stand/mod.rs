//! The application in this process, in a folder, with an engineer's token: for the
//! benchmarks that go the whole way.
use std::{path::PathBuf, sync::Arc, time::Instant};

use bytes::Bytes;
use ledgerline::{
    access::{Principal, Role},
    app::{App, tokens::NewToken},
    clock::Ambient,
    config::{Config, Sources},
};

pub struct Stand {
    pub app: Arc<App>,
    pub by: Arc<Principal>,
    folder: PathBuf,
    keep: bool,
}

/// CPU milliseconds of this process so far.
pub fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<f64> = stat.rsplit(") ").next().unwrap().split(' ').filter_map(|x| x.parse().ok()).collect();
    (f[10] + f[11]) * 10.0
}

impl Stand {
    /// Opens that folder, or one that `finish` removes, and prints how long it took; with the token.
    pub fn open(data: Option<PathBuf>) -> (Self, String) {
        let keep = data.is_some();
        let folder = data.unwrap_or_else(|| std::env::temp_dir().join(format!("ledgerline-bench-{}", std::process::id())));
        let config = Config::load(&Sources { file: None, env: Vec::new(), flags: Vec::new() }).unwrap().config;
        let begun = Instant::now();
        let app = App::open(&folder, &config, Ambient::system()).unwrap();
        println!("{{\"label\":\"open\",\"entries\":{},\"seconds\":{:.2}}}", app.ledger_size(), begun.elapsed().as_secs_f64());
        let new = NewToken {
            actor: "bench".into(),
            person: false,
            roles: vec![Role::Engineer],
            integration: "bench".into(),
            namespaces: vec![],
            expires_at: None,
            reason: "a benchmark".into(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (token, ..) = runtime.block_on(app.create_token_locally(new)).unwrap();
        let by = app.authenticate(&token).unwrap();
        (Self { app, by, folder, keep }, token)
    }

    /// Takes the events in without HTTP, 64 at a time; each must be acknowledged.
    pub fn ingest(&self, events: impl Iterator<Item = String>) {
        use futures::StreamExt;
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
            futures::stream::iter(events)
                .for_each_concurrent(64, |e| async { drop(self.app.ingest(&self.by, Bytes::from(e)).await.unwrap()) })
                .await;
        });
    }

    /// Ends: prints memory, and removes a folder of its own.
    pub fn finish(self) -> ! {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let kb = |key: &str| status.lines().find_map(|l| l.strip_prefix(key)).map_or("?".into(), |v| v.trim().to_owned());
        println!(
            "{{\"label\":\"memory\",\"entries\":{},\"resident\":\"{}\",\"peak\":\"{}\"}}",
            self.app.ledger_size(),
            kb("VmRSS:"),
            kb("VmHWM:")
        );
        self.app.drain();
        if !self.keep {
            std::fs::remove_dir_all(&self.folder).unwrap();
        }
        std::process::exit(0);
    }
}
