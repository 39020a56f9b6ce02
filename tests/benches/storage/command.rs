//! The command line, run in a process of its own: its answer, its time, its memory.

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// Tells this program that it is to be `datalith`.
const ASKED: &str = "DATALITH_BENCH_COMMAND";
/// What the line of figures begins with.
const FIGURES: &str = "figures:";

/// Whether this process was started by [`datalith`].
pub(crate) fn is_asked() -> bool {
    std::env::var_os(ASKED).is_some()
}

/// Does what `datalith` would, and tells what it took.
pub(crate) fn run() -> ExitCode {
    let code = datalith::cli::run();
    eprintln!("{FIGURES} {} {}", cpu_time().as_micros(), peak_kib());
    code
}

/// What a command answered, and what that took.
pub(crate) struct Outcome {
    pub(crate) stdout: String,
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    pub(crate) peak_kib: u64,
}

/// Runs `datalith` with arguments, from its start to its end.
pub(crate) fn datalith(arguments: &[&str]) -> Outcome {
    let program = std::env::current_exe().expect("this program has a path");
    let started = Instant::now();
    let output = Command::new(program)
        .args(arguments)
        .env(ASKED, "1")
        .stdin(Stdio::null())
        .output()
        .expect("this program can be started");
    let wall = started.elapsed();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?} failed: {stderr}");
    let figures = stderr
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix(FIGURES));
    let figures: Vec<u64> = figures
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|figure| figure.parse().ok())
        .collect();
    let [cpu_us, peak_kib] = figures[..] else {
        panic!("{arguments:?} told no figures: {stderr}");
    };
    Outcome {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        wall,
        cpu: Duration::from_micros(cpu_us),
        peak_kib,
    }
}

/// CPU time of this process, all threads.
pub(crate) fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)
        .map(Duration::from)
        .unwrap_or_default()
}

/// The most memory this process ever had.
pub(crate) fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or(0)
}
