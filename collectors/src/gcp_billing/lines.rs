//! What a row is.

/// The kinds of rows, as far as they are treated differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Line {
    /// Usage.
    Usage,
    /// The fee of a commitment: every such SKU is called `Commitment…`.
    Fee,
    /// Tax.
    Tax,
    /// A corrected price, a closed account, a rounded invoice.
    Adjustment,
    /// An adjustment that grants money: goodwill, or a service level that was missed.
    Grant,
    /// What nobody has told us of.
    Unknown,
}

/// What adjustments that grant money are called.
const GRANTS: &[&str] = &["GOODWILL", "SALES_BASED_GOODWILL", "SLA_VIOLATION"];

impl Line {
    /// Of `cost_type`, `sku.description` and `adjustment_info.type`. A file without a column of cost types is of the time
    /// before there were any.
    pub(super) fn of(cost_type: Option<&str>, sku: Option<&str>, adjustment: Option<&str>, typed: bool) -> Self {
        let grants =
            || adjustment.is_some_and(|text| GRANTS.iter().any(|known| known.eq_ignore_ascii_case(text.trim())));
        let fee = || sku.and_then(|sku| sku.get(..10)).is_some_and(|word| word.eq_ignore_ascii_case("commitment"));
        let kind = cost_type.map(|text| text.trim().to_ascii_lowercase());
        match kind.as_deref() {
            Some("regular") if fee() => Self::Fee,
            Some("regular") => Self::Usage,
            None if !typed && fee() => Self::Fee,
            None if !typed => Self::Usage,
            Some("tax") => Self::Tax,
            Some("adjustment") if grants() => Self::Grant,
            Some("adjustment" | "rounding_error") => Self::Adjustment,
            _ => Self::Unknown,
        }
    }

    /// FOCUS's ChargeCategory.
    pub(super) const fn category(self) -> &'static str {
        match self {
            Self::Usage => "Usage",
            Self::Fee => "Purchase",
            Self::Tax => "Tax",
            Self::Grant => "Credit",
            Self::Adjustment | Self::Unknown => "Adjustment",
        }
    }
}
