//! What a client is told when it gets no answer: RFC 9457 problems from a closed list of codes.
//!
//! The client's text and the log's chain are different things. Where the client is at fault it is told what and where;
//! where we are, it learns only that much, and the chain is logged here, once.

use std::error::Error;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use outlay_insights::InsightError;
use outlay_model::query::ParameterError;
use serde::Serialize;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $status:ident, $title:literal;)*) => {
        /// Every reason for not answering. The words are part of the contract: programs act on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// All of them.
            #[cfg(test)]
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// Its HTTP status.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// What it means, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

codes! {
    /// Not in the route's closed list.
    UnknownParameter = "unknown_parameter", BAD_REQUEST, "Unknown parameter";
    /// Given twice.
    RepeatedParameter = "repeated_parameter", BAD_REQUEST, "Parameter given more than once";
    /// Not understood, or at odds with another.
    InvalidParameter = "invalid_parameter", BAD_REQUEST, "Invalid parameter";
    /// `filter` or `having` is not an expression we know.
    InvalidFilter = "invalid_filter", BAD_REQUEST, "Invalid filter expression";
    /// Not percent-encoded UTF-8.
    MalformedUrl = "malformed_url", BAD_REQUEST, "Malformed URL";
    /// The caller may not see this.
    Forbidden = "forbidden", FORBIDDEN, "Not visible to this caller";
    /// No such path.
    NotFound = "not_found", NOT_FOUND, "No such path";
    /// No charge ever had this team.
    UnknownTeam = "unknown_team", NOT_FOUND, "No such team";
    /// No charge ever had this service.
    UnknownService = "unknown_service", NOT_FOUND, "No such service";
    /// No run of this id.
    UnknownRun = "unknown_run", NOT_FOUND, "No such run";
    /// Not a dimension.
    UnknownDimension = "unknown_dimension", NOT_FOUND, "No such dimension";
    /// The path does not take this method.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed";
    /// The page's data is no longer kept.
    CursorGone = "cursor_gone", GONE, "Cursor no longer valid";
    /// The query is too long.
    UriTooLong = "uri_too_long", URI_TOO_LONG, "URL too long";
    /// The charges it asks for are kept no longer.
    DetailExpired = "detail_expired", UNPROCESSABLE_ENTITY, "Detail is kept no longer";
    /// More rows than are given without paging.
    TooManyRows = "too_many_rows", UNPROCESSABLE_ENTITY, "Answer has too many rows";
    /// More columns or cells than a wide table may have.
    TooWide = "too_wide", UNPROCESSABLE_ENTITY, "Table too wide";
    /// No exchange rate (P7).
    RateMissing = "rate_missing", UNPROCESSABLE_ENTITY, "Exchange rate missing";
    /// No source states hours.
    NoHourlyDetail = "no_hourly_detail", UNPROCESSABLE_ENTITY, "No hourly detail";
    /// A sum that does not fit (P2).
    Overflow = "overflow", UNPROCESSABLE_ENTITY, "Sum too large";
    /// Bills leave out what the FOCUS version of an export demands.
    NullsNotAllowed = "nulls_not_allowed", UNPROCESSABLE_ENTITY, "Bills leave out what this FOCUS version demands";
    /// Catalog or store cannot be read now.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Temporarily unavailable";
    /// A bug.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Internal error";
}

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    code: Code,
    detail: String,
    parameter: Option<String>,
    position: Option<usize>,
}

impl Problem {
    /// A refusal with what is wrong this time and what to do.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), parameter: None, position: None }
    }

    /// Says which parameter is at fault.
    pub fn about(self, parameter: impl Into<String>) -> Self {
        Self { parameter: Some(parameter.into()), ..self }
    }
}

/// The body, in the order people read it.
#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<usize>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            r#type: format!("urn:outlay:problem:{}", self.code.as_str()),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: &self.detail,
            code: self.code.as_str(),
            parameter: self.parameter.as_deref(),
            position: self.position,
        };
        let bytes = serde_json::to_vec(&body).expect("texts and small numbers always serialise");
        let kind = HeaderValue::from_static("application/problem+json");
        (self.code.status(), [(CONTENT_TYPE, kind)], bytes).into_response()
    }
}

impl From<ParameterError> for Problem {
    fn from(ParameterError { parameter, message, position }: ParameterError) -> Self {
        let code = if matches!(parameter, "filter" | "having") { Code::InvalidFilter } else { Code::InvalidParameter };
        Self { position, ..Self::new(code, format!("{parameter}: {message}")).about(parameter) }
    }
}

impl From<InsightError> for Problem {
    fn from(error: InsightError) -> Self {
        let code = match error {
            InsightError::Parameter(error) => return error.into(),
            InsightError::DetailExpired { .. } => Code::DetailExpired,
            InsightError::TooManyRows { .. } => Code::TooManyRows,
            InsightError::RateMissing { .. } => Code::RateMissing,
            InsightError::NoHours { .. } => Code::NoHourlyDetail,
            InsightError::CursorGone => Code::CursorGone,
            InsightError::Forbidden => Code::Forbidden,
            InsightError::Overflow => Code::Overflow,
            InsightError::NullsNotAllowed { .. } => {
                let detail = format!(
                    "{error}; allow_null=true exports them as nulls, a filter or source leaves those charges out"
                );
                return Self::new(Code::NullsNotAllowed, detail).about("allow_null");
            }
            InsightError::NotConserved { .. } => {
                tracing::error!(error = chain(&error), "an export is wrong");
                return Self::new(Code::Internal, error.to_string());
            }
            InsightError::Catalog(_) | InsightError::Store(_) => {
                tracing::error!(error = chain(&error), "a question could not be answered");
                return Self::new(Code::Unavailable, format!("{error}; try again later, the log says more"));
            }
        };
        Self::new(code, error.to_string())
    }
}

/// An error and everything that caused it, for the log.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
