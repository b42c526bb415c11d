//! Random bills and random questions, against an answer worked out line by line (P1, P2, P6, P7, P9): teams move between
//! departments and change their owners within the days that are asked for.
//!
//! The plan says from which layer an answer came. A question that `daily` can answer is asked again with a condition
//! that says nothing but names a dimension `daily` does not keep: then `charges` must have answered, to the same digit.

mod common;

use std::collections::BTreeMap;

use bigdecimal::BigDecimal;
use chrono::{Days, NaiveDate};
use common::lines::{Line, SOURCES, csv, date, line};
use common::{House, today};
use outlay::pipeline::Force;
use outlay_model::dimension::Fixed;
use outlay_model::filter::Filter;
use outlay_model::money::plain;
use outlay_model::ownership::Ownership;
use outlay_model::part::Layer;
use outlay_model::query::{Basis, Metric, SpendQuery, TargetCurrency};
use outlay_model::report::{Scope, SpendReport};
use outlay_model::{DateRange, Dimension, Granularity, TagKey, TeamId, UNALLOCATED};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::json;

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
        Fixed::Department,
        Fixed::Owner,
        Fixed::Resource,
    ];
    let tags = ["team", "env", "never-seen", "cost-center", "odd key"].map(|key| Dimension::Tag(TagKey::new(key)));
    fixed.map(Dimension::Fixed).into_iter().chain(tags).collect()
}

fn filter() -> impl Strategy<Value = Filter> {
    let values = select(
        &[
            "EC2",
            "S3",
            "50%",
            "001",
            "1",
            "r1",
            "Usage",
            "USD",
            "one",
            "2026-10-01",
            "a",
            "b",
            "top",
            "Ann",
            "",
            UNALLOCATED,
        ][..],
    );
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

/// Teams that move and change hands: `b` may be part of `a`, `a` of `mid`, all of them of `top`.
fn ownership() -> impl Strategy<Value = Ownership> {
    let team = |parents: &'static [&'static str]| {
        let stretch = |values: &'static [&'static str]| {
            let values: Vec<Option<&str>> = values.iter().copied().map(Some).chain([None]).collect();
            prop::collection::btree_map(0..45_u64, select(values), 0..3)
        };
        (stretch(parents), stretch(&["Ann", "Bob"]))
    };
    let teams = (team(&["a", "top"]), team(&["mid", "top"]), team(&["top"]), team(&[]));
    teams.prop_map(|(b, a, mid, top)| {
        let dated = |changes: BTreeMap<u64, Option<&str>>| {
            let from = |day| date("2026-09-05") + Days::new(day);
            let one = |(day, is): (u64, Option<&str>)| json!({ "from": from(day).to_string(), "is": is });
            changes.into_iter().map(one).collect::<serde_json::Value>()
        };
        let team = |(parents, owners)| {
            let (parents, mut owners) = (dated(parents), dated(owners));
            // Everybody has an owner in the end.
            owners.as_array_mut().expect("a list").push(json!({ "from": "2026-12-01", "is": "Ann" }));
            json!({ "parent": parents, "owner": owners })
        };
        let teams = json!({ "a": team(a), "b": team(b), "mid": team(mid), "top": team(top) });
        serde_json::from_value(json!({ "teams": teams })).expect("an ownership")
    })
}

/// A charge and what the registry says of its team on a day.
struct Seen<'a> {
    line: &'a Line,
    ownership: &'a Ownership,
    day: NaiveDate,
}

impl Seen<'_> {
    /// The team of the charge and those it is part of, from it up.
    fn chain(&self) -> Vec<String> {
        let mut chain: Vec<String> = self.line.value(&Fixed::Team.into()).into_iter().collect();
        while let Some(team) = chain.last().and_then(|team| self.ownership.teams.get(team.as_str()))
            && let Some(parent) = team.parent.on(self.day)
        {
            chain.push(parent.to_string());
        }
        chain
    }

    fn value(&self, dimension: &Dimension) -> Option<String> {
        match dimension {
            Dimension::Fixed(Fixed::Department) => self.chain().pop(),
            Dimension::Fixed(Fixed::Owner) => {
                let team = self.line.value(&Fixed::Team.into())?;
                self.ownership.teams.get(team.as_str())?.owner.on(self.day).cloned()
            }
            dimension => self.line.value(dimension),
        }
    }

    fn passes(&self, filter: &Filter) -> bool {
        match filter {
            Filter::In(Dimension::Fixed(Fixed::Team), teams) => self.chain().iter().any(|team| teams.contains(team)),
            Filter::IsNull(Dimension::Fixed(Fixed::Department)) => {
                self.line.passes(&Filter::IsNull(Fixed::Team.into()))
            }
            Filter::In(dimension @ Dimension::Fixed(Fixed::Department | Fixed::Owner), values) => {
                self.value(dimension).is_some_and(|value| values.contains(&value))
            }
            Filter::Like(dimension @ Dimension::Fixed(Fixed::Department | Fixed::Owner), pattern) => {
                let prefix = pattern.strip_suffix('%').expect("only prefixes are generated");
                self.value(dimension).is_some_and(|value| value.starts_with(prefix))
            }
            Filter::IsNull(Dimension::Fixed(Fixed::Owner)) => self.value(&Fixed::Owner.into()).is_none(),
            Filter::In(..) | Filter::Like(..) | Filter::IsNull(_) => self.line.passes(filter),
            Filter::Not(inner) => !self.passes(inner),
            Filter::And(parts) => parts.iter().all(|part| self.passes(part)),
            Filter::Or(parts) => parts.iter().any(|part| self.passes(part)),
        }
    }
}

type Answer = BTreeMap<(Option<NaiveDate>, Vec<Option<String>>, String), Option<String>>;

/// The answer, line by line.
fn expected(lines: &[Line], ownership: &Ownership, query: &SpendQuery) -> Answer {
    let mut sums: BTreeMap<_, Option<BigDecimal>> = BTreeMap::new();
    for line in lines {
        let time = if query.basis == Basis::Billing { line.period } else { line.day };
        let seen = Seen { line, ownership, day: time };
        if !query.range.contains(time) || !seen.passes(&query.filter) {
            continue;
        }
        let bucket = (query.granularity != Granularity::Total).then(|| query.granularity.start_of(time));
        let keys = query.group_by.iter().map(|dimension| seen.value(dimension)).collect();
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
            Dimension::Fixed(fixed) => fixed.in_daily() || matches!(fixed, Fixed::Department | Fixed::Owner),
            Dimension::Tag(key) => !matches!(key.as_str(), "cost-center" | "odd key"),
        };
    };
    query.group_by.iter().for_each(&mut see);
    query.filter.each_dimension(&mut see);
    kept
}

async fn check(lines: &[Line], ownership: &Ownership, queries: &[SpendQuery]) {
    let house = House::new().await;
    house.say(ownership).await;
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
        let ask = async |query: &SpendQuery| {
            house.app.insights.spend(query, today(), &Scope::Company).await.expect("an answer")
        };
        let report = ask(query).await;
        assert_eq!(answered(&report), expected(lines, ownership, query), "{query:?}");
        if kept_in_daily(query) {
            assert!(!report.plan.contains_key(&Layer::Charges), "daily can answer {query:?}: {:?}", report.plan);
        }
        let detailed = ask(&SpendQuery { filter: from_charges(&query.filter), ..query.clone() }).await;
        assert!(!detailed.plan.contains_key(&Layer::Daily), "only charges can answer: {:?}", detailed.plan);
        assert_eq!(answered(&detailed), answered(&report), "{query:?}");

        // What a team may see is what it and its descendants spent.
        for team in ["top", "a"] {
            let scope = Scope::Teams(vec![TeamId::new(team)]);
            let seen = house.app.insights.spend(query, today(), &scope).await.expect("an answer");
            let own = Filter::equals(Fixed::Team, team).and(query.filter.clone());
            assert_eq!(answered(&seen), expected(lines, ownership, &SpendQuery { filter: own, ..query.clone() }));
        }

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
        ownership in ownership(),
        queries in prop::collection::vec(query(), 6),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        runtime.block_on(check(&lines, &ownership, &queries));
    }
}
