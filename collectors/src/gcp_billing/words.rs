//! What Google calls things, and what FOCUS calls them: units, regions, kinds of resources.

use std::borrow::Cow;

/// Words of units, and how FOCUS writes them: of data, and of time, which is plural at the end.
const UNITS: &[(&str, &str, &str)] = &[
    ("byte", "Byte", "Bytes"),
    ("kibibyte", "KiB", "KiB"),
    ("mebibyte", "MiB", "MiB"),
    ("gibibyte", "GiB", "GiB"),
    ("tebibyte", "TiB", "TiB"),
    ("pebibyte", "PiB", "PiB"),
    ("second", "Second", "Seconds"),
    ("minute", "Minute", "Minutes"),
    ("hour", "Hour", "Hours"),
    ("day", "Day", "Days"),
    ("month", "Month", "Months"),
    ("year", "Year", "Years"),
    ("count", "Count", "Count"),
    ("request", "Request", "Requests"),
];

/// A unit as FOCUS writes it: `byte-seconds` is `Byte-Seconds`, `gibibyte month` is `GiB-Months`. One with other words stays
/// as it is.
pub(super) fn unit(native: &str) -> Cow<'_, str> {
    let known = |word: &str| {
        let word = word.strip_suffix('s').unwrap_or(word);
        UNITS.iter().find(|(name, ..)| name.eq_ignore_ascii_case(word))
    };
    let words: Option<Vec<_>> = native.split([' ', '-']).map(known).collect();
    let Some((last, before)) = words.as_ref().and_then(|words| words.split_last()) else { return native.into() };
    before.iter().map(|(_, one, _)| format!("{one}-")).chain([last.2.to_owned()]).collect::<String>().into()
}

/// The regions, and what Google calls them.
const REGIONS: &[(&str, &str)] = &[
    ("africa-south1", "Johannesburg"),
    ("asia-east1", "Taiwan"),
    ("asia-east2", "Hong Kong"),
    ("asia-northeast1", "Tokyo"),
    ("asia-northeast2", "Osaka"),
    ("asia-northeast3", "Seoul"),
    ("asia-south1", "Mumbai"),
    ("asia-south2", "Delhi"),
    ("asia-southeast1", "Singapore"),
    ("asia-southeast2", "Jakarta"),
    ("australia-southeast1", "Sydney"),
    ("australia-southeast2", "Melbourne"),
    ("europe-central2", "Warsaw"),
    ("europe-north1", "Finland"),
    ("europe-north2", "Stockholm"),
    ("europe-southwest1", "Madrid"),
    ("europe-west1", "Belgium"),
    ("europe-west10", "Berlin"),
    ("europe-west12", "Turin"),
    ("europe-west2", "London"),
    ("europe-west3", "Frankfurt"),
    ("europe-west4", "Netherlands"),
    ("europe-west6", "Zurich"),
    ("europe-west8", "Milan"),
    ("europe-west9", "Paris"),
    ("me-central1", "Doha"),
    ("me-central2", "Dammam"),
    ("me-west1", "Tel Aviv"),
    ("northamerica-northeast1", "Montréal"),
    ("northamerica-northeast2", "Toronto"),
    ("northamerica-south1", "Mexico"),
    ("southamerica-east1", "São Paulo"),
    ("southamerica-west1", "Santiago"),
    ("us-central1", "Iowa"),
    ("us-east1", "South Carolina"),
    ("us-east4", "Northern Virginia"),
    ("us-east5", "Columbus"),
    ("us-south1", "Dallas"),
    ("us-west1", "Oregon"),
    ("us-west2", "Los Angeles"),
    ("us-west3", "Salt Lake City"),
    ("us-west4", "Las Vegas"),
];

/// What Google calls a region; others, such as `global` and `eu`, are called what they are.
pub(super) fn region(id: &str) -> &str {
    REGIONS.iter().find(|(known, _)| *known == id).map_or(id, |(_, name)| name)
}

/// The kind of a resource, by its full name: `//compute.googleapis.com/projects/p/zones/z/instances/1` is one of the
/// `instances`. The last word but one says it.
pub(super) fn resource_type(global_name: &str) -> Option<&str> {
    let mut segments = global_name.strip_prefix("//")?.rsplit('/');
    segments.next()?;
    segments.next().filter(|word| !word.is_empty() && !word.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_written_as_focus_writes_them() {
        let cases = [
            ("byte-seconds", "Byte-Seconds"),
            ("seconds", "Seconds"),
            ("bytes", "Bytes"),
            ("gibibyte month", "GiB-Months"),
            ("gibibyte hour", "GiB-Hours"),
            ("hour", "Hours"),
            ("requests", "Requests"),
            ("vCPU hour", "vCPU hour"),
            ("", ""),
        ];
        for (native, expected) in cases {
            assert_eq!(unit(native), expected);
        }
    }

    #[test]
    fn resources_are_of_a_kind() {
        let cases = [
            ("//compute.googleapis.com/projects/p/zones/us-central1-a/instances/123", Some("instances")),
            ("//storage.googleapis.com/projects/_/buckets/logs", Some("buckets")),
            ("//storage.googleapis.com/logs", None),
            ("a-vm", None),
        ];
        for (name, expected) in cases {
            assert_eq!(resource_type(name), expected, "{name}");
        }
    }
}
