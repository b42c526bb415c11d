//! Published exchange rates: a source like any other, and what answers are converted by (P7).

mod common;

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use chrono::Days;
use common::bank::{Bank, Says, sheet};
use common::server::Server;
use common::{House, Quiet, bill};
use outlay::app::now;
use outlay::scheduler::{Scheduler, Stop, work};
use outlay_catalog::Which;
use outlay_model::JobId;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// The Thursday and the Friday of a week of October, and the Monday after. The franc is not published.
const DAYS: &[(&str, &[(&str, &str)])] = &[
    ("2025-10-06", &[("USD", "2"), ("GBP", "0.5")]),
    ("2025-10-03", &[("USD", "1.6"), ("GBP", "0.8")]),
    ("2025-10-02", &[("USD", "1.25"), ("GBP", "0.8")]),
];

/// The days that are asked for: they stay the same, whenever the test runs.
const OCTOBER: &str = r#"{"from":"2025-10-01","to":"2025-11-01"}"#;

/// A house that reports in euros and asks a bank of its own.
struct Place {
    server: Server,
    bank: Bank,
}

impl Place {
    async fn new(says: Says) -> Self {
        let bank = Bank::open(says).await;
        let house = House::with_config(&config(&bank.url)).await;
        house.app.know_sources().await.expect("are known");
        Self { server: Server::over(house).await, bank }
    }

    /// Collects October as a server would, and gives the job.
    async fn collect(&self, request: &str) -> Value {
        let (status, _, job) = self.server.post("sources/ecb/collect", None, Some(request)).await;
        assert_eq!(status, 202, "{job}");
        let app = &self.server.house.app;
        let stop = Stop { asked: CancellationToken::new(), within: Duration::from_secs(60) };
        let id = JobId::new(job["id"].as_str().expect("an id"));
        let claimed = app.catalog.claim(Which::Only(&id), "here", now(), now() + app.lease()).await;
        work(app, &claimed.expect("reads").expect("waits"), &stop, Arc::new(Quiet)).await.expect("ends");
        self.server.get(&format!("jobs/{id}")).await
    }

    async fn last_run(&self) -> Value {
        self.server.get("runs?source=ecb&limit=1").await["data"][0].take()
    }

    async fn by_currency(&self) -> Value {
        let mut answer = self.server.get("spend?period=2025-10&group_by=currency").await;
        let rows = answer["data"].as_array_mut().expect("rows");
        let pairs = rows.iter_mut().map(|row| (row["currency"].to_string(), row["cost"].take())).collect::<Vec<_>>();
        pairs.into_iter().map(|(currency, cost)| (currency.trim_matches('"').to_owned(), cost)).collect()
    }
}

fn config(url: &str) -> String {
    format!(
        "reporting_currency = \"EUR\"\n[[source]]\nname = \"ecb\"\nkind = \"ecb_rates\"\nurl = \"{url}\"\n\
         [source.http]\nattempts = 2\nfirst_wait_milliseconds = 1\n"
    )
}

/// Charges of October: a day, a currency, and what each costs.
fn october(charges: &[(&str, &str, &str)]) -> String {
    let rows: Vec<[(&str, String); 8]> = charges
        .iter()
        .map(|(day, currency, cost)| {
            [
                ("BillingCurrency", (*currency).to_owned()),
                ("BillingAccountId", format!("account in {currency}")),
                ("BillingPeriodStart", "2025-10-01T00:00:00Z".to_owned()),
                ("BillingPeriodEnd", "2025-11-01T00:00:00Z".to_owned()),
                ("ChargePeriodStart", format!("{day}T00:00:00Z")),
                ("ChargePeriodEnd", format!("{day}T23:00:00Z")),
                ("BilledCost", (*cost).to_owned()),
                ("EffectiveCost", (*cost).to_owned()),
            ]
        })
        .collect();
    let rows: Vec<Vec<(&str, &str)>> =
        rows.iter().map(|row| row.iter().map(|(name, cell)| (*name, cell.as_str())).collect()).collect();
    bill(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// Friday, Sunday and Monday in dollars, and Sunday in pounds and euros.
fn two_currencies_and_our_own() -> String {
    october(&[
        ("2025-10-03", "USD", "16"),
        ("2025-10-05", "USD", "8"),
        ("2025-10-06", "USD", "3"),
        ("2025-10-05", "GBP", "4"),
        ("2025-10-05", "EUR", "0.123456789012"),
    ])
}

#[tokio::test]
async fn bills_are_converted_by_what_was_published_for_their_days() {
    let place = Place::new(Says::Sheet(sheet(DAYS))).await;
    place.server.house.import("bills", "bills.csv", &two_currencies_and_our_own()).await;
    let job = place.collect(OCTOBER).await;
    assert_eq!((&job["state"], &job["message"]), (&json!("done"), &Value::Null), "{job}");
    assert_eq!(job["progress"], json!({"listed": 1, "skipped": 0, "done": 1, "failed": 0}));
    let run = place.last_run().await;
    assert_eq!(
        (&run["state"], &run["kind"], &run["rows"], &run["message"]),
        (&json!("committed"), &json!("ecb_rates"), &json!(6), &json!("rates of 3 days, 2025-10-02 to 2025-10-06")),
        "{run}"
    );
    assert!(place.bank.asked().iter().all(|path| path == "/stats/eurofxref/eurofxref-hist.xml"));

    // Dollars: 16 / 1.6 on Friday, 8 / 1.6 on Sunday, 3 / 2 on Monday. Pounds: 4 / 0.8.
    assert_eq!(place.by_currency().await, json!({"USD": 16.5, "GBP": 5, "EUR": json_number("0.123456789012")}));
    let answer = place.server.get("spend?period=2025-10").await;
    assert_eq!((answer["total"].to_string(), &answer["currency"]), ("21.623456789012".to_owned(), &json!("EUR")));
    // In dollars: 27, 4 / 0.8 × 1.6 = 8, 0.123456789012 × 1.6 = 0.1975308624192, of which twelve decimals are kept.
    let answer = place.server.get("spend?period=2025-10&currency=USD").await;
    assert_eq!(answer["total"].to_string(), "35.197530862419");
    // Sunday by itself.
    let answer = place.server.get("spend?period=2025-10-05&granularity=day").await;
    assert_eq!(answer["data"][0]["cost"].to_string(), "10.123456789012");
    // No answer about bills waits for, or misses, days of a source of rates.
    assert_eq!(answer["complete_until"], "2025-10-05");
    assert!(!answer["warnings"].to_string().contains("ecb"), "{answer}");
}

fn json_number(text: &str) -> Value {
    serde_json::from_str(text).expect("a number")
}

#[tokio::test]
async fn a_restated_rate_changes_answers_and_says_so() {
    let place = Place::new(Says::Sheet(sheet(DAYS))).await;
    place.server.house.import("bills", "bills.csv", &two_currencies_and_our_own()).await;
    place.collect(OCTOBER).await;
    let spend = format!("{}spend?period=2025-10&group_by=currency", place.server.base);
    let client = reqwest::Client::new();
    let tag = client.get(&spend).send().await.expect("an answer").headers()["etag"].clone();
    let again = async || {
        let asked = client.get(&spend).header("If-None-Match", &tag).send().await.expect("an answer");
        asked.status().as_u16()
    };
    assert_eq!(again().await, 304);

    // The same again is nothing new.
    place.collect(OCTOBER).await;
    assert_eq!(place.last_run().await["state"], "unchanged");
    assert_eq!(again().await, 304);

    let mut days = DAYS.to_vec();
    days[1] = ("2025-10-03", &[("USD", "1.28"), ("GBP", "0.8"), ("JPY", "168.42")]);
    place.bank.say(Says::Sheet(sheet(&days)));
    place.collect(OCTOBER).await;
    let run = place.last_run().await;
    assert_eq!(run["message"], "restated: 2025-10-03 USD 1.28, was 1.6, 2025-10-03 JPY 168.42, was nothing", "{run}");
    assert_eq!(again().await, 200);
    // 16 / 1.28 on Friday and 8 / 1.28 on Sunday; Monday stays.
    assert_eq!(place.by_currency().await["USD"].to_string(), "20.25");
}

#[tokio::test]
async fn rates_that_are_known_are_not_let_go_unasked() {
    let place = Place::new(Says::Sheet(sheet(DAYS))).await;
    place.server.house.import("bills", "bills.csv", &two_currencies_and_our_own()).await;
    place.collect(OCTOBER).await;
    // A day that is gone stays; a rate of a day that is there is another matter.
    place.bank.say(Says::Sheet(sheet(&DAYS[..2])));
    let job = place.collect(OCTOBER).await;
    let message = "rates are known of days that are stated no longer, and stay: 2025-10-02";
    assert_eq!((&job["state"], &job["message"]), (&json!("done"), &json!(message)), "{job}");

    let mut days = DAYS.to_vec();
    days[1] = ("2025-10-03", &[("USD", "1.6")]);
    place.bank.say(Says::Sheet(sheet(&days)));
    let job = place.collect(OCTOBER).await;
    assert_eq!(job["state"], "failed", "{job}");
    let run = place.last_run().await;
    assert_eq!(
        (&run["state"], &run["refused"]),
        (
            &json!("refused"),
            &json!({
                "reason": "rates that are known are stated no longer: 2025-10-03 GBP; --accept-shrink lets them go",
                "figures": [{"name": "2025-10-03 GBP", "before": "0.8", "after": "nothing"}],
            })
        )
    );
    assert_eq!(place.by_currency().await["GBP"].to_string(), "5");

    place.collect(r#"{"from":"2025-10-01","to":"2025-11-01","accept_shrink":true}"#).await;
    assert_eq!(place.last_run().await["state"], "committed");
    // The pound of Thursday is the last one, and is carried to Sunday: 4 / 0.8 × 1.25 dollars, at Friday's 1.6.
    assert_eq!(place.by_currency().await["GBP"].to_string(), "3.90625");
}

#[tokio::test]
async fn a_bank_that_fails_takes_nothing_away() {
    let place = Place::new(Says::Sheet(sheet(DAYS))).await;
    place.server.house.import("bills", "bills.csv", &two_currencies_and_our_own()).await;
    place.collect(OCTOBER).await;
    let before = place.by_currency().await;
    let without_dollars = sheet(&[("2025-10-07", &[("GBP", "0.8")])]);
    let twice = sheet(&[("2025-10-07", &[("USD", "1.1"), ("USD", "1.2")])]);
    for (says, expected) in [
        (Says::Away, "HTTP 503 with an HTML page, after 2 attempts; the next run tries again"),
        (Says::Page, "an HTML page came where rates were expected; nothing of it was taken"),
        (Says::Half(sheet(DAYS)), "is no whole file of reference rates"),
        (Says::CutShort(sheet(DAYS)), "cut short"),
        (Says::Reset, "after 2 attempts"),
        (Says::Sheet("{}".to_owned()), "is no file of reference rates: it has no Envelope"),
        (Says::Sheet(without_dollars), "on 2025-10-07 has no USD among its 1 rates"),
        (Says::Sheet(twice), "on 2025-10-07 has USD twice, as 1.1 and as 1.2"),
        (Says::Sheet(sheet(&[("2025-10-07", &[("USD", "0")])])), "on 2025-10-07 USD is \"0\", which is not a positive"),
    ] {
        place.bank.say(says);
        let job = place.collect(OCTOBER).await;
        let message = job["message"].as_str().unwrap_or_default();
        assert!(job["state"] == "failed" && message.contains(expected), "{job}");
        let run = place.last_run().await;
        assert_eq!((&run["state"], &run["message"]), (&json!("failed"), &job["message"]), "{run}");
        assert_eq!(place.by_currency().await, before);
    }
    let source = place.server.get("sources/ecb").await;
    assert_eq!((&source["rates"], &source["last_day"]), (&json!(6), &json!("2025-10-06")), "{source}");
}

#[tokio::test]
async fn a_missing_rate_is_named_with_its_days_and_its_amount() {
    let place = Place::new(Says::Sheet(sheet(DAYS))).await;
    // No francs are published; and of the dollar nothing for so long that Monday's rate is old.
    let bills = october(&[("2025-10-03", "CHF", "7"), ("2025-10-16", "USD", "1"), ("2025-10-17", "USD", "2.5")]);
    place.server.house.import("bills", "bills.csv", &bills).await;
    let refused = async |query: &str| {
        let (status, problem) = place.server.refused(&format!("spend?period=2025-10{query}")).await;
        assert_eq!((status, &problem["code"]), (422, &json!("rate_missing")), "{problem}");
        problem["detail"].as_str().expect("a detail").split(':').next().expect("a start").to_owned()
    };
    assert_eq!(refused("").await, "no CHF to EUR rate for 2025-10-03 (7 CHF)");
    place.collect(OCTOBER).await;
    assert_eq!(refused("").await, "no CHF to EUR rate for 2025-10-03 (7 CHF)");
    // The sixteenth is ten days after the sixth.
    assert_eq!(refused("&filter=currency%3D'USD'").await, "no USD to EUR rate for 2025-10-17 (2.5 USD)");
    let native = place.server.get("spend?period=2025-10&currency=native").await;
    assert_eq!(native["totals"], json!({"CHF": 7, "USD": 3.5}));
}

#[tokio::test]
async fn a_source_of_rates_is_seen_like_any_other() {
    let place = Place::new(Says::Sheet(sheet(DAYS))).await;
    place.collect(OCTOBER).await;
    let sources = place.server.get("sources").await;
    let source = &sources["data"][0];
    for (field, expected) in [
        ("name", json!("ecb")),
        ("kind", json!("ecb_rates")),
        ("yields", json!("rates")),
        ("place", json!(place.bank.url)),
        ("schedule", json!("0 30 15,18 * * Mon-Fri")),
        ("next_tick", json!("2026-11-23T15:30:00Z")),
        ("first_day", json!("2025-10-02")),
        ("last_day", json!("2025-10-06")),
        ("missing_days", json!(0)),
        ("charges", json!(0)),
        ("rates", json!(6)),
    ] {
        assert_eq!(source[field], expected, "{field}: {source}");
    }
    assert!(source["last_success"].is_string(), "{source}");
    let detail = place.server.get("sources/ecb?period=2025-10").await;
    assert_eq!((&detail["days"], &detail["live"]), (&json!([]), &json!([])), "no day of it is missing: {detail}");

    let answer = reqwest::get(place.server.base.replace("/api/v1/", "/metrics")).await.expect("an answer");
    let metrics = answer.text().await.expect("text");
    for line in [
        "outlay_deliveries_total{source=\"ecb\",outcome=\"committed\"} 1",
        "outlay_stored_rows_total{source=\"ecb\"} 6",
        "outlay_requests_total{source=\"ecb\"} 1",
        "outlay_last_job_failed{source=\"ecb\"} 0.0",
        "outlay_missing_days{source=\"ecb\"} 0.0",
    ] {
        assert!(metrics.lines().any(|said| said == line), "{line}: {metrics}");
    }

    // Each rate with where it is from, how it was published, and for how long it is carried.
    let rates = place.server.get("rates?from=2025-10-03&to=2025-10-07&currency=GBP").await;
    let line = |from: &str, to: &str, to_usd: &str, per_base: &str, carried: u64| {
        json!({
            "currency": "GBP", "from": from, "to": to, "to_usd": json_number(to_usd), "source": "ecb", "base": "EUR",
            "per_base": json_number(per_base), "carried_days": carried,
        })
    };
    // 1.6 / 0.8 dollars, over Saturday and Sunday; then 2 / 0.5.
    let lines = [line("2025-10-03", "2025-10-06", "2", "0.8", 2), line("2025-10-06", "2025-10-17", "4", "0.5", 10)];
    assert_eq!(rates, json!({"data": lines, "reporting_currency": "EUR"}));
    assert_eq!(place.server.get("rates").await["data"], json!([]), "none holds in November of the year after");
    let (status, problem) = place.server.refused("rates?currency=euro").await;
    assert_eq!((status, &problem["code"]), (400, &json!("invalid_parameter")), "{problem}");
}

#[tokio::test]
async fn the_table_goes_before_what_is_published() {
    let bank = Bank::open(Says::Sheet(sheet(DAYS))).await;
    let table = "[rates]\nGBP = [{ from = \"2025-10-05\", to_usd = \"1.2\" }]\n";
    let house = House::with_config(&format!("{}{table}", config(&bank.url))).await;
    house.app.know_sources().await.expect("are known");
    let place = Place { server: Server::over(house).await, bank };
    let bills = october(&[("2025-10-04", "GBP", "4"), ("2025-10-05", "GBP", "4")]);
    place.server.house.import("bills", "bills.csv", &bills).await;
    place.collect(OCTOBER).await;
    // Saturday 4 / 0.8; Sunday 4 × 1.2 dollars by the table, at the published 1.6 dollars for a euro.
    assert_eq!(place.by_currency().await["GBP"].to_string(), "8");
    let rates = place.server.get("rates?period=2025-10-05&currency=GBP").await;
    assert_eq!(rates["data"][0]["source"], Value::Null, "{rates}");
}

#[tokio::test]
async fn a_server_collects_what_is_due_and_then_only_asks_for_what_is_recent() {
    let day = |back: u64| (now().date_naive() - Days::new(back)).to_string();
    let days = [day(0), day(1), day(2)];
    let quotes: &[(&str, &str)] = &[("USD", "1.25")];
    let recent = sheet(&days.iter().map(|day| (day.as_str(), quotes)).collect::<Vec<_>>());
    let bank = Bank::open(Says::Sheet(recent)).await;
    let house = House::with_config(&config(&bank.url)).await;
    let scheduler = Scheduler::start(&house.app, Duration::from_secs(60)).await.expect("starts");
    // What was due before it started is made up for.
    let ends = tokio::time::timeout(Duration::from_secs(60), async {
        while house.app.catalog.snapshot().await.expect("reads").rates.iter().count() < 3 {
            tokio::task::yield_now().await;
        }
    });
    ends.await.expect("rates come in");
    scheduler.stopped().await;
    // Of a house that knows nothing yet, all days are asked for.
    assert_eq!(bank.asked(), ["/stats/eurofxref/eurofxref-hist.xml"]);
    let runs = house.app.catalog.runs(&Default::default(), 9).await.expect("reads");
    assert_eq!(runs.len(), 1);
    let job = house.app.catalog.job(runs[0].job.as_ref().expect("a job")).await.expect("reads").expect("is there");
    assert_eq!((job.requested_by.as_str(), job.state.as_str()), ("schedule", "done"));
}

// The bank answers while the command is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_a_table_is_shown_what_there_is_and_told_why() {
    let place = Place::new(Says::Away).await;
    let house = &place.server.house;
    let bills = october(&[("2025-10-03", "USD", "16"), ("2025-10-05", "GBP", "4"), ("2025-10-05", "EUR", "1")]);
    house.import("bills", "bills.csv", &bills).await;
    let outlay = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outlay"));
        command.current_dir(house.folder.path()).arg("--data").arg(house.folder.path().join("data"));
        let done = command.args(arguments).output().expect("runs");
        let said = |bytes| String::from_utf8(bytes).expect("text");
        (done.status.code(), said(done.stdout), said(done.stderr))
    };
    let asked = ["spend", "--period", "2025-10", "--group-by", "provider"];
    let (code, table, _) = outlay(&asked);
    assert_eq!(code, Some(0), "{table}");
    let told = "! no GBP to EUR rate for 2025-10-05 (4 GBP), so each bill is shown in its own currency";
    assert_eq!(table.lines().filter(|line| *line == told).count(), 1, "{table}");
    for figure in ["USD", "GBP", "EUR"] {
        assert!(table.lines().any(|line| line.starts_with("AWS") && line.contains(figure)), "{table}");
    }
    assert!(table.contains("total 1.00 EUR + 4.00 GBP + 16.00 USD"), "{table}");
    // Who names a currency, or reads with a program, gets that or nothing.
    for more in [&["--currency", "EUR"][..], &["--format", "json"], &["--format", "csv"]] {
        let (code, said, error) = outlay(&[&asked, more].concat());
        assert_eq!((code, said.as_str()), (Some(1), ""), "{error}");
        assert!(error.contains("no GBP to EUR rate for 2025-10-05 (4 GBP)"), "{error}");
    }

    // Collected by hand, with what is said to people.
    place.bank.say(Says::Sheet(sheet(DAYS)));
    let october = ["collect", "ecb", "--from", "2025-10-01", "--to", "2025-11-01"];
    let (code, plan, _) = outlay(&[&october[..], &["--dry-run"]].concat());
    assert_eq!(
        (code, plan.trim_end()),
        (Some(0), "ecb 2025-10-01..2025-10-31: rates of 3 days, 2025-10-02 to 2025-10-06")
    );
    let (code, said, error) = outlay(&october);
    assert_eq!(code, Some(0), "{error}");
    assert_eq!(said, "ecb: committed, 6 rates\n  rates of 3 days, 2025-10-02 to 2025-10-06\n");
    assert_eq!(outlay(&october).1, "ecb: unchanged\n");
    let (_, table, _) = outlay(&asked);
    // 16 / 1.6, 4 / 0.8 and 1.
    assert!(table.contains("total 16.00 EUR ") && !table.contains("own currency"), "{table}");
    let (_, sources, _) = outlay(&["sources"]);
    assert!(sources.lines().any(|line| line.starts_with("ecb     ecb_rates  done ")), "{sources}");
    let (_, detail, _) = outlay(&["sources", "ecb"]);
    assert!(detail.contains("\n  rates           6 of 3 days, 2025-10-02..2025-10-06\n"), "{detail}");
    let (code, checked, _) = outlay(&["check"]);
    assert_eq!(code, Some(0), "{checked}");
    assert!(checked.contains("ok       ecb: the newest are 2 rates of 2025-10-06"), "{checked}");
}

#[tokio::test]
async fn a_mirror_on_this_machine_does_as_well() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("eurofxref-hist.xml"), sheet(DAYS)).expect("writes");
    let house = House::with_config(&config(&format!("file://{}/", folder.path().display()))).await;
    house.app.know_sources().await.expect("are known");
    let bank = Bank::open(Says::Away).await;
    let place = Place { server: Server::over(house).await, bank };
    assert_eq!(place.collect(OCTOBER).await["state"], "done");
    assert_eq!(place.last_run().await["rows"], 6);
    assert_eq!(place.bank.asked(), [""; 0]);
}
