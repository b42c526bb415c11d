//! `outlay export`: charges as a file in the FOCUS format, for whoever takes them elsewhere.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use outlay_insights::{Export, InsightError};
use outlay_model::export::{ExportHead, ExportParams, Exported, FileKind, Finding};
use outlay_model::query::ParameterError;
use outlay_model::report::Scope;
use outlay_store::StoreError;

use super::output::{cents, count, print};
use crate::app::{App, now};

/// The parameters of `/api/v1/export/focus`, by the same names, and where it goes.
#[derive(Debug, clap::Args)]
pub(super) struct ExportArguments {
    /// focus-1.0, focus-1.1, focus-1.2 or focus-1.3
    #[arg(long, value_name = "FORMAT", default_value = "focus-1.2")]
    format: String,
    /// 2026-10, 2026-Q3, last_month, … [default: last_30_days]
    #[arg(long)]
    period: Option<String>,
    /// First day; instead of --period
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Day after the last
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// charge (when it arose) or billing (when it is invoiced) [default: charge]
    #[arg(long)]
    basis: Option<String>,
    /// Which charges: "team IN ('payments') AND NOT service LIKE 'Amazon%'"
    #[arg(long, value_name = "SQL")]
    filter: Option<String>,
    /// Of which source alone
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// A file that ends in .csv or .parquet; its metadata goes beside it, as FILE.metadata.json. Or - for CSV on standard output
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Let nulls through that this version of FOCUS does not allow
    #[arg(long)]
    allow_null: bool,
    /// Replace the files if they are there
    #[arg(long)]
    force: bool,
}

pub(super) async fn run(arguments: &ExportArguments, app: &App) -> anyhow::Result<ExitCode> {
    let params = ExportParams {
        version: Some(arguments.format.clone()),
        period: arguments.period.clone(),
        from: arguments.from.clone(),
        to: arguments.to.clone(),
        basis: arguments.basis.clone(),
        filter: arguments.filter.clone(),
        source: arguments.source.clone(),
        generation: None,
        allow_null: Some(arguments.allow_null.to_string()),
    };
    let query = params.query(now().date_naive()).map_err(|error| match error.parameter {
        "version" => ParameterError { parameter: "format", ..error },
        _ => error,
    })?;
    let target = Target::of(&arguments.output, arguments.force)?;
    let export =
        app.insights.export(&query, now().date_naive(), &Scope::Company).await.map_err(|error| match error {
            InsightError::NullsNotAllowed { .. } => anyhow::anyhow!(
                "{error}; --allow-null exports them as nulls, --filter or --source leaves those charges out"
            ),
            error => error.into(),
        })?;
    match target {
        Target::Output => to_output(&export).await,
        Target::Files { kind, data, metadata } => to_files(&export, kind, &data, &metadata).await,
    }
}

/// Where an export goes.
enum Target {
    /// CSV on standard output.
    Output,
    /// A file, and its metadata beside it.
    Files { kind: FileKind, data: PathBuf, metadata: PathBuf },
}

impl Target {
    fn of(output: &Path, replace: bool) -> anyhow::Result<Self> {
        if output == Path::new("-") {
            return Ok(Self::Output);
        }
        let kind = match output.extension().and_then(|end| end.to_str()) {
            Some("csv") => FileKind::Csv,
            Some("parquet") => FileKind::Parquet,
            _ => {
                let message =
                    format!("{} ends neither in .csv nor in .parquet; - is CSV on standard output", output.display());
                return Err(ParameterError::new("output", message).into());
            }
        };
        let mut metadata = output.as_os_str().to_owned();
        metadata.push(".metadata.json");
        let (data, metadata) = (output.to_owned(), PathBuf::from(metadata));
        for path in [&data, &metadata] {
            anyhow::ensure!(
                replace || !path.exists(),
                "{} is there already; choose another --output, or replace it with --force",
                path.display()
            );
        }
        Ok(Self::Files { kind, data, metadata })
    }
}

async fn to_output(export: &Export) -> anyhow::Result<ExitCode> {
    match export.write(FileKind::Csv, io::stdout()).await {
        // A reader that has gone (`| head`) is no failure.
        Err(InsightError::Store(StoreError::Output(error))) if error.kind() == ErrorKind::BrokenPipe => {}
        exported => remark(export.head(), &exported?),
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes both files under names of their own and puts them in place once everything adds up: there is never half an
/// export under the name that was asked for.
async fn to_files(export: &Export, kind: FileKind, data: &Path, metadata: &Path) -> anyhow::Result<ExitCode> {
    let draft = Draft::beside(data)?;
    let exported = export.write(kind, BufWriter::new(draft.create()?)).await?;
    let described = Draft::beside(metadata)?;
    let text = serde_json::to_string_pretty(&outlay_api::wire::export_metadata(export.head(), &exported, now()))?;
    described.create()?.write_all((text + "\n").as_bytes()).with_context(|| described.cannot("written"))?;
    draft.publish()?;
    described.publish()?;
    remark(export.head(), &exported);
    print(&summary(export.head(), &exported, data))
}

/// A file that is not there yet, under a name that nobody takes for it. Removed unless it is published.
struct Draft<'a> {
    path: PathBuf,
    meant: &'a Path,
}

impl<'a> Draft<'a> {
    fn beside(meant: &'a Path) -> anyhow::Result<Self> {
        let name = meant.file_name().with_context(|| format!("{} is no file name", meant.display()))?;
        let name = format!(".{}.{}.part", name.to_string_lossy(), std::process::id());
        Ok(Self { path: meant.with_file_name(name), meant })
    }

    fn cannot(&self, what: &str) -> String {
        format!("{} cannot be {what}", self.meant.display())
    }

    fn create(&self) -> anyhow::Result<File> {
        File::create(&self.path).with_context(|| self.cannot("written"))
    }

    /// Its bytes survive a power cut before its name does.
    fn publish(&self) -> anyhow::Result<()> {
        let sync = |path: &Path| File::open(path).and_then(|file| file.sync_all());
        let folder = self.meant.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        sync(&self.path)
            .and_then(|()| fs::rename(&self.path, self.meant))
            .and_then(|()| sync(folder))
            .with_context(|| self.cannot("put in place"))
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        // Published, it is no longer there.
        drop(fs::remove_file(&self.path));
    }
}

/// What to know of an export, for people: on standard error, so that it never is in the data.
fn remark(head: &ExportHead, exported: &Exported) {
    for warning in &head.warnings {
        eprintln!("outlay: {}: {}", warning.code, warning.message);
    }
    for gap in &head.gaps {
        eprintln!("outlay: null let through: {gap}");
    }
    for finding in &exported.findings {
        eprintln!("outlay: {}", describe(finding));
    }
}

fn describe(finding: &Finding) -> String {
    let Finding { rule, column, rows, examples } = finding;
    let example = |example: &outlay_model::export::Example| match &example.value {
        Some(value) => format!("row {}: {value}", example.row),
        None => format!("row {}", example.row),
    };
    let examples: Vec<_> = examples.iter().map(example).collect();
    let examples = if examples.is_empty() { String::new() } else { format!(" ({})", examples.join("; ")) };
    let (severity, code, about) = (rule.severity(), rule.as_str(), rule.about());
    format!("{severity}: {code}: {column}, {} rows: {about}{examples}", count(*rows))
}

fn summary(head: &ExportHead, exported: &Exported, data: &Path) -> String {
    let mut text = format!(
        "{}: {} charges of {} in FOCUS {}",
        data.display(),
        count(exported.rows),
        head.query.range,
        head.query.version.as_str()
    );
    for (currency, sums) in &exported.sums {
        let sums = sums.iter().filter_map(|(metric, sum)| Some(format!("{metric} {}", cents((*sum)?))));
        text.push_str(&format!("\n  {currency}: {}", sums.collect::<Vec<_>>().join(", ")));
    }
    text
}
