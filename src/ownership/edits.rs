//! Changes to who owns what: told to people, and made.

use outlay_catalog::OwnershipChange;
use outlay_model::ownership::{Definition, Edit, Kind, Origin, Ownership};
use serde::Serialize;

use super::whole;
use crate::app::{App, now};

/// What becomes of a name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// `add`, `change`, `move` (a rule that only gets another place) or `remove`.
    pub change: &'static str,
    /// What is said so far.
    pub before: Option<Definition>,
    /// What will be said.
    pub after: Option<Definition>,
}

/// What changes come to, by kind and name.
#[must_use]
pub fn changes(known: &Ownership, edits: &[Edit], origin: Origin) -> Vec<Change> {
    let after = whole::after(known, edits, origin);
    let mut changes: Vec<Change> = edits
        .iter()
        .map(|edit| {
            let (kind, name) = edit.subject();
            let (before, after) = (known.definition(kind, name), after.definition(kind, name));
            let change = match (&before, &after) {
                (None, _) => "add",
                (_, None) => "remove",
                (before, after) if before == after => "move",
                _ => "change",
            };
            Change { kind, name: name.to_owned(), change, before, after }
        })
        .collect();
    changes.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    changes
}

/// Makes changes, together or not at all. None changes nothing.
///
/// # Errors
/// When they cannot be made; nothing has changed.
pub async fn make(app: &App, edits: Vec<Edit>, origin: Origin, by: &str) -> anyhow::Result<()> {
    if edits.is_empty() {
        return Ok(());
    }
    let change = OwnershipChange { edits, origin, by: by.to_owned(), now: now() };
    app.catalog.change_ownership(&change).await?;
    Ok(())
}
