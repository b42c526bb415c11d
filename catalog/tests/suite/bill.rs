//! Small bills to commit: what a source, a delivery and a few days make of a part.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use outlay_catalog::{Catalog, CatalogError, ChangesQuery, Commit, Intent, Rejects, Run};
use outlay_model::part::{
    Balance, BalanceKey, DaySum, Layer, Part, PartFile, Reject, RejectReason, Repair, RunState, Versions,
};
use outlay_model::query::Metric;
use outlay_model::{Currency, DateRange, DeliveryKey, Money, PartId, RunId, SourceName, TagKey};

/// The billing account of every bill that does not say otherwise.
pub const ACCOUNT: &str = "123456789012";

/// Minute `minute` of the day every story plays on.
pub fn at(minute: i64) -> DateTime<Utc> {
    let start: DateTime<Utc> = "2026-11-21T08:00:00.123456789Z".parse().expect("a time");
    start + chrono::TimeDelta::minutes(minute)
}

pub fn day(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 10, day).expect("a day of October")
}

pub fn source(name: &str) -> SourceName {
    SourceName::new(name)
}

pub fn changes_of(name: &str) -> ChangesQuery {
    ChangesQuery { source: Some(source(name)), ..ChangesQuery::default() }
}

pub fn delivery(key: &str) -> DeliveryKey {
    DeliveryKey::new(key)
}

pub fn money(text: &str) -> Money {
    text.parse().expect("money")
}

/// A bill that is about to be committed: `id` names its part, run and files.
#[derive(Clone)]
pub struct Bill {
    id: String,
    source: String,
    delivery: String,
    provider: Option<String>,
    account: Option<String>,
    days: Vec<(u32, u64, &'static str)>,
    rejects: u64,
    replaces: Option<PartId>,
}

impl Bill {
    /// Of the source `aws`, delivery `2026-10`: three charges of 1.5 USD each on the first of October.
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            source: "aws".to_owned(),
            delivery: "2026-10".to_owned(),
            provider: Some("AWS".to_owned()),
            account: Some(ACCOUNT.to_owned()),
            days: vec![(1, 3, "4.5")],
            rejects: 0,
            replaces: None,
        }
    }

    pub fn of(mut self, source: &str, delivery: &str) -> Self {
        (self.source, self.delivery) = (source.to_owned(), delivery.to_owned());
        self
    }

    pub fn account(mut self, provider: Option<&str>, account: Option<&str>) -> Self {
        (self.provider, self.account) = (provider.map(str::to_owned), account.map(str::to_owned));
        self
    }

    /// Its days: which, how many charges, Σ billed.
    pub fn days(mut self, days: &[(u32, u64, &'static str)]) -> Self {
        self.days = days.to_vec();
        self
    }

    pub fn rejects(mut self, rejects: u64) -> Self {
        self.rejects = rejects;
        self
    }

    pub fn replaces(mut self, part: &str) -> Self {
        self.replaces = Some(PartId::new(part));
        self
    }

    pub fn part_id(&self) -> PartId {
        PartId::new(self.id.as_str())
    }

    pub fn run_id(&self) -> RunId {
        RunId::new(format!("run-{}", self.id))
    }

    pub fn files(&self) -> Vec<PartFile> {
        let file = |layer: Layer| PartFile { layer, path: format!("{}/{}.parquet", layer.as_str(), self.id) };
        vec![file(Layer::Charges), file(Layer::Daily)]
    }

    pub fn intent(&self, expires_at: DateTime<Utc>) -> Intent {
        let (part, run) = (self.part_id(), self.run_id());
        Intent { part, run, source: source(&self.source), files: self.files(), expires_at }
    }

    pub fn started(&self, now: DateTime<Utc>) -> Run {
        Run {
            delivery: Some(delivery(&self.delivery)),
            ..Run::started(self.run_id(), source(&self.source), "focus", now)
        }
    }

    pub fn all_rejects(&self) -> Rejects {
        (1..=self.rejects).map(reject).collect()
    }

    /// Everything that is committed with it.
    pub fn commit(&self, now: DateTime<Utc>) -> Commit {
        let rows = self.days.iter().map(|(_, rows, _)| rows).sum();
        let rejects = self.all_rejects();
        let part = self.part(rows);
        let run = Run {
            state: RunState::Committed,
            part: Some(part.id.clone()),
            finished_at: Some(now),
            rows,
            rejected: rejects.rows(),
            unpriced: rejects.unpriced(),
            repairs: BTreeMap::from([(Repair::NullText, 7)]),
            ..self.started(now)
        };
        let days = self.days.iter().map(|(d, rows, billed)| DaySum {
            day: day(*d),
            provider: self.provider.clone(),
            billing_account: self.account.clone(),
            currency: Currency::USD,
            rows: *rows,
            billed: Some(money(billed)),
            effective: None,
        });
        let balances = vec![self.balance(&rejects)];
        Commit { part, run, balances, rejects, days: days.collect(), replaces: self.replaces.clone(), fence: None, now }
    }

    /// Starts the run and records the intent, until minute 60.
    pub async fn intend(&self, catalog: &Catalog) {
        catalog.start_run(&self.started(at(0))).await.expect("starts");
        catalog.intend(&self.intent(at(60))).await.expect("intends");
    }

    /// Intends and commits at a minute.
    pub async fn bring(&self, catalog: &Catalog, minute: i64) -> Result<u64, CatalogError> {
        self.intend(catalog).await;
        catalog.commit(self.commit(at(minute))).await
    }

    fn part(&self, rows: u64) -> Part {
        let days: Vec<NaiveDate> = self.days.iter().map(|(d, ..)| day(*d)).collect();
        let range = days.iter().min().zip(days.iter().max());
        let range = range.and_then(|(first, last)| DateRange::new(*first, *last + chrono::Days::new(1)));
        Part {
            id: self.part_id(),
            source: source(&self.source),
            delivery: delivery(&self.delivery),
            fingerprint: format!("sha256:{}", self.id),
            edition: None,
            contents: BTreeSet::from([format!("sha256:{}", self.id)]),
            files: self.files(),
            rows,
            days: range,
            covered: range.into_iter().collect(),
            provisional: Vec::new(),
            billing_periods: BTreeSet::from([day(1)]),
            currencies: BTreeSet::from([Currency::USD]),
            columns: BTreeSet::from(["BilledCost".to_owned(), "tags.odd \"key\"".to_owned()]),
            tag_keys: BTreeSet::from([TagKey::new("team")]),
            daily_tags: BTreeSet::new(),
            more_tags: true,
            hourly: false,
            magnitude: BTreeMap::from([(Metric::Billed, money("99999999999999999999.000000000000000001"))]),
            billed: BTreeMap::from([(Currency::USD, money("99999999999999999999.000000000000000001"))]),
            null_rows: BTreeMap::from([(Metric::Effective, rows)]),
            unpriced: 0,
            versions: Versions {
                format: "focus".to_owned(),
                normaliser: 1,
                rule_book: 1,
                rules: String::new(),
                layout: 1,
            },
            bundle: None,
            pool: None,
        }
    }

    fn balance(&self, rejects: &Rejects) -> Balance {
        let stored: bigdecimal::BigDecimal = self.days.iter().map(|(.., billed)| money(billed).to_exact()).sum();
        let rejected: bigdecimal::BigDecimal = rejects.counts().map(|count| count.billed).sum();
        let rounding: bigdecimal::BigDecimal = "-0.0000000000000000005".parse().expect("a number");
        let key = BalanceKey { billing_period: Some(day(1)), invoice: None, currency: "USD".to_owned() };
        let source = &stored + &rejected + &rounding;
        Balance { key, metric: Metric::Billed, source, stored, rejected, rounding }
    }
}

/// The reject on some line: every third unpriced, the others of 0.01 USD.
pub fn reject(line: u64) -> Reject {
    let unpriced = line.is_multiple_of(3);
    let cost = (!unpriced).then(|| (Metric::Billed, "0.01".parse().expect("a number")));
    Reject {
        reason: if unpriced { RejectReason::UnreadableNumber } else { RejectReason::MissingChargePeriod },
        file: "october.csv".to_owned(),
        line,
        column: unpriced.then(|| "BilledCost".to_owned()),
        value: unpriced.then(|| "1,5".to_owned()),
        key: BalanceKey { billing_period: None, invoice: Some("I-1".to_owned()), currency: "USD".to_owned() },
        costs: cost.into_iter().collect(),
        unpriced,
    }
}
