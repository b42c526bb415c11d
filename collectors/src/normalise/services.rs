//! What a charge's service says where its bill does not: the category, and the name where only a code is stated.

use std::collections::{BTreeMap, BTreeSet};

use outlay_model::part::Repair;
use polars::prelude::{Column, IntoColumn, NewChunkedArray, PlSmallStr, PolarsResult, StringChunked};

use super::Normaliser;
use crate::labels::Labels;

const PROVIDER: &str = "ServiceProviderName";
const NAME: &str = "ServiceName";
/// Where AWS says the service's product code.
const CODE: &str = "x_ServiceCode";
const CATEGORY: &str = "ServiceCategory";
const SUBCATEGORY: &str = "ServiceSubcategory";

/// Columns that charges have although none of their files does, because the service that these state says them.
pub(crate) fn filled(stated: &BTreeSet<String>) -> impl Iterator<Item = String> {
    let tells = [NAME, CODE].iter().any(|column| stated.contains(*column));
    let columns = if tells { &[NAME, CATEGORY, SUBCATEGORY][..] } else { &[] };
    columns.iter().map(|column| (*column).to_owned())
}

impl Normaliser<'_> {
    /// Fills what is null. What a bill states stays, and its subcategory too: they belong together.
    pub(super) fn services(&mut self, height: usize, columns: &mut BTreeMap<String, Column>) -> PolarsResult<()> {
        let states = |column: &str| columns.get(column).is_some_and(|cells| cells.null_count() < height);
        let whole = |column: &str| columns.get(column).is_some_and(|cells| cells.null_count() == 0);
        if !(states(NAME) || states(CODE)) || (whole(NAME) && whole(CATEGORY)) {
            return Ok(());
        }
        let cells = |column: &str| -> PolarsResult<Vec<Option<&str>>> {
            columns.get(column).map_or_else(|| Ok(vec![None; height]), |cells| Ok(cells.str()?.iter().collect()))
        };
        let (providers, names, codes) = (cells(PROVIDER)?, cells(NAME)?, cells(CODE)?);
        let (categories, subcategories) = (cells(CATEGORY)?, cells(SUBCATEGORY)?);
        let rows = (0..height).map(|row| (providers[row], names[row], codes[row], categories[row], subcategories[row]));
        let labels = Labels::of(rows);
        let mut times = vec![0; labels.values.len()];
        labels.rows.iter().for_each(|label| times[*label] += 1);

        let services = &self.settings.services;
        let (mut filled, mut unknown) = (0, 0);
        let mut said = Vec::with_capacity(labels.values.len());
        for ((provider, name, code, category, subcategory), times) in labels.values.iter().copied().zip(times) {
            let called = name.into_iter().chain(code);
            let found = provider.and_then(|provider| called.clone().find_map(|name| services.find(provider, name)));
            let answer = match found {
                Some(service) if category.is_none() => {
                    (name.or(Some(service.name.as_str())), Some(service.category), subcategory.or(service.subcategory))
                }
                Some(service) => (name.or(Some(service.name.as_str())), category, subcategory),
                None => {
                    let expected = category.is_none() && called.count() > 0;
                    unknown += if expected && provider.is_some_and(|name| services.knows(name)) { times } else { 0 };
                    // A code is no name, but tells services apart.
                    (name.or(code), category, subcategory)
                }
            };
            filled += if found.is_none() || answer == (name, category, subcategory) { 0 } else { times };
            said.push(answer);
        }
        let column = |name: &str, cells: Vec<Option<&str>>| {
            let cells = labels.rows.iter().map(|label| cells[*label]);
            StringChunked::from_iter_options(PlSmallStr::from_str(name), cells).into_column()
        };
        let after = [
            column(NAME, said.iter().map(|(name, ..)| *name).collect()),
            column(CATEGORY, said.iter().map(|(_, category, _)| *category).collect()),
            column(SUBCATEGORY, said.iter().map(|(.., subcategory)| *subcategory).collect()),
        ];
        columns.extend(after.into_iter().map(|column| (column.name().to_string(), column)));
        self.count(Repair::ServiceListed, filled);
        self.count(Repair::ServiceUnlisted, unknown);
        Ok(())
    }
}
