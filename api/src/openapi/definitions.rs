//! Schemas that the model's own types have: what is said of ownership is read and written as those types say, so the document
//! takes their schemas from where they are read, and cannot say anything else.
//!
//! They stand in the document as markers until it is written, because they are JSON schemas already (2020-12, as OpenAPI 3.1
//! has them): [`splice`] puts them in.

use outlay_model::ownership::{Component, Event, Kind, Origin, Pool, Rule, Series, Team};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::words;
use crate::ownership::named::Names;
use crate::ownership::{MOST_EDITS, MOST_EVENTS};

/// Declares what stands in a schema's place.
macro_rules! markers {
    ($($marker:ident),* $(,)?) => {
        $(
            /// Stands in the place of the schema of its name.
            #[derive(Debug)]
            pub struct $marker;

            impl PartialSchema for $marker {
                fn schema() -> RefOr<Schema> {
                    Schema::Object(ObjectBuilder::new().build()).into()
                }
            }

            impl ToSchema for $marker {}
        )*
    };
}

markers! {
    TeamDefinition, ComponentDefinition, MapDefinition, PoolDefinition, SeriesDefinition, RuleDefinition,
    PutTeam, PutComponent, PutMap, PutPool, PutSeries, PutRule, EventOrEvents,
    PreviewRequest,
}

/// Puts the schemas into the document, in the places of their markers; those that they refer to come last.
pub fn splice(document: &mut Value) {
    let schemas = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut);
    let schemas = schemas.expect("the document has schemas");
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut made = Map::new();
    add::<Team>(&mut generator, &mut made, Kind::Team);
    add::<Component>(&mut generator, &mut made, Kind::Component);
    add::<Names>(&mut generator, &mut made, Kind::Map);
    add::<Pool>(&mut generator, &mut made, Kind::Pool);
    add::<Series>(&mut generator, &mut made, Kind::Series);
    add::<Rule>(&mut generator, &mut made, Kind::Rule);
    let event = generator.subschema_for::<Event>();
    let events = json!({ "type": "array", "items": event, "minItems": 1, "maxItems": MOST_EVENTS });
    made.insert("EventOrEvents".to_owned(), json!({ "oneOf": [event, events], "description": "One event, or some." }));
    made.insert("PreviewRequest".to_owned(), preview());
    let mut inner = generator.take_definitions(true);
    for own in ["Team", "Component", "Names", "Pool", "Series", "Rule"] {
        inner.remove(own);
    }
    made.extend(inner);
    for (name, schema) in made {
        schemas.insert(name, schema);
    }
}

/// Changes that are not made: each of one kind, or a removal.
fn preview() -> Value {
    let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    let one = |word: &str, schema: Value| json!({ "type": "object", "properties": { word: schema }, "required": [word], "additionalProperties": false });
    let said = Kind::ALL
        .iter()
        .map(|kind| one(kind.as_str(), json!({ "$ref": format!("#/components/schemas/Put{}", title(*kind)) })));
    let subject = json!({
        "type": "object",
        "properties": { "kind": { "type": "string", "enum": kinds }, "name": { "type": "string" } },
        "required": ["kind", "name"],
        "additionalProperties": false,
    });
    let edits: Vec<Value> = said.chain([one("remove", subject)]).collect();
    let edits = json!({
        "type": "array",
        "items": { "oneOf": edits },
        "minItems": 1,
        "maxItems": MOST_EDITS,
        "description": "What would be said of a name, or that nothing is said of it any more; in this order, all of it together.",
    });
    json!({
        "type": "object",
        "description": "Changes that are not made.",
        "properties": { "edits": edits, "from": words::first_day(), "to": words::day_after() },
        "required": ["edits"],
        "additionalProperties": false,
    })
}

/// How the schemas of a kind are called.
fn title(kind: Kind) -> String {
    let word = kind.as_str();
    format!("{}{}", word[..1].to_uppercase(), &word[1..])
}

/// The schemas of what is said of a kind: as it is read, and as it is written.
fn add<T: JsonSchema>(generator: &mut SchemaGenerator, made: &mut Map<String, Value>, kind: Kind) {
    let mut schema = T::json_schema(generator).to_value();
    let object = schema.as_object_mut().expect("what is said of a name is an object");
    let title = title(kind);
    let origins: Vec<&str> = Origin::ALL.iter().map(|origin| origin.as_str()).collect();
    let mut written = object.clone();
    let properties = |schema: &mut Map<String, Value>, own: Vec<(&str, Value)>| {
        let others = schema.remove("properties");
        let own = own.into_iter().map(|(name, schema)| (name.to_owned(), schema));
        let all: Map<String, Value> =
            own.chain(others.into_iter().flat_map(|others| others.as_object().cloned().unwrap_or_default())).collect();
        schema.insert("properties".to_owned(), all.into());
    };
    let name = |about: &str| json!({ "type": "string", "description": about });
    let mut own = vec![
        ("name", name("Its name.")),
        (
            "origin",
            json!({ "type": "string", "enum": origins, "description": "Who says it: what one says, no other changes." }),
        ),
    ];
    let mut sent = vec![
        ("name", name("Its name; may be left out where the path has it.")),
        (
            "origin",
            json!({ "type": "string", "enum": [Origin::Api.as_str()], "description": "Who says it: whoever sends it." }),
        ),
    ];
    if kind == Kind::Rule {
        let place = |about: &str| json!({ "type": "integer", "minimum": 0, "description": about });
        own.push(("place", place("Its place among the rules, from 0.")));
        let about = "Its place among the rules, from 0; without, it keeps the one it has, or comes last.";
        sent.push(("place", place(about)));
    }
    let required = own.iter().map(|(name, _)| Value::from(*name)).collect::<Vec<_>>();
    properties(object, own);
    let others = object.remove("required").and_then(|others| others.as_array().cloned()).unwrap_or_default();
    object.insert("required".to_owned(), required.into_iter().chain(others).collect());
    properties(&mut written, sent);
    made.insert(format!("{title}Definition"), schema);
    made.insert(format!("Put{title}"), written.into());
}
