//! What is wrong with an [`Ownership`] as a whole: names that are not there, circles, impossible dates, bad expressions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::NaiveDate;

use super::{Dated, Kind, Ownership, Pool, Rule, SHARED, Since, Split, Value, pool_of_team, team_of_pool};
use crate::dimension::Fixed;
use crate::{Dimension, Money, SourceName, TeamId, UNALLOCATED};

/// Something that cannot be so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnershipProblem {
    /// What it is said of.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// The field, such as `parent` or `when`; empty for the name itself.
    pub field: String,
    /// What is wrong and what would be right.
    pub text: String,
}

impl fmt::Display for OwnershipProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, field, text } = self;
        if field.is_empty() {
            write!(f, "{kind} {name:?}: {text}")
        } else {
            write!(f, "{kind} {name:?}, {field}: {text}")
        }
    }
}

/// All of them, in one text.
#[must_use]
pub fn told(problems: &[OwnershipProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The most characters of a name.
const LONGEST: usize = 200;

/// Gathers problems of one name.
struct Of<'a> {
    kind: Kind,
    name: &'a str,
    problems: &'a mut Vec<OwnershipProblem>,
}

impl Of<'_> {
    fn say(&mut self, field: &str, text: impl Into<String>) {
        let (kind, name, field) = (self.kind, self.name.to_owned(), field.to_owned());
        self.problems.push(OwnershipProblem { kind, name, field, text: text.into() });
    }
}

impl Ownership {
    /// Everything that is wrong with it, in order. What is not empty must not be stored.
    #[must_use]
    pub fn problems(&self) -> Vec<OwnershipProblem> {
        let mut problems = Vec::new();
        let names = self.teams.keys().map(|id| (Kind::Team, id.as_str()));
        let names = names.chain(self.components.keys().map(|id| (Kind::Component, id.as_str())));
        let names = names.chain(self.maps.keys().map(|id| (Kind::Map, id.as_str())));
        let names = names.chain(self.pools.keys().map(|id| (Kind::Pool, id.as_str())));
        let names = names.chain(self.series.keys().map(|id| (Kind::Series, id.as_str())));
        let names = names.chain(self.rules.iter().map(|(id, _)| (Kind::Rule, id.as_str())));
        for (kind, name) in names {
            check_name(&mut Of { kind, name, problems: &mut problems });
        }
        for (id, team) in &self.teams {
            let mut of = Of { kind: Kind::Team, name: id.as_str(), problems: &mut problems };
            if team.owner.last().is_none_or(|owner| owner.trim().is_empty()) {
                of.say("owner", "a team has one accountable owner: name a person");
            }
            team.parent.values().for_each(|parent| self.check_team(&mut of, "parent", parent, false));
            if team.people.values().any(|people| *people == 0) {
                of.say("people", "0 people have no cost per person: leave `is` out for the days without anybody");
            }
        }
        for (id, component) in &self.components {
            let mut of = Of { kind: Kind::Component, name: id.as_str(), problems: &mut problems };
            component.team.values().for_each(|team| self.check_team(&mut of, "team", team, false));
            if component.team.is_empty() {
                of.say("team", "a component is owned by a team: name one");
            }
        }
        for (id, pool) in &self.pools {
            let mut of = Of { kind: Kind::Pool, name: id.as_str(), problems: &mut problems };
            if SourceName::parse(id.as_str()).is_err() {
                // Its transfers have a folder in the store.
                of.say(
                    "",
                    "a pool is named by 1 to 64 letters, digits, '-', '_' or '.', starting with a letter or digit",
                );
            }
            pool.split.values().for_each(|split| self.check_split(&mut of, split));
        }
        for (id, rule) in &self.rules {
            self.check_rule(&mut Of { kind: Kind::Rule, name: id.as_str(), problems: &mut problems }, rule);
        }
        self.check_circles(&mut problems);
        problems.sort();
        problems.dedup();
        problems
    }

    fn check_team(&self, of: &mut Of<'_>, field: &str, team: &TeamId, pools_too: bool) {
        if self.teams.contains_key(team) {
            return;
        }
        match pool_of_team(team.as_str()) {
            Some(pool) if pools_too && self.pools.contains_key(&pool) => {}
            Some(pool) if pools_too => of.say(field, format!("there is no pool {:?}; add it first", pool.as_str())),
            Some(_) => of.say(field, format!("{:?} is a pool; name a team", team.as_str())),
            None => {
                let names = self.teams.keys().map(TeamId::as_str);
                of.say(
                    field,
                    format!("there is no team {:?}{}; add it first", team.as_str(), alike(team.as_str(), names)),
                );
            }
        }
    }

    fn check_split(&self, of: &mut Of<'_>, split: &Split) {
        let (field, pools_too) = match split {
            Split::Even(among) if among.is_empty() => return of.say("split.even", "name those who share it"),
            Split::Fixed(shares) if shares.is_empty() => return of.say("split.fixed", "name those who share it"),
            Split::Even(_) => ("split.even", true),
            Split::Fixed(_) => ("split.fixed", true),
            Split::Spend(_) => ("split.spend.among", false),
            Split::Metric(_) => ("split.metric.among", false),
        };
        let targets = split.targets();
        targets.iter().for_each(|target| self.check_team(of, field, target, pools_too));
        if targets.iter().collect::<BTreeSet<_>>().len() < targets.len() {
            of.say(field, "a name stands there twice");
        }
        match split {
            Split::Fixed(shares) => {
                for (target, _) in shares.iter().filter(|(_, share)| **share <= Money::ZERO) {
                    of.say("split.fixed", format!("the share of {:?} is not positive", target.as_str()));
                }
            }
            Split::Metric(metric) if !self.series.contains_key(&metric.series) => {
                let text = format!("there is no series {:?}; add it first", metric.series.as_str());
                of.say("split.metric.series", text);
            }
            _ => {}
        }
    }

    fn check_rule(&self, of: &mut Of<'_>, rule: &Rule) {
        if let (Since::Day(from), Some(to)) = (rule.from, rule.to)
            && to <= from
        {
            of.say("to", format!("{to} is not after from ({from}); to is the day after the last"));
        }
        let mut assigned = BTreeSet::new();
        rule.when.filter().each_dimension(&mut |dimension| {
            if dimension.is_decided() {
                assigned.insert(dimension.to_string());
            }
        });
        for dimension in assigned {
            of.say(
                "when",
                format!("{dimension} is what rules decide, so none can ask for it; ask for tags, accounts, services"),
            );
        }
        if let Some(pool) = rule.pool.as_ref().filter(|pool| !self.pools.contains_key(*pool)) {
            of.say("pool", format!("there is no pool {:?}; add it first", pool.as_str()));
        }
        match (&rule.team, &rule.pool) {
            (Some(_), Some(_)) => of.say("pool", "a charge is of a team or of a pool: leave one out"),
            (None, None) if rule.component.is_none() && rule.environment.is_none() => {
                of.say("team", "the rule decides nothing: give team, pool, component or environment");
            }
            (Some(Value::Fixed(team)), None) if team != UNALLOCATED => {
                self.check_team(of, "team", &TeamId::new(team.as_str()), false);
            }
            _ => {}
        }
        for (field, value) in [("team", &rule.team), ("component", &rule.component), ("environment", &rule.environment)]
        {
            match value {
                Some(Value::Fixed(name)) if name.trim().is_empty() => of.say(field, "the name is empty"),
                Some(Value::From(taken)) => {
                    if taken.from.is_decided() {
                        of.say(&format!("{field}.from"), format!("{} is what rules decide", taken.from));
                    }
                    if let Some(Err(error)) = taken.capture.as_deref().map(regex::Regex::new) {
                        of.say(&format!("{field}.capture"), regex_error(&error));
                    }
                    match &taken.map {
                        Some(map) if !self.maps.contains_key(map) => {
                            of.say(&format!("{field}.map"), format!("there is no map {map:?}; add it first"));
                        }
                        None if taken.only_mapped => {
                            of.say(&format!("{field}.only_mapped"), "there is no map to be in")
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
    }

    /// Parents and pools that come back to themselves on some day.
    fn check_circles(&self, problems: &mut Vec<OwnershipProblem>) {
        let days = self.teams.values().flat_map(|team| team.parent.changes());
        for day in first_days(days) {
            let parent = |team: &TeamId| -> Vec<TeamId> {
                let on = self.teams.get(team).and_then(|team| at(&team.parent, day));
                on.cloned().into_iter().collect()
            };
            for (team, circle) in circles(self.teams.keys().cloned(), parent) {
                let text = format!("it is its own parent{}: {circle}", since(day));
                problems.push(OwnershipProblem {
                    kind: Kind::Team,
                    name: team.to_string(),
                    field: "parent".to_owned(),
                    text,
                });
            }
        }
        let days = self.pools.values().flat_map(|pool| pool.split.changes());
        for day in first_days(days) {
            let pools = self.pools.keys().map(team_of_pool);
            let next = |pool: &TeamId| -> Vec<TeamId> {
                let pool: Option<&Pool> = pool_of_team(pool.as_str()).and_then(|pool| self.pools.get(&pool));
                let split = pool.and_then(|pool| at(&pool.split, day));
                let targets = split.map(Split::targets).unwrap_or_default();
                targets.into_iter().filter(|target| target.as_str().starts_with(SHARED)).cloned().collect()
            };
            for (pool, circle) in circles(pools, next) {
                let name = pool.as_str().trim_start_matches(SHARED).to_owned();
                let text = format!("it is split into itself{}: {circle}", since(day));
                problems.push(OwnershipProblem { kind: Kind::Pool, name, field: "split".to_owned(), text });
            }
        }
    }
}

impl Dimension {
    /// Whether rules decide it, or it follows from what they decide: so none can ask for it.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        let decided = [Fixed::Team, Fixed::Component, Fixed::Environment, Fixed::Rule, Fixed::Department, Fixed::Owner];
        decided.iter().any(|fixed| *self == Self::Fixed(*fixed))
    }
}

fn check_name(of: &mut Of<'_>) {
    let name = of.name;
    if name.is_empty() || name.trim() != name || name.chars().any(char::is_control) {
        of.say("", "a name has no blanks around it, and is not empty");
    } else if name.chars().count() > LONGEST {
        of.say("", format!("a name has at most {LONGEST} characters"));
    } else if of.kind == Kind::Team && (name == UNALLOCATED || name.starts_with(SHARED)) {
        of.say("", format!("{UNALLOCATED:?} and {SHARED:?} are Outlay's own words: choose another name"));
    }
}

/// The days on which something may be another way than before, with `None` for the time before all of them.
fn first_days(days: impl Iterator<Item = NaiveDate>) -> BTreeSet<Option<NaiveDate>> {
    std::iter::once(None).chain(days.map(Some)).collect()
}

/// What is so on a day; before all of them, what has been since ever.
fn at<T>(dated: &Dated<T>, day: Option<NaiveDate>) -> Option<&T> {
    dated.on(day.unwrap_or(NaiveDate::MIN))
}

fn since(day: Option<NaiveDate>) -> String {
    day.map_or_else(String::new, |day| format!(" from {day} on"))
}

/// Those that come back to themselves, each with the way round, told once for each circle.
fn circles(all: impl Iterator<Item = TeamId>, next: impl Fn(&TeamId) -> Vec<TeamId>) -> Vec<(TeamId, String)> {
    let mut found = Vec::new();
    let mut told: BTreeSet<TeamId> = BTreeSet::new();
    for start in all {
        let mut came_from: BTreeMap<TeamId, TeamId> = BTreeMap::new();
        let mut open = vec![start.clone()];
        while let Some(from) = open.pop() {
            for to in next(&from) {
                if to == start && !told.contains(&start) {
                    let mut way = vec![start.to_string(), from.to_string()];
                    let mut step = &from;
                    while *step != start {
                        step = &came_from[step];
                        way.push(step.to_string());
                    }
                    if from == start {
                        way.truncate(2);
                    }
                    told.extend(way.iter().map(TeamId::new));
                    way.reverse();
                    found.push((start.clone(), way.join(" → ")));
                } else if to != start && !came_from.contains_key(&to) {
                    came_from.insert(to.clone(), from.clone());
                    open.push(to);
                }
            }
        }
    }
    found
}

/// The names nearest to one that is not there: those that differ only in case, blanks, `-` or `_`.
fn alike<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let fold =
        |name: &str| name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let near = names.into_iter().find(|other| fold(other) == fold(name));
    near.map_or_else(String::new, |near| format!(" (but {near:?})"))
}

/// What is wrong with a regular expression, with its position in characters from 1.
fn regex_error(error: &regex::Error) -> String {
    let regex::Error::Syntax(text) = error else { return error.to_string() };
    // The expression stands there in a line, and `^` below what is wrong in it. Several lines are numbered, and told as they are.
    let lines: Vec<&str> = text.lines().collect();
    match lines.as_slice() {
        [_, _, mark, error] if mark.contains('^') => {
            let position = mark.chars().take_while(|c| *c == ' ').count().saturating_sub(INDENT) + 1;
            format!("{} at position {position}", error.trim_start_matches("error: "))
        }
        lines => {
            lines.iter().map(|line| line.trim_end()).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
        }
    }
}

/// Blanks before an expression in what is said of it.
const INDENT: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: serde_json::Value, expected: &[&str]) {
        let mut ownership: Ownership = serde_json::from_value(json.clone()).expect("reads");
        if let Some(rules) = json.get("rule").and_then(|rules| rules.as_object()) {
            for (name, rule) in rules {
                let rule = serde_json::from_value(rule.clone()).expect("a rule");
                ownership.rules.push((crate::RuleId::new(name.as_str()), rule));
            }
        }
        let said: Vec<String> = ownership.problems().iter().map(ToString::to_string).collect();
        assert_eq!(said, expected);
    }

    #[test]
    fn what_is_named_is_there() {
        check(
            serde_json::json!({
                "teams": { "payments": { "owner": "Ines" }, "search": { "owner": "Mei", "parent": "Payments" }, "x": { "owner": "" } },
                "components": { "api": { "team": "nobody" } },
                "pools": { "network": { "split": { "metric": { "series": "cpu", "among": ["payments"] } } } },
            }),
            &[
                r#"team "search", parent: there is no team "Payments" (but "payments"); add it first"#,
                r#"team "x", owner: a team has one accountable owner: name a person"#,
                r#"component "api", team: there is no team "nobody"; add it first"#,
                r#"pool "network", split.metric.series: there is no series "cpu"; add it first"#,
            ],
        );
    }

    #[test]
    fn rules_decide_something_that_can_be() {
        check(
            serde_json::json!({ "rule": {
                "a": { "from": "2026-10-01", "to": "2026-10-01", "when": "team = 'x' OR service = 'y'", "team": "unallocated" },
                "b": { "from": "ever", "when": "TRUE" },
                "c": { "from": "ever", "when": "TRUE", "team": { "from": "account_name", "capture": "a-(", "map": "teams" } },
                "d": { "from": "ever", "when": "TRUE", "team": "payments", "pool": "network" },
            } }),
            &[
                r#"rule "a", to: 2026-10-01 is not after from (2026-10-01); to is the day after the last"#,
                r#"rule "a", when: team is what rules decide, so none can ask for it; ask for tags, accounts, services"#,
                r#"rule "b", team: the rule decides nothing: give team, pool, component or environment"#,
                r#"rule "c", team.capture: unclosed group at position 3"#,
                r#"rule "c", team.map: there is no map "teams"; add it first"#,
                r#"rule "d", pool: a charge is of a team or of a pool: leave one out"#,
                r#"rule "d", pool: there is no pool "network"; add it first"#,
            ],
        );
    }

    #[test]
    fn the_name_of_a_pool_can_be_that_of_a_folder() {
        let says = r"a pool is named by 1 to 64 letters, digits, '-', '_' or '.', starting with a letter or digit";
        check(
            serde_json::json!({
                "teams": { "a": { "owner": "A" } },
                "pools": {
                    "net-1.eu_x": { "split": { "even": ["a"] } },
                    "net/../x": { "split": { "even": ["a"] } },
                    "Über": { "split": { "even": ["a"] } },
                },
            }),
            &[&format!(r#"pool "net/../x": {says}"#), &format!(r#"pool "Über": {says}"#)],
        );
    }

    #[test]
    fn nothing_goes_in_circles_on_any_day() {
        check(
            serde_json::json!({
                "teams": {
                    "a": { "owner": "A", "parent": [{ "from": "2026-07-01", "is": "c" }] },
                    "b": { "owner": "B", "parent": "a" },
                    "c": { "owner": "C", "parent": "b" },
                    "self": { "owner": "S", "parent": "self" },
                },
                "pools": {
                    "p": { "split": { "even": ["shared:q"] } },
                    "q": { "split": { "fixed": { "shared:p": 1, "a": 2 } } },
                },
            }),
            &[
                r#"team "a", parent: it is its own parent from 2026-07-01 on: a → c → b → a"#,
                r#"team "self", parent: it is its own parent from 2026-07-01 on: self → self"#,
                r#"team "self", parent: it is its own parent: self → self"#,
                r#"pool "p", split: it is split into itself: shared:p → shared:q → shared:p"#,
            ],
        );
    }
}
