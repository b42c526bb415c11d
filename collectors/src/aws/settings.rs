//! Which account of AWS, and by which right.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::http::is_address;

/// Which account of AWS is read, and by which right. Keys are no settings: they come from the environment
/// (`AWS_ACCESS_KEY_ID` …), a profile, a web identity token (EKS, OIDC), or the machine's own role (ECS, EC2).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AwsSettings {
    /// The role to assume, such as `arn:aws:iam::123456789012:role/outlay`. By default the credentials that are found are
    /// used as they are.
    pub role_arn: Option<String>,
    /// What the role's trust policy asks for as `sts:ExternalId`.
    pub external_id: Option<String>,
    /// What CloudTrail shows as the session's name; by default `outlay-` and the source's name.
    pub session_name: Option<String>,
    /// The region, such as `eu-central-1`. By default that of `AWS_REGION`, else the first of the role's partition.
    pub region: Option<String>,
    /// The profile in `~/.aws/config` and `~/.aws/credentials` whose credentials are used.
    pub profile: Option<String>,
    /// Where the service answers in the place of AWS's own address, such as a VPC endpoint. `AWS_ENDPOINT_URL` and its
    /// siblings do the same for all sources.
    pub endpoint: Option<String>,
}

/// A part of AWS that knows nothing of the others.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Partition {
    /// As ARNs name it.
    pub name: &'static str,
    /// How its regions' names start.
    regions: &'static [&'static str],
    /// What its addresses end with.
    pub suffix: &'static str,
    /// A region that every account of it can use.
    pub region: &'static str,
}

/// The first is that of all other regions.
const PARTITIONS: &[Partition] = &[
    Partition { name: "aws", regions: &[], suffix: "amazonaws.com", region: "us-east-1" },
    Partition { name: "aws-cn", regions: &["cn-"], suffix: "amazonaws.com.cn", region: "cn-northwest-1" },
    Partition { name: "aws-us-gov", regions: &["us-gov-"], suffix: "amazonaws.com", region: "us-gov-west-1" },
    Partition { name: "aws-eusc", regions: &["eusc-"], suffix: "amazonaws.eu", region: "eusc-de-east-1" },
    Partition { name: "aws-iso", regions: &["us-iso-"], suffix: "c2s.ic.gov", region: "us-iso-east-1" },
    Partition { name: "aws-iso-b", regions: &["us-isob-"], suffix: "sc2s.sgov.gov", region: "us-isob-east-1" },
];

impl Partition {
    pub(super) fn of_region(region: &str) -> &'static Self {
        let within = |partition: &&Self| partition.regions.iter().any(|start| region.starts_with(start));
        PARTITIONS.iter().find(within).unwrap_or(&PARTITIONS[0])
    }

    fn of_arn(arn: &str) -> Option<&'static Self> {
        let name = arn.strip_prefix("arn:")?.split(':').next()?;
        PARTITIONS.iter().find(|partition| partition.name == name)
    }
}

impl AwsSettings {
    /// The region that is used where neither the settings nor the environment say one.
    pub(super) fn home_region(&self) -> &'static str {
        self.role_arn.as_deref().and_then(Partition::of_arn).unwrap_or(&PARTITIONS[0]).region
    }

    /// What is wrong with them: key and what to do.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let mut add = |key: &'static str, text: &str| problems.push((key, text.to_owned()));
        if let Some(arn) = &self.role_arn {
            let pieces: Vec<&str> = arn.splitn(6, ':').collect();
            match pieces.as_slice() {
                ["arn", _, "iam", "", account, role]
                    if account.len() == 12
                        && account.bytes().all(|byte| byte.is_ascii_digit())
                        && role.strip_prefix("role/").is_some_and(|name| !name.is_empty()) =>
                {
                    match Partition::of_arn(arn) {
                        None => {
                            add("role_arn", "names a partition that is not known; there are aws, aws-cn, aws-us-gov …")
                        }
                        Some(partition) => {
                            let region = self.region.as_deref().map(Partition::of_region);
                            if region.is_some_and(|other| other != partition) {
                                add(
                                    "region",
                                    "is not in the role's partition; credentials of one are not good in another",
                                );
                            }
                        }
                    }
                }
                _ => add("role_arn", "is not a role; write one such as \"arn:aws:iam::123456789012:role/outlay\""),
            }
        } else {
            for (key, value) in [("external_id", &self.external_id), ("session_name", &self.session_name)] {
                if value.is_some() {
                    add(key, "is only used to assume a role; give role_arn too, or leave it out");
                }
            }
        }
        let odd = |allowed: &str, text: &str| text.chars().any(|c| !c.is_ascii_alphanumeric() && !allowed.contains(c));
        if self.session_name.as_ref().is_some_and(|name| !(2..=64).contains(&name.len()) || odd("_+=,.@-", name)) {
            add("session_name", "must have 2 to 64 letters, digits or _+=,.@-");
        }
        if self.external_id.as_ref().is_some_and(|id| !(2..=1224).contains(&id.len()) || odd("_+=,.@:/-", id)) {
            add("external_id", "must have 2 to 1224 letters, digits or _+=,.@:/-");
        }
        if self.region.as_ref().is_some_and(|region| region.is_empty() || odd("-", region)) {
            add("region", "is not a region; write one such as \"eu-central-1\"");
        }
        if self.endpoint.as_ref().is_some_and(|endpoint| !is_address(endpoint)) {
            add("endpoint", "is not an address; write one such as \"https://s3.example.com\"");
        }
        problems
    }
}
