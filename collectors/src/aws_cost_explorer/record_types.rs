//! What Cost Explorer's record types ("charge types" in its console) are in FOCUS.
//!
//! The API says some of them as CUR does (`SavingsPlanRecurringFee`), others as the console does (`Recurring reservation
//! fee`), and which has changed over time, so letters alone are compared.

/// What a record type is in FOCUS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub charge_category: &'static str,
    pub charge_frequency: &'static str,
    pub pricing_category: Option<&'static str>,
}

const fn usage(pricing_category: Option<&'static str>) -> Kind {
    Kind { charge_category: "Usage", charge_frequency: "Usage-Based", pricing_category }
}

const fn other(charge_category: &'static str, charge_frequency: &'static str) -> Kind {
    Kind { charge_category, charge_frequency, pricing_category: None }
}

/// What is no record type that is known: kept, as FOCUS has it for what fits nowhere else.
pub(super) const ADJUSTMENT: Kind = other("Adjustment", "One-Time");

/// What a record type is; `None` when it is not known.
///
/// FOCUS 1.2: refunds stay in the category they refund, which Cost Explorer does not say and mostly is usage; negotiated
/// discounts, which a line would have in its price, reduce usage; the negation of what a Savings Plan covers cancels the
/// covered usage and so stands beside it. A commitment's id is not known here, and without one FOCUS has no other column
/// of commitments.
pub(super) fn kind(record_type: &str) -> Option<Kind> {
    let letters: String = record_type.chars().filter(char::is_ascii_alphanumeric).collect();
    let letters = letters.to_ascii_lowercase();
    let committed = usage(Some("Committed"));
    Some(match letters.as_str() {
        "usage" | "freetier" => usage(Some("Standard")),
        "discountedusage" | "reservationappliedusage" | "savingsplancoveredusage" | "savingsplannegation" => committed,
        "savingsplanusage" => committed,
        "recurring" | "recurringreservationfee" | "rifee" | "savingsplanrecurringfee" => other("Purchase", "Recurring"),
        "support" | "supportfee" | "subscription" | "flatratesubscription" => other("Purchase", "Recurring"),
        "upfront" | "upfrontreservationfee" | "savingsplanupfrontfee" | "fee" => other("Purchase", "One-Time"),
        "outofcycle" | "outofcyclecharge" | "otheroutofcyclecharges" => other("Purchase", "One-Time"),
        "tax" => other("Tax", "One-Time"),
        "credit" => other("Credit", "One-Time"),
        "refund" => Kind { charge_frequency: "One-Time", ..usage(None) },
        discount if discount.ends_with("discount") => usage(None),
        "other" | "adjustment" => ADJUSTMENT,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_mean_the_same() {
        assert_eq!(kind("RIFee"), kind("Recurring reservation fee"));
        assert_eq!(kind("SavingsPlanCoveredUsage"), kind("Savings Plan Covered Usage"));
        assert_eq!(kind("BundledDiscount"), kind("Enterprise Discount Program Discount"));
        assert_eq!(kind("Tax").map(|kind| kind.charge_category), Some("Tax"));
        assert_eq!(kind("QuantumComputeRebate"), None);
    }
}
