//! The reader: one pass over the bytes, with a stack of open forms instead of recursion.
//!
//! Values wait on one stack; a closing bracket takes its share. Whatever needs the next form (a
//! tag, `#_`, `^`) is an open form too, so that nesting of any kind meets the same depth limit.

use std::sync::Arc;

use foldhash::fast::{FixedState, RandomState};
use hashbrown::HashMap;

use super::position::SpanTree;
use super::{scan, tagged};
use crate::error::{Code, Error, Result, Span};
use crate::limits;
use crate::value::{Keyword, Map, Set, Symbol, Value};

/// The forms of a text, one after the other; ends after the first error.
///
/// The limit on tokens holds for each form. The limit on bytes is not checked here, so that a
/// large file can be read form by form.
pub struct Forms<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    tokens: usize,
    pub(super) patterns: usize,
    open: Vec<Open<'a>>,
    values: Vec<Value>,
    spans: Option<Vec<SpanTree>>,
    pub(super) keywords: HashMap<&'a str, Keyword, RandomState>,
    last: Span,
}

/// A form that has begun.
struct Open<'a> {
    kind: Kind<'a>,
    /// Its first byte.
    start: usize,
    /// Where its values begin on the stack.
    values: usize,
    /// Where the spans of its values begin.
    trees: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    List,
    Vector,
    Map,
    NamespacedMap(&'a str),
    Set,
    Tag(&'a str),
    /// `##`, before its symbol.
    Symbolic,
    Discard,
    /// `^`, before the metadata.
    Meta,
    /// After metadata, before what it belongs to.
    MetaTarget,
}

impl Kind<'_> {
    fn closer(self) -> Option<u8> {
        match self {
            Kind::List => Some(b')'),
            Kind::Vector => Some(b']'),
            Kind::Map | Kind::NamespacedMap(_) | Kind::Set => Some(b'}'),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::List => "list",
            Kind::Vector => "vector",
            Kind::Map | Kind::NamespacedMap(_) => "map",
            Kind::Set => "set",
            Kind::Tag(_) => "tag",
            Kind::Symbolic => "`##`",
            Kind::Discard => "`#_`",
            Kind::Meta | Kind::MetaTarget => "`^`",
        }
    }
}

impl Iterator for Forms<'_> {
    type Item = Result<Value>;

    fn next(&mut self) -> Option<Result<Value>> {
        self.tokens = 0;
        let form = self.form().transpose();
        if let Some(Err(_)) = form {
            self.at = self.text.len();
            self.open.clear();
            self.values.clear();
        }
        form
    }
}

impl<'a> Forms<'a> {
    /// The forms of a text of any length.
    pub fn new(text: &'a str) -> Forms<'a> {
        Forms {
            text,
            at: 0,
            tokens: 0,
            patterns: 0,
            open: Vec::new(),
            values: Vec::new(),
            spans: None,
            keywords: HashMap::default(),
            last: Span::default(),
        }
    }

    /// The forms of a text within the limit on bytes.
    pub(super) fn of_text(text: &'a str) -> Result<Forms<'a>> {
        if text.len() > limits::EDN_TEXT_BYTES {
            return Err(over("text-bytes", limits::EDN_TEXT_BYTES, "A text"));
        }
        Ok(Forms::new(text))
    }

    pub(super) fn with_spans(mut self) -> Forms<'a> {
        self.spans = Some(Vec::new());
        self
    }

    /// The span tree of the first form.
    pub(super) fn take_spans(self) -> SpanTree {
        self.spans
            .and_then(|trees| trees.into_iter().next())
            .unwrap_or_default()
    }

    /// The bytes of the form read last.
    pub fn last_span(&self) -> Span {
        self.last
    }

    fn form(&mut self) -> Result<Option<Value>> {
        loop {
            self.at = scan::skip_blank(self.text, self.at);
            let start = self.at;
            let Some(&byte) = self.text.as_bytes().get(start) else {
                return self.end_of_text();
            };
            let (value, start, parts) = match byte {
                b'[' => {
                    self.open(Kind::Vector, 1)?;
                    continue;
                }
                b'(' => {
                    self.open(Kind::List, 1)?;
                    continue;
                }
                b'{' => {
                    self.open(Kind::Map, 1)?;
                    continue;
                }
                b'^' => {
                    self.open(Kind::Meta, 1)?;
                    continue;
                }
                b']' | b')' | b'}' => self.close(byte)?,
                _ => match self.scalar(byte)? {
                    Some(value) => (value, start, Vec::new()),
                    None => continue,
                },
            };
            if let Some(form) = self.deliver(value, start, parts)? {
                return Ok(Some(form));
            }
        }
    }

    /// A form of one token; none if `#` opened one of several.
    fn scalar(&mut self, byte: u8) -> Result<Option<Value>> {
        match byte {
            b'"' => self.string().map(Some),
            b'0'..=b'9' => self.number().map(Some),
            b'+' | b'-' if self.byte(1).is_some_and(|next| next.is_ascii_digit()) => {
                self.number().map(Some)
            }
            b'\\' => self.character().map(Some),
            b'#' => self.dispatch(),
            _ => self.token().map(Some),
        }
    }

    pub(super) fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn end_of_text(&mut self) -> Result<Option<Value>> {
        let end = self.text.len();
        match self.open.last() {
            None => {
                self.last = Span { start: end, end };
                Ok(None)
            }
            Some(open) => {
                let what = match open.kind.closer() {
                    Some(closer) => format!("expected `{}` to close the", char::from(closer)),
                    None => "expected a form after the".to_owned(),
                };
                Err(wrong(format!(
                    "The text ends too early: {what} {} opened here",
                    open.kind.name()
                ))
                .at(Span {
                    start: open.start,
                    end: open.start + 1,
                }))
            }
        }
    }

    pub(super) fn open(&mut self, kind: Kind<'a>, width: usize) -> Result<()> {
        let start = self.at;
        self.at += width;
        self.count_token(start)?;
        if self.open.len() >= limits::EDN_DEPTH {
            return Err(
                over("depth", limits::EDN_DEPTH, "The nesting of a text").at(Span {
                    start,
                    end: self.at,
                }),
            );
        }
        let trees = self.spans.as_ref().map_or(0, Vec::len);
        self.open.push(Open {
            kind,
            start,
            values: self.values.len(),
            trees,
        });
        Ok(())
    }

    pub(super) fn count_token(&mut self, start: usize) -> Result<()> {
        self.tokens += 1;
        if self.tokens > limits::EDN_TOKENS {
            return Err(
                over("tokens", limits::EDN_TOKENS, "The count of tokens").at(Span {
                    start,
                    end: self.at.max(start),
                }),
            );
        }
        Ok(())
    }
}

/// Putting values where they belong.
impl<'a> Forms<'a> {
    /// Hands a finished value to the form that waits for it; returned if none does.
    fn deliver(
        &mut self,
        mut value: Value,
        start: usize,
        parts: Vec<SpanTree>,
    ) -> Result<Option<Value>> {
        let mut span = Span {
            start,
            end: self.at,
        };
        if let Some(trees) = &mut self.spans {
            trees.push(SpanTree {
                span,
                children: parts,
            });
        }
        loop {
            let Some(open) = self.open.last_mut() else {
                self.last = span;
                return Ok(Some(value));
            };
            match open.kind {
                Kind::List | Kind::Vector | Kind::Map | Kind::NamespacedMap(_) | Kind::Set => {
                    self.values.push(value);
                    return Ok(None);
                }
                Kind::Discard => {
                    self.open.pop();
                    self.drop_span();
                    return Ok(None);
                }
                Kind::Meta => {
                    if !is_metadata(&value) {
                        return Err(
                            wrong("Metadata must be a symbol, keyword, string or map").at(span)
                        );
                    }
                    open.kind = Kind::MetaTarget;
                    self.drop_span();
                    return Ok(None);
                }
                Kind::MetaTarget => {
                    if !takes_metadata(&value) {
                        return Err(wrong(
                            "Metadata can only be applied to symbols and collections",
                        )
                        .at(span));
                    }
                    self.open.pop();
                }
                Kind::Symbolic => {
                    value = symbolic(&value)
                        .ok_or_else(|| wrong("Expected Inf, -Inf or NaN after `##`").at(span))?;
                    span.start = self.wrap_span();
                }
                Kind::Tag(tag) => {
                    value = tagged::read(tag, value).map_err(|error| error.at(span))?;
                    span.start = self.wrap_span();
                }
            }
        }
    }

    fn drop_span(&mut self) {
        if let Some(trees) = &mut self.spans {
            trees.pop();
        }
    }

    /// Ends a tag: the span of its value becomes part of its own. Returns where the tag starts.
    fn wrap_span(&mut self) -> usize {
        let start = self.open.pop().map_or(0, |open| open.start);
        if let Some(trees) = &mut self.spans {
            let child = trees.pop();
            let span = Span {
                start,
                end: self.at,
            };
            trees.push(SpanTree {
                span,
                children: child.into_iter().collect(),
            });
        }
        start
    }

    /// Makes a collection of the values since its opening; its start and the spans of its parts
    /// come with it.
    fn close(&mut self, byte: u8) -> Result<(Value, usize, Vec<SpanTree>)> {
        let here = Span {
            start: self.at,
            end: self.at + 1,
        };
        self.at += 1;
        let Some(open) = self.open.pop_if(|open| open.kind.closer() == Some(byte)) else {
            return Err(self.unexpected(byte).at(here));
        };
        let parts = self
            .spans
            .as_mut()
            .map_or(Vec::new(), |trees| trees.split_off(open.trees));
        let whole = Span {
            start: open.start,
            end: self.at,
        };
        let value = match open.kind {
            Kind::List => Value::List(self.values.drain(open.values..).collect()),
            Kind::Vector => Value::Vector(self.values.drain(open.values..).collect()),
            Kind::Set => self
                .set(open.values)
                .map_err(|fault| fault.at(whole, &parts))?,
            kind => {
                if let Kind::NamespacedMap(namespace) = kind {
                    let keys = self.values[open.values..].iter_mut().step_by(2);
                    keys.for_each(|key| qualify(key, namespace));
                }
                self.map(open.values)
                    .map_err(|fault| fault.at(whole, &parts))?
            }
        };
        Ok((value, open.start, parts))
    }

    fn unexpected(&self, byte: u8) -> Error {
        let found = char::from(byte);
        match self
            .open
            .last()
            .map(|open| (open.kind.closer(), open.kind.name()))
        {
            None => wrong(format!("Unmatched `{found}`")),
            Some((Some(closer), name)) => wrong(format!(
                "Expected `{}` to close the {name}, found `{found}`",
                char::from(closer)
            )),
            Some((None, name)) => {
                wrong(format!("Expected a form after the {name}, found `{found}`"))
            }
        }
    }

    fn set(&mut self, from: usize) -> std::result::Result<Value, Fault> {
        let mut set =
            Set::with_capacity_and_hasher(self.values.len() - from, FixedState::default());
        for (index, item) in self.values.drain(from..).enumerate() {
            let (at, fresh) = set.insert_full(item);
            if !fresh {
                let message = format!("Duplicate element in a set: {}", brief(&set[at]));
                return Err(Fault {
                    message,
                    part: Some(index),
                });
            }
        }
        Ok(Value::Set(Arc::new(set)))
    }

    fn map(&mut self, from: usize) -> std::result::Result<Value, Fault> {
        let count = self.values.len() - from;
        if count % 2 == 1 {
            let message = "A map must hold a value for each key".to_owned();
            return Err(Fault {
                message,
                part: None,
            });
        }
        let mut map = Map::with_capacity_and_hasher(count / 2, FixedState::default());
        let mut items = self.values.drain(from..);
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            let (at, former) = map.insert_full(key, value);
            if former.is_some() {
                let key = map
                    .get_index(at)
                    .map_or(String::new(), |(key, _)| brief(key));
                let message = format!("Duplicate key in a map: {key}");
                return Err(Fault {
                    message,
                    part: Some(count - 2 - items.len()),
                });
            }
        }
        drop(items);
        Ok(Value::Map(Arc::new(map)))
    }
}

/// What is wrong with the parts of a collection.
struct Fault {
    message: String,
    part: Option<usize>,
}

impl Fault {
    fn at(self, whole: Span, parts: &[SpanTree]) -> Error {
        let part = self.part.and_then(|index| parts.get(index));
        wrong(self.message).at(part.map_or(whole, |part| part.span))
    }
}

pub(super) fn wrong(message: impl Into<String>) -> Error {
    Error::new(Code::EdnSyntax, message)
}

/// An error that names the limit it passed.
pub(super) fn over(limit: &'static str, max: usize, what: &str) -> Error {
    Error::new(
        Code::EdnLimit,
        format!("{what} is over the limit of {max} ({limit})"),
    )
    .with("limit", Value::keyword(limit))
    .with("max", max)
}

fn is_metadata(value: &Value) -> bool {
    matches!(
        value,
        Value::Symbol(_) | Value::Keyword(_) | Value::Str(_) | Value::Map(_)
    )
}

fn takes_metadata(value: &Value) -> bool {
    use Value as V;
    matches!(
        value,
        V::Symbol(_) | V::List(_) | V::Vector(_) | V::Map(_) | V::Set(_)
    )
}

fn symbolic(value: &Value) -> Option<Value> {
    Some(Value::Double(match value.as_symbol()?.as_str() {
        "Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        _ => return None,
    }))
}

/// Puts a name without a namespace into `namespace`, and one in `_` out of any.
fn qualify(key: &mut Value, namespace: &str) {
    let qualified = |given: Option<&str>, name: &str| match given {
        None => Some(format!("{namespace}/{name}")),
        Some("_") => Some(name.to_owned()),
        Some(_) => None,
    };
    match key {
        Value::Keyword(keyword) => {
            if let Some(text) = qualified(keyword.namespace(), keyword.name()) {
                *keyword = Keyword::new(&text);
            }
        }
        Value::Symbol(symbol) => {
            if let Some(text) = qualified(symbol.namespace(), symbol.name()) {
                *symbol = Symbol::new(&text);
            }
        }
        _ => {}
    }
}

/// A value in an error message.
fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
