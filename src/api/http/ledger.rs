//! The log as others read it: C2SP tlog-tiles, checkpoint, proofs, openings.
//! `ledger.public` opens some of it to anybody.
use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header},
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};

use super::{
    Shared,
    answer::{Failure, LEDGER_SIZE, Outcome, fresh_enough},
    auth,
};
use crate::{
    access::Action,
    app::{App, Code, ledger_access::LedgerPublic},
    ledger::{TilePath, encode_hash},
};

const TEXT: &str = "text/plain; charset=utf-8";

/// What is read, as far as rights depend on it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Share {
    /// Checkpoint and verifier key.
    Head = 1,
    /// Tiles and proofs.
    Hashes = 2,
    /// Leaves.
    Entries = 3,
}

impl Share {
    fn is_public(self, public: LedgerPublic) -> bool {
        let open = match public {
            LedgerPublic::None => 0,
            LedgerPublic::Checkpoint => 1,
            LedgerPublic::Hashes => 2,
            LedgerPublic::Entries => 3,
        };
        self as u8 <= open
    }
}

/// Lets a request in, and begins its answer.
fn enter(request: &HttpRequest, app: &App, share: Share) -> Result<HttpResponseBuilder, Failure> {
    let public = share.is_public(app.ledger_public());
    // A token that is shown must be good, also where none is needed.
    if !(public && auth::is_anonymous(request)) {
        let principal = auth::principal(request, app)?;
        let action = if share == Share::Head { Action::ReadLedgerHead } else { Action::ReadLedger };
        if !public {
            app.require(&principal, action)?;
        }
    }
    let size = app.ledger_size();
    fresh_enough(request, size)?;
    let mut response = HttpResponse::Ok();
    response.insert_header((LEDGER_SIZE, size));
    if public {
        response.insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"));
    }
    Ok(response)
}

fn nothing_here() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, Code::NotFound, "the log has nothing at this path")
}

/// `GET /ledger/checkpoint`.
pub async fn checkpoint(request: HttpRequest, shared: Data<Shared>) -> Outcome {
    let answer = || {
        let app = shared.cell.app()?;
        let mut response = enter(&request, app, Share::Head)?;
        Ok(response.content_type(TEXT).insert_header((header::CACHE_CONTROL, "no-store")).body(app.checkpoint_note()))
    };
    Outcome(answer())
}

/// `GET /ledger/vkey`: one line.
pub async fn vkey(request: HttpRequest, shared: Data<Shared>) -> Outcome {
    let answer = || {
        let app = shared.cell.app()?;
        let mut response = enter(&request, app, Share::Head)?;
        Ok(response.content_type(TEXT).body(format!("{}\n", app.vkey())))
    };
    Outcome(answer())
}

/// `GET /ledger/tile/…`: tiles of hashes and bundles of entries. What a tile holds
/// never changes, so it may be kept; who may keep it depends on who may read it.
pub async fn tile(request: HttpRequest, shared: Data<Shared>) -> Outcome {
    let answer = async {
        let app = shared.cell.app()?;
        let path = TilePath::parse(request.match_info().query("tile"));
        let share = if matches!(path, Ok(TilePath::Entries { .. })) { Share::Entries } else { Share::Hashes };
        let mut response = enter(&request, app, share)?;
        let bytes = match path.map_err(|_| nothing_here())? {
            TilePath::Tile { level, index, width } => app.tile(level, index, width).await?,
            TilePath::Entries { index, width } => app.bundle(index, width).await?,
        };
        let bytes = bytes.ok_or_else(nothing_here)?;
        let caching =
            if share.is_public(app.ledger_public()) { "public, max-age=604800, immutable" } else { "private, max-age=604800, immutable" };
        Ok(response.content_type("application/octet-stream").insert_header((header::CACHE_CONTROL, caching)).body(bytes))
    };
    Outcome(answer.await)
}

/// A number as the log writes numbers: decimal, no leading zeros.
fn number(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

fn index_of(request: &HttpRequest) -> Result<u64, Failure> {
    number(request.match_info().query("index")).ok_or_else(|| Failure::malformed("the index is not a whole number"))
}

/// `GET /ledger/proof/<index>`: a `.tlog-proof` file.
pub async fn proof(request: HttpRequest, shared: Data<Shared>) -> Outcome {
    let answer = async {
        let app = shared.cell.app()?;
        let mut response = enter(&request, app, Share::Hashes)?;
        let proof = app.tlog_proof(index_of(&request)?).await?;
        Ok(response.content_type(TEXT).body(proof))
    };
    Outcome(answer.await)
}

/// `GET /ledger/opening/<index>`: never public; which parts it shows follows the
/// caller's rights.
pub async fn opening(request: HttpRequest, shared: Data<Shared>) -> Outcome {
    let answer = async {
        let app = shared.cell.app()?;
        let principal = auth::principal(&request, app)?;
        let size = app.ledger_size();
        fresh_enough(&request, size)?;
        let opening = app.opening(&principal, index_of(&request)?).await?;
        Ok(HttpResponse::Ok().insert_header((LEDGER_SIZE, size)).content_type("application/json").body(opening))
    };
    Outcome(answer.await)
}

#[derive(Deserialize)]
struct Span {
    from: String,
    to: Option<String>,
}

#[derive(Serialize)]
struct Consistency {
    from: u64,
    to: u64,
    hashes: Vec<String>,
}

/// `GET /ledger/consistency?from=&to=`: RFC 6962; without `to` up to the head.
pub async fn consistency(request: HttpRequest, shared: Data<Shared>) -> Outcome {
    let answer = async {
        let app = shared.cell.app()?;
        let mut response = enter(&request, app, Share::Hashes)?;
        let size = app.ledger_size();
        let malformed = || Failure::malformed("`from` and `to` must be whole numbers");
        let Query(span) = Query::<Span>::from_query(request.query_string()).map_err(|_| malformed())?;
        let from = number(&span.from).ok_or_else(malformed)?;
        let to = span.to.as_deref().map_or(Some(size), number).ok_or_else(malformed)?;
        if from > to {
            return Err(Failure::malformed("`from` must not be larger than `to`"));
        }
        let hashes = app.consistency_json(from, to).await?;
        Ok(response.json(Consistency { from, to, hashes: hashes.iter().map(encode_hash).collect() }))
    };
    Outcome(answer.await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_opens_what_it_names_and_what_comes_before() {
        let open = |public| [Share::Head, Share::Hashes, Share::Entries].map(|share| share.is_public(public));
        assert_eq!(open(LedgerPublic::None), [false, false, false]);
        assert_eq!(open(LedgerPublic::Checkpoint), [true, false, false]);
        assert_eq!(open(LedgerPublic::Hashes), [true, true, false]);
        assert_eq!(open(LedgerPublic::Entries), [true, true, true]);
    }

    #[test]
    fn numbers_have_one_spelling() {
        assert_eq!(number("0"), Some(0));
        assert_eq!(number("18446744073709551615"), Some(u64::MAX));
        for bad in ["", "00", "01", "-1", "+1", "1.0", "18446744073709551616", " 1", "1 ", "x"] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }
}
