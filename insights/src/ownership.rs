//! Who owns what: what is said of it, who changed that, and changing it.
//!
//! What is said is the whole company's affair. A team sees itself, the teams that are part of it and what they run, and changes
//! nothing (P8).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use outlay_catalog::{AuditQuery, OwnershipChange, Snapshot};
use outlay_model::ownership::{Audited, Definition, Edit, Kind, Origin, Ownership};
use outlay_model::part::Part;
use outlay_model::report::Scope;
use outlay_model::{DateRange, TeamId};

use crate::error::{company_only, unknown_cursor};
use crate::{InsightError, Insights, Page};

/// What is said of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defined {
    /// The name.
    pub name: String,
    /// What is said.
    pub definition: Definition,
    /// Who says it.
    pub origin: Origin,
    /// Of a rule: its place among the rules, from 0.
    pub place: Option<usize>,
}

/// What a change came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The generation it holds from.
    pub generation: u64,
    /// Whether charges may get other owners now, or pools another split: that follows in the background.
    pub settling: bool,
    ownership: Arc<Ownership>,
}

impl Changed {
    /// What is said of a name now.
    #[must_use]
    pub fn defined(&self, kind: Kind, name: &str) -> Option<Defined> {
        defined(&self.ownership, kind, name)
    }
}

/// A place in the audit: a generation, and a position in it.
pub type AuditPlace = (u64, u64);

impl Insights {
    /// Everything that is said of a kind, and the generation it is read at: rules in their order, all else by name.
    ///
    /// # Errors
    /// When the catalog cannot be read, or the caller may not see what is said of the kind.
    pub async fn definitions(&self, kind: Kind, today: NaiveDate, scope: &Scope) -> Result<Vec<Defined>, InsightError> {
        let ownership = Arc::clone(&self.catalog.snapshot().await?.ownership);
        let visible = visible(&ownership, kind, today, scope)?;
        let names: Vec<&str> = match kind {
            Kind::Team => ownership.teams.keys().map(|id| id.as_str()).collect(),
            Kind::Component => ownership.components.keys().map(|id| id.as_str()).collect(),
            Kind::Map => ownership.maps.keys().map(String::as_str).collect(),
            Kind::Pool => ownership.pools.keys().map(|id| id.as_str()).collect(),
            Kind::Series => ownership.series.keys().map(|id| id.as_str()).collect(),
            Kind::Rule => ownership.rules.iter().map(|(id, _)| id.as_str()).collect(),
        };
        let all = names.into_iter().filter_map(|name| defined(&ownership, kind, name));
        Ok(all.filter(|defined| visible.lets(defined)).collect())
    }

    /// What is said of a name.
    ///
    /// # Errors
    /// [`InsightError::NotSaid`] where nothing is, or nothing that the caller may see; else when the catalog cannot be read, or
    /// the caller may see nothing of the kind.
    pub async fn definition(
        &self,
        kind: Kind,
        name: &str,
        today: NaiveDate,
        scope: &Scope,
    ) -> Result<Defined, InsightError> {
        let ownership = Arc::clone(&self.catalog.snapshot().await?.ownership);
        let visible = visible(&ownership, kind, today, scope)?;
        let found = defined(&ownership, kind, name).filter(|defined| visible.lets(defined));
        found.ok_or_else(|| InsightError::NotSaid { kind, name: name.to_owned() })
    }

    /// Changes who owns what, all of it or nothing. Saying what is said already changes nothing.
    ///
    /// # Errors
    /// [`InsightError::OwnershipProblems`], [`InsightError::SaidElsewhere`] and [`InsightError::NotSaid`]: nothing has changed;
    /// [`InsightError::Forbidden`] for a team.
    pub async fn change_ownership(
        &self,
        edits: Vec<Edit>,
        by: &str,
        now: DateTime<Utc>,
        scope: &Scope,
    ) -> Result<Changed, InsightError> {
        company_only(scope)?;
        let before = self.catalog.snapshot().await?;
        let change = OwnershipChange { edits, origin: Origin::Api, by: by.to_owned(), now };
        let generation = self.catalog.change_ownership(&change).await?;
        let after = self.catalog.snapshot().await?;
        Ok(Changed { generation, settling: resettles(&before, &after), ownership: Arc::clone(&after.ownership) })
    }

    /// What was changed, the latest first.
    ///
    /// # Errors
    /// When the catalog cannot be read, or the caller may not see it.
    pub async fn audit(
        &self,
        query: &AuditQuery,
        limit: u32,
        scope: &Scope,
    ) -> Result<Page<Audited, AuditPlace>, InsightError> {
        company_only(scope)?;
        if let Some((generation, _)) = query.before
            && generation > self.catalog.generation().await?
        {
            return Err(unknown_cursor(generation).into());
        }
        let rows = self.catalog.audit(query, limit.saturating_add(1)).await?;
        let page = Page::of(rows, limit, |rows| rows.last().map(|(position, row)| (row.generation, *position)));
        Ok(Page { rows: page.rows.into_iter().map(|(_, row)| row).collect(), next: page.next })
    }
}

/// What is said of a name, with its place and who says it.
fn defined(ownership: &Ownership, kind: Kind, name: &str) -> Option<Defined> {
    let place = || ownership.rules.iter().position(|(id, _)| id.as_str() == name);
    Some(Defined {
        name: name.to_owned(),
        definition: ownership.definition(kind, name)?,
        origin: ownership.origin(kind, name)?,
        place: if kind == Kind::Rule { place() } else { None },
    })
}

/// Which teams a caller sees; `None` for all.
struct Visible(Option<BTreeSet<TeamId>>);

/// What of a kind the caller may see.
fn visible(ownership: &Ownership, kind: Kind, today: NaiveDate, scope: &Scope) -> Result<Visible, InsightError> {
    let Scope::Teams(teams) = scope else { return Ok(Visible(None)) };
    if !matches!(kind, Kind::Team | Kind::Component) {
        return Err(InsightError::Forbidden);
    }
    let tomorrow = today.succ_opt().unwrap_or(today);
    let Some(day) = DateRange::new(today, tomorrow) else { return Err(InsightError::Forbidden) };
    let lineage = ownership.lineage(day);
    Ok(Visible(Some(teams.iter().flat_map(|team| lineage.family(team.as_str())).collect())))
}

impl Visible {
    fn lets(&self, defined: &Defined) -> bool {
        let Some(teams) = &self.0 else { return true };
        match &defined.definition {
            Definition::Team(_) => teams.contains(defined.name.as_str()),
            // Whose it was once may look at it as well: its charges of then are theirs.
            Definition::Component(component) => component.team.values().any(|team| teams.contains(team)),
            _ => false,
        }
    }
}

/// The books of a registry, each made once.
pub(crate) struct Books<'a> {
    ownership: &'a Ownership,
    fingerprints: BTreeMap<DateRange, String>,
}

impl<'a> Books<'a> {
    pub(crate) const fn of(ownership: &'a Ownership) -> Self {
        Self { ownership, fingerprints: BTreeMap::new() }
    }

    /// Whether a part's charges may have other owners by this registry than they have.
    pub(crate) fn differ(&mut self, part: &Part) -> bool {
        let Some(days) = part.days else { return false };
        let fingerprint = self.fingerprints.entry(days).or_insert_with(|| self.ownership.book(days).fingerprint());
        *fingerprint != part.versions.rules
    }
}

/// Whether what was changed gives charges other owners, or pools another split.
fn resettles(before: &Snapshot, after: &Snapshot) -> bool {
    let mut books = Books::of(&after.ownership);
    before.ownership.pools != after.ownership.pools || after.all().any(|part| books.differ(part))
}
