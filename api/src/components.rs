//! Components: what teams build and run, what that costs, and what happened to it.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use outlay_insights::{EventPlace, EventsQuery, ReleasesQuery, UnitCostOf};
use outlay_model::ComponentId;
use outlay_model::query::{ParameterError, SpendParams, days};
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response as Documented};

use crate::caller::Caller;
use crate::etag::Known;
use crate::openapi::{Answers, words};
use crate::owned::{OwnedParameters, REFUSALS, owned};
use crate::params::{Closed, Count, Segment, parameters};
use crate::problem::{Code, Problem};
use crate::teams::{UnitCostParameters, unit_cost_answers, unit_cost_query, unknown_component};
use crate::{Api, wire};

/// Days before and after a release.
const DAYS: Count = Count { default: 7, most: 90 };
/// Events of one page.
const EVENTS: Count = Count { default: 100, most: 1_000 };

parameters! {
    /// Which releases, and which cost they are held against.
    ReleasesParameters {
        /// How many whole days before and after a release are compared. Its own day is in neither.
        days: words::count(DAYS);
        /// Releases of which days, as for `/spend`.
        period: words::period();
        /// The first day, instead of `period` and with `to`, as for `/spend`.
        from: words::bound("2026-10-01");
        /// The day after the last, with `from`.
        to: words::bound("2026-11-01");
        /// Which cost: amortised, invoiced, at public or at negotiated prices.
        metric: words::metric();
        /// A code to convert to by the dated rates; else the reporting currency.
        currency: words::code();
    }
}

parameters! {
    /// Which events.
    EventsParameters {
        /// Only of this component.
        component: words::text("checkout");
        /// Only of this kind.
        kind: words::text("release");
        /// Only of these days, by a word or as a day, ISO week, month, quarter or year; else all.
        period: words::any_period();
        /// The first day, instead of `period` and with `to`: a date, an RFC 3339 instant or epoch milliseconds.
        from: words::bound("2026-10-01");
        /// The day after the last, with `from`.
        to: words::bound("2026-11-01");
        /// Events of one page.
        limit: words::count(EVENTS);
        /// `next_cursor` of the page before, with everything else unchanged.
        cursor: words::text("7b226174223a22323032362d31302d30315430383a30303a30305a227d");
    }
}

struct ComponentsAnswers;

impl IntoResponses for ComponentsAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::of::<wire::Components<'_>>("Components, what cost most first.").refusing(&REFUSALS)
    }
}

struct ComponentAnswers;

impl IntoResponses for ComponentAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::of::<wire::ComponentDetails<'_>>("The component.")
            .refusing(&[&REFUSALS[..], &[Code::UnknownComponent]].concat())
    }
}

struct ComponentUnitCostAnswers;

impl IntoResponses for ComponentUnitCostAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        unit_cost_answers(Code::UnknownComponent)
    }
}

struct ReleasesAnswers;

impl IntoResponses for ReleasesAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::of::<wire::Releases<'_>>("Releases, the latest first.")
            .refusing(&[&REFUSALS[..], &[Code::UnknownComponent]].concat())
    }
}

struct EventsAnswers;

impl IntoResponses for EventsAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::page::<wire::EventLine<'_>>("Events, the latest first.")
            .refusing(&[Code::RepeatedParameter, Code::InvalidParameter])
    }
}

/// Every component, and what it cost.
///
/// Those that are registered, and those that only charges name.
#[utoipa::path(get, path = "/components", tag = "owners", params(OwnedParameters), responses(ComponentsAnswers))]
pub async fn list_components(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Closed(params): Closed<OwnedParameters>,
) -> Result<Response, Problem> {
    let (query, today) = (params.read(&api)?, api.today());
    let answer = async { crate::json(&wire::components_json(&api.insights.components(&query, today, &scope).await?)) };
    api.unless_known(&known, &scope, ("components", query, today), answer).await
}

/// One component, and what it cost.
#[utoipa::path(
    get,
    path = "/components/{component}",
    tag = "owners",
    params(("component" = String, Path, description = "The component's name", example = "checkout"), OwnedParameters),
    responses(ComponentAnswers)
)]
pub async fn get_component(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Segment(component): Segment,
    Closed(params): Closed<OwnedParameters>,
) -> Result<Response, Problem> {
    let (query, today, id) = (params.read(&api)?, api.today(), ComponentId::new(component));
    let answer = async {
        let component = api.insights.component(&id, &query, today, &scope).await?;
        crate::json(&wire::component_json(&component.ok_or_else(|| unknown_component(&id))?))
    };
    api.unless_known(&known, &scope, ("component", &id, query, today), answer).await
}

/// What one of something costs for a component.
///
/// A person of the team that owns it on the day; or a unit of a series, such as a thousand requests.
#[utoipa::path(
    get,
    path = "/components/{component}/unit-cost",
    tag = "owners",
    params(("component" = String, Path, description = "The component's name", example = "checkout"), UnitCostParameters),
    responses(ComponentUnitCostAnswers)
)]
pub async fn get_component_unit_cost(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Segment(component): Segment,
    Closed(params): Closed<UnitCostParameters>,
) -> Result<Response, Problem> {
    let id = ComponentId::new(component);
    let query = unit_cost_query(&api, UnitCostOf::Component(id.clone()), params)?;
    let today = api.today();
    let answer = async {
        let found = api.insights.unit_cost(&query, today, &scope).await?;
        crate::json(&wire::unit_cost_json(&query, &found.ok_or_else(|| unknown_component(&id))?))
    };
    api.unless_known(&known, &scope, ("unit cost", &query, today), answer).await
}

/// What the releases of a component did to its cost.
///
/// For each release and deployment its cost a day before and after, and the change.
#[utoipa::path(
    get,
    path = "/components/{component}/releases",
    tag = "owners",
    params(("component" = String, Path, description = "The component's name", example = "checkout"), ReleasesParameters),
    responses(ReleasesAnswers)
)]
pub async fn list_component_releases(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Segment(component): Segment,
    Closed(params): Closed<ReleasesParameters>,
) -> Result<Response, Problem> {
    let ReleasesParameters { days, period, from, to, metric, currency } = params;
    let (owned, _) = owned(&api, SpendParams { period, from, to, metric, currency, ..SpendParams::default() })?;
    let days = DAYS.read("days", days.as_deref())?;
    let (query, today) = (ReleasesQuery { component: ComponentId::new(component), owned, days }, api.today());
    let answer = async {
        let releases = api.insights.releases(&query, today, &scope).await?;
        let releases = releases.ok_or_else(|| unknown_component(&query.component))?;
        crate::json(&wire::releases_json(&query, &releases))
    };
    api.unless_known(&known, &scope, ("releases", &query, today), answer).await
}

/// What happened to components.
#[utoipa::path(get, path = "/events", tag = "owners", params(EventsParameters), responses(EventsAnswers))]
pub async fn list_events(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Closed(params): Closed<EventsParameters>,
) -> Result<Response, Problem> {
    let EventsParameters { component, kind, period, from, to, limit, cursor } = params;
    let limit = EVENTS.read("limit", limit.as_deref())?;
    let range = days(period.as_deref(), from.as_deref(), to.as_deref(), api.today())?;
    let midnight = |day: chrono::NaiveDate| day.and_time(chrono::NaiveTime::MIN).and_utc();
    let query = EventsQuery {
        component: component.map(ComponentId::new),
        kind,
        from: range.map(|range| midnight(range.from())),
        to: range.map(|range| midnight(range.to())),
        before: cursor.as_deref().map(place).transpose()?,
    };
    let answer = async {
        let page = api.insights.events(&query, limit, &scope).await?;
        let next = page.next.as_ref().map(cursor_of).transpose()?;
        crate::json(&wire::events_json(&page.rows, next))
    };
    api.unless_known(&known, &scope, ("events", format!("{query:?}"), limit), answer).await
}

/// A place as a cursor: its JSON in hex digits, which need no encoding in a URL whatever its names hold.
fn cursor_of(place: &EventPlace) -> Result<String, Problem> {
    let bytes = crate::json_bytes(place)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn place(cursor: &str) -> Result<EventPlace, ParameterError> {
    let digits = cursor.as_bytes().chunks(2);
    let byte =
        |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|text| text.len() == 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = digits.map(byte).collect();
    let place = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    place.ok_or_else(|| {
        ParameterError::new(
            "cursor",
            format!("{cursor:?} is not a cursor; take it from next_cursor of the page before"),
        )
    })
}
