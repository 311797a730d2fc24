//! `graphql-transport-ws` to the letter: who may speak when, and how it ends.
use std::{
    io::{BufRead as _, BufReader, Write as _},
    time::Duration,
};

use ledgerline::access::Role;
use serde_json::{Value, json};

use super::{EVENTS, Served, client::Client};
use crate::api::stand::{Ask, block_on, new_token};

fn reader(served: &Served) -> String {
    served.stand.token(&[Role::Engineer])
}

#[test]
fn a_connection_that_never_initialises_is_closed() {
    let served = Served::with(|s| s.socket.init_timeout = Duration::from_millis(50));
    block_on(async {
        let mut client = Client::connect(&served.stand.base).await;
        assert_eq!(client.closed().await, (4408, "Connection initialisation timeout".to_owned()));
        served.emptied().await;
    });
}

#[test]
fn a_second_initialisation_closes() {
    let served = Served::new();
    let token = reader(&served);
    block_on(async {
        let mut client = Client::acknowledged(&served.stand.base, &token).await;
        client.say(json!({ "type": "connection_init" })).await;
        assert_eq!(client.closed().await, (4429, "Too many initialisation requests".to_owned()));
    });
}

#[test]
fn nobody_subscribes_before_the_acknowledgement() {
    let served = Served::new();
    let token = reader(&served);
    block_on(async {
        let mut client = Client::connect(&served.stand.base).await;
        client.subscribe("1", EVENTS, json!({})).await;
        assert_eq!(client.closed().await, (4401, "Unauthorized".to_owned()));
        // A token in the header does not spare the handshake.
        let headers = [("sec-websocket-protocol", "graphql-transport-ws".to_owned()), ("authorization", format!("Bearer {token}"))];
        let mut client = Client::dial(&served.stand.base, "/graphql", &headers).await.unwrap();
        client.subscribe("1", EVENTS, json!({})).await;
        assert_eq!(client.closed().await.0, 4401);
    });
}

#[test]
fn an_id_in_use_is_not_used_twice_and_one_that_is_done_may_be() {
    let served = Served::new();
    let token = reader(&served);
    block_on(async {
        let mut client = Client::acknowledged(&served.stand.base, &token).await;
        client.subscribe("a", EVENTS, json!({ "after": 0 })).await;
        client.say(json!({ "id": "a", "type": "complete" })).await;
        // Completing what is not there is no error: the messages crossed.
        client.say(json!({ "id": "a", "type": "complete" })).await;
        client.subscribe("a", EVENTS, json!({})).await;
        client.subscribe("a", EVENTS, json!({})).await;
        assert_eq!(client.closed().await, (4409, "Subscriber for a already exists".to_owned()));
    });
}

#[test]
fn messages_that_are_none_close_with_4400() {
    let served = Served::new();
    let token = reader(&served);
    block_on(async {
        for bad in ["nope", "{}", r#"{"type":"start"}"#, r#"{"type":"subscribe","id":"1","payload":{}}"#] {
            let mut client = Client::acknowledged(&served.stand.base, &token).await;
            client.text(bad).await;
            assert_eq!(client.closed().await, (4400, "Invalid message".to_owned()), "{bad}");
        }
    });
}

#[test]
fn tokens_come_by_the_header_or_by_the_initial_payload_and_no_other_way() {
    let served = Served::new();
    let token = reader(&served);
    let base = &served.stand.base;
    let protocol = ("sec-websocket-protocol", "graphql-transport-ws".to_owned());
    let by_header = |token: &str| [protocol.clone(), ("authorization", format!("Bearer {token}"))];
    let unknown = format!("ll_{}", "A".repeat(43));
    block_on(async {
        let mut client = Client::dial(base, "/graphql", &by_header(&token)).await.unwrap();
        client.say(json!({ "type": "connection_init" })).await;
        assert_eq!(client.hear().await["type"], "connection_ack");
        assert_eq!(Client::dial(base, "/graphql", &by_header(&unknown)).await.err(), Some(401));
        let query = format!("/graphql?token={token}");
        assert_eq!(Client::dial(base, &query, std::slice::from_ref(&protocol)).await.err(), Some(400));
        for payload in
            [Value::Null, json!({}), json!({ "authorization": unknown }), json!({ "authorization": format!("Bearer {unknown}") })]
        {
            let mut client = Client::connect(base).await;
            client.say(json!({ "type": "connection_init", "payload": payload })).await;
            assert_eq!(client.closed().await, (4403, "Forbidden".to_owned()), "{payload}");
        }
    });
}

#[test]
fn only_the_one_protocol_is_spoken() {
    let served = Served::new();
    block_on(async {
        let mut client = Client::dial(&served.stand.base, "/graphql", &[]).await.unwrap();
        assert_eq!(client.closed().await, (4406, "Subprotocol not acceptable".to_owned()));
    });
    // Without an upgrade GET is what it was, and a handshake that is none is refused.
    assert_eq!(served.stand.ask(Ask::get("/graphql")).status, 405);
    let mut raw = served.stand.connect();
    raw.write_all(b"GET /graphql HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n").unwrap();
    let mut line = String::new();
    BufReader::new(raw).read_line(&mut line).unwrap();
    assert_eq!(line, "HTTP/1.1 400 Bad Request\r\n");
    let answer = served.stand.graphql(&reader(&served), "subscription { events { index } }", json!({}));
    assert!(answer.text().contains("graphql-transport-ws"), "{}", answer.text());
}

#[test]
fn pings_are_answered_at_any_time_and_a_client_that_is_gone_is_let_go() {
    let served = Served::with(|s| s.socket.ping_every = Duration::from_millis(50));
    let token = reader(&served);
    block_on(async {
        let mut client = Client::connect(&served.stand.base).await;
        client.say(json!({ "type": "ping", "payload": { "a": [1] } })).await;
        assert_eq!(client.hear().await, json!({ "type": "pong", "payload": { "a": [1] } }));
        client.say(json!({ "type": "pong" })).await;
        drop(client);
        served.emptied().await;
        // This one stays connected and never reads, so it answers no ping.
        let silent = Client::acknowledged(&served.stand.base, &token).await;
        served.emptied().await;
        drop(silent);
    });
}

#[test]
fn operations_connections_and_messages_are_bounded() {
    let served = Served::with(|s| {
        s.socket.operations_max = 1;
        s.socket.connections_max = 1;
        s.socket.message_bytes_max = 2_000;
    });
    let token = reader(&served);
    block_on(async {
        let mut client = Client::acknowledged(&served.stand.base, &token).await;
        client.subscribe("1", EVENTS, json!({})).await;
        client.subscribe("2", EVENTS, json!({})).await;
        let heard = client.hear().await;
        assert_eq!(
            (&heard["id"], &heard["type"], &heard["payload"][0]["extensions"]["code"]),
            (&json!("2"), &json!("error"), &json!("RATE_LIMITED"))
        );
        let protocol = [("sec-websocket-protocol", "graphql-transport-ws".to_owned())];
        assert_eq!(Client::dial(&served.stand.base, "/graphql", &protocol).await.err(), Some(503));
        client.say(json!({ "type": "ping", "payload": { "a": "x".repeat(4_000) } })).await;
        assert_eq!(client.closed().await.0, 1009);
        served.emptied().await;
        drop(Client::acknowledged(&served.stand.base, &token).await);
    });
}

#[test]
fn queries_and_mutations_are_answered_as_over_http() {
    let served = Served::new();
    let (token, admin) = (reader(&served), served.stand.token(&[Role::Admin]));
    let query = "query Q($n: Long!) { event(index: $n) { index type } ledger { size } }";
    let over_http = served.stand.data(&token, query, json!({ "n": 0 }));
    block_on(async {
        let mut client = Client::acknowledged(&served.stand.base, &token).await;
        client.subscribe("q", query, json!({ "n": 0 })).await;
        assert_eq!(client.hear().await, json!({ "id": "q", "type": "next", "payload": { "data": over_http } }));
        assert_eq!(client.hear().await, json!({ "id": "q", "type": "complete" }));
        for wrong in ["{ nothing }", "{", "subscription { nothing }", "subscription { events { index } event }"] {
            client.subscribe("w", wrong, json!({})).await;
            let heard = client.hear().await;
            assert_eq!((&heard["id"], &heard["type"]), (&json!("w"), &json!("error")), "{wrong}");
            assert_eq!(heard["payload"][0]["extensions"]["code"], "BAD_USER_INPUT", "{heard}");
        }
        let mut client = Client::acknowledged(&served.stand.base, &admin).await;
        let create =
            "mutation { createToken(input: {actor: \"x\", roles: [READER], reason: \"a test\"}) { receipt { index } refusal { code } } }";
        client.subscribe("m", create, json!({})).await;
        assert!(client.hear().await["payload"]["data"]["createToken"]["receipt"]["index"].is_u64());
    });
}

#[test]
fn a_server_that_stops_says_so_and_takes_no_more() {
    let served = Served::new();
    let token = reader(&served);
    block_on(async {
        let mut client = Client::acknowledged(&served.stand.base, &token).await;
        client.subscribe("1", EVENTS, json!({})).await;
        served.sockets.drain();
        assert_eq!(client.closed().await, (1001, "Going away".to_owned()));
        served.emptied().await;
        let protocol = [("sec-websocket-protocol", "graphql-transport-ws".to_owned())];
        assert_eq!(Client::dial(&served.stand.base, "/graphql", &protocol).await.err(), Some(503));
    });
}

#[test]
fn a_token_that_ends_ends_its_subscriptions() {
    let served = Served::new();
    let world = &served.stand.world;
    let now = ledgerline::clock::Clock::now(&*world.clock);
    let short = served.stand.token_until(&[Role::Engineer], Some(ledgerline::domain::time::Micros(now.0 + 1_000_000)));
    let admin = served.stand.token(&[Role::Admin]);
    let app = world.app.clone();
    block_on(async {
        let (revoked, facts, _) =
            app.create_token_locally(ledgerline::app::tokens::NewToken { roles: vec![Role::Engineer], ..new_token() }).await.unwrap();
        let (mut ending, mut losing) =
            (Client::acknowledged(&served.stand.base, &short).await, Client::acknowledged(&served.stand.base, &revoked).await);
        for client in [&mut ending, &mut losing] {
            client.subscribe("1", EVENTS, json!({ "after": 0 })).await;
            client.index().await;
        }
        // The revocation is an entry itself, so each subscription looks again.
        world.clock.advance(2_000_000);
        let by = app.authenticate(&admin).unwrap();
        app.revoke_token(&by, facts.id, "a test", None).await.unwrap();
        assert_eq!(ending.closed().await, (4401, "Unauthorized".to_owned()));
        assert_eq!(losing.closed().await, (4403, "Forbidden".to_owned()));
    });
}
