//! Connections that send too much, too slowly, too often, or stop in the middle.
use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use ledgerline::access::Role;

use super::Guarded;
use crate::{
    api::stand::{Ask, Stand},
    support::run_event,
};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Reads one response: its status, and whether the connection stays open.
fn response(stream: &mut TcpStream) -> (u16, bool, Vec<u8>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return (0, false, head);
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (head[9..12].parse().unwrap(), !head.contains("connection: close"), body)
}

fn head(token: &str, more: &str) -> String {
    format!("POST /api/v1/lineage HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n{more}\r\n\r\n")
}

#[test]
fn a_body_of_100_mb_is_refused_long_before_its_end() {
    const WHOLE: usize = 100 << 20;
    let guarded = Guarded::new();
    // By its announced length, before a byte of it is sent.
    let mut stream = guarded.stand.connect();
    stream.write_all(head(&guarded.token, &format!("content-length: {WHOLE}")).as_bytes()).unwrap();
    let (status, _, body) = response(&mut stream);
    assert_eq!(status, 413);
    assert!(String::from_utf8(body).unwrap().contains("TOO_LARGE"));
    // Streamed, with no length told: the answer comes once 16 MiB are over.
    let mut stream = guarded.stand.connect();
    stream.write_all(head(&guarded.token, "transfer-encoding: chunked").as_bytes()).unwrap();
    let mut reader = stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        let chunk = vec![b' '; 1 << 20];
        let mut sent = 0;
        while sent < WHOLE {
            let piece = [format!("{:x}\r\n", chunk.len()).as_bytes(), &chunk, b"\r\n"].concat();
            if stream.write_all(&piece).is_err() {
                break;
            }
            sent += chunk.len();
        }
        sent
    });
    let (status, _, _) = response(&mut reader);
    assert_eq!(status, 413);
    let _ = reader.shutdown(Shutdown::Both);
    assert!(writer.join().unwrap() < WHOLE, "the rest was not taken");
    guarded.still_works();
}

#[test]
fn bombs_stop_at_the_bound_however_they_are_packed() {
    let guarded = Guarded::new();
    let zeros = vec![b' '; 20 << 20];
    let many_members = gzip(&vec![b' '; 1 << 20]).repeat(40);
    let mut in_front = gzip(b"{\"a\": \"");
    in_front.extend(gzip(&zeros));
    for (body, status, code) in [
        (gzip(&zeros), 413, "TOO_LARGE"),
        (many_members, 413, "TOO_LARGE"),
        (in_front, 413, "TOO_LARGE"),
        // Packed twice: only the outer one is opened, and what is in it is no JSON.
        (gzip(&gzip(&zeros)), 400, "BAD_USER_INPUT"),
        (gzip(b""), 400, "BAD_USER_INPUT"),
        (b"\x1f\x8b".to_vec(), 400, "BAD_USER_INPUT"),
        (b"{}".to_vec(), 400, "BAD_USER_INPUT"),
        (gzip(b"{}")[..12].to_vec(), 400, "BAD_USER_INPUT"),
    ] {
        for path in ["/api/v1/lineage", "/graphql"] {
            let ask = Ask::post(path, "application/json", body.clone()).with("content-encoding", "gzip").by(&guarded.token);
            let answer = guarded.ask(ask);
            assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path} {}", answer.text());
        }
    }
    // Members one after the other that are one good event together.
    let event = run_event("COMPLETE", 1, 10, &["a"], &["b"]).to_string();
    let (one, two) = event.as_bytes().split_at(100);
    let body = [gzip(one), gzip(two)].concat();
    let good =
        guarded.stand.ask(Ask::post("/api/v1/lineage", "application/json", body).with("content-encoding", "gzip").by(&guarded.token));
    assert_eq!(good.status, 201, "{}", good.text());
}

#[test]
fn a_connection_that_stops_in_the_middle_records_nothing() {
    let guarded = Guarded::new();
    let event = run_event("COMPLETE", 1, 10, &["a"], &["b"]).to_string();
    let whole = format!("{}{event}", head(&guarded.token, &format!("content-length: {}", event.len())));
    let pieces = [0, 1, 20, whole.len() - event.len() - 2, whole.len() - event.len(), whole.len() - event.len() + 10, whole.len() - 1];
    for (at, how) in pieces.into_iter().flat_map(|at| [(at, Shutdown::Write), (at, Shutdown::Both)]) {
        let mut stream = guarded.stand.connect();
        stream.write_all(&whole.as_bytes()[..at]).unwrap();
        stream.shutdown(how).unwrap();
        // An answer or none, but the end: the server does not wait for ever.
        let (status, ..) = response(&mut stream);
        assert!(status == 0 || (400..500).contains(&status), "{at} {status}");
    }
    guarded.nothing_happened();
    // Whoever has said all and closes its half still hears the answer.
    let mut stream = guarded.stand.connect();
    stream.write_all(whole.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(response(&mut stream).0, 201);
}

#[test]
fn slow_heads_and_bodies_end_at_their_time() {
    let stand = Stand::with(
        |_| {},
        |s| {
            s.body_timeout = Duration::from_secs(2);
            s.head_timeout = Duration::from_secs(2);
        },
    );
    let guarded = Guarded::of(stand);
    let mut body = guarded.stand.connect();
    body.write_all(head(&guarded.token, "content-length: 1000").as_bytes()).unwrap();
    body.write_all(b"{").unwrap();
    let (status, _, text) = response(&mut body);
    assert_eq!(status, 408);
    assert!(String::from_utf8(text).unwrap().contains("the body took too long to arrive"));
    let mut head = guarded.stand.connect();
    head.write_all(b"POST /api/v1/lineage HTT").unwrap();
    let (status, ..) = response(&mut head);
    assert!(status == 408 || status == 0, "{status}");
    // Many of them keep nobody else waiting.
    let waiting: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = guarded.stand.connect();
            stream.write_all(b"GET /rea").unwrap();
            stream
        })
        .collect();
    guarded.still_works();
    drop(waiting);
}

#[test]
fn what_is_no_http_is_answered_as_such() {
    let guarded = Guarded::new();
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(200_000));
    let wide = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "a".repeat(200_000));
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(20_000));
    let both = format!("{}1\r\n{{\r\n0\r\n\r\n", head(&guarded.token, "content-length: 3\r\ntransfer-encoding: chunked"));
    for bytes in [
        "\r\n\r\n\r\n\r\nnonsense\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}",
        "GET / HTTP/9.9\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &head(&guarded.token, "content-length: -1"),
        &head(&guarded.token, "content-length: 1\r\ncontent-length: 2"),
        &head(&guarded.token, "content-length: 99999999999999999999"),
        &head(&guarded.token, "transfer-encoding: x"),
        &both,
        &long,
        &wide,
        &many,
    ] {
        let mut stream = guarded.stand.connect();
        let _ = stream.write_all(bytes.as_bytes());
        let _ = stream.shutdown(Shutdown::Write);
        let (status, ..) = response(&mut stream);
        assert!(status == 0 || (400..600).contains(&status), "{status} for {:?}", &bytes[..bytes.len().min(60)]);
    }
    guarded.still_works();
}

#[test]
fn ten_thousand_requests_on_one_connection_with_errors_among_them() {
    let guarded = Guarded::new();
    let token = &guarded.token;
    let reader = guarded.stand.token(&[Role::Reader]);
    let size = guarded.stand.world.app.ledger_size();
    let post = |token: &str, path: &str, body: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
    let requests = [
        (get("/livez"), 200),
        (get("/nothing"), 404),
        (post(token, "/api/v1/lineage", "{"), 400),
        (post(token, "/api/v1/lineage", "{}"), 422),
        // Without a body: one that nobody reads ends the connection.
        ("GET /ledger/checkpoint HTTP/1.1\r\nhost: x\r\nauthorization: Bearer nonsense\r\n\r\n".to_owned(), 401),
        (post(&reader, "/api/v1/lineage", "{}"), 403),
        (get("/ledger/proof/-1"), 400),
        (get("/api/v1/lineage"), 405),
        (post(token, "/graphql", r#"{"query": "{nothing}"}"#), 200),
        (get("/livez?token=x"), 400),
    ];
    let mut stream = guarded.stand.connect();
    stream.set_nodelay(true).unwrap();
    for i in 0..10_000 {
        let (request, expected) = &requests[i % requests.len()];
        stream.write_all(request.as_bytes()).unwrap();
        let (status, open, _) = response(&mut stream);
        assert_eq!((status, open), (*expected, true), "request {i}");
    }
    assert_eq!(guarded.stand.world.app.ledger_size(), size);
}
