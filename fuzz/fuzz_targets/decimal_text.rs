//! Numbers as text: the two readers that share no code, and a third that is not ours, agree on each.
#![no_main]

#[allow(dead_code, reason = "a target does not need all of it")]
#[path = "../../collectors/src/exact.rs"]
mod exact;

use std::str::FromStr;

use bigdecimal::BigDecimal;
use exact::ExactSum;
use libfuzzer_sys::fuzz_target;
use outlay_model::Money;
use outlay_model::money::{MoneyError, plain};

fuzz_target!(|text: &str| {
    let mut sum = ExactSum::default();
    let added = sum.add(text);
    match Money::read(text) {
        Ok(read) => {
            let lost = read.rounding.unwrap_or_default();
            let exact = read.money.to_exact() + &lost;
            assert!(added, "the survey cannot read {text:?}");
            assert_eq!(sum.total(), exact, "the survey reads {text:?} otherwise");
            assert_eq!(BigDecimal::from_str(text).ok(), Some(exact), "{text:?} is another number");
            assert!(lost.abs() <= BigDecimal::new(5.into(), 19), "{lost} is more than rounding takes");
            let printed = read.money.to_string();
            assert_eq!(Money::from_str(&printed), Ok(read.money));
            assert_eq!(printed, plain(&read.money.to_exact()));
        }
        Err(MoneyError::OutOfRange) if added => {
            assert!(sum.total().abs() >= BigDecimal::new(99_999_999_999_999_999_999_u128.into(), 0), "{text:?} is in range");
        }
        Err(MoneyError::OutOfRange) => {}
        Err(MoneyError::Unreadable) => assert!(!added, "only the survey can read {text:?}"),
    }
});
