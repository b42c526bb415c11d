//! Records as damaged files have them.

use std::io::Read as _;

use proptest::prelude::*;

use super::{Kind, Records};

/// Every record: its line, what it is if not a row, and its fields with `|` between them.
fn told(input: &[u8], limit: usize, chunk: usize) -> Vec<String> {
    let mut records = Records::with_bounds(input, limit, chunk).expect("a header");
    let (mut told, mut unescaped) = (Vec::new(), Vec::new());
    while let Some(record) = records.next().expect("from memory") {
        let field = |place| String::from_utf8_lossy(record.field(place, &mut unescaped)).into_owned();
        let fields: Vec<String> = (0..record.fields()).map(field).collect();
        let kind = if record.kind == Kind::Row { String::new() } else { format!(" {:?}", record.kind) };
        let mark = if record.marked { " marked" } else { "" };
        told.push(format!("{}{kind}{mark}: {}", record.line, fields.join("|")));
    }
    told
}

/// Below a header of three columns.
#[track_caller]
fn check(rows: &str, expected: &[&str]) {
    let input = format!("a,b,c\n{rows}");
    for chunk in [1, 2, 7, 1 << 18] {
        assert_eq!(told(input.as_bytes(), 1 << 20, chunk), expected, "{rows:?} in chunks of {chunk}");
    }
}

#[test]
fn lines_end_in_any_way() {
    check("1,2,3\r\n4,5,6\n7,8,9\r1,2,3", &["2: 1|2|3", "3: 4|5|6", "4: 7|8|9", "5: 1|2|3"]);
    check("\n\r\n  \n1,2,3\n\t\r4,5,6\n\n", &["5: 1|2|3", "7: 4|5|6"]);
    check("1,2,\r\n,,6\r", &["2: 1|2|", "3: ||6"]);
}

#[test]
fn quotes_hold_commas_quotes_and_lines() {
    check("\"1,\",\"say \"\"2\"\"\",3\n", &["2: 1,|say \"2\"|3"]);
    check("1,\"two\nlines\",3\n4,\"\r\n\",6\n7,8,9", &["2: 1|two\nlines|3", "4: 4|\r\n|6", "6: 7|8|9"]);
    check("1,12\" disk,3\n", &["2: 1|12\" disk|3"]);
    check("\"\",\"\"\"\",\"3\" \n", &["2: |\"|3"]);
    check("1,2,\"3\"", &["2: 1|2|3"]);
}

#[test]
fn an_open_quote_that_swallowed_lines_is_split_back() {
    check("1,\"2,3\n4,5,6\n7,8,9\n", &["2 Swallowing: 1|\"2|3", "3: 4|5|6", "4: 7|8|9"]);
    check("1,2,\"3\n4,5,6", &["2 Swallowing: 1|2|\"3", "3: 4|5|6"]);
    // The next quote closes it, and what follows that is out of place.
    check("1,2,\"3\n4,5,6\n7,8,\"9\"\n1,2,3", &["2 Swallowing: 1|2|\"3", "3: 4|5|6", "4: 7|8|9", "5: 1|2|3"]);
    // It seems to be closed well, with a line between that is a record.
    check("1,2,\"3\n4,5,6\n7,8,9\"\n1,2,3", &["2 Swallowing: 1|2|\"3", "3: 4|5|6", "4 StrayQuote: ", "5: 1|2|3"]);
    // One of the lines it swallowed is damaged by itself.
    check("1,\"2,3\n4,5\n7,8,9\n", &["2 Swallowing: 1|\"2|3", "3 Width: 4|5", "4: 7|8|9"]);
    // A text of several lines that lost its closing quote.
    check("1,\"two\nlines,3\n4,5,6\n", &["2 Swallowing: 1|\"two", "3 Width: lines|3", "4: 4|5|6"]);
}

#[test]
fn a_quote_out_of_place_is_damage() {
    check("\"1\"x,2,3\n4,5,6", &["2 StrayQuote: \"1\"x|2|3", "3: 4|5|6"]);
    check("\"12\" disk\",2,3\n4,5,6", &["2 StrayQuote: \"12\" disk\"|2|3", "3: 4|5|6"]);
    check("1,\"two\nlines\"x,3\n4,5,6", &["2 StrayQuote: 1|\"two\nlines\"x|3", "4: 4|5|6"]);
    check("1,2,\"3", &["2 OpenQuote: 1|2|\"3"]);
    check("1,\"two\nlines", &["2 OpenQuote: "]);
}

#[test]
fn a_record_is_as_wide_as_the_header() {
    check("1,2\n1,2,3,4\n1,2,3\n", &["2 Width: 1|2", "3 Width: 1|2|3|4", "4: 1|2|3"]);
    check("1,2,3,, \n,,\n,,,,\n\"\",,\n", &["2: 1|2|3|| ", "3 Empty: ||", "4 Empty: ||||", "5 Empty: ||"]);
    let nameless = "a,b,,\n1,2\n1,2,3,4\n1\n";
    assert_eq!(told(nameless.as_bytes(), 99, 1), ["2: 1|2", "3: 1|2|3|4", "4 Width: 1"]);
}

#[test]
fn headers_are_met_again() {
    check("1,2,3\na,b,c\n4,5,6", &["2: 1|2|3", "3 Header: a|b|c", "4: 4|5|6"]);
    check("\u{feff}a,\"b\", c\n\u{feff}4,5,6", &["2 Header marked: a|b| c", "3 marked: 4|5|6"]);
    check("c,b,a\na,b,d,e\na,1,2\n", &["2 OtherHeader: c|b|a", "3 OtherHeader: a|b|d|e", "4: a|1|2"]);
    assert_eq!(told("\u{feff}a,b\n1,2".as_bytes(), 99, 1), ["2: 1|2"]);
}

#[test]
fn what_is_too_long_is_passed_over() {
    let long = "x".repeat(200);
    for chunk in [1, 16, 1 << 18] {
        let told = |rows: String| told(format!("a,b,c\n{rows}\n4,5,6").as_bytes(), 100, chunk);
        assert_eq!(told(format!("1,{long},3")), ["2 TooLong: ", "3: 4|5|6"]);
        assert_eq!(told(format!("1,\"{long}\n{long}\"\"\r\n\",3")), ["2 TooLong: ", "5: 4|5|6"]);
        assert_eq!(
            told(format!("1,\"2,3\n7,8,9\n{long}")),
            ["2 Swallowing: 1|\"2|3", "3: 7|8|9", "4 TooLong: ", "5: 4|5|6"]
        );
        assert_eq!(told(format!("1,2,\"{long}")), ["2 TooLong: "], "nobody closes it");
    }
}

/// A field of 100 MB, in quotes or not.
#[test]
fn memory_is_bounded() {
    for quote in ["", "\""] {
        let head = format!("a,b,c\n1,{quote}").into_bytes();
        let tail = format!("{quote},3\n4,5,6\n").into_bytes();
        let input = head[..].chain(std::io::repeat(b'x').take(100 << 20)).chain(&tail[..]);
        let mut records = Records::open(input).expect("a header");
        let mut kinds = Vec::new();
        while let Some(record) = records.next().expect("from memory") {
            kinds.push(record.kind);
        }
        assert_eq!(kinds, [Kind::TooLong, Kind::Row]);
        assert!(records.held() <= 4 * super::MAX_RECORD, "{} bytes", records.held());
    }
}

/// As much as can be told apart by it: what quotes, commas and line ends there are.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => "[a-z0-9 ]{0,3}",
        3 => Just(",".to_owned()),
        2 => Just("\"".to_owned()),
        2 => prop::sample::select(&["\n", "\r\n", "\r"][..]).prop_map(ToOwned::to_owned),
        1 => prop::sample::select(&["1,2,3\n", "a,b,c\n", "\u{feff}", "\"\""][..]).prop_map(ToOwned::to_owned),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| ["a,b,c\n", &pieces.concat()].concat().into_bytes())
}

fn blank(bytes: &[u8]) -> bool {
    String::from_utf8_lossy(bytes).chars().all(|c| c == '\u{feff}' || c.is_ascii_whitespace())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_does_not_matter_how_the_input_comes(input in input(), limit in 8..64_usize, chunk in 1..9_usize) {
        prop_assert_eq!(told(&input, limit, chunk), told(&input, limit, 1 << 18));
    }

    #[test]
    fn all_bytes_are_in_one_record_or_between_two(input in input(), limit in 8..64_usize) {
        let mut records = Records::with_bounds(&input[..], limit, 3).expect("a header");
        let mut from = input.iter().position(|byte| *byte == b'\n').expect("a header");
        while let Some(record) = records.next().expect("from memory") {
            let (start, end) = (record.extent.start as usize, record.extent.end as usize);
            prop_assert!(blank(&input[from..start]));
            let line = 1 + super::scan::line_ends(&input[..start]);
            prop_assert_eq!((record.line, start < end), (line, true));
            from = end;
        }
        prop_assert!(blank(&input[from..]));
    }
}
