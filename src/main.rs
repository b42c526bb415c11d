//! `outlay`: see `outlay --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    outlay::cli::main()
}
