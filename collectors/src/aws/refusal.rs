//! What AWS's refusals mean. Its codes are alike in all services, its messages are for people.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::http::{FetchError, short};

/// What a refusal of this code means. `need` says what to grant.
#[must_use]
pub fn refused(place: &str, code: &str, message: &str, need: &str) -> FetchError {
    let place = place.to_owned();
    let why = if message.is_empty() { code.to_owned() } else { format!("{} ({code})", short(message)) };
    let refused =
        |why: String, advice: &str| FetchError::Refused { place: place.clone(), why, advice: advice.to_owned() };
    if is_expired(code) {
        return FetchError::Expired { place, why: code.to_owned() };
    }
    if is_throttled(code) {
        return FetchError::Throttled { place, tries: 0, wait: None };
    }
    match code {
        "RequestTimeTooSkewed" | "RequestExpired" => {
            refused(code.to_owned(), "the clock of this machine is wrong by minutes; set it right")
        }
        // Their messages quote the request, with its token.
        "SignatureDoesNotMatch" | "InvalidSignatureException" | "IncompleteSignature" => refused(
            code.to_owned(),
            "the secret key does not belong to the access key, or something on the way changes requests",
        ),
        "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "AuthFailure"
        | "InvalidToken" => refused(
            code.to_owned(),
            "AWS does not know the access key; it was deleted or turned off, or is of another partition",
        ),
        _ => refused(why, need),
    }
}

/// Whether new credentials would help.
pub(super) fn is_expired(code: &str) -> bool {
    matches!(code, "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired")
}

/// Whether waiting would help.
pub(super) fn is_throttled(code: &str) -> bool {
    const CODES: &[&str] = &[
        "SlowDown",
        "LimitExceededException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "TooManyRequestsException",
        "PriorRequestNotComplete",
    ];
    CODES.contains(&code) || code.starts_with("Throttl")
}

/// What an error of the SDK means.
#[must_use]
pub fn sdk_error<E, R>(place: &str, error: &SdkError<E, R>, need: &str) -> FetchError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug + 'static,
{
    match error.as_service_error() {
        Some(service) if service.code().is_some() => {
            refused(place, service.code().unwrap_or_default(), service.message().unwrap_or_default(), need)
        }
        _ => told(place, error, need),
    }
}

/// Why there are no credentials.
pub(super) fn credentials(error: &CredentialsError, role: Option<&str>) -> FetchError {
    let none = matches!(error, CredentialsError::CredentialsNotLoaded(_)) || none_found(error);
    match role.filter(|_| !none) {
        Some(role) => told(
            &format!("the role {role}"),
            error,
            "its trust policy must allow sts:AssumeRole to these credentials, with this external_id if it asks for one",
        ),
        None if none => {
            FetchError::Refused { place: OWN.to_owned(), why: "there are none".to_owned(), advice: WHENCE.to_owned() }
        }
        None => told(OWN, error, WHENCE),
    }
}

/// What is not there.
const OWN: &str = "the AWS credentials";
/// Where it could be.
const WHENCE: &str =
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile, or run where a role is given (EKS, ECS, EC2)";

/// A role cannot be assumed with credentials that are not there.
fn none_found(error: &CredentialsError) -> bool {
    chain(error).any(|error| matches!(error.downcast_ref(), Some(CredentialsError::CredentialsNotLoaded(_))))
}

/// What an error without a code of its own comes from.
fn told(place: &str, error: &(dyn Error + 'static), need: &str) -> FetchError {
    if let Some(own) = chain(error).find_map(|error| error.downcast_ref::<FetchError>()) {
        return own.clone();
    }
    if let Some(meta) = chain(error).find_map(|error| error.downcast_ref::<ErrorMetadata>()) {
        return refused(place, meta.code().unwrap_or("refused"), meta.message().unwrap_or_default(), need);
    }
    let mut texts: Vec<String> = chain(error).map(ToString::to_string).collect();
    texts.dedup();
    FetchError::Refused { place: place.to_owned(), why: short(&texts.join(": ")), advice: need.to_owned() }
}

fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}
