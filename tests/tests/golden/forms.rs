//! The forms that follow a command's name.

use datalith_engine::conn::TxData;
use datalith_engine::{Error, Result, Span, Value, edn};

/// The forms of a command, and where each stands in its text.
pub(super) struct Forms<'a> {
    text: &'a str,
    forms: Vec<(Value, Span)>,
}

impl<'a> Forms<'a> {
    pub(super) fn read(text: &'a str) -> Result<Forms<'a>> {
        // In brackets the forms are one, and each stands a byte further on.
        let (forms, spans) =
            edn::read_spanned(&format!("[{text}\n]")).map_err(|error| shifted(&error, shift))?;
        let forms = forms.as_sequential().unwrap_or_default().iter().cloned();
        let spans = spans.children.iter().map(|tree| shift(tree.span));
        Ok(Forms {
            text,
            forms: forms.zip(spans).collect(),
        })
    }

    /// The form at a place, or nil.
    pub(super) fn value(&self, i: usize) -> Value {
        self.forms
            .get(i)
            .map(|(value, _)| value.clone())
            .unwrap_or_default()
    }

    /// The forms from a place on.
    pub(super) fn values_from(&self, i: usize) -> Vec<Value> {
        self.forms
            .iter()
            .skip(i)
            .map(|(value, _)| value.clone())
            .collect()
    }

    /// The first form as text.
    pub(super) fn first_text(&self) -> &'a str {
        self.forms
            .first()
            .map_or("", |(_, span)| &self.text[span.start..span.end])
    }

    /// An error about the first form, with its place in the whole text.
    pub(super) fn error_of_first(&self, error: &Error) -> Error {
        let start = self.forms.first().map_or(0, |(_, span)| span.start);
        shifted(error, |span| Span {
            start: span.start + start,
            end: span.end + start,
        })
    }

    pub(super) fn tx_data(&self) -> TxData {
        TxData {
            data: self.value(0),
            meta: self.forms.get(1).map(|(meta, _)| meta.clone()),
            rows: None,
        }
    }
}

fn shifted(error: &Error, shift: impl Fn(Span) -> Span) -> Error {
    Error::new(error.code(), error.message()).at(error.span().map(shift))
}

/// Past the bracket in front.
fn shift(span: Span) -> Span {
    Span {
        start: span.start.saturating_sub(1),
        end: span.end.saturating_sub(1),
    }
}
