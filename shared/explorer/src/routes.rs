//! The routes, without layers: those belong to the server.

use crate::asset::{A_WHILE, ASK_AGAIN, Asset, FOR_EVER};
use crate::files::{FILES, VERSION, page};
use axum::Router;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use rota_wire::{ApiError, OPENAPI};
use std::collections::HashMap;
use std::sync::Arc;

/// Version and name of a file; what is no text names none.
type FilePath = Result<Path<(String, String)>, PathRejection>;

/// `/explorer` with what it loads, and `/openapi.json`.
pub fn router() -> Router {
    let page = Asset::new(page(), "text/html; charset=utf-8", ASK_AGAIN);
    let description = Asset::new(OPENAPI, "application/json", A_WHILE);
    let files = FILES.iter().map(|file| (file.name, Asset::new(file.body, file.kind, FOR_EVER)));
    let files: Arc<HashMap<_, _>> = Arc::new(files.collect());
    Router::new()
        .route("/explorer", get(async move |headers: HeaderMap| page.answer(&headers)))
        .route("/explorer/", get(to_the_page))
        .route(
            "/explorer/{version}/{file}",
            get(async move |path: FilePath, headers: HeaderMap| {
                let file = path.ok().and_then(|Path((version, name))| {
                    files.get(name.as_str()).filter(|_| version == *VERSION)
                });
                file.map(|file| file.answer(&headers)).ok_or(ApiError::NoRoute)
            }),
        )
        .route("/openapi.json", get(async move |headers: HeaderMap| description.answer(&headers)))
}

/// The page names its files relative to `/explorer`. The target is relative, too: nothing here knows under
/// which prefix it is served.
async fn to_the_page() -> Response {
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, "../explorer")]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt as _;

    async fn ask(path: &str, tag: Option<&str>) -> Response {
        let mut request = Request::get(path);
        if let Some(tag) = tag {
            request = request.header("if-none-match", tag);
        }
        router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    fn field<'a>(response: &'a Response, name: &str) -> &'a str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn file(name: &str) -> String {
        format!("/explorer/{}/{name}", *VERSION)
    }

    #[tokio::test]
    async fn everything_has_a_type_a_tag_and_an_age() {
        for (path, kind, kept) in [
            ("/explorer".to_owned(), "text/html; charset=utf-8", "private, no-cache"),
            (file("app.js"), "text/javascript; charset=utf-8", "immutable"),
            (file("style.css"), "text/css; charset=utf-8", "immutable"),
            ("/openapi.json".to_owned(), "application/json", "max-age=300"),
        ] {
            let response = ask(&path, None).await;
            assert_eq!((response.status().as_u16(), field(&response, "content-type")), (200, kind));
            assert_eq!(response.headers().get_all("content-type").iter().count(), 1, "{path}");
            assert!(field(&response, "cache-control").contains(kept), "{path}");
            assert_eq!(field(&response, "x-content-type-options"), "nosniff");
            assert_eq!(field(&response, "referrer-policy"), "no-referrer");
            let policy = field(&response, "content-security-policy");
            assert!(
                policy.starts_with("default-src 'self'") && !policy.contains("unsafe"),
                "{policy}"
            );
            let tag = field(&response, "etag").to_owned();
            for known in [tag.as_str(), tag.trim_start_matches("W/"), "*", &format!("\"x\", {tag}")]
            {
                let again = ask(&path, Some(known)).await;
                assert_eq!((again.status().as_u16(), field(&again, "etag")), (304, &*tag));
                assert_eq!(field(&again, "content-length"), "", "that of the whole body");
                assert!(to_bytes(again.into_body(), 1).await.unwrap().is_empty());
            }
            assert_eq!(ask(&path, Some("\"another\"")).await.status(), 200);
        }
    }

    #[tokio::test]
    async fn another_version_and_other_files_are_404() {
        for path in
            [file("index.html"), file("x"), file("%ff"), "/explorer/older/app.js".to_owned()]
        {
            let answer = ask(&path, None).await;
            let told = (answer.status().as_u16(), field(&answer, "content-type"));
            assert_eq!(told, (404, "application/json"), "{path}");
        }
    }

    #[tokio::test]
    async fn a_slash_too_many_leads_to_the_page() {
        let response = ask("/explorer/", None).await;
        assert_eq!(
            (response.status().as_u16(), field(&response, "location")),
            (308, "../explorer")
        );
    }

    #[tokio::test]
    async fn the_description_is_json() {
        let body = to_bytes(ask("/openapi.json", None).await.into_body(), 1 << 20).await.unwrap();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert!(json["openapi"].is_string());
    }
}
