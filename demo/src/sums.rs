//! What the bills add up to, by the demo's own arithmetic: what the pipeline's answers are held against.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate, NaiveDateTime};
use serde::Serialize;

use crate::form::Meaning;
use crate::money::Decimal;
use crate::row::{Charge, Period};
use crate::source::Source;

/// What charges of one kind cost in one month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// The source whose bill they are on.
    pub source: String,
    /// The month they were charged for, by their first instant: `2026-10`.
    pub month: String,
    /// The month they are billed with.
    pub billing_month: String,
    /// FOCUS ServiceName.
    pub service: Option<String>,
    /// FOCUS ServiceCategory.
    pub service_category: Option<String>,
    /// FOCUS ChargeCategory.
    pub charge_category: String,
    /// Currency of the costs, which are exact decimal text.
    pub currency: String,
    /// Σ BilledCost.
    pub billed: String,
    /// Σ EffectiveCost.
    pub effective: String,
    /// Σ ListCost of those that state it; None if none does.
    pub list: Option<String>,
    /// Σ ContractedCost likewise.
    pub contracted: Option<String>,
}

/// Source, the firsts of the two months, and what a charge is.
type Key = (&'static str, NaiveDate, NaiveDate, Option<&'static str>, Option<&'static str>, &'static str);

#[derive(Debug)]
struct Total {
    currency: &'static str,
    billed: Decimal,
    effective: Decimal,
    list: Option<Decimal>,
    contracted: Option<Decimal>,
}

/// Every [`Sum`] so far.
#[derive(Debug, Default)]
pub(crate) struct Sums(BTreeMap<Key, Total>);

impl Sums {
    /// Adds a charge as the form of `source` says it.
    pub(crate) fn add(&mut self, source: &Source, period: &Period, charge: &Charge<'_>) {
        let Meaning { category, service, service_category, costs, list, contracted } = source.form.meaning(charge);
        let key = (source.name, first(charge.start), first(period.start), service, service_category, category);
        let total = self.0.entry(key).or_insert(Total {
            currency: source.head.currency,
            billed: Decimal::ZERO,
            effective: Decimal::ZERO,
            list: None,
            contracted: None,
        });
        total.billed += costs.billed;
        total.effective += costs.effective;
        for (sum, stated) in [(&mut total.list, list), (&mut total.contracted, contracted)] {
            *sum = stated.map(|amount| sum.map_or(amount, |sum| sum + amount)).or(*sum);
        }
    }

    pub(crate) fn told(&self) -> Vec<Sum> {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let each = self.0.iter().map(|((source, month, billing, service, class, category), total)| Sum {
            source: (*source).to_owned(),
            month: month.format("%Y-%m").to_string(),
            billing_month: billing.format("%Y-%m").to_string(),
            service: text(*service),
            service_category: text(*class),
            charge_category: (*category).to_owned(),
            currency: total.currency.to_owned(),
            billed: total.billed.to_string(),
            effective: total.effective.to_string(),
            list: total.list.map(|sum| sum.to_string()),
            contracted: total.contracted.map(|sum| sum.to_string()),
        });
        each.collect()
    }
}

fn first(instant: NaiveDateTime) -> NaiveDate {
    // Every month has a first.
    instant.date().with_day(1).unwrap_or(instant.date())
}
