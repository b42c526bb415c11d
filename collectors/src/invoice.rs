//! Which invoice a line's money belongs to, from its raw cells: by survey and by reject alike, so that both mean the same.

use chrono::{DateTime, Datelike, NaiveDate, Timelike};
use outlay_model::part::BalanceKey;

/// Which invoice a line's money belongs to, from its raw cells.
pub(crate) fn raw_key(period: Option<&str>, invoice: Option<&str>, currency: Option<&str>) -> BalanceKey {
    BalanceKey {
        billing_period: period.and_then(raw_date),
        invoice: invoice.map(ToOwned::to_owned),
        currency: currency.map(|text| text.trim().to_ascii_uppercase()).unwrap_or_default(),
    }
}

/// The UTC day of an instant with an offset, else the leading `YYYY-MM-DD`, or `YYYY-M-D`. From ten o'clock on the last day
/// of a month it is the day after, for that is midnight in the east.
fn raw_date(text: &str) -> Option<NaiveDate> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(text.len());
    let (day, hour) = match DateTime::parse_from_rfc3339(text) {
        Ok(instant) => (instant.to_utc().date_naive(), instant.to_utc().hour()),
        Err(_) => {
            let time = text[end..].trim_start_matches(['T', ' ']).split(':').next().unwrap_or_default();
            (text[..end].parse().ok()?, time.parse().unwrap_or(0))
        }
    };
    day.succ_opt().filter(|next| hour >= 10 && next.day() == 1).or(Some(day))
}
