//! What there is to group and filter by, for pickers and Grafana variables.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use outlay_catalog::Snapshot;
use outlay_model::dimension::Fixed;
use outlay_model::filter::Filter;
use outlay_model::ownership::Ownership;
use outlay_model::part::Part;
use outlay_model::query::Basis;
use outlay_model::report::Scope;
use outlay_model::{DateRange, Dimension, Granularity, TagKey};
use outlay_store::{Group, GroupQuery, Segments, StoreError};

use crate::lineage::{Asked, Counts, visible};
use crate::plan::{Need, Plan, scoped, still_tells};
use crate::{InsightError, Insights};

/// Distinct values one question may find.
const MAX_VALUES: usize = 1_000_000;

/// Asks for the values of a dimension.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ValuesQuery {
    /// The dimension.
    pub dimension: Dimension,
    /// The days.
    pub range: DateRange,
    /// Which charges count.
    pub filter: Filter,
    /// Only values that contain this text, in any letters.
    pub search: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// One value of a dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DimensionValue {
    /// The value; `None` for charges that have none.
    pub value: Option<String>,
    /// Charges that have it.
    pub charges: u64,
}

/// One dimension there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DimensionInfo {
    /// Its word in queries.
    pub name: String,
    /// What it is.
    pub about: String,
    /// Whether the daily roll-up of every live part can answer it.
    pub daily: bool,
}

impl Insights {
    /// The values of a dimension, in order, with how many charges have each.
    ///
    /// # Errors
    /// [`InsightError::TooManyRows`] when there are more than asked for; nothing is cut silently.
    pub async fn values(&self, query: &ValuesQuery, scope: &Scope) -> Result<Vec<DimensionValue>, InsightError> {
        let snapshot = self.catalog.snapshot().await?;
        let filter = scoped(&query.filter, scope);
        let groups = self.count(&snapshot, query.range, &filter, std::slice::from_ref(&query.dimension)).await?;
        let mut values: BTreeMap<Option<Arc<str>>, u64> = BTreeMap::new();
        for group in groups {
            *values.entry(group.keys.into_iter().next().flatten()).or_default() += group.rows;
        }
        if let Some(search) = query.search.as_ref().map(|text| text.to_lowercase()) {
            values.retain(|value, _| value.as_ref().is_some_and(|value| value.to_lowercase().contains(&search)));
        }
        if values.len() > query.limit {
            return Err(InsightError::TooManyRows { rows: values.len(), most: query.limit });
        }
        Ok(values
            .into_iter()
            .map(|(value, charges)| DimensionValue { value: value.map(|value| value.to_string()), charges })
            .collect())
    }

    /// Every dimension there is: the fixed ones, and every tag key that some live part has a column for, as far as the
    /// caller may see charges that carry it (P8).
    ///
    /// # Errors
    /// When the catalog or the store cannot be read.
    pub async fn dimensions(&self, scope: &Scope) -> Result<Vec<DimensionInfo>, InsightError> {
        let snapshot = self.catalog.snapshot().await?;
        let fixed = Fixed::ALL.iter().map(|fixed| DimensionInfo {
            name: fixed.as_str().to_owned(),
            about: fixed.about().to_owned(),
            // Those that the registry gives a team are as fast as the team.
            daily: fixed.in_daily() || matches!(fixed, Fixed::Department | Fixed::Owner),
        });
        let mut keys: BTreeSet<&TagKey> = snapshot.parts.iter().flat_map(|part| &part.tag_keys).collect();
        if *scope != Scope::Company {
            for key in keys.clone() {
                let tagged = Filter::Not(Box::new(Filter::IsNull(Dimension::Tag(key.clone()))));
                if !self.any(&snapshot, &scoped(&tagged, scope)).await? {
                    keys.remove(key);
                }
            }
        }
        let tags = keys.into_iter().map(|key| DimensionInfo {
            name: Dimension::Tag(key.clone()).to_string(),
            about: format!("The tag {:?}.", key.as_str()),
            daily: snapshot.parts.iter().all(|part| part.daily_tags.contains(key) || !part.tag_keys.contains(key)),
        });
        Ok(fixed.chain(tags).collect())
    }

    /// Whether the registry names this team or component, or any charge that the caller may see has this value, at any time for
    /// which that is still kept.
    ///
    /// # Errors
    /// When the catalog or the store cannot be read.
    pub async fn known(&self, dimension: &Dimension, value: &str, scope: &Scope) -> Result<bool, InsightError> {
        let snapshot = self.catalog.snapshot().await?;
        if registered(&snapshot.ownership, dimension, value, scope) {
            return Ok(true);
        }
        // Above a caller's own team there may be others: that it has a part in their spend is no reason to tell of them.
        let own = || visible(&snapshot.ownership, scope).contains(value);
        if *scope != Scope::Company && *dimension == Dimension::Fixed(Fixed::Team) && !own() {
            return Ok(false);
        }
        self.any(&snapshot, &scoped(&Filter::equals(dimension.clone(), value), scope)).await
    }

    /// Whether any charge at any time passes the filter, as far as that is still kept.
    async fn any(&self, snapshot: &Snapshot, filter: &Filter) -> Result<bool, InsightError> {
        let named = filter.renamed(&|dimension| match dimension {
            Dimension::Fixed(Fixed::Department | Fixed::Owner) => Fixed::Team.into(),
            dimension => self.tags.canonical_dimension(dimension),
        });
        let tells = |part: &&Part| still_tells(part, &named);
        let kept = if snapshot.parts.iter().all(|part| tells(&part)) {
            Cow::Borrowed(snapshot)
        } else {
            let parts = snapshot.parts.iter().filter(tells).cloned().collect();
            Cow::Owned(Snapshot { parts, shadows: Vec::new(), ..snapshot.clone() })
        };
        let spans: Vec<DateRange> = kept.parts.iter().filter_map(|part| part.days).collect();
        let (from, to) = (spans.iter().map(|span| span.from()).min(), spans.iter().map(|span| span.to()).max());
        let Some(always) = from.zip(to).and_then(|(from, to)| DateRange::new(from, to)) else { return Ok(false) };
        Ok(!self.count(&kept, always, filter, &[]).await?.is_empty())
    }

    async fn count(
        &self,
        snapshot: &Snapshot,
        range: DateRange,
        filter: &Filter,
        group_by: &[Dimension],
    ) -> Result<Vec<Group>, InsightError> {
        let canonical = |dimension: &_| self.tags.canonical_dimension(dimension);
        let (filter, group_by) = (&filter.renamed(&canonical), group_by.iter().map(canonical).collect::<Vec<_>>());
        let asked = Asked::new(&snapshot.ownership, range, filter, &group_by, Counts::Once);
        let (basis, granularity, metric) = (Basis::Charge, Granularity::Total, None);
        let mut counted = Vec::new();
        for stretch in &asked.stretches {
            let (range, filter, group_by) = (stretch.days, &stretch.filter, asked.group_by.as_slice());
            let plan = Plan::new(snapshot, &Need { range, basis, granularity, filter, group_by, metric })?;
            let grouped = self.store.group(GroupQuery {
                scans: plan.scans,
                range,
                basis,
                granularity,
                filter: filter.clone(),
                group_by: group_by.to_vec(),
                metric,
                may_be_null: false,
                only_currency: plan.currencies.first().copied(),
                segments: Segments::one(range.from()),
                max_groups: MAX_VALUES,
            });
            let groups = grouped.await.map_err(|error| match error {
                StoreError::TooManyGroups { groups, most } => InsightError::TooManyRows { rows: groups, most },
                error => error.into(),
            })?;
            counted.extend(asked.keyed(stretch, groups));
        }
        Ok(counted)
    }
}

/// Whether the registry has this name, and the caller may know: it is of a team of theirs on some day.
fn registered(ownership: &Ownership, dimension: &Dimension, name: &str, scope: &Scope) -> bool {
    match dimension {
        Dimension::Fixed(Fixed::Team) => ownership.teams.contains_key(name) && visible(ownership, scope).contains(name),
        Dimension::Fixed(Fixed::Component) => {
            let visible = visible(ownership, scope);
            let component = ownership.components.get(name);
            component.is_some_and(|component| component.team.values().any(|team| visible.contains(team.as_str())))
        }
        _ => false,
    }
}
