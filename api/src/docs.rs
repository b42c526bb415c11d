//! `/openapi.json`, and `/docs` to read it and try it out: Swagger UI from this binary, which calls nobody.

use std::sync::{Arc, LazyLock};

use axum::extract::{Path, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use utoipa_swagger_ui::Config;

use crate::Api;
use crate::etag::{Known, Tag};
use crate::problem::{Code, Problem};

/// Scripts and pictures are the binary's own. Swagger UI sets styles from its script.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Addresses are relative, so that a proxy may serve all of it below a path of its own. No validator is asked.
static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    let config =
        Config::from("../openapi.json").validator_url("none").deep_linking(true).display_request_duration(true);
    Arc::new(config.default_models_expand_depth(0).try_it_out_enabled(true).use_base_layout())
});

/// `GET /openapi.json`
pub async fn get_openapi(State(api): State<Api>, known: Known) -> Response {
    Tag::of(&api.document).on(&known, ([(CONTENT_TYPE, "application/json")], api.document))
}

/// `GET /docs`: its files are beside its page.
pub async fn get_docs() -> Response {
    (StatusCode::PERMANENT_REDIRECT, [(LOCATION, "docs/")]).into_response()
}

/// `GET /docs/`
pub async fn get_docs_page(known: Known) -> Result<Response, Problem> {
    file("index.html", &known)
}

/// `GET /docs/{file}`
pub async fn get_docs_file(Path(name): Path<String>, known: Known) -> Result<Response, Problem> {
    file(&name, &known)
}

fn file(name: &str, known: &Known) -> Result<Response, Problem> {
    let file = utoipa_swagger_ui::serve(name, Arc::clone(&CONFIG)).map_err(|error| {
        tracing::error!(%error, name, "a page of the documentation could not be made");
        Problem::new(Code::Internal, "the page could not be made")
    })?;
    let file = file.ok_or_else(|| Problem::new(Code::NotFound, format!("the documentation has no file {name:?}")))?;
    let kind = HeaderValue::try_from(file.content_type).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let tag = Tag::of(&file.bytes);
    Ok(tag.on(known, ([(CONTENT_TYPE, kind), (CONTENT_SECURITY_POLICY, POLICY)], file.bytes.into_owned())))
}
