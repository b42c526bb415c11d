//! The layers, the problems and the texts of the configuration.

use std::fs;
use std::path::{Path, PathBuf};

use outlay_model::Currency;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// Loads a file with these lines, and these variables.
fn load(file: &str, env: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    load_with_data(file, env, None)
}

fn load_with_data(file: &str, env: &[(&str, &str)], data: Option<&str>) -> Result<Loaded, ConfigError> {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("outlay.toml");
    fs::write(&path, file).expect("writes");
    let env = env.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let loaded = Config::load(Some(&path), env, data.map(Path::new));
    loaded.map_err(|error| ConfigError { problems: error.problems.into_iter().map(without_folder).collect() })
}

fn without_folder(problem: Problem) -> Problem {
    match problem.place {
        Place::File(_, line) => Problem { place: Place::File(PathBuf::from("outlay.toml"), line), ..problem },
        _ => problem,
    }
}

#[track_caller]
fn loaded(file: &str, env: &[(&str, &str)]) -> Config {
    load(file, env).unwrap_or_else(|error| panic!("{error}")).config
}

#[track_caller]
fn check(file: &str, env: &[(&str, &str)], expected: &[&str]) {
    let error = load(file, env).expect_err("there are problems");
    assert_eq!(error.problems.iter().map(Problem::to_string).collect::<Vec<_>>(), expected);
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let config = loaded("", &[]);
    assert_eq!(config, Config::default());
    assert_eq!(config.reporting_currency, Currency::USD);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.store.url.place(), &StorePlace::Folder("./outlay-data".into()));
    assert_eq!(config.store.cache, Path::new("./outlay-data/cache"));
    assert_eq!(config.catalog.url.as_str(), "sqlite://./outlay-data/catalog.db");
    assert_eq!(config.store.retire_grace_hours, 24);
}

#[test]
fn variables_win_over_data_and_data_over_the_file() {
    let file = "store.url = './mine'\ncatalog.url = 'sqlite://mine.db'\nserver.listen = '127.0.0.1:1'\n";
    let env = [("OUTLAY_STORE__URL", "elsewhere"), ("OUTLAY_SERVER__LISTEN", "[::1]:2"), ("PATH", "/bin")];
    let loaded = load_with_data(file, &env, Some("/var/lib/100%")).expect("loads");
    assert_eq!(loaded.config.store.url.place(), &StorePlace::Folder("elsewhere".into()));
    assert_eq!(loaded.config.store.cache, Path::new("/var/lib/100%/cache"));
    assert_eq!(loaded.config.catalog.url.as_str(), "sqlite:///var/lib/100%25/catalog.db");
    assert_eq!(loaded.config.server.listen.to_string(), "[::1]:2");
}

#[test]
fn a_variable_is_toml_or_else_text() {
    let config = loaded(
        "tags.aliases.team = ['Team']\nserver.listen = '127.0.0.1:1'\n",
        &[
            ("OUTLAY_TAGS", "{ daily = ['team'] }"),
            ("OUTLAY_TAGS__ALIASES__env", "[\"stage\"]"),
            ("OUTLAY_RATES__EUR", "[{ from = 2026-01-01, to_usd = '1.08' }]"),
            ("OUTLAY_REPORTING_CURRENCY", "\"EUR\""),
            ("OUTLAY_STORE__URL", "2026-10-01"),
            ("OUTLAY_STORE__RETIRE_GRACE_HOURS", "48"),
            ("OUTLAY_GUARD__MAX_SHRINK", "1"),
            ("OUTLAY_CONFIG", "not a key"),
            ("OUTLAY_DATA", "not a key"),
            ("OUTLAY_LOG", "not a key"),
        ],
    );
    let aliases = |key: &str| config.tags.aliases[key].clone();
    assert_eq!((aliases("team"), aliases("env")), (vec!["Team".to_owned()], vec!["stage".to_owned()]));
    assert_eq!(config.tags.daily, Some(vec!["team".to_owned()]));
    assert_eq!(config.rates[&"EUR".parse().expect("a code")][0].to_usd, "1.08");
    assert_eq!(config.reporting_currency.as_str(), "EUR");
    assert_eq!(config.store.url.place(), &StorePlace::Folder("2026-10-01".into()));
    assert_eq!(config.store.retire_grace_hours, 48);
    assert_eq!(config.guard.max_shrink, 1.0);
}

#[test]
fn unknown_keys_are_errors_with_a_suggestion() {
    check(
        "colour = 1\nlisten = 'x'\n[server]\nlisen = 'x'\n[sever]\n[rates]\nEUR = [{ form = '2026-01-01', to_usd = '1' }]",
        &[],
        &[
            "outlay.toml:1: colour: is not a key; see `outlay config schema` for those there are",
            "outlay.toml:2: listen: is not a key; did you mean server.listen?",
            "outlay.toml:4: server.lisen: is not a key; did you mean server.listen?",
            "outlay.toml:5: sever: is not a key; did you mean server?",
            "outlay.toml:7: rates.EUR.form: is not a key; did you mean rates.EUR.from?",
        ],
    );
    check(
        "",
        &[
            ("OUTLAY_", "secret"),
            ("OUTLAY_CONFG", "secret"),
            ("OUTLAY_LISTEN", "secret"),
            ("OUTLAY_SERVER", "{ lisen = 'x' }"),
            ("OUTLAY_SERVER_LISTEN", "secret"),
            ("OUTLAY_SERVER__LISTEN__PORT", "secret"),
            ("OUTLAY_WHATEVER", "secret"),
        ],
        &[
            "OUTLAY_: names no configuration key; OUTLAY_SERVER__LISTEN, say, is server.listen",
            "OUTLAY_CONFG: names no configuration key; did you mean OUTLAY_CONFIG?",
            "OUTLAY_LISTEN: names no configuration key; did you mean OUTLAY_SERVER__LISTEN?",
            "OUTLAY_SERVER: server.lisen: is not a key; did you mean server.listen?",
            "OUTLAY_SERVER_LISTEN: names no configuration key; did you mean OUTLAY_SERVER__LISTEN?",
            "OUTLAY_SERVER__LISTEN__PORT: names no configuration key; did you mean OUTLAY_SERVER__LISTEN?",
            "OUTLAY_WHATEVER: names no configuration key; OUTLAY_SERVER__LISTEN, say, is server.listen",
        ],
    );
}

#[test]
fn wrong_types_are_told_in_toml_words() {
    check(
        "reporting_currency = 5\nserver = 'x'\n[store]\nretire_grace_hours = -1\n[guard]\nmax_shrink = 'a'\n\
         [privacy]\nkeep = 'owner'\n[tags]\naliases = [1]\ndaily = [\n  'team',\n  5,\n]\n[rates]\nEUR = 1.08\n",
        &[],
        &[
            "outlay.toml:1: reporting_currency: invalid type: integer `5`, expected a string",
            "outlay.toml:2: server: invalid type: string \"x\", expected a table",
            "outlay.toml:4: store.retire_grace_hours: invalid value: integer `-1`, expected a whole number",
            "outlay.toml:6: guard.max_shrink: invalid type: string \"a\", expected a number",
            "outlay.toml:8: privacy.keep: invalid type: string \"owner\", expected a list",
            "outlay.toml:10: tags.aliases: invalid type: sequence, expected a table",
            "outlay.toml:13: tags.daily: invalid type: integer `5`, expected a string",
            "outlay.toml:16: rates.EUR: invalid type: floating point `1.08`, expected a list",
        ],
    );
}

#[test]
fn values_that_mean_nothing_are_told() {
    check(
        "reporting_currency = 'usd'\nserver.listen = 'localhost'\nserver.most_requests = 0\n[guard]\nmax_shrink = 1.5\nmax_rejects = nan\n\
         [store]\nretire_grace_hours = 0\n[tags.aliases]\nteam = ['Team', 'crew']\nsquad = ['crew']\n\
         'cost.center' = ['team']\n",
        &[],
        &[
            "outlay.toml:1: reporting_currency: \"usd\" is not a currency code: give three capital letters, such as USD",
            "outlay.toml:2: server.listen: \"localhost\" is not an address and port; write one such as \
             \"127.0.0.1:8080\" or \"[::]:8080\"",
            "outlay.toml:3: server.most_requests: give at least 1",
            "outlay.toml:5: guard.max_shrink: is not a share; give a number between 0 and 1",
            "outlay.toml:6: guard.max_rejects: is not a share; give a number between 0 and 1",
            "outlay.toml:8: store.retire_grace_hours: queries under way would lose the files they read; give at least 1",
            "outlay.toml:10: tags.aliases.team: \"crew\" is already an alias of \"squad\"",
            "outlay.toml:12: tags.aliases.\"cost.center\": \"team\" is itself a key with aliases",
        ],
    );
}

#[test]
fn one_source_brings_rates_and_is_no_shadow() {
    check(
        "[[source]]\nname = 'ecb'\nkind = 'ecb_rates'\nrole = 'shadow'\n\
         [[source]]\nname = 'mirror'\nkind = 'ecb_rates'\nurl = 'https://mirror.example/ecb'\n",
        &[],
        &[
            "outlay.toml:4: source.0.role: rates are in no total that they could be left out of; leave it out",
            "outlay.toml:7: source.1.kind: ecb brings exchange rates already; keep one of the two",
            "outlay.toml:8: source.1.url: is neither a folder, which ends in a slash, nor an .xml file; write one such as \
             \"https://mirror.example/eurofxref/\" or \"file:///srv/eurofxref/\"",
        ],
    );
}

#[test]
fn places_of_ownership_are_looked_at() {
    check(
        "[ownership]\nbackstage = 's3://bucket'\nbackstage_token_env = '$TOKEN'\nbackstage_token_file = 'token'\n",
        &[],
        &[
            "outlay.toml:2: ownership.backstage: s3:// is not where a catalog is; write a folder such as \"./catalog\", or an \
             address such as \"https://example.com/catalog-info.yaml\"",
            "outlay.toml:3: ownership.backstage_token_env: is the name of an environment variable, not the token",
            "outlay.toml:4: ownership.backstage_token_file: and backstage_token_env both say where the token is; leave one out",
        ],
    );
}

#[test]
fn rates_are_told_by_the_entry() {
    check(
        "[rates]\nEUR = [\n  { from = '2026-01-01', to_usd = '1.08' },\n  { from = '2026-01-01', to_usd = '1.1' },\n  \
         { from = '2026-02-01', to_usd = 'x' },\n  { from = '1 March', to_usd = '1' },\n  { from = 2026-04-01 },\n]\n\
         USD = []\neuro = []\n",
        &[("OUTLAY_RATES__GBP", "[{ from = '2026-01-01', to_usd = '-1' }]")],
        &[
            "outlay.toml:4: rates.EUR: two rates from 2026-01-01",
            "outlay.toml:5: rates.EUR: to_usd = \"x\" is not a positive decimal of at most 18 decimals",
            "outlay.toml:6: rates.EUR.from: is not a date; write one such as \"2026-01-31\"",
            "outlay.toml:7: rates.EUR: missing field `to_usd`",
            "outlay.toml:9: rates.USD: rates are quoted against USD, so it has none",
            "outlay.toml:10: rates.euro: \"euro\" is not a currency code: give three capital letters, such as USD",
            "OUTLAY_RATES__GBP: rates.GBP: to_usd = \"-1\" is not a positive decimal of at most 18 decimals",
        ],
    );
}

#[test]
fn places_that_are_not_supported_are_told_without_their_secrets() {
    let store = |url: &str, text: &str| {
        check(&format!("[store]\nurl = '{url}'"), &[], &[&format!("outlay.toml:2: store.url: {text}")]);
    };
    let example = "write a local folder such as \"./outlay-data\", or a bucket such as \"s3://bucket/prefix\"";
    store("ftp://host", &format!("ftp:// is not a place for a store; {example}"));
    store("", &format!("names no folder; {example}"));
    store("file://data", &format!("is no path from the root, as file:// takes it; {example}"));
    store("s3://", "names no bucket; write one such as \"s3://bucket/prefix\"");
    store(
        "az://me:secret@bucket/prefix",
        "has more than a bucket and a prefix in it; credentials and options are given by variables; write one such as \
         \"az://bucket/prefix\"",
    );
    let catalog = |url: &str, text: &str| {
        let text = format!(
            "OUTLAY_CATALOG__URL: catalog.url: {text}; write one such as \"sqlite://./outlay-data/catalog.db\" or \
             \"postgres://outlay@db.example.com/outlay\""
        );
        check("", &[("OUTLAY_CATALOG__URL", url)], &[&text]);
    };
    catalog("postgres://me:secret@host", "names no database");
    catalog("mysql://me:secret@host/outlay", "is not the address of a database");
    catalog("./catalog.db", "is not the address of a database");
    catalog("sqlite://", "names no file");
    catalog("sqlite::memory:", "is in memory, and would be lost with the process");
    catalog("sqlite://catalog.db?mode=ro", "takes no parameters");
}

#[test]
fn a_password_comes_from_a_variable_and_goes_nowhere() {
    let url = "postgres://me:secret@db.local/outlay?sslmode=require";
    check(
        &format!("[catalog]\nurl = '{url}'"),
        &[],
        &["outlay.toml:2: catalog.url: holds a password, which does not belong into this file; leave it out and set \
           PGPASSWORD, or write it into ~/.pgpass or the file that PGPASSFILE names, or give the address as \
           OUTLAY_CATALOG__URL"],
    );
    let loaded = load("catalog.url = 'postgres://db/outlay'", &[("OUTLAY_CATALOG__URL", url)]).expect("loads");
    assert_eq!(loaded.config.catalog.url.as_str(), url);
    assert!(!format!("{loaded:?}").contains("secret"));
    let printed = print(&loaded);
    assert!(
        printed.contains("url = \"postgres://me@db.local/outlay?sslmode=require\"  # OUTLAY_CATALOG__URL"),
        "{printed}"
    );
}

#[test]
fn data_that_is_no_folder_is_told() {
    let error = load_with_data("", &[], Some("s3://bucket")).expect_err("not a folder");
    let text = "--data: is a folder of this machine, for all there is; for a store in a bucket set [store] url instead";
    assert_eq!(error.problems.iter().map(Problem::to_string).collect::<Vec<_>>(), [text]);
}

#[test]
fn a_store_is_a_folder_or_a_bucket() {
    let place = |url: &str| loaded(&format!("store.url = '{url}'"), &[]).store.url.place().clone();
    assert_eq!(place("./mine"), StorePlace::Folder("./mine".into()));
    assert_eq!(place("file:///srv/the%20bills"), StorePlace::Folder("/srv/the bills".into()));
    for url in ["s3://bucket", "gs://bucket/prefix", "az://container/a/b"] {
        assert_eq!(place(url), StorePlace::Bucket(url.parse().expect("a bucket")));
    }
}

#[test]
fn a_file_that_is_not_toml_is_told_by_the_line_and_with_the_variables() {
    check(
        "reporting_currency = \nguard.max_shrink = 1\nguard.max_shrink = 2\nunknown = 1\n",
        &[("OUTLAY_X", "")],
        &[
            "outlay.toml:1: is not TOML: string values must be quoted, expected literal string",
            "outlay.toml:3: is not TOML: duplicate key",
            "OUTLAY_X: names no configuration key; OUTLAY_SERVER__LISTEN, say, is server.listen",
        ],
    );
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let error = Config::load(Some(Path::new("/nowhere/outlay.toml")), std::iter::empty(), None).expect_err("not there");
    assert!(error.to_string().starts_with(
        "the configuration has a problem\n  /nowhere/outlay.toml: cannot be read: No such file or directory"
    ));
}

#[test]
fn print_says_where_each_value_comes_from() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("outlay.toml");
    fs::write(
        &path,
        "[tags.aliases]\nteam = ['Team']\n\n[rates]\nEUR = [\n  { from = 2026-01-01, to_usd = '1.08' },\n]\n",
    )
    .expect("writes");
    let env = [("OUTLAY_SERVER__LISTEN".to_owned(), "0.0.0.0:80".to_owned())];
    let loaded = Config::load(Some(&path), env.into_iter(), Some(Path::new("/data"))).expect("loads");
    let printed = print(&loaded).replace(path.to_str().expect("text"), "outlay.toml");
    insta::assert_snapshot!(printed, @r#"
    reporting_currency = "USD"  # default
    source = []  # default

    [server]
    listen = "0.0.0.0:80"  # OUTLAY_SERVER__LISTEN
    answer_within_seconds = 30  # default
    most_requests = 128  # default
    stop_within_seconds = 20  # default

    [log]
    level = "info"  # default
    format = "text"  # default

    [store]
    url = "/data"  # --data
    cache = "/data/cache"  # --data
    cache_gib = 20  # default
    retire_grace_hours = 24  # default
    final_after_days = 60  # default

    [catalog]
    url = "sqlite:///data/catalog.db"  # --data

    [tags]
    # daily is not set
    required = []  # default

    [tags.aliases]
    team = ["Team"]  # outlay.toml:2

    [privacy]
    keep = []  # default

    [services]  # default

    [rates]
    EUR = [
      { from = "2026-01-01", to_usd = "1.08" },  # outlay.toml:6
    ]

    [guard]
    max_shrink = 0.1  # default
    max_rejects = 0.001  # default

    [retention]
    # charges_months is not set
    # daily_months is not set

    [collect]
    scratch = "/data/scratch"  # --data
    sources_at_once = 2  # default
    jitter_seconds = 20  # default
    lease_seconds = 120  # default

    [ownership]  # default
    "#);
}

#[test]
fn every_checked_in_file_loads() {
    for name in ["outlay.example.toml", "demo.toml", "aws_data_export.example.toml"] {
        let path = repository().join("config").join(name);
        Config::load(Some(&path), std::iter::empty(), None).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn the_example_shows_every_key() {
    let text = fs::read_to_string(repository().join("config/outlay.example.toml")).expect("is there");
    let example: toml::Table = text.parse().expect("is TOML");
    let known = serde_json::to_value(Config::default()).expect("a configuration is JSON");
    for (section, keys) in known.as_object().expect("it has keys") {
        let shown = example.get(section).unwrap_or_else(|| panic!("{section} is missing"));
        for key in keys.as_object().into_iter().flatten().map(|(key, _)| key) {
            assert!(shown.get(key).is_some(), "{section}.{key} is missing");
        }
    }
}

#[test]
fn the_checked_in_schema_is_the_one_of_the_code() {
    let checked_in = fs::read_to_string(repository().join("config/outlay.schema.json")).unwrap_or_default();
    assert!(checked_in == schema(), "run `outlay config schema > config/outlay.schema.json` and look at what changed");
}

fn configs() -> impl Strategy<Value = Config> {
    let text = "[ -~\\n\\t\u{1}\u{7f}é\u{2028}]{0,8}";
    let texts = prop::collection::vec(text, 0..3);
    let aliases = prop::collection::btree_map(text, texts.clone(), 0..3);
    let rate = ((1..28u32), (1..1000u32)).prop_map(|(day, rate)| RateEntry {
        from: chrono::NaiveDate::from_ymd_opt(2026, 1, day).expect("a day"),
        to_usd: format!("1.{rate}"),
    });
    let rates = prop::collection::btree_map("[A-TV-Z]{3}", prop::collection::vec(rate, 0..2), 0..3);
    let sections = (aliases, (prop::option::of(texts.clone()), texts.clone()), texts, rates, 0.0..=1.0, 1..u32::MAX);
    sections.prop_map(|(aliases, (daily, required), keep, rates, max_shrink, retire_grace_hours)| Config {
        tags: TagSettings { aliases, daily, required },
        privacy: Privacy { keep },
        rates: rates.into_iter().map(|(code, dated)| (code.parse().expect("a code"), dated)).collect(),
        guard: Guard { max_shrink, ..Guard::default() },
        store: Store { retire_grace_hours, ..Store::default() },
        ..Config::default()
    })
}

proptest! {
    #[test]
    fn what_is_printed_loads_to_the_same(config in configs()) {
        let distinct_rates = config.rates.values().all(|dated| dated.len() < 2 || dated[0].from != dated[1].from);
        prop_assume!(config.tags.problems().is_empty() && distinct_rates);
        let printed = print(&Loaded { config: config.clone(), file: None, places: BTreeMap::new() });
        let again = load(&printed, &[]).map_err(|error| TestCaseError::fail(format!("{error}\n{printed}")))?;
        prop_assert_eq!(again.config, config);
    }

    /// Each key once, so that the file is TOML; each with any value, right or wrong.
    #[test]
    fn whatever_is_said_loads_or_is_a_problem_on_its_line(
        values in prop::collection::vec(prop::sample::select(VALUES), KEYS.len()),
        variable in prop::sample::select(VALUES),
    ) {
        let file: String = KEYS.iter().zip(&values).map(|(key, value)| format!("{key} = {value}\n")).collect();
        let error = load(&file, &[("OUTLAY_TAGS", variable)]).expect_err("some key is not one");
        for problem in &error.problems {
            match &problem.place {
                Place::File(_, line) => {
                    let line = file.lines().nth(line.expect("has a line") - 1).expect("is there");
                    let (section, key) = (problem.key.split('.').next().unwrap_or_default(), line.split([' ', '.']).next());
                    prop_assert_eq!(Some(section), key, "{}", error);
                }
                place => prop_assert_eq!(place, &Place::Variable("OUTLAY_TAGS".to_owned())),
            }
        }
    }
}

const KEYS: &[&str] = &[
    "reporting_currency",
    "server.listen",
    "store",
    "catalog.url",
    "tags.aliases",
    "tags.daily",
    "privacy.keep",
    "rates.EUR",
    "rates.\"a.b\"",
    "guard.max_shrink",
    "nothing",
];

const VALUES: &[&str] = &[
    "5",
    "1e400",
    "99999999999999999999999999999999999999999",
    "true",
    "2026-01-01",
    "'text'",
    "['a', ['b'], 5, {}]",
    "[{ from = 5, from_usd = 1 }, { to_usd = [] }, 1]",
    "{ url = { a = [1] }, retire_grace_hours = 0, listen = 1 }",
    "{ team = 1, aliases = ['x'], '' = {}, daily = 2026-01-01T00:00:00Z }",
    "{}",
];
