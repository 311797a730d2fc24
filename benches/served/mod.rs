//! A server in this process on loopback, for the benchmarks that ask over HTTP.
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use ledgerline::{
    api::http::{HttpSettings, server},
    clock::Ambient,
};

use crate::stand::{Stand, cpu_ms};

pub struct Served {
    pub stand: Stand,
    token: String,
    address: SocketAddr,
}

impl Served {
    /// Serves the application in that folder, or in one that `Stand::finish` removes.
    pub fn open(data: Option<PathBuf>) -> Self {
        let (stand, token) = Stand::open(data);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let served = stand.app.clone();
        std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                let server = server(Arc::clone(&served), listener, HttpSettings::new(Ambient::system())).unwrap();
                tokio::task::LocalSet::new().run_until(server).await.unwrap();
            });
        });
        Self { stand, token, address }
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
