//! What a catalog says today, put behind what it said before.

use chrono::NaiveDate;
use outlay_model::ownership::{Dated, Definition, Kind, Origin, Ownership, Rule, Since, Stretch};
use outlay_model::{Filter, RuleId};

use super::definitions::Said;

/// All that the catalog is to have said: what is new or different holds from `since` on, and what is said no longer ends then,
/// unless the catalog was only read in part. With `ever`, exactly what it says, for all days, and what of it was left out as
/// it was before.
pub(super) fn with_before(known: &Ownership, said: &Said, since: Since, in_part: bool) -> Vec<(String, Definition)> {
    let before = |kind: Kind, name: &str| {
        known.definition(kind, name).filter(|_| known.origin(kind, name) == Some(Origin::Backstage))
    };
    let is_said = |kind: Kind, name: &str| {
        said.definitions.iter().any(|(other, definition)| definition.kind() == kind && other == name)
    };
    let mut all: Vec<(String, Definition)> = Vec::new();
    for (name, definition) in &said.definitions {
        match since.day() {
            None => all.push((name.clone(), definition.clone())),
            Some(day) => all.extend(behind(before(definition.kind(), name), name, definition, day)),
        }
    }
    for ((kind, name), origin) in &known.origins {
        if *origin != Origin::Backstage || is_said(*kind, name) {
            continue;
        }
        let Some(definition) = known.definition(*kind, name) else { continue };
        let unsure = in_part || said.left_out.contains(&(*kind, name.clone()));
        match (since.day(), definition) {
            (_, definition) if unsure => all.push((name.clone(), definition)),
            (None, _) => {}
            (Some(day), Definition::Rule(rule)) => {
                all.extend(ended(rule, day).map(|rule| (name.clone(), Definition::Rule(rule))));
            }
            // What a charge of last month is part of is still to be found.
            (Some(_), definition) => all.push((name.clone(), definition)),
        }
    }
    in_order(all)
}

/// What is said now, behind what was said of the same name.
fn behind(before: Option<Definition>, name: &str, now: &Definition, day: NaiveDate) -> Vec<(String, Definition)> {
    let mut now = now.clone();
    let mut past = None;
    match (&mut now, before) {
        (Definition::Team(now), before) => {
            let before = match before {
                Some(Definition::Team(team)) => team,
                _ => Default::default(),
            };
            now.owner = follow(&before.owner, now.owner.last(), day);
            now.people = follow(&before.people, now.people.last(), day);
            now.parent = follow(&before.parent, now.parent.last(), day);
        }
        (Definition::Component(now), before) => {
            let before = match before {
                Some(Definition::Component(component)) => component,
                _ => Default::default(),
            };
            now.team = follow(&before.team, now.team.last(), day);
        }
        (Definition::Rule(now), Some(Definition::Rule(before))) => {
            let same = before.to.is_none()
                && (&before.when, &before.team, &before.component) == (&now.when, &now.team, &now.component);
            now.from = if same { before.from } else { Since::Day(day) };
            if !same {
                let name = format!("{name} until {}", before.to.unwrap_or(day));
                past = ended(before, day).map(|rule| (name, Definition::Rule(rule)));
            }
        }
        (Definition::Rule(now), _) => now.from = Since::Day(day),
        _ => {}
    }
    past.into_iter().chain([(name.to_owned(), now)]).collect()
}

/// A value from a day on, behind what it was before.
fn follow<T: Clone + PartialEq>(before: &Dated<T>, now: Option<&T>, day: NaiveDate) -> Dated<T> {
    if before.last() == now {
        return before.clone();
    }
    let mut stretches: Vec<Stretch<T>> =
        before.stretches().iter().filter(|stretch| stretch.from.is_none_or(|from| from < day)).cloned().collect();
    if stretches.last().and_then(|last| last.is.as_ref()) != now {
        stretches.push(Stretch { from: Some(day), is: now.cloned() });
    }
    Dated::new(stretches).expect("the days before this one are in order, and this one is behind them")
}

/// A rule up to a day; none where it has no day before.
fn ended(rule: Rule, day: NaiveDate) -> Option<Rule> {
    let to = rule.to.map_or(day, |to| to.min(day));
    (rule.from.day().is_none_or(|from| from < to)).then_some(Rule { to: Some(to), ..rule })
}

/// Rules with more conditions come first: they say it more exactly. Names decide between equals, so that the order is always
/// the same.
fn in_order(mut all: Vec<(String, Definition)>) -> Vec<(String, Definition)> {
    let key = |(name, definition): &(String, Definition)| match definition {
        Definition::Rule(rule) => {
            let conditions = match rule.when.filter() {
                Filter::And(parts) => parts.len(),
                _ => 1,
            };
            (Kind::Rule, usize::MAX - conditions, RuleId::new(name.as_str()))
        }
        other => (other.kind(), 0, RuleId::new(name.as_str())),
    };
    all.sort_by_cached_key(key);
    all
}
