//! The credits of a row: discounts on what it costs, and money that was granted.
//!
//! FOCUS 1.2: a discount that is known when a charge is rated reduces the charge; money that is given afterwards is a
//! charge of its own, a Credit. The line between them is Google's: its reports call these types discounts, and all others
//! "promotions and others".

use serde_json::Value;

use super::literal;

/// The types that are discounts.
const DISCOUNTS: &[(&str, Kind)] = &[
    ("COMMITTED_USAGE_DISCOUNT", Kind::Commitment("Usage")),
    ("COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE", Kind::Commitment("Spend")),
    ("DISCOUNT", Kind::Discount),
    ("FEE_UTILIZATION_OFFSET", Kind::Commitment("Spend")),
    ("FREE_TIER", Kind::Discount),
    ("RESELLER_MARGIN", Kind::Discount),
    ("SPENDING_BASED_DISCOUNT", Kind::Discount),
    ("SUBSCRIPTION_BENEFIT", Kind::Discount),
    ("SUSTAINED_USAGE_DISCOUNT", Kind::Discount),
];

/// Those that are granted money.
const GRANTS: &[&str] = &["PROMOTION", "CREDIT_TYPE_UNSPECIFIED"];

/// What a credit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Off the price.
    Discount,
    /// Off the price, for a commitment; its CommitmentDiscountCategory.
    Commitment(&'static str),
    /// A charge of its own.
    Grant,
    /// The same, for want of knowing better.
    Unknown,
}

impl Kind {
    fn of(text: &str) -> Self {
        let text = text.trim();
        let known = DISCOUNTS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, kind)| *kind);
        let grant = || GRANTS.iter().any(|name| name.eq_ignore_ascii_case(text)).then_some(Self::Grant);
        known.or_else(grant).unwrap_or(Self::Unknown)
    }

    /// Whether it is part of what the row costs.
    pub(super) const fn reduces(self) -> bool {
        matches!(self, Self::Discount | Self::Commitment(_))
    }
}

/// A credit, as it is stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credit {
    pub kind: Kind,
    pub type_name: Option<String>,
    pub id: Option<String>,
    pub name: Option<String>,
    pub full_name: Option<String>,
    /// The digits of its amount, which is negative where it helps; not a number as it is stated.
    pub amount: String,
}

/// The credits of a row; `None` when what is stated cannot be taken apart, so nobody knows what the row costs. Credits
/// without an amount say nothing.
pub(super) fn read(text: Option<&str>) -> Option<Vec<Credit>> {
    let Some(text) = text else { return Some(Vec::new()) };
    let items = match literal::parse(text)? {
        Value::Array(items) => items,
        // koku-nise writes a single one without the list.
        Value::Object(one) => vec![Value::Object(one)],
        Value::Null => Vec::new(),
        _ => return None,
    };
    let mut credits = Vec::with_capacity(items.len());
    for item in items.into_iter().filter(|item| !item.is_null()) {
        credits.extend(credit(item)?);
    }
    Some(credits)
}

/// `Some(None)` for one without an amount, `None` for what is no credit.
fn credit(item: Value) -> Option<Option<Credit>> {
    let Value::Object(fields) = item else { return None };
    let amount = match fields.get("amount") {
        None | Some(Value::Null) => return Some(None),
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(other) => other.to_string(),
    };
    let text = |name| match fields.get(name) {
        Some(Value::String(text)) if !text.trim().is_empty() => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let type_name = text("type");
    Some(Some(Credit {
        kind: Kind::of(type_name.as_deref().unwrap_or_default()),
        type_name,
        id: text("id"),
        name: text("name"),
        full_name: text("full_name"),
        amount,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Option<Vec<String>> {
        let credits = read(Some(text))?;
        Some(credits.iter().map(|credit| format!("{:?} {}", credit.kind, credit.amount)).collect())
    }

    #[test]
    fn discounts_are_told_from_grants() {
        let text = r#"[
            {"type":"SUSTAINED_USAGE_DISCOUNT","amount":-1.0E-6},{"type":"COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE","amount":"-2"},
            {"type":"PROMOTION","amount":-3.10},{"type":"LOYALTY","amount":-4},{"amount":-5},{"type":"DISCOUNT","amount":null}]"#;
        let expected = ["Discount -1.0e-6", "Commitment(\"Spend\") -2", "Grant -3.10", "Unknown -4", "Unknown -5"];
        assert_eq!(told(text), Some(expected.map(ToOwned::to_owned).to_vec()));
        assert_eq!(told("{'type': 'FREE_TIER', 'amount': 0}"), Some(vec!["Discount 0".to_owned()]));
        assert_eq!(told("[]"), Some(vec![]));
        assert_eq!(told(r#"[{"amount":{"units":1}}]"#), Some(vec!["Unknown {\"units\":1}".to_owned()]));
        for other in ["[1]", "-5", "[{", "all of it"] {
            assert_eq!(told(other), None, "{other}");
        }
    }
}
