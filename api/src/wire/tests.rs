//! Every shape, from reports made by hand.

mod owners;

use outlay_insights::{
    Change, DayFigures, DimensionInfo, DimensionValue, KnownRate, PublishedRate, Refusal, RefusedFigure, RejectCount,
    Run, SourceDetail, SourceReport,
};
use outlay_model::part::{BalanceKey, Force, Reject, RejectReason, Repair, RunState};
use outlay_model::report::{Compared, DayRun, ReconciliationLine, SpendRow, Warning};
use outlay_model::{
    DayState, DeliveryKey, Job, JobId, JobProgress, JobState, PartId, Request, RequestedBy, Role, RunId, Source,
    SourceName, Yields,
};
use proptest::prelude::*;

use super::*;

fn pretty(body: &impl Serialize) -> String {
    serde_json::to_string_pretty(body).expect("serialises")
}

fn money(text: &str) -> Option<Money> {
    (text != "-").then(|| text.parse().expect("money"))
}

fn days(text: &str) -> DateRange {
    DateRange::parse_period(text, NaiveDate::MIN).expect("a period")
}

/// `"2026-10-01 payments|- 12.5"`: a day or `-`, keys (`-` for none), cost, optionally a currency, previous, change.
fn row(text: &str) -> SpendRow {
    let parts: Vec<_> = text.split(' ').collect();
    let [time, keys, cost, rest @ ..] = parts.as_slice() else { panic!("{text}") };
    let keys = keys.split('|').filter(|key| !key.is_empty());
    SpendRow {
        time: time.parse().ok().map(|day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc()),
        keys: keys.map(|key| (key != "-").then(|| key.replace('_', " "))).collect(),
        cost: money(cost),
        currency: rest.iter().find_map(|text| text.parse().ok()),
        compared: match rest {
            [.., previous, change] => Some(Compared { previous: money(previous), change: money(change) }),
            _ => None,
        },
    }
}

fn report(group_by: &str, granularity: Granularity, rows: &[&str]) -> SpendReport {
    SpendReport {
        range: days("2026-10"),
        compared_with: None,
        granularity,
        basis: Basis::Charge,
        metric: Metric::Effective,
        group_by: Dimension::parse_list(group_by).expect("dimensions"),
        currency: Some(Currency::USD),
        rows: rows.iter().map(|text| row(text)).collect(),
        total: money("1357.067890123"),
        totals: None,
        complete_until: NaiveDate::from_ymd_opt(2026, 10, 30),
        generation: 412,
        warnings: Vec::new(),
        next_cursor: None,
        plan: BTreeMap::new(),
    }
}

fn by_day() -> SpendReport {
    let rows = [
        "2026-10-02 payments|prod 1234.567890123",
        "2026-10-02 payments|- 0.000000000000000001",
        "2026-10-01 search|prod 122.5",
        "2026-10-01 unallocated|- -",
    ];
    let warnings = vec![Warning {
        code: "missing_days",
        message: "aws-prod has stated nothing for 2026-10-17, 2026-10-20..2026-10-22".to_owned(),
    }];
    let next_cursor = Some("412.4.beef".to_owned());
    SpendReport { warnings, next_cursor, ..report(r#"team,tags."cost-center""#, Granularity::Day, &rows) }
}

fn native() -> SpendReport {
    let rows = ["- payments 100.1 EUR", "- payments 7 USD", "- - -3.25 USD"];
    let totals = [("EUR", "100.1"), ("JPY", "-"), ("USD", "3.75")];
    let totals = totals.iter().map(|(code, total)| (code.parse().expect("a code"), money(total)));
    SpendReport {
        currency: None,
        total: None,
        totals: Some(totals.collect()),
        ..report("team", Granularity::Total, &rows)
    }
}

fn compared() -> SpendReport {
    let rows = ["2026-10-01 payments 120 100 20", "2026-11-01 payments 5 - -", "2026-10-01 search - 8.5 -"];
    SpendReport { compared_with: Some(days("2026-09")), ..report("team", Granularity::Month, &rows) }
}

fn wide(report: &SpendReport) -> String {
    pretty(&spend_wide(report).expect("few columns"))
}

#[test]
fn rows() {
    insta::assert_snapshot!(pretty(&spend_rows(&by_day())));
}

#[test]
fn rows_of_a_total() {
    insta::assert_snapshot!(pretty(&spend_rows(&report("", Granularity::Total, &["-  1357.067890123"]))));
}

#[test]
fn rows_native() {
    insta::assert_snapshot!(pretty(&spend_rows(&native())));
}

#[test]
fn rows_compared() {
    insta::assert_snapshot!(pretty(&spend_rows(&compared())));
}

#[test]
fn wide_by_day() {
    insta::assert_snapshot!(wide(&by_day()));
}

#[test]
fn wide_of_a_total() {
    insta::assert_snapshot!(wide(&report("", Granularity::Total, &["-  1357.067890123"])));
}

#[test]
fn wide_native() {
    insta::assert_snapshot!(wide(&native()));
}

#[test]
fn wide_compared() {
    insta::assert_snapshot!(wide(&compared()));
}

#[test]
fn csv_by_day() {
    // The line ends are part of the shape, so they are shown.
    insta::assert_snapshot!(spend_csv(&by_day()).replace("\r\n", "␍␊\n"));
}

#[test]
fn csv_native() {
    insta::assert_snapshot!(spend_csv(&native()).replace("\r\n", "␍␊\n"));
}

#[test]
fn csv_compared() {
    insta::assert_snapshot!(spend_csv(&compared()).replace("\r\n", "␍␊\n"));
}

#[test]
fn csv_quotes_what_must_be_and_nothing_else() {
    let mut report = report("team", Granularity::Total, &[]);
    let keys = [Some("a,b"), Some("say \"hi\""), Some("two\nlines"), Some(""), None, Some("=SUM(A1)"), Some(" x ")];
    report.rows = keys.map(|key| SpendRow { keys: vec![key.map(str::to_owned)], ..row("-  1") }).into();
    let expected =
        "team,cost\r\n\"a,b\",1\r\n\"say \"\"hi\"\"\",1\r\n\"two\nlines\",1\r\n\"\",1\r\n,1\r\n=SUM(A1),1\r\n x ,1\r\n";
    assert_eq!(spend_csv(&report), expected);
}

#[test]
fn a_csv_file_says_in_its_name_what_it_holds() {
    assert_eq!(csv_name(&by_day()), "outlay-spend_2026-10-01_2026-11-01_effective_USD.csv");
    assert_eq!(csv_name(&native()), "outlay-spend_2026-10-01_2026-11-01_effective_native.csv");
}

#[test]
fn the_bills_currency_and_the_figures_are_told_apart_or_one() {
    let columns = |report: &SpendReport| Column::of(report).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let converted = report("currency,team", Granularity::Day, &[]);
    assert_eq!(columns(&converted), ["time", "currency", "team", "cost"]);
    let native = SpendReport { currency: None, ..converted };
    assert_eq!(columns(&native), ["time", "team", "currency", "cost"]);
}

/// The names of the columns of a wide table, each with the figure in it.
#[track_caller]
fn check_names(report: &SpendReport, expected: &[(&str, &str)]) {
    let table: serde_json::Value = serde_json::from_str(&wide(report)).expect("JSON");
    let series = table["series"].as_array().expect("a list");
    let cells = series.iter().map(|name| name.as_str().expect("a name"));
    let cells: Vec<_> = cells.map(|name| (name, table["data"][0][name].to_string())).collect();
    assert_eq!(cells, expected.iter().map(|(name, cell)| (*name, (*cell).to_owned())).collect::<Vec<_>>());
}

#[test]
fn columns_of_a_wide_table_never_share_a_name() {
    let rows = ["2026-10-01 a_/_b|c 1", "2026-10-01 a|b_/_c 2", "2026-10-01 (none)|x 3", "2026-10-01 -|x 4"];
    let expected = [("a / b / c (2)", "1"), ("a / b / c", "2"), ("(none) / x (2)", "3"), ("(none) / x", "4")];
    check_names(&report("team,component", Granularity::Day, &rows), &expected);
    check_names(&report("team", Granularity::Day, &["2026-10-01 time 1"]), &[("time (2)", "1")]);
    // What `top` folds away may be called what a team is called; neither may hide the other.
    let rows = ["2026-10-01 other 5", "2026-10-01 other 7"];
    check_names(&report("team", Granularity::Day, &rows), &[("other", "5"), ("other (2)", "7")]);
}

#[test]
fn a_wide_table_of_currencies_names_each_once() {
    let rows = ["- EUR 1 EUR", "- USD 2 USD"];
    let by_currency = SpendReport { currency: None, ..report("currency", Granularity::Total, &rows) };
    check_names(&by_currency, &[("EUR", "1"), ("USD", "2")]);
}

#[test]
fn a_wide_table_has_an_end() {
    let report = |rows: &mut dyn Iterator<Item = String>| {
        let rows: Vec<_> = rows.collect();
        report("resource", Granularity::Day, &rows.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let groups = |count: usize| report(&mut (0..count).map(|group| format!("2026-10-01 g{group} 1")));
    assert!(spend_wide(&groups(MAX_COLUMNS)).is_ok());
    assert_eq!(spend_wide(&groups(MAX_COLUMNS + 1)).err(), Some(TooWide { columns: 2003, rows: 1 }));
    // One figure a day, each of another group: nearly all of the table is holes.
    let days = NaiveDate::from_ymd_opt(2026, 1, 1).expect("a day").iter_days();
    let sparse = report(&mut days.zip(0..800).map(|(day, group)| format!("{day} g{group} 1")));
    let error = spend_wide(&sparse).err().expect("refused");
    insta::assert_snapshot!(error);
}

#[test]
fn lists_of_dimensions() {
    let dimension = |name: &str, about: &str, daily| DimensionInfo { name: name.into(), about: about.into(), daily };
    let dimensions = [
        dimension("team", "The accountable team.", true),
        dimension(r#"tags."cost-center""#, r#"The tag "cost-center"."#, false),
    ];
    insta::assert_snapshot!(pretty(&dimensions_json(&dimensions)));
}

#[test]
fn lists_of_values() {
    let value = |value: Option<&str>, charges| DimensionValue { value: value.map(str::to_owned), charges };
    let values = [value(Some("payments"), 48_211), value(None, 312)];
    let dimension = r#"tags."cost-center""#.parse().expect("a dimension");
    insta::assert_snapshot!(pretty(&values_json(&dimension, days("2026-10"), &values)));
}

#[test]
fn lists_of_runs() {
    let at = |text: &str| text.parse::<DateTime<Utc>>().expect("a time");
    let start = at("2026-11-02T06:15:00Z");
    let run = |id: &str| Run::started(RunId::new(id), SourceName::new("aws-prod"), "aws_data_export", start);
    let figure = RefusedFigure {
        name: "rows".into(),
        before: Some("48211".into()),
        after: "107".into(),
        ..RefusedFigure::default()
    };
    let refused = Run {
        state: RunState::Refused,
        delivery: Some(DeliveryKey::new("2026-10")),
        part: Some(PartId::new("01931f2e-9d41-7aa3-b0f1-4f1d2f2a9c11")),
        finished_at: Some(at("2026-11-02T06:15:09.250Z")),
        rows: 107,
        rejected: 2,
        unpriced: 1,
        repairs: [(Repair::NullText, 214)].into(),
        message: Some("the new copy of 2026-10 is smaller than the live one".into()),
        refused: Some(Refusal { reason: "rows fell by 99.8 %".into(), figures: vec![figure] }),
        ..run("01931f2e-9d40-7c58-8e3e-0f6c6f6bd1aa")
    };
    insta::assert_snapshot!(pretty(&runs_json(
        &[run("01931f30-0000-7000-8000-000000000000"), Run { job: Some(JobId::new("01931f2d")), ..refused }],
        Some("01931f2e-9d40-7c58-8e3e-0f6c6f6bd1aa".to_owned())
    )));
}

#[test]
fn sources_and_their_jobs() {
    let at = |text: &str| text.parse::<DateTime<Utc>>().expect("a time");
    let job = |id: &str, state| Job {
        id: JobId::new(id),
        source: SourceName::new("aws-prod"),
        state,
        requested_at: at("2026-11-21T06:15:00Z"),
        requested_by: RequestedBy::Schedule,
        request: Request::default(),
        holder: Some("server-1".into()),
        expires_at: None,
        fence: 1,
        started_at: Some(at("2026-11-21T06:15:01Z")),
        finished_at: Some(at("2026-11-21T06:15:09.250Z")),
        progress: JobProgress { listed: 40, skipped: 37, done: 2, failed: 1 },
        message: None,
    };
    let forced = Force { shrink: true, rejects: false };
    let waiting = Job {
        requested_by: RequestedBy::Api,
        request: Request { window: Some(days("2026-10")), force: forced },
        fence: 0,
        started_at: None,
        finished_at: None,
        progress: JobProgress::default(),
        ..job("01931f30", JobState::Queued)
    };
    let failed = Job { message: Some("2026-10 was refused".into()), ..job("01931f2d", JobState::Failed) };
    let collected = SourceReport {
        name: SourceName::new("aws-prod"),
        source: Some(Source {
            name: SourceName::new("aws-prod"),
            kind: "aws_data_export".into(),
            yields: Yields::Charges,
            role: Role::Shadow,
            schedule: Some("0 15 */6 * * *".into()),
            place: "s3://billing/exports/focus-daily".into(),
            restates_months: 1,
        }),
        configured: true,
        jobs: vec![waiting, failed],
        runs: Vec::new(),
        last_success: Some(at("2026-11-20T18:15:08Z")),
        stated: DateRange::parse_bounds("2026-08-03", "2026-11-20").ok(),
        complete_until: NaiveDate::from_ymd_opt(2026, 8, 31),
        missing_days: 2,
        deliveries: 39,
        charges: 214_802,
        rates: None,
    };
    let imported = SourceReport {
        name: SourceName::new("atlas"),
        source: None,
        configured: false,
        jobs: Vec::new(),
        stated: None,
        complete_until: None,
        ..collected.clone()
    };
    let next = |schedule: &str| (schedule == "0 15 */6 * * *").then(|| at("2026-11-21T12:15:00Z"));
    insta::assert_snapshot!("lists_of_sources", pretty(&sources_json(&[collected.clone(), imported], &next)));
    let run = |state, days| DayRun { state, days };
    let detail = SourceDetail {
        report: collected,
        days: vec![run(DayState::Final, days("2026-Q3")), run(DayState::Settling, days("2026-10"))],
        live: Vec::new(),
    };
    let detail = serde_json::to_value(source_json(&detail, &next)).expect("serialises");
    assert_eq!(detail["name"], "aws-prod", "a source in detail is one of the list, with more");
    insta::assert_snapshot!("days_of_a_source", pretty(&detail["days"]));
}

#[test]
fn lists_of_rejects() {
    let run = RunId::new("01931f2e-9d40-7c58-8e3e-0f6c6f6bd1aa");
    let count = |reason, currency: &str, rows, unpriced, billed: &str| {
        let billed = billed.parse().expect("a number");
        RejectCount { reason, currency: currency.to_owned(), rows, unpriced, billed }
    };
    let counts = [
        count(RejectReason::UnreadableNumber, "USD", 1, 1, "0"),
        count(RejectReason::MissingCurrency, "", 1400, 0, "12.1234567890123456785"),
    ];
    let unpriced = Reject {
        reason: RejectReason::UnreadableNumber,
        file: "october.csv".into(),
        line: 21,
        column: Some("BilledCost".into()),
        value: Some("1,5".into()),
        key: BalanceKey {
            billing_period: NaiveDate::from_ymd_opt(2026, 10, 1),
            invoice: Some("1029384756".into()),
            currency: "USD".into(),
        },
        costs: [(Metric::Effective, "1.5".parse().expect("a number"))].into(),
        unpriced: true,
    };
    let bare = Reject {
        reason: RejectReason::MissingCurrency,
        line: 22,
        column: None,
        value: None,
        key: BalanceKey { billing_period: None, invoice: None, currency: String::new() },
        costs: [Metric::Billed, Metric::Effective].map(|metric| (metric, "1E-20".parse().expect("a number"))).into(),
        unpriced: false,
        ..unpriced.clone()
    };
    insta::assert_snapshot!(pretty(&rejects_json(&run, &counts, &[unpriced, bare])));
}

#[test]
fn lists_of_changes() {
    let figures = |rows, billed, effective| DayFigures { rows, billed: money(billed), effective: money(effective) };
    let restated = Change {
        generation: 412,
        at: "2026-11-02T06:15:09.250Z".parse().expect("a time"),
        source: SourceName::new("aws-prod"),
        delivery: DeliveryKey::new("2026-10"),
        run: RunId::new("01931f2e-9d40-7c58-8e3e-0f6c6f6bd1aa"),
        day: NaiveDate::from_ymd_opt(2026, 10, 31).expect("a day"),
        provider: Some("AWS".into()),
        billing_account: Some("123456789012".into()),
        currency: Currency::USD,
        before: figures(107, "48.5", "-"),
        after: figures(109, "48.500000000000000001", "50"),
    };
    let arrived = Change {
        generation: 411,
        provider: None,
        billing_account: None,
        before: DayFigures::default(),
        ..restated.clone()
    };
    insta::assert_snapshot!(pretty(&changes_json(&[restated, arrived], Some("411.1".to_owned()))));
}

#[test]
fn lists_of_reconciliations() {
    let number = |text: &str| serde_json::Number::from_string_unchecked(text.to_owned());
    let line = ReconciliationLine {
        source: "aws-prod".into(),
        delivery: "2026-10".into(),
        billing_period: NaiveDate::from_ymd_opt(2026, 10, 1),
        invoice: Some("1029384756".into()),
        currency: "USD".into(),
        metric: Metric::Billed,
        source_total: number("48211.1234567890123456785"),
        stored: number("48210.623456789012345678"),
        rejected: number("0.5"),
        rounding: number("0.0000000000000000005"),
        invoiced: None,
        difference: number("0"),
    };
    insta::assert_snapshot!(pretty(&reconciliation_json(&[line])));
}

#[test]
fn lists_of_rates() {
    let day = |text: &str| text.parse().expect("a day");
    let code = |text: &str| text.parse().expect("a code");
    let configured = KnownRate {
        currency: code("EUR"),
        from: day("2026-01-01"),
        to: None,
        to_usd: "1.1".parse().expect("money"),
        published: None,
    };
    let published = PublishedRate {
        source: SourceName::new("ecb"),
        base: code("EUR"),
        quote: "0.8362".parse().expect("a quote"),
        carried_days: 2,
    };
    let carried = KnownRate {
        currency: code("GBP"),
        from: day("2026-11-20"),
        to: Some(day("2026-11-23")),
        to_usd: "1.301841664673".parse().expect("money"),
        published: Some(published),
    };
    insta::assert_snapshot!(pretty(&rates_json(Currency::USD, &[configured, carried])));
}

proptest! {
    /// Any texts, read by somebody else's reader, are the texts that went in.
    #[test]
    fn csv_reads_back(keys in proptest::collection::vec(proptest::option::of("[a\",\r\n =é]{0,6}"), 1..20)) {
        let mut report = report("team", Granularity::Total, &[]);
        report.rows = keys.iter().map(|key| SpendRow { keys: vec![key.clone()], ..row("-  0.1") }).collect();
        let file = spend_csv(&report);
        let mut reader = ::csv::Reader::from_reader(file.as_bytes());
        let read: Vec<_> = reader.records().map(|record| record.expect("a record")[0].to_owned()).collect();
        prop_assert_eq!(read, keys.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>());
    }

    /// Σ of the wide table is Σ of the rows, whatever the rows (P1).
    #[test]
    fn wide_keeps_every_figure(rows in proptest::collection::vec((1_u32..5, "[ab]?", "[ab]", -9_i64..9), 0..40)) {
        let rows: Vec<_> = rows.iter().map(|(day, a, b, cost)| {
            let a = if a.is_empty() { "-" } else { a };
            format!("2026-10-0{day} {a}|{b} {cost}")
        }).collect();
        let report = report("team,component", Granularity::Day, &rows.iter().map(String::as_str).collect::<Vec<_>>());
        let placed: i128 = report.rows.iter().filter_map(|row| row.cost).map(Money::units).sum();
        let table = spend_wide(&report).expect("few columns").into_cells();
        prop_assert_eq!(table.iter().flatten().map(|money| money.units()).sum::<i128>(), placed);
    }
}
