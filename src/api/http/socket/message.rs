//! The messages of `graphql-transport-ws`, both ways.
use async_graphql::Response;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::graphql::{
    GraphqlSettings,
    execute::{Operation, Operations},
    response::push_response,
};

/// A text that is no message a client may send.
#[derive(Debug, PartialEq, Eq)]
pub struct Invalid;

/// What a client says.
pub enum Message<'m> {
    /// With the value of `authorization`, where the payload has one.
    Init(Option<String>),
    /// With its payload, which the answer repeats.
    Ping(Option<&'m RawValue>),
    Pong,
    Subscribe(String, Operation),
    Complete(String),
}

#[derive(Deserialize)]
struct Wire<'m> {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    #[serde(borrow)]
    payload: Option<&'m RawValue>,
}

impl<'m> Message<'m> {
    /// Reads a message.
    ///
    /// # Errors
    /// No JSON, no object, an unknown type or one that only servers send, members
    /// that are missing or of another type.
    pub fn read(text: &'m str, settings: &GraphqlSettings) -> Result<Self, Invalid> {
        let wire: Wire<'m> = serde_json::from_str(text).map_err(|_| Invalid)?;
        let object = || match wire.payload {
            None => Ok(None),
            Some(raw) if raw.get().starts_with('{') => Ok(Some(raw)),
            Some(_) => Err(Invalid),
        };
        let id = || wire.id.clone().filter(|id| !id.is_empty()).ok_or(Invalid);
        Ok(match wire.kind.as_str() {
            "connection_init" => Self::Init(object()?.map(authorization).transpose()?.flatten()),
            "ping" => Self::Ping(object()?),
            "pong" => object().map(|_| Self::Pong)?,
            "subscribe" => {
                let payload = object()?.ok_or(Invalid)?;
                match Operations::read(payload.get().as_bytes(), settings).map_err(|_| Invalid)? {
                    Operations::One(operation) => Self::Subscribe(id()?, operation),
                    Operations::Many(_) => return Err(Invalid),
                }
            }
            "complete" => Self::Complete(id()?),
            _ => return Err(Invalid),
        })
    }
}

/// The member `authorization` of an initial payload, whatever its capitals.
fn authorization(payload: &RawValue) -> Result<Option<String>, Invalid> {
    let members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(payload.get()).map_err(|_| Invalid)?;
    let mut told = members.into_iter().filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    match (told.next(), told.next()) {
        (None, _) => Ok(None),
        (Some((_, serde_json::Value::String(value))), None) => Ok(Some(value)),
        _ => Err(Invalid),
    }
}

/// What the server says. `id` is written as JSON.
pub const ACK: &str = r#"{"type":"connection_ack"}"#;

/// The answer to a ping.
#[must_use]
pub fn pong(payload: Option<&RawValue>) -> String {
    payload.map_or_else(|| r#"{"type":"pong"}"#.to_owned(), |p| format!(r#"{{"type":"pong","payload":{}}}"#, p.get()))
}

/// A result.
#[must_use]
pub fn next(id: &str, response: &Response) -> String {
    let mut payload = Vec::with_capacity(512);
    push_response(&mut payload, response);
    text(id, "next", &payload)
}

/// The operation failed; nothing follows.
#[must_use]
pub fn error(id: &str, response: &Response) -> String {
    text(id, "error", &serde_json::to_vec(&response.errors).unwrap_or_else(|_| b"[]".to_vec()))
}

/// The operation is done; nothing follows.
#[must_use]
pub fn complete(id: &str) -> String {
    format!(r#"{{"id":{},"type":"complete"}}"#, serde_json::Value::from(id))
}

fn text(id: &str, kind: &str, payload: &[u8]) -> String {
    format!(r#"{{"id":{},"type":"{kind}","payload":{}}}"#, serde_json::Value::from(id), String::from_utf8_lossy(payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Message<'_>, Invalid> {
        Message::read(text, &GraphqlSettings::default())
    }

    #[test]
    fn texts_that_are_no_client_message_are_invalid() {
        for bad in [
            "",
            "nope",
            "[]",
            "7",
            "{}",
            r#"{"type":7}"#,
            r#"{"type":"start","id":"1","payload":{"query":"{a}"}}"#,
            r#"{"type":"connection_ack"}"#,
            r#"{"type":"next","id":"1","payload":{}}"#,
            r#"{"type":"error","id":"1","payload":[]}"#,
            r#"{"type":"connection_init","payload":"Bearer x"}"#,
            r#"{"type":"connection_init","payload":{"authorization":7}}"#,
            r#"{"type":"connection_init","payload":{"authorization":"a","Authorization":"b"}}"#,
            r#"{"type":"ping","payload":[1]}"#,
            r#"{"type":"pong","payload":1}"#,
            r#"{"type":"complete"}"#,
            r#"{"type":"complete","id":""}"#,
            r#"{"type":"complete","id":1}"#,
            r#"{"type":"subscribe","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":"","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","id":"1","payload":null}"#,
            r#"{"type":"subscribe","id":"1","payload":[{"query":"{a}"}]}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":7}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":[]}}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn messages_are_read_whatever_the_order_of_their_members() {
        assert!(matches!(read(r#"{"type":"connection_init"}"#), Ok(Message::Init(None))));
        assert!(matches!(read(r#"{"payload":null,"type":"connection_init"}"#), Ok(Message::Init(None))));
        let told = read(r#"{"payload":{"x":1,"Authorization":"Bearer t"},"type":"connection_init"}"#);
        assert!(matches!(told, Ok(Message::Init(Some(t))) if t == "Bearer t"));
        assert!(matches!(read(r#"{"type":"ping","payload":{"a":1}}"#), Ok(Message::Ping(Some(p))) if p.get() == r#"{"a":1}"#));
        assert!(matches!(read(r#"{"type":"pong"}"#), Ok(Message::Pong)));
        assert!(matches!(read(r#"{"payload":{"query":"{a}"},"id":"1","type":"subscribe"}"#), Ok(Message::Subscribe(id, _)) if id == "1"));
        assert!(matches!(read(r#"{"id":"\"","type":"complete"}"#), Ok(Message::Complete(id)) if id == "\""));
    }

    #[test]
    fn ids_of_clients_stay_inside_their_string() {
        assert_eq!(complete("a\"}\n"), r#"{"id":"a\"}\n","type":"complete"}"#);
        let response = Response::new(async_graphql::Value::Null);
        assert_eq!(next("1", &response), r#"{"id":"1","type":"next","payload":{"data":null}}"#);
        assert_eq!(error("1", &response), r#"{"id":"1","type":"error","payload":[]}"#);
        assert_eq!(pong(None), r#"{"type":"pong"}"#);
    }
}
