//! FOCUS bills through the crate's boundary: files are found, surveyed, grouped into deliveries and normalised.
//!
//! [`read`] holds every bill of every test to the promises that hold for any bill: each row ends up in exactly one
//! place, what the survey added up is what was kept, rejected and rounded away (P1), and the charges have the columns
//! and types that the delivery announced.

mod batches;
mod deliveries;
pub(crate) mod formats;
mod headers;
mod numbers;
mod parquet;
mod persons;
mod promises;
mod rejects;
mod tags;
mod text;
mod versions;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bigdecimal::BigDecimal;
use outlay_ledger::{decimal, schema};
use outlay_model::DeliveryKey;
use outlay_model::money::plain;
use outlay_model::part::{Balance, BalanceKey, Reject, Repair, Repairs};
use outlay_model::query::Metric;
use polars::prelude::{DataFrame, DataType};

use super::Focus;
use crate::{CollectError, Coverage, Delivery, Format, Normaliser, Settings, deliveries, input, surveys};

/// What a delivery became.
pub(crate) struct Read {
    delivery: Delivery,
    charges: DataFrame,
    rejects: Vec<Reject>,
    /// Rows of each batch.
    batches: Vec<usize>,
    repairs: Repairs,
    rounding: BTreeMap<(BalanceKey, Metric), BigDecimal>,
    coverage: Coverage,
}

/// The cells of a line that is taken; a test says only what it changes or adds.
const LINE: &[(&str, &str)] = &[
    ("BilledCost", "1.5"),
    ("EffectiveCost", "1.25"),
    ("ListCost", "2"),
    ("ContractedCost", "1.75"),
    ("BillingCurrency", "USD"),
    ("BillingPeriodStart", "2026-10-01T00:00:00Z"),
    ("BillingPeriodEnd", "2026-11-01T00:00:00Z"),
    ("ChargePeriodStart", "2026-10-05T00:00:00Z"),
    ("ChargePeriodEnd", "2026-10-06T00:00:00Z"),
    ("ChargeCategory", "Usage"),
    ("ProviderName", "Nimbus"),
    ("InvoiceId", "INV-1"),
];

/// A CSV bill of [`LINE`]s with some cells changed.
fn csv(lines: &[&[(&str, &str)]]) -> String {
    let mut header: Vec<&str> = LINE.iter().map(|(column, _)| *column).collect();
    for (column, _) in lines.iter().copied().flatten() {
        if !header.contains(column) {
            header.push(column);
        }
    }
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(&header).expect("into memory");
    for line in lines {
        let cell =
            |column: &&str| line.iter().chain(LINE).find(|(name, _)| name == column).map_or("", |(_, cell)| cell);
        writer.write_record(header.iter().map(cell)).expect("into memory");
    }
    String::from_utf8(writer.into_inner().expect("into memory")).expect("UTF-8")
}

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).expect("a file");
    }
    folder
}

fn fixture(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/focus/fixtures").join(case)
}

/// Finds and surveys the bills at a path.
fn list(path: &Path, key: Option<&str>, settings: &Settings) -> Result<Vec<Delivery>, CollectError> {
    list_of(&Focus, path, key, settings)
}

fn list_of(
    format: &dyn Format,
    path: &Path,
    key: Option<&str>,
    settings: &Settings,
) -> Result<Vec<Delivery>, CollectError> {
    let files = input::find(&[path.to_str().expect("UTF-8").to_owned()])?;
    let surveys = surveys(format, &files, settings, &|_| ())?;
    deliveries(surveys, key.map(DeliveryKey::new).as_ref(), format, settings)
}

/// Reads all files at a path as one delivery in another format, whose lines need not be a charge each.
pub(crate) fn read_of(format: &dyn Format, path: &Path, settings: &Settings) -> Result<Read, CollectError> {
    let mut deliveries = list_of(format, path, Some("any"), settings)?;
    let (read, magnitude) = normalise_of(format, deliveries.remove(0), settings)?;
    read.assert_promises(&magnitude);
    Ok(read)
}

/// Reads the one delivery at a path.
#[track_caller]
fn read_as(path: &Path, key: Option<&str>, settings: &Settings) -> Read {
    let mut deliveries = list(path, key, settings).expect("a bill");
    assert_eq!(deliveries.len(), 1, "one delivery");
    normalise(deliveries.remove(0), settings).expect("a bill")
}

#[track_caller]
fn read(path: &Path) -> Read {
    read_as(path, None, &Settings::default())
}

/// Reads a bill of one file.
#[track_caller]
fn read_bytes(name: &str, bytes: impl AsRef<[u8]>) -> Read {
    read(folder(&[(name, bytes.as_ref())]).path())
}

#[track_caller]
fn read_csv(text: impl AsRef<[u8]>) -> Read {
    read_bytes("bill.csv", text)
}

#[track_caller]
fn read_csv_with(text: impl AsRef<[u8]>, settings: &Settings) -> Read {
    read_as(folder(&[("bill.csv", text.as_ref())]).path(), None, settings)
}

/// Why a bill of one file cannot be read; the folder is left out.
#[track_caller]
fn refusal(name: &str, bytes: impl AsRef<[u8]>) -> String {
    let folder = folder(&[(name, bytes.as_ref())]);
    let settings = Settings::default();
    let read =
        list(folder.path(), None, &settings).and_then(|mut deliveries| normalise(deliveries.remove(0), &settings));
    let error = read.err().expect("not a bill").to_string();
    error.replace(&format!("{}/", folder.path().display()), "")
}

#[track_caller]
fn normalise(delivery: Delivery, settings: &Settings) -> Result<Read, CollectError> {
    let (read, magnitude) = normalise_of(&Focus, delivery, settings)?;
    let taken = read.charges.height() + read.rejects.len();
    assert_eq!(taken as u64, read.delivery.rows, "every row is in exactly one place");
    read.assert_promises(&magnitude);
    Ok(read)
}

type Magnitude = BTreeMap<Metric, Option<outlay_model::Money>>;

fn normalise_of(
    format: &dyn Format,
    delivery: Delivery,
    settings: &Settings,
) -> Result<(Read, Magnitude), CollectError> {
    let (mut charges, mut rejects, mut batches) = (Vec::new(), Vec::new(), Vec::new());
    let mut normaliser = Normaliser::new(&delivery, settings);
    format.normalise(&mut normaliser, &mut |batch| {
        batches.push(batch.charges.height() + batch.rejects.len());
        charges.push(batch.charges);
        rejects.extend(batch.rejects);
        Ok(())
    })?;
    let Normaliser { repairs, rounding, coverage, magnitude, .. } = normaliser;
    let charges =
        charges.into_iter().reduce(|above, below| above.vstack(&below).expect("one schema")).unwrap_or_default();
    let read = Read { charges, rejects, batches, repairs, rounding, coverage, delivery };
    Ok((read, magnitude))
}

impl Read {
    /// The cells of a column as text: instants in RFC 3339, amounts with every digit they have.
    #[track_caller]
    pub(crate) fn column(&self, name: &str) -> Vec<Option<String>> {
        let series = self.charges.column(name).expect(name).as_materialized_series();
        match series.dtype() {
            DataType::Decimal(..) => {
                let amounts = decimal::amounts(series).expect("decimals");
                amounts.into_iter().map(|amount| amount.map(|amount| amount.to_string())).collect()
            }
            _ => series.iter().map(|cell| decimal::cell_text(&cell)).collect(),
        }
    }

    /// The names of all columns.
    pub(crate) fn names(&self) -> Vec<String> {
        self.charges.columns().iter().map(|column| column.name().to_string()).collect()
    }

    /// A cell as text; `-` for null.
    #[track_caller]
    pub(crate) fn cell(&self, name: &str, row: usize) -> String {
        self.column(name)[row].clone().unwrap_or_else(|| "-".to_owned())
    }

    /// Some columns of every charge, one line a charge, `-` for null.
    #[track_caller]
    pub(crate) fn table(&self, columns: &[&str]) -> Vec<String> {
        let cells: Vec<_> = columns.iter().map(|name| self.column(name)).collect();
        let line = |row: usize| cells.iter().map(|column| column[row].as_deref().unwrap_or("-")).collect::<Vec<_>>();
        (0..self.charges.height()).map(|row| line(row).join(" | ")).collect()
    }

    pub(crate) fn repairs(&self) -> Vec<(Repair, u64)> {
        self.repairs.iter().map(|(repair, times)| (*repair, *times)).collect()
    }

    pub(crate) fn rejected(&self) -> Vec<String> {
        self.rejects.iter().map(told).collect()
    }

    #[track_caller]
    fn assert_promises(&self, magnitude: &Magnitude) {
        let different: Vec<_> = self.balances().into_iter().filter(|balance| balance.difference() != 0).collect();
        assert!(different.is_empty(), "{different:#?}");
        if self.charges.width() == 0 {
            return;
        }
        let announced = schema::ordered(self.delivery.columns.iter().map(String::as_str));
        let columns: Vec<_> = self.charges.columns().iter().map(|column| column.name().to_string()).collect();
        assert_eq!(columns, announced);
        for column in self.charges.columns() {
            assert_eq!(column.dtype(), &schema::data_type(column.name()), "{}", column.name());
        }
        for (metric, sum) in magnitude {
            let amounts = self.charges.column(metric.column()).ok().map(|column| column.as_materialized_series());
            let amounts = amounts.map_or_else(Vec::new, |series| decimal::amounts(series).expect("decimals"));
            let expected: BigDecimal = amounts.into_iter().flatten().map(|amount| amount.abs().to_exact()).sum();
            assert!(sum.is_none_or(|sum| sum.to_exact() == expected), "magnitude of {metric}");
        }
    }

    /// What the pipeline would reconcile, from the charges themselves.
    fn balances(&self) -> Vec<Balance> {
        type Sums = BTreeMap<(BalanceKey, Metric), BigDecimal>;
        let mut source = Sums::new();
        for (key, totals) in &self.delivery.totals {
            let totals = Metric::ALL.iter().zip(totals);
            source.extend(totals.map(|(metric, sum)| ((key.clone(), *metric), sum.total())));
        }
        let mut rejected = Sums::new();
        for reject in &self.rejects {
            for (metric, cost) in &reject.costs {
                *rejected.entry((reject.key.clone(), *metric)).or_default() += cost;
            }
        }
        let mut stored = Sums::new();
        let keys = self.keys();
        for metric in Metric::ALL {
            let Ok(column) = self.charges.column(metric.column()) else { continue };
            let amounts = decimal::amounts(column.as_materialized_series()).expect("decimals");
            for (key, amount) in keys.iter().zip(amounts) {
                let sum = stored.entry((key.clone(), *metric)).or_default();
                *sum += amount.map(|amount| amount.to_exact()).unwrap_or_default();
            }
        }
        let of = |sums: &Sums, place: &(BalanceKey, Metric)| sums.get(place).cloned().unwrap_or_default();
        let places: BTreeSet<_> =
            [&source, &stored, &rejected, &self.rounding].into_iter().flat_map(BTreeMap::keys).collect();
        places
            .into_iter()
            .map(|place| Balance {
                key: place.0.clone(),
                metric: place.1,
                source: of(&source, place),
                stored: of(&stored, place),
                rejected: of(&rejected, place),
                rounding: of(&self.rounding, place),
            })
            .collect()
    }

    /// The invoice each charge is on.
    fn keys(&self) -> Vec<BalanceKey> {
        if self.charges.width() == 0 {
            return Vec::new();
        }
        let invoices = self
            .charges
            .column("InvoiceId")
            .map_or_else(|_| vec![None; self.charges.height()], |_| self.column("InvoiceId"));
        let periods = self.column(schema::BILLING_PERIOD);
        let keys = periods.into_iter().zip(invoices).zip(self.column("BillingCurrency"));
        keys.map(|((period, invoice), currency)| BalanceKey {
            billing_period: period.map(|day| day.parse().expect("a day")),
            invoice,
            currency: currency.expect("every charge has a currency"),
        })
        .collect()
    }
}

/// A reject on one line: why, where, what stands there, which invoice's money.
fn told(reject: &Reject) -> String {
    let Reject { reason, file, line, column, value, key, costs, unpriced } = reject;
    let place = match (column, value) {
        (Some(column), Some(value)) => format!(" {column}={value:?}"),
        (Some(column), None) => format!(" {column}"),
        (None, Some(value)) => format!(" ({value})"),
        (None, None) => String::new(),
    };
    let period = key.billing_period.map_or("-".to_owned(), |day| day.to_string());
    let invoice = format!("{period} {} {}", key.invoice.as_deref().unwrap_or("-"), key.currency);
    let costs: Vec<_> = costs.iter().map(|(metric, cost)| format!("{metric} {}", plain(cost))).collect();
    let unpriced = if *unpriced { ", unpriced" } else { "" };
    format!("{reason} at {file}:{line}{place}; {}: {}{unpriced}", invoice.trim(), costs.join(", "))
}
