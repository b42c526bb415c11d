//! Whose costs are asked for.

use std::borrow::Cow;
use std::fmt;

use reqwest::Url;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A part of Azure that costs can be asked of, by its path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Scope(Vec<String>);

/// What scopes look like: `{}` stands for a name. Letters count as Azure counts them, small or large.
const SHAPES: &[&str] = &[
    "subscriptions/{}",
    "subscriptions/{}/resourceGroups/{}",
    "providers/Microsoft.Management/managementGroups/{}",
    "providers/Microsoft.Billing/billingAccounts/{}",
    "providers/Microsoft.Billing/billingAccounts/{}/departments/{}",
    "providers/Microsoft.Billing/billingAccounts/{}/enrollmentAccounts/{}",
    "providers/Microsoft.Billing/billingAccounts/{}/billingProfiles/{}",
    "providers/Microsoft.Billing/billingAccounts/{}/billingProfiles/{}/invoiceSections/{}",
    "providers/Microsoft.Billing/billingAccounts/{}/invoiceSections/{}",
    "providers/Microsoft.Billing/billingAccounts/{}/customers/{}",
    "providers/Microsoft.CostManagement/externalSubscriptions/{}",
    "providers/Microsoft.CostManagement/externalBillingAccounts/{}",
];

impl Scope {
    /// The subscription that all of it is in, if it is one or a part of one.
    pub(super) fn subscription(&self) -> Option<&str> {
        (self.0[0] == "subscriptions").then(|| self.0[1].as_str())
    }

    /// The resource group that all of it is in, if it is one.
    pub(super) fn resource_group(&self) -> Option<&str> {
        self.subscription().and_then(|_| self.0.get(3)).map(String::as_str)
    }

    /// What is invoiced, as far as the scope says: a billing profile where there is one, as FOCUS has it.
    pub(super) fn billing_account(&self) -> &str {
        let after = |name: &str| {
            let at = self.0.iter().position(|segment| segment == name)?;
            self.0.get(at + 1).map(String::as_str)
        };
        let found = ["billingProfiles", "billingAccounts", "subscriptions"].into_iter().find_map(after);
        found.or_else(|| self.0.last().map(String::as_str)).unwrap_or_default()
    }

    /// Where its costs are asked for.
    pub(super) fn query(&self, management: &Url) -> Url {
        let mut url = management.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(&self.0);
            if self.0.get(1).is_none_or(|provider| provider != "Microsoft.CostManagement") {
                path.extend(["providers", "Microsoft.CostManagement"]);
            }
            path.push("query");
        }
        url
    }
}

impl TryFrom<String> for Scope {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let segments: Vec<&str> = text.trim_matches('/').split('/').collect();
        let shaped = SHAPES.iter().find_map(|shape| {
            let shape: Vec<&str> = shape.split('/').collect();
            if shape.len() != segments.len() {
                return None;
            }
            let both = shape.iter().zip(&segments);
            let is_name = |name: &str| !name.trim().is_empty() && name != "." && name != "..";
            let fits = |(shape, given): (&&str, &&str)| match *shape {
                "{}" => is_name(given).then(|| (*given).to_owned()),
                word => word.eq_ignore_ascii_case(given).then(|| word.to_owned()),
            };
            both.map(fits).collect::<Option<Vec<String>>>()
        });
        shaped.map(Self).ok_or_else(|| {
            format!("{text:?} is no scope that costs can be asked of; write one such as \"subscriptions/<id>\" or \"providers/Microsoft.Billing/billingAccounts/<id>\"")
        })
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}

impl JsonSchema for Scope {
    fn schema_name() -> Cow<'static, str> {
        "Scope".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^/?([Ss]ubscriptions|[Pp]roviders)/.+$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where it is asked, and whose bill it is.
    #[track_caller]
    fn check(scope: &str, path: &str, billing_account: &str) {
        let scope = Scope::try_from(scope.to_owned()).expect("is one");
        let url = scope.query(&"https://management.azure.com".parse().expect("a url"));
        assert_eq!((url.path(), scope.billing_account()), (path, billing_account));
    }

    #[test]
    fn every_scope_is_asked_at_its_own_place() {
        check("subscriptions/s", "/subscriptions/s/providers/Microsoft.CostManagement/query", "s");
        check(
            "/Subscriptions/s/resourcegroups/a (b)/",
            "/subscriptions/s/resourceGroups/a%20(b)/providers/Microsoft.CostManagement/query",
            "s",
        );
        check(
            "providers/Microsoft.Management/managementGroups/all",
            "/providers/Microsoft.Management/managementGroups/all/providers/Microsoft.CostManagement/query",
            "all",
        );
        let account = "providers/Microsoft.Billing/billingAccounts/1:2_2019-05-31";
        let query = "providers/Microsoft.CostManagement/query";
        check(account, &format!("/{account}/{query}"), "1:2_2019-05-31");
        for below in ["departments/d", "enrollmentAccounts/e", "customers/c", "invoiceSections/i"] {
            check(&format!("{account}/{below}"), &format!("/{account}/{below}/{query}"), "1:2_2019-05-31");
        }
        for below in ["billingProfiles/p", "billingProfiles/p/invoiceSections/i"] {
            check(&format!("{account}/{below}"), &format!("/{account}/{below}/{query}"), "p");
        }
        for kind in ["externalSubscriptions", "externalBillingAccounts"] {
            let scope = format!("providers/Microsoft.CostManagement/{kind}/x");
            check(&scope, &format!("/{scope}/query"), "x");
        }
    }

    #[test]
    fn nothing_else_is_taken() {
        for text in ["", "s", "subscriptions", "subscriptions/", "subscriptions/a/b", "subscriptions/..", "tenants/t"] {
            assert!(Scope::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
