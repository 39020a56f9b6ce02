//! Notebooks, run and compared.

use serde_json::{Value, json};

use super::{Document, compare, execute};
use crate::Settings;

fn notebook(cells: &[&str]) -> Document {
    let cells: Vec<Value> = cells
        .iter()
        .map(|source| {
            json!({"cell_type": "code", "source": source, "metadata": {}, "outputs": [],
                   "execution_count": null})
        })
        .collect();
    let whole = json!({"nbformat": 4, "nbformat_minor": 5, "metadata": {"own": 1}, "cells": cells});
    Document::read(&whole.to_string()).unwrap()
}

fn run(document: &mut Document) -> Option<super::Broken> {
    execute(document, &Settings::default(), &|_| {})
}

#[test]
fn outputs_are_those_of_the_kernel() {
    let mut document = notebook(&[
        "let x = 20;",
        "print(\"a\"); print(\"b\"); x + 1",
        "table([#{a: 1}])",
        "plot(table([#{a: 1, b: 2}, #{a: 2, b: 3}]), #{kind: \"line\", x: \"a\", y: \"b\"})",
        "show(1); x;",
    ]);
    assert_eq!(run(&mut document), None);
    let outputs: Vec<&[Value]> = document.code().iter().map(|code| code.outputs()).collect();
    assert!(outputs[0].is_empty());
    assert_eq!(outputs[1][0]["text"], json!(["a\n", "b\n"]));
    assert_eq!(outputs[1][1]["data"], json!({"text/plain": ["21"]}));
    assert!(
        outputs[2][0]["data"]["text/html"][0]
            .as_str()
            .unwrap()
            .starts_with("<table")
    );
    let chart = &outputs[3][0]["data"];
    assert!(chart["image/svg+xml"][0].as_str().unwrap().contains("<svg"));
    assert!(chart["application/vnd.vegalite.v5+json"].is_object());
    assert_eq!(outputs[4].len(), 1);
    assert_eq!(outputs[4][0]["output_type"], "display_data");
    let again = Document::read(&document.text()).unwrap();
    assert_eq!(again, document);
    assert!(
        document
            .text()
            .contains("\n \"metadata\": {\n  \"kernelspec\": {")
    );
}

#[test]
fn a_notebook_stops_where_a_cell_fails_that_should_not() {
    let mut document = notebook(&["1", "throw \"no\"", "2"]);
    let broken = run(&mut document).unwrap();
    assert_eq!((broken.number, broken.failure.message.as_str()), (2, "no"));
    assert!(document.code()[2].outputs().is_empty());
    let text = document.text().replacen(
        "\"execution_count\": 2,\n   \"metadata\": {}",
        "\"execution_count\": 2,\n   \"metadata\": {\"tags\": [\"raises-exception\"]}",
        1,
    );
    let mut meant = Document::read(&text).unwrap();
    assert!(meant.code()[1].may_fail());
    assert_eq!(run(&mut meant), None);
    assert_eq!(meant.code()[1].outputs()[0]["evalue"], "no");
}

#[test]
fn only_what_was_said_is_compared() {
    let said = |text: &str| {
        let mut document = notebook(&["x"]);
        let outputs = vec![json!({"output_type": "stream", "name": "stdout", "text": text})];
        document.set_outputs(0, Some(7), outputs);
        document
    };
    assert_eq!(
        compare(&said("took 1.5 ms\nb\n"), &said("took  12 s\nb\n")),
        []
    );
    assert_eq!(compare(&said("scan (17µs)\n"), &said("scan (3ms)\n")), []);
    let found = compare(&said("a\nb\nc\nd\ne\nf\n"), &said("a\nb\nc\nD\ne\nf\n"));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].lines, ["  b", "  c", "- d", "+ D", "  e", "  f"]);
    assert_eq!(compare(&said("7 rows"), &said("8 rows")).len(), 1);
    assert_eq!(
        compare(&said("a"), &said("a\nb"))[0].lines.last().unwrap(),
        "+ b"
    );
}

#[test]
fn what_is_no_notebook_is_refused() {
    for text in [
        "",
        "[]",
        "{\"nbformat\": 3, \"cells\": []}",
        "{\"nbformat\": 4}",
    ] {
        assert!(Document::read(text).is_err(), "{text}");
    }
}
