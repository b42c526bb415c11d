//! Cost Explorer's API, a call at a time: what it costs is taken out of the purse before, and given back when it fails.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_costexplorer::Client;
use aws_sdk_costexplorer::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_costexplorer::config::{ConfigBag, Intercept, Region, RuntimeComponents};
use aws_sdk_costexplorer::error::BoxError;
use aws_sdk_costexplorer::types::{
    DateInterval, Dimension, DimensionValues, Expression, Granularity, GroupDefinition, GroupDefinitionType,
};
use futures_util::future::BoxFuture;
use outlay_model::DateRange;
use tokio::sync::OnceCell;

use super::answers::METRICS;
use super::failure::{Failure, failure};
use super::refine::Refine;
use crate::aws::Aws;
use crate::http::FetchError;
use crate::purse::Purse;

/// What AWS charges for a call, in millionths of a dollar. Each page is a call; one that fails is not charged.
pub(super) const PRICE: u64 = 10_000;

/// A question about costs.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// About which days.
    pub days: DateRange,
    /// In what steps.
    pub granularity: Granularity,
    /// Told apart by what; at most two.
    pub group_by: Vec<(GroupDefinitionType, String)>,
    /// Of which values only.
    pub only: Vec<(Dimension, String)>,
}

impl Question {
    /// What the days come to, by the month.
    pub(super) fn total(days: DateRange) -> Self {
        Self { days, granularity: Granularity::Monthly, group_by: Vec::new(), only: Vec::new() }
    }

    /// The cells of a record type.
    pub(super) fn cells(days: DateRange, record_type: &str) -> Self {
        let by = |key: &str| (GroupDefinitionType::Dimension, key.to_owned());
        Self {
            days,
            granularity: Granularity::Daily,
            group_by: vec![by("LINKED_ACCOUNT"), by("SERVICE")],
            only: vec![(Dimension::RecordType, record_type.to_owned())],
        }
    }

    /// The cells of a record type and an account, by something else besides.
    pub(super) fn refined(days: DateRange, record_type: &str, account: &str, by: &Refine) -> Self {
        let key = match by {
            Refine::Tag(key) => (GroupDefinitionType::Tag, key.clone()),
            Refine::Region | Refine::None => (GroupDefinitionType::Dimension, "REGION".to_owned()),
        };
        let mut question = Self::cells(days, record_type);
        question.group_by = vec![(GroupDefinitionType::Dimension, "SERVICE".to_owned()), key];
        question.only.push((Dimension::LinkedAccount, account.to_owned()));
        question
    }

    fn group_by(&self) -> Option<Vec<GroupDefinition>> {
        let by = |(kind, key): &(GroupDefinitionType, String)| {
            GroupDefinition::builder().r#type(kind.clone()).key(key).build()
        };
        (!self.group_by.is_empty()).then(|| self.group_by.iter().map(by).collect())
    }

    fn filter(&self) -> Option<Expression> {
        let one = |(key, value): &(Dimension, String)| {
            let values = DimensionValues::builder().key(key.clone()).values(value);
            Expression::builder().dimensions(values.build()).build()
        };
        match &self.only[..] {
            [] => None,
            [only] => Some(one(only)),
            several => Some(Expression::builder().set_and(Some(several.iter().map(one).collect())).build()),
        }
    }
}

/// A page of an answer, as it was sent for and as it came.
#[derive(Debug, Clone)]
pub(super) struct Page<T> {
    /// The body that was sent.
    pub request: String,
    /// The body that came.
    pub response: String,
    /// What it says.
    pub says: T,
    /// What the next page is asked for by.
    pub next: Option<String>,
}

/// The API, for one source.
pub(super) struct Explorer {
    aws: Aws,
    purse: Arc<dyn Purse>,
    /// What may be spent in a calendar month, in millionths of a dollar.
    cap: u64,
    client: OnceCell<Client>,
}

/// A call: made with a client, heard by a recorder.
type Call<'a, T> = dyn Fn(Client, Recorder) -> BoxFuture<'a, Result<(T, Option<String>), Failure>> + Send + Sync + 'a;

impl Explorer {
    pub(super) fn new(aws: Aws, purse: Arc<dyn Purse>, cap: u64) -> Self {
        Self { aws, purse, cap, client: OnceCell::new() }
    }

    /// What has been spent this month.
    pub(super) async fn spent(&self) -> Result<u64, FetchError> {
        self.purse.spent().await
    }

    /// What may be spent in a month.
    pub(super) fn cap(&self) -> u64 {
        self.cap
    }

    /// Asks for a page of costs. `place` is what is asked for, in words.
    pub(super) async fn costs(
        &self,
        place: &str,
        question: &Question,
        page: Option<&str>,
    ) -> Result<Page<()>, FetchError> {
        let attempts = self.attempts();
        let call = |client: Client, recorder: Recorder| -> BoxFuture<'_, _> {
            let asking = client
                .get_cost_and_usage()
                .time_period(interval(question.days))
                .granularity(question.granularity.clone())
                .set_metrics(Some(METRICS.map(ToOwned::to_owned).to_vec()))
                .set_group_by(question.group_by())
                .set_filter(question.filter())
                .set_next_page_token(page.map(ToOwned::to_owned));
            Box::pin(async move {
                let answer = asking.customize().interceptor(recorder).send().await;
                let answer = answer.map_err(|error| failure(place, &error, attempts))?;
                Ok(((), answer.next_page_token))
            })
        };
        self.paid(place, &call).await
    }

    /// Asks for a page of the values that a dimension has.
    pub(super) async fn values(
        &self,
        place: &str,
        days: DateRange,
        dimension: &Dimension,
        page: Option<&str>,
    ) -> Result<Page<Vec<String>>, FetchError> {
        let attempts = self.attempts();
        let call = |client: Client, recorder: Recorder| -> BoxFuture<'_, _> {
            let asking = client
                .get_dimension_values()
                .time_period(interval(days))
                .dimension(dimension.clone())
                .set_next_page_token(page.map(ToOwned::to_owned));
            Box::pin(async move {
                let answer = asking.customize().interceptor(recorder).send().await;
                let answer = answer.map_err(|error| failure(place, &error, attempts))?;
                let values = answer.dimension_values.into_iter().filter_map(|value| value.value).collect();
                Ok((values, answer.next_page_token))
            })
        };
        self.paid(place, &call).await
    }

    /// Pays for a call and makes it; once more with new credentials if the old ones came to their end.
    async fn paid<T>(&self, place: &str, call: &Call<'_, T>) -> Result<Page<T>, FetchError> {
        // Without credentials nothing is asked, and nothing paid.
        self.aws.credentials().get().await?;
        let payment = self.purse.take(PRICE, self.cap).await?;
        let client = self.client.get_or_init(|| client(&self.aws)).await;
        let counters = self.aws.http().counters();
        let mut renewed = false;
        loop {
            let recorder = Recorder::default();
            let failure = match call(client.clone(), recorder.clone()).await {
                Ok((says, next)) => {
                    counters.add_cost(PRICE);
                    let (request, response) = recorder.bodies();
                    return Ok(Page { request, response, says, next: next.filter(|token| !token.is_empty()) });
                }
                Err(failure) => failure,
            };
            if failure.expired && !renewed {
                tracing::debug!(place, "asking for new credentials");
                renewed = true;
                self.aws.credentials().forget().await;
                continue;
            }
            if failure.answered {
                counters.add_cost(PRICE);
            } else {
                self.purse.give_back(payment).await?;
            }
            return Err(failure.error);
        }
    }

    fn attempts(&self) -> u32 {
        self.aws.http().settings().attempts
    }
}

impl fmt::Debug for Explorer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explorer").field("cap", &self.cap).finish_non_exhaustive()
    }
}

/// Cost Explorer is asked in one region of each partition.
async fn client(aws: &Aws) -> Client {
    let region = if aws.region().starts_with("cn-") { "cn-northwest-1" } else { "us-east-1" };
    let config = aws_sdk_costexplorer::config::Builder::from(&aws.sdk("COST_EXPLORER").await);
    Client::from_conf(config.region(Region::from_static(region)).build())
}

fn interval(days: DateRange) -> DateInterval {
    let interval = DateInterval::builder().start(days.from().to_string()).end(days.to().to_string());
    interval.build().expect("it has both ends")
}

/// Keeps the bodies of a call: of its last attempt, if it took several.
#[derive(Debug, Clone, Default)]
struct Recorder(Arc<Mutex<(String, String)>>);

impl Recorder {
    fn bodies(&self) -> (String, String) {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn keep(
        &self,
        body: Option<&[u8]>,
        place: impl FnOnce(&mut (String, String)) -> &mut String,
    ) -> Result<(), BoxError> {
        let body = body.ok_or("the body is a stream")?;
        let mut bodies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What is not UTF-8 is not JSON; the SDK says so.
        *place(&mut bodies) = String::from_utf8_lossy(body).into_owned();
        Ok(())
    }
}

impl Intercept for Recorder {
    fn name(&self) -> &'static str {
        "Recorder"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.keep(context.request().body().bytes(), |bodies| &mut bodies.0)
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.keep(context.response().body().bytes(), |bodies| &mut bodies.1)
    }
}
