//! How long to wait before a request is sent again.

use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};

/// Headers that say it in milliseconds.
const MILLISECONDS: &[&str] = &["retry-after-ms", "x-ms-retry-after-ms", "x-amz-retry-after"];

/// What the provider asks for. Azure sends several of these headers, one for each of its quotas: the longest counts.
pub(super) fn told(headers: &HeaderMap) -> Option<Duration> {
    let number = |value: &HeaderValue| value.to_str().ok()?.trim().parse::<u64>().ok();
    let milliseconds = MILLISECONDS.iter().filter_map(|name| headers.get(*name)).filter_map(number);
    let quotas = headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-ms-ratelimit-") && name.as_str().ends_with("retry-after"));
    let seconds = quotas.map(|(_, value)| value).chain(headers.get(RETRY_AFTER)).filter_map(number);
    milliseconds.map(Duration::from_millis).chain(seconds.map(Duration::from_secs)).chain(until(headers)).max()
}

/// `Retry-After` as a date. It is held against the date of the same answer, so that no clock of ours has to be right.
fn until(headers: &HeaderMap) -> Option<Duration> {
    let date = |value: &HeaderValue| -> Option<DateTime<FixedOffset>> {
        DateTime::parse_from_rfc2822(value.to_str().ok()?).ok()
    };
    let (then, now) = (headers.get(RETRY_AFTER).and_then(date)?, headers.get(DATE).and_then(date)?);
    Some((then - now).to_std().unwrap_or_default())
}

/// Twice as long each time, and spread over its upper half, so that those who failed together do not come back together.
pub(super) fn backoff(first: Duration, longest: Duration, failures: u32) -> Duration {
    let most = first.saturating_mul(1 << (failures.max(1) - 1).min(20)).min(longest);
    let half = most / 2;
    half + half.mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLDER: &str = "x-ms-ratelimit-microsoft.consumption-retry-after";

    #[track_caller]
    fn check(headers: &[(&str, &str)], expected: Option<u64>) {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                ((*name).parse::<reqwest::header::HeaderName>().expect("a name"), value.parse().expect("a value"))
            })
            .collect();
        assert_eq!(told(&headers).map(|wait| wait.as_millis() as u64), expected);
    }

    #[test]
    fn the_longest_wait_that_is_asked_for_counts() {
        check(&[], None);
        check(&[("retry-after", "7")], Some(7000));
        check(&[("retry-after", "soon")], None);
        check(&[("retry-after", "-7")], None);
        check(&[("x-amz-retry-after", "250")], Some(250));
        let date = ("date", "Wed, 21 Oct 2026 07:28:00 GMT");
        check(&[("retry-after", "Wed, 21 Oct 2026 07:30:00 GMT"), date], Some(120_000));
        check(&[("retry-after", "Wed, 21 Oct 2026 07:20:00 GMT"), date], Some(0));
        check(&[("retry-after", "Wed, 21 Oct 2026 07:30:00 GMT")], None);
        check(
            &[
                ("x-ms-ratelimit-microsoft.costmanagement-entity-retry-after", "4"),
                ("x-ms-ratelimit-microsoft.costmanagement-tenant-retry-after", "46"),
                ("x-ms-ratelimit-remaining-microsoft.costmanagement-qpu", "900"),
                ("retry-after", "9"),
            ],
            Some(46_000),
        );
        // Cost Management has a quota for each of these, and some answers name several; the older API has another name.
        let quotas = ["qpu", "entity", "tenant", "client", "clienttype"];
        for (longest, name) in quotas.iter().enumerate() {
            let name = format!("x-ms-ratelimit-microsoft.costmanagement-{name}-retry-after");
            check(&[(&name, "30"), ("retry-after", "7"), (OLDER, "12")], Some(30_000));
            let all: Vec<(String, String)> = (0..)
                .zip(quotas)
                .map(|(at, quota)| {
                    let wait = if at == longest { 61 } else { at };
                    (format!("x-ms-ratelimit-microsoft.costmanagement-{quota}-retry-after"), wait.to_string())
                })
                .collect();
            let all: Vec<(&str, &str)> = all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            check(&all, Some(61_000));
        }
        check(&[(OLDER, "12"), ("x-ms-ratelimit-microsoft.costmanagement-qpu-consumed", "99")], Some(12_000));
    }

    #[test]
    fn waits_grow_and_stop_growing() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(1));
        for (failures, most) in [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1000), (60, 1000)] {
            for _ in 0..100 {
                let wait = backoff(first, longest, failures).as_millis();
                assert!((most / 2..=most).contains(&wait), "{wait} after {failures}");
            }
        }
    }
}
