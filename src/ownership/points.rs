//! What a series counts, as CSV: `day,team,component,value`.

use std::collections::BTreeSet;
use std::path::Path;

use chrono::NaiveDate;
use outlay_model::ownership::Point;
use outlay_model::{ComponentId, DateRange, Money, TeamId};

use crate::config::problem::{NOT_A_DATE, listed};
use crate::config::{Place, Problem};

/// The columns. Team and component may be left out, or empty.
const COLUMNS: [&str; 4] = ["day", "team", "component", "value"];

/// A file of points cannot be used. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("nothing is counted otherwise than before: the file has {}", listed(.problems))]
pub struct PointsError {
    /// Everything that is wrong with it, by line.
    pub problems: Vec<Problem>,
}

/// Reads a file's text.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(path: &Path, text: &str) -> Result<Vec<Point>, PointsError> {
    let mut problems = Vec::new();
    let mut add = |line: u64, key: &str, text: String| {
        let place = Place::File(path.to_owned(), usize::try_from(line).ok());
        problems.push(Problem { place, key: key.to_owned(), text });
    };
    let mut points = Vec::new();
    let mut seen = BTreeSet::new();
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) => {
            add(1, "", format!("cannot be read: {error}"));
            return Err(PointsError { problems });
        }
    };
    let column = |name: &str| header.iter().position(|column| column.eq_ignore_ascii_case(name));
    let [day, team, component, value] = COLUMNS.map(column);
    for (place, name) in header.iter().enumerate() {
        if !COLUMNS.iter().any(|column| column.eq_ignore_ascii_case(name)) {
            add(1, name, "is not a column; a file has day, team, component and value".to_owned());
        } else if column(name) != Some(place) {
            add(1, name, "stands there twice".to_owned());
        }
    }
    let (Some(day), Some(value)) = (day, value) else {
        add(1, "", "the first line names the columns: day and value, and team, component or both".to_owned());
        return Err(PointsError { problems });
    };
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                add(line, "", "has another number of columns than the first line, or is not UTF-8".to_owned());
                continue;
            }
        };
        let line = first_written(text, record.position().map_or(0, csv::Position::line));
        let cell = |column: Option<usize>| {
            column.and_then(|column| record.get(column)).filter(|cell| !cell.is_empty()).map(ToOwned::to_owned)
        };
        let (team, component) = (cell(team), cell(component));
        let (day, value) = (cell(Some(day)).unwrap_or_default(), cell(Some(value)).unwrap_or_default());
        if team.is_none() && component.is_none() {
            add(line, "team", "name a team, a component, or both".to_owned());
        }
        let day: Option<NaiveDate> = day.parse().ok();
        if day.is_none() {
            add(line, "day", NOT_A_DATE.to_owned());
        }
        let value: Option<Money> = value.parse().ok().filter(|value| *value >= Money::ZERO);
        if value.is_none() {
            add(line, "value", "is not a number of at most 18 decimals that is 0 or more".to_owned());
        }
        let (Some(day), Some(value)) = (day, value) else { continue };
        if !seen.insert((day, team.clone(), component.clone())) {
            add(line, "", "an earlier line counts the same day, team and component".to_owned());
        }
        let (team, component) = (team.map(TeamId::new), component.map(ComponentId::new));
        points.push(Point { day, team, component, value });
    }
    if problems.is_empty() { Ok(points) } else { Err(PointsError { problems }) }
}

/// The line that a record stands on: its own position is that of the blank lines before it.
fn first_written(text: &str, line: u64) -> u64 {
    let blank = text.lines().skip(usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1));
    line + blank.take_while(|line| line.trim().is_empty()).count() as u64
}

/// The days from the first point to the last.
#[must_use]
pub fn days(points: &[Point]) -> Option<DateRange> {
    let days = points.iter().map(|point| point.day);
    DateRange::new(days.clone().min()?, days.max()?.succ_opt()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let told = match parse(Path::new("p.csv"), text) {
            Ok(points) => points
                .iter()
                .map(|Point { day, team, component, value }| {
                    let name = |name: Option<&str>| name.unwrap_or("-").to_owned();
                    let (team, component) =
                        (team.as_ref().map(TeamId::as_str), component.as_ref().map(ComponentId::as_str));
                    format!("{day} {} {} {value}", name(team), name(component))
                })
                .collect(),
            Err(error) => error.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        };
        assert_eq!(told, expected);
    }

    #[test]
    fn points_are_read_exactly() {
        check(
            "day,team,component,value\n2026-10-01,payments,,412\n2026-10-02, ,api,0.000000000000000001\n",
            &["2026-10-01 payments - 412", "2026-10-02 - api 0.000000000000000001"],
        );
        check("Value,Day,Team\n1.50,2026-10-01,a\n", &["2026-10-01 a - 1.5"]);
    }

    #[test]
    fn everything_wrong_is_told_with_its_line() {
        check(
            "day,team,component,value\n2026-13-01,a,,1\n2026-10-01,,,1\n2026-10-01,a,,-1\n2026-10-01,a,,1\n\n2026-10-01,a,,1\n2026-10-01,a\n",
            &[
                "p.csv:2: day: is not a date; write one such as \"2026-01-31\"",
                "p.csv:3: team: name a team, a component, or both",
                "p.csv:4: value: is not a number of at most 18 decimals that is 0 or more",
                "p.csv:7: an earlier line counts the same day, team and component",
                "p.csv:8: has another number of columns than the first line, or is not UTF-8",
            ],
        );
        check(
            "date,value\n2026-10-01,1\n",
            &[
                "p.csv:1: date: is not a column; a file has day, team, component and value",
                "p.csv:1: the first line names the columns: day and value, and team, component or both",
            ],
        );
    }
}
