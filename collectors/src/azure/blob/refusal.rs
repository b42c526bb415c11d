//! What refusals of a storage account mean.

use serde::Deserialize;

use super::right::Right;
use crate::http::{Failed, FetchError, Verdict};

/// What whoever reads bills has to be given.
const NEED: &str =
    "give it the role Storage Blob Data Reader on the container, and let the account's network rules pass it";

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Refusal {
    code: String,
}

/// What an answer that is no success means to whoever asks by this right.
pub(super) fn judge(right: &Right, failed: &Failed<'_>) -> Verdict {
    let place = failed.place.to_owned();
    // An answer to HEAD has no body, and one to a proxy's liking has no header.
    let header = failed.headers.get("x-ms-error-code").and_then(|code| code.to_str().ok());
    let code = match header {
        Some(code) => code.to_owned(),
        None => quick_xml::de::from_str(failed.body.trim_start_matches('\u{feff}'))
            .map(|refusal: Refusal| refusal.code)
            .unwrap_or_default(),
    };
    let why: String = code.chars().filter(char::is_ascii_alphanumeric).take(80).collect();
    let missing =
        |advice: &str| Verdict::Final(FetchError::Missing { place: place.clone(), advice: advice.to_owned() });
    let refused = |advice: &str| {
        let (place, why) = (place.clone(), why.clone());
        Verdict::Final(FetchError::Refused { place, why, advice: advice.to_owned() })
    };
    let again = |throttled| Verdict::Again { throttled, why: format!("{} ({why})", failed.status_text()) };
    match code.as_str() {
        "ServerBusy" => again(true),
        "OperationTimedOut" | "InternalError" | "InternalServerError" => again(false),
        "ContainerNotFound" | "ResourceNotFound" => missing("there is no such container; correct url"),
        "FilesystemNotFound" => missing("there is no such container; correct url"),
        "ContainerBeingDeleted" => missing("somebody is deleting the container"),
        "BlobNotFound" | "PathNotFound" => missing("it was deleted, or never came"),
        "ConditionNotMet" => Verdict::Final(FetchError::Changed { place }),
        "BlobArchived" | "BlobBeingRehydrated" => {
            refused("it is archived: rehydrate it, and keep lifecycle rules away from bills")
        }
        "AuthorizationPermissionMismatch" | "AuthorizationFailure" | "InsufficientAccountPermissions" => match right {
            Right::Signature(_) => refused(
                "make a shared access signature that allows to list and to read, and let the account's network rules pass us",
            ),
            _ => refused(NEED),
        },
        "KeyBasedAuthenticationNotPermitted" => {
            refused("the account allows no keys; leave out account_key_… and give a role")
        }
        "AccountIsDisabled" => refused("the storage account is disabled; look at its subscription"),
        "PublicAccessNotPermitted" | "NoAuthenticationInformation" => refused(NEED),
        "AuthenticationFailed" | "InvalidAuthenticationInfo" => match right {
            Right::Role => Verdict::Renew { why },
            Right::Key(_) => {
                refused("the key is not one of the account's, or the clock of this machine is wrong by minutes")
            }
            Right::Signature(_) => refused("the shared access signature has ended, or is not for this container"),
        },
        _ if code.is_empty() => failed.verdict(),
        _ if failed.status.is_server_error() => again(false),
        _ => refused("look at the source's settings"),
    }
}
