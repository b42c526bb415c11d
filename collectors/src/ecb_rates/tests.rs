use std::fs;

use tempfile::{TempDir, tempdir};

use super::*;
use crate::Variables;
use crate::http::teller::{Tale, Teller};

const SHEET: &str = include_str!("fixtures/hist-90d.xml");

/// What follows on the first line of a file, up to its first day, and behind its last one.
const BEGIN: &str = "<gesmes:Envelope xmlns:gesmes='http://www.gesmes.org/xml/2002-08-01'><Cube>";
const END: &str = "</Cube></gesmes:Envelope>";

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

fn window(from: &str, to: &str) -> DateRange {
    DateRange::new(day(from), day(to)).expect("a range")
}

fn collector(url: &str) -> Arc<dyn RateCollector> {
    let settings: EcbSettings = toml::from_str(&format!("url = '{url}'")).expect("reads");
    assert_eq!(settings.problems(), []);
    let http = toml::from_str("attempts = 2\nfirst_wait_milliseconds = 1").expect("reads");
    let context = Context {
        source: SourceName::new("ecb"),
        variables: Arc::new(Variables::default()),
        http: Http::new(http, Default::default(), Default::default()).expect("builds"),
        purse: Arc::new(crate::purse::Empty),
        today: day("2026-11-21"),
        clock: Default::default,
    };
    settings.connect(context).expect("connects")
}

/// A folder with these files, and its address.
fn mirror(files: &[(&str, &str)]) -> (TempDir, String) {
    let folder = tempdir().expect("a folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("writes");
    }
    let url = format!("file://{}/", folder.path().display());
    (folder, url)
}

/// The days in a line each, or why there are none; without where it is.
async fn read(url: &str, window: DateRange) -> Result<Vec<String>, String> {
    let fixings = collector(url).rates(window).await.map_err(|error| {
        let error = error.to_string();
        error.split_once(".xml: ").map_or(error.clone(), |(_, what)| what.to_owned())
    })?;
    let line = |fixing: &Fixing| {
        let quotes = fixing.quotes.iter().map(|(currency, quote)| format!(" {currency} {quote}"));
        format!("{} {}{}", fixing.day, fixing.base, quotes.collect::<String>())
    };
    Ok(fixings.iter().map(line).collect())
}

#[tokio::test]
async fn days_of_the_window_are_read_in_order_with_every_digit() {
    let (_folder, url) = mirror(&[(RECENT, SHEET)]);
    let lines = read(&url, window("2026-11-13", "2026-11-21")).await.expect("reads");
    assert_eq!(
        lines,
        [
            "2026-11-13 EUR GBP 0.84 USD 1.08",
            "2026-11-19 EUR GBP 0.8365 IDR 17490 JPY 168.9 USD 1.0901",
            "2026-11-20 EUR GBP 0.8362 IDR 17487.21 JPY 168.42 USD 1.0886",
        ]
    );
    // Ranges are half-open.
    assert_eq!(read(&url, window("2026-11-14", "2026-11-20")).await.expect("reads").len(), 1);
    let checked = collector(&url).check().await.expect("checks");
    assert_eq!(checked.notes, ["the newest are 4 rates of 2026-11-20"]);
}

#[tokio::test]
async fn the_file_of_all_days_is_read_only_for_older_ones() {
    let old = format!("{BEGIN}<Cube time='2026-08-28'><Cube currency='USD' rate='1.07'/></Cube>{END}");
    let (_folder, url) = mirror(&[(RECENT, SHEET), (ALL, &old)]);
    assert_eq!(read(&url, window("2026-08-28", "2026-11-22")).await.expect("reads").len(), 3);
    assert_eq!(read(&url, window("2026-08-27", "2026-11-22")).await.expect("reads"), ["2026-08-28 EUR USD 1.07"]);
    // One file does for both.
    let (folder, _) = mirror(&[("one.xml", &old)]);
    let url = format!("file://{}/one.xml", folder.path().display());
    assert_eq!(read(&url, window("2020-01-01", "2026-11-22")).await.expect("reads"), ["2026-08-28 EUR USD 1.07"]);
    assert_eq!(read(&url, window("2026-11-01", "2026-11-22")).await.expect("reads"), Vec::<String>::new());
}

#[tokio::test]
async fn what_cannot_be_right_is_not_taken() {
    async fn check(text: &str, expected: &str) {
        let (_folder, url) = mirror(&[(RECENT, text)]);
        let error = read(&url, window("2026-11-01", "2026-11-22")).await.expect_err(expected);
        let told = error.strip_suffix(&format!("; {}", sheet::ADVICE)).unwrap_or(&error);
        assert_eq!(told, expected);
    }
    async fn check_day(cells: &str, expected: &str) {
        check(&format!("{BEGIN}<Cube time='2026-11-20'>{cells}</Cube>{END}"), expected).await;
    }
    let usd = "<Cube currency='USD' rate='1.0886'/>";
    check_day("", "on 2026-11-20 has no USD among its 0 rates, through which all others are converted").await;
    let gbp = "<Cube currency='GBP' rate='0.8'/>";
    check_day(gbp, "on 2026-11-20 has no USD among its 1 rates, through which all others are converted").await;
    for (rate, said) in [("0", "0"), ("-1.08", "-1.08"), ("n/a", "n/a"), ("", ""), ("1,0886", "1,0886")] {
        let cell = format!("<Cube currency='USD' rate='{rate}'/>");
        let expected = format!("on 2026-11-20 USD is {said:?}, which is not a positive decimal of at most 18 decimals");
        check_day(&cell, &expected).await;
    }
    check_day(
        &format!("{usd}<Cube currency='USD' rate='1.09'/>"),
        "on 2026-11-20 has USD twice, as 1.0886 and as 1.09",
    )
    .await;
    check_day(&format!("{usd}<Cube currency='EUR' rate='1.1'/>"), "on 2026-11-20 has a euro that is worth 1.1 euros")
        .await;
    check_day("<Cube currency='usd' rate='1.1'/>", "on 2026-11-20 has a currency \"usd\"").await;
    let twice = format!("{BEGIN}<Cube time='2026-11-20'>{usd}</Cube><Cube time='2026-11-20'>{usd}</Cube>{END}");
    check(&twice, "has 2026-11-20 twice").await;
    let later = format!("{BEGIN}<Cube time='2026-11-23'>{usd}</Cube>{END}");
    check(&later, "has rates of 2026-11-23, which has not come").await;
    check(&format!("{BEGIN}<Cube time='yesterday'>{usd}</Cube>{END}"), "calls a day \"yesterday\"").await;
    check(&format!("{BEGIN}{END}"), "has no day").await;
    check("", "is no file of reference rates: it has no Envelope").await;
    check("{\"Envelope\": 1}", "is no whole file of reference rates").await;
}

#[tokio::test]
async fn what_is_cut_short_is_not_taken() {
    // After every line, and in the middle of one.
    let ends = SHEET.match_indices('\n').map(|(place, _)| place).filter(|place| *place < SHEET.trim_end().len());
    for end in ends.chain([SHEET.len() / 2]) {
        let (_folder, url) = mirror(&[(RECENT, &SHEET[..end])]);
        let error = read(&url, window("2026-11-01", "2026-11-22")).await;
        assert!(error.as_ref().is_err_and(|error| error.starts_with("is no ")), "{end}: {error:?}");
    }
}

#[tokio::test]
async fn the_bank_misbehaves() {
    let all = || window("2026-11-01", "2026-11-22");
    let check = async |tales: Vec<Tale>, expected: &str| {
        let bank = Teller::start(tales).await;
        let error = read(&format!("{}/eurofxref/", bank.url), all()).await.expect_err(expected);
        assert!(error.contains(expected), "{error}");
        assert!(
            bank.heard().iter().all(|head| head.starts_with(&format!("GET /eurofxref/{RECENT} "))),
            "{:?}",
            bank.heard()
        );
    };
    check(vec![Tale::status(503, "<html>away</html>")], "HTTP 503 with an HTML page, after 2 attempts").await;
    check(vec![Tale::ok("<!DOCTYPE html><p>Envelope</p>")], "an HTML page came where rates were expected").await;
    check(vec![Tale::CutShort(SHEET.to_owned())], "cut short").await;
    check(vec![Tale::Reset], "after 2 attempts").await;
    check(vec![Tale::status(404, "")], "is not there").await;
    // What passes, passes.
    let bank = Teller::start(vec![Tale::Reset, Tale::ok(SHEET)]).await;
    assert_eq!(read(&format!("{}/", bank.url), all()).await.expect("reads").len(), 3);
}

#[test]
fn addresses_are_places_and_nothing_else() {
    for (url, expected) in [
        ("https://mirror.example/ecb/", None),
        ("file:///srv/ecb/", None),
        ("file:///srv/ecb.xml", None),
        ("ecb", Some("is not an address")),
        ("ftp://mirror.example/", Some("ftp:// is not where rates are")),
        ("https://me:secret@mirror.example/", Some("holds more than a place")),
        ("https://mirror.example/?key=secret", Some("holds more than a place")),
        ("https://mirror.example/ecb", Some("is neither a folder, which ends in a slash, nor an .xml file")),
    ] {
        let problem = Address::parse(url).err();
        let told = problem.as_deref().map(|text| text.split(';').next().unwrap_or(text));
        assert_eq!(told, expected, "{url}");
        assert!(!problem.is_some_and(|text| text.contains("secret")), "{url}");
    }
    let usual: EcbSettings = toml::from_str("").expect("reads");
    assert_eq!((usual.problems(), usual.place()), (vec![], home()));
}
