//! Who owns what: the registry of teams, components, maps, pools, series and rules, and every change of it.
//!
//! The handlers of a kind differ in nothing but its name and its shape, so they are written once, by [`kept!`]. What they read
//! and answer are the model's own types, with a name beside them ([`named`]); the document takes their schemas from the same
//! types ([`crate::openapi::definitions`]).

mod audit;
mod events;
pub mod named;
mod points;
mod settling;
mod why;

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use outlay_insights::{Changed, InsightError};
use outlay_model::ownership::{Edit, Kind};
use outlay_model::report::Scope;
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response as Documented};

pub use audit::*;
pub use events::*;
use named::{Named, Said};
pub use points::*;
pub use settling::*;
pub use why::*;

use crate::body::{Body, invalid};
use crate::caller::Caller;
use crate::etag::Known;
use crate::openapi::{Answers, definitions};
use crate::params::{Closed, NoParameters, Segment, nearest};
use crate::problem::{Code, Problem};
use crate::{Api, wire};

/// Who changed it, as the audit has it.
const BY: &str = "api";

/// Names below `/rules` that are no rules'.
const TAKEN: &[&str] = &["explain", "preview"];

/// What may be wrong with a change.
const REFUSED: &[Code] =
    &[Code::InvalidBody, Code::UnsupportedMediaType, Code::Forbidden, Code::SaidElsewhere, Code::OwnershipProblems];

/// The handlers of a kind: what puts and deletes, and what reads where nobody else does.
macro_rules! kept {
    (
        $module:ident: $kind:ident as $said:ty, read $line:ident, written $put:ident, at $path:tt, named $word:tt like $example:tt;
        $(list $list:ident at $list_path:tt: $list_about:tt; get $get:ident: $get_about:tt;)?
        put $put_fn:ident: $put_about:tt; delete $delete_fn:ident: $delete_about:tt;
    ) => {
        #[doc = concat!("What is said of one kind: ", $word, ".")]
        pub mod $module {
            use outlay_model::ownership::*;

            use super::*;

            struct PutAnswers;

            impl IntoResponses for PutAnswers {
                fn responses() -> BTreeMap<String, RefOr<Documented>> {
                    Answers::changed::<definitions::$line>("What is said now.").refusing(REFUSED)
                }
            }

            struct DeleteAnswers;

            impl IntoResponses for DeleteAnswers {
                fn responses() -> BTreeMap<String, RefOr<Documented>> {
                    let answers = Answers::of::<wire::Removed>("Nothing is said of it any more.").untagged();
                    answers.refusing(&[
                        Code::Forbidden,
                        Code::unknown(Kind::$kind),
                        Code::SaidElsewhere,
                        Code::OwnershipProblems,
                    ])
                }
            }

            #[doc = $put_about]
            ///
            /// The same again changes nothing. Charges get their new owners, and pools their new split, in the background:
            /// `settling` says whether there are such, `/ownership` how far that is.
            #[utoipa::path(
                put,
                path = $path,
                tag = "ownership",
                params(($word = String, Path, description = "The name", example = $example)),
                request_body = definitions::$put,
                responses(PutAnswers)
            )]
            pub async fn $put_fn(
                State(api): State<Api>,
                Caller(scope): Caller,
                Segment(name): Segment,
                Closed(NoParameters {}): Closed<NoParameters>,
                Body(said): Body<Named<$said>>,
            ) -> Result<Response, Problem> {
                put(&api, &scope, name, said).await
            }

            #[doc = $delete_about]
            ///
            /// Refused while something else names it.
            #[utoipa::path(
                delete,
                path = $path,
                tag = "ownership",
                params(($word = String, Path, description = "The name", example = $example)),
                responses(DeleteAnswers)
            )]
            pub async fn $delete_fn(
                State(api): State<Api>,
                Caller(scope): Caller,
                Segment(name): Segment,
                Closed(NoParameters {}): Closed<NoParameters>,
            ) -> Result<Response, Problem> {
                remove(&api, &scope, Kind::$kind, name).await
            }

            $(
            struct ListAnswers;

            impl IntoResponses for ListAnswers {
                fn responses() -> BTreeMap<String, RefOr<Documented>> {
                    Answers::list::<definitions::$line>("What is said.").refusing(&[Code::Forbidden])
                }
            }

            struct GetAnswers;

            impl IntoResponses for GetAnswers {
                fn responses() -> BTreeMap<String, RefOr<Documented>> {
                    let answers = Answers::of::<definitions::$line>("What is said of it.");
                    answers.refusing(&[Code::Forbidden, Code::unknown(Kind::$kind)])
                }
            }

            #[doc = $list_about]
            #[utoipa::path(get, path = $list_path, tag = "ownership", responses(ListAnswers))]
            pub async fn $list(
                State(api): State<Api>,
                Caller(scope): Caller,
                known: Known,
                Closed(NoParameters {}): Closed<NoParameters>,
            ) -> Result<Response, Problem> {
                list(&api, &scope, &known, Kind::$kind).await
            }

            #[doc = $get_about]
            #[utoipa::path(
                get,
                path = $path,
                tag = "ownership",
                params(($word = String, Path, description = "The name", example = $example)),
                responses(GetAnswers)
            )]
            pub async fn $get(
                State(api): State<Api>,
                Caller(scope): Caller,
                known: Known,
                Segment(name): Segment,
                Closed(NoParameters {}): Closed<NoParameters>,
            ) -> Result<Response, Problem> {
                one(&api, &scope, &known, Kind::$kind, &name).await
            }
            )?
        }
    };
}

kept! {
    teams: Team as Team, read TeamDefinition, written PutTeam, at "/teams/{team}", named "team" like "payments";
    put put_team: "Says who a team is: its accountable owner, its size, its parent, by the day.";
    delete delete_team: "Says nothing of a team any more.";
}

kept! {
    components: Component as Component, read ComponentDefinition, written PutComponent,
    at "/components/{component}", named "component" like "checkout";
    put put_component: "Says what a component is: whose, by the day, and where it runs.";
    delete delete_component: "Says nothing of a component any more.";
}

kept! {
    maps: Map as named::Names, read MapDefinition, written PutMap, at "/maps/{map}", named "map" like "teams";
    list list_maps at "/maps": "Which spellings mean which names, by map.";
    get get_map: "One map of spellings.";
    put put_map: "Says which spellings mean which names.";
    delete delete_map: "Says nothing of a map any more.";
}

kept! {
    pools: Pool as Pool, read PoolDefinition, written PutPool, at "/pools/{pool}", named "pool" like "network";
    list list_pools at "/pools": "The pools of shared cost, and how each is split.";
    get get_pool: "One pool of shared cost.";
    put put_pool: "Says how shared cost is split, by the day.";
    delete delete_pool: "Says nothing of a pool any more.";
}

kept! {
    series: Series as Series, read SeriesDefinition, written PutSeries, at "/series/{series}", named "series" like "builds";
    list list_series at "/series": "What is counted beside cost.";
    get get_series: "One series, without what it counts.";
    put put_series: "Says what a series counts.";
    delete delete_series: "Says nothing of a series any more.";
}

kept! {
    rules: Rule as Rule, read RuleDefinition, written PutRule, at "/rules/{rule}", named "rule" like "network";
    list list_rules at "/rules": "The rules, in the order they are tried in, without those that are built in.";
    get get_rule: "One rule.";
    put put_rule: "Says which charges belong to whom; `place` says where it stands among the rules.";
    delete delete_rule: "Takes a rule away.";
}

struct CreateAnswers;

impl IntoResponses for CreateAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        let answers =
            Answers::changed::<definitions::RuleDefinition>("The rule, which was there already as it is sent.");
        let answers = answers.or_created("The rule.").header("Location", "Where the rule is.");
        answers.refusing(&[REFUSED, &[Code::AlreadySaid]].concat())
    }
}

/// Adds a rule.
///
/// Last, unless `place` says where. One that is there already as it is sent stays as it is; another of the same name is refused.
#[utoipa::path(
    post,
    path = "/rules",
    tag = "ownership",
    request_body = definitions::PutRule,
    responses(CreateAnswers)
)]
pub async fn create_rule(
    State(api): State<Api>,
    Caller(scope): Caller,
    Closed(NoParameters {}): Closed<NoParameters>,
    Body(said): Body<Named<outlay_model::ownership::Rule>>,
) -> Result<Response, Problem> {
    let edit = said.named()?;
    let name = edit.subject().1.to_owned();
    if TAKEN.contains(&name.as_str()) {
        return Err(invalid(format_args!("{name:?} is a path of its own below /rules: choose another name")));
    }
    let there = match api.insights.definition(Kind::Rule, &name, api.today(), &scope).await {
        Ok(there) => Some(there),
        Err(InsightError::NotSaid { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let Edit::Put { definition, place, .. } = &edit else { return Err(invalid("it is no rule")) };
    let same = there
        .as_ref()
        .is_some_and(|there| there.definition == *definition && place.is_none_or(|place| Some(place) == there.place));
    if there.is_some() && !same {
        let detail =
            format!("there is a rule {name:?} that says something else: PUT /api/v1/rules/{{rule}} replaces it");
        return Err(Problem::new(Code::AlreadySaid, detail));
    }
    let changed = api.insights.change_ownership(vec![edit], BY, (api.clock)(), &scope).await?;
    let answer = answer(&changed, Kind::Rule, &name)?;
    if same {
        return Ok(answer);
    }
    let location = format!("/api/v1/rules/{}", encoded(&name));
    Ok((StatusCode::CREATED, [(LOCATION, location)], answer).into_response())
}

/// A name as a path holds it.
fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes().fold(String::new(), |path, byte| {
        if plain(byte) { path + &char::from(byte).to_string() } else { path + &format!("%{byte:02X}") }
    })
}

async fn list(api: &Api, scope: &Scope, known: &Known, kind: Kind) -> Result<Response, Problem> {
    let answer = async {
        let said = api.insights.definitions(kind, api.today(), scope).await?;
        crate::json(&wire::definitions_json(&said))
    };
    api.unless_known(known, scope, ("definitions", kind), answer).await
}

async fn one(api: &Api, scope: &Scope, known: &Known, kind: Kind, name: &str) -> Result<Response, Problem> {
    let answer = async {
        match api.insights.definition(kind, name, api.today(), scope).await {
            Ok(said) => crate::json(&wire::definition_json(&said)),
            Err(InsightError::NotSaid { .. }) => Err(unknown(api, scope, kind, name).await?),
            Err(error) => Err(error.into()),
        }
    };
    api.unless_known(known, scope, ("definition", kind, name), answer).await
}

async fn put<T: Said>(api: &Api, scope: &Scope, name: String, said: Named<T>) -> Result<Response, Problem> {
    let edit = said.put(name.clone())?;
    let changed = api.insights.change_ownership(vec![edit], BY, (api.clock)(), scope).await?;
    answer(&changed, T::KIND, &name)
}

fn answer(changed: &Changed, kind: Kind, name: &str) -> Result<Response, Problem> {
    // Somebody may have taken it away since.
    let gone = || InsightError::NotSaid { kind, name: name.to_owned() };
    let defined = changed.defined(kind, name).ok_or_else(gone)?;
    crate::json(&wire::changed_json(changed, &defined))
}

async fn remove(api: &Api, scope: &Scope, kind: Kind, name: String) -> Result<Response, Problem> {
    let edit = Edit::Remove { kind, name: name.clone() };
    match api.insights.change_ownership(vec![edit], BY, (api.clock)(), scope).await {
        Ok(changed) => crate::json(&wire::removed_json(&changed)),
        Err(InsightError::NotSaid { .. }) => Err(unknown(api, scope, kind, &name).await?),
        Err(error) => Err(error.into()),
    }
}

/// That nothing is said of a name, and which is meant perhaps.
async fn unknown(api: &Api, scope: &Scope, kind: Kind, name: &str) -> Result<Problem, Problem> {
    let said = api.insights.definitions(kind, api.today(), scope).await?;
    let names: Vec<&str> = said.iter().map(|said| said.name.as_str()).collect();
    let meant = nearest(name, &names).map(|meant| format!("; did you mean {meant:?}?")).unwrap_or_default();
    Ok(Problem::new(Code::unknown(kind), format!("there is no {kind} {name:?}{meant}")))
}
