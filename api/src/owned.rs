//! What all questions about owners have in common: which spend they are about.

use outlay_insights::OwnedQuery;
use outlay_model::query::{ParameterError, SpendParams, SpendQuery, TargetCurrency};

use crate::Api;
use crate::openapi::words;
use crate::params::parameters;
use crate::problem::{Code, Problem};

/// What any of these questions may be refused for.
pub const REFUSALS: [Code; 7] = [
    Code::RepeatedParameter,
    Code::InvalidParameter,
    Code::Forbidden,
    Code::TooManyRows,
    Code::RateMissing,
    Code::DetailExpired,
    Code::Overflow,
];

parameters! {
    /// Which spend.
    OwnedParameters {
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

impl OwnedParameters {
    /// Which spend is meant.
    pub fn read(self, api: &Api) -> Result<OwnedQuery, Problem> {
        let Self { period, from, to, metric, currency } = self;
        Ok(owned(api, SpendParams { period, from, to, metric, currency, ..SpendParams::default() })?.0)
    }
}

/// Reads what these questions have in common with spend queries as one; the rest of that comes with it.
pub fn owned(api: &Api, params: SpendParams) -> Result<(OwnedQuery, SpendQuery), Problem> {
    let spend = params.query(api.today(), api.insights.reporting_currency())?;
    let TargetCurrency::To(currency) = spend.currency else {
        let message = "shares and unit costs are of one currency: give a code, not native";
        return Err(ParameterError::new("currency", message).into());
    };
    Ok((OwnedQuery { range: spend.range, metric: spend.metric, currency }, spend))
}
