//! Query parameters against a closed list (P8), and path segments.
//!
//! Each route has a struct of its parameters, made by [`parameters!`]. The parser's closed list and the OpenAPI document
//! both come from it, so what is documented is what is taken.
//!
//! The query string is taken apart here rather than by a form library, because those pass over what they do not
//! understand: `%zz` stays as it is, bytes that are not UTF-8 become `�`, the last of two equal names wins.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use outlay_model::SourceName;
use outlay_model::query::ParameterError;

use crate::problem::{Code, Problem};

/// The parameters of a route, all text and all optional.
pub trait Parameters: Sized {
    /// The closed list.
    const NAMES: &'static [&'static str];

    /// Takes every one out of what was given.
    fn take(given: &mut Given) -> Self;
}

/// Declares the parameters of a route: names, what they mean, and the schema of each.
macro_rules! parameters {
    ($(#[$about:meta])* $name:ident { $($(#[doc = $doc:literal])+ $field:ident: $schema:expr;)* }) => {
        $(#[$about])*
        #[derive(Debug, Default)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $field: Option<String>,)*
        }

        impl $crate::params::Parameters for $name {
            const NAMES: &'static [&'static str] = &[$(stringify!($field)),*];

            #[allow(unused_variables, reason = "a route may have none")]
            fn take(given: &mut $crate::params::Given) -> Self {
                Self { $($field: given.take(stringify!($field)),)* }
            }
        }

        impl utoipa::IntoParams for $name {
            fn into_params(
                _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
            ) -> Vec<utoipa::openapi::path::Parameter> {
                vec![$($crate::openapi::query_parameter(stringify!($field), &[$($doc),+], $schema),)*]
            }
        }
    };
}
pub(crate) use parameters;

parameters! {
    /// No parameters at all.
    NoParameters {}
}

/// The parameters of a request, each known and given at most once.
pub struct Closed<T>(pub T);

impl<S: Send + Sync, T: Parameters> FromRequestParts<S> for Closed<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(T::take(&mut Given::read(parts.uri.query(), T::NAMES)?)))
    }
}

/// How unlike an unknown name may be to one of the list to still be taken for a slip of the finger.
const SLIP: usize = 2;

/// What was given: known names, each at most once.
#[derive(Debug)]
pub struct Given(Vec<(&'static str, String)>);

impl Given {
    /// Takes the query string apart.
    ///
    /// # Errors
    /// A problem about the first parameter that is not in `allowed`, comes twice or is not percent-encoded UTF-8.
    pub fn read(query: Option<&str>, allowed: &[&'static str]) -> Result<Self, Problem> {
        let mut read: Vec<(&'static str, String)> = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = form_decode(name).ok_or_else(|| malformed(name))?;
            let Some(known) = allowed.iter().copied().find(|known| *known == name) else {
                return Err(unknown(&name, allowed));
            };
            if read.iter().any(|(name, _)| *name == known) {
                let detail = format!("{known} is given more than once; give it once, or leave it out");
                return Err(Problem::new(Code::RepeatedParameter, detail).about(known));
            }
            read.push((known, form_decode(value).ok_or_else(|| malformed(known))?));
        }
        Ok(Self(read))
    }

    /// Takes a parameter out.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let place = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.swap_remove(place).1)
    }
}

/// How many of something one answer may have.
#[derive(Debug, Clone, Copy)]
pub struct Count {
    /// When the parameter says nothing.
    pub default: u32,
    /// At most.
    pub most: u32,
}

impl Count {
    /// Reads a whole number from 1 to the most.
    ///
    /// # Errors
    /// When it is something else.
    pub fn read(self, name: &'static str, text: Option<&str>) -> Result<u32, ParameterError> {
        let Some(text) = text else { return Ok(self.default) };
        let number = text.parse().ok().filter(|number| (1..=self.most).contains(number));
        number
            .ok_or_else(|| ParameterError::new(name, format!("{text:?} is not a whole number from 1 to {}", self.most)))
    }
}

/// The name of a source.
///
/// # Errors
/// When none can be called that.
pub fn source(text: Option<String>) -> Result<Option<SourceName>, ParameterError> {
    let source = text.map(|text| SourceName::parse(&text)).transpose();
    source.map_err(|error| ParameterError::new("source", error))
}

/// The part of the path that a route leaves open, decoded.
pub struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::new(Code::MalformedUrl, rejection.body_text()))?;
        Ok(Self(text))
    }
}

/// Undoes percent-encoding; `None` when it is not that, or not of UTF-8.
pub fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' { hex(rest.next()?)? << 4 | hex(rest.next()?)? } else { byte });
    }
    String::from_utf8(bytes).ok()
}

/// As [`decode`], and `+` is a space, as forms write it.
fn form_decode(text: &str) -> Option<String> {
    decode(&text.replace('+', "%20"))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn malformed(parameter: &str) -> Problem {
    let detail = format!(
        "{parameter}: a % is not followed by two hex digits, or the bytes are not UTF-8; write % as %25 and + as %2B"
    );
    Problem::new(Code::MalformedUrl, detail).about(parameter)
}

fn unknown(name: &str, allowed: &[&str]) -> Problem {
    let detail = match (nearest(name, allowed), allowed) {
        (_, []) => format!("{name:?} is not a parameter of this route; it takes none"),
        (None, _) => format!("{name:?} is not a parameter of this route; it takes {}", allowed.join(", ")),
        (Some(meant), _) => {
            format!("{name:?} is not a parameter of this route; did you mean {meant}? It takes {}", allowed.join(", "))
        }
    };
    Problem::new(Code::UnknownParameter, detail).about(name)
}

/// The name that was probably meant.
pub fn nearest<'a>(name: &str, allowed: &[&'a str]) -> Option<&'a str> {
    // A very long name is not a slip, and comparing it costs its length.
    let name = (name.len() <= 32).then(|| name.to_lowercase().replace(['-', '.'], "_"))?;
    let distance = |known: &str| strsim::osa_distance(&name, known);
    let (distance, known) = allowed.iter().map(|known| (distance(known), *known)).min()?;
    (distance <= SLIP && distance * 2 < known.len()).then_some(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SPEND: &[&str] = crate::spend::SpendParameters::NAMES;

    #[test]
    fn takes_apart_what_forms_write() {
        let mut given = Given::read(Some("filter=team+%3D+'a%2Bb'&&limit=7&period"), SPEND).expect("fine");
        assert_eq!(given.take("filter").as_deref(), Some("team = 'a+b'"));
        assert_eq!(given.take("limit").as_deref(), Some("7"));
        assert_eq!(given.take("period").as_deref(), Some(""));
        assert_eq!(given.take("from"), None);
    }

    #[test]
    fn counts_have_a_default_and_a_bound() {
        let count = Count { default: 3, most: 10 };
        assert_eq!(count.read("limit", None), Ok(3));
        assert_eq!(count.read("limit", Some("7")), Ok(7));
        for wrong in ["0", "11", "-1", "1.5", "", "99999999999999999999"] {
            assert!(count.read("limit", Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn slips_of_the_finger_are_recognised() {
        let check = |name, expected| assert_eq!(nearest(name, SPEND), expected, "{name}");
        check("groupby", Some("group_by"));
        check("groupBy", Some("group_by"));
        check("group-by", Some("group_by"));
        check("fliter", Some("filter"));
        check("orderby", Some("order_by"));
        check("start", None);
        check("team", None);
        check("", None);
        check(&"x".repeat(30_000), None);
    }

    proptest! {
        #[test]
        fn encode_and_decode_are_inverse(text in "\\PC{0,20}") {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert_eq!(decode(&encoded), Some(text));
        }

        #[test]
        fn decoding_never_panics(text in "[%+=&a-f0-9é]{0,30}") {
            let _ = Given::read(Some(&text), SPEND);
        }
    }
}
