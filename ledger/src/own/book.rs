//! A book made ready: conditions as expressions, names to look up, and the loop that decides.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use outlay_model::ownership::{Book, Choice, Dated};
use outlay_model::tags::TagSettings;
use outlay_model::{ComponentId, Dimension, TagKey, TeamId};
use polars::prelude::{DataFrame, DataType, Expr, IntoLazy, PlHashMap, PolarsResult};

use super::decided::{Attribute, Decided, Name};
use super::names::Taking;
use super::{Alike, HANDFUL};
use crate::filter;
use crate::schema::CHARGE_DATE;

/// Conditions that are asked at once. Rows that are all decided are asked no more.
const AT_ONCE: usize = 32;

/// A book, made ready.
#[derive(Debug)]
pub struct Owning {
    pub(super) rules: Vec<Ready>,
    pub(super) takings: Vec<Taking>,
    teams: BTreeMap<ComponentId, Dated<TeamId>>,
    environments: BTreeMap<ComponentId, String>,
    columns: Vec<(String, Option<TagKey>)>,
    dated: bool,
    /// Whether charges that are alike are put together before they are asked.
    pub(super) together: bool,
}

/// A rule, made ready.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) id: String,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    /// `None` where it lets everything through.
    when: Option<Expr>,
    /// Team, component, environment.
    says: [Option<Says>; 3],
}

impl Ready {
    pub(super) fn is_on(&self, day: Option<NaiveDate>) -> bool {
        self.from.is_none_or(|from| day.is_some_and(|day| from <= day))
            && self.to.is_none_or(|to| day.is_some_and(|day| day < to))
    }

    pub(super) fn says(&self, attribute: Attribute) -> Option<&Says> {
        self.says[attribute as usize].as_ref()
    }
}

/// How a rule comes to a name.
#[derive(Debug)]
pub(super) enum Says {
    Fixed(String),
    /// By its place among the takings.
    Taken(usize),
}

impl Owning {
    /// Makes a book ready. A tag key that is named by another spelling is the key itself.
    ///
    /// # Errors
    /// When a regular expression of the book cannot be used.
    pub fn new(book: &Book, tags: &TagSettings) -> PolarsResult<Self> {
        let canonical = |dimension: &Dimension| tags.canonical_dimension(dimension);
        let mut takings: Vec<Taking> = Vec::new();
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        let mut says = |choice: &Option<Choice>, is_team: bool| -> PolarsResult<Option<Says>> {
            let Some(choice) = choice else { return Ok(None) };
            if let Choice::Fixed(name) = choice {
                return Ok(Some(Says::Fixed(name.clone())));
            }
            let place = match known.get(&format!("{is_team}{choice:?}")) {
                Some(place) => *place,
                None => {
                    takings.extend(Taking::new(choice, is_team, &canonical)?);
                    known.insert(format!("{is_team}{choice:?}"), takings.len() - 1);
                    takings.len() - 1
                }
            };
            Ok(Some(Says::Taken(place)))
        };
        let mut rules = Vec::with_capacity(book.rules.len());
        for rule in &book.rules {
            let when = rule.when.renamed(&canonical);
            rules.push(Ready {
                id: rule.id.clone(),
                from: rule.from,
                to: rule.to,
                when: (!when.is_everything()).then(|| filter::expression(&when)),
                says: [
                    says(&rule.decides.team, true)?,
                    says(&rule.decides.component, false)?,
                    says(&rule.decides.environment, false)?,
                ],
            });
        }
        let dated = book.is_dated();
        let dimensions: BTreeSet<Dimension> = book.dimensions().iter().map(canonical).collect();
        let key = |dimension: &Dimension| match dimension {
            Dimension::Tag(key) => Some(key.clone()),
            Dimension::Fixed(_) => None,
        };
        let day = dated.then(|| (CHARGE_DATE.to_owned(), None));
        // Two words may be of one column.
        let columns: BTreeMap<String, Option<TagKey>> =
            dimensions.iter().map(|dimension| (dimension.column(), key(dimension))).chain(day).collect();
        let together = rules.iter().filter(|rule| rule.when.is_some()).count() > HANDFUL;
        Ok(Self {
            rules,
            takings,
            teams: book.teams.clone(),
            environments: book.environments.clone(),
            columns: columns.into_iter().collect(),
            dated,
            together,
        })
    }

    /// The columns it looks at, those of tags with their keys: what decides for one charge decides for all that are alike in
    /// them.
    #[must_use]
    pub fn columns(&self) -> &[(String, Option<TagKey>)] {
        &self.columns
    }

    /// Who owns rows that have its columns.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn decided(&self, rows: &DataFrame) -> PolarsResult<Decided> {
        if !self.together {
            return self.decide(rows);
        }
        let alike = Alike::of(rows)?;
        let decided = self.decide(&rows.take(&alike.first)?)?;
        Ok(Decided { rows: decided.given_to(&alike.rows), names: decided.names })
    }

    /// Row by row.
    fn decide(&self, rows: &DataFrame) -> PolarsResult<Decided> {
        let mut decided = Decided::nobody(rows.height());
        if rows.height() == 0 {
            return Ok(decided);
        }
        let days = if self.dated { days(rows)? } else { vec![None; rows.height()] };
        let mut taken: PlHashMap<usize, Vec<Option<Name>>> = PlHashMap::default();
        for rules in self.rules.chunks(AT_ONCE) {
            let passes = passes(rules, rows)?;
            for (rule, passes) in rules.iter().zip(&passes) {
                let id = decided.names.of(&rule.id);
                let holds: Vec<usize> = (0..rows.height())
                    .filter(|row| passes.as_ref().is_none_or(|passes| passes[*row]) && rule.is_on(days[*row]))
                    .collect();
                for attribute in Attribute::ALL {
                    match rule.says(attribute) {
                        None => {}
                        Some(Says::Fixed(name)) => {
                            let name = Some(decided.names.of(name));
                            holds.iter().for_each(|row| decided.rows[*row].say(attribute, name, Some(id)));
                        }
                        Some(Says::Taken(place)) => {
                            if !taken.contains_key(place) {
                                taken.insert(*place, self.takings[*place].names(rows, &mut decided.names)?);
                            }
                            let cells = &taken[place];
                            holds.iter().for_each(|row| decided.rows[*row].say(attribute, cells[*row], Some(id)));
                        }
                    }
                }
            }
            if decided.is_complete() {
                break;
            }
        }
        self.fall_back(&mut decided, &days);
        Ok(decided)
    }

    /// A component's team and environment, where nothing else decided.
    fn fall_back(&self, decided: &mut Decided, days: &[Option<NaiveDate>]) {
        if self.teams.is_empty() && self.environments.is_empty() {
            return;
        }
        let mut known: PlHashMap<(Name, Option<NaiveDate>), [Option<Name>; 3]> = PlHashMap::default();
        let Decided { names, rows } = decided;
        for (found, day) in rows.iter_mut().zip(days) {
            let Some(component) = found.get(Attribute::Component) else { continue };
            let [team, rule, environment] = *known.entry((component, *day)).or_insert_with(|| {
                let name = names.text(component).to_owned();
                // A book that is not dated says the same of every day.
                let team = self.teams.get(name.as_str()).and_then(|team| team.on(day.unwrap_or(NaiveDate::MIN)));
                let team = team.map(|team| names.of(team.as_str()));
                let rule = team.map(|_| names.of(&format!("component:{name}")));
                [team, rule, self.environments.get(name.as_str()).map(|environment| names.of(environment))]
            });
            found.say(Attribute::Team, team, rule);
            found.say(Attribute::Environment, environment, None);
        }
    }
}

/// Per rule, which rows pass its condition; `None` where it has none.
pub(super) fn passes(rules: &[Ready], rows: &DataFrame) -> PolarsResult<Vec<Option<Vec<bool>>>> {
    let name = |place: usize| format!("x__passes{place}");
    let asked = rules.iter().enumerate();
    let asked: Vec<Expr> = asked.filter_map(|(place, rule)| Some(rule.when.clone()?.alias(name(place)))).collect();
    if asked.is_empty() {
        return Ok(vec![None; rules.len()]);
    }
    // Not select: a condition that says the same of every row would be one row.
    let answers = rows.clone().lazy().with_columns(asked).collect()?;
    let mut passes = Vec::with_capacity(rules.len());
    for (place, rule) in rules.iter().enumerate() {
        passes.push(match rule.when {
            None => None,
            Some(_) => {
                let answer = answers.column(&name(place))?;
                Some(answer.bool()?.iter().map(|passes| passes == Some(true)).collect())
            }
        });
    }
    Ok(passes)
}

fn days(rows: &DataFrame) -> PolarsResult<Vec<Option<NaiveDate>>> {
    let days = rows.column(CHARGE_DATE)?.cast(&DataType::Int32)?;
    Ok(days.i32()?.iter().map(|day| day.and_then(NaiveDate::from_epoch_days)).collect())
}
