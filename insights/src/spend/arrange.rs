//! From the figures of an answer to the rows of a page: compared, folded, added up, put in order and cut.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use outlay_model::query::{Cursor, MAX_ROWS, OrderBy, ParameterError, SpendQuery, TargetCurrency};
use outlay_model::report::{Compared, SpendRow, Warning};
use outlay_model::{Currency, DateRange, Money};
use outlay_store::Keys;

use crate::InsightError;
use crate::buckets::Buckets;
use crate::convert::{Cell, Cells, Place, add};

/// What the groups beyond `top` are called.
const OTHER: &str = "other";

/// A figure and its counterpart.
#[derive(Debug, Clone, Default)]
pub(super) struct Pair {
    pub(super) now: Option<Cell>,
    pub(super) then: Option<Cell>,
}

/// The figures of an answer, one a place, in no order yet.
pub(super) type Table = Vec<(Place, Pair)>;

/// Puts the figures of the range compared with beside those of the range, bucket by bucket.
pub(super) fn pair_up(
    table: &mut Table,
    then: Cells,
    query: &SpendQuery,
    range: DateRange,
    warnings: &mut Vec<Warning>,
) -> Result<(), InsightError> {
    let buckets = Buckets::new(query.granularity, query.range);
    let mut known: HashMap<Place, usize> =
        table.iter().enumerate().map(|(number, (place, _))| (place.clone(), number)).collect();
    let mut uneven = None;
    for (place, cell) in then {
        if place.bucket.is_some_and(|bucket| bucket >= buckets.count()) {
            uneven = add(uneven, cell.cost)?;
            continue;
        }
        let number = *known.entry(place).or_insert_with_key(|place| {
            table.push((place.clone(), Pair::default()));
            table.len() - 1
        });
        table[number].1.then = Some(cell);
    }
    if let Some(cost) = uneven {
        let message = format!("{range} is longer than {}: {cost} of it has nothing to be compared with", query.range);
        warnings.push(Warning { code: "compare_uneven", message });
    }
    Ok(())
}

/// Says where a cost is stated for only some charges, with both figures (P6).
pub(crate) fn warning_of_nulls<'a>(
    cells: impl Iterator<Item = &'a Cell>,
    query: &SpendQuery,
    range: DateRange,
) -> Option<Warning> {
    let (mut nulls, mut partly, mut stated) = (0, 0, Some(Money::ZERO));
    let mut billed = BTreeMap::<Currency, Money>::new();
    for cell in cells {
        nulls += cell.nulls;
        partly += u64::from(cell.nulls > 0 && cell.cost.is_some());
        stated = stated.and_then(|sum| sum.checked_add(cell.cost.unwrap_or_default()));
        for (currency, amount) in &cell.nulls_billed {
            let sum = billed.entry(*currency).or_default();
            *sum = sum.checked_add(*amount)?;
        }
    }
    if nulls == 0 {
        return None;
    }
    let billed: Vec<_> = billed.iter().map(|(currency, amount)| format!("{amount} {currency}")).collect();
    let stated = match query.currency {
        TargetCurrency::To(currency) => format!("; the charges that state it come to {} {currency}", stated?),
        TargetCurrency::Native => String::new(),
    };
    let column = query.metric.column();
    let message = format!(
        "in {range}, {nulls} charges do not state {column} ({partly} figures are partly known); their BilledCost is {}{stated}",
        billed.join(" + ")
    );
    Some(Warning { code: "partly_null", message })
}

type GroupOf = (Keys, Option<Currency>);

pub(super) fn group_of(place: &Place) -> GroupOf {
    (place.keys.clone(), place.currency)
}

pub(super) fn group_totals(table: &Table) -> Result<HashMap<GroupOf, Option<Money>>, InsightError> {
    let mut totals = HashMap::new();
    for (place, pair) in table {
        let total: &mut Option<Money> = totals.entry(group_of(place)).or_default();
        *total = add(*total, cost(pair.now.as_ref()))?;
    }
    Ok(totals)
}

/// Keeps the largest groups over the whole range, so that a series is there on all days or on none; the rest is one
/// group. Currencies that are kept apart each keep their own largest.
pub(super) fn fold(table: Table, top: usize) -> Result<Table, InsightError> {
    let mut by_currency: BTreeMap<Option<Currency>, Vec<(Option<Money>, Keys)>> = BTreeMap::new();
    for ((keys, currency), total) in group_totals(&table)? {
        by_currency.entry(currency).or_default().push((total, keys));
    }
    let mut kept: HashSet<GroupOf> = HashSet::new();
    for (currency, mut groups) in by_currency {
        groups.sort_by(|(a, a_keys), (b, b_keys)| b.cmp(a).then_with(|| a_keys.cmp(b_keys)));
        kept.extend(groups.into_iter().take(top).map(|(_, keys)| (keys, currency)));
    }
    // A kept group may itself be called so; the rest then takes another name.
    let mut rest = OTHER.to_owned();
    let named =
        |(keys, _): &GroupOf, name: &str| !keys.is_empty() && keys.iter().all(|key| key.as_deref() == Some(name));
    while kept.iter().any(|group| named(group, &rest)) {
        rest.insert_str(0, "all ");
    }
    let rest: Arc<str> = rest.into();
    let mut folded: HashMap<Place, Pair> = HashMap::new();
    for (mut place, pair) in table {
        if !kept.contains(&group_of(&place)) {
            place.keys.iter_mut().for_each(|key| *key = Some(Arc::clone(&rest)));
        }
        let sum = folded.entry(place).or_default();
        for (side, more) in [(&mut sum.now, pair.now), (&mut sum.then, pair.then)] {
            if let Some(more) = more {
                side.get_or_insert_default().add(&more)?;
            }
        }
    }
    Ok(folded.into_iter().collect())
}

pub(super) fn totals(table: &Table) -> Result<BTreeMap<Option<Currency>, Option<Money>>, InsightError> {
    let mut totals = BTreeMap::new();
    for (place, pair) in table {
        let total: &mut Option<Money> = totals.entry(place.currency).or_default();
        *total = add(*total, cost(pair.now.as_ref()))?;
    }
    Ok(totals)
}

/// What a side of a figure says: a place with no charge cost nothing, one whose charges leave the metric out is unknown.
fn cost(cell: Option<&Cell>) -> Option<Money> {
    cell.map_or(Some(Money::ZERO), |cell| cell.cost)
}

pub(super) fn rows(table: Table, query: &SpendQuery, then_stated: bool) -> Result<Vec<SpendRow>, InsightError> {
    let buckets = Buckets::new(query.granularity, query.range);
    let row = |(place, pair): (Place, Pair)| {
        let now = cost(pair.now.as_ref());
        let compared = match query.compare {
            None => None,
            Some(_) => {
                let previous = if then_stated { cost(pair.then.as_ref()) } else { None };
                let change = match (now, previous) {
                    (Some(now), Some(then)) => Some(now.checked_sub(then).ok_or(InsightError::Overflow)?),
                    _ => None,
                };
                Some(Compared { previous, change })
            }
        };
        Ok(SpendRow {
            time: place.bucket.and_then(|bucket| buckets.start(bucket)),
            keys: place.keys.iter().map(|key| key.as_deref().map(ToOwned::to_owned)).collect(),
            currency: place.currency,
            cost: now,
            compared,
        })
    };
    table.into_iter().map(row).collect()
}

/// Puts the page asked for in order: by what was asked for; then by time, largest cost first, and by key, so that equal questions get equal answers.
pub(super) fn sort(table: &mut Table, query: &SpendQuery) {
    let asked = |(a, a_pair): &(Place, Pair), (b, b_pair): &(Place, Pair)| {
        query.order_by.iter().fold(Ordering::Equal, |order, key| {
            let compared = || match key.by {
                OrderBy::Time => a.bucket.cmp(&b.bucket),
                OrderBy::Cost => cost(a_pair.now.as_ref()).cmp(&cost(b_pair.now.as_ref())),
                OrderBy::Key(place) => a.keys[place].cmp(&b.keys[place]),
            };
            order.then_with(|| if key.descending { compared().reverse() } else { compared() })
        })
    };
    let order = |one: &(Place, Pair), other: &(Place, Pair)| {
        let ((a, a_pair), (b, b_pair)) = (one, other);
        asked(one, other)
            .then_with(|| a.bucket.cmp(&b.bucket))
            .then_with(|| cost(b_pair.now.as_ref()).cmp(&cost(a_pair.now.as_ref())))
            .then_with(|| a.keys.cmp(&b.keys))
            .then_with(|| a.currency.cmp(&b.currency))
    };
    // What lies behind the page need not be in order.
    let end = query.limit.map(|limit| query.cursor.map_or(0, |cursor| cursor.offset).saturating_add(limit));
    match end.filter(|end| *end < table.len()) {
        Some(end) => {
            table.select_nth_unstable_by(end, order);
            table[..end].sort_unstable_by(order);
        }
        None => table.sort_unstable_by(order),
    }
}

/// Cuts the page out of the rows. Without `limit` an answer that does not fit is refused, never cut (P6).
pub(super) fn page(
    rows: &mut Table,
    query: &SpendQuery,
    cursor: impl Fn(usize) -> Cursor,
) -> Result<Option<String>, InsightError> {
    let Some(limit) = query.limit else {
        return match rows.len() {
            rows if rows > MAX_ROWS => Err(InsightError::TooManyRows { rows, most: MAX_ROWS }),
            _ if query.cursor.is_some() => {
                Err(ParameterError::new("limit", "give the limit of the page before").into())
            }
            _ => Ok(None),
        };
    };
    let start = query.cursor.map_or(0, |cursor| cursor.offset).min(rows.len());
    let end = start.saturating_add(limit).min(rows.len());
    let more = end < rows.len();
    rows.truncate(end);
    rows.drain(..start);
    Ok(more.then(|| cursor(end).to_string()))
}
