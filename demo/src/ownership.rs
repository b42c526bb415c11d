//! Who owns what in the company: its ownership file, what its build machines counted, and its releases.
//!
//! The bills have what real ones have: a share that nobody tagged, cost centers and repositories that tell whose it is where the team's
//! tag is missing, and shared networks, build machines and support that are everybody's.

use std::fmt::Write as _;

use chrono::{Days, Months, NaiveDate};

use crate::calendar::{Window, is_weekend};
use crate::chance;
use crate::company::{Company, Team};
use crate::tags::cost_center;

/// Who owns what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// The ownership file, as TOML.
    pub file: String,
    /// The series that the file names.
    pub series: &'static str,
    /// What it counts, as CSV.
    pub points: String,
    /// What was released, oldest first.
    pub releases: Vec<Release>,
}

/// A release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Of this component.
    pub component: &'static str,
    /// As CI calls it.
    pub version: String,
    /// An instant: `2026-10-05T10:14:00Z`.
    pub at: String,
}

/// A department: its name, title, and the person who answers for it.
const DEPARTMENTS: [(&str, &str, &str); 5] = [
    ("commerce", "Commerce", "ines.carvalho@brightwater.example"),
    ("discovery", "Discovery", "julien.moreau@brightwater.example"),
    ("data", "Data", "aisha.rahman@brightwater.example"),
    ("operations", "Operations", "katrin.vogel@brightwater.example"),
    ("engineering", "Engineering", "dan.whitfield@brightwater.example"),
];

/// What the build machines count.
const SERIES: &str = "builds";

/// How many releases back each component goes, and how many days lie between two.
const RELEASES: u64 = 4;
const RELEASE_EVERY: u64 = 24;

/// Who owns what in the company whose bills end the day before `today`; `None` within a year of the calendar's beginning.
#[must_use]
pub fn ownership(today: NaiveDate) -> Option<Ownership> {
    let window = Window::ending(today)?;
    Some(Ownership { file: file(&window)?, series: SERIES, points: builds(&window), releases: releases(&window) })
}

fn file(window: &Window) -> Option<String> {
    let company = Company::invented();
    let month = |back: u32| window.months.last()?.start.checked_sub_months(Months::new(back));
    let (shared_since, by_builds_since, grown) = (month(5)?, month(2)?, month(3)?);
    let mut text = format!("# Who owns what at {}: docs/OWNERSHIP.md explains it.\n", company.name);
    let mut say = |line: std::fmt::Arguments<'_>| text.write_fmt(line).expect("a string takes all");
    for (name, title, owner) in DEPARTMENTS {
        say(format_args!("\n[team.{name}]\ntitle = \"{title}\"\nowner = \"{owner}\"\nkind = \"department\"\n"));
    }
    for Team { name, department, owner, people } in company.teams {
        let parent = DEPARTMENTS.iter().find(|(_, title, _)| title == department)?.0;
        let kind = if *department == "Engineering" { "platform" } else { "product" };
        say(format_args!("\n[team.{name}]\nowner = \"{owner}\"\nkind = \"{kind}\"\nparent = \"{parent}\"\n"));
        // Some have grown.
        match chance::fingerprint(&["people", name]) % 3 {
            0 => say(format_args!("people = [{{ is = {} }}, {{ from = \"{grown}\", is = {people} }}]\n", people - 1)),
            _ => say(format_args!("people = {people}\n")),
        }
        say(format_args!("channels = [\"#{name}-costs\"]\n"));
    }
    for component in company.components {
        say(format_args!("\n[component.{}]\nteam = \"{}\"\n", component.name, component.team));
    }
    say(format_args!("\n# Accounting's numbers.\n[map.cost-centers]\n"));
    for team in company.teams {
        say(format_args!("{} = [\"{}\"]\n", team.name, cost_center(team.name)));
    }
    say(format_args!(
        "
[series.{SERIES}]
unit = \"build\"
about = \"Finished builds of each team on the shared build machines\"

[pool.network]
split = {{ spend = {{}} }}
about = \"Transit, NAT and load balancing of all accounts: in proportion to what each team spends itself\"

[pool.builds]
split = [
  {{ is = {{ spend = {{}} }} }},
  {{ from = \"{by_builds_since}\", is = {{ metric = {{ series = \"{SERIES}\" }} }} }},
]
about = \"The shared build machines: since builds are counted, in proportion to them\"

[pool.support]
split = {{ spend = {{}} }}
about = \"Support contracts\"

[[rule]]
name = \"network\"
from = \"{shared_since}\"
when = \"tags.component = 'network-core'\"
pool = \"network\"
component = \"network-core\"

[[rule]]
name = \"build-machines\"
from = \"{shared_since}\"
when = \"tags.component = 'ci-runners'\"
pool = \"builds\"
component = \"ci-runners\"

[[rule]]
name = \"support\"
from = \"{shared_since}\"
when = \"service LIKE '%Support%'\"
pool = \"support\"

[[rule]]
name = \"cost-centers\"
from = \"ever\"
when = \"tags.team IS NULL\"
team = {{ from = \"tags.cost-center\", map = \"cost-centers\", only_mapped = true }}
about = \"Where the team's tag is missing, accounting's number tells it\"

[[rule]]
name = \"repositories\"
from = \"ever\"
when = \"tags.component IS NULL\"
component = {{ from = \"tags.repo\", capture = \"^brightwater/(.+)$\" }}
about = \"Where the component's tag is missing, the repository it was made from tells it; its team follows\"
"
    ));
    Some(text)
}

/// Builds of each team on each day: fewer at weekends.
fn builds(window: &Window) -> String {
    let mut text = "day,team,component,value\n".to_owned();
    for day in window.days() {
        for team in Company::invented().teams {
            let draw = chance::fingerprint(&["builds", team.name, &day.to_string()]);
            let usual = 4 * u64::from(team.people);
            let builds = if is_weekend(day) { draw % 4 } else { usual + draw % usual };
            if builds > 0 {
                writeln!(text, "{day},{},,{builds}", team.name).expect("a string takes all");
            }
        }
    }
    text
}

/// What was released within the last months, oldest first.
fn releases(window: &Window) -> Vec<Release> {
    let mut releases = Vec::new();
    for component in Company::invented().components {
        let draw = chance::fingerprint(&["releases", component.name]);
        for number in 0..RELEASES {
            let back = 3 + draw % RELEASE_EVERY + number * RELEASE_EVERY;
            let Some(day) = window.today.checked_sub_days(Days::new(back)) else { continue };
            releases.push(Release {
                component: component.name,
                version: format!("{}.{}.0", 1 + draw % 4, 20 + draw % 40 - number),
                at: format!("{day}T{:02}:{:02}:00Z", 8 + draw % 9, draw / 7 % 60),
            });
        }
    }
    releases.sort_by(|a, b| (&a.at, a.component).cmp(&(&b.at, b.component)));
    releases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_an_owner_and_a_department() {
        let said = ownership("2026-11-21".parse().expect("a date")).expect("within the calendar");
        for team in Company::invented().teams {
            assert!(DEPARTMENTS.iter().any(|(_, title, _)| *title == team.department), "{}", team.name);
            assert!(said.file.contains(&format!("[team.{}]\nowner = \"{}\"", team.name, team.owner)));
        }
        assert!(DEPARTMENTS.iter().all(|(name, ..)| Company::invented().teams.iter().all(|team| team.name != *name)));
        let centers: std::collections::BTreeSet<_> =
            Company::invented().teams.iter().map(|team| cost_center(team.name)).collect();
        assert_eq!(centers.len(), Company::invented().teams.len(), "a number is one team's");
        assert!(said.file.contains("from = \"2026-06-01\"\nwhen = \"tags.component = 'network-core'\""));
        assert!(said.points.lines().count() > 365 * 12 / 2 && said.points.contains("\n2026-11-20,payments,,"));
        assert!(said.releases.len() > 200 && said.releases.is_sorted_by_key(|release| &release.at));
        assert_eq!(ownership("2026-11-21".parse().expect("a date")), Some(said), "the same day gives the same bytes");
    }
}
