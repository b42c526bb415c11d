//! Who owns some rows.

use std::sync::Arc;

use outlay_model::UNALLOCATED;
use polars::prelude::{Column, IntoColumn, NewChunkedArray, PlHashMap, PlSmallStr, StringChunked};

use crate::schema::{COMPONENT, ENVIRONMENT, OWNERSHIP_RULE, TEAM};

/// A text that is said of many rows, by its place in [`Names`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Name(u32);

/// Texts that are said of many rows.
#[derive(Debug, Default)]
pub(super) struct Names {
    texts: Vec<Arc<str>>,
    known: PlHashMap<Arc<str>, Name>,
}

impl Names {
    /// The name of this text.
    pub(super) fn of(&mut self, text: &str) -> Name {
        if let Some(name) = self.known.get(text) {
            return *name;
        }
        let (name, text) = (Name(self.texts.len() as u32), Arc::<str>::from(text));
        self.texts.push(Arc::clone(&text));
        self.known.insert(text, name);
        name
    }

    pub(super) fn text(&self, name: Name) -> &str {
        &self.texts[name.0 as usize]
    }
}

/// What rules decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    Team,
    Component,
    Environment,
}

impl Attribute {
    pub(super) const ALL: [Self; 3] = [Self::Team, Self::Component, Self::Environment];
}

/// Who owns one row.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found {
    names: [Option<Name>; 3],
    /// What decided the team.
    pub(super) rule: Option<Name>,
}

impl Found {
    pub(super) fn get(&self, attribute: Attribute) -> Option<Name> {
        self.names[attribute as usize]
    }

    /// Says it where nothing was said before.
    pub(super) fn say(&mut self, attribute: Attribute, name: Option<Name>, rule: Option<Name>) {
        let said = &mut self.names[attribute as usize];
        if said.is_none() && name.is_some() {
            *said = name;
            if attribute == Attribute::Team {
                self.rule = rule;
            }
        }
    }
}

/// Who owns some rows, in their order.
#[derive(Debug)]
pub struct Decided {
    pub(super) names: Names,
    pub(super) rows: Vec<Found>,
}

impl Decided {
    /// Of rows that nobody owns yet.
    pub(super) fn nobody(rows: usize) -> Self {
        Self { names: Names::default(), rows: vec![Found::default(); rows] }
    }

    /// Whether there is nothing left to decide.
    pub(super) fn is_complete(&self) -> bool {
        self.rows.iter().all(|found| found.names.iter().all(Option::is_some))
    }

    /// The same owners, of rows that are alike: per row, which of those here it is like.
    pub(super) fn given_to(&self, alike: &[usize]) -> Vec<Found> {
        alike.iter().map(|like| self.rows[*like]).collect()
    }

    fn text(&self, name: Option<Name>) -> Option<&str> {
        name.map(|name| self.names.text(name))
    }

    /// The team of a row.
    #[must_use]
    pub fn team(&self, row: usize) -> &str {
        self.text(self.rows[row].get(Attribute::Team)).unwrap_or(UNALLOCATED)
    }

    /// The component of a row.
    #[must_use]
    pub fn component(&self, row: usize) -> Option<&str> {
        self.text(self.rows[row].get(Attribute::Component))
    }

    /// The environment of a row.
    #[must_use]
    pub fn environment(&self, row: usize) -> Option<&str> {
        self.text(self.rows[row].get(Attribute::Environment))
    }

    /// What decided the team of a row.
    #[must_use]
    pub fn rule(&self, row: usize) -> Option<&str> {
        self.text(self.rows[row].rule)
    }

    /// As the columns of charges.
    #[must_use]
    pub fn columns(&self) -> [Column; 4] {
        let rows = 0..self.rows.len();
        let column = |name: &'static str, texts: &mut dyn Iterator<Item = Option<&str>>| {
            StringChunked::from_iter_options(PlSmallStr::from_static(name), texts).into_column()
        };
        [
            column(TEAM, &mut rows.clone().map(|row| Some(self.team(row)))),
            column(COMPONENT, &mut rows.clone().map(|row| self.component(row))),
            column(ENVIRONMENT, &mut rows.clone().map(|row| self.environment(row))),
            column(OWNERSHIP_RULE, &mut rows.map(|row| self.rule(row))),
        ]
    }
}
