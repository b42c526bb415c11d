//! However little is held, the rows are the same.

use outlay_ledger::decimal;
use outlay_ledger::schema::{CHARGE_DATE, ROWS};
use outlay_model::Money;
use outlay_model::query::Metric;
use polars::prelude::{ChunkAgg, Column, DataType, IntoColumn, NewChunkedArray, StringChunked};

use super::*;

/// So many charges of so many accounts, on a few days, in no order; some without account, some without cost.
fn charges(path: &Path, rows: u64, accounts: u64) {
    let mut state = 7_u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut cells = Vec::new();
    for _ in 0..rows {
        let account = next(accounts + 1);
        let cost = (next(10) > 0).then(|| Money::read(&format!("0.{:06}", next(1_000_000))).expect("money").money);
        cells.push((next(5) as i32, (account > 0).then(|| format!("account-{account}")), cost));
    }
    let days = Column::new(CHARGE_DATE.into(), cells.iter().map(|(day, ..)| 20_000 + day).collect::<Vec<_>>());
    let accounts = cells.iter().map(|(_, account, _)| account.as_deref());
    let mut frame = DataFrame::new(
        cells.len(),
        vec![
            days.cast(&DataType::Date).expect("days"),
            StringChunked::from_iter_options("SubAccountId".into(), accounts).into_column(),
            decimal::column("BilledCost", cells.iter().map(|(.., cost)| *cost)),
        ],
    )
    .expect("a frame");
    ParquetWriter::new(File::create(path).expect("a file")).finish(&mut frame).expect("writes");
}

/// The daily rows, and in how many pieces they came.
fn rolled_up(path: &Path, bounds: Bounds) -> (DataFrame, usize) {
    let columns = [CHARGE_DATE, "SubAccountId", "BilledCost"].map(ToOwned::to_owned).into();
    let mut pieces: Vec<DataFrame> = Vec::new();
    let each = |rows| {
        pieces.push(rows);
        Ok(())
    };
    roll_up_within(path, &columns, &BTreeSet::new(), bounds, each).expect("rolls up");
    let mut all = pieces[0].clone();
    pieces[1..].iter().for_each(|piece| {
        all.vstack_mut(piece).expect("of one shape");
    });
    (all, pieces.len())
}

const PLENTY: Bounds = Bounds { slice: 1 << 20, most: 1 << 20, least: 1 };

#[track_caller]
fn check_same(rows: u64, accounts: u64, in_pieces: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("charges.parquet");
    charges(&path, rows, accounts);
    let (expected, _) = rolled_up(&path, PLENTY);
    assert!(expected.height() as u64 <= (accounts + 1) * 5 + 1);
    let counted = expected.column(ROWS).expect("rows").i64().expect("counts").sum();
    assert_eq!(counted, (rows > 0).then_some(rows as i64).or(counted));
    for (slice, most, least) in [(100, 100, 1), (64, 300, 7), (1000, 10, 3)] {
        let (told, pieces) = rolled_up(&path, Bounds { slice, most, least });
        assert!(told.equals_missing(&expected), "slices of {slice}, at most {most}");
        assert_eq!(pieces > 1, in_pieces, "slices of {slice}, at most {most}: {pieces} pieces");
    }
    let left: Vec<_> = folder.path().read_dir().expect("a folder").collect();
    assert_eq!(left.len(), 1, "nothing is left behind");
}

#[test]
fn charges_that_roll_up_to_few_rows_never_leave_memory() {
    check_same(3000, 0, false);
}

#[test]
fn charges_that_hardly_roll_up_are_merged_to_the_same_rows() {
    check_same(3000, 400, true);
    check_same(3000, 1_000_000, true);
}

#[test]
fn no_charges_are_no_rows() {
    check_same(0, 3, false);
}

#[test]
fn costs_that_nobody_states_stay_unstated() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("charges.parquet");
    charges(&path, 500, 20);
    let (rows, _) = rolled_up(&path, Bounds { slice: 50, most: 20, least: 1 });
    assert_eq!(rows.column(Metric::List.column()).expect("a column").null_count(), rows.height());
}
