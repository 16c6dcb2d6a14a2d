//! The binary: everything is in the library, so that tests reach it.

use std::process::ExitCode;

// Measured against the system allocator: see ARCHITECTURE.md, "Memory".
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    logship::cli::main()
}
