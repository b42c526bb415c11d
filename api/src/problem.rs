//! What a client is told when it gets no answer: RFC 9457 problems from a closed list of codes.
//!
//! The client's text and the log's chain are different things. Where the client is at fault it is told what and where;
//! where we are, it learns only that much, and the chain is logged here, once.

use std::error::Error;

use axum::body::Body as HttpBody;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use outlay_insights::InsightError;
use outlay_model::ownership::{Kind, OwnershipProblem, told};
use outlay_model::query::ParameterError;
use serde::Serialize;
use utoipa::ToSchema;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $status:ident, $title:literal;)*) => {
        /// Every reason for not answering. The words are part of the contract: programs act on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// All of them.
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
    /// Not the JSON object a route reads.
    InvalidBody = "invalid_body", BAD_REQUEST, "Invalid request body";
    /// Not percent-encoded UTF-8.
    MalformedUrl = "malformed_url", BAD_REQUEST, "Malformed URL";
    /// The caller may not see this.
    Forbidden = "forbidden", FORBIDDEN, "Not visible to this caller";
    /// No such path.
    NotFound = "not_found", NOT_FOUND, "No such path";
    /// Nothing is said of this team, and no charge ever had it.
    UnknownTeam = "unknown_team", NOT_FOUND, "No such team";
    /// No charge ever had this service.
    UnknownService = "unknown_service", NOT_FOUND, "No such service";
    /// No run of this id.
    UnknownRun = "unknown_run", NOT_FOUND, "No such run";
    /// No source of this name.
    UnknownSource = "unknown_source", NOT_FOUND, "No such source";
    /// No job of this id.
    UnknownJob = "unknown_job", NOT_FOUND, "No such job";
    /// Nothing is said of this component, and no charge ever had it.
    UnknownComponent = "unknown_component", NOT_FOUND, "No such component";
    /// No rule of this name.
    UnknownRule = "unknown_rule", NOT_FOUND, "No such rule";
    /// No map of this name.
    UnknownMap = "unknown_map", NOT_FOUND, "No such map";
    /// No pool of this name.
    UnknownPool = "unknown_pool", NOT_FOUND, "No such pool";
    /// No series of this name.
    UnknownSeries = "unknown_series", NOT_FOUND, "No such series";
    /// Not a dimension.
    UnknownDimension = "unknown_dimension", NOT_FOUND, "No such dimension";
    /// The path does not take this method.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed";
    /// It is said, and so changed, elsewhere.
    SaidElsewhere = "said_elsewhere", CONFLICT, "Said elsewhere";
    /// Something else is said of that name.
    AlreadySaid = "already_said", CONFLICT, "Something else is said of that name";
    /// The page's data is no longer kept.
    CursorGone = "cursor_gone", GONE, "Cursor no longer valid";
    /// What is asked for is given in no encoding that the caller takes.
    NotAcceptable = "not_acceptable", NOT_ACCEPTABLE, "No acceptable encoding";
    /// The request brings more than anybody reads.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "Request body too large";
    /// The body is no JSON.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "Body is not JSON";
    /// The query is too long.
    UriTooLong = "uri_too_long", URI_TOO_LONG, "URL too long";
    /// The charges it asks for are kept no longer.
    DetailExpired = "detail_expired", UNPROCESSABLE_ENTITY, "Detail is kept no longer";
    /// The headers are too long.
    HeadersTooLarge = "headers_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE, "Request headers too large";
    /// What would be said of ownership cannot be so.
    OwnershipProblems = "ownership_problems", UNPROCESSABLE_ENTITY, "Ownership that cannot be so";
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
    /// Not enough teams to compare one with.
    TooFewPeers = "too_few_peers", UNPROCESSABLE_ENTITY, "Too few peers";
    /// Bills leave out what the FOCUS version of an export demands.
    NullsNotAllowed = "nulls_not_allowed", UNPROCESSABLE_ENTITY, "Bills leave out what this FOCUS version demands";
    /// Catalog or store cannot be read now.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Temporarily unavailable";
    /// Too many questions wait already.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "Too many requests at once";
    /// The server has been asked to stop.
    Stopping = "stopping", SERVICE_UNAVAILABLE, "Stopping";
    /// The answer took too long.
    TimedOut = "timed_out", GATEWAY_TIMEOUT, "Answer took too long";
    /// A bug.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Internal error";
}

impl Code {
    /// After how many seconds it is worth asking again, where that is all it takes.
    pub const fn retry_after(self) -> Option<u16> {
        match self {
            Self::Overloaded => Some(1),
            Self::Unavailable | Self::Stopping => Some(5),
            _ => None,
        }
    }
}

impl Code {
    /// That nothing is said of a name of this kind.
    pub const fn unknown(kind: Kind) -> Self {
        match kind {
            Kind::Team => Self::UnknownTeam,
            Kind::Component => Self::UnknownComponent,
            Kind::Map => Self::UnknownMap,
            Kind::Pool => Self::UnknownPool,
            Kind::Series => Self::UnknownSeries,
            Kind::Rule => Self::UnknownRule,
        }
    }
}

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    code: Code,
    detail: String,
    parameter: Option<String>,
    position: Option<usize>,
    problems: Vec<OwnershipProblem>,
}

impl Problem {
    /// A refusal with what is wrong this time and what to do.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), parameter: None, position: None, problems: Vec::new() }
    }

    /// Says everything that cannot be so.
    fn with(self, problems: Vec<OwnershipProblem>) -> Self {
        Self { problems, ..self }
    }

    /// Says which parameter is at fault.
    pub fn about(self, parameter: impl Into<String>) -> Self {
        Self { parameter: Some(parameter.into()), ..self }
    }
}

/// Why there is no answer (RFC 9457). Programs go by `code`.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Body<'a> {
    /// A name for the kind of problem; ends in the code.
    #[schema(example = "urn:outlay:problem:invalid_filter")]
    r#type: String,
    /// What the code means, the same every time.
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 400)]
    status: u16,
    /// What is wrong this time, and what would be right.
    detail: &'a str,
    /// The stable word for it.
    #[schema(example = "invalid_filter")]
    code: &'static str,
    /// The parameter at fault, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "filter")]
    parameter: Option<&'a str>,
    /// Where in the parameter, in characters from 1, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = usize, required = false)]
    position: Option<usize>,
    /// Of ownership that cannot be so: everything that is wrong with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<ProblemLine>, required = false)]
    problems: Vec<ProblemLine<'a>>,
    /// The request's id, as in the header `X-Request-Id` and in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    request_id: Option<&'a str>,
}

/// Something that cannot be so.
#[derive(Serialize, ToSchema)]
#[schema(as = OwnershipProblem)]
pub struct ProblemLine<'a> {
    /// What it is said of: `team`, `component`, `map`, `pool`, `series` or `rule`.
    #[schema(value_type = String, example = "rule")]
    kind: Kind,
    /// Its name.
    #[schema(example = "network")]
    name: &'a str,
    /// The field, such as `team` or `team.capture`; empty for the name itself.
    #[schema(example = "team")]
    field: &'a str,
    /// What is wrong, and what would be right.
    message: &'a str,
}

impl<'a> From<&'a OwnershipProblem> for ProblemLine<'a> {
    fn from(OwnershipProblem { kind, name, field, text }: &'a OwnershipProblem) -> Self {
        Self { kind: *kind, name, field, message: text }
    }
}

impl Problem {
    fn body(&self, request_id: Option<&str>) -> Vec<u8> {
        let body = Body {
            r#type: format!("urn:outlay:problem:{}", self.code.as_str()),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: &self.detail,
            code: self.code.as_str(),
            parameter: self.parameter.as_deref(),
            position: self.position,
            problems: self.problems.iter().map(ProblemLine::from).collect(),
            request_id,
        };
        serde_json::to_vec(&body).expect("texts and small numbers always serialise")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.code.status(), self.body(None)).into_response();
        describe(response.headers_mut(), self.code);
        response.extensions_mut().insert(self);
        response
    }
}

fn describe(headers: &mut HeaderMap, code: Code) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(seconds) = code.retry_after() {
        headers.insert(RETRY_AFTER, seconds.into());
    }
}

/// Completes a response that is a refusal: the request's id goes into the body of a problem, and what somebody else
/// refused (the router, the compression) becomes one.
pub fn complete(mut response: Response, method: &Method, request_id: &str) -> Response {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) if problem.code.status() == status => problem,
        _ => {
            let code = Code::ALL.iter().copied().find(|code| code.status() == status).unwrap_or(Code::Internal);
            let detail = match code {
                Code::NotAcceptable => "answers come as they are or as gzip; accept one of the two in Accept-Encoding",
                _ => "the request was refused before anybody looked at it",
            };
            Problem::new(code, detail)
        }
    };
    let body = problem.body(Some(request_id));
    *response.status_mut() = problem.code.status();
    let headers = response.headers_mut();
    headers.remove(CONTENT_ENCODING);
    headers.remove(ETAG);
    headers.insert(CONTENT_LENGTH, body.len().into());
    describe(headers, problem.code);
    *response.body_mut() = if method == Method::HEAD { HttpBody::empty() } else { HttpBody::from(body) };
    response
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
            InsightError::TooFewPeers { .. } => Code::TooFewPeers,
            InsightError::CursorGone => Code::CursorGone,
            InsightError::OwnershipProblems(problems) => {
                let detail = told(&problems);
                return Self::new(Code::OwnershipProblems, detail).with(problems);
            }
            InsightError::BadPoint(_) => Code::InvalidBody,
            InsightError::SaidElsewhere(_) => Code::SaidElsewhere,
            InsightError::NotSaid { kind, .. } => Code::unknown(kind),
            InsightError::NotConfigured { .. } => Code::UnknownSource,
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
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
