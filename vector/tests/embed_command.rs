//! A command is given texts as JSON strings and answers with JSON arrays; how it fails is told.
#![cfg(all(feature = "embed", unix))]
#![expect(clippy::unwrap_used, reason = "a test that stops says where")]

use std::ops::ControlFlow;

use datalith_vector::embed::{Code, Error, Model, Source};

/// A model whose program is this script.
fn load(script: &str) -> Result<Model, Error> {
    let words = ["sh", "-c", script].map(str::to_owned);
    Model::load(&Source::Command(words.to_vec()))
}

fn embed(model: &Model, texts: &[&str]) -> Result<Vec<f32>, Error> {
    model.embed(texts, &|_| ControlFlow::Continue(()))
}

/// A script that behaves while it is loaded, by the text `a`, and then does as `script` says.
fn later(script: &str) -> Model {
    let first = r#"read -r line; if [ "$line" = '"a"' ]; then echo '[1, 2]'; exit; fi; "#;
    load(&format!("{first}{script}")).unwrap()
}

#[track_caller]
fn check(model: &Model, code: Code, message: &str) {
    let error = embed(model, &["x", "y"]).unwrap_err();
    assert_eq!(error.code, code, "{error}");
    assert!(error.message.contains(message), "{error}");
}

#[test]
fn a_line_for_each_text() {
    let model = load(r#"while read -r line; do echo "[${#line}, 0.5]"; done"#).unwrap();
    assert_eq!(model.dim(), 2);
    assert!(
        model.identity().starts_with(r#"command:["sh","-c","while"#),
        "{}",
        model.identity()
    );
    assert!(model.identity().ends_with(";dim=2"), "{}", model.identity());
    // Quotes are part of the line, and a line break in a text is none in the line.
    assert_eq!(
        embed(&model, &["ab", "a\nb"]).unwrap(),
        [4.0, 0.5, 6.0, 0.5]
    );
    assert!(embed(&model, &[]).unwrap().is_empty());
}

#[test]
fn many_texts_at_once() {
    let texts: Vec<String> = (0..20_000).map(|at| format!("text {at}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let model = load("sed 's/.*/[1]/'").unwrap();
    assert_eq!(embed(&model, &texts).unwrap(), vec![1.0; 20_000]);
}

#[test]
fn how_a_command_fails() {
    let failed = later("echo oh no >&2; exit 3");
    check(&failed, Code::Command, "exit status: 3: oh no");
    let late = later("echo '[1, 2]'; echo '[1, 2]'; echo late >&2; exit 4");
    check(&late, Code::Command, "exit status: 4: late");
    check(&later("kill -9 $$"), Code::Command, "signal: 9");
    let error = Model::load(&"command:no-such-program-anywhere".parse().unwrap()).unwrap_err();
    assert_eq!(error.code, Code::Command);
    assert!(error.message.contains("cannot be started"), "{error}");
}

#[test]
fn lines_that_are_no_vectors() {
    check(
        &later("echo '[1, 2]'"),
        Code::Answer,
        "2 texts with 1 lines",
    );
    let model = later("echo '[1, 2]'; echo '[1, 2]'; echo '[1, 2]'");
    check(&model, Code::Answer, "2 texts with at least 3 lines");
    check(
        &later("echo '[1, 2]'; echo '[1]'"),
        Code::Answer,
        "1 numbers on line 2, expected 2",
    );
    check(&later("echo '[]'"), Code::Answer, "0 numbers on line 1");
    check(
        &later("echo 'model loaded'"),
        Code::Answer,
        "something else than a JSON array",
    );
    check(
        &later("echo '[1, 2]'; echo '[1, 1e39]'"),
        Code::Answer,
        "not finite",
    );
    let endless = later("exec cat /dev/zero");
    check(&endless, Code::Answer, "a line longer than");
    let error = embed(&later("echo why >&2; echo no"), &["x"]).unwrap_err();
    assert!(
        error.data.contains(&("stderr", "why".to_owned())),
        "{error:?}"
    );
}

#[test]
fn a_silent_command_is_ended_when_asked() {
    let model = later("exec sleep 600");
    let begun = std::time::Instant::now();
    let stopped = model.embed(&["x"], &|_| ControlFlow::Break(()));
    assert_eq!(stopped.unwrap_err().code, Code::Interrupted);
    assert!(begun.elapsed().as_secs() < 60);
}
