//! What makes no sense, is too much, or comes from somebody who may not: a clear
//! answer with its code, nothing recorded, and the server goes on.
mod batches;
mod connections;
mod documents;
mod events;
mod limits;
mod neighbours;
mod scopes;
mod urls;

use ledgerline::access::Role;
use serde_json::Value;

use crate::{
    api::stand::{Answer, Ask, Stand},
    support::run_event,
};

/// A server, somebody who may send and read, and the size that must stay.
pub struct Guarded {
    pub stand: Stand,
    pub token: String,
    size: u64,
}

impl Guarded {
    pub fn new() -> Self {
        Self::of(Stand::new())
    }

    pub fn of(stand: Stand) -> Self {
        let token = stand.token(&[Role::Engineer, Role::Auditor]);
        let size = stand.world.app.ledger_size();
        Self { stand, token, size }
    }

    /// Asks, and looks whether anything was recorded.
    pub fn ask(&self, ask: Ask<'_>) -> Answer {
        let answer = self.stand.ask(ask);
        self.nothing_happened();
        answer
    }

    /// A refused event: its status and code, where and why.
    pub fn refused(&self, body: impl Into<Vec<u8>>) -> (u16, String, String, String) {
        let answer = self.ask(Ask::post("/api/v1/lineage", "application/json", body).by(&self.token));
        let error = &answer.json()["error"];
        assert_eq!(error["correlationId"].as_str(), answer.header("x-correlation-id"));
        let text = |member: &str| error[member].as_str().unwrap_or_default().to_owned();
        let message = text("message");
        assert!(!message.is_empty() && !message.ends_with('.') && !message.starts_with(' '), "{message}");
        (answer.status, text("code"), text("pointer"), message)
    }

    /// Nothing was recorded, and the server still serves.
    pub fn nothing_happened(&self) {
        assert_eq!(self.stand.world.app.ledger_size(), self.size);
    }

    /// Something good still is recorded, once.
    pub fn still_works(&self) {
        self.nothing_happened();
        let answer = self.stand.send(&self.token, &run_event("COMPLETE", 200, 1, &["a"], &["b"]));
        assert_eq!((answer.status, answer.json()["index"].as_u64()), (201, Some(self.size)), "{}", answer.text());
    }
}

/// The event with one member set, by JSON pointer; what leads to it must be there.
pub fn with(pointer: &str, value: Value) -> String {
    let mut event = run_event("COMPLETE", 1, 10, &["a"], &["b"]);
    let (object, member) = pointer.rsplit_once('/').unwrap();
    match event.pointer_mut(object).unwrap() {
        Value::Object(members) => drop(members.insert(member.to_owned(), value)),
        Value::Array(items) => items[member.parse::<usize>().unwrap()] = value,
        other => panic!("{other}"),
    }
    event.to_string()
}

/// The event without a member.
pub fn without(pointer: &str) -> String {
    let mut event = run_event("COMPLETE", 1, 10, &["a"], &["b"]);
    let (object, member) = pointer.rsplit_once('/').unwrap();
    event.pointer_mut(object).unwrap().as_object_mut().unwrap().remove(member).unwrap();
    event.to_string()
}
