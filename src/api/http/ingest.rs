//! OpenLineage events in: one, or many in one body.
use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Payload},
};
use serde::Serialize;

use super::{
    Shared,
    answer::{Failure, LEDGER_SIZE, Outcome},
    auth, body, media,
};
use crate::{
    app::{
        Code,
        ingest::{BatchFormat, BatchOutcome, IngestWarning, Ingested},
    },
    ledger::encode_hash,
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Accepted<'i> {
    index: u64,
    event_id: String,
    recorded_at: String,
    leaf_hash: String,
    duplicate: bool,
    warnings: Vec<Warned<'i>>,
}

#[derive(Serialize)]
struct Warned<'i> {
    code: &'static str,
    pointer: &'i str,
    message: &'i str,
}

impl<'i> From<&'i IngestWarning> for Warned<'i> {
    fn from(w: &'i IngestWarning) -> Self {
        Self { code: w.code, pointer: &w.pointer, message: &w.message }
    }
}

impl<'i> From<&'i Ingested> for Accepted<'i> {
    fn from(i: &'i Ingested) -> Self {
        Self {
            index: i.receipt.index,
            event_id: i.receipt.event_id.text(),
            recorded_at: i.receipt.recorded_at.rfc3339(),
            leaf_hash: encode_hash(&i.receipt.leaf_hash),
            duplicate: i.duplicate,
            warnings: i.warnings.iter().map(Warned::from).collect(),
        }
    }
}

fn unsupported(message: &str) -> Failure {
    Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::BadUserInput, message)
}

/// `POST /api/v1/lineage`: 201, or 200 for a duplicate. A missing content type is
/// taken as JSON: the token in a header, which no form can send, is what keeps
/// other sites out.
pub async fn event(request: HttpRequest, payload: Payload, shared: Data<Shared>) -> Outcome {
    let answer = async {
        let app = shared.cell.app()?;
        let principal = auth::principal(&request, app)?;
        match media::content_type(&request).as_deref() {
            None | Some("application/json") => {}
            Some(_) => return Err(unsupported("an event is sent as `application/json` in UTF-8")),
        }
        let bytes = body::read(&request, payload, app.limits().event_bytes_max, shared.settings.body_timeout).await?;
        let ingested = app.ingest(&principal, bytes).await?;
        let status = if ingested.duplicate { StatusCode::OK } else { StatusCode::CREATED };
        let mut response = HttpResponse::build(status);
        response.insert_header((LEDGER_SIZE, app.ledger_size()));
        Ok(response.json(Accepted::from(&ingested)))
    };
    Outcome(answer.await)
}

#[derive(Serialize)]
struct Summed {
    received: usize,
    successful: usize,
    failed: usize,
    duplicates: usize,
}

#[derive(Serialize)]
struct Refused<'b> {
    index: usize,
    reason: &'b str,
    pointer: &'b str,
    code: &'static str,
}

#[derive(Serialize)]
struct Batched<'b> {
    status: &'static str,
    summary: Summed,
    failed_events: Vec<Refused<'b>>,
}

impl<'b> From<&'b BatchOutcome> for Batched<'b> {
    fn from(b: &'b BatchOutcome) -> Self {
        let status = match b.failed.len() {
            0 => "success",
            n if n == b.received => "failure",
            _ => "partial_success",
        };
        let refused = b.failed.iter().map(|f| Refused { index: f.index, reason: &f.reason, pointer: &f.pointer, code: f.code.word() });
        Self {
            status,
            summary: Summed { received: b.received, successful: b.successful, failed: b.failed.len(), duplicates: b.duplicates },
            failed_events: refused.collect(),
        }
    }
}

/// `POST /api/v1/lineage/batch`: 200 with an outcome for each event that failed.
pub async fn batch(request: HttpRequest, payload: Payload, shared: Data<Shared>) -> Outcome {
    let answer = async {
        let app = shared.cell.app()?;
        let principal = auth::principal(&request, app)?;
        let format = match media::content_type(&request).as_deref() {
            None | Some("application/json") => BatchFormat::JsonArray,
            Some("application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines") => BatchFormat::Ndjson,
            Some(_) => return Err(unsupported("a batch is sent as `application/json`, an array, or as `application/x-ndjson`, in UTF-8")),
        };
        let bytes = body::read(&request, payload, app.limits().batch_bytes_max, shared.settings.body_timeout).await?;
        let outcome = app.ingest_batch(&principal, bytes, format).await?;
        let mut response = HttpResponse::Ok();
        response.insert_header((LEDGER_SIZE, app.ledger_size()));
        Ok(response.json(Batched::from(&outcome)))
    };
    Outcome(answer.await)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        app::{Receipt, ingest::FailedEvent},
        domain::{id::EntryId, time::Micros},
    };

    #[test]
    fn a_receipt_is_written_as_the_contract_says() {
        let ingested = Ingested {
            receipt: Receipt { index: 7, event_id: EntryId([0x11; 16]), recorded_at: Micros(1), leaf_hash: [0; 32] },
            duplicate: false,
            warnings: vec![IngestWarning { code: "ZONE_ASSUMED", pointer: "/eventTime".to_owned(), message: "no zone".to_owned() }],
        };
        assert_eq!(
            serde_json::to_string(&Accepted::from(&ingested)).unwrap(),
            r#"{"index":7,"eventId":"11111111-1111-1111-1111-111111111111","recordedAt":"1970-01-01T00:00:00.000001Z","leafHash":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","duplicate":false,"warnings":[{"code":"ZONE_ASSUMED","pointer":"/eventTime","message":"no zone"}]}"#
        );
    }

    #[test]
    fn a_batch_says_whether_all_some_or_none_came_in() {
        let failed =
            |index| FailedEvent { index, reason: "no".to_owned(), pointer: "/job".to_owned(), code: Code::BadUserInput, retry_after: None };
        let outcome = |received, failed: Vec<FailedEvent>| {
            let outcome = BatchOutcome { received, successful: received - failed.len(), duplicates: 0, failed, warnings: Vec::new() };
            serde_json::to_value(Batched::from(&outcome)).unwrap()
        };
        assert_eq!(outcome(2, vec![])["status"], "success");
        assert_eq!(outcome(0, vec![])["status"], "success");
        assert_eq!(outcome(2, vec![failed(0), failed(1)])["status"], "failure");
        assert_eq!(
            outcome(2, vec![failed(1)]),
            serde_json::json!({
                "status": "partial_success",
                "summary": {"received": 2, "successful": 1, "failed": 1, "duplicates": 0},
                "failed_events": [{"index": 1, "reason": "no", "pointer": "/job", "code": "BAD_USER_INPUT"}],
            })
        );
    }
}
