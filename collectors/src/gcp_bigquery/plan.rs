//! What collecting will scan, and what that comes to: BigQuery says the first without being paid.

use chrono::{Days, NaiveDate};
use outlay_model::DateRange;

use super::bigquery::{BigQuery, PRICE_PER_TIB, Query, price};
use super::shape::Shape;
use super::sql;
use crate::http::{FetchError, dollars};

/// How many days a run is taken to find changed.
const CHANGED_DAYS: u64 = 3;

/// Runs of a month, at the default schedule.
const RUNS: u64 = 120;

/// What `check` says.
pub(super) async fn notes(
    bigquery: &BigQuery,
    shape: &Shape,
    window: DateRange,
    today: NaiveDate,
    aggregate: bool,
) -> Result<Vec<String>, FetchError> {
    let place = format!("BigQuery, {}: what a run would scan", bigquery.table);
    let scanned = |query| scanned(bigquery, shape, &place, query);
    let recent = today.checked_sub_days(Days::new(CHANGED_DAYS)).and_then(|from| DateRange::new(from, window.to()));
    let listing = scanned(sql::statements(shape, &bigquery.table, window)).await?;
    let all = scanned(sql::everything(shape, &bigquery.table, window)).await?;
    let changed = scanned(sql::everything(shape, &bigquery.table, recent.unwrap_or(window))).await?;
    let run = listing.saturating_add(changed);
    let most = bigquery.maximum_bytes_billed;
    let mut notes = vec![
        format!("{}, in {}; jobs are billed to the project {}", shape.title(), shape.location, bigquery.project),
        format!(
            "listing what there is since {} scans {}; a run that finds {CHANGED_DAYS} days changed scans about {}, {RUNS} of them a \
             month about {}",
            window.from(),
            cost(listing),
            cost(run),
            cost(run.saturating_mul(RUNS)),
        ),
        format!(
            "the first run scans about {}: every line once, and more where late lines lie in the partitions of later days",
            cost(listing.saturating_add(all)),
        ),
        format!(
            "prices are those on demand, {} a TiB; the first TiB of a month is free; no query may scan more than {}",
            dollars(PRICE_PER_TIB),
            size(most)
        ),
    ];
    if listing > most {
        notes.push(format!(
            "no run can list anything: raise maximum_bytes_billed to {listing} or more, or lower backfill_months"
        ));
    }
    if aggregate && shape.export == super::shape::Export::Focus {
        notes.push("aggregate has no effect on a FOCUS export".to_owned());
    }
    Ok(notes)
}

async fn scanned(bigquery: &BigQuery, shape: &Shape, place: &str, query: Query) -> Result<u64, FetchError> {
    bigquery.would_scan(place, &shape.location, &query).await
}

/// So many bytes, and what they cost.
fn cost(bytes: u64) -> String {
    format!("{} ({})", size(bytes), dollars(price(bytes)))
}

/// So many bytes, as people write them.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["MiB", "GiB", "TiB", "PiB"];
    let (mut unit, mut size) = (0, bytes as f64 / f64::from(1 << 20));
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        (unit, size) = (unit + 1, size / 1024.0);
    }
    format!("{size:.1} {}", UNITS[unit])
}
