//! What a source's requests come to.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a source's requests come to, since the program was started. Shared by its runs and `/metrics`.
#[derive(Debug, Default)]
pub struct Counters {
    requests: AtomicU64,
    retries: AtomicU64,
    throttled: AtomicU64,
    failed: AtomicU64,
    bytes: AtomicU64,
    cost_micros: AtomicU64,
}

/// What they stand at.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Requests sent, repeated ones included.
    pub requests: u64,
    /// Requests that were sent again.
    pub retries: u64,
    /// Answers that asked for fewer requests.
    pub throttled: u64,
    /// Requests without a usable answer, throttled ones included.
    pub failed: u64,
    /// Bytes of answers.
    pub bytes: u64,
    /// What the provider charges for the requests, in millionths of a dollar.
    pub cost_micros: u64,
}

impl Counters {
    /// What they stand at now.
    #[must_use]
    pub fn now(&self) -> Counted {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counted {
            requests: read(&self.requests),
            retries: read(&self.retries),
            throttled: read(&self.throttled),
            failed: read(&self.failed),
            bytes: read(&self.bytes),
            cost_micros: read(&self.cost_micros),
        }
    }

    /// Counts what a request costs, in millionths of a dollar.
    pub fn add_cost(&self, micros: u64) {
        add(&self.cost_micros, micros);
    }

    pub(super) fn add_request(&self) {
        add(&self.requests, 1);
    }

    pub(super) fn add_retry(&self) {
        add(&self.retries, 1);
    }

    pub(super) fn add_failure(&self, throttled: bool) {
        add(&self.failed, 1);
        add(&self.throttled, u64::from(throttled));
    }

    pub(super) fn add_bytes(&self, bytes: usize) {
        add(&self.bytes, bytes as u64);
    }
}

fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}
