//! A definition as it is sent: what the model says of it, with its name, who says it and, of a rule, its place beside it. So what
//! was read can be sent back.

use std::fmt;
use std::marker::PhantomData;

use outlay_model::ownership::{Component, Definition, Edit, Kind, Origin, Pool, Rule, Series, Team, ValueMap};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Error, IntoDeserializer as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::body::invalid;
use crate::problem::{Code, Problem};

/// What can be said of a name.
pub trait Said: DeserializeOwned + Send {
    /// What it is of.
    const KIND: Kind;

    /// As the registry keeps it.
    fn definition(self) -> Definition;
}

macro_rules! said {
    ($($said:ident),*) => {
        $(impl Said for $said {
            const KIND: Kind = Kind::$said;

            fn definition(self) -> Definition {
                Definition::$said(self)
            }
        })*
    };
}

said!(Team, Component, Pool, Series, Rule);

/// Which spellings mean which names.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Names {
    /// The names, each with what else means it: `{"payments": ["pay", "payments-team"]}`. Upper and lower case do not matter, nor
    /// do blanks around; a name is a spelling of itself.
    names: ValueMap,
}

impl Said for Names {
    const KIND: Kind = Kind::Map;

    fn definition(self) -> Definition {
        Definition::Map(self.names)
    }
}

/// What is said of a name, and what goes with it.
#[derive(Debug)]
pub struct Named<T> {
    name: Option<String>,
    origin: Option<Origin>,
    place: Option<usize>,
    said: T,
}

impl<T: Said> Named<T> {
    /// That this is said of the name in the path from now on.
    ///
    /// # Errors
    /// When the body is of another name, or says that somebody else says it.
    pub fn put(self, name: String) -> Result<Edit, Problem> {
        if let Some(own) = self.name.as_ref().filter(|own| **own != name) {
            return Err(invalid(format_args!(
                "name is {own:?}, and {name:?} in the path: leave it out, or make them one"
            )));
        }
        self.edit(name)
    }

    /// That this is said of the name it has.
    ///
    /// # Errors
    /// When it has none, or says that somebody else says it.
    pub fn named(mut self) -> Result<Edit, Problem> {
        let name = self.name.take().ok_or_else(|| invalid(format_args!("the {} has no name", T::KIND)))?;
        self.edit(name)
    }

    fn edit(self, name: String) -> Result<Edit, Problem> {
        let Self { origin, place, said, .. } = self;
        if let Some(origin) = origin.filter(|origin| *origin != Origin::Api) {
            let detail =
                format!("origin is {:?}, and what is sent here is said by {:?}", origin.as_str(), Origin::Api.as_str());
            return Err(Problem::new(Code::SaidElsewhere, detail));
        }
        Ok(Edit::Put { name, definition: said.definition(), place })
    }
}

impl<'de, T: Said> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NamedOf(PhantomData))
    }
}

struct NamedOf<T>(PhantomData<T>);

impl<'de, T: Said> Visitor<'de> for NamedOf<T> {
    type Value = Named<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}", T::KIND)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Named<T>, A::Error> {
        let mut beside = Beside::default();
        let rest = Rest { map, beside: &mut beside, placed: T::KIND == Kind::Rule };
        let said = T::deserialize(MapAccessDeserializer::new(rest))?;
        let Beside { name, origin, place } = beside;
        Ok(Named { name, origin, place, said })
    }
}

/// What stands beside a definition.
#[derive(Default)]
struct Beside {
    name: Option<String>,
    origin: Option<Origin>,
    place: Option<usize>,
}

/// The properties of an object that are the definition's own.
struct Rest<'a, A> {
    map: A,
    beside: &'a mut Beside,
    placed: bool,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Rest<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.map.next_key::<String>()? {
            match key.as_str() {
                "name" => once(&mut self.beside.name, "name", &mut self.map)?,
                "origin" => once(&mut self.beside.origin, "origin", &mut self.map)?,
                "place" if self.placed => once(&mut self.beside.place, "place", &mut self.map)?,
                _ => return seed.deserialize(key.into_deserializer()).map(Some),
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

fn once<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    place: &mut Option<T>,
    name: &'static str,
    map: &mut A,
) -> Result<(), A::Error> {
    match place.replace(map.next_value()?) {
        None => Ok(()),
        Some(_) => Err(A::Error::duplicate_field(name)),
    }
}
