//! From bytes to fields: where a record ends, and what stands between its commas.

use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2, memchr2_iter, memchr3};

/// A field of a record: its place, without quotes. Small, because a line may be nothing but commas.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    from: u32,
    to: u32,
    /// It holds doubled quotes, each of which means one.
    doubled: bool,
}

impl Field {
    fn new(place: Range<usize>, doubled: bool) -> Self {
        // Records are far shorter; what is passed over may not be, and nobody asks for its fields.
        let near = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Self { from: near(place.start), to: near(place.end), doubled }
    }

    fn plain(place: Range<usize>) -> Self {
        Self::new(place, false)
    }

    fn place(self) -> Range<usize> {
        self.from as usize..self.to as usize
    }

    /// What it holds, in `unescaped` if it cannot be taken from `record` as it stands.
    pub(super) fn text<'a>(self, record: &'a [u8], unescaped: &'a mut Vec<u8>) -> &'a [u8] {
        let text = &record[self.place()];
        if !self.doubled {
            return text;
        }
        unescaped.clear();
        let mut from = 0;
        while let Some(quote) = memchr(b'"', &text[from..]) {
            unescaped.extend_from_slice(&text[from..=from + quote]);
            from += quote + 2;
        }
        unescaped.extend_from_slice(&text[from..]);
        unescaped
    }

    pub(super) fn is_blank(self, record: &[u8]) -> bool {
        record[self.place()].trim_ascii().is_empty()
    }
}

/// Where a scan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// Before the first byte of a field.
    Start,
    /// In a field without quotes.
    Plain,
    /// In a quoted field.
    Quoted,
    /// Behind its closing quote.
    Behind,
}

/// How far a scan came, and what it saw.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan {
    /// Where it stands.
    pub at: At,
    /// Bytes it has seen. Where only the next bytes tell what the last ones mean, those are left for another scan.
    pub seen: usize,
    /// The record's bytes, without its line end, if it ends here.
    pub end: Option<usize>,
    /// Where its last quoted field begins, if it has one.
    pub quote: Option<usize>,
    /// Whether there is text behind a closing quote.
    pub behind: bool,
    /// Whether there is a quote within a field that did not begin with one.
    pub stray: bool,
}

/// Looks for the end of a record. `last` says that nothing follows `bytes`.
pub(super) fn scan(bytes: &[u8], from: At, last: bool, fields: &mut Vec<Field>) -> Scan {
    let mut scan = Scan { at: from, seen: 0, end: None, quote: None, behind: false, stray: false };
    if from == At::Start && plain_line(bytes, last, fields, &mut scan) {
        return scan;
    }
    let (mut field, mut doubled) = (0, false);
    while let Some(byte) = bytes.get(scan.seen) {
        let rest = &bytes[scan.seen..];
        match scan.at {
            At::Start if *byte == b'"' => {
                (scan.at, scan.quote, doubled) = (At::Quoted, Some(scan.seen), false);
                scan.seen += 1;
                field = scan.seen;
            }
            At::Start => (scan.at, field) = (At::Plain, scan.seen),
            At::Quoted => match memchr(b'"', rest) {
                None => scan.seen = bytes.len(),
                Some(at) => match rest.get(at + 1) {
                    Some(b'"') => {
                        doubled = true;
                        scan.seen += at + 2;
                    }
                    None if !last => {
                        scan.seen += at;
                        return scan;
                    }
                    _ => {
                        fields.push(Field::new(field..scan.seen + at, doubled));
                        scan.at = At::Behind;
                        scan.seen += at + 1;
                    }
                },
            },
            At::Plain | At::Behind => {
                let length = memchr3(b',', b'\n', b'\r', rest);
                if length.is_some_and(|length| rest[length] != b',' && line_end(&rest[length..], last).is_none()) {
                    return scan;
                }
                let text = &rest[..length.unwrap_or(rest.len())];
                scan.seen += text.len();
                if scan.at == At::Behind {
                    if !text.trim_ascii().is_empty() {
                        // Whatever was meant, it is not what stands between the quotes.
                        scan.behind = true;
                        fields.pop();
                        fields.push(Field::plain(scan.quote.unwrap_or_default()..scan.seen));
                    }
                } else {
                    scan.stray |= memchr(b'"', text).is_some();
                    if length.is_some() {
                        fields.push(Field::plain(field..scan.seen));
                    }
                }
                match length {
                    Some(length) if rest[length] == b',' => {
                        scan.at = At::Start;
                        scan.seen += 1;
                    }
                    Some(_) => {
                        scan.end = Some(scan.seen);
                        return scan;
                    }
                    None => {}
                }
            }
        }
    }
    if last && scan.at != At::Quoted {
        match scan.at {
            At::Start => fields.push(Field::plain(scan.seen..scan.seen)),
            At::Plain => fields.push(Field::plain(field..scan.seen)),
            _ => {}
        }
        scan.end = Some(scan.seen);
    }
    scan
}

/// The quick way for a line without any quote, which most are.
fn plain_line(bytes: &[u8], last: bool, fields: &mut Vec<Field>, scan: &mut Scan) -> bool {
    let length = match memchr2(b'\n', b'\r', bytes) {
        Some(length) if line_end(&bytes[length..], last).is_some() => length,
        None if last => bytes.len(),
        _ => return false,
    };
    let line = &bytes[..length];
    if memchr(b'"', line).is_some() {
        return false;
    }
    fields.extend(split(line, 0));
    (scan.seen, scan.end) = (length, Some(length));
    true
}

/// Fields between commas, whatever quotes there are, from a place on.
pub(super) fn split(line: &[u8], from: usize) -> impl Iterator<Item = Field> {
    let mut start = from;
    let ends = memchr_iter(b',', &line[from..]).map(move |at| from + at).chain([line.len()]);
    ends.map(move |end| Field::plain(std::mem::replace(&mut start, end + 1)..end))
}

/// Bytes of the line end that these begin with. `None` when more bytes have to tell, because CR may begin CRLF.
pub(super) fn line_end(bytes: &[u8], last: bool) -> Option<usize> {
    match bytes {
        [b'\r', b'\n', ..] => Some(2),
        [b'\r'] if !last => None,
        [b'\r' | b'\n', ..] => Some(1),
        _ => Some(0),
    }
}

/// How many line ends there are.
pub(super) fn line_ends(bytes: &[u8]) -> u64 {
    let crlf = memchr_iter(b'\r', bytes).filter(|at| bytes.get(at + 1) == Some(&b'\n')).count();
    (memchr2_iter(b'\n', b'\r', bytes).count() - crlf) as u64
}

/// The lines of a text, without their ends.
pub(super) fn lines(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let end = memchr2(b'\n', b'\r', bytes).unwrap_or(bytes.len());
        let (line, rest) = bytes.split_at(end);
        bytes = &rest[line_end(rest, true).unwrap_or_default()..];
        Some(line)
    })
}
