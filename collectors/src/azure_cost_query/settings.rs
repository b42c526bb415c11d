//! What can be set about a source of this kind.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::api::Api;
use super::collector::CostQueryCollector;
use super::level::Level;
use super::plan::{REACH_MONTHS, RESTATES_MONTHS};
use super::scope::Scope;
use crate::azure::{Azure, AzureSettings};
use crate::collector::{Connected, Context, SourceSettings};

/// Azure's Cost Management Query API, where the bill is not exported. It costs nothing.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CostQuerySettings {
    /// Whose costs: `subscriptions/<id>`, `subscriptions/<id>/resourceGroups/<name>`,
    /// `providers/Microsoft.Management/managementGroups/<id>`, `providers/Microsoft.Billing/billingAccounts/<id>`, and below it
    /// `/departments/<id>`, `/enrollmentAccounts/<id>`, `/billingProfiles/<id>`, `/billingProfiles/<id>/invoiceSections/<id>` or
    /// `/customers/<id>`, or `providers/Microsoft.CostManagement/externalSubscriptions/<id>` and `…/externalBillingAccounts/<id>`.
    scope: Scope,
    /// Whose bill it is. By default the scope's billing profile or billing account, else its subscription or management group.
    #[serde(default)]
    billing_account_id: Option<String>,
    /// How many months before the present one are collected: at most 83, for which Azure has costs.
    #[serde(default = "default_backfill")]
    #[schemars(range(max = 83))]
    backfill_months: u32,
    /// By what usage is told apart besides day, subscription (in a subscription: resource group), service and charge type:
    /// `resource_group`, `region`, or `tag:` and a tag key, one within the other. Each takes as many more queries as what is
    /// before it has values; what has no value of one is not told apart by the next.
    #[serde(default)]
    #[schemars(length(max = 4))]
    refine: Vec<Level>,
    #[serde(flatten)]
    azure: AzureSettings,
}

/// More than that takes more queries than Azure answers in a day.
const MOST_LEVELS: usize = 4;

const fn default_backfill() -> u32 {
    13
}

impl CostQuerySettings {
    /// What usage is told apart by, one within the other.
    fn levels(&self) -> Vec<Level> {
        let first = match self.scope.subscription() {
            None => Some(Level::Subscription),
            Some(_) if self.scope.resource_group().is_some() => None,
            Some(_) => Some(Level::ResourceGroup),
        };
        first.into_iter().chain(self.refine.iter().cloned()).collect()
    }
}

impl SourceSettings for CostQuerySettings {
    const KIND: &'static str = "azure_cost_query";
    const TITLE: &'static str = "Azure Cost Management's Query API";
    /// Azure has new figures every four hours.
    const SCHEDULE: &'static str = "0 35 */6 * * *";
    const RESTATES_MONTHS: u32 = RESTATES_MONTHS;
    const REACH_MONTHS: u32 = REACH_MONTHS;

    fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = self.azure.problems();
        if self.billing_account_id.as_ref().is_some_and(|account| account.trim().is_empty()) {
            problems.push(("billing_account_id", "is empty; leave it out, or say whose bill it is".to_owned()));
        }
        if self.backfill_months > REACH_MONTHS {
            problems.push(("backfill_months", format!("Azure has costs for {REACH_MONTHS} months before this one")));
        }
        let mut refine = |text: String| problems.push(("refine", text));
        if self.refine.len() > MOST_LEVELS {
            refine(format!("costs can be told apart by {MOST_LEVELS} of them at most"));
        }
        for (at, level) in self.refine.iter().enumerate() {
            if *level == Level::Subscription || (*level == Level::ResourceGroup && self.scope.subscription().is_some())
            {
                refine(format!("{level} is told apart anyway in this scope; leave it out"));
            }
            if self.refine[..at].contains(level) {
                refine(format!("{level} is there twice; leave one out"));
            }
        }
        problems
    }

    fn place(&self) -> String {
        self.scope.to_string()
    }

    fn connect(self, context: Context) -> Connected {
        let levels = self.levels();
        let billing_account_id = self.billing_account_id.unwrap_or_else(|| self.scope.billing_account().to_owned());
        let api = Api::new(Azure::new(self.azure, &context), &self.scope)?;
        Ok(Arc::new(CostQueryCollector {
            api,
            scope: self.scope,
            billing_account_id,
            levels,
            backfill_months: self.backfill_months,
            today: context.today,
        }))
    }
}
