//! Random bills and random questions, against an answer worked out line by line (P1, P2, P6, P7).
//!
//! The plan says from which layer an answer came. A question that `daily` can answer is asked again with a condition
//! that says nothing but names a dimension `daily` does not keep: then `charges` must have answered, to the same digit.

mod common;

use std::collections::BTreeMap;

use bigdecimal::BigDecimal;
use chrono::{Days, NaiveDate};
use common::House;
use outlay::pipeline::Force;
use outlay_model::dimension::Fixed;
use outlay_model::filter::Filter;
use outlay_model::money::plain;
use outlay_model::part::Layer;
use outlay_model::query::{Basis, Metric, SpendQuery, TargetCurrency};
use outlay_model::report::{Scope, SpendReport};
use outlay_model::{DateRange, Dimension, Granularity, TagKey, UNALLOCATED};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

#[derive(Debug, Clone)]
struct Line {
    source: usize,
    day: NaiveDate,
    period: NaiveDate,
    currency: &'static str,
    service: Option<&'static str>,
    account: Option<&'static str>,
    resource: Option<&'static str>,
    category: &'static str,
    tags: BTreeMap<&'static str, &'static str>,
    billed: String,
    effective: Option<String>,
}

const SOURCES: [&str; 2] = ["one", "two"];

fn date(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

fn money() -> impl Strategy<Value = String> {
    (-1_000_000_i64..1_000_000, 0..1_000_000_000_000_000_000_u64, 0..19_usize).prop_map(
        |(whole, fraction, decimals)| {
            let fraction = format!("{fraction:018}");
            if decimals == 0 { whole.to_string() } else { format!("{whole}.{}", &fraction[..decimals]) }
        },
    )
}

fn line() -> impl Strategy<Value = Line> {
    let maybe = |values: &'static [&'static str]| prop::option::weighted(0.8, select(values));
    let tags = subsequence(vec!["team", "env", "cost-center", "odd key"], 0..=4).prop_flat_map(|keys| {
        let count = keys.len();
        (Just(keys), prop::collection::vec(select(&["a", "b", "", "Ünïcode"][..]), count))
    });
    (
        (0..2_usize, 0..40_u64, any::<bool>(), select(&["USD", "EUR"][..])),
        (maybe(&["EC2", "S3", "50%"]), maybe(&["001", "1"]), maybe(&["r1", "r2"])),
        select(&["Usage", "Tax", "Credit"][..]),
        tags,
        money(),
        prop::option::weighted(0.85, money()),
    )
        .prop_map(
            |(
                (source, day, next, currency),
                (service, account, resource),
                category,
                (keys, values),
                billed,
                effective,
            )| {
                Line {
                    source,
                    day: date("2026-09-10") + Days::new(day),
                    period: date(if next { "2026-10-01" } else { "2026-09-01" }),
                    currency,
                    service,
                    account,
                    resource,
                    category,
                    tags: keys.into_iter().zip(values).collect(),
                    billed,
                    effective,
                }
            },
        )
}

impl Line {
    fn value(&self, dimension: &Dimension) -> Option<String> {
        let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
        match dimension {
            Dimension::Tag(key) => owned(self.tags.get(key.as_str()).copied()),
            Dimension::Fixed(Fixed::Service) => owned(self.service),
            Dimension::Fixed(Fixed::Account) => owned(self.account),
            Dimension::Fixed(Fixed::Resource) => owned(self.resource),
            Dimension::Fixed(Fixed::ChargeCategory) => owned(Some(self.category)),
            Dimension::Fixed(Fixed::Currency) => owned(Some(self.currency)),
            Dimension::Fixed(Fixed::Source) => owned(Some(SOURCES[self.source])),
            Dimension::Fixed(Fixed::BillingPeriod) => Some(self.period.to_string()),
            Dimension::Fixed(Fixed::Team) => {
                owned(self.tags.get("team").copied().filter(|team| !team.is_empty()).or(Some(UNALLOCATED)))
            }
            Dimension::Fixed(other) => panic!("not generated: {other:?}"),
        }
    }

    fn passes(&self, filter: &Filter) -> bool {
        match filter {
            Filter::In(dimension, values) => self.value(dimension).is_some_and(|value| values.contains(&value)),
            Filter::Like(dimension, pattern) => {
                let prefix = pattern.strip_suffix('%').expect("only prefixes are generated");
                self.value(dimension).is_some_and(|value| value.starts_with(prefix))
            }
            Filter::IsNull(Dimension::Fixed(Fixed::Team)) => self.tags.get("team").is_none_or(|team| team.is_empty()),
            Filter::IsNull(dimension) => self.value(dimension).is_none(),
            Filter::Not(inner) => !self.passes(inner),
            Filter::And(parts) => parts.iter().all(|part| self.passes(part)),
            Filter::Or(parts) => parts.iter().any(|part| self.passes(part)),
        }
    }

    fn cost(&self, metric: Metric) -> Option<BigDecimal> {
        let text = match metric {
            Metric::Billed => Some(&self.billed),
            Metric::Effective => self.effective.as_ref(),
            Metric::List | Metric::Contracted => None,
        };
        text.map(|text| text.parse().expect("a number"))
    }
}

fn csv(lines: &[&Line]) -> String {
    let mut text = "BillingAccountId,BillingCurrency,BillingPeriodStart,ChargePeriodStart,ChargeCategory,ServiceName,\
                    SubAccountId,ResourceId,BilledCost,EffectiveCost,Tags\n"
        .to_owned();
    for line in lines {
        let tags = if line.tags.is_empty() { String::new() } else { serde_json::to_string(&line.tags).expect("JSON") };
        let cells = [
            SOURCES[line.source].to_owned(),
            line.currency.to_owned(),
            format!("{}T00:00:00Z", line.period),
            format!("{}T05:00:00Z", line.day),
            line.category.to_owned(),
            line.service.unwrap_or_default().to_owned(),
            line.account.unwrap_or_default().to_owned(),
            line.resource.unwrap_or_default().to_owned(),
            line.billed.clone(),
            line.effective.clone().unwrap_or_default(),
            format!("\"{}\"", tags.replace('"', "\"\"")),
        ];
        text.push_str(&(cells.join(",") + "\n"));
    }
    text
}

/// The dimensions `daily` keeps, with and without values in the bills; the last one it does not.
fn dimensions() -> Vec<Dimension> {
    let fixed = [
        Fixed::Service,
        Fixed::Account,
        Fixed::ChargeCategory,
        Fixed::Currency,
        Fixed::Source,
        Fixed::BillingPeriod,
        Fixed::Team,
        Fixed::Resource,
    ];
    let tags = ["team", "env", "never-seen", "cost-center", "odd key"].map(|key| Dimension::Tag(TagKey::new(key)));
    fixed.map(Dimension::Fixed).into_iter().chain(tags).collect()
}

fn filter() -> impl Strategy<Value = Filter> {
    let values =
        select(&["EC2", "S3", "50%", "001", "1", "r1", "Usage", "USD", "one", "2026-10-01", "a", "", UNALLOCATED][..]);
    let leaf =
        (select(dimensions()), prop::collection::vec(values, 1..4), 0..3).prop_map(|(dimension, values, kind)| {
            let texts: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            match kind {
                0 => Filter::In(dimension, texts),
                1 => Filter::Like(dimension, format!("{}%", texts[0].trim_end_matches('%'))),
                _ => Filter::IsNull(dimension),
            }
        });
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|f| Filter::Not(Box::new(f))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Filter::And(vec![a, b])),
            (inner.clone(), inner).prop_map(|(a, b)| Filter::Or(vec![a, b])),
        ]
    })
}

fn query() -> impl Strategy<Value = SpendQuery> {
    let granularities = [
        Granularity::Total,
        Granularity::Day,
        Granularity::Week,
        Granularity::Month,
        Granularity::Quarter,
        Granularity::Year,
    ];
    (
        (0..50_u64, 1..60_u64),
        select(granularities.to_vec()),
        any::<bool>(),
        subsequence(dimensions(), 0..4),
        prop::option::of(filter()),
        select(&[Metric::Effective, Metric::Billed, Metric::List][..]),
    )
        .prop_map(|((start, days), granularity, billing, group_by, filter, metric)| {
            let from = date("2026-08-25") + Days::new(start);
            let coarse = !matches!(granularity, Granularity::Day | Granularity::Week);
            SpendQuery {
                granularity,
                basis: if billing && coarse { Basis::Billing } else { Basis::Charge },
                group_by,
                filter: filter.unwrap_or_else(Filter::everything),
                metric,
                ..SpendQuery::new(DateRange::new(from, from + Days::new(days)).expect("days"), TargetCurrency::Native)
            }
        })
}

type Answer = BTreeMap<(Option<NaiveDate>, Vec<Option<String>>, String), Option<String>>;

/// The answer, line by line.
fn expected(lines: &[Line], query: &SpendQuery) -> Answer {
    let mut sums: BTreeMap<_, Option<BigDecimal>> = BTreeMap::new();
    for line in lines {
        let time = if query.basis == Basis::Billing { line.period } else { line.day };
        if !query.range.contains(time) || !line.passes(&query.filter) {
            continue;
        }
        let bucket = (query.granularity != Granularity::Total).then(|| query.granularity.start_of(time));
        let keys = query.group_by.iter().map(|dimension| line.value(dimension)).collect();
        let sum = sums.entry((bucket, keys, line.currency.to_owned())).or_default();
        if let Some(cost) = line.cost(query.metric) {
            *sum = Some(sum.take().unwrap_or_default() + cost);
        }
    }
    sums.into_iter().map(|(key, sum)| (key, sum.as_ref().map(plain))).collect()
}

fn answered(report: &SpendReport) -> Answer {
    let row = |row: &outlay_model::report::SpendRow| {
        let currency = row.currency.expect("native").to_string();
        ((row.time.map(|time| time.date_naive()), row.keys.clone(), currency), row.cost.map(|cost| cost.to_string()))
    };
    report.rows.iter().map(row).collect()
}

/// Σ over everything per currency, nothing stated counting as nothing.
fn totals(report: &SpendReport) -> BTreeMap<String, BigDecimal> {
    let totals = report.totals.iter().flatten();
    let stated = totals.map(|(currency, total)| (currency.to_string(), total.unwrap_or_default().to_exact()));
    stated.filter(|(_, total)| *total != 0).collect()
}

/// Says nothing, but names a dimension that only `charges` has.
fn from_charges(filter: &Filter) -> Filter {
    let resource = || Filter::IsNull(Fixed::Resource.into());
    Filter::Or(vec![resource(), Filter::Not(Box::new(resource()))]).and(filter.clone())
}

fn kept_in_daily(query: &SpendQuery) -> bool {
    let mut kept = true;
    let mut see = |dimension: &Dimension| {
        kept &= match dimension {
            Dimension::Fixed(fixed) => fixed.in_daily(),
            Dimension::Tag(key) => !matches!(key.as_str(), "cost-center" | "odd key"),
        };
    };
    query.group_by.iter().for_each(&mut see);
    query.filter.each_dimension(&mut see);
    kept
}

async fn check(lines: &[Line], queries: &[SpendQuery]) {
    let house = House::new().await;
    for (number, source) in SOURCES.iter().enumerate() {
        let own: Vec<&Line> = lines.iter().filter(|line| line.source == number).collect();
        // Two deliveries a source, so that answers are put together from several parts.
        for (half, lines) in own.chunks(own.len().div_ceil(2).max(1)).enumerate() {
            let (name, key) = (format!("{source}-{half}.csv"), format!("half-{half}"));
            let runs =
                house.import_with(source, &name, &csv(lines), Some(&key), Force::default()).await.expect("imports");
            assert_eq!(runs[0].state, outlay_model::part::RunState::Committed, "{:?}", runs[0].message);
        }
    }
    for query in queries {
        let ask = async |query: &SpendQuery| house.app.insights.spend(query, &Scope::Company).await.expect("an answer");
        let report = ask(query).await;
        assert_eq!(answered(&report), expected(lines, query), "{query:?}");
        if kept_in_daily(query) {
            assert!(!report.plan.contains_key(&Layer::Charges), "daily can answer {query:?}: {:?}", report.plan);
        }
        let detailed = ask(&SpendQuery { filter: from_charges(&query.filter), ..query.clone() }).await;
        assert!(!detailed.plan.contains_key(&Layer::Daily), "only charges can answer: {:?}", detailed.plan);
        assert_eq!(answered(&detailed), answered(&report), "{query:?}");

        let everything = ask(&SpendQuery { filter: Filter::everything(), ..query.clone() }).await;
        let rest = ask(&SpendQuery { filter: Filter::Not(Box::new(query.filter.clone())), ..query.clone() }).await;
        let mut both = totals(&report);
        for (currency, total) in totals(&rest) {
            *both.entry(currency).or_default() += total;
        }
        both.retain(|_, total| *total != 0);
        assert_eq!(both, totals(&everything), "Σ(f) + Σ(NOT f) = Σ for {query:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_what_the_bills_say(
        lines in prop::collection::vec(line(), 1..60),
        queries in prop::collection::vec(query(), 6),

    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        runtime.block_on(check(&lines, &queries));
    }
}
