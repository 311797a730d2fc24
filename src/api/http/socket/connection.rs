//! One connection: its state, what each message does to it, and how it ends.
use std::{collections::HashMap, pin::pin, rc::Rc, sync::Arc};

use actix_web::web::Data;
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, ProtocolError, Session};
use futures::{
    FutureExt as _, StreamExt as _,
    future::{AbortHandle, Abortable, Aborted, LocalBoxFuture},
    stream::FuturesUnordered,
};
use tokio::{
    sync::watch,
    time::{Instant, interval_at, sleep},
};

use super::{
    super::{Shared, auth},
    message::{self, Message},
    operation::{End, Out, Run, holder},
};
use crate::{
    access::TokenDigest,
    api::graphql::execute::{Operation, refusal},
    app::{App, AppError, Code},
    telemetry::name,
};

/// An operation under way; ends with its place in the order of all.
type Running = LocalBoxFuture<'static, (u64, Result<Result<(), End>, Aborted>)>;

/// An operation under way, counted until it ends however it ends.
struct Live;

impl Live {
    fn begin() -> Self {
        metrics::gauge!(name::SOCKET_OPERATIONS).increment(1);
        Self
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        metrics::gauge!(name::SOCKET_OPERATIONS).decrement(1);
    }
}

pub struct Connection {
    shared: Data<Shared>,
    app: Arc<App>,
    out: Out,
    /// Whose token was shown.
    caller: Option<TokenDigest>,
    acknowledged: bool,
    correlation: Rc<str>,
    running: FuturesUnordered<Running>,
    /// The operations under way by the ids that the client gave them.
    ids: HashMap<String, (u64, AbortHandle)>,
    begun: u64,
}

impl Connection {
    pub fn new(shared: Data<Shared>, app: Arc<App>, session: Session, caller: Option<TokenDigest>, correlation: String) -> Self {
        let timeout = shared.settings.socket.send_timeout;
        Self {
            shared,
            app,
            out: Out { session, timeout },
            caller,
            acknowledged: false,
            correlation: correlation.into(),
            running: FuturesUnordered::new(),
            ids: HashMap::new(),
            begun: 0,
        }
    }

    /// Until either side ends it. What is under way then is dropped.
    pub async fn run(mut self, stream: AggregatedMessageStream, draining: watch::Receiver<bool>, spoken: bool) {
        let end = if spoken { self.serve(stream, draining).await } else { End::close(4406, "Subprotocol not acceptable") };
        let why = if let End::Close(code, _) = &end { code.to_string() } else { "away".to_owned() };
        metrics::counter!(name::SOCKETS_CLOSED, "reason" => why).increment(1);
        if let End::Close(code, reason) = end {
            let Out { session, timeout } = self.out;
            let reason = CloseReason { code: CloseCode::from(code), description: Some(reason) };
            // A client that is gone needs no farewell.
            drop(tokio::time::timeout(timeout, session.close(Some(reason))).await);
        }
    }

    async fn serve(&mut self, mut stream: AggregatedMessageStream, mut draining: watch::Receiver<bool>) -> End {
        let settings = self.shared.settings.socket.clone();
        let mut init = pin!(sleep(settings.init_timeout));
        let mut look = interval_at(Instant::now() + settings.ping_every, settings.ping_every);
        let mut heard = true;
        loop {
            let done = tokio::select! {
                message = stream.next() => {
                    heard = true;
                    match message {
                        Some(Ok(message)) => self.hear(message).await,
                        Some(Err(ProtocolError::Overflow)) => Err(End::close(1009, "Message too big")),
                        Some(Err(ProtocolError::Io(_))) => Err(End::close(4400, "Invalid message")),
                        Some(Err(_)) => Err(End::close(1002, "Protocol error")),
                        None => Err(End::Away),
                    }
                }
                Some((number, ended)) = self.running.next(), if !self.running.is_empty() => self.ended(number, ended),
                () = &mut init, if !self.acknowledged => Err(End::close(4408, "Connection initialisation timeout")),
                _ = look.tick() => self.look(std::mem::replace(&mut heard, false)).await,
                _ = draining.wait_for(|draining| *draining) => Err(End::close(1001, "Going away")),
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    async fn hear(&mut self, message: AggregatedMessage) -> Result<(), End> {
        match message {
            AggregatedMessage::Text(text) => match Message::read(&text, self.shared.executor.settings()) {
                Ok(message) => self.obey(message).await,
                Err(_) => Err(End::close(4400, "Invalid message")),
            },
            AggregatedMessage::Binary(_) => Err(End::close(4400, "Invalid message")),
            AggregatedMessage::Ping(bytes) => self.out.control(false, &bytes).await,
            AggregatedMessage::Pong(_) => Ok(()),
            AggregatedMessage::Close(_) => Err(End::close(1000, "")),
        }
    }

    async fn obey(&mut self, message: Message<'_>) -> Result<(), End> {
        match message {
            Message::Init(_) if self.acknowledged => Err(End::close(4429, "Too many initialisation requests")),
            Message::Init(authorization) => {
                if let Some(authorization) = authorization {
                    let token = auth::bearer_of(&authorization).ok_or_else(End::forbidden)?;
                    self.caller = Some(self.app.recognise(token).map_err(|_| End::forbidden())?);
                }
                holder(&self.app, &self.caller.ok_or_else(End::forbidden)?)?;
                self.acknowledged = true;
                self.out.say(message::ACK).await
            }
            Message::Ping(payload) => self.out.say(message::pong(payload)).await,
            Message::Pong => Ok(()),
            Message::Subscribe(id, operation) => self.subscribe(id, operation).await,
            Message::Complete(id) => {
                // One that has ended meanwhile is no error: the messages crossed.
                if let Some((_, handle)) = self.ids.remove(&id) {
                    handle.abort();
                }
                Ok(())
            }
        }
    }

    async fn subscribe(&mut self, id: String, operation: Operation) -> Result<(), End> {
        let caller = self.caller.filter(|_| self.acknowledged).ok_or_else(End::unauthorized)?;
        if self.ids.contains_key(&id) {
            return Err(End::Close(4409, format!("Subscriber for {id} already exists")));
        }
        let max = self.shared.settings.socket.operations_max;
        if self.ids.len() >= max {
            let too_many = AppError::new(
                Code::RateLimited,
                format!("the connection has {max} operations under way, as many as `websocket.operations_max` permits"),
            );
            return self.out.say(message::error(&id, &refusal(too_many, &self.correlation))).await;
        }
        let run = Run {
            shared: self.shared.clone(),
            app: self.app.clone(),
            out: self.out.clone(),
            caller,
            correlation: self.correlation.clone(),
            id: id.clone(),
        };
        self.begun += 1;
        let number = self.begun;
        let (handle, registration) = AbortHandle::new_pair();
        let live = Live::begin();
        let running = async move {
            let ended = run.run(operation).await;
            drop(live);
            ended
        };
        let running = Abortable::new(running, registration);
        self.ids.insert(id, (number, handle));
        self.running.push(running.map(move |ended| (number, ended)).boxed_local());
        Ok(())
    }

    fn ended(&mut self, number: u64, ended: Result<Result<(), End>, Aborted>) -> Result<(), End> {
        // An id that was given up may have been given to another operation since.
        self.ids.retain(|_, (of, _)| *of != number);
        ended.unwrap_or(Ok(()))
    }

    /// Now and then: whether the client is there, and its token good.
    async fn look(&mut self, heard: bool) -> Result<(), End> {
        if !heard {
            return Err(End::Away);
        }
        if let Some(caller) = self.caller.filter(|_| self.acknowledged) {
            holder(&self.app, &caller)?;
        }
        self.out.control(true, b"").await
    }
}
