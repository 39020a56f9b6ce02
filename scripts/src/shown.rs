//! What a value looks like: in a terminal, in a notebook, in a pipe.

use datalith_engine::edn;
use rhai::{Array, Dynamic, Map};

use crate::chart::Chart;
use crate::limits::ROWS_SHOWN;
use crate::table::{Column, Table};
use crate::value::Edn;

/// Items of an array or a map that are shown.
const ITEMS: usize = 100;
/// Deepest nesting that is shown.
const DEPTH: usize = 8;

/// A value in the forms that front ends know.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown {
    /// For a terminal.
    pub text: String,
    /// For a page.
    pub html: Option<String>,
    /// A chart as a drawing.
    pub svg: Option<String>,
    /// A chart in Vega-Lite.
    pub vega: Option<serde_json::Value>,
}

impl Shown {
    /// The forms by their media types, as Jupyter has them: a front end takes the richest it knows.
    pub fn bundle(&self) -> serde_json::Map<String, serde_json::Value> {
        let text = |text: &String| serde_json::Value::from(text.as_str());
        let forms = [
            ("text/plain", Some(self.text.trim_end().into())),
            ("text/html", self.html.as_ref().map(text)),
            ("image/svg+xml", self.svg.as_ref().map(text)),
            ("application/vnd.vegalite.v5+json", self.vega.clone()),
        ];
        let known = forms
            .into_iter()
            .filter_map(|(media, form)| Some((media.to_owned(), form?)));
        known.collect()
    }

    /// About how many bytes a front end gets.
    pub fn size_bytes(&self) -> usize {
        let texts = [Some(&self.text), self.html.as_ref(), self.svg.as_ref()];
        texts.into_iter().flatten().map(String::len).sum()
    }
}

/// How a value is shown; nothing for `()`.
///
/// - `width`: columns of the terminal, where there is one.
pub fn show(value: &Dynamic, width: Option<usize>) -> Option<Shown> {
    if value.is_unit() {
        return None;
    }
    if let Some(table) = value.read_lock::<Table>() {
        return Some(Shown {
            text: table.to_text(width, ROWS_SHOWN),
            html: Some(table.to_html(ROWS_SHOWN)),
            ..Shown::default()
        });
    }
    if let Some(column) = value.read_lock::<Column>() {
        let table = Table::of_columns(vec!["value".to_owned()], vec![column.clone()], column.len());
        return Some(Shown {
            text: table.to_text(width, ROWS_SHOWN),
            html: Some(table.to_html(ROWS_SHOWN)),
            ..Shown::default()
        });
    }
    if let Some(chart) = value.read_lock::<Chart>() {
        return Some(Shown {
            text: chart.text(width.unwrap_or(100).clamp(40, 120), 20),
            svg: chart.svg().ok(),
            vega: Some(chart.vega()),
            ..Shown::default()
        });
    }
    Some(Shown {
        text: text(value, 0),
        ..Shown::default()
    })
}

/// A value as text in full: tables with up to so many rows, in their natural width.
pub fn whole(value: &Dynamic, rows: usize) -> String {
    match value.read_lock::<Table>() {
        Some(table) => table.to_text(None, rows),
        None => printed(value),
    }
}

/// A value as text; strings within others in quotes.
pub fn text(value: &Dynamic, depth: usize) -> String {
    if let Ok(text) = value.as_immutable_string_ref() {
        return if depth == 0 {
            text.to_string()
        } else {
            format!("{:?}", text.as_str())
        };
    }
    if let Some(edn) = value.read_lock::<Edn>() {
        return if depth == 0 {
            edn::display_str(&edn.0)
        } else {
            edn.to_string()
        };
    }
    if let Some(items) = value.read_lock::<Array>() {
        if depth >= DEPTH {
            return "[…]".to_owned();
        }
        let parts = items.iter().take(ITEMS).map(|item| text(item, depth + 1));
        return laid_out("[", parts.collect(), items.len(), "]", depth);
    }
    if let Some(map) = value.read_lock::<Map>() {
        if depth >= DEPTH {
            return "#{…}".to_owned();
        }
        let part =
            |(key, item): (_, &Dynamic)| format!("{}: {}", key_text(key), text(item, depth + 1));
        let parts = map.iter().take(ITEMS).map(part);
        return laid_out("#{", parts.collect(), map.len(), "}", depth);
    }
    own(value).unwrap_or_else(|| value.to_string())
}

/// The text of a value of the host's own types.
fn own(value: &Dynamic) -> Option<String> {
    use crate::database::{Query, ScriptConn, ScriptDb};
    let conn = value.read_lock::<ScriptConn>().map(|conn| conn.to_string());
    let db = || value.read_lock::<ScriptDb>().map(|db| db.to_string());
    let query = || value.read_lock::<Query>().map(|query| query.to_string());
    let table = || {
        value
            .read_lock::<Table>()
            .map(|table| format!("table of {} rows", table.len()))
    };
    let column = || value.read_lock::<Column>().map(|column| column.to_string());
    let error = || {
        value
            .read_lock::<crate::fault::Thrown>()
            .map(|thrown| thrown.to_string())
    };
    conn.or_else(db)
        .or_else(query)
        .or_else(table)
        .or_else(column)
        .or_else(error)
}

fn key_text(key: impl AsRef<str>) -> String {
    let key = key.as_ref();
    let is_name = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !key.starts_with(|c: char| c.is_ascii_digit());
    if is_name && !key.is_empty() {
        key.to_owned()
    } else {
        format!("{key:?}")
    }
}

/// Parts on a line, or on a line each where that would be long.
fn laid_out(open: &str, mut parts: Vec<String>, all: usize, close: &str, depth: usize) -> String {
    if parts.len() < all {
        parts.push(format!("… {} more", all - parts.len()));
    }
    let length: usize = parts.iter().map(|part| part.chars().count() + 2).sum();
    if length + 2 * depth <= 90 && !parts.iter().any(|part| part.contains('\n')) {
        return format!("{open}{}{close}", parts.join(", "));
    }
    let indent = "  ".repeat(depth + 1);
    format!(
        "{open}\n{indent}{}\n{}{close}",
        parts.join(&format!(",\n{indent}")),
        "  ".repeat(depth)
    )
}

/// Tables, columns and charts are shown by what they are; all else by its text.
pub fn printed(value: &Dynamic) -> String {
    show(value, None)
        .map(|shown| shown.text)
        .unwrap_or_default()
}

/// What kind of value it is, as scripts say it.
pub fn type_of(value: &Dynamic) -> String {
    use crate::database::{Query, ScriptConn, ScriptDb};
    let name = if value.is::<ScriptConn>() {
        "Conn"
    } else if value.is::<ScriptDb>() {
        "Db"
    } else if value.is::<Query>() {
        "Query"
    } else if value.is::<Table>() {
        "Table"
    } else if value.is::<Column>() {
        "Column"
    } else if value.is::<Chart>() {
        "Chart"
    } else if value.is::<Edn>() {
        "Edn"
    } else {
        value.type_name().rsplit("::").next().unwrap_or("value")
    };
    name.to_owned()
}
