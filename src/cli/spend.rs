//! `outlay spend`: who spent what, as a table for people, or as the API's JSON and CSV.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use outlay_model::query::{SpendParams, SpendQuery};
use outlay_model::report::{Scope, SpendReport, SpendRow};
use outlay_model::{Currency, Granularity, Money};

use super::output::{cents, on_terminal, print};
use super::table::{bar, sparkline, table};
use crate::app::{App, now};

/// Rows shown on a terminal before the rest is only counted.
const SHOWN: usize = 60;
/// Width of a bar.
const BAR: usize = 20;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A table for people
    #[default]
    Table,
    /// Comma-separated, every digit
    Csv,
    /// As the API answers, every digit
    Json,
}

/// The parameters of `/api/v1/spend`, by the same names.
#[derive(Debug, clap::Args)]
pub(super) struct SpendArguments {
    /// What to group by: team, service, account, tags.env, … (comma list)
    #[arg(long, value_name = "DIMENSIONS")]
    group_by: Option<String>,
    /// 2026-10, 2026-Q3, month_to_date, last_7_days, … [default: last_30_days]
    #[arg(long)]
    period: Option<String>,
    /// First day; instead of --period
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Day after the last
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// total, hour, day, week, month, quarter or year
    #[arg(long)]
    granularity: Option<String>,
    /// charge (when it arose) or billing (when it is invoiced)
    #[arg(long)]
    basis: Option<String>,
    /// Which charges count: "team IN ('payments') AND NOT service LIKE 'Amazon%'"
    #[arg(long, value_name = "SQL")]
    filter: Option<String>,
    /// Which groups stay: "cost > 100"
    #[arg(long, value_name = "SQL")]
    having: Option<String>,
    /// effective, billed, list or contracted
    #[arg(long)]
    metric: Option<String>,
    /// A currency code, or native to keep them apart
    #[arg(long)]
    currency: Option<String>,
    /// Keep the largest N groups, fold the rest
    #[arg(long, value_name = "N")]
    top: Option<String>,
    /// time, cost or a dimension; - before it for largest first (comma list)
    #[arg(long, value_name = "KEYS", allow_hyphen_values = true)]
    order_by: Option<String>,
    /// Rows of one page
    #[arg(long, value_name = "N")]
    limit: Option<String>,
    /// The page after the one that gave it
    #[arg(long)]
    cursor: Option<String>,
    /// previous_period or previous_year
    #[arg(long)]
    compare: Option<String>,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl SpendArguments {
    fn query(&self, app: &App) -> anyhow::Result<SpendQuery> {
        let params = SpendParams {
            period: self.period.clone(),
            from: self.from.clone(),
            to: self.to.clone(),
            granularity: self.granularity.clone(),
            basis: self.basis.clone(),
            group_by: self.group_by.clone(),
            filter: self.filter.clone(),
            having: self.having.clone(),
            metric: self.metric.clone(),
            currency: self.currency.clone(),
            top: self.top.clone(),
            order_by: self.order_by.clone(),
            limit: self.limit.clone(),
            cursor: self.cursor.clone(),
            compare: self.compare.clone(),
        };
        Ok(params.query(now().date_naive(), app.insights.reporting_currency())?)
    }
}

pub(super) async fn run(arguments: &SpendArguments, app: &App) -> anyhow::Result<ExitCode> {
    let (query, today) = (arguments.query(app)?, now().date_naive());
    // Who reads a table and asked for no currency in particular is shown what there is.
    let report = match (arguments.format, &arguments.currency) {
        (Format::Table, None) => app.insights.spend_or_native(&query, today, &Scope::Company).await?,
        _ => app.insights.spend(&query, today, &Scope::Company).await?,
    };
    match arguments.format {
        Format::Table => print(&spend_table(&report, on_terminal().then_some(SHOWN))),
        Format::Json => print(&serde_json::to_string_pretty(&outlay_api::wire::spend_rows(&report))?),
        Format::Csv => {
            for warning in &report.warnings {
                eprintln!("outlay: {}: {}", warning.code, warning.message);
            }
            if let Some(cursor) = &report.next_cursor {
                eprintln!("outlay: there is more: --cursor {cursor}");
            }
            print(&outlay_api::wire::spend_csv(&report))
        }
    }
}

/// One line of the table: a group, or a time bucket where nothing is grouped.
#[derive(Default)]
struct Line<'a> {
    cells: Vec<String>,
    currency: Option<Currency>,
    rows: Vec<&'a SpendRow>,
}

impl Line<'_> {
    fn sum(&self, of: impl Fn(&SpendRow) -> Option<Money>) -> Option<Money> {
        let costs = self.rows.iter().filter_map(|row| of(row));
        costs.fold(None, |sum: Option<Money>, cost| sum.unwrap_or_default().checked_add(cost))
    }

    fn cost(&self) -> Option<Money> {
        self.sum(|row| row.cost)
    }
}

/// The report as a table: shares and a bar for one figure a group, a sparkline for a series.
pub(super) fn spend_table(report: &SpendReport, most: Option<usize>) -> String {
    let series = report.granularity != Granularity::Total && !report.group_by.is_empty();
    let lines = lines(report, series);
    let shown = most.unwrap_or(usize::MAX).min(lines.len());
    let by_time = !series && report.granularity != Granularity::Total;
    let native = report.currency.is_none();
    let compared = report.compared_with.is_some();
    let mut header: Vec<String> =
        if by_time { vec!["time".into()] } else { report.group_by.iter().map(ToString::to_string).collect() };
    let first_figure = header.len() + usize::from(native);
    header.extend(native.then(|| "currency".to_owned()));
    header.push(report.metric.to_string());
    header.extend(compared.then(|| ["previous".to_owned(), "change".to_owned()]).into_iter().flatten());
    header.extend(["share".to_owned(), if series { "trend".to_owned() } else { String::new() }]);
    let right: Vec<usize> = (first_figure..first_figure + if compared { 4 } else { 2 }).collect();

    let largest: BTreeMap<Option<Currency>, f64> = lines.iter().fold(BTreeMap::new(), |mut largest, line| {
        let cost = line.cost().map_or(0.0, Money::approximate);
        let most = largest.entry(line.currency).or_insert(0.0);
        *most = f64::max(*most, cost);
        largest
    });
    let times: BTreeSet<_> = report.rows.iter().map(|row| row.time).collect();
    let dash = || "–".to_owned();
    let rows = lines.iter().take(shown).map(|line| {
        let cost = line.cost();
        let drawn = cost.map_or(0.0, Money::approximate);
        let total = total_of(report, line.currency).map_or(0.0, Money::approximate);
        let mut cells = line.cells.clone();
        cells.extend(native.then(|| line.currency.map(|currency| currency.to_string()).unwrap_or_default()));
        cells.push(cost.map_or_else(dash, cents));
        if compared {
            let previous = line.sum(|row| row.compared?.previous);
            let change = line.sum(|row| row.compared?.change);
            cells.extend([previous.map_or_else(dash, cents), change.map_or_else(dash, cents)]);
        }
        cells.push(if total > 0.0 && cost.is_some() {
            format!("{:.1} %", drawn / total * 100.0)
        } else {
            String::new()
        });
        cells.push(if series {
            let by_time: BTreeMap<_, _> =
                line.rows.iter().map(|row| (row.time, row.cost.map(Money::approximate))).collect();
            sparkline(&times.iter().map(|time| by_time.get(time).copied().flatten()).collect::<Vec<_>>())
        } else {
            let largest = largest.get(&line.currency).copied().unwrap_or(0.0);
            if largest > 0.0 { bar(drawn / largest, BAR) } else { String::new() }
        });
        cells
    });
    let mut text = table(header, rows.collect(), &right);
    if shown < lines.len() {
        text.push_str(&format!(
            "\n… and {} more; see them with --format csv, or fold them with --top",
            lines.len() - shown
        ));
    }
    format!("{text}\n\n{}", footer(report))
}

/// Groups (with all their buckets, largest first) or, where nothing is grouped, buckets in order.
fn lines(report: &SpendReport, series: bool) -> Vec<Line<'_>> {
    if !series {
        return report
            .rows
            .iter()
            .map(|row| {
                let time = row.time.map(|time| spell(time, report.granularity));
                let keys = row.keys.iter().map(|key| key.clone().unwrap_or_else(|| "(none)".to_owned()));
                let cells = time.into_iter().chain(keys).collect();
                Line { cells, currency: row.currency, rows: vec![row] }
            })
            .collect();
    }
    let mut groups: BTreeMap<(Option<Currency>, &[Option<String>]), Line<'_>> = BTreeMap::new();
    for row in &report.rows {
        let line = groups.entry((row.currency, row.keys.as_slice())).or_default();
        if line.rows.is_empty() {
            line.cells = row.keys.iter().map(|key| key.clone().unwrap_or_else(|| "(none)".to_owned())).collect();
            line.currency = row.currency;
        }
        line.rows.push(row);
    }
    let mut lines: Vec<Line<'_>> = groups.into_values().collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.cost()));
    lines
}

fn spell(time: chrono::DateTime<chrono::Utc>, granularity: Granularity) -> String {
    let format = match granularity {
        Granularity::Hour => "%Y-%m-%d %H:00",
        Granularity::Month | Granularity::Quarter => "%Y-%m",
        Granularity::Year => "%Y",
        _ => "%Y-%m-%d",
    };
    time.format(format).to_string()
}

fn total_of(report: &SpendReport, currency: Option<Currency>) -> Option<Money> {
    match (&report.totals, currency) {
        (Some(totals), Some(currency)) => totals.get(&currency).copied().flatten(),
        _ => report.total,
    }
}

fn footer(report: &SpendReport) -> String {
    let mut totals: Vec<String> = Vec::new();
    match (&report.totals, report.currency) {
        (Some(per_currency), _) => {
            totals.extend(per_currency.iter().filter_map(|(c, total)| Some(format!("{} {c}", cents((*total)?)))));
        }
        (None, Some(currency)) => {
            totals.extend(report.total.map(|total| format!("{} {currency}", cents(total))));
        }
        (None, None) => {}
    }
    if totals.is_empty() {
        totals.push("no charges that state this cost".to_owned());
    }
    let last = report.range.to().pred_opt().unwrap_or(report.range.to());
    let complete = report.complete_until.map(|day| format!(", complete until {day}")).unwrap_or_default();
    let mut text =
        format!("total {}  ({} cost, {} to {last}{complete})", totals.join(" + "), report.metric, report.range.from());
    for warning in &report.warnings {
        text.push_str(&format!("\n! {}", warning.message));
    }
    if let Some(cursor) = &report.next_cursor {
        let currency = if report.currency.is_none() { "--currency native " } else { "" };
        text.push_str(&format!("\nnext page: {currency}--cursor {cursor}"));
    }
    text
}
