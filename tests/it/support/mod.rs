//! What tests share: an application over a fresh folder, and personas.
use std::{path::Path, sync::Arc};

use bytes::Bytes;
use ledgerline::{
    access::{Principal, Role, RoleSet, Scope},
    app::{App, View, compose::Backend, ingest::Ingested},
    clock::{Ambient, ManualClock},
    config::{Config, Sources},
    domain::{catalog::ArtifactRef, id::Handle, kind::ArtifactKind, name::Name, time::Micros},
    store::embedded::Synchronous,
};

/// 2026-11-24T12:00:00Z.
pub const NOON: Micros = Micros(1_795_521_600_000_000);

/// Defaults, nothing from the machine's environment.
pub fn config() -> Config {
    Config::load(&Sources { file: None, env: Vec::new(), flags: Vec::new() }).unwrap().config
}

/// An application in a folder of its own.
pub struct World {
    pub app: Arc<App>,
    pub clock: Arc<ManualClock>,
    pub folder: tempfile::TempDir,
    ambient: Ambient,
}

impl World {
    pub fn new() -> Self {
        Self::with(&config())
    }

    /// With another configuration.
    pub fn with(config: &Config) -> Self {
        Self::over(config, |backend| backend)
    }

    /// With something in front of its store.
    pub fn over(config: &Config, wrap: impl FnOnce(Backend) -> Backend) -> Self {
        Self::seeded(7, config, wrap)
    }

    /// With chance of its own: another installation than the others.
    pub fn seeded(seed: u64, config: &Config, wrap: impl FnOnce(Backend) -> Backend) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (ambient, clock) = Ambient::fixed(NOON, seed);
        let app = App::open_with(folder.path(), config, ambient.clone(), Synchronous::Full, wrap).unwrap();
        Self { app, clock, folder, ambient }
    }

    /// Over a folder that is there, an hour after noon.
    pub fn of_folder(folder: tempfile::TempDir) -> Self {
        let (ambient, clock) = Ambient::fixed(Micros(NOON.0 + 3_600_000_000), 11);
        let app = App::open(folder.path(), &config(), ambient.clone()).unwrap();
        Self { app, clock, folder, ambient }
    }

    /// Stops and opens again.
    pub fn reopen(self) -> Self {
        let Self { app, clock, folder, ambient } = self;
        app.drain();
        drop(app);
        let app = App::open(folder.path(), &config(), ambient.clone()).unwrap();
        Self { app, clock, folder, ambient }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub async fn send(&self, event: &serde_json::Value) -> Ingested {
        self.send_as(&principal(&[Role::Producer], "default"), event).await
    }

    pub async fn send_as(&self, by: &Arc<Principal>, event: &serde_json::Value) -> Ingested {
        self.app.ingest(by, Bytes::from(event.to_string())).await.unwrap()
    }

    pub async fn view(&self) -> View {
        self.app.view(principal(&[Role::Engineer, Role::Auditor], "default"), None).await.unwrap()
    }
}

/// A caller with roles; a service, every namespace.
pub fn principal(roles: &[Role], integration: &str) -> Arc<Principal> {
    Arc::new(Principal {
        actor: Handle([9; 16]),
        person: false,
        roles: RoleSet::of(roles),
        integration: integration.into(),
        scope: Scope::everything(),
        expires: None,
    })
}

pub fn dataset(name: &str) -> ArtifactRef {
    ArtifactRef::Named(ArtifactKind::Dataset, Name::new("db", name))
}

/// A run event of job `etl` with inputs and outputs in namespace `db`.
pub fn run_event(kind: &str, run: u8, minute: u32, inputs: &[&str], outputs: &[&str]) -> serde_json::Value {
    let side = |names: &[&str]| names.iter().map(|n| serde_json::json!({"namespace": "db", "name": n})).collect::<Vec<_>>();
    serde_json::json!({
        "eventType": kind,
        "eventTime": format!("2026-11-24T{:02}:{:02}:00.000Z", minute / 60, minute % 60),
        "run": {"runId": format!("00000000-0000-4000-8000-0000000000{run:02x}")},
        "job": {"namespace": "jobs", "name": "etl"},
        "inputs": side(inputs),
        "outputs": side(outputs),
        "producer": "https://example.org/producer",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    })
}
