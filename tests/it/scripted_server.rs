//! A small HTTP server whose answers a test writes: for what a client does with
//! answers that our own server gives rarely.
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// What came in.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method and path.
    pub line: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// What goes out: status, further header lines, body.
pub type Response = (u16, String, String);

type Answer = Box<dyn FnMut(&Request) -> Response + Send>;

/// The server; it ends with the process.
pub struct ScriptedServer {
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    answer: Arc<Mutex<Answer>>,
}

impl ScriptedServer {
    pub fn start(answer: impl FnMut(&Request) -> Response + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let answer: Arc<Mutex<Answer>> = Arc::new(Mutex::new(Box::new(answer)));
        let server = Self { url, requests: requests.clone(), answer: answer.clone() };
        thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that goes away in between is its own business.
                let _ = serve(stream.unwrap(), &requests, &answer);
            }
        });
        server
    }

    /// Answers otherwise from now on.
    pub fn answer(&self, answer: impl FnMut(&Request) -> Response + Send + 'static) {
        *self.answer.lock().unwrap() = Box::new(answer);
    }

    /// What came in since the last time.
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

fn serve(stream: TcpStream, requests: &Mutex<Vec<Request>>, answer: &Mutex<Answer>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        match header.trim().split_once(':') {
            Some((name, value)) => headers.insert(name.to_lowercase(), value.trim().to_owned()),
            None => break,
        };
    }
    let length = headers.get("content-length").map_or(0, |l| l.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let line = line.trim().trim_end_matches(" HTTP/1.1").to_owned();
    let request = Request { line, headers, body: String::from_utf8(body).unwrap() };
    let (status, more, body) = answer.lock().unwrap()(&request);
    requests.lock().unwrap().push(request);
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status} Scripted\r\ncontent-length: {}\r\nconnection: close\r\n{more}\r\n{body}", body.len())
}
