//! What Azure's refusals mean. Their codes are alike in all services, their messages are for people and may quote requests.

use std::error::Error;
use std::io;
use std::path::Path;

use reqwest::StatusCode;
use serde::Deserialize;

use crate::http::{Failed, FetchError, Verdict};

/// The most of a message that is shown.
const MOST: usize = 400;

/// What is not there, or is refused.
const OWN: &str = "the Azure credentials";

/// The body of a refusal of Azure Resource Manager and the services behind it.
#[derive(Deserialize)]
struct Body {
    error: Told,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Told {
    code: String,
    message: String,
}

/// What an answer of Azure Resource Manager that is no success means. `need` says what to grant.
#[must_use]
pub fn judge(failed: &Failed<'_>, need: &str) -> Verdict {
    let Ok(Body { error: Told { code, message } }) = serde_json::from_str::<Body>(failed.body) else {
        return failed.verdict();
    };
    let status = failed.status;
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        return match failed.verdict() {
            Verdict::Again { throttled, why } if !code.is_empty() && code != status.as_str() => {
                Verdict::Again { throttled, why: format!("{why} ({})", short(&code)) }
            }
            verdict => verdict,
        };
    }
    // Azure answers 401 also to those whom it knows and who may not, and where no other token would do.
    if status == StatusCode::UNAUTHORIZED && !is_denied(&code) && !is_foreign(&code) {
        return Verdict::Renew { why: format!("{} ({})", failed.status_text(), short(&code)) };
    }
    Verdict::Final(refused(failed.place, &code, &message, need))
}

/// What a refusal of this code means. `need` says what to grant.
#[must_use]
pub fn refused(place: &str, code: &str, message: &str, need: &str) -> FetchError {
    let place = place.to_owned();
    let refused =
        |why: String, advice: &str| FetchError::Refused { place: place.clone(), why, advice: advice.to_owned() };
    let said = match (short(message), short(code)) {
        (message, code) if message.is_empty() => code,
        (message, code) if code.is_empty() => message,
        (message, code) => format!("{message} ({code})"),
    };
    match code {
        _ if is_denied(code) => refused(said, need),
        // What is wrong with a token is said in messages that quote from it.
        "ExpiredAuthenticationToken"
        | "InvalidAuthenticationToken"
        | "AuthenticationFailed"
        | "AuthenticationFailedInvalidHeader" => FetchError::Expired { place, why: code.to_owned() },
        _ if is_foreign(code) => refused(
            code.to_owned(),
            "the token is of another tenant or cloud; look at tenant_id, cloud and authority_host",
        ),
        "SubscriptionNotFound"
        | "InvalidSubscriptionId"
        | "ManagementGroupNotFound"
        | "ResourceGroupNotFound"
        | "NotFound"
        | "ResourceNotFound"
        | "BillingAccountNotFound" => {
            FetchError::Missing { place, advice: format!("{said}; look at scope, and at the tenant it is in") }
        }
        _ => refused(said, "look at the source's settings; if they are right, please report it"),
    }
}

/// Whether Azure knows who asks, and says that they may not.
fn is_denied(code: &str) -> bool {
    matches!(
        code,
        "RBACAccessDenied"
            | "AuthorizationFailed"
            | "AuthorizationFailure"
            | "AuthorizationPermissionMismatch"
            | "InsufficientAccountPermissions"
            | "LinkedAuthorizationFailed"
            | "Forbidden"
            | "AccessDenied"
            | "Unauthorized"
            | "UnauthorizedAccess"
    )
}

/// Whether a token is of another part of Azure.
fn is_foreign(code: &str) -> bool {
    matches!(code, "InvalidAuthenticationTokenAudience" | "InvalidAuthenticationTokenTenant")
}

/// The body of a refusal of Entra ID.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Entra {
    error: String,
    error_codes: Vec<u32>,
    error_description: String,
}

/// What an answer of Entra ID that is no success means. Its descriptions are not shown: they may quote what was sent.
pub(super) fn of_entra(failed: &Failed<'_>) -> Verdict {
    let Ok(entra) = serde_json::from_str::<Entra>(failed.body) else { return unauthorised(failed) };
    let status = failed.status;
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() || entra.error == "temporarily_unavailable" {
        return match failed.verdict() {
            verdict @ Verdict::Again { .. } => verdict,
            _ => Verdict::Again { throttled: false, why: failed.status_text() },
        };
    }
    let code = entra.error_codes.first().copied().or_else(|| number(&entra.error_description));
    let name: String = entra.error.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(60).collect();
    let why = match code {
        Some(code) => format!("{name} (AADSTS{code})"),
        None if name.is_empty() => return unauthorised(failed),
        None => name,
    };
    let advice = match code.unwrap_or_default() {
        7_000_215 => "the client secret is not the application's; give its value, not its id",
        7_000_222 => "the client secret has ended; make a new one in the application's certificates & secrets",
        700_016 | 700_038 => "the tenant has no such application; look at client_id and tenant_id",
        90_002 | 900_023 | 90_013 => "there is no such tenant in this cloud; look at tenant_id and cloud",
        70_021 | 700_211 | 700_212 | 700_213 => {
            "the application does not trust the federated token; give it a federated credential with this issuer, subject and audience"
        }
        700_024 => "the federated token has ended; look at who renews its file, and at the clock of this machine",
        50_027 | 700_027 => "the federated token is not signed by whom the application trusts",
        500_011 | 70_011 | 1_002_012 => {
            "the tenant does not know the service that is asked for; look at cloud and tenant_id"
        }
        7_000_112 | 7_000_226 => "the application is disabled; enable it in the tenant",
        53_003 | 530_003 | 530_035 => "a conditional access policy of the tenant blocks the application from here",
        _ => "look at tenant_id, client_id and the secret; https://login.microsoftonline.com/error explains the code",
    };
    Verdict::Final(FetchError::Refused { place: failed.place.to_owned(), why, advice: advice.to_owned() })
}

/// `AADSTS7000215: Invalid client secret …`
fn number(description: &str) -> Option<u32> {
    let digits = description.strip_prefix("AADSTS")?;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// New credentials are no help where credentials are asked for.
fn unauthorised(failed: &Failed<'_>) -> Verdict {
    match failed.verdict() {
        Verdict::Renew { why } => Verdict::Final(FetchError::Refused {
            place: failed.place.to_owned(),
            why,
            advice: "look at authority_host, and at who answers there".to_owned(),
        }),
        verdict => verdict,
    }
}

/// What an answer of the service for the machine's identity means.
pub(super) fn of_machine(failed: &Failed<'_>) -> Verdict {
    let refused = |advice: &str| {
        let (place, why) = (failed.place.to_owned(), failed.status_text());
        Verdict::Final(FetchError::Refused { place, why, advice: advice.to_owned() })
    };
    match failed.status {
        StatusCode::BAD_REQUEST => {
            refused("this machine has no such identity; assign it one, and name it with client_id if it has several")
        }
        // Azure says so while it makes or moves an identity.
        StatusCode::NOT_FOUND | StatusCode::GONE => Verdict::Again { throttled: false, why: failed.status_text() },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => refused("this machine may not use its identity"),
        _ => failed.verdict(),
    }
}

/// Why the Azure CLI gives no token.
pub(super) fn of_cli(status: Option<i32>, said: &str) -> FetchError {
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines().find_map(|line| line.strip_prefix("ERROR: ")).or_else(|| lines().next()).unwrap_or_default();
    let (why, advice) = match status {
        // What a shell says of a program that it does not find.
        Some(127) => ("az is not installed, or not on the PATH".to_owned(), WHENCE),
        _ => (short(line), "run az login as whoever runs this, or choose another credential"),
    };
    FetchError::Refused { place: "the Azure CLI".to_owned(), why, advice: advice.to_owned() }
}

/// Where credentials could be.
const WHENCE: &str = "set tenant_id, client_id and client_secret_file (or AZURE_TENANT_ID, AZURE_CLIENT_ID and \
                      AZURE_CLIENT_SECRET), a federated token, or run where there is a managed identity";

/// Nothing is set, and nobody knows who we are.
pub(super) fn none(machine: &str, cli: &str) -> FetchError {
    let why = format!("there are none ({machine}; {cli})");
    FetchError::Refused { place: OWN.to_owned(), why, advice: WHENCE.to_owned() }
}

/// Something that is needed is not set.
pub(super) fn unset(key: &str, variable: &str, what: &str) -> FetchError {
    FetchError::Refused {
        place: OWN.to_owned(),
        why: format!("{what} is not said"),
        advice: format!("set {key}, or the environment variable {variable}"),
    }
}

pub(super) fn unreadable(file: &Path, error: &io::Error) -> FetchError {
    FetchError::Refused {
        place: file.display().to_string(),
        why: format!("cannot be read: {error}"),
        advice: "correct client_secret_file, or its permissions".to_owned(),
    }
}

pub(super) fn no_authority() -> FetchError {
    FetchError::Refused {
        place: OWN.to_owned(),
        why: "authority_host (or AZURE_AUTHORITY_HOST) is no address to send a secret to".to_owned(),
        advice: "write one such as https://login.microsoftonline.com".to_owned(),
    }
}

/// What cannot be used as it is set. Nothing was sent yet, so nothing is quoted but settings.
pub(super) fn unusable(error: &azure_core::Error) -> FetchError {
    let texts: Vec<String> = chain(error).map(ToString::to_string).collect();
    FetchError::Refused {
        place: OWN.to_owned(),
        why: short(&texts.join(": ")),
        advice: "correct the source's settings".to_owned(),
    }
}

pub(super) fn no_token(place: &str) -> FetchError {
    FetchError::NotUnderstood {
        place: place.to_owned(),
        what: "the answer has no token in it".to_owned(),
        advice: "look at authority_host, and at who answers there".to_owned(),
    }
}

/// Why there is no token.
pub(super) fn credentials(error: &azure_core::Error) -> FetchError {
    let own = |error: &(dyn Error + 'static)| -> Option<FetchError> {
        let told = error.downcast_ref::<FetchError>().cloned();
        told.or_else(|| error.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref::<FetchError>().cloned())
    };
    // What else azure_identity says may quote the answer.
    chain(error).find_map(own).unwrap_or_else(|| no_token(OWN))
}

fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The first line of a text, within bounds.
fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim();
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
