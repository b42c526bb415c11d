//! The FOCUS columns as data: names, types, feature levels and allowed values.
//!
//! Everything that has to know a column (normalising, storing, exporting, checking) reads this table; nothing spells
//! the schema a second time. It holds the 57 columns of FOCUS 1.2 and the 8 that 1.3 adds, because bills written
//! against 1.3 are stored from the start. `model/tests/focus_columns.rs` checks it against the reference list.

use FeatureLevel::{Conditional, Mandatory, Recommended};
use FocusType::{DateTime, Decimal, Json, String};
use FocusVersion::{V0_5, V1_0, V1_0Preview, V1_1, V1_2, V1_3};

/// The type FOCUS gives a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FocusType {
    /// Text; stored as it came, never re-cased.
    String,
    /// An exact decimal number; stored with 18 decimals.
    Decimal,
    /// An instant in UTC.
    DateTime,
    /// A JSON object as text.
    Json,
}

/// How strongly FOCUS asks for a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeatureLevel {
    /// Always present.
    Mandatory,
    /// Present when the provider supports what it describes.
    Conditional,
    /// Better present.
    Recommended,
}

/// The FOCUS version a column first appeared in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FocusVersion {
    /// FOCUS 0.5.
    V0_5,
    /// FOCUS 1.0-preview.
    V1_0Preview,
    /// FOCUS 1.0.
    V1_0,
    /// FOCUS 1.1.
    V1_1,
    /// FOCUS 1.2.
    V1_2,
    /// FOCUS 1.3.
    V1_3,
}

impl FocusVersion {
    /// The version as FOCUS writes it, such as `1.0-preview`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            V0_5 => "0.5",
            V1_0Preview => "1.0-preview",
            V1_0 => "1.0",
            V1_1 => "1.1",
            V1_2 => "1.2",
            V1_3 => "1.3",
        }
    }
}

/// One FOCUS column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FocusColumn {
    /// The column id, such as `BilledCost`.
    pub name: &'static str,
    /// Its FOCUS type.
    pub data_type: FocusType,
    /// How strongly FOCUS asks for it.
    pub level: FeatureLevel,
    /// The version it first appeared in.
    pub since: FocusVersion,
    /// Whether FOCUS allows nulls in it.
    pub nullable: bool,
    /// The closed list of values, empty when any is allowed.
    pub allowed: &'static [&'static str],
}

const fn column(
    name: &'static str,
    data_type: FocusType,
    level: FeatureLevel,
    since: FocusVersion,
    nullable: bool,
    allowed: &'static [&'static str],
) -> FocusColumn {
    FocusColumn { name, data_type, level, since, nullable, allowed }
}

/// Every FOCUS column, in the order charges are stored and exported.
pub const COLUMNS: &[FocusColumn] = &[
    column("AvailabilityZone", String, Recommended, V0_5, true, &[]),
    column("BilledCost", Decimal, Mandatory, V0_5, false, &[]),
    column("BillingAccountId", String, Mandatory, V0_5, false, &[]),
    column("BillingAccountName", String, Mandatory, V0_5, true, &[]),
    column("BillingAccountType", String, Conditional, V1_2, false, &[]),
    column("BillingCurrency", String, Mandatory, V0_5, false, &[]),
    column("BillingPeriodEnd", DateTime, Mandatory, V0_5, false, &[]),
    column("BillingPeriodStart", DateTime, Mandatory, V0_5, false, &[]),
    column("CapacityReservationId", String, Conditional, V1_1, true, &[]),
    column("CapacityReservationStatus", String, Conditional, V1_1, true, &["Used", "Unused"]),
    column("ChargeCategory", String, Mandatory, V0_5, false, &["Usage", "Purchase", "Tax", "Credit", "Adjustment"]),
    column("ChargeClass", String, Mandatory, V1_0, true, &["Correction"]),
    column("ChargeDescription", String, Mandatory, V1_0Preview, true, &[]),
    column("ChargeFrequency", String, Recommended, V1_0Preview, false, &["One-Time", "Recurring", "Usage-Based"]),
    column("ChargePeriodEnd", DateTime, Mandatory, V0_5, false, &[]),
    column("ChargePeriodStart", DateTime, Mandatory, V0_5, false, &[]),
    column("CommitmentDiscountCategory", String, Conditional, V1_0Preview, true, &["Spend", "Usage"]),
    column("CommitmentDiscountId", String, Conditional, V1_0Preview, true, &[]),
    column("CommitmentDiscountName", String, Conditional, V1_0Preview, true, &[]),
    column("CommitmentDiscountQuantity", Decimal, Conditional, V1_1, true, &[]),
    column("CommitmentDiscountStatus", String, Conditional, V1_0, true, &["Used", "Unused"]),
    column("CommitmentDiscountType", String, Conditional, V1_0Preview, true, &[]),
    column("CommitmentDiscountUnit", String, Conditional, V1_1, true, &[]),
    column("ConsumedQuantity", Decimal, Conditional, V1_0, true, &[]),
    column("ConsumedUnit", String, Conditional, V1_0, true, &[]),
    column("ContractedCost", Decimal, Mandatory, V1_0, false, &[]),
    column("ContractedUnitPrice", Decimal, Conditional, V1_0, true, &[]),
    column("EffectiveCost", Decimal, Mandatory, V0_5, false, &[]),
    column("InvoiceId", String, Recommended, V1_2, true, &[]),
    column("InvoiceIssuerName", String, Mandatory, V0_5, false, &[]),
    column("ListCost", Decimal, Mandatory, V1_0Preview, false, &[]),
    column("ListUnitPrice", Decimal, Conditional, V1_0Preview, true, &[]),
    column("PricingCategory", String, Conditional, V1_0Preview, true, &["Standard", "Dynamic", "Committed", "Other"]),
    column("PricingCurrency", String, Conditional, V1_2, true, &[]),
    column("PricingCurrencyContractedUnitPrice", Decimal, Conditional, V1_2, true, &[]),
    column("PricingCurrencyEffectiveCost", Decimal, Conditional, V1_2, true, &[]),
    column("PricingCurrencyListUnitPrice", Decimal, Conditional, V1_2, true, &[]),
    column("PricingQuantity", Decimal, Mandatory, V1_0Preview, true, &[]),
    column("PricingUnit", String, Mandatory, V1_0Preview, true, &[]),
    column("ProviderName", String, Mandatory, V0_5, false, &[]),
    column("PublisherName", String, Mandatory, V0_5, false, &[]),
    column("RegionId", String, Conditional, V1_0, true, &[]),
    column("RegionName", String, Conditional, V1_0, true, &[]),
    column("ResourceId", String, Conditional, V0_5, true, &[]),
    column("ResourceName", String, Conditional, V0_5, true, &[]),
    column("ResourceType", String, Conditional, V1_0Preview, true, &[]),
    column(
        "ServiceCategory",
        String,
        Mandatory,
        V0_5,
        false,
        &[
            "AI and Machine Learning",
            "Analytics",
            "Business Applications",
            "Compute",
            "Databases",
            "Developer Tools",
            "Multicloud",
            "Identity",
            "Integration",
            "Internet of Things",
            "Management and Governance",
            "Media",
            "Migration",
            "Mobile",
            "Networking",
            "Security",
            "Storage",
            "Web",
            "Other",
        ],
    ),
    column("ServiceName", String, Mandatory, V0_5, false, &[]),
    column(
        "ServiceSubcategory",
        String,
        Recommended,
        V1_1,
        false,
        &[
            "AI Platforms",
            "Bots",
            "Generative AI",
            "Machine Learning",
            "Natural Language Processing",
            "Other (AI and Machine Learning)",
            "Analytics Platforms",
            "Business Intelligence",
            "Data Processing",
            "Search",
            "Streaming Analytics",
            "Other (Analytics)",
            "Productivity and Collaboration",
            "Other (Business Applications)",
            "Containers",
            "End User Computing",
            "Quantum Compute",
            "Serverless Compute",
            "Virtual Machines",
            "Other (Compute)",
            "Caching",
            "Data Warehouses",
            "Ledger Databases",
            "NoSQL Databases",
            "Relational Databases",
            "Time Series Databases",
            "Other (Databases)",
            "Developer Platforms",
            "Continuous Integration and Deployment",
            "Development Environments",
            "Source Code Management",
            "Quality Assurance",
            "Other (Developer Tools)",
            "Identity and Access Management",
            "Other (Identity)",
            "API Management",
            "Messaging",
            "Workflow Orchestration",
            "Other (Integration)",
            "IoT Analytics",
            "IoT Platforms",
            "Other (Internet of Things)",
            "Architecture",
            "Compliance",
            "Cost Management",
            "Data Governance",
            "Disaster Recovery",
            "Endpoint Management",
            "Observability",
            "Support",
            "Other (Management and Governance)",
            "Content Creation",
            "Gaming",
            "Media Streaming",
            "Mixed Reality",
            "Other (Media)",
            "Data Migration",
            "Resource Migration",
            "Other (Migration)",
            "Other (Mobile)",
            "Multicloud Integration",
            "Other (Multicloud)",
            "Application Networking",
            "Content Delivery",
            "Network Connectivity",
            "Network Infrastructure",
            "Network Routing",
            "Network Security",
            "Other (Networking)",
            "Secret Management",
            "Security Posture Management",
            "Threat Detection and Response",
            "Other (Security)",
            "Backup Storage",
            "Block Storage",
            "File Storage",
            "Object Storage",
            "Storage Platforms",
            "Other (Storage)",
            "Application Platforms",
            "Other (Web)",
            "Other (Other)",
        ],
    ),
    column("SkuId", String, Conditional, V1_0Preview, true, &[]),
    column("SkuMeter", String, Conditional, V1_1, true, &[]),
    column("SkuPriceDetails", Json, Conditional, V1_1, true, &[]),
    column("SkuPriceId", String, Conditional, V1_0Preview, true, &[]),
    column("SubAccountId", String, Conditional, V0_5, true, &[]),
    column("SubAccountName", String, Conditional, V0_5, true, &[]),
    column("SubAccountType", String, Conditional, V1_2, true, &[]),
    column("Tags", Json, Conditional, V1_0Preview, true, &[]),
    column("AllocatedMethodDetails", Json, Recommended, V1_3, true, &[]),
    column("AllocatedMethodId", String, Conditional, V1_3, true, &[]),
    column("AllocatedResourceId", String, Conditional, V1_3, true, &[]),
    column("AllocatedResourceName", String, Conditional, V1_3, true, &[]),
    column("AllocatedTags", Json, Conditional, V1_3, true, &[]),
    column("ContractApplied", Json, Conditional, V1_3, true, &[]),
    column("HostProviderName", String, Mandatory, V1_3, true, &[]),
    column("ServiceProviderName", String, Mandatory, V1_3, false, &[]),
];

/// The column with this exact id.
#[must_use]
pub fn find(name: &str) -> Option<&'static FocusColumn> {
    COLUMNS.iter().find(|column| column.name == name)
}

/// The subcategories of a service category, in FOCUS's order. The list has them together, the last one `Other (…)`.
pub fn subcategories(category: &str) -> impl Iterator<Item = &'static str> {
    let all = find("ServiceSubcategory").map_or(&[][..], |column| column.allowed);
    let groups = all.split_inclusive(|subcategory| subcategory.starts_with("Other ("));
    let last = format!("Other ({category})");
    groups.filter(move |group| group.last().is_some_and(|of| **of == last)).flatten().copied()
}
