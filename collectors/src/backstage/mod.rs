//! A Backstage catalog, read for who owns what: its groups become teams, its components become components, and the annotations
//! that InfraWallet's plug-in reads become the rules that find a component's charges (docs/OWNERSHIP.md has the table).
//!
//! Backstage only knows how things are today. So what it says differently from before holds from the day it is read on, what it
//! says no longer ends on that day, and nothing that was is taken back (P9), unless somebody asks for it ([`plan`]).
//!
//! Invariants: what cannot be read never counts as removed; one bad file or entity is told, with its line, and stops no other;
//! sizes, depths and numbers are bounded, aliases too; addresses lead to no other host than the one that was named.

mod annotations;
mod definitions;
mod documents;
mod entity_ref;
mod files;
mod history;
mod web;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;

use outlay_model::ownership::{Edit, Origin, Ownership, Since};
use reqwest::Url;

use crate::http::Http;
use documents::Entity;

/// The most files of a catalog.
const MOST_FILES: usize = 10_000;
/// The most bytes of a file.
const MOST_BYTES: usize = 1 << 20;

/// Where a catalog is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder of this machine.
    Folder(PathBuf),
    /// The address of a file, which may be one that names others.
    Web(Url),
}

impl Place {
    /// Reads a folder's name or an address.
    ///
    /// # Errors
    /// Why it is neither, and what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        const EXAMPLE: &str =
            "write a folder such as \"./catalog\", or an address such as \"https://example.com/catalog-info.yaml\"";
        match text.split_once("://") {
            None if text.trim().is_empty() => Err(format!("names no place; {EXAMPLE}")),
            None => Ok(Self::Folder(text.into())),
            Some(("https" | "http", _)) => {
                let url: Url = text.parse().map_err(|_| format!("is not an address; {EXAMPLE}"))?;
                if !url.username().is_empty() || url.password().is_some() {
                    return Err(format!("holds a password; give a token by backstage_token_env instead; {EXAMPLE}"));
                }
                Ok(Self::Web(url))
            }
            Some((scheme, _)) => Err(format!("{scheme}:// is not where a catalog is; {EXAMPLE}")),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::Web(url) => f.write_str(&web::shown(url)),
        }
    }
}

/// Something to tell a person, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// The file, or its address.
    pub file: String,
    /// The line, from 1, where it is about one.
    pub line: Option<u64>,
    /// What there is to say.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.text),
            None => write!(f, "{}: {}", self.file, self.text),
        }
    }
}

/// What a catalog says.
#[derive(Debug, Default)]
pub struct Reading {
    entities: Vec<Entity>,
    /// What could not be read. While there is any, nobody knows all that the catalog says.
    pub unread: Vec<Note>,
    /// What else to tell.
    pub notes: Vec<Note>,
}

impl Reading {
    /// How many entities were read of the kinds that are of use here.
    #[must_use]
    pub fn entities(&self) -> usize {
        self.entities.len()
    }
}

/// Reads a catalog. Whatever is wrong with it is in what is read. The token goes to the host of an address and to no other.
pub async fn read(place: &Place, http: &Http, token: Option<&str>) -> Reading {
    match place {
        Place::Web(url) => web::read(url, http, token).await,
        Place::Folder(folder) => {
            let (folder, shown) = (folder.clone(), place.to_string());
            let read = tokio::task::spawn_blocking(move || files::read(&folder)).await;
            read.unwrap_or_else(|error| Reading {
                unread: vec![Note { file: shown, line: None, text: error.to_string() }],
                ..Reading::default()
            })
        }
    }
}

/// The changes that a catalog asks for, and what to tell of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// The changes.
    pub edits: Vec<Edit>,
    /// What of the catalog is left out, and why.
    pub notes: Vec<Note>,
}

/// What a catalog changes of what is known. What it says differently holds from `since` on; `ever` makes everything as the
/// catalog says it, for the past too, and removes what it does not say. The first time, everything holds since ever.
///
/// Of a catalog that could only be read in part ([`Reading::unread`]) nothing ends and nothing is removed.
#[must_use]
pub fn plan(reading: &Reading, known: &Ownership, since: Since) -> Plan {
    let mut said = definitions::said(&reading.entities, known);
    let first = !known.origins.values().any(|origin| *origin == Origin::Backstage);
    let since = if first { Since::Ever } else { since };
    loop {
        let all = history::with_before(known, &said, since, !reading.unread.is_empty());
        let edits = known.edits_to(Origin::Backstage, all);
        let mut after = known.clone();
        edits.iter().cloned().for_each(|edit| after.edit(edit, Origin::Backstage));
        // What the whole would not bear is left out, and with it what names it, until the rest can be. What is wrong with
        // what others say is for whoever makes the change.
        if !said.leave_out(&after.problems()) {
            let mut notes: Vec<Note> = reading.notes.iter().chain(&said.notes).cloned().collect();
            notes.sort();
            return Plan { edits, notes };
        }
    }
}
