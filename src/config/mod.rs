//! The configuration: what can be set, where it is read from, and what is wrong with it.
//!
//! Four layers, each over the one before: the defaults, a TOML file, `--data`, and `OUTLAY_*` variables. They are laid
//! over each other before anything is understood, and every value keeps the place where it was said, so that a problem
//! (and `config print`) can point at it.
//!
//! Invariants: unknown keys are errors; all problems are reported at once; no secret ever stands in a configuration.
//! Nothing here reads the environment: it is passed in.

mod address;
mod check;
pub(crate) mod load;
mod print;
pub(crate) mod problem;
mod source;
pub(crate) mod tree;
mod variables;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use outlay_collectors::services::ServicesProblem;
use outlay_model::Currency;
use outlay_model::part::Guard;
use outlay_model::rates::RateEntry;
use outlay_model::tags::TagSettings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use address::{CatalogUrl, Place as StorePlace, StoreUrl};
pub use load::Loaded;
pub use print::print;
pub use problem::{ConfigError, Place, Problem};
pub use source::Source;

/// The file that is read when `--config` names none.
pub const FILE: &str = "outlay.toml";
/// Where the store and the catalog are when nothing says otherwise.
pub const DATA_FOLDER: &str = "./outlay-data";

/// The configuration of Outlay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The currency of every answer that does not ask for another: an ISO 4217 code. Other currencies need `[rates]`
    /// or a source of kind `ecb_rates`.
    pub reporting_currency: Currency,
    /// What `outlay serve` listens on, and how much it takes on.
    pub server: Server,
    /// What is written to standard error.
    pub log: Log,
    /// Where the charges are kept.
    pub store: Store,
    /// Where everything else is kept: which charges count, runs, budgets.
    pub catalog: Catalog,
    /// How tag keys are read.
    pub tags: TagSettings,
    /// Persons are left out of what is stored.
    pub privacy: Privacy,
    /// Which category a service is in, where a bill does not say.
    pub services: Services,
    /// What a unit of each currency is worth in US dollars, and since when. A rate holds until the next one, and goes before
    /// published ones.
    pub rates: BTreeMap<Currency, Vec<RateEntry>>,
    /// When a new copy of a bill is refused.
    pub guard: Guard,
    /// How long what is kept.
    pub retention: Retention,
    /// How sources are collected.
    pub collect: Collect,
    /// Where it is said who owns what, beside the API and the command line.
    pub ownership: Ownership,
    /// The accounts whose bills are collected. By default there are none.
    pub source: Vec<Source>,
}

/// Where it is said who owns what (docs/OWNERSHIP.md). It is read when Outlay starts, and what has changed is applied.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ownership {
    /// A TOML file of teams, components, pools and rules, relative to the working folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// A Backstage catalog: a folder with `catalog-info.yaml` files in it, relative to the working folder, or the `https://`
    /// address of such a file. `outlay serve` reads it once an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backstage: Option<String>,
    /// The name of the variable that holds the token the address is asked with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backstage_token_env: Option<String>,
    /// Or the file that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backstage_token_file: Option<PathBuf>,
}

/// How sources are collected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Collect {
    /// A local folder for bills that are being read: it holds one delivery of each source at a time. By default `scratch` in
    /// the folder that `--data` names.
    pub scratch: PathBuf,
    /// How many sources are collected at once: at least 1.
    #[schemars(range(min = 1))]
    pub sources_at_once: u32,
    /// The most seconds that a source is begun after the time its schedule says, and at most a tenth of the time until its next
    /// one: each source and server has its own share of them, so that not all begin at once.
    pub jitter_seconds: u32,
    /// How many seconds a server that gives no sign of life keeps what it collects, before another one takes it over: at
    /// least 3.
    #[schemars(range(min = 3))]
    pub lease_seconds: u32,
}

/// The HTTP server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// The address and port to listen on. The default is reachable from this machine only.
    #[serde(deserialize_with = "address::listen")]
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// After so many seconds without an answer a request is given up, with a 504: at least 1.
    #[schemars(range(min = 1))]
    pub answer_within_seconds: u32,
    /// Requests under way at once, those that wait for others included: at least 1. More are refused with a 503.
    #[schemars(range(min = 1))]
    pub most_requests: u32,
    /// How long requests under way may take to end when the server is asked to stop: at least 1.
    #[schemars(range(min = 1))]
    pub stop_within_seconds: u32,
}

/// What is written to standard error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// How much of what Outlay does. `info` is one line per request. The variable `OUTLAY_LOG`, such as
    /// `outlay=debug,sqlx=info`, says it by the crate and wins.
    pub level: LogLevel,
    /// Lines for people, or for programs.
    pub format: LogFormat,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What went wrong here.
    Error,
    /// What may go wrong.
    Warn,
    /// What is done.
    #[default]
    Info,
    /// How it is done.
    Debug,
    /// Every step of it.
    Trace,
}

/// How a line is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The columnar store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// A local folder, relative to the working folder, or a bucket: `s3://bucket/prefix`, `gs://bucket/prefix` or
    /// `az://container/prefix`. By default the folder that `--data` names.
    pub url: StoreUrl,
    /// For a bucket: the local folder where copies of its files are kept. By default `cache` in the folder that `--data`
    /// names.
    pub cache: PathBuf,
    /// For a bucket: the most gibibytes of copies to keep. What running queries read may go beyond it.
    pub cache_gib: u32,
    /// How long files that were replaced stay, for the queries that still read them: at least 1.
    #[schemars(range(min = 1))]
    pub retire_grace_hours: u32,
    /// How many days after its end a month is taken for final: then the daily files of each source become one.
    pub final_after_days: u32,
}

/// How long what is kept. Whole months before this one; by default everything is kept for ever.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Months for which every charge is kept. Older ones answer only what the daily totals can.
    #[schemars(range(min = 1))]
    pub charges_months: Option<u32>,
    /// Months for which the daily totals are kept: not fewer than `charges_months`. Older days have no answer.
    #[schemars(range(min = 1))]
    pub daily_months: Option<u32>,
}

/// The SQL database.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Catalog {
    /// `sqlite://` and a path, relative to the working folder; by default `catalog.db` in the folder that `--data` names. Or
    /// `postgres://user@host/database`, its password in `PGPASSWORD` or `~/.pgpass`.
    pub url: CatalogUrl,
}

/// What is kept although it may identify a person (P10).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Privacy {
    /// Tag keys and columns kept although they look like a person, such as `aws:createdBy` or an `owner` that holds e-mail
    /// addresses. All others are dropped when a bill is read.
    pub keep: Vec<String>,
}

/// Which category a service is in, where a bill does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Services {
    /// A CSV file of services, relative to the working folder. What it says of a name counts before the list that Outlay
    /// comes with, which `docs/SERVICES.md` describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

impl Ownership {
    /// What is wrong with it: key and sentence.
    fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if let Some(Err(text)) = self.backstage.as_deref().map(outlay_collectors::backstage::Place::parse) {
            problems.push(("backstage", text));
        }
        let odd = |name: &str| name.is_empty() || name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        if self.backstage_token_env.as_deref().is_some_and(odd) {
            problems.push(("backstage_token_env", "is the name of an environment variable, not the token".to_owned()));
        }
        if self.backstage_token_env.is_some() && self.backstage_token_file.is_some() {
            let text = "and backstage_token_env both say where the token is; leave one out";
            problems.push(("backstage_token_file", text.to_owned()));
        }
        problems
    }
}

impl Services {
    /// The list of services, and over it the one in the file.
    ///
    /// # Errors
    /// What is wrong with the file, line by line, with its name in front.
    pub fn read(&self) -> Result<outlay_collectors::services::Services, Vec<String>> {
        let listed = outlay_collectors::services::Services::default();
        let Some(file) = &self.file else { return Ok(listed) };
        let text = std::fs::read_to_string(file)
            .map_err(|error| vec![format!("{}: cannot be read: {error}", file.display())])?;
        let told = |problem: ServicesProblem| format!("{}:{}: {}", file.display(), problem.line, problem.text);
        listed.with(&text).map_err(|error| error.problems.into_iter().map(told).collect())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            reporting_currency: Currency::USD,
            server: Server::default(),
            log: Log::default(),
            store: Store::default(),
            catalog: Catalog::default(),
            tags: TagSettings::default(),
            privacy: Privacy::default(),
            services: Services::default(),
            rates: BTreeMap::new(),
            guard: Guard::default(),
            retention: Retention::default(),
            collect: Collect::default(),
            ownership: Ownership::default(),
            source: Vec::new(),
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 8080).into(),
            answer_within_seconds: 30,
            most_requests: 128,
            stop_within_seconds: 20,
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self {
            url: StoreUrl::default(),
            cache: Path::new(DATA_FOLDER).join("cache"),
            cache_gib: 20,
            retire_grace_hours: 24,
            final_after_days: 60,
        }
    }
}

impl Default for Collect {
    fn default() -> Self {
        Self {
            scratch: Path::new(DATA_FOLDER).join("scratch"),
            sources_at_once: 2,
            jitter_seconds: 20,
            lease_seconds: 120,
        }
    }
}

/// The JSON schema of the file, for editors: checked in as `config/outlay.schema.json`.
#[must_use]
pub fn schema() -> String {
    let schema = serde_json::to_string_pretty(&schemars::schema_for!(Config)).expect("a schema is JSON");
    schema + "\n"
}

#[cfg(test)]
mod tests;
