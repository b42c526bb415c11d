//! InfraWallet's annotations of a component, as the condition on charges that they mean.
//!
//! All of them must match; of the values in one of them, any. Words are InfraWallet's: `aws`, and not `AWS`.

use std::collections::BTreeMap;

use outlay_model::dimension::Fixed;
use outlay_model::{Dimension, Filter, TagKey, focus};

const PREFIX: &str = "infrawallet.io/";

/// Providers in InfraWallet's words and in those that bills use.
const PROVIDERS: &[(&str, &[&str])] = &[
    ("aws", &["AWS", "Amazon Web Services"]),
    ("azure", &["Microsoft", "Azure", "Microsoft Azure"]),
    ("gcp", GOOGLE),
    ("mongoatlas", &["MongoDB", "MongoDB Atlas"]),
    ("datadog", &["Datadog"]),
    ("confluent", &["Confluent", "Confluent Cloud"]),
];

const GOOGLE: &[&str] = &["Google Cloud", "Google", "Google Cloud Platform", "GCP"];

/// Categories in InfraWallet's words and in those of FOCUS, where they differ.
const CATEGORIES: &[(&str, &str)] = &[
    ("database", "Databases"),
    ("machine learning", "AI and Machine Learning"),
    ("ai", "AI and Machine Learning"),
    ("ai & ml", "AI and Machine Learning"),
    ("network", "Networking"),
    ("networking & content delivery", "Networking"),
    ("application integration", "Integration"),
    ("containers", "Compute"),
    ("others", "Other"),
    ("developer tool", "Developer Tools"),
    ("management", "Management and Governance"),
    ("management & governance", "Management and Governance"),
    ("iot", "Internet of Things"),
];

/// The charges that a component's annotations mean; `None` where it has none of them.
///
/// # Errors
/// What is wrong with one of them.
pub(super) fn condition(annotations: &BTreeMap<String, String>) -> Result<Option<Filter>, String> {
    let said = |key: &str| {
        let text = annotations.get(&format!("{PREFIX}{key}")).map(String::as_str);
        text.filter(|text| !text.trim().is_empty())
    };
    let mut asked: Vec<(String, Vec<String>)> = Vec::new();
    for key in ["provider", "account", "project", "service", "category"] {
        if let Some(text) = said(key) {
            asked.push((key.to_owned(), values(key, text, ',')?));
        }
    }
    if let Some(text) = said("extra-filters") {
        for (key, value) in pairs("extra-filters", text)? {
            let values = values("extra-filters", &value, '|')?;
            asked.push((key, values));
        }
    }
    let has_provider = asked.iter().any(|(key, _)| key == "provider");
    let mut conditions = Vec::new();
    for (key, values) in asked {
        conditions.push(one(&key, values, has_provider)?);
    }
    if let Some(text) = said("tags") {
        if said("provider").is_none() {
            return Err(format!("the annotation {PREFIX}tags needs {PREFIX}provider beside it, as in InfraWallet"));
        }
        // Several values of one key: any of them.
        let mut by_key: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, value) in pairs("tags", text)? {
            by_key.entry(key).or_default().push(value);
        }
        conditions.extend(by_key.into_iter().map(|(key, values)| Filter::In(tag(&key), values)));
    }
    Ok(match conditions.len() {
        0 => None,
        1 => conditions.pop(),
        _ => Some(Filter::And(conditions)),
    })
}

fn one(key: &str, values: Vec<String>, has_provider: bool) -> Result<Filter, String> {
    let any = |fixed: Fixed, values: Vec<String>| Filter::In(Dimension::Fixed(fixed), values);
    let account =
        |values: Vec<String>| Filter::Or(vec![any(Fixed::Account, values.clone()), any(Fixed::AccountName, values)]);
    Ok(match key {
        "provider" => {
            let names = values.iter().flat_map(|value| provider(value));
            any(Fixed::Provider, names.collect())
        }
        "account" => account(values),
        // It is Google's word; with a provider beside it, it is that one's.
        "project" if has_provider => account(values),
        "project" => {
            let google = any(Fixed::Provider, GOOGLE.iter().map(|name| (*name).to_owned()).collect());
            Filter::And(vec![google, account(values)])
        }
        "service" => any(Fixed::Service, values),
        "category" => {
            let categories: Result<_, _> = values.iter().map(|value| category(value)).collect();
            any(Fixed::ServiceCategory, categories?)
        }
        "region" => any(Fixed::Region, values),
        key => Filter::In(tag(key), values),
    })
}

fn tag(key: &str) -> Dimension {
    Dimension::Tag(TagKey::new(key.strip_prefix("tags.").unwrap_or(key)))
}

/// A provider as bills write it; a name that InfraWallet has no word for is taken as it is.
fn provider(word: &str) -> Vec<String> {
    let known = PROVIDERS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
    known.map_or_else(|| vec![word.to_owned()], |(_, names)| names.iter().map(|name| (*name).to_owned()).collect())
}

fn category(word: &str) -> Result<String, String> {
    let allowed = focus::find("ServiceCategory").map(|column| column.allowed).unwrap_or_default();
    let known = CATEGORIES.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map_or(word, |(_, name)| *name);
    let found = allowed.iter().find(|name| name.eq_ignore_ascii_case(known));
    found
        .map(|name| (*name).to_owned())
        .ok_or_else(|| format!("{word:?} is no category of services; give one of FOCUS: {}", allowed.join(", ")))
}

/// The values of a list.
fn values(key: &str, text: &str, between: char) -> Result<Vec<String>, String> {
    let mut values = Vec::new();
    for value in text.split(between).map(str::trim).filter(|value| !value.is_empty()) {
        if !values.iter().any(|known| known == value) {
            values.push(value.to_owned());
        }
    }
    if values.is_empty() { Err(format!("the annotation {PREFIX}{key} names nothing")) } else { Ok(values) }
}

/// `key-x: value, key-y: value`.
fn pairs(annotation: &str, text: &str) -> Result<Vec<(String, String)>, String> {
    let pair = |text: &str| {
        let (key, value) = text.split_once(':')?;
        let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
        (!key.is_empty() && !value.is_empty()).then_some((key, value))
    };
    let pieces = text.split(',').filter(|piece| !piece.trim().is_empty());
    let read: Option<Vec<_>> = pieces.map(pair).collect();
    read.filter(|pairs| !pairs.is_empty())
        .ok_or_else(|| format!("the annotation {PREFIX}{annotation} is not of the form \"key-x: value, key-y: value\""))
}
