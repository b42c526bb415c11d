//! What charges can be grouped and filtered by.

use std::fmt;
use std::str::FromStr;

use crate::TagKey;

/// One thing to group or filter by: a fixed dimension or a tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dimension {
    /// One of the fixed dimensions.
    Fixed(Fixed),
    /// `tags.<key>`.
    Tag(TagKey),
}

macro_rules! fixed_dimensions {
    ($($variant:ident $name:literal $column:literal $daily:literal $about:literal;)*) => {
        /// The dimensions every charge may have, whatever its tags.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Fixed {
            $(#[doc = $about] $variant,)*
        }

        impl Fixed {
            /// All of them, in the order documentation lists them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word queries use.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The stored column.
            #[must_use]
            pub const fn column(self) -> &'static str {
                match self { $(Self::$variant => $column,)* }
            }

            /// Whether the daily roll-up keeps it.
            #[must_use]
            pub const fn in_daily(self) -> bool {
                match self { $(Self::$variant => $daily,)* }
            }

            /// What it is, for people.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }
        }
    };
}

fixed_dimensions! {
    Provider "provider" "ServiceProviderName" true "Who makes the service available (FOCUS ServiceProviderName, before 1.3 ProviderName).";
    Seller "seller" "PublisherName" false "Who built the service (FOCUS PublisherName).";
    BillingAccount "billing_account" "BillingAccountId" true "The account that is invoiced (FOCUS BillingAccountId).";
    Account "account" "SubAccountId" true "AWS account, Azure subscription, GCP project (FOCUS SubAccountId).";
    AccountName "account_name" "SubAccountName" false "Its name (FOCUS SubAccountName).";
    Service "service" "ServiceName" true "The provider's service (FOCUS ServiceName).";
    ServiceCategory "service_category" "ServiceCategory" true "The kind of service (FOCUS ServiceCategory).";
    Region "region" "RegionId" true "The provider's region (FOCUS RegionId).";
    Resource "resource" "ResourceId" false "The resource (FOCUS ResourceId).";
    ResourceType "resource_type" "ResourceType" false "The kind of resource (FOCUS ResourceType).";
    Sku "sku" "SkuId" false "The sellable item (FOCUS SkuId).";
    UsageType "usage_type" "SkuMeter" false "What is metered (FOCUS SkuMeter).";
    ChargeCategory "charge_category" "ChargeCategory" true "Usage, Purchase, Tax, Credit or Adjustment (FOCUS ChargeCategory).";
    ChargeClass "charge_class" "ChargeClass" true "Correction, or nothing (FOCUS ChargeClass).";
    PricingCategory "pricing_category" "PricingCategory" true "Standard, Dynamic, Committed or Other (FOCUS PricingCategory).";
    Commitment "commitment" "CommitmentDiscountId" false "The reservation or savings plan (FOCUS CommitmentDiscountId).";
    BillingPeriod "billing_period" "x_BillingPeriod" true "The first day of the invoice period (FOCUS BillingPeriodStart).";
    Invoice "invoice" "InvoiceId" true "The invoice (FOCUS InvoiceId).";
    Currency "currency" "BillingCurrency" true "The currency of the bill (FOCUS BillingCurrency).";
    Source "source" "x_Source" true "The configured source the charge came from.";
    Team "team" "x_Team" true "The accountable team; `unallocated` where no rule claims the charge.";
    Department "department" "x_Team" false "The top parent of the team, on the day of the charge.";
    Owner "owner" "x_Team" false "Who is accountable for what the team spends, on the day of the charge.";
    Component "component" "x_Component" true "What the team builds and runs.";
    Environment "environment" "x_Environment" true "The environment, such as prod.";
    Rule "rule" "x_OwnershipRule" false "The ownership rule that decided the team; `tag:<key>` where a tag did.";
}

/// The dimension is not known. The text names those that are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a dimension; use {allowed}", allowed = allowed())]
pub struct DimensionError(pub String);

fn allowed() -> String {
    let names: Vec<_> = Fixed::ALL.iter().map(|fixed| fixed.as_str()).collect();
    format!("{}, tags.<key> or tags.\"odd key\"", names.join(", "))
}

impl Dimension {
    /// The stored column that holds it.
    #[must_use]
    pub fn column(&self) -> String {
        match self {
            Self::Fixed(fixed) => fixed.column().to_owned(),
            Self::Tag(key) => tag_column(key),
        }
    }

    /// Splits a comma list, respecting double quotes, into dimensions without repeats.
    ///
    /// # Errors
    /// [`DimensionError`] at the first that is not known.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, DimensionError> {
        let mut dimensions = Vec::new();
        for name in split_outside_quotes(text) {
            let dimension: Self = name.parse()?;
            if !dimensions.contains(&dimension) {
                dimensions.push(dimension);
            }
        }
        Ok(dimensions)
    }
}

/// The stored column of a tag key.
#[must_use]
pub fn tag_column(key: &TagKey) -> String {
    format!("tags.{key}")
}

fn split_outside_quotes(text: &str) -> Vec<&str> {
    let mut quoted = false;
    text.split(move |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
    .map(str::trim)
    .filter(|name| !name.is_empty())
    .collect()
}

impl From<Fixed> for Dimension {
    fn from(fixed: Fixed) -> Self {
        Self::Fixed(fixed)
    }
}

impl FromStr for Dimension {
    type Err = DimensionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || DimensionError(text.to_owned());
        if let Some(key) = text.strip_prefix("tags.") {
            let key = match key.strip_prefix('"') {
                Some(quoted) => quoted.strip_suffix('"').ok_or_else(unknown)?.replace("\"\"", "\""),
                None => key.to_owned(),
            };
            return if key.is_empty() { Err(unknown()) } else { Ok(Self::Tag(TagKey::new(key))) };
        }
        Fixed::ALL.iter().copied().find(|fixed| fixed.as_str() == text).map(Self::Fixed).ok_or_else(unknown)
    }
}

/// Prints the form that parses back: `team`, `tags.env`, `tags."odd key"`.
impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(fixed) => f.pad(fixed.as_str()),
            Self::Tag(key) => {
                let plain = key.as_str().starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                    && key.as_str().chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                if plain {
                    write!(f, "tags.{key}")
                } else {
                    write!(f, "tags.\"{}\"", key.as_str().replace('"', "\"\""))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_fixed_dimension_parses_from_its_word() {
        for fixed in Fixed::ALL {
            assert_eq!(fixed.as_str().parse(), Ok(Dimension::Fixed(*fixed)));
        }
    }

    #[test]
    fn lists_respect_quotes() {
        let names: Vec<_> = Dimension::parse_list(r#"team, tags." org,x",tags.cost-center,team"#)
            .expect("known")
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(names, ["team", r#"tags." org,x""#, r#"tags."cost-center""#]);
    }

    #[test]
    fn an_unknown_dimension_names_the_known_ones() {
        let text = Dimension::parse_list("team,nonsense").expect_err("unknown").to_string();
        assert!(text.starts_with(r#""nonsense" is not a dimension; use provider, seller, "#), "{text}");
        for bad in ["tags.", "tags.\"", "tags.\"x", "Team"] {
            assert!(bad.parse::<Dimension>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn print_and_parse_are_inverse(key in "\\PC{1,20}") {
            let dimension = Dimension::Tag(TagKey::new(key));
            prop_assert_eq!(dimension.to_string().parse(), Ok(dimension));
        }
    }
}
