//! What `/metrics` says, in the OpenMetrics text that Prometheus reads.
//!
//! Two kinds of figures. What this process did (deliveries, requests, seconds) is counted while it does it and starts at zero
//! with it, as counters do. How fresh each source is comes from the catalog when it is asked for, so that every server of the
//! catalog says the same.
//!
//! Labels are names of sources and words of a closed list: however long a server runs, it never has more series.

use std::array;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use chrono::{DateTime, NaiveTime, Utc};
use outlay_catalog::Run;
use outlay_collectors::http::Counters;
use outlay_insights::SourceReport;
use outlay_model::part::RunState;
use outlay_model::{JobState, SourceName};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// What became of a delivery.
const OUTCOMES: [&str; 5] = ["committed", "unchanged", "skipped", "refused", "failed"];
/// Upper bounds of collections, in seconds: from a listing that finds nothing new to the first years of a large company.
const SECONDS: [f64; 10] = [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 10_800.0, 36_000.0, 86_400.0];

type Labels = Vec<(&'static str, String)>;
type Count = Family<Labels, Counter>;
type Seconds = Family<Labels, Histogram, fn() -> Histogram>;
type Level = Family<Labels, Gauge<f64, AtomicU64>>;

/// What this process counts. All clones are one.
#[derive(Clone)]
pub struct Metrics(Arc<Shared>);

struct Shared {
    registry: Registry,
    deliveries: Count,
    rows: Count,
    rejects: Count,
    seconds: Seconds,
    requests: BTreeMap<SourceName, Arc<Counters>>,
}

impl Metrics {
    /// Nothing has happened yet to any of these sources.
    pub fn new<'a>(sources: impl IntoIterator<Item = &'a SourceName>) -> Self {
        let [deliveries, rows, rejects] = array::from_fn(|_| Count::default());
        let seconds: Seconds = Family::new_with_constructor(|| Histogram::new(SECONDS));
        let mut requests = BTreeMap::new();
        for source in sources {
            // A counter that only appears with its first event has no rate.
            for outcome in OUTCOMES {
                deliveries.get_or_create(&by_outcome(source, outcome)).inc_by(0);
            }
            rows.get_or_create(&of(source)).inc_by(0);
            rejects.get_or_create(&of(source)).inc_by(0);
            drop(seconds.get_or_create(&of(source)));
            requests.insert(source.clone(), Arc::default());
        }
        let mut registry = Registry::with_prefix("outlay");
        registry.register("deliveries", "Deliveries of providers, by what became of them", deliveries.clone());
        registry.register("stored_rows", "Lines of bills that were kept, and exchange rates", rows.clone());
        registry.register("rejected_rows", "Lines of bills that were not kept", rejects.clone());
        let about = "How long collecting a source took";
        registry.register_with_unit("collection", about, Unit::Seconds, seconds.clone());
        Self(Arc::new(Shared { registry, deliveries, rows, rejects, seconds, requests }))
    }

    /// What counts the requests of a source.
    #[must_use]
    pub fn requests(&self, source: &SourceName) -> Arc<Counters> {
        self.0.requests.get(source).cloned().unwrap_or_default()
    }

    /// Deliveries were left out because they are here already.
    pub fn skipped(&self, source: &SourceName, deliveries: u64) {
        self.0.deliveries.get_or_create(&by_outcome(source, "skipped")).inc_by(deliveries);
    }

    /// A delivery was collected, or could not be.
    pub fn delivered(&self, run: &Run) {
        let outcome = match run.state {
            RunState::Committed => "committed",
            RunState::Unchanged => "unchanged",
            RunState::Refused => "refused",
            // A run that was stopped goes on another time.
            RunState::Running => return,
            RunState::Failed => "failed",
        };
        self.0.deliveries.get_or_create(&by_outcome(&run.source, outcome)).inc();
        if run.state == RunState::Committed {
            self.0.rows.get_or_create(&of(&run.source)).inc_by(run.rows);
            self.0.rejects.get_or_create(&of(&run.source)).inc_by(run.rejected);
        }
    }

    /// A source was collected in so long.
    pub fn collected(&self, source: &SourceName, took: Duration) {
        self.0.seconds.get_or_create(&of(source)).observe(took.as_secs_f64());
    }

    /// All of it, with how fresh these sources are now.
    #[must_use]
    pub fn text(&self, sources: &[SourceReport], now: DateTime<Utc>) -> String {
        let mut text = String::new();
        let written = [&self.0.registry, &self.sent(), &freshness(sources, now)]
            .into_iter()
            .try_for_each(|registry| encode_registry(&mut text, registry))
            .and_then(|()| encode_eof(&mut text));
        written.expect("a text takes whatever is written to it");
        text
    }

    /// What was asked of providers.
    fn sent(&self) -> Registry {
        let [requests, retried, throttled, failed, bytes] = array::from_fn(|_| Count::default());
        let cost = Family::<Labels, Counter<f64, AtomicU64>>::default();
        for (source, counters) in &self.0.requests {
            let (source, now) = (of(source), counters.now());
            requests.get_or_create(&source).inc_by(now.requests);
            retried.get_or_create(&source).inc_by(now.retries);
            throttled.get_or_create(&source).inc_by(now.throttled);
            failed.get_or_create(&source).inc_by(now.failed);
            bytes.get_or_create(&source).inc_by(now.bytes);
            cost.get_or_create(&source).inc_by(now.cost_micros as f64 / 1e6);
        }
        let mut registry = Registry::with_prefix("outlay");
        registry.register("requests", "Requests to providers, repeated ones included", requests);
        registry.register("retried_requests", "Requests that were sent again", retried);
        registry.register("throttled_requests", "Requests that were answered with: not so many", throttled);
        registry.register("failed_requests", "Requests without a usable answer, throttled ones included", failed);
        registry.register_with_unit("fetched", "Bytes of answers of providers", Unit::Bytes, bytes);
        let dollars = Unit::Other("dollars".to_owned());
        registry.register_with_unit("request_cost", "What providers charge for the requests", dollars, cost);
        registry
    }
}

/// What the catalog knows of sources.
fn freshness(sources: &[SourceReport], now: DateTime<Utc>) -> Registry {
    let [success, end, age, queued, running, failed, missing] = array::from_fn(|_| Level::default());
    for report in sources {
        let source = of(&report.name);
        if let Some(at) = report.last_success {
            success.get_or_create(&source).set(at.timestamp() as f64);
        }
        if let Some(stated) = report.stated {
            let midnight = stated.to().and_time(NaiveTime::MIN).and_utc();
            end.get_or_create(&source).set(midnight.timestamp() as f64);
            age.get_or_create(&source).set((now - midnight).as_seconds_f64().max(0.0));
        }
        missing.get_or_create(&source).set(report.missing_days as f64);
        if report.configured {
            let jobs = |state| report.jobs.iter().filter(|job| job.state == state).count() as f64;
            queued.get_or_create(&source).set(jobs(JobState::Queued));
            running.get_or_create(&source).set(jobs(JobState::Running));
            let over = report.last_over().is_some_and(|job| job.state == JobState::Failed);
            failed.get_or_create(&source).set(f64::from(u8::from(over)));
        }
    }
    let mut registry = Registry::with_prefix("outlay");
    let mut seconds = |name: &str, help: &str, level| registry.register_with_unit(name, help, Unit::Seconds, level);
    seconds("last_success_timestamp", "When all of a source was last found to be as its provider states it", success);
    seconds("coverage_end_timestamp", "The end of the last day that a source states", end);
    seconds("data_age", "How long ago that was", age);
    let days = Unit::Other("days".to_owned());
    registry.register_with_unit("missing", "Days without a statement since the first of a source", days, missing);
    registry.register("queued_jobs", "Jobs of a source that wait", queued);
    registry.register("running_jobs", "Jobs of a source that are under way", running);
    registry.register("last_job_failed", "1 where the job of a source that was over last had failed", failed);
    registry
}

fn of(source: &SourceName) -> Labels {
    vec![("source", source.to_string())]
}

fn by_outcome(source: &SourceName, outcome: &str) -> Labels {
    vec![("source", source.to_string()), ("outcome", outcome.to_owned())]
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
