//! Microsoft's cost details as a stranger reads them who knows what actual and amortised cost are.

use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;

use chrono::NaiveDate;
use csv::StringRecord;

use crate::read::{SCALE, exact, open_file};

/// Gives every charge of a month's files in the columns of FOCUS.
pub fn read(files: &[PathBuf], mut each: impl FnMut(Vec<(&'static str, String)>)) {
    for file in files {
        let amortised = file.to_string_lossy().contains("-amortized/");
        let mut text = String::new();
        open_file(file).read_to_string(&mut text).expect("text");
        let text = text.strip_prefix('\u{feff}').expect("a byte order mark");
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let columns = reader.headers().expect("a header").iter().map(str::to_owned).zip(0..).collect();
        for record in reader.records() {
            let record = record.expect("a row");
            let line = Line { columns: &columns, record: &record };
            line.keep_the_rules(amortised);
            if amortised || line.buys() {
                each(line.charge());
            }
        }
    }
}

struct Line<'a> {
    columns: &'a HashMap<String, usize>,
    record: &'a StringRecord,
}

impl Line<'_> {
    fn get(&self, column: &str) -> &str {
        &self.record[*self.columns.get(column).unwrap_or_else(|| panic!("no {column}"))]
    }

    fn amount(&self, column: &str) -> Option<i128> {
        Some(self.get(column)).filter(|cell| !cell.is_empty()).map(exact)
    }

    fn day(&self, column: &str) -> NaiveDate {
        NaiveDate::parse_from_str(self.get(column), "%m/%d/%Y").expect("a date")
    }

    fn reserved(&self) -> bool {
        self.get("pricingModel") == "Reservation"
    }

    /// Whether it is for a reservation itself.
    fn buys(&self) -> bool {
        self.reserved() && self.get("chargeType") == "Purchase"
    }

    /// What of it has a price.
    fn quantity(&self) -> Option<i128> {
        let block = if self.get("unitOfMeasure") == "1M" { 1_000_000 } else { 1 };
        let quantity = self.amount("quantity")?;
        assert_eq!(quantity % block, 0);
        Some(quantity / block)
    }

    fn product(&self, price: &str) -> Option<i128> {
        let product = self.amount(price)? * self.quantity()?;
        let scale = 10_i128.pow(SCALE);
        assert_eq!(product % scale, 0, "{:?}", self.record);
        Some(product / scale)
    }

    fn keep_the_rules(&self, amortised: bool) {
        let cost = self.amount("costInBillingCurrency").expect("a cost");
        let (kind, told) = (self.get("chargeType"), self.record);
        assert!(!(self.buys() && amortised), "amortised cost has no purchase of a reservation: {told:?}");
        assert!(kind != "UnusedReservation" || amortised, "only amortised cost has what was not used: {told:?}");
        let covered = self.reserved() && kind == "Usage";
        assert!(!covered || amortised || cost == 0, "covered usage is paid already: {told:?}");
        // How many hours were not used is not told to the last digit.
        let paid = self.product("effectivePrice").filter(|_| kind != "UnusedReservation");
        assert!(paid.is_none_or(|paid| paid == cost), "{told:?}");
        assert_eq!(self.amount("paygCostInBillingCurrency"), self.product("PayGPrice"), "{told:?}");
        assert_eq!(self.get("benefitId").is_empty(), !self.reserved(), "{told:?}");
        assert_eq!(self.get("SubscriptionId").is_empty(), self.get("subscriptionName").is_empty(), "{told:?}");
        let open = self.get("invoiceId").is_empty();
        assert!(self.get("billingPeriodEndDate") >= self.get("date") || !open, "{told:?}");
    }

    fn charge(&self) -> Vec<(&'static str, String)> {
        let cost = self.amount("costInBillingCurrency").expect("a cost");
        let kind = self.get("chargeType");
        let unused = kind == "UnusedReservation";
        let (billed, effective) = match kind {
            _ if self.buys() => (cost, 0),
            "Usage" if self.reserved() => (0, cost),
            _ if unused => (0, cost),
            _ => (cost, cost),
        };
        let category = match kind {
            "Refund" => "Purchase",
            "UnusedReservation" => "Usage",
            "RoundingAdjustment" => "Adjustment",
            same => same,
        };
        let (first, day) = (self.day("billingPeriodStartDate"), self.day("date"));
        let after = |day: NaiveDate| day.succ_opt().expect("a day");
        let instant = |day: NaiveDate| format!("{day}T00:00:00Z");
        let of = |column: &str| self.get(column).to_owned();
        // Only usage costs something else at other prices.
        let [list, contracted] = match kind {
            "Usage" => {
                [self.amount("paygCostInBillingCurrency"), self.product("unitPrice")].map(|cost| cost.expect("a price"))
            }
            _ if unused => [0, 0],
            _ => [cost, cost],
        };
        let mut cells = vec![
            ("BilledCost", decimal(billed)),
            ("EffectiveCost", decimal(effective)),
            ("ListCost", decimal(list)),
            ("ContractedCost", decimal(contracted)),
            ("BillingCurrency", of("billingCurrency")),
            ("BillingPeriodStart", instant(first)),
            ("BillingPeriodEnd", instant(after(self.day("billingPeriodEndDate")))),
            ("ChargePeriodStart", instant(day)),
            ("ChargePeriodEnd", instant(after(day))),
            ("ChargeCategory", category.to_owned()),
            ("ServiceName", of("meterCategory")),
            ("SubAccountId", of("SubscriptionId")),
            ("InvoiceId", of("invoiceId")),
            ("Tags", format!("{{{}}}", self.get("tags"))),
        ];
        if self.reserved() {
            cells.push(("CommitmentDiscountId", of("benefitId")));
        }
        if self.reserved() && !self.buys() {
            cells.push(("CommitmentDiscountStatus", if unused { "Unused" } else { "Used" }.to_owned()));
        }
        if kind == "Refund" {
            cells.push(("x_Refund", "true".to_owned()));
        }
        if day < first {
            assert!(!self.get("previousInvoiceId").is_empty());
            cells.push(("ChargeClass", "Correction".to_owned()));
        }
        cells
    }
}

/// The inverse of [`exact`].
pub fn decimal(amount: i128) -> String {
    let (sign, digits) = (if amount < 0 { "-" } else { "" }, amount.unsigned_abs());
    let unit = 10_u128.pow(SCALE);
    format!("{sign}{}.{:0width$}", digits / unit, digits % unit, width = SCALE as usize)
}
