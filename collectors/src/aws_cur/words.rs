//! What AWS calls things, and what FOCUS calls them: units, regions, kinds of resources.

use std::borrow::Cow;

/// Words of time that end a unit, in the plural that FOCUS writes.
const TIMES: &[(&[&str], &str)] = &[
    (&["hr", "hrs", "hour", "hours"], "Hours"),
    (&["mo", "month", "months"], "Months"),
    (&["sec", "secs", "second", "seconds"], "Seconds"),
    (&["min", "mins", "minute", "minutes"], "Minutes"),
    (&["day", "days"], "Days"),
    (&["year", "years"], "Years"),
];

/// A unit as FOCUS writes it: `GB-Mo` is `GB-Months`, `Hrs` is `Hours`.
pub(super) fn unit(native: &str) -> Cow<'_, str> {
    let (before, last) = native.rsplit_once('-').unwrap_or(("", native));
    let known = |words: &&[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(last));
    match TIMES.iter().find(|(words, _)| known(words)) {
        Some((_, word)) if before.is_empty() => Cow::Borrowed(word),
        Some((_, word)) => Cow::Owned(format!("{before}-{word}")),
        None => Cow::Borrowed(native),
    }
}

/// The regions, and what AWS calls them in bills.
const REGIONS: &[(&str, &str)] = &[
    ("af-south-1", "Africa (Cape Town)"),
    ("ap-east-1", "Asia Pacific (Hong Kong)"),
    ("ap-east-2", "Asia Pacific (Taipei)"),
    ("ap-northeast-1", "Asia Pacific (Tokyo)"),
    ("ap-northeast-2", "Asia Pacific (Seoul)"),
    ("ap-northeast-3", "Asia Pacific (Osaka)"),
    ("ap-south-1", "Asia Pacific (Mumbai)"),
    ("ap-south-2", "Asia Pacific (Hyderabad)"),
    ("ap-southeast-1", "Asia Pacific (Singapore)"),
    ("ap-southeast-2", "Asia Pacific (Sydney)"),
    ("ap-southeast-3", "Asia Pacific (Jakarta)"),
    ("ap-southeast-4", "Asia Pacific (Melbourne)"),
    ("ap-southeast-5", "Asia Pacific (Malaysia)"),
    ("ap-southeast-7", "Asia Pacific (Thailand)"),
    ("ca-central-1", "Canada (Central)"),
    ("ca-west-1", "Canada West (Calgary)"),
    ("cn-north-1", "China (Beijing)"),
    ("cn-northwest-1", "China (Ningxia)"),
    ("eu-central-1", "EU (Frankfurt)"),
    ("eu-central-2", "Europe (Zurich)"),
    ("eu-north-1", "EU (Stockholm)"),
    ("eu-south-1", "EU (Milan)"),
    ("eu-south-2", "Europe (Spain)"),
    ("eu-west-1", "EU (Ireland)"),
    ("eu-west-2", "EU (London)"),
    ("eu-west-3", "EU (Paris)"),
    ("global", "Global"),
    ("il-central-1", "Israel (Tel Aviv)"),
    ("me-central-1", "Middle East (UAE)"),
    ("me-south-1", "Middle East (Bahrain)"),
    ("mx-central-1", "Mexico (Central)"),
    ("sa-east-1", "South America (Sao Paulo)"),
    ("us-east-1", "US East (N. Virginia)"),
    ("us-east-2", "US East (Ohio)"),
    ("us-gov-east-1", "AWS GovCloud (US-East)"),
    ("us-gov-west-1", "AWS GovCloud (US-West)"),
    ("us-west-1", "US West (N. California)"),
    ("us-west-2", "US West (Oregon)"),
];

/// What AWS calls a region.
pub(super) fn region(id: &str) -> Option<&'static str> {
    REGIONS.iter().find(|(known, _)| *known == id).map(|(_, name)| *name)
}

/// Ids that are no ARNs: what stands before the first dash, and what they are of.
const PREFIXES: &[(&str, &str)] = &[
    ("ami", "image"),
    ("eipalloc", "elastic-ip"),
    ("eni", "network-interface"),
    ("fs", "file-system"),
    ("i", "instance"),
    ("igw", "internet-gateway"),
    ("nat", "natgateway"),
    ("snap", "snapshot"),
    ("tgw", "transit-gateway"),
    ("vol", "volume"),
    ("vpc", "vpc"),
    ("vpce", "vpc-endpoint"),
    ("vpn", "vpn-connection"),
];

/// The kind of a resource: of an ARN, the segment that says it, else the service; of other ids, what their prefix means.
pub(super) fn resource_type<'a>(id: &'a str, product_code: Option<&str>) -> Option<&'a str> {
    // arn:partition:service:region:account:resource, where the resource is `id`, `type/id` or `type:id`.
    let mut segments = id.splitn(6, ':');
    if segments.next() == Some("arn") {
        let (service, resource) = (segments.nth(1)?, segments.nth(2)?);
        let kind = resource.find(['/', ':']).map(|end| &resource[..end]);
        return Some(kind.filter(|kind| !kind.is_empty()).unwrap_or(service)).filter(|kind| !kind.is_empty());
    }
    let kind = id.split_once('-').and_then(|(prefix, _)| PREFIXES.iter().find(|(known, _)| *known == prefix));
    match kind {
        Some((_, kind)) => Some(kind),
        None => (product_code == Some("AmazonS3")).then_some("bucket"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_written_as_focus_writes_them() {
        let cases = [
            ("Hrs", "Hours"),
            ("GB-Mo", "GB-Months"),
            ("Lambda-GB-Second", "Lambda-GB-Seconds"),
            ("LCU-Hrs", "LCU-Hours"),
            ("Requests", "Requests"),
            ("GB", "GB"),
            ("IOPS-Mo", "IOPS-Months"),
        ];
        for (native, expected) in cases {
            assert_eq!(unit(native), expected);
        }
    }

    #[test]
    fn resources_are_of_a_kind() {
        let cases = [
            ("arn:aws:lambda:us-east-1:123456789012:function:thumbs", None, Some("function")),
            ("arn:aws:ec2:us-east-1:123456789012:instance/i-0abc", None, Some("instance")),
            ("arn:aws:s3:::a-bucket", None, Some("s3")),
            ("arn:aws:sqs:us-east-1:123456789012:jobs", None, Some("sqs")),
            ("i-0abc", Some("AmazonEC2"), Some("instance")),
            ("logs-of-ours", Some("AmazonS3"), Some("bucket")),
            ("whatever", Some("AmazonEC2"), None),
            ("arn:aws", None, None),
        ];
        for (id, code, expected) in cases {
            assert_eq!(resource_type(id, code), expected, "{id}");
        }
    }
}
