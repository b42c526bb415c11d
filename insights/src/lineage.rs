//! What a question comes to where who belongs to whom changes from day to day.
//!
//! Charges carry their team and nothing else of its lineage. A condition on a team means the team and all that are part of
//! it, `department` and `owner` are what the registry says of the team on the day of the charge; so a question is put to the
//! store stretch by stretch, each in terms of teams alone, and added up here. Mostly there is one stretch.
//!
//! On the billing basis a charge's day is the first of its invoice period: the lineage of that day counts.
//!
//! Invariant: neither `department` nor `owner` reaches the store; there both would be the team.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::NaiveDate;
use outlay_model::dimension::Fixed;
use outlay_model::ownership::{Lineage, Ownership};
use outlay_model::report::Scope;
use outlay_model::{DateRange, Dimension, Filter, TeamId};
use outlay_store::{Group, Keys};

const TEAM: Dimension = Dimension::Fixed(Fixed::Team);

/// For whom a charge counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counts {
    /// For its team.
    Once,
    /// For its team, and for every team that one is part of: with `team` in the `group_by`, what each team spends including
    /// its descendants. The sums then add up to more than there is.
    ForAncestorsToo,
}

/// A question in terms of what is stored.
#[derive(Debug)]
pub(crate) struct Asked {
    /// In order and without gaps, the days of the question.
    pub stretches: Vec<Stretch>,
    /// What the store groups by.
    pub group_by: Vec<Dimension>,
    /// What that is made into, for each dimension asked for.
    keys: Vec<Key>,
    counts: Counts,
}

/// Days on which the question means the same charges under the same names.
#[derive(Debug)]
pub(crate) struct Stretch {
    /// Which.
    pub days: DateRange,
    /// Which charges it means.
    pub filter: Filter,
    lineage: Lineage,
}

/// A dimension asked for, by the place of the stored one it is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Stored(usize),
    Department(usize),
    Owner(usize),
}

impl Asked {
    /// The question about these charges by these dimensions.
    pub(crate) fn new(
        ownership: &Ownership,
        range: DateRange,
        filter: &Filter,
        group_by: &[Dimension],
        counts: Counts,
    ) -> Self {
        let mut stored: Vec<Dimension> = Vec::new();
        let mut place = |dimension: &Dimension| {
            stored.iter().position(|other| other == dimension).unwrap_or_else(|| {
                stored.push(dimension.clone());
                stored.len() - 1
            })
        };
        let keys: Vec<Key> = group_by
            .iter()
            .map(|dimension| match dimension {
                Dimension::Fixed(Fixed::Department) => Key::Department(place(&TEAM)),
                Dimension::Fixed(Fixed::Owner) => Key::Owner(place(&TEAM)),
                dimension => Key::Stored(place(dimension)),
            })
            .collect();
        let names_differ = |a: &Lineage, b: &Lineage| {
            let owners = keys.iter().any(|key| matches!(key, Key::Owner(_)));
            let parents = keys.iter().any(|key| matches!(key, Key::Department(_))) || counts != Counts::Once;
            (owners && !a.owners().eq(b.owners())) || (parents && !a.parents().eq(b.parents()))
        };
        let mut stretches: Vec<Stretch> = Vec::new();
        for lineage in ownership.lineages(range) {
            let filter = in_teams(filter, &lineage);
            match stretches.last_mut() {
                Some(last) if last.filter == filter && !names_differ(&last.lineage, &lineage) => {
                    last.days = last.days.and(lineage.days);
                }
                _ => stretches.push(Stretch { days: lineage.days, filter, lineage }),
            }
        }
        Self { stretches, group_by: stored, keys, counts }
    }

    /// Which charges may be meant, whatever their day.
    pub(crate) fn filter(&self) -> Filter {
        match self.stretches.as_slice() {
            [stretch] => stretch.filter.clone(),
            stretches => Filter::Or(stretches.iter().map(|stretch| stretch.filter.clone()).collect()),
        }
    }

    /// The same by the day, where that matters.
    pub(crate) fn by_day(&self) -> Vec<(DateRange, Filter)> {
        match self.stretches.as_slice() {
            [_] => Vec::new(),
            stretches => stretches.iter().map(|stretch| (stretch.days, stretch.filter.clone())).collect(),
        }
    }

    /// Groups of a stretch under the names that were asked for. Several may have the same.
    pub(crate) fn keyed(&self, stretch: &Stretch, groups: Vec<Group>) -> Vec<Group> {
        let plain = self.keys.iter().enumerate().all(|(place, key)| *key == Key::Stored(place));
        if plain && self.counts == Counts::Once {
            return groups;
        }
        let mut names = Names { lineage: &stretch.lineage, departments: HashMap::new(), owners: HashMap::new() };
        let team = self.group_by.iter().position(|dimension| *dimension == TEAM);
        let mut keyed = Vec::with_capacity(groups.len());
        for group in groups {
            let key = |keys: &Keys, names: &mut Names<'_>| {
                let one = |key: &Key| match *key {
                    Key::Stored(place) => keys[place].clone(),
                    Key::Department(place) => keys[place].as_ref().map(|team| names.department(team)),
                    Key::Owner(place) => keys[place].as_ref().and_then(|team| names.owner(team)),
                };
                self.keys.iter().map(one).collect::<Keys>()
            };
            if let (Counts::ForAncestorsToo, Some(place)) = (self.counts, team) {
                let own = group.keys[place].clone();
                for ancestor in own.iter().flat_map(|team| stretch.lineage.ancestors(team)) {
                    let mut keys = group.keys.clone();
                    keys[place] = Some(ancestor.as_str().into());
                    keyed.push(Group { keys: key(&keys, &mut names), ..group.clone() });
                }
            }
            let keys = key(&group.keys, &mut names);
            keyed.push(Group { keys, ..group });
        }
        keyed
    }
}

/// What a lineage says of teams, each text once.
struct Names<'a> {
    lineage: &'a Lineage,
    departments: HashMap<Arc<str>, Arc<str>>,
    owners: HashMap<Arc<str>, Option<Arc<str>>>,
}

impl Names<'_> {
    fn department(&mut self, team: &Arc<str>) -> Arc<str> {
        let find = || self.lineage.department(team).into();
        Arc::clone(self.departments.entry(Arc::clone(team)).or_insert_with(find))
    }

    fn owner(&mut self, team: &Arc<str>) -> Option<Arc<str>> {
        let find = || self.lineage.owner(team).map(Into::into);
        self.owners.entry(Arc::clone(team)).or_insert_with(find).clone()
    }
}

/// The filter as one over teams, each of which stands for itself alone. Every comparison is replaced by one that holds for the
/// same charges, so what was two-valued stays so.
fn in_teams(filter: &Filter, lineage: &Lineage) -> Filter {
    let all = |parts: &[Filter]| parts.iter().map(|part| in_teams(part, lineage)).collect();
    match filter {
        Filter::In(Dimension::Fixed(Fixed::Team), teams) => {
            one_of(teams.iter().flat_map(|team| lineage.family(team)).collect())
        }
        // A team that is part of another is no department.
        Filter::In(Dimension::Fixed(Fixed::Department), names) => {
            let tops = names.iter().filter(|name| lineage.parent(name).is_none());
            one_of(tops.flat_map(|top| lineage.family(top)).collect())
        }
        Filter::Like(Dimension::Fixed(Fixed::Department), pattern) => {
            let (like, parts) = (Pattern::new(pattern), lineage.parents().map(|(team, _)| team));
            let inside = parts.clone().filter(|team| like.matches(lineage.department(team.as_str()))).cloned();
            let tops = Filter::Like(TEAM, pattern.clone()).and(Filter::Not(Box::new(one_of(parts.cloned().collect()))));
            Filter::Or(vec![one_of(inside.collect()), tops])
        }
        Filter::IsNull(Dimension::Fixed(Fixed::Department)) => Filter::IsNull(TEAM),
        Filter::In(Dimension::Fixed(Fixed::Owner), names) => {
            owned_by(lineage, |owner| names.iter().any(|name| name == owner))
        }
        Filter::Like(Dimension::Fixed(Fixed::Owner), pattern) => {
            let like = Pattern::new(pattern);
            owned_by(lineage, |owner| like.matches(owner))
        }
        Filter::IsNull(Dimension::Fixed(Fixed::Owner)) => Filter::Not(Box::new(owned_by(lineage, |_| true))),
        Filter::In(..) | Filter::Like(..) | Filter::IsNull(_) => filter.clone(),
        Filter::Not(inner) => Filter::Not(Box::new(in_teams(inner, lineage))),
        Filter::And(parts) => Filter::And(all(parts)),
        Filter::Or(parts) => Filter::Or(all(parts)),
    }
}

/// The registered teams that a caller may know of: their own, and all that are part of them on some day (P8).
pub(crate) fn visible(ownership: &Ownership, scope: &Scope) -> BTreeSet<TeamId> {
    match scope {
        Scope::Company => ownership.teams.keys().cloned().collect(),
        Scope::Teams(teams) => {
            let always = DateRange::new(NaiveDate::MIN, NaiveDate::MAX);
            let lineages = always.map(|always| ownership.lineages(always)).unwrap_or_default();
            let families =
                lineages.iter().flat_map(|lineage| teams.iter().flat_map(|team| lineage.family(team.as_str())));
            families.collect()
        }
    }
}

fn owned_by(lineage: &Lineage, wanted: impl Fn(&str) -> bool) -> Filter {
    one_of(lineage.owners().filter(|(_, owner)| wanted(owner)).map(|(team, _)| team.clone()).collect())
}

fn one_of(teams: BTreeSet<TeamId>) -> Filter {
    if teams.is_empty() {
        return Filter::Or(Vec::new());
    }
    Filter::In(TEAM, teams.iter().map(ToString::to_string).collect())
}

/// A SQL pattern, matched here as the store matches it: `%` any text, `_` any one character, `\` takes the next as it is.
struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Any,
    One,
    This(char),
}

impl Pattern {
    fn new(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            pieces.push(match c {
                '%' => Piece::Any,
                '_' => Piece::One,
                '\\' => Piece::This(chars.next().unwrap_or('\\')),
                c => Piece::This(c),
            });
        }
        Self(pieces)
    }

    fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut piece, mut place) = (0, 0);
        // Where the last `%` stands, and up to where it has taken the text.
        let mut open: Option<(usize, usize)> = None;
        while place < text.len() {
            match self.0.get(piece) {
                Some(Piece::Any) => {
                    open = Some((piece, place));
                    piece += 1;
                }
                Some(Piece::One) => (piece, place) = (piece + 1, place + 1),
                Some(Piece::This(c)) if *c == text[place] => (piece, place) = (piece + 1, place + 1),
                _ => match open {
                    Some((any, taken)) => {
                        open = Some((any, taken + 1));
                        (piece, place) = (any + 1, taken + 1);
                    }
                    None => return false,
                },
            }
        }
        self.0[piece..].iter().all(|piece| *piece == Piece::Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ownership() -> Ownership {
        serde_json::from_value(serde_json::json!({ "teams": {
            "commerce": { "owner": "Ana" },
            "platform": { "owner": "Pia" },
            "payments": { "owner": [{ "is": "Ines" }, { "from": "2026-10-20", "is": "Tom" }],
                          "parent": [{ "is": "commerce" }, { "from": "2026-10-10", "is": "platform" }] },
            "cards": { "owner": "Ines", "parent": "payments" },
        } }))
        .expect("reads")
    }

    fn october() -> DateRange {
        DateRange::parse_period("2026-10", chrono::NaiveDate::MIN).expect("a month")
    }

    /// The stretches of a question, each with its filter.
    fn asked(filter: &str, group_by: &str) -> Vec<String> {
        let (filter, group_by) = (Filter::parse(filter), Dimension::parse_list(group_by));
        let (filter, group_by) = (filter.expect("a filter"), group_by.expect("dimensions"));
        let asked = Asked::new(&ownership(), october(), &filter, &group_by, Counts::Once);
        asked.stretches.iter().map(|stretch| format!("{} {}", stretch.days, stretch.filter)).collect()
    }

    #[test]
    fn a_team_is_its_family_of_the_day() {
        assert_eq!(
            asked("team = 'commerce'", ""),
            [
                "2026-10-01..2026-10-10 team IN ('cards', 'commerce', 'payments')",
                "2026-10-10..2026-11-01 team = 'commerce'"
            ]
        );
        // What does not ask who belongs to whom is asked once.
        assert_eq!(
            asked("team = 'cards' OR tags.team LIKE 'x%'", "team"),
            ["2026-10-01..2026-11-01 (team = 'cards' OR tags.team LIKE 'x%')"]
        );
        assert_eq!(asked("TRUE", "service"), ["2026-10-01..2026-11-01 TRUE"]);
        assert_eq!(asked("TRUE", "department").len(), 2);
        assert_eq!(asked("TRUE", "owner").len(), 2);
        assert_eq!(asked("TRUE", "owner,department").len(), 3);
    }

    #[test]
    fn departments_and_owners_are_teams() {
        let first = |filter: &str| asked(filter, "")[0].split_once(' ').map(|(_, filter)| filter.to_owned());
        let check = |filter: &str, expected: &str| assert_eq!(first(filter).as_deref(), Some(expected), "{filter}");
        check("department = 'commerce'", "team IN ('cards', 'commerce', 'payments')");
        check("department IN ('payments', 'found')", "team = 'found'");
        check("department = 'payments'", "FALSE");
        check("department IS NULL", "team IS NULL");
        check(
            "department LIKE 'comm%'",
            "(team IN ('cards', 'payments') OR (team LIKE 'comm%' AND NOT (team IN ('cards', 'payments'))))",
        );
        check("owner = 'Ines'", "team IN ('cards', 'payments')");
        check("owner LIKE '%a'", "team IN ('commerce', 'platform')");
        check("NOT owner = 'Nobody'", "NOT (FALSE)");
        check("owner IS NULL", "NOT (team IN ('cards', 'commerce', 'payments', 'platform'))");
    }

    #[test]
    fn patterns_match_as_in_the_store() {
        let check = |pattern: &str, text: &str, expected| {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern} {text}");
        };
        for (pattern, text) in
            [("", ""), ("%", ""), ("%", "a\nb"), ("a%", "a"), ("%b", "ab"), ("a_c", "aüc"), ("%a%b%", "xaxxb")]
        {
            check(pattern, text, true);
        }
        for (pattern, text) in [("", "a"), ("_", ""), ("a%", "ba"), ("A", "a"), ("a_", "a"), ("%ab", "aba")] {
            check(pattern, text, false);
        }
        check(r"50\%", "50%", true);
        check(r"50\%", "501", false);
        check(r"a\", r"a\", true);
        check("%aab", "aaab", true);
    }
}
