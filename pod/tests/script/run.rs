//! `datalith run`: arguments, exit codes, what goes where.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// The binary under test.
pub(crate) fn datalith() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datalith"));
    command.env_remove("BABASHKA_POD");
    command
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn scripts_have_arguments_output_and_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.rhai");
    fs::write(
        &script,
        "#!/usr/bin/env -S datalith run\nprint(args);\nlet x = parse_int(args[0]);\nexit(x);\n",
    )
    .unwrap();
    let output = datalith()
        .arg("run")
        .arg(&script)
        .args(["3", "-v", "--x"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(stdout(&output), "[\"3\", \"-v\", \"--x\"]\n");
    assert_eq!(stderr(&output), "");
    let output = datalith()
        .arg("run")
        .arg(&script)
        .arg("three")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected = format!(
        "--> {}:3:9\n3 | let x = parse_int(args[0]);\n  |         ^\n",
        script.display()
    );
    assert!(stderr(&output).ends_with(&expected), "{}", stderr(&output));
}

#[test]
fn standard_input_may_be_the_script() {
    let mut child = datalith()
        .args(["run", "-", "a"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"print(`hello ${args[0]}`)")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(stdout(&output), "hello a\n");
}

#[test]
fn expressions_print_their_value() {
    let run = |text: &str| stdout(&datalith().args(["run", "-e", text]).output().unwrap());
    assert_eq!(run("[1 + 1, \"a\"]"), "[2, \"a\"]\n");
    assert_eq!(
        run("q(datalog { [:find [?x ...] :in [?x ...] :where [(odd? ?x)]] }, [1, 2, 3]).sum()"),
        "4\n"
    );
    assert_eq!(run("let x = 1;"), "");
}

#[test]
fn files_are_touched_where_that_is_granted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let script = format!(
        "let conn = open(\"{path}/notes.db\"); conn.transact(`[{{:db/ident :n/t :db/valueType :db.type/string :db/cardinality :db.cardinality/one}}]`); \
         conn.transact(#{{\"n/t\": \"milk\"}}); write_text(\"{path}/out.txt\", conn.db().q(`[:find ?t . :where [_ :n/t ?t]]`));"
    );
    let refused = datalith().args(["run", "-e", &script]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let expected =
        format!("scripts may not write {path}/notes.db: allow it with --allow-write {path}");
    assert!(stderr(&refused).contains(&expected), "{}", stderr(&refused));
    let granted = datalith()
        .args(["run", "--allow-write", path, "-e", &script])
        .output()
        .unwrap();
    assert!(granted.status.success(), "{}", stderr(&granted));
    assert_eq!(
        fs::read_to_string(folder.path().join("out.txt")).unwrap(),
        "milk"
    );
    let read = format!("read_text(\"{path}/out.txt\")");
    let output = datalith()
        .args(["run", "--allow-read", path, "-e", &read])
        .output()
        .unwrap();
    assert_eq!(stdout(&output), "milk\n");
}

#[test]
fn modules_come_from_granted_folders() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    fs::write(
        folder.path().join("greet.rhai"),
        "fn hello(x) { `hello ${x}` }",
    )
    .unwrap();
    fs::write(folder.path().join("round.rhai"), "import \"round\" as r;").unwrap();
    let run = |script: &str, granted: bool| {
        let allow = ["--allow-read", path];
        datalith()
            .arg("run")
            .args(if granted { &allow[..] } else { &[] })
            .args(["-e", script])
            .output()
            .unwrap()
    };
    let script = "import \"greet\" as g; g::hello(\"you\")";
    assert_eq!(stdout(&run(script, true)), "hello you\n");
    assert!(!run(script, false).status.success());
    assert!(stderr(&run("import \"round\" as r;", true)).contains("imports itself"));
}
