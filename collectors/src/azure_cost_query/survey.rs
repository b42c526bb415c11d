//! Adds up the raw answers, and tells what of the month's totals cannot be told apart.
//!
//! This is the source's side of the conservation check (P1). The totals are those that Azure states for the month without
//! grouping. What its cells lack of them is computed here, from the same texts and without the code that turns cells into
//! charges: were a cell lost on the way, charges and adjustment would not come to the total, and the bill be refused.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bigdecimal::{BigDecimal, Zero};
use outlay_ledger::tags::TagReader;
use outlay_model::query::Metric;
use sha2::{Digest, Sha256};

use super::answers::{self, Asked, Body, Cost, Exchange, Head, keys};
use super::charge_types;
use super::level::Level;
use super::translate;
use crate::CollectError;
use crate::delivery::{FileSurvey, Settings, Totals};
use crate::exact::ExactSum;
use crate::input::{InputFile, hex};
use crate::invoice::raw_key;
use crate::normalise::columns;

/// What answers come to, as they are read. Sums are of what is billed, what it effectively costs, and both in dollars.
#[derive(Debug, Default, Clone)]
pub(super) struct Overview {
    /// The month's totals, as they were stated last.
    totals: [Option<String>; 4],
    /// In what.
    currency: Option<String>,
    /// Σ over the cells.
    cells: [ExactSum; 4],
    /// Σ over the cells, each without its sign.
    magnitude: ExactSum,
    /// How many there are, of cells and of what they are refined by.
    pub rows: u64,
    /// Whether there are costs that are not said in dollars.
    no_dollars: bool,
    /// What subscriptions are called.
    pub names: BTreeMap<String, String>,
    /// Charge types without a place in FOCUS.
    pub unknown: BTreeSet<String>,
}

/// Where a cost's sums are.
fn places(cost: Cost) -> [usize; 2] {
    match cost {
        Cost::Actual => [0, 2],
        Cost::Amortized => [1, 3],
    }
}

impl Overview {
    /// Takes an answer.
    ///
    /// # Errors
    /// A text that says what is wrong with it.
    pub(super) fn add(&mut self, head: &Head, exchange: &Exchange) -> Result<(), String> {
        let body = exchange.body()?;
        match &exchange.asked {
            Asked::Total => self.add_total(exchange.cost, body.as_ref()),
            Asked::ChargeTypes => Ok(()),
            Asked::Names => {
                let rows = body.as_ref().map(|body| body.rows(false, &["SubscriptionId", "SubscriptionName"]));
                for row in rows.transpose()?.into_iter().flatten() {
                    if let Some((id, name)) = row.key(0).zip(row.key(1)) {
                        self.names.insert(Level::Subscription.kept(id), name.to_owned());
                    }
                }
                Ok(())
            }
            Asked::Cells { charge_type, path } => {
                if charge_types::kind(charge_type).is_none() {
                    self.unknown.insert(charge_type.clone());
                }
                body.map_or(Ok(()), |body| self.add_cells(head, exchange.cost, path, &body))
            }
        }
    }

    fn add_total(&mut self, cost: Cost, body: Option<&Body>) -> Result<(), String> {
        let rows = body.map(|body| body.rows(false, &[])).transpose()?;
        let rows: Vec<_> = rows.into_iter().flatten().collect();
        let [place, dollars] = places(cost);
        // Nothing was charged, and nothing is said of it.
        (self.totals[place], self.totals[dollars]) = (Some("0".to_owned()), Some("0".to_owned()));
        for (number, row) in rows.iter().enumerate() {
            self.in_currency(row.currency()?)?;
            if number > 0 {
                return Err(format!("states {} totals in place of one", rows.len()));
            }
            let total = row.cost()?;
            if !ExactSum::default().add(&total) {
                return Err("states a total that is no number".to_owned());
            }
            (self.totals[place], self.totals[dollars]) = (Some(total), row.usd());
        }
        Ok(())
    }

    fn add_cells(&mut self, head: &Head, cost: Cost, path: &[String], body: &Body) -> Result<(), String> {
        let [place, dollars] = places(cost);
        for row in body.rows(true, &keys(&head.levels, path))? {
            let day = row.day()?;
            if day < head.from || head.to <= day {
                return Err(format!("has costs of {day}, which was not asked for"));
            }
            self.in_currency(row.currency()?)?;
            self.rows += 1;
            // What is told apart further is in the cells already.
            if !path.is_empty() {
                continue;
            }
            let text = row.cost()?;
            if !self.cells[place].add(&text) {
                return Err("has a cost that cannot be added".to_owned());
            }
            self.magnitude.add(text.trim_start_matches('-'));
            match row.usd() {
                Some(usd) => self.no_dollars |= !self.cells[dollars].add(&usd),
                None => self.no_dollars = true,
            }
        }
        Ok(())
    }

    fn in_currency(&mut self, currency: &str) -> Result<(), String> {
        let known = self.currency.get_or_insert_with(|| currency.to_owned());
        if known == currency {
            return Ok(());
        }
        Err(format!(
            "has costs in {currency} beside others in {known}, and Azure adds them up: collect each subscription or billing \
             account by a source of its own"
        ))
    }

    /// The currency of the bill; none where nothing was charged.
    pub(super) fn currency(&self) -> Option<&str> {
        self.currency.as_deref()
    }

    /// The totals as they were stated: billed and effective.
    pub(super) fn totals(&self) -> [Option<&str>; 2] {
        [0, 1].map(|place| self.totals[place].as_deref())
    }

    /// Whether all costs are said in dollars as well.
    pub(super) fn has_dollars(&self) -> bool {
        !self.no_dollars && self.totals[2].is_some() && self.totals[3].is_some()
    }

    /// What the totals have beyond the cells: billed, effective, and both in dollars.
    pub(super) fn beyond(&self) -> [BigDecimal; 4] {
        [0, 1, 2, 3].map(|place| {
            let mut total = ExactSum::default();
            if let Some(text) = &self.totals[place] {
                total.add(text);
            }
            (total.total() - self.cells[place].total()).normalized()
        })
    }

    /// Whether what the totals have beyond the cells is more than doubles, as Azure adds up costs in them, lose on the way.
    pub(super) fn is_beyond_rounding(&self) -> bool {
        let rounding = (self.magnitude.total() + BigDecimal::from(1)) * BigDecimal::new(1.into(), 9);
        self.beyond()[..2].iter().any(|beyond| beyond.abs() > rounding)
    }

    /// Whether there is something that no cell has.
    pub(super) fn has_beyond(&self) -> bool {
        self.beyond()[..2].iter().any(|beyond| !beyond.is_zero())
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
    let head = answers::read(file, |head, _, exchange| {
        let before = overview.rows;
        overview.add(head, exchange)?;
        progress(overview.rows - before);
        add_tag_spend(head, exchange, &mut tags, &mut tag_spend)?;
        hash.update(meaning(exchange));
        Ok(())
    })?;
    if overview.totals().contains(&None) {
        let what = "does not say what the month comes to".to_owned();
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
    let rows = overview.rows + u64::from(overview.has_beyond());
    let mut totals = Totals::default();
    for (metric, total) in [Metric::Billed, Metric::Effective].into_iter().zip(overview.totals()) {
        let sum = Metric::ALL.iter().position(|each| *each == metric).map(|at| &mut totals[at]);
        sum.zip(total).map(|(sum, total)| sum.add(total));
    }
    let key = |currency| raw_key(Some(&head.from.to_string()), None, Some(currency));
    FileSurvey {
        file: file.clone(),
        sha256,
        columns: columns::of_charges(&translate::header()),
        rows,
        periods: BTreeMap::from([(Some(head.from), rows)]),
        totals: overview.currency().map(|currency| (key(currency), totals)).into_iter().collect(),
        beside: None,
        tag_spend,
    }
}

/// What of an exchange makes it another one: ids and page links are other ones each time.
fn meaning(exchange: &Exchange) -> String {
    let body: serde_json::Value = serde_json::from_str(&exchange.response).unwrap_or_default();
    let (columns, rows) = (&body["properties"]["columns"], &body["properties"]["rows"]);
    format!("{:?} {:?} {columns} {rows}\n", exchange.asked, exchange.cost)
}

/// Adds what was spent on each tag key in 10⁻⁶: fine enough to rank by, and no amount anybody sees.
fn add_tag_spend(
    head: &Head,
    exchange: &Exchange,
    tags: &mut TagReader,
    spend: &mut HashMap<String, i128>,
) -> Result<(), String> {
    let Asked::Cells { path, .. } = &exchange.asked else { return Ok(()) };
    let Some(Level::Tag(tag)) = head.levels.get(path.len()) else { return Ok(()) };
    let (Cost::Actual, Some(body)) = (exchange.cost, exchange.body()?) else { return Ok(()) };
    for row in body.rows(true, &keys(&head.levels, path))? {
        let Some(value) = row.key(1) else { continue };
        let amount: f64 = row.cost()?.parse().unwrap_or_default();
        for (key, _) in &tags.read(&translate::tags_text([(tag.as_str(), value)])).pairs {
            let sum: &mut i128 = spend.entry(key.clone()).or_default();
            *sum = sum.saturating_add((amount.abs() * 1e6) as i128);
        }
    }
    Ok(())
}
