//! The page: files of `ui/dist`, compressed and embedded by build.rs. Without a built page a small one says so.
//!
//! Files under `/assets/` carry a hash in their name and never change; the others are asked for again each time and
//! answered with 304 while they stay the same.

use super::{ApiError, error::Code};
use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use std::io::Read;

/// One embedded file.
pub struct Asset {
    path: &'static str,
    mime: &'static str,
    etag: &'static str,
    /// Whether `bytes` are gzip.
    gzip: bool,
    bytes: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The file that a path names.
pub fn find(path: &str) -> Option<&'static Asset> {
    let path = if path == "/" { "/index.html" } else { path };
    ASSETS.iter().find(|asset| asset.path == path)
}

/// What the page may load and who may frame it: itself, and nobody.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; img-src 'self' data:; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; \
         form-action 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::VARY, "accept-encoding"),
];

/// The handler of `/`.
pub async fn page(request: Request) -> Response {
    file(request).await
}

/// The handler of all paths that are no route: an embedded file, or 404.
pub async fn file(request: Request) -> Response {
    let path = request.uri().path();
    match find(path) {
        None => ApiError::new(Code::NotFound, format!("there is nothing at {path}")).into_response(),
        Some(_) if !matches!(*request.method(), Method::GET | Method::HEAD) => {
            super::error::method_not_allowed(request).await.into_response()
        }
        Some(asset) => answer(asset, request.headers()),
    }
}

fn answer(asset: &'static Asset, headers: &HeaderMap) -> Response {
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|tags| {
        tags.to_str().is_ok_and(|tags| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == asset.etag))
    });
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else if !asset.gzip {
        asset.bytes.into_response()
    } else if accepts_gzip(headers) {
        ([(header::CONTENT_ENCODING, "gzip")], asset.bytes).into_response()
    } else {
        inflate(asset.bytes).into_response()
    };
    let forever = asset.path.starts_with("/assets/");
    let cache = if forever { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.mime));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    // Weak: the same file goes out with and without compression.
    if let Ok(tag) = HeaderValue::try_from(format!("W/{}", asset.etag)) {
        headers.insert(header::ETAG, tag);
    }
    response
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|item| {
        let (coding, weight) = item.split_once(';').unwrap_or((item, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
        matches!(coding.trim(), "gzip" | "*") && !refused
    })
}

/// For the rare client that takes no gzip. Our own bytes: a fault is impossible and would give an empty file.
fn inflate(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    if let Err(error) = flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain) {
        tracing::error!(%error, "an embedded file cannot be inflated");
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    async fn get(path: &str, list: &[(&'static str, &str)]) -> Response {
        let mut request = Request::builder().uri(path);
        for (name, value) in list {
            request = request.header(*name, *value);
        }
        file(request.body(Body::empty()).unwrap()).await
    }

    async fn text(response: Response) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn the_page_is_safe_and_asked_for_again() {
        let response = get("/", &[]).await;
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "text/html; charset=utf-8");
        assert_eq!(header("cache-control"), "no-cache");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert!(header("content-security-policy").contains("frame-ancestors 'none'"));
        let tag = header("etag");
        assert!(text(response).await.to_lowercase().contains("<!doctype html>"));
        for (sent, expected) in [(tag.as_str(), 304), (&tag[2..], 304), ("\"x\"", 200), ("\"x\", W/\"y\"", 200)] {
            assert_eq!(get("/", &[("if-none-match", sent)]).await.status(), expected, "{sent}");
        }
    }

    #[tokio::test]
    async fn every_file_is_served_as_it_was() {
        for asset in ASSETS {
            let plain = get(asset.path, &[("accept-encoding", "gzip;q=0")]).await;
            assert!(!plain.headers().contains_key("content-encoding"), "{}", asset.path);
            let packed = get(asset.path, &[("accept-encoding", "br, gzip")]).await;
            assert_eq!(packed.headers().contains_key("content-encoding"), asset.gzip, "{}", asset.path);
        }
        assert_eq!(get("/nothing", &[]).await.status(), 404);
        assert_eq!(get("/../Cargo.toml", &[]).await.status(), 404);
    }
}
