//! A form together with the place it was read from, so that errors can point at it.

use std::fmt::{self, Write};

use crate::edn::SpanTree;
use crate::error::{Code, Error, Span};
use crate::value::{Keyword, Symbol, Value};

/// A form, and its place where the query was text.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    /// The form.
    pub value: &'a Value,
    spans: Option<&'a SpanTree>,
}

impl<'a> Node<'a> {
    pub(super) fn new(value: &'a Value, spans: Option<&'a SpanTree>) -> Node<'a> {
        Node { value, spans }
    }

    pub(super) fn span(self) -> Option<Span> {
        self.spans.map(|tree| tree.span)
    }

    /// An error that points at this form.
    pub(super) fn error(self, code: Code, message: impl Into<String>) -> Error {
        Error::new(code, message).at(self.span())
    }

    /// The items of a list or vector.
    pub(super) fn items(self) -> Option<Vec<Node<'a>>> {
        let items = self.value.as_sequential()?;
        Some(self.children(items.iter(), items.len()))
    }

    /// The items of a list, vector or set.
    pub(super) fn members(self) -> Option<Vec<Node<'a>>> {
        match self.value {
            Value::Set(set) => Some(self.children(set.iter(), set.len())),
            _ => self.items(),
        }
    }

    /// The entries of a map.
    pub(super) fn entries(self) -> Option<Vec<(Node<'a>, Node<'a>)>> {
        let map = self.value.as_map()?;
        let flat = self.children(map.iter().flat_map(|(k, v)| [k, v]), 2 * map.len());
        Some(
            flat.chunks_exact(2)
                .map(|entry| (entry[0], entry[1]))
                .collect(),
        )
    }

    /// `x` for `(quote x)`, itself otherwise.
    pub(super) fn unquoted(self) -> Node<'a> {
        match self.items().as_deref() {
            Some([head, quoted]) if head.is_symbol("quote") => *quoted,
            _ => self,
        }
    }

    /// Where a symbol stands first in this form.
    pub(super) fn place_of(self, symbol: &Symbol) -> Option<Span> {
        self.spans?;
        if self.symbol() == Some(symbol) {
            return self.span();
        }
        let inner = match self.entries() {
            Some(entries) => entries
                .into_iter()
                .flat_map(|(key, form)| [key, form])
                .collect(),
            None => self.members().unwrap_or_default(),
        };
        inner.into_iter().find_map(|node| node.place_of(symbol))
    }

    pub(super) fn symbol(self) -> Option<&'a Symbol> {
        self.value.as_symbol()
    }

    pub(super) fn keyword(self) -> Option<&'a Keyword> {
        self.value.as_keyword()
    }

    pub(super) fn is_symbol(self, text: &str) -> bool {
        self.symbol().is_some_and(|symbol| symbol.as_str() == text)
    }

    // A reader may have dropped or merged children (discards, equal keys); then no span is right.
    fn children(self, values: impl Iterator<Item = &'a Value>, count: usize) -> Vec<Node<'a>> {
        let spans = self.spans.map(|tree| tree.children.as_slice());
        let spans = spans.filter(|children| children.len() == count);
        values
            .enumerate()
            .map(|(i, value)| Node {
                value,
                spans: spans.map(|children| &children[i]),
            })
            .collect()
    }
}

/// Longest form that an error message quotes, in bytes.
const QUOTED_BYTES: usize = 400;

/// The form as text, cut where it is too long for a message.
impl fmt::Display for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut quoted = Quoted(String::new());
        let whole = write!(quoted, "{}", self.value).is_ok();
        f.write_str(&quoted.0)?;
        f.write_str(if whole { "" } else { "…" })
    }
}

/// Takes text until it is full, and stops whoever writes.
struct Quoted(String);

impl Write for Quoted {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = QUOTED_BYTES - self.0.len();
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        Err(fmt::Error)
    }
}
