//! Reads bills back and gathers in one pass what the tests ask about.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use chrono::NaiveDate;
use csv::StringRecord;
use flate2::read::MultiGzDecoder;
use outlay_demo::{Export, SourceBills};
use serde_json::{Map, Value};

use crate::{azure, google, rules};

/// Amounts are read as whole numbers of 10^-SCALE.
pub const SCALE: u32 = 10;

/// Things that occur in bills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Usage,
    Purchase,
    Tax,
    Credit,
    Adjustment,
    Refund,
    Correction,
    FreeTier,
    WholeMonthFee,
    Dynamic,
    NoSubAccount,
    Discounted,
    PersonTag,
}

#[derive(Default)]
pub struct Commitment {
    pub purchased: i128,
    pub used: i128,
    pub unused: i128,
    pub unused_days: BTreeSet<NaiveDate>,
}

/// Month of the charge, billing month, service, and charge category.
pub type Key = (String, String, Option<String>, String);

/// Billed, effective, list and contracted cost; the latter two of what states them.
pub type Totals = [Option<i128>; 4];

/// One billing month of a source.
#[derive(Default)]
pub struct Month {
    pub charges: u64,
    pub billed: i128,
    /// By id.
    pub commitments: BTreeMap<String, Commitment>,
}

/// What was found in one source's files, in its currency.
#[derive(Default)]
pub struct Source {
    pub header: Vec<String>,
    pub months: BTreeMap<String, Month>,
    pub usage_days: BTreeSet<NaiveDate>,
    pub currencies: BTreeSet<String>,
    pub kinds: BTreeSet<Kind>,
    pub effective: i128,
    /// The part of it without a team.
    pub untagged: i128,
    pub environment_only: u64,
    pub sums: BTreeMap<Key, Totals>,
    /// EffectiveCost by service, team and component as tagged, and day.
    series: HashMap<(String, String, Option<String>), BTreeMap<NaiveDate, i128>>,
}

/// What was found in all of them.
#[derive(Default)]
pub struct Facts {
    pub sources: BTreeMap<String, Source>,
    /// Rows that break a rule.
    pub broken: Vec<String>,
}

/// One charge, in the columns of FOCUS.
pub struct Row<'a> {
    pub source: &'a str,
    pub month: &'a str,
    pub open: bool,
    pub tags: Map<String, Value>,
    cells: &'a dyn Cells,
}

/// The cells of a charge by the names of their columns.
pub trait Cells {
    /// None where there is no such column.
    fn cell(&self, column: &str) -> Option<&str>;
}

/// Few enough to be looked through.
impl Cells for Vec<(&'static str, String)> {
    fn cell(&self, column: &str) -> Option<&str> {
        self.iter().find(|(name, _)| *name == column).map(|(_, cell)| cell.as_str())
    }
}

/// A line of a file, with where its columns are.
struct Line<'a>(&'a HashMap<String, usize>, &'a StringRecord);

impl Cells for Line<'_> {
    fn cell(&self, column: &str) -> Option<&str> {
        self.0.get(column).map(|at| &self.1[*at])
    }
}

impl Row<'_> {
    /// A cell; None for null and for a column that the source does not have.
    pub fn get(&self, column: &str) -> Option<&str> {
        self.cells.cell(column).filter(|cell| !cell.is_empty())
    }

    pub fn has(&self, column: &str) -> bool {
        self.cells.cell(column).is_some()
    }

    pub fn amount(&self, column: &str) -> Option<i128> {
        self.get(column).map(exact)
    }

    pub fn day(&self, column: &str) -> NaiveDate {
        let text = self.get(column).expect("a time");
        assert!(text.len() == 20 && text.ends_with(":00:00Z"), "{text}");
        text[..10].parse().expect("a date")
    }
}

/// Decimal text as a whole number of 10^-SCALE.
pub fn exact(text: &str) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    assert!(fraction.len() <= SCALE as usize, "{text} is longer than {SCALE} digits");
    format!("{whole}{fraction:0<10}").parse().expect("a plain decimal")
}

/// The keys the five sources use for team, component and environment.
const TEAM: [&str; 3] = ["team", "Team", "owner-team"];
const COMPONENT: [&str; 3] = ["component", "service", "app"];
const ENVIRONMENT: [&str; 2] = ["env", "environment"];

impl Facts {
    pub fn read(sources: &[SourceBills]) -> Facts {
        let mut facts = Facts::default();
        let mut categories = HashMap::new();
        for source in sources {
            let found = facts.sources.entry(source.name.clone()).or_default();
            let broken = &mut facts.broken;
            for bill in &source.months {
                let mut month = Month::default();
                // The window's last month is open if it is the thirteenth.
                let open = source.months.len() == 13 && bill.month == source.months[12].month;
                let mut see = |cells: &dyn Cells, found: &mut Source| {
                    let tags = cells.cell("Tags").filter(|cell| !cell.is_empty()).unwrap_or("{}");
                    let tags = serde_json::from_str(tags).expect("a JSON object");
                    let row = Row { source: &source.name, month: &bill.month, open, tags, cells };
                    if matches!(source.export, Export::Focus | Export::DataExport(_)) {
                        rules::check(&row, &mut categories, broken);
                    }
                    found.add(&row, &mut month);
                };
                match &source.export {
                    Export::Focus | Export::DataExport(_) => {
                        let [file] = &bill.files[..] else { panic!("{:?}", bill.files) };
                        let mut reader = csv::Reader::from_reader(open_file(file));
                        found.header = reader.headers().expect("a header").iter().map(str::to_owned).collect();
                        let columns: HashMap<String, usize> = found.header.iter().cloned().zip(0..).collect();
                        let mut record = StringRecord::new();
                        while reader.read_record(&mut record).expect("a row") {
                            see(&Line(&columns, &record), found);
                        }
                    }
                    Export::CostDetails { .. } => azure::read(&bill.files, |cells| see(&cells, found)),
                    Export::UsageExport(_) => google::read(&bill.files, |cells| see(&cells, found)),
                }
                found.months.insert(bill.month.clone(), month);
            }
        }
        facts
    }

    /// Every source's amount in dollars, roughly.
    pub fn dollars(&self, amount: impl Fn(&Source) -> i128) -> f64 {
        let rate = |source: &str| match source {
            "azure" => 1.085,
            "mongodb-atlas" => 1.278,
            _ => 1.0,
        };
        self.sources.iter().map(|(name, source)| approximate(amount(source)) * rate(name)).sum()
    }

    /// Source and month of every commitment, with its sums.
    pub fn commitments(&self) -> impl Iterator<Item = (&str, &str, &Commitment)> {
        self.sources.iter().flat_map(|(source, found)| {
            found.months.iter().flat_map(move |(month, found)| {
                found.commitments.values().map(move |sums| (source.as_str(), month.as_str(), sums))
            })
        })
    }
}

impl Source {
    /// Cost by day of what is tagged so; all services for None.
    pub fn series(&self, service: Option<&str>, team: &str, component: Option<&str>) -> BTreeMap<NaiveDate, f64> {
        let mut sum = BTreeMap::new();
        for (key, series) in &self.series {
            let wanted =
                service.is_none_or(|service| key.0 == service) && key.1 == team && key.2.as_deref() == component;
            for (day, cost) in series.iter().filter(|_| wanted) {
                *sum.entry(*day).or_insert(0.0) += approximate(*cost);
            }
        }
        sum
    }

    fn add(&mut self, row: &Row<'_>, month: &mut Month) {
        let billed = row.amount("BilledCost").expect("a cost");
        let effective = row.amount("EffectiveCost").expect("a cost");
        month.charges += 1;
        month.billed += billed;
        let of = |column: &str| row.get(column).expect("a period")[..7].to_owned();
        let category = row.get("ChargeCategory").expect("a category").to_owned();
        let service = row.get("ServiceName").map(str::to_owned);
        let key = (of("ChargePeriodStart"), of("BillingPeriodStart"), service, category);
        let costs = [Some(billed), Some(effective), row.amount("ListCost"), row.amount("ContractedCost")];
        for (sum, cost) in self.sums.entry(key).or_default().iter_mut().zip(costs) {
            *sum = cost.map(|cost| cost + sum.unwrap_or(0)).or(*sum);
        }
        self.effective += effective;
        let currency = row.get("BillingCurrency").expect("a currency");
        if !self.currencies.contains(currency) {
            self.currencies.insert(currency.to_owned());
        }
        self.kinds.extend(kinds(row, billed));
        if let Some(id) = row.get("CommitmentDiscountId") {
            month.commitments.entry(id.to_owned()).or_default().add(row, billed, effective);
        }

        let tag = |keys: &[&str]| keys.iter().find_map(|key| row.tags.get(*key)).and_then(|value| value.as_str());
        if row.get("ChargeCategory") == Some("Usage") && row.get("ChargeClass").is_none() {
            let day = row.day("ChargePeriodStart");
            self.usage_days.insert(day);
            if let Some(team) = tag(&TEAM) {
                let service = row.get("ServiceName").expect("a service").to_owned();
                let key = (service, team.to_owned(), tag(&COMPONENT).map(str::to_owned));
                *self.series.entry(key).or_default().entry(day).or_default() += effective;
            }
        }
        if tag(&TEAM).is_none() {
            self.untagged += effective;
            self.environment_only += u64::from(tag(&ENVIRONMENT).is_some());
        }
    }
}

impl Commitment {
    fn add(&mut self, row: &Row<'_>, billed: i128, effective: i128) {
        match row.get("CommitmentDiscountStatus") {
            None => self.purchased += billed,
            Some("Used") => self.used += effective,
            Some(_) => {
                self.unused += effective;
                self.unused_days.insert(row.day("ChargePeriodStart"));
            }
        }
    }
}

fn kinds(row: &Row<'_>, billed: i128) -> Vec<Kind> {
    let correction = row.get("ChargeClass") == Some("Correction");
    let category = row.get("ChargeCategory").expect("a category");
    let whole_month = row.get("ChargePeriodStart") == row.get("BillingPeriodStart")
        && row.get("ChargePeriodEnd") == row.get("BillingPeriodEnd");
    let mut kinds = vec![match category {
        "Usage" => Kind::Usage,
        "Purchase" => Kind::Purchase,
        "Tax" => Kind::Tax,
        "Credit" => Kind::Credit,
        _ => Kind::Adjustment,
    }];
    let mut note = |kind, holds: bool| kinds.extend(Some(kind).filter(|_| holds));
    note(Kind::Refund, row.has("x_Refund") || category == "Usage" && billed < 0 && !correction);
    note(Kind::Correction, correction);
    note(Kind::FreeTier, category == "Usage" && row.amount("ListCost") == Some(0) && row.get("SubAccountId").is_some());
    note(Kind::WholeMonthFee, category == "Purchase" && whole_month);
    note(Kind::Dynamic, row.get("PricingCategory") == Some("Dynamic"));
    note(Kind::NoSubAccount, row.get("SubAccountId").is_none());
    note(Kind::Discounted, row.has("x_Committed"));
    note(Kind::PersonTag, row.get("Tags").is_some_and(|tags| tags.contains("aws:createdBy")));
    kinds
}

fn approximate(amount: i128) -> f64 {
    amount as f64 / 10_f64.powi(SCALE as i32)
}

/// A file, unpacked.
pub fn open_file(path: &Path) -> Box<dyn Read> {
    let file = File::open(path).expect("a file");
    if path.extension().is_some_and(|extension| extension == "gz") {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    }
}
