//! Random bills, line by line, and what a line says.

use std::collections::BTreeMap;

use bigdecimal::BigDecimal;
use chrono::{Days, NaiveDate};
use outlay_model::dimension::Fixed;
use outlay_model::filter::Filter;
use outlay_model::query::Metric;
use outlay_model::{Dimension, UNALLOCATED};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

#[derive(Debug, Clone)]
pub struct Line {
    pub source: usize,
    pub day: NaiveDate,
    pub period: NaiveDate,
    pub currency: &'static str,
    pub service: Option<&'static str>,
    pub account: Option<&'static str>,
    pub resource: Option<&'static str>,
    pub category: &'static str,
    pub tags: BTreeMap<&'static str, &'static str>,
    pub billed: String,
    pub effective: Option<String>,
}

pub const SOURCES: [&str; 2] = ["one", "two"];

pub fn date(text: &str) -> NaiveDate {
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

pub fn line() -> impl Strategy<Value = Line> {
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
    pub fn value(&self, dimension: &Dimension) -> Option<String> {
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

    pub fn passes(&self, filter: &Filter) -> bool {
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

    pub fn cost(&self, metric: Metric) -> Option<BigDecimal> {
        let text = match metric {
            Metric::Billed => Some(&self.billed),
            Metric::Effective => self.effective.as_ref(),
            Metric::List | Metric::Contracted => None,
        };
        text.map(|text| text.parse().expect("a number"))
    }
}

pub fn csv(lines: &[&Line]) -> String {
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
