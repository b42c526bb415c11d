//! outlay
