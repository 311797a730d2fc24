//! The client side of our own HTTP API, for commands that talk to a running
//! server. Follows no redirect (the token would follow too) and has a limit on
//! every wait.
use std::{io::Read as _, time::Duration};

use serde_json::Value;
use zeroize::Zeroizing;

/// The largest answer that is read.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// The first wait after a failure; each further one is twice as long.
const WAIT_FIRST: Duration = Duration::from_millis(250);
/// The longest single wait, also when the server asks for more.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// What went wrong between us and the server.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("`{0}` is not an http or https address")]
    NotAUrl(String),
    #[error("the token holds characters that no token has")]
    NotAToken,
    #[error("the server at {url} cannot be reached: {problem}")]
    Unreachable { url: String, problem: String },
    #[error("the server answered {status}: {message}")]
    Refused { status: u16, message: String },
    #[error("the server's answer is not what was expected: {0}")]
    Unexpected(String),
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    retry_after: Option<Duration>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// [`ClientError::Unexpected`].
    pub fn json(&self) -> Result<Value, ClientError> {
        serde_json::from_slice(&self.body).map_err(|e| ClientError::Unexpected(e.to_string()))
    }

    /// The error that an answer stands for, with what the server said.
    #[must_use]
    pub fn refused(&self) -> ClientError {
        ClientError::Refused { status: self.status, message: self.message() }
    }

    fn message(&self) -> String {
        let said = self.json().ok().and_then(|v| {
            ["/errors/0/message", "/error/message", "/message", "/detail", "/error"]
                .iter()
                .find_map(|p| v.pointer(p)?.as_str().map(str::to_owned))
        });
        said.unwrap_or_else(|| String::from_utf8_lossy(&self.body).chars().take(200).collect())
    }
}

/// A server and how long we are willing to wait for it.
pub struct Client {
    agent: ureq::Agent,
    base: String,
    authorization: Option<Zeroizing<String>>,
    patience: Duration,
    wait: Box<dyn FnMut(Duration) + Send + Sync>,
}

impl Client {
    /// A client of the server at `url`; `patience` bounds the waits of one request
    /// in all.
    ///
    /// # Errors
    /// An address or a token that cannot be one.
    pub fn new(url: &str, token: Option<&str>, patience: Duration) -> Result<Self, ClientError> {
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            return Err(ClientError::NotAUrl(url.to_owned()));
        }
        if token.is_some_and(|t| t.is_empty() || !t.bytes().all(|b| b.is_ascii_graphic())) {
            return Err(ClientError::NotAToken);
        }
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_global(Some(Duration::from_secs(300)))
            .user_agent(concat!("ledgerline/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        let authorization = token.map(|t| Zeroizing::new(format!("Bearer {t}")));
        Ok(Self { agent, base: url.trim_end_matches('/').to_owned(), authorization, patience, wait: Box::new(std::thread::sleep) })
    }

    /// Waits by calling `wait` instead of sleeping.
    #[must_use]
    pub fn waiting_by(mut self, wait: impl FnMut(Duration) + Send + Sync + 'static) -> Self {
        self.wait = Box::new(wait);
        self
    }

    /// The server's address, without a slash at its end.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// `GET path`, once.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`].
    pub fn get(&self, path: &str) -> Result<Answer, ClientError> {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization.as_str());
        }
        self.answer(request.call())
    }

    /// `POST path`, once: for what must not happen twice.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`].
    pub fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Result<Answer, ClientError> {
        let mut request = self.agent.post(format!("{}{path}", self.base)).content_type(content_type);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization.as_str());
        }
        self.answer(request.send(body))
    }

    /// `POST path` until the server takes it, for what may safely be sent twice. A
    /// server that is away, busy (429, 503) or behind a gateway that cannot reach
    /// it (502, 504) is waited for, as long as `patience` lasts.
    ///
    /// # Errors
    /// The last failure when patience ends. Other statuses are answers.
    pub fn post_patiently(&mut self, path: &str, content_type: &str, body: &[u8]) -> Result<Answer, ClientError> {
        let mut waited = Duration::ZERO;
        let mut next = WAIT_FIRST;
        loop {
            let outcome = self.post(path, content_type, body);
            let asked = match &outcome {
                Ok(answer) if matches!(answer.status, 429 | 502 | 503 | 504) => answer.retry_after,
                Err(ClientError::Unreachable { .. }) => None,
                _ => return outcome,
            };
            let pause = asked.unwrap_or(next).clamp(WAIT_FIRST, WAIT_MAX);
            if waited + pause > self.patience {
                return outcome.and_then(|answer| Err(answer.refused()));
            }
            (self.wait)(pause);
            waited += pause;
            next = (next * 2).min(WAIT_MAX);
        }
    }

    /// Executes a GraphQL operation, once, and gives its `data`.
    ///
    /// # Errors
    /// The server's first error, or what went wrong on the way.
    pub fn graphql(&self, query: &str, variables: &Value) -> Result<Value, ClientError> {
        let body = serde_json::json!({ "query": query, "variables": variables }).to_string();
        let answer = self.post("/graphql", "application/json", body.as_bytes())?;
        if answer.status != 200 {
            return Err(answer.refused());
        }
        let mut json = answer.json()?;
        if json.get("errors").is_some_and(|e| !e.is_null()) {
            return Err(answer.refused());
        }
        Ok(json.get_mut("data").map(Value::take).unwrap_or_default())
    }

    fn answer(&self, outcome: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Answer, ClientError> {
        let unreachable = |problem: String| ClientError::Unreachable { url: self.base.clone(), problem };
        let mut response = outcome.map_err(|e| unreachable(e.to_string()))?;
        let retry_after = response.headers().get("retry-after").and_then(|v| v.to_str().ok()?.trim().parse().ok()).map(Duration::from_secs);
        let mut body = Vec::new();
        let mut reader = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).reader();
        reader.read_to_end(&mut body).map_err(|e| unreachable(e.to_string()))?;
        Ok(Answer { status: response.status().as_u16(), body, retry_after })
    }
}
