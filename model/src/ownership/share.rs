//! In which proportions a day of a pool is split: exact weights, never amounts.

use std::collections::{BTreeMap, BTreeSet};

use bigdecimal::num_bigint::BigInt;
use chrono::NaiveDate;

use super::{ByMetric, BySpend, Ownership, Point, SHARED, Split, Target};
use crate::rates::RateTable;
use crate::{Currency, Money, TeamId, UNALLOCATED};

/// What each of those who share a day weighs; nothing is negative, and who is not there weighs nothing.
pub type Weights = BTreeMap<Target, BigInt>;

/// What teams spent themselves on a day, before any split, in the currencies of their bills.
pub type OwnSpend = BTreeMap<TeamId, BTreeMap<Currency, Money>>;

/// What weights of a day are made of.
#[derive(Debug, Clone, Copy)]
pub struct DayFacts<'a> {
    /// The day.
    pub day: NaiveDate,
    /// What teams spent themselves, on the services that count.
    pub spend: &'a OwnSpend,
    /// What the series counts.
    pub points: &'a [Point],
    /// Whose the components are.
    pub ownership: &'a Ownership,
    /// What currencies are worth.
    pub rates: &'a RateTable,
    /// The one that spend is compared in, where it is in several.
    pub currency: Currency,
}

/// Spend in several currencies cannot be compared without a rate (P7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoRate {
    /// From this currency.
    pub from: Currency,
    /// To this one.
    pub to: Currency,
    /// On this day.
    pub day: NaiveDate,
}

impl Split {
    /// Its word.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Even(_) => "even",
            Self::Fixed(_) => "fixed",
            Self::Spend(_) => "spend",
            Self::Metric(_) => "metric",
        }
    }

    /// What each of those who share a day weighs. Nobody may: then its cost stays in the pool.
    ///
    /// # Errors
    /// Every rate that is missing.
    pub fn weights(&self, facts: &DayFacts<'_>) -> Result<Weights, BTreeSet<NoRate>> {
        match self {
            Self::Even(targets) => Ok(targets.iter().map(|target| (target.clone(), BigInt::from(1))).collect()),
            Self::Fixed(shares) => {
                let positive = shares.iter().filter(|(_, share)| **share > Money::ZERO);
                Ok(positive.map(|(target, share)| (target.clone(), share.units().into())).collect())
            }
            Self::Spend(spend) => by_spend(spend, facts),
            Self::Metric(metric) => Ok(by_metric(metric, facts)),
        }
    }
}

/// Neither cost without an owner nor another pool has a share of what is split by what teams do.
fn is_team(team: &TeamId) -> bool {
    team.as_str() != UNALLOCATED && !team.as_str().starts_with(SHARED)
}

fn by_spend(by: &BySpend, facts: &DayFacts<'_>) -> Result<Weights, BTreeSet<NoRate>> {
    let counts = |team: &TeamId| is_team(team) && (by.among.is_empty() || by.among.contains(team));
    let stated = |amounts: &BTreeMap<Currency, Money>| -> Vec<(Currency, Money)> {
        amounts.iter().filter(|(_, amount)| !amount.is_zero()).map(|(currency, amount)| (*currency, *amount)).collect()
    };
    let teams: Vec<(&TeamId, Vec<(Currency, Money)>)> =
        facts.spend.iter().filter(|(team, _)| counts(team)).map(|(team, amounts)| (team, stated(amounts))).collect();
    let currencies: BTreeSet<Currency> = teams.iter().flat_map(|(_, amounts)| amounts).map(|(code, _)| *code).collect();
    // Of one currency only proportions count, whatever it is worth.
    let (mut worth, mut missing) = (BTreeMap::new(), BTreeSet::new());
    for from in &currencies {
        let to = if currencies.len() == 1 { *from } else { facts.currency };
        match facts.rates.rate(*from, to, facts.day) {
            Some(rate) => drop(worth.insert(*from, rate.ratio())),
            None => drop(missing.insert(NoRate { from: *from, to, day: facts.day })),
        }
    }
    if !missing.is_empty() {
        return Err(missing);
    }
    // On one denominator, so that nothing is rounded.
    let below: BigInt = worth.values().map(|(_, below)| below).product();
    let weight = |amounts: Vec<(Currency, Money)>| -> BigInt {
        let exact = amounts.into_iter().filter_map(|(currency, amount)| {
            let (above, own) = worth.get(&currency)?;
            Some(BigInt::from(amount.units()) * above * (&below / own))
        });
        exact.sum()
    };
    let weights = teams.into_iter().map(|(team, amounts)| (team.clone(), weight(amounts)));
    Ok(weights.filter(|(_, weight)| *weight > BigInt::from(0)).collect())
}

fn by_metric(by: &ByMetric, facts: &DayFacts<'_>) -> Weights {
    let mut weights = Weights::new();
    for point in facts.points {
        let of_component = || {
            let component = facts.ownership.components.get(point.component.as_ref()?)?;
            component.team.on(facts.day)
        };
        let Some(team) = point.team.as_ref().or_else(of_component) else { continue };
        if is_team(team) && (by.among.is_empty() || by.among.contains(team)) && point.value > Money::ZERO {
            *weights.entry(team.clone()).or_default() += point.value.units();
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rates::RateEntry;

    fn day() -> NaiveDate {
        "2026-10-05".parse().expect("a day")
    }

    fn code(text: &str) -> Currency {
        text.parse().expect("a code")
    }

    fn own(spend: &[(&str, &str, &str)]) -> OwnSpend {
        let mut own = OwnSpend::new();
        for (team, currency, amount) in spend {
            let amounts = own.entry(TeamId::new(*team)).or_default();
            amounts.insert(code(currency), amount.parse().expect("money"));
        }
        own
    }

    /// The weights on their smallest scale: `team: weight`.
    fn weights(split: serde_json::Value, spend: &OwnSpend, points: &[Point]) -> Result<Vec<String>, BTreeSet<NoRate>> {
        let split: Split = serde_json::from_value(split).expect("a split");
        let ownership: Ownership = serde_json::from_value(serde_json::json!({ "components": {
            "api": { "team": [{ "is": "payments" }, { "from": "2026-10-06", "is": "search" }] },
        } }))
        .expect("reads");
        let entries = [(code("EUR"), vec![RateEntry { from: day(), to_usd: "1.25".into() }])];
        let rates = RateTable::new(&entries.into()).expect("rates");
        let facts =
            DayFacts { day: day(), spend, points, ownership: &ownership, rates: &rates, currency: Currency::USD };
        let weights = split.weights(&facts)?;
        let mut common = BigInt::from(0);
        for weight in weights.values() {
            let mut pair = (common, weight.clone());
            while pair.1 != BigInt::from(0) {
                pair = (pair.1.clone(), pair.0 % pair.1);
            }
            common = pair.0;
        }
        Ok(weights.iter().map(|(team, weight)| format!("{team}: {}", weight / &common)).collect())
    }

    fn check(split: serde_json::Value, spend: &OwnSpend, points: &[Point], expected: &[&str]) {
        assert_eq!(weights(split, spend, points).expect("rates are there"), expected);
    }

    fn point(team: Option<&str>, component: Option<&str>, value: &str) -> Point {
        Point {
            day: day(),
            team: team.map(TeamId::new),
            component: component.map(crate::ComponentId::new),
            value: value.parse().expect("a number"),
        }
    }

    #[test]
    fn evenly_and_by_fixed_shares() {
        let none = OwnSpend::new();
        check(serde_json::json!({ "even": ["b", "shared:other"] }), &none, &[], &["b: 1", "shared:other: 1"]);
        check(serde_json::json!({ "fixed": { "b": 1.5, "a": 3 } }), &none, &[], &["a: 2", "b: 1"]);
    }

    #[test]
    fn by_what_teams_spend_themselves() {
        let spend = own(&[
            ("a", "USD", "30"),
            ("b", "USD", "10"),
            ("refunded", "USD", "-5"),
            ("unallocated", "USD", "1000"),
            ("shared:net", "USD", "1000"),
        ]);
        check(serde_json::json!({ "spend": {} }), &spend, &[], &["a: 3", "b: 1"]);
        check(serde_json::json!({ "spend": { "among": ["b", "refunded", "idle"] } }), &spend, &[], &["b: 1"]);
        check(serde_json::json!({ "spend": { "among": ["idle"] } }), &spend, &[], &[]);
    }

    #[test]
    fn spend_in_several_currencies_is_compared_exactly() {
        // 8 EUR at 1.25 are 10 USD; b has 2 EUR and 2.5 USD, which are 5 USD.
        let spend = own(&[("a", "EUR", "8"), ("b", "EUR", "2"), ("b", "USD", "2.5")]);
        check(serde_json::json!({ "spend": {} }), &spend, &[], &["a: 2", "b: 1"]);
        // Pounds have no rate, but where there is nothing else none is needed.
        let pounds = own(&[("a", "GBP", "8"), ("b", "GBP", "4"), ("b", "USD", "0")]);
        check(serde_json::json!({ "spend": {} }), &pounds, &[], &["a: 2", "b: 1"]);
        let mixed = own(&[("a", "GBP", "8"), ("b", "USD", "4")]);
        let missing = weights(serde_json::json!({ "spend": {} }), &mixed, &[]).expect_err("no rate");
        let expected = NoRate { from: code("GBP"), to: Currency::USD, day: day() };
        assert_eq!(missing, [expected].into());
        // Those who do not share need no rate.
        check(serde_json::json!({ "spend": { "among": ["b"] } }), &mixed, &[], &["b: 1"]);
    }

    #[test]
    fn by_what_a_series_counts() {
        let points = [
            point(Some("search"), None, "2"),
            point(None, Some("api"), "1"),
            point(Some("search"), Some("api"), "3"),
            point(None, Some("unknown"), "100"),
            point(Some("unallocated"), None, "100"),
            point(Some("idle"), None, "0"),
        ];
        let none = OwnSpend::new();
        check(serde_json::json!({ "metric": { "series": "cpu" } }), &none, &points, &["payments: 1", "search: 5"]);
        let among = serde_json::json!({ "metric": { "series": "cpu", "among": ["search", "other"] } });
        check(among, &none, &points, &["search: 1"]);
    }
}
