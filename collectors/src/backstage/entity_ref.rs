//! References between entities: `[kind:][namespace/]name`, in any case.

use std::fmt;

/// The namespace of what names none.
pub(super) const DEFAULT: &str = "default";

/// Which entity, in small letters: Backstage does not tell case apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EntityRef {
    pub kind: String,
    pub namespace: String,
    pub name: String,
}

impl EntityRef {
    pub(super) fn new(kind: &str, namespace: &str, name: &str) -> Self {
        let fold = |text: &str| text.trim().to_lowercase();
        Self { kind: fold(kind), namespace: fold(namespace), name: fold(name) }
    }

    /// Reads a reference; `kind` and `namespace` are those it means where it names none.
    pub(super) fn parse(text: &str, kind: &str, namespace: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':').unwrap_or((kind, text));
        let (namespace, name) = rest.split_once('/').unwrap_or((namespace, rest));
        let read = Self::new(kind, namespace, name);
        let whole = [&read.kind, &read.namespace, &read.name].iter().all(|part| !part.is_empty());
        (whole && !read.name.contains(['/', ':'])).then_some(read)
    }
}

impl fmt::Display for EntityRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.kind, self.namespace, self.name)
    }
}

/// What an entity is called here: as it is written, with its namespace where that is not the usual one.
pub(super) fn called(namespace: &str, name: &str) -> String {
    if namespace.eq_ignore_ascii_case(DEFAULT) { name.to_owned() } else { format!("{namespace}/{name}") }
}
