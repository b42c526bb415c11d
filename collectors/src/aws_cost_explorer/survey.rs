//! Adds up the raw answers, and tells what of the month's total no account bears.
//!
//! This is the source's side of the conservation check (P1). The total is the one that Cost Explorer states for the month
//! without grouping. What its cells lack of it is computed here, from the same texts and without the code that turns cells
//! into charges: were a cell lost on the way, charges and adjustment would not come to the total, and the bill be refused.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bigdecimal::{BigDecimal, Zero};
use chrono::NaiveDate;
use outlay_ledger::tags::TagReader;
use outlay_model::DateRange;
use outlay_model::query::Metric;
use sha2::{Digest, Sha256};

use super::answers::{self, Asked, Exchange, Head, costs};
use super::refine::Refine;
use super::{record_types, translate};
use crate::CollectError;
use crate::delivery::{FileSurvey, Settings, Totals};
use crate::exact::ExactSum;
use crate::input::{InputFile, hex};
use crate::invoice::raw_key;
use crate::normalise::columns;

/// What answers come to, as they are read.
#[derive(Debug, Default, Clone)]
pub(super) struct Overview {
    /// The month's total, as it was stated last: billed and effective.
    total: Option<[String; 2]>,
    /// In what.
    currency: Option<String>,
    /// Σ over the cells.
    cells: [ExactSum; 2],
    /// How many there are, of cells and of what they are refined by.
    pub groups: u64,
    /// What accounts are called.
    pub names: BTreeMap<String, String>,
    /// Record types without a place in FOCUS.
    pub unknown: BTreeSet<String>,
    /// Days that are estimated.
    pub estimated: BTreeSet<NaiveDate>,
}

impl Overview {
    /// Takes an answer.
    ///
    /// # Errors
    /// A text that says what is wrong with it.
    pub(super) fn add(&mut self, exchange: &Exchange) -> Result<(), String> {
        let Some(body) = exchange.costs()? else { return Ok(()) };
        for named in body.dimension_value_attributes {
            if let Some(name) = named.attributes.get("description").filter(|name| !name.trim().is_empty()) {
                self.names.insert(named.value, name.clone());
            }
        }
        match &exchange.asked {
            Asked::RecordTypes => {}
            Asked::Total => {
                let [result] = &body.results_by_time[..] else {
                    return Err(format!("states {} totals in place of one", body.results_by_time.len()));
                };
                let total = costs(&result.total)?;
                for amount in total {
                    self.in_currency(&amount.unit)?;
                    if !ExactSum::default().add(&amount.amount) {
                        return Err(format!("the total {:?} is not a number", amount.amount));
                    }
                }
                self.total = Some(total.map(|amount| amount.amount.clone()));
            }
            Asked::Cells { record_type } => {
                if record_types::kind(record_type).is_none() {
                    self.unknown.insert(record_type.clone());
                }
                for result in &body.results_by_time {
                    if result.estimated {
                        self.estimated.insert(result.time_period.start);
                    }
                    for group in &result.groups {
                        self.groups += 1;
                        let costs = costs(&group.metrics)?;
                        self.in_currency(&costs[0].unit)?;
                        for (sum, amount) in self.cells.iter_mut().zip(costs) {
                            if !sum.add(&amount.amount) {
                                return Err(format!("the amount {:?} is not a number", amount.amount));
                            }
                        }
                    }
                }
            }
            Asked::Refined { by, .. } => {
                let groups = body.results_by_time.iter().flat_map(|result| &result.groups);
                for group in groups.filter(|group| by.value(&group.keys[1]).is_some()) {
                    self.groups += 1;
                    self.in_currency(&costs(&group.metrics)?[0].unit)?;
                }
            }
        }
        Ok(())
    }

    fn in_currency(&mut self, unit: &str) -> Result<(), String> {
        let known = self.currency.get_or_insert_with(|| unit.to_owned());
        if known == unit { Ok(()) } else { Err(format!("has amounts in {unit} beside others in {known}")) }
    }

    /// The currency of the bill.
    pub(super) fn currency(&self) -> &str {
        self.currency.as_deref().unwrap_or_default()
    }

    /// The total as it was stated: billed and effective.
    pub(super) fn total(&self) -> Option<&[String; 2]> {
        self.total.as_ref()
    }

    /// What the total has beyond the cells: billed and effective.
    pub(super) fn beyond(&self) -> [BigDecimal; 2] {
        let total = |place: usize| {
            let mut sum = ExactSum::default();
            if let Some(total) = &self.total {
                sum.add(&total[place]);
            }
            sum.total()
        };
        [0, 1].map(|place| (total(place) - self.cells[place].total()).normalized())
    }

    /// Whether what the total has beyond the cells is more than each of them being rounded to ten decimals accounts for.
    pub(super) fn is_beyond_rounding(&self) -> bool {
        let rounding = BigDecimal::new(self.groups.max(1).into(), 10);
        self.beyond().iter().any(|beyond| beyond.abs() > rounding)
    }

    /// The estimated days as ranges.
    pub(super) fn provisional(&self) -> Vec<DateRange> {
        let mut ranges: Vec<DateRange> = Vec::new();
        for day in &self.estimated {
            let Some(after) = day.succ_opt() else { continue };
            let from = ranges.pop_if(|last| last.to() == *day).map_or(*day, |last| last.from());
            ranges.extend(DateRange::new(from, after));
        }
        ranges
    }
}

/// Reads a file once.
pub(super) fn survey(
    file: &InputFile,
    settings: &Settings,
    progress: &dyn Fn(u64),
) -> Result<FileSurvey, CollectError> {
    let mut overview = Overview::default();
    let mut tags = TagReader::new(settings.tags.clone(), settings.privacy.clone());
    let (mut tag_spend, mut hash) = (HashMap::new(), Sha256::new());
    let head = answers::read(file, |_, _, exchange| {
        let before = overview.groups;
        overview.add(exchange)?;
        progress(overview.groups - before);
        if let Asked::Refined { by: by @ Refine::Tag(_), .. } = &exchange.asked {
            add_tag_spend(exchange, by, &mut tags, &mut tag_spend)?;
        }
        hash.update(meaning(exchange));
        Ok(())
    })?;
    if overview.total.is_none() {
        let what = "says nowhere what the month comes to".to_owned();
        return Err(CollectError::NotAnswers { path: file.path.clone(), line: 1, what });
    }
    hash.update(serde_json::to_vec(&head).expect("a head is JSON: it was read from it"));
    Ok(surveyed(file, &head, &overview, tag_spend, hex(&hash.finalize())))
}

fn surveyed(
    file: &InputFile,
    head: &Head,
    overview: &Overview,
    tag_spend: HashMap<String, i128>,
    sha256: String,
) -> FileSurvey {
    let rows = overview.groups + u64::from(overview.beyond().iter().any(|beyond| !beyond.is_zero()));
    let mut totals = Totals::default();
    if let Some(total) = &overview.total {
        for (metric, place) in [(Metric::Billed, 0), (Metric::Effective, 1)] {
            let sum = Metric::ALL.iter().position(|each| *each == metric).map(|at| &mut totals[at]);
            sum.map(|sum| sum.add(&total[place]));
        }
    }
    let key = raw_key(Some(&head.from.to_string()), None, Some(overview.currency()));
    FileSurvey {
        file: file.clone(),
        sha256,
        columns: columns::of_charges(&translate::header()),
        rows,
        periods: BTreeMap::from([(Some(head.from), rows)]),
        totals: BTreeMap::from([(key, totals)]),
        beside: None,
        tag_spend,
    }
}

/// What of an exchange makes it another one: page tokens are other ones each time.
fn meaning(exchange: &Exchange) -> String {
    let mut body: serde_json::Value = serde_json::from_str(&exchange.response).unwrap_or_default();
    if let Some(body) = body.as_object_mut() {
        body.shift_remove("NextPageToken");
    }
    format!("{:?} {body}\n", exchange.asked)
}

/// Adds what was spent on each tag key in 10⁻⁶: fine enough to rank by, and no amount anybody sees.
fn add_tag_spend(
    exchange: &Exchange,
    by: &Refine,
    tags: &mut TagReader,
    spend: &mut HashMap<String, i128>,
) -> Result<(), String> {
    let Some(body) = exchange.costs()? else { return Ok(()) };
    for group in body.results_by_time.iter().flat_map(|result| &result.groups) {
        let Some(text) = translate::tags_text(by, &group.keys[1]) else { continue };
        let amount: f64 = costs(&group.metrics)?[0].amount.parse().unwrap_or_default();
        for (key, _) in &tags.read(&text).pairs {
            let sum: &mut i128 = spend.entry(key.clone()).or_default();
            *sum = sum.saturating_add((amount.abs() * 1e6) as i128);
        }
    }
    Ok(())
}
