//! Whatever cost details hold: Σ surveyed = Σ charges + Σ rejected + Σ rounding, exactly, per invoice and cost (P1), Σ billed
//! is that of the actual lines and Σ effective that of the amortised ones.
//!
//! [`read_files`] asserts the first; what is random here is the files.

use bigdecimal::BigDecimal;
use proptest::prelude::*;
use proptest::sample::select;

use super::{csv, read_files};

const TYPES: &[&str] = &["Usage", "Purchase", "Refund", "Tax", "Credit", "RoundingAdjustment", "Shipping", "", "usage"];
const MODELS: &[&str] = &["OnDemand", "Spot", "Reservation", "SavingsPlan", ""];
const NUMBERS: &[&str] = &[
    "CostInBillingCurrency",
    "Quantity",
    "UnitPrice",
    "PayGPrice",
    "paygCostInBillingCurrency",
    "exchangeRatePricingToBilling",
];

fn plain_number() -> impl Strategy<Value = String> {
    "-?[0-9]{1,6}(\\.[0-9]{1,12})?"
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => plain_number(),
        3 => Just(String::new()),
        1 => "[+-]?[0-9]{0,21}\\.[0-9]{15,40}",
        1 => "[+-]?[0-9]{1,20}(\\.[0-9]{0,20})?[eE][+-]?[0-9]{1,2}",
        1 => select(&[" ", "NULL", "1,5", "NaN", "inf", "$3", "-", ".", "1e", "1e999", " 7 ", "None"][..])
            .prop_map(ToOwned::to_owned),
    ]
}

type Line = Vec<(&'static str, String)>;

fn line(number: impl Strategy<Value = String> + 'static) -> impl Strategy<Value = Line> {
    (
        (select(TYPES), select(MODELS)),
        prop::collection::vec(number, NUMBERS.len()),
        select(&["10/01/2026", "2026-10-01", "09/01/2026", "", "soon"][..]),
        select(&["A", "", " ", "007"][..]),
        select(&["10/05/2026", "2026-10-05", "2026-10-06T00:00:00Z", "31/10/2026", "", "soon"][..]),
        select(&["USD", "usd", "EUR", ""][..]),
        select(&["USD", "EUR", ""][..]),
        select(&["1 Hour", "10K", "744 Connections", "100 GB/Month", "1024 GB", ""][..]),
    )
        .prop_map(|((kind, model), numbers, period, invoice, day, currency, priced, unit)| {
            let mut line: Line = NUMBERS.iter().copied().zip(numbers).collect();
            line.extend([
                ("ChargeType", kind.to_owned()),
                ("PricingModel", model.to_owned()),
                ("BillingPeriodStartDate", period.to_owned()),
                ("InvoiceId", invoice.to_owned()),
                ("Date", day.to_owned()),
                ("BillingCurrencyCode", currency.to_owned()),
                ("pricingCurrency", priced.to_owned()),
                ("UnitOfMeasure", unit.to_owned()),
            ]);
            line
        })
}

fn file(lines: &[Line]) -> String {
    let lines: Vec<Vec<(&str, &str)>> =
        lines.iter().map(|line| line.iter().map(|(column, cell)| (*column, cell.as_str())).collect()).collect();
    csv(&lines)
}

/// What only amortised cost has.
fn with_unused(mut lines: Vec<Line>) -> Vec<Line> {
    let types = lines.iter_mut().flatten().filter(|(name, cell)| *name == "ChargeType" && cell == "usage");
    types.for_each(|(_, cell)| *cell = "UnusedReservation".to_owned());
    lines
}

fn sum(lines: &[Line]) -> BigDecimal {
    let cost = |line: &Line| line.iter().find(|(name, _)| *name == NUMBERS[0]).map_or("0", |(_, cell)| cell).parse();
    lines
        .iter()
        .map(|line| cost(line).unwrap_or_else(|_: bigdecimal::ParseBigDecimalError| BigDecimal::default()))
        .sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_in_it_balances(
        actual in prop::collection::vec(line(number()), 1..12),
        amortised in prop::collection::vec(line(number()), 1..12),
        which in 1..4_u8,
        damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut actual = file(&actual).into_bytes();
        if let Some((place, byte)) = damage {
            let header = actual.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            actual.insert(header + place.index(actual.len() - header + 1), byte);
        }
        let folder = tempfile::tempdir().expect("a folder");
        if which & 1 > 0 {
            std::fs::write(folder.path().join("actual.csv"), actual).expect("a file");
        }
        if which & 2 > 0 {
            std::fs::write(folder.path().join("amortized.csv"), file(&with_unused(amortised))).expect("a file");
        }
        super::read(folder.path());
    }

    #[test]
    fn both_add_up(
        mut actual in prop::collection::vec(line(plain_number()), 1..20),
        mut amortised in prop::collection::vec(line(plain_number()), 1..20),
    ) {
        let cells = [("BillingPeriodStartDate", "10/01/2026"), ("Date", "10/05/2026"), ("BillingCurrencyCode", "USD")];
        for line in actual.iter_mut().chain(&mut amortised) {
            for (name, cell) in cells {
                line.iter_mut().filter(|(column, _)| *column == name).for_each(|(_, old)| *old = cell.to_owned());
            }
        }
        let amortised = with_unused(amortised);
        let read = read_files(&[("actual.csv", &file(&actual)), ("amortized.csv", &file(&amortised))]);
        prop_assert_eq!(read.rejected(), Vec::<String>::new());
        for (cost, lines) in [("BilledCost", &actual), ("EffectiveCost", &amortised)] {
            let stored: BigDecimal = read.column(cost).into_iter().flatten().map(|cell| cell.parse::<BigDecimal>().expect("a number")).sum();
            prop_assert_eq!(stored, sum(lines), "{}", cost);
        }
    }
}
