//! Who belongs to whom on a day: ancestors, descendants, departments.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::Ownership;
use crate::{DateRange, TeamId};

/// The teams as they are on the days of a stretch on which nothing changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    /// The days.
    pub days: DateRange,
    parents: BTreeMap<TeamId, TeamId>,
    owners: BTreeMap<TeamId, String>,
}

impl Ownership {
    /// Stretches of days, in order and without gaps, on each of which teams have one owner and one parent.
    #[must_use]
    pub fn lineages(&self, days: DateRange) -> Vec<Lineage> {
        let changes = self.teams.values().flat_map(|team| team.parent.changes().chain(team.owner.changes()));
        let inside = changes.filter(|day| days.from() < *day && *day < days.to());
        let starts: BTreeSet<NaiveDate> = std::iter::once(days.from()).chain(inside).collect();
        let ends = starts.iter().skip(1).copied().chain([days.to()]);
        let mut lineages: Vec<Lineage> = Vec::new();
        for days in starts.iter().zip(ends).filter_map(|(from, to)| DateRange::new(*from, to)) {
            let lineage = self.lineage(days);
            match lineages.last_mut() {
                Some(last) if last.parents == lineage.parents && last.owners == lineage.owners => {
                    last.days = last.days.and(days);
                }
                _ => lineages.push(lineage),
            }
        }
        lineages
    }

    /// The teams as they are on the first of some days.
    #[must_use]
    pub fn lineage(&self, days: DateRange) -> Lineage {
        let day = days.from();
        let parents = self.teams.iter().filter_map(|(id, team)| Some((id.clone(), team.parent.on(day)?.clone())));
        let owners = self.teams.iter().filter_map(|(id, team)| Some((id.clone(), team.owner.on(day)?.clone())));
        Lineage { days, parents: parents.collect(), owners: owners.collect() }
    }
}

impl Lineage {
    /// The team it is part of.
    #[must_use]
    pub fn parent(&self, team: &str) -> Option<&TeamId> {
        self.parents.get(team)
    }

    /// Every team that is part of another, with that one, by name.
    pub fn parents(&self) -> impl Iterator<Item = (&TeamId, &TeamId)> + Clone {
        self.parents.iter()
    }

    /// Every team that has an accountable owner, with that person, by name.
    pub fn owners(&self) -> impl Iterator<Item = (&TeamId, &str)> {
        self.owners.iter().map(|(team, owner)| (team, owner.as_str()))
    }

    /// The teams that a team is part of, from its parent up.
    pub fn ancestors<'a>(&'a self, team: &str) -> impl Iterator<Item = &'a TeamId> {
        // There are no circles, and if there were, this would end.
        std::iter::successors(self.parents.get(team), |above| self.parents.get(*above)).take(self.parents.len())
    }

    /// Its accountable owner; for a team that is only known by its tags, nobody.
    #[must_use]
    pub fn owner(&self, team: &str) -> Option<&str> {
        self.owners.get(team).map(String::as_str)
    }

    /// The top of its parents: itself, where it has none.
    #[must_use]
    pub fn department<'a>(&'a self, team: &'a str) -> &'a str {
        self.ancestors(team).last().map_or(team, TeamId::as_str)
    }

    /// The team and all that are part of it.
    #[must_use]
    pub fn family(&self, team: &str) -> BTreeSet<TeamId> {
        let mut family = BTreeSet::from([TeamId::new(team)]);
        loop {
            let more: Vec<TeamId> = self
                .parents
                .iter()
                .filter(|(child, parent)| family.contains(*parent) && !family.contains(*child))
                .map(|(child, _)| child.clone())
                .collect();
            if more.is_empty() {
                return family;
            }
            family.extend(more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_by_the_day() {
        let ownership: Ownership = serde_json::from_value(serde_json::json!({ "teams": {
            "commerce": { "owner": "Ana" },
            "payments": { "owner": [{ "is": "Ines" }, { "from": "2026-07-10", "is": "Tom" }], "parent": "commerce" },
            "cards": { "owner": "Kim", "parent": [{ "is": "payments" }, { "from": "2026-07-20" }] },
            "late": { "owner": "Lu", "people": [{ "from": "2026-07-05", "is": 3 }] },
        } }))
        .expect("reads");
        let days = DateRange::parse_bounds("2026-07-01", "2026-08-01").expect("days");
        let lineages = ownership.lineages(days);
        let stretches: Vec<String> = lineages.iter().map(|lineage| lineage.days.to_string()).collect();
        assert_eq!(stretches, ["2026-07-01..2026-07-10", "2026-07-10..2026-07-20", "2026-07-20..2026-08-01"]);
        let family = |lineage: &Lineage| lineage.family("commerce").iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(family(&lineages[0]), ["cards", "commerce", "payments"]);
        assert_eq!(family(&lineages[2]), ["commerce", "payments"]);
        assert_eq!((lineages[0].department("cards"), lineages[2].department("cards")), ("commerce", "cards"));
        assert_eq!((lineages[0].owner("payments"), lineages[1].owner("payments")), (Some("Ines"), Some("Tom")));
        assert_eq!(lineages[0].department("found-in-tags"), "found-in-tags");
        assert_eq!(lineages[0].owner("found-in-tags"), None);
    }
}
