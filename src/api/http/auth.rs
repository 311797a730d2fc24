//! Who asks: a bearer token in the header `Authorization`, and nowhere else.
use std::sync::Arc;

use actix_web::{
    HttpRequest,
    http::{StatusCode, header},
    web::Query,
};

use super::answer::Failure;
use crate::{
    access::{Principal, TOKEN_PREFIX, TokenDigest},
    app::{App, Code},
};

/// Names of query parameters that tokens are put into by mistake.
const TOKEN_PARAMETERS: [&str; 6] = ["token", "access_token", "bearer", "api_key", "apikey", "authorization"];

/// The token's text. One way through for every kind of header: what differs is
/// only the message.
fn bearer(request: &HttpRequest) -> Result<&str, &'static str> {
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    let value = match (headers.next(), headers.next()) {
        (Some(value), None) => value,
        (None, _) => return Err("a token is needed: `Authorization: Bearer …`"),
        (Some(_), Some(_)) => return Err("the request has more than one `Authorization` header"),
    };
    value.to_str().ok().and_then(bearer_of).ok_or("the header `Authorization` is not `Bearer` and a token")
}

/// The token of a value such as `Bearer …`.
#[must_use]
pub fn bearer_of(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
}

/// The caller's token, to be looked at again later.
///
/// # Errors
/// As [`principal`].
pub fn credential(request: &HttpRequest, app: &App) -> Result<TokenDigest, Failure> {
    let token = bearer(request).map_err(|message| app.unauthenticated(None, message))?;
    Ok(app.recognise(token)?)
}

/// The caller.
///
/// # Errors
/// 401 without a token, and for one that is unknown, malformed, expired or revoked.
pub fn principal(request: &HttpRequest, app: &App) -> Result<Arc<Principal>, Failure> {
    let token = bearer(request).map_err(|message| app.unauthenticated(None, message))?;
    Ok(app.authenticate(token)?)
}

/// Whether the request shows a token at all.
#[must_use]
pub fn is_anonymous(request: &HttpRequest) -> bool {
    !request.headers().contains_key(header::AUTHORIZATION)
}

/// Refuses tokens in the query string: addresses end up in logs and histories.
///
/// # Errors
/// 400.
pub fn check_query_string(query: &str) -> Result<(), Failure> {
    if query.is_empty() {
        return Ok(());
    }
    let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::from_query(query) else { return Ok(()) };
    let told = pairs.iter().any(|(name, value)| {
        TOKEN_PARAMETERS.iter().any(|known| name.eq_ignore_ascii_case(known)) || (value.starts_with(TOKEN_PREFIX) && value.len() == 46)
    });
    if told {
        return Err(Failure::new(
            StatusCode::BAD_REQUEST,
            Code::BadUserInput,
            "a token does not belong into an address, where logs and histories keep it: send `Authorization: Bearer …`, and revoke this one",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_token_is_read_from_one_bearer_header_only() {
        let read = |headers: &[&str]| {
            let request = headers.iter().fold(TestRequest::default(), |r, h| r.append_header(("authorization", *h))).to_http_request();
            bearer(&request).ok().map(str::to_owned)
        };
        assert_eq!(read(&["Bearer ll_x"]).as_deref(), Some("ll_x"));
        assert_eq!(read(&["bearer  ll_x"]).as_deref(), Some("ll_x"));
        for bad in [&[] as &[&str], &["ll_x"], &["Basic bGw6eA=="], &["Bearer"], &["Bearer a", "Bearer b"], &["Bearerll_x"]] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        // An empty token is the application's to refuse.
        assert_eq!(read(&["Bearer "]).as_deref(), Some(""));
    }

    #[test]
    fn tokens_in_an_address_are_refused_without_being_repeated() {
        let token = format!("ll_{}", "A".repeat(43));
        for bad in ["token=x", "a=1&Access_Token=x", "%61ccess_token=x", &format!("q={token}"), "authorization=Bearer+x"] {
            let failure = check_query_string(bad).unwrap_err();
            assert_eq!(failure.status.as_u16(), 400);
            assert!(!failure.error.message.contains("ll_"));
        }
        for good in ["", "from=0&to=7", "query={a}", "%ff=%ff", "tokens=1"] {
            assert!(check_query_string(good).is_ok(), "{good}");
        }
    }
}
