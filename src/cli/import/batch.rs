//! Sends events together and tells whose fate was which.
use anyhow::Context as _;
use serde::Deserialize;

use crate::cli::client::Client;

const PATH: &str = "/api/v1/lineage/batch";

/// An event on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    pub line: u64,
    pub bytes: Vec<u8>,
}

/// Why the server did not take an event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    pub reason: String,
    /// Where in the event (RFC 6901).
    pub pointer: Option<String>,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Outcome {
    pub accepted: u64,
    pub duplicates: u64,
    pub refused: Vec<(Pending, Refusal)>,
}

/// Events that will go in one request.
#[derive(Debug, Default)]
pub struct Batch {
    events: Vec<Pending>,
    bytes: usize,
}

/// The answer of the batch endpoint.
#[derive(Deserialize)]
struct Answer {
    summary: Summary,
    #[serde(default)]
    failed_events: Vec<Failed>,
}

#[derive(Deserialize)]
struct Summary {
    received: u64,
    failed: u64,
    #[serde(default)]
    duplicates: u64,
}

#[derive(Deserialize)]
struct Failed {
    index: usize,
    #[serde(flatten)]
    refusal: Refusal,
}

impl Batch {
    pub fn push(&mut self, event: Pending) {
        self.bytes += event.bytes.len() + 1;
        self.events.push(event);
    }

    pub fn len(&self) -> usize {
        self.events.len()
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Sends everything and is empty again. A batch that is too large for the
    /// server is sent in halves; an event that is too large alone is refused.
    ///
    /// # Errors
    /// When the server stays away, or refuses the request as such.
    pub fn send(&mut self, client: &mut Client) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut waiting = vec![std::mem::take(&mut self.events)];
        self.bytes = 0;
        while let Some(mut events) = waiting.pop() {
            if events.is_empty() {
                continue;
            }
            let mut body = Vec::with_capacity(events.iter().map(|e| e.bytes.len() + 1).sum());
            for event in &events {
                body.extend_from_slice(&event.bytes);
                body.push(b'\n');
            }
            let answer = client.post_patiently(PATH, "application/x-ndjson", &body)?;
            match answer.status {
                200 => {
                    let answer: Answer =
                        serde_json::from_slice(&answer.body).context("the server's answer to a batch is not understood")?;
                    take(events, answer, &mut outcome)?;
                }
                413 if events.len() > 1 => {
                    let second = events.split_off(events.len() / 2);
                    // The last one pushed goes first: order is kept.
                    waiting.push(second);
                    waiting.push(events);
                }
                413 => {
                    let refusal = Refusal { reason: "larger than the server takes".to_owned(), pointer: None };
                    outcome.refused.extend(events.into_iter().map(|event| (event, refusal.clone())));
                }
                _ => return Err(answer.refused().into()),
            }
        }
        Ok(outcome)
    }
}

fn take(events: Vec<Pending>, answer: Answer, outcome: &mut Outcome) -> anyhow::Result<()> {
    let Summary { received, failed, duplicates } = answer.summary;
    anyhow::ensure!(
        received == events.len() as u64 && failed == answer.failed_events.len() as u64 && failed <= received,
        "the server counted {received} events of {} and {failed} failures of {}",
        events.len(),
        answer.failed_events.len()
    );
    outcome.accepted += received - failed;
    outcome.duplicates += duplicates;
    for Failed { index, refusal } in answer.failed_events {
        let event = events.get(index).cloned().with_context(|| format!("the server refused event {index}, which was not sent"))?;
        outcome.refused.push((event, refusal));
    }
    Ok(())
}
