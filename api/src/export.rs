//! `GET /export/focus`: charges as a file in the FOCUS format, and the metadata of one.
//!
//! Whether there is an export at all is known before the first byte; then it is sent as it is written, however long it is.
//! One that goes wrong after that is cut off, so that nobody takes it for whole.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::str::FromStr;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use futures_util::stream::{StreamExt as _, unfold};
use outlay_insights::{Export, InsightError};
use outlay_model::export::{DEFAULT_VERSION, ExportParams, ExportQuery, FileKind, VERSIONS};
use outlay_model::focus::FocusVersion;
use outlay_model::query::ParameterError;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response as Documented};

use crate::caller::Caller;
use crate::etag::Known;
use crate::openapi::{Answers, words};
use crate::params::{Closed, parameters};
use crate::problem::{Code, Problem, chain};
use crate::spend::{WARNINGS, codes_of};
use crate::{Api, wire};

/// The generation of the catalog that a file is of; its metadata can be asked for by it.
const GENERATION: HeaderName = HeaderName::from_static("outlay-generation");
/// Bytes of a chunk.
const CHUNK: usize = 1 << 18;
/// Chunks that wait for a slow reader.
const WAITING: usize = 4;
/// How long a reader may take no chunk before it is given up: it keeps others from exporting.
const STALLED: Duration = Duration::from_secs(60);

parameters! {
    /// Which charges, in which version of FOCUS, as what.
    ExportParameters {
        /// The version of FOCUS to write.
        version: words::one_of(VERSIONS.map(FocusVersion::as_str), Some(DEFAULT_VERSION.as_str()));
        /// Which days, as for `/spend`.
        period: words::period();
        /// The first day, instead of `period` and with `to`, as for `/spend`.
        from: words::bound("2026-10-01");
        /// The day after the last, with `from`.
        to: words::bound("2026-11-01");
        /// Which time counts: when a charge starts, or the invoice period it is in.
        basis: words::basis();
        /// Which charges, as for `/spend`.
        filter: words::text("provider = 'AWS'");
        /// The charges of one source alone.
        source: words::source();
        /// The state of the data to export, as `Outlay-Generation` names it; else the latest.
        generation: words::number(412);
        /// Lets nulls through that the version does not allow.
        allow_null: words::one_of(["true", "false"], Some("false"));
        /// The charges as a file, or what there is to know of that file.
        format: words::one_of(Format::ALL.map(Format::as_str), Some(Format::Csv.as_str()));
    }
}

struct ExportAnswers;

impl IntoResponses for ExportAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::of::<wire::ExportMetadata<'_>>("The file, or with `format=metadata` what there is to know of it.")
            .or_text("text/csv")
            .or_text("application/vnd.apache.parquet")
            .header("Outlay-Generation", "The generation of the data it is of.")
            .header("Outlay-Warnings", "The distinct codes of the warnings, when there are any.")
            .refusing(&[
                Code::RepeatedParameter,
                Code::InvalidParameter,
                Code::InvalidFilter,
                Code::Forbidden,
                Code::NullsNotAllowed,
                Code::DetailExpired,
                Code::Overflow,
            ])
    }
}

/// How the answer is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Format {
    /// Text.
    Csv,
    /// Columns.
    Parquet,
    /// What there is to know of either.
    Metadata,
}

impl Format {
    const ALL: [Self; 3] = [Self::Csv, Self::Parquet, Self::Metadata];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Metadata => "metadata",
        }
    }

    const fn kind(self) -> Option<FileKind> {
        match self {
            Self::Csv => Some(FileKind::Csv),
            Self::Parquet => Some(FileKind::Parquet),
            Self::Metadata => None,
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Metadata => "application/json",
        }
    }
}

impl FromStr for Format {
    type Err = ParameterError;

    fn from_str(text: &str) -> Result<Self, ParameterError> {
        Self::ALL.into_iter().find(|format| format.as_str() == text).ok_or_else(|| {
            let words = Self::ALL.map(Self::as_str).join(", ");
            ParameterError::new("format", format!("{text:?} is not one of {words}"))
        })
    }
}

/// Charges in the FOCUS format.
///
/// Every charge, whatever its category or sign, with every digit. Columns that FOCUS demands and bills leave out are never
/// made up: the export is refused, or nulls are let through.
#[utoipa::path(get, path = "/export/focus", tag = "figures", params(ExportParameters), responses(ExportAnswers))]
pub async fn export_focus(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Closed(params): Closed<ExportParameters>,
) -> Result<Response, Problem> {
    let (query, format) = read(&api, params)?;
    let answer = async {
        let export = api.insights.export(&query, api.today(), &scope).await?;
        Ok::<_, Problem>(send(export, format, (api.clock)()))
    };
    api.unless_known(&known, &scope, ("export", &query, format), answer).await
}

fn read(api: &Api, params: ExportParameters) -> Result<(ExportQuery, Format), Problem> {
    let format = params.format.as_deref().map_or(Ok(Format::Csv), str::parse)?;
    let params = ExportParams {
        version: params.version,
        period: params.period,
        from: params.from,
        to: params.to,
        basis: params.basis,
        filter: params.filter,
        source: params.source,
        generation: params.generation,
        allow_null: params.allow_null,
    };
    Ok((params.query(api.today())?, format))
}

/// Starts the export and answers with what it writes.
fn send(export: Export, format: Format, now: DateTime<Utc>) -> Response {
    let head = export.head();
    let name = format.kind().map(|kind| format!("attachment; filename=\"{}\"", wire::export_name(head, kind)));
    let headers = [
        (CONTENT_TYPE, Some(format.content_type().to_owned())),
        (CONTENT_DISPOSITION, name),
        (GENERATION, Some(head.generation.to_string())),
        (WARNINGS, codes_of(&head.warnings)),
    ];
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let pipe = Pipe::into(sender.clone());
        let sent = match format.kind() {
            Some(kind) => export.write(kind, pipe).await.map(drop),
            None => describe(&export, pipe, &sender, now).await,
        };
        if let Err(error) = sent {
            let error_text = chain(&error);
            if error.is_output() {
                tracing::info!(error = error_text, "nobody reads the export any more");
            } else {
                tracing::error!(error = error_text, "the export is cut off");
            }
            // Whoever still reads must not take it for whole.
            drop(sender.send(Err(io::Error::other("the export failed"))).await);
        }
    });
    let chunks = unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|chunk| (chunk, receiver)) });
    // Whoever packs the body asks once more after its end.
    let chunks = chunks.fuse();
    let mut response = Body::from_stream(chunks).into_response();
    for (header, text) in headers {
        if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
            response.headers_mut().insert(header, value);
        }
    }
    response
}

async fn describe(
    export: &Export,
    watched: Pipe,
    sender: &mpsc::Sender<io::Result<Bytes>>,
    now: DateTime<Utc>,
) -> Result<(), InsightError> {
    let exported = export.look(watched).await?;
    let text = serde_json::to_vec(&wire::export_metadata(export.head(), &exported, now));
    let text = text.map_err(|error| io::Error::other(error.to_string()));
    // Nobody may be there to hear it; then there is nobody to tell.
    drop(sender.send(text.map(Bytes::from)).await);
    Ok(())
}

/// Takes bytes on a thread that may block, and hands them over in chunks. It ends with its reader.
struct Pipe {
    sender: mpsc::Sender<io::Result<Bytes>>,
    chunk: Vec<u8>,
    runtime: Handle,
}

impl Pipe {
    fn into(sender: mpsc::Sender<io::Result<Bytes>>) -> Self {
        Self { sender, chunk: Vec::new(), runtime: Handle::current() }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let gone = || io::Error::new(io::ErrorKind::BrokenPipe, "the reader has gone");
        if self.chunk.is_empty() {
            return if self.sender.is_closed() { Err(gone()) } else { Ok(()) };
        }
        let chunk = Ok(Bytes::from(std::mem::take(&mut self.chunk)));
        self.runtime.block_on(self.sender.send_timeout(chunk, STALLED)).map_err(|error| match error {
            mpsc::error::SendTimeoutError::Closed(_) => gone(),
            mpsc::error::SendTimeoutError::Timeout(_) => {
                io::Error::new(io::ErrorKind::TimedOut, "the reader has taken nothing for a minute")
            }
        })
    }
}
