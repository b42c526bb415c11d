//! What Google's refusals mean. Its reasons are alike in all services, its messages are for people.

use serde_json::Value;

use crate::http::{Failed, FetchError, Verdict, short};

/// What a body says went wrong: `{"error": {"message", "errors": [{"reason"}], "status"}}` of an API, or
/// `{"error": "invalid_grant", "error_description"}` of whoever issues tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Such as `rateLimitExceeded`, `PERMISSION_DENIED`, `invalid_grant`.
    pub reason: String,
    /// In its own words: one line, within bounds.
    pub message: String,
}

impl Refusal {
    /// What a body says, if it is one of Google's.
    #[must_use]
    pub fn read(body: &str) -> Option<Self> {
        let body: Value = serde_json::from_str(body).ok()?;
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(ToOwned::to_owned);
        let (reason, message) = match body.get("error")? {
            Value::String(code) => (code.clone(), body.get("error_description").and_then(text)),
            error => {
                let reason =
                    ["/errors/0/reason", "/status"].into_iter().find_map(|at| error.pointer(at).and_then(text));
                (reason?, error.get("message").and_then(text))
            }
        };
        Some(Self { reason: short(&reason), message: short(&message.unwrap_or_default()) })
    }

    /// Its message and its reason.
    #[must_use]
    pub fn text(&self) -> String {
        match self.message.is_empty() {
            true => self.reason.clone(),
            false => format!("{} ({})", self.message.trim_end_matches('.'), self.reason),
        }
    }
}

/// What an answer of an API that is no success means. `need` says what to grant, `missing` what to do when a thing is not
/// there.
#[must_use]
pub fn judge(failed: &Failed<'_>, need: &str, missing: &str) -> Verdict {
    let place = failed.place.to_owned();
    let Some(refusal) = Refusal::read(failed.body) else { return failed.verdict() };
    let again = |throttled| Verdict::Again { throttled, why: format!("{} ({})", failed.status_text(), refusal.reason) };
    let refused = |advice: &str| {
        let (place, why) = (place.clone(), refusal.text());
        Verdict::Final(FetchError::Refused { place, why, advice: advice.to_owned() })
    };
    match refusal.reason.as_str() {
        "rateLimitExceeded" | "jobRateLimitExceeded" | "userRateLimitExceeded" => again(true),
        "backendError" | "internalError" | "badGateway" | "jobBackendError" | "jobInternalError" => again(false),
        // Minutes to hours: the next run is soon enough.
        "quotaExceeded" | "dailyLimitExceeded" => refused(
            "a quota of the project is used up, and waiting for it takes too long here: the next run tries again; raise the quota, \
             or collect less often",
        ),
        "authError" | "UNAUTHENTICATED" => Verdict::Renew { why: refusal.reason.clone() },
        "accessNotConfigured" | "SERVICE_DISABLED" => refused("enable the service in the project that is asked"),
        "accessDenied" | "forbidden" | "PERMISSION_DENIED" | "insufficientPermissions" => refused(need),
        "notFound" | "NOT_FOUND" => Verdict::Final(FetchError::Missing { place, advice: missing.to_owned() }),
        _ => match failed.verdict() {
            Verdict::Again { throttled, .. } => again(throttled),
            Verdict::Final(FetchError::Missing { .. }) => {
                Verdict::Final(FetchError::Missing { place, advice: missing.to_owned() })
            }
            Verdict::Final(FetchError::Refused { advice, .. }) => match failed.status.as_u16() {
                403 => refused(need),
                _ => refused(&advice),
            },
            verdict => verdict,
        },
    }
}

/// What an answer of a token endpoint that is no success means.
pub(super) fn of_token(failed: &Failed<'_>) -> Verdict {
    let Some(refusal) = Refusal::read(failed.body) else {
        return match failed.verdict() {
            // New credentials are what was asked for.
            Verdict::Renew { why } => Verdict::Final(refused(failed, why, NOT_ASKED_WELL)),
            verdict => verdict,
        };
    };
    let advice = match refusal.reason.as_str() {
        "invalid_grant"
            if refusal.message.contains("iat and exp") || refusal.message.contains("reasonable timeframe") =>
        {
            "the clock of this machine is wrong by minutes; set it right"
        }
        "invalid_grant" => "the key was deleted or disabled, or is of another service account; create a new one",
        "invalid_client" | "unauthorized_client" | "deleted_client" | "disabled_client" => {
            "the service account was deleted or disabled; give the credentials of another one"
        }
        _ => match failed.verdict() {
            again @ Verdict::Again { .. } => return again,
            _ => NOT_ASKED_WELL,
        },
    };
    Verdict::Final(refused(failed, refusal.text(), advice))
}

const NOT_ASKED_WELL: &str = "look at the token_uri of the credentials' file";

fn refused(failed: &Failed<'_>, why: String, advice: &str) -> FetchError {
    FetchError::Refused { place: failed.place.to_owned(), why, advice: advice.to_owned() }
}
