//! BigQuery's API: queries with named parameters, answers page by page.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use reqwest::{Request, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::cells::{self, Row};
use super::table::{Schema, Table, TableName};
use crate::google::refusal::{self, Refusal};
use crate::google::{Google, post};
use crate::http::{Ask, Failed, FetchError, Vendor, Verdict};

/// The most that an answer may hold: pages have 10 MB of what BigQuery counts, without the names around it.
const MOST: usize = 64 << 20;

/// How long BigQuery may take to say that an answer is not there yet.
const PATIENCE_MS: u32 = 10_000;

/// Rows of a page; there are fewer where they would be more than 10 MB.
const PAGE_ROWS: u32 = 10_000;

/// How often a query is started that fails by no fault of its own.
const STARTS: u32 = 3;

/// What BigQuery charges for a TiB scanned on demand in most locations, in millionths of a dollar.
pub(super) const PRICE_PER_TIB: u64 = 6_250_000;

/// A query is charged for no less.
const LEAST_BYTES: u64 = 10 << 20;

/// What a scan of so many bytes costs, in millionths of a dollar.
pub(super) fn price(bytes: u64) -> u64 {
    ((u128::from(bytes) * u128::from(PRICE_PER_TIB)) >> 40).try_into().unwrap_or(u64::MAX)
}

const NEED: &str = "give the account roles/bigquery.jobUser on the project that is billed and roles/bigquery.dataViewer on the \
                    dataset (config/gcp_bigquery.example.toml)";
const MISSING: &str = "correct table, and location if it is set; the dataset must be in that location";

/// BigQuery, for one source.
#[derive(Debug)]
pub(super) struct BigQuery {
    pub google: Google,
    /// Who pays.
    pub project: String,
    pub table: TableName,
    /// Whose queries they are, for the labels of jobs.
    pub source: String,
    pub location: Option<String>,
    pub maximum_bytes_billed: u64,
    /// How long a query may take.
    pub within: Duration,
}

/// A query. Whatever is no name of a table or column is a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    pub sql: String,
    pub parameters: Vec<(String, Parameter)>,
}

/// What a parameter stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Parameter {
    Time(DateTime<Utc>),
    Date(chrono::NaiveDate),
    Texts(Vec<String>),
}

impl Parameter {
    fn json(&self, name: &str) -> Value {
        let (kind, value) = match self {
            Self::Time(time) => {
                let text = time.format("%Y-%m-%d %H:%M:%S%.f+00").to_string();
                (json!({"type": "TIMESTAMP"}), json!({ "value": text }))
            }
            Self::Date(day) => (json!({"type": "DATE"}), json!({ "value": day.to_string() })),
            Self::Texts(texts) => {
                let values: Vec<Value> = texts.iter().map(|text| json!({ "value": text })).collect();
                (json!({"type": "ARRAY", "arrayType": {"type": "STRING"}}), json!({ "arrayValues": values }))
            }
        };
        json!({ "name": name, "parameterType": kind, "parameterValue": value })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default)]
    job_complete: bool,
    job_reference: Option<Job>,
    schema: Option<Schema>,
    #[serde(default)]
    rows: Vec<Value>,
    total_rows: Option<String>,
    page_token: Option<String>,
    total_bytes_processed: Option<String>,
    #[serde(default)]
    cache_hit: bool,
}

impl Answer {
    fn bytes(&self) -> u64 {
        self.total_bytes_processed.as_deref().and_then(|text| text.parse().ok()).unwrap_or_default()
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    /// What a dry run has none of.
    #[serde(default)]
    job_id: String,
    location: Option<String>,
}

/// Takes the rows of an answer, page by page.
pub(super) type Take<'a> = dyn FnMut(&Schema, Vec<Row>) -> Result<(), FetchError> + Send + 'a;

impl BigQuery {
    /// What the table is. It costs nothing.
    pub(super) async fn table(&self) -> Result<Table, FetchError> {
        let place = format!("BigQuery, the table {}", self.table);
        self.get(&place, &self.table.path(), &[], false).await
    }

    /// How many bytes a query would scan. It costs nothing.
    pub(super) async fn would_scan(&self, place: &str, location: &str, query: &Query) -> Result<u64, FetchError> {
        let mut body = self.body(location, query);
        body["dryRun"] = true.into();
        Ok(self.started(place, &body).await?.bytes())
    }

    /// Asks, and gives each row once. The answer's bytes come back.
    pub(super) async fn ask(
        &self,
        place: &str,
        location: &str,
        query: &Query,
        take: &mut Take<'_>,
    ) -> Result<u64, FetchError> {
        let first = self.answered(place, location, query).await?;
        let bytes = first.bytes();
        if !first.cache_hit {
            self.google.http().counters().add_cost(price(bytes.max(LEAST_BYTES)));
        }
        tracing::debug!(place, bytes, "scanned");
        self.pages(place, location, first, take).await?;
        Ok(bytes)
    }

    /// The first page of an answer. A job that BigQuery lost is started anew.
    async fn answered(&self, place: &str, location: &str, query: &Query) -> Result<Answer, FetchError> {
        let mut starts = 1;
        loop {
            match self.complete(place, location, query).await {
                Err(Unfinished::Lost(_)) if starts < STARTS => self.google.http().pause(starts).await?,
                Err(Unfinished::Lost(error) | Unfinished::Failed(error)) => return Err(error),
                Ok(answer) => return Ok(answer),
            }
            starts += 1;
        }
    }

    /// Starts a job and waits for its end.
    async fn complete(&self, place: &str, location: &str, query: &Query) -> Result<Answer, Unfinished> {
        let since = Instant::now();
        let mut answer = self.started(place, &self.body(location, query)).await.map_err(Unfinished::Failed)?;
        let mut polls = 0;
        while !answer.job_complete {
            let Some(job) = answer.job_reference.clone() else {
                return Err(Unfinished::Failed(odd(place, "does not say which job it is of")));
            };
            if since.elapsed() > self.within {
                let why = format!("the query has no answer after {} s", self.within.as_secs());
                return Err(Unfinished::Failed(FetchError::Unavailable { place: place.to_owned(), why, tries: 0 }));
            }
            polls += 1;
            self.google.http().pause(polls.min(4)).await.map_err(Unfinished::Failed)?;
            answer = match self.page(place, location, &job, None).await {
                // What it says is that of the job, which stays so.
                Err(error @ (FetchError::Unavailable { .. } | FetchError::Throttled { .. })) => {
                    return Err(Unfinished::Lost(error));
                }
                other => other.map_err(Unfinished::Failed)?,
            };
            answer.job_reference = Some(job);
        }
        Ok(answer)
    }

    /// Gives the rows of all pages, each asked for once, and holds their number against what BigQuery says.
    async fn pages(&self, place: &str, location: &str, first: Answer, take: &mut Take<'_>) -> Result<(), FetchError> {
        let schema = first.schema.clone().ok_or_else(|| odd(place, "has no schema"))?;
        let expected: Option<u64> = first.total_rows.as_deref().and_then(|text| text.parse().ok());
        let job = first.job_reference.clone();
        let (mut seen, mut given, mut answer) = (BTreeSet::new(), 0, first);
        loop {
            let rows: Option<Vec<Row>> = answer.rows.into_iter().map(cells::cells).collect();
            let rows = rows.ok_or_else(|| odd(place, "has rows of another shape than expected"))?;
            given += rows.len() as u64;
            take(&schema, rows)?;
            let Some(token) = answer.page_token.filter(|token| !token.is_empty()) else { break };
            if !seen.insert(token.clone()) {
                return Err(odd(place, "names a page that has been read already"));
            }
            let job = job.as_ref().ok_or_else(|| odd(place, "does not say which job it is of"))?;
            answer = self.page(place, location, job, Some(&token)).await?;
            if answer.schema.as_ref().is_some_and(|other| *other != schema) {
                return Err(odd(place, "has other columns on a later page"));
            }
        }
        match expected {
            Some(expected) if expected == given => Ok(()),
            _ => Err(odd(place, &format!("has {given} rows in place of {}", expected.unwrap_or_default()))),
        }
    }

    async fn page(&self, place: &str, location: &str, job: &Job, token: Option<&str>) -> Result<Answer, FetchError> {
        let path = format!("projects/{}/queries/{}", self.project, job.job_id);
        let (patience, rows) = (PATIENCE_MS.to_string(), PAGE_ROWS.to_string());
        let mut query = vec![
            ("location", job.location.as_deref().unwrap_or(location)),
            ("timeoutMs", &patience),
            ("maxResults", &rows),
            ("formatOptions.useInt64Timestamp", "true"),
        ];
        query.extend(token.map(|token| ("pageToken", token)));
        self.get(place, &path, &query, token.is_none()).await
    }

    fn body(&self, location: &str, query: &Query) -> Value {
        let parameters: Vec<Value> = query.parameters.iter().map(|(name, parameter)| parameter.json(name)).collect();
        json!({
            "query": query.sql,
            "useLegacySql": false,
            "location": location,
            "maximumBytesBilled": self.maximum_bytes_billed.to_string(),
            "timeoutMs": PATIENCE_MS,
            "jobTimeoutMs": self.within.as_millis().to_string(),
            "maxResults": PAGE_ROWS,
            "parameterMode": "NAMED",
            "queryParameters": parameters,
            "formatOptions": {"useInt64Timestamp": true},
            // By it BigQuery knows a request that is sent again, and starts no second job.
            "requestId": format!("outlay-{:016x}", fastrand::u64(..)),
            "labels": {"app": "outlay", "source": label(&self.source)},
        })
    }

    async fn started(&self, place: &str, body: &Value) -> Result<Answer, FetchError> {
        let url = self.url(place, &format!("projects/{}/queries", self.project), &[])?;
        let request = post(url, "application/json", body.to_string());
        self.sent(Ask { place, request, repeatable: true }, false).await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        place: &str,
        path: &str,
        query: &[(&str, &str)],
        polling: bool,
    ) -> Result<T, FetchError> {
        self.sent(Ask::get(place, self.url(place, path, query)?), polling).await
    }

    async fn sent<T: DeserializeOwned>(&self, ask: Ask<'_>, polling: bool) -> Result<T, FetchError> {
        self.google.http().send(ask, &Asker { bigquery: self, polling }, MOST).await?.json()
    }

    fn url(&self, place: &str, path: &str, query: &[(&str, &str)]) -> Result<Url, FetchError> {
        let mut url: Url = format!("{}/bigquery/v2/{path}", self.google.endpoint("bigquery"))
            .parse()
            .map_err(|_| odd(place, "names a job that cannot be asked for"))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }
}

/// A job without an answer.
enum Unfinished {
    /// It may have one when it is started anew.
    Lost(FetchError),
    Failed(FetchError),
}

/// An answer that cannot be.
pub(super) fn odd(place: &str, what: &str) -> FetchError {
    FetchError::NotUnderstood {
        place: place.to_owned(),
        what: format!("BigQuery's answer {what}"),
        advice: "the next run asks again; if it stays so, please report it".to_owned(),
    }
}

/// A name as labels can have it.
fn label(text: &str) -> String {
    let allowed = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c) { c } else { '-' };
    text.to_ascii_lowercase().chars().map(allowed).take(63).collect()
}

/// Sends what BigQuery is asked.
struct Asker<'a> {
    bigquery: &'a BigQuery,
    /// Whether it is the end of a job that is asked for: what is wrong may be the job.
    polling: bool,
}

#[async_trait]
impl Vendor for Asker<'_> {
    async fn authorise(&self, request: &mut Request) -> Result<(), FetchError> {
        self.bigquery.google.authorise(request).await
    }

    async fn renew(&self) {
        self.bigquery.google.credentials().forget().await;
    }

    fn judge(&self, failed: &Failed<'_>) -> Verdict {
        let refusal = Refusal::read(failed.body);
        let reason = refusal.as_ref().map(|refusal| refusal.reason.as_str()).unwrap_or_default();
        let place = failed.place.to_owned();
        match reason {
            "bytesBilledLimitExceeded" => Verdict::Final(FetchError::Refused {
                place,
                why: refusal.as_ref().map(Refusal::text).unwrap_or_default(),
                advice: TOO_MUCH.to_owned(),
            }),
            // A job that failed stays failed, however often it is asked after.
            "jobBackendError" | "jobInternalError" | "jobRateLimitExceeded" if self.polling => {
                let why = format!("{} ({reason})", failed.status_text());
                Verdict::Final(FetchError::Unavailable { place, why, tries: 1 })
            }
            "stopped" | "timeout" => Verdict::Final(FetchError::Unavailable {
                place,
                why: format!("the query was stopped ({reason}) before it had an answer"),
                tries: 1,
            }),
            _ => refusal::judge(failed, NEED, MISSING),
        }
    }
}

/// What to do where a query would cost too much.
const TOO_MUCH: &str = "raise maximum_bytes_billed, or lower backfill_months";

/// Whether a query was refused for what it would scan.
pub(super) fn is_too_much(error: &FetchError) -> bool {
    matches!(error, FetchError::Refused { advice, .. } if advice == TOO_MUCH)
}
