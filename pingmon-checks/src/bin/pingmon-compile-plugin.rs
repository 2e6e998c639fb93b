//! Compiles one plug-in, within limits, and ends: what `wasm::Compiler::Process` starts. Reads an order and a component from
//! standard input, writes machine code to standard output.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

fn main() -> ExitCode {
    match pingmon_checks::wasm::serve(io::stdin().lock(), io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell it to when standard error is gone.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}
