//! Crashes, failing disks and several processes at once, against the program that users run.
//!
//! `fault.c` stands between the program and libc and lets it be killed, stopped or disappointed at a place among its calls. No
//! place is guessed: a run that is traced first says which calls there are, and a fault that did not strike fails the test.

#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;
mod contention;
mod crashes;
mod failures;
mod house;
mod places;
mod reader;
mod shim;
mod world;

use std::time::{Duration, Instant};

/// The longest that anything is waited for. A machine may be slow.
pub const BOUND: Duration = Duration::from_secs(120);

/// Waits for a condition.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < BOUND, "waited in vain: {what}");
        std::thread::yield_now();
    }
}
