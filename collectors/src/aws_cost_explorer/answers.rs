//! The answers as they are kept ([`kept`]). Amounts stay texts here: survey and translation read them, each in its own way
//! (P1).

use std::collections::BTreeMap;

use chrono::NaiveDate;
use outlay_model::DateRange;
use serde::{Deserialize, Serialize};

use super::refine::Refine;
use crate::CollectError;
use crate::input::InputFile;
use crate::kept::{self, LineError};

/// The four metrics that are asked for.
pub(super) const METRICS: [&str; 4] = ["NetUnblendedCost", "NetAmortizedCost", "UnblendedCost", "AmortizedCost"];

/// What `answers` is the first line's word for; a later layout would be another.
const LAYOUT: u32 = 1;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The layout of the lines below.
    answers: u32,
    /// Whose bill it is.
    pub billing_account_id: String,
    /// The first day that was asked about: the first of a month.
    pub from: NaiveDate,
    /// The day after the last.
    pub to: NaiveDate,
}

impl Head {
    pub(super) fn new(billing_account_id: &str, days: DateRange) -> Self {
        let billing_account_id = billing_account_id.to_owned();
        Self { answers: LAYOUT, billing_account_id, from: days.from(), to: days.to() }
    }
}

/// A call that was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Exchange {
    /// What for.
    pub asked: Asked,
    /// The body that was sent.
    pub request: String,
    /// The body that came back.
    pub response: String,
}

/// What a call was for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Asked {
    /// Which record types the month has.
    RecordTypes,
    /// The month's total, not grouped by anything.
    Total,
    /// Day × account × service of one record type. Over all record types, these are all of the money that accounts bear.
    Cells {
        /// Which.
        record_type: String,
    },
    /// The same for one account, by something else besides.
    Refined {
        /// Which.
        record_type: String,
        /// Which.
        account: String,
        /// By what.
        by: Refine,
    },
}

/// The body of an answer of GetCostAndUsage.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CostAndUsage {
    pub results_by_time: Vec<ResultByTime>,
    #[serde(default)]
    pub dimension_value_attributes: Vec<DimensionValue>,
}

/// A day, or the month.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ResultByTime {
    pub time_period: TimePeriod,
    #[serde(default)]
    pub total: BTreeMap<String, Amount>,
    #[serde(default)]
    pub groups: Vec<Group>,
    #[serde(default)]
    pub estimated: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TimePeriod {
    pub start: NaiveDate,
    pub end: NaiveDate,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Group {
    pub keys: Vec<String>,
    pub metrics: BTreeMap<String, Amount>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Amount {
    pub amount: String,
    pub unit: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DimensionValue {
    pub value: String,
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// What is billed, and what it effectively costs. Accounts without discounts may have no net metrics; for them the others
/// say the same.
pub(super) fn costs(metrics: &BTreeMap<String, Amount>) -> Result<[&Amount; 2], String> {
    let either = |net: &str, gross: &str| {
        metrics.get(net).or_else(|| metrics.get(gross)).ok_or_else(|| format!("neither {net} nor {gross} is in it"))
    };
    let costs = [either("NetUnblendedCost", "UnblendedCost")?, either("NetAmortizedCost", "AmortizedCost")?];
    match costs {
        [billed, effective] if billed.unit != effective.unit => {
            Err(format!("one cost of it is in {}, another in {}", billed.unit, effective.unit))
        }
        costs => Ok(costs),
    }
}

impl Exchange {
    /// The answer to a question about costs; `None` to one about record types.
    ///
    /// # Errors
    /// A text that says how the body is something else than such an answer.
    pub(super) fn costs(&self) -> Result<Option<CostAndUsage>, String> {
        let keys = match &self.asked {
            Asked::RecordTypes => return Ok(None),
            Asked::Total => 0,
            Asked::Cells { .. } | Asked::Refined { .. } => 2,
        };
        // The error's own words may quote the body.
        let body: CostAndUsage = serde_json::from_str(&self.response).map_err(|error| {
            format!("is not what Cost Explorer answers (line {}, column {})", error.line(), error.column())
        })?;
        let groups = body.results_by_time.iter().flat_map(|result| &result.groups);
        if groups.clone().any(|group| group.keys.len() != keys || keys == 0) {
            return Err(format!("has groups of other than {keys} keys"));
        }
        Ok(Some(body))
    }
}

/// Reads a file of them: see [`kept::read`].
pub(super) fn read(
    file: &InputFile,
    each: impl FnMut(&Head, u64, &Exchange) -> Result<(), LineError>,
) -> Result<Head, CollectError> {
    kept::read(file, "Cost Explorer", |head: &Head| head.answers == LAYOUT && head.from < head.to, each)
}
