//! A notebook's cells, run from top to bottom in one session.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use super::document::{Document, lines_of, text_of};
use crate::cell::{self, Failure};
use crate::host::{Host, Settings, Sink};
use crate::shown::Shown;

/// A cell that failed and was not meant to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which cell of code, counted from 1.
    pub number: usize,
    /// How it failed.
    pub failure: Failure,
}

/// Hears how a running notebook can be stopped.
pub type Stop<'s> = &'s dyn Fn(Arc<AtomicBool>);

/// Runs all cells of code and puts their outputs into the notebook; stops at the first that fails.
///
/// - `stop`: gets the flag that ends the cell that runs.
pub fn execute(document: &mut Document, settings: &Settings, stop: Stop<'_>) -> Option<Broken> {
    document.set_kernel();
    let recorder = Arc::new(Recorder::default());
    let sink: Arc<dyn Sink> = Arc::clone(&recorder) as Arc<dyn Sink>;
    let mut host = Host::new(settings, sink);
    stop(host.cancel_flag());
    let cells: Vec<(String, bool)> = document
        .code()
        .iter()
        .map(|code| (code.source(), code.may_fail()))
        .collect();
    let mut broken = None;
    for (index, (source, may_fail)) in cells.into_iter().enumerate() {
        if broken.is_some() || source.trim().is_empty() {
            document.set_outputs(index, None, Vec::new());
            continue;
        }
        let number = index + 1;
        match cell::run(&mut host, &source) {
            Ok(None) => {}
            Ok(Some(shown)) => recorder.push(json!({
                "output_type": "execute_result",
                "execution_count": number,
                "data": data_of(&shown),
                "metadata": {},
            })),
            Err(failure) => {
                recorder.push(json!({
                    "output_type": "error",
                    "ename": failure.name,
                    "evalue": failure.message,
                    "traceback": failure.traceback,
                }));
                if !may_fail {
                    broken = Some(Broken { number, failure });
                }
            }
        }
        document.set_outputs(index, Some(number), recorder.take());
    }
    broken
}

/// The forms of a value as files have them: texts line by line, so that changes can be read.
fn data_of(shown: &Shown) -> Map<String, Value> {
    let mut forms = shown.bundle();
    for form in forms.values_mut() {
        if let Value::String(text) = form {
            *form = lines_of(text);
        }
    }
    forms
}

/// The outputs of the cell that runs.
#[derive(Default)]
struct Recorder(Mutex<Vec<Value>>);

impl Recorder {
    fn push(&self, output: Value) {
        let mut outputs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        outputs.push(output);
    }

    /// What was recorded, texts in lines; nothing is left.
    fn take(&self) -> Vec<Value> {
        let mut outputs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = std::mem::take(&mut *outputs);
        for output in taken.iter_mut().filter(|output| is_stream(output)) {
            output["text"] = lines_of(&text_of(&output["text"]));
        }
        taken
    }
}

impl Sink for Recorder {
    fn print(&self, text: &str) {
        let mut outputs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = outputs.last_mut().filter(|output| is_stream(output));
        match last.map(|output| &mut output["text"]) {
            Some(Value::String(printed)) => printed.push_str(text),
            _ => outputs.push(json!({"output_type": "stream", "name": "stdout", "text": text})),
        }
    }

    fn show(&self, shown: &Shown) {
        self.push(json!({"output_type": "display_data", "data": data_of(shown), "metadata": {}}));
    }
}

fn is_stream(output: &Value) -> bool {
    output["output_type"] == "stream"
}
