//! The exchange rates.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use outlay_model::Currency;
use outlay_model::query::{ParameterError, days};
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response as Documented};

use crate::caller::Caller;
use crate::etag::Known;
use crate::openapi::{Answers, words};
use crate::params::{Closed, parameters};
use crate::problem::{Code, Problem};
use crate::{Api, wire};

parameters! {
    /// Which rates.
    RatesParameters {
        /// Only those of this currency.
        currency: words::code();
        /// Those that hold on some of these days, by a word or as a day, ISO week, month, quarter or year; else on one of the
        /// last thirty days or today.
        period: words::any_period();
        /// The first day, instead of `period` and with `to`: a date, an RFC 3339 instant or epoch milliseconds.
        from: words::bound("2026-10-01");
        /// The day after the last, with `from`.
        to: words::bound("2026-11-01");
    }
}

struct RatesAnswers;

impl IntoResponses for RatesAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::of::<wire::Rates<'_>>("By currency and day.").refusing(&[
            Code::RepeatedParameter,
            Code::InvalidParameter,
            Code::TooManyRows,
            Code::Overflow,
        ])
    }
}

/// The exchange rates.
///
/// A rate is US dollars for one unit. It stands in the configuration, and holds from a day on until the next; or it was
/// published, and holds for its day and a few without another.
#[utoipa::path(get, path = "/rates", tag = "figures", params(RatesParameters), responses(RatesAnswers))]
pub async fn list_rates(
    State(api): State<Api>,
    Caller(_scope): Caller,
    known: Known,
    Closed(params): Closed<RatesParameters>,
) -> Result<Response, Problem> {
    let RatesParameters { currency, period, from, to } = params;
    let currency: Option<Currency> =
        currency.map(|code| code.parse().map_err(|error| ParameterError::new("currency", error))).transpose()?;
    let range = days(period.as_deref(), from.as_deref(), to.as_deref(), api.today())?;
    let rates = api.insights.known_rates(currency, range, api.today()).await?;
    crate::json_tagged(&known, &wire::rates_json(api.insights.reporting_currency(), &rates))
}
