//! Who may depend on whom (docs/ARCHITECTURE.md), held against what `cargo metadata` says.
//!
//! What ships counts. A room's tests may put a whole house together, so dev-dependencies are no edges.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use cargo_metadata::{Dependency, DependencyKind, Metadata, MetadataCommand, Package};

/// The root package, which wires everything together.
const WIRING: &str = "outlay";

/// Every room, and the rooms it may depend on.
const ROOMS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("ledger", &["model"]),
    ("collectors", &["model", "ledger"]),
    ("store", &["model", "ledger"]),
    ("catalog", &["model"]),
    ("charts", &["model"]),
    ("insights", &["model", "store", "catalog"]),
    ("alerts", &["model", "insights", "charts"]),
    ("api", &["model", "insights", "charts"]),
    ("dashboards", &["model", "insights", "charts"]),
    ("demo", &[]),
];

/// Libraries that shape what they touch (with everything that is named after them), and where they may be named.
const LIBRARIES: &[(&str, &[&str])] =
    &[("polars", &["ledger", "collectors", "store"]), ("sqlx", &["catalog"]), ("axum", &["api", "dashboards", WIRING])];

fn packages() -> Vec<Package> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec();
    let Metadata { packages, .. } = metadata.expect("cargo describes the workspace");
    assert!(packages.len() > 1, "these are not all packages of the workspace");
    packages
}

/// A package's name without the house's.
fn room(package: &str) -> &str {
    package.strip_prefix("outlay-").unwrap_or(package)
}

fn room_of(dependency: &Dependency) -> Option<&str> {
    dependency.path.as_ref().map(|_| room(&dependency.name))
}

#[test]
fn rooms_depend_only_on_rooms_they_may_know() {
    let allowed: BTreeMap<&str, &[&str]> = ROOMS.iter().copied().collect();
    let mut wrong = BTreeSet::new();
    for package in packages().iter().filter(|package| package.name.as_str() != WIRING) {
        let name = room(&package.name);
        let Some(allowed) = allowed.get(name) else {
            wrong.insert(format!("{name} is no room; add it to docs/ARCHITECTURE.md and to this test"));
            continue;
        };
        let shipped = package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development);
        for known in shipped.filter_map(room_of).filter(|known| !allowed.contains(known)) {
            wrong.insert(format!("{name} → {known} is not allowed; only → {allowed:?} is (docs/ARCHITECTURE.md)"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn allowed_edges_make_no_circle() {
    let mut built: BTreeSet<&str> = BTreeSet::new();
    while built.len() < ROOMS.len() {
        let next = ROOMS.iter().find(|(name, needs)| !built.contains(name) && needs.iter().all(|n| built.contains(n)));
        let (name, _) = next.unwrap_or_else(|| panic!("nothing but {built:?} can be built"));
        built.insert(name);
    }
}

#[test]
fn libraries_are_named_only_where_they_belong() {
    let mut wrong = BTreeSet::new();
    for package in &packages() {
        let name = room(&package.name);
        for dependency in package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development) {
            let family = |library: &str| {
                dependency.name.strip_prefix(library).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
            };
            for (library, rooms) in
                LIBRARIES.iter().filter(|(library, rooms)| family(library) && !rooms.contains(&name))
            {
                wrong.insert(format!("{name} → {}: {library} belongs to {rooms:?} alone", dependency.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_package_keeps_the_house_lints() {
    for package in packages() {
        let manifest = fs::read_to_string(&package.manifest_path).expect("is there");
        let manifest: toml::Table = manifest.parse().expect("is TOML");
        let inherits = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
        assert_eq!(inherits, Some(true), "{}: add [lints] workspace = true", package.manifest_path);
    }
}
