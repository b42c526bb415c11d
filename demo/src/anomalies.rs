//! The anomalies hidden in the bills, and the list of them that a detector is measured against.
//!
//! Invariants: each lies within the last ten weeks, one of them within the last five days; what it hits is fully tagged and never
//! paid by a commitment, so its extra cost is exactly (disturbed − undisturbed quantity) × contracted price, without tax.

use chrono::NaiveDate;
use serde::Serialize;

use crate::calendar::Window;
use crate::chance::Chance;
use crate::company::Environment;
use crate::money::Decimal;
use crate::tags::Owner;

/// A deviation the bills contain on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlantedAnomaly {
    /// First day it shows.
    pub date: NaiveDate,
    /// First day it no longer shows; `today` where it still lasts.
    pub until: NaiveDate,
    /// The source whose bill it is on.
    pub source: String,
    /// The FOCUS ServiceName; None where it concerns everything of the component there.
    pub service: Option<String>,
    /// The team tag's value.
    pub team: String,
    /// The component tag's value; None where the team as a whole is concerned.
    pub component: Option<String>,
    /// Its shape.
    pub kind: AnomalyKind,
    /// Exact sum of EffectiveCost over all its days compared to bills without it, as decimal text, before tax; negative where
    /// something vanished.
    pub expected_extra: String,
    /// Currency of `expected_extra`.
    pub currency: String,
    /// What happened, as a person would tell it.
    pub why: String,
}

/// The shape of a planted anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AnomalyKind {
    /// One day.
    Spike,
    /// A few days on a higher level.
    Plateau,
    /// A new level that stays.
    Step,
    /// Something is gone.
    Vanished,
    /// Data sent where it should not go.
    TransferBurst,
}

/// A planted anomaly before its cost is known.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) source: &'static str,
    pub(crate) service: Option<&'static str>,
    pub(crate) team: &'static str,
    pub(crate) component: Option<&'static str>,
    pub(crate) kind: AnomalyKind,
    pub(crate) from: NaiveDate,
    pub(crate) until: NaiveDate,
    /// Quantity compared to an undisturbed day.
    pub(crate) factor: f64,
    pub(crate) why: &'static str,
}

impl Plan {
    /// Whether this is the component (or team) it hits, in any environment and service.
    pub(crate) fn concerns(&self, source: &str, owner: &Owner) -> bool {
        self.source == source && self.team == owner.team && self.component == owner.component
    }

    /// Whether it hits this service there. Only what vanishes is gone outside production too.
    pub(crate) fn hits(&self, source: &str, owner: &Owner, service: &str) -> bool {
        self.concerns(source, owner)
            && self.service.is_none_or(|hit| hit == service)
            && (owner.environment == Environment::Prod || self.kind == AnomalyKind::Vanished)
    }

    /// The finished entry.
    pub(crate) fn told(&self, extra: Decimal, currency: &str) -> PlantedAnomaly {
        PlantedAnomaly {
            date: self.from,
            until: self.until,
            source: self.source.to_owned(),
            service: self.service.map(str::to_owned),
            team: self.team.to_owned(),
            component: self.component.map(str::to_owned),
            kind: self.kind,
            expected_extra: extra.to_string(),
            currency: currency.to_owned(),
            why: self.why.to_owned(),
        }
    }
}

/// The demo's anomalies; the seed moves the older ones by up to three days and scales them a little.
pub(crate) fn plan(chance: Chance, window: &Window) -> Vec<Plan> {
    let mut stream = chance.stream(&["anomalies"]);
    let mut place = |days_ago: u64, length: u64| {
        let first = days_ago - (stream.uniform() * 4.0) as u64;
        (window.ago(first), window.ago(first - length), stream.between(0.95, 1.05))
    };
    let spike = place(41, 1);
    let plateau = place(57, 3);
    let step = place(24, 1);
    let vanished = place(34, 1);
    let burst = place(19, 2);
    let metrics = place(50, 5);
    // Fixed, so that it is within the last five days whatever the seed.
    let recent = window.ago(3);
    vec![
        Plan {
            source: "aws",
            service: Some("Amazon CloudWatch"),
            team: "payments",
            component: Some("payment-gateway"),
            kind: AnomalyKind::Spike,
            from: spike.0,
            until: spike.1,
            factor: 34.0 * spike.2,
            why: "debug logging of every card request was switched on in production and off again the next morning",
        },
        Plan {
            source: "aws",
            service: Some("Amazon EMR"),
            team: "data-platform",
            component: Some("clickstream-pipeline"),
            kind: AnomalyKind::Plateau,
            from: plateau.0,
            until: plateau.1,
            factor: 4.2 * plateau.2,
            why: "a backfill cluster was left running over three days after its job had failed",
        },
        Plan {
            source: "azure",
            service: Some("SQL Database"),
            team: "logistics",
            component: Some("order-routing"),
            kind: AnomalyKind::Step,
            from: step.0,
            until: window.today,
            factor: 2.6 * step.2,
            why: "release 4.18 polls every open order once a minute; the database was scaled up and stays so",
        },
        Plan {
            source: "azure",
            service: None,
            team: "internal-tools",
            component: Some("legacy-erp-bridge"),
            kind: AnomalyKind::Vanished,
            from: vanished.0,
            until: window.today,
            factor: 0.0,
            why: "the bridge to the old ERP was shut down without anybody telling finance",
        },
        Plan {
            source: "aws",
            service: Some("AWS Data Transfer"),
            team: "web",
            component: Some("image-cdn"),
            kind: AnomalyKind::TransferBurst,
            from: burst.0,
            until: burst.1,
            factor: 16.0 * burst.2,
            why: "a wrong cache header sent every product image past the CDN for two days",
        },
        Plan {
            source: "datadog",
            service: Some("Custom Metrics"),
            team: "observability",
            component: None,
            kind: AnomalyKind::Plateau,
            from: metrics.0,
            until: metrics.1,
            factor: 24.0 * metrics.2,
            why: "a library upgrade put the request id into a metric's labels until it was rolled back",
        },
        Plan {
            source: "gcp",
            service: Some("Vertex AI"),
            team: "ml",
            component: Some("recommender"),
            kind: AnomalyKind::Plateau,
            from: recent,
            until: window.today,
            factor: 3.1,
            why: "a hyperparameter search was started without an upper bound on trials and still runs",
        },
    ]
}
