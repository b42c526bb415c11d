//! Reading the layers and understanding them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::check;
use super::problem::{NOT_A_DATE, in_toml_words, unknown_key};
use super::tree::{self, Said};
use super::{CatalogUrl, Config, ConfigError, FILE, Place, Problem, variables};

/// A configuration that can be used, and where its values were said.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The file that was read, if one was.
    pub file: Option<PathBuf>,
    pub(super) places: BTreeMap<tree::Path, Place>,
}

impl Config {
    /// Loads the configuration: the file at `path`, else `./outlay.toml` if there is one, else nothing but the defaults;
    /// over it the store and catalog in `data_dir` (`--data`); over that the `OUTLAY_*` variables in `env`.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub fn load(
        path: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        data_dir: Option<&Path>,
    ) -> Result<Loaded, ConfigError> {
        let mut problems = Vec::new();
        let file = read_file(path, &mut problems);
        let variables = variables::ours(env);
        let mut said = Said::default();
        if let Some((path, text)) = &file {
            add_file(&mut said, path, text, &mut problems);
        }
        if let Some(folder) = data_dir {
            if folder.to_string_lossy().contains("://") {
                let text =
                    "is a folder of this machine, for all there is; for a store in a bucket set [store] url instead";
                problems.push(Problem { place: Place::Data, key: String::new(), text: text.to_owned() });
            } else {
                said.add(data_table(folder), &|_| Place::Data);
            }
        }
        variables::add(&mut said, &variables, &mut problems);
        let config: Config = said.understand(&explain, &mut problems);
        let places = said.places();
        check(&config, &places, &mut problems);
        if problems.is_empty() {
            Ok(Loaded { config, file: file.map(|(path, _)| path), places })
        } else {
            problems.sort();
            Err(ConfigError { problems })
        }
    }
}

fn read_file(path: Option<&Path>, problems: &mut Vec<Problem>) -> Option<(PathBuf, String)> {
    let file = path.unwrap_or(Path::new(FILE)).to_owned();
    match fs::read_to_string(&file) {
        Ok(text) => Some((file, text)),
        Err(error) if path.is_none() && error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            let text = format!("cannot be read: {error}");
            problems.push(Problem { place: Place::File(file, None), key: String::new(), text });
            None
        }
    }
}

/// Adds the file, unless it is not TOML: what can be made of such a file only brings up problems that it does not have.
pub(crate) fn add_file<'i>(said: &mut Said<'i>, path: &Path, text: &'i str, problems: &mut Vec<Problem>) {
    let ends: Vec<usize> = text.match_indices('\n').map(|(end, _)| end).collect();
    let place = |offset: usize| Place::File(path.to_owned(), Some(ends.partition_point(|end| *end < offset) + 1));
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        said.add(table.into_inner(), &place);
    }
    problems.extend(errors.into_iter().map(|error| Problem {
        place: error.span().map_or_else(|| Place::File(path.to_owned(), None), |span| place(span.start)),
        key: String::new(),
        text: format!("is not TOML: {}", error.message()),
    }));
}

/// What `--data` says: store and catalog are both in the folder, and so are copies of remote files.
fn data_table(folder: &Path) -> DeTable<'static> {
    let inside = |name: &str| folder.join(name).display().to_string();
    let (cache, scratch) = (inside("cache"), inside("scratch"));
    let folder = folder.display().to_string();
    let catalog = CatalogUrl::in_folder(&folder).into();
    let section = |values: Vec<(&'static str, String)>| {
        let text =
            |(key, value): (&'static str, String)| (unplaced(key.into()), unplaced(DeValue::String(value.into())));
        unplaced(DeValue::Table(values.into_iter().map(text).collect()))
    };
    let mut table = DeTable::new();
    table.insert(unplaced("store".into()), section(vec![("url", folder), ("cache", cache)]));
    table.insert(unplaced("catalog".into()), section(vec![("url", catalog)]));
    table.insert(unplaced("collect".into()), section(vec![("scratch", scratch)]));
    table
}

fn unplaced<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

/// Serde's words, in those of somebody who writes TOML.
fn explain(path: &[String], message: &str) -> String {
    if let Some(names) = message.strip_prefix("unknown field ") {
        let (key, _) = path.split_last().expect("a field has a name");
        return unknown_key(path, names, elsewhere(key), "outlay config schema");
    }
    if let ["rates", .., "from"] = path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return NOT_A_DATE.to_owned();
    }
    in_toml_words(message)
}

/// A key of this name in some section.
fn elsewhere(key: &str) -> Option<String> {
    let known = serde_json::to_value(Config::default()).expect("a configuration is JSON");
    let sections = known.as_object()?.iter();
    let mut inside = sections.filter(|(_, section)| section.get(key).is_some());
    inside.next().map(|(section, _)| format!("{section}.{key}"))
}
