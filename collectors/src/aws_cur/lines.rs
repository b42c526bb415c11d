//! What a line of a report is, by its `line_item_line_item_type`.

/// The kinds of lines, as far as they are treated differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum LineType {
    /// `Usage` at on-demand or spot rates.
    Usage,
    /// `DiscountedUsage`: usage that a reservation covers.
    Reserved,
    /// `SavingsPlanCoveredUsage`: usage that a Savings Plan covers, stated at its on-demand cost.
    Covered,
    /// `SavingsPlanNegation`: takes that on-demand cost back.
    Negation,
    /// `SavingsPlanRecurringFee`.
    PlanFee,
    /// `SavingsPlanUpfrontFee`.
    PlanUpfront,
    /// `RIFee`: the recurring fee of a reservation.
    ReservationFee,
    /// `Fee`: one-time fees, among them what reservations cost upfront; support.
    Fee,
    /// `FlatRateSubscription`.
    Subscription,
    /// `Tax`.
    Tax,
    /// `Credit`.
    Credit,
    /// `Refund`.
    Refund,
    /// `EdpDiscount`, `PrivateRateDiscount`, `BundledDiscount` and whatever else ends so.
    Discount,
    /// What nobody has told us of, and lines without a type.
    Unknown,
}

impl LineType {
    pub(super) fn of(text: Option<&str>) -> Self {
        match text.map(str::trim).unwrap_or_default() {
            "Usage" => Self::Usage,
            "DiscountedUsage" => Self::Reserved,
            "SavingsPlanCoveredUsage" => Self::Covered,
            "SavingsPlanNegation" => Self::Negation,
            "SavingsPlanRecurringFee" => Self::PlanFee,
            "SavingsPlanUpfrontFee" => Self::PlanUpfront,
            "RIFee" => Self::ReservationFee,
            "Fee" => Self::Fee,
            "FlatRateSubscription" => Self::Subscription,
            "Tax" => Self::Tax,
            "Credit" => Self::Credit,
            "Refund" => Self::Refund,
            other if other.ends_with("Discount") => Self::Discount,
            _ => Self::Unknown,
        }
    }
}
