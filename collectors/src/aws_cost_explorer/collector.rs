//! Lists months and collects them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use aws_sdk_costexplorer::types::Dimension;
use bigdecimal::BigDecimal;
use chrono::{Datelike, NaiveDate};
use outlay_model::money::plain;
use outlay_model::{DateRange, DeliveryKey};

use super::answers::{Asked, CostAndUsage, Exchange, Head, METRICS, costs};
use super::explorer::{Explorer, PRICE, Page, Question};
use super::plan::{self, Plan};
use super::refine::Refine;
use super::survey::Overview;
use super::{CostExplorer, record_types};
use crate::CollectError;
use crate::collector::{Checked, Collected, Collector, Listed, Listing};
use crate::http::{FetchError, dollars};
use crate::input::InputFile;
use crate::kept::Keeper;
use crate::months::months;

/// The file of the answers.
const ANSWERS: &str = "answers.jsonl.zst";
const ADVICE: &str = "the next run asks again; if it stays so, please report it";

/// Asks Cost Explorer for one payer's bill.
#[derive(Debug)]
pub(super) struct CostExplorerCollector {
    pub billing_account_id: String,
    pub explorer: Explorer,
    pub refine: Refine,
    pub refine_accounts: BTreeMap<String, Refine>,
    pub backfill_months: u32,
    pub today: NaiveDate,
}

#[async_trait]
impl Collector for CostExplorerCollector {
    async fn check(&self) -> Result<Checked, CollectError> {
        let place = "Cost Explorer: what a run would ask";
        // From the month before, so that there is something on the first of a month as well.
        let days = months(self.today, 1, None).and_then(|months| months.days()).ok_or_else(never)?;
        self.explorer.costs(place, &Question::total(days), None).await?;
        let (record_types, pages) = self.values(place, days, Dimension::RecordType).await?;
        let mut calls = 1 + pages;
        let mut accounts = 0;
        if self.refine != Refine::None {
            let (found, pages) = self.values(place, days, Dimension::LinkedAccount).await?;
            (accounts, calls) = (found.len() as u64, calls + pages);
        }
        let usage = record_types.iter().filter(|record_type| is_usage(record_type)).count() as u64;
        let named =
            |none: bool| self.refine_accounts.values().filter(|by| (**by == Refine::None) == none).count() as u64;
        let refined = match self.refine {
            Refine::None => named(false),
            _ => accounts.saturating_sub(named(true)),
        };
        let plan = Plan {
            record_types: record_types.len() as u64,
            refined: refined * usage,
            backfill_months: self.backfill_months,
        };
        let mut notes = vec![format!(
            "account {}: GetCostAndUsage and GetDimensionValues answer; asking was {calls} calls, {}",
            self.billing_account_id,
            dollars(calls * PRICE),
        )];
        notes.extend(plan.notes(self.explorer.spent().await?, self.explorer.cap()));
        Ok(Checked { notes })
    }

    async fn deliveries(&self, window: DateRange) -> Result<Listing, CollectError> {
        let Some(months) = months(self.today, self.backfill_months, Some(window)) else {
            let first = months(self.today, plan::REACH_MONTHS, None).map(|months| months.first());
            return Err(FetchError::Refused {
                place: format!("Cost Explorer, {} to {}", window.from(), window.to()),
                why: "it has no costs by day of these days".to_owned(),
                advice: match first {
                    Some(first) => format!("ask for days from {first} on, within backfill_months, and before today"),
                    None => "ask for days before today".to_owned(),
                },
            }
            .into());
        };
        // On the first of a month there is nothing of it yet.
        let Some(days) = months.days() else { return Ok(Listing::default()) };
        let place = format!("Cost Explorer, totals of {} to {}", days.from(), days.to());
        let page = self.explorer.costs(&place, &Question::total(days), None).await?;
        let body: CostAndUsage = understood(&place, &page.response)?;
        let mut deliveries = Vec::new();
        for result in body.results_by_time.iter().rev() {
            let days = DateRange::new(result.time_period.start, result.time_period.end);
            let days = days.ok_or_else(|| not(&place, "has a period that ends before it starts".to_owned()))?;
            costs(&result.total).map_err(|what| not(&place, what))?;
            let key = days.from().format("%Y-%m").to_string();
            let place = format!("Cost Explorer, {key}");
            let edition = Some(self.edition(days, result));
            deliveries.push(Listed { key: DeliveryKey::new(key), days: Some(days), edition, place, bytes: None });
        }
        if page.next.is_some() || deliveries.len() != months.count() {
            let what = format!("has the totals of {} months in place of {}", deliveries.len(), months.count());
            return Err(not(&place, what).into());
        }
        // Months before the window are not gone, they are not asked for.
        Ok(Listing { deliveries, complete: false })
    }

    async fn collect(&self, listed: &Listed, folder: &Path) -> Result<Collected, CollectError> {
        let days = listed.days.ok_or_else(never)?;
        let mut work = Work::new(self, listed, days, folder.join(ANSWERS))?;
        work.total().await?;
        let before = work.overview.total().cloned();
        for record_type in work.record_types().await? {
            work.cells(&record_type).await?;
        }
        if work.overview.is_beyond_rounding() {
            // Either no account bears it, or the bill was restated while it was read.
            work.total().await?;
            if work.overview.total() != before.as_ref() {
                return Err(FetchError::Changed { place: listed.place.clone() }.into());
            }
        }
        work.done().await
    }
}

impl CostExplorerCollector {
    /// What tells this statement of a month from others: its totals, its last day, and how it is asked for. Money may also
    /// move between accounts or tags without a total changing: while months are restated they are read once a week anyway.
    fn edition(&self, days: DateRange, result: &super::answers::ResultByTime) -> String {
        let totals = METRICS.map(|metric| match result.total.get(metric) {
            Some(amount) => format!("{} {}", plain_text(&amount.amount), amount.unit),
            None => "none".to_owned(),
        });
        let refine = match self.refine_accounts.is_empty() {
            true => self.refine.to_string(),
            false => format!("{} {:?}", self.refine, self.refine_accounts),
        };
        let restated =
            months(self.today, plan::RESTATES_MONTHS, None).is_some_and(|months| days.from() >= months.first());
        let week = if restated { format!("; {:?}", self.today.iso_week()) } else { String::new() };
        format!("to {}: {}; {refine}{week}", days.to(), totals.join(", "))
    }

    /// The values of a dimension, and how many pages they came in.
    async fn values(
        &self,
        place: &str,
        days: DateRange,
        dimension: Dimension,
    ) -> Result<(Vec<String>, u64), FetchError> {
        let (mut found, mut pages) = (Vec::new(), Pages::default());
        while pages.more(place)? {
            let page = self.explorer.values(place, days, &dimension, pages.next()).await?;
            pages.turn(&page);
            found.extend(page.says);
        }
        Ok((found, pages.turned))
    }

    fn refine_of(&self, account: &str) -> &Refine {
        self.refine_accounts.get(account).unwrap_or(&self.refine)
    }

    fn refines(&self) -> bool {
        self.refine != Refine::None || self.refine_accounts.values().any(|by| *by != Refine::None)
    }
}

/// An amount without trailing zeros, so that how it is written is no change.
fn plain_text(amount: &str) -> String {
    amount.parse::<BigDecimal>().map_or_else(|_| amount.to_owned(), |number| plain(&number))
}

/// Regions and tags say something of usage; a tax or a support fee has none.
fn is_usage(record_type: &str) -> bool {
    record_types::kind(record_type).is_none_or(|kind| kind.charge_category == "Usage")
}

fn never() -> FetchError {
    FetchError::NotUnderstood {
        place: "Cost Explorer".to_owned(),
        what: "a month without days was asked for".to_owned(),
        advice: "please report it".to_owned(),
    }
}

fn not(place: &str, what: String) -> FetchError {
    FetchError::NotUnderstood { place: place.to_owned(), what, advice: ADVICE.to_owned() }
}

fn understood(place: &str, body: &str) -> Result<CostAndUsage, FetchError> {
    let wrong = |error: serde_json::Error| format!("is other than expected (column {})", error.column());
    serde_json::from_str(body).map_err(|error| not(place, wrong(error)))
}

/// A month that is being collected.
struct Work<'a> {
    collector: &'a CostExplorerCollector,
    place: &'a str,
    days: DateRange,
    keeper: Keeper,
    overview: Overview,
    calls: u64,
}

impl<'a> Work<'a> {
    fn new(
        collector: &'a CostExplorerCollector,
        listed: &'a Listed,
        days: DateRange,
        path: PathBuf,
    ) -> Result<Self, FetchError> {
        let keeper = Keeper::create(path, &Head::new(&collector.billing_account_id, days))?;
        Ok(Self { collector, place: &listed.place, days, keeper, overview: Overview::default(), calls: 0 })
    }

    async fn total(&mut self) -> Result<(), FetchError> {
        let place = format!("{}, total", self.place);
        let page = self.collector.explorer.costs(&place, &Question::total(self.days), None).await?;
        if page.next.is_some() {
            return Err(not(&place, "has a total of several pages".to_owned()));
        }
        self.keep(&place, Asked::Total, page).await
    }

    async fn record_types(&mut self) -> Result<BTreeSet<String>, FetchError> {
        let place = format!("{}, record types", self.place);
        let (mut found, mut pages) = (BTreeSet::new(), Pages::default());
        while pages.more(&place)? {
            let explorer = &self.collector.explorer;
            let page = explorer.values(&place, self.days, &Dimension::RecordType, pages.next()).await?;
            pages.turn(&page);
            found.extend(page.says.iter().cloned());
            self.keep(&place, Asked::RecordTypes, page).await?;
        }
        Ok(found)
    }

    async fn cells(&mut self, record_type: &str) -> Result<(), FetchError> {
        let place = format!("{}, {record_type} by account and service", self.place);
        let question = Question::cells(self.days, record_type);
        let accounts = self.all(&place, &question, &Asked::Cells { record_type: record_type.to_owned() }).await?;
        if !is_usage(record_type) {
            return Ok(());
        }
        for account in accounts {
            let by = self.collector.refine_of(&account).clone();
            if by == Refine::None {
                continue;
            }
            let place = format!("{}, {record_type} of {account} by service and {by}", self.place);
            let question = Question::refined(self.days, record_type, &account, &by);
            let asked = Asked::Refined { record_type: record_type.to_owned(), account, by };
            self.all(&place, &question, &asked).await?;
        }
        Ok(())
    }

    /// All pages of an answer, each asked for once. Gives the accounts in it, where they matter.
    async fn all(&mut self, place: &str, question: &Question, asked: &Asked) -> Result<BTreeSet<String>, FetchError> {
        let (mut accounts, mut pages) = (BTreeSet::new(), Pages::default());
        while pages.more(place)? {
            let page = self.collector.explorer.costs(place, question, pages.next()).await?;
            pages.turn(&page);
            if matches!(asked, Asked::Cells { .. }) && self.collector.refines() {
                let groups =
                    understood(place, &page.response)?.results_by_time.into_iter().flat_map(|result| result.groups);
                accounts.extend(groups.filter_map(|group| group.keys.into_iter().next()));
            }
            self.keep(place, asked.clone(), page).await?;
        }
        Ok(accounts)
    }

    async fn keep<T>(&mut self, place: &str, asked: Asked, page: Page<T>) -> Result<(), FetchError> {
        self.calls += 1;
        let exchange = Exchange { asked, request: page.request, response: page.response };
        self.overview.add(&exchange).map_err(|what| not(place, what))?;
        self.keeper.keep(&exchange)
    }

    async fn done(self) -> Result<Collected, CollectError> {
        let (spent, cap) = (self.collector.explorer.spent().await?, self.collector.explorer.cap());
        let overview = &self.overview;
        let mut notes = vec![format!(
            "{} calls, {}; {} of {} are spent this month",
            self.calls,
            dollars(self.calls * PRICE),
            dollars(spent),
            dollars(cap)
        )];
        let [billed, effective] = overview.beyond();
        if billed != BigDecimal::default() || effective != BigDecimal::default() {
            let total = overview.total().map(|total| total[0].as_str()).unwrap_or_default();
            let why = if overview.is_beyond_rounding() { "no account bears it" } else { "the cells are rounded" };
            notes.push(format!(
                "an Adjustment of {} {currency} billed, {} effective, without account: {why}, and the month's total of {total} {currency} has it",
                plain(&billed),
                plain(&effective),
                currency = overview.currency(),
            ));
        }
        for record_type in &overview.unknown {
            notes.push(format!("{record_type:?} is no record type that is known: its charges are Adjustments"));
        }
        let provisional = overview.provisional();
        let raw = self.keeper.finish()?;
        let files = vec![InputFile::open(raw.clone())?];
        Ok(Collected { format: &CostExplorer, files, raw: Some(raw), provisional, notes })
    }
}

/// The pages of one answer.
#[derive(Debug, Default)]
struct Pages {
    tokens: Vec<String>,
    turned: u64,
    done: bool,
}

impl Pages {
    /// Whether there is one more.
    fn more(&self, place: &str) -> Result<bool, FetchError> {
        let again = self.tokens.split_last().is_some_and(|(last, before)| before.contains(last));
        if again { Err(not(place, "names a page that has been read already".to_owned())) } else { Ok(!self.done) }
    }

    fn next(&self) -> Option<&str> {
        self.tokens.last().map(String::as_str)
    }

    fn turn<T>(&mut self, page: &Page<T>) {
        self.done = page.next.is_none();
        self.turned += 1;
        self.tokens.extend(page.next.clone());
    }
}
