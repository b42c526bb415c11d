//! What can be set about a source of this kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::collector::CostExplorerCollector;
use super::explorer::Explorer;
use super::plan::{REACH_MONTHS, RESTATES_MONTHS};
use super::refine::Refine;
use crate::CollectError;
use crate::aws::{Aws, AwsSettings};
use crate::collector::{Collector, Context, SourceSettings};

/// AWS Cost Explorer, where there is no Data Export. AWS charges $0.01 a call.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CostExplorerSettings {
    /// Whose bill it is: the 12 digits of the account that pays. By default the account of `role_arn`.
    #[serde(default)]
    billing_account_id: Option<String>,
    /// How many whole dollars its calls may cost in a calendar month (UTC). No call is made that would cost more.
    #[serde(default = "default_cap")]
    monthly_cap_dollars: u32,
    /// How many months before the present one are collected: at most 13, for which Cost Explorer has costs by day.
    #[serde(default = "default_backfill")]
    #[schemars(range(max = 13))]
    backfill_months: u32,
    /// By what usage is told apart besides day, account, service and record type: `none`, `region`, or `tag:` and a tag key. It
    /// takes as many more calls as accounts have record types of usage.
    #[serde(default)]
    refine: Refine,
    /// The same for single accounts, by their 12 digits: `{ "111122223333" = "tag:team" }`.
    #[serde(default)]
    refine_accounts: BTreeMap<String, Refine>,
    #[serde(flatten)]
    aws: AwsSettings,
}

const fn default_cap() -> u32 {
    10
}

const fn default_backfill() -> u32 {
    REACH_MONTHS
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl CostExplorerSettings {
    /// The account that pays, if that is said.
    fn payer(&self) -> Option<&str> {
        let of_role = || self.aws.role_arn.as_deref().and_then(|arn| arn.split(':').nth(4));
        self.billing_account_id.as_deref().or_else(of_role).filter(|account| is_account(account))
    }
}

impl SourceSettings for CostExplorerSettings {
    const KIND: &'static str = "aws_cost_explorer";
    const TITLE: &'static str = "AWS Cost Explorer";
    /// Once a day: it has new figures up to three times a day, and each call costs money.
    const SCHEDULE: &'static str = "0 45 9 * * *";
    const RESTATES_MONTHS: u32 = RESTATES_MONTHS;
    const REACH_MONTHS: u32 = REACH_MONTHS;

    fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = self.aws.problems();
        if self.payer().is_none() {
            problems.push((
                "billing_account_id",
                "say whose bill it is: the 12 digits of the account that pays".to_owned(),
            ));
        }
        let role = self.aws.role_arn.as_deref().unwrap_or_default();
        if role.starts_with("arn:aws-") && !role.starts_with("arn:aws-cn:") {
            let text = "is of a partition without Cost Explorer; the bill of its accounts is that of the account that pays for them";
            problems.push(("role_arn", text.to_owned()));
        }
        if self.backfill_months > REACH_MONTHS {
            problems.push((
                "backfill_months",
                format!("Cost Explorer has costs by day for {REACH_MONTHS} months before this one"),
            ));
        }
        if let Some(account) = self.refine_accounts.keys().find(|account| !is_account(account)) {
            problems.push(("refine_accounts", format!("{account:?} is no account: write its 12 digits")));
        }
        problems
    }

    fn place(&self) -> String {
        format!("Cost Explorer of account {}", self.payer().unwrap_or("?"))
    }

    fn connect(self, context: Context) -> Result<Arc<dyn Collector>, CollectError> {
        let cap = u64::from(self.monthly_cap_dollars) * 1_000_000;
        let billing_account_id = self.payer().unwrap_or_default().to_owned();
        let aws = Aws::new(self.aws, &context);
        Ok(Arc::new(CostExplorerCollector {
            billing_account_id,
            explorer: Explorer::new(aws, context.purse, cap),
            refine: self.refine,
            refine_accounts: self.refine_accounts,
            backfill_months: self.backfill_months,
            today: context.today,
        }))
    }
}
