//! The Query API, a page at a time.

use async_trait::async_trait;
use chrono::Days;
use outlay_model::DateRange;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Request, StatusCode, Url};
use serde_json::{Value, json};

use super::answers::{Body, Cost};
use super::level::Level;
use super::scope::Scope;
use crate::azure::{self, Azure};
use crate::http::{Ask, Failed, FetchError, Vendor, Verdict};

/// The version of the API that is spoken.
const VERSION: &str = "2025-03-01";
/// Rows on a page: by itself Azure gives 1000, and each page takes as long as another.
const PAGE_ROWS: &str = "5000";
/// The most that a page may hold.
const MOST: usize = 64 << 20;
/// What Azure counts our queries under: those of others do not make us wait.
const CLIENT_TYPE: &str = "Outlay";

const NEED: &str = "give the application the role Cost Management Reader on the scope (in billing accounts: a reader's role of \
                    theirs); it takes effect after some minutes";
const POLICY: &str = "the owner of the billing account must let others see costs (Cost Management + Billing, Policies), or give \
                      the application a reader's role there";
const OFFER: &str = "Cost Management has no costs of this offer; only Enterprise Agreements, Microsoft Customer Agreements and web \
                     direct offers have them";

/// A question about costs.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// About which days.
    pub days: DateRange,
    /// In what steps: `None`, `Daily`, `Monthly`.
    pub granularity: &'static str,
    /// Told apart by what; at most two.
    pub group_by: Vec<Value>,
    /// Of which values only.
    pub only: Vec<Value>,
}

/// A dimension to group by.
fn dimension(name: &str) -> Value {
    json!({ "type": "Dimension", "name": name })
}

impl Question {
    /// What the days come to.
    pub(super) fn total(days: DateRange) -> Self {
        Self { days, granularity: "None", group_by: Vec::new(), only: Vec::new() }
    }

    /// What each month comes to.
    pub(super) fn months(days: DateRange) -> Self {
        Self { granularity: "Monthly", ..Self::total(days) }
    }

    /// What the days have of these dimensions.
    pub(super) fn by(days: DateRange, dimensions: &[&str]) -> Self {
        Self { group_by: dimensions.iter().map(|name| dimension(name)).collect(), ..Self::total(days) }
    }

    /// The cells of a charge type, of values of the first levels, by the next one.
    pub(super) fn cells(days: DateRange, charge_type: &str, levels: &[Level], path: &[Vec<String>]) -> Self {
        let charge_type = json!({ "dimensions": { "name": "ChargeType", "operator": "In", "values": [charge_type] } });
        let within = levels.iter().zip(path).map(|(level, values)| level.filter(values));
        let next = levels.get(path.len()).map(Level::grouping);
        Self {
            days,
            granularity: "Daily",
            group_by: std::iter::once(dimension("ServiceName")).chain(next).collect(),
            only: std::iter::once(charge_type).chain(within).collect(),
        }
    }

    /// The body that asks it.
    pub(super) fn body(&self, cost: Cost) -> Value {
        // The end is inclusive here.
        let last = self.days.to() - Days::new(1);
        let mut dataset = json!({
            "granularity": self.granularity,
            "aggregation": {
                "totalCost": { "name": "Cost", "function": "Sum" },
                "totalCostUSD": { "name": "CostUSD", "function": "Sum" },
            },
        });
        if !self.group_by.is_empty() {
            dataset["grouping"] = self.group_by.clone().into();
        }
        match &self.only[..] {
            [] => {}
            [only] => dataset["filter"] = only.clone(),
            several => dataset["filter"] = json!({ "and": several }),
        }
        json!({
            "type": cost.name(),
            "timeframe": "Custom",
            "timePeriod": { "from": format!("{}T00:00:00Z", self.days.from()), "to": format!("{last}T23:59:59Z") },
            "dataset": dataset,
        })
    }
}

/// A page of an answer, as it was sent for and as it came.
#[derive(Debug)]
pub(super) struct Page {
    /// The body that was sent.
    pub request: String,
    /// The body that came; empty where there is nothing of what was asked for.
    pub response: String,
    /// What it says.
    pub body: Option<Body>,
    /// Where the next one is asked for.
    pub next: Option<Url>,
    /// How many queries of months Azure would still answer in this hour, as far as it says so.
    pub left: Option<u64>,
}

/// The API, for one source.
#[derive(Debug)]
pub(super) struct Api {
    azure: Azure,
    query: Url,
}

impl Api {
    pub(super) fn new(azure: Azure, scope: &Scope) -> Result<Self, FetchError> {
        let management = azure.endpoint().unwrap_or_else(|| azure.cloud().management());
        let management: Url = management.parse().map_err(|_| FetchError::Refused {
            place: scope.to_string(),
            why: "endpoint is not an address".to_owned(),
            advice: "correct it, or leave it out".to_owned(),
        })?;
        let mut query = scope.query(&management);
        query.query_pairs_mut().append_pair("api-version", VERSION).append_pair("$top", PAGE_ROWS);
        Ok(Self { azure, query })
    }

    /// Where the first page is asked for.
    pub(super) fn first(&self) -> &Url {
        &self.query
    }

    /// Asks for a page: the first, or the one that is at `next`. `place` is what is asked for, in words.
    pub(super) async fn ask(
        &self,
        place: &str,
        cost: Cost,
        question: &Question,
        next: Option<&Url>,
    ) -> Result<Page, FetchError> {
        let request = question.body(cost).to_string();
        let mut post = Request::new(Method::POST, next.unwrap_or(&self.query).clone());
        post.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        post.headers_mut().insert("ClientType", HeaderValue::from_static(CLIENT_TYPE));
        *post.body_mut() = Some(request.clone().into());
        // It only reads, for all that it is a POST.
        let ask = Ask { place, request: post, repeatable: true };
        let answer = self.azure.http().send(ask, self, MOST).await?;
        let left = left(&answer.headers);
        if answer.status == StatusCode::NO_CONTENT {
            return Ok(Page { request, response: String::new(), body: None, next: None, left });
        }
        let body: Body = answer.json()?;
        let next = body.next().map(|link| self.within(place, link)).transpose()?;
        let response = String::from_utf8_lossy(&answer.body).trim_start_matches('\u{feff}').to_owned();
        Ok(Page { request, response, body: Some(body), next, left })
    }

    /// The next page's address, if it is where we ask: whoever is asked gets our token.
    fn within(&self, place: &str, link: &str) -> Result<Url, FetchError> {
        let own = |url: &Url| {
            let cloud = self.azure.cloud().management().parse::<Url>();
            url.origin() == self.query.origin() || cloud.is_ok_and(|cloud| url.origin() == cloud.origin())
        };
        link.parse().ok().filter(own).ok_or_else(|| FetchError::NotUnderstood {
            place: place.to_owned(),
            what: "says that its next page is at another service".to_owned(),
            advice: "look at endpoint, and at who answers there".to_owned(),
        })
    }
}

/// `QueriesPerHour:597,QueriesPerMin:57,QueriesPer10Sec:9`
fn left(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get("x-ms-ratelimit-microsoft.costmanagement-qpu-remaining")?.to_str().ok()?;
    text.split(',').find_map(|piece| piece.trim().strip_prefix("QueriesPerHour:")?.parse().ok())
}

#[async_trait]
impl Vendor for Api {
    async fn authorise(&self, request: &mut Request) -> Result<(), FetchError> {
        self.azure.authorise(request, &self.azure.cloud().management_scope()).await
    }

    async fn renew(&self) {
        self.azure.credentials().forget().await;
    }

    fn judge(&self, failed: &Failed<'_>) -> Verdict {
        let verdict = azure::judge(failed, NEED);
        let Verdict::Final(FetchError::Refused { place, why, advice }) = verdict else { return verdict };
        // What the service behind this one failed with, for a moment.
        if failed.status == StatusCode::FAILED_DEPENDENCY {
            return Verdict::Again { throttled: false, why };
        }
        let advice = match why.as_str() {
            _ if why.contains("CostDisabled") => POLICY.to_owned(),
            _ if why.contains("offer type") => OFFER.to_owned(),
            _ if why.contains("1 year") || why.contains("time period") => "lower backfill_months".to_owned(),
            _ => advice,
        };
        Verdict::Final(FetchError::Refused { place, why, advice })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days() -> DateRange {
        let day = |text: &str| text.parse().expect("a day");
        DateRange::new(day("2026-10-01"), day("2026-11-01")).expect("a range")
    }

    #[test]
    fn a_question_is_asked_as_azure_documents_it() {
        let levels = [Level::Subscription, Level::Tag("team".to_owned())];
        let question = Question::cells(days(), "Usage", &levels, &[vec!["s".to_owned()]]);
        let expected = json!({
            "type": "AmortizedCost",
            "timeframe": "Custom",
            "timePeriod": { "from": "2026-10-01T00:00:00Z", "to": "2026-10-31T23:59:59Z" },
            "dataset": {
                "granularity": "Daily",
                "aggregation": {
                    "totalCost": { "name": "Cost", "function": "Sum" },
                    "totalCostUSD": { "name": "CostUSD", "function": "Sum" },
                },
                "grouping": [{ "type": "Dimension", "name": "ServiceName" }, { "type": "TagKey", "name": "team" }],
                "filter": { "and": [
                    { "dimensions": { "name": "ChargeType", "operator": "In", "values": ["Usage"] } },
                    { "dimensions": { "name": "SubscriptionId", "operator": "In", "values": ["s"] } },
                ] },
            },
        });
        assert_eq!(question.body(Cost::Amortized), expected);
        let total = Question::total(days()).body(Cost::Actual);
        assert_eq!((&total["type"], &total["dataset"]["filter"]), (&json!("ActualCost"), &Value::Null));
    }

    #[test]
    fn what_is_left_of_the_hour_is_read() {
        let mut headers = HeaderMap::new();
        assert_eq!(left(&headers), None);
        let text = HeaderValue::from_static("QueriesPerMin:57, QueriesPerHour:597,QueriesPer10Sec:9");
        headers.insert("x-ms-ratelimit-microsoft.costmanagement-qpu-remaining", text);
        assert_eq!(left(&headers), Some(597));
    }
}
