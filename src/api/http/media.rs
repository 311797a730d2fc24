//! Media types: what a body is, and which answer a client takes (RFC 9110 §12.5.1).
use actix_web::{HttpRequest, http::header};

/// The media types of GraphQL answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Media {
    /// `application/json`: well-formed requests are answered with 200.
    Json,
    /// `application/graphql-response+json`: the status tells what became of it.
    GraphqlResponse,
}

impl Media {
    /// The value of `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        }
    }

    const fn essence(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::GraphqlResponse => "application/graphql-response+json",
        }
    }
}

/// A media type without its parameters, lower case, and its charset.
fn parts(value: &str) -> (String, Option<String>, f32) {
    let mut pieces = value.split(';').map(str::trim);
    let essence = pieces.next().unwrap_or_default().to_ascii_lowercase();
    let (mut charset, mut q) = (None, 1.0);
    for (name, value) in pieces.filter_map(|p| p.split_once('=')) {
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "charset" => charset = Some(value.to_ascii_lowercase()),
            "q" => q = value.parse::<f32>().ok().filter(|q| (0.0..=1.0).contains(q)).unwrap_or(0.0),
            _ => {}
        }
    }
    (essence, charset, q)
}

fn is_utf8(charset: Option<&str>) -> bool {
    matches!(charset, None | Some("utf-8" | "utf8"))
}

/// The request body's media type: its essence, or `None` where there is none.
/// A charset other than UTF-8 makes it a type that nobody knows.
#[must_use]
pub fn content_type(request: &HttpRequest) -> Option<String> {
    let value = request.headers().get(header::CONTENT_TYPE)?;
    let (essence, charset, _) = parts(value.to_str().unwrap_or("?"));
    Some(if is_utf8(charset.as_deref()) { essence } else { "?".to_owned() })
}

/// The answer that a client likes best. Without a wish it gets `application/json`.
/// `None`: it takes neither.
#[must_use]
pub fn accepted<'h>(headers: impl Iterator<Item = &'h str>) -> Option<Media> {
    let ranges: Vec<_> = headers.flat_map(|h| h.split(',')).map(str::trim).filter(|r| !r.is_empty()).map(parts).collect();
    if ranges.is_empty() {
        return Some(Media::Json);
    }
    // For each type the most specific range counts; among equals the earlier one.
    let wish = |media: Media| {
        let specific = |essence: &str| match essence {
            e if e == media.essence() => 2,
            "application/*" => 1,
            "*/*" => 0,
            _ => -1,
        };
        let (place, (_, _, q)) = ranges
            .iter()
            .enumerate()
            .filter(|(_, (essence, charset, _))| specific(essence) >= 0 && is_utf8(charset.as_deref()))
            .max_by_key(|(place, (essence, ..))| (specific(essence), std::cmp::Reverse(*place)))?;
        (*q > 0.0).then_some((*q, place))
    };
    match (wish(Media::Json), wish(Media::GraphqlResponse)) {
        (None, None) => None,
        (Some(_), None) => Some(Media::Json),
        (None, Some(_)) => Some(Media::GraphqlResponse),
        (Some((json_q, json)), Some((graphql_q, graphql))) => {
            let graphql_first = graphql_q > json_q || (graphql_q >= json_q && graphql < json);
            Some(if graphql_first { Media::GraphqlResponse } else { Media::Json })
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_answer_is_the_one_that_the_client_likes_best() {
        use Media::{GraphqlResponse, Json};
        for (accept, expected) in [
            ("", Some(Json)),
            ("*/*", Some(Json)),
            ("application/*", Some(Json)),
            ("application/json", Some(Json)),
            ("Application/JSON; Charset=UTF-8", Some(Json)),
            ("application/graphql-response+json", Some(GraphqlResponse)),
            ("application/graphql-response+json; charset=utf-8, application/json; charset=utf-8", Some(GraphqlResponse)),
            ("application/json, application/graphql-response+json", Some(Json)),
            ("application/graphql-response+json;q=0.5, application/json;q=0.9", Some(Json)),
            ("application/graphql-response+json, application/json;q=0.9", Some(GraphqlResponse)),
            ("application/json;q=0, */*", Some(GraphqlResponse)),
            ("*/*;q=0.1, application/graphql-response+json", Some(GraphqlResponse)),
            ("text/html, */*;q=0.8", Some(Json)),
            ("text/html", None),
            ("text/html,application/xml", None),
            ("application/json;q=0", None),
            ("application/json;q=2", None),
            ("application/json; charset=utf-16", None),
            ("multipart/mixed", None),
        ] {
            assert_eq!(accepted([accept].into_iter()), expected, "{accept}");
        }
        assert_eq!(accepted(["text/html", "application/json"].into_iter()), Some(Json));
        assert_eq!(accepted(std::iter::empty()), Some(Json));
    }

    #[test]
    fn a_bodys_type_is_read_without_its_parameters() {
        let read = |value: &'static str| content_type(&TestRequest::default().insert_header(("content-type", value)).to_http_request());
        assert_eq!(read("application/json").as_deref(), Some("application/json"));
        assert_eq!(read("Application/JSON;charset=\"UTF-8\"").as_deref(), Some("application/json"));
        assert_eq!(read("application/json; charset=latin1").as_deref(), Some("?"));
        assert_eq!(read("text/plain").as_deref(), Some("text/plain"));
        assert_eq!(content_type(&TestRequest::default().to_http_request()), None);
    }
}
