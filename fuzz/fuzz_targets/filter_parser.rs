//! Filters: never panic, and what is printed is parsed back to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outlay_model::filter::Filter;

fuzz_target!(|text: &str| {
    if let Ok(filter) = Filter::parse(text) {
        let printed = filter.to_string();
        assert_eq!(Filter::parse(&printed).as_ref(), Ok(&filter), "{printed}");
    }
});
