//! Lists months and collects them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bigdecimal::{BigDecimal, RoundingMode};
use chrono::{Datelike, Days, NaiveDate};
use futures_util::future::BoxFuture;
use outlay_model::money::plain;
use outlay_model::{DateRange, DeliveryKey};

use super::answers::{Asked, Body, Cost, Exchange, Head, keys};
use super::api::{Api, Page, Question};
use super::level::Level;
use super::plan::{self, CLOSED_AFTER, Plan, REACH_MONTHS, RESTATES_MONTHS, SETTLED_ON};
use super::scope::Scope;
use super::survey::Overview;
use super::{CostQuery, charge_types};
use crate::CollectError;
use crate::collector::{Checked, Collected, Collector, Listed, Listing};
use crate::http::FetchError;
use crate::input::InputFile;
use crate::kept::Keeper;
use crate::months::months;

/// The file of the answers.
const ANSWERS: &str = "answers.jsonl.zst";
const ADVICE: &str = "the next run asks again; if it stays so, please report it";

/// Asks the Query API for the costs of one scope.
#[derive(Debug)]
pub(super) struct CostQueryCollector {
    pub api: Api,
    pub scope: Scope,
    pub billing_account_id: String,
    pub levels: Vec<Level>,
    pub backfill_months: u32,
    pub today: NaiveDate,
}

#[async_trait]
impl Collector for CostQueryCollector {
    async fn check(&self) -> Result<Checked, CollectError> {
        let place = format!("{}: what a run would ask", self.scope);
        // From the month before, so that there is something on the first of a month as well.
        let months = months(self.today, 1, None).ok_or_else(never)?;
        let days = months.days().ok_or_else(never)?;
        let (mut queries, mut left, mut charge_types) = (0, None, BTreeSet::new());
        for cost in Cost::ALL {
            let question = Question::by(days, &["ChargeType"]);
            for page in self.all(&place, cost, &question).await? {
                charge_types.extend(values(&place, page.body.as_ref(), &["ChargeType"])?);
                (queries, left) = (queries + 1, page.left.or(left));
            }
        }
        let mut refined = 0;
        if let [level, _, ..] = &self.levels[..] {
            let question = Question::by(days, &[level.column()]);
            let mut found = BTreeSet::new();
            for page in self.all(&place, Cost::Actual, &question).await? {
                found.extend(values(&place, page.body.as_ref(), &[level.column()])?);
                (queries, left) = (queries + 1, page.left.or(left));
            }
            let usage = charge_types.iter().filter(|charge_type| charge_types::is_usage(charge_type)).count();
            refined = (2 * usage * found.len()) as u64;
        }
        let plan = Plan {
            charge_types: charge_types.len() as u64,
            refined,
            more: self.levels.len() > 2,
            names: self.levels.first() == Some(&Level::Subscription),
            backfill_months: self.backfill_months,
        };
        let left = left.map(|left| format!("; Azure has {left} QPU left for this hour")).unwrap_or_default();
        let units = queries * months.count();
        let mut notes =
            vec![format!("{}: the Query API answers; asking was {queries} queries, {units} QPU{left}", self.scope)];
        notes.extend(plan.notes());
        Ok(Checked { notes })
    }

    async fn deliveries(&self, window: DateRange) -> Result<Listing, CollectError> {
        let Some(months) = months(self.today, self.backfill_months, Some(window)) else {
            let first = months(self.today, REACH_MONTHS, None).map(|months| months.first());
            return Err(FetchError::Refused {
                place: format!("{}, {} to {}", self.scope, window.from(), window.to()),
                why: "these days are not asked for".to_owned(),
                advice: match first {
                    Some(first) => format!("ask for days from {first} on, within backfill_months, and before today"),
                    None => "ask for days before today".to_owned(),
                },
            }
            .into());
        };
        let mut stated: BTreeMap<NaiveDate, BTreeMap<Cost, String>> = BTreeMap::new();
        for days in plan::years(&months) {
            for cost in Cost::ALL {
                let place = format!("{}, {} of {} to {}", self.scope, cost.name(), days.from(), days.to());
                for page in self.all(&place, cost, &Question::months(days)).await? {
                    let rows = page.body.as_ref().map(|body| body.rows(false, &[])).transpose();
                    for row in rows.map_err(|what| not(&place, what))?.into_iter().flatten() {
                        let month = row.day().map_err(|what| not(&place, what))?;
                        let total = row.cost().and_then(|cost| Ok(format!("{} {}", settled(&cost), row.currency()?)));
                        let total = total.map_err(|what| not(&place, what))?;
                        stated.entry(month).or_default().entry(cost).or_default().push_str(&total);
                    }
                }
            }
        }
        // Before its first month there was no scope. Where nothing is stated at all, what is here may not just go.
        let first = stated.keys().next().copied().or_else(|| Some(months.each().last()?.from()));
        let before = self.today.with_day(1).and_then(|this| this.pred_opt()?.with_day(1));
        let first = first.into_iter().chain(before).min().unwrap_or(self.today);
        let nothing = BTreeMap::new();
        let mut deliveries: Vec<Listed> = months
            .each()
            .filter(|days| first <= days.from())
            .map(|days| {
                let key = days.from().format("%Y-%m").to_string();
                let edition = Some(self.edition(days, stated.get(&days.from()).unwrap_or(&nothing)));
                let place = format!("{}, {key}", self.scope);
                Listed { key: DeliveryKey::new(key), days: Some(days), edition, place, bytes: None }
            })
            .collect();
        deliveries.reverse();
        // Months before the window are not gone, they are not asked for.
        Ok(Listing { deliveries, complete: false })
    }

    async fn collect(&self, listed: &Listed, folder: &Path) -> Result<Collected, CollectError> {
        let days = listed.days.ok_or_else(never)?;
        let mut work = Work::new(self, listed, days, folder.join(ANSWERS))?;
        work.totals().await?;
        let before = work.stated();
        work.names().await?;
        for (charge_type, costs) in work.charge_types().await? {
            work.cells(&charge_type, &costs).await?;
        }
        if work.overview.is_beyond_rounding() {
            // Either it cannot be told apart, or the bill was restated while it was read.
            work.totals().await?;
            if work.stated() != before {
                return Err(FetchError::Changed { place: listed.place.clone() }.into());
            }
        }
        work.done()
    }
}

impl CostQueryCollector {
    /// What tells this statement of a month from others: its totals, its last day, and how it is asked for. Money may also
    /// move between subscriptions or tags without a total changing: while a month is restated it is read once a day anyway.
    fn edition(&self, days: DateRange, stated: &BTreeMap<Cost, String>) -> String {
        let totals = Cost::ALL.map(|cost| stated.get(&cost).map_or("none", String::as_str));
        let levels: Vec<String> = self.levels.iter().map(ToString::to_string).collect();
        let day = if self.is_restated(days) { format!("; {}", self.today) } else { String::new() };
        format!("to {}: {}; by {}{day}", days.to(), totals.join(", "), levels.join(", "))
    }

    /// Whether Azure still changes the month as a matter of course.
    fn is_restated(&self, days: DateRange) -> bool {
        let back = if self.today.day() <= SETTLED_ON { RESTATES_MONTHS } else { 0 };
        months(self.today, back, None).is_some_and(|months| days.from() >= months.first())
    }

    /// All pages of an answer, each asked for once.
    async fn all(&self, place: &str, cost: Cost, question: &Question) -> Result<Vec<Page>, FetchError> {
        let (mut pages, mut seen): (Vec<Page>, _) = (Vec::new(), BTreeSet::from([self.api.first().to_string()]));
        loop {
            let next = pages.last().and_then(|page| page.next.as_ref());
            if let Some(next) = next.filter(|next| !seen.insert(next.to_string())) {
                tracing::debug!(place, path = next.path(), "a page again");
                return Err(not(place, "names a page that has been read already".to_owned()));
            }
            let page = self.api.ask(place, cost, question, next).await?;
            let last = page.next.is_none();
            pages.push(page);
            if last {
                return Ok(pages);
            }
        }
    }
}

/// An amount to six decimals. Azure adds up doubles, in another order each time, so what is behind these is no change.
fn settled(amount: &str) -> String {
    let round = |number: BigDecimal| plain(&number.with_scale_round(6, RoundingMode::HalfEven));
    amount.parse().map_or_else(|_| amount.to_owned(), round)
}

/// The values of the last of some keys.
fn values(place: &str, body: Option<&Body>, keys: &[&'static str]) -> Result<Vec<String>, FetchError> {
    let Some(body) = body else { return Ok(Vec::new()) };
    let rows = body.rows(false, keys).map_err(|what| not(place, what))?;
    Ok(rows.filter_map(|row| row.key(keys.len() - 1).map(ToOwned::to_owned)).collect())
}

fn never() -> FetchError {
    not("Azure", "a month without days was asked for".to_owned())
}

fn not(place: &str, what: String) -> FetchError {
    FetchError::NotUnderstood { place: place.to_owned(), what, advice: ADVICE.to_owned() }
}

/// A month that is being collected.
struct Work<'a> {
    collector: &'a CostQueryCollector,
    place: &'a str,
    days: DateRange,
    head: Head,
    keeper: Keeper,
    overview: Overview,
    queries: u64,
    /// Values that Azure may not tell apart when it is asked for one of them.
    alike: BTreeSet<String>,
}

/// The values of the next level, as they are kept, each in all the ways that it is spelt.
type Values = BTreeMap<String, BTreeSet<String>>;

impl<'a> Work<'a> {
    fn new(
        collector: &'a CostQueryCollector,
        listed: &'a Listed,
        days: DateRange,
        path: PathBuf,
    ) -> Result<Self, FetchError> {
        let head = Head::new(&collector.scope, &collector.billing_account_id, &collector.levels, days);
        let keeper = Keeper::create(path, &head)?;
        let (overview, alike) = (Overview::default(), BTreeSet::new());
        Ok(Self { collector, place: &listed.place, days, head, keeper, overview, queries: 0, alike })
    }

    /// Asks for all of an answer, and keeps it.
    async fn ask(
        &mut self,
        place: &str,
        asked: &Asked,
        cost: Cost,
        question: &Question,
    ) -> Result<Vec<Body>, FetchError> {
        let mut bodies = Vec::new();
        for Page { request, response, body, .. } in self.collector.all(place, cost, question).await? {
            self.queries += 1;
            let exchange = Exchange { asked: asked.clone(), cost, request, response };
            self.overview.add(&self.head, &exchange).map_err(|what| not(place, what))?;
            self.keeper.keep(&exchange)?;
            bodies.extend(body);
        }
        Ok(bodies)
    }

    async fn totals(&mut self) -> Result<(), FetchError> {
        for cost in Cost::ALL {
            let place = format!("{}, {} in all", self.place, cost.name());
            if self.ask(&place, &Asked::Total, cost, &Question::total(self.days)).await?.len() > 1 {
                return Err(not(&place, "has a total of several pages".to_owned()));
            }
        }
        Ok(())
    }

    fn stated(&self) -> [Option<String>; 2] {
        self.overview.totals().map(|total| total.map(settled))
    }

    async fn names(&mut self) -> Result<(), FetchError> {
        if self.head.levels.first() == Some(&Level::Subscription) && self.overview.currency().is_some() {
            let place = format!("{}, names of subscriptions", self.place);
            let question = Question::by(self.days, &["SubscriptionId", "SubscriptionName"]);
            self.ask(&place, &Asked::Names, Cost::Actual, &question).await?;
        }
        Ok(())
    }

    /// The charge types of the month, and which of the two costs have them.
    async fn charge_types(&mut self) -> Result<BTreeMap<String, Vec<Cost>>, FetchError> {
        let mut found: BTreeMap<String, Vec<Cost>> = BTreeMap::new();
        for cost in Cost::ALL {
            let place = format!("{}, charge types of {}", self.place, cost.name());
            let question = Question::by(self.days, &["ChargeType"]);
            for body in self.ask(&place, &Asked::ChargeTypes, cost, &question).await? {
                for charge_type in values(&place, Some(&body), &["ChargeType"])? {
                    let costs = found.entry(charge_type).or_default();
                    if !costs.contains(&cost) {
                        costs.push(cost);
                    }
                }
            }
        }
        Ok(found)
    }

    async fn cells(&mut self, charge_type: &str, costs: &[Cost]) -> Result<(), FetchError> {
        // A tax has neither regions nor tags.
        let deepest = if charge_types::is_usage(charge_type) { self.head.levels.len() } else { 1 };
        self.within(charge_type, &[], costs, deepest).await
    }

    /// What the values of the first levels have, and then what each value of the next one has.
    fn within<'b>(
        &'b mut self,
        charge_type: &'b str,
        path: &'b [(String, BTreeSet<String>)],
        costs: &'b [Cost],
        deepest: usize,
    ) -> BoxFuture<'b, Result<(), FetchError>> {
        Box::pin(async move {
            let kept: Vec<String> = path.iter().map(|(value, _)| value.clone()).collect();
            let spelt: Vec<Vec<String>> = path.iter().map(|(_, spelt)| spelt.iter().cloned().collect()).collect();
            let of = if kept.is_empty() { String::new() } else { format!(" of {}", kept.join(", ")) };
            let question = Question::cells(self.days, charge_type, &self.head.levels, &spelt);
            let keys = keys(&self.head.levels, &kept);
            let asked = Asked::Cells { charge_type: charge_type.to_owned(), path: kept };
            let mut below: BTreeMap<String, Vec<Cost>> = BTreeMap::new();
            let mut values_below = Values::new();
            for cost in costs {
                let place = format!("{}, {charge_type} ({}){of}", self.place, cost.name());
                let bodies = self.ask(&place, &asked, *cost, &question).await?;
                let Some(level) = self.head.levels.get(path.len()).filter(|_| path.len() + 1 < deepest) else {
                    continue;
                };
                for body in &bodies {
                    for value in values(&place, Some(body), &keys)? {
                        let costs = below.entry(level.kept(&value)).or_default();
                        if !costs.contains(cost) {
                            costs.push(*cost);
                        }
                        values_below.entry(level.kept(&value)).or_default().insert(value);
                    }
                }
            }
            for (value, costs) in below {
                let alike = values_below.keys().filter(|other| other.to_lowercase() == value.to_lowercase()).count();
                if alike > 1 {
                    self.alike.insert(value);
                    continue;
                }
                let spelt = values_below.get(&value).cloned().unwrap_or_default();
                let path: Vec<_> = path.iter().cloned().chain([(value, spelt)]).collect();
                self.within(charge_type, &path, &costs, deepest).await?;
            }
            Ok(())
        })
    }

    fn done(self) -> Result<Collected, CollectError> {
        let overview = &self.overview;
        let mut notes = vec![format!("{} queries", self.queries)];
        if overview.has_beyond() {
            let [billed, effective, ..] = overview.beyond();
            let [total_billed, total_effective] = overview.totals().map(Option::unwrap_or_default);
            let why = match overview.is_beyond_rounding() {
                true => "it cannot be told apart",
                false => "Azure rounds what it adds up",
            };
            notes.push(format!(
                "an Adjustment of {} {currency} billed, {} effective, without subscription: {why}, and the month's totals of \
                 {total_billed} and {total_effective} {currency} have it",
                plain(&billed),
                plain(&effective),
                currency = overview.currency().unwrap_or_default(),
            ));
        }
        for charge_type in &overview.unknown {
            notes.push(format!("{charge_type:?} is no charge type that is known: its charges are Adjustments"));
        }
        if !self.alike.is_empty() {
            let alike: Vec<&str> = self.alike.iter().map(String::as_str).collect();
            notes.push(format!(
                "{} differ by small and large letters alone, and are not told apart any further",
                alike.join(", ")
            ));
        }
        let end = self.days.from().checked_add_months(chrono::Months::new(1));
        let closed = end.and_then(|end| end.checked_add_days(Days::new(CLOSED_AFTER)));
        let open = closed.is_none_or(|closed| self.collector.today < closed);
        let provisional = if open { vec![self.days] } else { Vec::new() };
        let raw = self.keeper.finish()?;
        let files = vec![InputFile::open(raw.clone())?];
        Ok(Collected { format: &CostQuery, files, raw: Some(raw), provisional, notes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_doubles_add_up_to_in_another_order_is_no_change() {
        assert_eq!(settled("1234567.8900000001"), settled("1234567.889999999897"));
        assert_eq!(settled("3.10"), "3.1");
        assert_ne!(settled("3.10001"), settled("3.1"));
        assert_eq!(settled("-1.0e-9"), settled("0"));
    }
}
