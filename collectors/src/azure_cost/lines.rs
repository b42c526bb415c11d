//! What a line is, by its charge type and pricing model.

/// The kinds of lines, as far as they are treated differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ChargeType {
    /// `Usage`.
    Usage,
    /// `UnusedReservation`, `UnusedSavingsPlan`: what was paid before and nobody used.
    Unused,
    /// `Purchase`.
    Purchase,
    /// `Refund`, of a purchase.
    Refund,
    /// `Tax`.
    Tax,
    /// `Credit`.
    Credit,
    /// `RoundingAdjustment`.
    Rounding,
    /// What nobody has told us of, and lines without a type.
    Unknown,
}

impl ChargeType {
    /// Of a cell of the column.
    pub(super) fn of(text: Option<&str>) -> Self {
        match plain(text).as_str() {
            "usage" => Self::Usage,
            "purchase" => Self::Purchase,
            "refund" => Self::Refund,
            "tax" => Self::Tax,
            "credit" => Self::Credit,
            "roundingadjustment" => Self::Rounding,
            other if other.starts_with("unused") => Self::Unused,
            _ => Self::Unknown,
        }
    }
}

/// How a line was priced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum PricingModel {
    OnDemand,
    Spot,
    Reservation,
    SavingsPlan,
    /// Not stated, or something else.
    Other,
}

impl PricingModel {
    /// Of a cell of the column.
    pub(super) fn of(text: Option<&str>) -> Self {
        match plain(text).as_str() {
            "ondemand" => Self::OnDemand,
            "spot" => Self::Spot,
            "reservation" => Self::Reservation,
            "savingsplan" => Self::SavingsPlan,
            _ => Self::Other,
        }
    }
}

/// A line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Line {
    pub charge_type: ChargeType,
    pub pricing: PricingModel,
}

impl Line {
    /// Whether its pricing is that of a commitment.
    pub(super) fn is_committed(self) -> bool {
        matches!(self.pricing, PricingModel::Reservation | PricingModel::SavingsPlan)
    }

    /// Whether a purchase of a commitment has paid for it, so that no invoice has it.
    pub(super) fn is_covered(self) -> bool {
        match self.charge_type {
            ChargeType::Usage => self.is_committed(),
            other => other == ChargeType::Unused,
        }
    }

    /// Whether it buys a commitment, or gives one back: what amortised cost does not have.
    pub(super) fn buys(self) -> bool {
        matches!(self.charge_type, ChargeType::Purchase | ChargeType::Refund) && self.is_committed()
    }
}

/// Letters only, in lower case: the words are written in several ways.
fn plain(text: Option<&str>) -> String {
    let letters = text.unwrap_or_default().chars().filter(|letter| letter.is_alphabetic());
    letters.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_known_in_any_spelling() {
        for (text, expected) in [
            (Some("Usage"), ChargeType::Usage),
            (Some("UnusedReservation"), ChargeType::Unused),
            (Some("Unused Savings Plan"), ChargeType::Unused),
            (Some("refund"), ChargeType::Refund),
            (Some("RoundingAdjustment"), ChargeType::Rounding),
            (Some("Shipping"), ChargeType::Unknown),
            (None, ChargeType::Unknown),
        ] {
            assert_eq!(ChargeType::of(text), expected, "{text:?}");
        }
        assert_eq!(PricingModel::of(Some("Savings Plan")), PricingModel::SavingsPlan);
        assert_eq!(PricingModel::of(Some("on-demand")), PricingModel::OnDemand);
    }
}
