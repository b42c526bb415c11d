//! A catalog in a folder: every `catalog-info.yaml` in it, at any depth, and the files that its `Location`s name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::documents::{Entity, Targets, parse};
use super::{MOST_BYTES, MOST_FILES, Note, Reading};

const NAMES: [&str; 2] = ["catalog-info.yaml", "catalog-info.yml"];
/// How deep folders may be.
const MOST_DEPTH: usize = 32;

/// Reads a folder.
pub(super) fn read(folder: &Path) -> Reading {
    let mut reading = Reading::default();
    let mut files = Vec::new();
    walk(folder, 0, &mut files, &mut reading.unread);
    if files.is_empty() && reading.unread.is_empty() {
        // A folder that was not mounted looks like this; it does not mean that nobody owns anything any more.
        let text = format!("holds no {} at any depth; look at the folder", NAMES[0]);
        reading.unread.push(note(folder, text));
    }
    let root = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let mut seen: BTreeSet<PathBuf> = files.iter().filter_map(|file| file.canonicalize().ok()).collect();
    let mut next = 0;
    while let Some(file) = files.get(next).cloned() {
        next += 1;
        if next > MOST_FILES {
            reading.unread.push(note(folder, format!("has more than {MOST_FILES} files")));
            break;
        }
        let entities = text(&file).and_then(|text| parse(&file.display().to_string(), &text, &mut reading.notes));
        match entities {
            Err(why) => reading.unread.push(why),
            Ok(entities) => {
                for location in entities.iter().filter(|entity| entity.id.kind == "location") {
                    follow(location, &file, &root, &mut seen, &mut files, &mut reading);
                }
                reading.entities.extend(entities.into_iter().filter(|entity| entity.id.kind != "location"));
            }
        }
    }
    reading
}

fn note(path: &Path, text: impl Into<String>) -> Note {
    Note { file: path.display().to_string(), line: None, text: text.into() }
}

/// Finds files in a folder, in order. Hidden folders and installed packages are not the catalog's.
fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>, unread: &mut Vec<Note>) {
    if depth > MOST_DEPTH {
        return unread.push(note(folder, format!("is more than {MOST_DEPTH} folders deep")));
    }
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(error) => return unread.push(note(folder, format!("cannot be read: {error}"))),
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        // A link to a folder may lead round in a circle.
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && !name.starts_with('.') && name != "node_modules" {
            walk(&path, depth + 1, files, unread);
        } else if !is_folder && NAMES.contains(&&*name) {
            files.push(path);
        }
    }
}

fn text(file: &Path) -> Result<String, Note> {
    let size = fs::metadata(file).map_err(|error| note(file, format!("cannot be read: {error}")))?.len();
    if size > MOST_BYTES as u64 {
        return Err(note(file, format!("has {size} bytes, more than {MOST_BYTES}")));
    }
    fs::read_to_string(file).map_err(|error| note(file, format!("cannot be read: {error}")))
}

/// Adds the files that a `Location` names, as far as they are in the folder.
fn follow(
    location: &Entity,
    file: &Path,
    root: &Path,
    seen: &mut BTreeSet<PathBuf>,
    files: &mut Vec<PathBuf>,
    reading: &mut Reading,
) {
    let targets: Targets = match location.spec() {
        Ok(targets) => targets,
        Err(text) => return reading.notes.push(location.at.note(text)),
    };
    for target in targets.all() {
        if target.contains("://") || targets.kind.as_deref().is_some_and(|kind| kind != "file") {
            let text = format!("{target} is not read along with a folder; name it as a catalog of its own");
            reading.notes.push(location.at.note(text));
            continue;
        }
        let path = file.parent().unwrap_or(root).join(target);
        match path.canonicalize() {
            Err(error) => reading.unread.push(location.at.note(format!("{target} cannot be read: {error}"))),
            Ok(real) if !real.starts_with(root) => {
                reading.notes.push(location.at.note(format!("{target} lies outside of the folder, and is not read")));
            }
            Ok(real) => {
                if seen.insert(real) {
                    files.push(path);
                }
            }
        }
    }
}
