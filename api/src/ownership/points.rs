//! What series count, day by day: read, and told as JSON or as CSV.

use std::collections::BTreeMap;

use axum::extract::{Request, State};
use axum::response::Response;
use chrono::NaiveDate;
use outlay_insights::InsightError;
use outlay_model::ownership::{Kind, Point};
use outlay_model::query::{ParameterError, SpendParams, days};
use outlay_model::{ComponentId, Money, SeriesId, TeamId};
use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Response as Documented};
use utoipa::{IntoResponses, ToSchema};

use super::unknown;
use crate::body::{JSON, Sent, invalid, objects};
use crate::caller::Caller;
use crate::etag::Known;
use crate::guard::MAX_POINTS;
use crate::openapi::{Answers, words};
use crate::params::{Closed, Count, Segment, parameters};
use crate::problem::{Code, Problem};
use crate::wire::Amount;
use crate::{Api, wire};

/// How CSV is called.
const CSV: &str = "text/csv";
/// Its columns, of which the middle ones may be left out.
const COLUMNS: &[&str] = &["day", "team", "component", "value"];
/// What is wrong is told so often; where there is more, that is said.
const TOLD: usize = 10;
/// Points of one answer. Where there are more it is refused (P6).
const POINTS: Count = Count { default: 10_000, most: 50_000 };

parameters! {
    /// Which points of a series.
    PointsParameters {
        /// Which days, as for `/spend`.
        period: words::period();
        /// The first day, instead of `period` and with `to`, as for `/spend`.
        from: words::bound("2026-10-01");
        /// The day after the last, with `from`.
        to: words::bound("2026-11-01");
        /// Where there are more points than this the answer is refused.
        limit: words::count(POINTS);
    }
}

parameters! {
    /// What the points take the place of.
    ReplaceParameters {
        /// With `replace_to`: all points from this day on go first; else only those that are told anew.
        replace_from: words::bound("2026-10-01");
        /// The day after the last of those.
        replace_to: words::bound("2026-11-01");
    }
}

/// What a series counts on a day: for a team, for a component, or for both together (that team's share of the component).
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Point)]
#[serde(deny_unknown_fields)]
pub struct PointLine {
    /// The UTC day.
    day: NaiveDate,
    /// Which team's; null where it is a component's.
    #[serde(default)]
    team: Option<String>,
    /// Which component's; null where it is a team's.
    #[serde(default)]
    component: Option<String>,
    /// How many, exactly: at most 18 decimals, not negative.
    #[schema(value_type = Amount)]
    value: Money,
}

struct PointsAnswers;

impl IntoResponses for PointsAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::list::<PointLine>("What it counts, by day, team and component.").refusing(&[
            Code::RepeatedParameter,
            Code::InvalidParameter,
            Code::Forbidden,
            Code::UnknownSeries,
            Code::TooManyRows,
        ])
    }
}

struct PutAnswers;

impl IntoResponses for PutAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::of::<wire::PointsTold>("How many were told.").untagged().refusing(&[
            Code::RepeatedParameter,
            Code::InvalidParameter,
            Code::InvalidBody,
            Code::UnsupportedMediaType,
            Code::Forbidden,
            Code::UnknownSeries,
        ])
    }
}

/// What a series counts, day by day.
#[utoipa::path(
    get,
    path = "/series/{series}/points",
    tag = "ownership",
    params(("series" = String, Path, description = "The series' name", example = "builds"), PointsParameters),
    responses(PointsAnswers)
)]
pub async fn list_points(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Segment(name): Segment,
    Closed(params): Closed<PointsParameters>,
) -> Result<Response, Problem> {
    let PointsParameters { period, from, to, limit } = params;
    // Days mean what they mean in a spend query, so they are read as one.
    let spend = SpendParams { period, from, to, ..SpendParams::default() };
    let range = spend.query(api.today(), api.insights.reporting_currency())?.range;
    let limit = POINTS.read("limit", limit.as_deref())? as usize;
    let answer = async {
        match api.insights.points(&SeriesId::new(&*name), range, limit, &scope).await {
            Ok(points) => crate::json(&wire::points_json(points.into_iter().map(PointLine::from).collect())),
            Err(InsightError::NotSaid { .. }) => Err(unknown(&api, &scope, Kind::Series, &name).await?),
            Err(InsightError::TooManyRows { rows, most }) => {
                let detail = format!("there are {rows} points, more than {most}: ask for fewer days, or raise limit");
                Err(Problem::new(Code::TooManyRows, detail).about("limit"))
            }
            Err(error) => Err(error.into()),
        }
    };
    api.unless_known(&known, &scope, ("points", &name, range, limit), answer).await
}

/// Says what a series counts.
///
/// A point takes the place of the one of the same day, team and component. As JSON a list, as CSV with the header
/// `day,team,component,value`; at most 16 MiB. Splits that go by the series follow in the background.
#[utoipa::path(
    put,
    path = "/series/{series}/points",
    tag = "ownership",
    params(("series" = String, Path, description = "The series' name", example = "builds"), ReplaceParameters),
    request_body(content((Vec<PointLine> = "application/json"), (String = "text/csv"))),
    responses(PutAnswers)
)]
pub async fn put_points(
    State(api): State<Api>,
    Caller(scope): Caller,
    Segment(name): Segment,
    Closed(params): Closed<ReplaceParameters>,
    request: Request,
) -> Result<Response, Problem> {
    let ReplaceParameters { replace_from, replace_to } = params;
    let replace = days(None, replace_from.as_deref(), replace_to.as_deref(), api.today()).map_err(|error| {
        let parameter = if error.parameter == "to" { "replace_to" } else { "replace_from" };
        let both = replace_from.is_some() && replace_to.is_some();
        let message = if both { error.message } else { "give both replace_from and replace_to, or neither".to_owned() };
        ParameterError { parameter, message, ..error }
    })?;
    let sent = Sent::read(request, MAX_POINTS).await?;
    let points = if sent.is(CSV) {
        read_csv(&sent.bytes)?
    } else if sent.is(JSON) {
        read_json(&sent.bytes)?
    } else {
        let detail = format!("points are read as JSON or as CSV: send them with Content-Type: {JSON}, or {CSV}");
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    };
    match api.insights.put_points(&SeriesId::new(&*name), &points, replace, (api.clock)(), &scope).await {
        Ok(told) => crate::json(&wire::points_told_json(points.len(), &told)),
        Err(InsightError::NotSaid { .. }) => Err(unknown(&api, &scope, Kind::Series, &name).await?),
        Err(error) => Err(error.into()),
    }
}

impl From<Point> for PointLine {
    fn from(Point { day, team, component, value }: Point) -> Self {
        let (team, component) = (team.map(|team| team.to_string()), component.map(|component| component.to_string()));
        Self { day, team, component, value }
    }
}

impl PointLine {
    /// The point, or what is wrong with it.
    fn point(self) -> Result<Point, String> {
        let Self { day, team, component, value } = self;
        if [&team, &component].into_iter().flatten().any(|name| name.trim().is_empty()) {
            return Err("a name is not empty: leave it out".to_owned());
        }
        if team.is_none() && component.is_none() {
            return Err("it is neither a team's nor a component's".to_owned());
        }
        if value < Money::ZERO {
            return Err(format!("value {value} is less than nothing"));
        }
        Ok(Point { day, team: team.map(TeamId::new), component: component.map(ComponentId::new), value })
    }
}

fn read_json(bytes: &[u8]) -> Result<Vec<Point>, Problem> {
    let lines = objects::<PointLine>(bytes)?.into_iter().enumerate();
    gathered(lines.map(|(place, line)| line.point().map_err(|why| format!("/{place}: {why}"))))
}

fn read_csv(bytes: &[u8]) -> Result<Vec<Point>, Problem> {
    let mut reader = csv::ReaderBuilder::new().from_reader(bytes);
    let header = reader.headers().map_err(invalid)?.clone();
    let place = |column: &str| header.iter().position(|name| name == column);
    let strange = header.iter().find(|name| !COLUMNS.contains(name));
    let twice = COLUMNS.iter().find(|column| header.iter().filter(|name| name == *column).count() > 1);
    let (Some(day), Some(value), None, None) = (place("day"), place("value"), strange, twice) else {
        let header = header.iter().collect::<Vec<_>>().join(",");
        return Err(invalid(format_args!("line 1 is {header:?}, where {:?} is expected", COLUMNS.join(","))));
    };
    let (team, component) = (place("team"), place("component"));
    let line = |record: csv::StringRecord| -> Result<Point, String> {
        let cell = |place: usize| record.get(place).unwrap_or_default();
        let name = |place: Option<usize>| place.map(cell).filter(|name| !name.is_empty()).map(ToOwned::to_owned);
        let day_text = cell(day);
        let day = day_text.parse().map_err(|_| format!("day {day_text:?} is not a day such as 2026-10-01"))?;
        let text = cell(value);
        let value = text.parse().map_err(|error| format!("value {text:?} is {error}"))?;
        PointLine { day, team: name(team), component: name(component), value }.point()
    };
    gathered(reader.into_records().map(|record| {
        let record = record.map_err(|error| error.to_string())?;
        let number = record.position().map_or(0, csv::Position::line);
        line(record).map_err(|why| format!("line {number}: {why}"))
    }))
}

/// All of them, or what is wrong.
fn gathered(points: impl Iterator<Item = Result<Point, String>>) -> Result<Vec<Point>, Problem> {
    let (mut good, mut wrong, mut more) = (Vec::new(), Vec::new(), 0_u64);
    for point in points {
        match point {
            Ok(point) => good.push(point),
            Err(why) if wrong.len() < TOLD => wrong.push(why),
            Err(_) => more += 1,
        }
    }
    if wrong.is_empty() {
        return Ok(good);
    }
    if more > 0 {
        wrong.push(format!("and {more} more"));
    }
    Err(invalid(wrong.join("; ")))
}
