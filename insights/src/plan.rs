//! Decides which parts answer a query, and from which layer.
//!
//! A part answers from `daily` whenever that can: the dimension is kept there, or the part's charges do not have it at
//! all, so that it is null in both. Everything is decided from what the catalog knows; no file is opened.

use std::collections::{BTreeMap, BTreeSet};

use outlay_catalog::Snapshot;
use outlay_model::dimension::Fixed;
use outlay_model::filter::Filter;
use outlay_model::part::{Layer, Part};
use outlay_model::query::{Basis, Metric};
use outlay_model::report::Scope;
use outlay_model::{Currency, DateRange, Dimension, Granularity, Money, PartId, TagKey};
use outlay_store::Scan;

use crate::InsightError;

/// The part of a query that decides what is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need<'a> {
    /// The days.
    pub range: DateRange,
    /// Which time counts.
    pub basis: Basis,
    /// How finely time is cut.
    pub granularity: Granularity,
    /// Which charges count.
    pub filter: &'a Filter,
    /// What to group by.
    pub group_by: &'a [Dimension],
    /// Which cost, if any.
    pub metric: Option<Metric>,
}

/// What is read, and what is known of it beforehand.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// What to read.
    pub scans: Vec<Scan>,
    /// Parts per layer.
    pub layers: BTreeMap<Layer, usize>,
    /// The currencies in it.
    pub currencies: BTreeSet<Currency>,
    /// Whether some charge may leave the metric out.
    pub may_be_null: bool,
    /// Parts that state hours, and parts that do not.
    pub hourly: (usize, usize),
}

impl Plan {
    /// Chooses the parts of the snapshot that can hold what is needed.
    pub(crate) fn new(snapshot: &Snapshot, need: &Need<'_>) -> Result<Self, InsightError> {
        let mut dimensions: BTreeSet<&Dimension> = need.group_by.iter().collect();
        need.filter.each_dimension(&mut |dimension| {
            dimensions.insert(dimension);
        });
        let mut plan = Self::default();
        let mut reads = Reads::default();
        let mut expired: Option<DateRange> = None;
        let mut magnitude = Some(Money::ZERO);
        let transfers = if tell_transfers(&dimensions) { snapshot.shared.as_slice() } else { &[] };
        for part in snapshot.parts.iter().chain(transfers) {
            let Some(inside) = reach(part, need) else { continue };
            let daily = need.granularity != Granularity::Hour || part.pool.is_some();
            let layer = if daily { layer(part, &dimensions) } else { Layer::Charges };
            if part.files(layer).next().is_none() {
                expired = part.days.map(|days| expired.map_or(days, |others| others.and(days)));
                continue;
            }
            let from_text = match layer {
                Layer::Daily | Layer::Raw => BTreeSet::new(),
                Layer::Charges => dimensions.iter().filter_map(|dimension| without_column(part, dimension)).collect(),
            };
            reads.add(part, layer, inside, from_text);
            *plan.layers.entry(layer).or_default() += 1;
            plan.currencies.extend(&part.currencies);
            if let Some(metric) = need.metric {
                plan.may_be_null |= part.null_rows.get(&metric).is_none_or(|nulls| *nulls > 0);
                let more = part.magnitude.get(&metric).copied().unwrap_or_default();
                magnitude = magnitude.and_then(|sum| sum.checked_add(more));
            }
            let count = if part.hourly { &mut plan.hourly.0 } else { &mut plan.hourly.1 };
            *count += 1;
        }
        // Polars wraps where a sum overflows; the parts' magnitudes bound every sum there can be (P2).
        if magnitude.is_none() {
            return Err(InsightError::Overflow);
        }
        if let Some(days) = expired {
            return Err(InsightError::DetailExpired { days });
        }
        plan.scans = reads.into_scans();
        Ok(plan)
    }
}

/// The files to read, those alike together.
#[derive(Debug, Default)]
struct Reads {
    /// Files that hold the rows of one part, by how they are read.
    own: BTreeMap<(Layer, bool, BTreeSet<TagKey>), Vec<String>>,
    /// Files that hold the rows of several, by path.
    shared: BTreeMap<String, Shared>,
}

/// A file with the rows of several parts, some of which are wanted.
#[derive(Debug)]
struct Shared {
    wanted: BTreeSet<PartId>,
    holds: u64,
    inside: bool,
}

impl Reads {
    fn add(&mut self, part: &Part, layer: Layer, inside: bool, from_text: BTreeSet<TagKey>) {
        let shared = part.bundle.as_ref().filter(|_| layer == Layer::Daily);
        for file in part.files(layer) {
            let Some(bundle) = shared else {
                self.own.entry((layer, inside, from_text.clone())).or_default().push(file.to_owned());
                continue;
            };
            let new = Shared { wanted: BTreeSet::new(), holds: bundle.parts, inside: true };
            let shared = self.shared.entry(file.to_owned()).or_insert(new);
            shared.wanted.insert(part.id.clone());
            shared.inside &= inside;
        }
    }

    fn into_scans(self) -> Vec<Scan> {
        let own = self.own.into_iter().map(|((layer, inside, tags_from_text), files)| {
            let only_parts = BTreeSet::new();
            Scan { layer, files, inside, tags_from_text, only_parts }
        });
        // Files that are wanted whole are read as any other.
        let mut whole: BTreeMap<bool, Vec<String>> = BTreeMap::new();
        let mut some = Vec::new();
        for (file, Shared { wanted, holds, inside }) in self.shared {
            if wanted.len() as u64 == holds {
                whole.entry(inside).or_default().push(file);
            } else {
                some.push((vec![file], inside, wanted));
            }
        }
        let whole = whole.into_iter().map(|(inside, files)| (files, inside, BTreeSet::new()));
        let shared = whole.chain(some).map(|(files, inside, only_parts)| Scan {
            layer: Layer::Daily,
            files,
            inside,
            tags_from_text: BTreeSet::new(),
            only_parts,
        });
        own.chain(shared).collect()
    }
}

/// The charges of every part that can hold what is needed, a scan each, by source and delivery.
pub(crate) fn charges<'a>(snapshot: &'a Snapshot, need: &Need<'_>) -> Result<Vec<(&'a Part, Scan)>, InsightError> {
    let mut dimensions = BTreeSet::new();
    need.filter.each_dimension(&mut |dimension| {
        dimensions.insert(dimension);
    });
    let mut scans = Vec::new();
    let mut expired: Option<DateRange> = None;
    for part in &snapshot.parts {
        let Some(inside) = reach(part, need) else { continue };
        let files: Vec<String> = part.files(Layer::Charges).map(ToOwned::to_owned).collect();
        if files.is_empty() {
            expired = part.days.map(|days| expired.map_or(days, |others| others.and(days)));
        }
        let tags_from_text = dimensions.iter().filter_map(|dimension| without_column(part, dimension)).collect();
        let only_parts = BTreeSet::new();
        scans.push((part, Scan { layer: Layer::Charges, files, inside, tags_from_text, only_parts }));
    }
    expired.map_or(Ok(scans), |days| Err(InsightError::DetailExpired { days }))
}

/// The transfers of every pool that can hold what is needed, a scan each, by pool and month.
pub(crate) fn transfers<'a>(snapshot: &'a Snapshot, need: &Need<'_>) -> Vec<(&'a Part, Scan)> {
    let scan = |part: &'a Part| {
        let files = part.files(Layer::Daily).map(ToOwned::to_owned).collect();
        let (tags_from_text, only_parts) = (BTreeSet::new(), BTreeSet::new());
        Some((part, Scan { layer: Layer::Daily, files, inside: reach(part, need)?, tags_from_text, only_parts }))
    };
    snapshot.shared.iter().filter_map(scan).collect()
}

/// Whether transfers make a difference. They move cost between teams and keep all else, so where nothing asks for teams they
/// come to nothing.
fn tell_transfers(dimensions: &BTreeSet<&Dimension>) -> bool {
    let of_teams = [Fixed::Team, Fixed::Department, Fixed::Owner].map(Dimension::Fixed);
    of_teams.iter().any(|dimension| dimensions.contains(dimension))
}

/// Whether the part can hold charges of the range, and if so whether all of them are inside it.
fn reach(part: &Part, need: &Need<'_>) -> Option<bool> {
    match need.basis {
        Basis::Charge => {
            let days = part.days?;
            let touches = days.from() < need.range.to() && need.range.from() < days.to();
            touches.then(|| need.range.from() <= days.from() && days.to() <= need.range.to())
        }
        Basis::Billing => {
            let inside = part.billing_periods.iter().filter(|period| need.range.contains(**period)).count();
            (inside > 0).then_some(inside == part.billing_periods.len())
        }
    }
}

/// The layer that knows these dimensions of a part: `daily` whenever that does. Transfers have no other: what they do not know,
/// they have none of.
fn layer(part: &Part, dimensions: &BTreeSet<&Dimension>) -> Layer {
    if part.pool.is_some() || dimensions.iter().all(|dimension| in_daily(part, dimension)) {
        Layer::Daily
    } else {
        Layer::Charges
    }
}

/// Whether a part still has what it takes to tell which of its charges pass.
pub(crate) fn still_tells(part: &Part, filter: &Filter) -> bool {
    let mut dimensions = BTreeSet::new();
    filter.each_dimension(&mut |dimension| {
        dimensions.insert(dimension);
    });
    part.files(layer(part, &dimensions)).next().is_some()
}

fn in_daily(part: &Part, dimension: &Dimension) -> bool {
    match dimension {
        Dimension::Fixed(fixed) => fixed.in_daily() || !part.columns.contains(fixed.column()),
        Dimension::Tag(key) => part.daily_tags.contains(key) || !(part.tag_keys.contains(key) || part.more_tags),
    }
}

/// A tag key that the part may hold but has no column for.
pub(crate) fn without_column(part: &Part, dimension: &Dimension) -> Option<TagKey> {
    match dimension {
        Dimension::Tag(key) if part.more_tags && !part.tag_keys.contains(key) => Some(key.clone()),
        _ => None,
    }
}

/// The filter, narrowed to what the caller may see (P8).
pub(crate) fn scoped(filter: &Filter, scope: &Scope) -> Filter {
    match scope {
        Scope::Company => filter.clone(),
        Scope::Teams(teams) => {
            let names = teams.iter().map(ToString::to_string).collect();
            Filter::In(Dimension::Fixed(Fixed::Team), names).and(filter.clone())
        }
    }
}
