//! Why an object store did not do what was asked, in words that say what to do.
//!
//! The libraries' own errors quote addresses and answers, and both may hold secrets: a shared access signature, a
//! session token. Only a status, a provider's error code and the kind of failure get out of here.

use std::error::Error;

use object_store::client::{HttpError, HttpErrorKind};

/// Why an object store did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The object is not there.
    #[error("it is not there")]
    NotFound,
    /// The bucket is not there.
    #[error("there is no such bucket: create it, or correct [store] url")]
    NoBucket,
    /// The credentials do not allow it.
    #[error("access is denied ({0}): the credentials must be allowed to list, read, write and delete there")]
    Denied(String),
    /// The credentials mean nothing to the provider.
    #[error("the credentials are not accepted ({0}): are they complete, of this account, and still valid?")]
    Credentials(String),
    /// There are none.
    #[error(
        "no credentials were found: give them by variables such as AWS_ACCESS_KEY_ID, AZURE_STORAGE_ACCOUNT_NAME or \
         GOOGLE_APPLICATION_CREDENTIALS, or run where the platform gives them"
    )]
    NoCredentials,
    /// This machine's clock is wrong.
    #[error("the clock of this machine is too far from the provider's: set it")]
    Clock,
    /// The bucket is elsewhere.
    #[error("the bucket is in another region: set AWS_REGION")]
    Region,
    /// Too many requests, still after retries.
    #[error("it is too busy ({0}), still after several tries: try again later")]
    Busy(String),
    /// No answer, still after retries.
    #[error("it did not answer in time, still after several tries")]
    Timeout,
    /// No connection, still after retries.
    #[error("it cannot be reached: look at the network and the endpoint")]
    Unreachable,
    /// An address without encryption, elsewhere than on this machine.
    #[error("its endpoint is not encrypted: use https://, or allow http with AWS_ALLOW_HTTP or AZURE_ALLOW_HTTP")]
    Plain,
    /// What was given for it means nothing.
    #[error("{0}")]
    Variable(&'static str),
    /// What arrived is not what was sent.
    #[error("{got} of {sent} bytes arrived")]
    CutShort {
        /// So many bytes arrived.
        got: u64,
        /// So many were sent.
        sent: u64,
    },
    /// Anything else.
    #[error("it failed ({0})")]
    Other(String),
}

impl From<object_store::Error> for Refusal {
    fn from(error: object_store::Error) -> Self {
        let (text, kind) = read(&error);
        let code = code(&text);
        let status = status(&text);
        let said = code.clone().or_else(|| status.map(|status| status.to_string()));
        let said = || said.clone().unwrap_or_else(|| "no reason was given".to_owned());
        match code.as_deref() {
            Some("NoSuchBucket" | "ContainerNotFound") => return Self::NoBucket,
            Some("RequestTimeTooSkewed") => return Self::Clock,
            Some("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => {
                return Self::Region;
            }
            Some(
                "InvalidAccessKeyId"
                | "SignatureDoesNotMatch"
                | "ExpiredToken"
                | "InvalidToken"
                | "AuthenticationFailed"
                | "InvalidAuthenticationInfo",
            ) => return Self::Credentials(said()),
            _ => {}
        }
        match (&error, kind, status) {
            (object_store::Error::NotFound { .. }, ..) => Self::NotFound,
            (object_store::Error::PermissionDenied { .. }, ..) | (_, _, Some(403)) => Self::Denied(said()),
            (object_store::Error::Unauthenticated { .. }, ..) | (_, _, Some(401)) => Self::Credentials(said()),
            (_, _, Some(429 | 503)) => Self::Busy(said()),
            (_, _, Some(404)) => Self::NoBucket,
            _ if text.contains("SlowDown") => Self::Busy("SlowDown".to_owned()),
            _ if text.contains("without LOCATION") => Self::Region,
            _ if text.contains("scheme is not allowed") => Self::Plain,
            // Where platforms hand out credentials; nothing else is ever asked for there.
            _ if ["169.254.169.254", "metadata.google.internal", "/metadata/identity"]
                .iter()
                .any(|a| text.contains(a)) =>
            {
                Self::NoCredentials
            }
            (_, Some(HttpErrorKind::Timeout), _) => Self::Timeout,
            (_, Some(HttpErrorKind::Connect), _) => Self::Unreachable,
            (_, Some(HttpErrorKind::Request | HttpErrorKind::Interrupted), _) => {
                Self::Other("the connection was cut, still after several tries".to_owned())
            }
            _ => Self::Other(said()),
        }
    }
}

/// All that is said about it, and how the connection failed if it did.
fn read(error: &object_store::Error) -> (String, Option<HttpErrorKind>) {
    let (mut text, mut kind) = (String::new(), None);
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        text.push_str(&format!("{error}\n"));
        kind = kind.or_else(|| error.downcast_ref::<HttpError>().map(HttpError::kind));
        cause = error.source();
    }
    (text, kind)
}

/// The provider's own word for it, out of an answer in XML.
fn code(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    (code.len() <= 64 && code.chars().all(|c| c.is_ascii_alphanumeric())).then(|| code.to_owned())
}

fn status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("status code: ")?;
    rest.get(..3)?.parse().ok()
}
