//! A client of `graphql-transport-ws`, by hand.
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _},
};

/// How long anything may take before the test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Client(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

async fn patiently<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("nothing came")
}

impl Client {
    /// Connects with these headers; the status of a refusal.
    pub async fn dial(base: &str, path: &str, headers: &[(&'static str, String)]) -> Result<Self, u16> {
        let mut request = format!("{}{path}", base.replace("http://", "ws://")).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match patiently(connect_async(request)).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(e) => panic!("{e}"),
        }
    }

    /// A connection that has said nothing yet.
    pub async fn connect(base: &str) -> Self {
        let protocol = ("sec-websocket-protocol", "graphql-transport-ws".to_owned());
        Self::dial(base, "/graphql", &[protocol]).await.unwrap()
    }

    /// One that is acknowledged.
    pub async fn acknowledged(base: &str, token: &str) -> Self {
        let mut client = Self::connect(base).await;
        client.say(json!({ "type": "connection_init", "payload": { "authorization": format!("Bearer {token}") } })).await;
        assert_eq!(client.hear().await, json!({ "type": "connection_ack" }));
        client
    }

    pub async fn say(&mut self, message: Value) {
        self.text(&message.to_string()).await;
    }

    pub async fn text(&mut self, text: &str) {
        patiently(self.0.send(Message::Text(text.into()))).await.unwrap();
    }

    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        self.say(json!({ "id": id, "type": "subscribe", "payload": { "query": query, "variables": variables } })).await;
    }

    /// The next message, or how the connection was closed.
    async fn next(&mut self) -> Result<Value, (u16, String)> {
        // One patience for all: pings on the way do not begin it anew.
        patiently(self.next_of_any()).await
    }

    async fn next_of_any(&mut self) -> Result<Value, (u16, String)> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(Some(frame)))) => return Err((frame.code.into(), frame.reason.to_string())),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                // Without a farewell.
                None | Some(Err(_) | Ok(Message::Close(None))) => return Err((1006, String::new())),
                Some(Ok(other)) => panic!("{other:?}"),
            }
        }
    }

    pub async fn hear(&mut self) -> Value {
        self.next().await.unwrap_or_else(|(code, reason)| panic!("closed: {code} {reason}"))
    }

    /// How the server closes, whatever it says before.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Err(end) = self.next().await {
                return end;
            }
        }
    }

    /// The index of the next entry of a subscription.
    pub async fn index(&mut self) -> u64 {
        let heard = self.hear().await;
        assert_eq!(heard["type"], "next", "{heard}");
        heard["payload"]["data"]["events"]["index"].as_u64().unwrap_or_else(|| panic!("{heard}"))
    }
}
