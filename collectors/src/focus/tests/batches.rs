//! Long files: read in bounded batches, with the right lines, and never taken for whole when they are cut off.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use polars::prelude::ParquetWriter;

use super::formats::frame;
use super::{Read, read_bytes, read_csv, refusal};
use crate::raw::BATCH_ROWS;

const ROWS: usize = 150_000;
/// Rows, from 0, whose cost is no number: the first, the last of a batch, the first of the next, the last.
const BAD: [usize; 4] = [0, BATCH_ROWS - 1, BATCH_ROWS, ROWS - 1];

fn long(rows: usize) -> String {
    let mut bill = "BilledCost,BillingCurrency,BillingPeriodStart,ChargePeriodStart,ResourceId\n".to_owned();
    for row in 0..rows {
        let cost = if BAD.contains(&row) { "bad".to_owned() } else { format!("0.{row:06}") };
        let _ = writeln!(bill, "{cost},USD,2026-10-01,2026-10-05,r{row}");
    }
    bill
}

#[track_caller]
fn check(read: &Read, first_line: u64) {
    assert!(read.batches.len() > 1, "{:?}", read.batches);
    assert!(read.batches.iter().all(|rows| *rows <= BATCH_ROWS), "{:?}", read.batches);
    assert_eq!(read.batches.iter().sum::<usize>(), ROWS);
    let lines: Vec<_> = read.rejects.iter().map(|reject| reject.line).collect();
    assert_eq!(lines, BAD.map(|row| first_line + row as u64));
    let resources = read.charges.column("ResourceId").expect("a column").str().expect("texts").iter();
    let expected = (0..ROWS).filter(|row| !BAD.contains(row)).map(|row| format!("r{row}"));
    assert!(resources.map(|text| text.map(ToOwned::to_owned)).eq(expected.map(Some)), "in the order of the file");
}

#[test]
fn a_long_csv_file() {
    check(&read_csv(long(ROWS)), 2);
}

#[test]
fn a_long_parquet_file() {
    let mut bytes = Vec::new();
    let writer = ParquetWriter::new(&mut bytes).with_row_group_size(Some(40_000));
    writer.finish(&mut frame(&long(ROWS))).expect("into memory");
    check(&read_bytes("bill.parquet", bytes), 1);
}

#[test]
fn a_batch_may_hold_nothing_but_damaged_lines() {
    let damaged = "damaged\n".repeat(BATCH_ROWS + 10);
    let read = read_csv(long(1) + &damaged + "0.5,USD,2026-10-01,2026-10-05,r\n");
    assert_eq!((read.charges.height(), read.rejects.len()), (1, BATCH_ROWS + 11));
    assert_eq!(read.batches, [BATCH_ROWS, 12]);
}

/// As much of a gzipped bill as could be read, in lines.
fn lines_of(gzipped: &[u8]) -> usize {
    let mut text = Vec::new();
    MultiGzDecoder::new(gzipped).read_to_end(&mut text).expect_err("it is cut off");
    text.iter().filter(|byte| **byte == b'\n').count()
}

#[test]
fn a_gzip_file_cut_off_says_how_far_it_could_be_read() {
    let mut writer = GzEncoder::new(Vec::new(), Compression::default());
    writer.write_all(long(5000).as_bytes()).expect("into memory");
    let whole = writer.finish().expect("into memory");
    for length in [whole.len() / 4, whole.len() / 2, whole.len() - 3] {
        let cut = &whole[..length];
        let line = lines_of(cut);
        assert!(length < whole.len() / 2 || line > 1000, "{line}");
        assert_eq!(refusal("bill.csv.gz", cut), format!("bill.csv.gz: cannot be read after line {line}"));
    }
    assert_eq!(refusal("bill.csv.gz", &whole[..12]), "bill.csv.gz: cannot be read after line 0");
}

#[test]
fn a_damaged_gzip_file_is_refused() {
    let mut writer = GzEncoder::new(Vec::new(), Compression::default());
    writer.write_all(long(5000).as_bytes()).expect("into memory");
    let mut bytes = writer.finish().expect("into memory");
    let checksum = bytes.len() - 8;
    bytes[checksum] ^= 1;
    assert_eq!(refusal("bill.csv.gz", bytes), "bill.csv.gz: cannot be read after line 5001");
}
