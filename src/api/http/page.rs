//! The query page: three files that are part of the program and load nothing from
//! elsewhere. The policy permits exactly those.
use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ETag, EntityTag, Header as _, IfNoneMatch},
};
use sha2::{Digest as _, Sha256};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /`.
pub async fn html(request: HttpRequest) -> HttpResponse {
    file(&request, include_str!("page.html"), "text/html; charset=utf-8")
}

/// `GET /page.css`.
pub async fn css(request: HttpRequest) -> HttpResponse {
    file(&request, include_str!("page.css"), "text/css; charset=utf-8")
}

/// `GET /page.js`.
pub async fn js(request: HttpRequest) -> HttpResponse {
    file(&request, include_str!("page.js"), "text/javascript; charset=utf-8")
}

fn file(request: &HttpRequest, text: &'static str, content_type: &str) -> HttpResponse {
    let digest = Sha256::digest(text);
    let tag = EntityTag::new_strong(hex::encode(&digest[..16]));
    let known = match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|t| t.weak_eq(&tag)),
        Err(_) => false,
    };
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header(ETag(tag))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY));
    if known { response.finish() } else { response.content_type(content_type).body(text) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_keeps_to_its_policy() {
        let html = include_str!("page.html");
        // No inline script or style, no handler in an attribute, nothing from elsewhere.
        for (open, close) in [("<script", ">"), ("<style", ">")] {
            for (at, _) in html.match_indices(open) {
                assert!(html[at..].split(close).next().unwrap().contains("src="), "inline {open}");
            }
        }
        for elsewhere in ["http://", "https://", "//cdn", " style=", " onclick=", " onload=", "javascript:"] {
            assert!(!html.contains(elsewhere), "{elsewhere}");
        }
    }
}
