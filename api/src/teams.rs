//! Teams: who answers for what, what a person costs, and how a team stands among its peers.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use outlay_insights::{PeersPeriod, UnitCostOf, UnitCostQuery};
use outlay_model::query::{ParameterError, SpendParams};
use outlay_model::{ComponentId, Granularity, SeriesId, TeamId};
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response as Documented};

use crate::caller::Caller;
use crate::etag::Known;
use crate::openapi::{Answers, words};
use crate::owned::{OwnedParameters, REFUSALS, owned};
use crate::params::{Closed, Segment, parameters};
use crate::problem::{Code, Problem};
use crate::{Api, wire};

parameters! {
    /// One of what, and which cost.
    UnitCostParameters {
        /// Which series counts the units, such as builds; else people are counted.
        series: words::text("builds");
        /// How finely time is cut; not by the hour.
        granularity: words::one_of(coarse().map(Granularity::as_str), Some(Granularity::Total.as_str()));
        /// Which days, as for `/spend`.
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
    /// Which days teams are compared over. There is nothing else to choose: who could ask in two ways could take the difference.
    PeersParameters {
        /// The last month or quarter that is over.
        period: words::one_of(PeersPeriod::ALL.map(PeersPeriod::as_str), Some(PeersPeriod::LastMonth.as_str()));
    }
}

/// Every way to cut time that counts of days can be cut by.
fn coarse() -> impl Iterator<Item = Granularity> + Clone {
    Granularity::ALL.into_iter().filter(|granularity| *granularity != Granularity::Hour)
}

struct TeamsAnswers;

impl IntoResponses for TeamsAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::of::<wire::Teams<'_>>("Teams, what cost most with its descendants first.").refusing(&REFUSALS)
    }
}

struct TeamAnswers;

impl IntoResponses for TeamAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::of::<wire::TeamDetails<'_>>("The team.").refusing(&[&REFUSALS[..], &[Code::UnknownTeam]].concat())
    }
}

struct UnitCostAnswers;

impl IntoResponses for UnitCostAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        unit_cost_answers(Code::UnknownTeam)
    }
}

/// What a unit cost answers, where there may be no such thing to have it.
pub fn unit_cost_answers(unknown: Code) -> BTreeMap<String, RefOr<Documented>> {
    Answers::of::<wire::UnitCost<'_>>("Cost, units and their quotient, by time.")
        .refusing(&[&REFUSALS[..], &[unknown]].concat())
}

struct PeersAnswers;

impl IntoResponses for PeersAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::of::<wire::Peers<'_>>("The team among its peers.")
            .refusing(&[&REFUSALS[..], &[Code::UnknownTeam, Code::TooFewPeers]].concat())
    }
}

/// Every team, and what it spent.
///
/// Those that are registered, and those that only charges name: these are discovered, and nobody is accountable for them.
#[utoipa::path(get, path = "/teams", tag = "owners", params(OwnedParameters), responses(TeamsAnswers))]
pub async fn list_teams(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Closed(params): Closed<OwnedParameters>,
) -> Result<Response, Problem> {
    let (query, today) = (params.read(&api)?, api.today());
    let answer = async { crate::json(&wire::teams_json(&api.insights.teams(&query, today, &scope).await?)) };
    api.unless_known(&known, &scope, ("teams", query, today), answer).await
}

/// One team, and what it spent.
#[utoipa::path(
    get,
    path = "/teams/{team}",
    tag = "owners",
    params(("team" = String, Path, description = "The team's name", example = "payments"), OwnedParameters),
    responses(TeamAnswers)
)]
pub async fn get_team(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Segment(team): Segment,
    Closed(params): Closed<OwnedParameters>,
) -> Result<Response, Problem> {
    let (query, today, id) = (params.read(&api)?, api.today(), TeamId::new(team));
    let answer = async {
        let team = api.insights.team(&id, &query, today, &scope).await?;
        crate::json(&wire::team_json(&team.ok_or_else(|| unknown_team(&id))?))
    };
    api.unless_known(&known, &scope, ("team", &id, query, today), answer).await
}

/// What one of something costs a team.
///
/// A person, by the team's size of the day; or a unit of a series, such as a build. Descendants count on both sides.
#[utoipa::path(
    get,
    path = "/teams/{team}/unit-cost",
    tag = "owners",
    params(("team" = String, Path, description = "The team's name", example = "payments"), UnitCostParameters),
    responses(UnitCostAnswers)
)]
pub async fn get_team_unit_cost(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Segment(team): Segment,
    Closed(params): Closed<UnitCostParameters>,
) -> Result<Response, Problem> {
    let query = unit_cost_query(&api, UnitCostOf::Team(TeamId::new(team)), params)?;
    let today = api.today();
    let answer = async {
        let found = api.insights.unit_cost(&query, today, &scope).await?;
        crate::json(&wire::unit_cost_json(&query, &found.ok_or_else(|| unknown(&query.whose))?))
    };
    api.unless_known(&known, &scope, ("unit cost", &query, today), answer).await
}

/// How a team compares with teams of its kind.
///
/// The median and quartiles of at least five others, half to twice its size, to two digits; and where it stands, as a range. No
/// name and no figure of another team. A team-scoped caller may ask for its own teams.
#[utoipa::path(
    get,
    path = "/teams/{team}/peers",
    tag = "owners",
    params(("team" = String, Path, description = "The team's name", example = "payments"), PeersParameters),
    responses(PeersAnswers)
)]
pub async fn get_team_peers(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Segment(team): Segment,
    Closed(PeersParameters { period }): Closed<PeersParameters>,
) -> Result<Response, Problem> {
    let (id, today) = (TeamId::new(team), api.today());
    let period = match period.as_deref() {
        None => PeersPeriod::LastMonth,
        Some(word) => PeersPeriod::ALL.into_iter().find(|period| period.as_str() == word).ok_or_else(|| {
            let words = PeersPeriod::ALL.map(PeersPeriod::as_str).join(" or ");
            ParameterError::new("period", format!("teams are compared over {words}, not over {word:?}"))
        })?,
    };
    let answer = async {
        let peers = api.insights.peers(&id, period, today, &scope).await?;
        crate::json(&wire::peers_json(&id, period, &peers.ok_or_else(|| unknown_team(&id))?))
    };
    api.unless_known(&known, &scope, ("peers", &id, period, today), answer).await
}

/// Reads what one of something costs whom.
pub fn unit_cost_query(api: &Api, whose: UnitCostOf, params: UnitCostParameters) -> Result<UnitCostQuery, Problem> {
    let UnitCostParameters { series, granularity, period, from, to, metric, currency } = params;
    let params = SpendParams { granularity, period, from, to, metric, currency, ..SpendParams::default() };
    let (owned, spend) = owned(api, params)?;
    if spend.granularity == Granularity::Hour {
        let words: Vec<_> = coarse().map(Granularity::as_str).collect();
        let message = format!("people and series are counted by the day: use {}", words.join(", "));
        return Err(ParameterError::new("granularity", message).into());
    }
    Ok(UnitCostQuery { whose, owned, series: series.map(SeriesId::new), granularity: spend.granularity })
}

/// There is nothing of this name.
pub fn unknown(whose: &UnitCostOf) -> Problem {
    match whose {
        UnitCostOf::Team(team) => unknown_team(team),
        UnitCostOf::Component(component) => unknown_component(component),
    }
}

fn unknown_team(id: &TeamId) -> Problem {
    let detail = format!(
        "no team {:?} is registered, nor did any charge ever name it; /api/v1/teams lists those there are",
        id.as_str()
    );
    Problem::new(Code::UnknownTeam, detail)
}

/// There is no component of this name.
pub fn unknown_component(id: &ComponentId) -> Problem {
    let detail = format!(
        "no component {:?} is registered, nor did any charge ever name it; /api/v1/components lists those there are",
        id.as_str()
    );
    Problem::new(Code::UnknownComponent, detail)
}
