//! Charges in the FOCUS format, for whoever takes them elsewhere.
//!
//! What an export says of itself, and whether it may be made at all, is known before its first byte. What it adds up to
//! is held against what a spend query adds up, which may well come from the daily roll-up (P1).

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use chrono::NaiveDate;
use outlay_catalog::{CatalogError, Snapshot};
use outlay_model::dimension::Fixed;
use outlay_model::export::{ExportHead, ExportQuery, ExportSums, Exported, FileKind, columns, left_out};
use outlay_model::focus::FocusVersion;
use outlay_model::query::{Metric, ParameterError};
use outlay_model::report::{Scope, Warning};
use outlay_model::{Filter, Granularity, Money};
use outlay_store::{ExportCounts, ExportPlan, ExportScan, GroupQuery, Segments, Store};

use crate::convert::add;
use crate::coverage::complete_until;
use crate::error::company_only;
use crate::lineage::{Asked, Counts};
use crate::plan::{Need, Plan, charges, scoped, transfers};
use crate::{InsightError, Insights};

/// Currencies of one export.
const MAX_CURRENCIES: usize = 10_000;

/// An export that is ready to be written.
pub struct Export {
    store: Arc<Store>,
    plan: ExportPlan,
    head: ExportHead,
    stored: ExportSums,
}

impl Insights {
    /// Gets an export ready.
    ///
    /// # Errors
    /// [`InsightError::NullsNotAllowed`] when bills leave out what the version demands and the query does not let that
    /// through; else a wrong question or a failure of ours.
    pub async fn export(&self, query: &ExportQuery, today: NaiveDate, scope: &Scope) -> Result<Export, InsightError> {
        if query.source.is_some() {
            company_only(scope)?;
        }
        let snapshot = self.exported_from(query).await?;
        let canonical = |dimension: &_| self.tags.canonical_dimension(dimension);
        let mut filter = scoped(&query.filter, scope).renamed(&canonical);
        if let Some(source) = &query.source {
            filter = filter.and(Filter::equals(Fixed::Source, source.as_str()));
        }
        let asked = Asked::new(&snapshot.ownership, query.range, &filter, &[], Counts::Once);
        let filter = asked.filter();
        let need = Need {
            range: query.range,
            basis: query.basis,
            granularity: Granularity::Total,
            filter: &filter,
            group_by: &[],
            metric: None,
        };
        let (parts, shared) = (charges(&snapshot, &need)?, transfers(&snapshot, &need));
        let columns_of = parts.iter().chain(&shared).flat_map(|(part, _)| part.columns.iter().cloned());
        let present: BTreeSet<String> = columns_of.collect();
        let mut plan = ExportPlan {
            scans: parts.into_iter().map(|(part, scan)| ExportScan { scan, rows: part.rows }).collect(),
            transfers: shared.into_iter().map(|(_, scan)| scan).collect(),
            range: query.range,
            basis: query.basis,
            filter: filter.clone(),
            by_day: asked.by_day(),
            columns: columns(query.version, &present),
            left_out: left_out(query.version, &present),
        };
        let counts = self.store.export_counts(plan.clone()).await?;
        if *scope != Scope::Company {
            // That a column exists may say what others' bills are about.
            plan.columns.retain(|column| column.focus.is_some() || counts.stated.contains(&column.name));
        }
        let mut warnings = warnings(&counts, query);
        warnings.extend(complete_until(&self.configured().await?, &snapshot.parts, query.range, today).1);
        let ExportCounts { rows, gaps, .. } = counts;
        if !gaps.is_empty() && !query.allow_null {
            return Err(InsightError::NullsNotAllowed { version: query.version, gaps });
        }
        let head = ExportHead {
            query: query.clone(),
            columns: plan.columns.clone(),
            rows,
            gaps,
            generation: snapshot.generation,
            warnings,
        };
        let stored = self.stored(&snapshot, &need, &asked).await?;
        Ok(Export { store: Arc::clone(&self.store), plan, head, stored })
    }

    /// The parts of the generation that was asked for, or of the latest; only the source's when there is one.
    async fn exported_from(&self, query: &ExportQuery) -> Result<Arc<Snapshot>, InsightError> {
        let snapshot = match query.generation {
            None => self.catalog.snapshot().await?,
            Some(generation) => self.catalog.snapshot_at(generation).await.map_err(|error| match error {
                CatalogError::GenerationGone { .. } => {
                    let message = "the data of then has been replaced and removed: leave it out to export the latest";
                    ParameterError::new("generation", message).into()
                }
                error => InsightError::from(error),
            })?,
        };
        let Some(source) = &query.source else { return Ok(snapshot) };
        let parts: Vec<_> = snapshot.all().filter(|part| part.source == *source).cloned().collect();
        if parts.is_empty() {
            return Err(ParameterError::new("source", format!("nothing of {source} is live")).into());
        }
        Ok(Arc::new(Snapshot { parts, shadows: Vec::new(), ..(*snapshot).clone() }))
    }

    /// What the charges add up to, as a spend query answers it.
    async fn stored(&self, snapshot: &Snapshot, need: &Need<'_>, asked: &Asked) -> Result<ExportSums, InsightError> {
        let mut stored = ExportSums::new();
        for metric in Metric::ALL {
            for stretch in &asked.stretches {
                let (range, filter) = (stretch.days, &stretch.filter);
                let plan = Plan::new(snapshot, &Need { range, filter, metric: Some(*metric), ..*need })?;
                let groups = self.store.group(GroupQuery {
                    scans: plan.scans,
                    range,
                    basis: need.basis,
                    granularity: Granularity::Total,
                    filter: filter.clone(),
                    group_by: Vec::new(),
                    metric: Some(*metric),
                    may_be_null: plan.may_be_null,
                    only_currency: None,
                    segments: Segments::one(range.from()),
                    max_groups: MAX_CURRENCIES,
                });
                for group in groups.await? {
                    let sums = stored.entry(group.currency).or_default();
                    let sum: &mut Option<Money> = sums.entry(*metric).or_default();
                    *sum = add(*sum, group.sum)?;
                }
            }
        }
        Ok(stored)
    }
}

impl Export {
    /// What is known of it already.
    #[must_use]
    pub const fn head(&self) -> &ExportHead {
        &self.head
    }

    /// Writes it. What was written is good only when this is.
    ///
    /// # Errors
    /// [`InsightError::NotConserved`] when it does not add up to what is stored; when it cannot be read or written.
    pub async fn write<W: Write + Send + 'static>(&self, kind: FileKind, file: W) -> Result<Exported, InsightError> {
        self.checked(self.store.export(self.plan.clone(), Some(kind), file).await?)
    }

    /// Looks at every row without writing any. `watched` is flushed now and then; when it cannot be, nobody waits for the
    /// answer any more.
    ///
    /// # Errors
    /// As [`Export::write`].
    pub async fn look<W: Write + Send + 'static>(&self, watched: W) -> Result<Exported, InsightError> {
        self.checked(self.store.export(self.plan.clone(), None, watched).await?)
    }

    fn checked(&self, exported: Exported) -> Result<Exported, InsightError> {
        if exported.rows != self.head.rows {
            let count = |rows| format!("{rows} charges");
            return Err(InsightError::NotConserved { exported: count(exported.rows), stored: count(self.head.rows) });
        }
        if exported.sums != self.stored {
            return Err(InsightError::NotConserved { exported: spell(&exported.sums), stored: spell(&self.stored) });
        }
        Ok(exported)
    }
}

fn spell(sums: &ExportSums) -> String {
    let one = |(currency, sums): (_, &std::collections::BTreeMap<Metric, _>)| {
        let sums = sums.iter().map(|(metric, sum): (_, &Option<_>)| match sum {
            Some(sum) => format!("{metric} {sum} {currency}"),
            None => format!("{metric} not stated in {currency}"),
        });
        sums.collect::<Vec<_>>().join(", ")
    };
    sums.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn warnings(counts: &ExportCounts, query: &ExportQuery) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if counts.rows == 0 {
        let message = format!("no charge of {} passes: there is nothing but the columns", query.range);
        warnings.push(Warning { code: "no_charges", message });
    }
    if !counts.left_out.is_empty() {
        let named = counts.left_out.iter().map(|(column, rows)| format!("{column} ({rows} charges)"));
        let message = format!(
            "FOCUS {} does not know {}: left out; a later version keeps them",
            query.version.as_str(),
            named.collect::<Vec<_>>().join(", ")
        );
        warnings.push(Warning { code: "columns_left_out", message });
    }
    if counts.transfers > 0 {
        let nulls = match counts.transfers_lack.iter().cloned().collect::<Vec<_>>().join(", ") {
            lack if lack.is_empty() => String::new(),
            lack => format!("; they have no {lack}, which daily totals do not keep"),
        };
        let message =
            format!("{} rows are no charges but transfers of shared cost between teams{nulls}", counts.transfers);
        warnings.push(Warning { code: "transfers", message });
    }
    if query.version >= FocusVersion::V1_3 && !counts.stated.contains("HostProviderName") && counts.rows > 0 {
        let message = "no bill says whose infrastructure it is about: HostProviderName is null throughout".to_owned();
        warnings.push(Warning { code: "host_unknown", message });
    }
    warnings
}
