//! The `datalith` binary: a pod when Babashka starts it, a command line otherwise.

use std::env;
use std::process::ExitCode;
use std::sync::Arc;

use datalith_engine::conn::{Leave, leave};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    #[cfg(feature = "embed")]
    datalith::models::install();
    datalith_scripts::function::install();
    if env::var_os("BABASHKA_POD").is_some_and(|value| value == "true") {
        let code = datalith::server::run(Arc::new(datalith::ops::Session::default()));
        leave(Leave::Promptly);
        code
    } else {
        datalith::cli::run()
    }
}
