//! The `datalith` binary: a pod when Babashka starts it, a command line otherwise.

use std::env;
use std::process::ExitCode;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if env::var_os("BABASHKA_POD").is_some_and(|value| value == "true") {
        datalith::server::run(Arc::new(datalith::ops::Session::default()))
    } else {
        datalith::cli::run()
    }
}
