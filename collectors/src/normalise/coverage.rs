//! The sums that guards need, and the days the charges cover.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDate};
use outlay_ledger::decimal;
use outlay_model::Money;
use outlay_model::part::Repair;
use polars::prelude::{DataFrame, DataType, PolarsResult};

use super::Normaliser;

/// What the charges of a delivery say about time, for honest gaps (P6).
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    /// Days that usage covers.
    pub usage: BTreeSet<NaiveDate>,
    /// Days that any charge covers.
    pub any: BTreeSet<NaiveDate>,
    /// Whether some charge covers less than a day.
    pub hourly: bool,
}

impl Normaliser<'_> {
    /// Keeps the sums that guards need, and the days the charges cover.
    pub(super) fn tally(&mut self, charges: &DataFrame) -> PolarsResult<()> {
        for (metric, sum) in &mut self.magnitude {
            let Ok(column) = charges.column(metric.column()) else { continue };
            let amounts = decimal::amounts(column.as_materialized_series())?.into_iter().flatten();
            *sum = amounts.fold(*sum, |sum, amount| sum?.checked_add(amount.abs()));
        }
        self.tally_billed(charges)?;
        let instants = |name: &str| -> PolarsResult<Vec<Option<i64>>> {
            match charges.column(name) {
                Ok(column) => Ok(column.cast(&DataType::Int64)?.i64()?.iter().collect()),
                Err(_) => Ok(vec![None; charges.height()]),
            }
        };
        let (starts, ends, bills) =
            (instants("ChargePeriodStart")?, instants("ChargePeriodEnd")?, instants("BillingPeriodEnd")?);
        let usage: Vec<bool> = match charges.column("ChargeCategory") {
            Ok(column) => column.str()?.iter().map(|category| category == Some("Usage")).collect(),
            Err(_) => vec![false; charges.height()],
        };
        let (mut last, mut empty) = (None, 0);
        for row in 0..charges.height() {
            let Some(start) = starts[row] else { continue };
            let end = ends[row];
            empty += u64::from(end.is_some_and(|end| end <= start));
            let span = (start, end, bills[row], usage[row]);
            if last.replace(span) != Some(span) {
                self.coverage.add(span);
            }
        }
        self.count(Repair::EmptyPeriod, empty);
        Ok(())
    }

    fn tally_billed(&mut self, charges: &DataFrame) -> PolarsResult<()> {
        let amounts = decimal::amounts(charges.column("BilledCost")?.as_materialized_series())?;
        let mut sums: BTreeMap<&str, Money> = BTreeMap::new();
        for (currency, amount) in charges.column("BillingCurrency")?.str()?.iter().zip(amounts) {
            let (Some(currency), Some(amount)) = (currency, amount) else { continue };
            let sum = sums.entry(currency).or_default();
            *sum = sum.checked_add(amount.abs()).unwrap_or(*sum);
        }
        for (currency, more) in sums {
            let Ok(currency) = currency.parse() else { continue };
            let sum = self.billed.entry(currency).or_default();
            *sum = sum.checked_add(more).unwrap_or(*sum);
        }
        Ok(())
    }
}

impl Coverage {
    /// Adds the days from a charge's start to its end, or to the end of its billing period if that is earlier: a charge
    /// that pays for three years does not make three years of bills complete.
    fn add(&mut self, (start, end, bill_end, usage): (i64, Option<i64>, Option<i64>, bool)) {
        const HOUR: i64 = 3_600_000_000;
        let day = |micros: i64| DateTime::from_timestamp_micros(micros).map(|instant| instant.date_naive());
        let end = end.map(|end| bill_end.map_or(end, |bill_end| end.min(bill_end.max(start))));
        self.hourly |= end.is_some_and(|end| end > start && end - start <= HOUR);
        let Some(first) = day(start) else { return };
        let last = end.and_then(|end| day(end.max(start + 1) - 1)).unwrap_or(first);
        for day in first.iter_days().take_while(|day| *day <= last.min(first + Days::new(366))) {
            self.any.insert(day);
            if usage {
                self.usage.insert(day);
            }
        }
    }
}
