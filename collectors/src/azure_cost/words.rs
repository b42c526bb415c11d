//! What Azure calls things, and what FOCUS calls them: units and kinds of resources, tags and what is said of a price.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// Words that end a unit, and how FOCUS writes them: in the plural, times in full.
const WORDS: &[(&str, &str)] = &[
    ("api calls", "Requests"),
    ("core hrs", "Core Hours"),
    ("day", "Days"),
    ("hour", "Hours"),
    ("hrs", "Hours"),
    ("minute", "Minutes"),
    ("minute(s)", "Minutes"),
    ("month", "Months"),
    ("per call", "Calls"),
    ("second", "Seconds"),
    ("unassigned", "Units"),
    ("unit", "Units"),
    ("user", "Users"),
    ("year", "Years"),
];

/// A unit of measure: how many of it a price is for, and what it is. `10 Hours` is 10 of `Hours`, `1 GB/Month` 1 of
/// `GB/Month`, `10K` 10000 of `Units`, `1/Month` 1 of `Units/Month`.
pub(super) fn unit(native: &str) -> (u64, Cow<'static, str>) {
    let native = native.trim();
    let end = native.find(|c: char| !c.is_ascii_digit()).unwrap_or(native.len());
    let Ok(count) = native[..end].parse::<u64>() else { return (1, named(native)) };
    // `10000s` are of something in thousands, which nobody says: one of them.
    let (letter, rest) = native[end..].split_at_checked(1).unwrap_or(("", &native[end..]));
    let thousands = match letter {
        "K" => 1_000,
        "M" => 1_000_000,
        "B" => 1_000_000_000,
        _ => 1,
    };
    let stands_alone = rest.is_empty() || rest.starts_with([' ', '/']);
    match count.checked_mul(thousands).filter(|size| *size > 0) {
        Some(size) if thousands > 1 && stands_alone => (size, named(rest)),
        Some(_) if native[end..].is_empty() || native[end..].starts_with([' ', '/']) => (count, named(&native[end..])),
        _ => (1, named(native)),
    }
}

/// A unit without its count.
fn named(unit: &str) -> Cow<'static, str> {
    let unit = unit.trim();
    if unit.is_empty() {
        return Cow::Borrowed("Units");
    }
    if let Some(per) = unit.strip_prefix('/') {
        return Cow::Owned(format!("Units/{}", per.trim()));
    }
    if let Some((_, word)) = WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(unit)) {
        return Cow::Borrowed(word);
    }
    match unit.rsplit_once(' ') {
        // `GB Hour`, `DBU Hours`: one word for a product.
        Some((what, time)) if ["hour", "second", "minute", "day", "month"].contains(&time.to_lowercase().as_str()) => {
            Cow::Owned(format!("{what} {time}s"))
        }
        _ => Cow::Owned(unit.to_owned()),
    }
}

/// One of so many, as a decimal; `None` where it has no end, as a third has none.
pub(super) fn one_of(size: u64) -> Option<String> {
    let (mut rest, mut twos, mut fives) = (size, 0_u32, 0_u32);
    while rest > 1 && rest.is_multiple_of(2) {
        (rest, twos) = (rest / 2, twos + 1);
    }
    while rest > 1 && rest.is_multiple_of(5) {
        (rest, fives) = (rest / 5, fives + 1);
    }
    if rest != 1 {
        return None;
    }
    // 1 / (2^t 5^f) is 5^(d-f) 2^(d-t) / 10^d.
    let places = twos.max(fives);
    let digits = 2_u128.checked_pow(places - twos)?.checked_mul(5_u128.checked_pow(places - fives)?)?;
    Some(if places == 0 { digits.to_string() } else { format!("{digits}e-{places}") })
}

/// The kind of a resource, by its id: `Microsoft.Compute/virtualMachines` of `/subscriptions/…/providers/Microsoft.Compute/
/// virtualMachines/web-1/extensions/x` is what stands behind the last `providers`, every second piece.
pub(super) fn resource_type(id: &str) -> Option<String> {
    let pieces: Vec<&str> = id.split('/').collect();
    let start = pieces.iter().rposition(|piece| piece.eq_ignore_ascii_case("providers"))?;
    let (namespace, rest) = pieces.get(start + 1..)?.split_first()?;
    let kinds: Vec<&str> = rest.iter().step_by(2).copied().filter(|kind| !kind.is_empty()).collect();
    (!kinds.is_empty() && !namespace.is_empty()).then(|| format!("{namespace}/{}", kinds.join("/")))
}

/// Tags as one JSON object: enterprise agreements write its fields without the braces around them, and nothing as `""`.
pub(super) fn tags(native: &str) -> Cow<'_, str> {
    let text = native.trim();
    if text == "\"\"" {
        return Cow::Borrowed("{}");
    }
    match text.starts_with('"') && text.contains(':') {
        true => Cow::Owned(format!("{{{}}}", text.trim_end_matches(','))),
        false => Cow::Borrowed(native),
    }
}

/// What is said of a price besides: FOCUS wants one flat object, and `x_` before keys of others' making.
pub(super) fn price_details(native: &str) -> Option<String> {
    let text = tags(native);
    let fields = match serde_json::from_str(&text) {
        Ok(Value::Object(fields)) => fields,
        // It is no object, but what it says is not thrown away.
        _ => Map::from_iter([("AdditionalInfo".to_owned(), Value::String(native.to_owned()))]),
    };
    let flat = fields.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| {
        let value = if value.is_object() || value.is_array() { Value::String(value.to_string()) } else { value };
        (format!("x_{key}"), value)
    });
    let flat: Map<String, Value> = flat.collect();
    (!flat.is_empty()).then(|| Value::Object(flat).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_have_a_size_and_a_name() {
        for (native, size, name) in [
            ("10 Hours", 10, "Hours"),
            ("1 Hour", 1, "Hours"),
            ("100 Hour", 100, "Hours"),
            ("1 GB/Month", 1, "GB/Month"),
            ("1 GB Hour", 1, "GB Hours"),
            ("1 GiB Second", 1, "GiB Seconds"),
            ("10K", 10_000, "Units"),
            ("10K Transactions", 10_000, "Transactions"),
            ("10K/Month", 10_000, "Units/Month"),
            ("1M", 1_000_000, "Units"),
            ("1B", 1_000_000_000, "Units"),
            ("1 MB", 1, "MB"),
            ("5 GB", 5, "GB"),
            ("1/Month", 1, "Units/Month"),
            ("1 /Hour", 1, "Units/Hour"),
            ("1/10 Days", 1, "Units/10 Days"),
            ("10000", 10_000, "Units"),
            ("1000 ", 1_000, "Units"),
            ("10000s", 1, "10000s"),
            ("744 Connections", 744, "Connections"),
            ("Hours", 1, "Hours"),
            ("Minute(s)", 1, "Minutes"),
            ("Unassigned", 1, "Units"),
            ("0", 1, "0"),
        ] {
            assert_eq!(unit(native), (size, Cow::Borrowed(name)), "{native}");
        }
    }

    #[test]
    fn a_part_is_exact_or_none() {
        for (size, expected) in [
            (1, Some("1")),
            (10, Some("1e-1")),
            (5, Some("2e-1")),
            (1024, Some("9765625e-10")),
            (10_000_000_000, Some("1e-10")),
            (744, None),
            (3, None),
        ] {
            assert_eq!(one_of(size).as_deref(), expected, "{size}");
        }
    }

    #[test]
    fn resources_are_of_a_kind() {
        let vm = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/web-1";
        for (id, expected) in [
            (vm.to_owned(), Some("Microsoft.Compute/virtualMachines")),
            (format!("{vm}/extensions/x"), Some("Microsoft.Compute/virtualMachines/extensions")),
            (format!("{vm}/providers/Microsoft.Security/pricings/p"), Some("Microsoft.Security/pricings")),
            ("web-1".to_owned(), None),
            ("/providers/Microsoft.Capacity".to_owned(), None),
        ] {
            assert_eq!(resource_type(&id).as_deref(), expected, "{id}");
        }
    }

    #[test]
    fn tags_are_an_object() {
        assert_eq!(tags(r#""team": "search","env": "prod""#), r#"{"team": "search","env": "prod"}"#);
        assert_eq!(tags(r#"{"team":"search"}"#), r#"{"team":"search"}"#);
        assert_eq!(tags("\"\""), "{}");
        assert_eq!(tags("nothing"), "nothing");
    }

    #[test]
    fn details_of_prices_are_flat_and_of_others() {
        let cases = [
            (
                r#"{"ServiceType":"Standard_D2s_v3","VCPUs":2,"a":[1],"n":null}"#,
                Some(r#"{"x_ServiceType":"Standard_D2s_v3","x_VCPUs":2,"x_a":"[1]"}"#),
            ),
            (r#""UsageType": "x""#, Some(r#"{"x_UsageType":"x"}"#)),
            ("cut sho", Some(r#"{"x_AdditionalInfo":"cut sho"}"#)),
            ("{}", None),
        ];
        for (native, expected) in cases {
            assert_eq!(price_details(native).as_deref(), expected, "{native}");
        }
    }
}
