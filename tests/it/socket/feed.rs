//! The feed: each entry once, in order, whatever happens meanwhile.
use std::time::Duration;

use ledgerline::access::Role;
use serde_json::json;

use super::{EVENTS, Served, client::Client};
use crate::{
    api::stand::{Stand, block_on},
    support::run_event,
};

fn send(stand: &Stand, token: &str, run: u8) -> u64 {
    let answer = stand.send(token, &run_event("COMPLETE", run, u32::from(run), &["a"], &["b"]));
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["index"].as_u64().unwrap()
}

#[test]
fn entries_come_after_an_index_and_as_they_are_committed() {
    let served = Served::new();
    let token = served.stand.token(&[Role::Engineer]);
    // More than two pages.
    let sent: Vec<u64> = (0..40).map(|run| send(&served.stand, &token, run)).collect();
    let last = sent[39];
    block_on(async {
        let mut client = Client::acknowledged(&served.stand.base, &token).await;
        client.subscribe("all", EVENTS, json!({ "after": 0 })).await;
        for index in 1..=last {
            assert_eq!(client.index().await, index);
        }
        for run in 40..45 {
            let index = send(&served.stand, &token, run);
            assert_eq!(client.index().await, index);
        }
        // Without an index only what comes; a later answer shows that it began.
        let mut client = Client::acknowledged(&served.stand.base, &token).await;
        client.subscribe("new", EVENTS, json!({ "types": ["openlineage.run.v1"] })).await;
        client.subscribe("q", "{ ledger { size } }", json!({})).await;
        assert_eq!((client.hear().await["id"].clone(), client.hear().await["type"].clone()), (json!("q"), json!("complete")));
        let index = send(&served.stand, &token, 45);
        assert_eq!(client.index().await, index);
    });
}

#[test]
fn a_filter_leaves_out_and_never_delays() {
    let served = Served::new();
    let token = served.stand.token(&[Role::Engineer]);
    let runs: Vec<u64> = (0..20)
        .map(|run| {
            served.stand.token(&[Role::Reader]);
            send(&served.stand, &token, run)
        })
        .collect();
    block_on(async {
        let mut client = Client::acknowledged(&served.stand.base, &token).await;
        client.subscribe("1", EVENTS, json!({ "after": 0, "types": ["openlineage.run.v1"] })).await;
        for index in runs {
            assert_eq!(client.index().await, index);
        }
        let index = send(&served.stand, &token, 20);
        assert_eq!(client.index().await, index);
    });
}

#[test]
fn nothing_is_lost_or_doubled_while_entries_arrive() {
    let served = Served::new();
    let token = served.stand.token(&[Role::Engineer]);
    let first = send(&served.stand, &token, 0);
    std::thread::scope(|scope| {
        let senders = [1..60u8, 60..120].map(|runs| {
            let (stand, token) = (&served.stand, &token);
            scope.spawn(move || runs.for_each(|run| assert!(send(stand, token, run) > first)))
        });
        block_on(async {
            let mut after = first;
            // Three connections, one after the other, each going on where the last one stopped.
            for share in [40, 40, 39] {
                let mut client = Client::acknowledged(&served.stand.base, &token).await;
                client.subscribe("1", EVENTS, json!({ "after": after })).await;
                for _ in 0..share {
                    assert_eq!(client.index().await, after + 1);
                    after += 1;
                }
            }
        });
        senders.into_iter().for_each(|s| s.join().unwrap());
    });
}

#[test]
fn an_index_beyond_the_last_entry_and_a_caller_without_rights_are_told_so() {
    let served = Served::new();
    let (token, producer) = (served.stand.token(&[Role::Engineer]), served.stand.token(&[Role::Producer]));
    block_on(async {
        for (token, after, code) in [(&token, 1_000, "STALE"), (&producer, 0, "FORBIDDEN")] {
            let mut client = Client::acknowledged(&served.stand.base, token).await;
            client.subscribe("1", EVENTS, json!({ "after": after })).await;
            let heard = client.hear().await;
            assert_eq!((&heard["type"], &heard["payload"][0]["extensions"]["code"]), (&json!("error"), &json!(code)), "{heard}");
        }
    });
}

#[test]
fn each_entry_can_be_proved_as_it_comes() {
    let served = Served::new();
    let token = served.stand.token(&[Role::Engineer]);
    block_on(async {
        let mut client = Client::acknowledged(&served.stand.base, &token).await;
        let query = "subscription { events(after: 0) { index leafHash proof { leafHash size } } }";
        client.subscribe("1", query, json!({})).await;
        for run in 0..3 {
            let index = send(&served.stand, &token, run);
            let event = loop {
                let heard = client.hear().await;
                let event = heard["payload"]["data"]["events"].clone();
                if event["index"] == index {
                    break event;
                }
            };
            assert_eq!(event["proof"]["leafHash"], event["leafHash"]);
            assert!(event["proof"]["size"].as_u64().unwrap() > index);
        }
    });
}

#[test]
fn a_client_that_does_not_read_is_let_go_and_hinders_nobody() {
    let served = Served::with(|s| s.socket.send_timeout = Duration::from_millis(100));
    let token = served.stand.token(&[Role::Engineer]);
    let (first, mut last) = (send(&served.stand, &token, 0), 0);
    for run in 1..80 {
        let mut event = run_event("COMPLETE", run, u32::from(run), &["a"], &["b"]);
        event["run"]["facets"] =
            json!({ "big": { "_producer": "https://example.org/p", "_schemaURL": "https://example.org/s", "text": "x".repeat(400_000) } });
        let answer = served.stand.send(&token, &event);
        assert_eq!(answer.status, 201, "{}", answer.text());
        last = answer.json()["index"].as_u64().unwrap();
    }
    block_on(async {
        let mut slow = Client::acknowledged(&served.stand.base, &token).await;
        let query = "subscription Feed($after: Long) { events(after: $after) { index parts { text } } }";
        slow.subscribe("1", query, json!({ "after": first })).await;
        // It reads nothing until it was given up.
        served.emptied().await;
        let mut quick = Client::acknowledged(&served.stand.base, &token).await;
        quick.subscribe("1", EVENTS, json!({ "after": last - 1 })).await;
        assert_eq!(quick.index().await, last);
        assert_eq!(slow.closed().await.0, 1006);
    });
}
