//! Splits shared cost: for every row of a pool one row that takes its cost away and one for each of those who share it.
//!
//! The arithmetic is that of whole numbers of 10⁻¹⁸ (P2): each share is its exact one rounded down, and what is left over goes, a
//! unit each, to the shares that lost most, by name where they lost the same. So what is taken away is exactly what is given,
//! for every cost of every row; a refund is split as the cost it pays back; what is not stated stays so.

mod describe;

use std::collections::BTreeMap;

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive as _};
use outlay_model::query::Metric;
use outlay_model::{Money, TeamId};
use polars::prelude::{Column, DataFrame, IdxCa, IdxSize, NewChunkedArray, PlSmallStr, PolarsResult, StringChunked};
use polars::prelude::{IntoColumn, IntoSeries as _};

pub use describe::{DESCRIBED, Method, Usage, describe, prepare};

use crate::decimal;
use crate::schema::{TEAM, nulls_billed_column};

/// In which proportions a day is split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shares {
    targets: Vec<TeamId>,
    weights: Vec<BigInt>,
    total: BigInt,
    /// The same, where a machine's integers can hold it.
    small: Option<(Vec<u128>, u128)>,
}

impl Shares {
    /// Of weights that are not negative; who weighs nothing has no share. `None` when nobody weighs anything.
    #[must_use]
    pub fn new(weights: &BTreeMap<TeamId, BigInt>) -> Option<Self> {
        let none = BigInt::from(0);
        let positive: Vec<(&TeamId, &BigInt)> = weights.iter().filter(|(_, weight)| **weight > none).collect();
        let common = positive.iter().fold(none, |common, (_, weight)| gcd(common, (*weight).clone()));
        let weights: Vec<BigInt> = positive.iter().map(|(_, weight)| *weight / &common).collect();
        let total: BigInt = weights.iter().sum();
        let small = weights.iter().map(|weight| weight.to_u128()).collect::<Option<Vec<_>>>();
        let small = small.zip(total.to_u128());
        let targets: Vec<TeamId> = positive.into_iter().map(|(target, _)| target.clone()).collect();
        (!targets.is_empty()).then_some(Self { targets, weights, total, small })
    }

    /// Who has a share, by name.
    #[must_use]
    pub fn targets(&self) -> &[TeamId] {
        &self.targets
    }

    /// How much of the whole each has, from 0 to 1, at 18 decimals: to be looked at, never to be reckoned with.
    #[must_use]
    pub fn ratios(&self) -> Vec<BigDecimal> {
        let one = 10_i128.pow(18);
        let ratio = |weight: &BigInt| BigDecimal::new(weight * one * 10 / &self.total, 19);
        let ratios = self.weights.iter().map(ratio);
        ratios.map(|ratio| ratio.with_scale_round(18, RoundingMode::HalfEven).normalized()).collect()
    }

    /// What each has of an amount, in the order of the targets; together they are the amount.
    #[must_use]
    pub fn split(&self, amount: Money) -> Vec<Money> {
        let magnitude = amount.units().unsigned_abs();
        let small = self.small.as_ref().filter(|(_, total)| magnitude.checked_mul(*total).is_some());
        let mut shares = match small {
            Some((weights, total)) => {
                let exact = weights.iter().map(|weight| magnitude * weight);
                largest_remainder(magnitude, exact.map(|exact| (exact / total, exact % total)))
            }
            None => {
                let magnitude_exact = BigInt::from(magnitude);
                let exact = self.weights.iter().map(|weight| &magnitude_exact * weight);
                let parts = exact.map(|exact| {
                    let whole = &exact / &self.total;
                    let rest = exact - &whole * &self.total;
                    (whole.to_u128().expect("a share is no more than the whole"), rest)
                });
                largest_remainder(magnitude, parts)
            }
        };
        if amount < Money::ZERO {
            shares.iter_mut().for_each(|share| *share = -*share);
        }
        shares.into_iter().map(|units| Money::from_units(units).expect("a share is no more than the whole")).collect()
    }
}

/// Whole shares, and what was rounded off each: the largest of these are rounded up until nothing is left over.
fn largest_remainder<R: Ord>(whole: u128, parts: impl Iterator<Item = (u128, R)>) -> Vec<i128> {
    let (mut shares, rests): (Vec<u128>, Vec<R>) = parts.unzip();
    let left = whole - shares.iter().sum::<u128>();
    if left > 0 {
        let mut order: Vec<usize> = (0..rests.len()).collect();
        // A stable sort: of equal ones the first by name comes first.
        order.sort_by(|a, b| rests[*b].cmp(&rests[*a]));
        // Less is left over than there are shares that were rounded.
        let count = usize::try_from(left).unwrap_or(usize::MAX);
        order.into_iter().take(count).for_each(|place| shares[place] += 1);
    }
    shares.into_iter().map(|share| i128::try_from(share).expect("money fits")).collect()
}

fn gcd(mut a: BigInt, mut b: BigInt) -> BigInt {
    while b != BigInt::from(0) {
        (a, b) = (b.clone(), a % b);
    }
    a
}

/// The columns that are split: the costs, and what was billed where one is not stated.
pub fn split_columns() -> impl Iterator<Item = &'static str> {
    Metric::ALL.iter().flat_map(|metric| [metric.column(), nulls_billed_column(*metric)])
}

/// The transfers of daily rows of a pool, which all are of days that are split in these proportions: for each row in turn the
/// one that is taken away, and those of the targets by name. All other columns are the row's.
///
/// # Errors
/// When the rows are not daily rows.
pub fn transfers(rows: &DataFrame, pool: &TeamId, shares: &Shares) -> PolarsResult<DataFrame> {
    let width = shares.targets.len() + 1;
    let from = (0..rows.height()).flat_map(|row| std::iter::repeat_n(row as IdxSize, width));
    let mut transfers = rows.take(&IdxCa::from_vec(PlSmallStr::from_static("from"), from.collect()))?;
    for name in split_columns() {
        let amounts = decimal::amounts(rows.column(name)?.as_materialized_series())?;
        let mut split = Vec::with_capacity(transfers.height());
        for amount in amounts {
            match amount {
                None => split.extend(std::iter::repeat_n(None, width)),
                Some(amount) => {
                    split.push(Money::ZERO.checked_sub(amount));
                    split.extend(shares.split(amount).into_iter().map(Some));
                }
            }
        }
        transfers.with_column(decimal::column(name, split))?;
    }
    let teams = std::iter::once(pool).chain(&shares.targets).map(|team| Some(team.as_str()));
    transfers.with_column(pattern(TEAM, &teams.collect::<Vec<_>>(), rows.height()))?;
    Ok(transfers)
}

/// A column that says the same of the transfers of each of so many rows.
#[must_use]
pub fn pattern(name: &str, of_one: &[Option<&str>], rows: usize) -> Column {
    let all = std::iter::repeat_n(of_one, rows).flatten().copied();
    StringChunked::from_iter_options(PlSmallStr::from_str(name), all).into_series().into_column()
}

#[cfg(test)]
mod tests {
    use polars::prelude::df;
    use proptest::prelude::*;

    use super::*;

    fn shares(weights: &[(&str, i128)]) -> Option<Shares> {
        Shares::new(&weights.iter().map(|(team, weight)| (TeamId::new(*team), BigInt::from(*weight))).collect())
    }

    fn units(units: i128) -> Money {
        Money::from_units(units).expect("fits")
    }

    #[track_caller]
    fn check(weights: &[(&str, i128)], amount: i128, expected: &[i128]) {
        let shares = shares(weights).expect("somebody weighs something");
        let split: Vec<i128> = shares.split(units(amount)).into_iter().map(Money::units).collect();
        assert_eq!(split, expected);
        let back: Vec<i128> = shares.split(units(-amount)).into_iter().map(Money::units).collect();
        assert_eq!(back, expected.iter().map(|share| -share).collect::<Vec<_>>(), "a refund is split alike");
    }

    #[test]
    fn what_is_left_over_goes_where_most_was_lost() {
        check(&[("a", 1), ("b", 1), ("c", 1)], 100, &[34, 33, 33]);
        check(&[("c", 1), ("b", 1), ("a", 1)], 101, &[34, 34, 33]);
        // 10 · 3/7 = 4.29, 10 · 2/7 = 2.86 twice: these two lost more.
        check(&[("a", 3), ("b", 2), ("c", 2)], 10, &[4, 3, 3]);
        check(&[("a", 1), ("b", 0), ("c", 3)], 8, &[2, 6]);
        check(&[("a", 5)], 7, &[7]);
        check(&[("a", 1), ("b", 1)], 0, &[0, 0]);
        assert_eq!(shares(&[("a", 0)]), None);
        assert_eq!(shares(&[]), None);
    }

    #[test]
    fn ratios_are_for_reading() {
        let ratios = |weights: &[(&str, i128)]| {
            let ratios = shares(weights).expect("somebody weighs something").ratios();
            ratios.iter().map(outlay_model::money::plain).collect::<Vec<_>>()
        };
        assert_eq!(ratios(&[("a", 1), ("b", 3)]), ["0.25", "0.75"]);
        assert_eq!(ratios(&[("a", 1), ("b", 2)]), ["0.333333333333333333", "0.666666666666666667"]);
        assert_eq!(ratios(&[("a", 9)]), ["1"]);
    }

    #[test]
    fn a_row_becomes_one_that_is_taken_away_and_those_of_the_targets() {
        let money = |amounts: [Option<&str>; 2]| amounts.map(|amount| amount.map(|text| text.parse().expect("money")));
        let mut rows =
            df!(TEAM => ["shared:net", "shared:net"], "ServiceName" => ["VPC", "DNS"], "x_Rows" => [3_i64, 1])
                .expect("a frame");
        for name in split_columns() {
            let amounts = match name {
                "EffectiveCost" => [Some("-9"), Some("4")],
                "ListCost" => [Some("8"), None],
                "x_ListCostNullsBilled" => [None, Some("2")],
                _ => [None, None],
            };
            rows.with_column(decimal::column(name, money(amounts))).expect("a column");
        }
        let shares = shares(&[("search", 1), ("payments", 3)]).expect("somebody weighs something");
        let split = transfers(&rows, &TeamId::new("shared:net"), &shares).expect("splits");
        let texts = |name: &str| -> Vec<String> {
            split.column(name).expect("there").str().expect("text").iter().flatten().map(ToOwned::to_owned).collect()
        };
        let amounts = |name: &str| -> Vec<String> {
            let amounts = decimal::amounts(split.column(name).expect("there").as_materialized_series());
            let text = |amount: Option<Money>| amount.map_or("null".to_owned(), |amount| amount.to_string());
            amounts.expect("decimal").into_iter().map(text).collect()
        };
        assert_eq!(texts(TEAM), ["shared:net", "payments", "search", "shared:net", "payments", "search"]);
        assert_eq!(texts("ServiceName"), ["VPC", "VPC", "VPC", "DNS", "DNS", "DNS"]);
        assert_eq!(amounts("EffectiveCost"), ["9", "-6.75", "-2.25", "-4", "3", "1"]);
        assert_eq!(amounts("ListCost"), ["-8", "6", "2", "null", "null", "null"]);
        assert_eq!(amounts("x_ListCostNullsBilled"), ["null", "null", "null", "-2", "1.5", "0.5"]);
        assert_eq!(split.column("x_Rows").expect("there").i64().expect("counts").iter().flatten().sum::<i64>(), 12);
    }

    fn weight() -> impl Strategy<Value = i128> {
        prop_oneof![0..4_i128, 0..1000_i128, 0..10_i128.pow(21), 0..10_i128.pow(37)]
    }

    fn amount() -> impl Strategy<Value = i128> {
        let limit = 10_i128.pow(38) - 1;
        prop_oneof![-5..5_i128, -10_i128.pow(21)..10_i128.pow(21), -limit..=limit]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn nothing_is_lost_and_each_has_its_share(
            weights in prop::collection::btree_map("[a-f]{1,2}", weight(), 1..9), amount in amount(),
        ) {
            let weights: BTreeMap<TeamId, BigInt> =
                weights.into_iter().map(|(team, weight)| (TeamId::new(team), weight.into())).collect();
            let Some(shares) = Shares::new(&weights) else { return Ok(()) };
            let split = shares.split(units(amount));
            prop_assert_eq!(split.iter().map(|share| share.units()).sum::<i128>(), amount);
            let total: BigInt = weights.values().sum();
            for (target, share) in shares.targets().iter().zip(&split) {
                // |share − exact| < 1 unit, on the common denominator.
                let off = BigInt::from(share.units()) * &total - BigInt::from(amount) * &weights[target];
                prop_assert!(off < total && off > -&total, "{} has {}", target, share);
                prop_assert!((share.units() >= 0) == (amount >= 0) || share.is_zero());
            }
            prop_assert!(weights.iter().all(|(team, weight)| (*weight > BigInt::from(0)) == shares.targets().contains(team)));
        }

        /// Weights on another scale are the same shares, and so the long way of reckoning is the short one.
        #[test]
        fn only_proportions_count(
            weights in prop::collection::btree_map("[a-f]", 1..1_000_000_i128, 1..6), amount in -10_i128.pow(30)..10_i128.pow(30),
        ) {
            let scaled = |by: BigInt| -> BTreeMap<TeamId, BigInt> {
                weights.iter().map(|(team, weight)| (TeamId::new(team.as_str()), &by * *weight)).collect()
            };
            let (one, many) = (Shares::new(&scaled(1.into())), Shares::new(&scaled(BigInt::from(10).pow(60))));
            prop_assert_eq!(&one, &many);
            let one = one.expect("somebody weighs something");
            let slow = Shares { small: None, ..one.clone() };
            prop_assert_eq!(one.split(units(amount)), slow.split(units(amount)));
        }

        /// The names decide ties and nothing else: who is called differently but in the same order has the same share.
        #[test]
        fn the_order_of_names_decides_ties(weights in prop::collection::vec(0..50_i128, 1..7), amount in -1000..1000_i128) {
            let named = |prefix: &str| {
                let named = weights.iter().enumerate().map(|(place, weight)| {
                    (TeamId::new(format!("{prefix}{place}")), BigInt::from(*weight))
                });
                // Whatever order they are said in.
                Shares::new(&named.rev().collect())
            };
            let (one, other) = (named("a"), named("team-"));
            prop_assert_eq!(one.map(|shares| shares.split(units(amount))), other.map(|shares| shares.split(units(amount))));
            // Equal amounts of equal weights differ by one unit at most, and the first by name has more.
            if let Some(shares) = named("a") {
                let split = shares.split(units(amount.abs()));
                for (a, b) in (0..split.len()).flat_map(|a| (a + 1..split.len()).map(move |b| (a, b))) {
                    if shares.weights[a] == shares.weights[b] {
                        prop_assert!(split[a] == split[b] || split[a].units() == split[b].units() + 1);
                    }
                }
            }
        }
    }
}
