//! What Azure's charge types are in FOCUS.

/// What a charge type is in FOCUS. What is null is not told by a charge type alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub charge_category: &'static str,
    pub charge_frequency: Option<&'static str>,
    pub pricing_category: Option<&'static str>,
}

const fn kind_of(charge_category: &'static str, charge_frequency: Option<&'static str>) -> Kind {
    Kind { charge_category, charge_frequency, pricing_category: None }
}

/// What is no charge type that is known: kept, as FOCUS has it for what fits nowhere else.
pub(super) const ADJUSTMENT: Kind = kind_of("Adjustment", Some("One-Time"));

/// What a charge type is; `None` when it is not known.
///
/// FOCUS 1.2 and Microsoft's own translation: what of a commitment is not used is usage of it, a refund stays in the category
/// that it refunds, which is that of commitments.
pub(super) fn kind(charge_type: &str) -> Option<Kind> {
    let letters: String = charge_type.chars().filter(char::is_ascii_alphanumeric).collect();
    Some(match letters.to_ascii_lowercase().as_str() {
        "usage" => kind_of("Usage", Some("Usage-Based")),
        "unusedreservation" | "unusedsavingsplan" => {
            Kind { pricing_category: Some("Committed"), ..kind_of("Usage", Some("Usage-Based")) }
        }
        "purchase" => kind_of("Purchase", None),
        "refund" => kind_of("Purchase", Some("One-Time")),
        "tax" => kind_of("Tax", Some("One-Time")),
        "credit" => kind_of("Credit", Some("One-Time")),
        "roundingadjustment" | "adjustment" => ADJUSTMENT,
        _ => return None,
    })
}

/// Whether it has regions and tags, and so can be told apart by them.
pub(super) fn is_usage(charge_type: &str) -> bool {
    kind(charge_type).is_none_or(|kind| kind.charge_category == "Usage")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_are_documented_have_a_place() {
        for (charge_type, category) in [
            ("Usage", "Usage"),
            ("UnusedReservation", "Usage"),
            ("UnusedSavingsPlan", "Usage"),
            ("Purchase", "Purchase"),
            ("Refund", "Purchase"),
            ("Tax", "Tax"),
            ("Credit", "Credit"),
            ("RoundingAdjustment", "Adjustment"),
        ] {
            assert_eq!(kind(charge_type).map(|kind| kind.charge_category), Some(category), "{charge_type}");
        }
        assert_eq!(kind("Quantum Rebate"), None);
        assert!(is_usage("UnusedSavingsPlan") && is_usage("Quantum Rebate") && !is_usage("Tax"));
    }
}
