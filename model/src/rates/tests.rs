use super::*;
use crate::SourceName;
use proptest::prelude::*;

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

fn code(text: &str) -> Currency {
    text.parse().expect("a code")
}

fn range(from: &str, to: &str) -> DateRange {
    DateRange::new(day(from), day(to)).expect("days")
}

fn table(lines: &[(&str, &str, &str)]) -> Result<RateTable, Vec<String>> {
    let mut entries: BTreeMap<Currency, Vec<RateEntry>> = BTreeMap::new();
    for (currency, from, to_usd) in lines {
        entries.entry(code(currency)).or_default().push(RateEntry { from: day(from), to_usd: (*to_usd).into() });
    }
    RateTable::new(&entries)
}

/// What the ECB would have published: a day, and what a euro is worth.
fn fixing(on: &str, quotes: &[(&str, &str)]) -> Fixing {
    let quotes = quotes.iter().map(|(currency, quote)| (code(currency), quote.parse().expect("a quote")));
    Fixing { day: day(on), source: SourceName::new("ecb"), base: code("EUR"), quotes: quotes.collect() }
}

fn published(fixings: &[(&str, &[(&str, &str)])]) -> Arc<Published> {
    Arc::new(Published::new(fixings.iter().map(|(on, quotes)| fixing(on, quotes))))
}

#[track_caller]
fn convert(table: &RateTable, amount: &str, from: &str, to: &str, on: &str) -> Option<String> {
    let mut converted = Converted::default();
    converted.add(amount.parse().expect("money"), &Arc::new(table.rate(code(from), code(to), day(on))?));
    Some(converted.round().expect("fits").to_string())
}

#[test]
fn converts_by_the_rate_of_the_day() {
    let table = table(&[("EUR", "2026-01-01", "1.08"), ("EUR", "2026-02-01", "1.1"), ("GBP", "2026-01-01", "1.3")])
        .expect("fine");
    let check = |amount, from, to, on, expected: Option<&str>| {
        assert_eq!(convert(&table, amount, from, to, on).as_deref(), expected);
    };
    check("100", "EUR", "USD", "2026-01-31", Some("108"));
    check("100", "EUR", "USD", "2026-02-01", Some("110"));
    check("100", "EUR", "USD", "2025-12-31", None);
    check("100", "USD", "EUR", "2026-02-01", Some("90.909090909091"));
    check("1", "GBP", "EUR", "2026-01-05", Some("1.203703703704"));
    check("7", "JPY", "JPY", "2026-01-05", Some("7"));
    check("0.0000000000005", "USD", "USD", "2026-01-05", Some("0"));
}

/// Thursday and Friday, then nothing for two weeks. The pound is not there on Friday.
fn a_week() -> Arc<Published> {
    published(&[
        ("2026-11-05", &[("USD", "1.25"), ("GBP", "0.8")]),
        ("2026-11-06", &[("USD", "1.6")]),
        ("2026-11-23", &[("USD", "2"), ("GBP", "0.5")]),
    ])
}

#[test]
fn what_is_published_holds_over_a_weekend_and_not_for_long() {
    let rates = RateTable::default().beside(a_week());
    let check = |amount, from, to, on, expected: Option<&str>| {
        assert_eq!(convert(&rates, amount, from, to, on).as_deref(), expected, "{from} {to} {on}");
    };
    check("10", "USD", "EUR", "2026-11-04", None);
    check("10", "USD", "EUR", "2026-11-05", Some("8"));
    check("10", "USD", "EUR", "2026-11-06", Some("6.25"));
    check("10", "USD", "EUR", "2026-11-08", Some("6.25"));
    check("10", "EUR", "USD", "2026-11-08", Some("16"));
    check("10", "EUR", "USD", "2026-11-16", Some("16"));
    check("10", "EUR", "USD", "2026-11-17", None);
    // The pound is worth what it was when it was published last, in dollars of that day: 1.25 / 0.8.
    check("10", "GBP", "USD", "2026-11-06", Some("15.625"));
    check("10", "GBP", "EUR", "2026-11-05", Some("12.5"));
    check("10", "GBP", "EUR", "2026-11-06", Some("9.765625"));
    check("10", "GBP", "USD", "2026-11-15", Some("15.625"));
    check("10", "GBP", "USD", "2026-11-16", None);
    check("10", "CHF", "USD", "2026-11-06", None);
}

#[test]
fn the_table_goes_before_what_is_published_from_its_first_day_on() {
    let rates = table(&[("EUR", "2026-11-07", "1.5")]).expect("fine").beside(a_week());
    assert_eq!(convert(&rates, "10", "EUR", "USD", "2026-11-06").as_deref(), Some("16"));
    assert_eq!(convert(&rates, "10", "EUR", "USD", "2026-11-07").as_deref(), Some("15"));
    assert_eq!(convert(&rates, "10", "EUR", "USD", "2026-12-31").as_deref(), Some("15"));
    // One from each: a pound is 1.25 / 0.8 dollars, a euro 1.5.
    assert_eq!(convert(&rates, "12", "GBP", "EUR", "2026-11-08").as_deref(), Some("12.5"));
}

#[test]
fn knows_where_rates_change() {
    let table = table(&[("EUR", "2026-01-01", "1.08"), ("EUR", "2026-02-01", "1.1")]).expect("fine");
    let days = range("2026-01-01", "2026-03-01");
    let changes: Vec<_> = table.changes([&code("EUR")], Currency::USD, days).into_iter().collect();
    assert_eq!(changes, [day("2026-02-01")]);
    assert!(table.changes([&Currency::USD], Currency::USD, days).is_empty());
    assert_eq!(table.changes([&Currency::USD], code("EUR"), days).len(), 1);

    let check = |rates: &RateTable, currencies: &[&str], expected: &[&str]| {
        let currencies: Vec<Currency> = currencies.iter().map(|text| code(text)).collect();
        let changes = rates.changes(&currencies, code("EUR"), range("2026-11-01", "2026-11-24"));
        assert_eq!(changes.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    };
    let published = RateTable::default().beside(a_week());
    check(&published, &["USD"], &["2026-11-05", "2026-11-06", "2026-11-17", "2026-11-23"]);
    check(&published, &["GBP"], &["2026-11-05", "2026-11-06", "2026-11-16", "2026-11-17", "2026-11-23"]);
    check(&published, &["EUR"], &[]);
    // What the table says is not looked up elsewhere.
    check(&table.beside(a_week()), &["USD"], &[]);
}

#[test]
fn says_how_long_each_rate_holds() {
    let rates = table(&[("GBP", "2026-11-07", "1.5"), ("GBP", "2026-11-30", "1.6")]).expect("fine").beside(a_week());
    let spelled: Vec<String> = rates
        .stretches(range("2026-11-06", "2026-11-20"))
        .iter()
        .map(|stretch| {
            let by = match stretch.held {
                Held::Table { .. } => "the table",
                Held::Published(fixing) => fixing.source.as_str(),
            };
            let rate = stretch.held.to_usd(stretch.currency).expect("is known").rounded().expect("fits");
            let to = stretch.to.map_or_else(|| "on".to_owned(), |to| to.to_string());
            format!("{} {rate} {}..{to} by {by}", stretch.currency, stretch.held.from())
        })
        .collect();
    assert_eq!(
        spelled,
        [
            "EUR 1.6 2026-11-06..2026-11-17 by ecb",
            "GBP 1.5625 2026-11-05..2026-11-07 by ecb",
            "GBP 1.5 2026-11-07..2026-11-30 by the table",
        ]
    );
}

#[test]
fn tells_what_is_new() {
    let known = a_week();
    let same = known.on(day("2026-11-05")).cloned().expect("is there");
    assert!(known.news(vec![same]).is_empty());
    let again = fixing("2026-11-05", &[("USD", "1.26"), ("CHF", "0.9")]);
    let added = fixing("2026-11-09", &[("USD", "1.3")]);
    let news = known.news(vec![again.clone(), added.clone()]);
    assert_eq!((&news.added, &news.restated), (&vec![added], &vec![again]));
    let moved: Vec<_> = news
        .moved
        .iter()
        .map(|moved| {
            let text = |quote: Option<Quote>| quote.map(|quote| quote.to_string());
            (moved.currency.to_string(), text(moved.before), text(moved.after))
        })
        .collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        moved,
        [
            ("GBP".to_owned(), some("0.8"), None),
            ("USD".to_owned(), some("1.25"), some("1.26")),
            ("CHF".to_owned(), None, some("0.9")),
        ]
    );
    let brought = known.of(&SourceName::new("ecb")).expect("something");
    assert_eq!((brought.span, brought.days, brought.quotes), (range("2026-11-05", "2026-11-24"), 3, 5));
    assert_eq!(known.of(&SourceName::new("other")), None);
}

#[test]
fn every_problem_is_told_at_once() {
    let problems = table(&[("USD", "2026-01-01", "1"), ("EUR", "2026-01-01", "x"), ("GBP", "2026-01-01", "0")])
        .expect_err("wrong");
    assert_eq!(problems.len(), 3, "{problems:?}");
}

/// Tables and fixings of some days of November, and a day of them.
fn any_rates() -> impl Strategy<Value = RateTable> {
    let quote = || (1..3_000_000_i64).prop_map(|quote| format!("{}.{:04}", quote / 10_000, quote % 10_000));
    let quotes = || prop::collection::btree_map(prop::sample::select(vec!["USD", "GBP", "JPY"]), quote(), 0..3);
    let fixings = prop::collection::btree_map(1..61_u32, quotes(), 0..12);
    let entries = prop::collection::btree_map(
        prop::sample::select(vec!["EUR", "GBP", "JPY"]),
        prop::collection::btree_map(1..61_u32, quote(), 0..3),
        0..3,
    );
    let on = |number: u32| day("2026-11-01") + Days::new(u64::from(number));
    (fixings, entries).prop_map(move |(fixings, entries)| {
        let positive = |text: &str| text.parse::<Quote>().is_ok();
        let fixings = fixings.into_iter().map(|(number, quotes)| Fixing {
            day: on(number),
            source: SourceName::new("ecb"),
            base: code("EUR"),
            quotes: quotes
                .into_iter()
                .filter_map(|(currency, quote)| Some((code(currency), quote.parse().ok()?)))
                .collect(),
        });
        let entries = entries.into_iter().map(|(currency, dated)| {
            let dated = dated.into_iter().filter(|(_, to_usd)| positive(to_usd));
            (code(currency), dated.map(|(from, to_usd)| RateEntry { from: on(from), to_usd }).collect())
        });
        RateTable::new(&entries.collect()).expect("fine").beside(Arc::new(Published::new(fixings)))
    })
}

proptest! {
    /// Between two changes one rate holds, or none (P7): a sum may be taken over the whole stretch.
    #[test]
    fn nothing_changes_between_changes(rates in any_rates(), target in prop::sample::select(vec!["EUR", "USD", "GBP"])) {
        let days = range("2026-11-01", "2027-01-20");
        let currencies: Vec<Currency> = ["EUR", "USD", "GBP", "JPY"].map(code).to_vec();
        let changes = rates.changes(&currencies, code(target), days);
        for currency in currencies {
            let mut last = None;
            for day in days.iter() {
                let rate = rates.rate(currency, code(target), day);
                if last.is_some() && !changes.contains(&day) {
                    prop_assert_eq!(Some(&rate), last.as_ref(), "{} to {} on {}", currency, target, day);
                }
                last = Some(rate);
            }
        }
    }

    /// There and back again is one.
    #[test]
    fn rates_are_each_others_inverse(rates in any_rates(), on in 0..70_u64) {
        let day = day("2026-11-01") + Days::new(on);
        let (eur, gbp) = (code("EUR"), code("GBP"));
        let Some((there, back)) = rates.rate(eur, gbp, day).zip(rates.rate(gbp, eur, day)) else { return Ok(()) };
        let (there, back) = (there.ratio(), back.ratio());
        prop_assert_eq!((&there.0, &there.1), (&back.1, &back.0));
    }
}
