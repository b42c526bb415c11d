//! Binds a file's columns, by name and in any order, to those of a charge.

use std::collections::BTreeSet;
use std::path::Path;

use outlay_ledger::schema::{BILLING_PERIOD, CHARGE_DATE, OWN_COLUMNS};
use outlay_model::focus;
use outlay_model::part::Repair;

use crate::CollectError;

/// One column of a file and what it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Its name in the file.
    pub raw: String,
    /// Its name in the charge.
    pub target: String,
    /// What had to be put right about the name.
    pub repair: Option<Repair>,
}

/// Columns without which no charge can be kept: how much, in what, when, on which invoice.
const NEEDED: &[&str] = &["BilledCost", "BillingCurrency", "BillingPeriodStart", "ChargePeriodStart"];

/// Binds every column. A FOCUS name in other letters is taken when nothing bears it exactly; a name FOCUS does not know
/// goes under `x_`; a name this product uses itself (`x_Team`, or `Team` that would become it) goes under `x_Imported`.
#[must_use]
pub fn bind(header: &[String]) -> Vec<Binding> {
    let exact: BTreeSet<&str> = header.iter().map(String::as_str).filter(|name| focus::find(name).is_some()).collect();
    let mut taken: BTreeSet<String> = exact.iter().map(|name| (*name).to_owned()).collect();
    let mut bindings = Vec::with_capacity(header.len());
    for raw in header {
        if exact.contains(raw.as_str()) {
            bindings.push(Binding { raw: raw.clone(), target: raw.clone(), repair: None });
            continue;
        }
        // Translated exports have the English name in brackets: `Kosten (BilledCost)`.
        let name = raw.strip_suffix(')').and_then(|raw| raw.rsplit_once('(')).map_or(raw.as_str(), |(_, name)| name);
        let in_other_letters = focus::COLUMNS
            .iter()
            .find(|column| column.name.eq_ignore_ascii_case(name) && !taken.contains(column.name))
            .map(|column| (column.name.to_owned(), Some(Repair::ColumnCase)));
        let (wanted, repair) = in_other_letters.unwrap_or_else(|| custom(raw));
        let mut target = wanted.clone();
        let mut copy = 2;
        while !taken.insert(target.clone()) {
            target = format!("{wanted}_{copy}");
            copy += 1;
        }
        bindings.push(Binding { raw: raw.clone(), target, repair });
    }
    bindings
}

fn custom(raw: &str) -> (String, Option<Repair>) {
    let name = raw.strip_prefix("x_").unwrap_or(raw);
    if OWN_COLUMNS.iter().any(|own| own.strip_prefix("x_") == Some(name)) {
        (format!("x_Imported{name}"), Some(Repair::ColumnRenamed))
    } else if raw.starts_with("x_") {
        (raw.to_owned(), None)
    } else {
        (format!("x_{raw}"), Some(Repair::ColumnRenamed))
    }
}

/// Refuses a file that is not a FOCUS export.
///
/// # Errors
/// [`CollectError::NotFocus`] naming the columns it lacks.
pub fn require(path: &Path, bindings: &[Binding]) -> Result<(), CollectError> {
    let missing: Vec<_> =
        NEEDED.iter().copied().filter(|name| !bindings.iter().any(|binding| binding.target == *name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let only = bindings.first().filter(|_| bindings.len() == 1).map_or("", |binding| &binding.raw);
    let hint = match only {
        names if names.contains(';') => "; semicolons stand between its columns, where commas must",
        names if names.contains('\t') => "; tabs stand between its columns, where commas must",
        _ => "",
    };
    Err(CollectError::NotFocus { path: path.to_owned(), missing: missing.join(", "), hint })
}

/// The columns that charges of a file with this header have, but for those of tags and ownership.
#[must_use]
pub fn of_charges(header: &[String]) -> BTreeSet<String> {
    let ours = [CHARGE_DATE, BILLING_PERIOD, "ServiceProviderName"].map(ToOwned::to_owned);
    bind(header).into_iter().map(|binding| binding.target).chain(ours).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_finds_one_place() {
        let header = ["billedcost", "Tags", "Id", "x_Id", "x_Team", "BilledCost", "ServiceName", "SERVICENAME"];
        let bindings = bind(&header.map(ToOwned::to_owned));
        let targets: Vec<_> = bindings.iter().map(|binding| binding.target.as_str()).collect();
        let expected =
            ["x_billedcost", "Tags", "x_Id", "x_Id_2", "x_ImportedTeam", "BilledCost", "ServiceName", "x_SERVICENAME"];
        assert_eq!(targets, expected);
    }

    #[test]
    fn names_in_other_letters_are_taken_when_nothing_bears_them() {
        let bindings = bind(&["billedcost".to_owned()]);
        assert_eq!(bindings[0].target, "BilledCost");
        assert_eq!(bindings[0].repair, Some(Repair::ColumnCase));
    }

    #[test]
    fn a_file_that_is_not_focus_is_told_what_it_lacks() {
        let error = require(Path::new("a.csv"), &bind(&["BilledCost".to_owned()])).expect_err("not FOCUS").to_string();
        assert!(error.contains("BillingCurrency, BillingPeriodStart, ChargePeriodStart"), "{error}");
    }
}
