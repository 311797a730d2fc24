//! A server in this process on loopback, with an engineer's token, for the
//! benchmarks that ask over HTTP.
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use ledgerline::{
    access::{Principal, Role},
    api::http::{HttpSettings, server},
    app::{App, tokens::NewToken},
    clock::Ambient,
    config::{Config, Sources},
};

pub struct Served {
    pub app: Arc<App>,
    pub by: Arc<Principal>,
    pub token: String,
    pub address: SocketAddr,
    folder: PathBuf,
    keep: bool,
}

/// CPU milliseconds of this process so far.
pub fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<f64> = stat.rsplit(") ").next().unwrap().split(' ').filter_map(|x| x.parse().ok()).collect();
    (f[10] + f[11]) * 10.0
}

impl Served {
    /// Opens that folder, or one that `finish` removes, and prints how long it took.
    pub fn open(data: Option<PathBuf>) -> Self {
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
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let served = app.clone();
        std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                let server = server(Arc::clone(&served), listener, HttpSettings::new(Ambient::system())).unwrap();
                tokio::task::LocalSet::new().run_until(server).await.unwrap();
            });
        });
        Self { app, by, token, address, folder, keep }
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

    /// One GraphQL request; its answer's text.
    pub fn ask(&self, agent: &ureq::Agent, query: &str) -> String {
        let body = serde_json::json!({ "query": query }).to_string();
        let mut answer = agent
            .post(format!("http://{}/graphql", self.address))
            .header("authorization", format!("Bearer {}", self.token))
            .content_type("application/json")
            .send(body.as_bytes())
            .unwrap();
        answer.body_mut().with_config().limit(64 << 20).read_to_string().unwrap()
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

/// What clients saw.
pub struct Latency {
    /// Milliseconds, ascending.
    ms: Vec<f64>,
    pub seconds: f64,
    pub cpu_ms: f64,
}

impl Latency {
    pub fn each(&self) -> f64 {
        self.cpu_ms / self.ms.len() as f64
    }

    pub fn a_second(&self) -> f64 {
        self.ms.len() as f64 / self.seconds
    }

    pub fn percentile(&self, p: usize) -> f64 {
        self.ms[(self.ms.len() * p / 100).min(self.ms.len() - 1)]
    }

    /// The members that every row has.
    pub fn row(&self) -> String {
        format!(
            "\"requests\":{},\"a_second\":{:.0},\"ms\":{{\"p50\":{:.2},\"p95\":{:.2},\"p99\":{:.2}}},\"cpu_ms_each\":{:.3}",
            self.ms.len(),
            self.a_second(),
            self.percentile(50),
            self.percentile(95),
            self.percentile(99),
            self.each()
        )
    }
}

/// That many clients, each asking its next question when the last is answered.
/// `one(client, n)` is the n-th of a client.
pub fn clients(count: usize, span: Duration, one: impl Fn(usize, usize) + Sync) -> Latency {
    let (begun, cpu) = (Instant::now(), cpu_ms());
    let mut ms: Vec<f64> = std::thread::scope(|scope| {
        let one = &one;
        let all: Vec<_> = (0..count)
            .map(|client| {
                scope.spawn(move || {
                    let mut ms = Vec::new();
                    while begun.elapsed() < span {
                        let asked = Instant::now();
                        one(client, ms.len());
                        ms.push(asked.elapsed().as_secs_f64() * 1000.0);
                    }
                    ms
                })
            })
            .collect();
        all.into_iter().flat_map(|t| t.join().unwrap()).collect()
    });
    ms.sort_by(f64::total_cmp);
    Latency { ms, seconds: begun.elapsed().as_secs_f64(), cpu_ms: cpu_ms() - cpu }
}
