//! The OpenAPI document, made from the handlers and the types they answer with.
//!
//! Served at `/openapi.json` and checked in as `docs/openapi.json`. A handler's name is its operation id. What all
//! routes have in common (refusals, headers) is said once, in `answers`; the schemas of parameters are in `words`.

mod answers;
pub mod definitions;
pub mod words;

use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Object;
use utoipa::openapi::{Ref, RefOr, Required, Schema};
use utoipa::{Modify, OpenApi, PartialSchema, ToSchema};

use crate::{ownership, problem, sources, wire};

pub use answers::Answers;

/// What stands before the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Outlay",
        description = "Who spent what in every cloud, to the last digit.\n\nWhat is read is read with `GET` (or `HEAD`); what is \
            said of ownership is changed with `PUT`, `POST` and `DELETE`; collecting a source is asked for with `POST`. \
            Parameters are a closed list: one that is unknown, given twice or malformed is refused. Money is a JSON number \
            with every digit it has, written from a decimal; read it with a decimal parser to add it up exactly. Null is \
            not zero. Days are UTC days and ranges are half-open. Every answer but a 2xx and a 304 is a problem \
            (RFC 9457) with a stable `code`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    modifiers(&Shared),
    tags(
        (name = "spend", description = "Who spent what: the one query everything else is made of"),
        (name = "owners", description = "Who answers for what: teams, components, coverage, unit costs, peers, releases"),
        (name = "dimensions", description = "What there is to group and filter by"),
        (name = "ownership", description = "Whose cost it is: teams, components, rules, shared cost, and changing them"),
        (name = "sources", description = "Where the bills come from, how fresh they are, and collecting them"),
        (name = "figures", description = "How the figures came here: runs, rejects, restatements, reconciliation, rates"),
        (name = "service", description = "For load balancers, container schedulers and Prometheus"),
    ),
    components(schemas(
        problem::Body,
        problem::ProblemLine,
        wire::Amount,
        wire::Warning,
        wire::Instants,
        wire::Envelope,
        wire::SpendRow,
        wire::SpendRows,
        wire::WideRow,
        wire::Table,
        wire::SpendWide,
        wire::Grounds,
        wire::TeamSpend,
        wire::TeamLine,
        wire::Teams,
        wire::WholeTeam,
        wire::TeamDetails,
        wire::ComponentLine,
        wire::Components,
        wire::WholeComponent,
        wire::ComponentDetails,
        wire::Share,
        wire::TagShare,
        wire::UnownedLine,
        wire::Unowned,
        wire::BiggestUnowned,
        wire::Coverage,
        wire::DaysLine,
        wire::UnitCostLine,
        wire::UnitCost,
        wire::AmongPeers,
        wire::Peers,
        wire::EventLine,
        wire::WindowLine,
        wire::ReleaseLine,
        wire::Releases,
        wire::Health,
        wire::Readiness,
        wire::DimensionLine,
        wire::ValueLine,
        wire::Values,
        wire::RefusedFigure,
        wire::Refusal,
        wire::ExportMetadata,
        wire::SourceLine,
        wire::SourceDetails,
        wire::DayRunLine,
        wire::DeliveryLine,
        wire::JobLine,
        wire::JobProgress,
        sources::CollectRequest,
        wire::RunLine,
        wire::RejectCount,
        wire::RejectLine,
        wire::Rejects,
        wire::Figures,
        wire::Difference,
        wire::ChangeLine,
        wire::ReconciliationLine,
        wire::Removed,
        wire::AuditLine,
        wire::PointsTold,
        wire::EventsTold,
        wire::SettlingLine,
        wire::SettlingProgress,
        wire::StaleLine,
        ownership::PointLine,
        wire::Costs,
        wire::Move,
        wire::MoveTotal,
        wire::Preview,
        wire::Owners,
        wire::TriedLine,
        wire::Explanation,
        wire::WhoseRow,
        wire::WhoseRows,
        wire::RateLine,
        wire::Rates,
    ))
)]
pub struct Document;

/// What all routes have in common, said once.
struct Shared;

impl Modify for Shared {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components.responses.extend(answers::shared().map(|(name, response)| (name, response.into())));
    }
}

/// A parameter of the query string.
pub fn query_parameter(name: &str, about: &[&str], schema: Object) -> Parameter {
    let lines: Vec<_> = about.iter().map(|line| line.trim()).collect();
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(lines.join(" ")))
        .schema(Some(RefOr::T(Schema::Object(schema))))
        .build()
}

/// Where a schema stands in the document.
fn reference<T: ToSchema + PartialSchema>() -> Ref {
    Ref::from_schema_name(T::name())
}
