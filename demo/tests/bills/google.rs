//! Google's usage export as a stranger reads it who knows that credits are part of what a line costs.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use chrono::{Datelike, NaiveDate, NaiveDateTime, TimeDelta};
use serde_json::{Map, Value};

use crate::azure::decimal;
use crate::read::{exact, open_file};

/// Gives every charge of a month's files in the columns of FOCUS: a line is one, and each of its promotions another.
pub fn read(files: &[PathBuf], mut each: impl FnMut(Vec<(&'static str, String)>)) {
    for file in files {
        for text in BufReader::new(open_file(file)).lines() {
            let line = Line(serde_json::from_str(&text.expect("text")).expect("JSON"));
            line.keep_the_rules();
            for promotion in line.credits(|kind| kind == "PROMOTION") {
                each(line.charge("Credit", [promotion; 4]));
            }
            let cost = line.amount("/cost").expect("a cost");
            let net = cost + line.credits(|kind| kind != "PROMOTION").sum::<i128>();
            let list = line.amount("/cost_at_list").unwrap_or(cost);
            each(line.charge(line.category(), [net, net, list, cost]));
        }
    }
}

struct Line(Value);

impl Line {
    fn text(&self, path: &str) -> Option<&str> {
        self.0.pointer(path).map(|value| value.as_str().unwrap_or_else(|| panic!("{path} of {}", self.0)))
    }

    /// FLOAT64 comes as a number, NUMERIC as text.
    fn amount(&self, path: &str) -> Option<i128> {
        self.0.pointer(path).map(|value| exact(value.as_str().unwrap_or(&value.to_string())))
    }

    fn instant(&self, path: &str) -> NaiveDateTime {
        let text = self.text(path).expect("a time");
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S UTC").expect("a time")
    }

    fn credits(&self, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = i128> {
        let credits = self.0["credits"].as_array().expect("credits");
        let wanted = credits.iter().filter(move |credit| wanted(credit["type"].as_str().expect("a type")));
        wanted.map(|credit| exact(&credit["amount"].to_string()))
    }

    fn category(&self) -> &'static str {
        match self.text("/cost_type").expect("a type") {
            "regular" if self.text("/sku/description").is_some_and(|sku| sku.starts_with("Commitment")) => "Purchase",
            "regular" => "Usage",
            "tax" => "Tax",
            "adjustment" if self.text("/adjustment_info/type") == Some("GOODWILL") => "Credit",
            _ => "Adjustment",
        }
    }

    /// First instant of the invoice's month, which begins in California.
    fn invoiced_from(&self) -> NaiveDateTime {
        let month = self.text("/invoice/month").expect("a month");
        let first = NaiveDate::parse_from_str(&format!("{month}01"), "%Y%m%d").expect("a date");
        // Winter time is in force on the first of these months.
        let hours = if [12, 1, 2, 3].contains(&first.month()) { 8 } else { 7 };
        first.and_hms_opt(hours, 0, 0).expect("a time")
    }

    fn keep_the_rules(&self) {
        let told = &self.0;
        let (start, end) = (self.instant("/usage_start_time"), self.instant("/usage_end_time"));
        assert!(start < end, "{told}");
        assert!(told["export_time"].as_str().is_some(), "{told}");
        let from = self.invoiced_from();
        let regular = self.text("/cost_type") == Some("regular");
        assert!(!regular || from <= start && start < from + TimeDelta::days(31), "{told}");
        let cost = self.amount("/cost").expect("a cost");
        assert!(self.credits(|_| true).all(|amount| amount < 0), "{told}");
        let credited: i128 = self.credits(|_| true).sum();
        assert!(credited == 0 || -credited <= cost, "{told}");
        let price = self.amount("/price/effective_price");
        assert_eq!(price.is_some(), regular, "{told}");
        if let Some(price) = price {
            let quantity = self.amount("/usage/amount_in_pricing_units").expect("a quantity");
            let per = self.amount("/price/pricing_unit_quantity").expect("a quantity");
            assert_eq!(price * quantity, cost * per, "{told}");
            let list = self.amount("/price/list_price").expect("a price");
            assert_eq!(list * quantity, self.amount("/cost_at_list").expect("a cost") * per, "{told}");
        }
    }

    fn charge(&self, category: &str, [billed, effective, list, contracted]: [i128; 4]) -> Vec<(&'static str, String)> {
        let from = self.invoiced_from();
        let instant = |instant: NaiveDateTime| format!("{instant:?}Z");
        let text = |path| self.text(path).unwrap_or_default().to_owned();
        let labels = self.0["labels"].as_array().expect("labels").iter();
        let labels: Map<String, Value> =
            labels.map(|label| (label["key"].as_str().expect("a key").to_owned(), label["value"].clone())).collect();
        let start = self.instant("/usage_start_time");
        let mut cells = vec![
            ("BilledCost", decimal(billed)),
            ("EffectiveCost", decimal(effective)),
            ("ListCost", decimal(list)),
            ("ContractedCost", decimal(contracted)),
            ("BillingCurrency", text("/currency")),
            ("BillingPeriodStart", instant(from)),
            ("ChargePeriodStart", instant(start)),
            ("ChargePeriodEnd", instant(self.instant("/usage_end_time"))),
            ("ChargeCategory", category.to_owned()),
            ("ServiceName", text("/service/description")),
            ("SubAccountId", text("/project/id")),
            ("Tags", Value::Object(labels).to_string()),
        ];
        if self.credits(|kind| kind == "COMMITTED_USAGE_DISCOUNT").count() > 0 {
            cells.push(("x_Committed", "true".to_owned()));
        }
        match self.text("/adjustment_info/type") {
            Some("USAGE_CORRECTION") => cells.push(("ChargeClass", "Correction".to_owned())),
            Some(_) => cells.push(("x_Refund", "true".to_owned())),
            None => {}
        }
        cells
    }
}
