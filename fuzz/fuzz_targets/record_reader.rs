//! The CSV record reader: never panics, holds no more than it may, gives the same records however the input comes, leaves
//! out no byte, and agrees with the `csv` crate on all that is not damaged.
#![no_main]

#[allow(dead_code, reason = "a target does not need all of it")]
#[path = "../../collectors/src/records/mod.rs"]
mod records;

use libfuzzer_sys::fuzz_target;
use records::{Kind, Records};

#[derive(Debug, PartialEq)]
struct Told {
    line: u64,
    kind: Kind,
    marked: bool,
    extent: std::ops::Range<u64>,
    fields: Vec<Vec<u8>>,
}

fn read(input: &[u8], limit: usize, chunk: usize) -> Option<(Vec<Vec<u8>>, Vec<Told>)> {
    let mut records = Records::with_bounds(input, limit, chunk).ok()?;
    let (mut told, mut unescaped) = (Vec::new(), Vec::new());
    while let Some(record) = records.next().expect("memory does not fail") {
        let fields = (0..record.fields()).map(|place| record.field(place, &mut unescaped).to_vec()).collect();
        let (line, kind, marked) = (record.line, record.kind, record.marked);
        told.push(Told { line, kind, marked, extent: record.extent.clone(), fields });
    }
    assert!(records.held() <= 8 * (limit + chunk) + 64, "{} bytes are held", records.held());
    Some((records.header().to_vec(), told))
}

fuzz_target!(|data: &[u8]| {
    let [limit, chunk, input @ ..] = data else { return };
    let (limit, chunk) = (usize::from(*limit) + 1, usize::from(*chunk) + 1);
    let read_at_once = read(input, limit, 1 << 18);
    assert_eq!(read(input, limit, chunk), read_at_once);
    let Some((header, records)) = read_at_once else { return };

    let mut from = None;
    for record in &records {
        let (start, end) = (record.extent.start as usize, record.extent.end as usize);
        assert!(start < end && end <= input.len());
        if let Some(from) = from {
            assert!(blank(&input[from..start]), "bytes {from} to {start} are in no record");
        }
        let whole = input[start..end].iter().filter(|byte| **byte == b',').count() + 1;
        assert!(record.fields.len() <= whole);
        from = Some(end);
    }
    assert!(blank(&input[from.unwrap_or(input.len())..]), "the end is in no record");

    let sound = |kind| matches!(kind, Kind::Row | Kind::Width | Kind::Empty | Kind::Header | Kind::OtherHeader);
    let blank_behind_quote = input.windows(2).any(|pair| pair[0] == b'"' && pair[1].is_ascii_whitespace() && !b"\r\n".contains(&pair[1]));
    if blank_behind_quote || input.contains(&0xef) || !records.iter().all(|record| sound(record.kind)) || from.is_none() {
        return;
    }
    let others = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(input).into_byte_records();
    let others = others.map(|record| record.expect("memory does not fail").iter().map(<[u8]>::to_vec).collect::<Vec<_>>());
    let full = |fields: &Vec<Vec<u8>>| fields.len() != 1 || !fields[0].trim_ascii().is_empty();
    let mut others = others.filter(full);
    let first = others.next().unwrap_or_default();
    if first.len() != header.len() || !full(&header) {
        // The header was damaged itself, or says nothing.
        return;
    }
    let ours: Vec<_> = records.into_iter().map(|record| record.fields).filter(full).collect();
    assert_eq!(ours, others.collect::<Vec<_>>());
});

fn blank(bytes: &[u8]) -> bool {
    String::from_utf8_lossy(bytes).chars().all(|c| c == '\u{feff}' || c.is_ascii_whitespace())
}
