//! `outlay`: see `outlay --help`.

use std::process::ExitCode;

/// Bills are read and rolled up by several threads at once. The system's allocator keeps for each of them what it has freed, which
/// for a bill of millions of lines is hundreds of megabytes.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    outlay::cli::main()
}
