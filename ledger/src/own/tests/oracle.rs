//! Random rules over random charges, held against what the words say, row by row.
//!
//! Nothing here is shared with what it checks but the words: rules are written down as a person would write them, and
//! conditions, days, maps and captures are worked out by hand.

use std::collections::BTreeMap;

use super::*;

/// Numbers that look like chance, and are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// A word of a dimension, its column, and what charges say there.
const DIMENSIONS: &[(&str, &str, &[Option<&str>])] = &[
    ("service", "ServiceName", &[Some("Amazon EC2"), Some("Amazon VPC"), Some("AWS Lambda"), None]),
    ("account", "SubAccountId", &[Some("11"), Some("12"), Some("21"), None]),
    ("account_name", "SubAccountName", &[Some("pay-prod"), Some("search-dev"), Some("100% x"), None]),
    ("tags.team", "tags.team", &[Some("payments"), Some("pay"), Some(" "), None, None, Some("shared:network")]),
    ("tags.\"cost-center\"", "tags.cost-center", &[Some(" PAY "), Some("find"), Some("4711"), Some(""), None]),
    ("tags.app", "tags.app", &[Some("api"), Some("late"), Some("other"), None]),
    ("tags.env", "tags.env", &[Some("prod"), Some("dev"), None]),
    ("charge_category", "ChargeCategory", &[Some("Usage"), Some("Tax")]),
];

type Row = BTreeMap<&'static str, Option<&'static str>>;

enum Asked {
    In(usize, Vec<&'static str>),
    Like(usize, &'static str),
    Missing(usize),
    Source(&'static str),
    Not(Box<Asked>),
    Both(Box<Asked>, Box<Asked>),
    Either(Box<Asked>, Box<Asked>),
    Always,
}

const PATTERNS: &[&str] = &["Amazon%", "%prod", "%-%", "1_", "pay", "%\\% x", "%", "_%v"];

impl Asked {
    fn random(dice: &mut Dice, deep: usize) -> Self {
        let dimension = dice.below(DIMENSIONS.len());
        let values: Vec<&str> = DIMENSIONS[dimension].2.iter().flatten().copied().collect();
        let again = |dice: &mut Dice| Box::new(Self::random(dice, deep + 1));
        match dice.below(if deep > 1 { 6 } else { 10 }) {
            0 | 1 => Self::In(dimension, vec![dice.one(&values)]),
            2 => Self::In(dimension, vec![dice.one(&values), dice.one(&values), "nobody"]),
            3 => Self::Like(dimension, dice.one(PATTERNS)),
            4 => Self::Missing(dimension),
            5 => dice.one(&[Some("aws"), Some("gcp"), None]).map_or(Self::Always, Self::Source),
            6 | 7 => Self::Not(again(dice)),
            8 => Self::Both(again(dice), again(dice)),
            _ => Self::Either(again(dice), again(dice)),
        }
    }

    fn sql(&self) -> String {
        let word = |dimension: &usize| DIMENSIONS[*dimension].0;
        let quoted = |value: &&str| format!("'{value}'");
        match self {
            Self::In(dimension, values) => {
                let values: Vec<String> = values.iter().map(quoted).collect();
                format!("{} IN ({})", word(dimension), values.join(", "))
            }
            Self::Like(dimension, pattern) => format!("{} LIKE '{pattern}'", word(dimension)),
            Self::Missing(dimension) => format!("{} IS NULL", word(dimension)),
            Self::Source(name) => format!("source = '{name}'"),
            Self::Not(inner) => format!("NOT ({})", inner.sql()),
            Self::Both(one, other) => format!("({} AND {})", one.sql(), other.sql()),
            Self::Either(one, other) => format!("({} OR {})", one.sql(), other.sql()),
            Self::Always => "TRUE".to_owned(),
        }
    }

    fn holds(&self, row: &Row) -> bool {
        let value = |dimension: &usize| row[DIMENSIONS[*dimension].1];
        match self {
            Self::In(dimension, values) => value(dimension).is_some_and(|value| values.contains(&value)),
            Self::Like(dimension, pattern) => value(dimension).is_some_and(|value| like(value, pattern)),
            Self::Missing(dimension) => value(dimension).is_none(),
            Self::Source(name) => *name == "aws",
            Self::Not(inner) => !inner.holds(row),
            Self::Both(one, other) => one.holds(row) && other.holds(row),
            Self::Either(one, other) => one.holds(row) || other.holds(row),
            Self::Always => true,
        }
    }
}

fn like(text: &str, pattern: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('%') => (0..=text.len()).any(|skip| text.is_char_boundary(skip) && like(&text[skip..], rest.as_str())),
        Some('_') => text.chars().next().is_some_and(|c| like(&text[c.len_utf8()..], rest.as_str())),
        Some('\\') => rest.next().is_some_and(|c| text.strip_prefix(c).is_some_and(|text| like(text, rest.as_str()))),
        Some(c) => text.strip_prefix(c).is_some_and(|text| like(text, rest.as_str())),
    }
}

/// A name that a rule assigns.
#[derive(Clone, Copy)]
enum Assigned {
    Fixed(&'static str),
    Taken { dimension: usize, cut: bool, mapped: bool, only: bool },
}

impl Assigned {
    fn random(dice: &mut Dice, fixed: &[&'static str]) -> Self {
        if dice.below(2) == 0 {
            return Self::Fixed(dice.one(fixed));
        }
        let mapped = dice.below(2) == 0;
        let only = mapped && dice.below(2) == 0;
        Self::Taken { dimension: dice.below(DIMENSIONS.len()), cut: dice.below(3) == 0, mapped, only }
    }

    fn json(self) -> serde_json::Value {
        match self {
            Self::Fixed(name) => json!(name),
            Self::Taken { dimension, cut, mapped, only } => {
                let mut taken = json!({ "from": DIMENSIONS[dimension].0.replace('"', ""), "only_mapped": only });
                if cut {
                    taken["capture"] = json!("^([a-z]+)-");
                }
                if mapped {
                    taken["map"] = json!("names");
                }
                taken
            }
        }
    }

    fn name(self, row: &Row, is_team: bool) -> Option<String> {
        let Self::Taken { dimension, cut, mapped, only } = self else {
            let Self::Fixed(name) = self else { return None };
            return Some(name.to_owned());
        };
        let mut text = row[DIMENSIONS[dimension].1]?.to_owned();
        if cut || mapped {
            text = text.trim().to_owned();
        }
        if cut {
            let (before, _) = text.split_once('-')?;
            if before.is_empty() || !before.chars().all(|c| c.is_ascii_lowercase()) {
                return None;
            }
            text = before.to_owned();
        }
        if mapped {
            text = match text.to_lowercase().as_str() {
                "pay" | "payments-team" | "payments" => "payments".to_owned(),
                "find" | "search" => "search".to_owned(),
                _ if only => return None,
                _ => text,
            };
        }
        (!(text.trim().is_empty() || is_team && text.starts_with("shared:"))).then_some(text)
    }
}

struct Written {
    name: String,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    when: Asked,
    team: Option<Assigned>,
    pool: bool,
    component: Option<Assigned>,
    environment: Option<Assigned>,
    correction: bool,
}

fn some_day(dice: &mut Dice) -> NaiveDate {
    day("2026-09-27") + chrono::Days::new(dice.below(8) as u64)
}

impl Written {
    fn random(dice: &mut Dice, name: String) -> Self {
        let from = (dice.below(2) == 0).then(|| some_day(dice));
        let to = (dice.below(4) == 0).then(|| some_day(dice)).filter(|to| from.is_none_or(|from| from < *to));
        let maybe = |dice: &mut Dice, n: usize, fixed: &[&'static str]| {
            (dice.below(n) == 0).then(|| Assigned::random(dice, fixed))
        };
        let (team, component) =
            (maybe(dice, 2, &["payments", "search", "unallocated"]), maybe(dice, 4, &["api", "late", "new"]));
        let environment = maybe(dice, 4, &["prod", "stage"]);
        let pool = team.is_none() && (dice.below(3) == 0 || (component.is_none() && environment.is_none()));
        let when = Asked::random(dice, 0);
        Self { name, from, to, when, team, pool, component, environment, correction: dice.below(4) == 0 }
    }

    fn json(&self) -> serde_json::Value {
        let mut rule = json!({ "from": self.from.map_or("ever".to_owned(), |day| day.to_string()), "when": self.when.sql(),
            "correction": self.correction });
        if let Some(to) = self.to {
            rule["to"] = json!(to.to_string());
        }
        if self.pool {
            rule["pool"] = json!("network");
        }
        for (field, assigned) in [("team", self.team), ("component", self.component), ("environment", self.environment)]
        {
            if let Some(assigned) = assigned {
                rule[field] = assigned.json();
            }
        }
        rule
    }
}

/// Team, rule, component, environment: by the words.
fn expected(rules: &[Written], row: &Row, on: NaiveDate) -> [Option<String>; 4] {
    let corrections = rules.iter().rev().filter(|rule| rule.correction);
    let order: Vec<&Written> = corrections.chain(rules.iter().filter(|rule| !rule.correction)).collect();
    let (mut team, mut component, mut environment) = (None, None, None);
    for rule in order {
        let on_day = rule.from.is_none_or(|from| on >= from) && rule.to.is_none_or(|to| on < to);
        if !on_day || !rule.when.holds(row) {
            continue;
        }
        let named =
            if rule.pool { Some("shared:network".to_owned()) } else { rule.team.and_then(|team| team.name(row, true)) };
        if let Some(named) = named.filter(|_| team.is_none()) {
            team = Some((named, rule.name.clone()));
        }
        component = component.or_else(|| rule.component.and_then(|component| component.name(row, false)));
        environment = environment.or_else(|| rule.environment.and_then(|environment| environment.name(row, false)));
    }
    let tag = |column: &str| row[column].filter(|value| !value.trim().is_empty()).map(ToOwned::to_owned);
    let by_tag = tag("tags.team").filter(|team| !team.starts_with("shared:"));
    team = team.or_else(|| by_tag.map(|team| (team, "tag:team".to_owned())));
    component = component.or_else(|| tag("tags.app"));
    environment = environment.or_else(|| tag("tags.env"));
    let october = on >= day("2026-10-01");
    let of_component = match component.as_deref() {
        Some("api") if october => Some(("search".to_owned(), "component:api".to_owned())),
        Some("api") => Some(("payments".to_owned(), "component:api".to_owned())),
        Some("late") if october => Some(("web".to_owned(), "component:late".to_owned())),
        _ => None,
    };
    if environment.is_none() && component.as_deref() == Some("api") {
        environment = Some("prod".to_owned());
    }
    let (team, rule) = match team.or(of_component) {
        Some((team, rule)) => (team, Some(rule)),
        None => ("unallocated".to_owned(), None),
    };
    [Some(team), rule, component, environment]
}

/// 5 000 random registries, each with and without one more dated rule: 10 000 rule sets.
#[test]
fn every_charge_has_exactly_one_team_and_it_is_the_one_the_words_say() {
    const THREADS: u64 = 4;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || (0..5_000).filter(|seed| seed % THREADS == thread).for_each(check_random));
        }
    });
}

fn check_random(seed: u64) {
    let mut dice = Dice(seed);
    let rows: Vec<(NaiveDate, Row)> = (0..6)
        .map(|_| {
            let cells = DIMENSIONS.iter().map(|(_, column, values)| (*column, dice.one(values)));
            (NaiveDate::MIN, cells.collect())
        })
        .collect();
    let rows: Vec<(NaiveDate, Row)> = rows.into_iter().map(|(_, row)| (some_day(&mut dice), row)).collect();
    let days: Vec<NaiveDate> = rows.iter().map(|(day, _)| *day).collect();
    let mut charges = df!("x_ChargeDate" => days).expect("a frame");
    for (_, column, _) in DIMENSIONS {
        let cells: Vec<Option<&str>> = rows.iter().map(|(_, row)| row[column]).collect();
        charges.with_column(Column::new((*column).into(), cells)).expect("a column");
    }
    let more = dice.below(6);
    let mut rules: Vec<Written> = (0..more).map(|place| Written::random(&mut dice, format!("rule{place}"))).collect();
    let both = seed.is_multiple_of(16);
    let before = owned_by(&rules, &charges, &rows, seed, if both { &[false, true] } else { &[false] });
    let mut dated = Written::random(&mut dice, "dated".to_owned());
    let from = some_day(&mut dice);
    (dated.from, dated.to, dated.correction) = (Some(from), None, true);
    rules.push(dated);
    let after = owned_by(&rules, &charges, &rows, seed, if both { &[false, true] } else { &[true] });
    for (row, (on, _)) in rows.iter().enumerate() {
        assert!(*on >= from || before[row] == after[row], "seed {seed}, row {row}: what is past has changed");
    }
}

/// The owners of the charges, checked: asked one by one, or those together that are alike, or both.
fn owned_by(
    rules: &[Written],
    charges: &DataFrame,
    rows: &[(NaiveDate, Row)],
    seed: u64,
    together: &[bool],
) -> Vec<[Option<String>; 4]> {
    let written: Vec<(&str, serde_json::Value)> = rules.iter().map(|rule| (rule.name.as_str(), rule.json())).collect();
    let mut owner = owner(&book(&written));
    let mut own = |together: &bool| {
        owner.owning.together = *together;
        owner.own(charges.clone()).expect("owned")
    };
    let owned: Vec<DataFrame> = together.iter().map(&mut own).collect();
    let same = owned.iter().all(|other| other.equals_missing(&owned[0]));
    assert!(same, "seed {seed}: together or one by one, it is the same");
    let columns = [TEAM, OWNERSHIP_RULE, COMPONENT, ENVIRONMENT].map(|name| texts(&owned[0], name));
    let found: Vec<[Option<String>; 4]> =
        (0..rows.len()).map(|row| [0, 1, 2, 3].map(|column| columns[column][row].clone())).collect();
    for ((on, row), found) in rows.iter().zip(&found) {
        assert!(found[0].is_some(), "seed {seed}: a charge has a team");
        assert_eq!(*found, expected(rules, row, *on), "seed {seed}: {row:?} on {on} by {written:?}");
    }
    found
}
