//! Why a charge is whose it is: every rule of the book, in order, and what it says of it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use outlay_model::tags::TagSettings;
use outlay_model::{Dimension, UNALLOCATED};
use polars::prelude::{
    Column, DataFrame, DataType, Int32Chunked, IntoColumn, NewChunkedArray, PlSmallStr, PolarsResult, StringChunked,
    polars_err,
};

use super::book::{Owning, Says, passes};
use super::decided::{Attribute, Names};
use crate::schema::{self, CHARGE_DATE};

/// Who owns a charge, and which rule decided the team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The team; `unallocated` where nothing claims it.
    pub team: String,
    /// The component.
    pub component: Option<String>,
    /// The environment.
    pub environment: Option<String>,
    /// What decided the team.
    pub rule: Option<String>,
}

/// What one rule says of a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The rule.
    pub rule: String,
    /// Whether the day is one of its days.
    pub on_day: bool,
    /// Whether its condition lets the charge through.
    pub passes: bool,
    /// The team it has for it. It decides only where it holds on the day, lets it through, and none before it has decided.
    pub team: Option<String>,
    /// The component it has for it.
    pub component: Option<String>,
    /// The environment it has for it.
    pub environment: Option<String>,
}

/// Why a charge is whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// Whose it is.
    pub decision: Decision,
    /// The rules of the book, in the order they are tried in.
    pub tried: Vec<Tried>,
}

impl Owning {
    /// What the book says of a charge with these values on a day. A dimension without a value is missing.
    ///
    /// # Errors
    /// When a billing period is no day, or the engine fails.
    pub fn explain(
        &self,
        day: NaiveDate,
        values: &BTreeMap<Dimension, String>,
        tags: &TagSettings,
    ) -> PolarsResult<Explained> {
        let values: BTreeMap<String, &str> = values
            .iter()
            .map(|(dimension, value)| (tags.canonical_dimension(dimension).column(), value.as_str()))
            .collect();
        let columns = self.columns().iter().map(|(name, _)| match name.as_str() {
            CHARGE_DATE => date(CHARGE_DATE, Some(day)),
            name => cell(name, values.get(name).copied()),
        });
        let row = DataFrame::new(1, columns.collect::<PolarsResult<Vec<Column>>>()?)?;
        let decided = self.decided(&row)?;
        let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
        let decision = Decision {
            team: decided.team(0).to_owned(),
            component: owned(decided.component(0)),
            environment: owned(decided.environment(0)),
            rule: owned(decided.rule(0)),
        };
        debug_assert!(decision.rule.is_some() || decision.team == UNALLOCATED);
        let mut tried = Vec::with_capacity(self.rules.len());
        for (rule, passes) in self.rules.iter().zip(passes(&self.rules, &row)?) {
            let mut names = Names::default();
            let mut has = |attribute: Attribute| -> PolarsResult<Option<String>> {
                Ok(match rule.says(attribute) {
                    None => None,
                    Some(Says::Fixed(name)) => Some(name.clone()),
                    Some(Says::Taken(place)) => {
                        let name = self.takings[*place].names(&row, &mut names)?.into_iter().next().flatten();
                        name.map(|name| names.text(name).to_owned())
                    }
                })
            };
            tried.push(Tried {
                rule: rule.id.clone(),
                on_day: rule.is_on(Some(day)),
                passes: passes.is_none_or(|passes| passes.first() == Some(&true)),
                team: has(Attribute::Team)?,
                component: has(Attribute::Component)?,
                environment: has(Attribute::Environment)?,
            });
        }
        Ok(Explained { decision, tried })
    }
}

fn text(name: &str, value: Option<&str>) -> Column {
    StringChunked::from_iter_options(PlSmallStr::from_str(name), std::iter::once(value)).into_column()
}

fn date(name: &str, day: Option<NaiveDate>) -> PolarsResult<Column> {
    let days = std::iter::once(day.map(|day| day.to_epoch_days()));
    Int32Chunked::from_iter_options(PlSmallStr::from_str(name), days).into_column().cast(&DataType::Date)
}

/// A value as its column has it.
fn cell(name: &str, value: Option<&str>) -> PolarsResult<Column> {
    match schema::data_type(name) {
        DataType::Date => {
            // A billing period may be named by its month.
            let day = value.map(|value| if value.len() == 7 { format!("{value}-01") } else { value.to_owned() });
            let no_day = |day: &str| polars_err!(ComputeError: "{day:?} is not a day such as 2026-10-01");
            date(name, day.map(|day| day.parse().map_err(|_| no_day(&day))).transpose()?)
        }
        _ => Ok(text(name, value)),
    }
}
