//! A real server over HTTP, played by the driver. One server serves many
//! histories: each lives in namespaces of its own, beside all that came before.
use std::{
    cell::{Cell, RefCell},
    fs,
    net::TcpListener,
    thread::JoinHandle,
};

use ledgerline::{
    access::Role,
    api::http::{HttpSettings, server},
    app::tokens::NewToken,
    clock::Ambient,
    config::SensitivityMax,
    domain::{
        id::{Handle, InstallationSecret, NodeId},
        lineage::NodeKey,
        sight::{Namespaces, Sensitivity, Sight},
    },
};
use serde_json::{Value, json};

use super::{
    compare::{ARTIFACT, FRAGMENTS, LINEAGE},
    derived::{self, PATHS, ROLL_UP},
    driver::{Asking, Question, check_history, check_history_as},
    generator::History,
    hidden::Looks,
    world::Place,
};
use crate::support::{NOON, World};

/// What a reader may see: namespaces as histories name them, up to a clearance.
pub struct Reads {
    pub namespaces: Vec<String>,
    pub clearance: Sensitivity,
}

/// A running server and who asks it.
pub struct Served {
    secret: InstallationSecret,
    world: Option<World>,
    running: Option<Running>,
    /// Bearer tokens of the integrations `alpha` and `beta`, and of a reader.
    tokens: [String; 3],
    /// Who asks instead of the reader.
    asker: RefCell<Option<String>>,
    agent: ureq::Agent,
    histories: Cell<u32>,
}

struct Running {
    url: String,
    handle: actix_web::dev::ServerHandle,
    thread: JoinHandle<()>,
}

impl Running {
    fn start(world: &World) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (ambient, _) = Ambient::fixed(NOON, 11);
        let mut settings = HttpSettings::new(ambient);
        settings.workers = 1;
        let app = world.app.clone();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = server(app, listener, settings).unwrap();
                tell.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        Self { url, handle: told.recv().unwrap(), thread }
    }

    fn stop(self) {
        block_on(self.handle.stop(true));
        self.thread.join().unwrap();
    }
}

impl Served {
    pub fn start() -> Self {
        Self::over(World::new())
    }

    /// With readers who see no more than that.
    pub fn with_clearance(clearance: Sensitivity) -> Self {
        let mut config = crate::support::config();
        config.access.reader_sensitivity_max = match clearance {
            Sensitivity::Public => SensitivityMax::Public,
            Sensitivity::Internal => SensitivityMax::Internal,
            Sensitivity::Confidential => SensitivityMax::Confidential,
            Sensitivity::Restricted => SensitivityMax::Restricted,
        };
        Self::over(World::with(&config))
    }

    fn over(world: World) -> Self {
        let secret = fs::read_to_string(world.path().join("keys/installation-secret")).unwrap();
        let secret = InstallationSecret::new(&hex::decode(secret.trim()).unwrap().try_into().unwrap());
        let token = |integration: &str, role: Role| {
            let new = NewToken {
                actor: integration.to_owned(),
                person: false,
                roles: vec![role],
                integration: integration.to_owned(),
                namespaces: Vec::new(),
                expires_at: None,
                reason: "the oracle asks".to_owned(),
            };
            block_on(world.app.create_token_locally(new)).unwrap().0
        };
        let tokens = [token("alpha", Role::Producer), token("beta", Role::Producer), token("reader", Role::Reader)];
        let running = Some(Running::start(&world));
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        Self { secret, world: Some(world), running, tokens, asker: RefCell::default(), agent, histories: Cell::new(0) }
    }

    /// Stops the server and opens its folder again: the server's memory is read
    /// back from its tables.
    pub fn restart(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
        let world = self.world.take().unwrap().reopen();
        self.running = Some(Running::start(&world));
        self.world = Some(world);
    }

    fn post(&self, path: &str, token: &str, body: &Value) -> (u16, Value) {
        let url = format!("{}{path}", self.running.as_ref().unwrap().url);
        let request = self.agent.post(&url).header("authorization", format!("Bearer {token}"));
        // Packing is slow without optimisation, and not what is tested here.
        let request = request.header("accept-encoding", "identity").content_type("application/json");
        let mut response = request.send(body.to_string()).unwrap();
        let text = response.body_mut().with_config().limit(64 << 20).read_to_string().unwrap();
        let json = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        (response.status().as_u16(), json)
    }

    /// Sends one event; gives the ledger's size after it, or nothing for a repetition.
    pub fn send(&self, integration: &str, event: &Value) -> Option<u64> {
        let token = &self.tokens[usize::from(integration != "alpha")];
        let (status, receipt) = self.post("/api/v1/lineage", token, event);
        match (status, receipt["duplicate"].as_bool()) {
            (201, Some(false)) => Some(receipt["index"].as_u64().unwrap() + 1),
            (200, Some(true)) => None,
            _ => panic!("{status} {receipt}: {event}"),
        }
    }

    /// Asks all at once, in one document.
    pub fn ask(&self, questions: &[Question]) -> Vec<Value> {
        let (mut declared, mut asked, mut variables) = (String::new(), String::new(), json!({}));
        for (i, q) in questions.iter().enumerate() {
            let arguments: &[(&str, &str)] = match q.query {
                ARTIFACT => &[("ref", "ArtifactRef!"), ("asOf", "AsOf")],
                PATHS => {
                    &[("from", "ArtifactRef!"), ("to", "ArtifactRef!"), ("first", "Int!"), ("level", "LineageLevel!"), ("asOf", "AsOf")]
                }
                _ => &[("from", "[ArtifactRef!]!"), ("options", "LineageOptions"), ("asOf", "AsOf")],
            };
            asked += &format!("q{i}: {}(", if q.query == ROLL_UP { LINEAGE } else { q.query });
            for (name, kind) in arguments {
                declared += &format!("${name}{i}: {kind} ");
                asked += &format!("{name}: ${name}{i} ");
                variables[format!("{name}{i}")] = q.variables[*name].clone();
            }
            asked += &format!(") {{ ...{} }} ", q.query);
        }
        let used = |fragment: &&str| questions.iter().any(|q| fragment.contains(&format!("fragment {} ", q.query)));
        let fragments: String = FRAGMENTS.into_iter().chain(derived::FRAGMENTS).filter(used).collect();
        let query = format!("query({declared}) {{ {asked}}} {fragments}");
        let asker = self.asker.borrow().clone().unwrap_or_else(|| self.tokens[2].clone());
        let (status, response) = self.post("/graphql", &asker, &json!({ "query": query, "variables": variables }));
        assert!(status == 200, "{status} {response}");
        if response.get("errors").is_some() && questions.len() > 1 {
            return questions.iter().flat_map(|q| self.ask(std::slice::from_ref(q))).collect();
        }
        let alone = |(i, q): (usize, &Question)| {
            let mut one = response.clone();
            one["data"] = json!({ q.query: response["data"][format!("q{i}")] });
            one
        };
        questions.iter().enumerate().map(alone).collect()
    }

    /// The history in namespaces that no other has, with runs of its own.
    pub fn own(&self, history: &[(String, Value)]) -> History {
        let number = self.histories.get();
        self.histories.set(number + 1);
        let mut own = history.to_vec();
        own.iter_mut().for_each(|(_, event)| prefix(event, number));
        own
    }

    /// Plays a history in namespaces of its own and holds the answers against the oracle's.
    ///
    /// # Errors
    /// The first difference.
    pub fn check(&self, history: &[(String, Value)], asking: Asking) -> Result<usize, String> {
        self.check_from(&self.own(history), &[], asking)
    }

    /// Plays a history and asks as a reader of some namespaces.
    ///
    /// # Errors
    /// The first difference.
    pub fn check_as(&self, history: &[(String, Value)], asking: Asking, reads: &Reads) -> Result<usize, String> {
        let own = format!("h{}.", self.histories.get());
        let history = self.own(history);
        let namespaces: Vec<String> = reads.namespaces.iter().map(|n| format!("{own}{n}")).collect();
        let new = NewToken {
            actor: format!("{own}reader"),
            person: false,
            roles: vec![Role::Reader],
            integration: "reader".to_owned(),
            namespaces: namespaces.clone(),
            expires_at: None,
            reason: "the oracle asks".to_owned(),
        };
        let token = block_on(self.world.as_ref().unwrap().app.create_token_locally(new)).unwrap().0;
        let (_, who) = self.post("/graphql", &token, &json!({ "query": "{viewer{actor{handle}}}" }));
        let actor = Handle::parse(who["data"]["viewer"]["actor"]["handle"].as_str().unwrap()).unwrap();
        let admits = move |namespace: &str| namespaces.iter().any(|n| *n == namespace);
        let all: Namespaces = std::sync::Arc::new(|_| true);
        let sight = Sight::of(Some(all), reads.clearance, &self.secret.key("hidden nodes"), actor);
        let opaque = |(id, path): &Place| {
            let id = NodeId(*id);
            sight.opaque(&if path.is_empty() { NodeKey::Artifact(id) } else { NodeKey::Field(id, path.as_str().into()) }).0
        };
        let looks = Looks { admits: &admits, clearance: reads.clearance, opaque: &opaque };
        let id_of = |kind, name: &_| self.secret.node_id(kind, name).0;
        let mut send = |integration: &str, event: &Value| self.send(integration, event);
        let mut ask = |questions: &[Question]| self.ask(questions);
        self.asker.replace(Some(token));
        let checked = check_history_as(Some(looks), &id_of, &mut send, &mut ask, &history, asking);
        self.asker.replace(None);
        checked
    }

    /// Goes on with a history whose first events were sent before and left the
    /// ledger at these sizes.
    ///
    /// # Errors
    /// The first difference.
    pub fn check_from(&self, history: &[(String, Value)], sizes: &[Option<u64>], asking: Asking) -> Result<usize, String> {
        let id_of = |kind, name: &_| self.secret.node_id(kind, name).0;
        let mut sent = sizes.iter();
        let mut send = |integration: &str, event: &Value| sent.next().copied().unwrap_or_else(|| self.send(integration, event));
        let mut ask = |questions: &[Question]| self.ask(questions);
        check_history(&id_of, &mut send, &mut ask, history, asking)
    }
}

impl Served {
    /// Stops, and verifies the folder: all that the entries give is there, no more.
    pub fn stop_and_verify(mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
        let World { app, folder, .. } = self.world.take().unwrap();
        app.drain();
        drop(app);
        crate::verify::passes(folder.path());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn prefix(json: &mut Value, number: u32) {
    match json {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(namespace) if key == "namespace" => namespace.insert_str(0, &format!("h{number}.")),
                    Value::String(id) if key == "runId" => id.replace_range(..8, &format!("{number:08x}")),
                    other => prefix(other, number),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|i| prefix(i, number)),
        _ => {}
    }
}
