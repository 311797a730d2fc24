//! The `ledgerline` program: reads the command line and hands over to the library.
use std::process::ExitCode;

/// Many small allocations a request, on many threads: the system's allocator is
/// the slower one there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ledgerline::cli::main()
}
