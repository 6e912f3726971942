//! The program `muster`: words of the command line in, an exit code out.
//!
//! Everything else is the library's, so that tests and the load driver use the same parts.

use std::process::ExitCode;

fn main() -> ExitCode {
    muster::cli::run()
}
