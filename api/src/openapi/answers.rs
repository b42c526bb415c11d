//! What a route may answer: its own shape, and what all routes have in common.

use std::collections::BTreeMap;

use serde_json::json;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::schema::{AllOfBuilder, ArrayBuilder, ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr, Response, ResponseBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::reference;
use crate::problem::{Body, Code};

/// Refusals of every route, whatever it answers.
const ANYWHERE: &[Code] = &[
    Code::UnknownParameter,
    Code::MalformedUrl,
    Code::NotAcceptable,
    Code::BodyTooLarge,
    Code::UriTooLong,
    Code::HeadersTooLarge,
    Code::Internal,
    Code::Unavailable,
    Code::Overloaded,
    Code::TimedOut,
];

/// The responses of a route, by status.
pub struct Answers {
    about: &'static str,
    status: &'static str,
    contents: Vec<(&'static str, RefOr<Schema>)>,
    headers: Vec<(&'static str, &'static str)>,
    created: Option<&'static str>,
    tagged: bool,
}

impl Answers {
    /// Answers with a shape of its own.
    pub fn of<T: ToSchema + PartialSchema>(about: &'static str) -> Self {
        Self::with(about, reference::<T>().into())
    }

    /// Answers with either of two shapes.
    pub fn either<T: ToSchema + PartialSchema, U: ToSchema + PartialSchema>(about: &'static str) -> Self {
        let either = OneOfBuilder::new().item(reference::<T>()).item(reference::<U>()).build();
        Self::with(about, Schema::OneOf(either).into())
    }

    /// Answers that something will be done, with what there is to know of it by now.
    pub fn accepted<T: ToSchema + PartialSchema>(about: &'static str) -> Self {
        Self { status: "202", tagged: false, ..Self::of::<T>(about) }
    }

    /// Answers that something was changed: what is so now, since when, and whether more follows.
    pub fn changed<T: ToSchema + PartialSchema>(about: &'static str) -> Self {
        let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
        let number = number.description(Some("The generation since which it is so."));
        let follows = "Whether charges have other owners than they should have now, or pools another split: that follows in the \
            background.";
        let settling = ObjectBuilder::new().schema_type(Type::Boolean).description(Some(follows));
        let object = ObjectBuilder::new().schema_type(Type::Object).property("data", reference::<T>()).required("data");
        let object = object.property("generation", number).required("generation");
        let object = object.property("settling", settling).required("settling").build();
        Self { tagged: false, ..Self::with(about, Schema::Object(object).into()) }
    }

    /// Or, in the same shape, that there is something new.
    pub fn or_created(self, about: &'static str) -> Self {
        Self { created: Some(about), ..self }
    }

    /// Answers with a page of a list: `{"data": […], "next_cursor": …}`.
    pub fn page<T: ToSchema + PartialSchema>(about: &'static str) -> Self {
        let lines = ArrayBuilder::new().items(RefOr::Ref(reference::<T>())).build();
        let cursor = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .description(Some("Where the next page starts; null on the last."));
        let page = ObjectBuilder::new().schema_type(Type::Object).property("data", lines).required("data");
        Self::with(about, Schema::Object(page.property("next_cursor", cursor).required("next_cursor").build()).into())
    }

    /// Answers with a list of lines: `{"data": […]}`.
    pub fn list<T: ToSchema + PartialSchema>(about: &'static str) -> Self {
        let lines = ArrayBuilder::new().items(RefOr::Ref(reference::<T>())).build();
        let list = ObjectBuilder::new().schema_type(Type::Object).property("data", lines).required("data").build();
        Self::with(about, Schema::Object(list).into())
    }

    fn with(about: &'static str, schema: RefOr<Schema>) -> Self {
        let contents = vec![("application/json", schema)];
        Self { about, status: "200", contents, headers: Vec::new(), created: None, tagged: true }
    }

    /// Answers with text.
    pub fn text(kind: &'static str, about: &'static str) -> Self {
        Self { contents: vec![(kind, text())], ..Self::with(about, text()) }
    }

    /// Or with a file of text.
    pub fn or_text(mut self, kind: &'static str) -> Self {
        self.contents.push((kind, text()));
        self
    }

    /// Says more in a header.
    pub fn header(mut self, name: &'static str, about: &'static str) -> Self {
        self.headers.push((name, about));
        self
    }

    /// Is never a 304.
    pub fn untagged(self) -> Self {
        Self { tagged: false, ..self }
    }

    /// All of it, with the refusals that are this route's own beside those of every route.
    pub fn refusing(self, own: &[Code]) -> BTreeMap<String, RefOr<Response>> {
        let fine = |about: &str| {
            let mut fine = identified(ResponseBuilder::new().description(about));
            for (kind, schema) in &self.contents {
                fine = fine.content(*kind, ContentBuilder::new().schema(Some(schema.clone())).build());
            }
            fine
        };
        // Where something is made, that is what there is more to say of.
        let more = |mut fine: ResponseBuilder| {
            for (name, about) in &self.headers {
                fine = fine.header(*name, text_header(about));
            }
            fine
        };
        let mut responses = BTreeMap::new();
        let mut ready = fine(self.about);
        match self.created {
            None => ready = more(ready),
            Some(about) => {
                responses.insert("201".to_owned(), RefOr::T(more(fine(about)).build()));
            }
        }
        if self.tagged {
            ready = ready.header("ETag", text_header("Changes with everything that can change the answer."));
            let same =
                ResponseBuilder::new().description("The answer is still the one with the given `If-None-Match`.");
            responses.insert("304".to_owned(), RefOr::T(identified(same).build()));
        }
        responses.insert(self.status.to_owned(), RefOr::T(ready.build()));
        let mut refusals: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
        for code in own.iter().chain(ANYWHERE) {
            refusals.entry(code.status().as_u16()).or_default().push(*code);
        }
        responses.extend(refusals.into_iter().map(|(status, codes)| {
            let own = codes.iter().any(|code| !ANYWHERE.contains(code));
            let response =
                if own { RefOr::T(refusal(&codes)) } else { Ref::from_response_name(shared_name(status)).into() };
            (status.to_string(), response)
        }));
        responses
    }
}

fn text() -> RefOr<Schema> {
    Schema::Object(ObjectBuilder::new().schema_type(Type::String).build()).into()
}

/// The refusals that are the same wherever they are met, by name.
pub fn shared() -> impl Iterator<Item = (String, Response)> {
    let mut refusals: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in ANYWHERE {
        refusals.entry(code.status().as_u16()).or_default().push(*code);
    }
    refusals.into_iter().map(|(status, codes)| (shared_name(status), refusal(&codes)))
}

fn shared_name(status: u16) -> String {
    format!("Refused{status}")
}

/// The refusals of one status.
fn refusal(codes: &[Code]) -> Response {
    let about: Vec<_> = codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.title())).collect();
    let words =
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes.iter().map(|code| code.as_str())));
    let narrowed = ObjectBuilder::new().property("code", words);
    let schema = AllOfBuilder::new().item(Ref::from_schema_name(Body::name())).item(narrowed).build();
    let content = ContentBuilder::new().schema(Some(Schema::AllOf(schema)));
    let mut response = ResponseBuilder::new().description(about.join("; "));
    response = response.content("application/problem+json", content.build());
    if codes.iter().any(|code| code.retry_after().is_some()) {
        let seconds = ObjectBuilder::new().schema_type(Type::Integer);
        let header =
            HeaderBuilder::new().schema(Some(seconds)).description(Some("Seconds to wait before asking again."));
        response = response.header("Retry-After", header.build());
    }
    identified(response).build()
}

fn identified(response: ResponseBuilder) -> ResponseBuilder {
    let id = "The request's id: the one given, or a new one. The log names it, too.";
    response.header("X-Request-Id", text_header(id))
}

fn text_header(about: &str) -> Header {
    let text = ObjectBuilder::new().schema_type(Type::String);
    HeaderBuilder::new().schema(Some(text)).description(Some(about)).build()
}

/// A number of any precision: JSON has no other.
impl PartialSchema for crate::wire::Amount {
    fn schema() -> RefOr<Schema> {
        let about = "An amount with every digit it has: no exponent, no trailing zeros. Read it with a decimal parser to \
            add it up exactly.";
        let number = ObjectBuilder::new().schema_type(Type::Number).description(Some(about));
        Schema::Object(number.examples([json!(1234.5)]).build()).into()
    }
}

impl ToSchema for crate::wire::Amount {}
