//! Why a call of Cost Explorer gave no answer, and what to do about it.

use std::error::Error;

use aws_sdk_costexplorer::config::http::HttpResponse;
use aws_sdk_costexplorer::error::{ProvideErrorMetadata, SdkError};

use crate::aws::{refused, sdk_error};
use crate::http::FetchError;

/// A call without an answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub error: FetchError,
    /// Whether the provider did answer, and charges for it, though the answer is of no use.
    pub answered: bool,
    /// Whether new credentials may help.
    pub expired: bool,
}

const POLICY: &str = "let its role or user do ce:GetCostAndUsage and ce:GetDimensionValues \
                      (config/aws_cost_explorer.example.toml has the policy)";
const ENABLE: &str = "open Cost Explorer once in the payer account's billing console, and there let member accounts see it if \
                      this is one; a day later it answers";
const WAIT: &str = "Cost Explorer has data a day after it was first opened; the next run tries again";
const TOO_OLD: &str = "lower backfill_months, or ask for later days; import a Cost and Usage Report for what is older";
const UNKNOWN: &str = "this is not known to happen: please report it";

/// What an error of the SDK means. `tries` is how often a call is tried when that may help.
pub(super) fn failure<E>(place: &str, error: &SdkError<E, HttpResponse>, tries: u32) -> Failure
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    // An answer, but none that can be read.
    let answered = status == Some(200);
    let error = match (error, status) {
        (_, Some(status @ 500..)) => {
            FetchError::Unavailable { place: place.to_owned(), why: format!("answers {status}"), tries }
        }
        (SdkError::ServiceError(answer), _) if !answered => {
            said(place, answer.err().meta().code(), answer.err().meta().message())
        }
        (SdkError::ServiceError(_) | SdkError::ResponseError(_), _) => FetchError::NotUnderstood {
            place: place.to_owned(),
            what: "its answer is cut short, or not JSON".to_owned(),
            advice: "the next run tries again".to_owned(),
        },
        (other, _) => sdk_error(place, other, POLICY),
    };
    let expired = matches!(error, FetchError::Expired { .. });
    Failure { error: tried(place, error, tries), answered, expired }
}

/// What a refusal says.
fn said(place: &str, code: Option<&str>, message: Option<&str>) -> FetchError {
    let (code, message) = (code.unwrap_or("no reason"), message.unwrap_or_default());
    let need = match code {
        // The pages of one answer do not belong together any more.
        "InvalidNextTokenException" | "RequestChangedException" => {
            return FetchError::Changed { place: place.to_owned() };
        }
        "AccessDeniedException" if message.contains("enabled") => ENABLE,
        "AccessDeniedException" => POLICY,
        "DataUnavailableException" => WAIT,
        "BillExpirationException" => TOO_OLD,
        "ValidationException" if message.contains("14 months") => TOO_OLD,
        _ => UNKNOWN,
    };
    refused(place, code, message, need)
}

/// Attempts are counted by the SDK: an error below it knows of one. And it speaks of an address; this is what was asked for.
fn tried(asked: &str, error: FetchError, attempts: u32) -> FetchError {
    let asked = asked.to_owned();
    match error {
        FetchError::Throttled { wait, .. } => FetchError::Throttled { place: asked, tries: attempts, wait },
        FetchError::Unavailable { why, .. } => FetchError::Unavailable { place: asked, why, tries: attempts },
        other => other,
    }
}
