//! What was said, layer over layer, as one TOML tree in which every value knows its place.
//!
//! The tree is TOML's own, with its spans made over: the span of a key and of its value starts at the number of the
//! place where they were said. Deserialising keeps spans in its errors, so an error leads straight to the value at fault,
//! whichever layer it came from.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer, Error};

use super::problem::dotted;
use super::{Place, Problem};

/// Keys and list positions that lead to a value.
pub(crate) type Path = Vec<String>;

/// A value that was taken out.
struct TakenOut {
    /// Its number.
    number: usize,
    /// The number of the table or list it was in, but for the outermost.
    holder: Option<usize>,
    /// The keys that led to it.
    key: Path,
    /// Where it was said.
    place: Place,
}

/// Everything that was said.
#[derive(Debug, Default)]
pub(crate) struct Said<'i> {
    root: DeTable<'i>,
    places: Vec<Place>,
}

impl<'i> Said<'i> {
    /// Lays a table over what was said before: tables are merged, anything else is replaced whole.
    pub(crate) fn add(&mut self, table: DeTable<'i>, place: &dyn Fn(usize) -> Place) {
        let table = self.place_table(table, place);
        lay_over(&mut self.root, table);
    }

    fn place_table(&mut self, table: DeTable<'i>, place: &dyn Fn(usize) -> Place) -> DeTable<'i> {
        let mut placed = DeTable::new();
        for (key, value) in table {
            let number = self.number(place(key.span().start));
            let value = self.place_value(value.into_inner(), place);
            placed.insert(spanned(number, key.into_inner()), spanned(number, value));
        }
        placed
    }

    fn place_value(&mut self, value: DeValue<'i>, place: &dyn Fn(usize) -> Place) -> DeValue<'i> {
        match value {
            DeValue::Table(table) => DeValue::Table(self.place_table(table, place)),
            DeValue::Array(items) => {
                let placed = items.into_iter().map(|item| {
                    let number = self.number(place(item.span().start));
                    spanned(number, self.place_value(item.into_inner(), place))
                });
                DeValue::Array(placed.collect())
            }
            // Dates are text to everything that reads them, quoted or not.
            DeValue::Datetime(date) => DeValue::String(date.to_string().into()),
            scalar => scalar,
        }
    }

    fn number(&mut self, place: Place) -> usize {
        self.places.push(place);
        self.places.len() - 1
    }

    /// Reads what was said.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let nowhere = self.places.len();
        T::deserialize(Deserializer::from(spanned(nowhere, self.root.clone())))
    }

    /// Understands what was said. What cannot be understood is a problem and is left out, so that the next one is found, too.
    /// `explain` puts serde's words about a key into those of somebody who writes TOML.
    pub(crate) fn understand<T: DeserializeOwned>(
        &mut self,
        explain: &dyn Fn(&[String], &str) -> String,
        problems: &mut Vec<Problem>,
    ) -> T {
        let mut holders = BTreeSet::new();
        loop {
            let error = match self.read() {
                Ok(understood) => return understood,
                Err(error) => error,
            };
            let taken = self.take_out(&error).expect("every value was said somewhere, and a file without any is fine");
            // A field that is missing because it was taken out, or misspelt, was told already.
            let told = error.message().starts_with("missing field") && holders.contains(&taken.number);
            if !told {
                let text = explain(&taken.key, error.message());
                problems.push(Problem { place: taken.place, key: dotted(&taken.key), text });
            }
            holders.extend(taken.holder);
        }
    }

    /// Takes the value out that an error points at.
    fn take_out(&mut self, error: &Error) -> Option<TakenOut> {
        let number = error.span()?.start;
        let mut way = Way::default();
        if !take_from_table(&mut self.root, number, &mut way) {
            return None;
        }
        way.keys.reverse();
        Some(TakenOut {
            number,
            holder: way.holders.first().copied(),
            key: way.keys,
            place: self.places[number].clone(),
        })
    }

    /// The places of all values.
    pub(crate) fn places(&self) -> BTreeMap<Path, Place> {
        fn walk(value: &DeValue<'_>, path: &mut Path, visit: &mut dyn FnMut(&Path, usize)) {
            let children: Vec<(String, &Spanned<DeValue<'_>>)> = match value {
                DeValue::Table(table) => table.iter().map(|(key, value)| (key.get_ref().to_string(), value)).collect(),
                DeValue::Array(items) => items.iter().enumerate().map(|(n, item)| (n.to_string(), item)).collect(),
                _ => return,
            };
            for (step, value) in children {
                path.push(step);
                visit(path, value.span().start);
                walk(value.get_ref(), path, visit);
                path.pop();
            }
        }
        let mut places = BTreeMap::new();
        walk(&DeValue::Table(self.root.clone()), &mut Path::new(), &mut |path, number| {
            places.insert(path.clone(), self.places[number].clone());
        });
        places
    }
}

fn spanned<T>(number: usize, value: T) -> Spanned<T> {
    Spanned::new(number..number + 1, value)
}

fn lay_over<'i>(under: &mut DeTable<'i>, over: DeTable<'i>) {
    for (key, mut value) in over {
        match (under.get_mut(key.get_ref().as_ref()).map(Spanned::get_mut), value.get_mut()) {
            (Some(DeValue::Table(under)), DeValue::Table(over)) => lay_over(under, std::mem::take(over)),
            _ => {
                // Inserting over a key would leave the old key, and with it the old place.
                under.remove(key.get_ref().as_ref());
                under.insert(key, value);
            }
        }
    }
}

/// The way back from a value, innermost first.
#[derive(Default)]
struct Way {
    /// The keys. Positions in lists are left out: they change when a value before them is taken out.
    keys: Vec<String>,
    /// The numbers of the tables and lists.
    holders: Vec<usize>,
}

/// Removes the numbered value and gathers the way to it.
fn take_from_table(table: &mut DeTable<'_>, number: usize, way: &mut Way) -> bool {
    let found = table.iter_mut().find_map(|(key, value)| {
        let here = value.span().start == number;
        (here || take_from_value(value, number, way)).then(|| (key.get_ref().to_string(), here))
    });
    let Some((key, here)) = found else { return false };
    if here {
        table.remove(key.as_str());
    }
    way.keys.push(key);
    true
}

fn take_from_value(value: &mut Spanned<DeValue<'_>>, number: usize, way: &mut Way) -> bool {
    let holder = value.span().start;
    let found = match value.get_mut() {
        DeValue::Table(table) => take_from_table(table, number, way),
        DeValue::Array(items) => take_from_list(items, number, way),
        _ => false,
    };
    if found {
        way.holders.push(holder);
    }
    found
}

fn take_from_list(items: &mut DeArray<'_>, number: usize, way: &mut Way) -> bool {
    let found = items.iter_mut().enumerate().find_map(|(n, item)| {
        let here = item.span().start == number;
        (here || take_from_value(item, number, way)).then_some((n, here))
    });
    let Some((n, here)) = found else { return false };
    if here {
        let all = std::mem::replace(items, DeArray::new()).into_iter().enumerate();
        *items = all.filter(|(other, _)| *other != n).map(|(_, item)| item).collect();
    }
    true
}
