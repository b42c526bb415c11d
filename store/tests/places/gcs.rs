//! A stand-in for Google Cloud Storage: those calls of its XML API that a store makes, on a loopback port.
//!
//! It refuses what Google refuses: a missing or wrong token, a bucket or object that is not there, parts that are too
//! small or not those that were sent, a range outside the object. Lists come in short pages. On demand it fails as the
//! real one does on bad days.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};

pub const TOKEN: &str = "a-token-of-nobody";
pub const BUCKET: &str = "outlay-tests";
/// Objects of one page of a list.
const PAGE: usize = 3;
/// Parts but the last have at least so many bytes.
const SMALLEST_PART: usize = 5 << 20;

/// What goes wrong with a request.
#[derive(Debug, Clone)]
#[allow(dead_code, reason = "every test uses its own part of this")]
pub enum Fault {
    /// This status and code are the answer.
    Answer(u16, &'static str),
    /// The connection is cut before there is an answer.
    Cut,
    /// The connection is cut in the middle of the answer.
    CutShort,
    /// There is no answer.
    Silence,
}

#[derive(Debug, Default)]
struct Objects {
    objects: BTreeMap<String, (u64, Bytes)>,
    uploads: BTreeMap<String, BTreeMap<u32, Bytes>>,
    written: u64,
    faults: VecDeque<(Method, String, Fault)>,
    always: Vec<(Method, String, Fault)>,
    requests: Vec<String>,
}

/// A running stand-in; it ends with the test.
#[derive(Clone)]
pub struct Gcs {
    pub endpoint: String,
    state: Arc<Mutex<Objects>>,
}

#[allow(dead_code, reason = "every test uses its own part of this")]
impl Gcs {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let endpoint = format!("http://{}", listener.local_addr().expect("has an address"));
        let state = Arc::<Mutex<Objects>>::default();
        let router = Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { endpoint, state }
    }

    /// What points a store here.
    pub fn variables(&self) -> Vec<(String, String)> {
        // A service account is what keeps the library from looking for this machine's own credentials.
        let account = r#"{"private_key":"","private_key_id":"","client_email":"","disable_oauth":true}"#;
        [
            ("GOOGLE_BASE_URL", self.endpoint.as_str()),
            ("GOOGLE_SERVICE_ACCOUNT_KEY", account),
            ("GOOGLE_BEARER_TOKEN", TOKEN),
            ("GOOGLE_TIMEOUT", "60 seconds"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// The next request of this method fails so.
    pub fn fail_next(&self, method: Method, fault: Fault) {
        self.fail_next_of("", method, fault);
    }

    /// The next request of this method that ends so, as [`Self::requests`] has it, fails so.
    pub fn fail_next_of(&self, ending: &str, method: Method, fault: Fault) {
        self.state().faults.push_back((method, ending.to_owned(), fault));
    }

    /// From now on all requests of this method for keys with this text in them fail so.
    pub fn fail_always(&self, method: Method, keys: &str, fault: Fault) {
        self.state().always.push((method, keys.to_owned(), fault));
    }

    pub fn heal(&self) {
        let mut state = self.state();
        (state.always, state.faults) = (Vec::new(), VecDeque::new());
    }

    /// Methods and keys of the requests since the last look.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state().requests)
    }

    /// Bytes of an object, to be changed behind a store's back.
    pub fn object(&self, key: &str) -> Option<Bytes> {
        self.state().objects.get(key).map(|(_, bytes)| bytes.clone())
    }

    pub fn set_object(&self, key: &str, bytes: Option<Bytes>) {
        let mut state = self.state();
        match bytes {
            Some(bytes) => state.objects.insert(key.to_owned(), (0, bytes)),
            None => state.objects.remove(key),
        };
    }

    pub fn keys(&self) -> Vec<String> {
        self.state().objects.keys().cloned().collect()
    }

    /// Multipart uploads that were begun, and neither completed nor aborted.
    pub fn uploads(&self) -> usize {
        self.state().uploads.len()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, Objects> {
        self.state.lock().expect("no test panics with it")
    }
}

async fn answer(
    State(state): State<Arc<Mutex<Objects>>>,
    Query(query): Query<BTreeMap<String, String>>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    // An answer to half a request would be lost with the connection.
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else { return refused(400, "IncompleteBody") };
    let path = decoded(parts.uri.path());
    let (bucket, key) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    let fault = {
        let mut state = state.lock().expect("no test panics with it");
        let upload = query.get("uploadId").map(|upload| format!(" of {upload}")).unwrap_or_default();
        let request = format!("{} {key}{upload}", parts.method);
        state.requests.push(request.clone());
        let meant = |(method, part, _): &(Method, String, Fault)| *method == parts.method && request.ends_with(part);
        let next = state.faults.iter().position(meant);
        match next.and_then(|next| state.faults.remove(next)) {
            Some((_, _, fault)) => Some(fault),
            None => {
                let meant = |(method, keys, _): &&(Method, String, Fault)| {
                    *method == parts.method && key.contains(keys.as_str())
                };
                state.always.iter().find(meant).map(|(_, _, fault)| fault.clone())
            }
        }
    };
    match &fault {
        Some(Fault::Answer(status, code)) => return refused(*status, code),
        // The server's task ends, and its connection with it.
        Some(Fault::Cut) => std::panic::resume_unwind(Box::new(())),
        Some(Fault::Silence) => std::future::pending().await,
        Some(Fault::CutShort) | None => {}
    }
    if parts.headers.get("authorization").is_none_or(|token| token != &format!("Bearer {TOKEN}")) {
        return refused(401, "AuthenticationRequired");
    }
    if bucket != BUCKET {
        return refused(404, "NoSuchBucket");
    }
    let answer = state.lock().expect("no test panics with it").answer(&parts.method, key, &parts.headers, &query, body);
    if matches!(fault, Some(Fault::CutShort)) { cut_short(answer).await } else { answer }
}

impl Objects {
    fn answer(
        &mut self,
        method: &Method,
        key: &str,
        headers: &HeaderMap,
        query: &BTreeMap<String, String>,
        body: Bytes,
    ) -> Response {
        match (method, key, query.get("uploadId"), query.contains_key("uploads")) {
            (&Method::GET, "", ..) => self.list(query),
            (&Method::GET | &Method::HEAD, ..) => self.get(key, headers),
            (&Method::PUT, _, Some(upload), _) => self.put_part(upload, query.get("partNumber"), body),
            (&Method::PUT, ..) => self.put(key, body),
            (&Method::POST, _, None, true) => self.begin(key),
            (&Method::POST, _, Some(upload), _) => self.complete(key, upload, &body),
            (&Method::DELETE, _, Some(upload), _) => match self.uploads.remove(upload) {
                Some(_) => StatusCode::NO_CONTENT.into_response(),
                None => refused(404, "NoSuchUpload"),
            },
            (&Method::DELETE, ..) => match self.objects.remove(key) {
                Some(_) => StatusCode::NO_CONTENT.into_response(),
                None => refused(404, "NoSuchKey"),
            },
            _ => refused(400, "InvalidArgument"),
        }
    }

    fn list(&self, query: &BTreeMap<String, String>) -> Response {
        let prefix = query.get("prefix").map_or("", String::as_str);
        let after = query.get("continuation-token").map_or("", String::as_str);
        let mut found =
            self.objects.iter().filter(|(key, _)| key.starts_with(prefix) && key.as_str() > after).peekable();
        let mut page = String::new();
        let mut last = String::new();
        for (key, (generation, bytes)) in found.by_ref().take(PAGE) {
            page.push_str(&format!(
                "<Contents><Key>{key}</Key><Size>{}</Size><ETag>\"{generation}\"</ETag>\
                 <LastModified>2026-11-21T00:00:00.000Z</LastModified></Contents>",
                bytes.len()
            ));
            last.clone_from(key);
        }
        let more = match found.peek() {
            Some(_) => format!("<NextContinuationToken>{last}</NextContinuationToken>"),
            None => String::new(),
        };
        xml(&format!("<ListBucketResult>{page}{more}</ListBucketResult>"))
    }

    fn get(&self, key: &str, headers: &HeaderMap) -> Response {
        let Some((generation, bytes)) = self.objects.get(key) else { return refused(404, "NoSuchKey") };
        let about = |status: StatusCode, bytes: Bytes| {
            let headers = [
                ("etag", format!("\"{generation}\"")),
                ("last-modified", "Sat, 21 Nov 2026 00:00:00 GMT".to_owned()),
                ("x-goog-generation", generation.to_string()),
            ];
            (status, headers, bytes).into_response()
        };
        let Some(range) = headers.get("range").and_then(|range| range.to_str().ok()) else {
            return about(StatusCode::OK, bytes.clone());
        };
        let range = range.strip_prefix("bytes=").and_then(|range| range.split_once('-'));
        let read = |text: &str| text.parse::<usize>().ok();
        match range.map(|(from, to)| (read(from), read(to))) {
            Some((Some(from), to)) if from < bytes.len() => {
                let to = to.map_or(bytes.len(), |to| (to + 1).min(bytes.len()));
                let mut answer = about(StatusCode::PARTIAL_CONTENT, bytes.slice(from..to));
                let range = format!("bytes {from}-{}/{}", to - 1, bytes.len());
                answer.headers_mut().insert("content-range", range.parse().expect("a header"));
                answer
            }
            _ => refused(416, "InvalidRange"),
        }
    }

    fn put(&mut self, key: &str, bytes: Bytes) -> Response {
        self.written += 1;
        let generation = self.written;
        self.objects.insert(key.to_owned(), (generation, bytes));
        [("etag", format!("\"{generation}\"")), ("x-goog-generation", generation.to_string())].into_response()
    }

    fn begin(&mut self, key: &str) -> Response {
        self.written += 1;
        let upload = format!("upload-{}", self.written);
        self.uploads.insert(upload.clone(), BTreeMap::new());
        xml(&format!(
            "<InitiateMultipartUploadResult><Bucket>{BUCKET}</Bucket><Key>{key}</Key><UploadId>{upload}</UploadId>\
             </InitiateMultipartUploadResult>"
        ))
    }

    fn put_part(&mut self, upload: &str, number: Option<&String>, bytes: Bytes) -> Response {
        let number = number.and_then(|number| number.parse().ok()).filter(|number| (1..=10_000).contains(number));
        match (self.uploads.get_mut(upload), number) {
            (Some(parts), Some(number)) => {
                let tag = tag(&bytes);
                parts.insert(number, bytes);
                [("etag", tag)].into_response()
            }
            (None, _) => refused(404, "NoSuchUpload"),
            (_, None) => refused(400, "InvalidArgument"),
        }
    }

    fn complete(&mut self, key: &str, upload: &str, body: &[u8]) -> Response {
        let Some(parts) = self.uploads.get(upload) else { return refused(404, "NoSuchUpload") };
        let body = String::from_utf8_lossy(body);
        for (number, part) in parts {
            let (number, tag) = (format!("<PartNumber>{number}</PartNumber>"), format!("<ETag>{}</ETag>", tag(part)));
            if !body.split("<Part>").any(|said| said.contains(&number) && said.contains(&tag)) {
                return refused(400, "InvalidPart");
            }
        }
        let last = parts.len();
        if parts.values().take(last - 1).any(|part| part.len() < SMALLEST_PART) {
            return refused(400, "EntityTooSmall");
        }
        let whole: Vec<u8> = parts.values().flat_map(|part| part.iter().copied()).collect();
        self.uploads.remove(upload);
        self.put(key, whole.into());
        xml("<CompleteMultipartUploadResult><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>")
    }
}

fn tag(bytes: &[u8]) -> String {
    format!("\"{:x}\"", bytes.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte))))
}

fn xml(text: &str) -> Response {
    ([("content-type", "application/xml")], format!("<?xml version='1.0' encoding='UTF-8'?>{text}")).into_response()
}

/// What Google quotes back may hold what nobody else should read.
fn refused(status: u16, code: &str) -> Response {
    let body = xml(&format!("<Error><Code>{code}</Code><Details>token {TOKEN}</Details></Error>"));
    (StatusCode::from_u16(status).expect("a status"), body).into_response()
}

/// Half of the body, and then the connection is gone.
async fn cut_short(answer: Response) -> Response {
    let (mut parts, body) = answer.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.expect("is in memory");
    let half = bytes.slice(..bytes.len() / 2);
    parts.headers.insert("content-length", bytes.len().into());
    let pieces = [Ok(half), Err(std::io::Error::other("cut"))];
    Response::from_parts(parts, Body::from_stream(futures_util::stream::iter(pieces)))
}

fn decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = after.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match escaped.filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).expect("a path is text")
}
