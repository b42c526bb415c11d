//! Which category of FOCUS a service is in, for bills that do not say.
//!
//! The list is data: `config/services.csv` is compiled in, and a file of the same form may say otherwise, name by name.
//! A service is found by any of the names that bills use for it, in any letters; the same name may mean two things at two
//! providers. FOCUS 1.2, ServiceCategory: a service is in exactly one category; ServiceSubcategory implies it.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, LazyLock};

use outlay_model::focus;
use sha2::{Digest, Sha256};

use crate::input::hex;

/// The services of the large clouds.
const LIST: &str = include_str!("../../config/services.csv");

static LISTED: LazyLock<Services> = LazyLock::new(|| {
    let none = Services { names: Arc::default(), providers: Arc::default(), digest: String::new() };
    none.with(LIST).expect("a test reads the list")
});

/// The columns of a list of services.
const HEADER: [&str; 5] = ["provider", "service", "category", "subcategory", "also known as"];

/// Other names of providers, in small letters, and those that lists use.
const PROVIDERS: &[(&str, &str)] = &[
    ("amazon web services", "aws"),
    ("amazon web services, inc.", "aws"),
    ("azure", "microsoft"),
    ("microsoft azure", "microsoft"),
    ("microsoft corporation", "microsoft"),
    ("gcp", "google cloud"),
    ("google", "google cloud"),
    ("google cloud platform", "google cloud"),
];

/// A service, in the words of FOCUS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// ServiceName.
    pub name: String,
    /// ServiceCategory.
    pub category: &'static str,
    /// ServiceSubcategory, where the list says it.
    pub subcategory: Option<&'static str>,
}

/// A list of services. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// By provider and name, both in small letters.
    names: Arc<HashMap<(String, String), Arc<Service>>>,
    providers: Arc<BTreeSet<String>>,
    digest: String,
}

/// A list of services cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct ServicesError {
    /// Everything that is wrong with it, by line.
    pub problems: Vec<ServicesProblem>,
}

/// One thing that is wrong with a list of services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicesProblem {
    /// On which line, from 1.
    pub line: u64,
    /// What, and what to do.
    pub text: String,
}

impl fmt::Display for ServicesProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

impl Default for Services {
    fn default() -> Self {
        LISTED.clone()
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").field("names", &self.names.len()).field("digest", &self.digest).finish()
    }
}

impl Services {
    /// The service that a provider's bill calls so.
    #[must_use]
    pub fn find(&self, provider: &str, name: &str) -> Option<&Service> {
        self.names.get(&(provider_key(provider), key(name))).map(AsRef::as_ref)
    }

    /// Whether any service of the provider is in the list, so that one that is not is worth a word.
    #[must_use]
    pub fn knows(&self, provider: &str) -> bool {
        self.providers.contains(&provider_key(provider))
    }

    /// Tells lists apart that say different things.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// This list, and over it the one in a CSV text: what that one says of a name counts.
    ///
    /// # Errors
    /// [`ServicesError`] with every line that cannot be taken.
    pub fn with(&self, text: &str) -> Result<Self, ServicesError> {
        let mut problems = Vec::new();
        let mut said: HashMap<(String, String), u64> = HashMap::new();
        let (mut names, mut providers) = ((*self.names).clone(), (*self.providers).clone());
        for (line, cells) in records(text, &mut problems) {
            let mut wrong = |text: String| problems.push(ServicesProblem { line, text });
            let [provider, name, category, subcategory, others] = cells;
            if provider.is_empty() || name.is_empty() {
                wrong("names no provider or no service; give both, as the bill does".to_owned());
                continue;
            }
            let (category, subcategory) = match placed(&category, &subcategory) {
                Ok(placed) => placed,
                Err(text) => {
                    wrong(text);
                    continue;
                }
            };
            let service = Arc::new(Service { name: name.clone(), category, subcategory });
            providers.insert(provider_key(&provider));
            for name in std::iter::once(name.as_str()).chain(others.split(';')).map(str::trim) {
                if name.is_empty() {
                    continue;
                }
                let entry = (provider_key(&provider), key(name));
                if let Some(before) = said.insert(entry.clone(), line) {
                    wrong(format!("{name:?} is on line {before} already; a name has one place, leave one of them out"));
                }
                names.insert(entry, Arc::clone(&service));
            }
        }
        if !problems.is_empty() {
            problems.sort_by_key(|problem| problem.line);
            return Err(ServicesError { problems });
        }
        let digest = hex(&Sha256::digest(format!("{}\n{text}", self.digest)));
        Ok(Self { names: Arc::new(names), providers: Arc::new(providers), digest })
    }
}

/// The records behind the header, with their lines. Lines of other shapes are problems.
fn records(text: &str, problems: &mut Vec<ServicesProblem>) -> Vec<(u64, [String; 5])> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let mut found = Vec::new();
    let mut header = false;
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(1, csv::Position::line);
                problems.push(ServicesProblem { line, text: "is not CSV; write the list anew as CSV".to_owned() });
                break;
            }
        };
        let line = record.position().map_or(1, csv::Position::line);
        let mut cells: Vec<String> = record.iter().map(ToOwned::to_owned).collect();
        if !header {
            header = true;
            if cells != HEADER {
                let text = format!("is not the header; the first line must be {}", HEADER.join(","));
                problems.push(ServicesProblem { line, text });
                break;
            }
            continue;
        }
        // Nothing need be said behind the category.
        if (3..HEADER.len()).contains(&cells.len()) {
            cells.resize(HEADER.len(), String::new());
        }
        match <[String; 5]>::try_from(cells) {
            Ok(cells) => found.push((line, cells)),
            Err(cells) => {
                let (fields, text) = (cells.len(), "quote a name with a comma in it, and part names by semicolons");
                problems.push(ServicesProblem { line, text: format!("has {fields} fields, not 3 to 5; {text}") });
            }
        }
    }
    if !header {
        let text = format!("is empty; the first line must be {}", HEADER.join(","));
        problems.push(ServicesProblem { line: 1, text });
    }
    found
}

/// Category and subcategory as FOCUS spells them.
fn placed(category: &str, subcategory: &str) -> Result<(&'static str, Option<&'static str>), String> {
    let find = |column: &str, word: &str| {
        let allowed = focus::find(column).map_or(&[][..], |column| column.allowed);
        allowed.iter().copied().find(|allowed| allowed.eq_ignore_ascii_case(word))
    };
    let Some(category) = find("ServiceCategory", category) else {
        let all = focus::find("ServiceCategory").map_or(&[][..], |column| column.allowed).join(", ");
        return Err(format!("{category:?} is no ServiceCategory of FOCUS; give one of {all}"));
    };
    if subcategory.is_empty() {
        return Ok((category, None));
    }
    let of_category: Vec<&str> = focus::subcategories(category).collect();
    match find("ServiceSubcategory", subcategory).filter(|found| of_category.contains(found)) {
        Some(subcategory) => Ok((category, Some(subcategory))),
        None => Err(format!(
            "{subcategory:?} is no ServiceSubcategory of {category}; give one of {}, or none",
            of_category.join(", ")
        )),
    }
}

fn key(name: &str) -> String {
    name.trim().to_lowercase()
}

fn provider_key(provider: &str) -> String {
    let key = key(provider);
    PROVIDERS.iter().find(|(other, _)| *other == key).map_or(key, |(_, listed)| (*listed).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_what_it_promises_to_be() {
        let lines = records(LIST, &mut Vec::new());
        for provider in ["AWS", "Google Cloud", "Microsoft"] {
            let services = lines.iter().filter(|(_, cells)| cells[0] == provider).count();
            assert!(services >= 150, "{provider}: {services}");
        }
        for (line, cells) in &lines {
            let [provider, name, category, subcategory, _] = cells;
            let (_, known) = placed(category, subcategory).expect("a pair of FOCUS");
            assert!(known.is_some(), "line {line} says no subcategory");
            assert_eq!(focus::subcategories(category).find(|of| of == subcategory), known, "line {line} is spelled so");
            assert!(Services::default().find(provider, name).is_some(), "line {line}");
        }
        let order: Vec<_> = lines.iter().map(|(_, [provider, name, ..])| (provider, name.to_lowercase())).collect();
        assert!(order.is_sorted(), "by provider, then by name");
    }

    #[test]
    fn a_service_is_found_by_each_name_of_its_provider() {
        let services = Services::default();
        for name in ["AmazonEC2", "Amazon Elastic Compute Cloud - Compute", "EC2 - Other", " amazonec2 "] {
            let found = services.find("AWS", name).expect(name);
            assert_eq!((found.category, found.subcategory), ("Compute", Some("Virtual Machines")), "{name}");
        }
        assert_eq!(services.find("Amazon Web Services", "AmazonEC2"), services.find("AWS", "AmazonEC2"));
        assert_eq!(services.find("Microsoft", "AmazonEC2"), None);
        assert!(services.knows("Microsoft Azure") && !services.knows("Nimbus"));
    }

    #[test]
    fn what_the_user_says_of_a_name_counts() {
        let text = "provider,service,category,subcategory,also known as\n\
                    # Disks are no machines.\n\
                    AWS,EC2 - Other,storage,block storage\n\
                    Nimbus,Machines,Compute,,machines-1; machines-2\n";
        let listed = Services::default();
        let services = listed.with(text).expect("a list");
        let place = |provider, name| services.find(provider, name).map(|found| (found.category, found.subcategory));
        assert_eq!(place("AWS", "EC2 - Other"), Some(("Storage", Some("Block Storage"))));
        assert_eq!(place("AWS", "AmazonEC2"), Some(("Compute", Some("Virtual Machines"))));
        assert_eq!(place("nimbus", "Machines-2"), Some(("Compute", None)));
        assert!(services.knows("Nimbus"));
        assert_ne!(services.digest(), listed.digest());
    }

    #[track_caller]
    fn check_wrong(text: &str, expected: &[&str]) {
        let error = Services::default().with(text).expect_err("a bad list");
        let said: Vec<String> = error.problems.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), expected.len(), "{said:?}");
        said.iter().zip(expected).for_each(|(said, expected)| assert!(said.starts_with(expected), "{said}"));
    }

    #[test]
    fn every_bad_line_is_told() {
        check_wrong("", &["line 1: is empty; the first line must be provider,service,category,"]);
        check_wrong("AWS,AmazonEC2,Compute\n", &["line 1: is not the header; the first line must be provider,"]);
        let lines = "provider,service,category,subcategory,also known as\n\
                     AWS,AmazonEC2,Computing\n\
                     AWS,AmazonS3,Storage,Containers\n\
                     AWS,,Storage\n\
                     AWS,A,Storage,,b; c\n\
                     AWS,B,Storage\n\
                     AWS,two\n";
        let expected = [
            "line 2: \"Computing\" is no ServiceCategory of FOCUS; give one of AI and Machine Learning, Analytics,",
            "line 3: \"Containers\" is no ServiceSubcategory of Storage; give one of Backup Storage, Block Storage,",
            "line 4: names no provider or no service",
            "line 6: \"B\" is on line 5 already",
            "line 7: has 2 fields, not 3 to 5; quote a name with a comma in it",
        ];
        check_wrong(lines, &expected);
    }
}
