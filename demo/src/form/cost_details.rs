//! Microsoft's cost details, as Cost Management exports them for a customer agreement: one export of actual, one of amortised cost.
//!
//! ```text
//! <root>/<export>/20261001-20261031/202611050543/<run>/part_0_0001.csv.gz
//! <root>/<export>/20261001-20261031/202611050543/<run>/manifest.json
//! ```
//!
//! Actual cost has what a reservation is bought for, and usage that it covers at nothing; amortised cost has that usage with its
//! share, and what nobody used. What no reservation is about is in both alike. Periods end with their last day. Tags come without
//! their braces.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use serde_json::{Value, json};

use super::sink::{Cells, Sink, write_json};
use super::{Meaning, Page};
use crate::DemoError;
use crate::calendar::{self, Month, Window};
use crate::chance;
use crate::money::{Costs, Decimal};
use crate::rates;
use crate::row::{Category, Charge, Frequency, Letterhead, Period, Return};

/// The two exports of a billing profile.
#[derive(Debug)]
pub(crate) struct CostExports {
    /// The folder of the container that they are in, and of the source.
    pub(crate) root: &'static str,
    pub(crate) actual: &'static str,
    pub(crate) amortised: &'static str,
    /// Where the container is.
    pub(crate) container: &'static str,
    /// The account that the billing profile is of.
    pub(crate) account: &'static str,
    pub(crate) section: (&'static str, &'static str),
    /// What was ordered, once and for all.
    pub(crate) order: &'static str,
    pub(crate) invoice: fn(NaiveDate) -> String,
}

/// How long a file gets.
const ROWS_OF_A_PART: u64 = 2_500;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    Actual,
    Amortised,
}

/// What cost details say a charge is. Refunds are of purchases there, only usage costs something else at other prices, and what
/// has no meter has no service.
pub(crate) fn meaning(charge: &Charge<'_>) -> Meaning {
    let costs = match charge.category {
        Category::Usage if charge.returned.is_none() => charge.costs,
        _ => Costs { list: charge.costs.billed, contracted: charge.costs.billed, ..charge.costs },
    };
    let service = Some(charge.subject.service).filter(|service| !service.name.is_empty());
    Meaning {
        category: if charge.returned.is_some() { Category::Purchase.name() } else { charge.category.name() },
        service: service.map(|service| service.name),
        service_category: service.map(|service| service.category),
        costs,
        list: Some(costs.list),
        contracted: Some(costs.contracted),
    }
}

/// A month of both exports being written.
pub(crate) struct CostDetails<'a> {
    words: Words<'a>,
    actual: Run,
    amortised: Run,
}

/// What a month's lines have in common.
struct Words<'a> {
    exports: &'static CostExports,
    head: &'a Letterhead,
    period: &'a Period,
    /// Dollars for one unit of the currency.
    dollars: Decimal,
}

/// One run of one export.
struct Run {
    folder: PathBuf,
    /// What stands before a file's name in the container.
    prefix: String,
    manifest: Value,
    /// Name, bytes and rows of the files that are whole.
    parts: Vec<(String, u64, u64)>,
    part: Option<(Cells, u64)>,
}

impl<'a> CostDetails<'a> {
    pub(crate) fn open(
        exports: &'static CostExports,
        head: &'a Letterhead,
        period: &'a Period,
        month: &Month,
        window: &Window,
        folder: &Path,
    ) -> Result<CostDetails<'a>, DemoError> {
        // The last export of a month runs on the fifth day of the next one.
        let day = window.today.min(month.end + TimeDelta::days(4));
        let run = |name, kind, minutes| {
            let submitted = calendar::at(day, 5) + TimeDelta::minutes(minutes);
            Run::open(exports, name, kind, month, submitted, folder)
        };
        let dollars = rates::dollars(head.currency, month.start).unwrap_or(Decimal::new(1, 0));
        Ok(CostDetails {
            words: Words { exports, head, period, dollars },
            actual: run(exports.actual, "ActualCost", 43),
            amortised: run(exports.amortised, "AmortizedCost", 51),
        })
    }
}

impl Words<'_> {
    /// The columns of a customer agreement's cost details (schema 2021-10-01) in their order, with what `charge` has there.
    fn cells<'b>(&'b self, charge: &'b Charge<'_>, view: View) -> [(&'static str, Cow<'b, str>); 65] {
        let subject = charge.subject;
        let (sku, resource, commitment) = (&subject.sku, &subject.resource, charge.commitment);
        let text = |text: Option<&'b str>| Cow::Borrowed(text.unwrap_or_default());
        let number = |value: Option<Decimal>| value.map_or(Cow::Borrowed(""), |value| Cow::Owned(value.to_string()));
        let date = |day: NaiveDate| Cow::Owned(day.format("%m/%d/%Y").to_string());
        let last = |end: NaiveDateTime| date((end - TimeDelta::seconds(1)).date());
        let (unit, block) = charge.priced.map_or(("", 1), |priced| measure(priced.unit));
        let cost = match view {
            View::Actual => charge.costs.billed,
            View::Amortised => charge.costs.effective,
        };
        let price = charge.priced.map(|priced| priced.contracted);
        let list = charge.priced.map(|_| charge.costs.list);
        let paid = match (view, commitment) {
            (View::Actual, Some(applied)) if applied.status.is_some() => Some(Decimal::ZERO),
            (_, Some(applied)) => Some(applied.price),
            (_, None) => price,
        };
        let benefit = commitment.map(|applied| applied.name);
        // Of a commitment's own lines, the commitment is named as benefit alone.
        let resource = resource.as_ref().filter(|resource| benefit.is_none_or(|benefit| benefit.id != resource.id));
        let corrected = charge.returned.filter(|why| *why == Return::Correction);
        let before = corrected.map(|_| (self.exports.invoice)(charge.start.date()));
        [
            ("invoiceId", text(self.period.invoice.as_deref())),
            ("previousInvoiceId", Cow::Owned(before.unwrap_or_default())),
            ("billingAccountId", text(Some(self.exports.account))),
            ("billingAccountName", text(Some(self.head.account_name))),
            ("billingProfileId", text(Some(self.head.account_id))),
            ("billingProfileName", text(Some(self.head.account_name))),
            ("invoiceSectionId", text(Some(self.exports.section.0))),
            ("invoiceSectionName", text(Some(self.exports.section.1))),
            ("resellerName", text(None)),
            ("resellerMpnId", text(None)),
            ("costCenter", text(None)),
            ("billingPeriodEndDate", last(self.period.end)),
            ("billingPeriodStartDate", date(self.period.start.date())),
            ("servicePeriodEndDate", last(charge.end)),
            ("servicePeriodStartDate", date(charge.start.date())),
            ("date", date(charge.start.date())),
            ("serviceFamily", text(Some(family(subject.service.category)))),
            ("productOrderId", text(Some(self.exports.order))),
            ("productOrderName", text(Some("Azure plan"))),
            ("consumedService", text(Some(subject.service.code))),
            ("meterId", text(sku.as_ref().map(|sku| sku.price_id.as_str()))),
            ("meterName", text(sku.as_ref().map(|sku| sku.meter))),
            ("meterCategory", text(Some(subject.service.name))),
            ("meterSubCategory", text(subject.description.split_once(" - ").map(|(series, _)| series))),
            ("meterRegion", text(subject.region.map(|region| region.name))),
            ("ProductId", text(sku.as_ref().map(|sku| sku.id.as_str()))),
            ("ProductName", text(Some(&subject.description))),
            ("SubscriptionId", text(subject.account.map(|account| account.id))),
            ("subscriptionName", text(subject.account.map(|account| account.name))),
            ("publisherType", text(Some("Microsoft"))),
            ("publisherId", text(None)),
            ("publisherName", text(Some(self.head.publisher))),
            ("resourceGroupName", text(resource.and(subject.group.as_deref()))),
            ("ResourceId", text(resource.map(|resource| resource.id.as_str()))),
            ("resourceLocation", text(subject.region.map(|region| region.id))),
            ("location", text(subject.region.map(|region| region.name))),
            ("effectivePrice", number(paid)),
            ("quantity", number(charge.priced.map(|priced| priced.quantity * Decimal::new(block, 0)))),
            ("unitOfMeasure", text(Some(unit))),
            ("chargeType", text(Some(charge_type(charge)))),
            ("billingCurrency", text(Some(self.head.currency))),
            ("pricingCurrency", text(Some(self.head.currency))),
            ("costInBillingCurrency", number(Some(cost))),
            ("costInPricingCurrency", number(Some(cost))),
            ("costInUsd", number(Some(cost * self.dollars))),
            ("paygCostInBillingCurrency", number(list)),
            ("paygCostInUsd", number(list.map(|cost| cost * self.dollars))),
            ("exchangeRatePricingToBilling", text(Some("1"))),
            ("exchangeRateDate", date(self.period.start.date())),
            ("isAzureCreditEligible", text(Some("True"))),
            ("serviceInfo1", text(None)),
            ("serviceInfo2", text(None)),
            ("additionalInfo", text(sku.as_ref().and_then(|sku| sku.details))),
            ("tags", text(subject.tags.as_deref().map(|tags| tags.trim_start_matches('{').trim_end_matches('}')))),
            ("PayGPrice", number(charge.priced.map(|priced| priced.list))),
            ("frequency", text(Some(frequency(charge.frequency)))),
            ("term", text(commitment.map(|_| "36"))),
            ("reservationId", text(benefit.map(|benefit| benefit.id.as_str()))),
            ("reservationName", text(benefit.map(|benefit| benefit.name))),
            ("pricingModel", text(pricing_model(charge))),
            ("unitPrice", number(price)),
            ("costAllocationRuleName", text(None)),
            ("benefitId", text(benefit.map(|benefit| benefit.id.as_str()))),
            ("benefitName", text(benefit.map(|benefit| benefit.name))),
            ("provider", text(Some("Microsoft"))),
        ]
    }
}

impl Page for CostDetails<'_> {
    fn write(&mut self, charge: &Charge<'_>) -> Result<(), DemoError> {
        let bought = charge.category == Category::Purchase && charge.commitment.is_some();
        if !charge.is_unused() {
            self.actual.line(&self.words.cells(charge, View::Actual))?;
        }
        if !bought {
            self.amortised.line(&self.words.cells(charge, View::Amortised))?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<PathBuf>, DemoError> {
        let mut files = self.actual.finish()?;
        files.extend(self.amortised.finish()?);
        Ok(files)
    }
}

impl Run {
    fn open(
        exports: &CostExports,
        name: &str,
        kind: &str,
        month: &Month,
        submitted: NaiveDateTime,
        folder: &Path,
    ) -> Run {
        let (first, last) = (month.start, month.end - TimeDelta::days(1));
        let id = chance::uuid(&["azure-run", name, &submitted.to_string(), &month.label()]);
        let days = format!("{}-{}", first.format("%Y%m%d"), last.format("%Y%m%d"));
        let below = format!("{name}/{days}/{}/{id}", submitted.format("%Y%m%d%H%M"));
        let manifest = json!({
            "manifestVersion": "2024-04-01",
            "byteCount": 0,
            "blobCount": 0,
            "dataRowCount": 0,
            "exportConfig": {
                "exportName": name,
                "resourceId": format!(
                    "/providers/Microsoft.Billing/billingAccounts/{}/providers/Microsoft.CostManagement/exports/{name}",
                    exports.account
                ),
                "dataVersion": "2021-10-01",
                "apiVersion": "2023-07-01-preview",
                "type": kind,
                "timeFrame": if month.is_open() { "MonthToDate" } else { "TheLastMonth" },
                "granularity": "Daily",
            },
            "deliveryConfig": {
                "partitionData": true,
                "dataOverwriteBehavior": "CreateNewReport",
                "fileFormat": "Csv",
                "compressionMode": "Gzip",
                "containerUri": exports.container,
                "rootFolderPath": exports.root,
            },
            "runInfo": {
                "executionType": "Scheduled",
                "submittedTime": format!("{submitted:?}.1Z"),
                "runId": id,
                "startDate": format!("{first}T00:00:00"),
                "endDate": format!("{last}T00:00:00"),
            },
            "blobs": [],
        });
        Run {
            folder: folder.join(exports.root).join(&below),
            prefix: format!("{}/{below}", exports.root),
            manifest,
            parts: Vec::new(),
            part: None,
        }
    }

    fn line(&mut self, cells: &[(&str, Cow<'_, str>)]) -> Result<(), DemoError> {
        if self.part.as_ref().is_some_and(|(_, rows)| *rows == ROWS_OF_A_PART) {
            self.end_part()?;
        }
        let (file, rows) = match &mut self.part {
            Some(part) => part,
            none => {
                let mut sink = Sink::create(self.folder.join(format!("part_0_{:04}.csv.gz", self.parts.len() + 1)))?;
                sink.text("\u{feff}")?;
                let mut file = Cells::new(sink);
                file.line(|file| file.write_record(cells.iter().map(|(name, _)| name)))?;
                none.insert((file, 0))
            }
        };
        *rows += 1;
        file.line(|file| file.write_record(cells.iter().map(|(_, text)| text.as_bytes())))
    }

    fn end_part(&mut self) -> Result<(), DemoError> {
        if let Some((file, rows)) = self.part.take() {
            let (path, bytes) = file.finish()?;
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            self.parts.push((name, bytes, rows));
        }
        Ok(())
    }

    /// Ends the run with its manifest: which files it has.
    fn finish(mut self) -> Result<Vec<PathBuf>, DemoError> {
        self.end_part()?;
        let total = |each: fn(&(String, u64, u64)) -> u64| self.parts.iter().map(each).sum::<u64>();
        self.manifest["byteCount"] = total(|part| part.1).into();
        self.manifest["blobCount"] = self.parts.len().into();
        self.manifest["dataRowCount"] = total(|part| part.2).into();
        let blob = |(name, bytes, rows): &(String, u64, u64)| json!({"blobName": format!("{}/{name}", self.prefix), "byteCount": bytes, "dataRowCount": rows});
        self.manifest["blobs"] = self.parts.iter().map(blob).collect();
        write_json(&self.folder.join("manifest.json"), &self.manifest)?;
        Ok(self.parts.iter().map(|(name, ..)| self.folder.join(name)).collect())
    }
}

/// Microsoft's unit of measure for one of FOCUS, and how many of the latter are priced at once.
fn measure(unit: &str) -> (&'static str, i128) {
    match unit {
        "GB" => ("1 GB", 1),
        "GB-Months" => ("1 GB/Month", 1),
        "Disk-Months" | "Months" => ("1/Month", 1),
        "Capacity Unit-Hours" | "100 RU-Hours" => ("1/Hour", 1),
        "1000000 Tokens" => ("1M", 1_000_000),
        _ => ("1 Hour", 1),
    }
}

fn charge_type(charge: &Charge<'_>) -> &'static str {
    match charge.category {
        _ if charge.returned.is_some() => "Refund",
        Category::Usage if charge.is_unused() => "UnusedReservation",
        Category::Usage => "Usage",
        Category::Purchase => "Purchase",
        Category::Tax => "Tax",
        Category::Credit => "Credit",
        Category::Adjustment => "RoundingAdjustment",
    }
}

fn pricing_model(charge: &Charge<'_>) -> Option<&'static str> {
    match charge.pricing {
        _ if charge.commitment.is_some() => Some("Reservation"),
        Some("Dynamic") => Some("Spot"),
        Some(_) => Some("OnDemand"),
        None => None,
    }
}

fn frequency(frequency: Frequency) -> &'static str {
    match frequency {
        Frequency::OneTime => "OneTime",
        Frequency::Recurring => "Recurring",
        Frequency::UsageBased => "UsageBased",
    }
}

/// Microsoft's word for a category of services.
fn family(category: &str) -> &str {
    match category {
        "AI and Machine Learning" => "AI + Machine Learning",
        category => category,
    }
}
