//! A file of reference rates: days, and what a euro was worth on each.
//!
//! It is taken whole or not at all. One rate that cannot be right says that something else may be wrong that nobody can see.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use outlay_model::rates::{Fixing, Quote};
use outlay_model::{Currency, SourceName};
use serde::Deserialize;

use crate::http::{Answer, FetchError};

/// What to do about a file that is not one.
pub(super) const ADVICE: &str =
    "nothing of it was taken; the next run tries again, and if it stays so, look at what is there";

/// What the quotes are against.
const BASE: &str = "EUR";

#[derive(Debug, Deserialize)]
struct Envelope {
    #[serde(rename = "Cube")]
    cube: Cube,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cube {
    #[serde(rename = "Cube", default)]
    days: Vec<Day>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Day {
    #[serde(rename = "@time")]
    time: String,
    #[serde(rename = "Cube", default)]
    cells: Vec<Cell>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cell {
    #[serde(rename = "@currency")]
    currency: String,
    #[serde(rename = "@rate")]
    rate: String,
}

/// Every day of a file, in order. None may be later than `latest`.
pub(super) fn read(answer: &Answer, source: &SourceName, latest: NaiveDate) -> Result<Vec<Fixing>, FetchError> {
    let wrong =
        |what: String| FetchError::NotUnderstood { place: answer.place.clone(), what, advice: ADVICE.to_owned() };
    if answer.is_page() {
        return Err(wrong("an HTML page came where rates were expected".to_owned()));
    }
    let text = std::str::from_utf8(&answer.body).map_err(|_| wrong("is not UTF-8".to_owned()))?;
    if !text.contains("Envelope") {
        return Err(wrong("is no file of reference rates: it has no Envelope".to_owned()));
    }
    // The error's own words quote the file.
    let Envelope { cube: Cube { days } } =
        quick_xml::de::from_str(text).map_err(|_| wrong("is no whole file of reference rates".to_owned()))?;
    let mut fixings = Vec::with_capacity(days.len());
    for day in days {
        let fixing = fixing(day, source, latest).map_err(wrong)?;
        fixings.push(fixing);
    }
    fixings.sort_by_key(|fixing: &Fixing| fixing.day);
    if let Some(twice) = fixings.windows(2).find(|pair| pair[0].day == pair[1].day) {
        return Err(wrong(format!("has {} twice", twice[0].day)));
    }
    if fixings.is_empty() {
        return Err(wrong("has no day".to_owned()));
    }
    Ok(fixings)
}

fn fixing(day: Day, source: &SourceName, latest: NaiveDate) -> Result<Fixing, String> {
    let base: Currency = BASE.parse().expect("is a code");
    let Day { time, cells } = day;
    let day: NaiveDate = time.parse().map_err(|_| format!("calls a day {:?}", short(&time)))?;
    if day > latest {
        return Err(format!("has rates of {day}, which has not come"));
    }
    let mut quotes = BTreeMap::new();
    for Cell { currency, rate } in cells {
        let code: Currency = currency.parse().map_err(|_| format!("on {day} has a currency {:?}", short(&currency)))?;
        let quote: Quote =
            rate.parse().map_err(|error| format!("on {day} {code} is {:?}, which {error}", short(&rate)))?;
        if code == base {
            return Err(format!("on {day} has a euro that is worth {quote} euros"));
        }
        if let Some(before) = quotes.insert(code, quote) {
            return Err(format!("on {day} has {code} twice, as {before} and as {quote}"));
        }
    }
    if !quotes.contains_key(&Currency::USD) {
        return Err(format!(
            "on {day} has no USD among its {} rates, through which all others are converted",
            quotes.len()
        ));
    }
    Ok(Fixing { day, source: source.clone(), base, quotes })
}

/// The beginning of a text that may be long.
fn short(text: &str) -> String {
    text.chars().take(80).collect()
}
