//! The text of a notebook as JSON, and the parts of it that a run reads and writes.

use serde::Serialize;
use serde_json::ser::PrettyFormatter;
use serde_json::{Map, Value, json};

/// Why a text is no notebook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "it is no notebook: {}", self.0)
    }
}

/// A notebook; what this crate does not know of it stays as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Document(Map<String, Value>);

impl Document {
    /// Reads a notebook of nbformat 4.
    pub fn read(text: &str) -> Result<Document, Malformed> {
        let read: Value =
            serde_json::from_str(text).map_err(|cause| Malformed(cause.to_string()))?;
        let Value::Object(whole) = read else {
            return Err(Malformed("it is no JSON object".to_owned()));
        };
        if whole.get("nbformat").and_then(Value::as_u64) != Some(4) {
            return Err(Malformed("nbformat is not 4".to_owned()));
        }
        match whole.get("cells") {
            Some(Value::Array(cells)) if cells.iter().all(Value::is_object) => Ok(Document(whole)),
            _ => Err(Malformed("it has no cells".to_owned())),
        }
    }

    /// The notebook as Jupyter writes it: keys in order, a space for each level.
    pub fn text(&self) -> String {
        let mut bytes = Vec::new();
        let formatter = PrettyFormatter::with_indent(b" ");
        let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
        let sorted = sorted(&Value::Object(self.0.clone()));
        sorted
            .serialize(&mut serializer)
            .expect("JSON in memory can be written");
        bytes.push(b'\n');
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The cells of code, in order.
    pub fn code(&self) -> Vec<Code<'_>> {
        let cells = self.0.get("cells").and_then(Value::as_array);
        let cells = cells.into_iter().flatten();
        cells.filter(|cell| is_code(cell)).map(Code).collect()
    }

    /// Puts outputs in the place of those of a cell of code, counted from 0, with its count.
    pub fn set_outputs(&mut self, index: usize, count: Option<usize>, outputs: Vec<Value>) {
        let cells = self.0.get_mut("cells").and_then(Value::as_array_mut);
        let mut code = cells.into_iter().flatten().filter(|cell| is_code(cell));
        if let Some(cell) = code.nth(index) {
            cell["outputs"] = outputs.into();
            cell["execution_count"] = json!(count);
        }
    }

    /// Says which kernel opens it, unless it says so already.
    pub fn set_kernel(&mut self) {
        let metadata = self.0.entry("metadata").or_insert_with(|| json!({}));
        let Some(metadata) = metadata.as_object_mut() else {
            return;
        };
        metadata.entry("kernelspec").or_insert_with(
            || json!({"display_name": "Datalith", "language": "rhai", "name": "datalith"}),
        );
        metadata.entry("language_info").or_insert_with(
            || json!({"name": "rhai", "file_extension": ".rhai", "mimetype": "text/x-swift", "pygments_lexer": "rust"}),
        );
    }
}

fn is_code(cell: &Value) -> bool {
    cell["cell_type"] == "code"
}

/// A cell of code.
#[derive(Clone, Copy, Debug)]
pub struct Code<'d>(&'d Value);

impl<'d> Code<'d> {
    /// What is to be run.
    pub fn source(&self) -> String {
        text_of(&self.0["source"])
    }

    /// Whether it is meant to fail, as its tag `raises-exception` says.
    pub fn may_fail(&self) -> bool {
        let tags = self.0["metadata"]["tags"].as_array();
        tags.is_some_and(|tags| tags.iter().any(|tag| tag == "raises-exception"))
    }

    /// Its outputs.
    pub fn outputs(&self) -> &'d [Value] {
        self.0["outputs"].as_array().map_or(&[], Vec::as_slice)
    }
}

/// A text that stands as a string or as an array of lines.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().unwrap_or_default().to_owned(),
    }
}

/// A text as an array of lines with their ends.
pub(super) fn lines_of(text: &str) -> Value {
    text.split_inclusive('\n').collect()
}

/// The same with the keys of all objects in order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries = entries.into_iter();
            Value::Object(
                entries
                    .map(|(key, value)| (key.clone(), sorted(value)))
                    .collect(),
            )
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}
