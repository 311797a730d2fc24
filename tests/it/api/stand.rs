//! A server on loopback over an application of its own, and clients of it.
use std::{
    io::Read as _,
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread::JoinHandle,
};

use actix_web::dev::ServerHandle;
use ledgerline::{
    access::Role,
    api::http::{HttpSettings, server},
    app::tokens::NewToken,
    clock::{Ambient, SystemEntropy},
    config::Config,
    domain::time::Micros,
};
use serde_json::{Value, json};

use crate::support::{World, config};

pub struct Stand {
    pub world: World,
    pub base: String,
    agent: ureq::Agent,
    pub handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

pub struct Answer {
    pub status: u16,
    headers: ureq::http::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().unwrap())
    }

    /// Every header of the answer.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The code of the error, in either shape.
    pub fn code(&self) -> String {
        let json = self.json();
        let code = json.pointer("/error/code").or_else(|| json.pointer("/errors/0/extensions/code"));
        code.and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

/// What is sent: a method, a path, headers, a body.
pub struct Ask<'a> {
    pub method: &'static str,
    pub path: &'a str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl<'a> Ask<'a> {
    pub fn get(path: &'a str) -> Self {
        Self { method: "GET", path, headers: Vec::new(), body: Vec::new() }
    }

    pub fn post(path: &'a str, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { method: "POST", path, headers: vec![("content-type", content_type.to_owned())], body: body.into() }
    }

    pub fn json(path: &'a str, body: &Value) -> Self {
        Self::post(path, "application/json", body.to_string())
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn by(self, token: &str) -> Self {
        self.with("authorization", format!("Bearer {token}"))
    }
}

impl Stand {
    pub fn new() -> Self {
        Self::with(|_| {}, |_| {})
    }

    pub fn with(configure: impl FnOnce(&mut Config), settings: impl FnOnce(&mut HttpSettings)) -> Self {
        let mut config = config();
        configure(&mut config);
        Self::over(World::with(&config), settings)
    }

    /// Over an application that is there.
    pub fn over(world: World, settings: impl FnOnce(&mut HttpSettings)) -> Self {
        let ambient = Ambient { clock: world.clock.clone(), entropy: std::sync::Arc::new(SystemEntropy) };
        let mut http = HttpSettings::new(ambient);
        http.workers = 1;
        settings(&mut http);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let app = world.app.clone();
        let (told, handle) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = server(app, listener, http).unwrap();
                told.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        let agent = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().new_agent();
        Self { world, base, agent, handle: handle.recv().unwrap(), thread: Some(thread) }
    }

    /// Another server over the same folder.
    pub fn restarted(self) -> Self {
        self.world.app.drain();
        let copy = crate::verify::folder::Folder::copy_of(self.world.path());
        Self::over(World::of_folder(copy.into_dir()), |_| {})
    }

    pub fn ask(&self, ask: Ask<'_>) -> Answer {
        let mut request = ureq::http::Request::builder().method(ask.method).uri(format!("{}{}", self.base, ask.path));
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        let mut response = match ask.method {
            "GET" | "HEAD" => self.agent.run(request.body(()).unwrap()),
            _ => self.agent.run(request.body(ask.body).unwrap()),
        }
        .unwrap();
        let mut body = Vec::new();
        response.body_mut().with_config().limit(256 << 20).reader().read_to_end(&mut body).unwrap();
        Answer { status: response.status().as_u16(), headers: response.headers().clone(), body }
    }

    /// A token with these roles.
    pub fn token(&self, roles: &[Role]) -> String {
        self.token_until(roles, None)
    }

    pub fn token_until(&self, roles: &[Role], expires_at: Option<Micros>) -> String {
        self.token_of(NewToken { roles: roles.to_vec(), expires_at, ..new_token() })
    }

    pub fn token_of(&self, new: NewToken) -> String {
        let app = self.world.app.clone();
        block_on(async move { app.create_token_locally(new).await.unwrap().0 })
    }

    /// A connection of its own, to be spoken to by hand.
    pub fn connect(&self) -> TcpStream {
        TcpStream::connect(self.base.strip_prefix("http://").unwrap()).unwrap()
    }

    pub fn send(&self, token: &str, event: &Value) -> Answer {
        self.ask(Ask::json("/api/v1/lineage", event).by(token))
    }

    /// The answer to a query, with whatever errors it has.
    pub fn graphql(&self, token: &str, query: &str, variables: Value) -> Answer {
        self.ask(Ask::json("/graphql", &json!({ "query": query, "variables": variables })).by(token))
    }

    /// The data of a query that has no errors.
    pub fn data(&self, token: &str, query: &str, variables: Value) -> Value {
        let answer = self.graphql(token, query, variables);
        let mut json = answer.json();
        assert!(answer.status == 200 && json.get("errors").is_none(), "{}", answer.text());
        json["data"].take()
    }

    /// The code and message of a query's first error.
    pub fn error(&self, token: &str, query: &str, variables: Value) -> (String, String) {
        let answer = self.graphql(token, query, variables);
        let json = answer.json();
        let error = &json["errors"][0];
        assert_eq!(error["extensions"]["correlationId"].as_str(), answer.header("x-correlation-id"), "{}", answer.text());
        (error["extensions"]["code"].as_str().unwrap().to_owned(), error["message"].as_str().unwrap().to_owned())
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        block_on(self.handle.stop(true));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        self.world.app.drain();
    }
}

/// A service of no particular role.
pub fn new_token() -> NewToken {
    NewToken {
        actor: "tests".to_owned(),
        person: false,
        roles: Vec::new(),
        integration: "default".to_owned(),
        namespaces: Vec::new(),
        expires_at: None,
        reason: "a test".to_owned(),
    }
}

pub fn block_on<F: std::future::Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
