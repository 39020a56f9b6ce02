//! Scripts that would take everything: each ends by itself, with one error, within its budget.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

use crate::run::{datalith, stderr};

/// Memory that scripts are given here, in MiB.
const MEMORY_MIB: i64 = 256;

/// Scripts, and what their errors say: one of the parts between bars.
const SCRIPTS: [(&str, &str); 17] = [
    ("let s = \"x\"; loop { s += s; }", "too large"),
    (
        "let s = \"x\"; s.pad(10000000, \"x\"); let t = s; s.replace(\"x\", t);",
        "over the limit",
    ),
    ("let a = []; loop { a.push(a); }", "too large"),
    ("let a = [0]; loop { a += a; }", "too large"),
    (
        "let m = #{}; let i = 0; loop { m[`${i}`] = \"x\"; i += 1; if i > 2000000 { throw \"no end\"; } }",
        "too large|longer than",
    ),
    (
        "let t = table(#{a: [1, 2, 3]}); loop { t = t.concat(t); }",
        "more memory",
    ),
    (
        "let t = table(#{k: [1, 1, 1, 1], a: [1, 2, 3, 4]}); loop { t = t.join(t, \"k\").select([\"k\"]); }",
        "more memory|a table at most",
    ),
    ("fn f(n) { f(n + 1) + f(n + 2) } f(0)", "Stack overflow"),
    ("loop { }", "longer than"),
    ("while true { try { loop { } } catch { } }", "longer than"),
    (
        "q(datalog { [:find (count ?x) . :with ?y :in [?x ...] [?y ...] :where [(not= ?x ?y)]] }, (0..100000).map(|x| x), 1)",
        "",
    ),
    (
        "loop { print(\"x\".to_upper()); let s = \"x\"; s.pad(1000000, \"y\"); print(s); }",
        "printed more|longer than",
    ),
    ("read_text(\"/etc/passwd\")", "may not read"),
    ("read_csv(\"/etc/passwd\")", "may not read"),
    (
        "import \"/etc/passwd\" as p;",
        "Too many modules|not found|Module",
    ),
    ("eval(\"1 + 1\")", "eval"),
    ("sleep(100000)", "longer than"),
];

#[test]
fn hostile_scripts_end_with_an_error_within_their_budget() {
    let deep = format!("let x = {}1{};", "(".repeat(5_000), ")".repeat(5_000));
    let nested = format!("let x = {}{};", "[".repeat(5_000), "]".repeat(5_000));
    let many: String = (0..200)
        .map(|n| format!("let s{n} = \"x\"; while s{n}.len() < 8000000 {{ s{n} += s{n}; }}"))
        .collect();
    let made = [
        (many.as_str(), "more memory"),
        (deep.as_str(), "maximum complexity"),
        (nested.as_str(), "maximum complexity"),
    ];
    for (script, expected) in SCRIPTS.into_iter().chain(made) {
        let began = Instant::now();
        let memory = MEMORY_MIB.to_string();
        let output = datalith()
            .args([
                "run",
                "--timeout",
                "3000",
                "--memory",
                &memory,
                "-e",
                script,
            ])
            .output()
            .unwrap();
        let shown: String = script.chars().take(60).collect();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{shown}: {said}");
        assert!(said.starts_with("error: "), "{shown}: {said}");
        assert!(
            expected.split('|').any(|part| said.contains(part)),
            "{shown}: {said}"
        );
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{shown}: {:?}",
            began.elapsed()
        );
    }
    // The kernel counts in KiB. What one operation makes may come on top of what is allowed.
    let peak_mib = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss() / 1_024;
    assert!(peak_mib < 2 * MEMORY_MIB + 128, "{peak_mib} MiB");
}
